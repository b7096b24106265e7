//! A folder of copies with a manifest: whole or not there at all, verified before anything is put back.
//!
//! - [`Writer`] makes one: everything goes into `DEST.partial`, each file fsynced and hashed, then the manifest, then the
//!   rename to `DEST`. Nothing that exists is ever overwritten.
//! - [`Backup`] reads one: [`Backup::open`] checks the manifest against its own digest, [`Backup::verify`] every file
//!   against the manifest, [`Backup::put`] copies one file out and compares again while it does.
//!
//! What is in it and what that means is the business of `node` and `center`. Modes are private (0700, 0600).
//!
//! # How it fails
//! Every [`Error`] has a label and a class. What a failed or killed backup leaves is `DEST.partial`, which the next one
//! removes (and refuses to touch while another process works in it).

mod error;
mod manifest;
mod read;
mod write;

pub use error::{Class, Error, LABELS};
pub use manifest::{Entry, Journal, Kind, Manifest};
pub use read::{Backup, Put, expect_empty};
pub use write::{Writer, make_folder, sync_folders};

/// Told of each piece that was copied or checked: bytes so far.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

/// What the steps of this crate are called at the points of `durable`.
const NAME: &str = "backup";

/// SHA-256.
pub type Digest = [u8; 32];

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
