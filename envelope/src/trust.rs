//! Chains of certificates to pinned anchors, at a given time (RFC 5280 §6, without policies).
//!
//! Chains are built by key identifiers: the generations of one government CA share an identical subject name and differ
//! in nothing but their key. Policies are not processed and name constraints are refused as an unknown critical
//! extension. Revocation is judged over the chain that [`chain`] returns; it is not known to this module.

use crate::error::Error;
use crate::key::Certificate;

/// The certificates that are trusted without a reason: given by configuration, never taken from a message.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    certificates: Vec<Certificate>,
}

/// The most certificates between the first and the anchor.
const MAX_DEPTH: usize = 6;
/// The most signatures that are verified for one chain: bounds the work that a message can cause.
const MAX_VERIFICATIONS: usize = 64;

impl Anchors {
    /// These certificates.
    pub fn new(certificates: Vec<Certificate>) -> Self {
        Self { certificates }
    }

    /// All certificates of a PEM file.
    ///
    /// # Errors
    /// [`Error::CertificateMalformed`], also when there is none.
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
/// the time `at` (Unix milliseconds). Returns the chain, the certificate first and the anchor last; a certificate that
/// is an anchor itself is a chain of one.
///
/// # Errors
/// [`Error::Untrusted`] when no chain of signatures leads to an anchor; when one does but something about it is wrong,
/// that: [`Error::Expired`], [`Error::NotYetValid`], [`Error::WrongUsage`], [`Error::WeakKey`],
/// [`Error::IssuerNotCa`], [`Error::CertificateMalformed`] (a critical extension that we do not know).
pub fn chain(
    certificate: &Certificate,
    intermediates: &[Certificate],
    anchors: &Anchors,
    purpose: Purpose,
    at: i64,
) -> Result<Vec<Certificate>, Error> {
    strong(certificate)?;
    let mut search = Search { intermediates, anchors, at, verifications: 0, reason: None };
    let mut path = vec![certificate.clone()];
    if !search.extend(&mut path) {
        let untrusted = || Error::Untrusted { subject: certificate.subject().to_owned() };
        return Err(search.reason.unwrap_or_else(untrusted));
    }
    if !fits(certificate, purpose) {
        return Err(Error::WrongUsage { subject: certificate.subject().to_owned() });
    }
    Ok(path)
}

/// Whether the key usage of a certificate allows a purpose. A certificate without key usage allows none.
pub fn fits(certificate: &Certificate, purpose: Purpose) -> bool {
    certificate.key_usage().is_some_and(|usage| match purpose {
        Purpose::Sign => usage.digital_signature || usage.non_repudiation,
        Purpose::Encrypt => usage.key_encipherment,
    })
}

/// Whether a certificate is valid at a time (Unix milliseconds).
///
/// # Errors
/// [`Error::NotYetValid`], [`Error::Expired`].
pub fn valid_at(certificate: &Certificate, at: i64) -> Result<(), Error> {
    let subject = || certificate.subject().to_owned();
    if at < certificate.not_before() {
        return Err(Error::NotYetValid { subject: subject(), not_before: certificate.not_before() });
    }
    // The last second counts whole.
    if at > certificate.not_after().saturating_add(999) {
        return Err(Error::Expired { subject: subject(), not_after: certificate.not_after() });
    }
    Ok(())
}

fn strong(certificate: &Certificate) -> Result<(), Error> {
    match certificate.rsa_bits() {
        Some(bits) if (2048..=8192).contains(&bits) => Ok(()),
        _ => Err(Error::WeakKey { subject: certificate.subject().to_owned() }),
    }
}

struct Search<'a> {
    intermediates: &'a [Certificate],
    anchors: &'a Anchors,
    at: i64,
    verifications: usize,
    /// What was wrong with the first chain that led to an anchor.
    reason: Option<Error>,
}

impl Search<'_> {
    /// Depth-first; true when `path` ends in an anchor and everything about it is right.
    fn extend(&mut self, path: &mut Vec<Certificate>) -> bool {
        let Some(last) = path.last().cloned() else { return false };
        if self.anchors.certificates.contains(&last) {
            match self.judge(path) {
                Ok(()) => return true,
                Err(e) => {
                    self.reason.get_or_insert(e);
                    return false;
                }
            }
        }
        if path.len() > MAX_DEPTH {
            return false;
        }
        let (anchors, intermediates) = (self.anchors, self.intermediates);
        for issuer in anchors.certificates.iter().chain(intermediates) {
            if !may_have_issued(issuer, &last) || path.contains(issuer) {
                continue;
            }
            self.verifications += 1;
            if self.verifications > MAX_VERIFICATIONS {
                return false;
            }
            match last.verify_issued_by(issuer) {
                Ok(()) => {}
                Err(e @ Error::WeakKey { .. }) => {
                    self.reason.get_or_insert(e);
                    continue;
                }
                Err(_) => continue,
            }
            path.push(issuer.clone());
            if self.extend(path) {
                return true;
            }
            path.pop();
        }
        false
    }

    /// Everything about a chain but its signatures.
    fn judge(&self, path: &[Certificate]) -> Result<(), Error> {
        for (below, certificate) in path.iter().enumerate() {
            let subject = || certificate.subject().to_owned();
            strong(certificate)?;
            if certificate.has_unknown_critical() {
                return Err(Error::CertificateMalformed { what: "an unknown critical extension" });
            }
            if below > 0 {
                let Some(path_len) = certificate.ca() else {
                    return Err(Error::IssuerNotCa { subject: subject() });
                };
                let may_sign = certificate.key_usage().is_none_or(|u| u.key_cert_sign);
                // Self-issued certificates (key roll-over) do not count (RFC 5280 §4.2.1.9).
                let between = path.get(1..below).unwrap_or_default();
                let counted = between.iter().filter(|c| c.subject_der() != c.issuer_der()).count();
                if !may_sign || path_len.is_some_and(|max| counted > usize::from(max)) {
                    return Err(Error::IssuerNotCa { subject: subject() });
                }
            }
        }
        path.iter().try_for_each(|certificate| valid_at(certificate, self.at))
    }
}

/// By name, and by key identifier where both have one.
fn may_have_issued(issuer: &Certificate, certificate: &Certificate) -> bool {
    issuer.subject_der() == certificate.issuer_der()
        && match (certificate.aki(), issuer.ski()) {
            (Some(aki), Some(ski)) => aki == ski,
            _ => true,
        }
}
