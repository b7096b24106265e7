//! The points, from outside: a process that does a few steps, and what the environment makes of them.
#![cfg(feature = "failpoints")]

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use durable::Step;

/// What the child does, in the folder that it is given: a file is written in two pieces, synced, renamed, removed.
#[test]
#[ignore = "the child of the others"]
fn child() {
    let dir = std::env::var_os("DI_TEST_FOLDER").unwrap();
    let (dir, to) = (Path::new(&dir), Path::new(&dir).join("kept 件"));
    if std::env::var_os("DI_TEST_DECLARED").is_some() {
        durable::points::declare(&[("place", &[Step::Rename])], &[("place", &[Step::Remove])]);
    }
    let options = std::fs::OpenOptions::new().write(true).create(true).truncate(true).clone();
    let mut file = durable::File::open("place", &options, &dir.join("draft")).unwrap();
    file.write_all(b"one ").unwrap();
    // by another hand, as an asynchronous writer does
    std::fs::OpenOptions::new().append(true).open(dir.join("draft")).unwrap().write_all(b"two").unwrap();
    let synced = file.sync_all();
    if synced.is_err() {
        assert!(file.sync_all().is_err(), "a second fsync is not believed");
        let control = std::env::var_os("DI_FAULTS").unwrap();
        std::fs::write(control, "").unwrap();
        assert!(file.sync_data().is_err(), "also when the disk is well again");
        let anew = durable::File::open("place", &options, &dir.join("draft")).unwrap();
        anew.sync_all().unwrap();
    }
    synced.unwrap();
    durable::rename("place", &dir.join("draft"), &to).unwrap();
    durable::sync_folder("place", dir).unwrap();
    durable::remove("place", &to).unwrap();
}

fn run(dir: &Path, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture"]).env("DI_TEST_FOLDER", dir);
    command.envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn the_process_ends_at_the_point_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run(dir.path(), &[]).status.success());
    for (point, draft, kept) in [
        ("place.before-rename", true, false),
        ("place.after-rename", false, true),
        ("place.before-remove", false, true),
    ] {
        let _ = std::fs::remove_file(dir.path().join("kept 件"));
        let ended = run(dir.path(), &[("DI_FAILPOINT", point)]);
        assert_eq!(ended.status.signal(), Some(6), "{point}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains(&format!("fail point {point} reached")));
        let there = |name| dir.path().join(name).exists();
        assert_eq!((there("draft"), there("kept 件")), (draft, kept), "{point}");
    }
    assert!(
        run(dir.path(), &[("DI_FAILPOINT", "place.before-rename:2")]).status.success(),
        "only one rename"
    );
}

#[test]
fn a_point_that_was_not_declared_ends_the_process_and_all_others_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(dir.path(), &[("DI_TEST_DECLARED", "1")]);
    assert_eq!(ended.status.signal(), Some(6), "fsync was not declared");
    let listed = run(dir.path(), &[("DI_TEST_DECLARED", "1"), ("DI_FAILPOINT", "list")]);
    let text = String::from_utf8(listed.stdout).unwrap();
    let points: Vec<_> = text.lines().filter(|line| line.contains("place.")).collect();
    // the test harness begins the first line
    assert!(points[0].ends_with("place.after-rename"), "{points:?}");
    assert_eq!(points[1..], ["place.before-rename", "place.after-remove rare", "place.before-remove rare"]);
    let file = dir.path().join("passed");
    assert!(run(dir.path(), &[("DI_PASSED", file.to_str().unwrap())]).status.success());
    let passed = std::fs::read_to_string(file).unwrap();
    assert_eq!(passed.lines().count(), 8, "{passed}");
}

#[test]
fn a_step_fails_as_asked_and_a_failed_fsync_is_final_for_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let control = dir.path().join("faults");
    for (fault, says) in [
        ("place * full", "StorageFull"),
        ("* * read-only", "ReadOnlyFilesystem"),
        ("* fsync io", "Uncategorized"),
        ("place rename full", "StorageFull"),
    ] {
        std::fs::write(&control, fault).unwrap();
        let ended = run(dir.path(), &[("DI_FAULTS", control.to_str().unwrap())]);
        let text = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && text.contains(says), "{fault}: {text}");
        assert!(!text.contains("assertion"), "{fault}: {text}");
    }
    std::fs::write(&control, "other * full\nplace write slow:1\n").unwrap();
    assert!(run(dir.path(), &[("DI_FAULTS", control.to_str().unwrap())]).status.success());
}

#[test]
fn every_step_is_recorded_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    assert!(run(dir.path(), &[("DI_RECORD", path.to_str().unwrap())]).status.success());
    let entries = durable::record::read(&path).unwrap();
    let steps: Vec<_> = entries.iter().map(|e| e.step.as_str()).collect();
    assert_eq!(steps, ["create", "write", "write", "fsync", "rename", "folder", "remove"]);
    assert_eq!((entries[1].offset, entries[1].bytes.as_slice()), (0, b"one ".as_slice()));
    assert_eq!((entries[2].offset, entries[2].bytes.as_slice()), (4, b"two".as_slice()));
    assert_eq!(entries[4].path, dir.path().join("draft"));
    assert_eq!(entries[4].to, dir.path().join("kept 件"));
    // a process may end while it writes
    let all = std::fs::read(&path).unwrap();
    let cut = all.windows(4).position(|w| w == b"one ").unwrap() + 2;
    std::fs::write(&path, &all[..cut]).unwrap();
    assert_eq!(durable::record::read(&path).unwrap().len(), 1);
}
