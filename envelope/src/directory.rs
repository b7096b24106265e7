//! Directory entries: signed by the member's own key, countersigned by the registrar.

use crate::error::Error;
use crate::key::{Certificate, SigningKey};
use crate::trust::Anchors;

/// What a member says of itself.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Mailbox code.
    pub code: &'a str,
    /// Name for people.
    pub name: &'a str,
    /// Its encryption certificate.
    pub enc: &'a Certificate,
    /// CA certificates above the encryption certificate, where they differ from the signing key's chain.
    pub enc_chain: &'a [Certificate],
    /// Whether the encryption key can RSAES-OAEP with SHA-256.
    pub oaep: bool,
    /// Number of the entry; only goes up.
    pub number: u64,
}

/// An entry that verified.
#[derive(Clone, Debug)]
pub struct VerifiedEntry {
    /// Mailbox code.
    pub code: String,
    /// Name for people.
    pub name: String,
    /// The organisation's OID, as in the signing certificate.
    pub organisation_oid: Option<String>,
    /// Number of the entry.
    pub number: u64,
    /// Whether the encryption key can RSAES-OAEP with SHA-256.
    pub oaep: bool,
    /// The signing certificate.
    pub sign: Certificate,
    /// The encryption certificate.
    pub enc: Certificate,
    /// The CA certificates that travelled along.
    pub chain: Vec<Certificate>,
}

/// Makes an entry, signed by the member's key, whose certificate becomes the entry's signing certificate.
pub fn make(entry: &Entry<'_>, key: &dyn SigningKey, at: i64) -> Result<Vec<u8>, Error> {
    todo!("{entry:?} {at} {:?}", key.certificate())
}

/// Verifies a member's entry without the registrar's signature: what the registrar does before countersigning.
pub fn verify_entry(entry: &[u8], anchors: &Anchors, at: i64) -> Result<VerifiedEntry, Error> {
    todo!("{} {anchors:?} {at}", entry.len())
}

/// Countersigns a member's entry. The caller has verified it. The result is what travels and is stored.
pub fn countersign(entry: &[u8], registrar: &dyn SigningKey, at: i64) -> Result<Vec<u8>, Error> {
    todo!("{} {at} {:?}", entry.len(), registrar.certificate())
}

/// Verifies a registration: the registrar's signature under `registrar`, the member's and both certificates under
/// `anchors`, all at the time `at` (Unix milliseconds).
pub fn verify(
    registration: &[u8],
    registrar: &Anchors,
    anchors: &Anchors,
    at: i64,
) -> Result<VerifiedEntry, Error> {
    todo!("{} {registrar:?} {anchors:?} {at}", registration.len())
}
