//! The power fails while SQLite writes: the `-wal` file is cut at any byte behind the last acknowledged commit, or holds
//! rubbish from there on. The store opens and has everything that was acknowledged.
//!
//! A sample of the bytes; `CUTS=0` tries every one (`make power-loss`).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::path::Path;

use store::Store;
use store::journal::{About, NewEntry};

fn line(store: &Store, detail: &str) -> u64 {
    let entry = NewEntry {
        actor: "test".into(),
        event: "line".into(),
        about: About::Node,
        detail: detail.into(),
        alarm: false,
    };
    store.journal(entry, 1).wait().unwrap()
}

/// As a power cut leaves it: database and log, not the shared memory.
fn take(from: &Path) -> (Vec<u8>, Vec<u8>) {
    (std::fs::read(from.join("node.db")).unwrap(), std::fs::read(from.join("node.db-wal")).unwrap())
}

fn opens_with(db: &[u8], wal: &[u8], acknowledged: u64, what: &str) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("node.db"), db).unwrap();
    std::fs::write(dir.path().join("node.db-wal"), wal).unwrap();
    let store = Store::open(dir.path(), 2).unwrap_or_else(|error| panic!("{what}: {error}"));
    store.check().unwrap_or_else(|error| panic!("{what}: {error}"));
    let lines = store.journal_after(0, 10_000).unwrap();
    let kept = lines.iter().filter(|line| line.event == "line").count() as u64;
    assert!(kept >= acknowledged, "{what}: {kept} of {acknowledged} acknowledged commits are there");
    kept
}

#[test]
fn a_log_cut_at_any_byte_holds_everything_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0).unwrap();
    let many = 5;
    for n in 1..=many {
        line(&store, &format!("acknowledged {n}"));
    }
    let (db, acknowledged) = take(dir.path());
    // a commit of several pages that nobody was told of yet
    line(&store, &"not acknowledged ".repeat(600));
    let (db_after, wal) = take(dir.path());
    assert!(db == db_after, "no checkpoint came between");
    assert!(wal.len() > acknowledged.len() + 3 * 4096, "it is several pages long");
    assert!(wal.starts_with(&acknowledged), "a log only grows");
    let all = wal.len() - acknowledged.len();
    let step = match std::env::var("CUTS").ok().and_then(|text| text.parse::<usize>().ok()) {
        Some(0) => 1,
        cuts => (all / cuts.unwrap_or(40)).max(1),
    };
    let mut complete = 0;
    for length in (0..=all).step_by(step).chain([1, 23, 24, 25, 4119, 4120, 4121, all - 1, all]) {
        let cut = &wal[..acknowledged.len() + length];
        let kept = opens_with(&db, cut, many, &format!("cut at {length} of {all}"));
        complete += u64::from(kept > many);
        assert_eq!(kept > many, length == all, "a commit is there whole or not at all: {length} of {all}");
        let mut rubbish = cut.to_vec();
        rubbish.resize(wal.len(), 0x5a);
        opens_with(&db, &rubbish, many, &format!("rubbish from {length} of {all}"));
    }
    assert!(complete > 0, "the whole log was among them");
}
