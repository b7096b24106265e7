//! The one SQLite file: a writer thread that commits many requests at once, and readers.
//!
//! A write is answered after the COMMIT that holds it. Requests that arrive while a commit is under way share the next
//! one (group commit), each in a SAVEPOINT of its own so that a failing one does not undo its neighbours. The command
//! line writes from a process of its own through the same file (WAL); [`Database::foreign_writes`] tells that it did.

use crate::error::{Error, Result};
use durable::Step;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Steps of the schema; `user_version` counts those that were applied.
const SCHEMA: &[&str] = &[include_str!("../schema/0001.sql")];
/// Most requests in one commit.
const GROUP: usize = 256;
/// Most reading connections.
const READERS: usize = 8;
/// The name of this place at the points of `durable`.
const CENTER: &str = "center";

type Done = Box<dyn FnOnce(Option<Error>) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> Done + Send>;

/// Handle of the database.
pub(crate) struct Database {
    path: PathBuf,
    jobs: Mutex<Option<SyncSender<Job>>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    readers: Mutex<Pool>,
    free: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    open: usize,
}

impl Database {
    /// Opens or creates the file, brings its schema up to date, looks for damage if asked to, and starts the writer.
    pub(crate) fn open(path: &Path, check: bool) -> Result<Self> {
        let mut connection = connect(path, OpenFlags::default())?;
        migrate(&mut connection)?;
        if check {
            let verdict: String = connection
                .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
                .map_err(Error::database("checking the file"))?;
            if verdict != "ok" {
                return Err(Error::Damaged(verdict));
            }
        }
        let (jobs, queue) = sync_channel::<Job>(4 * GROUP);
        let writer = std::thread::Builder::new()
            .name("center-writer".into())
            .spawn(move || write_loop(&connection, &queue))
            .map_err(|e| Error::file("start the writer of", path, e))?;
        Ok(Self {
            path: path.to_owned(),
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(writer)),
            readers: Mutex::default(),
            free: Condvar::new(),
        })
    }

    /// Runs `work` in the writer and returns after it is durable. Blocks.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = sync_channel(1);
        let job: Job = Box::new(move |connection| {
            let result = in_savepoint(connection, work);
            Box::new(move |failed| {
                let _ = answer.send(match failed {
                    None => result,
                    Some(error) => Err(error),
                });
            })
        });
        let jobs = locked(&self.jobs).clone().ok_or(Error::Stopping)?;
        jobs.send(job).map_err(|_| Error::Stopping)?;
        drop(jobs);
        answered.recv().map_err(|_| Error::Stopping)?
    }

    /// Runs `work` on a reading connection, in one snapshot. Blocks.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut reader = self.reader()?;
        let result = reader
            .transaction()
            .map_err(Error::database("beginning to read"))
            .and_then(|snapshot| work(&snapshot));
        let mut pool = locked(&self.readers);
        pool.idle.push(reader);
        drop(pool);
        self.free.notify_one();
        result
    }

    /// A number that changes whenever another process has written.
    pub(crate) fn foreign_writes(&self) -> Result<i64> {
        // asked on the writer's connection, the only one of this process that writes
        self.write(|connection| {
            connection
                .query_row("PRAGMA data_version", [], |row| row.get(0))
                .map_err(Error::database("looking for foreign writes"))
        })
    }

    /// Lets the writer finish what is queued, and ends it.
    pub(crate) fn close(&self) {
        locked(&self.jobs).take();
        let writer = locked(&self.writer).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }

    fn reader(&self) -> Result<Connection> {
        let mut pool = locked(&self.readers);
        loop {
            if let Some(reader) = pool.idle.pop() {
                return Ok(reader);
            }
            if pool.open < READERS {
                pool.open += 1;
                drop(pool);
                let reader = connect(&self.path, OpenFlags::default()).and_then(|reader| {
                    reader.pragma_update(None, "query_only", true).map_err(Error::database("opening"))?;
                    Ok(reader)
                });
                if reader.is_err() {
                    locked(&self.readers).open -= 1;
                }
                return reader;
            }
            pool = self.free.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.close();
    }
}

/// A poisoned lock is used on: what it guards is whole after every step.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags).map_err(Error::database("opening the file"))?;
    let set = |connection: &Connection| {
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    };
    set(&connection).map_err(Error::database("setting up the connection"))?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let known = i64::try_from(SCHEMA.len()).unwrap_or(i64::MAX);
    let doing = "bringing the schema up to date";
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(Error::database(doing))?;
    let found: i64 =
        transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(Error::database(doing))?;
    if found > known {
        return Err(Error::Schema { found, known });
    }
    for step in SCHEMA.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step).map_err(Error::database(doing))?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(Error::database(doing))?;
    transaction.commit().map_err(Error::database(doing))
}

fn in_savepoint<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let doing = "keeping one request apart";
    connection.execute_batch("SAVEPOINT one").map_err(Error::database(doing))?;
    let result = work(connection);
    let end = if result.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
    connection.execute_batch(end).map_err(Error::database(doing))?;
    result
}

fn write_loop(connection: &Connection, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        if let Err(source) = connection.execute_batch("BEGIN IMMEDIATE") {
            // nobody else may run without a transaction: refuse this one, the next tries again
            let refused: Job = first;
            drop(refused);
            tracing::error!(error = %source, "the writer cannot begin");
            continue;
        }
        let mut done = vec![first(connection)];
        while done.len() < GROUP {
            match queue.try_recv() {
                Ok(job) => done.push(job(connection)),
                Err(_) => break,
            }
        }
        let committed = commit(connection);
        if let Err(source) = &committed {
            tracing::error!(error = %source, "the writer cannot commit");
            let _ = connection.execute_batch("ROLLBACK");
        }
        let full =
            committed.as_ref().is_err_and(|e| e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull));
        for answer in done {
            answer(match (&committed, full) {
                (Ok(()), _) => None,
                (Err(_), true) => Some(Error::Full { path: PathBuf::from("center.db") }),
                (Err(_), false) => {
                    Some(Error::Database { doing: "committing", source: rusqlite::Error::InvalidQuery })
                }
            });
        }
    }
}

fn commit(connection: &Connection) -> rusqlite::Result<()> {
    durable::before(CENTER, Step::Commit);
    if let Err(fault) = durable::check(CENTER, Step::Commit) {
        let full = fault.kind() == std::io::ErrorKind::StorageFull;
        let code = if full { rusqlite::ffi::SQLITE_FULL } else { rusqlite::ffi::SQLITE_IOERR };
        return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
    }
    connection.execute_batch("COMMIT")?;
    durable::witness(CENTER, || {
        connection.path().map(|db| vec![format!("{db}-wal").into(), db.into()]).unwrap_or_default()
    });
    durable::after(CENTER, Step::Commit);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_write_does_not_undo_its_neighbours() {
        let dir = tempfile::tempdir().unwrap();
        let database = std::sync::Arc::new(Database::open(&dir.path().join("center.db"), true).unwrap());
        let threads: Vec<_> = (0..64_i64)
            .map(|i| {
                let database = database.clone();
                std::thread::spawn(move || {
                    database.write(move |c| {
                        c.execute("INSERT INTO announcement (time, title, body) VALUES (?1, '', '')", [i])
                            .map_err(Error::database("testing"))?;
                        if i % 2 == 0 { Ok(()) } else { Err(Error::Task) }
                    })
                })
            })
            .collect();
        let kept = threads.into_iter().filter_map(|t| t.join().unwrap().ok()).count();
        assert_eq!(kept, 32);
        let count: i64 = database
            .read(|c| {
                c.query_row("SELECT count(*) FROM announcement WHERE time % 2 = 0", [], |r| r.get(0))
                    .map_err(Error::database("testing"))
            })
            .unwrap();
        let odd: i64 = database
            .read(|c| {
                c.query_row("SELECT count(*) FROM announcement WHERE time % 2 = 1", [], |r| r.get(0))
                    .map_err(Error::database("testing"))
            })
            .unwrap();
        assert_eq!((count, odd), (32, 0));
    }

    #[test]
    fn a_newer_schema_is_refused_and_a_second_process_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("center.db");
        let database = Database::open(&path, true).unwrap();
        let before = database.foreign_writes().unwrap();
        database.write(|c| c.execute_batch("DELETE FROM usage").map_err(Error::database("testing"))).unwrap();
        assert_eq!(database.foreign_writes().unwrap(), before, "our own writes do not count");
        let other = Database::open(&path, true).unwrap();
        other
            .write(|c| {
                c.execute_batch("INSERT INTO announcement (time, title, body) VALUES (1, '', '')")
                    .map_err(Error::database("testing"))
            })
            .unwrap();
        assert_ne!(database.foreign_writes().unwrap(), before);
        other
            .write(|c| c.execute_batch("PRAGMA user_version = 99").map_err(Error::database("testing")))
            .unwrap();
        drop(other);
        assert!(matches!(Database::open(&path, true), Err(Error::Schema { found: 99, .. })));
    }
}
