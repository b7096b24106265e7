//! The thread that keeps looking.

use super::{Settings, Snapshot, State};
use crate::Hint;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Keeps looking until it is dropped. Costs one mostly sleeping thread and one connection to the service.
pub struct Watcher {
    shared: Arc<Shared>,
    #[cfg(feature = "pcsc")]
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What the thread and its owner share.
struct Shared {
    desk: Mutex<Desk>,
    news: Condvar,
}

struct Desk {
    latest: Snapshot,
    #[cfg(feature = "pcsc")]
    stop: bool,
    /// The thread has nothing more to do.
    ended: bool,
    #[cfg(feature = "pcsc")]
    canceller: Option<pcsc::Context>,
}

impl Shared {
    fn new(first: State) -> Self {
        let latest = Snapshot::of(first);
        let desk = Desk {
            latest,
            #[cfg(feature = "pcsc")]
            stop: false,
            ended: false,
            #[cfg(feature = "pcsc")]
            canceller: None,
        };
        Self { desk: Mutex::new(desk), news: Condvar::new() }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// A watcher that does not look: its state stays [`State::Unwatched`]. For `presence = "off"`.
    #[must_use]
    pub fn off() -> Self {
        Self {
            shared: Arc::new(Shared::new(State::Unwatched)),
            #[cfg(feature = "pcsc")]
            thread: None,
        }
    }

    /// Starts looking; `told` is called from the watcher's thread with every snapshot that differs from the one before,
    /// the first one included. It should be quick: nothing is looked at meanwhile. Without PC/SC in this build, or
    /// without a thread to be had, the same as [`Watcher::off`].
    #[must_use]
    pub fn start(settings: Settings, told: impl FnMut(&Snapshot) + Send + 'static) -> Self {
        #[cfg(feature = "pcsc")]
        return watching::start(settings, told);
        #[cfg(not(feature = "pcsc"))]
        {
            let _ = (settings, told);
            Self::off()
        }
    }

    /// The same, for [`crate::Card::hint`]: what is there now, then every change. A card that was pulled and pushed in
    /// again between two looks is told as both. With nobody to look the only hint is [`Hint::Silent`].
    #[must_use]
    pub fn hints(settings: Settings, mut told: impl FnMut(Hint) + Send + 'static) -> Self {
        if cfg!(not(feature = "pcsc")) {
            told(Hint::Silent);
            return Self::off();
        }
        let mut before = State::Looking;
        Self::start(settings, move |seen| {
            let in_twice = matches!((&before, &seen.state), (State::CardIn { .. }, State::CardIn { .. }));
            if in_twice && before != seen.state {
                told(Hint::CardOut);
            }
            // another reader's news is no news
            if before != seen.state
                && let Some(hint) = seen.state.hint(&before)
            {
                told(hint);
            }
            before.clone_from(&seen.state);
        })
    }

    /// The latest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.desk().latest.clone()
    }

    /// Waits until the latest snapshot's turn is another than `turn`; None after `longest`, or when nobody looks.
    #[must_use]
    pub fn changed_since(&self, turn: u64, longest: Duration) -> Option<Snapshot> {
        let same = |desk: &mut Desk| desk.latest.turn == turn && !desk.ended;
        let desk = self.shared.desk();
        let (desk, _) =
            self.shared.news.wait_timeout_while(desk, longest, same).unwrap_or_else(PoisonError::into_inner);
        (desk.latest.turn != turn).then(|| desk.latest.clone())
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("latest", &self.shared.desk().latest).finish_non_exhaustive()
    }
}

#[cfg(feature = "pcsc")]
mod watching {
    use super::super::service::{Gone, SECOND_ASKING, Service};
    use super::{Arc, Desk, Duration, PoisonError, Settings, Shared, Snapshot, State, Watcher};

    /// A plain look now and then, whatever the service says or forgets to say.
    const LONGEST_WAIT: Duration = Duration::from_secs(5);
    /// Between attempts to connect: the first pause and the longest.
    const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
    /// Between two looks, so that a service that cries wolf cannot keep a core busy.
    const BREATH: Duration = Duration::from_millis(20);
    /// How long a drop waits for the thread. A service that hangs holds the thread; it then ends with the service, or with us.
    const PATIENCE: Duration = Duration::from_secs(2);

    pub(super) fn start(settings: Settings, told: impl FnMut(&Snapshot) + Send + 'static) -> Watcher {
        let shared = Arc::new(Shared::new(State::Looking));
        let eyes = Eyes { shared: Arc::clone(&shared), settings, told };
        match std::thread::Builder::new().name("card-presence".to_owned()).spawn(move || eyes.run()) {
            Ok(thread) => Watcher { shared, thread: Some(thread) },
            Err(error) => {
                tracing::warn!(%error, "no thread to watch for the card");
                Watcher::off()
            }
        }
    }

    struct Eyes<F> {
        shared: Arc<Shared>,
        settings: Settings,
        told: F,
    }

    impl<F: FnMut(&Snapshot)> Eyes<F> {
        fn run(mut self) {
            let mut pause = PAUSES.0;
            let mut hung_up = false;
            while !self.stopped() {
                match self.watch_one_connection() {
                    Ended::Stopped => break,
                    // it had worked before: whatever it says now, it is dying; ask again before believing anything
                    Ended::Broke => {
                        hung_up = false;
                        pause = PAUSES.0;
                    }
                    Ended::NotHad(Gone::HungUp) if !hung_up => {
                        hung_up = true;
                        self.rest(SECOND_ASKING);
                        continue;
                    }
                    Ended::NotHad(gone) => {
                        hung_up = gone == Gone::HungUp;
                        self.tell(Snapshot::of(gone.into()));
                        self.rest(pause);
                        pause = (pause * 2).min(PAUSES.1);
                        continue;
                    }
                }
                self.rest(BREATH);
            }
            let mut desk = self.shared.desk();
            desk.ended = true;
            desk.canceller = None;
            drop(desk);
            self.shared.news.notify_all();
        }

        /// Looks and waits over one connection until it breaks or we are stopped.
        fn watch_one_connection(&mut self) -> Ended {
            // told only when the first look has worked too: a refusing service hangs up anywhere in the beginning
            let first =
                Service::connect().and_then(|mut service| Ok((service.look(&self.settings)?, service)));
            let (seen, mut service) = match first {
                Ok(both) => both,
                Err(gone) => return Ended::NotHad(gone),
            };
            self.shared.desk().canceller = Some(service.canceller());
            self.tell(seen);
            let ended = loop {
                if self.stopped() {
                    break Ended::Stopped;
                }
                if service.wait(LONGEST_WAIT).is_err() {
                    break Ended::Broke;
                }
                if self.stopped() {
                    break Ended::Stopped;
                }
                match service.look(&self.settings) {
                    Ok(seen) => self.tell(seen),
                    Err(_) => break Ended::Broke,
                }
                self.rest(BREATH);
            };
            self.shared.desk().canceller = None;
            ended
        }

        fn tell(&mut self, mut seen: Snapshot) {
            let mut desk = self.shared.desk();
            seen.turn = desk.latest.turn;
            if seen == desk.latest {
                return;
            }
            seen.turn += 1;
            desk.latest = seen.clone();
            drop(desk);
            tracing::debug!(state = %seen.state, turn = seen.turn, "card presence");
            self.shared.news.notify_all();
            (self.told)(&seen);
        }

        fn stopped(&self) -> bool {
            self.shared.desk().stop
        }

        /// Sleeps, but not through a stop.
        fn rest(&self, longest: Duration) {
            let going = |desk: &mut Desk| !desk.stop;
            let desk = self.shared.desk();
            let _ = self.shared.news.wait_timeout_while(desk, longest, going);
        }
    }

    enum Ended {
        Stopped,
        /// A connection that had worked is no more.
        Broke,
        NotHad(Gone),
    }

    impl Drop for Watcher {
        fn drop(&mut self) {
            let Some(thread) = self.thread.take() else { return };
            self.shared.desk().stop = true;
            self.shared.news.notify_all();
            // Cancelling asks the service, and a service that hangs never answers: so not from this thread.
            let shared = Arc::clone(&self.shared);
            let _ = std::thread::Builder::new()
                .name("card-presence-end".to_owned())
                .spawn(move || cancel(&shared));
            let desk = self.shared.desk();
            let (desk, _) = self
                .shared
                .news
                .wait_timeout_while(desk, PATIENCE, |desk| !desk.ended)
                .unwrap_or_else(PoisonError::into_inner);
            let ended = desk.ended;
            drop(desk);
            if ended {
                let _ = thread.join();
            }
        }
    }

    /// Ends the wait of the watcher's thread. A cancel that comes before the wait is lost, so it is said until it is
    /// heard.
    fn cancel(shared: &Shared) {
        let mut desk = shared.desk();
        while !desk.ended {
            let canceller = desk.canceller.clone();
            drop(desk);
            if let Some(canceller) = canceller {
                let _ = canceller.cancel();
            }
            let waited = shared.news.wait_timeout_while(shared.desk(), BREATH, |desk| !desk.ended);
            desk = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
