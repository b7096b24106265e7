//! What is known of the card at a moment, for people and for those who wait.

use crate::error::class_of;
use crate::identity::Mismatch;
use envelope::key::{CardRank, KeyErrorKind};
use envelope::{Certificate, Class};
use std::fmt;
use std::sync::Arc;

/// What the token says of its PIN (CK_TOKEN_INFO flags). Many tokens never set any of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub struct PinFlags {
    /// CKF_USER_PIN_COUNT_LOW: at least one wrong PIN since the last right one.
    pub count_low: bool,
    /// CKF_USER_PIN_FINAL_TRY: one more wrong PIN locks the card.
    pub final_try: bool,
    /// CKF_USER_PIN_LOCKED.
    pub locked: bool,
}

/// A token as its module describes it. All text is trimmed of blanks, tabs and NULs; control characters are replaced.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Token {
    /// CK_SLOT_ID: good within one life of the helper only.
    pub slot: u64,
    /// The reader's name (slot description).
    pub reader: String,
    /// The token's label, `HiCOS PKI Smart Card` on an official card.
    pub label: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// Model, `T7S…` or `T7U…` on an official card.
    pub model: String,
    /// Serial number: the printed card number on an official card.
    pub serial: String,
    /// What the token says of its PIN.
    pub pin: PinFlags,
    /// Shortest PIN that the token takes, characters.
    pub pin_min: usize,
    /// Longest PIN that the token takes, characters.
    pub pin_max: usize,
    /// The reader has a key pad of its own (CKF_PROTECTED_AUTHENTICATION_PATH).
    pub pin_pad: bool,
}

/// One of the two keys, with its certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyOnCard {
    /// The certificate on the card.
    pub certificate: Certificate,
    /// CKA_ID, printable form: `SIGN`, `KEYX`, or hexadecimal.
    pub id: String,
    /// CKA_LABEL, trimmed: `cert1`, `cert2`.
    pub label: String,
}

/// A card that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Info {
    /// The token.
    pub token: Token,
    /// Library description and version, as the module tells them.
    pub module: String,
    /// The key that signs.
    pub sign: KeyOnCard,
    /// The key that unwraps.
    pub unwrap: KeyOnCard,
    /// CA certificates found on the card.
    pub authorities: Vec<Certificate>,
    /// The organisation's OID from the signing certificate: 2.16.886.1.100.2.102, else .101.
    pub organisation_oid: Option<String>,
    /// 正卡 or 附卡, where the certificate says so.
    pub rank: Option<CardRank>,
    /// Whether RSAES-OAEP with SHA-256 was tried and works; `false` before the first login.
    pub oaep: bool,
}

/// Why there was no login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoLogin {
    /// One of [`crate::pin::LABELS`] or [`crate::guard::LABELS`], or `card-pin-needed` when no source is configured.
    pub label: &'static str,
    /// The same in English, for logs.
    pub detail: String,
    /// How many tries the card has left, where known.
    pub left: Option<u32>,
}

/// What is known of the card. A state, not an error: work waits and goes on by itself when it can.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// Nothing known yet.
    Starting,
    /// The helper process can not be started.
    NoHelper {
        /// What the system said.
        detail: String,
    },
    /// The module's file can not be loaded or initialised.
    NoModule {
        /// What the loader or the module said.
        detail: String,
    },
    /// The smart card service (pcscd) does not run.
    NoService {
        /// What PC/SC said.
        detail: String,
    },
    /// The smart card service refuses this user (polkit).
    ServiceRefused {
        /// What PC/SC said.
        detail: String,
    },
    /// No reader is connected.
    NoReader,
    /// A reader, but no card in it.
    NoCard,
    /// A card is in the reader, and the module does not know it: another kind of card, or the wrong module.
    UnknownCard,
    /// Cards are there, but not the configured one.
    OtherCard {
        /// Those that are there.
        found: Vec<Token>,
    },
    /// Several cards fit, and the settings do not say which.
    Ambiguous {
        /// Those that fit.
        found: Vec<Token>,
    },
    /// The card holds no usable pair of certificates.
    NoKeys {
        /// Which is missing and why.
        what: String,
        /// The card.
        token: Box<Token>,
    },
    /// The card of someone else, or an old one.
    WrongCard {
        /// What does not fit.
        what: Mismatch,
        /// The card.
        info: Arc<Info>,
    },
    /// The card is right, and waits for a PIN: there is none, the guard allows no further try, or it is locked.
    PinNeeded {
        /// Why; its label is the state's.
        why: NoLogin,
        /// The card.
        info: Arc<Info>,
    },
    /// In use.
    Ready {
        /// The card.
        info: Arc<Info>,
    },
    /// The card or its module fails; it is tried again, less and less often.
    Broken {
        /// What failed.
        detail: String,
    },
}

impl State {
    /// The stable label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Starting => "card-starting",
            Self::NoHelper { .. } => "card-helper",
            Self::NoModule { .. } => "card-module",
            Self::NoService { .. } => "card-no-service",
            Self::ServiceRefused { .. } => "card-service-refused",
            Self::NoReader => "card-no-reader",
            Self::NoCard => "card-absent",
            Self::UnknownCard => "card-unknown",
            Self::OtherCard { .. } => "card-other",
            Self::Ambiguous { .. } => "card-ambiguous",
            Self::NoKeys { .. } => "card-keys",
            Self::WrongCard { .. } => "card-wrong",
            Self::PinNeeded { why, .. } => why.label,
            Self::Ready { .. } => "card-ready",
            Self::Broken { .. } => "card-broken",
        }
    }

    /// What those who need the card may do. `Retry` for [`State::Ready`].
    pub fn class(&self) -> Class {
        class_of(self.label())
    }

    /// The card that was read last, also when it can not be used.
    pub fn info(&self) -> Option<&Arc<Info>> {
        match self {
            Self::WrongCard { info, .. } | Self::PinNeeded { info, .. } | Self::Ready { info } => Some(info),
            _ => None,
        }
    }

    /// Whether sign and unwrap work now.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    pub(crate) fn key_error_kind(&self) -> KeyErrorKind {
        match self {
            Self::PinNeeded { .. } => KeyErrorKind::PinNeeded,
            Self::Ready { .. } | Self::Broken { .. } => KeyErrorKind::Broken,
            _ => KeyErrorKind::Absent,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHelper { detail }
            | Self::NoModule { detail }
            | Self::NoService { detail }
            | Self::ServiceRefused { detail }
            | Self::Broken { detail } => write!(f, "{} ({detail})", self.label()),
            Self::PinNeeded { why, .. } => write!(f, "{} ({})", why.label, why.detail),
            Self::NoKeys { what, .. } => write!(f, "{} ({what})", self.label()),
            Self::WrongCard { what, .. } => write!(f, "{} ({what})", self.label()),
            Self::OtherCard { found } | Self::Ambiguous { found } => {
                write!(f, "{} ({} cards)", self.label(), found.len())
            }
            _ => f.write_str(self.label()),
        }
    }
}
