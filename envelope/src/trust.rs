//! Chains of certificates to pinned anchors, at a given time.

use crate::error::Error;
use crate::key::Certificate;

/// The certificates that are trusted without a reason: given by configuration, never taken from a message.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    certificates: Vec<Certificate>,
}

impl Anchors {
    /// These certificates.
    pub fn new(certificates: Vec<Certificate>) -> Self {
        Self { certificates }
    }
    /// All certificates of a PEM file.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        Certificate::all_from_pem(pem).map(Self::new)
    }
    /// The certificates.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }
}

/// What a certificate is wanted for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Its key signed something: digitalSignature or nonRepudiation.
    Sign,
    /// Something is sealed to its key: keyEncipherment.
    Encrypt,
}

/// Builds a chain from `certificate` over some of `intermediates` to an anchor, and checks every certificate of it at
/// the time `at` (Unix milliseconds). Returns the chain, the certificate first and the anchor last.
pub fn chain(
    certificate: &Certificate,
    intermediates: &[Certificate],
    anchors: &Anchors,
    purpose: Purpose,
    at: i64,
) -> Result<Vec<Certificate>, Error> {
    todo!("{certificate:?} {intermediates:?} {anchors:?} {purpose:?} {at}")
}
