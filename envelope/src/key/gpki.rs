//! What a GPKI certificate says of the card it is on, and what only a card needs to know of its own certificates.

use crate::certificate::Certificate;
use crate::error::Error;
use crate::tlv::{self, Der};
use crate::{Digest, oid};
use aws_lc_rs::digest;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use const_oid::ObjectIdentifier;
use der::Decode;
use x509_cert::ext::pkix;

/// The rank of the card that a certificate is on (2.16.886.1.100.2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum CardRank {
    /// `primary`: 正卡.
    Primary,
    /// `secondary`: 附卡.
    Secondary,
}

/// The rank that the certificate's subjectDirectoryAttributes name; `None` where they name none, or one that is not
/// known.
pub fn card_rank(certificate: &Certificate) -> Option<CardRank> {
    let value = extension(certificate, oid::SUBJECT_DIRECTORY_ATTRIBUTES)?;
    let mut attributes = Der::only(&value, tlv::SEQUENCE, "subjectDirectoryAttributes").ok()?;
    while !attributes.is_empty() {
        let mut attribute = attributes.inside(tlv::SEQUENCE).ok()?;
        let kind = attribute.oid().ok()?;
        let mut values = attribute.inside(tlv::SET).ok()?;
        if kind == CARD_RANK && !values.is_empty() {
            let text = values.next().ok()?.value;
            return if text.eq_ignore_ascii_case(b"primary") {
                Some(CardRank::Primary)
            } else if text.eq_ignore_ascii_case(b"secondary") {
                Some(CardRank::Secondary)
            } else {
                None
            };
        }
    }
    None
}

/// Whether the certificate's key may decrypt for its holder: keyEncipherment, dataEncipherment, or no keyUsage at all
/// (RFC 5280 §4.2.1.3).
pub fn may_decrypt(certificate: &Certificate) -> bool {
    let Some(value) = extension(certificate, const_oid::db::rfc5280::ID_CE_KEY_USAGE) else { return true };
    pkix::KeyUsage::from_der(&value).is_ok_and(|usage| usage.key_encipherment() || usage.data_encipherment())
}

/// Verifies an RSASSA-PKCS1-v1_5 signature over what was hashed to `digest` with SHA-256: what a card answered, before
/// anything is built on it.
///
/// # Errors
/// [`Error::SignatureInvalid`]; [`Error::WeakKey`] for a key that is not RSA of 2048 bits or more.
pub fn check_signature(certificate: &Certificate, digest: &Digest, signature: &[u8]) -> Result<(), Error> {
    let weak = || Error::WeakKey { subject: certificate.subject().to_owned() };
    let rsa = certificate.rsa_public().ok_or_else(weak)?;
    let digest = digest::Digest::import_less_safe(digest, &digest::SHA256).map_err(|_| weak())?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa)
        .verify_digest(&digest, signature)
        .map_err(|_| Error::SignatureInvalid)
}

/// The value of an extension. Read again from the bytes: cards are read seldom.
fn extension(certificate: &Certificate, wanted: ObjectIdentifier) -> Option<Vec<u8>> {
    let parsed = x509_cert::Certificate::from_der(certificate.der()).ok()?;
    let extensions = parsed.tbs_certificate.extensions?;
    extensions.into_iter().find(|e| e.extn_id == wanted).map(|e| e.extn_value.into_bytes())
}

/// 正卡 or 附卡.
const CARD_RANK: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.886.1.100.2.2");
