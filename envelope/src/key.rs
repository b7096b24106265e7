//! What a pair of keys must be able to do, whether it lives in a file or on a card.

mod gpki;

pub use crate::certificate::{Certificate, KeyUsage};
use crate::error::Class;
pub use gpki::{CardRank, card_rank, check_signature, may_decrypt};
use zeroize::Zeroizing;

/// How a content key was wrapped for a recipient.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum WrapScheme {
    /// RSAES-PKCS1-v1_5 (RFC 8017 §7.2).
    Pkcs1,
    /// RSAES-OAEP with SHA-256 for hash and MGF1 and the empty label (RFC 8017 §7.1).
    OaepSha256,
}

/// What kind of failure a key reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum KeyErrorKind {
    /// The card or reader is not there. Class wait.
    Absent,
    /// A person must give the PIN, or unlock the card. Class wait.
    PinNeeded,
    /// The card or its driver failed in a way that may pass. Class retry.
    Broken,
    /// The key works but does not decrypt this ciphertext. During unwrap this is the sender's fault and is handled as
    /// an unreadable message, by the same path as a wrong tag.
    Refused,
    /// The key can not do this at all (wrong mechanism, wrong size). Class permanent.
    Unusable,
}

/// Why a key of ours did not do what it was asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind:?}: {message}")]
pub struct KeyError {
    kind: KeyErrorKind,
    message: String,
}

impl KeyError {
    /// An error of `kind`; `message` is English, for logs, and contains nothing secret.
    pub fn new(kind: KeyErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The kind.
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }

    /// The message for logs.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the caller may do about it.
    pub fn class(&self) -> Class {
        match self.kind {
            KeyErrorKind::Absent | KeyErrorKind::PinNeeded => Class::Wait,
            KeyErrorKind::Broken => Class::Retry,
            KeyErrorKind::Refused | KeyErrorKind::Unusable => Class::Permanent,
        }
    }
}

/// A private key that signs. One operation may take a second and calls may come from any thread.
pub trait SigningKey: Send + Sync {
    /// The certificate of the key.
    ///
    /// # Errors
    /// [`KeyErrorKind::Absent`] for a card that was never seen: it is not known yet whose key that will be.
    fn certificate(&self) -> Result<Certificate, KeyError>;
    /// The CA certificates above it that are known, without the anchor if possible; order does not matter.
    fn chain(&self) -> Vec<Certificate>;
    /// The RSASSA-PKCS1-v1_5 signature (RFC 8017 §8.2) over a SHA-256 digest; as long as the key's modulus.
    fn sign(&self, digest: &crate::Digest) -> Result<Vec<u8>, KeyError>;
}

/// A private key that unwraps content keys.
pub trait UnwrapKey: Send + Sync {
    /// The certificate of the key; recipients are matched by its issuer and serial number.
    ///
    /// # Errors
    /// [`KeyErrorKind::Absent`] for a card that was never seen.
    fn certificate(&self) -> Result<Certificate, KeyError>;
    /// The wrapped bytes. A ciphertext that does not decrypt is [`KeyErrorKind::Refused`].
    fn unwrap(&self, scheme: WrapScheme, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError>;
}
