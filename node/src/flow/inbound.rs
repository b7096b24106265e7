//! What we receive: offered → fetched → archived (or set apart) → answered.

use store::inbound::InboundRow;
use store::state::Inbound;

use super::outbound::stopped;
use super::{Act, Change, DIED, Facts, Outcome, Pace, When, Why, missing, setback};

/// A received document as far as deciding needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub state: Inbound,
    /// Pauses and troubles.
    pub pace: Pace,
}

impl From<&InboundRow> for Record {
    fn from(row: &InboundRow) -> Self {
        Self { state: row.state, pace: Pace::from(&row.trouble) }
    }
}

/// Whether a document that was just offered may be fetched with the record of its offer.
#[must_use]
pub fn may_fetch_at_once(facts: &Facts) -> bool {
    let fresh = Pace { due: Some(facts.now), ..Pace::default() };
    facts.direct && decide(&Record { state: Inbound::Offered, pace: fresh }, facts) == Act::Fetch
}

/// What to do next. Answers are not decided one by one: they are signed together ([`answers`]).
#[must_use]
pub fn decide(record: &Record, facts: &Facts) -> Act {
    let (act, needs): (Act, &[Why]) = match record.state {
        Inbound::Offered => (Act::Fetch, &[Why::Link, Why::Disk]),
        Inbound::Fetched => (Act::Open, &[Why::Key, Why::Clock, Why::Scanner, Why::Disk]),
        Inbound::Archived | Inbound::Confirmed | Inbound::Quarantined | Inbound::Reported => {
            return Act::Nothing;
        }
    };
    if let Some(first) = record.pace.before(facts) {
        return first;
    }
    missing(needs, facts).unwrap_or(act)
}

/// What an outcome changes.
///
/// A document is sent back ([`Outcome::Bad`]) only from [`Act::Open`]: what could not be fetched was never seen.
#[must_use]
pub fn apply(record: &Record, outcome: &Outcome, when: &When) -> Change {
    match outcome {
        Outcome::Done => Change::Forward,
        Outcome::Bad { label, detail } => {
            let answer = record.state == Inbound::Fetched;
            Change::Quarantine { label: label.clone(), detail: detail.clone(), answer }
        }
        Outcome::Gone { label, detail } => {
            let due = when.due(record.pace.attempts.max(1), 0);
            match record.state {
                Inbound::Fetched => Change::FetchAgain { label: label.clone(), detail: detail.clone(), due },
                _ => Change::Setback {
                    due: Some(due),
                    counts: true,
                    alarm: false,
                    label: label.clone(),
                    detail: detail.clone(),
                },
            }
        }
        Outcome::Fault(fault) => setback(&record.pace, fault, when),
        Outcome::Stopped => stopped(when.now),
    }
}

/// What setting apart changes: quarantined, and nothing is said to the sender, since the fault may be ours.
#[must_use]
pub fn set_apart() -> Change {
    Change::Quarantine { label: DIED.into(), detail: String::new(), answer: false }
}

/// How many of `waiting` answers to sign now: all that accumulated (at most `most`) as soon as the signer is
/// idle, none while it signs the batch before. No fixed waiting.
#[must_use]
pub fn answers(waiting: usize, signing: bool, most: usize, facts: &Facts) -> usize {
    if signing || !facts.sign || !facts.clock || facts.stopping { 0 } else { waiting.min(most) }
}
