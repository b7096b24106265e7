//! The login statement: a short-lived session key, signed by the card, bound to member and center.
//!
//! So any card works and reconnecting costs no card operation; the connection proves the session key (crate `wire`).

use crate::error::Error;
use crate::key::{Certificate, SigningKey};
use crate::tlv::{self, Der};
use crate::trust::Anchors;
use crate::{oid, signed, time};

/// The longest validity of a statement, milliseconds (12 hours).
pub const MAX_LIFETIME: i64 = 12 * 3_600_000;
/// The longest statement that is read, bytes.
pub const MAX_STATEMENT: usize = 128 * 1024;
/// How far ahead of the center's clock a statement may begin, milliseconds: clocks differ.
const MAX_SKEW: i64 = 5 * 60_000;
/// [`Error::LoginRefused`]: the statement's validity is over.
pub const EXPIRED: &str = "it is past its end";
/// [`Error::LoginRefused`]: its validity has not begun.
pub const NOT_YET: &str = "it begins later than now";
/// [`Error::LoginRefused`]: it is valid for longer than [`MAX_LIFETIME`], or for no time.
pub const TOO_LONG: &str = "it lasts too long";
/// [`Error::LoginRefused`]: it names another center.
pub const OTHER_CENTER: &str = "it is for another center";
const MAX_CODE: usize = 64;
const VERSION: u32 = 1;

/// What the card signs to log in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// The member's code.
    pub member: String,
    /// The center's code.
    pub center: String,
    /// The session's public key: an uncompressed P-256 point.
    pub session_key: [u8; 65],
    /// Begin of validity, Unix milliseconds; whole seconds are kept.
    pub not_before: i64,
    /// End of validity, Unix milliseconds; whole seconds are kept.
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

/// Signs a statement. `at` (Unix milliseconds) becomes signingTime.
///
/// # Errors
/// [`Error::Key`]; [`Error::Argument`] for times before 1970.
pub fn make(statement: &Statement, key: &dyn SigningKey, at: i64) -> Result<Vec<u8>, Error> {
    let content = tlv::element(
        tlv::SEQUENCE,
        &[
            &tlv::unsigned(tlv::INTEGER, VERSION.into()),
            &tlv::element(tlv::UTF8_STRING, &[statement.member.as_bytes()]),
            &tlv::element(tlv::UTF8_STRING, &[statement.center.as_bytes()]),
            &tlv::element(tlv::OCTET_STRING, &[&statement.session_key]),
            &time::generalized(statement.not_before)?,
            &time::generalized(statement.not_after)?,
        ],
    );
    signed::sign_attached(key, oid::LOGIN, &content, &[], at)
}

/// Verifies a statement for the center `center` at the time `at` (Unix milliseconds).
///
/// # Errors
/// [`Error::LoginRefused`] for another center, outside its time, or valid for longer than [`MAX_LIFETIME`]; else as
/// [`signed::check_attached`] and [`crate::trust::chain`].
pub fn verify(der: &[u8], center: &str, anchors: &Anchors, at: i64) -> Result<VerifiedLogin, Error> {
    let checked = signed::check_attached(der, oid::LOGIN, MAX_STATEMENT)?;
    let statement = read(&checked.content)?;
    let refused = |what| Err(Error::LoginRefused { what });
    if statement.center != center {
        return refused(OTHER_CENTER);
    }
    if statement.not_after <= statement.not_before
        || statement.not_after - statement.not_before > MAX_LIFETIME
    {
        return refused(TOO_LONG);
    }
    if at > statement.not_after {
        return refused(EXPIRED);
    }
    if at < statement.not_before.saturating_sub(MAX_SKEW) {
        return refused(NOT_YET);
    }
    let chain = checked.trusted(anchors, at)?;
    Ok(VerifiedLogin { statement, signer: checked.signer, chain })
}

fn read(content: &[u8]) -> Result<Statement, Error> {
    const WHAT: &str = "a login statement";
    let mut fields = Der::only(content, tlv::SEQUENCE, WHAT)?;
    if fields.small()? != VERSION {
        return Err(Error::BadValue { what: "the version of a login statement" });
    }
    let (member, center) = (fields.text()?.to_owned(), fields.text()?.to_owned());
    let session_key = fields.octets()?.try_into().map_err(|_| Error::NotDer { what: WHAT })?;
    let not_before = time::from_tlv(fields.expect(tlv::GENERALIZED_TIME)?, WHAT)?;
    let not_after = time::from_tlv(fields.expect(tlv::GENERALIZED_TIME)?, WHAT)?;
    fields.end()?;
    if member.is_empty() || member.len() > MAX_CODE {
        return Err(Error::BadValue { what: "the member's code" });
    }
    Ok(Statement { member, center, session_key, not_before, not_after })
}
