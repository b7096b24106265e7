//! What stands between a PIN and a card: the guard, the source, a clock.

use crate::error::Error;
use crate::guard::{Answer, Attempt, Guard, Outcome, Refusal};
use crate::pin::{Entry, Generation, Supply};
use crate::state::Token;
use std::fmt;
use std::sync::Arc;

/// The guard, the source of the PIN, and who asks. Cheap to clone.
#[derive(Clone)]
pub struct Pins {
    guard: Guard,
    supply: Option<Supply>,
    by: Arc<str>,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl Pins {
    /// `by` names who tries, for people ("service", "doctor"); `clock` gives Unix milliseconds.
    pub fn new(
        guard: Guard,
        supply: Option<Supply>,
        by: &str,
        clock: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self { guard, supply, by: by.into(), clock: Arc::new(clock) }
    }

    /// Takes the PIN from another source from now on.
    pub fn set_supply(&mut self, supply: Supply) {
        self.supply = Some(supply);
    }

    /// The guard.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Reads the PIN and asks the guard. When it returns, the try is on disk, and has to be settled.
    pub(crate) fn begin(&self, token: &Token) -> Result<(Attempt, Entry), Error> {
        let entry = self.supply.as_ref().ok_or(Error::PinNeeded)?.entry()?;
        entry.pin.fits(token.pin_min, token.pin_max)?;
        let attempt = self.guard.begin(&token.serial, &entry.generation, token.pin, &self.by, self.now())?;
        Ok((attempt, entry))
    }

    /// Records how a presentation came out. `Ok(true)`: the card took the PIN. `Ok(false)`: it was not presented.
    pub(crate) fn settle(&self, attempt: Attempt, answer: Answer) -> Result<bool, Error> {
        match answer {
            Answer::Success => attempt.succeeded(self.now()).map(|()| true).map_err(Error::Pin),
            Answer::NotPresented => attempt.not_presented().map(|()| false).map_err(Error::Pin),
            Answer::Failed(outcome) => Err(Error::Pin(attempt.failed(outcome))),
        }
    }

    /// A PIN error that came without our presenting one, from a module that keeps the PIN of the login.
    pub(crate) fn noticed(&self, token: &Token, of: &Generation, outcome: Outcome) -> Refusal {
        self.guard.noticed(&token.serial, of, outcome, &self.by, self.now())
    }

    /// An operation has failed, and nobody knows whether the module has presented the PIN again.
    pub(crate) fn doubted(&self, token: &Token) {
        if let Err(refusal) = self.guard.doubted(&token.serial) {
            tracing::warn!(%refusal, "a doubt about the PIN could not be recorded");
        }
    }

    /// A private key has worked: the login before it was a real one.
    pub(crate) fn proved(&self, token: &Token) {
        if let Err(refusal) = self.guard.proved(&token.serial) {
            tracing::warn!(%refusal, "the proof of a login could not be recorded");
        }
    }

    fn now(&self) -> i64 {
        (self.clock)()
    }
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pins").field("by", &self.by).field("supply", &self.supply).finish_non_exhaustive()
    }
}
