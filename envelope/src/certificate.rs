//! A certificate, parsed once (RFC 5280), as the GPKI writes them.

use crate::Digest;
use crate::error::Error;
use std::sync::Arc;

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
}

/// An X.509 certificate. Cloning is cheap; two are equal when their bytes are.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    sha256: Digest,
}

/// Largest certificate that is read, in bytes.
pub const MAX_CERTIFICATE: usize = 16 * 1024;

impl Certificate {
    /// Reads one DER certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        todo!("{}", der.len())
    }
    /// Reads all `CERTIFICATE` blocks of a PEM file, in order. Other blocks are skipped; none is an error.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, Error> {
        todo!("{}", pem.len())
    }
    /// The certificate as PEM text.
    pub fn to_pem(&self) -> String {
        todo!()
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
        todo!()
    }
    /// DER of the subject's name.
    pub fn subject_der(&self) -> &[u8] {
        todo!()
    }
    /// The issuer's name for people.
    pub fn issuer(&self) -> &str {
        todo!()
    }
    /// The subject's name for people, most general part first: `C=TW,O=…`.
    pub fn subject(&self) -> &str {
        todo!()
    }
    /// The last O (organizationName) of the subject.
    pub fn organisation(&self) -> Option<&str> {
        todo!()
    }
    /// The organisation's OID from the subject directory attributes: 2.16.886.1.100.2.102, else .101.
    pub fn organisation_oid(&self) -> Option<&str> {
        todo!()
    }
    /// The value bytes of the serial number INTEGER.
    pub fn serial(&self) -> &[u8] {
        todo!()
    }
    /// The serial number in lower-case hexadecimal.
    pub fn serial_hex(&self) -> String {
        todo!()
    }
    /// subjectKeyIdentifier, if there.
    pub fn ski(&self) -> Option<&[u8]> {
        todo!()
    }
    /// The key identifier of authorityKeyIdentifier, if there.
    pub fn aki(&self) -> Option<&[u8]> {
        todo!()
    }
    /// Begin of validity, Unix milliseconds.
    pub fn not_before(&self) -> i64 {
        todo!()
    }
    /// Last moment of validity, Unix milliseconds.
    pub fn not_after(&self) -> i64 {
        todo!()
    }
    /// Key usage; `None` when the certificate has no such extension.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        todo!()
    }
    /// Bits of the RSA modulus; `None` for other kinds of keys.
    pub fn rsa_bits(&self) -> Option<u32> {
        todo!()
    }
    /// DER of the subjectPublicKeyInfo.
    pub fn public_key(&self) -> &[u8] {
        todo!()
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
