//! What a checker is told.

use std::path::PathBuf;
use std::time::Duration;

/// What to do with a certificate whose status cannot be learned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// It is not relied on until there is an answer.
    Hard,
    /// It is relied on, with a note; one that is known to be revoked or on hold is not.
    Soft,
    /// Nothing is asked and nothing is known.
    Off,
}

/// Settings of a [`crate::Checker`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Without an answer.
    pub mode: Mode,
    /// Whether a certificate that names no address for its status is relied on, with a note.
    pub accept_without_address: bool,
    /// The checker's own folder; made if it is not there.
    pub folder: PathBuf,
    /// The longest CRL that is fetched, bytes.
    pub limit: u64,
    /// How long an answer is used after its next update, milliseconds.
    pub grace: i64,
    /// How long one fetch may take in all.
    pub timeout: Duration,
    /// An HTTP proxy through which everything is fetched: host and port.
    pub proxy: Option<(String, u16)>,
    /// Whether addresses in loopback, private and link-local networks are asked.
    pub internal: bool,
}

impl Settings {
    /// Defaults, with this folder: hard, 20 MiB, 24 hours, 60 seconds, public addresses only.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            mode: Mode::Hard,
            accept_without_address: true,
            folder: folder.into(),
            limit: 20 * 1024 * 1024,
            grace: 24 * 3_600_000,
            timeout: Duration::from_secs(60),
            proxy: None,
            internal: false,
        }
    }
}
