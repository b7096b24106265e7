//! A consistent copy of the database while it is in use, and what a copy is asked before it is trusted. The questions here
//! name only columns that every schema has: a backup is made before an upgrade, too, with the new program.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::{Digest, DocumentId, Error, Store, journal, reader, schema, spool, unsigned};

/// Pages between two reports of the progress.
const PAGES: i32 = 2_000;

impl Store {
    /// The schema of a database that this release has opened.
    pub const SCHEMA: i64 = schema::KNOWN;

    /// Copies the database of the state folder `dir` as it is at one moment, beside a running node or without one, into
    /// the new file `to`. Nobody is held up: SQLite's online backup reads one snapshot of the write-ahead log. The copy
    /// needs no `-wal` beside it; it is not fsynced. `progress` is told bytes done and bytes in all.
    ///
    /// # Errors
    /// `not-found` if there is no database; `state-folder` if `to` can't be made; `disk-full`, `database-damaged`,
    /// `database-failed`.
    pub fn copy(dir: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        let from = dir.join("node.db");
        if !from.exists() {
            return Err(Error::NotFound("database"));
        }
        database(&from, to, progress)
    }

    /// Opens the copy in `dir` to read: also one of an older schema, which [`Store::open`] would bring up to date.
    ///
    /// # Errors
    /// `not-found`, `database-newer`, `database-damaged`.
    pub fn open_copy(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("node.db");
        if !path.exists() {
            return Err(Error::NotFound("database"));
        }
        let readers = reader::Readers::open(&path)?;
        let found = readers.read("opening", schema::version)?;
        if found > schema::KNOWN {
            return Err(Error::Newer { found, known: schema::KNOWN });
        }
        let spool = spool::Spool::at(dir.join("spool"));
        Ok(Self {
            inner: Arc::new(crate::Inner {
                spool,
                jobs: None,
                writer: None,
                readers: Some(readers),
                _lock: None,
            }),
        })
    }

    /// The schema of this database.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn schema(&self) -> Result<i64, Error> {
        self.read("reading the schema", schema::version)
    }

    /// Number and hash of the journal's last line; 0 and zeros if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn journal_end(&self) -> Result<(u64, Digest), Error> {
        self.read("reading the journal", |conn| journal::head(conn).map(|head| (head.seq, head.hash)))
    }

    /// Documents that are claimed and not sealed: their files are in the work folder.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn claimed(&self) -> Result<Vec<DocumentId>, Error> {
        self.read("reading claimed documents", |conn| {
            let mut statement = conn.prepare_cached("SELECT id FROM document WHERE word = 'claimed'")?;
            Ok(statement.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?)
        })
    }

    /// The name of a document's DI, if the document is known.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn di_name(&self, document: DocumentId) -> Result<Option<String>, Error> {
        use rusqlite::OptionalExtension as _;
        self.read("reading a name", |conn| {
            let mut statement = conn.prepare_cached("SELECT di_name FROM document WHERE id = ?1")?;
            Ok(statement.query_row([document], |r| r.get(0)).optional()?)
        })
    }

    /// Staged and final name, in the delivery folder, of what is archived and may not be renamed yet.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn staged(&self) -> Result<Vec<(String, String)>, Error> {
        self.read("reading staged names", |conn| {
            let sql = "SELECT staged, delivered FROM inbound WHERE delivered_at IS NULL AND staged <> ''";
            let mut statement = conn.prepare_cached(sql)?;
            Ok(statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?)
        })
    }

    /// Archive folders with the rows that name them, from after row `after` on.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn archives(&self, after: i64, limit: u32) -> Result<Vec<(i64, String)>, Error> {
        self.read("reading archive folders", |conn| {
            let sql = "SELECT id, archive FROM inbound WHERE id > ?1 AND archive <> '' ORDER BY id LIMIT ?2";
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map((after, limit), |r| Ok((r.get(0)?, r.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Copies one database file into a new one.
pub(crate) fn database(from: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(to).map_err(|e| Error::Folder { path: to.to_owned(), source: Arc::new(e) })?;
    run(from, to, progress).map_err(|e| Error::sqlite("copying the database", e))
}

fn run(from: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> rusqlite::Result<()> {
    let source = schema::connect_reader(from)?;
    // an open snapshot: what is written meanwhile neither waits nor begins the copy anew
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let page: i64 = source.pragma_query_value(None, "page_size", |r| r.get(0))?;
    {
        let mut copy = Connection::open(to)?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        let backup = Backup::new(&source, &mut copy)?;
        loop {
            let step = backup.step(PAGES)?;
            let at = backup.progress();
            let bytes = |pages: i32| unsigned(i64::from(pages).saturating_mul(page));
            progress(bytes(at.pagecount - at.remaining), bytes(at.pagecount));
            // busy or locked cannot be: the copy is nobody else's, and the source is only read
            if step == StepResult::Done {
                break;
            }
        }
    }
    let copy = Connection::open(to)?;
    // so that it can be read from a medium that can't be written
    let mode: String = copy.query_row("PRAGMA journal_mode = DELETE", [], |r| r.get(0))?;
    debug_assert_eq!(mode, "delete");
    copy.close().map_err(|(_, e)| e)
}
