//! Where every document stands, durably.
//!
//! Three things to know: [`Store`] (one database, one writer thread, a few readers), [`state`] (where a thing can stand
//! and the only moves it can make) and [`spool::Spool`] (the content files that rows name). A write returns a
//! [`Ticket`]: it answers after the COMMIT that made it durable. Reads are plain blocking functions.
//!
//! # What it never does
//! It knows nothing of networks, cards or the meaning of the bytes it keeps. It reads no clock: times are `i64` Unix
//! milliseconds UTC, passed in. It stores nothing "in progress". No state changes without its journal line in the same
//! transaction, and none but by a move that [`state`] allows.
//!
//! # How it fails
//! Every [`Error`] has a label and a class. A failed operation leaves nothing behind; a failed COMMIT (a full disk)
//! fails every operation of its group alike, and the writer goes on.
//!
//! # What is on disk
//! In the state folder (mode 0700): `lock` (held while the store is open), `node.db` with `-wal` and `-shm`, and
//! `spool/`.

pub mod boxes;
pub mod content;
mod copy;
mod error;
pub mod inbound;
pub mod journal;
pub mod meta;
pub mod outbound;
pub mod outcome;
pub mod queue;
mod reader;
pub mod recall;
mod rows;
mod schema;
pub mod spool;
pub mod state;
mod verdict;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rusqlite::Connection;

pub use crate::error::{Class, Error, LABELS};
pub use crate::writer::{Answered, Ticket};
use crate::writer::{Ledger, Queued};

/// 128 random bits, made by the sender at claim.
pub type DocumentId = [u8; 16];
/// SHA-256.
pub type Digest = [u8; 32];

/// The actor of what the program does by itself.
pub const NODE: &str = "node";
/// The label of a document held because the same bytes were dropped before.
pub const DUPLICATE: &str = "duplicate";
/// The label of a notice of the recipient that the document was not theirs (誤送通知).
pub const MISDIRECTED: &str = "misdirected";
/// The label of a notice of the recipient that something is wrong with or missing in the document (錯漏通知).
pub const INCOMPLETE: &str = "incomplete";
/// The label of something held by a person.
pub const HELD: &str = "held";

/// The node's durable state. Cheap to clone; when the last clone is dropped, what was asked for is written, and the
/// lock is released.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Dropped in this order, the lock last.
#[derive(Debug)]
struct Inner {
    spool: spool::Spool,
    jobs: Option<mpsc::Sender<Queued>>,
    writer: Option<JoinHandle<()>>,
    readers: Option<reader::Readers>,
    /// None when opened for reading only.
    _lock: Option<File>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.readers = None;
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Store {
    /// Opens (or makes) the state folder `dir`, takes its lock, brings the schema up to date, checks the database and
    /// notes the start in the journal.
    ///
    /// # Errors
    /// `already-running`, `database-newer`, `database-damaged`, `state-folder`, `disk-full`.
    pub fn open(dir: &Path, now: i64) -> Result<Self, Error> {
        private_folder(dir)?;
        let lock = lock(&dir.join("lock"))?;
        let path = dir.join("node.db");
        let mut ledger = Ledger::new(schema::open_writer(&path)?)?;
        ledger.log(now, NODE, "opened", journal::Of::Node, env!("CARGO_PKG_VERSION"))?;
        let readers = reader::Readers::open(&path)?;
        let (jobs, queue) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer::run(ledger, &queue))
            .map_err(|e| Error::Folder { path: dir.to_owned(), source: Arc::new(e) })?;
        let inner = Inner {
            spool: spool::Spool::open_folder(dir.join("spool"))?,
            jobs: Some(jobs),
            writer: Some(writer),
            readers: Some(readers),
            _lock: Some(lock),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens an existing state folder to read, beside a running node or without one: no lock, nothing made, nothing
    /// brought up to date. Every write answers `store-closed`.
    ///
    /// # Errors
    /// `not-found` if there is no database, `database-newer` (also for one that is older: the node brings it up to
    /// date when it starts), `database-damaged`.
    pub fn open_read_only(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("node.db");
        if !path.exists() {
            return Err(Error::NotFound("database"));
        }
        let readers = reader::Readers::open(&path)?;
        readers.read("opening", schema::expect_current)?;
        let spool = spool::Spool::at(dir.join("spool"));
        let inner = Inner { spool, jobs: None, writer: None, readers: Some(readers), _lock: None };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The content files.
    #[must_use]
    pub fn spool(&self) -> &spool::Spool {
        &self.inner.spool
    }

    /// Everything that can be checked: every page and index, every reference, the journal's chain. Takes a second per
    /// few hundred megabytes. Returns the number of journal lines.
    ///
    /// # Errors
    /// `database-damaged`.
    pub fn check(&self) -> Result<u64, Error> {
        self.read("checking", |conn| {
            let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))?;
            if verdict != "ok" {
                return Err(Error::Damaged(verdict));
            }
            let dangling: i64 =
                conn.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |r| r.get(0))?;
            if dangling > 0 {
                return Err(Error::Damaged(format!("{dangling} dangling references")));
            }
            Ok(())
        })?;
        self.verify_chain()
    }

    /// Hands a command to the writer.
    fn write<T, F>(&self, during: &'static str, operation: F) -> Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Ledger) -> Result<T, Error> + Send + 'static,
    {
        self.queue(during, operation, false)
    }

    /// The same for one that nothing new depends on: a moment later it costs no commit of its own.
    fn write_patiently<T, F>(&self, during: &'static str, operation: F) -> Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Ledger) -> Result<T, Error> + Send + 'static,
    {
        self.queue(during, operation, true)
    }

    fn queue<T, F>(&self, during: &'static str, operation: F, patient: bool) -> Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Ledger) -> Result<T, Error> + Send + 'static,
    {
        let (job, ticket) = writer::job(during, operation);
        if let Some(jobs) = &self.inner.jobs {
            // without a writer the job is dropped with its sender, and the ticket says `store-closed`
            let _ = jobs.send(Queued { job, patient });
        }
        ticket
    }

    /// Reads, at one moment of the database.
    fn read<T>(
        &self,
        during: &'static str,
        query: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.inner.readers.as_ref().ok_or(Error::Closed)?.read(during, query)
    }
}

/// Makes a folder that only this user may enter; one that exists is left as it is.
fn private_folder(path: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path).map_err(|e| Error::Folder { path: path.to_owned(), source: Arc::new(e) })
}

fn lock(path: &Path) -> Result<File, Error> {
    let failed = |e| Error::Folder { path: path.to_owned(), source: Arc::new(e) };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::AlreadyRunning(path.parent().unwrap_or(path).to_owned())),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

/// As SQLite keeps integers.
fn signed(value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| Error::Bad("a number above 2^63"))
}

/// As they were given to [`signed`].
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
