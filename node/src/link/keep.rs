//! The one task that connects, watches, and begins again when the line is lost.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use wire::{
    Carrier, Connected, Connection, Connector, Lane,
    message::{RefusalClass, Reply, Request},
};

use super::{Cursors, Link, LinkState, STOPPED, Up, session::Session, told};

pub(super) struct Keeper {
    pub(super) link: Link,
    pub(super) connector: Connector,
    pub(super) session: Session,
    /// The first pause after a failure, and the longest.
    pub(super) first: Duration,
    pub(super) longest: Duration,
    pub(super) clock: fn() -> i64,
}

impl Keeper {
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            let attempt = tokio::select! {
                attempt = self.connector.connect(Arc::new(self.session.clone())) => attempt,
                () = stop.cancelled() => break,
            };
            let error = match attempt {
                Ok(connected) => {
                    let began = Instant::now();
                    let connection = self.up(connected);
                    let lost = tokio::select! {
                        lost = self.watch(&connection) => lost,
                        () = stop.cancelled() => {
                            self.down(STOPPED.to_owned(), String::new());
                            connection.close().await;
                            break;
                        }
                    };
                    let (label, detail) = told(&lost);
                    tracing::warn!(label, detail, "the center is lost");
                    self.down(label, detail);
                    tokio::spawn(async move { connection.close().await });
                    if began.elapsed() > STEADY {
                        failures = 0;
                    }
                    lost
                }
                Err(error) => {
                    let (label, detail) = told(&error);
                    tracing::warn!(label, detail, "the center cannot be reached");
                    if label.starts_with("login-") && matches!(error, wire::Error::Refused(_)) {
                        self.session.doubt().await;
                    }
                    self.down(label, detail);
                    error
                }
            };
            failures = failures.saturating_add(1);
            let pause = self.pause(failures, &error);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.link.inner.now.notified() => {}
                () = stop.cancelled() => {}
            }
        }
        self.down(STOPPED.to_owned(), String::new());
    }

    fn up(&self, connected: Connected) -> Connection {
        let Connected { connection, welcome, .. } = connected;
        let now = (self.clock)();
        let up = Up {
            since: now,
            steady: Instant::now(),
            carrier: connection.carrier(),
            peer: connection.peer(),
            skew: welcome.time.saturating_sub(now),
            welcome,
        };
        tracing::info!(carrier = %up.carrier, peer = %up.peer, skew = up.skew, "the center is there");
        if up.is_skewed() {
            tracing::error!(skew = up.skew, "our clock and the center's differ");
        }
        let inner = &self.link.inner;
        inner.connection.send_replace(Some(connection.clone()));
        inner.state.send_replace(LinkState::Up(Arc::new(up)));
        // Whatever happened in the meantime: ask for everything once.
        inner.news.send_modify(|news| {
            news.offers += 1;
            news.outcomes += 1;
            news.announcements += 1;
        });
        connection
    }

    fn down(&self, label: String, detail: String) {
        let inner = &self.link.inner;
        inner.connection.send_replace(None);
        let now = (self.clock)();
        inner.state.send_modify(|state| {
            let since = match state {
                LinkState::Down { since, .. } => *since,
                LinkState::Up(_) => now,
            };
            *state = LinkState::Down { label, detail, since };
        });
    }

    /// Watches until the connection fails, and says how.
    async fn watch(&self, connection: &Connection) -> wire::Error {
        let inner = &self.link.inner;
        let mut cursors = inner.cursors.subscribe();
        let wait = match connection.carrier() {
            Carrier::Quic => WATCH_QUIC,
            Carrier::Tcp => WATCH_TCP,
        };
        let patience = Duration::from_secs(u64::from(wait)) + GRACE;
        loop {
            let asked = *cursors.borrow_and_update();
            let Cursors { offers, outcomes, announcements } = asked;
            let request = Request::Watch {
                offers_after: offers,
                outcomes_after: outcomes,
                announcements_after: announcements,
                wait,
            };
            match connection.ask(Lane::Watch, &request, patience).await {
                Ok(Reply::News { offers: false, outcomes: false, announcements: false }) => {}
                Ok(Reply::News { offers, outcomes, announcements }) => {
                    inner.news.send_modify(|news| {
                        news.offers += u64::from(offers);
                        news.outcomes += u64::from(outcomes);
                        news.announcements += u64::from(announcements);
                    });
                    // The same cursors would be answered at once; so first let someone ask. Somebody may have, meanwhile.
                    let seen = cursors.wait_for(|now| {
                        (!offers || now.offers != asked.offers)
                            && (!outcomes || now.outcomes != asked.outcomes)
                            && (!announcements || now.announcements != asked.announcements)
                    });
                    let _ = timeout(UNSEEN, seen).await;
                }
                Ok(_) => return wire::Error::Unexpected("watch"),
                // The center is there and has too much to do: the link stands, the watch pauses.
                Err(wire::Error::Refused(refusal)) if refusal.class == RefusalClass::Retry => {
                    let after = Duration::from_secs(u64::from(refusal.after));
                    sleep(after.clamp(UNSEEN, self.longest.max(UNSEEN))).await;
                }
                Err(error) => return error,
            }
        }
    }

    /// Doubles with each failure, with jitter, never less than the center asks for. Someone must put something right: the
    /// longest at once.
    fn pause(&self, failures: u32, error: &wire::Error) -> Duration {
        let doubled = self.first.saturating_mul(1_u32 << failures.saturating_sub(1).min(16));
        let (base, least) = match error {
            wire::Error::Refused(refusal) if refusal.class == RefusalClass::Retry => {
                (doubled, Duration::from_secs(u64::from(refusal.after)))
            }
            wire::Error::Refused(_) => (self.longest, Duration::ZERO),
            _ => (doubled, Duration::ZERO),
        };
        // Between half and the whole, so that all nodes of a center that comes back don't come at once.
        let half = base.min(self.longest) / 2;
        let share = u32::try_from(RandomState::new().hash_one(failures) % 1_024).unwrap_or_default();
        (half + half * share / 1_024).max(least.min(LEAST_AT_MOST))
    }
}

/// Seconds of a watch over QUIC, where silence is noticed by the carrier.
const WATCH_QUIC: u16 = 50;
/// Seconds of a watch over TCP, where a center that hangs is noticed by this only.
const WATCH_TCP: u16 = 25;
/// How much later than asked for an answer may come.
const GRACE: Duration = Duration::from_secs(10);
/// How long news may go unseen before the watch begins again.
const UNSEEN: Duration = Duration::from_secs(1);
/// A connection that held so long counts as good, and the back-off begins anew.
const STEADY: Duration = Duration::from_secs(20);
/// A center may ask for no longer pause than this.
const LEAST_AT_MOST: Duration = Duration::from_secs(600);
