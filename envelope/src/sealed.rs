//! The sealed message: CMS AuthEnvelopedData with AES-256-GCM (RFC 5083, 5084), written and read as a stream with
//! constant memory.
//!
//! Definite-length DER, id-data, 12-byte random nonce, ICVlen 16 written out, no attributes, no originatorInfo; one
//! KeyTransRecipientInfo per recipient, by issuer and serial number.
//!
//! A key that does not unwrap, a content key of a wrong length and a wrong tag are one outcome, [`Error::Unreadable`],
//! by one path that goes on with a random key (RFC 3218 §2.3.2): the answer tells nothing about the padding.

mod read;

pub use read::{Opened, open};

use crate::error::Error;
use crate::gcm::{Gcm, MAX_PLAINTEXT};
use crate::key::{Certificate, WrapScheme};
use crate::tlv;
use crate::{Digest, digest_of, oid, signed, zip};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey,
};
use std::collections::HashSet;
use std::io::{Read, Write};
use zeroize::Zeroizing;

/// Whom to seal to.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// Its encryption certificate. The caller has checked its chain and key usage.
    pub certificate: Certificate,
    /// Whether its key can RSAES-OAEP with SHA-256; else PKCS#1 v1.5.
    pub oaep: bool,
}

/// The most recipients of one sealed message.
pub const MAX_RECIPIENTS: usize = 1_000;
const BUFFER: usize = 64 * 1024;
const TAG: usize = 16;
const NULL: &[u8] = &[tlv::NULL, 0];
const CIPHERTEXT: u8 = 0x80; // [0] IMPLICIT OCTET STRING, primitive

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
    gcm: Gcm,
    hash: Context,
    left: u64,
    length: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    /// Makes a content key, wraps it for each recipient and writes the header. Exactly `plain_len` bytes must follow.
    ///
    /// # Errors
    /// [`Error::RecipientUnusable`] for a certificate whose key can not be used, [`Error::Argument`] without
    /// recipients, [`Error::TooLarge`], [`Error::Io`], [`Error::Random`].
    pub fn new(mut out: W, plain_len: u64, recipients: &[Recipient]) -> Result<Self, Error> {
        if recipients.is_empty() {
            return Err(Error::Argument { what: "nobody to seal to" });
        }
        if recipients.len() > MAX_RECIPIENTS {
            return Err(Error::TooLarge { what: "the number of recipients", limit: MAX_RECIPIENTS as u64 });
        }
        if plain_len > MAX_PLAINTEXT {
            return Err(Error::TooLarge { what: "the message", limit: MAX_PLAINTEXT });
        }
        let mut key = Zeroizing::new([0; 32]);
        let mut nonce = [0; 12];
        aws_lc_rs::rand::fill(key.as_mut()).map_err(|_| Error::Random)?;
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Error::Random)?;
        let mut seen = HashSet::new();
        let infos = recipients
            .iter()
            .filter(|r| seen.insert(*r.certificate.sha256()))
            .map(|r| recipient_info(r, &key))
            .collect::<Result<Vec<_>, _>>()?;
        let header = header(&tlv::set_of(tlv::SET, infos), &nonce, plain_len);
        let mut hash = Context::new(&SHA256);
        hash.update(&header);
        out.write_all(&header)?;
        let length = header.len() as u64 + plain_len + 2 + TAG as u64;
        Ok(Self { out, gcm: Gcm::new(&key, &nonce), hash, left: plain_len, length, buffer: vec![0; BUFFER] })
    }

    /// Length of the whole sealed message in bytes, known from the start.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Writes the tag and flushes.
    ///
    /// # Errors
    /// [`Error::Argument`] when fewer bytes than announced were written, [`Error::Io`].
    pub fn finish(mut self) -> Result<(SealedInfo, W), Error> {
        if self.left > 0 {
            return Err(Error::Argument { what: "fewer bytes than announced" });
        }
        let mac = tlv::element(tlv::OCTET_STRING, &[&self.gcm.tag()]);
        self.hash.update(&mac);
        self.out.write_all(&mac)?;
        self.out.flush()?;
        Ok((SealedInfo { length: self.length, sha256: digest_of(self.hash) }, self.out))
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, plain: &[u8]) -> std::io::Result<usize> {
        let take = plain.len().min(self.buffer.len());
        let (Some(from), Some(to)) = (plain.get(..take), self.buffer.get_mut(..take)) else { return Ok(0) };
        self.left = self.left.checked_sub(take as u64).ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "more bytes than announced")
        })?;
        to.copy_from_slice(from);
        self.gcm.encrypt(to);
        self.hash.update(to);
        self.out.write_all(to)?;
        Ok(take)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Seals exactly `plain_len` bytes of `source` to the recipients.
///
/// # Errors
/// As [`Sealer`]; [`Error::FileChanged`] when `source` has fewer or more bytes.
pub fn seal(
    mut source: impl Read,
    plain_len: u64,
    recipients: &[Recipient],
    out: impl Write,
) -> Result<SealedInfo, Error> {
    let changed = || Error::FileChanged { name: "container".to_owned() };
    let mut sealer = Sealer::new(out, plain_len, recipients)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = zip::read(&mut source, &mut buffer)?;
        if n as u64 > sealer.left {
            return Err(changed());
        }
        if n == 0 {
            break;
        }
        sealer.write_all(buffer.get(..n).unwrap_or_default())?;
    }
    if sealer.left > 0 {
        return Err(changed());
    }
    sealer.finish().map(|(info, _)| info)
}

/// A content key wrapped to a certificate's key. Also what a card decrypts to prove that it works.
///
/// # Errors
/// [`Error::RecipientUnusable`] for a key that is not RSA of 2048 to 8192 bits.
pub fn wrap(certificate: &Certificate, scheme: WrapScheme, key: &[u8; 32]) -> Result<Vec<u8>, Error> {
    let unusable = || Error::RecipientUnusable { subject: certificate.subject().to_owned() };
    if !certificate.rsa_bits().is_some_and(|bits| (2048..=8192).contains(&bits)) {
        return Err(unusable());
    }
    let public = PublicEncryptingKey::from_der(certificate.public_key()).map_err(|_| unusable())?;
    let mut wrapped = vec![0; public.key_size_bytes()];
    match scheme {
        WrapScheme::OaepSha256 => {
            let public = OaepPublicEncryptingKey::new(public).map_err(|_| unusable())?;
            public.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut wrapped, None).map_err(|_| unusable())?;
        }
        WrapScheme::Pkcs1 => {
            let public = Pkcs1PublicEncryptingKey::new(public).map_err(|_| unusable())?;
            public.encrypt(key, &mut wrapped).map_err(|_| unusable())?;
        }
    }
    Ok(wrapped)
}

/// KeyTransRecipientInfo (RFC 5652 §6.2.1), version 0.
fn recipient_info(recipient: &Recipient, key: &[u8; 32]) -> Result<Vec<u8>, Error> {
    let certificate = &recipient.certificate;
    let scheme = if recipient.oaep { WrapScheme::OaepSha256 } else { WrapScheme::Pkcs1 };
    let wrapped = wrap(certificate, scheme, key)?;
    Ok(tlv::element(
        tlv::SEQUENCE,
        &[
            &tlv::unsigned(tlv::INTEGER, 0),
            &signed::issuer_and_serial_der(certificate),
            &wrap_algorithm(scheme, NULL, NULL),
            &tlv::element(tlv::OCTET_STRING, &[&wrapped]),
        ],
    ))
}

/// rsaEncryption with NULL (RFC 8017), or RSAES-OAEP with SHA-256 for hash and MGF1 (RFC 4055 §4.1). The parameters of
/// the two hashes may be NULL or absent; every implementation must take both (RFC 4055 §2.1).
fn wrap_algorithm(scheme: WrapScheme, of_hash: &[u8], of_mgf: &[u8]) -> Vec<u8> {
    match scheme {
        WrapScheme::Pkcs1 => tlv::element(tlv::SEQUENCE, &[&tlv::oid(&oid::RSA), NULL]),
        WrapScheme::OaepSha256 => {
            let hash = |parameters| tlv::element(tlv::SEQUENCE, &[&tlv::oid(&oid::SHA256), parameters]);
            let mgf = tlv::element(tlv::SEQUENCE, &[&tlv::oid(&oid::MGF1), &hash(of_mgf)]);
            let parameters = tlv::element(
                tlv::SEQUENCE,
                &[&tlv::element(tlv::CONTEXT_0, &[&hash(of_hash)]), &tlv::element(tlv::CONTEXT_1, &[&mgf])],
            );
            tlv::element(tlv::SEQUENCE, &[&tlv::oid(&oid::RSAES_OAEP), &parameters])
        }
    }
}

/// Everything before the ciphertext. The lengths of all that encloses it follow from `plain_len`.
fn header(recipient_infos: &[u8], nonce: &[u8; 12], plain_len: u64) -> Vec<u8> {
    let parameters = tlv::element(
        tlv::SEQUENCE,
        &[&tlv::element(tlv::OCTET_STRING, &[nonce]), &tlv::unsigned(tlv::INTEGER, TAG as u64)],
    );
    let algorithm = tlv::element(tlv::SEQUENCE, &[&tlv::oid(&oid::AES256_GCM), &parameters]);
    // From the inside out: each step puts a header before what it encloses.
    let mut out = tlv::make_header(CIPHERTEXT, plain_len);
    let enclose = |out: &mut Vec<u8>, tag: u8, before: &[&[u8]], after: u64| {
        let inner = [&before.concat(), out.as_slice()].concat();
        *out = tlv::make_header(tag, inner.len() as u64 + after);
        out.extend_from_slice(&inner);
    };
    let mac = 2 + TAG as u64;
    enclose(&mut out, tlv::SEQUENCE, &[&tlv::oid(&oid::DATA), &algorithm], plain_len);
    enclose(&mut out, tlv::SEQUENCE, &[&tlv::unsigned(tlv::INTEGER, 0), recipient_infos], plain_len + mac);
    enclose(&mut out, tlv::CONTEXT_0, &[], plain_len + mac);
    enclose(&mut out, tlv::SEQUENCE, &[&tlv::oid(&oid::AUTH_ENVELOPED_DATA)], plain_len + mac);
    out
}
