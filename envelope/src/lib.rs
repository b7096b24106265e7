//! Sign, seal, open, verify: the envelope around official documents.
//!
//! What is in it, in the order in which a document meets it:
//!
//! - [`key`]: what a pair of keys must be able to do ([`SigningKey`], [`UnwrapKey`]) and [`Certificate`]; [`soft`] are
//!   keys in files, a card is another implementation elsewhere.
//! - [`trust`]: chains to pinned anchors at a given time; [`status`] is whether a certificate of a chain was revoked,
//!   by what its authority says in [`crl`] and [`ocsp`].
//! - [`directory`]: whose key is whose, signed by the member and countersigned by the registrar; [`login`].
//! - [`container`]: the unit's files in one signed ASiC-E file; [`signed`] is the CAdES signature in it and in every
//!   other signed thing, each with a content type of its own ([`oid`]).
//! - [`sealed`]: the container encrypted to its recipients, as a stream.
//! - [`receipt`]: what became of it, signed by center and recipients; [`evidence`]: all of it in one file, and the
//!   check of that file.
//!
//! The accepted CMS profile is the one that is written and nothing else: definite-length DER, RSA of 2048 to 8192 bits
//! with SHA-256, exactly one signer with exactly four signed attributes; AES-256-GCM with a 16-byte tag.
//!
//! What this crate never does: read a clock (times are passed in, Unix milliseconds), touch a disk or network (readers
//! and writers are passed in), do an RSA private-key operation outside aws-lc or a card, panic on what it reads, or
//! allocate by a length that it has not checked.
//!
//! It fails with one [`Error`], which has a stable label, a class and a side at fault.

mod certificate;
mod error;
mod gcm;
mod names;
mod pbe;
mod pem;
mod pkcs12;
mod time;
mod tlv;
mod xml;
mod zip;

pub mod container;
pub mod crl;
pub mod directory;
pub mod evidence;
pub mod key;
pub mod login;
pub mod ocsp;
pub mod oid;
pub mod receipt;
pub mod sealed;
pub mod signed;
pub mod soft;
pub mod status;
pub mod trust;

pub use certificate::MAX_CERTIFICATE;
pub use certificate::addresses::DistributionPoint;
pub use error::{AnswerFault, Class, Error, Fault, LABELS};
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
