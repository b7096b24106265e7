//! A node's TCP connections to its center: one request at a time on each, grown on demand, each logged in by itself.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use crate::{
    Credentials, Error, Result,
    connect::{self, Dial, Lane, Opened},
    exchange::{Exchange, Io},
    tcp::{self, Home, Lease, Stream},
};

pub(crate) struct Pool {
    dial: Arc<Dial>,
    pub(crate) peer: SocketAddr,
    credentials: Arc<dyn Credentials>,
    /// Of the center at the first login: a restored center is another one.
    epoch: [u8; 16],
    work: Lot,
    watch: Lot,
}

/// Connections of one lane.
struct Lot {
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<(Stream, Instant)>>,
}

impl Lot {
    fn new(most: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(most)), idle: Mutex::new(Vec::new()) }
    }

    fn put(&self, stream: Stream) {
        // A closed lot takes nothing back.
        if !self.slots.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((stream, Instant::now()));
        }
    }

    /// The one used last; older ones that the center may have closed are dropped.
    fn take(&self) -> Option<Stream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        while let Some((mut stream, _)) = idle.pop() {
            if tcp::is_quiet(&mut stream) {
                return Some(stream);
            }
        }
        None
    }

    fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn close(&self) {
        self.slots.close();
        self.forget();
    }
}

impl Pool {
    /// Begins with one connection that is logged in.
    pub(crate) fn new(
        dial: Arc<Dial>,
        peer: SocketAddr,
        credentials: Arc<dyn Credentials>,
        first: Stream,
        epoch: [u8; 16],
    ) -> Arc<Self> {
        let work = Lot::new(dial.timing.pool);
        work.put(first);
        Arc::new(Self { dial, peer, credentials, epoch, work, watch: Lot::new(1) })
    }

    pub(crate) async fn open(self: &Arc<Self>, lane: Lane) -> Result<Exchange> {
        let lot = self.lot(lane);
        let permit = lot.slots.clone().acquire_owned().await.map_err(|_| Error::Closed)?;
        let stream = match lot.take() {
            Some(stream) => stream,
            None => timeout(self.dial.timing.connect, self.grow())
                .await
                .map_err(|_| Error::Stalled("connecting"))??,
        };
        let place = Place { pool: self.clone(), lane, given_back: false, _permit: permit };
        let lease = Lease::new(stream, Home::Pool(place));
        Ok(Exchange::new(Io::Tcp(lease), self.dial.timing.progress, false))
    }

    async fn grow(&self) -> Result<Stream> {
        let stream = self.dial.tcp(self.peer).await?;
        let (stream, Opened { welcome, .. }) =
            connect::open_tcp(&self.dial, stream, self.credentials.as_ref()).await?;
        if welcome.epoch != self.epoch {
            return Err(Error::Lost("the center begins a new epoch".to_owned()));
        }
        Ok(stream)
    }

    pub(crate) fn close(&self) {
        self.work.close();
        self.watch.close();
    }

    fn lot(&self, lane: Lane) -> &Lot {
        match lane {
            Lane::Work => &self.work,
            Lane::Watch => &self.watch,
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// A turn's place in the pool.
#[derive(Debug)]
pub(crate) struct Place {
    pool: Arc<Pool>,
    lane: Lane,
    given_back: bool,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    pub(crate) fn give_back(mut self, stream: Stream) {
        self.given_back = true;
        self.pool.lot(self.lane).put(stream);
    }
}

impl Drop for Place {
    /// A turn that ended badly: its connection is closed, and those that lie idle went the same way. Each of them would
    /// cost another deadline before it is known to be dead, a new one costs a handshake.
    fn drop(&mut self) {
        if !self.given_back {
            self.pool.work.forget();
        }
    }
}

/// Unused so long, a connection is closed; less than the center's own limit.
const IDLE: Duration = Duration::from_secs(60);
