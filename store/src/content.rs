//! Content of a row, wherever it lies: large in the spool, small in the database itself.
//!
//! A small letter would cost more in files (made, fsynced, renamed, removed) than in bytes; in the database it is durable
//! with the row that names it, in the same commit. A row's `file` is a name in the spool, or `@` and a number here.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};

use rusqlite::OptionalExtension as _;

use crate::writer::Ledger;
use crate::{Error, Store};

/// Content of up to this size may lie in the database, bytes.
pub const SMALL: u64 = 64 * 1024;

/// New content that is to lie in the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Small {
    /// The name by which rows of the same step call it.
    pub name: String,
    /// Its bytes, at most [`SMALL`].
    pub bytes: Vec<u8>,
}

/// Content to be read.
#[derive(Debug)]
pub enum Content {
    /// In the spool.
    File(File),
    /// From the database.
    Bytes(Cursor<Vec<u8>>),
}

impl From<File> for Content {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Bytes(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for Content {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Bytes(bytes) => bytes.seek(to),
        }
    }
}

impl Store {
    /// Opens what a row names.
    ///
    /// # Errors
    /// `spool-missing` if it is no longer kept, `spool-failed`; those of reading the database.
    pub fn content(&self, name: &str) -> Result<Content, Error> {
        let Some(number) = number(name) else { return self.spool().open(name).map(Content::File) };
        let found = self.read("reading content", |conn| {
            let mut statement = conn.prepare_cached("SELECT bytes FROM content WHERE id = ?1")?;
            Ok(statement.query_row([number], |r| r.get(0)).optional()?)
        })?;
        let bytes = found.ok_or_else(|| Error::SpoolMissing(name.to_owned()))?;
        Ok(Content::Bytes(Cursor::new(bytes)))
    }

    /// Removes a content file that was expired; what lies in the database goes with [`Store::spool_forgotten`].
    ///
    /// # Errors
    /// `spool-failed`.
    pub fn remove_content(&self, name: &str) -> Result<(), Error> {
        if number(name).is_some() { Ok(()) } else { self.spool().remove(name) }
    }
}

/// Puts new content where its row can name it; gives that name.
pub(crate) fn insert(ledger: &Ledger, bytes: &[u8]) -> Result<String, Error> {
    if bytes.len() as u64 > SMALL {
        return Err(Error::Bad("content too large for the database"));
    }
    let number = ledger.insert("INSERT INTO content (bytes) VALUES (?1)", [bytes])?;
    Ok(format!("@{number}"))
}

/// Nobody names it any more.
pub(crate) fn forget(ledger: &Ledger, name: &str) -> Result<(), Error> {
    if let Some(number) = number(name) {
        ledger.execute("DELETE FROM content WHERE id = ?1", [number])?;
    }
    Ok(())
}

/// Its number in the database, if that is where it lies.
fn number(name: &str) -> Option<i64> {
    name.strip_prefix('@')?.parse().ok()
}
