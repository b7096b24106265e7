//! The routes of the card. One process touches it: the service; the command line asks here.

use std::time::Instant;

use ::card::guard::{Ask, Granted, Refusal};
use ::card::{State, Token, pin, presence};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State as Local_};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use store::journal::{About, NewEntry};
use zeroize::Zeroizing;

use super::Local;
use super::serve::{Peer, actor, refuse};
use super::view::{self, Reason};
use crate::card::{Desk, Seen, tell};
use crate::flow::Why;

const DAY: i64 = 86_400_000;

/// How the service's card stands.
pub(crate) fn view(desk: &Desk, now: i64) -> view::Card {
    let moment = desk.moment();
    let mut view = of_state(&moment.state, desk.seen().as_ref(), now);
    view.since = Some(moment.since);
    let status = view.token.as_ref().and_then(|token| desk.guard().status(&token.serial, now).ok());
    view.tries = status.as_ref().map(tries);
    // "The PIN was wrong" for the second time needs another remedy than for the first.
    let graver = status
        .and_then(|status| status.refusal)
        .filter(|refusal| matches!(refusal, Refusal::Spent { .. } | Refusal::LastTry | Refusal::Locked));
    if let (false, Some(refusal)) = (view.ready || !view.state.starts_with("pin-"), graver) {
        view.state = refusal.label().to_owned();
        view.word = crate::words::what(refusal.label());
        view.reason = Reason::of(refusal.label(), &tell::left(refusal.left()));
    }
    view
}

/// What the guard says of a card.
pub(crate) fn tries(status: &::card::guard::Status) -> view::Tries {
    view::Tries {
        failed: status.failed,
        left: status.left,
        locked: status.locked,
        permitted: status.permit.is_some(),
        last_success: status.last_success,
        last_failure: status.last_failure.as_ref().map(|failure| failure.at),
    }
}

/// A state in JSON; `seen` are the certificates to show while no card is in.
pub(crate) fn of_state(state: &State, seen: Option<&Seen>, now: i64) -> view::Card {
    let label = state.label();
    let info = state.info();
    let certificates = match (info, seen) {
        (Some(info), _) => {
            let own = [("sign", &info.sign), ("encrypt", &info.unwrap)];
            own.map(|(purpose, key)| certificate(purpose, &key.id, &key.label, &key.certificate, now))
                .to_vec()
        }
        (None, Some(seen)) => {
            let own = [("sign", &seen.sign), ("encrypt", &seen.unwrap)];
            own.map(|(purpose, own)| certificate(purpose, "", "", own, now)).to_vec()
        }
        (None, None) => Vec::new(),
    };
    view::Card {
        state: label.to_owned(),
        word: crate::words::what(label),
        ready: state.is_ready(),
        since: None,
        reason: Reason::of(label, &tell::particulars(state)).filter(|_| !state.is_ready()),
        module: info.map(|info| info.module.clone()),
        token: info.map(|info| token(&info.token, true)),
        organisation: info
            .and_then(|info| info.sign.certificate.organisation())
            .or_else(|| seen?.sign.organisation())
            .map(str::to_owned),
        organisation_oid: info.and_then(|info| info.organisation_oid.clone()),
        rank: info.and_then(|info| info.rank).map(|rank| tell::rank(rank).to_owned()),
        oaep: info.is_some_and(|info| info.oaep),
        certificates,
        tries: None,
    }
}

/// A token in JSON.
pub(crate) fn token(token: &Token, chosen: bool) -> view::Token {
    view::Token {
        label: token.label.clone(),
        serial: token.serial.clone(),
        manufacturer: token.manufacturer.clone(),
        model: token.model.clone(),
        reader: token.reader.clone(),
        chosen,
    }
}

/// A certificate in JSON.
pub(crate) fn certificate(
    purpose: &str,
    id: &str,
    label: &str,
    of: &envelope::Certificate,
    now: i64,
) -> view::Certificate {
    view::Certificate {
        purpose: purpose.to_owned(),
        id: id.to_owned(),
        label: label.to_owned(),
        subject: of.subject().to_owned(),
        issuer: of.issuer().to_owned(),
        serial: of.serial_hex(),
        sha256: super::read::hex(of.sha256()),
        not_before: of.not_before(),
        not_after: of.not_after(),
        days: of.not_after().saturating_sub(now).div_euclid(DAY),
    }
}

/// The readers of PC/SC in JSON.
pub(crate) fn readers(snapshot: &presence::Snapshot) -> Vec<view::Reader> {
    let reader = |reader: &presence::Reader| {
        let (slot, atr) = match &reader.slot {
            presence::Slot::Empty => ("empty", None),
            presence::Slot::Mute => ("mute", None),
            presence::Slot::Card { atr, .. } => ("card", Some(super::read::hex(atr))),
        };
        view::Reader { name: reader.name.clone(), slot: slot.to_owned(), atr }
    };
    snapshot.readers.iter().map(reader).collect()
}

/// `GET /v1/card`
pub(super) async fn state(Local_(local): Local_<Local>) -> Response {
    match &local.card {
        Some(desk) => Json(view(desk, crate::cli::now())).into_response(),
        None => no_card(),
    }
}

/// `GET /v1/card/list`
pub(super) async fn list(Local_(local): Local_<Local>) -> Response {
    let Some(desk) = local.card.clone() else { return no_card() };
    let listed = tokio::task::spawn_blocking(move || {
        let listing = desk.card().tokens()?;
        let chosen = desk.moment().state.info().map(|info| info.token.serial.clone());
        let tokens = listing.tokens.iter().map(|t| token(t, chosen.as_ref() == Some(&t.serial))).collect();
        Ok(view::Cards { readers: readers(&presence::look(&presence::Settings::default())), tokens })
    });
    answer(listed.await)
}

/// `POST /v1/card/retry`
pub(super) async fn retry(
    Local_(local): Local_<Local>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<view::Retry>, JsonRejection>,
) -> Response {
    let Some(desk) = local.card.clone() else { return no_card() };
    // What was sent may hold a PIN: nothing of it is repeated.
    let Ok(Json(mut retry)) = body else {
        return refuse(StatusCode::BAD_REQUEST, "api-bad-request", "retry");
    };
    let ask = match retry.ask.as_str() {
        "once" => Ask::Once,
        "forced" => Ask::Forced,
        "unlocked" => Ask::Unlocked,
        _ => return refuse(StatusCode::BAD_REQUEST, "api-bad-request", "ask"),
    };
    let Some(actor) = actor(&retry.actor, peer) else {
        return refuse(StatusCode::BAD_REQUEST, "api-bad-request", "actor");
    };
    let why: String = retry.reason.chars().filter(|c| !c.is_control()).take(500).collect();
    let supply = match retry.pin.take().map(|pin| Zeroizing::new(pin.into_bytes())).map(entered).transpose() {
        Ok(supply) => supply,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.label(), ""),
    };
    let by_hand = supply.is_some();
    let (by, store) = (actor.clone(), local.store.clone());
    let done = tokio::task::spawn_blocking(move || {
        let now = crate::cli::now();
        let detail = format!("{}{}", retry.ask, if by_hand { ", with a PIN" } else { "" });
        let detail = if why.is_empty() { detail } else { format!("{detail}: {why}") };
        // Who and why are on record before anything is tried.
        let noted = store.journal(
            NewEntry {
                actor: actor.clone(),
                event: "card-retry".into(),
                about: About::Node,
                detail,
                alarm: false,
            },
            now,
        );
        if let Err(error) = noted.wait() {
            return Err((error.label().to_owned(), String::new()));
        }
        let granted = desk
            .retry(ask, supply, &by, &why, now)
            .map_err(|refusal| (refusal.label().to_owned(), tell::left(refusal.left())))?;
        let (granted, left) = match granted {
            Some(Granted::Given { left, .. }) => (true, left),
            Some(Granted::NotNeeded) | None => (false, None),
        };
        Ok(view::Retried { granted, left, card: view(&desk, crate::cli::now()) })
    });
    match done.await {
        Ok(Ok(retried)) => Json(retried).into_response(),
        Ok(Err((label, detail))) => refuse(StatusCode::CONFLICT, &label, &detail),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal-panic", ""),
    }
}

fn entered(bytes: Zeroizing<Vec<u8>>) -> Result<pin::Supply, pin::Error> {
    let pin = pin::Pin::new(bytes, "the command line")?;
    Ok(pin::Supply::Given(pin::Entry { pin, generation: pin::Generation::entered("on the command line") }))
}

/// `POST /v1/card/test`
pub(super) async fn test(Local_(local): Local_<Local>) -> Response {
    let Some(desk) = local.card.clone() else { return no_card() };
    let tested = tokio::task::spawn_blocking(move || {
        let decrypt = timed(|| desk.card().self_test());
        let sign = timed(|| desk.card().sign(&envelope::sha256(b"di-node doctor")).map(drop));
        Ok(view::Tested { decrypt, sign })
    });
    answer(tested.await)
}

fn timed(work: impl FnOnce() -> Result<(), ::card::Error>) -> view::Outcome {
    let began = Instant::now();
    let result = work();
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    view::Outcome { took, reason: result.err().and_then(|e| Reason::of(e.label(), &e.to_string())) }
}

fn answer<T: serde::Serialize>(done: Result<Result<T, ::card::Error>, tokio::task::JoinError>) -> Response {
    match done {
        Ok(Ok(value)) => Json(value).into_response(),
        Ok(Err(error)) => refuse(StatusCode::SERVICE_UNAVAILABLE, error.label(), &error.to_string()),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal-panic", ""),
    }
}

fn no_card() -> Response {
    refuse(StatusCode::NOT_FOUND, crate::cli::card::NO_CARD, "")
}

/// What waits for the key waits for the card, and its state says more than the row's label.
#[derive(Clone)]
pub(super) struct Waiting(Option<Reason>);

impl Waiting {
    pub(super) fn now(local: &Local) -> Self {
        Self(reason(local))
    }

    pub(super) fn out(&self, row: &mut view::OutRow) {
        self.tell(&mut row.reason, row.state == "claimed" && !row.held);
    }

    pub(super) fn inward(&self, row: &mut view::InRow) {
        self.tell(&mut row.reason, matches!(row.state.as_str(), "fetched" | "archived") && !row.held);
    }

    fn tell(&self, reason: &mut Option<Reason>, needs: bool) {
        let waits = match reason {
            Some(reason) => reason.label == Why::Key.label(),
            None => needs,
        };
        if let (true, Some(card)) = (waits, &self.0) {
            *reason = Some(card.clone());
        }
    }
}

fn reason(local: &Local) -> Option<Reason> {
    let moment = local.card.as_ref()?.moment();
    let state = &moment.state;
    if state.is_ready() { None } else { Reason::of(state.label(), &tell::particulars(state)) }
}
