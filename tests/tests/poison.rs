//! A document on which the process dies, again and again at the same step: it is set apart with an alarm, the rest goes
//! on, and a person has it tried again once its cause is put right. Whole processes that really die.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tests::binary;
use tests::site::{Process, Site, drop_letter, eventually};

const SOON: Duration = Duration::from_secs(60);

fn site(dir: &Path) -> Site {
    Site::make(dir, binary("di-node").parent().unwrap())
}

/// Quick tries, so that deaths follow each other.
fn hurry(site: &Site, code: &str) {
    site.set(&format!("node-{code}.toml"), "retry", "first", "\"50ms\"");
}

fn up(site: &Site, code: &str) -> Process {
    let node = site.node(code);
    eventually("the node answers", SOON, || site.get(&site.socket(code), "/v1/health").ok());
    node
}

/// What a box has with this number in its subject, the newest first; a letter that was not read yet by its file's name.
fn letters(site: &Site, code: &str, which: &str, number: &str) -> Vec<Value> {
    let Ok(page) = site.get(&site.socket(code), &format!("/v1/{which}?limit=50")) else { return Vec::new() };
    let has = |d: &Value, key: &str| d[key].as_str().is_some_and(|s| s.contains(number));
    let all = page["documents"].as_array().unwrap().iter();
    all.filter(|d| has(d, "subject") || has(d, "drop_name")).cloned().collect()
}

fn state(site: &Site, code: &str, which: &str, number: &str) -> Option<String> {
    let found = letters(site, code, which, number);
    found.first().and_then(|d| d["state"].as_str().map(str::to_owned))
}

fn must(site: &Site, code: &str, args: &[&str]) {
    let output = site.di_node(code, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The alarm that sets a document apart is where people look.
fn alarmed(site: &Site, code: &str, label: &str) -> bool {
    let status = site.get(&site.socket(code), "/v1/status").unwrap();
    let alarms = status["alarms"].as_array().unwrap().iter();
    alarms.filter_map(|a| a["detail"].as_str()).any(|detail| detail.contains(label))
}

#[test]
fn a_letter_on_which_the_receiver_dies_three_times_is_quarantined_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path());
    let [us, b] = [0, 1].map(|n| site.codes[n].clone());
    // what stands between opening and archiving kills the node: a real death in a step that has begun
    let scanner = site.dir.join("scan.sh");
    fs::write(
        &scanner,
        "#!/bin/sh\nif grep -q POISON \"$1\"/*.bin; then kill -9 \"$PPID\"; sleep 5; fi\nexit 0\n",
    )
    .unwrap();
    fs::set_permissions(&scanner, fs::Permissions::from_mode(0o755)).unwrap();
    hurry(&site, &b);
    let command = format!("[{:?}]", scanner.display().to_string());
    site.set(&format!("node-{b}.toml"), "scan", "command", &command);
    let (_center, _sender) = (site.center(), up(&site, &us));
    let drop = site.folder(&us, "drop");
    let _ = drop_letter(&drop, "8000001", &us, &[&b], &[("bin", b"POISON")]);
    eventually("the center has it", SOON, || {
        (state(&site, &us, "outbox", "8000001")? == "accepted").then_some(())
    });
    for death in 1..=3 {
        let mut node = site.node(&b);
        eventually(&format!("death {death}"), SOON, || node.ended().then_some(()));
    }
    let receiver = up(&site, &b);
    let apart = eventually("it is set apart", SOON, || {
        let page = site.get(&site.socket(&b), "/v1/inbox?state=quarantined").ok()?;
        page["documents"].as_array()?.first().cloned()
    });
    assert_eq!(apart["reason"]["label"], "died-three-times");
    assert!(alarmed(&site, &b, "died-three-times"));
    assert_eq!(state(&site, &us, "outbox", "8000001").unwrap(), "accepted", "nothing is said to the sender");
    let _ = drop_letter(&drop, "8000002", &us, &[&b], &[("bin", b"harmless")]);
    eventually("the rest goes on", SOON, || {
        (state(&site, &us, "outbox", "8000002")? == "confirmed").then_some(())
    });

    // the cause is put right, and a person has it tried again
    fs::write(&scanner, "#!/bin/sh\nexit 0\n").unwrap();
    must(&site, &b, &["retry", apart["id"].as_str().unwrap(), "--reason", "掃描程式已更新"]);
    eventually("it is confirmed", SOON, || {
        (state(&site, &us, "outbox", "8000001")? == "confirmed").then_some(())
    });
    let mine = letters(&site, &b, "inbox", "8000001");
    assert_eq!((mine.len(), mine[0]["state"].as_str().unwrap()), (1, "confirmed"));
    assert!(receiver.stop().success());
}

#[test]
fn a_letter_on_which_the_sender_dies_three_times_is_set_apart_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path());
    let [us, b] = [0, 1].map(|n| site.codes[n].clone());
    hurry(&site, &us);
    let (_center, _receiver) = (site.center(), up(&site, &b));
    let mut node = up(&site, &us);
    let drop = site.folder(&us, "drop");
    let _ = drop_letter(&drop, "8100001", &us, &[&b], &[("bin", b"twice")]);
    eventually("the first is sent", SOON, || {
        (state(&site, &us, "outbox", "8100001")? == "confirmed").then_some(())
    });
    // the same bytes again are held; meanwhile an attachment becomes what reading waits for without end
    let _ = drop_letter(&drop, "8100001", &us, &[&b], &[("bin", b"twice")]);
    let held = eventually("the second is held", SOON, || {
        letters(&site, &us, "outbox", "8100001").into_iter().find(|d| d["held"] == true)
    });
    let id = held["id"].as_str().unwrap().to_owned();
    let work = site.folder(&us, "work").join(&id);
    let attachment = work.join("8100001_0.bin");
    assert_eq!(fs::read(&attachment).unwrap(), b"twice");
    fs::remove_file(&attachment).unwrap();
    assert!(Command::new("mkfifo").arg(&attachment).status().unwrap().success());
    must(&site, &us, &["release", &format!("out:{id}"), "--reason", "對方要求再送"]);
    // A pipe can be opened to be written only while somebody has it open to read: the node is within the step.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
    for death in 1..=3 {
        let pen = eventually(&format!("the step has begun {death} times"), SOON, || {
            fs::OpenOptions::new().write(true).custom_flags(nonblocking).open(&attachment).ok()
        });
        node.kill();
        std::mem::drop(pen);
        node = up(&site, &us);
    }
    // before that it waited for the link, after each start
    eventually("it is set apart", SOON, || {
        let found = site.get(&site.socket(&us), &format!("/v1/documents/out:{id}")).ok()?;
        (found["reason"]["label"] == "died-three-times").then_some(())
    });
    assert!(alarmed(&site, &us, "died-three-times"));
    let _ = drop_letter(&drop, "8100002", &us, &[&b], &[("bin", b"another")]);
    eventually("the rest goes on", SOON, || {
        (state(&site, &us, "outbox", "8100002")? == "confirmed").then_some(())
    });

    fs::remove_file(&attachment).unwrap();
    fs::write(&attachment, b"twice").unwrap();
    must(&site, &us, &["retry", &format!("out:{id}"), "--reason", "附件已放回"]);
    eventually("it is confirmed", SOON, || {
        let found = site.get(&site.socket(&us), &format!("/v1/documents/out:{id}")).ok()?;
        (found["state"] == "confirmed").then_some(())
    });
    assert!(node.stop().success());
}
