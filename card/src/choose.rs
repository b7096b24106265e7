//! Which card, and which keys on it.

use crate::protocol::{CertificateEntry, KeyEntry, ModulusEntry};
use crate::settings::Choice;
use crate::state::{KeyOnCard, State, Token};
use envelope::Certificate;
use envelope::key::may_decrypt;

/// The one token that fits. An official card's label is the same on every card, so several cards need a serial number.
///
/// # Errors
/// [`State::OtherCard`] or [`State::Ambiguous`].
pub fn token(tokens: &[Token], choice: &Choice) -> Result<Token, State> {
    let same = |wanted: &Option<String>, found: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted.trim().eq_ignore_ascii_case(found.trim()))
    };
    let fitting: Vec<_> = tokens
        .iter()
        .filter(|t| same(&choice.serial, &t.serial) && same(&choice.label, &t.label))
        .cloned()
        .collect();
    match <[Token; 1]>::try_from(fitting) {
        Ok([token]) => Ok(token),
        Err(none) if none.is_empty() => Err(State::OtherCard { found: tokens.to_vec() }),
        Err(several) => Err(State::Ambiguous { found: several }),
    }
}

/// What a certificate is wanted for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Use {
    Sign,
    Unwrap,
}

impl Use {
    /// CKA_ID and CKA_LABEL on an official card.
    fn official(self) -> (&'static [u8], &'static str) {
        match self {
            Self::Sign => (b"SIGN", "cert1"),
            Self::Unwrap => (b"KEYX", "cert2"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sign => "signing",
            Self::Unwrap => "encryption",
        }
    }

    /// Whether the certificate's key usage allows it. One without the extension allows everything (RFC 5280 §4.2.1.3).
    fn allowed_by(self, certificate: &Certificate) -> bool {
        match self {
            Self::Sign => certificate.key_usage().is_none_or(|usage| usage.digital_signature),
            Self::Unwrap => may_decrypt(certificate),
        }
    }
}

/// The certificates of a card, sorted by what they are for.
#[derive(Debug)]
pub(crate) struct Found {
    pub sign: (KeyOnCard, Vec<u8>),
    pub unwrap: (KeyOnCard, Vec<u8>),
    pub authorities: Vec<Certificate>,
}

/// Sorts the certificates of a card. The error says what is missing, in English.
pub(crate) fn certificates(entries: &[CertificateEntry]) -> Result<Found, String> {
    let (mut own, mut authorities) = (Vec::new(), Vec::new());
    for entry in entries {
        // What is not a certificate of ours to use does not stand in the way of those that are.
        let Ok(certificate) = Certificate::from_der(&entry.der) else { continue };
        if certificate.key_usage().is_some_and(|usage| usage.key_cert_sign) {
            authorities.push(certificate);
        } else {
            own.push((entry, certificate));
        }
    }
    let sign = one(&own, Use::Sign)?;
    let unwrap = one(&own, Use::Unwrap)?;
    Ok(Found { sign, unwrap, authorities })
}

/// By key usage, then CKA_ID, then label.
fn one(own: &[(&CertificateEntry, Certificate)], wanted: Use) -> Result<(KeyOnCard, Vec<u8>), String> {
    let mut fitting: Vec<_> = own.iter().filter(|(_, c)| wanted.allowed_by(c)).collect();
    if fitting.is_empty() {
        return Err(format!("no {} certificate on the card", wanted.name()));
    }
    fitting.retain(|(_, c)| c.rsa_bits().is_some_and(|bits| (2048..=8192).contains(&bits)));
    let (id, label) = wanted.official();
    narrow(&mut fitting, |(entry, _)| entry.id.as_slice().trim_ascii() == id);
    narrow(&mut fitting, |(entry, _)| entry.label == label);
    // A certificate for this use only is preferred to one for everything.
    narrow(&mut fitting, |(_, c)| c.key_usage().is_some());
    fitting.dedup_by(|(_, a), (_, b)| a == b);
    match fitting.as_slice() {
        [(entry, certificate)] => {
            let key = KeyOnCard {
                certificate: certificate.clone(),
                id: printable(&entry.id),
                label: entry.label.clone(),
            };
            Ok((key, entry.id.to_vec()))
        }
        [] => {
            Err(format!("the {} certificate on the card has no RSA key of 2048 to 8192 bits", wanted.name()))
        }
        several => {
            let ids: Vec<_> = several.iter().map(|(entry, _)| printable(&entry.id)).collect();
            Err(format!("several {} certificates on the card: {}", wanted.name(), ids.join(", ")))
        }
    }
}

/// Keeps those for which it is true, unless it is true for none.
fn narrow<T>(all: &mut Vec<T>, keep: impl Fn(&T) -> bool) {
    if all.iter().any(&keep) {
        all.retain(keep);
    }
}

/// The private key of a certificate, by modulus where the token shows it, by CKA_ID, then by label.
pub(crate) fn private_key(
    keys: &[KeyEntry],
    moduli: &[ModulusEntry],
    certificate: &KeyOnCard,
    id: &[u8],
    wanted: Use,
) -> Result<u32, String> {
    let spki = certificate.certificate.public_key();
    // Where a 2048-bit number stands in the key's encoding, it is its modulus.
    let holds =
        |modulus: &[u8]| modulus.len() >= 128 && spki.windows(modulus.len()).any(|window| window == modulus);
    // `None`: the token does not show it.
    let matches = |key: &KeyEntry| {
        let of_pair =
            || moduli.iter().find(|m| m.id == key.id && !key.id.is_empty()).map(|m| m.modulus.as_slice());
        let modulus = Some(key.modulus.as_slice()).filter(|m| !m.is_empty()).or_else(of_pair);
        modulus.filter(|m| !m.is_empty()).map(|m| holds(significant(m)))
    };
    let mut fitting: Vec<_> =
        keys.iter().enumerate().filter(|(_, key)| matches(key) != Some(false)).collect();
    narrow(&mut fitting, |(_, key)| matches(key) == Some(true));
    let proven = fitting.iter().any(|(_, key)| matches(key) == Some(true));
    if !proven {
        // Without any modulus the identifier must be the same; a label alone is enough only when there is no identifier.
        let by_id = |key: &KeyEntry| !id.is_empty() && key.id.as_slice().trim_ascii() == id.trim_ascii();
        let by_label = |key: &KeyEntry| key.id.is_empty() && key.label == certificate.label;
        fitting.retain(|(_, key)| by_id(key) || by_label(key));
    }
    narrow(&mut fitting, |(_, key)| match wanted {
        Use::Sign => key.sign,
        Use::Unwrap => key.decrypt,
    });
    narrow(&mut fitting, |(_, key)| key.id.as_slice() == id);
    let first = fitting.first().and_then(|(index, _)| u32::try_from(*index).ok());
    first.ok_or_else(|| format!("the card shows no private key for its {} certificate", wanted.name()))
}

/// A big-endian number without the zeros in front that some tokens add.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// An identifier for people: text if it is text, else hexadecimal.
pub(crate) fn printable(id: &[u8]) -> String {
    let trimmed = id.trim_ascii();
    if !trimmed.is_empty() && trimmed.iter().all(u8::is_ascii_graphic) {
        return String::from_utf8_lossy(trimmed).into_owned();
    }
    id.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
