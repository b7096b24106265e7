//! The one error of this crate, with its labels and classes.

use std::path::{Path, PathBuf};

use envelope::Class;

/// Why an answer did not come, or could not be kept. `Display` is English and for logs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither `http://…` nor anything else that is fetched.
    #[error("{0:?} is no address that is fetched")]
    Address(String),
    /// The address lies in a network that is not asked.
    #[error("{host} is {address}, an internal address")]
    Internal {
        /// Host name.
        host: String,
        /// What it resolved to.
        address: std::net::IpAddr,
    },
    /// The name does not resolve, or nobody listens there.
    #[error("{host} cannot be reached")]
    Unreachable {
        /// Host name.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Too slow, in one step or in all.
    #[error("{host} was too slow")]
    Slow {
        /// Host name.
        host: String,
    },
    /// The conversation broke off or was no HTTP.
    #[error("the conversation with {host} failed")]
    Http {
        /// Host name.
        host: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// Another status than 200.
    #[error("{host} answered {status}")]
    Status {
        /// Host name.
        host: String,
        /// HTTP status.
        status: u16,
    },
    /// Redirected more than three times, or to nowhere.
    #[error("{host} redirects without end")]
    Redirects {
        /// The last host.
        host: String,
    },
    /// The answer itself.
    #[error("the answer from {host} cannot be used")]
    Answer {
        /// Host name.
        host: String,
        /// Why not.
        #[source]
        source: envelope::Error,
    },
    /// Our own folder.
    #[error("{} cannot be used", path.display())]
    Folder {
        /// File or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A task died.
    #[error("a task died")]
    Task,
}

/// Every label of this crate with its class. The labels of answers are `envelope`'s.
pub const LABELS: &[(&str, Class)] = &[
    ("status-address-refused", Class::Retry),
    ("status-address-internal", Class::Retry),
    ("status-host-unreachable", Class::Retry),
    ("status-host-slow", Class::Retry),
    ("status-http-failed", Class::Retry),
    ("status-http-status", Class::Retry),
    ("status-redirects", Class::Retry),
    ("status-folder-failed", Class::Retry),
    ("status-task-failed", Class::Retry),
];

impl Error {
    /// A stable name for programs, kebab-case: of [`LABELS`], or of [`envelope::LABELS`] for an answer.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Address(_) => "status-address-refused",
            Self::Internal { .. } => "status-address-internal",
            Self::Unreachable { .. } => "status-host-unreachable",
            Self::Slow { .. } => "status-host-slow",
            Self::Http { .. } => "status-http-failed",
            Self::Status { .. } => "status-http-status",
            Self::Redirects { .. } => "status-redirects",
            Self::Answer { source, .. } => source.label(),
            Self::Folder { .. } => "status-folder-failed",
            Self::Task => "status-task-failed",
        }
    }

    /// All of them may pass.
    pub const fn class(&self) -> Class {
        Class::Retry
    }

    /// The message and its sources on one line, for logs.
    pub fn chain(&self) -> String {
        chain(self)
    }

    pub(crate) fn folder(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Folder { path, source }
    }
}

/// An error and its sources on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
