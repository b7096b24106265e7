//! The shortcut of what goes out: small units are sealed before they are recorded, while the facts allow it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use store::outbound::{Claim, Sealing};
use store::queue::Target;

use super::job;
use crate::act::memory::Room;
use crate::act::{Tools, ahead, seal};
use crate::flow::{Act, Facts, outbound};
use crate::intake::AtOnce;

/// What the intake asks; decided by the same facts as every other step.
pub(crate) struct Direct(pub(crate) Tools);

impl Direct {
    fn facts(&self) -> Facts {
        self.0.ahead.facts(self.0.now())
    }
}

impl AtOnce for Direct {
    fn may(&self, bytes: u64) -> Option<Room> {
        // A card is asked by those who know that it can be pulled.
        let may = self.0.card.is_none() && outbound::may_seal_at_once(&self.facts());
        may.then(|| self.0.memory.room(bytes)).flatten()
    }

    fn seal(&self, claim: &Claim, files: Vec<Vec<u8>>) -> Option<Sealing> {
        let seal = || seal::at_once(&self.0, claim, files, self.0.now());
        // What is wrong with it is found again once it is claimed, and recorded then; a panic, too.
        let sealed = catch_unwind(AssertUnwindSafe(seal)).ok()?;
        sealed.inspect_err(|outcome| tracing::debug!(?outcome, "not sealed at once")).ok()
    }

    fn record(&self, claim: Claim, sealing: Sealing) -> Result<bool, store::Error> {
        let may = sealing.parts.len() == 1 && outbound::may_submit_at_once(&self.facts());
        let place = may.then(|| self.0.ahead.place()).flatten();
        let begin = place.as_ref().and_then(|_| ahead::begin(Act::Submit, &job::when(&self.0)));
        let recorded = self.0.store.claim_sealed(claim, sealing, begin, self.0.now()).wait()?;
        let Some(parts) = recorded else { return Ok(false) };
        match (place, parts.first()) {
            (Some(place), Some(part)) => self.0.ahead.begun(Target::Part(*part), place),
            _ => self.0.claimed.notify_one(),
        }
        Ok(true)
    }
}
