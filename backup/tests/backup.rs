//! Whole or not there, verified, never over something else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use backup::{Backup, Kind, Manifest, Put, Writer};

fn begin(dest: &Path, previous: Option<Backup>) -> Result<Writer, backup::Error> {
    Writer::begin(dest, Manifest::new(Kind::Node, "0", "A99000000Z"), previous)
}

fn quiet() -> impl FnMut(u64) {
    |_| {}
}

/// A backup of these files, made from a folder beside it.
fn made(dir: &Path, name: &str, files: &[(&str, &str)], previous: Option<Backup>) -> Backup {
    let mut writer = begin(&dir.join(name), previous).unwrap();
    for (path, text) in files {
        let from = dir.join("source");
        std::fs::write(&from, text).unwrap();
        assert!(writer.copy(&from, path, &mut quiet()).unwrap());
    }
    writer.finish().unwrap();
    Backup::open(&dir.join(name)).unwrap()
}

#[test]
fn it_is_there_when_it_is_whole_and_never_over_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("b");
    let mut writer = begin(&dest, None).unwrap();
    assert_eq!(begin(&dest, None).unwrap_err().label(), "backup-running");
    writer.text("settings.toml", "a = 1\n").unwrap();
    assert!(!writer.copy(&dir.path().join("gone"), "x", &mut quiet()).unwrap());
    assert!(!dest.exists());
    let manifest = writer.finish().unwrap();
    assert_eq!(manifest.files.keys().collect::<Vec<_>>(), ["settings.toml"]);
    assert_eq!(begin(&dest, None).unwrap_err().label(), "backup-exists");
    assert!(!dir.path().join("b.partial").exists());
    for entry in std::fs::read_dir(&dest).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
    }
    let sums = std::fs::read_to_string(dest.join("manifest.sha256")).unwrap();
    assert!(sums.ends_with("  manifest.json\n"), "as sha256sum -c reads it");
}

#[test]
fn what_a_killed_one_left_is_no_backup_and_is_removed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let partial = dir.path().join("b.partial");
    std::fs::create_dir(&partial).unwrap();
    std::fs::write(partial.join("half"), "x").unwrap();
    assert_eq!(Backup::open(&partial).unwrap_err().label(), "backup-none");
    drop(begin(&dir.path().join("b"), None).unwrap());
    assert!(!partial.exists(), "given up, it is removed");
    assert!(!made(dir.path(), "b", &[("x", "1")], None).folder().join("half").exists());
}

#[test]
fn every_byte_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let found = made(dir.path(), "b", &[("a/x", "one"), ("y", "two")], None);
    found.verify(&mut quiet()).unwrap();
    let path = found.folder().join("a/x");
    for wrong in ["onf", "on", "one "] {
        std::fs::write(&path, wrong).unwrap();
        assert_eq!(found.verify(&mut quiet()).unwrap_err().label(), "backup-damaged");
        let to = dir.path().join("out");
        assert_eq!(found.put("a/x", &to, &mut 0, &mut quiet()).unwrap_err().label(), "backup-damaged");
        assert!(!to.exists(), "nothing wrong is put back");
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(found.verify(&mut quiet()).unwrap_err().label(), "backup-damaged");
    std::fs::write(&path, "one").unwrap();
    let manifest = found.folder().join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("A99000000Z", "A99000001Z")).unwrap();
    assert_eq!(Backup::open(found.folder()).unwrap_err().label(), "backup-damaged");
}

#[test]
fn a_manifest_cannot_lead_out_and_a_later_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let found = made(dir.path(), "b", &[("x", "one")], None);
    let rewrite = |from: &str, to: &str| {
        let path = found.folder().join("manifest.json");
        let text = std::fs::read_to_string(&path).unwrap().replace(from, to);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        std::fs::write(&path, text).unwrap();
        let line = format!("{}  manifest.json\n", backup::hex(digest.as_ref()));
        std::fs::write(found.folder().join("manifest.sha256"), line).unwrap();
        Backup::open(found.folder())
    };
    for path in ["../x", "a//x", "/x", "a/../../x", "."] {
        assert_eq!(rewrite("\"x\"", &format!("\"{path}\"")).unwrap_err().label(), "backup-damaged");
        rewrite(&format!("\"{path}\""), "\"x\"").unwrap();
    }
    assert_eq!(rewrite("\"format\": 1", "\"format\": 2").unwrap_err().label(), "backup-newer");
    let found = rewrite("\"format\": 2", "\"format\": 1").unwrap();
    found.expect(Kind::Node, Some("A99000000Z"), 0).unwrap();
    assert_eq!(found.expect(Kind::Center, None, 0).unwrap_err().label(), "backup-other");
    assert_eq!(found.expect(Kind::Node, Some("A99000001Z"), 0).unwrap_err().label(), "backup-other");
    assert_eq!(found.expect(Kind::Node, None, -1).unwrap_err().label(), "backup-newer");
}

#[test]
fn what_is_there_is_compared_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let found = made(dir.path(), "b", &[("x", "one")], None);
    let to = dir.path().join("out");
    std::fs::write(dir.path().join("out.restoring"), "half").unwrap();
    assert_eq!(found.put("x", &to, &mut 0, &mut quiet()).unwrap(), Put::Made);
    assert_eq!(found.put("x", &to, &mut 0, &mut quiet()).unwrap(), Put::Same);
    std::fs::write(&to, "two").unwrap();
    assert_eq!(found.put("x", &to, &mut 0, &mut quiet()).unwrap(), Put::Differs);
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "two");
}

#[test]
fn the_same_content_is_linked_and_changed_content_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    let first = made(dir.path(), "1", &[("same", "one"), ("changed", "two")], None);
    let second =
        made(dir.path(), "2", &[("same", "one"), ("changed", "owt"), ("new", "x")], Some(first.clone()));
    second.verify(&mut quiet()).unwrap();
    first.verify(&mut quiet()).unwrap();
    let inode = |found: &Backup, name: &str| std::fs::metadata(found.folder().join(name)).unwrap().ino();
    assert_eq!(inode(&first, "same"), inode(&second, "same"));
    assert_ne!(inode(&first, "changed"), inode(&second, "changed"));
}
