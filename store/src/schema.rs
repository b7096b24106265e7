//! Schema steps by `user_version`, the settings of a connection, and the check at start.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::Error;

/// One step per entry, applied once and in order. New steps are new files; a step that was released is never edited.
const STEPS: &[&str] = &[include_str!("../schema/0001.sql"), include_str!("../schema/0002.sql")];

/// Up to this size the whole database is checked at start; above, [`crate::Store::check`] does it when asked.
const CHECKED_AT_START: u64 = 64 << 20;

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
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(Error::Newer { found, known });
    }
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    if found > 0 && size <= CHECKED_AT_START {
        let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)).map_err(wrap)?;
        if verdict != "ok" {
            return Err(Error::Damaged(verdict));
        }
    }
    migrate(&mut conn, found, STEPS).map_err(|e| Error::sqlite("migration", e))?;
    Ok(conn)
}

/// Applies what is missing, each step with its version in one transaction.
fn migrate(conn: &mut Connection, found: i64, steps: &[&str]) -> rusqlite::Result<()> {
    for (version, step) in (1_i64..).zip(steps).filter(|(version, _)| *version > found) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}

/// A connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let wrap = |e| Error::sqlite("opening for reading", e);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(wrap)?;
    conn.busy_timeout(Duration::from_secs(10)).map_err(wrap)?;
    conn.pragma_update(None, "query_only", true).map_err(wrap)?;
    conn.pragma_update(None, "cache_size", -2000).map_err(wrap)?;
    plan_once(&conn).map_err(wrap)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// Bound values do not choose plans: a statement that is planned anew for each value costs more than its rows.
fn plan_once(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Refuses a database of another schema than this program's.
pub(crate) fn expect_current(conn: &Connection) -> Result<(), Error> {
    let found: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0))?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found == known { Ok(()) } else { Err(Error::Newer { found, known }) }
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
