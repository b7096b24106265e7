//! What the programs that people use instead get wrong when they are killed or meet a silent partner, one test each, by
//! name. The figures are of django-pyas2 1.2.3 and OpenAS2 4.9.0 over 60 documents.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tests::binary;
use tests::crash::house::Who;
use tests::crash::{Settings, run};
use tests::site::{Site, compose_letter, drop_files, drop_letter, eventually};

const WAIT: Duration = Duration::from_secs(90);

/// Sixty letters, and kills of these alone.
fn killed(targets: Vec<Who>, kills: u64) {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        bins: binary("di-node").parent().unwrap().to_owned(),
        dir: dir.path().to_owned(),
        softhsm: None,
        points: None,
        targets,
        documents: 60,
        kills,
        seed: 20_261_128,
        sample: 3,
    };
    let tally = run(&settings).unwrap();
    println!("{tally}");
    assert!(tally.is_right() && (tally.documents, tally.kills_random) == (60, kills), "{tally}");
}

/// django-pyas2: 6 of 60 delivered twice, since it tries again under another id.
#[test]
fn a_sender_killed_ten_times_sends_nothing_twice() {
    killed(vec![Who::Node(0)], 10);
}

/// django-pyas2: 1 of 60 delivered twice.
#[test]
fn a_receiver_killed_ten_times_takes_nothing_twice() {
    killed(vec![Who::Node(1), Who::Node(2)], 10);
}

/// OpenAS2: 11 lost in 8 kills of a sender with several letters on their way, moved away before they were sent and never
/// picked up again; and 1 twice when its receiver is killed.
#[test]
fn sender_and_receiver_killed_eight_times_with_many_letters_on_their_way_lose_none() {
    killed(vec![Who::Node(0), Who::Node(1)], 8);
}

/// How many letters of a node are confirmed, its demo's among them.
fn confirmed(site: &Site, code: &str) -> Option<u64> {
    let status = site.get(&site.socket(code), "/v1/status").ok()?;
    let counts = status["counts"].as_array()?;
    let out = counts.iter().filter(|c| c["box"] == "out" && c["word"] == "使用者確認");
    Some(out.filter_map(|c| c["count"].as_u64()).sum())
}

fn until_confirmed(site: &Site, code: &str, many: u64) {
    eventually("confirmed", WAIT, || (confirmed(site, code)? >= many).then_some(()));
}

fn delivered(site: &Site, code: &str, name: &str) -> Vec<Vec<u8>> {
    let mut folders = vec![site.folder(code, "inbox")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() == name {
                found.push(fs::read(path).unwrap());
            }
        }
    }
    found
}

fn made(dir: &Path) -> Site {
    Site::make(dir, binary("di-node").parent().unwrap())
}

/// django-pyas2: half a file delivered with a positive receipt (10,020 of 20,020 bytes), the rest lost.
#[test]
fn a_file_that_is_still_being_written_is_never_sent_by_half() {
    let dir = tempfile::tempdir().unwrap();
    let site = made(dir.path());
    let (from, to) = (site.codes[0].clone(), site.codes[1].clone());
    let _running = [site.center(), site.node(&from), site.node(&to)];
    eventually("it runs", WAIT, || confirmed(&site, &from));
    let drop = site.folder(&from, "drop");
    let whole = vec![b'a'; 20_020];
    // The attachment is half written and stays open; everything else is there.
    let files =
        compose_letter("5000001", &from, &[(&to, true)], vec![("5000001_0.bin".into(), whole.clone())]);
    let mut attachment = fs::File::create(drop.join(&files[0].0)).unwrap();
    attachment.write_all(&whole[..10_020]).unwrap();
    drop_files(&drop, &files[1..]).unwrap();
    // So is a DI: its first half only.
    let late = compose_letter("5000002", &from, &[(&to, true)], Vec::new());
    drop_files(&drop, &late[..1]).unwrap();
    let mut di = fs::File::create(drop.join(&late[1].0)).unwrap();
    let half = late[1].1.len() / 2;
    di.write_all(&late[1].1[..half]).unwrap();
    // Others pass by them.
    let before = confirmed(&site, &from).unwrap();
    for number in ["5000003", "5000004"] {
        let _ = drop_letter(&drop, number, &from, &[&to], &[("txt", number.as_bytes())]);
        let now = before + if number == "5000003" { 1 } else { 2 };
        until_confirmed(&site, &from, now);
    }
    let store = store::Store::open_read_only(&site.folder(&from, "state")).unwrap();
    let outbox = store.outbox(&store::boxes::Filter::default()).unwrap();
    assert!(!outbox.iter().any(|row| ["5000001.di", "5000002.di"].contains(&row.document.di_name.as_str())));
    assert!(drop.join("5000001.di").exists() && drop.join("5000002.di").exists(), "they are left alone");
    // The rest comes.
    attachment.write_all(&whole[10_020..]).unwrap();
    di.write_all(&late[1].1[half..]).unwrap();
    std::mem::drop((attachment, di));
    until_confirmed(&site, &from, before + 4);
    assert_eq!(delivered(&site, &to, "5000001_0.bin"), [whole], "every byte, once");
    assert_eq!(delivered(&site, &to, "5000002.di"), [late[1].1.clone()], "every byte, once");
}

/// django-pyas2: a partner that accepts and never answers blocks the whole outbox, without limit. Here it is the
/// recipient's node that stands still: letters to others pass.
#[test]
fn a_recipient_that_accepts_and_never_answers_blocks_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let site = made(dir.path());
    let (from, silent, other) = (site.codes[0].clone(), site.codes[1].clone(), site.codes[2].clone());
    let running = [site.center(), site.node(&from), site.node(&silent), site.node(&other)];
    for code in &site.codes {
        eventually("all are connected", WAIT, || {
            site.get(&site.socket(code), "/v1/status").ok().filter(|s| s["link"]["connected"] == true)
        });
    }
    running[2].freeze();
    let drop = site.folder(&from, "drop");
    let before = confirmed(&site, &from).unwrap();
    for number in 0..10 {
        let (number, to) =
            (format!("{:07}", 5_100_000 + number), if number % 2 == 0 { &silent } else { &other });
        let _ = drop_letter(&drop, &number, &from, &[to], &[("txt", number.as_bytes())]);
    }
    until_confirmed(&site, &from, before + 5);
    assert_eq!(confirmed(&site, &from).unwrap(), before + 5, "who does not answer has confirmed nothing");
    running[2].thaw();
    until_confirmed(&site, &from, before + 10);
    for number in 0..10 {
        let (name, to) =
            (format!("{:07}.di", 5_100_000 + number), if number % 2 == 0 { &silent } else { &other });
        assert_eq!(delivered(&site, to, &name).len(), 1, "{name}");
    }
}

/// The same with the center: it keeps its connections and accepts new ones, and answers nothing. The drop folder is
/// emptied all the same, and everything goes on when it is back.
#[test]
fn a_center_that_accepts_and_never_answers_holds_up_no_drop_folder() {
    let dir = tempfile::tempdir().unwrap();
    let site = made(dir.path());
    let (from, to) = (site.codes[0].clone(), site.codes[1].clone());
    let running = [site.center(), site.node(&from), site.node(&to)];
    eventually("it is connected", WAIT, || {
        site.get(&site.socket(&from), "/v1/status").ok().filter(|s| s["link"]["connected"] == true)
    });
    running[0].freeze();
    let drop = site.folder(&from, "drop");
    let before = confirmed(&site, &from).unwrap();
    for number in 0..20 {
        let number = format!("{:07}", 5_200_000 + number);
        let _ = drop_letter(&drop, &number, &from, &[&to], &[("txt", number.as_bytes())]);
    }
    let left =
        || fs::read_dir(&drop).unwrap().flatten().any(|e| e.path().extension().is_some_and(|x| x == "di"));
    eventually("all are taken", WAIT, || (!left()).then_some(()));
    assert_eq!(
        confirmed(&site, &from),
        Some(before),
        "the node answers at once, and says that nothing is confirmed"
    );
    running[0].thaw();
    until_confirmed(&site, &from, before + 20);
}
