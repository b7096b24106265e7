//! What can go wrong here, and whether trying again can help.

use crate::{State, guard, pin, presence};
use envelope::Class;
use envelope::key::{KeyError, KeyErrorKind};
use std::time::Duration;

/// Every label of [`Error`] and [`State`] with its class, but for those of [`guard::LABELS`], [`pin::LABELS`] and
/// [`presence::LABELS`], which they can have too. A program may rely on them.
pub const LABELS: &[(&str, Class)] = &[
    // states
    ("card-starting", Class::Retry),
    ("card-module", Class::Wait),
    ("card-helper", Class::Wait),
    ("card-no-service", Class::Wait),
    ("card-service-refused", Class::Wait),
    ("card-no-reader", Class::Wait),
    ("card-absent", Class::Wait),
    ("card-unknown", Class::Wait),
    ("card-other", Class::Wait),
    ("card-ambiguous", Class::Wait),
    ("card-keys", Class::Wait),
    ("card-wrong", Class::Wait),
    ("card-pin-needed", Class::Wait),
    ("card-ready", Class::Retry),
    ("card-broken", Class::Retry),
    // errors
    ("card-deadline", Class::Retry),
    ("card-helper-died", Class::Retry),
    ("card-helper-answer", Class::Retry),
    ("card-failed", Class::Retry),
    ("card-refused", Class::Permanent),
    ("card-unusable", Class::Permanent),
    ("card-busy", Class::Retry),
    ("card-closed", Class::Retry),
];

/// Why the card did not do what it was asked for. `Display` is English, for logs, and holds nothing secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The card can not be used as things are; the state says why, and the label and class are the state's.
    #[error("the card is not ready: {0}")]
    NotReady(Box<State>),
    /// The child process can not be started.
    #[error("the card helper can not be started: {detail}")]
    HelperStart {
        /// What the system said.
        detail: String,
    },
    /// The module did not answer in time. The child process was killed.
    #[error("the card module did not answer to {during} within {after:?}")]
    Deadline {
        /// Which call.
        during: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The child process ended during a call.
    #[error("the card helper died during {during}: {how}")]
    HelperDied {
        /// Which call.
        during: &'static str,
        /// Exit code or signal.
        how: String,
    },
    /// The child process answered something that can not be read.
    #[error("the card helper gave an unreadable answer: {detail}")]
    HelperAnswer {
        /// What is wrong with it.
        detail: String,
    },
    /// The module can not be loaded or initialised.
    #[error("the PKCS#11 module can not be used: {detail}")]
    Module {
        /// What the loader or the module said.
        detail: String,
    },
    /// A PKCS#11 call failed in a way that may pass.
    #[error("{during} failed: {detail}")]
    Failed {
        /// Which call.
        during: String,
        /// The module's return value, as a name or a number.
        detail: String,
    },
    /// The session or the login is gone, as after a reset of the card; opening again may help.
    #[error("the session with the card is lost: {detail}")]
    SessionLost {
        /// What the module said.
        detail: String,
    },
    /// The card or its reader is gone.
    #[error("the card is gone: {detail}")]
    CardGone {
        /// What the module said.
        detail: String,
    },
    /// The card works, but does not decrypt this ciphertext.
    #[error("the card does not decrypt this ciphertext")]
    Refused,
    /// The card or its key can not do this at all.
    #[error("the card can not be used for this: {what}")]
    Unusable {
        /// What it can not do.
        what: String,
    },
    /// The card waits for a PIN, and no source of one is configured.
    #[error("no source of a PIN is configured")]
    PinNeeded,
    /// The source of the PIN gives none that fits.
    #[error(transparent)]
    PinSource(#[from] pin::Error),
    /// The PIN is not, or no longer, tried.
    #[error(transparent)]
    Pin(#[from] guard::Refusal),
    /// Too many calls wait for the card.
    #[error("too many calls wait for the card")]
    Busy,
    /// The supervisor was stopped.
    #[error("the card was closed")]
    Closed,
}

impl Error {
    /// The stable label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotReady(state) => state.label(),
            Self::HelperStart { .. } => "card-helper",
            Self::Deadline { .. } => "card-deadline",
            Self::HelperDied { .. } => "card-helper-died",
            Self::HelperAnswer { .. } => "card-helper-answer",
            Self::Module { .. } => "card-module",
            Self::Failed { .. } | Self::SessionLost { .. } => "card-failed",
            Self::CardGone { .. } => "card-absent",
            Self::Refused => "card-refused",
            Self::Unusable { .. } => "card-unusable",
            Self::PinNeeded => "card-pin-needed",
            Self::PinSource(error) => error.label(),
            Self::Pin(refusal) => refusal.label(),
            Self::Busy => "card-busy",
            Self::Closed => "card-closed",
        }
    }

    /// What the caller may do about it.
    pub fn class(&self) -> Class {
        class_of(self.label())
    }
}

/// The class of a label of this crate; `Wait` for one that is not listed.
pub(crate) fn class_of(label: &str) -> Class {
    let mut all = [LABELS, guard::LABELS, pin::LABELS, presence::LABELS].into_iter().flatten();
    all.find(|(l, _)| *l == label).map_or(Class::Wait, |(_, class)| *class)
}

impl From<Error> for KeyError {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::NotReady(state) => state.key_error_kind(),
            Error::HelperStart { .. } | Error::Module { .. } | Error::CardGone { .. } => KeyErrorKind::Absent,
            Error::PinNeeded | Error::PinSource(_) | Error::Pin(_) => KeyErrorKind::PinNeeded,
            Error::Refused => KeyErrorKind::Refused,
            Error::Unusable { .. } => KeyErrorKind::Unusable,
            Error::Deadline { .. }
            | Error::HelperDied { .. }
            | Error::HelperAnswer { .. }
            | Error::Failed { .. }
            | Error::SessionLost { .. }
            | Error::Busy
            | Error::Closed => KeyErrorKind::Broken,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn labels_are_listed_once_and_keep_one_class() {
        let mut seen = BTreeSet::new();
        for (label, class) in LABELS.iter().chain(guard::LABELS).chain(pin::LABELS) {
            assert!(seen.insert(*label), "{label} is listed twice");
            assert_eq!(class_of(label), *class, "{label}");
        }
        for (label, class) in presence::LABELS {
            assert!(seen.insert(*label) || class_of(label) == *class, "{label} has two classes");
        }
        // Every label that an error or a state gives by itself; those of guard and PIN are theirs.
        let source = [include_str!("error.rs"), include_str!("state.rs")].concat();
        for given in source.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(!given.starts_with("card-") || seen.contains(given), "{given} is not listed");
        }
    }
}
