//! Opening a sealed message: a pull reader over the stream, with every length checked.

use super::{BUFFER, CIPHERTEXT, MAX_RECIPIENTS, NULL, TAG, wrap_algorithm};
use crate::error::Error;
use crate::gcm::{Gcm, MAX_PLAINTEXT};
use crate::key::{Certificate, KeyError, KeyErrorKind, UnwrapKey, WrapScheme};
use crate::tlv::{self, Der};
use crate::{Digest, digest_of, oid, signed};
use aws_lc_rs::digest::{Context, SHA256};
use std::io::{Read, Write};
use zeroize::Zeroizing;

/// Longest KeyTransRecipientInfo that is read, bytes.
const MAX_RECIPIENT_INFO: u64 = 8 * 1024;
const ABSENT: &[u8] = &[];

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
/// is wrong (one outcome); [`Error::Key`] when a key of ours could not be used just now; [`Error::SealedMalformed`];
/// [`Error::Io`].
pub fn open(
    sealed: impl Read,
    length: u64,
    keys: &[&dyn UnwrapKey],
    mut out: impl Write,
) -> Result<Opened, Error> {
    let mut source = Pull { source: sealed, hash: Context::new(&SHA256), left: length };
    let mut wrapped = Vec::new();
    // Each enclosing element must end where the message ends: so there is nothing behind it.
    source.enclosing(tlv::SEQUENCE)?;
    source.exactly(&tlv::oid(&oid::AUTH_ENVELOPED_DATA), "another content type than AuthEnvelopedData")?;
    source.enclosing(tlv::CONTEXT_0)?;
    source.enclosing(tlv::SEQUENCE)?;
    source.exactly(&tlv::unsigned(tlv::INTEGER, 0), "another version, or originatorInfo")?;
    let mut infos_left = source.begin(tlv::SET)?;
    // A card that was never seen matches nobody, and its absence is remembered: the message may be for it.
    let certificates: Vec<Result<Certificate, KeyError>> = keys.iter().map(|k| k.certificate()).collect();
    let ours: Vec<Vec<u8>> = certificates
        .iter()
        .map(|known| known.as_ref().map(signed::issuer_and_serial_der).unwrap_or_default())
        .collect();
    let mut count = 0;
    while infos_left > 0 {
        count += 1;
        if count > MAX_RECIPIENTS {
            return Err(Error::TooLarge { what: "the number of recipients", limit: MAX_RECIPIENTS as u64 });
        }
        let before = source.left;
        let info_len = source.begin(tlv::SEQUENCE)?;
        if info_len > MAX_RECIPIENT_INFO {
            return Err(malformed("a recipient's part is too long"));
        }
        let info = source.bytes(info_len)?;
        infos_left =
            infos_left.checked_sub(before - source.left).ok_or(malformed("the list of recipients"))?;
        if let Some(found) = read_recipient(&info, &ours)? {
            // Each is an operation of a card that others wait for.
            if wrapped.iter().any(|other: &Wrapped| other.key == found.key) {
                return Err(malformed("a recipient occurs twice"));
            }
            wrapped.push(found);
        }
    }
    source.enclosing_before_mac()?;
    source.exactly(&tlv::oid(&oid::DATA), "another inner content type than data")?;
    let nonce = read_algorithm(&mut source)?;
    let plain_len = source.begin(CIPHERTEXT)?;
    if source.left != plain_len + 2 + TAG as u64 || plain_len > MAX_PLAINTEXT {
        return Err(malformed("the ciphertext does not end where the tag begins"));
    }
    if wrapped.is_empty() {
        let unknown = certificates.into_iter().find_map(Result::err);
        return Err(unknown.map_or(Error::NotForUs, Error::Key));
    }
    let (position, content_key) = unwrap(keys, &wrapped)?;
    let key = certificates.into_iter().nth(position).ok_or(Error::NotForUs)??;

    let mut gcm = Gcm::new(&content_key, &nonce);
    let mut hash = Context::new(&SHA256);
    let mut buffer = Zeroizing::new(vec![0; BUFFER]);
    let mut left = plain_len;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER);
        let chunk = buffer.get_mut(..want).unwrap_or_default();
        source.fill(chunk)?;
        gcm.decrypt(chunk);
        hash.update(chunk);
        out.write_all(chunk)?;
        left -= want as u64;
    }
    if source.begin(tlv::OCTET_STRING)? != TAG as u64 {
        return Err(malformed("a tag of another length"));
    }
    let mut tag = [0; TAG];
    source.fill(&mut tag)?;
    if aws_lc_rs::constant_time::verify_slices_are_equal(&gcm.tag(), &tag).is_err() {
        return Err(Error::Unreadable);
    }
    out.flush()?;
    Ok(Opened { length: plain_len, sha256: digest_of(hash), sealed_sha256: digest_of(source.hash), key })
}

const fn malformed(what: &'static str) -> Error {
    Error::SealedMalformed { what }
}

/// A content key wrapped for one of our keys.
struct Wrapped {
    key: usize,
    scheme: WrapScheme,
    bytes: Vec<u8>,
}

/// The inside of one RecipientInfo; `None` when it is for someone else.
fn read_recipient(info: &[u8], ours: &[Vec<u8>]) -> Result<Option<Wrapped>, Error> {
    const WHAT: &str = "a recipient's part";
    let not_der = |_| malformed(WHAT);
    let mut fields = Der::new(info, WHAT);
    let version = fields.small().map_err(not_der)?;
    let rid = fields.expect(tlv::SEQUENCE).map_err(not_der)?.raw;
    let algorithm = fields.expect(tlv::SEQUENCE).map_err(not_der)?.raw;
    let wrapped = fields.octets().map_err(not_der)?;
    fields.end().map_err(not_der)?;
    if version != 0 {
        return Err(malformed("a recipient's version"));
    }
    let Some(key) = ours.iter().position(|own| own == rid) else { return Ok(None) };
    let scheme = wrap_scheme(algorithm).ok_or(Error::WrongAlgorithm { what: "the key wrapping" })?;
    Ok(Some(Wrapped { key, scheme, bytes: wrapped.to_vec() }))
}

fn wrap_scheme(algorithm: &[u8]) -> Option<WrapScheme> {
    let forms = [(NULL, NULL), (ABSENT, ABSENT), (NULL, ABSENT), (ABSENT, NULL)];
    [WrapScheme::Pkcs1, WrapScheme::OaepSha256].into_iter().find(|scheme| {
        forms.iter().any(|(of_hash, of_mgf)| wrap_algorithm(*scheme, of_hash, of_mgf) == algorithm)
    })
}

/// AES-256-GCM with a 12-byte nonce and ICVlen 16; gives the nonce.
fn read_algorithm<R: Read>(source: &mut Pull<R>) -> Result<[u8; 12], Error> {
    const WHAT: &str = "the parameters of the content encryption";
    let length = source.begin(tlv::SEQUENCE)?;
    if length > 64 {
        return Err(malformed(WHAT));
    }
    let bytes = source.bytes(length)?;
    let mut algorithm = Der::new(&bytes, WHAT);
    if algorithm.oid().map_err(|_| malformed(WHAT))? != oid::AES256_GCM {
        return Err(Error::WrongAlgorithm { what: "the content encryption" });
    }
    let read = |algorithm: &mut Der<'_>| -> Result<([u8; 12], u32), Error> {
        let mut parameters = algorithm.inside(tlv::SEQUENCE)?;
        algorithm.end()?;
        let nonce = parameters.octets()?.try_into().map_err(|_| malformed(WHAT))?;
        let icv = parameters.small()?;
        parameters.end()?;
        Ok((nonce, icv))
    };
    match read(&mut algorithm) {
        Ok((nonce, 16)) => Ok(nonce),
        _ => Err(malformed("nonce or ICV length")),
    }
}

/// Unwraps with the first of our keys that can be used. What does not unwrap to 32 bytes gives a random key.
fn unwrap(keys: &[&dyn UnwrapKey], wrapped: &[Wrapped]) -> Result<(usize, Zeroizing<[u8; 32]>), Error> {
    let mut content_key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(content_key.as_mut()).map_err(|_| Error::Random)?;
    let mut reason = None;
    for candidate in wrapped {
        let Some(key) = keys.get(candidate.key) else { continue };
        match key.unwrap(candidate.scheme, &candidate.bytes) {
            Ok(unwrapped) => {
                if unwrapped.len() == content_key.len() {
                    content_key.copy_from_slice(&unwrapped);
                }
                return Ok((candidate.key, content_key));
            }
            Err(e) if e.kind() == KeyErrorKind::Refused => return Ok((candidate.key, content_key)),
            // An old card may be away while the new one is there.
            Err(e) => {
                reason.get_or_insert(e);
            }
        }
    }
    Err(reason.map_or(Error::NotForUs, Error::Key))
}

/// Reads DER from a stream of known length, hashing all of it.
struct Pull<R> {
    source: R,
    hash: Context,
    /// Bytes of the message that have not been read.
    left: u64,
}

impl<R: Read> Pull<R> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        self.left = self.left.checked_sub(buffer.len() as u64).ok_or(malformed("it is cut short"))?;
        self.source.read_exact(buffer)?;
        self.hash.update(buffer);
        Ok(())
    }

    /// `length` bytes; the caller has bounded `length`.
    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        if length > self.left {
            return Err(malformed("it is cut short"));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| malformed("it is too long"))?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The header of an element with this tag; gives the length of its value, which is in the message.
    fn begin(&mut self, tag: u8) -> Result<u64, Error> {
        let mut header = vec![0; 2];
        self.fill(&mut header)?;
        if let [_, first @ 0x81..=0x86] = *header {
            let more = self.bytes(u64::from(first & 0x7f))?;
            header.extend(more);
        }
        let (found, length, _) = tlv::header(&header).ok_or(malformed("not definite-length DER"))?;
        if found != tag {
            return Err(malformed("an element where another belongs"));
        }
        let length = length as u64;
        if length > self.left { Err(malformed("it is cut short")) } else { Ok(length) }
    }

    /// An element that reaches to the end of the message.
    fn enclosing(&mut self, tag: u8) -> Result<(), Error> {
        if self.begin(tag)? == self.left { Ok(()) } else { Err(malformed("bytes behind the message")) }
    }

    /// EncryptedContentInfo: reaches to the tag.
    fn enclosing_before_mac(&mut self) -> Result<(), Error> {
        let length = self.begin(tlv::SEQUENCE)?;
        if self.left.checked_sub(length) == Some(2 + TAG as u64) {
            Ok(())
        } else {
            Err(malformed("a tag of another length, or attributes"))
        }
    }

    fn exactly(&mut self, expected: &[u8], what: &'static str) -> Result<(), Error> {
        if self.bytes(expected.len() as u64)? == expected { Ok(()) } else { Err(malformed(what)) }
    }
}
