//! Databases that an older release made are brought up to date with all that is in them, and work goes on in them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;
use store::Store;
use store::boxes::Filter;
use store::inbound::{Answer, Archiving, Offer, Offered};
use store::outbound::{Claim, Effect, VerdictLine, Verdicts};
use store::queue::Take;
use store::state::{Inbound, Line, Verdict, Word};

const NOW: i64 = 1_800_000_000_000;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schema-1").join(name)
}

/// A state folder with a copy of it.
fn state(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(fixture(name).join("node.db"), dir.path().join("node.db")).unwrap();
    dir
}

/// Every row of every table, by the columns that schema 1 had.
fn everything(path: &Path, columns: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<Vec<Value>>> {
    let conn = Connection::open(path).unwrap();
    columns
        .iter()
        .map(|(table, columns)| {
            let named: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
            let sql = format!("SELECT {} FROM \"{table}\" ORDER BY 1, 2", named.join(", "));
            let mut statement = conn.prepare(&sql).unwrap();
            let row = |r: &rusqlite::Row<'_>| (0..columns.len()).map(|i| r.get(i)).collect();
            (table.clone(), statement.query_map([], row).unwrap().map(Result::unwrap).collect())
        })
        .collect()
}

fn columns(path: &Path) -> BTreeMap<String, Vec<String>> {
    let conn = Connection::open(path).unwrap();
    let list = |sql: &str| -> Vec<String> {
        conn.prepare(sql).unwrap().query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let tables = list("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    tables
        .into_iter()
        .map(|table| {
            let columns = list(&format!("SELECT name FROM pragma_table_info('{table}')"));
            (table, columns)
        })
        .collect()
}

#[test]
fn every_row_and_the_journal_outlive_the_upgrade() {
    for name in ["sender", "receiver"] {
        let dir = state(name);
        let path = dir.path().join("node.db");
        let columns = columns(&path);
        assert!(columns.len() >= 12 && columns["document"].len() >= 29, "the fixture is what it was");
        let before = everything(&path, &columns);
        assert!(before["journal"].len() > 20);
        let lines = Store::open_copy(dir.path()).unwrap().verify_chain().unwrap();
        let store = Store::open(dir.path(), NOW).unwrap();
        assert_eq!(store.schema().unwrap(), Store::SCHEMA);
        assert_eq!(store.check().unwrap(), lines + 1, "the same chain, and that it was opened");
        drop(store);
        let mut after = everything(&path, &columns);
        after.get_mut("journal").unwrap().pop();
        assert_eq!(after, before, "{name}");
        // what an upgrade needs is there for who must go back
        let kept = dir.path().join("node.db.schema-1");
        assert_eq!(kept.exists(), Store::SCHEMA > 1);
        if kept.exists() {
            assert_eq!(everything(&kept, &columns), before);
        }
    }
}

#[test]
fn a_backup_can_be_made_before_the_upgrade() {
    for name in ["sender", "receiver"] {
        let dir = state(name);
        let to = tempfile::tempdir().unwrap();
        Store::copy(dir.path(), &to.path().join("node.db"), &mut |_, _| {}).unwrap();
        let copy = Store::open_copy(to.path()).unwrap();
        assert_eq!(copy.schema().unwrap(), 1, "a copy is brought up to date where it is put back");
        copy.check().unwrap();
        assert!(copy.claimed().unwrap().is_empty() && copy.staged().unwrap().is_empty());
        assert_eq!(copy.di_name([0; 16]).unwrap(), None);
        assert!(!copy.spool_names().unwrap().is_empty());
        assert_eq!(copy.archives(0, 10).unwrap().len(), if name == "receiver" { 3 } else { 0 });
    }
}

#[test]
fn what_was_under_way_goes_on() {
    let dir = state("sender");
    let store = Store::open(dir.path(), NOW).unwrap();
    let take = Take { now: NOW, limit: 10, at_most: None };
    // the one that waited for the center
    store.wake(Vec::new(), NOW).wait().unwrap();
    let due = store.due_parts(take).unwrap();
    assert_eq!(due.len(), 1);
    store.accepted(due[0].id, b"receipt".to_vec(), NOW, NOW).wait().unwrap();
    // the one that waited for its recipient
    let rows = store.outbox(&Filter { limit: 100, ..Filter::default() }).unwrap();
    let open: Vec<_> = rows.iter().filter(|row| row.document.word == Word::Accepted).collect();
    assert_eq!(open.len(), 2);
    let waiting = open.iter().flat_map(|row| store.lines(row.document.id).unwrap());
    let verdicts: Vec<VerdictLine> = waiting
        .filter(|line| line.state == Line::Accepted)
        .map(|line| VerdictLine {
            document: line.document,
            round: line.round,
            recipient: line.recipient,
            verdict: Verdict::Confirmed,
            label: String::new(),
            archived_at: Some(NOW),
        })
        .collect();
    assert_eq!(verdicts.len(), 2);
    let told = Verdicts { bundle: b"bundle".to_vec(), seq: None, lines: verdicts };
    let effects = store.verdicts(told, NOW).wait().unwrap();
    assert!(effects.iter().all(|effect| *effect == Effect::Moved(Line::Confirmed)), "{effects:?}");
    assert!(store.outbox(&Filter { states: vec![Word::Accepted], ..Filter::default() }).unwrap().is_empty());
    // a letter that was sent by the older program is known
    let digest = open[0].document.digest;
    let again =
        Claim { id: [7; 16], drop_name: "x.di".into(), di_name: "x.di".into(), digest, ..Claim::default() };
    assert!(store.claim(again, NOW).wait().unwrap().duplicate_of.is_some());
    store.check().unwrap();
}

#[test]
fn what_arrives_after_the_upgrade_is_received() {
    let dir = state("receiver");
    let store = Store::open(dir.path(), NOW).unwrap();
    let known = store.inbox(&Filter::default()).unwrap();
    assert!(known.len() >= 3 && known.iter().all(|row| row.state == Inbound::Confirmed));
    let old = store.inbound(known[0].id).unwrap().unwrap().inbound;
    let new = Offer { seq: 1_000, document: [9; 16], receipt: b"receipt".to_vec(), ..old.offer.clone() };
    let results = store.offered(vec![old.offer.clone(), new], Some(1_000), NOW).wait().unwrap();
    assert!(matches!(results[0], Offered::Known { state: Inbound::Confirmed, receipt: Some(_), .. }));
    let Offered::New(id) = results[1] else { panic!("{:?}", results[1]) };
    store.fetched(id, 0, "in.p7m", NOW).wait().unwrap();
    store.archived(Archiving { id, archive: "a".into(), ..Archiving::default() }, NOW).wait().unwrap();
    let answer = Answer { inbound: vec![id], to: old.offer.sender, bundle: b"bundle".to_vec() };
    let receipts = store.answered(vec![answer], NOW).wait().unwrap();
    store.reported(receipts[0], NOW).wait().unwrap();
    assert_eq!(store.inbound(id).unwrap().unwrap().inbound.state, Inbound::Confirmed);
    store.check().unwrap();
}

#[test]
fn a_database_of_a_later_release_is_refused_and_left_as_it_is() {
    let dir = state("sender");
    let path = dir.path().join("node.db");
    let later = Store::SCHEMA + 1;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", later).unwrap();
    let before = std::fs::read(&path).unwrap();
    for error in [
        Store::open(dir.path(), NOW).unwrap_err(),
        Store::open_read_only(dir.path()).unwrap_err(),
        Store::open_copy(dir.path()).unwrap_err(),
    ] {
        assert_eq!(error.label(), "database-newer");
    }
    assert_eq!(std::fs::read(&path).unwrap()[..], before[..]);
}
