//! The invariants of ARCHITECTURE.md, each held by at least one test that fails when it is broken.
//!
//! | | tests here | and elsewhere |
//! |---|---|---|
//! | 1 durable before named, committed before told | `no_row_names_a_missing_file_at_any_moment`, `what_the_sender_is_told_the_receiver_has` | `store`: `what_was_acknowledged_is_there_after_a_crash`, `a_log_cut_anywhere_behind_an_acknowledged_commit_loses_nothing_of_it`, `content_files_are_whole_or_not_there`; `tests`: `crash.rs` |
//! | 2 one id, signed once, sealed again only by a round | `a_container_is_signed_once_over_restarts_and_rounds` | `store`: `a_returned_line_is_sent_again_as_the_next_round`, `a_sealing_that_contradicts_itself_leaves_nothing`; `center`: `the_same_part_again_gets_the_first_receipt_and_another_manifest_never` |
//! | 3 confirmed only when archived, delivered once | `what_cannot_be_archived_is_not_confirmed`, `restarts_in_the_middle_lose_nothing_and_deliver_nothing_twice` | `tests`: `killed_at_any_moment_nothing_is_lost_and_nothing_comes_twice`; `node::archive`: `staged_hidden_then_delivered_once_and_never_made_again` |
//! | 4 moves once, flow pure, one composer | `moves_stand_in_one_place_and_deciding_touches_nothing` | `store`: `lines_go_as_the_model_says`, `received_documents_go_as_the_model_says`; `node::flow::model`: `flow` |
//! | 5 no plaintext leaves, the center cannot read | `the_center_holds_nothing_that_can_be_read` | `hostile.rs`: `nothing_is_sealed_to_an_entry_that_the_center_put_in_anothers_place`; `envelope`: `a_substituted_entry_is_refused` |
//! | 6 passphrase and PIN are in nothing we write, no third try | `the_passphrase_is_written_nowhere` | `pin_guard.rs`: `no_history_locks_the_card`, `an_orphaned_helper_presents_nothing`, `the_pin_is_nowhere`; `card::guard`: `no_history_without_force_reaches_the_third` |
//! | 7 what is beside the documents may fail, the scanner may not | `notes_and_the_local_interface_can_fail_without_a_document_noticing`, `a_scanner_that_is_not_there_gives_no_verdict_and_an_alarm` | `exchange.rs`: `a_scanner_decides_before_the_archive_and_its_silence_is_no_verdict` |
//! | 8 every refusal has label, class and remedy | `every_label_has_words` | `node::words`: `every_label_has_words` (one for each table); all of `hostile.rs` |
//! | 9 leaves don't know each other | | `arrows.rs` |
//! | 10 bytes are never re-serialised | `the_bytes_that_arrive_are_those_that_were_dropped` | `envelope`: `what_was_signed_comes_out`; `exchange.rs` |
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use config::Transport;
use store::Store;
use store::boxes::Filter;
use store::state::{Document, Inbound, Word};
use tests::pki::MEMBERS;
use tests::world::{Unit, World, eventually, read_all, to};

/// Every file below a folder. What vanishes meanwhile is left out.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(below(&path));
        } else if !path.ends_with(".di-node-inbox") {
            // that one says whose delivery folder it is
            out.push(path);
        }
    }
    out
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Looks again and again from another thread until it is dropped; what it finds wrong fails the test.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<u32>>,
}

impl Watcher {
    fn new(mut look: impl FnMut() -> Result<(), String> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut looks = 0;
            while !stopped.load(Ordering::Relaxed) {
                look().unwrap();
                looks += 1;
            }
            looks
        });
        Self { stop, thread: Some(thread) }
    }

    /// How often it looked, all well.
    fn end(mut self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().expect("what it saw was not right")
    }
}

/// What rows name and is not there, as `what: name`.
fn missing(store: &Store, config: &config::NodeConfig) -> Vec<String> {
    let mut out = Vec::new();
    for name in store.spool_names().unwrap() {
        if !store.spool().path(&name).unwrap().exists() {
            out.push(format!("spool: {name}"));
        }
    }
    let all = || Filter { limit: 1_000, ..Filter::default() };
    for row in store.outbox(&all()).unwrap() {
        let id = row.document.id;
        if row.document.state == Document::Claimed && !node::intake::work_dir(config, id).is_dir() {
            out.push(format!("work: {id:?}"));
        }
    }
    for row in store.inbox(&Filter { limit: 1_000, ..Filter::default() }).unwrap() {
        if matches!(row.state, Inbound::Archived | Inbound::Confirmed) {
            let archive = config.folders.archive.join(&row.archive);
            if !below(&archive).iter().any(|file| file.extension().is_some_and(|e| e == "asice")) {
                out.push(format!("archive: {}", row.archive));
            }
            let inbox = &config.folders.inbox;
            if !inbox.join(&row.staged).is_dir() && !inbox.join(&row.delivered).is_dir() {
                out.push(format!("delivery: {}", row.delivered));
            }
        }
    }
    out
}

// 1 ----------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn no_row_names_a_missing_file_at_any_moment() {
    let world = World::new(2, Transport::Auto).await;
    let watchers: Vec<Watcher> = world
        .nodes
        .iter()
        .map(|node| {
            let (store, config) = (node.store().clone(), node.config.clone());
            Watcher::new(move || {
                // A row may have moved on between two looks at different things; what is wrong stays wrong.
                let mut still = missing(&store, &config);
                for _ in 0..3 {
                    let again = if still.is_empty() { Vec::new() } else { missing(&store, &config) };
                    still.retain(|name| again.contains(name));
                }
                if still.is_empty() { Ok(()) } else { Err(format!("rows name what is not there: {still:?}")) }
            })
        })
        .collect();
    let units: Vec<Unit> = (0..20)
        .map(|n| Unit::letter(&format!("函{n}"), &[to(1)], &[("附件.bin", &[7; 30_000])], &[]))
        .enumerate()
        .map(|(n, mut unit)| {
            // Each its own attachment.
            let name = format!("附件{n}.bin");
            unit.di.1 = String::from_utf8(unit.di.1).unwrap().replace("附件.bin", &name).into_bytes();
            unit.files[1].0 = name;
            unit
        })
        .collect();
    units.iter().for_each(|unit| world.nodes[0].put(unit));
    for unit in &units {
        world.nodes[0].until(unit, Word::Confirmed).await;
    }
    for watcher in watchers {
        assert!(watcher.end() > 10, "it hardly looked");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sender_is_told_the_receiver_has() {
    let world = World::new(2, Transport::Auto).await;
    let (store, config) = (world.nodes[1].store().clone(), world.nodes[1].config.clone());
    let center = rusqlite::Connection::open(world.config.data.join("center.db")).unwrap();
    let seen = Arc::new(Mutex::new(0));
    let many = Arc::clone(&seen);
    // At the moment at which a confirmation can be seen at the center, the letter is archived.
    let watcher = Watcher::new(move || {
        let mut rows = center.prepare_cached("SELECT bundle FROM outcome ORDER BY seq").unwrap();
        let bundles = rows.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        let bundles: Vec<_> = bundles.map(Result::unwrap).collect();
        let known = *many.lock().unwrap();
        for bundle in &bundles[known..] {
            let receipt = envelope::receipt::Receipt::from_der(bundle).unwrap();
            let inbox = store.inbox(&Filter { limit: 1_000, ..Filter::default() }).unwrap();
            for line in receipt.lines() {
                let row = inbox.iter().find(|row| row.offer.document == line.document).unwrap();
                let archive = config.folders.archive.join(&row.archive);
                let there = !row.archive.is_empty() && below(&archive).len() >= 2;
                if !there || !matches!(row.state, Inbound::Archived | Inbound::Confirmed) {
                    return Err(format!("confirmed, but {} ({})", row.state, row.archive));
                }
            }
        }
        *many.lock().unwrap() = bundles.len();
        Ok(())
    });
    let units: Vec<Unit> = (0..10).map(|n| Unit::letter(&format!("函{n}"), &[to(1)], &[], &[])).collect();
    units.iter().for_each(|unit| world.nodes[0].put(unit));
    for unit in &units {
        world.nodes[0].until(unit, Word::Confirmed).await;
    }
    eventually("the watcher has seen them all", || (*seen.lock().unwrap() > 0).then_some(())).await;
    watcher.end();
    world.stop().await;
}

// 2 ----------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_signed_once_over_restarts_and_rounds() {
    // The directory names a second key of the recipient that its node does not have: sent back, sealed anew.
    let mut world = World::registered(2, Transport::Auto, |_, _| {}).await;
    world.put_entry(MEMBERS[1].0, MEMBERS[1].1, "enc2", 2);
    world.nodes[0].start().await;
    let unit = Unit::letter("一次", &[to(1)], &[("a.txt", b"once")], &[]);
    world.nodes[0].put(&unit);
    let first = world.nodes[0].until(&unit, Word::Accepted).await;
    world.nodes[0].stop().await;
    world.nodes[0].start().await;
    world.nodes[1].start().await;
    let sent = eventually("returned in the second round too", || {
        let all = world.nodes[0].store().document(first.document.id).unwrap().unwrap();
        (all.parts.len() == 2 && all.document.word == Word::Returned).then_some(all)
    })
    .await;
    assert_eq!(sent.containers, first.containers, "not made again");
    let [one, two] = sent.parts.as_slice() else { panic!("{:?}", sent.parts) };
    assert_eq!((one.round, two.round), (0, 1));
    assert_eq!((two.manifest, two.signature), (one.manifest, one.signature), "the same signature");
    assert_ne!(two.sealed, one.sealed, "sealed anew, with a new content key");
    assert_eq!(one.sealed, first.parts[0].sealed, "the first round is what it was");
    let rows = world.nodes[1].inbox();
    assert_eq!(rows.len(), 1, "one document at the receiver, whatever the round");
    // The same files dropped again are another document with another id.
    world.nodes[0].put(&unit);
    let again = eventually("claimed again", || {
        world.nodes[0].outbox().into_iter().find(|row| row.id != first.document.id)
    })
    .await;
    assert_eq!(again.duplicate_of, Some(first.document.id));
    world.stop().await;
}

// 3 ----------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_archived_is_not_confirmed() {
    let world = World::new(2, Transport::Auto).await;
    let archive = world.nodes[1].config.folders.archive.clone();
    let aside = archive.with_extension("aside");
    fs::rename(&archive, &aside).unwrap();
    fs::write(&archive, "in the way").unwrap();
    let unit = Unit::letter("無處", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    let id = world.nodes[0].until(&unit, Word::Accepted).await.document.id;
    let row = eventually("it cannot be archived", || {
        world.nodes[1].inbox().into_iter().find(|row| row.trouble.attempts >= 2)
    })
    .await;
    assert_eq!((row.state, row.trouble.label.as_str()), (Inbound::Fetched, "archive-failed"));
    assert!(node::words::of(&row.trouble.label).is_some());
    assert!(world.nodes[1].store().to_report(10).unwrap().is_empty(), "nothing is signed");
    let lines = world.nodes[0].store().lines(id).unwrap();
    assert_eq!(lines[0].state, store::state::Line::Accepted, "the sender is not told");
    fs::remove_file(&archive).unwrap();
    fs::rename(&aside, &archive).unwrap();
    world.nodes[0].until(&unit, Word::Confirmed).await;
    let got = world.nodes[1].received(id, Inbound::Confirmed).await;
    assert_eq!(world.nodes[1].delivered(&got), unit.all());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_in_the_middle_lose_nothing_and_deliver_nothing_twice() {
    let mut world = World::new(2, Transport::Auto).await;
    // Somebody empties the delivery folder all the time, so that nothing there can tell what was delivered before.
    let inbox = world.nodes[1].config.folders.inbox.join(MEMBERS[1].0);
    let taken = world.dir().join("taken");
    fs::create_dir(&taken).unwrap();
    let counts: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let counted = Arc::clone(&counts);
    let mut number = 0;
    let office = Watcher::new(move || {
        for entry in fs::read_dir(&inbox).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            number += 1;
            let place = taken.join(number.to_string());
            fs::rename(entry.path(), &place).map_err(|e| e.to_string())?;
            for (name, _) in read_all(&place) {
                if name.ends_with(".di") {
                    *counted.lock().unwrap().entry(name).or_default() += 1;
                }
            }
        }
        Ok(())
    });
    let mut units = Vec::new();
    for round in 0..8 {
        for n in 0..3 {
            let unit = Unit::letter(&format!("輪{round}之{n}"), &[to(1)], &[], &[]);
            world.nodes[0].put(&unit);
            units.push(unit);
        }
        match round % 4 {
            3 => {
                // A connection that is just being made would keep the old center's port in this process for a while.
                world.nodes[0].ready().await;
                world.nodes[1].ready().await;
                world.center_down().await;
                world.center_up().await;
            }
            who => {
                world.nodes[who % 2].stop().await;
                world.nodes[who % 2].start().await;
            }
        }
    }
    for unit in &units {
        world.nodes[0].until(unit, Word::Confirmed).await;
    }
    eventually("everything is taken", || (counts.lock().unwrap().len() == units.len()).then_some(())).await;
    // Once more from the start: what was delivered does not come again.
    world.nodes[1].stop().await;
    world.nodes[1].start().await;
    world.nodes[1].ready().await;
    let last = Unit::letter("最後", &[to(1)], &[], &[]);
    world.nodes[0].put(&last);
    world.nodes[0].until(&last, Word::Confirmed).await;
    eventually("the last is taken", || counts.lock().unwrap().contains_key("最後.di").then_some(())).await;
    office.end();
    let counts = counts.lock().unwrap().clone();
    let not_once: Vec<_> = counts.iter().filter(|(_, many)| **many != 1).collect();
    assert!(not_once.is_empty(), "{not_once:?}");
    for node in &world.nodes {
        node.store().verify_chain().unwrap();
    }
    world.stop().await;
}

// 4 ----------------------------------------------------------------------------------------------------------------

/// The code of a source file: without comments and without its tests.
fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn moves_stand_in_one_place_and_deciding_touches_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let sources = |dir: &str| -> Vec<PathBuf> {
        let found = below(&root.join(dir));
        let found =
            found.into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")).collect::<Vec<_>>();
        assert!(!found.is_empty(), "{dir}");
        found
    };
    let crates =
        ["config/src", "di-format/src", "envelope/src", "wire/src", "store/src", "node/src", "center/src"];
    let with_moves: Vec<_> = crates
        .iter()
        .flat_map(|dir| sources(dir))
        .filter(|path| code_of(path).contains("fn may_become"))
        .collect();
    assert_eq!(with_moves, [root.join("store/src/state.rs")], "the legal moves exist once");

    let impure =
        ["async ", ".await", "tokio", "std::fs", "std::io", "std::net", "SystemTime", "Instant", "Store"];
    for path in sources("node/src/flow") {
        if path.file_name().is_some_and(|name| name == "model.rs") {
            continue;
        }
        let code = code_of(&path);
        for word in impure {
            assert!(!code.contains(word), "{}: deciding uses {word}", path.display());
        }
    }
    for path in sources("node/src/run").into_iter().chain([root.join("node/src/run.rs")]) {
        let code = code_of(&path);
        for word in ["di_format::", "envelope::", "wire::"] {
            assert!(!code.contains(word), "{}: the loop composes with {word}", path.display());
        }
    }
}

// 5 ----------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_center_holds_nothing_that_can_be_read() {
    let mut world = World::registered(2, Transport::Auto, |_, _| {}).await;
    world.nodes[0].start().await;
    let small: Vec<u8> = b"SECRET-CONTENT-OF-THE-SMALL-ONE ".repeat(100);
    let large: Vec<u8> = b"SECRET-CONTENT-OF-THE-LARGE-ONE ".repeat(20_000);
    let units = [
        Unit::letter("極機密檔名小", &[to(1)], &[("附件機密檔名小.txt", &small)], &[]),
        Unit::letter("極機密檔名大", &[to(1)], &[("附件機密檔名大.txt", &large)], &[]),
    ];
    for unit in &units {
        world.nodes[0].put(unit);
        world.nodes[0].until(unit, Word::Accepted).await;
    }
    let plain: [&[u8]; 6] = [
        b"SECRET-CONTENT",
        "機密檔名".as_bytes(),
        "檢送測試公文".as_bytes(),
        "主旨".as_bytes(),
        "王小明".as_bytes(),
        b"exchange.xml",
    ];
    let unread = |world: &World, when: &str| {
        let files = below(&world.config.data);
        assert!(
            files.len() > 1 && files.iter().any(|f| fs::metadata(f).unwrap().len() > 600_000),
            "{files:?}"
        );
        for file in files {
            let bytes = fs::read(&file).unwrap();
            for part in plain {
                let text = String::from_utf8_lossy(part);
                assert!(!holds(&bytes, part), "{when}: the center's {} holds {text}", file.display());
            }
        }
    };
    // While it waits for its recipient, and after it was confirmed.
    unread(&world, "waiting");
    world.nodes[1].start().await;
    for unit in &units {
        let sent = world.nodes[0].until(unit, Word::Confirmed).await;
        let got = world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
        assert_eq!(world.nodes[1].delivered(&got), unit.all());
    }
    unread(&world, "confirmed");
    // Nor does the receiver keep an opened copy anywhere but in archive and delivery folder.
    let folders = &world.nodes[1].config.folders;
    for file in below(&folders.root) {
        if file.is_file() && !file.starts_with(&folders.archive) && !file.starts_with(&folders.inbox) {
            assert!(
                !holds(&fs::read(&file).unwrap(), b"SECRET-CONTENT"),
                "{} is in the clear",
                file.display()
            );
        }
    }
    world.stop().await;
}

// 6 ----------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_passphrase_is_written_nowhere() {
    const PASSPHRASE: &str = "Correct-Horse-7391";
    let mut world = World::registered(2, Transport::Auto, |_, _| {}).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("passphrase");
    fs::write(&file, format!("{PASSPHRASE}\n")).unwrap();
    let mut protect = |key: &mut config::KeyFile| {
        let plain = key.key.clone().unwrap();
        let protected = plain.with_extension("protected.pem");
        let status = std::process::Command::new("openssl")
            .args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-iter", "2048", "-passout"])
            .arg(format!("file:{}", file.display()))
            .arg("-in")
            .arg(&plain)
            .arg("-out")
            .arg(&protected)
            .status();
        assert!(status.unwrap().success(), "openssl");
        key.key = Some(protected);
        key.passphrase_file = Some(file.clone());
    };
    for node in &mut world.nodes {
        protect(&mut node.config.keys.sign);
        node.config.keys.unwrap.iter_mut().for_each(&mut protect);
        node.start().await;
    }
    let unit = Unit::letter("密語", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    world.nodes[0].until(&unit, Word::Confirmed).await;
    // A wrong one is told by its label, and not repeated in the message.
    world.nodes[0].stop().await;
    fs::write(&file, "Wrong-Horse-7391\n").unwrap();
    let error = node::start(world.nodes[0].config.clone()).await.expect_err("a wrong passphrase");
    assert_eq!(error.label(), "key-passphrase-wrong");
    assert!(!format!("{error:?} {error}").contains("Horse"), "{error:?}");
    fs::write(&file, format!("{PASSPHRASE}\n")).unwrap();
    world.nodes[0].start().await;
    for file in below(world.dir()) {
        // Not the socket.
        let bytes = if file.is_file() { fs::read(&file).unwrap() } else { Vec::new() };
        assert!(!holds(&bytes, b"Horse-7391"), "{} holds the passphrase", file.display());
    }
    assert!(!format!("{:?}", world.nodes[0].running).contains("Horse"));
    world.stop().await;
}

// 7 ----------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn notes_and_the_local_interface_can_fail_without_a_document_noticing() {
    let world = World::new(2, Transport::Auto).await;
    let folders = &world.nodes[0].config.folders;
    for folder in [&folders.sent, &folders.failed] {
        let _ = fs::remove_dir_all(folder);
        fs::write(folder, "in the way").unwrap();
    }
    fs::remove_file(&world.nodes[0].config.api.socket).unwrap();
    world.registry().announce("公告\u{0}\u{202e}", &"長".repeat(10_000), tests::world::now()).ok();
    let units: Vec<Unit> = (0..5).map(|n| Unit::letter(&format!("函{n}"), &[to(1)], &[], &[])).collect();
    units.iter().for_each(|unit| world.nodes[0].put(unit));
    for unit in &units {
        let sent = world.nodes[0].until(unit, Word::Confirmed).await;
        let got = world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
        assert_eq!(world.nodes[1].delivered(&got), unit.all());
        assert_eq!(sent.document.trouble.label, "", "it noticed");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_that_is_not_there_gives_no_verdict_and_an_alarm() {
    let scanner = |n, config: &mut config::NodeConfig| {
        if n == 1 {
            config.scan.command = vec!["/nonexistent/scanner".into()];
        }
    };
    let world = World::with(2, Transport::Auto, scanner).await;
    let unit = Unit::letter("待掃", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    let row = eventually("it waits for the scanner", || {
        world.nodes[1].inbox().into_iter().find(|row| row.trouble.label == "waits-for-scanner")
    })
    .await;
    assert_eq!(row.state, Inbound::Fetched);
    assert!(
        row.archive.is_empty() && below(&world.nodes[1].config.folders.archive).is_empty(),
        "it is archived"
    );
    assert!(below(&world.nodes[1].config.folders.inbox).is_empty(), "it is delivered");
    eventually("a person is told", || {
        let alarms = world.nodes[1].store().alarms(10).unwrap();
        alarms.into_iter().find(|alarm| alarm.detail.contains("waits-for-scanner"))
    })
    .await;
    assert_eq!(world.nodes[0].until(&unit, Word::Accepted).await.verdicts, [], "the sender is told nothing");
    world.stop().await;
}

// 8 ----------------------------------------------------------------------------------------------------------------

#[test]
fn every_label_has_words() {
    let mut labels: Vec<&str> = Vec::new();
    labels.extend(di_format::LABELS.iter().map(|(label, _)| *label));
    labels.extend(envelope::LABELS.iter().map(|(label, _)| *label));
    labels.extend(wire::LABELS.iter().map(|(label, _)| *label));
    labels.extend(wire::refusal::ALL.iter().map(|label| label.name));
    labels.extend(store::LABELS.iter().map(|(label, _)| *label));
    labels.extend(config::LABELS.iter().map(|(label, _)| *label));
    labels.extend(node::flow::LABELS);
    labels.extend(node::act::LABELS);
    labels.extend(node::link::LABELS);
    labels.extend(node::intake::LABELS.iter().map(|(label, _)| *label));
    labels.extend(node::archive::LABELS.iter().map(|(label, _)| *label));
    labels.extend(node::note::LABELS.iter().map(|(label, _)| *label));
    assert!(labels.len() > 150, "{}", labels.len());
    for label in labels {
        let words = node::words::of(label).unwrap_or_else(|| panic!("no words for {label}"));
        assert!(!words.what.is_empty() && !words.remedy.is_empty(), "{label}");
    }
    for (label, _) in center::LABELS {
        assert!(center::words::of(label).is_some(), "no words for {label}");
    }
}

// 10 ---------------------------------------------------------------------------------------------------------------

/// As the old systems write it.
fn cp950(text: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::write(&from, text).unwrap();
    let mut iconv = std::process::Command::new("iconv");
    let status = iconv.args(["-f", "UTF-8", "-t", "CP950", "-o"]).arg(&to).arg(&from).status();
    assert!(status.unwrap().success(), "iconv");
    fs::read(to).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_that_arrive_are_those_that_were_dropped() {
    let world = World::new(2, Transport::Auto).await;
    let every_byte: Vec<u8> = (0..=255_u8).cycle().take(5_000).collect();
    let changed = |name: &str, change: &dyn Fn(String) -> Vec<u8>| {
        let mut unit = Unit::letter(name, &[to(1)], &[(&format!("{name}.bin"), &every_byte)], &[]);
        unit.di.1 = change(String::from_utf8(unit.di.1).unwrap());
        unit.files[0].1 = change(String::from_utf8(unit.files[0].1.clone()).unwrap());
        unit
    };
    let declared = |text: String| text.replace("encoding=\"UTF-8\"", "encoding=\"BIG5\"");
    let lines = |text: &str| text.replace("\r\n", "\n");
    let units = [
        changed("標記", &|text| format!("\u{feff}{text}").into_bytes()),
        changed("換行", &|text| lines(&text).replace('\n', "\r\n").into_bytes()),
        changed("換列", &|text| lines(&text).into_bytes()),
        changed("空白", &|text| format!("{text}\n \t <!-- 註解 <&> -->\n\n").into_bytes()),
        changed("舊碼", &|text| cp950(&declared(text))),
    ];
    units.iter().for_each(|unit| world.nodes[0].put(unit));
    for unit in &units {
        let sent = world.nodes[0].until(unit, Word::Confirmed).await;
        let got = world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
        assert_eq!(world.nodes[1].delivered(&got), unit.all(), "{}", unit.di.0);
        // What was signed are the digests of these very bytes.
        let archive = world.nodes[1].config.folders.archive.join(&got.archive);
        let container =
            below(&archive).into_iter().find(|f| f.extension().is_some_and(|e| e == "asice")).unwrap();
        let mut file = fs::File::open(container).unwrap();
        let at = got.offer.accepted_at;
        let checked =
            envelope::container::verify(&mut file, &world.anchors(), at, &Default::default()).unwrap();
        for (name, bytes) in unit.all() {
            let stored = checked.files.iter().find(|f| f.name == name).unwrap();
            assert_eq!(stored.sha256, envelope::sha256(&bytes), "{name}");
        }
        // And the sender keeps them as they were.
        let kept = eventually("they lie in sent/", || {
            let folders = fs::read_dir(&world.nodes[0].config.folders.sent).ok()?.flatten().map(|e| e.path());
            let stem = unit.di.0.trim_end_matches(".di");
            let of = |path: &PathBuf| {
                path.is_dir() && path.file_name().unwrap().to_string_lossy().starts_with(stem)
            };
            folders.into_iter().find(of)
        })
        .await;
        assert_eq!(read_all(&kept), unit.all());
    }
    world.stop().await;
}
