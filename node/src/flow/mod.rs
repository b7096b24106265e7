//! What to do next with a document, and what an outcome changes: pure, without async, files or clock.
//!
//! Two rules, for what we send ([`outbound`]) and for what we receive ([`inbound`]):
//! `decide(&Record, &Facts) -> Act` and `apply(&Record, &Outcome, &When) -> Change`. The loop
//! ([`crate::run`]) gathers the facts, has [`crate::act`] perform the act, and records the change.
//!
//! Three kinds of trouble, and only three:
//! - *retry*: the next try is at a time from the one rule in [`retry`];
//! - *wait*: something must come back first ([`Why`]). No attempt is spent and there is no timer; the event
//!   that brings it back makes the row due again;
//! - *permanent*: refused, quarantined or stopped, with a label and (where a person must act) an alarm.
//!
//! A step that the process died in [`DEATHS`] times is not begun again: the document is set apart with an
//! alarm and nothing is said to the other side, since the fault may be ours.

pub mod inbound;
pub mod outbound;
pub mod retry;

#[cfg(test)]
mod model;

/// So many deaths of the process in the same step of a document set it apart.
pub const DEATHS: u32 = 3;

/// The label of a document that was set apart because the process died in it.
pub const DIED: &str = "died-three-times";

/// Every label that only this module gives, for the words that people read.
pub const LABELS: &[&str] = &[
    DIED,
    Why::Key.label(),
    Why::Link.label(),
    Why::Disk.label(),
    Why::Clock.label(),
    Why::Scanner.label(),
    Why::Permission.label(),
    Why::Trust.label(),
    Why::Certificate.label(),
];

/// What the loop knows of the world when it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Unix milliseconds.
    pub now: i64,
    /// A signing key answers.
    pub sign: bool,
    /// An unwrap key answers.
    pub unwrap: bool,
    /// Logged in at the center.
    pub link: bool,
    /// Our clock agrees with the center's (within 5 minutes), or the center has not been asked yet.
    pub clock: bool,
    /// There is room on the disk.
    pub disk: bool,
    /// The scanner answers, or none is configured.
    pub scanner: bool,
    /// Our own signing certificate may be used.
    pub certificate: bool,
    /// This node may send: not set to receive only, and the member may.
    pub may_send: bool,
    /// The node is stopping: nothing new is begun.
    pub stopping: bool,
    /// Nothing runs alone, and nothing is to be caught up first: what was just taken may be sealed before it is recorded.
    pub direct: bool,
}

impl Facts {
    /// Everything there.
    #[must_use]
    pub const fn all(now: i64) -> Self {
        Self {
            now,
            sign: true,
            unwrap: true,
            link: true,
            clock: true,
            disk: true,
            scanner: true,
            certificate: true,
            may_send: true,
            stopping: false,
            direct: true,
        }
    }
}

/// What something waits for. Each has one label, by which the rows that wait are found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Why {
    /// No key (or card) answers.
    Key,
    /// No connection to the center.
    Link,
    /// The disk is full.
    Disk,
    /// Our clock and the center's differ too much.
    Clock,
    /// The scanner gave no verdict.
    Scanner,
    /// Sending is not permitted.
    Permission,
    /// A fact about a certificate (revocation, directory) could not be learned, or it is on hold.
    Trust,
    /// Our own signing certificate is over, revoked or on hold.
    Certificate,
}

impl Why {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Key,
        Self::Link,
        Self::Disk,
        Self::Clock,
        Self::Scanner,
        Self::Permission,
        Self::Trust,
        Self::Certificate,
    ];

    /// The stable label in rows and journal.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Key => "waits-for-key",
            Self::Link => "waits-for-link",
            Self::Disk => "waits-for-disk",
            Self::Clock => "waits-for-clock",
            Self::Scanner => "waits-for-scanner",
            Self::Permission => "waits-for-permission",
            Self::Trust => "waits-for-trust",
            Self::Certificate => "waits-for-certificate",
        }
    }

    /// Labels with which rows wait for it too, that say more than its own.
    #[must_use]
    pub const fn more_labels(self) -> &'static [&'static str] {
        match self {
            Self::Trust => &["revocation-unknown", "status-address-missing", "certificate-held"],
            Self::Certificate => &[
                "own-certificate-expired",
                "own-certificate-not-yet-valid",
                "own-certificate-revoked",
                "own-certificate-held",
                "own-certificate-unusable",
            ],
            _ => &[],
        }
    }

    /// Whether the facts say that the waiting is over.
    #[must_use]
    pub const fn is_over(self, facts: &Facts) -> bool {
        match self {
            Self::Key => facts.sign && facts.unwrap,
            Self::Link => facts.link,
            Self::Disk => facts.disk,
            Self::Clock => facts.clock,
            Self::Scanner => facts.scanner,
            Self::Permission => facts.may_send,
            Self::Trust => facts.link,
            Self::Certificate => facts.certificate,
        }
    }
}

/// What to do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing by itself: final, held, or somebody else's turn.
    Nothing,
    /// Not before that time.
    Until(i64),
    /// When this is back. Nothing is recorded: all rows of the kind wait alike, and a restart asks anew.
    Wait(Why),
    /// Set apart: the process died in it too often.
    SetApart,
    /// Read, check, sign and seal a claimed document.
    Seal,
    /// Seal it anew for the recipients that a resend is asked for.
    Reseal,
    /// Hand a part to the center.
    Submit,
    /// Get the sealed bytes.
    Fetch,
    /// Open, verify, scan and archive.
    Open,
}

impl Act {
    /// The name under which its beginning is recorded, for the acts that touch something.
    #[must_use]
    pub const fn step(self) -> Option<&'static str> {
        match self {
            Self::Seal => Some("seal"),
            Self::Reseal => Some("reseal"),
            Self::Submit => Some("submit"),
            Self::Fetch => Some("fetch"),
            Self::Open => Some("open"),
            Self::Nothing | Self::Until(_) | Self::Wait(_) | Self::SetApart => None,
        }
    }
}

/// What kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Again later, by the table.
    Retry,
    /// When something is back.
    Wait(Why),
    /// Never like this.
    Permanent,
}

/// A trouble, ready for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What to do about it.
    pub class: Class,
    /// Stable label.
    pub label: String,
    /// More, for people and log.
    pub detail: String,
    /// The other side asked for at least so many milliseconds of patience.
    pub after: i64,
}

impl Fault {
    /// A trouble to try again.
    pub fn retry(label: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { class: Class::Retry, label: label.into(), detail: detail.into(), after: 0 }
    }

    /// A trouble to wait out.
    pub fn wait(why: Why, detail: impl Into<String>) -> Self {
        Self { class: Class::Wait(why), label: why.label().into(), detail: detail.into(), after: 0 }
    }

    /// A trouble to wait out that has more to say than what is waited for; its label is one of [`Why::more_labels`].
    pub fn waiting(why: Why, label: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { class: Class::Wait(why), label: label.into(), detail: detail.into(), after: 0 }
    }

    /// A trouble that stays.
    pub fn permanent(label: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { class: Class::Permanent, label: label.into(), detail: detail.into(), after: 0 }
    }
}

/// How an act ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was for.
    Done,
    /// The document itself is bad: ours is refused, another's is sent back.
    Bad {
        /// Stable label.
        label: String,
        /// More, for people.
        detail: String,
    },
    /// What it needs is gone and must be fetched again.
    Gone {
        /// Stable label.
        label: String,
        /// More, for people.
        detail: String,
    },
    /// Trouble that is not the document's.
    Fault(Fault),
    /// Cut short by a stop; as if it had not been begun.
    Stopped,
}

/// What to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The record moves on: Sealed, Accepted, Fetched, Archived, by its kind.
    Forward,
    /// Claimed → Refused.
    Refuse {
        /// Stable label.
        label: String,
        /// More, for people.
        detail: String,
    },
    /// → Quarantined.
    Quarantine {
        /// Stable label.
        label: String,
        /// More, for people.
        detail: String,
        /// Whether 使用者退文 is sent.
        answer: bool,
    },
    /// Fetched → Offered.
    FetchAgain {
        /// Stable label.
        label: String,
        /// More, for people.
        detail: String,
        /// When.
        due: i64,
    },
    /// No move.
    Setback {
        /// When to try again; `None`: an event or a person.
        due: Option<i64>,
        /// Whether the try counts for the back-off.
        counts: bool,
        /// Whether a person must act.
        alarm: bool,
        /// Stable label; empty if there is nothing to say.
        label: String,
        /// More, for people.
        detail: String,
    },
}

/// What pauses and troubles every record has, whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// A person, or the duplicate rule, stopped it.
    pub held: bool,
    /// When it is to be looked at; `None`: not by time.
    pub due: Option<i64>,
    /// Tries since the last step that worked.
    pub attempts: u32,
    /// How often the present step was begun without an outcome.
    pub begun: u32,
}

impl Pace {
    /// What comes before any step: held, not due, died in it too often, stopping.
    const fn before(&self, facts: &Facts) -> Option<Act> {
        if self.held {
            return Some(Act::Nothing);
        }
        if self.begun >= DEATHS {
            return Some(Act::SetApart);
        }
        match self.due {
            None => Some(Act::Nothing),
            Some(due) if due > facts.now => Some(Act::Until(due)),
            Some(_) if facts.stopping => Some(Act::Nothing),
            Some(_) => None,
        }
    }
}

/// The moment of a change, and how long to wait from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct When {
    /// Unix milliseconds.
    pub now: i64,
    /// 0–1000, random: spreads tries of many documents.
    pub jitter: u16,
    /// Waiting times.
    pub table: retry::Table,
}

impl When {
    /// When a step that is begun now is looked at again if nothing is heard of it.
    #[must_use]
    pub fn first(&self) -> i64 {
        self.due(1, 0)
    }

    fn due(&self, attempts: u32, after: i64) -> i64 {
        self.table.due(attempts, after, self.now, self.jitter)
    }
}

/// The first of these that is missing.
fn missing(needs: &[Why], facts: &Facts) -> Option<Act> {
    needs.iter().find(|why| !why.is_over(facts)).map(|why| Act::Wait(*why))
}

/// What a fault changes where it is not final: shared by all records.
fn setback(pace: &Pace, fault: &Fault, when: &When) -> Change {
    let (due, counts, alarm) = match fault.class {
        Class::Retry => {
            let tries = pace.attempts.max(1);
            (Some(when.due(tries, fault.after)), true, tries == retry::ALARM_AFTER)
        }
        Class::Wait(_) => (None, false, false),
        Class::Permanent => (None, true, true),
    };
    Change::Setback { due, counts, alarm, label: fault.label.clone(), detail: fault.detail.clone() }
}
