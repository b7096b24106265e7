//! The card in JSON.

use serde::{Deserialize, Serialize};

use super::{Reason, time};

/// `GET /v1/card`, and `card` of `GET /v1/status`: how the card stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Stable label: `card-ready`, or why it is not.
    pub state: String,
    /// In Chinese.
    pub word: String,
    /// Whether it signs and opens now.
    pub ready: bool,
    /// Since when it is so; absent when no service has it.
    #[serde(with = "time::option")]
    pub since: Option<i64>,
    /// Why it is not ready, and what to do.
    pub reason: Option<Reason>,
    /// The PKCS#11 library, as it calls itself.
    pub module: Option<String>,
    /// The card that is in.
    pub token: Option<Token>,
    /// Name of the organisation in its signing certificate.
    pub organisation: Option<String>,
    /// Its organisation OID.
    pub organisation_oid: Option<String>,
    /// 正卡 or 附卡.
    pub rank: Option<String>,
    /// Whether it unwraps RSAES-OAEP with SHA-256; known after a login.
    pub oaep: bool,
    /// Its certificates; those seen last while it is not in.
    pub certificates: Vec<Certificate>,
    /// What is known of tries of its PIN.
    pub tries: Option<Tries>,
}

/// A card as its module describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Label.
    pub label: String,
    /// Serial: the printed card number.
    pub serial: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// Model.
    pub model: String,
    /// The reader that it is in.
    pub reader: String,
    /// Whether the settings mean this one.
    pub chosen: bool,
}

/// A certificate of the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// `sign`, `encrypt` or `authority`; empty for what the node has no use for.
    pub purpose: String,
    /// CKA_ID, as text where it is text.
    pub id: String,
    /// CKA_LABEL.
    pub label: String,
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of the whole, hexadecimal.
    pub sha256: String,
    /// Valid from.
    #[serde(with = "time")]
    pub not_before: i64,
    /// Valid until.
    #[serde(with = "time")]
    pub not_after: i64,
    /// Whole days left; negative when it is over.
    pub days: i64,
}

/// What the guard knows of a card's PIN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Failed tries since the last success.
    pub failed: u32,
    /// How many the card has left, where it says so.
    pub left: Option<u32>,
    /// Seen locked.
    pub locked: bool,
    /// A person has allowed one more try, which is not used yet.
    pub permitted: bool,
    /// When a PIN was last right.
    #[serde(with = "time::option")]
    pub last_success: Option<i64>,
    /// When one was last wrong.
    #[serde(with = "time::option")]
    pub last_failure: Option<i64>,
}

/// `GET /v1/card/list`: what is in the readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cards {
    /// Readers that PC/SC shows, each with what is in it; empty where PC/SC is not asked.
    pub readers: Vec<Reader>,
    /// Cards that the module shows.
    pub tokens: Vec<Token>,
}

/// A reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// `empty`, `mute` or `card`.
    pub slot: String,
    /// The card's answer to reset, hexadecimal.
    pub atr: Option<String>,
}

/// `POST /v1/card/retry`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Who orders it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// `once`, `forced` or `unlocked`.
    pub ask: String,
    /// A PIN that a person has entered; used from now on, kept in memory only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

impl std::fmt::Debug for Retry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retry").field("actor", &self.actor).field("ask", &self.ask).finish_non_exhaustive()
    }
}

impl Drop for Retry {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.pin);
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// Whether a try was allowed; false where nothing stood in the way.
    pub granted: bool,
    /// How many tries the card had left before, where known.
    pub left: Option<u32>,
    /// The card afterwards.
    pub card: Card,
}

/// `POST /v1/card/test`: one decryption and one signature of something of our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// How the decryption went.
    pub decrypt: Outcome,
    /// How the signature went.
    pub sign: Outcome,
}

/// How one operation went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How long it took, milliseconds.
    pub took: u64,
    /// Why it did not work.
    pub reason: Option<Reason>,
}
