//! Directory entries: signed by the member's own key, countersigned by the registrar, whose key need not be on the
//! center's machines. So the center can not put a key of its own in a recipient's place.

use crate::error::Error;
use crate::key::{Certificate, SigningKey};
use crate::tlv::{self, Der};
use crate::trust::{self, Anchors, Purpose};
use crate::{oid, signed};

/// The longest entry that is read, bytes.
pub const MAX_ENTRY: usize = 128 * 1024;
/// The longest registration that is read, bytes.
pub const MAX_REGISTRATION: usize = 256 * 1024;
const MAX_CODE: usize = 64;
const MAX_NAME: usize = 1_024;
const VERSION: u32 = 1;
const WHAT: &str = "a directory entry";

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
    /// The organisation's OID, as in both certificates.
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
    /// The signing certificate's chain to its anchor, as [`trust::chain`] found it.
    pub sign_chain: Vec<Certificate>,
    /// The encryption certificate's chain to its anchor.
    pub enc_chain: Vec<Certificate>,
}

/// Makes an entry, signed by the member's key, whose certificate becomes the entry's signing certificate. `at` (Unix
/// milliseconds) becomes signingTime.
///
/// # Errors
/// [`Error::Key`]; [`Error::Argument`] for a code or name that is empty or too long.
pub fn make(entry: &Entry<'_>, key: &dyn SigningKey, at: i64) -> Result<Vec<u8>, Error> {
    if entry.code.is_empty() || entry.code.len() > MAX_CODE || entry.name.len() > MAX_NAME {
        return Err(Error::Argument { what: "a code or name that is empty or too long" });
    }
    if i64::try_from(entry.number).is_err() {
        return Err(Error::Argument { what: "an entry number over 63 bits" });
    }
    let sign = key.certificate()?;
    let organisation_oid =
        sign.organisation_oid().map(|oid| tlv::element(tlv::UTF8_STRING, &[oid.as_bytes()]));
    let content = tlv::element(
        tlv::SEQUENCE,
        &[
            &tlv::unsigned(tlv::INTEGER, VERSION.into()),
            &tlv::element(tlv::UTF8_STRING, &[entry.code.as_bytes()]),
            // OPTIONAL between two UTF8Strings needs a tag of its own.
            &organisation_oid.map(|oid| tlv::element(tlv::CONTEXT_0, &[&oid])).unwrap_or_default(),
            &tlv::element(tlv::UTF8_STRING, &[entry.name.as_bytes()]),
            &tlv::element(tlv::OCTET_STRING, &[sign.sha256()]),
            &tlv::element(tlv::OCTET_STRING, &[entry.enc.sha256()]),
            &tlv::element(tlv::BOOLEAN, &[&[if entry.oaep { 0xff } else { 0 }]]),
            &tlv::unsigned(tlv::INTEGER, entry.number),
        ],
    );
    let extra = [core::slice::from_ref(entry.enc), entry.enc_chain].concat();
    signed::sign_attached(key, oid::DIRECTORY_ENTRY, &content, &extra, at)
}

/// Verifies a member's entry without the registrar's signature: what the registrar does before countersigning. Both
/// certificates must chain to `anchors`, be valid at `at` (Unix milliseconds), fit their purpose and be of one
/// organisation.
///
/// # Errors
/// [`Error::EntryContradiction`]; else as [`signed::check_attached`] and [`trust::chain`].
pub fn verify_entry(entry: &[u8], anchors: &Anchors, at: i64) -> Result<VerifiedEntry, Error> {
    let mut verified = read_entry(entry)?;
    verified.sign_chain = trust::chain(&verified.sign, &verified.chain, anchors, Purpose::Sign, at)?;
    verified.enc_chain = trust::chain(&verified.enc, &verified.chain, anchors, Purpose::Encrypt, at)?;
    Ok(verified)
}

/// Countersigns a member's entry, which the caller has verified. The result is what travels and is stored. `at` (Unix
/// milliseconds) becomes signingTime.
///
/// # Errors
/// Those of the entry's form, and [`Error::Key`].
pub fn countersign(entry: &[u8], registrar: &dyn SigningKey, at: i64) -> Result<Vec<u8>, Error> {
    read_entry(entry)?;
    signed::sign_attached(registrar, oid::REGISTRATION, entry, &[], at)
}

/// Verifies a registration: the registrar's signature, the member's signature and both certificates under `anchors`, all
/// at the time `at` (Unix milliseconds).
///
/// The registrar's certificate must itself be one of `registrar`. A chain to one of them is not enough: a file with the
/// registrar's certificate often holds its CA's too, and under that CA every member could countersign for others.
///
/// # Errors
/// [`Error::Untrusted`] for another registrar; as [`verify_entry`], for either signature.
pub fn verify(
    registration: &[u8],
    registrar: &Anchors,
    anchors: &Anchors,
    at: i64,
) -> Result<VerifiedEntry, Error> {
    let outer = signed::check_attached(registration, oid::REGISTRATION, MAX_REGISTRATION)?;
    if !registrar.certificates().contains(&outer.signer) {
        return Err(Error::Untrusted { subject: outer.signer.subject().to_owned() });
    }
    outer.trusted(registrar, at)?;
    verify_entry(&outer.content, anchors, at)
}

/// Everything about an entry but its chains.
fn read_entry(entry: &[u8]) -> Result<VerifiedEntry, Error> {
    let checked = signed::check_attached(entry, oid::DIRECTORY_ENTRY, MAX_ENTRY)?;
    let mut fields = Der::only(&checked.content, tlv::SEQUENCE, WHAT)?;
    if fields.small()? != VERSION {
        return Err(Error::BadValue { what: "the version of a directory entry" });
    }
    let code = fields.text()?.to_owned();
    let organisation_oid = match fields.optional(tlv::CONTEXT_0)? {
        Some(explicit) => {
            let mut inner = Der::new(explicit.value, WHAT);
            let oid = inner.text()?.to_owned();
            inner.end()?;
            Some(oid)
        }
        None => None,
    };
    let name = fields.text()?.to_owned();
    let (sign_digest, enc_digest) = (fields.digest()?, fields.digest()?);
    let oaep = fields.boolean()?;
    let number = fields.unsigned(tlv::INTEGER)?.unsigned_abs();
    fields.end()?;
    if code.is_empty() || code.len() > MAX_CODE || name.len() > MAX_NAME {
        return Err(Error::BadValue { what: "the code or name of a directory entry" });
    }

    let contradiction = |what| Error::EntryContradiction { what };
    let sign = checked.signer;
    if *sign.sha256() != sign_digest {
        return Err(contradiction("signed by another certificate than it names"));
    }
    let mut chain = checked.certificates;
    // One certificate may serve both purposes; it is in the set only once.
    let enc = if enc_digest == sign_digest {
        sign.clone()
    } else {
        let position = chain.iter().position(|c| *c.sha256() == enc_digest);
        chain.swap_remove(position.ok_or_else(|| contradiction("the encryption certificate is not there"))?)
    };
    if organisation_oid.as_deref() != sign.organisation_oid() {
        return Err(contradiction("another organisation OID than in the signing certificate"));
    }
    if !same_organisation(&sign, &enc) {
        return Err(contradiction("the two certificates are of different organisations"));
    }
    let (sign_chain, enc_chain) = (Vec::new(), Vec::new());
    Ok(VerifiedEntry { code, name, organisation_oid, number, oaep, sign, enc, chain, sign_chain, enc_chain })
}

/// Whether two certificates are of one organisation: by its OID and name where both have an OID, else by the whole
/// subject.
pub(crate) fn same_organisation(one: &Certificate, other: &Certificate) -> bool {
    match (one.organisation_oid(), other.organisation_oid()) {
        (Some(a), Some(b)) => a == b && one.organisation() == other.organisation(),
        (None, None) => one.subject_der() == other.subject_der(),
        _ => false,
    }
}
