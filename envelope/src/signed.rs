//! CMS SignedData (RFC 5652 §5) as CAdES-B-B (ETSI EN 319 122-1), written and read in exactly one form: definite-length
//! DER, one signer named by issuer and serial number, SHA-256 with RSA PKCS#1 v1.5, and the four signed attributes
//! contentType, messageDigest, signingTime and signingCertificateV2 (with issuerSerial), each once, and no others.
//!
//! A signature without signed attributes is refused whatever it signs: it could be one over the attributes of another.

use crate::error::Error;
use crate::key::{Certificate, KeyError, KeyErrorKind, SigningKey};
use crate::tlv::{self, Der};
use crate::trust::Anchors;
use crate::{Digest, oid, sha256, time};
use cms::cert::IssuerAndSerialNumber;
use cms::content_info::CmsVersion;
use cms::signed_data::{SignerIdentifier, SignerInfo};
use const_oid::ObjectIdentifier;
use der::asn1::{OctetString, SetOfVec};
use der::{Any, Decode, Encode, Tag, Tagged};
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;

/// The most certificates that a signature may carry.
pub const MAX_CERTIFICATES: usize = 32;
/// The longest detached signature that is read, in bytes.
pub const MAX_SIGNATURE: usize = 64 * 1024;

const WHAT: &str = "a signature";

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
    /// Demands a chain from the signer to an anchor, for signing, at the time `at` (Unix milliseconds). Returns the
    /// chain.
    ///
    /// # Errors
    /// As [`crate::trust::chain`].
    pub fn trusted(&self, anchors: &Anchors, at: i64) -> Result<Vec<Certificate>, Error> {
        crate::trust::chain(&self.signer, &self.certificates, anchors, crate::trust::Purpose::Sign, at)
    }
}

/// Signs `content` so that it travels inside. `at` (Unix milliseconds) becomes signingTime; the key's certificate and
/// chain, and the certificates `extra`, travel along.
///
/// # Errors
/// [`Error::Key`]; [`Error::TooLarge`] for more than [`MAX_CERTIFICATES`].
pub fn sign_attached(
    key: &dyn SigningKey,
    content_type: ObjectIdentifier,
    content: &[u8],
    extra: &[Certificate],
    at: i64,
) -> Result<Vec<u8>, Error> {
    sign(key, content_type, Some(content), &sha256(content), extra, at)
}

/// Signs content that travels beside the signature, given its SHA-256.
///
/// # Errors
/// [`Error::Key`].
pub fn sign_detached(
    key: &dyn SigningKey,
    content_type: ObjectIdentifier,
    digest: &Digest,
    at: i64,
) -> Result<Vec<u8>, Error> {
    sign(key, content_type, None, digest, &[], at)
}

fn sign(
    key: &dyn SigningKey,
    content_type: ObjectIdentifier,
    content: Option<&[u8]>,
    digest: &Digest,
    extra: &[Certificate],
    at: i64,
) -> Result<Vec<u8>, Error> {
    let certificate = key.certificate()?;
    let attributes = [
        attribute(oid::ATTR_CONTENT_TYPE, &tlv::oid(&content_type))?,
        attribute(oid::ATTR_MESSAGE_DIGEST, &tlv::element(tlv::OCTET_STRING, &[digest]))?,
        attribute(oid::ATTR_SIGNING_TIME, &time::signing_time(at)?)?,
        attribute(oid::ATTR_SIGNING_CERTIFICATE_V2, &signing_certificate(&certificate))?,
    ];
    let attributes = SetOfVec::try_from(attributes.to_vec()).map_err(encoding)?;
    let to_be_signed = attributes.to_der().map_err(encoding)?;
    let signature = key.sign(&sha256(&to_be_signed))?;
    // A card that answers with nonsense, or with another key, must not be found out by the receiver.
    certificate.verify(oid::SHA256_RSA, &to_be_signed, &signature).map_err(|_| {
        KeyError::new(KeyErrorKind::Broken, "the key's signature does not fit its certificate")
    })?;

    let digest_algorithm = AlgorithmIdentifierOwned { oid: oid::SHA256, parameters: None };
    let null = Any::new(Tag::Null, []).map_err(encoding)?;
    let signer = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(issuer_and_serial(&certificate)?),
        digest_alg: digest_algorithm.clone(),
        signed_attrs: Some(attributes),
        signature_algorithm: AlgorithmIdentifierOwned { oid: oid::SHA256_RSA, parameters: Some(null) },
        signature: OctetString::new(signature).map_err(encoding)?,
        unsigned_attrs: None,
    };

    let mut certificates = vec![certificate.der().to_vec()];
    for other in key.chain().iter().chain(extra) {
        if certificates.iter().all(|c| c != other.der()) {
            certificates.push(other.der().to_vec());
        }
    }
    if certificates.len() > MAX_CERTIFICATES {
        return Err(Error::TooLarge { what: "the number of certificates", limit: MAX_CERTIFICATES as u64 });
    }
    let encapsulated = match content {
        Some(content) => {
            let octets = tlv::element(tlv::OCTET_STRING, &[content]);
            tlv::element(
                tlv::SEQUENCE,
                &[&tlv::oid(&content_type), &tlv::element(tlv::CONTEXT_0, &[&octets])],
            )
        }
        None => tlv::element(tlv::SEQUENCE, &[&tlv::oid(&content_type)]),
    };
    let signed_data = tlv::element(
        tlv::SEQUENCE,
        &[
            &tlv::unsigned(tlv::INTEGER, version(content_type)),
            &tlv::element(tlv::SET, &[&digest_algorithm.to_der().map_err(encoding)?]),
            &encapsulated,
            &tlv::set_of(tlv::CONTEXT_0, certificates),
            &tlv::element(tlv::SET, &[&signer.to_der().map_err(encoding)?]),
        ],
    );
    Ok(tlv::element(
        tlv::SEQUENCE,
        &[&tlv::oid(&oid::SIGNED_DATA), &tlv::element(tlv::CONTEXT_0, &[&signed_data])],
    ))
}

/// 1 for id-data, 3 for every other content (RFC 5652 §5.1).
fn version(content_type: ObjectIdentifier) -> u64 {
    if content_type == oid::DATA { 1 } else { 3 }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn encoding(_: der::Error) -> Error {
    Error::Argument { what: "a structure that does not encode" }
}

fn attribute(oid: ObjectIdentifier, value: &[u8]) -> Result<Attribute, Error> {
    let value = Any::from_der(value).map_err(encoding)?;
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value]).map_err(encoding)? })
}

pub(crate) fn issuer_and_serial(certificate: &Certificate) -> Result<IssuerAndSerialNumber, Error> {
    IssuerAndSerialNumber::from_der(&issuer_and_serial_der(certificate)).map_err(encoding)
}

pub(crate) fn issuer_and_serial_der(certificate: &Certificate) -> Vec<u8> {
    let serial = tlv::element(tlv::INTEGER, &[certificate.serial()]);
    tlv::element(tlv::SEQUENCE, &[certificate.issuer_der(), &serial])
}

/// SigningCertificateV2 (RFC 5035 §3) with one ESSCertIDv2: SHA-256 is the default and left out, issuerSerial is there.
fn signing_certificate(certificate: &Certificate) -> Vec<u8> {
    let directory_name = tlv::element(0xa4, &[certificate.issuer_der()]);
    let general_names = tlv::element(tlv::SEQUENCE, &[&directory_name]);
    let serial = tlv::element(tlv::INTEGER, &[certificate.serial()]);
    let issuer_serial = tlv::element(tlv::SEQUENCE, &[&general_names, &serial]);
    let hash = tlv::element(tlv::OCTET_STRING, &[certificate.sha256()]);
    let id = tlv::element(tlv::SEQUENCE, &[&hash, &issuer_serial]);
    tlv::element(tlv::SEQUENCE, &[&tlv::element(tlv::SEQUENCE, &[&id])])
}

/// Checks an attached signature of the given content type; `limit` bounds the whole in bytes.
///
/// # Errors
/// One label for each way in which it can be wrong; see the signature group of [`Error`].
pub fn check_attached(der: &[u8], content_type: ObjectIdentifier, limit: usize) -> Result<Checked, Error> {
    if der.len() > limit {
        return Err(Error::TooLarge { what: "a signed statement", limit: limit as u64 });
    }
    check(der, content_type, None)
}

/// Checks a detached signature over content with this SHA-256; at most [`MAX_SIGNATURE`] bytes.
///
/// # Errors
/// As [`check_attached`].
pub fn check_detached(der: &[u8], content_type: ObjectIdentifier, digest: &Digest) -> Result<Checked, Error> {
    if der.len() > MAX_SIGNATURE {
        return Err(Error::TooLarge { what: "a signature", limit: MAX_SIGNATURE as u64 });
    }
    check(der, content_type, Some(digest))
}

fn check(der: &[u8], content_type: ObjectIdentifier, detached: Option<&Digest>) -> Result<Checked, Error> {
    let mut content_info = Der::only(der, tlv::SEQUENCE, WHAT)?;
    if content_info.oid()? != oid::SIGNED_DATA {
        return Err(Error::NotDer { what: "SignedData" });
    }
    let mut explicit = content_info.inside(tlv::CONTEXT_0)?;
    content_info.end()?;
    let mut signed_data = explicit.inside(tlv::SEQUENCE)?;
    explicit.end()?;

    let version_found = signed_data.small()?;
    let mut digest_algorithms = signed_data.inside(tlv::SET)?;
    let mut encapsulated = signed_data.inside(tlv::SEQUENCE)?;
    let certificates = signed_data.optional(tlv::CONTEXT_0)?;
    let mut signers = signed_data.inside(tlv::SET)?;
    signed_data.end()?;

    let found = encapsulated.oid()?;
    if found != content_type {
        return Err(Error::WrongContentType { found: found.to_string(), expected: content_type.to_string() });
    }
    if u64::from(version_found) != version(content_type) {
        return Err(Error::BadValue { what: "the version of SignedData" });
    }
    let content = match encapsulated.optional(tlv::CONTEXT_0)? {
        Some(explicit) => {
            let mut inner = Der::new(explicit.value, WHAT);
            let octets = inner.octets()?;
            inner.end()?;
            Some(octets)
        }
        None => None,
    };
    encapsulated.end()?;
    let digest = match (content, detached) {
        (Some(content), None) => sha256(content),
        (None, Some(digest)) => *digest,
        _ => return Err(Error::BadValue { what: "attached where detached is expected, or the reverse" }),
    };

    // One signer, counted before anything else about it.
    let mut signer_infos = Vec::new();
    while !signers.is_empty() {
        signer_infos.push(signers.expect(tlv::SEQUENCE)?.raw);
        if signer_infos.len() > MAX_CERTIFICATES {
            break;
        }
    }
    let [signer_info] = signer_infos.as_slice() else {
        return Err(Error::SignerCount { count: signer_infos.len() });
    };
    digest_algorithm(digest_algorithms.expect(tlv::SEQUENCE)?.raw)?;
    digest_algorithms.end()?;

    let not_der = |_| Error::NotDer { what: "SignerInfo" };
    let info = SignerInfo::from_der(signer_info).map_err(not_der)?;
    // DER has one form only; whatever encodes differently from what was read was not DER.
    if info.to_der().map_err(not_der)? != *signer_info {
        return Err(Error::NotDer { what: "SignerInfo" });
    }
    let sets_the_version = matches!(info.sid, SignerIdentifier::IssuerAndSerialNumber(_));
    if info.version != CmsVersion::V1 || !sets_the_version {
        return Err(Error::BadValue { what: "the signer's identifier or version" });
    }
    digest_algorithm(&info.digest_alg.to_der().map_err(not_der)?)?;
    if !matches!(info.signature_algorithm.oid, oid::SHA256_RSA | oid::RSA)
        || info.signature_algorithm.parameters.as_ref().is_some_and(|p| p.tag() != Tag::Null)
    {
        return Err(Error::WrongAlgorithm { what: "the signature" });
    }
    let Some(attributes) = &info.signed_attrs else { return Err(Error::SignedAttributesMissing) };
    if info.unsigned_attrs.is_some() {
        return Err(Error::SignedAttributesWrong { what: "there are unsigned attributes" });
    }
    let attributes_der = attributes.to_der().map_err(not_der)?;
    let claims = Claims::read(attributes)?;
    if claims.content_type != content_type {
        return Err(Error::WrongContentType {
            found: claims.content_type.to_string(),
            expected: content_type.to_string(),
        });
    }
    if claims.digest != digest {
        return Err(Error::ContentDigestMismatch);
    }

    let mut all = Vec::new();
    let mut raw = Der::new(certificates.map(|c| c.value).unwrap_or_default(), WHAT);
    while !raw.is_empty() {
        if all.len() >= MAX_CERTIFICATES {
            return Err(Error::TooLarge {
                what: "the number of certificates",
                limit: MAX_CERTIFICATES as u64,
            });
        }
        all.push(Certificate::from_der(raw.expect(tlv::SEQUENCE)?.raw)?);
    }
    let sid = info.sid.to_der().map_err(not_der)?;
    let position = all
        .iter()
        .position(|c| issuer_and_serial_der(c) == sid && signing_certificate(c) == claims.signing_certificate)
        .ok_or(Error::SigningCertificateMismatch)?;
    let signer = all.swap_remove(position);
    signer.verify(oid::SHA256_RSA, &attributes_der, info.signature.as_bytes())?;
    Ok(Checked {
        signer,
        certificates: all,
        signing_time: claims.signing_time,
        content: content.unwrap_or_default().to_vec(),
    })
}

/// SHA-256, with parameters absent or NULL (RFC 5754 §2).
fn digest_algorithm(raw: &[u8]) -> Result<(), Error> {
    let mut algorithm = Der::only(raw, tlv::SEQUENCE, WHAT)?;
    if algorithm.oid()? != oid::SHA256 {
        return Err(Error::WrongAlgorithm { what: "the digest" });
    }
    algorithm.optional(tlv::NULL)?;
    algorithm.end()
}

/// What the four signed attributes say.
struct Claims {
    content_type: ObjectIdentifier,
    digest: Digest,
    signing_time: i64,
    signing_certificate: Vec<u8>,
}

impl Claims {
    fn read(attributes: &SetOfVec<Attribute>) -> Result<Self, Error> {
        let wrong = |what| Error::SignedAttributesWrong { what };
        let value = |oid: ObjectIdentifier| -> Result<Option<Vec<u8>>, Error> {
            let mut with_oid = attributes.iter().filter(|a| a.oid == oid);
            let (attribute, more) = (with_oid.next(), with_oid.next());
            match (attribute.map(|a| a.values.as_slice()), more) {
                (None, _) => Ok(None),
                (Some([value]), None) => value.to_der().map(Some).map_err(|_| wrong("an attribute's value")),
                _ => Err(wrong("an attribute has not exactly one value")),
            }
        };
        let content_type = value(oid::ATTR_CONTENT_TYPE)?.ok_or_else(|| wrong("contentType is missing"))?;
        let digest = value(oid::ATTR_MESSAGE_DIGEST)?.ok_or_else(|| wrong("messageDigest is missing"))?;
        let signing_time = value(oid::ATTR_SIGNING_TIME)?.ok_or_else(|| wrong("signingTime is missing"))?;
        let signing_certificate =
            value(oid::ATTR_SIGNING_CERTIFICATE_V2)?.ok_or(Error::SigningCertificateMissing)?;
        if attributes.len() != 4 {
            return Err(wrong("there are attributes that do not belong there"));
        }
        Ok(Self {
            content_type: Der::new(&content_type, WHAT).oid()?,
            digest: Der::new(&digest, WHAT).digest()?,
            signing_time: time::from_tlv(Der::new(&signing_time, WHAT).next()?, "signingTime")?,
            signing_certificate,
        })
    }
}
