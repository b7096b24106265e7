//! What can go wrong here, and whether trying again can help.

use std::path::PathBuf;
use std::sync::Arc;

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Trying the same again later may work.
    Retry,
    /// Something outside must change first (disk space, a person); no attempt is spent on it.
    Wait,
    /// Trying the same again never works.
    Permanent,
}

/// Every label of this crate with its class. A program may rely on them; renaming one is a breaking change.
pub const LABELS: &[(&str, Class)] = &[
    ("already-running", Class::Wait),
    ("database-newer", Class::Permanent),
    ("database-damaged", Class::Wait),
    ("database-failed", Class::Retry),
    ("disk-full", Class::Wait),
    ("disk-failed", Class::Wait),
    ("state-folder", Class::Wait),
    ("spool-failed", Class::Retry),
    ("spool-missing", Class::Permanent),
    ("state-moved", Class::Retry),
    ("not-found", Class::Permanent),
    ("id-taken", Class::Permanent),
    ("bad-request", Class::Permanent),
    ("store-closed", Class::Retry),
];

/// Why the store could not do what was asked. Nothing of a failed operation is kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another process holds the state folder.
    #[error("another process works in {}", .0.display())]
    AlreadyRunning(PathBuf),
    /// The database was written by a later release.
    #[error("the database has schema {found}, this program knows up to {known}")]
    Newer {
        /// `user_version` of the file.
        found: i64,
        /// The highest that this program can use.
        known: i64,
    },
    /// The database, or the chain of its journal, is not what was written.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// SQLite failed for another reason than the ones with a name here.
    #[error("the database failed during {during}")]
    Database {
        /// Which operation.
        during: &'static str,
        /// What SQLite said.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// No room, or no quota, where the database or the spool lives.
    #[error("no room left during {0}")]
    Full(&'static str),
    /// The disk under the database or the spool can't be written: it is read-only, or an fsync failed.
    #[error("the disk failed during {during}")]
    Disk {
        /// Which operation.
        during: &'static str,
        /// What the system or SQLite said.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The state folder can't be made, locked or written.
    #[error("the state folder {} can't be used", path.display())]
    Folder {
        /// Which folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// A content file could not be written or read.
    #[error("the content file {name} can't be {during}")]
    Spool {
        /// Its name in the spool.
        name: String,
        /// written, read, renamed, removed.
        during: &'static str,
        /// What the system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// A content file that should be there is not, or its name is none of ours.
    #[error("there is no content file {0}")]
    SpoolMissing(String),
    /// The thing is not, or no longer, in the state that the operation starts from: somebody was faster.
    #[error("the {what} is in state {was} by now")]
    Moved {
        /// document, line, part, inbound, receipt.
        what: &'static str,
        /// The state it is in.
        was: String,
    },
    /// There is no such row.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A document with this id exists.
    #[error("a document with this id exists")]
    Taken,
    /// The operation contradicts itself (a line that names no part, an empty list).
    #[error("the operation can't be recorded: {0}")]
    Bad(&'static str),
    /// The store is shutting down or its writer has ended.
    #[error("the store is closed")]
    Closed,
}

/// What is being done to a file when its fsync fails: that is never the file's fault.
pub(crate) const DURABLE: &str = "made durable";

impl Error {
    /// A stable name for programs, one of [`LABELS`].
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::AlreadyRunning(_) => "already-running",
            Self::Newer { .. } => "database-newer",
            Self::Damaged(_) => "database-damaged",
            Self::Database { .. } => "database-failed",
            Self::Full(_) => "disk-full",
            Self::Disk { .. } => "disk-failed",
            Self::Folder { .. } => "state-folder",
            Self::Spool { .. } => "spool-failed",
            Self::SpoolMissing(_) => "spool-missing",
            Self::Moved { .. } => "state-moved",
            Self::NotFound(_) => "not-found",
            Self::Taken => "id-taken",
            Self::Bad(_) => "bad-request",
            Self::Closed => "store-closed",
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        let label = self.label();
        LABELS.iter().find(|(l, _)| *l == label).map_or(Class::Permanent, |(_, class)| *class)
    }

    /// A failure of SQLite, sorted by what a person can do about it.
    pub(crate) fn sqlite(during: &'static str, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match source.sqlite_error_code() {
            Some(Code::DiskFull) => Self::Full(during),
            Some(Code::ReadOnly | Code::SystemIoFailure) => Self::Disk { during, source: Arc::new(source) },
            Some(Code::ConstraintViolation) => Self::Bad("it breaks a rule of the schema"),
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => Self::Damaged(source.to_string()),
            _ => Self::Database { during, source: Arc::new(source) },
        }
    }

    /// Says which operation it was that failed in a statement.
    pub(crate) fn in_operation(self, operation: &'static str) -> Self {
        match self {
            Self::Database { source, .. } => Self::Database { during: operation, source },
            Self::Full(_) => Self::Full(operation),
            Self::Disk { source, .. } => Self::Disk { during: operation, source },
            other => other,
        }
    }

    /// A failure of the file system under the spool.
    pub(crate) fn spool(name: &str, during: &'static str, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full("spool"),
            ErrorKind::NotFound => Self::SpoolMissing(name.to_owned()),
            ErrorKind::ReadOnlyFilesystem => Self::Disk { during, source: Arc::new(source) },
            _ if during == DURABLE => Self::Disk { during, source: Arc::new(source) },
            _ => Self::Spool { name: name.to_owned(), during, source: Arc::new(source) },
        }
    }
}

/// Outside of a named operation; writer and reader name it then.
impl From<rusqlite::Error> for Error {
    fn from(source: rusqlite::Error) -> Self {
        Self::sqlite("a statement", source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_is_listed_once_and_every_listed_one_is_used() {
        let io = || Arc::new(std::io::Error::other("x"));
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let errors = [
            Error::AlreadyRunning(PathBuf::new()),
            Error::Newer { found: 2, known: 1 },
            Error::Damaged(String::new()),
            Error::Database { during: "x", source: Arc::new(rusqlite::Error::InvalidQuery) },
            Error::spool("x", "written", full),
            Error::spool("x", DURABLE, std::io::Error::other("x")),
            Error::Folder { path: PathBuf::new(), source: io() },
            Error::Spool { name: String::new(), during: "x", source: io() },
            Error::SpoolMissing(String::new()),
            Error::Moved { what: "x", was: String::new() },
            Error::NotFound("x"),
            Error::Taken,
            Error::Bad("x"),
            Error::Closed,
        ];
        let labels: Vec<_> = errors.iter().map(Error::label).collect();
        assert_eq!(labels, LABELS.iter().map(|(label, _)| *label).collect::<Vec<_>>());
        assert_eq!(errors[4].class(), Class::Wait);
    }

    #[test]
    fn the_source_is_not_in_the_sentence() {
        let error =
            Error::Folder { path: "/x".into(), source: Arc::new(std::io::Error::other("inner words")) };
        assert!(!error.to_string().contains("inner words"));
        assert!(std::error::Error::source(&error).is_some());
    }
}
