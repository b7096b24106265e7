//! A line between nodes and a center that is as bad as a test wants it, and can be changed while it runs.
//!
//! A [`Relay`] listens on one port, UDP and TCP, and passes on to the center what comes; what it does to it on the way is
//! its [`Line`]. Its dice are seeded, so a run can be repeated as far as the scheduling of the system allows.
//!
//! Of TCP a relay sees a stream and no packets: what is lost there comes 200 ms late, as if it had been sent again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::time::Instant;

mod tcp;
mod udp;

/// What a line does to what passes. [`Line::GOOD`] passes everything on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Percent of the datagrams that get lost.
    pub loss: u8,
    /// Percent of the datagrams that come twice.
    pub duplicate: u8,
    /// One way.
    pub delay: Duration,
    /// Each datagram takes up to so much longer, so that they overtake each other.
    pub jitter: Duration,
    /// In each direction, of everything together.
    pub bytes_per_second: Option<u64>,
    /// Whether datagrams pass at all.
    pub udp: bool,
    /// Everything is taken and nothing is passed on: new connections too. What a stream holds back then comes later.
    pub silent: bool,
    /// The address that the center sees. A change moves UDP at once, as a NAT does; TCP connections keep theirs.
    pub source: Ipv4Addr,
}

impl Line {
    /// A good one.
    pub const GOOD: Self = Self {
        loss: 0,
        duplicate: 0,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        bytes_per_second: None,
        udp: true,
        silent: false,
        source: Ipv4Addr::LOCALHOST,
    };
}

/// What has passed, and what has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Datagrams passed on, copies too.
    pub datagrams: u64,
    /// Datagrams lost, by the dice, for want of room, or because the line passes none.
    pub lost: u64,
    /// Datagrams that came twice.
    pub doubled: u64,
    /// TCP connections that were taken.
    pub connections: u64,
    /// Bytes passed on, of datagrams and streams, both ways.
    pub bytes: u64,
}

/// A running one. Dropped, it breaks everything that goes through it.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Relay {
    /// To `center`, on a free port of 127.0.0.1, with threads of its own.
    ///
    /// # Panics
    /// If it cannot listen.
    #[must_use]
    pub fn start(center: SocketAddr, seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("relay")
            .enable_all()
            .build()
            .expect("runtime");
        let shared = Arc::new(Shared {
            center,
            line: watch::Sender::new(Line::GOOD),
            fate: watch::Sender::new(Fate::Stays),
            dice: Mutex::new(Dice::new(seed)),
            free: [Mutex::new(None), Mutex::new(None)],
            trap: Mutex::new(None),
            counters: Counters::default(),
        });
        let (tcp, udp) = {
            let _inside = runtime.enter();
            sockets()
        };
        let address = udp.local_addr().expect("address");
        runtime.spawn(tcp::serve(Arc::clone(&shared), tcp));
        runtime.spawn(udp::serve(Arc::clone(&shared), udp));
        Self { address, shared, runtime: Some(runtime) }
    }

    /// Where it listens, UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the line another one, for what comes from now on.
    pub fn set(&self, line: Line) {
        self.shared.line.send_replace(line);
    }

    /// The line as it is.
    #[must_use]
    pub fn line(&self) -> Line {
        *self.shared.line.borrow()
    }

    /// Cuts everything: TCP connections are reset on both sides, the ways of datagrams are forgotten.
    pub fn cut(&self) {
        self.shared.fate.send_replace(Fate::Cut);
    }

    /// Everything that is under way falls silent for ever, and nobody is told: half-open connections. New ones pass.
    pub fn vanish(&self) {
        self.shared.fate.send_replace(Fate::Vanished);
    }

    /// When so many bytes more have passed, the line becomes another one in that moment, and this becomes of what is under
    /// way.
    pub fn after(&self, bytes: u64, line: Line, fate: Fate) {
        let at = self.counts().bytes + bytes;
        *self.shared.trap.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, line, fate));
    }

    /// What has passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Counters { datagrams, lost, doubled, connections, bytes } = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            datagrams: read(datagrams),
            lost: read(lost),
            doubled: read(doubled),
            connections: read(connections),
            bytes: read(bytes),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime may not be waited for within another.
            runtime.shutdown_background();
        }
    }
}

/// One port number for both.
fn sockets() -> (TcpListener, UdpSocket) {
    for _ in 0..16 {
        let tcp = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let Ok(udp) = tcp.local_addr().and_then(std::net::UdpSocket::bind) else { continue };
        tcp.set_nonblocking(true).and_then(|()| udp.set_nonblocking(true)).expect("not blocking");
        return (TcpListener::from_std(tcp).expect("TCP"), UdpSocket::from_std(udp).expect("UDP"));
    }
    panic!("no port is free for both");
}

/// What becomes of what is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Stays,
    /// As by [`Relay::cut`].
    Cut,
    /// As by [`Relay::vanish`].
    Vanished,
}

/// To the center, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    There = 0,
    Back = 1,
}

#[derive(Debug)]
struct Shared {
    center: SocketAddr,
    line: watch::Sender<Line>,
    fate: watch::Sender<Fate>,
    dice: Mutex<Dice>,
    /// Of each way: when the line has sent all that it was given.
    free: [Mutex<Option<Instant>>; 2],
    /// What happens when so many bytes have passed.
    trap: Mutex<Option<(u64, Line, Fate)>>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    datagrams: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
    connections: AtomicU64,
    bytes: AtomicU64,
}

impl Shared {
    fn line(&self) -> Line {
        *self.line.borrow()
    }

    fn percent(&self, percent: u8) -> bool {
        percent > 0
            && self.dice.lock().unwrap_or_else(PoisonError::into_inner).below(100) < u64::from(percent)
    }

    fn part_of(&self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        if most == 0 {
            return Duration::ZERO;
        }
        Duration::from_micros(self.dice.lock().unwrap_or_else(PoisonError::into_inner).below(most))
    }

    /// When the line has sent so many bytes more.
    fn sent_at(&self, line: &Line, way: Way, bytes: usize) -> Instant {
        let now = Instant::now();
        let Some(rate) = line.bytes_per_second.filter(|rate| *rate > 0) else { return now };
        let [there, back] = &self.free;
        let lane = if way == Way::There { there } else { back };
        let mut free = lane.lock().unwrap_or_else(PoisonError::into_inner);
        let takes = Duration::from_secs(bytes as u64) / u32::try_from(rate).unwrap_or(u32::MAX);
        let at = free.map_or(now, |free| free.max(now)) + takes;
        *free = Some(at);
        at
    }

    fn moved(&self, bytes: usize) {
        count(&self.counters.bytes, bytes as u64);
        let mut trap = self.trap.lock().unwrap_or_else(PoisonError::into_inner);
        let so_far = self.counters.bytes.load(Ordering::Relaxed);
        if let Some((_, line, fate)) = trap.take_if(|(at, ..)| *at <= so_far) {
            self.line.send_replace(line);
            if fate != Fate::Stays {
                self.fate.send_replace(fate);
            }
        }
    }

    /// Waits until the line passes things on.
    async fn passes(&self) {
        // The sender of the line lives as long as this.
        let _ = self.line.subscribe().wait_for(|line| !line.silent).await;
    }
}

fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// SplitMix64: repeatable, and good enough for nothing else.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The same seed, the same numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound` (0 if that is 0).
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if bound == 0 { 0 } else { (z ^ (z >> 31)) % bound }
    }
}
