//! The card of the running service: its supervisor, who watches the readers, and the journal of its comings and goings.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::card::guard::{Ask, Granted, Guard, Refusal};
use ::card::identity::{Expected, Mismatch};
use ::card::{Card, Pins, Settings, State, pin, presence};
use config::NodeConfig;
use envelope::Certificate;
use envelope::directory::VerifiedEntry;
use store::Store;
use store::journal::{About, NewEntry};
use tokio::sync::{Notify, Semaphore, watch};

use super::seen::{Keys, Seen};
use super::turn::InLine;
use super::{guard_folder, readers, settings, source, tell};
use crate::parts::Card as CardKeys;

/// How long a person who acts is kept waiting for what comes of it.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same trouble is told in the journal again after so long, milliseconds.
const TELL_AGAIN: i64 = 3_600_000;

/// A state and since when.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) state: State,
    pub(crate) since: i64,
}

/// The card of the service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk(Arc<Inner>);

struct Inner {
    card: Card,
    keys: Keys,
    guard: Guard,
    watcher: Mutex<Option<presence::Watcher>>,
    moment: watch::Sender<Moment>,
    /// What the settings say of the organisation, or the card that was ours last.
    organisation_oid: Option<String>,
    /// Of encryption certificates whose keys are in files beside the card.
    filed: Vec<[u8; 32]>,
    /// The directory should be asked again whose card it must be.
    doubt: Notify,
}

/// What a start may be given beside the settings.
#[derive(Debug, Default)]
pub struct Given {
    /// Program and arguments of the helper instead of this program's own.
    pub helper: Option<Vec<std::ffi::OsString>>,
    /// Environment of the helper.
    pub environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    /// A PIN that somebody has entered already.
    pub pin: Option<pin::Supply>,
}

impl Desk {
    /// Begins to look for the card. It need not be there, nor its module, nor a PIN: each is a state.
    ///
    /// # Errors
    /// The guard's folder cannot be used, or the system gives no thread.
    pub(crate) fn start(
        config: &NodeConfig,
        given: Given,
        filed: Vec<[u8; 32]>,
        now: fn() -> i64,
    ) -> Result<Option<Self>, ::card::Error> {
        let Some(module) = &config.card.module else { return Ok(None) };
        let mut settings: Settings = settings(&config.card, module);
        settings.environment = given.environment;
        // A neighbour's card must not get the PIN before the directory has said whose card it must be: the organisation
        // of the card that was ours last stays, whatever card it gets.
        if settings.expected.organisation_oid.is_none() {
            let last = Seen::load(&config.folders.state);
            settings.expected.organisation_oid =
                last.and_then(|seen| seen.sign.organisation_oid().map(str::to_owned));
        }
        let organisation_oid = settings.expected.organisation_oid.clone();
        if let Some(helper) = given.helper {
            settings.helper = helper;
        }
        let guard = Guard::open(&guard_folder(config))?;
        let supply = match given.pin {
            Some(supply) => Some(supply),
            None => source(&config.card).map(open).transpose()?.flatten(),
        };
        let pins = Pins::new(guard.clone(), supply, "service", now);
        let card = Card::start(settings, pins)?;
        let moment = watch::Sender::new(Moment { state: card.state(), since: now() });
        let told = moment.clone();
        card.subscribe(move |state| {
            told.send_replace(Moment { state: state.clone(), since: now() });
        });
        moment.send_replace(Moment { state: card.state(), since: now() });
        let hinted = card.clone();
        let watcher =
            readers(&config.card).map(|of| presence::Watcher::hints(of, move |hint| hinted.hint(hint)));
        Ok(Some(Self(Arc::new(Inner {
            keys: Keys::new(card.clone(), &config.folders.state, intermediates(config)),
            card,
            guard,
            watcher: Mutex::new(watcher),
            moment,
            organisation_oid,
            filed,
            doubt: Notify::new(),
        }))))
    }

    /// The card's keys, for [`crate::parts::Parts`].
    pub(crate) fn keys(&self) -> CardKeys {
        let line = Arc::new(Semaphore::new(1));
        let keys = &self.0.keys;
        CardKeys {
            login: Arc::new(keys.clone()),
            sign: Arc::new(InLine::new(keys.clone(), Arc::clone(&line))),
            unwrap: Arc::new(InLine::new(keys.clone(), line)),
        }
    }

    /// How it stands; changes wake the receiver.
    pub(crate) fn moments(&self) -> watch::Receiver<Moment> {
        self.0.moment.subscribe()
    }

    /// How it stands now.
    pub(crate) fn moment(&self) -> Moment {
        self.0.moment.borrow().clone()
    }

    /// The certificates of the card, or those seen last.
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.0.keys.seen()
    }

    /// The guard of its PIN.
    pub(crate) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// The card itself, for what people ask of it.
    pub(crate) fn card(&self) -> &Card {
        &self.0.card
    }

    /// Resolves when the directory should be asked whose card it must be.
    pub(crate) async fn doubted(&self) {
        self.0.doubt.notified().await;
    }

    /// What the directory says of us is what the card must be. Not kept over a restart: with a new card that is
    /// registered meanwhile nobody could log in to learn that.
    pub(crate) fn registered(&self, entry: &VerifiedEntry) {
        let in_a_file = self.0.filed.contains(entry.enc.sha256());
        self.0.card.expect(Expected {
            organisation_oid: self.0.organisation_oid.clone().or_else(|| entry.organisation_oid.clone()),
            sign_sha256: Some(*entry.sign.sha256()),
            unwrap_sha256: Some(*entry.enc.sha256()).filter(|_| !in_a_file),
        });
    }

    /// The center says that another certificate is registered than the one of our login: a new card may be right.
    pub(crate) fn registration_changed(&self) {
        let organisation_oid = self.0.organisation_oid.clone();
        self.0.card.expect(Expected { organisation_oid, ..Expected::default() });
    }

    /// A person allows another try, and perhaps gives a PIN; waits for what comes of it. Blocking.
    ///
    /// # Errors
    /// What the guard says.
    pub(crate) fn retry(
        &self,
        ask: Ask,
        pin: Option<pin::Supply>,
        by: &str,
        why: &str,
        now: i64,
    ) -> Result<Option<Granted>, Refusal> {
        let state = self.0.card.state();
        let granted = match state.info() {
            Some(info) => {
                Some(self.0.guard.grant(&info.token.serial, ask, Some(info.token.pin), by, why, now)?)
            }
            None => None,
        };
        match pin {
            Some(pin) => self.0.card.supply(pin),
            None => self.0.card.look_again(),
        }
        // Without a card nothing comes of it now.
        if !state.is_ready() && state.info().is_some() {
            self.settled(&state, granted.is_some_and(|granted| granted != Granted::NotNeeded));
        }
        Ok(granted)
    }

    /// Waits until what was begun has come to something else than `before`, or until a permit was used in vain.
    fn settled(&self, before: &State, permitted: bool) {
        let until = std::time::Instant::now() + PATIENCE;
        let other = |state: &State| state != before && !matches!(state, State::Starting);
        let used = || {
            let serial = before.info().map(|info| info.token.serial.as_str())?;
            let status = self.0.guard.status(serial, crate::cli::now()).ok()?;
            Some(status.permit.is_none() && status.trying.is_none())
        };
        let mut over = false;
        while std::time::Instant::now() < until {
            let state = self.0.card.wait(Duration::from_millis(200), other);
            if over || other(&state) {
                return;
            }
            // The permit is gone: what came of it is told within the next look.
            over = permitted && used().unwrap_or(false);
        }
    }

    /// Ends helper and watcher. Blocking, at most as long as the helper takes to log out.
    pub(crate) fn stop(&self) {
        drop(self.0.watcher.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.0.card.stop();
    }

    /// Writes comings, goings and troubles into the journal, until the card is stopped.
    pub(crate) async fn follow(self, store: Store, now: fn() -> i64) {
        let mut moments = self.moments();
        // A listener of the card holds the sender as long as the card's thread lives.
        let mut diary = Diary::default();
        loop {
            let state = moments.borrow_and_update().state.clone();
            if let State::Ready { info } = &state {
                let (desk, info) = (self.clone(), Arc::clone(info));
                let _ = tokio::task::spawn_blocking(move || desk.0.keys.remember(&info)).await;
            }
            if let State::WrongCard {
                what: Mismatch::SignCertificate | Mismatch::UnwrapCertificate, ..
            } = &state
            {
                self.0.doubt.notify_one();
            }
            for entry in diary.entries(&state, now()) {
                if let Err(error) = store.journal(entry, now()).await {
                    tracing::error!(%error, "the card's event could not be recorded");
                }
            }
            if moments.changed().await.is_err() {
                return;
            }
        }
    }
}

/// CA certificates of the anchors' file that stand under others: a card need not hold its own chain.
fn intermediates(config: &NodeConfig) -> Vec<Certificate> {
    let read = config.trust.anchors.as_deref().map(crate::setup::inspect::certificates);
    let all = read.and_then(Result::ok).unwrap_or_default();
    all.into_iter().filter(|c| c.issuer_der() != c.subject_der()).collect()
}

/// Reads a descriptor now; a source that cannot be read yet is asked again by whoever wants the PIN.
fn open(source: pin::Source) -> Result<Option<pin::Supply>, ::card::Error> {
    match pin::Supply::open(source) {
        Ok(supply) => Ok(Some(supply)),
        Err(error) => {
            tracing::error!(label = error.label(), %error, "no PIN");
            Ok(None)
        }
    }
}

/// What was told last, so that a card that flaps does not fill the journal.
#[derive(Debug, Default)]
struct Diary {
    /// Serial of the card that is in.
    card: Option<String>,
    ready: bool,
    trouble: Option<(&'static str, i64)>,
}

impl Diary {
    /// What to write of a change.
    fn entries(&mut self, state: &State, now: i64) -> Vec<NewEntry> {
        let mut out = Vec::new();
        let mut note = |event: &str, detail: String, alarm: bool| {
            out.push(NewEntry {
                actor: store::NODE.into(),
                event: event.into(),
                about: About::Node,
                detail,
                alarm,
            });
        };
        let serial = state.info().map(|info| info.token.serial.clone());
        match (&self.card, &serial) {
            (None, Some(serial)) => note("card-in", serial.clone(), false),
            (Some(old), Some(serial)) if old != serial => {
                note("card-out", old.clone(), false);
                note("card-in", serial.clone(), false);
            }
            // While its helper starts again nobody has taken it out.
            (Some(old), None)
                if !matches!(state, State::Starting | State::Broken { .. } | State::NoHelper { .. }) =>
            {
                note("card-out", old.clone(), false);
            }
            _ => {}
        }
        if serial.is_some()
            || !matches!(state, State::Starting | State::Broken { .. } | State::NoHelper { .. })
        {
            self.card = serial;
        }
        if state.is_ready() {
            if !self.ready {
                note("card-login", self.card.clone().unwrap_or_default(), false);
            }
            self.trouble = None;
        } else if !matches!(state, State::Starting) {
            let label = state.label();
            let again = self.trouble.is_none_or(|(last, at)| last != label || now - at >= TELL_AGAIN);
            if again {
                let particulars = tell::particulars(state);
                let colon = if particulars.is_empty() { "" } else { ": " };
                note("card-trouble", format!("{label}{colon}{particulars}"), true);
                self.trouble = Some((label, now));
            }
        }
        self.ready = state.is_ready();
        out
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("card", &self.0.card).finish_non_exhaustive()
    }
}
