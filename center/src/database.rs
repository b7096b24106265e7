//! The one SQLite file: writers that share a commit, and readers.
//!
//! A write is answered after the COMMIT that holds it. Who finds nobody writing leads: it runs everything that waits, its
//! own request among it, in one transaction (group commit), each in a SAVEPOINT of its own so that a failing one does not
//! undo its neighbours. Who comes meanwhile waits for the next group. So a request alone costs no change of thread. The
//! command line writes from a process of its own through the same file (WAL); [`Database::foreign_writes`] tells that it did.

use crate::error::{Error, Result};
use durable::Step;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// Steps of the schema; `user_version` counts those that were applied.
const SCHEMA: &[&str] = &[include_str!("../schema/0001.sql"), include_str!("../schema/0002.sql")];
/// The schema after the last step.
#[allow(clippy::cast_possible_wrap, reason = "a handful of steps")]
pub(crate) const KNOWN: i64 = SCHEMA.len() as i64;
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
    queue: Mutex<Queue>,
    ended: Condvar,
    /// Whoever leads holds it; none after [`Database::close`].
    writer: Mutex<Option<Connection>>,
    /// `PRAGMA data_version` as the writer's connection saw it last.
    foreign: AtomicI64,
    readers: Mutex<Pool>,
    free: Condvar,
}

/// Up to this size the whole file is looked through at start, as in a node.
const CHECKED_AT_START: u64 = 64 << 20;

#[derive(Default)]
struct Queue {
    jobs: Vec<Job>,
    led: bool,
    closed: bool,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    open: usize,
}

impl Database {
    /// Opens or creates the file, brings its schema up to date, and looks for damage if asked to (in a file of moderate
    /// size: a large one would take minutes).
    pub(crate) fn open(path: &Path, check: bool) -> Result<Self> {
        let mut connection = connect(path, OpenFlags::default())?;
        connection.pragma_update(None, "cache_size", -8000).map_err(Error::database("opening the file"))?;
        let size = std::fs::metadata(path).map_or(0, |file| file.len());
        // before anything is written: a damaged one stays as it is
        if check && size <= CHECKED_AT_START {
            let verdict: String = connection
                .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
                .map_err(Error::database("checking the file"))?;
            if verdict != "ok" {
                return Err(Error::Damaged(verdict));
            }
        }
        migrate(&mut connection)?;
        let database = Self {
            path: path.to_owned(),
            queue: Mutex::default(),
            ended: Condvar::new(),
            foreign: AtomicI64::new(0),
            writer: Mutex::new(Some(connection)),
            readers: Mutex::default(),
            free: Condvar::new(),
        };
        database.foreign_writes()?;
        Ok(database)
    }

    /// Runs `work` in a transaction and returns after it is durable. Blocks.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_then(work, |_| {})
    }

    /// [`Database::write`], and what `then` does is done before any later write: in the order of the commits, after that of
    /// this one, and before anybody has its answer. It must neither block nor panic.
    pub(crate) fn write_then<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T> {
        let answer = Arc::new(Mutex::new(None));
        let place = answer.clone();
        let job: Job = Box::new(move |connection| {
            let result = in_savepoint(connection, work);
            Box::new(move |failed| {
                let result = failed.map_or(result, Err);
                if let Ok(done) = &result {
                    then(done);
                }
                *locked(&place) = Some(result);
            })
        });
        let mut queue = locked(&self.queue);
        if queue.closed {
            return Err(Error::Stopping);
        }
        queue.jobs.push(job);
        loop {
            // a job that was dropped can no longer answer
            let dropped = Arc::strong_count(&answer) == 1;
            if let Some(result) = locked(&answer).take() {
                return result;
            }
            if dropped {
                return Err(Error::Stopping);
            }
            if queue.led {
                queue = self.ended.wait(queue).unwrap_or_else(PoisonError::into_inner);
            } else {
                queue.led = true;
                drop(queue);
                self.lead();
                queue = locked(&self.queue);
            }
        }
    }

    /// Runs what waits. The caller has taken the lead, which ends here.
    fn lead(&self) {
        let _ends = Lead(self);
        match locked(&self.writer).as_ref() {
            Some(connection) => self.group(connection),
            None => locked(&self.queue).jobs.clear(),
        }
    }

    fn group(&self, connection: &Connection) {
        if let Err(error) = run(connection, "BEGIN IMMEDIATE").and_then(|()| self.look(connection)) {
            // nobody may run without a transaction: refuse those who wait, the next one tries again
            tracing::error!(%error, "the writer cannot begin");
            locked(&self.queue).jobs.clear();
            let _ = connection.execute_batch("ROLLBACK");
            return;
        }
        let mut done = Vec::new();
        loop {
            let mut queue = locked(&self.queue);
            let most = queue.jobs.len().min(GROUP - done.len());
            let jobs: Vec<Job> = queue.jobs.drain(..most).collect();
            drop(queue);
            if jobs.is_empty() {
                break;
            }
            // SQLite undoes the whole transaction by itself when the disk is full or fails: what follows would be in none,
            // and is refused
            let inside = jobs.into_iter().take_while(|_| !connection.is_autocommit());
            done.extend(inside.map(|job| job(connection)));
            if connection.is_autocommit() {
                break;
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

    /// Runs `work` on a reading connection. Each statement sees what was committed when it began. Blocks.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let reader = self.reader()?;
        let result = work(&reader);
        let mut pool = locked(&self.readers);
        pool.idle.push(reader);
        drop(pool);
        self.free.notify_one();
        result
    }

    /// [`Database::read`] with one snapshot for all statements.
    pub(crate) fn snapshot<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.read(|connection| {
            run(connection, "BEGIN").map_err(Error::database("beginning to read"))?;
            let result = work(connection);
            let ended = run(connection, "COMMIT").map_err(Error::database("ending to read"));
            if !connection.is_autocommit() {
                // whoever reads next begins anew
                let _ = connection.execute_batch("ROLLBACK");
            }
            let value = result?;
            ended.map(|()| value)
        })
    }

    /// A number that grows whenever another process has written. While a group of our own is written (or checkpointed), as it
    /// was when that began: then the other's write is seen when it ends. Never waits for a write.
    pub(crate) fn foreign_writes(&self) -> Result<i64> {
        let writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(self.foreign.load(Ordering::Acquire)),
        };
        if let Some(connection) = writer.as_ref() {
            self.look(connection).map_err(Error::database("looking for foreign writes"))?;
        }
        Ok(self.foreign.load(Ordering::Acquire))
    }

    /// On the writer's connection, the only one of this process that writes, the number counts only others.
    fn look(&self, connection: &Connection) -> rusqlite::Result<()> {
        let seen = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        self.foreign.store(seen, Ordering::Release);
        Ok(())
    }

    /// Lets what waits be written, and closes the file.
    pub(crate) fn close(&self) {
        let mut queue = locked(&self.queue);
        queue.closed = true;
        while queue.led || !queue.jobs.is_empty() {
            queue = self.ended.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        drop(queue);
        locked(&self.writer).take();
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

/// The lead, until it is dropped. A panic in a job leaves a transaction that nobody understands: nothing more is written.
struct Lead<'a>(&'a Database);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut queue = locked(&self.0.queue);
        queue.led = false;
        if std::thread::panicking() {
            queue.closed = true;
            queue.jobs.clear();
        }
        drop(queue);
        self.0.ended.notify_all();
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
        // else every savepoint spills to a temporary file
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // a checkpoint after 16 MB instead of 4: most pages are then written back once for several commits
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        // else SQLite parses a statement anew for each new value, where a partial index might fit it
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    };
    set(&connection).map_err(Error::database("setting up the connection"))?;
    Ok(connection)
}

/// Copies the database as it is at one moment into a new file, beside a running center or without one: SQLite's online
/// backup reads one snapshot of the write-ahead log. The copy needs no `-wal` beside it; it is not fsynced.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let run = || -> rusqlite::Result<()> {
        let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        source.busy_timeout(Duration::from_secs(10))?;
        source.execute_batch("BEGIN")?;
        source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let mut copy = Connection::open(to)?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        // in one go: nobody waits for it, and what is written meanwhile does not begin it anew
        rusqlite::backup::Backup::new(&source, &mut copy)?.step(-1)?;
        drop(copy);
        fold_into(to)
    };
    private(to)?;
    run().map_err(Error::database("copying the database"))
}

/// Leaves nothing beside the database: its log is folded in. Nobody may have it open.
pub(crate) fn fold(path: &Path) -> Result<()> {
    fold_into(path).map_err(Error::database("closing the database"))
}

fn fold_into(path: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.query_row("PRAGMA journal_mode = DELETE", [], |r| r.get::<_, String>(0))?;
    connection.close().map_err(|(_, e)| e)
}

/// Makes a new file that only this user may read.
fn private(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|e| Error::file("make", path, e))
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let known = KNOWN;
    let doing = "bringing the schema up to date";
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(Error::database(doing))?;
    let found: i64 =
        transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(Error::database(doing))?;
    if found > known {
        return Err(Error::Schema { found, known });
    }
    if found == known {
        return Ok(());
    }
    for step in SCHEMA.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step).map_err(Error::database(doing))?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(Error::database(doing))?;
    transaction.commit().map_err(Error::database(doing))
}

fn in_savepoint<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let doing = "keeping one request apart";
    run(connection, "SAVEPOINT one").map_err(Error::database(doing))?;
    let result = work(connection);
    if result.is_err() {
        run(connection, "ROLLBACK TO one").map_err(Error::database(doing))?;
    }
    run(connection, "RELEASE one").map_err(Error::database(doing))?;
    result
}

/// A statement without values and rows, parsed once.
fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

fn commit(connection: &Connection) -> rusqlite::Result<()> {
    durable::before(CENTER, Step::Commit);
    if let Err(fault) = durable::check(CENTER, Step::Commit) {
        let full = fault.kind() == std::io::ErrorKind::StorageFull;
        let code = if full { rusqlite::ffi::SQLITE_FULL } else { rusqlite::ffi::SQLITE_IOERR };
        return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
    }
    run(connection, "COMMIT")?;
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
        let database = Arc::new(Database::open(&dir.path().join("center.db"), true).unwrap());
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

    /// A database that the first release made: all of it is there afterwards, and work goes on.
    #[test]
    fn a_database_of_schema_1_is_brought_up_to_date() {
        use crate::mailbox::{Mailbox as _, sqlite::SqliteMailbox};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("center.db");
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/schema-1/center.db");
        std::fs::copy(fixture, &path).unwrap();
        let database = Arc::new(Database::open(&path, true).unwrap());
        let mailbox = SqliteMailbox::new(database.clone(), dir.path()).unwrap();
        let counts = mailbox.counts().unwrap();
        assert_eq!((counts.members, counts.entries, counts.parts, counts.lines), (3, 3, 6, 8));
        assert_eq!((counts.waiting, counts.outcomes), (1, 5));
        let (sender, receiver) = ("XC20261101", "XC20261102");
        let waiting = mailbox.offers(receiver, 0, 100).unwrap();
        assert_eq!(waiting.len(), 1);
        let body = mailbox.body(receiver, waiting[0].seq).unwrap();
        assert!(matches!(body, crate::mailbox::Fetched::Body { .. }));
        assert_eq!(mailbox.outcomes(sender, 0, 100, usize::MAX).unwrap().len(), 5);
        assert_eq!(mailbox.submitted(sender, 0, 0, 100, usize::MAX).unwrap().len(), 6);
        // which receipt settled them was not noted then
        let answered = mailbox.answered(receiver, 0, 0, 100, usize::MAX).unwrap();
        assert!(!answered.is_empty() && answered.iter().all(|line| line.bundle.is_none()));
        let version = |c: &Connection| {
            c.query_row("PRAGMA user_version", [], |r| r.get::<_, i64>(0)).map_err(Error::database("testing"))
        };
        assert_eq!(database.read(version).unwrap(), KNOWN);
    }

    /// The power fails while SQLite writes. A sample of the bytes; `CUTS=0` tries every one (`make power-loss`).
    #[test]
    fn a_log_cut_at_any_byte_holds_everything_that_was_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("center.db");
        let insert = |database: &Database, title: String| {
            let sql = "INSERT INTO announcement (time, title, body) VALUES (1, ?1, '')";
            let done = database.write(move |c| c.execute(sql, [title]).map_err(Error::database("testing")));
            assert_eq!(done.unwrap(), 1);
        };
        let take = |path: &Path| {
            (std::fs::read(path).unwrap(), std::fs::read(path.with_extension("db-wal")).unwrap())
        };
        let database = Database::open(&path, true).unwrap();
        (0..5).for_each(|n| insert(&database, n.to_string()));
        let (db, acknowledged) = take(&path);
        // a commit of several pages that nobody was told of yet
        insert(&database, "x".repeat(12_000));
        let (_, wal) = take(&path);
        let all = wal.len() - acknowledged.len();
        let cuts = std::env::var("CUTS").ok().and_then(|text| text.parse::<usize>().ok());
        let step = if cuts == Some(0) { 1 } else { (all / cuts.unwrap_or(20)).max(1) };
        for length in (0..=all).step_by(step).chain([1, 24, 4120, all - 1, all]) {
            let cut = tempfile::tempdir().unwrap();
            let path = cut.path().join("center.db");
            std::fs::write(&path, &db).unwrap();
            std::fs::write(path.with_extension("db-wal"), &wal[..acknowledged.len() + length]).unwrap();
            let database = Database::open(&path, true).unwrap();
            let count = |c: &Connection| {
                let sql = "SELECT count(*) FROM announcement";
                c.query_row(sql, [], |r| r.get::<_, i64>(0)).map_err(Error::database("testing"))
            };
            assert_eq!(
                database.read(count).unwrap(),
                5 + i64::from(length == all),
                "cut at {length} of {all}"
            );
            database.close();
        }
    }

    #[test]
    fn what_follows_a_write_is_done_in_the_order_of_the_commits() {
        let dir = tempfile::tempdir().unwrap();
        let database = Arc::new(Database::open(&dir.path().join("center.db"), true).unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..64_i64)
            .map(|i| {
                let (database, seen) = (database.clone(), seen.clone());
                std::thread::spawn(move || {
                    let noted = seen.clone();
                    let number = database.write_then(
                        move |c| {
                            c.execute(
                                "INSERT INTO announcement (time, title, body) VALUES (?1, '', '')",
                                [i],
                            )
                            .map_err(Error::database("testing"))?;
                            Ok(c.last_insert_rowid())
                        },
                        move |number| locked(&noted).push(*number),
                    );
                    let number = number.unwrap();
                    assert!(locked(&seen).contains(&number), "before the answer");
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(*locked(&seen), (1..=64).collect::<Vec<i64>>());
    }

    #[test]
    fn after_a_panic_in_a_write_nothing_more_is_written_and_nobody_waits_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let database = Arc::new(Database::open(&dir.path().join("center.db"), true).unwrap());
        let broken = database.clone();
        let panicked = std::thread::spawn(move || broken.write(|_| -> Result<()> { panic!("on purpose") }));
        assert!(panicked.join().is_err());
        assert!(matches!(database.write(|_| Ok(())), Err(Error::Stopping)));
        database.close();
        assert!(matches!(database.write(|_| Ok(())), Err(Error::Stopping)));
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
