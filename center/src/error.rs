//! What can go wrong in a center's own house. What a member does wrong is a `wire` refusal, not an error.

use std::path::{Path, PathBuf};

/// What a trouble calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Trying again may help.
    Retry,
    /// Something outside must change first.
    Wait,
    /// A person must change something.
    Permanent,
}

/// The center's own troubles. `Display` is English, for logs; [`crate::words`] has the Chinese for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings file.
    #[error("the settings cannot be used")]
    Config(#[from] config::Error),
    /// The database refused an operation.
    #[error("the database failed while {doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The database was written by a newer program.
    #[error("the database has schema {found}, this program knows {known}")]
    Schema {
        /// In the file.
        found: i64,
        /// Here.
        known: i64,
    },
    /// The database's check at start found damage.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// Another center runs on the same data folder.
    #[error("another center uses {}", .0.display())]
    InUse(PathBuf),
    /// The writer is gone: the center is stopping.
    #[error("the center is stopping")]
    Stopping,
    /// A file or folder.
    #[error("cannot {doing} {}", .path.display())]
    File {
        /// A verb.
        doing: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file that was to be made is there already; it is never overwritten.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// The disk is full.
    #[error("no space left for {}", .path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
    },
    /// An upload was taken over by a newer request for the same part.
    #[error("the upload was taken over by a newer request")]
    TakenOver,
    /// The bytes received do not hash to what the header says; they were dropped.
    #[error("the bytes do not hash to the header's digest")]
    DigestMismatch,
    /// A certificate, key or registration.
    #[error("{what} cannot be used")]
    Envelope {
        /// Which one.
        what: String,
        /// Why not.
        #[source]
        source: envelope::Error,
    },
    /// TLS or the network.
    #[error("the network side failed")]
    Wire(#[from] wire::Error),
    /// No such member.
    #[error("no member {0}")]
    NoMember(String),
    /// A member's or mailbox's code that is no code.
    #[error("{0:?} is no member or mailbox code")]
    BadCode(String),
    /// An address that is none.
    #[error("{0:?} is no address or network")]
    BadNetwork(String),
    /// An entry with a number that does not go up.
    #[error("entry {found} of {code} does not follow {held}")]
    StaleEntry {
        /// Mailbox code.
        code: String,
        /// Offered.
        found: u64,
        /// Held.
        held: u64,
    },
    /// A line of an import.
    #[error("line {line} of the import: {why}")]
    Import {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The folder of the authorities' answers.
    #[error("the authorities' answers cannot be kept")]
    Revocation(#[from] revocation::Error),
    /// Making, checking or putting back a backup.
    #[error(transparent)]
    Backup(#[from] backup::Error),
    /// The background work died.
    #[error("a task of the center died")]
    Task,
}

/// Every label of this crate with its class.
pub const LABELS: &[(&str, Class)] = &[
    ("center-config", Class::Permanent),
    ("center-database", Class::Retry),
    ("center-schema", Class::Permanent),
    ("center-damaged", Class::Permanent),
    ("center-in-use", Class::Wait),
    ("center-stopping", Class::Retry),
    ("center-file", Class::Retry),
    ("center-target-exists", Class::Permanent),
    ("center-disk-full", Class::Wait),
    ("center-upload-taken-over", Class::Retry),
    ("center-digest-mismatch", Class::Retry),
    ("center-key-or-certificate", Class::Permanent),
    ("center-network", Class::Retry),
    ("center-no-member", Class::Permanent),
    ("center-bad-code", Class::Permanent),
    ("center-bad-network", Class::Permanent),
    ("center-stale-entry", Class::Permanent),
    ("center-import", Class::Permanent),
    ("center-revocation", Class::Retry),
    ("center-task", Class::Retry),
    ("backup-exists", Class::Permanent),
    ("backup-running", Class::Wait),
    ("backup-none", Class::Permanent),
    ("backup-damaged", Class::Permanent),
    ("backup-newer", Class::Permanent),
    ("backup-other", Class::Permanent),
    ("backup-full", Class::Wait),
    ("backup-failed", Class::Retry),
    ("restore-not-empty", Class::Permanent),
];

impl Error {
    /// Stable name for programs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Config(_) => "center-config",
            Self::Database { .. } => "center-database",
            Self::Schema { .. } => "center-schema",
            Self::Damaged(_) => "center-damaged",
            Self::InUse(_) => "center-in-use",
            Self::Stopping => "center-stopping",
            Self::File { .. } => "center-file",
            Self::Exists(_) => "center-target-exists",
            Self::Full { .. } => "center-disk-full",
            Self::TakenOver => "center-upload-taken-over",
            Self::DigestMismatch => "center-digest-mismatch",
            Self::Envelope { .. } => "center-key-or-certificate",
            Self::Wire(_) => "center-network",
            Self::NoMember(_) => "center-no-member",
            Self::BadCode(_) => "center-bad-code",
            Self::BadNetwork(_) => "center-bad-network",
            Self::StaleEntry { .. } => "center-stale-entry",
            Self::Import { .. } => "center-import",
            Self::Revocation(_) => "center-revocation",
            Self::Backup(error) => error.label(),
            Self::Task => "center-task",
        }
    }

    /// What it calls for.
    pub fn class(&self) -> Class {
        let label = self.label();
        LABELS.iter().find(|(name, _)| *name == label).map_or(Class::Permanent, |(_, class)| *class)
    }

    pub(crate) fn file(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        if matches!(source.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
            return Self::Full { path: path.to_owned() };
        }
        Self::File { doing, path: path.to_owned(), source }
    }

    pub(crate) fn database(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full { path: PathBuf::from("center.db") },
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::Damaged(source.to_string())
            }
            _ => Self::Database { doing, source },
        }
    }

    pub(crate) fn envelope(what: impl Into<String>) -> impl FnOnce(envelope::Error) -> Self {
        let what = what.into();
        move |source| Self::Envelope { what, source }
    }

    /// The message and its sources on one line, for logs.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(inner) = source {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            source = inner.source();
        }
        text
    }
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;
