//! The guard of the PIN: no sequence of failures, crashes and restarts spends the try that locks the card.
//!
//! Three wrong PINs lock a card, and a locked card stops an office for days. So before every presentation of a PIN
//! (`C_Login`, and every login for a single signature) a record on disk says so, durably; only the card's own "right"
//! takes it away. What is found "in progress" by somebody else counts as failed: the program hung, crashed, was killed
//! or lost power inside the login, and nobody can say what the card counted.
//!
//! - [`Guard::begin`] is the only way to an [`Attempt`], and an [`Attempt`] is the licence for exactly one presentation.
//! - [`Guard::grant`] is how a person allows one more; [`Guard::status`] says how a card stands.
//! - The rules themselves are in `rules`, pure; `file` keeps the records; [`Answer`] reads what the module answered.
//!
//! The rules:
//! 1. One failed try, and nothing is tried again by itself, until a person grants one try or the PIN comes from a source
//!    that was not tried since the last success (a rewritten file; see [`Generation`]).
//! 2. In all at most [`LIMIT`] failed tries since the last success, whatever the PINs and wherever from. Beyond that, and
//!    whenever the card says that one try is left, each single try needs a person's [`Permit::Forced`].
//! 3. A locked card is never tried. A success that no operation with a key has proven may have been none: two of them in
//!    a row count as two failed tries.
//! 4. What cannot be recorded is not tried. A record that cannot be read is never taken for a fresh one.
//!
//! A card that was used elsewhere between (a browser, the vendor's tool) may have fewer tries left than these rules
//! assume; there only what the token or the vendor's answer says helps, and both are heeded. A record is text that a
//! person can read; nothing in it is derived from the PIN.

mod answer;
mod error;
mod file;
mod place;
mod rules;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;

use crate::PinFlags;
use crate::pin::Generation;
use file::{Folder, Found};

pub use answer::{Answer, Outcome};
pub use error::{LABELS, Refusal};
pub use place::{MACHINE, Place};
pub use rules::{Failure, LIMIT, PERMIT_LIFETIME, Permission, Permit, Trying, Why};
use rules::{Record, may_try};

/// The guard over a folder of records, one per card.
///
/// Cheap to clone. Any number of processes may guard the same folder; the records of one card are worked on by one at
/// a time, under an advisory lock that ends with its process.
#[derive(Debug, Clone)]
pub struct Guard {
    folder: Folder,
    limit: u32,
}

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// One more try, within the two.
    Once,
    /// One more try although it may be the one that locks the card.
    Forced,
    /// The authority has unlocked the card: the count starts anew. Heard only if the card was seen locked, so that a
    /// wrong answer to the question harms nothing: a card that is still locked has no try to lose.
    Unlocked,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// The next try is allowed.
    Given {
        /// Failed tries since the last success, as far as we know.
        failed: u32,
        /// How many tries the card has left, where known.
        left: Option<u32>,
    },
    /// Nothing stood in the way; nothing was changed.
    NotNeeded,
}

/// How a card stands.
#[derive(Debug, Clone)]
pub struct Status {
    /// The card's serial.
    pub card: String,
    /// Failed tries since the last success, unclear and interrupted ones included.
    pub failed: u32,
    /// How many tries the card has left, where the card or the vendor's answer said so.
    pub left: Option<u32>,
    /// The card was seen locked.
    pub locked: bool,
    /// A try that somebody is making this moment.
    pub trying: Option<Trying>,
    /// What a person has granted and nobody has used.
    pub permit: Option<Permission>,
    /// The last failed try.
    pub last_failure: Option<Failure>,
    /// When a PIN was last right, Unix milliseconds.
    pub last_success: Option<i64>,
    /// What stands in the way of a try with a PIN source that was tried before; none if it would be made.
    pub refusal: Option<Refusal>,
}

/// The licence for one presentation of the PIN. Dropped without an answer it stays on record, and counts as failed.
#[derive(Debug)]
#[must_use = "an attempt without an answer counts as a failed try"]
pub struct Attempt {
    folder: Folder,
    /// As it stands on disk, with the try in progress.
    record: Record,
    /// As it stood before, an interrupted try of somebody else already counted.
    before: Record,
    /// Held until the answer is on disk.
    _lock: File,
}

impl Guard {
    /// Over the records in `dir`, which is made if needed (mode 0700).
    ///
    /// # Errors
    /// [`Refusal::Unusable`].
    pub fn open(dir: &Path) -> Result<Self, Refusal> {
        Ok(Self { folder: Folder::open(dir)?, limit: LIMIT })
    }

    /// Over the records of a [`Place`]: where the service cannot know of our tries, ours end one earlier.
    ///
    /// # Errors
    /// [`Refusal::Unusable`].
    pub fn at(place: &Place) -> Result<Self, Refusal> {
        let limit = if place.shared { LIMIT } else { 1 };
        Ok(Self { folder: Folder::open(&place.dir)?, limit })
    }

    /// Asks for one presentation of a PIN from `source` to the card with this serial (trimmed), whose token shows
    /// `flags` right now. When it returns, the try is on disk. `by` names who tries, for people ("service", "doctor").
    ///
    /// A token without PIN flags shows none of them.
    ///
    /// # Errors
    /// Why there must be no try now; all of them class wait.
    pub fn begin(
        &self,
        card: &str,
        source: &Generation,
        flags: PinFlags,
        by: &str,
        now: i64,
    ) -> Result<Attempt, Refusal> {
        let lock = self.folder.lock(card)?.ok_or(Refusal::Busy)?;
        let mut before = self.read(card)?;
        before.settle();
        if flags.locked && !before.locked {
            // Remembered, so that a person is asked even if the token forgets.
            before.locked = true;
            self.folder.write(&before)?;
        }
        may_try(&before, Some(source.as_str()), flags, self.limit, now)?;
        let mut record = before.clone();
        record.start(source.as_str(), by, now);
        self.folder.write(&record)?;
        Ok(Attempt { folder: self.folder.clone(), record, before, _lock: lock })
    }

    /// A PIN error that no attempt stands for: a module that keeps the PIN and presents it again by itself has answered
    /// some other call with it. Counts as a failed try. Waits for a try that is being made; so never to be called with
    /// an [`Attempt`] for the same card in hand.
    ///
    /// Returns what to report upwards.
    pub fn noticed(&self, card: &str, source: &Generation, outcome: Outcome, by: &str, now: i64) -> Refusal {
        let counted = || {
            let _lock = self.folder.wait(card)?;
            let mut record = self.read(card)?;
            // The login before it took the PIN unseen: both are one presentation.
            record.logins = record.logins.saturating_sub(1);
            record.settle();
            record.start(source.as_str(), by, now);
            record.fail(outcome);
            self.folder.write(&record)?;
            Ok(record)
        };
        match counted() {
            Ok(record) => Refusal::after(outcome, &record),
            Err(refusal) => refusal,
        }
    }

    /// An operation after a login has failed without a word about the PIN. A module that keeps the PIN may have presented
    /// it again, so should the next login fail, this counts with it. Until then nothing is refused for it, and
    /// [`Guard::proved`] forgets it.
    ///
    /// # Errors
    /// [`Refusal::Unusable`], [`Refusal::Damaged`].
    pub fn doubted(&self, card: &str) -> Result<(), Refusal> {
        let _lock = self.folder.wait(card)?;
        let mut record = self.read(card)?;
        let doubted = record.unproven.max(record.failed.saturating_add(1));
        if record.unproven == doubted {
            return Ok(());
        }
        record.unproven = doubted;
        self.folder.write(&record)
    }

    /// A private key of the card has worked since the last success, so the card really took that PIN. To be called
    /// after the first operation that follows a login; writes only if there is something to forget.
    ///
    /// # Errors
    /// [`Refusal::Unusable`], [`Refusal::Damaged`]: what was counted stays remembered.
    pub fn proved(&self, card: &str) -> Result<(), Refusal> {
        let stands = |record: &Record| record.unproven == 0 && record.logins == 0;
        if stands(&self.read(card)?) {
            return Ok(());
        }
        let _lock = self.folder.wait(card)?;
        let mut record = self.read(card)?;
        (record.unproven, record.logins) = (0, 0);
        self.folder.write(&record)
    }

    /// How the card stands. Reads only.
    ///
    /// # Errors
    /// [`Refusal::Unusable`], [`Refusal::Damaged`].
    pub fn status(&self, card: &str, now: i64) -> Result<Status, Refusal> {
        let live = self.folder.is_busy(card)?;
        let mut record = self.read(card)?;
        let trying = record.trying.clone().filter(|_| live);
        if !live {
            record.settle();
        }
        let refusal = may_try(&record, None, PinFlags::default(), self.limit, now).err();
        Ok(Status {
            card: record.card.clone(),
            failed: record.failed,
            left: record.left,
            locked: record.locked,
            trying,
            permit: record.permit_at(now).cloned(),
            last_failure: record.last_failure,
            last_success: record.last_success,
            refusal,
        })
    }

    /// Serials of all cards on record, sorted.
    ///
    /// # Errors
    /// [`Refusal::Unusable`].
    pub fn cards(&self) -> Result<Vec<String>, Refusal> {
        self.folder.cards()
    }

    /// A person acts. `flags` are those of the token, if it can be seen; `by` is who, `why` their words.
    ///
    /// A permit is for the next try, whoever makes it and from whatever source, and ends after
    /// [`PERMIT_LIFETIME`]. A record that cannot be read gives way only to [`Ask::Forced`], and then counts as
    /// [`LIMIT`] failed tries.
    ///
    /// # Errors
    /// [`Refusal::Locked`], [`Refusal::LastTry`] and [`Refusal::Spent`] where more than [`Ask::Once`] is needed,
    /// [`Refusal::Busy`], [`Refusal::Damaged`], [`Refusal::Unusable`].
    pub fn grant(
        &self,
        card: &str,
        ask: Ask,
        flags: Option<PinFlags>,
        by: &str,
        why: &str,
        now: i64,
    ) -> Result<Granted, Refusal> {
        let _lock = self.folder.lock(card)?.ok_or(Refusal::Busy)?;
        let mut record = match self.folder.read(card)? {
            Found::Record(record) => *record,
            Found::Nothing => Record::fresh(card),
            Found::Damaged(path) if ask != Ask::Forced => return Err(Refusal::Damaged(path)),
            Found::Damaged(_) => {
                self.folder.set_aside(card)?;
                Record { failed: LIMIT, ..Record::fresh(card) }
            }
        };
        record.settle();
        let granted = record.grant(ask, flags, self.limit, by, why, now)?;
        if granted != Granted::NotNeeded {
            self.folder.write(&record)?;
        }
        Ok(granted)
    }

    fn read(&self, card: &str) -> Result<Record, Refusal> {
        match self.folder.read(card)? {
            Found::Record(record) => Ok(*record),
            Found::Nothing => Ok(Record::fresh(card)),
            Found::Damaged(path) => Err(Refusal::Damaged(path)),
        }
    }
}

impl Attempt {
    /// The card took the PIN: the count starts anew. What was counted before is remembered until [`Guard::proved`].
    ///
    /// # Errors
    /// [`Refusal::Unusable`]: the login stands, but the record still says "in progress", and the next try will find
    /// it so.
    pub fn succeeded(self, now: i64) -> Result<(), Refusal> {
        let mut record = self.record;
        record.succeed(now);
        // On a full disk a file can still be removed, and no record is a fresh one.
        self.folder.write(&record).or_else(|refusal| match (record.unproven, record.logins) {
            (0, 0 | 1) => self.folder.remove(&record.card),
            _ => Err(refusal),
        })
    }

    /// The card did not take it, or nobody knows. Returns what to report upwards.
    ///
    /// If this cannot be recorded the try stays "in progress" on disk, which counts the same.
    pub fn failed(mut self, outcome: Outcome) -> Refusal {
        self.record.fail(outcome);
        match self.folder.write(&self.record) {
            Ok(()) => Refusal::after(outcome, &self.record),
            Err(refusal) => refusal,
        }
    }

    /// The PIN certainly did not reach the card: `C_Login` was never called (the module was not loaded, the child was
    /// not there to be asked), or answered that it did nothing ([`Answer::NotPresented`]). All is as before, a person's
    /// permit included.
    ///
    /// # Errors
    /// [`Refusal::Unusable`]: then it counts as failed.
    pub fn not_presented(self) -> Result<(), Refusal> {
        self.folder.write(&self.before)
    }

    /// Whether the success before this try has not been proven by any operation: then this one must be, at once.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        self.before.logins > 0 || self.before.unproven > 0
    }

    /// Failed tries since the last success, before this one.
    #[must_use]
    pub fn failed_before(&self) -> u32 {
        self.before.failed
    }
}
