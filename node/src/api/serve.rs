//! The routes and the loop that serves them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query as Params, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::card::Waiting;
use super::read::{self, Query};
use super::view::{Document, Health, NodeTrouble, Reason, Trouble};
use super::{Local, Party, Socket, overview};

const CONNECTIONS: usize = 32;
/// An order may name a thousand recipients.
const REQUEST_BYTES: usize = 64 << 10;
const HEAD_BYTES: usize = 16 << 10;
const HEAD_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// The user id at the other end of the socket.
#[derive(Clone, Copy)]
pub(super) struct Peer(Option<u32>);

/// Serves until `stop`; answers that have begun are finished, at most five seconds. The socket's file is removed.
pub async fn serve(socket: Socket, local: Local, stop: CancellationToken) {
    let router = router(local);
    let tasks = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let slot = tokio::select! {
            () = stop.cancelled() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = socket.listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles, most likely: the others will be closed.
                tracing::warn!(%error, "local API cannot accept");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let peer = Peer(stream.peer_cred().ok().map(|cred| cred.uid()));
        let router = router.clone().layer(Extension(peer));
        let stop = stop.clone();
        tasks.spawn(async move {
            let _slot = slot;
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .max_buf_size(HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
            tokio::pin!(connection);
            let done = tokio::select! {
                done = connection.as_mut() => done,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = done {
                tracing::debug!(%error, "local API connection");
            }
        });
    }
    tasks.close();
    let _ = tokio::time::timeout(DRAIN_WITHIN, tasks.wait()).await;
}

fn router(local: Local) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/status", get(status))
        .route("/v1/outbox", get(outbox))
        .route("/v1/inbox", get(inbox))
        .route("/v1/documents/{id}", get(document))
        .route("/v1/documents/{id}/{order}", post(super::order::order))
        .route("/v1/outcome", get(super::outcome::show))
        .route("/v1/calendar", get(super::calendar::show).post(super::calendar::import))
        .route("/v1/journal", get(journal))
        .route("/v1/card", get(super::card::state))
        .route("/v1/card/list", get(super::card::list))
        .route("/v1/card/retry", post(super::card::retry))
        .route("/v1/card/test", post(super::card::test))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "api-bad-request", "route") })
        .layer(from_fn(in_time))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES))
        .with_state(local)
}

async fn in_time(request: Request<Body>, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => refuse(StatusCode::GATEWAY_TIMEOUT, "service-silent", ""),
    }
}

/// Parameters of the boxes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Listed {
    since: Option<i64>,
    until: Option<i64>,
    state: String,
    before: Option<String>,
    limit: u32,
}

/// Parameters of the journal.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct After {
    after: u64,
    limit: Option<u32>,
}

impl Listed {
    fn query(self) -> Query {
        let states = self.state.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned);
        Query {
            since: self.since,
            until: self.until,
            states: states.collect(),
            before: self.before,
            limit: self.limit,
        }
    }
}

async fn health(State(local): State<Local>) -> Response {
    let link = (local.link)();
    let ok = read_in(&local, |store| Ok(store.cursors()?)).await.is_ok();
    let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    (code, Json(Health { ok, version, connected: link.connected })).into_response()
}

async fn status(State(local): State<Local>) -> Response {
    let held = local.clone();
    answer(
        read_in(&local, move |store| {
            let party = Party {
                code: &held.code,
                name: &held.name,
                center: &held.center,
                receive_only: held.receive_only,
                working_days: held.working_days,
                started_at: Some(held.started_at),
            };
            let mut overview = overview(store, &party, Some((held.link)()))?;
            overview.troubles = held.troubles.now().iter().filter_map(NodeTrouble::of).collect();
            overview.card = held.card.as_ref().map(|desk| super::card::view(desk, crate::cli::now()));
            Ok(overview)
        })
        .await,
    )
}

async fn outbox(State(local): State<Local>, params: Result<Params<Listed>, QueryRejection>) -> Response {
    match params {
        Ok(Params(listed)) => {
            let query = listed.query();
            let waiting = Waiting::now(&local);
            answer(
                read_in(&local, move |store| {
                    let mut page = read::outbox(store, &query)?;
                    page.documents.iter_mut().for_each(|row| waiting.out(row));
                    Ok(page)
                })
                .await,
            )
        }
        Err(bad) => refuse(StatusCode::BAD_REQUEST, "api-bad-request", &bad.body_text()),
    }
}

async fn inbox(State(local): State<Local>, params: Result<Params<Listed>, QueryRejection>) -> Response {
    match params {
        Ok(Params(listed)) => {
            let query = listed.query();
            let waiting = Waiting::now(&local);
            answer(
                read_in(&local, move |store| {
                    let mut page = read::inbox(store, &query)?;
                    page.documents.iter_mut().for_each(|row| waiting.inward(row));
                    Ok(page)
                })
                .await,
            )
        }
        Err(bad) => refuse(StatusCode::BAD_REQUEST, "api-bad-request", &bad.body_text()),
    }
}

async fn document(State(local): State<Local>, Path(id): Path<String>) -> Response {
    let waiting = Waiting::now(&local);
    answer(
        read_in(&local, move |store| {
            let mut document = read::document(store, &id)?;
            match &mut document {
                Document::Out(document) => waiting.out(&mut document.row),
                Document::In(document) => waiting.inward(&mut document.row),
            }
            Ok(document)
        })
        .await,
    )
}

async fn journal(State(local): State<Local>, params: Result<Params<After>, QueryRejection>) -> Response {
    match params {
        Ok(Params(p)) => {
            answer(read_in(&local, move |store| read::journal(store, p.after, p.limit.unwrap_or(100))).await)
        }
        Err(bad) => refuse(StatusCode::BAD_REQUEST, "api-bad-request", &bad.body_text()),
    }
}

/// The name given, and the user id of the connection behind it.
pub(super) fn actor(name: &str, peer: Peer) -> Option<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return None;
    }
    // The node itself signs the journal with this name.
    if name.eq_ignore_ascii_case(store::NODE) {
        return None;
    }
    Some(peer.0.map_or_else(|| name.to_owned(), |uid| format!("{name} (uid {uid})")))
}

/// Runs a blocking reading of the store outside the async threads.
pub(super) async fn read_in<T: Send + 'static>(
    local: &Local,
    work: impl FnOnce(&store::Store) -> Result<T, read::Error> + Send + 'static,
) -> Result<T, read::Error> {
    let store = local.store.clone();
    match tokio::task::spawn_blocking(move || work(&store)).await {
        Ok(done) => done,
        Err(_) => Err(read::Error::Store(store::Error::Closed)),
    }
}

pub(super) fn answer<T: serde::Serialize>(done: Result<T, read::Error>) -> Response {
    match done {
        Ok(value) => Json(value).into_response(),
        Err(error) => {
            let code = match error.label() {
                "not-found" => StatusCode::NOT_FOUND,
                "api-bad-request" | "bad-request" | "reason-missing" => StatusCode::BAD_REQUEST,
                "id-ambiguous" | "state-moved" | "verb-not-now" => StatusCode::CONFLICT,
                _ if matches!(error, read::Error::Refused(..)) => StatusCode::CONFLICT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            refuse(code, error.label(), &error.detail())
        }
    }
}

pub(super) fn refuse(code: StatusCode, label: &str, detail: &str) -> Response {
    let short: String = detail.chars().take(500).collect();
    let error = Reason::of(label, &short).unwrap_or_else(|| Reason {
        label: label.to_owned(),
        what: String::new(),
        remedy: String::new(),
        detail: String::new(),
    });
    (code, Json(Trouble { error })).into_response()
}
