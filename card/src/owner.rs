//! The one thread that touches the card: it looks, logs in, works, and starts the helper again when it must.

mod work;

use crate::card::Shared;
use crate::choose;
use crate::client::{Helper, Listing};
use crate::error::Error;
use crate::hint::Hint;
use crate::identity::{self, Expected};
use crate::pin::Supply;
use crate::pins::Pins;
use crate::settings::Settings;
use crate::state::{Info, NoLogin, State};
use envelope::Digest;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// What the owner is told.
pub(crate) enum Message {
    Job(Box<dyn FnOnce(&mut Owner) + Send>),
    Hint(Hint),
    LookAgain,
    Supply(Supply),
    Expect(Expected),
    Stop,
}

pub(crate) struct Owner {
    settings: Settings,
    pins: Pins,
    shared: Arc<Shared>,
    inbox: Receiver<Message>,
    helper: Option<Helper>,
    /// What the readers are said to be, where someone watches them.
    hint: Option<Hint>,
    /// Failures since something last went well.
    failures: u32,
    /// Looks for an absent card since the helper was started or news came.
    looks: u32,
    next_look: Option<Instant>,
    operations: u32,
    /// Memory over which the helper is started again, bytes.
    memory: u64,
    /// The ciphertext during which the helper died or hung last, and how often in a row.
    suspect: Option<(Digest, u32)>,
}

impl Owner {
    pub(crate) fn new(settings: Settings, pins: Pins, shared: Arc<Shared>, inbox: Receiver<Message>) -> Self {
        let memory = settings.care.memory;
        Self {
            settings,
            pins,
            shared,
            inbox,
            helper: None,
            hint: None,
            failures: 0,
            looks: 0,
            next_look: None,
            operations: 0,
            memory,
            suspect: None,
        }
    }

    pub(crate) fn run(mut self) {
        self.look();
        loop {
            let message = match self.next_look {
                Some(at) if at <= Instant::now() => Err(RecvTimeoutError::Timeout),
                Some(at) => self.inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::Job(job)) => {
                    job(&mut self);
                    self.shared.done();
                    self.look_after_helper();
                }
                Ok(Message::Hint(hint)) => self.heard(hint),
                Ok(Message::LookAgain) => self.look_anew(),
                Ok(Message::Supply(supply)) => {
                    self.pins.set_supply(supply);
                    self.look_anew();
                }
                Ok(Message::Expect(expected)) => {
                    self.settings.expected = expected;
                    self.look();
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    /// A person has changed something.
    fn look_anew(&mut self) {
        self.failures = 0;
        self.looks = 0;
        if matches!(self.shared.state(), State::PinNeeded { .. }) {
            // OpenSC goes on saying "locked" after the card was unlocked elsewhere.
            self.drop_helper();
        }
        self.look();
    }

    /// Gets as far towards a card in use as is possible now, says how far, and plans when to look again.
    fn look(&mut self) {
        let state = match self.advance() {
            Ok(info) => {
                self.looks = 0;
                State::Ready { info }
            }
            Err(state) => state,
        };
        self.next_look = self.pause(&state).map(|pause| Instant::now() + pause);
        self.shared.announce(&state);
    }

    fn advance(&mut self) -> Result<Arc<Info>, State> {
        if let Some(helper) = self.helper.as_ref().filter(|h| h.alive() && h.logged_in())
            && let Some(info) = helper.info()
        {
            let info = Arc::clone(info);
            return self.identify(&info).map(|()| info);
        }
        let listing = self.listing().map_err(|e| self.trouble(&e))?;
        if listing.tokens.is_empty() {
            return Err(self.absent(listing.readers));
        }
        let token = choose::token(&listing.tokens, &self.settings.choice)?;
        let helper = self.helper.as_mut().ok_or(State::Starting)?;
        let open =
            helper.info().filter(|info| info.token.serial == token.serial && info.token.slot == token.slot);
        let info = match open.cloned() {
            Some(info) => info,
            None => {
                let read = helper.read(&token);
                read.map_err(|e| match e {
                    Error::Unusable { what } => State::NoKeys { what, token: Box::new(token) },
                    e => self.trouble(&e),
                })?
            }
        };
        self.identify(&info)?;
        self.shared.remember(&info);
        let helper = self.helper.as_mut().ok_or(State::Starting)?;
        match helper.login(&self.pins) {
            Ok(info) => {
                let used = helper.memory().unwrap_or_default();
                self.memory = self.settings.care.memory.max(used.saturating_mul(2));
                Ok(info)
            }
            Err(Error::Unusable { what }) => Err(State::NoKeys { what, token: Box::new(info.token.clone()) }),
            Err(e) => Err(self.trouble(&e)),
        }
    }

    fn identify(&self, info: &Arc<Info>) -> Result<(), State> {
        identity::check(info, &self.settings.expected)
            .map_err(|what| State::WrongCard { what, info: Arc::clone(info) })
    }

    /// A fresh list, by a fresh helper where there is none, or where the old one has not seen a card for long: modules
    /// may list their slots once, when they are initialised.
    fn listing(&mut self) -> Result<Listing, Error> {
        let quick = self.hint == Some(Hint::CardIn) && (2..=QUICK_LOOKS).contains(&self.looks);
        let renew = quick || (self.looks > 0 && self.looks.is_multiple_of(RENEW));
        if renew || self.helper.as_ref().is_some_and(|h| !h.alive()) {
            self.drop_helper();
        }
        if self.helper.is_none() {
            let helper = Helper::start(&self.settings)?;
            self.shared.helper(helper.pid());
            self.helper = Some(helper);
        }
        self.helper.as_mut().ok_or(Error::Closed)?.tokens()
    }

    /// The state in which no card is listed.
    fn absent(&mut self, readers: u32) -> State {
        self.looks += 1;
        match &self.hint {
            Some(Hint::NoService { detail }) => State::NoService { detail: detail.clone() },
            Some(Hint::Refused { detail }) => State::ServiceRefused { detail: detail.clone() },
            Some(Hint::NoReader) => State::NoReader,
            // It takes a moment from the contact to the token.
            Some(Hint::CardIn) if self.looks > QUICK_LOOKS => State::UnknownCard,
            Some(Hint::CardIn | Hint::CardOut | Hint::NoCard) => State::NoCard,
            Some(Hint::Silent) | None if readers == 0 => State::NoReader,
            Some(Hint::Silent) | None => State::NoCard,
        }
    }

    /// The state that an error means; what it broke is put away.
    fn trouble(&mut self, error: &Error) -> State {
        let waits_for_person = |label, left| {
            let why = NoLogin { label, detail: error.to_string(), left };
            let info = self.helper.as_ref().and_then(Helper::info).cloned();
            info.map(|info| State::PinNeeded { why, info })
        };
        let state = match error {
            Error::HelperStart { detail } => {
                self.failures = self.failures.saturating_add(1);
                Some(State::NoHelper { detail: detail.clone() })
            }
            Error::Module { detail } => {
                self.failures = self.failures.saturating_add(1);
                Some(State::NoModule { detail: detail.clone() })
            }
            Error::PinNeeded => waits_for_person("card-pin-needed", None),
            Error::PinSource(source) => waits_for_person(source.label(), None),
            Error::Pin(refusal) => waits_for_person(refusal.label(), refusal.left()),
            Error::CardGone { .. } => {
                self.looks += 1;
                Some(State::NoCard)
            }
            _ => None,
        };
        match error {
            // The session is as good as before.
            Error::PinNeeded | Error::PinSource(_) | Error::Pin(_) => {}
            // The module is not trusted any more: one that has lost its card without noticing would be given a PIN,
            // and nobody could say what became of it. A fresh one asks the card.
            _ => self.drop_helper(),
        }
        state.unwrap_or_else(|| {
            self.failures = self.failures.saturating_add(1);
            State::Broken { detail: error.to_string() }
        })
    }

    /// How long to wait before looking again; `None`: until someone calls.
    fn pause(&self, state: &State) -> Option<Duration> {
        let (first, longest) = self.settings.care.backoff;
        let probe = self.settings.care.absent_probe;
        let watched = matches!(self.hint, Some(Hint::CardIn | Hint::CardOut | Hint::NoCard | Hint::NoReader));
        match state {
            State::Ready { .. } => None,
            State::Broken { .. } | State::NoHelper { .. } | State::NoModule { .. } => {
                let doubled = first.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
                Some(doubled.min(longest))
            }
            State::NoCard if self.hint == Some(Hint::CardIn) => {
                Some(Duration::from_millis(100).saturating_mul(1 << self.looks.min(5)))
            }
            // The guard or the source may have changed; neither costs a try to ask.
            State::PinNeeded { .. } => Some(probe),
            _ if watched => Some(probe.saturating_mul(10)),
            _ => Some(probe),
        }
    }

    fn heard(&mut self, hint: Hint) {
        let gone = matches!(hint, Hint::CardOut | Hint::NoCard | Hint::NoReader);
        let taken_out = gone && (hint == Hint::CardOut || self.hint == Some(Hint::CardIn));
        if hint == Hint::CardIn {
            self.failures = 0;
        }
        self.hint = Some(hint);
        self.looks = 0;
        if self.shared.state().is_ready() && !taken_out {
            // Another reader's card, or a module that has nothing to do with PC/SC: ours is asked for.
            let mine = self.helper.as_ref().and_then(Helper::info).map(|info| info.token.serial.clone());
            let listed = self.helper.as_mut().and_then(|h| h.tokens().ok());
            if listed.is_some_and(|l| l.tokens.iter().any(|t| Some(&t.serial) == mine.as_ref())) {
                return;
            }
        }
        // A module that had a card open may not have noticed, and would be given a PIN; a fresh one asks the card.
        if self.helper.as_ref().is_some_and(|helper| helper.info().is_some()) {
            self.drop_helper();
        }
        self.look();
    }

    /// The helper leaves, or is killed.
    fn drop_helper(&mut self) {
        if self.helper.take().is_some() {
            self.shared.helper(0);
        }
    }
}

impl Drop for Owner {
    /// Also when the thread ends by a panic: nobody is left believing in a card.
    fn drop(&mut self) {
        self.drop_helper();
        self.shared.announce(&State::Broken { detail: "the card was closed".to_owned() });
    }
}

/// Looks for an absent card before the helper is started again.
const RENEW: u32 = 10;

/// Looks, about six seconds of them, before a card that the module does not list is called unknown.
const QUICK_LOOKS: u32 = 6;
