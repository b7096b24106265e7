//! One connection: the opening (hello, challenge, login, welcome), then its requests, each in a task of its own.
//!
//! What is asked is decided in `admission` and `session`; here replies leave and mischief strikes, and `bodies` moves bytes.

use crate::admission::{self, Asked, Guest};
use crate::bodies::{Interrupted, send_body, take_body, take_small};
use crate::database::locked;
use crate::desk::Desk;
use crate::directory::Member;
use crate::error::{Error, Result};
use crate::mischief::{Mischief, Trouble};
use crate::session::{self, Answer, Receive};
use durable::Step;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::message::{PartHeader, Refusal, Reply, Request};
use wire::{Exchange, Incoming, refusal};

/// Gives the time, Unix milliseconds UTC.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What every connection shares.
pub(crate) struct House {
    pub(crate) desk: Desk,
    pub(crate) clock: Clock,
    pub(crate) mischief: Mischief,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Connections of each member that is here.
    pub(crate) guests: Mutex<HashMap<String, usize>>,
}

/// Serves one connection until it ends or the center stops.
pub(crate) async fn serve(house: Arc<House>, incoming: Incoming) {
    let incoming = Arc::new(incoming);
    let peer = incoming.peer();
    let Some(guest) = open(&house, &incoming).await else {
        tracing::debug!(%peer, "left without logging in");
        return;
    };
    tracing::info!(%peer, carrier = %incoming.carrier(), member = guest.member, "logged in");
    let guest = Arc::new(guest);
    while let Some(exchange) = next(&house, &incoming).await {
        let (house, guest, incoming) = (house.clone(), guest.clone(), incoming.clone());
        let tasks = house.tasks.clone();
        tasks.spawn(async move {
            if let Err(error) = serve_one(&house, &guest, &incoming, exchange).await {
                tracing::debug!(%peer, member = guest.member, label = error.label(), %error, "exchange ended");
            }
        });
    }
    leave(&house, &guest.member);
    tracing::info!(%peer, member = guest.member, "left");
}

async fn next(house: &House, incoming: &Incoming) -> Option<Exchange> {
    tokio::select! {
        () = house.stop.cancelled() => None,
        exchange = incoming.accept() => exchange,
    }
}

/// The opening. After a refusal the node may read it and try again until the login deadline.
async fn open(house: &Arc<House>, incoming: &Incoming) -> Option<Guest> {
    let mut asked = None;
    while let Some(mut exchange) = next(house, incoming).await {
        let request = match exchange.recv_request().await {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(peer = %incoming.peer(), label = error.label(), "no opening");
                if error.is_peer_fault() {
                    let _ = exchange.send(&Reply::Refused(refusal::MALFORMED.refuse(error.label()))).await;
                    let _ = exchange.finish().await;
                }
                continue;
            }
        };
        let (reply, guest) = greet(house, incoming, &mut asked, request).await;
        if let Reply::Refused(no) = &reply {
            tracing::warn!(peer = %incoming.peer(), label = no.label, detail = no.detail, "not let in");
        }
        if exchange.send(&reply).await.is_err() || exchange.finish().await.is_err() {
            if let Some(guest) = guest {
                leave(house, &guest.member);
            }
            return None;
        }
        if guest.is_some() {
            return guest;
        }
    }
    None
}

async fn greet(
    house: &Arc<House>,
    incoming: &Incoming,
    asked: &mut Option<Asked>,
    request: Request,
) -> (Reply, Option<Guest>) {
    let (from, now) = (incoming.peer().ip(), (house.clock)());
    let refused = |no: Refusal| (Reply::Refused(no), None);
    match request {
        Request::Hello(hello) => {
            match blocking(house, move |house| admission::hello(&house.desk, &hello, from, now)).await {
                Ok(Ok((question, challenge))) => {
                    *asked = Some(question);
                    (Reply::Challenge(challenge), None)
                }
                Ok(Err(no)) => refused(no),
                Err(error) => refused(report(&error)),
            }
        }
        Request::Login(login) => {
            let Some(question) = asked.take() else {
                return refused(refusal::NOT_LOGGED_IN.refuse("a login before the hello"));
            };
            let Ok(exporter) = incoming.exporter() else {
                return refused(refusal::INTERNAL.refuse("the connection has no exporter value"));
            };
            let decided = blocking(house, move |house| {
                admission::login(&house.desk, &question, &login, &exporter, from, now)
            });
            match decided.await {
                Ok(Ok((guest, welcome))) => {
                    if !enter(house, &guest.member) {
                        return refused(session::later(
                            refusal::BUSY.refuse("too many connections of the member"),
                            10,
                        ));
                    }
                    incoming.authenticated();
                    (Reply::Welcome(welcome), Some(guest))
                }
                Ok(Err(no)) => refused(no),
                Err(error) => refused(report(&error)),
            }
        }
        _ => refused(refusal::NOT_LOGGED_IN.refuse("a request before the login")),
    }
}

fn enter(house: &House, member: &str) -> bool {
    let mut guests = locked(&house.guests);
    let count = guests.entry(member.to_owned()).or_default();
    if *count >= house.desk.limits.connections_per_member {
        return false;
    }
    *count += 1;
    true
}

fn leave(house: &House, member: &str) {
    let mut guests = locked(&house.guests);
    if let Some(count) = guests.get_mut(member) {
        *count -= 1;
        if *count == 0 {
            guests.remove(member);
        }
    }
}

async fn serve_one(
    house: &Arc<House>,
    guest: &Arc<Guest>,
    incoming: &Incoming,
    mut exchange: Exchange,
) -> wire::Result<()> {
    durable::before("request", Step::Receive);
    let request = match exchange.recv_request().await {
        Ok(request) => {
            durable::after("request", Step::Receive);
            request
        }
        Err(error) => {
            if error.is_peer_fault() {
                exchange.send(&Reply::Refused(refusal::MALFORMED.refuse(error.label()))).await?;
                exchange.finish().await?;
            }
            return Err(error);
        }
    };
    let trouble = house.mischief.next();
    match trouble {
        Some(Trouble::Cut) => {
            incoming.close().await;
            return Ok(());
        }
        Some(Trouble::Stall(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    if !matches!(request, Request::Watch { .. } | Request::Submit { .. })
        && let Some(reply) = at_hand(house, guest, &request)
    {
        return send(incoming, exchange, &reply, trouble).await;
    }
    match request {
        Request::Submit { header, eager } => {
            submit(house, guest, incoming, exchange, header, eager, trouble).await
        }
        Request::Watch { wait, .. } => {
            let reply = watch(house, guest, request, wait).await;
            send(incoming, exchange, &reply, trouble).await
        }
        request => match ask(house, guest, request).await {
            Ok((_, Answer::Body { reply, source, offset, left })) => {
                send_body(incoming, exchange, &reply, source, offset, left, trouble).await
            }
            Ok((_, Answer::Reply(reply))) => send(incoming, exchange, &reply, trouble).await,
            Ok((_, Answer::Receive(_))) => Ok(()), // only a Submit is answered so
            Err(no) => send(incoming, exchange, &Reply::Refused(no), trouble).await,
        },
    }
}

/// Asks the session, with the member as it stands now.
async fn ask(
    house: &Arc<House>,
    guest: &Arc<Guest>,
    request: Request,
) -> std::result::Result<(Arc<Member>, Answer), Refusal> {
    let (guest, now) = (guest.clone(), (house.clock)());
    let asked = blocking(house, move |house| {
        Ok(match admission::still_welcome(&house.desk, &guest, now)? {
            Ok(member) => {
                let answer = session::answer(&house.desk, &member, request, now)?;
                Ok((member, answer))
            }
            Err(no) => Err(no),
        })
    });
    asked.await.unwrap_or_else(|error| Err(report(&error)))
}

/// Waits for news; soon after the last ones a little longer, so that what comes in a stream is told, asked for and fetched
/// together, while a single letter is told at once. The bell is taken before each look, so that nothing falls between look and wait.
async fn watch(house: &Arc<House>, guest: &Arc<Guest>, request: Request, wait: u16) -> Reply {
    let until = Instant::now() + Duration::from_secs(wait.min(wire::MAX_WATCH_SECONDS).into());
    let bell = house.desk.wake.bell(&guest.member);
    let told = *locked(&guest.told);
    if let Some(quiet) = told.map(|told| (told + BETWEEN_NEWS).min(until)) {
        tokio::select! {
            () = tokio::time::sleep_until(quiet) => {}
            () = house.stop.cancelled() => {}
        }
    }
    loop {
        let mut rung = pin!(bell.notified());
        rung.as_mut().enable();
        let news = match at_hand(house, guest, &request) {
            Some(news) => news,
            None => match ask(house, guest, request.clone()).await {
                Ok((_, Answer::Reply(reply))) => reply,
                Ok(_) => return Reply::Refused(refusal::INTERNAL.refuse("a watch with a body")),
                Err(no) => return Reply::Refused(no),
            },
        };
        if !matches!(news, Reply::News { offers: false, outcomes: false, announcements: false }) {
            *locked(&guest.told) = Some(Instant::now());
            return news;
        }
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep_until(until) => return news,
            () = house.stop.cancelled() => return news,
        }
    }
}

/// The reply, where everything that it needs is in memory.
fn at_hand(house: &House, guest: &Guest, request: &Request) -> Option<Reply> {
    let (desk, now) = (&house.desk, (house.clock)());
    let member = desk.directory.member_at_hand(&guest.member)?;
    match admission::welcome(guest, member, now) {
        Ok(member) => session::at_hand(desk, &member, request, now),
        Err(no) => Some(Reply::Refused(no)),
    }
}

async fn submit(
    house: &Arc<House>,
    guest: &Arc<Guest>,
    incoming: &Incoming,
    mut exchange: Exchange,
    header: PartHeader,
    eager: bool,
    trouble: Option<Trouble>,
) -> wire::Result<()> {
    if eager {
        return submit_whole(house, guest, incoming, exchange, header, trouble).await;
    }
    let request = Request::Submit { header: header.clone(), eager };
    let (member, receive) = match ask(house, guest, request).await {
        Ok((member, Answer::Receive(receive))) => (member, receive),
        other => {
            let reply = match other {
                Ok((_, Answer::Reply(reply))) => reply,
                Ok(_) => return Ok(()), // only a Fetch is answered with a body
                Err(no) => Reply::Refused(no),
            };
            return send(incoming, exchange, &reply, trouble).await;
        }
    };
    let offset = match &receive {
        Receive::Memory => 0,
        Receive::File(upload) => upload.offset(),
    };
    exchange.send(&Reply::Go { offset }).await?;
    let left = header.length.saturating_sub(offset);
    let stop_after = match trouble {
        Some(Trouble::CutBody(thousandths)) => Some(left / 1000 * u64::from(thousandths)),
        _ => None,
    };
    let content = match take_body(house, &mut exchange, receive, left, stop_after).await {
        Ok(content) => content,
        Err(Interrupted::Wire(error)) => return Err(error),
        Err(Interrupted::Mischief) => {
            incoming.close().await;
            return Ok(());
        }
        Err(Interrupted::Refused(no, rest)) => {
            // a QUIC stream can be answered and stopped; on TCP the rest of the body is passed over first
            if exchange.carrier() == wire::Carrier::Tcp {
                exchange.recv_body(&mut tokio::io::sink(), rest).await?;
            }
            exchange.send(&Reply::Refused(no)).await?;
            return exchange.finish().await;
        }
    };
    let now = (house.clock)();
    let kept = blocking(house, move |house| session::finish(&house.desk, &member, &header, content, now));
    let reply = kept.await.unwrap_or_else(|error| Reply::Refused(report(&error)));
    send(incoming, exchange, &reply, trouble).await
}

/// A `Submit` whose body is on its way already, at most [`wire::EAGER_LIMIT`]: it is taken first, also where it will be
/// refused, so that the connection stays in step; everything else is one piece of work.
async fn submit_whole(
    house: &Arc<House>,
    guest: &Arc<Guest>,
    incoming: &Incoming,
    mut exchange: Exchange,
    header: PartHeader,
    trouble: Option<Trouble>,
) -> wire::Result<()> {
    let body = take_small(&mut exchange, header.length.min(wire::EAGER_LIMIT)).await?;
    if matches!(trouble, Some(Trouble::CutBody(_))) {
        incoming.close().await;
        return Ok(());
    }
    let (guest, now) = (guest.clone(), (house.clock)());
    let kept = blocking(house, move |house| match admission::still_welcome(&house.desk, &guest, now)? {
        Ok(member) => session::submit_whole(&house.desk, &member, &header, body, now),
        Err(no) => Ok(Reply::Refused(no)),
    });
    let reply = kept.await.unwrap_or_else(|error| Reply::Refused(report(&error)));
    send(incoming, exchange, &reply, trouble).await
}

async fn send(
    incoming: &Incoming,
    mut exchange: Exchange,
    reply: &Reply,
    trouble: Option<Trouble>,
) -> wire::Result<()> {
    match trouble {
        Some(Trouble::LostReply) => {
            incoming.close().await;
            return Ok(());
        }
        Some(Trouble::RepeatedOffers) => {
            if let Some(repeated) = repeat_offers(reply) {
                exchange.send(&repeated).await?;
                return exchange.finish().await;
            }
        }
        _ => {}
    }
    durable::before("reply", Step::Send);
    exchange.send(reply).await?;
    durable::after("reply", Step::Send);
    exchange.finish().await
}

/// The least time from news to news on one connection.
const BETWEEN_NEWS: Duration = Duration::from_millis(10);

fn repeat_offers(reply: &Reply) -> Option<Reply> {
    let Reply::Offers { offers } = reply else { return None };
    let twice: Vec<_> = offers.iter().rev().chain(offers).cloned().collect();
    let reply = Reply::Offers { offers: twice };
    let fits = offers.len() * 2 <= usize::from(wire::MAX_PAGE)
        && wire::codec::len(&reply) < wire::MAX_REPLY as usize;
    fits.then_some(reply)
}

/// Runs something that blocks.
pub(crate) async fn blocking<T: Send + 'static>(
    house: &Arc<House>,
    work: impl FnOnce(&House) -> Result<T> + Send + 'static,
) -> Result<T> {
    let house = house.clone();
    tokio::task::spawn_blocking(move || work(&house)).await.unwrap_or(Err(Error::Task))
}

/// Our own trouble goes to the log; the member is told as little as it needs.
pub(crate) fn report(error: &Error) -> Refusal {
    match error {
        Error::TakenOver | Error::DigestMismatch | Error::Stopping => {
            tracing::debug!(label = error.label(), "refused");
        }
        _ => tracing::error!(label = error.label(), error = error.chain(), "the center's own trouble"),
    }
    session::trouble(error)
}
