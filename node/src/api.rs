//! The local HTTP API: a Unix socket in the state folder between command line (or another program of this machine) and
//! service.
//!
//! | route | answer |
//! |---|---|
//! | `GET /v1/health` | [`view::Health`] |
//! | `GET /v1/status` | [`view::Overview`] |
//! | `GET /v1/outbox`, `GET /v1/inbox` `?since&until&state&before&limit` | [`view::Page`] of [`view::OutRow`], [`view::InRow`] |
//! | `GET /v1/documents/{id}` | [`view::Document`] |
//! | `GET /v1/journal?after&limit` | list of [`view::Event`] |
//! | `GET /v1/card`, `GET /v1/card/list` | [`view::Card`], [`view::Cards`]; 404 where keys are in files |
//! | `POST /v1/card/retry` with [`view::Retry`] | [`view::Retried`] |
//! | `POST /v1/card/test` | [`view::Tested`] |
//! | `GET /v1/outcome?id&due&date&limit` | [`view::Outcomes`] |
//! | `GET /v1/calendar`, `POST /v1/calendar` with [`view::CalendarOrder`] | [`view::Calendar`] |
//! | `POST /v1/documents/{id}/VERB` with [`view::Order`]; hold, release, retry, abandon, resend, paper, settle, return | [`view::Document`] |
//!
//! Times in queries are Unix milliseconds; states are the stable names, separated by commas. An error is a
//! [`view::Trouble`]. Who may connect is decided by the socket's mode (0600, in a folder of mode 0700); every order is
//! written into the journal with the name given and the user id of the connection, which cannot be forged.
//! Bounded: 32 connections, 64 KiB a request, 16 KiB its head, 5 s for its head, 30 s for its answer.

pub(crate) mod calendar;
pub(crate) mod card;
mod order;
pub mod outcome;
pub mod read;
mod serve;
mod socket;
pub mod view;

use std::fmt;
use std::sync::Arc;

use store::Store;

pub use serve::serve;
pub use socket::{Error, Socket, connect};

/// What the API needs of the running node.
#[derive(Clone)]
pub struct Local {
    /// Where every document stands.
    pub store: Store,
    /// How the connection to the center stands now.
    pub link: Arc<dyn Fn() -> view::Link + Send + Sync>,
    /// The card, where the settings name one.
    pub(crate) card: Option<crate::card::Desk>,
    /// What is wrong with the node as a whole.
    pub troubles: crate::trouble::Troubles,
    /// Wakes the loop after an order.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    /// When the service was started, Unix milliseconds.
    pub started_at: i64,
    /// Our organisation code.
    pub code: String,
    /// Our organisation's name.
    pub name: String,
    /// The center's code.
    pub center: String,
    /// Whether the drop folder is left alone.
    pub receive_only: bool,
    /// Working days until an answer is missed.
    pub working_days: u16,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("code", &self.code)
            .field("center", &self.center)
            .finish_non_exhaustive()
    }
}

/// The node as a whole, from its store and what is given.
///
/// # Errors
/// The store's.
pub fn overview(
    store: &Store,
    party: &Party<'_>,
    link: Option<view::Link>,
) -> Result<view::Overview, read::Error> {
    let (counts, held, unreported) = read::counts(store)?;
    let missed = outcome::missed(store, party.working_days, crate::cli::now(), 1_000)?;
    Ok(view::Overview {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        running: link.is_some(),
        started_at: party.started_at,
        code: party.code.to_owned(),
        name: party.name.to_owned(),
        center: party.center.to_owned(),
        receive_only: party.receive_only,
        link,
        card: None,
        troubles: Vec::new(),
        counts,
        held,
        unreported,
        missed: missed.try_into().unwrap_or(u64::MAX),
        certificates: read::certificates(store)?,
        alarms: read::alarms(store, 5)?,
    })
}

/// Whose node it is, for [`overview`].
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// Organisation code.
    pub code: &'a str,
    /// Organisation name.
    pub name: &'a str,
    /// The center's code.
    pub center: &'a str,
    /// Receive-only mode.
    pub receive_only: bool,
    /// Working days until an answer is missed.
    pub working_days: u16,
    /// When the service was started, if one runs.
    pub started_at: Option<i64>,
}
