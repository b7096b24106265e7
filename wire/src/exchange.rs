use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::{Instant, Sleep, sleep, timeout_at},
};

use crate::{
    Carrier, Error, MAX_OPENING, Result,
    codec::{self, Message},
    message::{Reply, Request},
    tcp::Lease,
};

/// One request with its reply, and the bodies that belong to them: a QUIC stream, or a TCP connection's turn.
///
/// Call [`Exchange::finish`] when everything was sent and read. Dropped before, the stream is reset, and a TCP connection is
/// closed, since nobody could tell where the next frame begins.
#[derive(Debug)]
pub struct Exchange {
    io: Io,
    /// Within this time at least [`FLOOR`] bytes, or all that is left, must move.
    window: Duration,
    /// Longest frame read here.
    limit: u32,
    /// When what is received must be complete, whatever its progress: the login deadline.
    until: Option<Instant>,
}

#[derive(Debug)]
pub(crate) enum Io {
    Quic { send: quinn::SendStream, recv: quinn::RecvStream },
    Tcp(Lease),
}

impl Exchange {
    pub(crate) fn new(io: Io, window: Duration, opening: bool) -> Self {
        Self { io, window, limit: if opening { MAX_OPENING } else { u32::MAX }, until: None }
    }

    pub(crate) fn until(self, until: Option<Instant>) -> Self {
        Self { until, ..self }
    }

    pub(crate) fn into_io(self) -> Io {
        self.io
    }

    /// What carries it.
    pub fn carrier(&self) -> Carrier {
        match self.io {
            Io::Quic { .. } => Carrier::Quic,
            Io::Tcp(_) => Carrier::Tcp,
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// [`Error::Unsendable`], [`Error::Stalled`], [`Error::Lost`], [`Error::Closed`].
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<()> {
        let frame = codec::frame(message)?;
        self.write(&frame).await?;
        self.flush().await
    }

    /// Sends one message and, in the same write, a body that is already in memory (an eager `Submit`).
    ///
    /// # Errors
    /// As [`Exchange::send`].
    pub async fn send_with_body<M: Message>(&mut self, message: &M, body: &[u8]) -> Result<()> {
        let mut frame = codec::frame(message)?;
        frame.extend_from_slice(body);
        self.write(&frame).await?;
        self.flush().await
    }

    /// Receives one message. It must begin within `wait` and then keep coming.
    ///
    /// # Errors
    /// The peer's faults, [`Error::Stalled`], [`Error::Lost`], [`Error::Closed`].
    pub async fn recv<M: Message>(&mut self, wait: Duration) -> Result<M> {
        let limit = self.limit.min(M::LIMIT);
        let (window, until) = (self.window, self.until);
        let reading = async {
            match &mut self.io {
                Io::Quic { recv, .. } => codec::read(&mut Paced::new(recv, wait, window), limit).await,
                Io::Tcp(lease) => codec::read(&mut Paced::new(lease.stream()?, wait, window), limit).await,
            }
        };
        let bytes = match until {
            Some(until) => timeout_at(until, reading).await.unwrap_or(Err(Error::Stalled("logging in"))),
            None => reading.await,
        };
        codec::decode(&bytes?.ok_or(Error::Closed)?)
    }

    /// A center's next request. It must begin within the progress deadline.
    ///
    /// # Errors
    /// As [`Exchange::recv`].
    pub async fn recv_request(&mut self) -> Result<Request> {
        self.recv(self.window).await
    }

    /// The reply to what was sent; a refusal is an error.
    ///
    /// # Errors
    /// As [`Exchange::recv`], and [`Error::Refused`].
    pub async fn recv_reply(&mut self, wait: Duration) -> Result<Reply> {
        match self.recv(wait).await? {
            Reply::Refused(refusal) => Err(Error::Refused(Box::new(refusal))),
            reply => Ok(reply),
        }
    }

    /// Sends exactly `length` bytes of a body. Returns early, without error, if the peer wants no more: its reply says why.
    ///
    /// # Errors
    /// [`Error::Body`] if `from` fails or ends early, [`Error::Stalled`], [`Error::Lost`].
    pub async fn send_body<R: AsyncRead + Unpin>(&mut self, from: &mut R, length: u64) -> Result<()> {
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(CHUNK)];
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let space = buffer.get_mut(..most).unwrap_or_default();
            let read = from.read(space).await.map_err(Error::Body)?;
            if read == 0 {
                return Err(Error::Body(io::ErrorKind::UnexpectedEof.into()));
            }
            match self.write(space.get(..read).unwrap_or_default()).await {
                Err(Error::Closed) if self.carrier() == Carrier::Quic => return Ok(()),
                other => other?,
            }
            left -= read as u64;
        }
        self.flush().await
    }

    /// A body of exactly `length` bytes, to be read piece by piece.
    pub fn body(&mut self, length: u64) -> Body<'_> {
        Body { exchange: self, left: length, moved: 0, since: None }
    }

    /// Receives a body of exactly `length` bytes into `to` and flushes it. `tokio::io::sink()` passes over one.
    ///
    /// # Errors
    /// [`Error::Body`] if `to` fails, [`Error::Truncated`], [`Error::Stalled`], [`Error::Lost`].
    pub async fn recv_body<W: AsyncWrite + Unpin>(&mut self, to: &mut W, length: u64) -> Result<()> {
        let mut body = self.body(length);
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(CHUNK)];
        loop {
            match body.chunk(&mut buffer).await? {
                0 => return to.flush().await.map_err(Error::Body),
                n => to.write_all(buffer.get(..n).unwrap_or_default()).await.map_err(Error::Body)?,
            }
        }
    }

    /// Everything of this exchange was sent and read: the stream ends, a TCP connection is free for the next request.
    ///
    /// # Errors
    /// [`Error::Lost`] if the last bytes cannot be handed over.
    pub async fn finish(mut self) -> Result<()> {
        self.flush().await?;
        match self.io {
            // Fails only if the peer has already stopped it, which it may.
            Io::Quic { mut send, .. } => {
                let _ = send.finish();
            }
            Io::Tcp(lease) => lease.give_back(),
        }
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let window = self.window;
        match &mut self.io {
            Io::Quic { send, .. } => Paced::new(send, window, window).write_all(bytes).await,
            Io::Tcp(lease) => Paced::new(lease.stream()?, window, window).write_all(bytes).await,
        }
        .map_err(|error| trouble(&error, "sending"))
    }

    async fn flush(&mut self) -> Result<()> {
        let window = self.window;
        match &mut self.io {
            Io::Quic { .. } => Ok(()),
            Io::Tcp(lease) => Paced::new(lease.stream()?, window, window).flush().await,
        }
        .map_err(|error| trouble(&error, "sending"))
    }
}

/// A body on its way in.
#[derive(Debug)]
pub struct Body<'a> {
    exchange: &'a mut Exchange,
    left: u64,
    /// Bytes since the last time that progress was seen.
    moved: u64,
    since: Option<Instant>,
}

impl Body<'_> {
    /// Bytes still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Reads some bytes into `buffer`; 0 when the body is complete. Time that the caller spends between calls does not count.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Stalled`], [`Error::Lost`], [`Error::Closed`].
    pub async fn chunk(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let space = buffer.get_mut(..most).unwrap_or_default();
        if space.is_empty() {
            return Ok(0);
        }
        let started = Instant::now();
        let window = self.exchange.window;
        let spent = self.since.map_or(Duration::ZERO, |since| started.saturating_duration_since(since));
        let wait = window.saturating_sub(spent);
        let read = match &mut self.exchange.io {
            Io::Quic { recv, .. } => Paced::new(recv, wait, window).read(space).await,
            Io::Tcp(lease) => Paced::new(lease.stream()?, wait, window).read(space).await,
        }
        .map_err(|error| trouble(&error, "sending a body"))?;
        if read == 0 {
            return Err(Error::Truncated { missing: self.left });
        }
        self.left -= read as u64;
        self.moved += read as u64;
        if self.moved >= FLOOR {
            (self.moved, self.since) = (0, None);
        } else {
            // A trickle: the clock of this window runs on, without the caller's own time.
            let waited = started.elapsed() + spent;
            self.since = Instant::now().checked_sub(waited);
        }
        Ok(read)
    }
}

/// A stream on which every [`FLOOR`] bytes, or all that is asked for, must move within a window.
struct Paced<'a, T> {
    inner: &'a mut T,
    window: Duration,
    moved: u64,
    /// Registered with the timer only when the stream has to be waited for.
    deadline: Pin<Box<Sleep>>,
}

impl<'a, T> Paced<'a, T> {
    fn new(inner: &'a mut T, first: Duration, window: Duration) -> Self {
        Self { inner, window, moved: 0, deadline: Box::pin(sleep(first)) }
    }

    fn moved(&mut self, bytes: usize) {
        self.moved += bytes as u64;
        if self.moved >= FLOOR {
            self.moved = 0;
            self.deadline.as_mut().reset(Instant::now() + self.window);
        }
    }

    fn stalled<V>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<V>> {
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Stall)))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<'_, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut *self.inner).poll_read(cx, buffer) {
            Poll::Pending => self.stalled(cx),
            Poll::Ready(result) => {
                self.moved(buffer.filled().len() - before);
                Poll::Ready(result)
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut *self.inner).poll_write(cx, bytes) {
            Poll::Pending => self.stalled(cx),
            Poll::Ready(result) => {
                if let Ok(written) = result {
                    self.moved(written);
                }
                Poll::Ready(result)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut *self.inner).poll_flush(cx) {
            Poll::Pending => self.stalled(cx),
            ready => ready,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_shutdown(cx)
    }
}

/// Inside an `io::Error`: the deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("no progress within the deadline")]
struct Stall;

/// What an error of a stream means.
pub(crate) fn trouble(error: &io::Error, doing: &'static str) -> Error {
    let Some(inner) = error.get_ref() else {
        return Error::Lost(error.to_string());
    };
    if inner.is::<Stall>() {
        return Error::Stalled(doing);
    }
    match inner.downcast_ref::<quinn::ReadError>() {
        Some(quinn::ReadError::Reset(_)) => return Error::Closed,
        Some(quinn::ReadError::ConnectionLost(error)) => return crate::quic::lost(error),
        _ => {}
    }
    match inner.downcast_ref::<quinn::WriteError>() {
        Some(quinn::WriteError::Stopped(_)) => return Error::Closed,
        Some(quinn::WriteError::ConnectionLost(error)) => return crate::quic::lost(error),
        _ => {}
    }
    match inner.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(error)) => Error::Untrusted(error.to_string()),
        Some(error) => Error::Lost(error.to_string()),
        None => Error::Lost(error.to_string()),
    }
}

/// Fewer bytes than this within one window are no progress.
const FLOOR: u64 = 1024;
/// Bytes read and written at a time.
const CHUNK: usize = 64 * 1024;
