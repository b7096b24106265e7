//! Bodies on their way in and out, piece by piece, in constant memory.

use crate::connection::{House, blocking, report};
use crate::error::Result;
use crate::mailbox::{Content, Source, Upload};
use crate::mischief::Trouble;
use crate::session::Receive;
use std::sync::Arc;
use wire::message::{Refusal, Reply};
use wire::{Exchange, Incoming};

/// Why a body did not come to its end.
pub(crate) enum Interrupted {
    /// The connection, or the peer.
    Wire(wire::Error),
    /// This, and how many bytes of the body were not read.
    Refused(Refusal, u64),
    /// It was cut on purpose.
    Mischief,
}

/// Takes `left` bytes. What came before an interruption of a large body stays, durable, for the next try.
pub(crate) async fn take_body(
    house: &Arc<House>,
    exchange: &mut Exchange,
    receive: Receive,
    left: u64,
    stop_after: Option<u64>,
) -> std::result::Result<Content, Interrupted> {
    let mut upload = match receive {
        Receive::Memory => {
            let bytes = take_small(exchange, left).await.map_err(Interrupted::Wire)?;
            return if stop_after.is_some() { Err(Interrupted::Mischief) } else { Ok(Content::Bytes(bytes)) };
        }
        Receive::File(upload) => upload,
    };
    let mut body = exchange.body(left);
    let mut taken = 0;
    while taken < left {
        let size = usize::try_from(left - taken).unwrap_or(usize::MAX).min(CHUNK);
        let mut chunk = vec![0; size];
        let (n, broken) = fill(&mut body, &mut chunk).await;
        chunk.truncate(n);
        taken += n as u64;
        let cut = stop_after.is_some_and(|most| taken >= most);
        let end = broken.is_some() || cut;
        let written = with_upload(house, upload, move |upload| {
            upload.write(&chunk)?;
            if end { upload.suspend() } else { Ok(()) }
        });
        upload = match written.await {
            Ok(upload) => upload,
            Err(error) => return Err(Interrupted::Refused(report(&error), left - taken)),
        };
        if let Some(error) = broken {
            return Err(Interrupted::Wire(error));
        }
        if cut {
            return Err(Interrupted::Mischief);
        }
    }
    let finished = blocking(house, move |_| upload.finish()).await;
    finished.map_err(|error| Interrupted::Refused(report(&error), 0))
}

/// Takes a body of `length` bytes into memory.
pub(crate) async fn take_small(exchange: &mut Exchange, length: u64) -> wire::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    fill(&mut exchange.body(length), &mut bytes).await.1.map_or(Ok(bytes), Err)
}

/// Reads until `bytes` is full; how many came, and what stopped them.
async fn fill(body: &mut wire::Body<'_>, bytes: &mut [u8]) -> (usize, Option<wire::Error>) {
    let mut n = 0;
    while let Some(space) = bytes.get_mut(n..).filter(|space| !space.is_empty()) {
        match body.chunk(space).await {
            Ok(0) => return (n, Some(wire::Error::Truncated { missing: space.len() as u64 })),
            Ok(read) => n += read,
            Err(error) => return (n, Some(error)),
        }
    }
    (n, None)
}

async fn with_upload(
    house: &Arc<House>,
    mut upload: Box<dyn Upload>,
    work: impl FnOnce(&mut dyn Upload) -> Result<()> + Send + 'static,
) -> Result<Box<dyn Upload>> {
    blocking(house, move |_| {
        work(upload.as_mut())?;
        Ok(upload)
    })
    .await
}

/// Sends a reply and the source's bytes from the offset.
pub(crate) async fn send_body(
    incoming: &Incoming,
    mut exchange: Exchange,
    reply: &Reply,
    source: Source,
    offset: u64,
    left: u64,
    trouble: Option<Trouble>,
) -> wire::Result<()> {
    if trouble == Some(Trouble::LostReply) {
        incoming.close().await;
        return Ok(());
    }
    let length = match trouble {
        Some(Trouble::CutBody(thousandths)) => left / 1000 * u64::from(thousandths),
        _ => left,
    };
    exchange.send(reply).await?;
    match source {
        Source::Bytes(bytes) => {
            let mut rest = bytes.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
            exchange.send_body(&mut rest, length).await?;
        }
        Source::File(file) => {
            let mut file = tokio::fs::File::from_std(file);
            file.set_max_buf_size(CHUNK);
            tokio::io::AsyncSeekExt::seek(&mut file, std::io::SeekFrom::Start(offset))
                .await
                .map_err(wire::Error::Body)?;
            exchange.send_body(&mut file, length).await?;
        }
    }
    if length < left {
        incoming.close().await;
        return Ok(());
    }
    exchange.finish().await
}

/// Bytes that are taken or sent in one step.
const CHUNK: usize = 256 * 1024;
