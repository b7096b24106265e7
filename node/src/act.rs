//! Performs one step with typed values: the only part that composes `di-format`, `envelope`, `wire` (through
//! [`crate::link`]), `store` and the folders. It decides nothing about the flow: every step ends in an
//! [`Outcome`] that [`crate::flow`] turns into a change.
//!
//! - [`mod@unit`] reads and checks what was claimed, [`seal`] signs and seals it, [`submit`] hands a part over;
//! - [`fetch`] and [`open`] take what arrived to the archive, [`answer`] signs and reports receipts;
//! - [`outcome`] reads the receipts of others; [`directory`] knows whom to seal to and whom to believe, [`trust`] whether
//!   certificates are revoked;
//! - `ahead` begins a step with the record that makes it possible;
//! - [`recall`] asks the center what a restored node has forgotten;
//! - [`upkeep`] does what belongs to no document.

use std::sync::Arc;

use config::NodeConfig;
use store::Store;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::flow::{Fault, Outcome, Why};
use crate::link::Link;
use crate::parts::Parts;

pub(crate) mod ahead;
pub mod answer;
pub mod directory;
pub mod expiry;
pub mod fetch;
pub mod late;
mod link;
pub(crate) mod memory;
pub mod open;
pub mod outcome;
pub mod recall;
pub mod scan;
pub mod seal;
pub mod submit;
pub mod trust;
pub mod unit;
pub mod upkeep;

/// Everything that a step works with. Cheap to clone.
#[derive(Clone)]
pub struct Tools {
    /// Settings.
    pub config: Arc<NodeConfig>,
    /// Rows, journal, spool.
    pub store: Store,
    /// The center.
    pub link: Link,
    /// Keys and anchors.
    pub parts: Parts,
    /// Whom to seal to, whom to believe.
    pub directory: directory::Directory,
    /// Whether certificates are revoked.
    pub revocation: revocation::Checker,
    /// The card, where the settings name one.
    pub(crate) card: Option<crate::card::Desk>,
    /// As many turns as there are cores: RSA and hashing never take more. Who waits for a card gives its turn back.
    pub cores: Arc<Semaphore>,
    /// Rung when there is something new to decide.
    pub wake: Arc<Notify>,
    /// Rung when a unit was claimed.
    pub claimed: Arc<Notify>,
    /// Steps that begin with the record before them.
    pub(crate) ahead: ahead::Ahead,
    /// How much of documents may lie in memory.
    pub(crate) memory: memory::Memory,
    /// Cancelled when the node stops and waits no longer: an act is then given up, and that is recorded.
    pub cut: CancellationToken,
    /// What is wrong with the node as a whole.
    pub troubles: crate::trouble::Troubles,
    /// Unix milliseconds; the loop's clock.
    pub clock: fn() -> i64,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").field("parts", &self.parts).finish_non_exhaustive()
    }
}

/// How a step ends that did not do what it was for.
pub type Step<T> = Result<T, Outcome>;

impl Tools {
    /// Now.
    #[must_use]
    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Runs blocking work (disk, hashing, RSA) on a thread of its own, as many at a time as there are cores.
    ///
    /// # Errors
    /// Those of the work; a panic in it is a [`Fault`] to try again.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Step<T> + Send + 'static,
    ) -> Step<T> {
        let Ok(turn) = self.cores.clone().acquire_owned().await else { return Err(Outcome::Stopped) };
        let tools = self.clone();
        let span = tracing::Span::current();
        let turns = Arc::clone(&self.cores);
        let joined = tokio::task::spawn_blocking(move || {
            crate::card::with_turn(turn, turns, || span.in_scope(|| work(&tools)))
        })
        .await;
        joined.unwrap_or_else(|error| Err(Outcome::Fault(Fault::retry("internal-panic", error.to_string()))))
    }
}

/// The label of a step that panicked; more in the log.
pub const LABELS: &[&str] = &[
    "internal-panic",
    unit::SECRET,
    unit::NO_RECIPIENT,
    unit::TOO_MANY,
    unit::TOO_LARGE,
    unit::SENDER,
    unit::MISSING,
    unit::STRICT,
    unit::INVALID,
    unit::UNREADABLE,
    directory::BAD_CODES,
    directory::UNTRUSTED,
    directory::SET_BACK,
    directory::OWN_MISSING,
    directory::OWN_KEY,
    submit::RECEIPT_INVALID,
    fetch::MISMATCH,
    fetch::OLD_OFFER,
    open::CONTRADICTION,
    open::WRONG_SENDER,
    open::NOT_ADDRESSED,
    open::SENDER_UNKNOWN,
    open::KEY_CHANGED,
    scan::REFUSED,
    scan::DOWN,
    outcome::INVALID,
    answer::BY_PERSON,
    seal::CONTAINER_GONE,
    trust::OWN_EXPIRED,
    trust::OWN_NOT_YET,
    trust::OWN_REVOKED,
    trust::OWN_HELD,
    trust::OWN_UNUSABLE,
];

/// Trouble of the store, which is never the document's fault.
pub(crate) fn store_trouble(error: &store::Error) -> Outcome {
    let detail = crate::error::chain(error);
    match (error, error.class()) {
        // Somebody was faster (a person's abandon, a later round): nothing to record.
        (store::Error::Moved { .. } | store::Error::Closed, _) => Outcome::Stopped,
        (store::Error::Full(_) | store::Error::Disk { .. }, _) => {
            Outcome::Fault(Fault::wait(Why::Disk, detail))
        }
        (_, store::Class::Permanent) => Outcome::Fault(Fault::permanent(error.label(), detail)),
        (_, store::Class::Wait | store::Class::Retry) => Outcome::Fault(Fault::retry(error.label(), detail)),
    }
}

/// Trouble of our own files.
pub(crate) fn io_trouble(label: &str, error: &std::io::Error) -> Outcome {
    use std::io::ErrorKind;
    Outcome::Fault(match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem => {
            Fault::wait(Why::Disk, error.to_string())
        }
        _ => Fault::retry(label, error.to_string()),
    })
}

/// Trouble of keys and containers where the fault is ours, or nobody's.
pub(crate) fn own_trouble(error: &envelope::Error) -> Outcome {
    let detail = crate::error::chain(error);
    if let envelope::Error::Io(source) = error {
        return io_trouble("envelope-io", source);
    }
    Outcome::Fault(match error.class() {
        envelope::Class::Wait => Fault::wait(Why::Key, detail),
        envelope::Class::Retry => Fault::retry(error.label(), detail),
        envelope::Class::Permanent => Fault::permanent(error.label(), detail),
    })
}

/// What another's bytes are worth: their fault makes the document bad, ours does not.
pub(crate) fn peer_trouble(error: &envelope::Error) -> Outcome {
    match error.fault() {
        envelope::Fault::Peer => {
            Outcome::Bad { label: error.label().into(), detail: crate::error::chain(error) }
        }
        envelope::Fault::Ours => own_trouble(error),
    }
}

/// Trouble on the way to the center, or a refusal of it.
pub(crate) fn link_trouble(error: &crate::link::Error) -> Outcome {
    link::trouble(error)
}

/// 10-character organisation of a mailbox code.
pub(crate) fn organisation(code: &str) -> &str {
    code.get(..10).unwrap_or(code)
}

/// As large as what passes through it, up to a limit: a large buffer costs more to make than a small letter to copy.
fn buffer(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX).clamp(4 << 10, 1 << 16)
}
