//! The card's comings and goings as the loop sees them.

use tokio::sync::watch;

use super::{Dirty, Run, now};
use crate::card::{Desk, Moment};
use crate::flow::Why;
use crate::link::LinkState;

/// How long a job that found no card, while there is one, is left alone: the card came back just then. Milliseconds.
const JUST_MISSED: i64 = 1_000;

/// The card's next change; never, where there is none.
pub(super) async fn changed(moments: &mut Option<watch::Receiver<Moment>>) {
    if let Some(moments) = moments
        && moments.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// When the directory should be asked again whose card it must be; never, where there is none.
pub(super) async fn doubted(card: Option<&Desk>) {
    match card {
        Some(card) => card.doubted().await,
        None => std::future::pending().await,
    }
}

impl Run {
    /// Everything that needs the card begins or waits, as the card is there or not. No attempt is spent by waiting.
    pub(super) async fn card_changed(&mut self, moment: &Moment) {
        let ready = moment.state.is_ready();
        self.facts.send_modify(|facts| (facts.sign, facts.unwrap) = (ready, ready));
        if !ready {
            return;
        }
        self.away.remove(&Why::Key);
        self.wake(&[Why::Key]).await;
        if self.tools.link.state().borrow().up().is_none() {
            // It may be the login that waited for the card.
            self.tools.link.retry_now();
        }
        self.dirty = Dirty::ALL;
    }

    /// Until when the card counts as away for a job that found it so: until it tells that it is back.
    pub(super) fn card_away(&self, card: &Desk) -> i64 {
        if card.moment().state.is_ready() { now() + JUST_MISSED } else { i64::MAX }
    }

    /// The center may know another certificate than the one that the card must have by what it said earlier.
    pub(super) fn registration(&self, state: &LinkState) {
        if let Some(card) = &self.tools.card
            && state.is_stranger()
        {
            card.registration_changed();
        }
    }
}
