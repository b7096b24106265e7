//! Logs: set-up, and the list of span and field names. The journal in the store, not the log, is the record of
//! what happened; ids are logged, never content, PIN or plaintext.
//!
//! Levels: ERROR a person must act; WARN the node works around it; INFO one line per change of state; DEBUG and
//! TRACE for developers.

use tracing_subscriber::EnvFilter;

/// The only span names: `doc` (with [`ID`]), `step` (with [`STEP`]), `link`, `intake`, `run`.
pub const SPANS: [&str; 5] = ["doc", "step", "link", "intake", "run"];
/// Field: a document's id, hexadecimal, or a row's number.
pub const ID: &str = "id";
/// Field: what is being done.
pub const STEP: &str = "step";
/// Field: a stable label.
pub const LABEL: &str = "label";

/// Writes logs to standard error, as `RUST_LOG` (or `default`, such as `info`) says. A second call does
/// nothing: the first one stands.
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let writer = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let _ = writer.try_init();
}

/// Hexadecimal, for ids and digests in logs and file names.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
