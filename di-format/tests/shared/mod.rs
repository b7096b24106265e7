//! Finds the data beside the repository, and calls xmllint.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part of this")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `../shared` beside the repository, or `DI_SHARED`. Absent: says so and gives `None`, but fails in CI.
pub(crate) fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("DI_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    if root.join("data/dtd/104-official").is_dir() {
        return Some(root);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing, and CI must have it", root.display());
    // not eprintln: the test runner would swallow it
    let _ = writeln!(std::io::stderr(), "SKIPPED: no data at {}", root.display());
    None
}

/// The official DTD files, or `None`.
pub(crate) fn official() -> Option<PathBuf> {
    shared().map(|root| root.join("data/dtd/104-official"))
}

/// A directory with the DTDs printed from our own tables, under the official names.
pub(crate) fn printed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for kind in di_format::Kind::ALL {
        let name = format!("104_{}_utf8.dtd", kind.code());
        std::fs::write(dir.path().join(name), di_format::model::dtd(kind)).unwrap();
    }
    dir
}

/// Copies the DTD files of `from` into `to`, so that relative system identifiers find them.
pub(crate) fn lay_out(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// For each file in `dir`: what xmllint says about it; empty if it is valid.
pub(crate) fn xmllint(dir: &Path, files: &[String]) -> Vec<String> {
    let mut said = Vec::new();
    for batch in files.chunks(250) {
        let output = Command::new("xmllint")
            .current_dir(dir)
            .args(["--noout", "--valid"])
            .args(batch)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        for file in batch {
            let lines: Vec<&str> =
                text.lines().filter(|line| line.starts_with(&format!("{file}:"))).collect();
            said.push(lines.join("\n"));
        }
    }
    said
}
