//! What can go wrong with a backup, and whether trying again can help.

use std::path::{Path, PathBuf};

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Trying the same again later may work.
    Retry,
    /// Something outside must change first.
    Wait,
    /// Trying the same again never works.
    Permanent,
}

/// Every label of this crate with its class.
pub const LABELS: &[(&str, Class)] = &[
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

/// Why a backup could not be made, checked or put back. Nothing half-made stands under the final name.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The destination exists.
    #[error("{} exists and is never overwritten", .0.display())]
    Exists(PathBuf),
    /// Another process is making the same backup.
    #[error("another process works in {}", .0.display())]
    Running(PathBuf),
    /// There is no (finished) backup.
    #[error("{} is no finished backup: it has no manifest", .0.display())]
    None(PathBuf),
    /// A file is missing, or is not what was written.
    #[error("{} is not what was backed up: {why}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// missing, its length, its digest …
        why: String,
    },
    /// Made by a later release.
    #[error("the backup has {what} {found}, this program knows up to {known}")]
    Newer {
        /// format, schema
        what: &'static str,
        /// In the manifest.
        found: i64,
        /// Here.
        known: i64,
    },
    /// A backup of another kind, or of somebody else.
    #[error("the backup is of {found}, not of {wanted}")]
    Other {
        /// Whose it is.
        found: String,
        /// Whose was asked for.
        wanted: String,
    },
    /// Something is where the backup is to be put.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// No room, or no quota.
    #[error("no room left for {}", .0.display())]
    Full(PathBuf),
    /// The system said no.
    #[error("{} can't be {during}", path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// read, written, synced, renamed …
        during: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// A stable name for programs, one of [`LABELS`].
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Exists(_) => "backup-exists",
            Self::Running(_) => "backup-running",
            Self::None(_) => "backup-none",
            Self::Damaged { .. } => "backup-damaged",
            Self::Newer { .. } => "backup-newer",
            Self::Other { .. } => "backup-other",
            Self::NotEmpty(_) => "restore-not-empty",
            Self::Full(_) => "backup-full",
            Self::File { .. } => "backup-failed",
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        let label = self.label();
        LABELS.iter().find(|(l, _)| *l == label).map_or(Class::Permanent, |(_, class)| *class)
    }

    /// A failure of the file system.
    pub fn file(during: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.to_owned();
        move |source| match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::File { path, during, source },
        }
    }
}
