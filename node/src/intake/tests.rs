//! Real files, real writers in other processes, and the real store.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use store::boxes::{Filter, Outgoing};

mod small;

/// A node's folders with its intake running.
struct Desk {
    dir: tempfile::TempDir,
    config: NodeConfig,
    store: Store,
    wake: Arc<tokio::sync::Notify>,
    intake: Option<Intake>,
}

impl Desk {
    /// `scan` is long, so that a test sees what the events alone do.
    fn new(settle_ms: u64) -> Self {
        let mut desk = Self::idle(settle_ms);
        desk.start();
        desk
    }

    fn idle(settle_ms: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = NodeConfig::default();
        config::Settings::resolve(&mut config, dir.path());
        config.intake.settle = config::value::Period::millis(settle_ms);
        config.intake.scan_every = config::value::Period::secs(600);
        std::fs::create_dir_all(&config.folders.drop).unwrap();
        let store = Store::open(&config.folders.state, now()).unwrap();
        Self { dir, config, store, wake: Arc::default(), intake: None }
    }

    fn start(&mut self) {
        self.intake = Some(
            Intake::start(
                &self.config,
                self.store.clone(),
                Arc::clone(&self.wake),
                Troubles::default(),
                None,
                CutOff::default(),
            )
            .unwrap(),
        );
    }

    /// Waits until the folder is watched: what came before is known by the scan only, without having been seen closed.
    fn watching(&self) {
        let seen = || {
            let all = std::fs::read_dir("/proc/self/fdinfo").ok()?.flatten();
            let inode =
                std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&self.config.folders.drop).ok()?);
            let needle = format!("ino:{inode:x} ");
            let mut infos = all.filter_map(|e| std::fs::read_to_string(e.path()).ok());
            infos.any(|info| info.contains("inotify") && info.contains(&needle)).then_some(())
        };
        eventually("the folder is watched", seen);
    }

    fn stop(&mut self) {
        if let Some(intake) = self.intake.take() {
            intake.stop();
        }
    }

    fn drop(&self, name: &str) -> PathBuf {
        self.config.folders.drop.join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.drop(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn claimed(&self) -> Vec<Outgoing> {
        let rows = self.store.outbox(&Filter { limit: 10_000, ..Filter::default() }).unwrap();
        rows.into_iter().map(|row| self.store.document(row.document.id).unwrap().unwrap()).collect()
    }

    /// Waits until so many were claimed.
    fn wait(&self, count: usize) -> Vec<Outgoing> {
        eventually(&format!("{count} claimed"), || {
            let claimed = self.claimed();
            (claimed.len() >= count).then_some(claimed)
        })
    }

    /// The names that were taken with the only claimed unit, and their bytes as they lie in `work/`.
    fn only(&self) -> (Vec<(String, String)>, Vec<Vec<u8>>) {
        let claimed = self.wait(1);
        assert_eq!(claimed.len(), 1);
        let one = &claimed[0];
        let folder = work_dir(&self.config, one.document.id);
        let names = one.files.iter().map(|f| (f.role.clone(), f.name.clone())).collect();
        let bytes = one.files.iter().map(|f| {
            let bytes = std::fs::read(folder.join(&f.name)).unwrap();
            assert_eq!(envelope::sha256(&bytes), f.sha256, "{}", f.name);
            assert_eq!((crc32fast::hash(&bytes), bytes.len() as u64), (f.crc32, f.size), "{}", f.name);
            bytes
        });
        (names, bytes.collect())
    }
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not reached: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A DI that names these files, the first one as its SW if it ends so.
fn di(files: &[&str]) -> String {
    let mut entities = String::new();
    let (mut table, mut attached) = (String::from("某機關"), Vec::new());
    for (i, file) in files.iter().enumerate() {
        if file.ends_with(".sw") {
            entities += &format!("<!ENTITY 表單 SYSTEM \"{file}\" NDATA DI>\n");
            table = "<交換表 交換表單=\"表單\">如行文單位</交換表>".into();
        } else {
            entities += &format!("<!ENTITY ATTCH{i} SYSTEM \"{file}\" NDATA _X>\n");
            attached.push(format!("ATTCH{i}"));
        }
    }
    let attached = match attached.is_empty() {
        true => String::new(),
        false => format!("<附件><文字>如文</文字><附件檔名 附件名=\"{}\"/></附件>", attached.join(" ")),
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\" [\n{entities}\
         <!NOTATION DI SYSTEM \"\">\n<!NOTATION _X SYSTEM \"\">\n]>\n<函><函類別 代碼=\"函\"/><受文者>{table}</受文者>\
         {attached}<主旨><文字>測試</文字></主旨></函>\n"
    )
}

/// A writer in another process: each line that it prints is a step it has reached; a line to it lets it go on.
struct Writer(Child);

impl Writer {
    fn new(script: &str, arguments: &[&Path]) -> Self {
        let prelude =
            "import mmap, os, sys\ndef step():\n    print('step', flush=True)\n    sys.stdin.readline()\n";
        let child = Command::new("python3")
            .args(["-c", &format!("{prelude}{script}")])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Waits until it has reached its next step.
    fn reached(&mut self) {
        let mut line = String::new();
        // one byte at a time: nothing of the next line may be swallowed
        BufReader::with_capacity(1, self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "step\n");
    }

    fn go_on(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn ended(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

/// Nothing must happen for a while: there is no event to wait for, so the time itself is the test.
fn nothing_claimed_for(desk: &Desk, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        assert_eq!(desk.claimed().len(), 0, "taken too early");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_letter_with_roster_and_attachments_is_taken_and_the_folder_is_empty_afterwards() {
    let desk = Desk::new(300);
    desk.put("Attch/附件 一.pdf", "pdf");
    desk.put("x.sw", "roster");
    desk.put("x.DI", di(&["x.sw", "附件 一.pdf"]));
    let (names, bytes) = desk.only();
    let expected = [("di", "x.DI"), ("sw", "x.sw"), ("attachment", "附件 一.pdf")];
    assert_eq!(names, expected.map(|(role, name)| (role.to_owned(), name.to_owned())));
    assert_eq!(bytes[1..], [b"roster".to_vec(), b"pdf".to_vec()]);
    eventually("the originals are gone", || (!desk.drop("x.sw").exists()).then_some(()));
    assert!(!desk.drop("Attch/附件 一.pdf").exists() && !desk.drop("x.DI").exists());
    assert!(desk.drop("Attch").is_dir(), "the shared folder itself stays");
    eventually("the record is gone", || {
        let names = std::fs::read_dir(&desk.config.folders.work).unwrap().flatten().map(|e| e.file_name());
        (names.filter(|n| n.to_string_lossy().ends_with(".json")).count() == 0).then_some(())
    });
}

#[test]
fn last_close_to_claimed_is_a_matter_of_milliseconds() {
    let desk = Desk::new(2000);
    desk.watching();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut times = Vec::new();
    for i in 0..20 {
        desk.put(&format!("{i}.di"), di(&[]));
        let closed = Instant::now();
        let woken = async { tokio::time::timeout(Duration::from_secs(30), desk.wake.notified()).await };
        runtime.block_on(woken).unwrap();
        times.push(closed.elapsed());
    }
    times.sort();
    println!("close to claimed: median {:?}, worst {:?}", times[10], times[19]);
    // far below the settle time even on a busy machine: nobody waited for it
    assert!(times[10] < Duration::from_millis(500), "{times:?}");
}

#[test]
fn a_writer_that_pauses_with_the_file_open_is_waited_for() {
    let desk = Desk::new(150);
    let text = di(&[]);
    let source = desk.dir.path().join("source");
    std::fs::write(&source, &text).unwrap();
    // the first part reads to its end as a letter: only the open file tells that more comes
    let script = "data = open(sys.argv[1], 'rb').read()\nf = open(sys.argv[2], 'wb')\nf.write(data)\nf.flush()\n\
                  step()\nf.write(b'<!-- more -->\\n')\nf.close()\n";
    let mut writer = Writer::new(script, &[&source, &desk.drop("a.di")]);
    writer.reached();
    nothing_claimed_for(&desk, Duration::from_millis(900));
    writer.go_on();
    writer.ended();
    assert_eq!(desk.only().1, [format!("{text}<!-- more -->\n").into_bytes()]);
}

#[test]
fn a_writer_that_reopens_and_appends_within_the_settle_time_is_waited_for() {
    let desk = Desk::new(1500);
    let text = di(&[]);
    let source = desk.dir.path().join("source");
    std::fs::write(&source, &text).unwrap();
    let script = "data = open(sys.argv[1], 'rb').read()\nwith open(sys.argv[2], 'wb') as f: f.write(data[:200])\n\
                  step()\nwith open(sys.argv[2], 'ab') as f: f.write(data[200:])\n";
    let mut writer = Writer::new(script, &[&source, &desk.drop("a.di")]);
    writer.reached();
    nothing_claimed_for(&desk, Duration::from_millis(600));
    writer.go_on();
    writer.ended();
    assert_eq!(desk.only().1, [text.into_bytes()]);
}

#[test]
fn a_companion_that_is_written_after_its_letter_in_two_goes_is_waited_for() {
    let desk = Desk::new(1500);
    desk.put("a.di", di(&["big.pdf"]));
    let script = "with open(sys.argv[1], 'wb') as f: f.write(b'half')\nstep()\n\
                  with open(sys.argv[1], 'ab') as f: f.write(b' and half')\n";
    let mut writer = Writer::new(script, &[&desk.drop("big.pdf")]);
    writer.reached();
    nothing_claimed_for(&desk, Duration::from_millis(600));
    writer.go_on();
    writer.ended();
    assert_eq!(desk.only().1[1], b"half and half");
}

#[test]
fn a_mapped_file_is_waited_for() {
    let desk = Desk::new(150);
    let script = "f = open(sys.argv[1], 'w+b')\nf.truncate(4096)\nm = mmap.mmap(f.fileno(), 4096)\nf.close()\n\
                  m[0:4] = b'half'\nstep()\nm[0:4] = b'full'\nm.close()\n";
    let mut writer = Writer::new(script, &[&desk.drop("map.bin")]);
    writer.reached();
    desk.put("a.di", di(&["map.bin"]));
    nothing_claimed_for(&desk, Duration::from_millis(900));
    writer.go_on();
    writer.ended();
    assert_eq!(desk.only().1[1][..4], *b"full");
}

#[test]
fn the_letter_waits_for_its_companions_and_is_given_up_with_what_is_there_when_patience_ends() {
    let mut desk = Desk::idle(150);
    desk.config.intake.patience = config::value::Period::millis(1200);
    desk.start();
    desk.put("a.di", di(&["a.sw", "never.pdf"]));
    desk.put("a.sw", "roster");
    nothing_claimed_for(&desk, Duration::from_millis(500));
    let names: Vec<String> = desk.only().0.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["a.di", "a.sw"], "claimed without the one that never came");
}

#[test]
fn what_is_no_letter_or_not_finished_by_name_is_left_alone() {
    let desk = Desk::new(150);
    for name in
        [".a.di", "a.di.part", "b.di.tmp", "c.di.crdownload", ".hidden/a.di", "Attch/a.di", "readme.txt"]
    {
        desk.put(name, di(&[]));
    }
    desk.put("real.di", di(&[]));
    desk.wait(1);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(desk.claimed().len(), 1);
    assert!(
        desk.drop(".a.di").exists() && desk.drop("a.di.part").exists() && desk.drop("Attch/a.di").exists()
    );
}

#[test]
fn a_letter_that_cannot_be_read_is_claimed_after_the_settle_time() {
    let desk = Desk::new(300);
    desk.put("bad.di", "this is no letter");
    let (names, bytes) = desk.only();
    assert_eq!(names, [("di".to_owned(), "bad.di".to_owned())]);
    assert_eq!(bytes, [b"this is no letter"]);
}

#[test]
fn links_pipes_and_folders_are_not_followed() {
    let desk = Desk::new(150);
    let secret = desk.dir.path().join("secret");
    std::fs::write(&secret, di(&[])).unwrap();
    std::fs::create_dir(desk.dir.path().join("elsewhere")).unwrap();
    std::fs::write(desk.dir.path().join("elsewhere/x.di"), di(&[])).unwrap();
    std::os::unix::fs::symlink(&secret, desk.drop("link.di")).unwrap();
    std::os::unix::fs::symlink(desk.dir.path().join("elsewhere"), desk.drop("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(desk.drop("pipe.di")).status().unwrap().success());
    std::os::unix::fs::symlink(&secret, desk.drop("link.pdf")).unwrap();
    assert!(Command::new("mkfifo").arg(desk.drop("pipe.pdf")).status().unwrap().success());
    desk.put("wants.di", di(&["link.pdf", "pipe.pdf"]));
    desk.put("dir.di/inside.di", di(&[]));
    let claimed = desk.wait(1);
    assert_eq!(
        claimed[0].document.drop_name, "dir.di/inside.di",
        "a folder is a folder, whatever it is called"
    );
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(desk.claimed().len(), 1);
    assert!(secret.exists() && desk.dir.path().join("elsewhere/x.di").exists());
}

#[test]
fn names_that_lead_out_are_not_looked_for() {
    let desk = Desk::new(150);
    std::fs::write(desk.dir.path().join("secret"), "secret").unwrap();
    desk.put("a.di", di(&["../secret"]));
    desk.put("b.di", di(&["/etc/passwd"]));
    for one in desk.wait(2) {
        assert_eq!(one.files.len(), 1, "the DI alone, to be refused for that name");
    }
    assert!(desk.dir.path().join("secret").exists());
}

#[test]
fn a_hard_linked_letter_cannot_be_changed_through_its_other_name() {
    let desk = Desk::new(150);
    let other = desk.dir.path().join("other");
    std::fs::write(&other, di(&[])).unwrap();
    std::fs::hard_link(&other, desk.drop("a.di")).unwrap();
    let before = desk.only().1;
    std::fs::write(&other, "changed").unwrap();
    assert_eq!(desk.only().1, before);
}

#[test]
fn letters_that_share_their_attachments_all_get_them() {
    let desk = Desk::new(400);
    desk.put("Attch/shared.pdf", "shared");
    for i in 0..5 {
        desk.put(&format!("{i}.di"), di(&["shared.pdf"]));
        // one after the other, each before the first one's originals would go
        desk.wait(i + 1);
    }
    for one in desk.claimed() {
        let folder = work_dir(&desk.config, one.document.id);
        assert_eq!(std::fs::read(folder.join("shared.pdf")).unwrap(), b"shared");
    }
    eventually("gone after the last", || (!desk.drop("Attch/shared.pdf").exists()).then_some(()));
}

#[test]
fn a_file_that_a_waiting_letter_names_stays() {
    let desk = Desk::new(200);
    desk.put("shared.pdf", "shared");
    desk.put("waits.di", di(&["shared.pdf", "not yet.pdf"]));
    desk.put("goes.di", di(&["shared.pdf"]));
    desk.wait(1);
    std::thread::sleep(Duration::from_millis(900));
    assert!(desk.drop("shared.pdf").exists());
    desk.put("not yet.pdf", "now");
    for one in desk.wait(2) {
        assert!(one.files.iter().any(|f| f.name == "shared.pdf"));
    }
}

#[test]
fn a_letter_that_no_event_told_of_is_found_before_an_original_goes() {
    let desk = Desk::idle(0);
    let (drop, work) =
        (open("drop", &desk.config.folders.drop).unwrap(), open("work", &desk.config.folders.work).unwrap());
    let shared = Shared {
        troubles: Troubles::default(),
        store: desk.store.clone(),
        wake: Arc::default(),
        desk: bench(&work),
        census: census::Census::default(),
        jobs: Mutex::new(mpsc::channel().1),
        at_once: None,
        cut_off: HashSet::new(),
    };
    let hour = Duration::from_secs(3600);
    let times = Times { settle: Duration::ZERO, scan_every: hour, patience: hour };
    let (jobs, tell) = (mpsc::channel().0, mpsc::channel().0);
    let mut watch =
        Watch::new(desk.config.folders.drop.clone(), 8 << 20, times, Arc::new(shared), jobs, tell);
    // nothing is scanned and no event is heard: only the removal itself can find the second letter
    watch.open().unwrap();
    desk.put("shared.pdf", "shared");
    let Ok(Some(Entry::File(mark))) = drop.look(OsStr::new("shared.pdf")) else { panic!("no file") };
    let part = unit::Part {
        below: None,
        name: "shared.pdf".into(),
        called: "shared.pdf".into(),
        role: "attachment",
        mark,
    };
    let files = vec![claim::Original::of(&part)];
    let origin = Origin { folder: None, di: "first.di".into(), files };
    desk.put("second.di", di(&["SHARED.pdf", "not yet.pdf"]));
    watch.resume(&origin, Path::new("record.json"));
    watch.remove_due(Instant::now());
    assert!(desk.drop("shared.pdf").exists(), "the second letter names it, in other case");
    std::fs::remove_file(desk.drop("second.di")).unwrap();
    watch.look_at_due(Instant::now());
    watch.remove_due(Instant::now() + Duration::from_secs(60));
    assert!(!desk.drop("shared.pdf").exists());
}

#[test]
fn a_new_file_by_an_old_name_is_not_removed() {
    let desk = Desk::new(400);
    desk.put("a.pdf", "first");
    desk.put("a.di", di(&["a.pdf"]));
    desk.wait(1);
    std::fs::remove_file(desk.drop("a.pdf")).unwrap();
    desk.put("a.pdf", "second, for the next letter");
    std::thread::sleep(Duration::from_millis(900));
    assert!(desk.drop("a.pdf").exists());
}

#[test]
fn a_sub_folder_is_a_unit_and_goes_when_it_is_empty() {
    let desk = Desk::new(200);
    let outside = desk.dir.path().join("made outside");
    std::fs::create_dir_all(outside.join("attch")).unwrap();
    std::fs::write(outside.join("attch/A.PDF"), "pdf").unwrap();
    std::fs::write(outside.join("x.di"), di(&["a.pdf"])).unwrap();
    #[expect(clippy::disallowed_methods, reason = "as a person would")]
    std::fs::rename(&outside, desk.drop("115-0001")).unwrap();
    let (names, bytes) = desk.only();
    assert_eq!(names[1].1, "a.pdf", "by the name that the DI gives it");
    assert_eq!(bytes[1], b"pdf");
    eventually("the folder is gone", || (!desk.drop("115-0001").exists()).then_some(()));
}

#[test]
fn what_lay_there_before_the_start_is_found() {
    let mut desk = Desk::idle(150);
    desk.put("a.di", di(&[]));
    desk.put("sub/b.di", di(&[]));
    desk.start();
    desk.wait(2);
}

#[test]
fn too_much_is_claimed_to_be_refused_and_not_copied() {
    let mut desk = Desk::idle(150);
    desk.config.limits.document = config::value::Bytes::kib(8);
    desk.start();
    desk.put("big.bin", vec![1; 10_000]);
    desk.put("a.di", di(&["big.bin"]));
    let one = desk.wait(1).remove(0);
    assert!(one.document.size > 10_000);
    assert!(!work_dir(&desk.config, one.document.id).join("big.bin").exists());
    std::thread::sleep(Duration::from_millis(500));
    assert!(desk.drop("big.bin").exists(), "what was not copied stays");
}

#[test]
fn the_same_letter_twice_is_recognised_by_its_bytes() {
    let desk = Desk::new(150);
    desk.put("a.di", di(&[]));
    desk.wait(1);
    desk.put("another name.di", di(&[]));
    let claimed = desk.wait(2);
    assert_eq!(
        claimed.iter().filter(|c| c.document.duplicate_of.is_some() && c.document.trouble.held).count(),
        1
    );
}

#[test]
fn many_at_once_are_all_taken_once() {
    let desk = Desk::new(1000);
    let begun = Instant::now();
    for i in 0..300 {
        let text = di(&[&format!("{i}.sw")]);
        desk.put(&format!("{i}.sw"), format!("roster {i}"));
        desk.put(&format!("{i}.di"), text);
    }
    let claimed = desk.wait(300);
    println!("300 letters with a roster each: {:?}", begun.elapsed());
    assert_eq!(claimed.len(), 300);
    assert!(claimed.iter().all(|c| c.files.len() == 2));
    let names: std::collections::BTreeSet<_> = claimed.iter().map(|c| c.document.drop_name.clone()).collect();
    assert_eq!(names.len(), 300);
}

#[test]
fn what_a_crash_left_of_the_trial_at_start_goes_at_the_next() {
    let mut desk = Desk::idle(150);
    let folders = &desk.config.folders;
    let left = [folders.drop.join(".try"), folders.work.join(".try")];
    for path in &left {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    desk.start();
    assert!(left.iter().all(|path| !path.exists()));
}

#[test]
fn a_claim_that_was_cut_off_is_taken_back_and_made_again() {
    let mut desk = Desk::idle(150);
    // as after a crash between the rename of the DI and the row
    let id = "00112233445566778899aabbccddeeff";
    let folder = desk.config.folders.work.join(id);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("x.di"), di(&["x.pdf"])).unwrap();
    std::fs::write(folder.join("x.pdf"), "half a co").unwrap();
    desk.put("sub/x.pdf", "the whole");
    let origin = Origin { folder: Some("sub".into()), di: "x.di".into(), files: Vec::new() };
    std::fs::write(desk.config.folders.work.join(format!("{id}.json")), serde_json::to_vec(&origin).unwrap())
        .unwrap();
    // one whose record was lost, and one that was only begun
    let other = desk.config.folders.work.join("ff112233445566778899aabbccddeeff");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("y.di"), di(&[])).unwrap();
    std::fs::create_dir_all(desk.config.folders.work.join("ee112233445566778899aabbccddeeff")).unwrap();
    recover(&desk.config, &desk.store, 0).unwrap();
    assert!(desk.drop("sub/x.di").exists() && desk.drop("y.di").exists());
    assert_eq!(std::fs::read_dir(&desk.config.folders.work).unwrap().count(), 0);
    desk.start();
    let claimed = desk.wait(2);
    let x = claimed.iter().find(|c| c.document.di_name == "x.di").unwrap();
    assert_eq!(std::fs::read(work_dir(&desk.config, x.document.id).join("x.pdf")).unwrap(), b"the whole");
}

#[test]
fn a_record_without_a_row_costs_no_original() {
    let mut desk = Desk::idle(100);
    desk.put("a.pdf", "pdf");
    // as after a crash between the record and the rename of the DI
    let unit_of = |place: &Place| match place.look(OsStr::new("a.pdf")).unwrap() {
        Some(Entry::File(mark)) => {
            unit::Part { below: None, name: "a.pdf".into(), called: "a.pdf".into(), role: "attachment", mark }
        }
        other => panic!("{other:?}"),
    };
    let part = unit_of(&open("drop", &desk.config.folders.drop).unwrap());
    let origin = Origin { folder: None, di: "a.di".into(), files: vec![claim::Original::of(&part)] };
    std::fs::create_dir_all(&desk.config.folders.work).unwrap();
    let record = desk.config.folders.work.join("00112233445566778899aabbccddeeff.json");
    std::fs::write(record, serde_json::to_vec(&origin).unwrap()).unwrap();
    recover(&desk.config, &desk.store, 0).unwrap();
    desk.start();
    std::thread::sleep(Duration::from_millis(600));
    assert!(desk.drop("a.pdf").exists());
    desk.put("a.di", di(&["a.pdf"]));
    assert_eq!(desk.only().1[1], b"pdf");
}

#[test]
fn after_a_crash_behind_the_row_the_originals_still_go() {
    let mut desk = Desk::new(60_000);
    desk.watching();
    desk.put("a.pdf", "pdf");
    desk.put("a.di", di(&["a.pdf"]));
    let id = desk.wait(1)[0].document.id;
    // stopped long before the settle time of one minute
    desk.stop();
    assert!(desk.drop("a.pdf").exists());
    recover(&desk.config, &desk.store, 0).unwrap();
    assert!(work_dir(&desk.config, id).exists(), "its row is there: it stays");
    desk.config.intake.settle = config::value::Period::millis(100);
    desk.start();
    eventually("gone", || (!desk.drop("a.pdf").exists()).then_some(()));
}

#[test]
fn a_full_or_closed_store_puts_everything_back() {
    let desk = Desk::idle(150);
    let (drop, work) =
        (open("drop", &desk.config.folders.drop).unwrap(), open("work", &desk.config.folders.work).unwrap());
    desk.put("a.di", di(&[]));
    desk.put("a.pdf", "x");
    let Ok(Some(Entry::File(mark))) = drop.look(OsStr::new("a.di")) else { panic!("no file") };
    let key = Key { folder: None, di: "a.di".into() };
    let unit = unit::Unit {
        key,
        place: drop,
        di: mark,
        parts: Vec::new(),
        too_large: false,
        trust: unit::Trust::Settled,
    };
    let desk_of_claims = bench(&work);
    let census = census::Census::default();
    let claim = desk_of_claims.take(&unit, &census).unwrap();
    assert!(!desk.drop("a.di").exists());
    desk_of_claims.put_back(&unit.key, &unit.place, OsStr::new(&hex(&claim.id)));
    assert_eq!(std::fs::read(desk.drop("a.di")).unwrap(), di(&[]).into_bytes());
    assert_eq!(std::fs::read_dir(&desk.config.folders.work).unwrap().count(), 0);
    // a new letter by that name was dropped meanwhile: both are kept
    let claim = desk_of_claims.take(&unit::Unit { di: mark, ..unit_again(&unit) }, &census).unwrap();
    desk.put("a.di", "newer");
    desk_of_claims.put_back(&unit.key, &unit.place, OsStr::new(&hex(&claim.id)));
    assert_eq!(std::fs::read(desk.drop("a.di")).unwrap(), b"newer");
    assert_eq!(std::fs::read(desk.drop("a (2).di")).unwrap(), di(&[]).into_bytes());
}

fn bench(work: &Place) -> claim::Desk {
    claim::Desk {
        work: work.clone(),
        spoiled: Arc::default(),
        document_limit: u64::MAX,
        remote: false,
        overlay: false,
        together: Together::default(),
    }
}

fn unit_again(unit: &unit::Unit) -> unit::Unit {
    let unit::Unit { key, place, di, parts, too_large, trust } = unit;
    let (key, place, parts) = (key.clone(), place.clone(), parts.clone());
    unit::Unit { key, place, di: *di, parts, too_large: *too_large, trust: *trust }
}

#[test]
fn work_on_another_file_system_is_refused_at_start() {
    let mut desk = Desk::idle(150);
    let other = Path::new("/dev/shm");
    let device = |path: &Path| std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(path).unwrap());
    if !other.is_dir() || device(other) == device(desk.dir.path()) {
        println!("SKIPPED: no second file system here");
        return;
    }
    let work = tempfile::tempdir_in(other).unwrap();
    desk.config.folders.work = work.path().to_owned();
    let error = Intake::start(
        &desk.config,
        desk.store.clone(),
        Arc::default(),
        Troubles::default(),
        None,
        CutOff::default(),
    )
    .unwrap_err();
    assert_eq!(error.label(), "work-elsewhere");
    assert_eq!(std::fs::read_dir(&desk.config.folders.drop).unwrap().count(), 0, "the probe is gone");
}

#[test]
fn names_of_letters_are_made_fit_for_a_container() {
    for (name, expected) in [("函.di", "函.di"), ("a:b\\c.di", "a_b_c.di"), ("x\u{202e}.di", "x_.di")] {
        assert_eq!(claim::safe_name(OsStr::new(name)), expected);
    }
    assert_eq!(claim::safe_name(OsStr::from_bytes(b"\xa4\xbd.di")), "__.di");
    assert!(di_format::check_file_name(&claim::safe_name(OsStr::new(&"函".repeat(84)))).is_ok());
}
