//! Every request of the protocol (protocol §4).

use std::{future::Future, io::Read as _};

use durable::Step;
use store::content::Content;
use tokio::{
    io::{AsyncSeekExt as _, AsyncWrite},
    sync::SemaphorePermit,
};
use wire::{
    EAGER_LIMIT, Exchange, Lane, MAX_DIRECTORY_CODES, MAX_OPEN_PARTS, MAX_PAGE,
    message::{
        Announcement, AnsweredLine, DirectoryAnswer, Offer, OpenPart, Outcome, PartHeader, PartKey, Reply,
        Request, SubmittedPart,
    },
};

use super::{Error, Link};

/// Lines or parts that are recalled at a time.
const RECALL: u16 = 200;

/// Bodies below this have turns of their own, so that no large ones keep them waiting. Bytes.
pub(super) const SMALL: u64 = 1_000_000;

impl Link {
    /// Submits the sealed bytes, which are at their begin, and returns the center's receipt (DER). Goes on from where
    /// the center holds an earlier try. Waits for a turn among bodies of its size.
    ///
    /// # Errors
    /// [`Error::Down`]; the exchange's troubles; the center's refusals.
    pub async fn submit(&self, header: PartHeader, sealed: impl Into<Content>) -> Result<Vec<u8>, Error> {
        let sealed = sealed.into();
        let length = header.length;
        let _turn = self.turn(length).await?;
        let eager = length <= EAGER_LIMIT;
        let mut exchange = self.connection()?.open(Lane::Work).await?;
        let progress = self.inner.progress;
        let request = Request::Submit { header, eager };
        durable::before("submit", Step::Send);
        let reply = if eager {
            // So short a read, mostly of what was written just now, is not worth another thread.
            let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
            sealed.take(length).read_to_end(&mut body).map_err(wire::Error::Body)?;
            if body.len() as u64 != length {
                return Err(wire::Error::Body(std::io::ErrorKind::UnexpectedEof.into()).into());
            }
            exchange.send_with_body(&request, &body).await?;
            durable::after("submit", Step::Send);
            exchange.recv_reply(progress).await
        } else {
            exchange.send(&request).await?;
            match exchange.recv_reply(progress).await {
                Ok(Reply::Go { offset }) if offset <= length => {
                    let start = std::io::SeekFrom::Start(offset);
                    match sealed {
                        Content::File(file) => {
                            let mut file = tokio::fs::File::from_std(file);
                            file.set_max_buf_size(CHUNK);
                            file.seek(start).await.map_err(wire::Error::Body)?;
                            exchange.send_body(&mut file, length - offset).await?;
                        }
                        Content::Bytes(mut bytes) => {
                            bytes.seek(start).await.map_err(wire::Error::Body)?;
                            exchange.send_body(&mut bytes, length - offset).await?;
                        }
                    }
                    durable::after("submit", Step::Send);
                    exchange.recv_reply(progress).await
                }
                other => other,
            }
        };
        durable::before("submit", Step::Receive);
        match settle(exchange, reply).await? {
            Reply::Accepted { receipt } => {
                durable::after("submit", Step::Receive);
                Ok(receipt)
            }
            _ => Err(wire::Error::Unexpected("submit").into()),
        }
    }

    /// Offers with a number above `after`, at most `limit` (and at most a page). See protocol §4.3 for their order.
    ///
    /// # Errors
    /// As [`Link::submit`].
    pub async fn offers(&self, after: u64, limit: u16) -> Result<Vec<Offer>, Error> {
        match self.ask("offers", &Request::Offers { after, limit: page(limit) }).await? {
            Reply::Offers { offers } => Ok(offers),
            _ => Err(wire::Error::Unexpected("offers").into()),
        }
    }

    /// The bytes of an offer from `offset` to `length` are written to `to`, which is flushed. What arrived before a failure
    /// has been written too. Waits for a turn among bodies of its size.
    ///
    /// # Errors
    /// As [`Link::submit`]; the center's body is of another length than offered.
    pub async fn fetch<W: AsyncWrite + Unpin>(
        &self,
        seq: u64,
        offset: u64,
        length: u64,
        to: &mut W,
    ) -> Result<(), Error> {
        let rest = length.saturating_sub(offset);
        let _turn = self.turn(rest).await?;
        let mut exchange = self.connection()?.open(Lane::Work).await?;
        durable::before("fetch", Step::Send);
        exchange.send(&Request::Fetch { seq, offset }).await?;
        durable::after("fetch", Step::Send);
        match exchange.recv_reply(self.inner.progress).await {
            Ok(Reply::Body { length: found, .. }) if found == length => {
                durable::before("fetch", Step::Receive);
                exchange.recv_body(to, rest).await?;
                durable::after("fetch", Step::Receive);
                Ok(exchange.finish().await?)
            }
            other => {
                settle(exchange, other).await?;
                Err(wire::Error::Unexpected("fetch").into())
            }
        }
    }

    /// Reports a receipt bundle; back when every line of it is durable there.
    ///
    /// # Errors
    /// As [`Link::submit`].
    pub async fn report(&self, bundle: Vec<u8>) -> Result<(), Error> {
        match self.ask("report", &Request::Report { bundle }).await? {
            Reply::Reported => Ok(()),
            _ => Err(wire::Error::Unexpected("report").into()),
        }
    }

    /// Outcomes with a number above `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// As [`Link::submit`].
    pub async fn outcomes(&self, after: u64, limit: u16) -> Result<Vec<Outcome>, Error> {
        match self.ask("outcomes", &Request::Outcomes { after, limit: page(limit) }).await? {
            Reply::Outcomes { outcomes } => Ok(outcomes),
            _ => Err(wire::Error::Unexpected("outcomes").into()),
        }
    }

    /// One answer per code, all of them, in the order of `codes`.
    ///
    /// # Errors
    /// As [`Link::submit`].
    pub async fn directory(&self, codes: &[String]) -> Result<Vec<DirectoryAnswer>, Error> {
        let mut all: Vec<DirectoryAnswer> = Vec::with_capacity(codes.len());
        while let Some(rest) = codes.get(all.len()..).filter(|rest| !rest.is_empty()) {
            let asked = rest.get(..rest.len().min(MAX_DIRECTORY_CODES)).unwrap_or(rest);
            let Reply::Directory { answers } =
                self.ask("directory", &Request::Directory { codes: asked.to_vec() }).await?
            else {
                return Err(wire::Error::Unexpected("directory").into());
            };
            // As many as fitted into a frame, at least one, each for the code that was asked.
            let fits = (1..=asked.len()).contains(&answers.len())
                && answers.iter().zip(asked).all(|(answer, code)| answer.code == *code);
            if !fits {
                return Err(wire::Error::Unexpected("directory").into());
            }
            all.extend(answers);
        }
        Ok(all)
    }

    /// Announcements with a number above `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// As [`Link::submit`].
    pub async fn announcements(&self, after: u64, limit: u16) -> Result<Vec<Announcement>, Error> {
        match self.ask("announcements", &Request::Announcements { after, limit: page(limit) }).await? {
            Reply::Announcements { announcements } => Ok(announcements),
            _ => Err(wire::Error::Unexpected("announcements").into()),
        }
    }

    /// Which of these parts the center does not hold.
    ///
    /// # Errors
    /// As [`Link::submit`].
    pub async fn open_list(&self, parts: Vec<OpenPart>) -> Result<Vec<PartKey>, Error> {
        let mut missing = Vec::new();
        for asked in parts.chunks(MAX_OPEN_PARTS) {
            match self.ask("open-list", &Request::OpenList { parts: asked.to_vec() }).await? {
                Reply::Missing { parts } => {
                    missing.extend(parts.into_iter().filter(|key| asked.iter().any(|one| one.key == *key)));
                }
                _ => return Err(wire::Error::Unexpected("open list").into()),
            }
        }
        Ok(missing)
    }

    /// Mailbox lines that we reported at or after `since` (the center's clock), with a number above `after`, in order.
    ///
    /// # Errors
    /// As [`Link::submit`]; `malformed-request` from a center that speaks version 1 only.
    pub async fn answered(&self, since: i64, after: u64) -> Result<Vec<AnsweredLine>, Error> {
        match self.recall(&Request::Answered { since, after, limit: RECALL }).await? {
            Reply::Answered { lines } => Ok(lines),
            _ => Err(wire::Error::Unexpected("answered").into()),
        }
    }

    /// Parts that the center accepted from us at or after `since` (its clock), with a number above `after`, in order.
    ///
    /// # Errors
    /// As [`Link::answered`].
    pub async fn submitted(&self, since: i64, after: u64) -> Result<Vec<SubmittedPart>, Error> {
        match self.recall(&Request::Submitted { since, after, limit: RECALL }).await? {
            Reply::Submitted { parts } => Ok(parts),
            _ => Err(wire::Error::Unexpected("submitted").into()),
        }
    }

    /// Asked after a restore only: without points.
    async fn recall(&self, request: &Request) -> Result<Reply, Error> {
        Ok(self.connection()?.ask(Lane::Work, request, self.inner.progress).await?)
    }

    /// `name` is what it is called at the points of `durable`.
    async fn ask(&self, name: &'static str, request: &Request) -> Result<Reply, Error> {
        let mut exchange = self.connection()?.open(Lane::Work).await?;
        durable::before(name, Step::Send);
        exchange.send(request).await?;
        durable::after(name, Step::Send);
        let reply = exchange.recv_reply(self.inner.progress).await;
        durable::before(name, Step::Receive);
        let reply = settle(exchange, reply).await?;
        durable::after(name, Step::Receive);
        Ok(reply)
    }

    /// A turn for a body of that length.
    fn turn(&self, length: u64) -> impl Future<Output = Result<SemaphorePermit<'_>, Error>> {
        let turns = if length < SMALL { &self.inner.small } else { &self.inner.large };
        async move { turns.acquire().await.map_err(|_| Error::Down { label: super::STOPPED.to_owned() }) }
    }
}

/// Bytes read from a file at a time.
const CHUNK: usize = 256 * 1024;

/// Ends an exchange that has been answered; after any other trouble it is dropped, which resets it.
async fn settle(exchange: Exchange, reply: wire::Result<Reply>) -> Result<Reply, Error> {
    if matches!(reply, Ok(_) | Err(wire::Error::Refused(_))) {
        exchange.finish().await?;
    }
    Ok(reply?)
}

fn page(limit: u16) -> u16 {
    limit.clamp(1, MAX_PAGE)
}
