//! Elements of a CRL pulled from a stream, hashed on the way.

use super::{FAULT, hash_of};
use crate::error::{AnswerFault, Error};
use crate::{Digest, digest_of, tlv};
use aws_lc_rs::digest::{Context, SHA256};
use const_oid::ObjectIdentifier;
use std::io::{BufRead, BufReader, Read};

/// What is read at a time, bytes.
const BUFFER: usize = 64 * 1024;

/// A stream of elements, with the SHA-256 of all bytes and the hash of what is signed.
pub(super) struct Source<R> {
    inner: BufReader<R>,
    position: u64,
    limit: u64,
    /// Where the value of the container that was opened last ends.
    end: u64,
    whole: Context,
    signed: Signed,
}

/// The hash of what is signed: which one is known only some bytes after its beginning.
enum Signed {
    No,
    Held(Vec<u8>),
    Hashed(Context),
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self {
            inner: BufReader::with_capacity(BUFFER, inner),
            position: 0,
            limit,
            end: 0,
            whole: Context::new(&SHA256),
            signed: Signed::No,
        }
    }

    /// Bytes read so far.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Where the value of the container that was opened last ends; known to lie within the limit.
    pub(super) fn end(&self) -> Result<u64, Error> {
        if self.end > self.limit { Err(Error::Answer(AnswerFault::TooLarge)) } else { Ok(self.end) }
    }

    /// The next byte, not taken.
    pub(super) fn peek(&mut self) -> Result<u8, Error> {
        self.inner.fill_buf()?.first().copied().ok_or(FAULT)
    }

    fn took(&mut self, bytes: &[u8]) {
        self.position += bytes.len() as u64;
        self.whole.update(bytes);
        match &mut self.signed {
            Signed::No => {}
            Signed::Held(held) => held.extend_from_slice(bytes),
            Signed::Hashed(hash) => hash.update(bytes),
        }
    }

    /// Tag and length of the next element; its header into `raw`.
    fn header(&mut self, raw: &mut Vec<u8>) -> Result<(u8, usize), Error> {
        raw.clear();
        loop {
            let mut byte = [0];
            self.inner.read_exact(&mut byte).map_err(cut_short)?;
            raw.extend_from_slice(&byte);
            if let Some((tag, length, _)) = tlv::header(raw) {
                return Ok((tag, length));
            }
            // Tag, length of the length, six bytes: more is never a header.
            if raw.len() >= 8 {
                return Err(FAULT);
            }
        }
    }

    /// Goes into the next element, which must have this tag.
    pub(super) fn open(&mut self, tag: u8) -> Result<(), Error> {
        let mut raw = Vec::with_capacity(8);
        let (found, length) = self.header(&mut raw)?;
        self.took(&raw);
        if found != tag {
            return Err(FAULT);
        }
        self.end = self.position.checked_add(length as u64).ok_or(FAULT)?;
        Ok(())
    }

    /// The next element, header and value, of at most `most` bytes, into `raw`.
    pub(super) fn element(&mut self, raw: &mut Vec<u8>, most: usize) -> Result<(), Error> {
        let (_, length) = self.header(raw)?;
        if length > most {
            return Err(FAULT);
        }
        let start = raw.len();
        raw.resize(start + length, 0);
        self.inner.read_exact(raw.get_mut(start..).unwrap_or_default()).map_err(cut_short)?;
        if self.position.saturating_add(raw.len() as u64) > self.limit {
            return Err(Error::Answer(AnswerFault::TooLarge));
        }
        self.took(raw);
        Ok(())
    }

    /// What is signed begins here.
    pub(super) fn begin_signed(&mut self) {
        self.signed = Signed::Held(Vec::new());
    }

    /// From now on it is known how it is hashed.
    pub(super) fn hash_signed(&mut self, algorithm: ObjectIdentifier) -> Result<(), Error> {
        let mut hash = Context::new(hash_of(algorithm)?);
        if let Signed::Held(held) = &self.signed {
            hash.update(held);
        }
        self.signed = Signed::Hashed(hash);
        Ok(())
    }

    /// What is signed ends here: its hash.
    pub(super) fn end_signed(&mut self) -> Result<aws_lc_rs::digest::Digest, Error> {
        match std::mem::replace(&mut self.signed, Signed::No) {
            Signed::Hashed(hash) => Ok(hash.finish()),
            Signed::No | Signed::Held(_) => Err(FAULT),
        }
    }

    /// SHA-256 and length of all, when nothing follows.
    pub(super) fn finish(mut self) -> Result<(Digest, u64), Error> {
        if !self.inner.fill_buf()?.is_empty() {
            return Err(FAULT);
        }
        Ok((digest_of(self.whole), self.position))
    }
}

/// An end before the end is the answer's fault, not ours.
fn cut_short(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::UnexpectedEof { FAULT } else { Error::Io(error) }
}
