//! Content files: containers and sealed bytes on their way. Written under a temporary name, fsynced, renamed, folder
//! fsynced; only then may a row name them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Error;

/// The folder of content files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

/// A content file being written. Dropped without [`Draft::keep`] it is removed.
#[derive(Debug)]
pub struct Draft {
    file: File,
    spool: Spool,
    name: String,
    kept: bool,
}

impl Spool {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins a content file that will have `name`. Names are ours: ASCII letters, digits, `.`, `-`, `_`, not
    /// beginning with a dot, at most 120 bytes.
    ///
    /// # Errors
    /// `bad-request` for another name, `spool-failed`, `disk-full`.
    pub fn create(&self, name: &str) -> Result<Draft, Error> {
        let _ = name;
        unimplemented!()
    }

    /// A partly fetched file to be continued: what is there already, and the draft at its end. New if there is none.
    /// Unlike others it survives its drop (see [`Draft::keep_partial`]).
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn resume(&self, name: &str) -> Result<(Draft, u64), Error> {
        let _ = name;
        unimplemented!()
    }

    /// Opens a kept content file for reading.
    ///
    /// # Errors
    /// `spool-missing`, `spool-failed`.
    pub fn open(&self, name: &str) -> Result<File, Error> {
        let _ = name;
        unimplemented!()
    }

    /// Where a kept content file lies.
    ///
    /// # Errors
    /// `bad-request` if the name is none of ours.
    pub fn path(&self, name: &str) -> Result<PathBuf, Error> {
        let _ = name;
        unimplemented!()
    }

    /// Removes a content file; it is no error if there is none.
    ///
    /// # Errors
    /// `spool-failed`.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let _ = name;
        unimplemented!()
    }

    /// Files that no row names: left by a crash between a file and its row. Drafts are among them, partial ones
    /// (see [`Self::resume`]) are not.
    ///
    /// # Errors
    /// `spool-failed`.
    pub fn orphans(&self, known: &[String]) -> Result<Vec<String>, Error> {
        let _ = known;
        unimplemented!()
    }
}

impl Draft {
    /// Makes it durable under its name and returns its length: fsync, rename, fsync of the folder.
    ///
    /// # Errors
    /// `spool-failed`, `disk-full`.
    pub fn keep(self) -> Result<u64, Error> {
        unimplemented!()
    }

    /// Leaves what is written for [`Spool::resume`].
    pub fn keep_partial(mut self) {
        self.kept = true;
        let _ = (&self.file, &self.spool, &self.name);
    }

    /// Where it is being written.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        unimplemented!()
    }

    /// The file, to be handed to something that wants one.
    #[must_use]
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
