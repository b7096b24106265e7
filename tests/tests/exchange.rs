//! A whole exchange: dropped, sealed, 系統確認, fetched, archived, delivered, 使用者確認.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use config::Transport;
use store::state::{Document, Inbound, Line, Word};
use tests::world::{Unit, World, eventually, to};

async fn one_document(transport: Transport) {
    let world = World::new(2, transport).await;
    let unit =
        Unit::letter("函一", &[to(1)], &[("附件一.txt", b"hello"), ("附件二.pdf", &[7; 100_000])], &[]);
    world.nodes[0].put(&unit);
    let sent = world.nodes[0].until(&unit, Word::Confirmed).await;
    let got = world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
    assert_eq!(world.nodes[1].delivered(&got), unit.all(), "every byte, every name");
    assert_eq!(sent.lines.len(), 1);
    assert_eq!(sent.lines[0].state, Line::Confirmed);
    assert_eq!(sent.containers.len(), 1, "signed once");
    assert!(sent.lines[0].accepted_at.is_some() && sent.lines[0].archived_at.is_some());
    assert!(world.nodes[1].config.folders.archive.join(&got.archive).exists());
    assert!(!world.nodes[0].config.folders.drop.join("函一.di").exists(), "the original is gone");
    world.nodes[0].store().verify_chain().unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_drop_to_confirmed_archive_over_quic() {
    one_document(Transport::Quic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_drop_to_confirmed_archive_over_tcp() {
    one_document(Transport::Tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_to_three_with_without_attachments_and_on_paper() {
    let world = World::new(3, Transport::Auto).await;
    let recipients = [to(1).attachments(true), to(2).attachments(false)];
    let unit = Unit::letter("三方", &recipients, &[("海報.txt", b"poster")], &["某某協會"]);
    world.nodes[0].put(&unit);
    let sent = world.nodes[0].until(&unit, Word::Confirmed).await;
    let id = sent.document.id;
    assert_eq!(sent.containers.len(), 2, "whole and reduced, each signed");
    assert_eq!(sent.hints.iter().map(|h| h.name.as_str()).collect::<Vec<_>>(), ["某某協會"]);
    let with = world.nodes[1].received(id, Inbound::Confirmed).await;
    assert_eq!(world.nodes[1].delivered(&with), unit.all());
    let without = world.nodes[2].received(id, Inbound::Confirmed).await;
    assert_eq!(world.nodes[2].delivered(&without), unit.without_attachments());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_letter_is_refused_with_its_reason_and_others_go_on() {
    let world = World::new(2, Transport::Auto).await;
    let good = Unit::letter("好的", &[to(1)], &[], &[]);
    let mut bad = Unit::letter("壞的", &[to(1)], &[], &[]);
    let text = String::from_utf8(bad.di.1.clone()).unwrap();
    let begin = text.find("<主旨>").unwrap();
    let end = text.find("</主旨>").unwrap() + "</主旨>".len();
    bad.di.1 = format!("{}{}", &text[..begin], &text[end..]).into_bytes();
    world.nodes[0].put(&bad);
    world.nodes[0].put(&good);
    let refused = world.nodes[0].until(&bad, Word::Refused).await;
    assert_eq!(refused.document.state, Document::Refused);
    assert!(di_format::LABELS.iter().any(|(label, _)| *label == refused.document.trouble.label));
    let detail = &refused.document.trouble.detail;
    assert!(detail.contains("壞的.di") && detail.contains("主旨"), "{detail}");
    world.nodes[0].until(&good, Word::Confirmed).await;
    assert_eq!(world.nodes[1].inbox().len(), 1, "only the good one left the house");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_code_is_listed_in_one_refusal() {
    let world = World::new(2, Transport::Auto).await;
    let unknown = |code: &str| tests::world::To { code: code.into(), name: code.into(), attachments: None };
    let unit = Unit::letter("查無", &[to(1), unknown("XC99999998"), unknown("XC99999999")], &[], &[]);
    world.nodes[0].put(&unit);
    let refused = world.nodes[0].until(&unit, Word::Refused).await;
    let trouble = &refused.document.trouble;
    assert_eq!(trouble.label, "recipients-not-addressable");
    assert!(trouble.detail.contains("XC99999998") && trouble.detail.contains("XC99999999"));
    assert!(!trouble.detail.contains("XC00000002"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_suspended_after_the_directory_was_asked_delays_but_does_not_stop() {
    let world = World::new(3, Transport::Auto).await;
    let suspended = "XC00000003";
    let both = [to(1), to(2)];
    let letter = |name: &str| Unit::letter(name, &both, &[], &[]);
    let warm = letter("先問過目錄");
    world.nodes[0].put(&warm);
    world.nodes[0].until(&warm, Word::Confirmed).await;
    // The sender's node still believes the directory's answer from a moment ago; the center knows better.
    world.registry().suspend(suspended, tests::world::now()).unwrap();
    let unit = letter("停用之間");
    world.nodes[0].put(&unit);
    let waits = eventually("tried again and again, with its reason", || {
        let row = world.nodes[0].outbox().into_iter().find(|row| row.di_name == unit.di.0)?;
        let all = world.nodes[0].store().document(row.id).unwrap()?;
        let trouble = &all.parts.first()?.trouble;
        (trouble.label == "recipient-suspended" && trouble.attempts >= 2).then_some(all)
    })
    .await;
    let trouble = &waits.parts[0].trouble;
    assert!(trouble.due.is_some(), "by time, not by a person");
    assert!(trouble.detail.contains(suspended) && !trouble.detail.contains("XC00000002"), "{trouble:?}");
    assert!(waits.lines.iter().all(|line| line.state == Line::Waiting));
    // What is dropped now is refused before anything is sealed: the center's answer made the old one forgotten.
    let refused = letter("停用之後");
    world.nodes[0].put(&refused);
    let refused = world.nodes[0].until(&refused, Word::Refused).await;
    assert_eq!(refused.document.trouble.label, "recipients-not-addressable");
    assert!(refused.document.trouble.detail.contains("suspended"));
    // Resumed: the one that waits goes on by itself, and a new one is not refused on the answer from before.
    world.registry().resume(suspended, tests::world::now()).unwrap();
    let new = letter("恢復之後");
    world.nodes[0].put(&new);
    for unit in [&unit, &new] {
        let sent = world.nodes[0].until(unit, Word::Confirmed).await;
        assert!(sent.lines.len() == 2 && sent.lines.iter().all(|line| line.state == Line::Confirmed));
        for node in [1, 2] {
            let got = world.nodes[node].received(sent.document.id, Inbound::Confirmed).await;
            assert_eq!(world.nodes[node].delivered(&got), unit.all());
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_recipient_can_not_open_comes_back_and_a_new_key_resends_it() {
    // The directory names a second key of the recipient that its node does not have.
    let mut world = World::registered(2, Transport::Auto, |_, _| {}).await;
    world.put_entry("XC00000002", "乙機關", "enc2", 2);
    for node in &mut world.nodes {
        node.start().await;
    }
    let unit = Unit::letter("換鑰", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    // Sent back, sealed anew once by itself (the directory still says the same), sent back again.
    let sent = eventually("returned in the second round", || {
        let row = world.nodes[0].outbox().into_iter().find(|row| row.word == Word::Returned)?;
        let all = world.nodes[0].store().document(row.id).unwrap()?;
        all.verdicts.iter().any(|v| v.round == 1).then_some(all)
    })
    .await;
    assert_eq!(sent.lines[0].label, "recipient-key-changed");
    assert_eq!(sent.containers.len(), 1, "not signed again");
    assert_eq!(sent.parts.len(), 2);
    // The key is there now; a person resends.
    let pki = world.dir().join("pki");
    let key = config::KeyFile {
        key: Some(pki.join("XC00000002.enc2.key.pem")),
        certificate: Some(pki.join("XC00000002.enc2.crt.pem")),
        ..config::KeyFile::default()
    };
    world.nodes[1].stop().await;
    world.nodes[1].config.keys.unwrap.push(key);
    world.nodes[1].start().await;
    let running = world.nodes[0].running.as_ref().unwrap();
    let id = sent.document.id;
    running.store().resend(id, Vec::new(), "王小明", "新卡已到", tests::world::now()).await.unwrap();
    running.wake();
    world.nodes[0].until(&unit, Word::Confirmed).await;
    let got = world.nodes[1].received(id, Inbound::Confirmed).await;
    assert_eq!(world.nodes[1].delivered(&got), unit.all());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_center_that_is_away_holds_nothing_up_but_the_sending() {
    let mut world = World::new(2, Transport::Auto).await;
    world.center_down().await;
    let unit = Unit::letter("等待", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    world.nodes[0].until(&unit, Word::Claimed).await;
    world.center_up().await;
    let sent = world.nodes[0].until(&unit, Word::Confirmed).await;
    assert_eq!(sent.document.trouble.attempts, 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_down_gets_everything_when_it_is_back() {
    let mut world = World::new(2, Transport::Auto).await;
    world.nodes[1].stop().await;
    let units: Vec<Unit> = (0..5).map(|n| Unit::letter(&format!("晚到{n}"), &[to(1)], &[], &[])).collect();
    units.iter().for_each(|unit| world.nodes[0].put(unit));
    for unit in &units {
        world.nodes[0].until(unit, Word::Accepted).await;
    }
    world.nodes[1].start().await;
    for unit in &units {
        let sent = world.nodes[0].until(unit, Word::Confirmed).await;
        let got = world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
        assert_eq!(world.nodes[1].delivered(&got), unit.all());
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_that_must_not_learn_of_each_other_get_a_container_of_their_own() {
    let world = World::new(3, Transport::Auto).await;
    let recipients = [to(1), to(2)];
    let mut unit = Unit::letter("保密", &recipients, &[("附件.txt", b"x")], &[]);
    let (code, name) = tests::pki::MEMBERS[0];
    let mut letter = Unit::draft(code, name, "保密", &recipients, &[("附件.txt", b"x")], &[]);
    letter.originals =
        vec![di_format::Entry { name: di_format::Name::Group(String::new()), attachments: None }];
    unit.di.1 = di_format::write::letter(&letter).unwrap();
    world.nodes[0].put(&unit);
    let sent = world.nodes[0].until(&unit, Word::Confirmed).await;
    assert_eq!(sent.parts.len(), 2, "one seal for each");
    assert_eq!(sent.containers.len(), 2, "one container for each");
    let mut without_roster = unit.all();
    without_roster.retain(|(name, _)| !name.ends_with(".sw"));
    for (node, other) in [(1, "XC00000003"), (2, "XC00000002")] {
        let got = world.nodes[node].received(sent.document.id, Inbound::Confirmed).await;
        assert_eq!(world.nodes[node].delivered(&got), without_roster, "no roster");
        let archive = world.nodes[node].config.folders.archive.join(&got.archive);
        for (file, bytes) in everything_below(&archive) {
            let found = bytes.windows(other.len()).any(|w| w == other.as_bytes());
            assert!(!found, "{} names the other recipient", file.display());
        }
    }
    world.stop().await;
}

fn everything_below(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(everything_below(&path));
        } else if !path.ends_with(".di-node-inbox") {
            // that one says whose delivery folder it is
            out.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_letters_do_not_go_out_unless_allowed() {
    let secret = |name: &str| {
        let mut unit = Unit::letter(name, &[to(1)], &[], &[]);
        let (code, sender) = tests::pki::MEMBERS[0];
        let mut letter = Unit::draft(code, sender, name, &[to(1)], &[], &[]);
        letter.classification.level = Some("密".into());
        unit.di.1 = di_format::write::letter(&letter).unwrap();
        unit
    };
    let world = World::new(2, Transport::Auto).await;
    let unit = secret("密件");
    world.nodes[0].put(&unit);
    let refused = world.nodes[0].until(&unit, Word::Refused).await;
    assert_eq!(refused.document.trouble.label, "secret-not-electronic");
    assert!(world.nodes[1].inbox().is_empty());
    world.stop().await;

    let allow = |_, config: &mut config::NodeConfig| config.secret_letters = config::SecretLetters::Allow;
    let world = World::with(2, Transport::Auto, allow).await;
    world.nodes[0].put(&unit);
    world.nodes[0].until(&unit, Word::Confirmed).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_twice_are_held_until_a_person_decides() {
    let world = World::new(2, Transport::Auto).await;
    let unit = Unit::letter("重按", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    world.nodes[0].until(&unit, Word::Confirmed).await;
    world.nodes[0].put(&unit);
    let held = eventually("held", || world.nodes[0].outbox().into_iter().find(|row| row.trouble.held)).await;
    assert_eq!(held.trouble.label, store::DUPLICATE);
    assert_eq!(world.nodes[1].inbox().len(), 1);
    let running = world.nodes[0].running.as_ref().unwrap();
    let target = store::queue::Target::Document(held.id);
    running.store().release(target, "王小明", "要再送一次", tests::world::now()).await.unwrap();
    running.wake();
    let again = world.nodes[1].received(held.id, Inbound::Confirmed).await;
    assert!(again.duplicate_of.is_some(), "疑似重複 at the other end, but delivered");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_decides_before_the_archive_and_its_silence_is_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("scan.sh");
    let verdict = folder.path().join("verdict");
    let text = format!("#!/bin/sh\ntest -d \"$1\" || exit 7\nexit $(cat {})\n", verdict.display());
    std::fs::write(&script, text).unwrap();
    std::fs::write(&verdict, "3").unwrap();
    let command = vec!["/bin/sh".to_owned(), script.display().to_string()];
    let with_scan = |n, config: &mut config::NodeConfig| {
        if n == 1 {
            config.scan.command = command.clone();
        }
    };
    let mut world = World::with(2, Transport::Auto, with_scan).await;
    let unit = Unit::letter("掃毒", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    let waits = eventually("waits for the scanner", || {
        world.nodes[1].inbox().into_iter().find(|row| row.trouble.label == "waits-for-scanner")
    })
    .await;
    assert_eq!((waits.state, waits.trouble.attempts), (Inbound::Fetched, 0), "no attempt is spent");
    assert!(everything_below(&world.nodes[1].config.folders.inbox).is_empty(), "nothing is delivered");
    // Clean after a restart, which is an event for all that waits.
    world.nodes[1].stop().await;
    std::fs::write(&verdict, "0").unwrap();
    world.nodes[1].start().await;
    world.nodes[0].until(&unit, Word::Confirmed).await;
    std::fs::write(&verdict, "1").unwrap();
    let infected = Unit::letter("中毒", &[to(1)], &[], &[]);
    world.nodes[0].put(&infected);
    let returned = world.nodes[0].until(&infected, Word::Returned).await;
    assert_eq!(returned.lines[0].label, "scan-refused");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receive_only_node_leaves_the_drop_folder_alone_and_still_confirms() {
    let second = |n, config: &mut config::NodeConfig| config.receive_only = n == 1;
    let world = World::with(2, Transport::Auto, second).await;
    let (code, name) = tests::pki::MEMBERS[1];
    let own = Unit::letter_from(code, name, "不送", &[to(0)], &[], &[]);
    world.nodes[1].put(&own);
    let unit = Unit::letter("只收", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    world.nodes[0].until(&unit, Word::Confirmed).await;
    assert!(world.nodes[1].outbox().is_empty());
    assert!(world.nodes[1].config.folders.drop.join("不送.di").exists());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_in_anothers_name_is_refused() {
    let world = World::new(2, Transport::Auto).await;
    let (code, name) = tests::pki::MEMBERS[2];
    let unit = Unit::letter_from(code, name, "冒名", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    let refused = world.nodes[0].until(&unit, Word::Refused).await;
    assert_eq!(refused.document.trouble.label, "sender-not-ours");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_center_restored_from_a_backup_gets_again_what_it_lost() {
    let mut world = World::new(2, Transport::Auto).await;
    let early = Unit::letter("備份前", &[to(1)], &[], &[]);
    world.nodes[0].put(&early);
    world.nodes[0].until(&early, Word::Confirmed).await;
    world.nodes[1].stop().await;
    world.center_down().await;
    let backup = world.dir().join("backup");
    copy_folder(&world.config.data, &backup);
    world.center_up().await;
    world.nodes[0].ready().await;
    let lost = Unit::letter("備份後", &[to(1)], &[], &[]);
    world.nodes[0].put(&lost);
    let before = world.nodes[0].until(&lost, Word::Accepted).await;
    world.center_down().await;
    std::fs::remove_dir_all(&world.config.data).unwrap();
    copy_folder(&backup, &world.config.data);
    world.registry().restore_epoch().unwrap();
    world.center_up().await;
    world.nodes[1].start().await;
    let after = world.nodes[0].until(&lost, Word::Confirmed).await;
    assert_eq!(after.parts[0].sealed, before.parts[0].sealed, "the same bytes");
    assert_eq!(after.containers.len(), 1, "not signed again");
    assert_eq!(world.nodes[1].inbox().len(), 2, "nothing twice");
    world.stop().await;
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, target).unwrap();
        }
    }
}
