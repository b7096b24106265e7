//! The login statement: a card-signed, short-lived session key, bound to member and center.

use crate::error::Error;
use crate::key::{Certificate, SigningKey};
use crate::trust::Anchors;

/// The longest validity of a statement, milliseconds (12 hours).
pub const MAX_LIFETIME: i64 = 12 * 3_600_000;

/// What the card signs to log in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// The member's code.
    pub member: String,
    /// The center's code.
    pub center: String,
    /// The session's public key: an uncompressed P-256 point.
    pub session_key: [u8; 65],
    /// Begin of validity, Unix milliseconds (whole seconds).
    pub not_before: i64,
    /// End of validity, Unix milliseconds (whole seconds).
    pub not_after: i64,
}

/// A statement that verified.
#[derive(Clone, Debug)]
pub struct VerifiedLogin {
    /// What was stated.
    pub statement: Statement,
    /// Who signed it. The caller compares it with the certificate registered for the member.
    pub signer: Certificate,
    /// The chain from the signer to the anchor.
    pub chain: Vec<Certificate>,
}

/// Signs a statement.
pub fn make(statement: &Statement, key: &dyn SigningKey, at: i64) -> Result<Vec<u8>, Error> {
    todo!("{statement:?} {at} {:?}", key.certificate())
}

/// Verifies a statement for the center `center` at the time `at` (Unix milliseconds).
pub fn verify(der: &[u8], center: &str, anchors: &Anchors, at: i64) -> Result<VerifiedLogin, Error> {
    todo!("{} {center} {anchors:?} {at}", der.len())
}
