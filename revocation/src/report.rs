//! What a checker answers.

use envelope::status::Finding;
use envelope::{Certificate, Error};

/// What is known of one certificate.
#[derive(Debug)]
pub struct Judged {
    /// Which.
    pub certificate: Certificate,
    /// The answer that was relied on, if there is one.
    pub finding: Option<Finding>,
    /// Whether it may be relied on at the time in question, by what is known: [`Error::Revoked`], [`Error::Held`],
    /// [`Error::RevocationUnknown`], [`Error::NoStatusAddress`].
    pub result: Result<(), Error>,
}

/// What is known of a chain. Anchors are not asked about.
#[derive(Debug, Default)]
pub struct Report {
    /// Each certificate of the chain but the anchor, the first one first.
    pub certificates: Vec<Judged>,
    /// Which certificate is the reason that the chain is not relied on, by the settings: revoked before on hold before
    /// not known.
    pub refused: Option<usize>,
    /// Label of what was let pass by the settings although it is not known: `revocation-unknown` or
    /// `status-address-missing`.
    pub note: Option<&'static str>,
}

impl Report {
    /// Whether the chain may be relied on.
    ///
    /// # Errors
    /// Of the certificate that is refused.
    pub fn into_result(mut self) -> Result<(), Error> {
        match self.refused {
            Some(n) if n < self.certificates.len() => self.certificates.swap_remove(n).result,
            _ => Ok(()),
        }
    }

    /// Why the chain is not relied on, if it is not.
    pub fn error(&self) -> Option<&Error> {
        self.certificates.get(self.refused?)?.result.as_ref().err()
    }

    /// SHA-256 of the answers that were relied on.
    pub fn answers(&self) -> impl Iterator<Item = envelope::Digest> {
        self.certificates.iter().filter_map(|judged| judged.finding.map(|f| f.answer))
    }
}
