//! Why a node could not start.

use std::path::PathBuf;

use crate::flow::Class;

/// Why a node could not start. What happens later is in rows, journal and log, not here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that the configuration names cannot be read.
    #[error("{what} {} can't be read", path.display())]
    Read {
        /// What it is for.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A key or certificate file is not what it should be.
    #[error("{what} {} can't be used", path.display())]
    Key {
        /// What it is for.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<envelope::Error>,
    },
    /// The configuration lacks something that [`config::load`] would have refused.
    #[error("the configuration lacks {0}")]
    Lacks(&'static str),
    /// A folder cannot be made or written.
    #[error("the folder {} can't be written", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Claiming renames from the drop folder into the work folder, which needs one file system.
    #[error("{} and {} are on different file systems", drop.display(), work.display())]
    Apart {
        /// The drop folder.
        drop: PathBuf,
        /// The work folder.
        work: PathBuf,
    },
    /// The store.
    #[error("the state can't be opened")]
    Store(#[from] store::Error),
    /// Another part of the node.
    #[error("{what} can't start: {label}")]
    Part {
        /// Which.
        what: &'static str,
        /// Its stable label.
        label: String,
        /// Whether it can pass.
        class: Class,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A stable name for programs: one of [`LABELS`], or that of the part that failed.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Read { .. } => "file-unreadable",
            Self::Key { source, .. } => source.label(),
            Self::Lacks(_) => "config-lacks",
            Self::Folder { .. } => "folder-unusable",
            Self::Apart { .. } => "work-apart-from-drop",
            Self::Store(error) => error.label(),
            Self::Part { label, .. } => label,
        }
    }

    /// More, for people: the whole chain of causes.
    #[must_use]
    pub fn detail(&self) -> String {
        chain(self)
    }
}

/// Labels of this type's own.
pub const LABELS: &[&str] = &["file-unreadable", "config-lacks", "folder-unusable", "work-apart-from-drop"];

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
