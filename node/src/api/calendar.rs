//! The calendar of working days: kept in the store, one value a year, imported by a person.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::ToSpan;
use store::Store;

use super::serve::{Peer, actor, answer, read_in, refuse};
use super::view::{self, CalendarOrder};
use super::{Local, read};
use crate::cli::civil::Civil;
use crate::workday::{Calendar, Year};

/// Below it, one value for each year.
const KEY: &str = "calendar.";
/// Event of an import.
const IMPORTED: &str = "calendar-imported";

/// What was imported; nothing: weekends only.
///
/// # Errors
/// The store's.
pub(crate) fn kept(store: &Store) -> Result<Calendar, store::Error> {
    let years = store.metas(KEY)?;
    // A value that cannot be read is one of a later release: its year counts as not covered, and that is told.
    Ok(Calendar::new(years.iter().filter_map(|(_, json)| serde_json::from_slice::<Year>(json).ok())))
}

/// The calendar as it stands on the day of `now`.
///
/// # Errors
/// The store's.
pub(crate) fn view(store: &Store, now: i64) -> Result<view::Calendar, read::Error> {
    let calendar = kept(store)?;
    let today = Civil::local().date(now);
    let soon = today.saturating_add(1.year());
    Ok(view::Calendar {
        today: today.to_string(),
        working: calendar.is_working(today),
        next: calendar.after(today, 1).to_string(),
        years: calendar.years().cloned().collect(),
        uncovered: calendar.uncovered(today, soon),
    })
}

/// `GET /v1/calendar`
pub(super) async fn show(State(local): State<Local>) -> Response {
    answer(read_in(&local, |store| view(store, crate::cli::now())).await)
}

/// `POST /v1/calendar`
pub(super) async fn import(
    State(local): State<Local>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<CalendarOrder>, JsonRejection>,
) -> Response {
    let order = match body {
        Ok(Json(order)) => order,
        Err(bad) => return refuse(StatusCode::BAD_REQUEST, "api-bad-request", &bad.body_text()),
    };
    let Some(actor) = actor(&order.actor, peer) else {
        return refuse(StatusCode::BAD_REQUEST, "api-bad-request", "actor");
    };
    answer(read_in(&local, move |store| take(store, order, &actor, crate::cli::now())).await)
}

fn take(store: &Store, order: CalendarOrder, actor: &str, now: i64) -> Result<view::Calendar, read::Error> {
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    let (source, sha256, why) = (plain(&order.source), plain(&order.sha256), plain(&order.reason));
    let years: Vec<Year> = order
        .years
        .into_iter()
        .map(|y| Year {
            year: y.year,
            exceptions: y.exceptions,
            source: source.clone(),
            sha256: sha256.clone(),
            imported_at: now,
            actor: actor.to_owned(),
        })
        .collect();
    if years.is_empty() || !years.iter().all(Year::is_sound) {
        return Err(read::Error::BadParameter("years"));
    }
    for year in years {
        let detail = format!("{}: {source} sha256 {sha256}", year.year);
        let detail = if why.is_empty() { detail } else { format!("{detail}: {why}") };
        let json = serde_json::to_vec(&year).map_err(|_| read::Error::BadParameter("years"))?;
        store.decided(&format!("{KEY}{}", year.year), json, actor, IMPORTED, &detail, now).wait()?;
    }
    view(store, now)
}
