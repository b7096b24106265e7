//! CMS SignedData (RFC 5652 §5) as CAdES-B-B (ETSI EN 319 122-1), written and read in exactly one form.

use crate::Digest;
use crate::error::Error;
use crate::key::{Certificate, SigningKey};
use crate::trust::Anchors;
use const_oid::ObjectIdentifier;

/// A signature that verifies cryptographically; whether its signer is trusted is the next question.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The signer's certificate, found by issuer and serial number and named by signingCertificateV2.
    pub signer: Certificate,
    /// The other certificates that travelled along, unchecked.
    pub certificates: Vec<Certificate>,
    /// signingTime, Unix milliseconds: what the signer claims.
    pub signing_time: i64,
    /// The signed content; empty for a detached signature.
    pub content: Vec<u8>,
}

impl Checked {
    /// Demands a chain from the signer to an anchor, for signing, at the time `at`. Returns the chain.
    pub fn trusted(&self, anchors: &Anchors, at: i64) -> Result<Vec<Certificate>, Error> {
        crate::trust::chain(&self.signer, &self.certificates, anchors, crate::trust::Purpose::Sign, at)
    }
}

/// Signs `content` so that it travels inside. `at` becomes signingTime; the key's certificate and chain, and `extra`
/// certificates, travel along.
pub fn sign_attached(
    key: &dyn SigningKey,
    content_type: ObjectIdentifier,
    content: &[u8],
    extra: &[Certificate],
    at: i64,
) -> Result<Vec<u8>, Error> {
    todo!("{content_type} {} {extra:?} {at} {:?}", content.len(), key.certificate())
}

/// Signs content that travels beside the signature, given its SHA-256.
pub fn sign_detached(
    key: &dyn SigningKey,
    content_type: ObjectIdentifier,
    digest: &Digest,
    at: i64,
) -> Result<Vec<u8>, Error> {
    todo!("{content_type} {digest:?} {at} {:?}", key.certificate())
}

/// Checks an attached signature of the given content type; `limit` bounds the whole in bytes.
pub fn check_attached(der: &[u8], content_type: ObjectIdentifier, limit: usize) -> Result<Checked, Error> {
    todo!("{} {content_type} {limit}", der.len())
}

/// Checks a detached signature over content with this SHA-256.
pub fn check_detached(der: &[u8], content_type: ObjectIdentifier, digest: &Digest) -> Result<Checked, Error> {
    todo!("{} {content_type} {digest:?}", der.len())
}
