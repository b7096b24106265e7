//! Why the PIN is not, or no longer, tried.

use std::path::PathBuf;
use std::sync::Arc;

use super::Outcome;
use super::rules::Record;
use crate::Class;

/// Every label of [`Refusal`] with its class.
pub const LABELS: &[(&str, Class)] = &[
    ("pin-stopped", Class::Wait),
    ("pin-tries-spent", Class::Wait),
    ("pin-last-try", Class::Wait),
    ("pin-locked", Class::Wait),
    ("pin-busy", Class::Wait),
    ("pin-wrong", Class::Wait),
    ("pin-unclear", Class::Wait),
    ("guard-damaged", Class::Wait),
    ("guard-unwritable", Class::Wait),
];

/// Why the PIN is not, or no longer, tried. A person has to act, except for [`Refusal::Busy`], which passes.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// A try has failed, and neither has a person allowed another nor has the source of the PIN changed.
    #[error("the PIN is not tried again by itself after {failed} failed")]
    Stopped {
        /// Failed tries since the last success.
        failed: u32,
        /// How many tries the card has left, where known.
        left: Option<u32>,
    },
    /// As many tries have failed since the last success as are made without force.
    #[error("{failed} tries of the PIN have failed, one more could lock the card")]
    Spent {
        /// Failed tries since the last success.
        failed: u32,
        /// How many tries the card has left, where known.
        left: Option<u32>,
    },
    /// The token, or the vendor's last answer, says that one try is left.
    #[error("the card has one try of the PIN left")]
    LastTry,
    /// The card is locked; no PIN helps.
    #[error("the card is locked")]
    Locked,
    /// Somebody else is trying the PIN of this card this moment.
    #[error("another process is trying the PIN of this card")]
    Busy,
    /// The card has just refused the PIN.
    #[error("the card refused the PIN")]
    Wrong {
        /// Failed tries since the last success, this one included.
        failed: u32,
        /// How many tries the card has left, where known.
        left: Option<u32>,
    },
    /// The login has just ended without an answer that says whether the PIN was right; it counts as failed.
    #[error("the login ended without a clear answer")]
    Unclear {
        /// Failed tries since the last success, this one included.
        failed: u32,
    },
    /// The record of the card's tries is not what was written. Counts as stopped.
    #[error("the record {} of the card's PIN tries is damaged", .0.display())]
    Damaged(PathBuf),
    /// A record can't be read or written, so there is no try.
    #[error("{} can't be {during}, so the PIN is not tried", path.display())]
    Unusable {
        /// Which file or folder.
        path: PathBuf,
        /// made, locked, read, written, removed.
        during: &'static str,
        /// What the system said.
        #[source]
        source: Arc<std::io::Error>,
    },
}

impl Refusal {
    /// Stable name of the kind.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Stopped { .. } => "pin-stopped",
            Self::Spent { .. } => "pin-tries-spent",
            Self::LastTry => "pin-last-try",
            Self::Locked => "pin-locked",
            Self::Busy => "pin-busy",
            Self::Wrong { .. } => "pin-wrong",
            Self::Unclear { .. } => "pin-unclear",
            Self::Damaged(_) => "guard-damaged",
            Self::Unusable { .. } => "guard-unwritable",
        }
    }

    /// What to do about it: always [`Class::Wait`].
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Wait
    }

    /// How many tries the card has left, where known.
    #[must_use]
    pub fn left(&self) -> Option<u32> {
        match self {
            Self::Stopped { left, .. } | Self::Spent { left, .. } | Self::Wrong { left, .. } => *left,
            Self::LastTry => Some(1),
            Self::Locked => Some(0),
            Self::Busy | Self::Unclear { .. } | Self::Damaged(_) | Self::Unusable { .. } => None,
        }
    }

    /// What to report after a try that came out like this.
    pub(super) fn after(outcome: Outcome, record: &Record) -> Self {
        match outcome {
            Outcome::Wrong { .. } => Self::Wrong { failed: record.failed, left: record.left },
            Outcome::Locked => Self::Locked,
            Outcome::Unclear => Self::Unclear { failed: record.failed },
        }
    }
}
