//! The connections that read.

use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use crate::{Error, schema};

/// How many can read at once.
const READERS: usize = 3;

/// A few read-only connections; a caller that finds none free waits for one.
#[derive(Debug)]
pub(crate) struct Readers {
    free: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Readers {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let free = (0..READERS).map(|_| schema::open_reader(path)).collect::<Result<_, _>>()?;
        Ok(Self { free: Mutex::new(free), returned: Condvar::new() })
    }

    /// Reads within one transaction, so that everything seen is of one moment.
    pub(crate) fn read<T>(
        &self,
        during: &'static str,
        query: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let conn = loop {
            match free.pop() {
                Some(conn) => break conn,
                None => free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(free);
        let result = in_snapshot(&conn, query).map_err(|e| e.in_operation(during));
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        self.returned.notify_one();
        result
    }
}

/// Within one transaction. Its two statements are prepared once: to parse them anew each time would cost as much as most
/// of the reads.
fn in_snapshot<T>(
    conn: &Connection,
    query: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let run = |sql: &str| -> Result<(), Error> { Ok(conn.prepare_cached(sql)?.execute([]).map(drop)?) };
    run("BEGIN DEFERRED")?;
    let result = query(conn);
    let ended = run("COMMIT");
    if ended.is_err() {
        // a reader has nothing to lose
        let _ = run("ROLLBACK");
    }
    result.and_then(|value| ended.map(|()| value))
}
