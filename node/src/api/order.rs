//! What a person orders for one document: who, why, for whom; the store alone knows whether it is allowed now.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use store::boxes::Found;
use store::state::{Inbound, Line};
use store::{DocumentId, Store};

use super::serve::{Peer, actor, answer, read_in, refuse};
use super::view::{Document, Order};
use super::{Local, outcome, read};

/// Longest name of a recipient, characters.
const LONGEST: usize = 200;

/// What a person can order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    /// 暫停
    Hold,
    /// 放行
    Release,
    /// 立即再試, also of what was set apart
    Retry,
    /// 放棄
    Abandon,
    /// 重送
    Resend,
    /// 補送紙本
    Paper,
    /// 通知已處理
    Settle,
    /// 退文，或誤送／錯漏通知
    Return,
}

impl std::str::FromStr for Verb {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "hold" => Self::Hold,
            "release" => Self::Release,
            "retry" => Self::Retry,
            "abandon" => Self::Abandon,
            "resend" => Self::Resend,
            "paper" => Self::Paper,
            "settle" => Self::Settle,
            "return" => Self::Return,
            _ => return Err(()),
        })
    }
}

/// `POST /v1/documents/{id}/{verb}`
pub(super) async fn order(
    State(local): State<Local>,
    Extension(peer): Extension<Peer>,
    Path((id, verb)): Path<(String, String)>,
    body: Result<Json<Order>, JsonRejection>,
) -> Response {
    let Ok(verb) = verb.parse::<Verb>() else {
        return refuse(StatusCode::NOT_FOUND, "api-bad-request", "route");
    };
    let order = match body {
        Ok(Json(order)) => order,
        Err(bad) => return refuse(StatusCode::BAD_REQUEST, "api-bad-request", &bad.body_text()),
    };
    let Some(actor) = actor(&order.actor, peer) else {
        return refuse(StatusCode::BAD_REQUEST, "api-bad-request", "actor");
    };
    let wake = Arc::clone(&local.wake);
    let done = read_in(&local, move |store| perform(store, &id, verb, &actor, order)).await;
    if done.is_ok() {
        wake();
    }
    answer(done)
}

/// Gives the order to the store; returns how the document stands then.
fn perform(store: &Store, id: &str, verb: Verb, actor: &str, order: Order) -> Result<Document, read::Error> {
    let why: String = order.reason.chars().filter(|c| !c.is_control()).take(500).collect();
    let why = why.trim();
    if why.is_empty() {
        return Err(read::Error::Refused("reason-missing", String::new()));
    }
    let to = recipients(order.to)?;
    let now = crate::cli::now();
    let found = locate(store, id, verb)?;
    let name = match found {
        Found::Document(document) => format!("out:{}", read::hex(&document)),
        Found::Inbound(..) if id.contains(':') => id.to_owned(),
        Found::Inbound(..) => format!("in:{id}"),
    };
    if !to.is_empty() && !matches!(verb, Verb::Abandon | Verb::Resend | Verb::Paper | Verb::Settle) {
        return Err(read::Error::BadParameter("to"));
    }
    let target = read::target(found);
    let done = match (verb, found) {
        (Verb::Hold, _) => store.hold(target, actor, why, now).wait(),
        (Verb::Release, _) => store.release(target, actor, why, now).wait(),
        (Verb::Retry, Found::Inbound(row, _)) if is_apart(store, row)? => {
            store.reopen(row, actor, why, now).wait()
        }
        (Verb::Retry, _) => store.retry(target, actor, why, now).wait(),
        (Verb::Abandon, Found::Document(document)) => {
            store.abandon(document, to, actor, why, now).wait().map(drop)
        }
        (Verb::Resend, Found::Document(document)) => {
            containers_there(store, document, &to)?;
            store.resend(document, to, actor, why, now).wait().map(drop)
        }
        (Verb::Paper, Found::Document(document)) => {
            store.on_paper(document, to, actor, why, now).wait().map(drop)
        }
        (Verb::Settle, Found::Document(document)) => {
            store.settled_notice(document, to, actor, why, now).wait().map(drop)
        }
        (Verb::Return, Found::Inbound(row, _)) if is_apart(store, row)? => {
            store.send_back(row, crate::act::answer::BY_PERSON, actor, why, now).wait()
        }
        (Verb::Return, Found::Inbound(row, _)) => {
            let label = match order.label.as_str() {
                "" | store::MISDIRECTED => store::MISDIRECTED,
                store::INCOMPLETE => store::INCOMPLETE,
                _ => return Err(read::Error::BadParameter("label")),
            };
            store.notify(row, label, actor, why, now).wait()
        }
        _ => return Err(read::Error::NotNow),
    };
    match done {
        Ok(()) => read::document(store, &name),
        Err(store::Error::Moved { .. }) => Err(read::Error::NotNow),
        Err(store::Error::NotFound("line")) => {
            Err(read::Error::Refused("recipient-unknown-here", String::new()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Named once each, and plain text.
fn recipients(named: Vec<String>) -> Result<Vec<String>, read::Error> {
    let mut seen = HashSet::new();
    let mut list = Vec::with_capacity(named.len());
    for name in named {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
            return Err(read::Error::BadParameter("to"));
        }
        if seen.insert(name.to_owned()) {
            list.push(name.to_owned());
        }
    }
    Ok(list)
}

/// A letter to ourselves is in both boxes: the verb says which one is meant.
fn locate(store: &Store, id: &str, verb: Verb) -> Result<Found, read::Error> {
    match verb {
        Verb::Resend | Verb::Paper | Verb::Settle => outcome::sent(store, id).map(Found::Document),
        Verb::Return if !id.contains(':') => read::find(store, &format!("in:{id}")),
        _ => read::find(store, id),
    }
}

/// Quarantined, and nothing has been said to the sender.
fn is_apart(store: &Store, row: i64) -> Result<bool, store::Error> {
    let found = store.inbound(row)?.map(|found| found.inbound);
    Ok(found.is_some_and(|row| row.state == Inbound::Quarantined && row.receipt.is_none()))
}

/// Refuses a resend whose container is gone, before anything is promised.
fn containers_there(store: &Store, document: DocumentId, to: &[String]) -> Result<(), read::Error> {
    let Some(found) = store.document(document)? else { return Ok(()) };
    let meant = |line: &store::outbound::LineRow| {
        if to.is_empty() {
            matches!(line.state, Line::Accepted | Line::Returned)
        } else {
            to.contains(&line.recipient)
        }
    };
    let parts: HashSet<i64> = found.lines.iter().filter(|line| meant(line)).map(|line| line.part).collect();
    let variants: HashSet<u16> =
        found.parts.iter().filter(|part| parts.contains(&part.id)).map(|part| part.variant).collect();
    for container in found.containers.iter().filter(|c| variants.contains(&c.variant)) {
        let there = !container.file.is_empty() && store.content(&container.file).is_ok();
        if !there {
            return Err(read::Error::Refused(crate::act::seal::CONTAINER_GONE, container.file.clone()));
        }
    }
    Ok(())
}
