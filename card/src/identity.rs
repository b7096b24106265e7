//! Whose card is in the reader, and whether it is the one that should be.

use crate::state::Info;
use std::fmt;

/// What the card must be. Everything that is `None` is not checked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expected {
    /// The organisation's OID, as in the certificates' subject directory attributes.
    pub organisation_oid: Option<String>,
    /// SHA-256 of the signing certificate that the center has registered.
    pub sign_sha256: Option<[u8; 32]>,
    /// SHA-256 of the encryption certificate that the center has registered.
    pub unwrap_sha256: Option<[u8; 32]>,
}

/// Why a card is not the expected one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mismatch {
    /// The certificates name another organisation.
    Organisation {
        /// What the configuration says.
        expected: String,
        /// What the card says; `None` when it says nothing.
        found: Option<String>,
    },
    /// The card's two certificates belong to two organisations.
    TwoOrganisations {
        /// In the signing certificate.
        sign: String,
        /// In the encryption certificate.
        unwrap: String,
    },
    /// The organisation is right, but the center knows another signing certificate: an old card, or a 附卡.
    SignCertificate,
    /// The organisation is right, but the center knows another encryption certificate.
    UnwrapCertificate,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisation { expected, found: Some(found) } => {
                write!(f, "the card is of organisation {found}, not {expected}")
            }
            Self::Organisation { expected, found: None } => {
                write!(f, "the card names no organisation, expected {expected}")
            }
            Self::TwoOrganisations { sign, unwrap } => {
                write!(f, "the card signs for {sign} and decrypts for {unwrap}")
            }
            Self::SignCertificate => f.write_str("the center has registered another signing certificate"),
            Self::UnwrapCertificate => {
                f.write_str("the center has registered another encryption certificate")
            }
        }
    }
}

/// Compares a card with what it must be. The gravest difference is the answer.
///
/// # Errors
/// The [`Mismatch`].
pub fn check(info: &Info, expected: &Expected) -> Result<(), Mismatch> {
    let (sign, unwrap) = (&info.sign.certificate, &info.unwrap.certificate);
    if let Some(oid) = &expected.organisation_oid {
        for certificate in [sign, unwrap] {
            if certificate.organisation_oid() != Some(oid.as_str()) {
                let found = certificate.organisation_oid().map(str::to_owned);
                return Err(Mismatch::Organisation { expected: oid.clone(), found });
            }
        }
    }
    if let (Some(a), Some(b)) = (sign.organisation_oid(), unwrap.organisation_oid())
        && a != b
    {
        return Err(Mismatch::TwoOrganisations { sign: a.to_owned(), unwrap: b.to_owned() });
    }
    if expected.sign_sha256.is_some_and(|digest| digest != *sign.sha256()) {
        return Err(Mismatch::SignCertificate);
    }
    if expected.unwrap_sha256.is_some_and(|digest| digest != *unwrap.sha256()) {
        return Err(Mismatch::UnwrapCertificate);
    }
    Ok(())
}
