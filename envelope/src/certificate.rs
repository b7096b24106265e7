//! A certificate, parsed once (RFC 5280), as the GPKI writes them.

pub(crate) mod addresses;

use crate::error::Error;
use crate::tlv::{self, Der};
use crate::{Digest, oid, sha256};
use addresses::DistributionPoint;
use aws_lc_rs::signature::{self, UnparsedPublicKey};
use const_oid::ObjectIdentifier;
use der::{Decode, Encode};
use std::fmt::Write as _;
use std::sync::Arc;
use x509_cert::ext::pkix;

/// The key usages that matter here (RFC 5280 §4.2.1.3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KeyUsage {
    /// digitalSignature.
    pub digital_signature: bool,
    /// nonRepudiation, also called contentCommitment.
    pub non_repudiation: bool,
    /// keyEncipherment.
    pub key_encipherment: bool,
    /// keyCertSign.
    pub key_cert_sign: bool,
    /// cRLSign.
    pub crl_sign: bool,
}

/// An X.509 certificate. Cloning is cheap; two are equal when their bytes are.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    sha256: Digest,
    issuer_der: Vec<u8>,
    subject_der: Vec<u8>,
    issuer: String,
    subject: String,
    organisation: Option<String>,
    organisation_oid: Option<String>,
    serial: Vec<u8>,
    ski: Option<Vec<u8>>,
    aki: Option<Vec<u8>>,
    not_before: i64,
    not_after: i64,
    key_usage: Option<KeyUsage>,
    /// `None`: no CA. Otherwise how many CA certificates may follow below.
    ca: Option<Option<u8>>,
    rsa: Option<RsaPublic>,
    public_key: Vec<u8>,
    /// The bits of subjectPublicKey.
    key_bits: Vec<u8>,
    points: Vec<DistributionPoint>,
    responders: Vec<String>,
    ocsp_signing: bool,
    /// Bytes that the issuer signed, as a range of `der`.
    signed: std::ops::Range<usize>,
    signature: Vec<u8>,
    signature_algorithm: ObjectIdentifier,
    unknown_critical: bool,
}

struct RsaPublic {
    bits: u32,
    /// RSAPublicKey (RFC 8017 §A.1.1).
    der: Vec<u8>,
}

/// Largest certificate that is read, in bytes.
pub const MAX_CERTIFICATE: usize = 16 * 1024;

const MALFORMED: Error = Error::CertificateMalformed { what: "not an X.509 certificate" };

/// Extensions that are understood, or need no understanding because policies are not processed.
const KNOWN_EXTENSIONS: [ObjectIdentifier; 12] = [
    const_oid::db::rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS,
    const_oid::db::rfc5280::ID_PE_AUTHORITY_INFO_ACCESS,
    const_oid::db::rfc5280::ID_CE_KEY_USAGE,
    const_oid::db::rfc5280::ID_CE_BASIC_CONSTRAINTS,
    const_oid::db::rfc5280::ID_CE_CERTIFICATE_POLICIES,
    const_oid::db::rfc5280::ID_CE_POLICY_MAPPINGS,
    const_oid::db::rfc5280::ID_CE_POLICY_CONSTRAINTS,
    const_oid::db::rfc5280::ID_CE_INHIBIT_ANY_POLICY,
    const_oid::db::rfc5280::ID_CE_EXT_KEY_USAGE,
    const_oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME,
    const_oid::db::rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER,
    const_oid::db::rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER,
];

impl Certificate {
    /// Reads one DER certificate of at most [`MAX_CERTIFICATE`] bytes.
    ///
    /// # Errors
    /// [`Error::CertificateMalformed`]; [`Error::TooLarge`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        if der.len() > MAX_CERTIFICATE {
            return Err(Error::TooLarge { what: "a certificate", limit: MAX_CERTIFICATE as u64 });
        }
        let certificate = x509_cert::Certificate::from_der(der).map_err(|_| MALFORMED)?;
        let tbs = &certificate.tbs_certificate;
        if tbs.signature != certificate.signature_algorithm {
            return Err(Error::CertificateMalformed { what: "two different signature algorithms" });
        }
        // What the issuer signed is taken from the bytes as they are, not encoded again.
        let mut outer = Der::only(der, tlv::SEQUENCE, "a certificate")?;
        let signed = outer.next()?.raw;
        let (_, _, start) = tlv::header(der).ok_or(MALFORMED)?;

        let mut extensions = Extensions::default();
        for extension in tbs.extensions.iter().flatten() {
            extensions.take(extension)?;
        }
        let spki = &tbs.subject_public_key_info;
        let rsa = if spki.algorithm.oid == oid::RSA { spki.subject_public_key.as_bytes() } else { None };
        let organisation = name_parts(&tbs.subject).filter(|(oid, _)| *oid == oid::ORGANISATION).last();
        Ok(Self(Arc::new(Parsed {
            sha256: sha256(der),
            issuer_der: tbs.issuer.to_der().map_err(|_| MALFORMED)?,
            subject_der: tbs.subject.to_der().map_err(|_| MALFORMED)?,
            issuer: name_text(&tbs.issuer),
            subject: name_text(&tbs.subject),
            organisation: organisation.map(|(_, text)| text),
            organisation_oid: extensions.organisation_oid,
            serial: tbs.serial_number.as_bytes().to_vec(),
            ski: extensions.ski,
            aki: extensions.aki,
            not_before: millis(tbs.validity.not_before),
            not_after: millis(tbs.validity.not_after),
            key_usage: extensions.key_usage,
            ca: extensions.ca,
            rsa: rsa.map(rsa_public).transpose()?,
            public_key: spki.to_der().map_err(|_| MALFORMED)?,
            key_bits: spki.subject_public_key.raw_bytes().to_vec(),
            points: extensions.points,
            responders: extensions.responders,
            ocsp_signing: extensions.ocsp_signing,
            signed: start..start + signed.len(),
            signature: certificate.signature.as_bytes().ok_or(MALFORMED)?.to_vec(),
            signature_algorithm: certificate.signature_algorithm.oid,
            unknown_critical: extensions.unknown_critical,
            der: der.to_vec(),
        })))
    }

    /// Reads all `CERTIFICATE` blocks of a PEM file (RFC 7468), in order. Other blocks are skipped.
    ///
    /// # Errors
    /// [`Error::CertificateMalformed`], also when there is none.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, Error> {
        let found = crate::pem::blocks(pem)
            .filter(|(label, _)| label == "CERTIFICATE")
            .map(|(_, der)| Self::from_der(&der.ok_or(Error::CertificateMalformed { what: "bad PEM" })?))
            .collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() {
            return Err(Error::CertificateMalformed { what: "no PEM certificate in the file" });
        }
        Ok(found)
    }

    /// The certificate as PEM text.
    pub fn to_pem(&self) -> String {
        crate::pem::encode("CERTIFICATE", &self.0.der)
    }

    /// The bytes, as they were given.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> &Digest {
        &self.0.sha256
    }

    /// DER of the issuer's name.
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer_der
    }

    /// DER of the subject's name.
    pub fn subject_der(&self) -> &[u8] {
        &self.0.subject_der
    }

    /// The issuer's name for people, most general part first: `C=TW,O=…`.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The subject's name for people, most general part first: `C=TW,O=…`.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The last O (organizationName) of the subject.
    pub fn organisation(&self) -> Option<&str> {
        self.0.organisation.as_deref()
    }

    /// The organisation's OID from the subject directory attributes: 2.16.886.1.100.2.102, else .101 (統一編號).
    pub fn organisation_oid(&self) -> Option<&str> {
        self.0.organisation_oid.as_deref()
    }

    /// The value bytes of the serial number INTEGER.
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The serial number in lower-case hexadecimal.
    pub fn serial_hex(&self) -> String {
        crate::hex(&self.0.serial)
    }

    /// subjectKeyIdentifier, if there.
    pub fn ski(&self) -> Option<&[u8]> {
        self.0.ski.as_deref()
    }

    /// The key identifier of authorityKeyIdentifier, if there.
    pub fn aki(&self) -> Option<&[u8]> {
        self.0.aki.as_deref()
    }

    /// Begin of validity, Unix milliseconds.
    pub fn not_before(&self) -> i64 {
        self.0.not_before
    }

    /// Last moment of validity, Unix milliseconds.
    pub fn not_after(&self) -> i64 {
        self.0.not_after
    }

    /// Key usage; `None` when the certificate has no such extension.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.0.key_usage
    }

    /// Bits of the RSA modulus; `None` for other kinds of keys.
    pub fn rsa_bits(&self) -> Option<u32> {
        self.0.rsa.as_ref().map(|r| r.bits)
    }

    /// DER of the subjectPublicKeyInfo.
    pub fn public_key(&self) -> &[u8] {
        &self.0.public_key
    }

    /// Where CRLs that cover this certificate are published, in its own order.
    pub fn crl_points(&self) -> &[DistributionPoint] {
        &self.0.points
    }

    /// OCSP responders that it names, in its own order.
    pub fn ocsp_responders(&self) -> &[String] {
        &self.0.responders
    }

    /// Whether it names any place where its status can be asked for.
    pub fn names_status(&self) -> bool {
        !self.0.responders.is_empty() || self.0.points.iter().any(|p| !p.partial && !p.uris.is_empty())
    }

    /// Whether it is a CA's certificate by its basicConstraints.
    pub fn is_ca(&self) -> bool {
        self.0.ca.is_some()
    }

    /// The bits of subjectPublicKey: what OCSP hashes (RFC 6960 §4.1.1).
    pub(crate) fn key_bits(&self) -> &[u8] {
        &self.0.key_bits
    }

    /// Whether its extended key usage lets it sign OCSP answers (RFC 6960 §4.2.2.2).
    pub(crate) fn may_sign_ocsp(&self) -> bool {
        self.0.ocsp_signing
    }

    /// Verifies an RSASSA-PKCS1-v1_5 signature over what was hashed to `digest`, by the hash of `algorithm`.
    pub(crate) fn verify_digest(
        &self,
        algorithm: ObjectIdentifier,
        digest: &aws_lc_rs::digest::Digest,
        signature: &[u8],
    ) -> Result<(), Error> {
        self.verifier(algorithm)?.verify_digest(digest, signature).map_err(|_| Error::SignatureInvalid)
    }

    /// Our key for signatures with one of the three algorithms that are accepted; a weak key or another algorithm is
    /// refused.
    fn verifier(&self, algorithm: ObjectIdentifier) -> Result<UnparsedPublicKey<&[u8]>, Error> {
        let weak = || Error::WeakKey { subject: self.subject().to_owned() };
        let algorithm = match algorithm {
            oid::SHA256_RSA => &signature::RSA_PKCS1_2048_8192_SHA256,
            oid::SHA384_RSA => &signature::RSA_PKCS1_2048_8192_SHA384,
            oid::SHA512_RSA => &signature::RSA_PKCS1_2048_8192_SHA512,
            _ => return Err(weak()),
        };
        let rsa = self.0.rsa.as_ref().filter(|r| r.bits >= 2048).ok_or_else(weak)?;
        Ok(UnparsedPublicKey::new(algorithm, rsa.der.as_slice()))
    }

    /// DER of the RSAPublicKey (RFC 8017 §A.1.1).
    pub(crate) fn rsa_public(&self) -> Option<&[u8]> {
        self.0.rsa.as_ref().map(|r| r.der.as_slice())
    }

    /// `Some` for a CA certificate; inside, the path length constraint.
    pub(crate) fn ca(&self) -> Option<Option<u8>> {
        self.0.ca
    }

    /// Whether a critical extension is there that we do not process (RFC 5280 §4.2).
    pub(crate) fn has_unknown_critical(&self) -> bool {
        self.0.unknown_critical
    }

    /// Verifies an RSASSA-PKCS1-v1_5 signature by this certificate's key over `message`, hashed as `algorithm` says.
    pub(crate) fn verify(
        &self,
        algorithm: ObjectIdentifier,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        self.verifier(algorithm)?.verify(message, signature).map_err(|_| Error::SignatureInvalid)
    }

    /// Whether `issuer`'s key signed this certificate.
    pub(crate) fn verify_issued_by(&self, issuer: &Self) -> Result<(), Error> {
        let signed = self.0.der.get(self.0.signed.clone()).ok_or(MALFORMED)?;
        match self.0.signature_algorithm {
            oid::SHA256_RSA | oid::SHA384_RSA | oid::SHA512_RSA => {}
            _ => return Err(Error::WeakKey { subject: self.subject().to_owned() }),
        }
        issuer.verify(self.0.signature_algorithm, signed, &self.0.signature)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl core::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("serial", &self.serial_hex())
            .finish()
    }
}

#[derive(Default)]
struct Extensions {
    ski: Option<Vec<u8>>,
    aki: Option<Vec<u8>>,
    key_usage: Option<KeyUsage>,
    ca: Option<Option<u8>>,
    organisation_oid: Option<String>,
    points: Vec<DistributionPoint>,
    responders: Vec<String>,
    ocsp_signing: bool,
    unknown_critical: bool,
    seen: Vec<ObjectIdentifier>,
}

impl Extensions {
    fn take(&mut self, extension: &x509_cert::ext::Extension) -> Result<(), Error> {
        let bad = |_| Error::CertificateMalformed { what: "an extension" };
        let value = extension.extn_value.as_bytes();
        if self.seen.contains(&extension.extn_id) {
            return Err(Error::CertificateMalformed { what: "an extension occurs twice" });
        }
        self.seen.push(extension.extn_id);
        match extension.extn_id {
            const_oid::db::rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER => {
                let id = pkix::SubjectKeyIdentifier::from_der(value).map_err(bad)?;
                self.ski = Some(id.0.as_bytes().to_vec());
            }
            const_oid::db::rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER => {
                let id = pkix::AuthorityKeyIdentifier::from_der(value).map_err(bad)?;
                self.aki = id.key_identifier.map(|k| k.as_bytes().to_vec());
            }
            const_oid::db::rfc5280::ID_CE_KEY_USAGE => {
                let usage = pkix::KeyUsage::from_der(value).map_err(bad)?;
                self.key_usage = Some(KeyUsage {
                    digital_signature: usage.digital_signature(),
                    non_repudiation: usage.non_repudiation(),
                    key_encipherment: usage.key_encipherment(),
                    key_cert_sign: usage.key_cert_sign(),
                    crl_sign: usage.crl_sign(),
                });
            }
            const_oid::db::rfc5280::ID_CE_BASIC_CONSTRAINTS => {
                let basic = pkix::BasicConstraints::from_der(value).map_err(bad)?;
                self.ca = basic.ca.then_some(basic.path_len_constraint);
            }
            const_oid::db::rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS => {
                self.points = addresses::points(value)?;
            }
            const_oid::db::rfc5280::ID_PE_AUTHORITY_INFO_ACCESS => {
                self.responders = addresses::responders(value)?;
            }
            const_oid::db::rfc5280::ID_CE_EXT_KEY_USAGE => {
                let usage = pkix::ExtendedKeyUsage::from_der(value).map_err(bad)?;
                self.ocsp_signing = usage.0.contains(&const_oid::db::rfc5280::ID_KP_OCSP_SIGNING);
            }
            oid::SUBJECT_DIRECTORY_ATTRIBUTES => self.organisation_oid = organisation_oid(value)?,
            _ => {}
        }
        let known = KNOWN_EXTENSIONS.contains(&extension.extn_id)
            || extension.extn_id == oid::SUBJECT_DIRECTORY_ATTRIBUTES;
        self.unknown_critical |= extension.critical && !known;
        Ok(())
    }
}

/// The organisation's OID (2.16.886.1.100.2.102), else its 統一編號 (.101); written as an OID or as a string.
fn organisation_oid(value: &[u8]) -> Result<Option<String>, Error> {
    const WHAT: &str = "subjectDirectoryAttributes";
    let mut attributes = Der::only(value, tlv::SEQUENCE, WHAT)?;
    let (mut first, mut second) = (None, None);
    while !attributes.is_empty() {
        let mut attribute = attributes.inside(tlv::SEQUENCE)?;
        let kind = attribute.oid()?;
        let mut values = attribute.inside(tlv::SET)?;
        if kind == oid::GPKI_ORGANISATION_OID && !values.is_empty() {
            first = text(values.next()?);
        } else if kind == oid::GPKI_BUSINESS_NUMBER && !values.is_empty() {
            second = text(values.next()?);
        }
    }
    Ok(first.or(second))
}

/// The text of an OID or of a string of any of the usual kinds.
fn text(tlv: tlv::Tlv<'_>) -> Option<String> {
    let text = match tlv.tag {
        tlv::OID => ObjectIdentifier::from_bytes(tlv.value).ok()?.to_string(),
        // UTF8String, PrintableString, IA5String, NumericString
        tlv::UTF8_STRING | 0x13 | 0x16 | 0x12 => core::str::from_utf8(tlv.value).ok()?.to_owned(),
        // TeletexString, in practice Latin-1
        0x14 => tlv.value.iter().map(|b| char::from(*b)).collect(),
        // BMPString
        0x1e => char::decode_utf16(tlv.value.chunks(2).map(|c| match c {
            [high, low] => u16::from_be_bytes([*high, *low]),
            _ => 0xfffd,
        }))
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect(),
        _ => return None,
    };
    Some(text)
}

/// The attributes of a name, in the order of its bytes.
fn name_parts(name: &x509_cert::name::Name) -> impl Iterator<Item = (ObjectIdentifier, String)> {
    name.0.iter().flat_map(|rdn| rdn.0.iter()).map(|attribute| {
        let value = attribute.value.to_der().unwrap_or_default();
        let known = Der::new(&value, "a name").next().ok().and_then(text);
        (attribute.oid, known.unwrap_or_else(|| format!("#{}", crate::hex(&value))))
    })
}

fn name_text(name: &x509_cert::name::Name) -> String {
    let mut out = String::new();
    for (oid, value) in name_parts(name) {
        if !out.is_empty() {
            out.push(',');
        }
        match oid.as_bytes() {
            [0x55, 0x04, 0x03] => out.push_str("CN"),
            [0x55, 0x04, 0x05] => out.push_str("serialNumber"),
            [0x55, 0x04, 0x06] => out.push('C'),
            [0x55, 0x04, 0x07] => out.push('L'),
            [0x55, 0x04, 0x08] => out.push_str("ST"),
            [0x55, 0x04, 0x0a] => out.push('O'),
            [0x55, 0x04, 0x0b] => out.push_str("OU"),
            _ => out.push_str(&oid.to_string()),
        }
        out.push('=');
        for c in value.chars() {
            match c {
                ',' | '\\' | '=' => out.extend(['\\', c]),
                // Nothing from a peer's certificate may move the cursor of a terminal or turn text around.
                c if c.is_control() || crate::names::turns_text(c) => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                c => out.push(c),
            }
        }
    }
    out
}

fn rsa_public(der: &[u8]) -> Result<RsaPublic, Error> {
    let mut key = Der::only(der, tlv::SEQUENCE, "an RSA public key")?;
    let modulus = key.expect(tlv::INTEGER)?.value;
    key.expect(tlv::INTEGER)?;
    key.end()?;
    let significant = match modulus {
        [0, rest @ ..] => rest,
        all => all,
    };
    let first = significant.first().ok_or(MALFORMED)?;
    let bits = u32::try_from(significant.len() * 8).map_err(|_| MALFORMED)? - first.leading_zeros();
    Ok(RsaPublic { bits, der: der.to_vec() })
}

fn millis(time: x509_cert::time::Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX)
}
