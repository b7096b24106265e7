//! Sign, seal, open, verify (tour below when complete).

mod certificate;
pub mod container;
pub mod directory;
mod error;
pub mod evidence;
mod gcm;
pub mod key;
pub mod login;
mod names;
pub mod oid;
mod pem;
pub mod receipt;
pub mod sealed;
pub mod signed;
pub mod soft;
mod time;
mod tlv;
pub mod trust;
mod xml;
mod zip;

pub use certificate::MAX_CERTIFICATE;
pub use error::{Class, Error, Fault, LABELS};
pub use key::{Certificate, KeyError, SigningKey, UnwrapKey};

use aws_lc_rs::digest::{Context, SHA256};

/// SHA-256 of something.
pub type Digest = [u8; 32];

/// SHA-256 of bytes in memory.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut hash = Context::new(&SHA256);
    hash.update(bytes);
    digest_of(hash)
}

/// The result of a finished SHA-256.
pub(crate) fn digest_of(hash: Context) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
