//! The supervisor's handle: what the rest of the program holds.

use crate::client::Listing;
use crate::error::Error;
use crate::hint::Hint;
use crate::identity::Expected;
use crate::owner::{Message, Owner};
use crate::pin::Supply;
use crate::pins::Pins;
use crate::settings::Settings;
use crate::state::{Info, State};
use envelope::key::{KeyError, KeyErrorKind, WrapScheme};
use envelope::{Certificate, Digest, SigningKey, UnwrapKey};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The card, kept ready by a thread of its own. Cheap to clone; with the last clone the thread and the helper end.
///
/// Calls wait in line and block; none of them waits for a card: what can not be done now fails with
/// [`Error::NotReady`], and [`Card::subscribe`] tells when that has changed.
#[derive(Clone)]
pub struct Card(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    inbox: Sender<Message>,
    authorities: Vec<Certificate>,
    queue: usize,
    thread: Mutex<Option<JoinHandle<()>>>,
}

type Listener = Box<dyn Fn(&State) + Send + Sync>;

/// What the owner thread tells everyone.
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    listeners: Mutex<Vec<Listener>>,
    /// The last card that was the right one.
    last: Mutex<Option<Arc<Info>>>,
    waiting: AtomicUsize,
    pid: AtomicU32,
    starts: AtomicU32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn state(&self) -> State {
        lock(&self.state).clone()
    }

    /// Announces a state, if it is news.
    pub(crate) fn announce(&self, state: &State) {
        if let State::Ready { info } = state {
            *lock(&self.last) = Some(Arc::clone(info));
        }
        {
            let mut current = lock(&self.state);
            if *current == *state {
                return;
            }
            tracing::info!(from = current.label(), to = %state, "card");
            *current = state.clone();
        }
        self.changed.notify_all();
        for listener in lock(&self.listeners).iter() {
            listener(state);
        }
    }

    /// Remembers a card that is the right one, whether it has had its PIN or not.
    pub(crate) fn remember(&self, info: &Arc<Info>) {
        *lock(&self.last) = Some(Arc::clone(info));
    }

    pub(crate) fn done(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// The helper's process id; 0 while there is none.
    pub(crate) fn helper(&self, pid: u32) {
        if pid != 0 {
            self.starts.fetch_add(1, Ordering::Relaxed);
        }
        self.pid.store(pid, Ordering::Relaxed);
    }
}

impl Card {
    /// Starts the thread that keeps the card ready. It begins to look for the card, and to log in, at once.
    ///
    /// # Errors
    /// [`Error::HelperStart`] when the system gives no thread.
    pub fn start(settings: Settings, pins: Pins) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Starting),
            changed: Condvar::new(),
            listeners: Mutex::new(Vec::new()),
            last: Mutex::new(None),
            waiting: AtomicUsize::new(0),
            pid: AtomicU32::new(0),
            starts: AtomicU32::new(0),
        });
        let (inbox, messages) = mpsc::channel();
        let (authorities, queue) = (settings.authorities.clone(), settings.care.queue);
        let owner = Owner::new(settings, pins, Arc::clone(&shared), messages);
        let thread = std::thread::Builder::new().name("card".to_owned()).spawn(move || owner.run());
        let thread = thread.map_err(|e| Error::HelperStart { detail: e.to_string() })?;
        Ok(Self(Arc::new(Inner { shared, inbox, authorities, queue, thread: Mutex::new(Some(thread)) })))
    }

    /// What is known of the card now.
    pub fn state(&self) -> State {
        self.0.shared.state()
    }

    /// Calls back at every change, on the card's thread: it must return quickly and must not call the card.
    pub fn subscribe(&self, listener: impl Fn(&State) + Send + Sync + 'static) {
        lock(&self.0.shared.listeners).push(Box::new(listener));
    }

    /// Waits until a state fits, or until time is up; returns the state at the end.
    pub fn wait(&self, patience: Duration, fits: impl Fn(&State) -> bool) -> State {
        let until = Instant::now() + patience;
        let mut state = lock(&self.0.shared.state);
        while !fits(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.0.shared.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.clone()
    }

    /// The card that was the right one last, also when it is not in the reader now.
    pub fn info(&self) -> Option<Arc<Info>> {
        lock(&self.0.shared.last).clone()
    }

    /// News of the readers.
    pub fn hint(&self, hint: Hint) {
        let _ = self.0.inbox.send(Message::Hint(hint));
    }

    /// Looks at once: a person has changed something (a permit for a try, the source of the PIN, the module).
    pub fn look_again(&self) {
        let _ = self.0.inbox.send(Message::LookAgain);
    }

    /// Takes the PIN from another source from now on, and looks at once.
    pub fn supply(&self, supply: Supply) {
        let _ = self.0.inbox.send(Message::Supply(supply));
    }

    /// What the card must be from now on.
    pub fn expect(&self, expected: Expected) {
        let _ = self.0.inbox.send(Message::Expect(expected));
    }

    /// What is in the readers.
    ///
    /// # Errors
    /// What the module or the helper says.
    pub fn tokens(&self) -> Result<Listing, Error> {
        self.ask(Owner::tokens)
    }

    /// The RSASSA-PKCS1-v1_5 signature over a SHA-256 digest, verified.
    ///
    /// # Errors
    /// [`Error::NotReady`], [`Error::Busy`], [`Error::Closed`]; what the module or the helper says.
    pub fn sign(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let digest = *digest;
        self.ask(move |owner| owner.sign(&digest))
    }

    /// The wrapped bytes.
    ///
    /// # Errors
    /// [`Error::Refused`] when the card works and this ciphertext does not decrypt; otherwise as [`Card::sign`].
    pub fn unwrap(&self, scheme: WrapScheme, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let wrapped = wrapped.to_vec();
        self.ask(move |owner| owner.unwrap(scheme, &wrapped))
    }

    /// Signs and unwraps something of our own.
    ///
    /// # Errors
    /// As [`Card::sign`].
    pub fn self_test(&self) -> Result<(), Error> {
        self.ask(Owner::self_test)
    }

    /// The key that signs. It exists before any card was seen.
    pub fn signing_key(&self) -> Arc<dyn SigningKey> {
        Arc::new(CardKey(self.clone()))
    }

    /// The key that unwraps. It exists before any card was seen.
    pub fn unwrap_key(&self) -> Arc<dyn UnwrapKey> {
        Arc::new(CardKey(self.clone()))
    }

    /// The helper's process id, while there is one.
    pub fn helper_pid(&self) -> Option<u32> {
        Some(self.0.shared.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// How often a helper was started.
    pub fn helper_starts(&self) -> u32 {
        self.0.shared.starts.load(Ordering::Relaxed)
    }

    /// Logs out, ends the helper and the thread. Later calls fail with [`Error::Closed`].
    pub fn stop(&self) {
        self.0.stop();
    }

    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Owner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let waiting = &self.0.shared.waiting;
        if waiting.fetch_add(1, Ordering::Relaxed) >= self.0.queue {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Busy);
        }
        let (answer, answered) = mpsc::sync_channel(1);
        let job = move |owner: &mut Owner| {
            let _ = answer.send(job(owner));
        };
        self.0.inbox.send(Message::Job(Box::new(job))).map_err(|_| Error::Closed)?;
        answered.recv().map_err(|_| Error::Closed)?
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card").field("state", &self.state().label()).finish_non_exhaustive()
    }
}

impl Inner {
    fn stop(&self) {
        let _ = self.inbox.send(Message::Stop);
        if let Some(thread) = lock(&self.thread).take() {
            // A listener that holds the last clone runs on the thread itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Both keys of a card.
struct CardKey(Card);

impl CardKey {
    fn info(&self) -> Result<Arc<Info>, KeyError> {
        self.0.info().ok_or_else(|| {
            let kind = self.0.state().key_error_kind();
            let kind = if kind == KeyErrorKind::Broken { KeyErrorKind::Absent } else { kind };
            KeyError::new(kind, format!("no card has been read yet: {}", self.0.state()))
        })
    }
}

impl SigningKey for CardKey {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        Ok(self.info()?.sign.certificate.clone())
    }

    fn chain(&self) -> Vec<Certificate> {
        let mut chain = self.0.0.authorities.clone();
        if let Some(info) = self.0.info() {
            chain.extend(info.authorities.iter().filter(|c| !self.0.0.authorities.contains(c)).cloned());
        }
        chain
    }

    fn sign(&self, digest: &Digest) -> Result<Vec<u8>, KeyError> {
        Ok(self.0.sign(digest)?)
    }
}

impl UnwrapKey for CardKey {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        Ok(self.info()?.unwrap.certificate.clone())
    }

    fn unwrap(&self, scheme: WrapScheme, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        Ok(self.0.unwrap(scheme, wrapped)?)
    }
}
