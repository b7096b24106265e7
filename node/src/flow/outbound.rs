//! What we send: the document until it is sealed (and again when a resend is asked for), each part until the
//! center has it. Where a recipient stands follows from receipts, by the moves of [`store::state`].

use store::outbound::{DocumentRow, PartRow};
use store::state::Document;

use super::{Act, Change, DIED, Facts, Fault, Outcome, Pace, When, Why, missing, setback};

/// A document as far as deciding needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentRecord {
    /// Where it stands by itself.
    pub state: Document,
    /// A resend is asked for.
    pub resend: bool,
    /// Pauses and troubles.
    pub pace: Pace,
}

/// A part as far as deciding needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRecord {
    /// The center's receipt is stored (and nobody asked to submit it again).
    pub accepted: bool,
    /// Nothing more will happen to it.
    pub settled: bool,
    /// Pauses and troubles.
    pub pace: Pace,
}

impl From<&store::outbound::Trouble> for Pace {
    fn from(t: &store::outbound::Trouble) -> Self {
        Self { held: t.held, due: t.due, attempts: t.attempts, begun: t.begun }
    }
}

impl From<&DocumentRow> for DocumentRecord {
    /// A sealed document that is due is one that a resend is asked for: nothing else makes it due.
    fn from(row: &DocumentRow) -> Self {
        Self { state: row.state, resend: row.state == Document::Sealed, pace: Pace::from(&row.trouble) }
    }
}

impl From<&PartRow> for PartRecord {
    /// An accepted part that is due is one that the center lost: it is submitted again.
    fn from(row: &PartRow) -> Self {
        Self {
            accepted: row.accepted_at.is_some() && row.trouble.due.is_none(),
            settled: row.settled,
            pace: Pace::from(&row.trouble),
        }
    }
}

/// What to do next with a document.
#[must_use]
pub fn decide(record: &DocumentRecord, facts: &Facts) -> Act {
    let act = match record.state {
        Document::Claimed => Act::Seal,
        Document::Sealed if record.resend => Act::Reseal,
        Document::Sealed | Document::Refused => return Act::Nothing,
    };
    if let Some(first) = record.pace.before(facts) {
        return first;
    }
    // The link is not needed where every recipient's entry is still fresh: sealing itself says if it is.
    missing(&[Why::Permission, Why::Certificate, Why::Clock, Why::Key, Why::Disk], facts).unwrap_or(act)
}

/// Whether a unit that was just taken, and is not recorded yet, may be sealed now.
#[must_use]
pub fn may_seal_at_once(facts: &Facts) -> bool {
    let fresh = Pace { due: Some(facts.now), ..Pace::default() };
    let record = DocumentRecord { state: Document::Claimed, resend: false, pace: fresh };
    facts.direct && decide(&record, facts) == Act::Seal
}

/// Whether a part that was just sealed may be submitted with the record of its sealing.
#[must_use]
pub fn may_submit_at_once(facts: &Facts) -> bool {
    let fresh = Pace { due: Some(facts.now), ..Pace::default() };
    facts.direct
        && decide_part(&PartRecord { accepted: false, settled: false, pace: fresh }, facts) == Act::Submit
}

/// What to do next with a part.
#[must_use]
pub fn decide_part(record: &PartRecord, facts: &Facts) -> Act {
    if record.settled || record.accepted {
        return Act::Nothing;
    }
    if let Some(first) = record.pace.before(facts) {
        return first;
    }
    missing(&[Why::Permission, Why::Link, Why::Disk], facts).unwrap_or(Act::Submit)
}

/// What the outcome of sealing changes.
#[must_use]
pub fn apply(record: &DocumentRecord, outcome: &Outcome, when: &When) -> Change {
    match outcome {
        Outcome::Done => Change::Forward,
        Outcome::Bad { label, detail } => match record.state {
            Document::Claimed => Change::Refuse { label: label.clone(), detail: detail.clone() },
            // Already at the other side: a resend that cannot be made stops and a person is told.
            _ => setback(&record.pace, &Fault::permanent(label, detail), when),
        },
        Outcome::Gone { label, detail } => setback(&record.pace, &Fault::permanent(label, detail), when),
        Outcome::Fault(fault) => setback(&record.pace, fault, when),
        Outcome::Stopped => stopped(when.now),
    }
}

/// What the outcome of submitting changes.
#[must_use]
pub fn apply_part(record: &PartRecord, outcome: &Outcome, when: &When) -> Change {
    match outcome {
        Outcome::Done => Change::Forward,
        Outcome::Bad { label, detail } | Outcome::Gone { label, detail } => {
            setback(&record.pace, &Fault::permanent(label, detail), when)
        }
        Outcome::Fault(fault) => setback(&record.pace, fault, when),
        Outcome::Stopped => stopped(when.now),
    }
}

/// What setting apart changes: it stays where it is, with an alarm, until a person acts.
#[must_use]
pub fn set_apart() -> Change {
    Change::Setback { due: None, counts: true, alarm: true, label: DIED.into(), detail: String::new() }
}

/// As if it had not been begun.
pub(super) const fn stopped(now: i64) -> Change {
    Change::Setback {
        due: Some(now),
        counts: false,
        alarm: false,
        label: String::new(),
        detail: String::new(),
    }
}
