//! Sign, seal, open, verify (tour below when complete).

mod certificate;
pub mod container;
pub mod directory;
mod error;
pub mod evidence;
pub mod key;
pub mod login;
pub mod oid;
pub mod receipt;
pub mod sealed;
pub mod signed;
pub mod soft;
mod tlv;
pub mod trust;

pub use certificate::MAX_CERTIFICATE;
pub use error::{Class, Error, Fault, LABELS};
pub use key::{Certificate, KeyError, SigningKey, UnwrapKey};

/// SHA-256 of something.
pub type Digest = [u8; 32];

/// SHA-256 of bytes in memory.
pub fn sha256(bytes: &[u8]) -> Digest {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}
