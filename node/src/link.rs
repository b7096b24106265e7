//! The conversation with the center: connect, log in, keep, back off; and every request of the protocol as a method.
//!
//! - [`Link`] is what `act` calls; it never waits for a center that is not there: while the link is down every request fails
//!   at once with [`Error::Down`], and [`Link::state`] says when it is up again.
//! - [`keep`] is the one task that connects and watches; [`session`] keeps the login, so that a reconnect costs no card
//!   operation; [`ask`] holds the requests.
//!
//! A `Watch` is pending at the center all the time. What it answers turns [`News`] counters; whoever has asked and stored
//! what was new says so with [`Link::stored`], and the next watch goes on from there.
//!
//! On disk: `state/session` (mode 0600), the session key and the card's statement, worth nothing after twelve hours.

use std::sync::Arc;

use config::NodeConfig;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use wire::{
    Carrier, ClientTls, Connection, Connector, Timing, Transport,
    message::{Refusal, Welcome},
};

use crate::{error::chain, parts::Parts};

mod ask;
mod keep;
mod session;
#[cfg(test)]
mod tests;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection at present; [`Link::state`] tells when there is one.
    #[error("no connection to the center: {label}")]
    Down {
        /// Why, as in [`LinkState::Down`].
        label: String,
    },
    /// The exchange failed, or the center refused.
    #[error(transparent)]
    Wire(#[from] wire::Error),
}

impl Error {
    /// A stable name: one of [`LABELS`], of [`wire::LABELS`] or of [`wire::refusal::ALL`].
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Down { label } => label,
            Self::Wire(error) => error.label(),
        }
    }

    /// `Wait` while the link is down (an event resumes it), else what the exchange or the center says.
    #[must_use]
    pub fn class(&self) -> wire::Class {
        match self {
            Self::Down { .. } => wire::Class::Wait,
            Self::Wire(error) => error.class(),
        }
    }

    /// What the center said, if it refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Wire(wire::Error::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }
}

/// Labels of the link's own; the others are [`wire::LABELS`] and [`wire::refusal::ALL`].
pub const LABELS: &[&str] = &[CONNECTING, CLOCK_SKEW, STOPPED];
/// Label: not yet connected since the start.
pub const CONNECTING: &str = "link-connecting";
/// Label: our clock and the center's differ by more than [`MAX_SKEW`].
pub const CLOCK_SKEW: &str = "clock-skew";
/// Label: the node is stopping.
pub const STOPPED: &str = "link-stopped";
/// Milliseconds by which two clocks may differ.
pub const MAX_SKEW: i64 = 5 * 60_000;

/// How the link stands.
#[derive(Debug, Clone)]
pub enum LinkState {
    /// No connection.
    Down {
        /// Why: a label.
        label: String,
        /// More, for the log.
        detail: String,
        /// Since when, Unix milliseconds by our clock.
        since: i64,
    },
    /// Connected and logged in.
    Up(Arc<Up>),
}

/// What is known of a connection that stands.
#[derive(Debug, Clone)]
pub struct Up {
    /// Since when, Unix milliseconds by our clock.
    pub since: i64,
    /// The same moment by the clock that never jumps.
    pub steady: tokio::time::Instant,
    /// What carries it.
    pub carrier: Carrier,
    /// The center's address.
    pub peer: std::net::SocketAddr,
    /// The center's clock minus ours, milliseconds.
    pub skew: i64,
    /// Epoch, limits, permission, mailboxes.
    pub welcome: Welcome,
}

impl Up {
    /// Whether the clocks differ so much that nothing may be judged by time ([`CLOCK_SKEW`]).
    #[must_use]
    pub fn is_skewed(&self) -> bool {
        self.skew.abs() > MAX_SKEW
    }
}

impl LinkState {
    /// Whether the center refuses the login because it knows another certificate of this member.
    pub(crate) fn is_stranger(&self) -> bool {
        matches!(self, Self::Down { label, .. } if label == wire::refusal::CERTIFICATE_NOT_REGISTERED.name)
    }

    /// What is known, if the link is up.
    #[must_use]
    pub fn up(&self) -> Option<&Up> {
        match self {
            Self::Up(up) => Some(up),
            Self::Down { .. } => None,
        }
    }

    /// What a person should know: why it is down, or that the clocks differ. `None` if all is well.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Down { label, .. } => Some(label),
            Self::Up(up) => up.is_skewed().then_some(CLOCK_SKEW),
        }
    }
}

/// Counters that turn when there may be something new of a kind; all of them turn at each new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// Offers.
    pub offers: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// Announcements.
    pub announcements: u64,
}

/// Up to where everything has been asked and stored; 0 at the begin of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursors {
    /// The largest number of an offer.
    pub offers: u64,
    /// The largest number of an outcome.
    pub outcomes: u64,
    /// The largest number of an announcement.
    pub announcements: u64,
}

/// A conversation with the center that is kept up by itself. Cheap to clone.
#[derive(Clone)]
pub struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    connection: watch::Sender<Option<Connection>>,
    state: watch::Sender<LinkState>,
    news: watch::Sender<News>,
    cursors: watch::Sender<Cursors>,
    /// Ends a pause of the back-off.
    now: Notify,
    /// Bodies of [`ask::SMALL`] bytes and more: they can never take every turn.
    large: Semaphore,
    /// Bodies below that.
    small: Semaphore,
    progress: std::time::Duration,
}

impl Link {
    /// Begins to connect, in the background, until `stop`. `clock` gives Unix milliseconds.
    ///
    /// # Errors
    /// The configured server name or anchors cannot be used.
    pub fn start(
        config: &NodeConfig,
        parts: &Parts,
        cursors: Cursors,
        clock: fn() -> i64,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let center = &config.center;
        let (large, small) = turns(config.limits.in_flight);
        let timing = Timing { pool: large + small + OTHERS, ..Timing::default() };
        let progress = timing.progress;
        let tls = ClientTls::new(&parts.tls, center.tls_name())?;
        let connector = Connector::new(tls, center.address.host(), center.address.port(), &center.code)
            .transport(match center.transport {
                config::Transport::Auto => Transport::Auto,
                config::Transport::Quic => Transport::Quic,
                config::Transport::Tcp => Transport::Tcp,
            })
            .timing(timing)
            .bind(center.source_address);
        let session = session::Session::new(
            config.party.code.as_str().to_owned(),
            center.code.clone(),
            parts.login.clone(),
            config.folders.state.join("session"),
            clock,
        );
        let down = LinkState::Down { label: CONNECTING.to_owned(), detail: String::new(), since: clock() };
        let link = Self {
            inner: Arc::new(Inner {
                connection: watch::Sender::new(None),
                state: watch::Sender::new(down),
                news: watch::Sender::new(News::default()),
                cursors: watch::Sender::new(cursors),
                now: Notify::new(),
                large: Semaphore::new(large),
                small: Semaphore::new(small),
                progress,
            }),
        };
        let keeper = keep::Keeper {
            link: link.clone(),
            connector,
            session,
            first: config.retry.connect_first.0,
            longest: config.retry.connect_longest.0,
            clock,
        };
        tokio::spawn(keeper.run(stop));
        Ok(link)
    }

    /// How the link stands; changes wake the receiver.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.inner.state.subscribe()
    }

    /// What may be new; changes wake the receiver.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<News> {
        self.inner.news.subscribe()
    }

    /// Says up to where everything has been asked and stored: at a new epoch, the cursors of that epoch.
    pub fn seen(&self, cursors: Cursors) {
        self.inner.cursors.send_replace(cursors);
    }

    /// Up to where everything has been asked and stored, as far as it was said.
    #[must_use]
    pub fn cursors(&self) -> Cursors {
        *self.inner.cursors.borrow()
    }

    /// Says that everything of a kind up to some number has been stored. Call it also if nothing was new.
    pub fn stored(&self, change: impl FnOnce(&mut Cursors)) {
        self.inner.cursors.send_modify(change);
    }

    /// Connects now instead of after the pause.
    pub fn retry_now(&self) {
        self.inner.now.notify_one();
    }

    /// Our clock jumped by so many milliseconds: what is known of the center's is carried over.
    pub(crate) fn clock_jumped(&self, jump: i64) {
        self.inner.state.send_if_modified(|state| {
            let LinkState::Up(up) = state else { return false };
            *up = Arc::new(Up { skew: up.skew.saturating_sub(jump), ..Up::clone(up) });
            true
        });
    }

    fn connection(&self) -> Result<Connection, Error> {
        let connection = self.inner.connection.borrow().clone();
        connection.ok_or_else(|| Error::Down {
            label: self.inner.state.borrow().label().unwrap_or(CONNECTING).to_owned(),
        })
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("state", &*self.inner.state.borrow()).finish_non_exhaustive()
    }
}

/// Turns for large and for small bodies, of so many documents in flight in each direction.
fn turns(in_flight: usize) -> (usize, usize) {
    (in_flight.div_ceil(2).clamp(1, 16), in_flight.clamp(1, 32))
}

/// Pooled TCP connections for requests without a body.
const OTHERS: usize = 4;

/// The label and the whole chain of causes of what `keep` met.
fn told(error: &wire::Error) -> (String, String) {
    let label = match error {
        wire::Error::Credential(source) => {
            source.downcast_ref::<session::Error>().map_or_else(|| error.label(), session::Error::label)
        }
        _ => error.label(),
    };
    (label.to_owned(), chain(error))
}
