//! Disks that are full, read-only, slow or broken, at every place where something is written: the program says so, takes
//! nothing new, loses nothing, and goes on by itself when the disk is well again (docs/reliability.md, "Disk").
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::site::{Process, Site, drop_letter, eventually};
use tests::{binary, failpoint_binaries};

const PATIENCE: Duration = Duration::from_secs(60);

/// A center, a sender and a receiver, one of which has a disk that can be told to fail.
struct Exchange {
    site: Site,
    from: String,
    to: String,
    control: PathBuf,
    sent: BTreeMap<String, Vec<u8>>,
    _dir: tempfile::TempDir,
    processes: Vec<Process>,
}

#[derive(Clone, Copy, PartialEq)]
enum Ill {
    Sender,
    Receiver,
    Center,
}

impl Exchange {
    fn start(ill: Ill) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::make(dir.path(), &failpoint_binaries());
        let control = dir.path().join("faults");
        fs::write(&control, "").unwrap();
        let (from, to) = (site.codes[0].clone(), site.codes[1].clone());
        let environment = |who| -> Vec<(OsString, OsString)> {
            if who == ill { vec![("DI_FAULTS".into(), control.clone().into())] } else { Vec::new() }
        };
        let processes = vec![
            site.center_in(environment(Ill::Center)),
            site.node_in(&from, environment(Ill::Sender)),
            site.node_in(&to, environment(Ill::Receiver)),
        ];
        let this = Self { site, from, to, control, sent: BTreeMap::new(), _dir: dir, processes };
        for code in [&this.from, &this.to] {
            eventually("the node is connected", PATIENCE, || {
                let status = this.status(code)?;
                (status["link"]["connected"] == true).then_some(())
            });
        }
        this
    }

    fn status(&self, code: &str) -> Option<serde_json::Value> {
        self.site.get(&self.site.socket(code), "/v1/status").ok()
    }

    fn faults(&self, text: &str) {
        fs::write(&self.control, text).unwrap();
    }

    /// Drops a letter with an attachment of `size` bytes.
    fn drop(&mut self, number: u32, size: usize) {
        let bytes: Vec<u8> = (0..size).map(|n| u8::try_from((n + number as usize) % 251).unwrap()).collect();
        let drop = self.site.folder(&self.from, "drop");
        let names = drop_letter(&drop, &number.to_string(), &self.from, &[&self.to], &[("bin", &bytes)]);
        self.sent.insert(names[0].clone(), bytes);
    }

    /// The labels of what the node says that it waits for.
    fn troubles(&self, code: &str) -> Vec<String> {
        let status = self.status(code).unwrap_or_default();
        let all = status["troubles"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| one["reason"]["label"].as_str().unwrap().to_owned()).collect()
    }

    /// Until every letter is there, whole, and confirmed; nothing came twice.
    fn settled(&self, what: &str) {
        eventually(&format!("{what}: all arrive"), PATIENCE, || {
            (delivered(&self.site.folder(&self.to, "inbox"), &self.sent).len() == self.sent.len())
                .then_some(())
        });
        assert!(
            delivered(&self.site.folder(&self.to, "inbox"), &self.sent) == self.sent,
            "{what}: every byte"
        );
        eventually(&format!("{what}: all are confirmed"), PATIENCE, || {
            let status = self.status(&self.from)?;
            let counts = status["counts"].as_array()?.clone();
            let confirmed = counts.iter().filter(|c| c["box"] == "out" && c["word"] == "使用者確認");
            // the demo's own three letters were confirmed before
            (confirmed.filter_map(|c| c["count"].as_u64()).sum::<u64>() == self.sent.len() as u64 + 3)
                .then_some(())
        });
    }

    fn end(self, alarms_of: Option<&str>) {
        let work = self.site.folder(&self.from, "work");
        let left = || fs::read_dir(&work).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        let deadline = std::time::Instant::now() + PATIENCE;
        while !left().is_empty() {
            assert!(std::time::Instant::now() < deadline, "left in work: {:?}", left());
            std::thread::sleep(Duration::from_millis(50));
        }
        for process in self.processes {
            let name = process.name.clone();
            assert!(process.stop().success(), "{name} stops in order");
        }
        for code in [&self.from, &self.to] {
            let store = store::Store::open_read_only(&self.site.folder(code, "state")).unwrap();
            store.check().unwrap();
            let held =
                store.outbox(&store::boxes::Filter { held: Some(true), ..Default::default() }).unwrap();
            assert!(held.is_empty(), "nothing was set apart: the process never died");
            let known = store.spool_names().unwrap();
            assert_eq!(
                store.spool().orphans(&known).unwrap(),
                Vec::<String>::new(),
                "nothing is left in the spool"
            );
            if alarms_of == Some(code.as_str()) {
                let lines = store.journal_after(0, 100_000).unwrap();
                let alarms = lines.iter().filter(|e| e.alarm && e.event == "setback").count();
                assert!(alarms > 0, "the journal says that the disk failed");
            }
        }
    }
}

/// The letters of `sent` that are in a folder, each with its bytes.
fn delivered(inbox: &Path, sent: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![inbox.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') {
                folders.push(path);
            } else if sent.contains_key(&name) {
                let twice = found.insert(name.clone(), fs::read(&path).unwrap());
                assert!(twice.is_none(), "{name} was delivered twice");
            }
        }
    }
    found
}

#[test]
fn a_senders_disk_that_fails_loses_nothing_and_is_told() {
    let mut exchange = Exchange::start(Ill::Sender);
    let from = exchange.from.clone();
    let faults = [
        ("work * full", "disk-full"),
        ("drop rename read-only", "disk-failed"),
        ("work fsync io", "disk-failed"),
        ("spool * full", "waits-for-disk"),
        ("spool fsync io", "waits-for-disk"),
        ("store commit full", ""),
        ("* * full", ""),
        ("* * read-only", ""),
    ];
    for (n, (fault, label)) in (0_u32..).zip(faults) {
        exchange.faults(fault);
        // large ones are copied into files, small ones never
        let files = fault.starts_with("work fsync") || fault.starts_with("spool");
        exchange.drop(7_000_000 + n, if files { 3_000_000 } else { 3_000 });
        let told = eventually(&format!("{fault}: it is told"), PATIENCE, || {
            let told = exchange.troubles(&from);
            (!told.is_empty()).then_some(told)
        });
        assert!(label.is_empty() || told.iter().any(|t| t == label), "{fault}: {told:?}");
        if fault.starts_with("* * full") {
            let shown = exchange.site.di_node(&from, &["status"]);
            let shown = String::from_utf8(shown.stdout).unwrap();
            assert!(shown.contains("空間不足") && shown.contains("處理："), "{shown}");
        }
        exchange.faults("");
        exchange.settled(fault);
    }
    exchange.faults("* fsync slow:40\n* folder slow:40\nstore commit slow:40\n");
    exchange.drop(7_000_100, 3_000);
    exchange.settled("slow");
    exchange.faults("");
    eventually("nothing is wrong any more", PATIENCE, || exchange.troubles(&from).is_empty().then_some(()));
    exchange.end(Some(&from));
}

#[test]
fn a_receivers_disk_that_fails_loses_nothing_and_is_told() {
    let mut exchange = Exchange::start(Ill::Receiver);
    let to = exchange.to.clone();
    let faults = [
        "spool fsync io",
        "archive * full",
        "archive fsync io",
        "inbox write full",
        "inbox rename read-only",
        "store commit full",
        "* * full",
        "* * read-only",
    ];
    for (n, fault) in (0_u32..).zip(faults) {
        exchange.faults(fault);
        // opened from the spool; in memory, below and above what the center keeps in its database
        let sizes = [3_000_000, 3_000, 200_000];
        exchange.drop(7_100_000 + n, sizes[n as usize % sizes.len()]);
        eventually(&format!("{fault}: it is told"), PATIENCE, || {
            (!exchange.troubles(&to).is_empty()).then_some(())
        });
        exchange.faults("");
        exchange.settled(fault);
    }
    exchange.faults("* fsync slow:40\n* folder slow:40\nstore commit slow:40\n");
    exchange.drop(7_100_100, 3_000);
    exchange.settled("slow");
    exchange.end(Some(&to));
}

#[test]
fn a_centers_disk_that_fails_loses_nothing_and_is_logged() {
    let mut exchange = Exchange::start(Ill::Center);
    let log = exchange.site.dir.join("center.log");
    let faults = [
        "upload * full",
        "upload fsync io",
        "upload rename read-only",
        "bodies folder io",
        "center commit full",
        "center commit io",
    ];
    for (n, fault) in (0_u32..).zip(faults) {
        let before = fs::metadata(&log).map_or(0, |meta| usize::try_from(meta.len()).unwrap());
        exchange.faults(fault);
        exchange.drop(7_200_000 + n, 200_000);
        let told = if fault.ends_with("full") { "center-disk-full" } else { "center-" };
        eventually(&format!("{fault}: it is logged"), PATIENCE, || {
            let text = fs::read(&log).unwrap();
            let text = String::from_utf8_lossy(text.get(before..).unwrap_or_default()).into_owned();
            (text.contains("ERROR") && text.contains(told)).then_some(())
        });
        exchange.faults("");
        exchange.settled(fault);
    }
    exchange.end(None);
}

/// A small file system of its own for a folder; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at);
        mount.output().is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_disk_that_is_really_full_loses_nothing_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::make(dir.path(), binary("di-node").parent().unwrap());
    let (from, to) = (site.codes[0].clone(), site.codes[1].clone());
    let mut mounted = Vec::new();
    for code in [&from, &to] {
        // everything that the node has, on 12 MB
        let root = site.dir.join(format!("node-{code}"));
        let aside = site.dir.join(format!("aside-{code}"));
        fs::rename(&root, &aside).unwrap();
        let Some(small) = Small::mount(&root, "12m") else {
            println!("NOT SHOWN HERE: mounting is not allowed, so a full disk is shown by fail points alone");
            return;
        };
        mounted.push(small);
        assert!(
            Command::new("cp").args(["-a", "--"]).arg(aside.join(".")).arg(&root).status().unwrap().success()
        );
    }
    let fill = |code: &str| {
        let file = site.dir.join(format!("node-{code}")).join("ballast");
        let all = std::io::copy(&mut std::io::repeat(7), &mut fs::File::create(&file).unwrap());
        assert_eq!(all.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        file
    };
    let status = |code: &str| site.get(&site.socket(code), "/v1/status").ok();
    let troubled = |code: &str| {
        eventually("it is told", PATIENCE, || {
            status(code)?["troubles"].as_array().filter(|all| !all.is_empty()).map(drop)
        });
    };
    let processes = [site.center(), site.node(&from), site.node(&to)];
    for code in [&from, &to] {
        eventually("connected", PATIENCE, || (status(code)?["link"]["connected"] == true).then_some(()));
    }
    let mut sent = BTreeMap::new();
    for (n, ill) in (0_u8..).zip([&to, &from]) {
        let bytes = vec![n; 30_000];
        let number = format!("{}", 7_300_000 + u32::from(n));
        // dropped before, where it is the sender's disk: a letter that cannot be written whole is nobody's
        let aside = site.dir.join("prepared");
        fs::create_dir_all(&aside).unwrap();
        let names = drop_letter(&aside, &number, &from, &[&to], &[("bin", &bytes)]);
        sent.insert(names[0].clone(), bytes);
        let drop = site.folder(&from, "drop");
        for name in [names[0].clone(), format!("{number}.sw"), format!("{number}.di.part")] {
            let source = aside.join(name.trim_end_matches(".part"));
            fs::copy(source, drop.join(name)).unwrap();
        }
        let ballast = fill(ill);
        fs::rename(drop.join(format!("{number}.di.part")), drop.join(format!("{number}.di"))).unwrap();
        troubled(ill);
        fs::remove_file(ballast).unwrap();
        eventually("all arrive", PATIENCE, || {
            (delivered(&site.folder(&to, "inbox"), &sent) == sent).then_some(())
        });
    }
    for process in processes {
        assert!(process.stop().success());
    }
    for code in [&from, &to] {
        store::Store::open_read_only(&site.folder(code, "state")).unwrap().check().unwrap();
    }
}

#[test]
fn a_database_that_is_damaged_or_newer_is_not_touched_and_the_remedy_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::make(dir.path(), binary("di-node").parent().unwrap());
    let code = &site.codes[0];
    let center = site.dir.join("center.toml");
    let run = |program: &str, config: &Path| {
        let output = Command::new(binary(program)).arg("--config").arg(config).arg("run").output().unwrap();
        assert!(!output.status.success(), "{program} must not start");
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
    };
    let data = fs::read_dir(&site.dir).unwrap().map(|entry| entry.unwrap().path());
    let center_db = data.map(|path| path.join("center.db")).find(|path| path.is_file()).unwrap();
    let both = [
        ("di-node", site.config(code), site.folder(code, "state").join("node.db"), "database-"),
        ("di-center", center, center_db, "center-"),
    ];
    for (program, config, database, label) in both {
        let good = fs::read(&database).unwrap();
        let newer = rusqlite::Connection::open(&database).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        drop(newer);
        let said = run(program, &config);
        assert!(said.contains("99") && said.contains("較新") && said.contains("處理："), "{program}: {said}");
        fs::write(&database, &good).unwrap();
        // a page in the middle, and the first
        for (at, what) in [(good.len() / 2 / 4096 * 4096, "a page"), (0, "the first page")] {
            let mut bad = good.clone();
            bad[at..at + 4096].fill(0x5a);
            fs::write(&database, &bad).unwrap();
            let said = run(program, &config);
            let told = said.contains(label) && said.contains("損壞") && said.contains("還原");
            assert!(told && said.contains("處理："), "{program}, {what}: {said}");
            assert!(fs::read(&database).unwrap() == bad, "{program}: nothing was changed, {what}");
        }
    }
}
