//! The sealed message: CMS AuthEnvelopedData with AES-256-GCM (RFC 5083, 5084), as a stream.

use crate::Digest;
use crate::error::Error;
use crate::key::{Certificate, UnwrapKey};
use std::io::{Read, Write};

/// Whom to seal to.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// Its encryption certificate.
    pub certificate: Certificate,
    /// Whether its key can RSAES-OAEP with SHA-256; else PKCS#1 v1.5.
    pub oaep: bool,
}

/// The most recipients of one sealed message.
pub const MAX_RECIPIENTS: usize = 1_000;

/// What was sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SealedInfo {
    /// Length of the sealed message in bytes.
    pub length: u64,
    /// SHA-256 of the sealed message.
    pub sha256: Digest,
}

/// Seals as a stream: give it the plaintext by `Write`, then call [`Sealer::finish`].
pub struct Sealer<W: Write> {
    out: W,
}

impl<W: Write> Sealer<W> {
    /// Makes a content key, wraps it for each recipient and writes the header. Exactly `plain_len` bytes must follow.
    pub fn new(out: W, plain_len: u64, recipients: &[Recipient]) -> Result<Self, Error> {
        let _ = out;
        todo!("{plain_len} {recipients:?}")
    }
    /// Length of the whole sealed message, known from the start.
    pub fn length(&self) -> u64 {
        todo!()
    }
    /// Writes the tag. Fewer bytes than announced are an error.
    pub fn finish(self) -> Result<(SealedInfo, W), Error> {
        let _ = self.out;
        todo!()
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.out.write(buf)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Seals exactly `plain_len` bytes of `source` to the recipients.
pub fn seal(
    source: impl Read,
    plain_len: u64,
    recipients: &[Recipient],
    out: impl Write,
) -> Result<SealedInfo, Error> {
    let _ = (source, out);
    todo!("{plain_len} {recipients:?}")
}

/// What was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Length of the plaintext in bytes.
    pub length: u64,
    /// SHA-256 of the plaintext.
    pub sha256: Digest,
    /// SHA-256 of the sealed message.
    pub sealed_sha256: Digest,
    /// Certificate of the key of ours that opened it.
    pub key: Certificate,
}

/// Opens a sealed message of `length` bytes. The plaintext goes to `out` while it is read and **must not be used unless
/// this returns `Ok`**: only then has the tag verified.
///
/// # Errors
/// [`Error::NotForUs`] when none of `keys` is addressed; [`Error::Unreadable`] when the key does not unwrap or the tag
/// is wrong (one outcome); [`Error::Key`] when a key of ours could not be used just now; [`Error::SealedMalformed`].
pub fn open(
    sealed: impl Read,
    length: u64,
    keys: &[&dyn UnwrapKey],
    out: impl Write,
) -> Result<Opened, Error> {
    let _ = (sealed, length, keys.len(), out);
    todo!()
}
