//! Whether a certificate was revoked at a time, by what its authority says (RFC 5280 §6.3, RFC 6960).
//!
//! An answer is raw bytes of a [`crate::crl`] or [`crate::ocsp`]; a [`Finding`] is what it says of one certificate.
//! [`judge`] compares a finding with the time in question. Where answers come from, how old they may be and what to do
//! without one is for the caller.

use crate::error::Error;
use crate::key::Certificate;

/// What one answer says of one certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Not revoked.
    Good,
    /// On hold (certificateHold; removeFromCRL where it does not belong): not valid now, may come back.
    Held {
        /// Since when, Unix milliseconds.
        since: i64,
    },
    /// Revoked for good.
    Revoked {
        /// Since when, Unix milliseconds.
        at: i64,
        /// Reason code (RFC 5280 §5.3.1); 0 where none is given.
        reason: u8,
    },
    /// The responder does not know the certificate (OCSP only).
    Unknown,
}

/// Which kind of answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub enum Kind {
    /// A certificate revocation list.
    Crl,
    /// An OCSP response.
    Ocsp,
}

impl Kind {
    /// The ending of its files.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Crl => "crl",
            Self::Ocsp => "ocsp",
        }
    }
}

/// What an answer says of one certificate, and for how long it speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What it says.
    pub status: Status,
    /// Which kind of answer.
    pub kind: Kind,
    /// SHA-256 of the whole answer.
    pub answer: crate::Digest,
    /// thisUpdate, Unix milliseconds.
    pub this_update: i64,
    /// nextUpdate, Unix milliseconds; for an OCSP answer without one its thisUpdate.
    pub next_update: i64,
}

/// Reasons of RFC 5280 §5.3.1 that mean "on hold".
pub(crate) const CERTIFICATE_HOLD: u8 = 6;
pub(crate) const REMOVE_FROM_CRL: u8 = 8;

impl Status {
    /// By date and reason code.
    pub(crate) const fn listed(at: i64, reason: u8) -> Self {
        match reason {
            CERTIFICATE_HOLD | REMOVE_FROM_CRL => Self::Held { since: at },
            _ => Self::Revoked { at, reason },
        }
    }

    /// The worse of two entries for one certificate.
    pub(crate) const fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Revoked { at: one, .. }, Self::Revoked { at: two, .. }) => {
                if two < one {
                    other
                } else {
                    self
                }
            }
            (Self::Revoked { .. }, _) | (_, Self::Good) => self,
            _ => other,
        }
    }
}

/// Whether a certificate with this status may be relied on for something that happened at `at` (Unix milliseconds): what
/// was revoked or put on hold only later was good then.
///
/// # Errors
/// [`Error::Revoked`], [`Error::Held`], [`Error::RevocationUnknown`].
pub fn judge(certificate: &Certificate, status: Status, at: i64) -> Result<(), Error> {
    let subject = || certificate.subject().to_owned();
    match status {
        Status::Good => Ok(()),
        Status::Revoked { at: since, .. } | Status::Held { since } if since > at => Ok(()),
        Status::Revoked { at, reason } => Err(Error::Revoked { subject: subject(), at, reason }),
        Status::Held { since } => Err(Error::Held { subject: subject(), since }),
        Status::Unknown => Err(Error::RevocationUnknown { subject: subject(), why: "" }),
    }
}

/// Of several findings the one to rely on for the time `at`: one that condemns, else the newest.
pub fn decisive(findings: &[Finding], certificate: &Certificate, at: i64) -> Option<Finding> {
    let condemns = |f: &&Finding| matches!(judge(certificate, f.status, at), Err(Error::Revoked { .. }));
    findings
        .iter()
        .find(condemns)
        .or_else(|| findings.iter().filter(|f| f.status != Status::Unknown).max_by_key(|f| f.this_update))
        .copied()
}
