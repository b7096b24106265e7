//! When a PIN may be tried: pure, over a card's record and what its token shows.

use serde::{Deserialize, Serialize};

use super::{Ask, Granted, Outcome, Refusal};
use crate::PinFlags;

/// Failed tries since the last success that are made without force. Cards of the GPKI lock at three.
pub const LIMIT: u32 = 2;

/// How long a person's permit waits for its try, milliseconds: a day. It is meant for now, not for next month.
pub const PERMIT_LIFETIME: i64 = 24 * 60 * 60 * 1000;

/// What a person has granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permit {
    /// One try within [`LIMIT`].
    Once,
    /// One try, whatever the count, unless the card is locked.
    Forced,
}

/// A permit and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// What for.
    pub permit: Permit,
    /// When, Unix milliseconds.
    pub at: i64,
    /// Who.
    pub by: String,
    /// Their words.
    pub why: String,
}

/// A try in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trying {
    /// Identity of the source of the PIN.
    pub source: String,
    /// Since when, Unix milliseconds.
    pub at: i64,
    /// Who tries.
    pub by: String,
}

/// Why a try counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The card said that the PIN is wrong.
    Wrong,
    /// The card said that it is locked.
    Locked,
    /// No clear answer.
    Unclear,
    /// Whoever tried was gone before the answer.
    Interrupted,
}

/// A failed try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// When it began, Unix milliseconds.
    pub at: i64,
    /// Identity of the source of the PIN.
    pub source: String,
    /// Who tried.
    pub by: String,
    /// What came of it.
    pub why: Why,
}

/// All that is kept about a card. Nothing of it depends on the PIN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Record {
    /// Always [`FORMAT`]: a later one is not guessed at.
    pub(super) format: u32,
    /// The serial, so that a file under a wrong name is noticed.
    pub(super) card: String,
    /// Failed tries since the last success.
    pub(super) failed: u32,
    /// Failed tries before a success that no operation has proven yet: some modules take a PIN without asking the card,
    /// and present it later.
    pub(super) unproven: u32,
    /// Successes in a row that no operation has proven: each may have been a wrong PIN that the card counted later.
    #[serde(default)]
    pub(super) logins: u32,
    /// Tries left, by the vendor's last answer.
    pub(super) left: Option<u32>,
    /// The card was seen locked.
    pub(super) locked: bool,
    /// Sources tried since the last success, the newest last; [`REMEMBERED`] at most.
    pub(super) tried: Vec<String>,
    /// The try in progress.
    pub(super) trying: Option<Trying>,
    pub(super) permit: Option<Permission>,
    pub(super) last_failure: Option<Failure>,
    pub(super) last_success: Option<i64>,
}

impl Record {
    pub(super) fn fresh(card: &str) -> Self {
        Self {
            format: FORMAT,
            card: card.to_owned(),
            failed: 0,
            unproven: 0,
            logins: 0,
            left: None,
            locked: false,
            tried: Vec::new(),
            trying: None,
            permit: None,
            last_failure: None,
            last_success: None,
        }
    }

    /// A try that nobody is making any more has failed; and so have successes that nothing has proven, once there are
    /// as many as tries that may fail.
    pub(super) fn settle(&mut self) {
        self.count(Why::Interrupted);
        if self.logins >= LIMIT {
            self.failed = self.failed.max(self.unproven).saturating_add(self.logins);
            self.logins = 0;
        }
    }

    /// The try is about to be made. Uses up the permit, whether it was needed or not: it was for the next try.
    pub(super) fn start(&mut self, source: &str, by: &str, now: i64) {
        self.permit = None;
        self.trying = Some(Trying { source: source.to_owned(), at: now, by: by.to_owned() });
    }

    /// The module says that the card took the PIN of the try in progress.
    pub(super) fn succeed(&mut self, now: i64) {
        let unproven = self.failed.max(self.unproven);
        let logins = self.logins.saturating_add(1);
        let last_failure = self.last_failure.take();
        *self = Self { unproven, logins, last_failure, last_success: Some(now), ..Self::fresh(&self.card) };
    }

    /// The try in progress came out like this.
    pub(super) fn fail(&mut self, outcome: Outcome) {
        self.count(match outcome {
            Outcome::Wrong { .. } => Why::Wrong,
            Outcome::Locked => Why::Locked,
            Outcome::Unclear => Why::Unclear,
        });
        match outcome {
            Outcome::Wrong { left: Some(left) } => self.left = Some(left),
            Outcome::Locked => (self.left, self.locked) = (Some(0), true),
            Outcome::Wrong { left: None } | Outcome::Unclear => {}
        }
    }

    fn count(&mut self, why: Why) {
        let Some(Trying { source, at, by }) = self.trying.take() else { return };
        // A success that nothing has proven may have been none.
        self.failed = self.failed.max(self.unproven).saturating_add(1);
        self.logins = 0;
        self.tried.retain(|tried| *tried != source);
        self.tried.push(source.clone());
        if self.tried.len() > REMEMBERED {
            self.tried.remove(0);
        }
        // Where no new figure comes the old one, less the try that the card may have counted, is the safe guess.
        self.left = self.left.map(|left| left.saturating_sub(1).max(1));
        self.last_failure = Some(Failure { at, source, by, why });
    }

    /// The permit, unless it is too old. A clock that went back makes it too old as well.
    pub(super) fn permit_at(&self, now: i64) -> Option<&Permission> {
        let fresh = |p: &&Permission| (0..PERMIT_LIFETIME).contains(&now.saturating_sub(p.at));
        self.permit.as_ref().filter(fresh)
    }

    pub(super) fn grant(
        &mut self,
        ask: Ask,
        flags: Option<PinFlags>,
        limit: u32,
        by: &str,
        why: &str,
        now: i64,
    ) -> Result<Granted, Refusal> {
        let seen = flags.unwrap_or_default();
        if ask == Ask::Unlocked && self.locked {
            // Whatever flags were seen: they may be from before. If they still are true the next try finds them.
            let kept = (self.last_failure.take(), self.last_success);
            *self = Self::fresh(&self.card);
            (self.last_failure, self.last_success) = kept;
            return Ok(Granted::Given { failed: 0, left: None });
        }
        if self.locked || seen.locked {
            return Err(Refusal::Locked);
        }
        let last = last_try(self, seen);
        let permit = match ask {
            Ask::Once if last => return Err(Refusal::LastTry),
            Ask::Once if self.failed >= limit => {
                return Err(Refusal::Spent { failed: self.failed, left: self.left });
            }
            Ask::Once if self.failed == 0 => return Ok(Granted::NotNeeded),
            Ask::Unlocked => return Ok(Granted::NotNeeded),
            Ask::Once => Permit::Once,
            // Even if nothing is seen to stand in the way: flags may be from before.
            Ask::Forced => Permit::Forced,
        };
        self.permit = Some(Permission { permit, at: now, by: shorten(by), why: shorten(why) });
        let left = if seen.final_try { Some(1) } else { self.left };
        Ok(Granted::Given { failed: self.failed, left })
    }
}

/// Whether a PIN from `source` may be presented; without a source, one from a source that was tried before.
pub(super) fn may_try(
    record: &Record,
    source: Option<&str>,
    flags: PinFlags,
    limit: u32,
    now: i64,
) -> Result<(), Refusal> {
    let (failed, left) = (record.failed, record.left);
    if flags.locked || record.locked {
        return Err(Refusal::Locked);
    }
    let permit = record.permit_at(now).map(|p| p.permit);
    if permit == Some(Permit::Forced) {
        return Ok(());
    }
    if last_try(record, flags) {
        return Err(Refusal::LastTry);
    }
    if failed >= limit {
        return Err(Refusal::Spent { failed, left });
    }
    let tried = source.is_none_or(|source| record.tried.iter().any(|tried| tried == source));
    if permit.is_none() && failed > 0 && tried {
        return Err(Refusal::Stopped { failed, left });
    }
    Ok(())
}

fn last_try(record: &Record, flags: PinFlags) -> bool {
    flags.final_try || record.left.is_some_and(|left| left <= 1)
}

/// People's words are kept, but not books.
fn shorten(words: &str) -> String {
    words.chars().take(200).collect()
}

pub(super) const FORMAT: u32 = 1;

/// More than [`LIMIT`] are never looked at.
const REMEMBERED: usize = 8;
