//! The power fails at any moment, on any machine: every step on disk of a whole exchange is recorded, and the exchange is
//! started again from what the disks may hold after each of them (docs/reliability.md, "Power loss").
//!
//! `make power-loss` tries every step; here is a sample. `CUTS=N SEED=N` sets and repeats a run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use durable::record::{self, Entry};
use tests::failpoint_binaries;
use tests::power::{Dice, Loss, replay};
use tests::site::{Process, Site, drop_letter, eventually};

const PATIENCE: Duration = Duration::from_secs(90);
/// Below and above what the center keeps in its database.
const SIZES: [usize; 3] = [2_000, 2_000, 150_000];

struct Scene {
    site: Site,
    from: String,
    to: String,
    base: PathBuf,
    letters: BTreeMap<String, String>,
}

impl Scene {
    /// Every letter lies in the drop folder; nothing runs yet.
    fn make(dir: &Path) -> Self {
        let site = Site::make(dir, &failpoint_binaries());
        let (from, to) = (site.codes[0].clone(), site.codes[1].clone());
        let drop = site.folder(&from, "drop");
        let mut letters = BTreeMap::new();
        for (n, size) in SIZES.into_iter().enumerate() {
            let text: String = format!("letter {n} of the power test. ").chars().cycle().take(size).collect();
            let names =
                drop_letter(&drop, &format!("{}", 8_000_000 + n), &from, &[&to], &[("txt", text.as_bytes())]);
            letters.insert(names[0].clone(), text);
        }
        let base = dir.join("base");
        copy(&site.dir, &base);
        Self { site, from, to, base, letters }
    }

    fn start(&self, environment: &[(OsString, OsString)]) -> Vec<Process> {
        let environment = || environment.to_vec();
        vec![
            self.site.center_in(environment()),
            self.site.node_in(&self.from, environment()),
            self.site.node_in(&self.to, environment()),
        ]
    }

    /// Until every letter is delivered and confirmed; then all that must hold.
    fn settle(&self, processes: Vec<Process>, what: &str) {
        let inbox = self.site.folder(&self.to, "inbox");
        eventually(&format!("{what}: all are confirmed"), PATIENCE, || {
            let status = self.site.get(&self.site.socket(&self.from), "/v1/status").ok()?;
            let counts = status["counts"].as_array()?.clone();
            let confirmed = counts.iter().filter(|c| c["box"] == "out" && c["word"] == "使用者確認");
            // the demo's own three letters were confirmed before
            let many = confirmed.filter_map(|c| c["count"].as_u64()).sum::<u64>();
            (many >= self.letters.len() as u64 + 3).then_some(())
        });
        let sent = self.letters.clone();
        eventually(&format!("{what}: all are delivered"), PATIENCE, || {
            (delivered(&inbox, &sent, what).len() == sent.len()).then_some(())
        });
        for process in processes {
            let name = process.name.clone();
            assert!(process.stop().success(), "{what}: {name} stops in order");
        }
        assert!(delivered(&inbox, &sent, what) == sent, "{what}: every byte of every letter");
        let mut archived = 0;
        for code in [&self.from, &self.to] {
            let store = store::Store::open_read_only(&self.site.folder(code, "state")).unwrap();
            store.check().unwrap_or_else(|error| panic!("{what}: {code}: {error}"));
            for row in store.inbox(&store::boxes::Filter { limit: 1_000, ..Default::default() }).unwrap() {
                assert!(!row.trouble.held, "{what}: nothing is set apart");
                let folder = self.site.folder(code, "archive").join(&row.archive);
                let container = fs::read(folder.join("container.asice")).unwrap();
                let text = String::from_utf8_lossy(&container);
                archived += self.letters.values().filter(|letter| text.contains(letter.as_str())).count();
            }
        }
        assert_eq!(archived, self.letters.len(), "{what}: each letter is in the archive once");
    }
}

fn delivered(inbox: &Path, sent: &BTreeMap<String, String>, what: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![inbox.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') {
                folders.push(path);
            } else if sent.contains_key(&name) {
                let twice = found.insert(name.clone(), fs::read_to_string(&path).unwrap());
                assert!(twice.is_none(), "{what}: {name} was delivered twice");
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    let done = Command::new("cp").args(["-a", "--"]).arg(from.join(".")).arg(to).status().unwrap();
    assert!(done.success());
}

/// Where the power fails.
const LOSERS: [&str; 4] = ["everywhere", "sender", "receiver", "center"];

#[test]
fn the_power_fails_at_any_step_and_nothing_is_lost_or_doubled() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    // what a failure leaves can be looked at
    let mut dir = tempfile::Builder::new().prefix("di-power-").tempdir().unwrap();
    dir.disable_cleanup(true);
    let scene = Scene::make(dir.path());
    let path = dir.path().join("record");
    let processes = scene.start(&[("DI_RECORD".into(), path.clone().into())]);
    scene.settle(processes, "undisturbed");
    let entries = record::read(&path).unwrap();
    let (cuts, seed) = (setting("CUTS"), setting("SEED").unwrap_or(1));
    let mut dice = Dice(seed as u64);
    dice.roll(2);
    // every step that a power cut can come after; by chance, or all of them in order
    let places: Vec<usize> = match cuts {
        Some(0) => (1..=entries.len()).collect(),
        many => (0..many.unwrap_or(6)).map(|_| 1 + dice.roll(entries.len())).collect(),
    };
    println!("{} steps recorded; {} cuts, SEED={seed}", entries.len(), places.len());
    for (n, place) in places.iter().enumerate() {
        let loser = LOSERS[n % LOSERS.len()];
        let loss = if dice.roll(3) == 0 { Loss::Everything } else { Loss::Some(dice.roll(1 << 30) as u64) };
        cut(&scene, &entries, *place, loser, loss);
    }
    println!("power cuts={} lost=0 doubled=0", places.len());
    dir.disable_cleanup(false);
}

/// One power cut after `place` steps, and the new start.
fn cut(scene: &Scene, entries: &[Entry], place: usize, loser: &str, loss: Loss) {
    let last = &entries[place - 1];
    let what = format!("cut after step {place}, {} {}, {loser}, {loss:?}", last.step, last.name);
    println!("{what}");
    copy(&scene.base, &scene.site.dir);
    let folder = |code: &str| scene.site.dir.join(format!("node-{code}"));
    let (from, to) = (folder(&scene.from), folder(&scene.to));
    replay(&entries[..place], &|path| {
        let of = if path.starts_with(&from) {
            "sender"
        } else if path.starts_with(&to) {
            "receiver"
        } else {
            "center"
        };
        if loser == "everywhere" || loser == of { loss } else { Loss::Nothing }
    });
    scene.settle(scene.start(&[]), &what);
}
