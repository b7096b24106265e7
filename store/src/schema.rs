//! Schema steps by `user_version`, the settings of a connection, and the check at start.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::Error;

/// One step per entry, applied once and in order. New steps are new files; a step that was released is never edited.
const STEPS: &[&str] = &[
    include_str!("../schema/0001.sql"),
    include_str!("../schema/0002.sql"),
    include_str!("../schema/0003.sql"),
];

/// The schema after the last step.
#[expect(clippy::cast_possible_wrap, reason = "a handful of steps")]
pub(crate) const KNOWN: i64 = STEPS.len() as i64;

/// Up to this size the whole database is checked at start; above, [`crate::Store::check`] does it when asked.
const CHECKED_AT_START: u64 = 64 << 20;

/// Up to this size a database of an older schema is copied before it is brought up to date, bytes.
const COPIED_BEFORE: u64 = 256 << 20;

/// The one connection that writes: made if need be, brought up to date, checked.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, Error> {
    let during = "opening";
    let mut conn = Connection::open(path).map_err(|e| Error::sqlite(during, e))?;
    let wrap = |e| Error::sqlite(during, e);
    conn.busy_timeout(Duration::from_secs(10)).map_err(wrap)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0)).map_err(wrap)?;
    if mode != "wal" {
        return Err(Error::Damaged(format!("journal mode {mode} instead of wal")));
    }
    conn.pragma_update(None, "synchronous", "FULL").map_err(wrap)?;
    conn.pragma_update(None, "foreign_keys", true).map_err(wrap)?;
    // else every savepoint spills to a temporary file: half of the system time of a commit
    conn.pragma_update(None, "temp_store", "MEMORY").map_err(wrap)?;
    conn.pragma_update(None, "wal_autocheckpoint", 4000).map_err(wrap)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20).map_err(wrap)?;
    conn.pragma_update(None, "cache_size", -8000).map_err(wrap)?;
    plan_once(&conn).map_err(wrap)?;
    conn.set_prepared_statement_cache_capacity(160);

    let found: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(wrap)?;
    if found > KNOWN {
        return Err(Error::Newer { found, known: KNOWN });
    }
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    if found > 0 && size <= CHECKED_AT_START {
        let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)).map_err(wrap)?;
        if verdict != "ok" {
            return Err(Error::Damaged(verdict));
        }
    }
    if found > 0 && found < KNOWN {
        keep_older(path, found, size);
    }
    migrate(&mut conn, found, STEPS).map_err(|e| Error::sqlite("migration", e))?;
    Ok(conn)
}

/// Applies what is missing, all of it in one transaction: what fails leaves the database as the older program made it.
fn migrate(conn: &mut Connection, found: i64, steps: &[&str]) -> rusqlite::Result<()> {
    let missing: Vec<_> = (1_i64..).zip(steps).filter(|(version, _)| *version > found).collect();
    let Some((last, _)) = missing.last() else { return Ok(()) };
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (_, step) in &missing {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", last)?;
    tx.commit()
}

/// A copy of a database of an older schema, for who must go back to the older program: `node.db.schema-N`. Only of a small
/// one, since it costs as much room again, and only if there is none; the migration itself needs none.
fn keep_older(path: &Path, found: i64, size: u64) {
    let mut name = path.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
    name.push(format!(".schema-{found}"));
    let copy = path.with_file_name(name);
    if size > COPIED_BEFORE || copy.exists() {
        return;
    }
    if crate::copy::database(path, &copy, &mut |_, _| {}).is_err() {
        let _ = std::fs::remove_file(&copy);
    }
}

/// A connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    connect_reader(path).map_err(|e| Error::sqlite("opening for reading", e))
}

pub(crate) fn connect_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -2000)?;
    plan_once(&conn)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// Bound values do not choose plans: a statement that is planned anew for each value costs more than its rows.
fn plan_once(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Which schema a database has.
pub(crate) fn version(conn: &Connection) -> Result<i64, Error> {
    Ok(conn.pragma_query_value(None, "user_version", |r| r.get(0))?)
}

/// Refuses a database of another schema than this program's.
pub(crate) fn expect_current(conn: &Connection) -> Result<(), Error> {
    let found = version(conn)?;
    if found == KNOWN { Ok(()) } else { Err(Error::Newer { found, known: KNOWN }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_applied_once_and_in_order() {
        let mut conn = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (x INTEGER) STRICT;", "ALTER TABLE a ADD COLUMN y TEXT;"];
        migrate(&mut conn, 0, &steps[..1]).unwrap();
        conn.execute("INSERT INTO a (x) VALUES (1)", []).unwrap();
        migrate(&mut conn, 1, &steps).unwrap();
        let version: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
        let kept: i64 =
            conn.query_row("SELECT count(y IS NULL) FROM a WHERE x = 1", [], |r| r.get(0)).unwrap();
        assert_eq!((version, kept), (2, 1));
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_of_those_before_it() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, 0, &["CREATE TABLE a (x INTEGER) STRICT;"]).unwrap();
        conn.execute("INSERT INTO a (x) VALUES (1)", []).unwrap();
        let steps =
            ["", "ALTER TABLE a ADD COLUMN y TEXT; UPDATE a SET x = 2;", "CREATE TABLE a (x INTEGER);"];
        assert!(migrate(&mut conn, 1, &steps).is_err());
        let version: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
        let kept: i64 = conn.query_row("SELECT x FROM a", [], |r| r.get(0)).unwrap();
        assert_eq!((version, kept), (1, 1), "the older program can still use it");
        assert!(conn.prepare("SELECT y FROM a").is_err());
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_of_itself() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert!(
            migrate(&mut conn, 0, &["CREATE TABLE a (x INTEGER) STRICT; CREATE TABLE a (x INTEGER);"])
                .is_err()
        );
        let version: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
        let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap();
        assert_eq!((version, tables), (0, 0));
    }
}
