//! Steps that are begun with the record that makes them possible: one commit instead of two, and no look into the store to
//! find what is known to be there.
//!
//! A small unit is sealed and its part submitted; a small document is offered and fetched. Where there is a place, the
//! beginning of the second is recorded with the first, and the loop is handed the row's number. Everything else goes the
//! usual way: due, found, begun.

use std::sync::{Arc, Mutex, PoisonError};

use store::queue::{Begin, Target};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::flow::{Act, Facts, When};
use crate::run::jump;

/// A place for a step that is begun ahead.
pub(crate) type Place = OwnedSemaphorePermit;

/// A step that was begun, with its place.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) target: Target,
    pub(crate) place: Place,
}

/// Places, and the way to the loop. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ahead {
    places: Arc<Semaphore>,
    facts: watch::Receiver<Facts>,
    tell: mpsc::UnboundedSender<Begun>,
    /// Both clocks as the loop saw them last.
    clocks: Arc<Mutex<(i64, Instant)>>,
}

impl Ahead {
    /// With so many places, for what these facts allow.
    pub(crate) fn new(
        places: usize,
        facts: watch::Receiver<Facts>,
    ) -> (Self, mpsc::UnboundedReceiver<Begun>) {
        let (tell, told) = mpsc::unbounded_channel();
        let places = Arc::new(Semaphore::new(places));
        (Self { places, facts, tell, clocks: Arc::new(Mutex::new((0, Instant::now()))) }, told)
    }

    /// What the loop knows, at `now`. If the clock jumped since it looked, it knows nothing of the time.
    pub(crate) fn facts(&self, now: i64) -> Facts {
        let facts = *self.facts.borrow();
        let seen = *self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        Facts { now, direct: facts.direct && jump(seen, (now, Instant::now())) == 0, ..facts }
    }

    /// Both clocks, at each turn of the loop.
    pub(crate) fn looked(&self, wall: i64, steady: Instant) {
        *self.clocks.lock().unwrap_or_else(PoisonError::into_inner) = (wall, steady);
    }

    /// A place, if there is one.
    pub(crate) fn place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// As [`Self::place`], at most so many.
    pub(crate) fn places(&self, most: usize) -> Vec<Place> {
        (0..most).map_while(|_| self.place()).collect()
    }

    /// Hands a step that was recorded as begun to the loop. A loop that has ended begins it after the next start.
    pub(crate) fn begun(&self, target: Target, place: Place) {
        let _ = self.tell.send(Begun { target, place });
    }
}

/// How the beginning of `act` is recorded.
pub(crate) fn begin(act: Act, when: &When) -> Option<Begin> {
    act.step().map(|step| Begin { step, due: when.first() })
}
