//! The one thread that writes, and the tickets that its callers wait on.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::Error;

/// The answer to a write, given after its COMMIT: `.wait()` in a thread, `.await` in a task. A ticket that is dropped
/// withdraws nothing: the write happens.
#[derive(Debug)]
#[must_use = "a write can fail; wait for it or await it"]
pub struct Ticket<T>(oneshot::Receiver<Result<T, Error>>);

impl<T> Ticket<T> {
    pub(crate) const fn new(receiver: oneshot::Receiver<Result<T, Error>>) -> Self {
        Self(receiver)
    }

    /// Blocks until the write is durable or has failed.
    ///
    /// # Errors
    /// What the operation says, or what the COMMIT of its group says, or `store-closed`.
    pub fn wait(self) -> Result<T, Error> {
        self.0.recv().unwrap_or(Err(Error::Closed))
    }
}

impl<T> IntoFuture for Ticket<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Answered<T>;

    fn into_future(self) -> Answered<T> {
        Answered(self.0.into_future())
    }
}

/// A [`Ticket`] being awaited.
#[derive(Debug)]
pub struct Answered<T>(oneshot::AsyncReceiver<Result<T, Error>>);

impl<T> Future for Answered<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or(Err(Error::Closed)))
    }
}
