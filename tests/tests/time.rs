//! Clocks that jump, stand still in 1970, or are years apart, with real processes under Debian's `faketime`: nothing is lost,
//! nothing is judged or signed by a wrong clock, and nothing waits for a time that will not come.
//!
//! Each process reads its own offset from a file (`FAKETIME_TIMESTAMP_FILE`), which the test changes while it runs. The
//! monotonic clock stays true, as it does when a real wall clock is set.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use store::Store;
use store::boxes::Filter;
use store::state::{Inbound, Word};
use tests::binary;
use tests::pki::{self, MEMBERS};
use tests::site::{Process, eventually};
use tests::world::{Unit, World, to};

const PATIENCE: Duration = Duration::from_secs(150);
/// Days until the first member's signing certificate ends.
const ENDS: i64 = 40;

/// The library that stands between a process and the wall clock. CI installs it (`make deps-test`).
fn library() -> PathBuf {
    let places = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let found = places.map(|place| place.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("faketime is not installed: run `make deps-test`")
}

/// A world's settings, run by real processes, each with its own wall clock.
struct Clocked {
    world: World,
    library: PathBuf,
}

impl Clocked {
    /// Registered, nothing runs.
    async fn new() -> Self {
        let shape = || pki::shape(pki::Shape { ends: vec![("XC00000001.sign", ENDS)], ..Default::default() });
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(shape);
        let mut world = World::registered(3, config::Transport::Auto, |_, _| {}).await;
        world.center_down().await;
        let clocked = Self { world, library: library() };
        std::fs::write(clocked.settings("center"), config::to_toml(&clocked.world.config)).unwrap();
        for (member, node) in clocked.world.nodes.iter().enumerate() {
            let text = config::to_toml(&node.config);
            std::fs::write(clocked.settings(&member.to_string()), text).unwrap();
        }
        for who in ["center", "0", "1", "2"] {
            clocked.set(who, "+0");
        }
        clocked
    }

    fn file(&self, name: &str) -> PathBuf {
        self.world.dir().join(name)
    }

    fn settings(&self, who: &str) -> PathBuf {
        self.file(&format!("{who}.toml"))
    }

    /// Sets a process's clock: `+10d`, `-2h`, `+0` (faketime's offsets), at once.
    fn set(&self, who: &str, offset: &str) {
        let draft = self.file(&format!("{who}.clock.new"));
        std::fs::write(&draft, format!("{offset}\n")).unwrap();
        std::fs::rename(draft, self.file(&format!("{who}.clock"))).unwrap();
    }

    fn start(&self, who: &str) -> Process {
        let program = if who == "center" { "di-center" } else { "di-node" };
        let environment: [(&str, OsString); 5] = [
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file(&format!("{who}.clock")).into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            // The times of files stay as they are.
            ("NO_FAKE_STAT", "1".into()),
        ];
        let mut command = std::process::Command::new(binary(program));
        command.arg("--config").arg(self.settings(who)).arg("run").envs(environment);
        Process::start(who, &mut command, self.world.dir())
    }

    fn store(&self, member: usize) -> Option<Store> {
        Store::open_read_only(&self.world.nodes[member].config.folders.state).ok()
    }

    fn put(&self, name: &str) -> Unit {
        let unit = Unit::letter(name, &[to(1)], &[], &[]);
        self.world.nodes[0].put(&unit);
        unit
    }

    fn word(&self, unit: &Unit) -> Option<(Word, String)> {
        let rows = self.store(0)?.outbox(&Filter { limit: 1_000, ..Filter::default() }).ok()?;
        let row = rows.into_iter().map(|row| row.document).find(|row| row.di_name == unit.di.0)?;
        Some((row.word, row.trouble.label))
    }

    fn becomes(&self, unit: &Unit, word: Word) {
        let mut last = None;
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(&format!("{} becomes {word}", unit.di.0), PATIENCE, || {
                last = self.word(unit);
                (last.as_ref()?.0 == word).then_some(())
            });
        }));
        assert!(found.is_ok(), "{} is {last:?}", unit.di.0);
    }

    fn waits(&self, unit: &Unit, label: &str) {
        eventually(&format!("{} waits: {label}", unit.di.0), PATIENCE, || {
            (self.word(unit)?.1 == label).then_some(())
        });
    }

    /// How the link of a node stands by its local interface.
    fn link(&self, member: usize) -> Option<String> {
        let socket = &self.world.nodes[member].config.api.socket;
        let status = tests::site::get(socket, "/v1/status").ok()?;
        let reason = status["link"]["reason"]["label"].as_str().unwrap_or("up");
        Some(reason.to_owned())
    }

    /// All arrived once, with every byte.
    fn arrived(&self, units: &[&Unit]) {
        let rows = self.store(1).unwrap().inbox(&Filter { limit: 1_000, ..Filter::default() }).unwrap();
        assert_eq!(rows.len(), units.len());
        let mut found: Vec<_> = rows.iter().map(|row| self.world.nodes[1].delivered(row)).collect();
        let mut dropped: Vec<_> = units.iter().map(|unit| unit.all()).collect();
        found.sort();
        dropped.sort();
        assert!(found == dropped, "every byte");
        assert!(rows.iter().all(|row| matches!(row.state, Inbound::Archived | Inbound::Confirmed)));
        for member in 0..2 {
            self.store(member).unwrap().verify_chain().unwrap();
        }
    }

    fn events(&self, member: usize, event: &str) -> Vec<store::journal::Entry> {
        let all =
            self.store(member).and_then(|store| store.journal_after(0, 100_000).ok()).unwrap_or_default();
        all.into_iter().filter(|entry| entry.event == event).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_stops_signing_and_judging_until_it_is_right_again() {
    let site = Clocked::new().await;
    let processes = ["center", "0", "1"].map(|who| site.start(who));
    let before = site.put("跳前");
    site.becomes(&before, Word::Confirmed);
    let mut all = vec![before];
    // The sender's clock, back and forward.
    for (n, offset) in ["-3h", "+2d"].into_iter().enumerate() {
        site.set("0", offset);
        let unit = site.put(&format!("跳{n}"));
        eventually("the skew is seen", PATIENCE, || (site.link(0)? == "clock-skew").then_some(()));
        eventually("it is claimed", PATIENCE, || site.word(&unit));
        assert_eq!(site.word(&unit).unwrap().0, Word::Claimed, "nothing is signed by a wrong clock");
        site.set("0", "+0");
        site.becomes(&unit, Word::Confirmed);
        all.push(unit);
    }
    eventually("the journal tells of the jumps", PATIENCE, || {
        (site.events(0, "clock-jumped").len() == 4).then_some(())
    });
    // The receiver's: it fetches, and opens nothing, since it could not judge it.
    site.set("1", "-400d");
    let unit = site.put("對方");
    site.becomes(&unit, Word::Accepted);
    eventually("the skew is seen", PATIENCE, || (site.link(1)? == "clock-skew").then_some(()));
    eventually("it is fetched", PATIENCE, || {
        let rows = site.store(1)?.inbox(&Filter { limit: 1_000, ..Filter::default() }).ok()?;
        rows.iter().find(|row| row.state == Inbound::Fetched).map(drop)
    });
    site.set("1", "+0");
    site.becomes(&unit, Word::Confirmed);
    all.push(unit);
    site.arrived(&all.iter().collect::<Vec<_>>());
    for process in processes {
        assert!(process.stop().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_by_a_clock_that_was_put_back_is_not_waited_for() {
    let site = Clocked::new().await;
    let everybody = |offset: &str| ["center", "0", "1"].iter().for_each(|who| site.set(who, offset));
    everybody("+30h");
    let running = ["center", "0", "1"].map(|who| site.start(who));
    eventually("the receiver runs", PATIENCE, || site.link(1).filter(|label| label == "up"));
    let archive = site.world.nodes[1].config.folders.archive.clone();
    let aside = archive.with_extension("aside");
    std::fs::rename(&archive, &aside).unwrap();
    std::fs::write(&archive, b"no folder").unwrap();
    let unit = site.put("撥慢");
    eventually("it is tried again later", PATIENCE, || {
        let rows = site.store(1)?.inbox(&Filter { limit: 1_000, ..Filter::default() }).ok()?;
        rows.iter().find(|row| row.trouble.label == "archive-failed" && row.trouble.due.is_some()).map(drop)
    });
    running.into_iter().for_each(Process::kill);
    everybody("+0");
    std::fs::remove_file(&archive).unwrap();
    std::fs::rename(&aside, &archive).unwrap();
    let _running = ["center", "0", "1"].map(|who| site.start(who));
    site.becomes(&unit, Word::Confirmed);
    site.arrived(&[&unit]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_dead_clock_keeps_everything_and_goes_on_when_it_is_set() {
    let site = Clocked::new().await;
    let _running = ["center", "1"].map(|who| site.start(who));
    let unix = tests::world::now() / 1_000;
    // A day after 1970 began, as a machine without a battery has it.
    site.set("0", &format!("-{}", unix - 86_400));
    let _node = site.start("0");
    let unit = site.put("沒電");
    eventually("it is claimed", PATIENCE, || site.word(&unit));
    eventually("and says that the time is the trouble", PATIENCE, || {
        site.link(0).filter(|label| label == "center-untrusted" || label == "clock-skew")
    });
    assert_eq!(site.word(&unit).unwrap().0, Word::Claimed);
    site.set("0", "+0");
    site.becomes(&unit, Word::Confirmed);
    site.arrived(&[&unit]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_fetched_a_week_after_its_senders_certificate_ended_is_good() {
    let site = Clocked::new().await;
    let everybody =
        |days: i64| ["center", "0", "1"].iter().for_each(|who| site.set(who, &format!("+{days}d")));
    everybody(ENDS - 1);
    let center = site.start("center");
    let sender = site.start("0");
    let unit = site.put("期限");
    site.becomes(&unit, Word::Accepted);
    // A process of its own: a week that passes in one step would be taken for a wrong clock.
    center.kill();
    sender.kill();
    // Another one waits when the certificate has ended.
    let late = site.put("逾期");
    everybody(ENDS + 7);
    let sender = site.start("0");
    site.waits(&late, "own-certificate-expired");
    assert_eq!(site.word(&late).unwrap().0, Word::Claimed, "kept, not refused");
    sender.kill();
    let _center = site.start("center");
    let _receiver = site.start("1");
    eventually("it is archived and answered", PATIENCE, || {
        let rows = site.store(1)?.inbox(&Filter { limit: 10, ..Filter::default() }).ok()?;
        (rows.first()?.state == Inbound::Confirmed).then_some(())
    });
    site.arrived(&[&unit]);
}

#[tokio::test(flavor = "multi_thread")]
async fn years_end_and_leap_days_pass_unnoticed() {
    let site = Clocked::new().await;
    // 2026-12-31T15:59:58Z is New Year in Taiwan, 23:59:58Z in UTC; 2028-02-28 and -29 are before and after a leap day.
    for (n, moment) in
        [1_798_732_798_i64, 1_798_761_598, 1_835_395_198, 1_835_481_598].into_iter().enumerate()
    {
        let ahead = moment - tests::world::now() / 1_000;
        ["center", "1", "2"].iter().for_each(|who| site.set(who, &format!("+{ahead}")));
        let running = ["center", "1", "2"].map(|who| site.start(who));
        let mut units = Vec::new();
        for letter in 0..6 {
            let (code, name) = MEMBERS[1];
            let unit = Unit::letter_from(code, name, &format!("跨{n}-{letter}"), &[to(2)], &[], &[]);
            site.world.nodes[1].put(&unit);
            units.push(unit);
            // Some on either side of midnight, whatever the machine's pace.
            let start = std::time::Instant::now();
            eventually("half a second", PATIENCE, || {
                (start.elapsed() > Duration::from_millis(500)).then_some(())
            });
        }
        eventually("all are confirmed", PATIENCE, || {
            let rows = site.store(1)?.outbox(&Filter { limit: 1_000, ..Filter::default() }).ok()?;
            let confirmed = rows.iter().filter(|row| row.document.word == Word::Confirmed).count();
            (confirmed == 6 * (n + 1)).then_some(())
        });
        for process in running {
            assert!(process.stop().success());
        }
        assert!(site.events(1, "clock-jumped").is_empty(), "time only passed");
    }
}
