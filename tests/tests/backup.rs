//! Backup and restore as an administrator does them: real processes, copies made while they run, folders lost, other
//! folders filled. Whoever was put back catches up; nothing is lost and nothing comes twice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use store::Store;
use store::boxes::Filter;
use store::state::{Inbound, Word};
use tests::binary;
use tests::site::{Site, drop_letter, eventually};

const SOON: Duration = Duration::from_secs(120);

/// A site with what was sent, by number.
struct Scene {
    site: Site,
    dir: tempfile::TempDir,
    bins: PathBuf,
    sender: String,
    receiver: String,
    sent: BTreeMap<String, Vec<u8>>,
}

impl Scene {
    fn new() -> Self {
        let bins = binary("di-node").parent().unwrap().to_owned();
        let dir = tempfile::tempdir().unwrap();
        let site = Site::make(dir.path(), &bins);
        let (sender, receiver) = (site.codes[0].clone(), site.codes[1].clone());
        Self { site, dir, bins, sender, receiver, sent: BTreeMap::new() }
    }

    /// A letter with an attachment of its own.
    fn letter(&mut self, number: u32, size: usize) {
        let bytes: Vec<u8> = number.to_be_bytes().into_iter().cycle().take(size).collect();
        let number = number.to_string();
        let drop = self.site.folder(&self.sender, "drop");
        let names = drop_letter(&drop, &number, &self.sender, &[&self.receiver], &[("bin", &bytes)]);
        self.sent.insert(names[0].clone(), bytes);
    }

    /// Runs a verb that must succeed; what it printed.
    fn run(&self, code: &str, args: &[&str]) -> String {
        let output = self.site.di_node(code, args);
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        said
    }

    fn center(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new(self.bins.join("di-center"));
        let output =
            command.arg("--config").arg(self.site.dir.join("center.toml")).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        (output.status.success(), said)
    }

    fn backup_folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn store(&self, code: &str) -> Option<Store> {
        Store::open_read_only(&self.site.folder(code, "state")).ok()
    }

    /// The words of the letters of this test in the sender's box, by number in the subject.
    fn words(&self) -> BTreeMap<String, Word> {
        let Some(store) = self.store(&self.sender) else { return BTreeMap::new() };
        let rows = store.outbox(&Filter { limit: 1000, ..Filter::default() }).unwrap_or_default();
        rows.into_iter().map(|row| (row.document.drop_name, row.document.word)).collect()
    }

    fn until(&self, what: &str, number: u32, word: Word) {
        let (name, store) = (format!("{number}.di"), self.store(&self.sender).unwrap());
        eventually(what, SOON, || {
            let rows = store.outbox(&Filter { limit: 1000, ..Filter::default() }).ok()?;
            let found = rows.iter().find(|row| row.document.drop_name == name)?;
            (found.document.word == word).then_some(())
        });
    }

    /// Every document of the sender that was not refused is confirmed, and there are so many.
    fn until_confirmed(&self, what: &str, many: usize) {
        let store = self.store(&self.sender).unwrap();
        eventually(what, SOON, || {
            let rows = store.outbox(&Filter { limit: 1000, ..Filter::default() }).ok()?;
            let words: Vec<Word> =
                rows.iter().map(|row| row.document.word).filter(|w| *w != Word::Refused).collect();
            (words.len() == many && words.iter().all(|word| *word == Word::Confirmed)).then_some(())
        });
    }

    /// Every letter that arrived for the receiver is confirmed in its store, and there are so many.
    fn until_received(&self, what: &str, many: usize) {
        let store = self.store(&self.receiver).unwrap();
        eventually(what, SOON, || {
            let rows = store.inbox(&Filter { limit: 1000, ..Filter::default() }).ok()?;
            (rows.len() == many && rows.iter().all(|row| row.state == Inbound::Confirmed)).then_some(())
        });
    }

    /// Names of this test's attachments below a folder, each with the folders that hold it; every byte right.
    fn delivered(&self, inbox: &Path) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for path in below(inbox) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if let Some(bytes) = self.sent.get(&name) {
                assert!(&std::fs::read(&path).unwrap() == bytes, "every byte of {name}");
                *found.entry(name).or_insert(0) += 1;
            }
        }
        found
    }

    /// Containers in the receiver's archive: how many there are of how many.
    fn archived(&self) -> (usize, usize) {
        let all: Vec<Vec<u8>> = below(&self.site.folder(&self.receiver, "archive"))
            .into_iter()
            .filter(|path| path.ends_with("container.asice"))
            .map(|path| std::fs::read(path).unwrap())
            .collect();
        (all.len(), all.iter().collect::<BTreeSet<_>>().len())
    }

    /// How many letters the demo had sent to the receiver, and to anybody.
    fn of_the_demo(&self) -> (usize, usize) {
        let received =
            self.store(&self.receiver).unwrap().inbox(&Filter { limit: 1000, ..Filter::default() });
        let sent = self.store(&self.sender).unwrap().outbox(&Filter { limit: 1000, ..Filter::default() });
        let sent = sent.unwrap().into_iter().filter(|row| row.document.word != Word::Refused).count();
        (received.unwrap().len(), sent)
    }

    fn alarms(&self, code: &str) -> Vec<String> {
        let alarms = self.store(code).unwrap().alarms(1000).unwrap();
        alarms.into_iter().map(|line| line.event).collect()
    }

    fn holds(&self, code: &str) {
        self.store(code).unwrap().check().unwrap();
    }
}

/// What the programs said, where a test fails.
impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["center", &self.sender, &self.receiver] {
                let log =
                    std::fs::read_to_string(self.site.dir.join(format!("{name}.log"))).unwrap_or_default();
                let from = log.lines().count().saturating_sub(40);
                println!("--- {name}\n{}", log.lines().skip(from).collect::<Vec<_>>().join("\n"));
            }
            println!("--- {:?}", self.words());
        }
    }
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        // renamed just now
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn a_receiver_that_was_put_back_has_everything_once() {
    let mut scene = Scene::new();
    let (old_in, old_out) = scene.of_the_demo();
    let (sender, receiver) = (scene.sender.clone(), scene.receiver.clone());
    let center = scene.site.center();
    let a = scene.site.node(&sender);
    let b = scene.site.node(&receiver);
    scene.letter(5_000_001, 2_000);
    scene.letter(5_000_002, 300_000);
    scene.until_confirmed("two are confirmed", old_out + 2);
    scene.until_received("and reported", old_in + 2);

    let first = scene.backup_folder("first");
    scene.run(&receiver, &["backup", first.to_str().unwrap()]);
    scene.run(&receiver, &["restore", first.to_str().unwrap(), "--check"]);

    // what the backup will not know: two that were confirmed, one that nobody fetched
    scene.letter(5_000_003, 2_000);
    scene.letter(5_000_004, 300_000);
    scene.until_confirmed("four are confirmed", old_out + 4);
    b.kill();
    scene.letter(5_000_005, 2_000);
    scene.until("one waits", 5_000_005, Word::Accepted);

    // the machine is gone with all its folders
    let root = scene.site.folder(&receiver, "state").parent().unwrap().to_owned();
    std::fs::rename(&root, scene.dir.path().join("lost")).unwrap();
    scene.run(&receiver, &["restore", first.to_str().unwrap()]);
    let b = scene.site.node(&receiver);
    scene.until_received("all are received", old_in + 5);
    scene.until_confirmed("all are confirmed", old_out + 5);
    let names = |numbers: &[u32]| -> BTreeMap<String, usize> {
        numbers.iter().map(|number| (format!("{number}_0.bin"), 1)).collect()
    };
    let inbox = scene.site.folder(&receiver, "inbox");
    eventually("those that the backup did not know are delivered", SOON, || {
        (scene.delivered(&inbox) == names(&[5_000_003, 5_000_004, 5_000_005])).then_some(())
    });
    assert_eq!(scene.archived(), (old_in + 5, old_in + 5), "each once in the archive");
    assert!(scene.alarms(&receiver).starts_with(&["caught-up".into(), "restored".into()]));
    assert!(scene.alarms(&sender).iter().all(|event| event != "contradiction" && event != "outcome-invalid"));

    // only the database is lost this time: archive and delivery folder are those of before
    b.kill();
    let second = scene.backup_folder("second");
    let args = ["backup", second.to_str().unwrap(), "--previous", first.to_str().unwrap()];
    scene.run(&receiver, &args);
    let b = scene.site.node(&receiver);
    scene.letter(5_000_006, 2_000);
    scene.until_confirmed("six are confirmed", old_out + 6);
    eventually("six are delivered", SOON, || {
        scene.delivered(&inbox).contains_key("5000006_0.bin").then_some(())
    });
    b.kill();
    for name in ["state", "work"] {
        std::fs::remove_dir_all(root.join(name)).unwrap();
    }
    let said = scene.run(&receiver, &["restore", second.to_str().unwrap()]);
    assert!(said.contains("收文資料夾仍是原來的"), "{said}");
    let b = scene.site.node(&receiver);
    scene.until_received("all are received", old_in + 6);
    assert_eq!(scene.delivered(&inbox), names(&[5_000_003, 5_000_004, 5_000_005, 5_000_006]), "none twice");
    assert_eq!(scene.archived(), (old_in + 6, old_in + 6), "none twice");
    for process in [a, b, center] {
        assert!(process.stop().success());
    }
    scene.holds(&receiver);
    scene.holds(&sender);
}

#[test]
fn a_sender_that_was_put_back_sends_nothing_twice() {
    let mut scene = Scene::new();
    let (old_in, old_out) = scene.of_the_demo();
    let (sender, receiver) = (scene.sender.clone(), scene.receiver.clone());
    let center = scene.site.center();
    let a = scene.site.node(&sender);
    let b = scene.site.node(&receiver);
    scene.letter(6_000_001, 2_000);
    scene.until_confirmed("one is confirmed", old_out + 1);
    scene.until_received("and reported", old_in + 1);
    // the second press of "send": claimed and held
    scene.letter(6_000_001, 2_000);
    let held = eventually("the same again is held", SOON, || {
        let held = Filter { held: Some(true), ..Filter::default() };
        Some(scene.store(&sender)?.outbox(&held).ok()?.first()?.document.id)
    });
    // sealed, and the center is away
    assert!(center.stop().success());
    scene.letter(6_000_002, 300_000);
    scene.until("one is sealed", 6_000_002, Word::Waiting);

    let folder = scene.backup_folder("backup");
    let said = scene.run(&sender, &["backup", folder.to_str().unwrap(), "--without-archive"]);
    assert!(said.contains("不含歸檔") && said.contains("不含：金鑰"), "{said}");

    // afterwards all of it is sent, and more
    let center = scene.site.center();
    scene.until("the sealed one is confirmed", 6_000_002, Word::Confirmed);
    let id: String = held.iter().map(|byte| format!("{byte:02x}")).collect();
    scene.run(&sender, &["release", &id, "--reason", "再送一次"]);
    scene.letter(6_000_003, 2_000);
    scene.letter(6_000_004, 300_000);
    scene.until_confirmed("all are confirmed", old_out + 5);
    scene.until_received("and reported", old_in + 5);
    b.kill();
    scene.letter(6_000_005, 2_000);
    scene.until("one waits", 6_000_005, Word::Accepted);
    a.kill();

    let root = scene.site.folder(&sender, "state").parent().unwrap().to_owned();
    std::fs::rename(&root, scene.dir.path().join("lost")).unwrap();
    scene.run(&sender, &["restore", folder.to_str().unwrap()]);
    let a = scene.site.node(&sender);
    let b = scene.site.node(&receiver);
    scene.until_confirmed("all are known and confirmed", old_out + 6);
    scene.until_received("the last is received", old_in + 6);
    let inbox = scene.site.folder(&receiver, "inbox");
    eventually("all are delivered", SOON, || (scene.delivered(&inbox).len() == 5).then_some(()));
    let mut expected: BTreeMap<String, usize> =
        (6_000_002..=6_000_005).map(|number| (format!("{number}_0.bin"), 1)).collect();
    // sent twice on a person's word
    expected.insert("6000001_0.bin".into(), 2);
    assert_eq!(scene.delivered(&inbox), expected);
    assert_eq!(scene.archived().0, old_in + 6);
    let alarms = scene.alarms(&sender);
    assert!(alarms.starts_with(&["caught-up".into(), "restored".into()]), "{alarms:?}");

    // and it works on
    scene.letter(6_000_007, 2_000);
    scene.until("a new one is confirmed", 6_000_007, Word::Confirmed);
    for process in [a, b, center] {
        assert!(process.stop().success());
    }
    scene.holds(&receiver);
    scene.holds(&sender);
}

#[test]
fn a_center_that_was_put_back_gets_what_it_lost() {
    let mut scene = Scene::new();
    let (old_in, old_out) = scene.of_the_demo();
    let (sender, receiver) = (scene.sender.clone(), scene.receiver.clone());
    let center = scene.site.center();
    let a = scene.site.node(&sender);
    let b = scene.site.node(&receiver);
    scene.letter(7_000_001, 300_000);
    scene.until_confirmed("one is confirmed", old_out + 1);
    b.kill();
    scene.letter(7_000_002, 300_000);
    scene.until("one waits", 7_000_002, Word::Accepted);

    let folder = scene.backup_folder("center");
    let (done, said) = scene.center(&["backup", folder.to_str().unwrap()]);
    assert!(done, "{said}");
    let (done, said) = scene.center(&["restore", folder.to_str().unwrap(), "--check"]);
    assert!(done, "{said}");

    // lost at the center: one that the receiver only heard of, one that nobody fetched, two that were confirmed
    let b = scene.site.node(&receiver);
    scene.letter(7_000_003, 2_000);
    scene.letter(7_000_004, 300_000);
    scene.until_confirmed("four are confirmed", old_out + 4);
    b.kill();
    scene.letter(7_000_005, 300_000);
    scene.letter(7_000_006, 2_000);
    scene.until("two wait", 7_000_005, Word::Accepted);
    scene.until("two wait", 7_000_006, Word::Accepted);
    center.kill();
    let (done, said) = scene.center(&["restore", folder.to_str().unwrap()]);
    assert!(!done && said.contains("restore-not-empty"), "{said}");
    let data = scene.site.dir.join("center");
    std::fs::rename(&data, scene.dir.path().join("lost")).unwrap();
    let (done, said) = scene.center(&["restore", folder.to_str().unwrap()]);
    assert!(done && said.contains("新的紀元"), "{said}");

    let center = scene.site.center();
    let b = scene.site.node(&receiver);
    scene.until_confirmed("all are confirmed", old_out + 6);
    scene.until_received("all are reported", old_in + 6);
    let inbox = scene.site.folder(&receiver, "inbox");
    let expected: BTreeMap<String, usize> =
        (7_000_001..=7_000_006).map(|number| (format!("{number}_0.bin"), 1)).collect();
    eventually("all are delivered", SOON, || (scene.delivered(&inbox) == expected).then_some(()));
    assert_eq!(scene.archived(), (old_in + 6, old_in + 6), "none twice");
    for code in [&sender, &receiver] {
        assert!(scene.alarms(code).contains(&"epoch-changed".to_owned()));
        assert!(
            scene.alarms(code).iter().all(|event| event != "contradiction" && event != "outcome-invalid")
        );
    }
    for process in [a, b, center] {
        assert!(process.stop().success());
    }
    scene.holds(&receiver);
    scene.holds(&sender);
}

#[test]
fn what_is_not_whole_or_not_empty_is_refused() {
    let scene = Scene::new();
    let sender = scene.sender.clone();
    let folder = scene.backup_folder("backup");
    let to = folder.to_str().unwrap();
    // without a running service too
    scene.run(&sender, &["backup", to]);
    let refused = |args: &[&str], label: &str| {
        let output = scene.site.di_node(&sender, args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(label) && said.contains("處理："), "{said}");
    };
    refused(&["backup", to], "backup-exists");
    refused(&["restore", to], "restore-not-empty");
    refused(&["restore", scene.dir.path().to_str().unwrap(), "--check"], "backup-none");
    let files = below(&folder);
    for file in &files {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is private", file.display());
        let name = file.file_name().unwrap().to_string_lossy();
        assert!(!name.contains("key") && name != "session" && !name.contains("pin"), "{name}");
    }
    assert!(files.iter().all(|file| !file.to_string_lossy().ends_with("-wal")));
    // a copy that was touched
    let copied = files.iter().find(|file| file.ends_with("state/node.db")).unwrap();
    let bytes = std::fs::read(copied).unwrap();
    let mut touched = bytes.clone();
    touched[10] ^= 1;
    std::fs::write(copied, &touched).unwrap();
    refused(&["restore", to, "--check"], "backup-damaged");
    std::fs::write(copied, &bytes[1..]).unwrap();
    refused(&["restore", to, "--check"], "backup-damaged");
    std::fs::write(copied, &bytes).unwrap();
    scene.run(&sender, &["restore", to, "--check"]);
    // another organisation's
    let other = scene.site.di_node(&scene.receiver, &["restore", to]);
    assert!(String::from_utf8_lossy(&other.stderr).contains("backup-other"));
}
