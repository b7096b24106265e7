use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quinn::{Endpoint, TokioRuntime, crypto::rustls::QuicServerConfig};
use tokio::{
    io::AsyncBufReadExt as _,
    net::TcpListener,
    sync::{Mutex as TurnMutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    ALPN, Carrier, Error, Result, ServerTls,
    exchange::{Exchange, Io},
    quic::{self, Close, Settings},
    tcp::{self, Home, Lease, Stream},
};

/// What a center grants to those who connect.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at one time, both carriers together. 10,000.
    pub connections: usize,
    /// Connections from one IPv4 address or one IPv6 /64: a node over TCP has about 20. 64.
    pub per_address: usize,
    /// Handshakes at one time, for each carrier. 256.
    pub handshakes: usize,
    /// From the first byte to the end of the handshake. 10 s.
    pub handshake: Duration,
    /// From the handshake to the login. 10 s.
    pub login: Duration,
    /// Exchanges at one time on one QUIC connection that is logged in. 64.
    pub streams: u32,
    /// Within this time at least a kilobyte, or all that is left, must move. 30 s.
    pub progress: Duration,
    /// Silence on the wire after which a node counts as dead. 15 s.
    pub idle: Duration,
    /// How long a TCP connection may be without a request. 3 minutes.
    pub unused: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_address: 64,
            handshakes: 256,
            handshake: Duration::from_secs(10),
            login: Duration::from_secs(10),
            streams: 64,
            progress: Duration::from_secs(30),
            idle: Duration::from_secs(15),
            unused: Duration::from_secs(180),
        }
    }
}

/// A center's ear: QUIC and TCP on one port number. Dropped, it stops listening and breaks every QUIC connection.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    endpoint: Endpoint,
    arrived: mpsc::Receiver<Incoming>,
    /// The two loops and the handshakes.
    tasks: JoinSet<()>,
}

impl Listener {
    /// Listens on `address`, UDP and TCP. With port 0 the system chooses one number for both.
    ///
    /// # Errors
    /// [`Error::Bind`], [`Error::ServerCertificate`].
    pub async fn bind(address: SocketAddr, tls: &ServerTls, limits: Limits) -> Result<Self> {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| Error::Bind { address, source: no_random() })?;
        Self::bind_again(address, tls, limits, &secret).await
    }

    /// [`Self::bind`] of a center that may have died: with the same secret as before, a node that still sends on a
    /// connection of the process that is gone is told so at once (RFC 9000 §10.3), and not after the idle time.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub async fn bind_again(
        address: SocketAddr,
        tls: &ServerTls,
        limits: Limits,
        secret: &[u8; 32],
    ) -> Result<Self> {
        let (tcp, udp) = sockets(address).await?;
        let failed = |source| Error::Bind { address, source };
        let address = tcp.local_addr().map_err(failed)?;
        let crypto = QuicServerConfig::try_from(tls.config.clone())
            .map_err(|error| Error::ServerCertificate(error.to_string()))?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        config
            // The center checks the address at the login; a connection that moves would escape that.
            .migration(false)
            .max_incoming(limits.handshakes)
            .transport_config(quic::transport(&Settings {
                idle: limits.idle,
                keep_alive: None,
                streams: quic::OPENING_STREAMS,
                window: quic::OPENING_WINDOW,
            }));
        let endpoint = Endpoint::new(quic::remembering(secret), Some(config), udp, Arc::new(TokioRuntime))
            .map_err(failed)?;
        let (arrivals, arrived) = mpsc::channel(BACKLOG);
        let door = Arc::new(Door {
            connections: Arc::new(Semaphore::new(limits.connections)),
            quic_handshakes: Arc::new(Semaphore::new(limits.handshakes)),
            tcp_handshakes: Arc::new(Semaphore::new(limits.handshakes)),
            addresses: Arc::default(),
            limits,
            arrivals,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(quic_loop(endpoint.clone(), door.clone()));
        tasks.spawn(tcp_loop(tcp, tls.clone(), door));
        Ok(Self { address, endpoint, arrived, tasks })
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection whose handshake is complete. Cancel-safe.
    pub async fn accept(&mut self) -> Option<Incoming> {
        self.arrived.recv().await
    }

    /// Stops listening and closes every QUIC connection; TCP connections end with their [`Incoming`].
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
        self.endpoint.close((Close::Stopping as u32).into(), b"stopping");
        let _ = timeout(GOODBYE, self.endpoint.wait_idle()).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A second close says nothing new.
        self.endpoint.close((Close::Stopping as u32).into(), b"stopping");
    }
}

fn no_random() -> io::Error {
    io::Error::other("the system gives no random numbers")
}

/// One port number for both; a number that the system chose for TCP may be taken for UDP, then another is tried.
async fn sockets(address: SocketAddr) -> Result<(TcpListener, std::net::UdpSocket)> {
    let failed = |source| Error::Bind { address, source };
    let mut tries = if address.port() == 0 { 16 } else { 1 };
    loop {
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        let udp = tcp.local_addr().and_then(std::net::UdpSocket::bind);
        tries -= 1;
        match udp {
            Ok(udp) => return Ok((tcp, udp)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// What both loops count with.
struct Door {
    limits: Limits,
    connections: Arc<Semaphore>,
    /// Apart, so that silent TCP connections do not keep out QUIC, where addresses are proved first.
    quic_handshakes: Arc<Semaphore>,
    tcp_handshakes: Arc<Semaphore>,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    arrivals: mpsc::Sender<Incoming>,
}

impl Door {
    /// A place for a connection from there, if there is one.
    fn admit(&self, from: SocketAddr) -> Option<Admission> {
        let permit = self.connections.clone().try_acquire_owned().ok()?;
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let address = source(from.ip());
        let count = addresses.entry(address).or_default();
        if *count >= self.limits.per_address {
            return None;
        }
        *count += 1;
        Some(Admission { address, addresses: self.addresses.clone(), _permit: permit })
    }
}

/// What counts as one address: of IPv6 the /64 that a single host has at its disposal (RFC 4291 §2.5.4).
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

/// Held while a connection lives.
#[derive(Debug)]
struct Admission {
    address: IpAddr,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

async fn quic_loop(endpoint: Endpoint, door: Arc<Door>) {
    let mut handshakes = JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        while handshakes.try_join_next().is_some() {}
        let peer = incoming.remote_address();
        let busy = door.quic_handshakes.available_permits() < door.limits.handshakes / 2;
        if busy && incoming.may_retry() && !incoming.remote_address_validated() {
            // Under load only those who show that they own their address (RFC 9000 §8.1.2).
            let _ = incoming.retry();
            continue;
        }
        let (Ok(turn), Some(admission)) =
            (door.quic_handshakes.clone().try_acquire_owned(), door.admit(peer))
        else {
            tracing::warn!(%peer, "connection refused: too many");
            incoming.refuse();
            continue;
        };
        let door = door.clone();
        handshakes.spawn(async move {
            let shaken = timeout(door.limits.handshake, async { incoming.accept()?.await }).await;
            drop(turn);
            match shaken {
                Ok(Ok(connection)) if quic::protocol(&connection).as_deref() == Some(ALPN) => {
                    let _ = door.arrivals.send(Incoming::quic(connection, peer, &door, admission)).await;
                }
                Ok(Ok(connection)) => quic::close(&connection, Close::Protocol),
                Ok(Err(error)) => tracing::debug!(%peer, %error, "QUIC handshake failed"),
                Err(_) => tracing::debug!(%peer, "QUIC handshake took too long"),
            }
        });
    }
}

async fn tcp_loop(listener: TcpListener, tls: ServerTls, door: Arc<Door>) {
    let mut handshakes = JoinSet::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely; a pause lets some go.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while handshakes.try_join_next().is_some() {}
        let (Ok(turn), Some(admission)) = (door.tcp_handshakes.clone().try_acquire_owned(), door.admit(peer))
        else {
            tracing::warn!(%peer, "connection refused: too many");
            continue;
        };
        let (door, tls) = (door.clone(), tls.config.clone());
        handshakes.spawn(async move {
            let shaken = timeout(door.limits.handshake, tcp::accept(tls, stream, door.limits.idle)).await;
            drop(turn);
            match shaken {
                Ok(Ok(stream)) => {
                    let _ = door.arrivals.send(Incoming::tcp(stream, peer, &door, admission)).await;
                }
                Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            }
        });
    }
}

/// A node's connection, seen from the center. Not logged in until [`Incoming::authenticated`] is called, and closed if that
/// does not happen in time; until then it may open few streams and send little.
#[derive(Debug)]
pub struct Incoming {
    kind: Kind,
    peer: SocketAddr,
    login_by: Instant,
    logged_in: AtomicBool,
    limits: Limits,
    _admission: Admission,
}

#[derive(Debug)]
enum Kind {
    Quic(quinn::Connection),
    Tcp {
        /// Where the connection is when no exchange has it, or the way it comes back.
        turn: TurnMutex<Turn>,
        /// By label; TLS values do not change.
        exporter: Exporters,
    },
}

#[derive(Debug)]
enum Turn {
    Here(Stream),
    Away(oneshot::Receiver<Stream>),
    Gone,
}

#[derive(Debug)]
struct Exporters(Option<[u8; 32]>);

impl Incoming {
    fn quic(connection: quinn::Connection, peer: SocketAddr, door: &Door, admission: Admission) -> Self {
        Self::new(Kind::Quic(connection), peer, door, admission)
    }

    fn tcp(stream: Stream, peer: SocketAddr, door: &Door, admission: Admission) -> Self {
        let exporter = Exporters(tcp::exporter(&stream, crate::login::EXPORTER_LABEL).ok());
        Self::new(Kind::Tcp { turn: TurnMutex::new(Turn::Here(stream)), exporter }, peer, door, admission)
    }

    fn new(kind: Kind, peer: SocketAddr, door: &Door, admission: Admission) -> Self {
        Self {
            kind,
            peer,
            login_by: Instant::now() + door.limits.login,
            logged_in: AtomicBool::new(false),
            limits: door.limits.clone(),
            _admission: admission,
        }
    }

    /// Where it comes from.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What carries it.
    pub fn carrier(&self) -> Carrier {
        match self.kind {
            Kind::Quic(_) => Carrier::Quic,
            Kind::Tcp { .. } => Carrier::Tcp,
        }
    }

    /// The value that a login's proof must be bound to ([`crate::login::EXPORTER_LABEL`], RFC 8446 §7.5).
    ///
    /// # Errors
    /// [`Error::Lost`] if TLS cannot give it.
    pub fn exporter(&self) -> Result<[u8; 32]> {
        let missing = || Error::Lost("no exporter value".to_owned());
        match &self.kind {
            Kind::Quic(connection) => {
                let mut value = [0; 32];
                connection
                    .export_keying_material(&mut value, crate::login::EXPORTER_LABEL, &[])
                    .map_err(|_| missing())?;
                Ok(value)
            }
            Kind::Tcp { exporter, .. } => exporter.0.ok_or_else(missing),
        }
    }

    /// The login was good: the deadline is off, the full number of streams and bytes is granted.
    pub fn authenticated(&self) {
        self.logged_in.store(true, Ordering::Release);
        if let Kind::Quic(connection) = &self.kind {
            connection.set_max_concurrent_bi_streams(self.limits.streams.into());
            connection.set_receive_window(quic::OPEN_WINDOW.into());
        }
    }

    /// The next request's exchange, or `None` when the connection is over, was unused for too long, or did not log in in time.
    /// Over QUIC exchanges run side by side; over TCP the next one begins when the last one was finished, and a dropped one
    /// ends the connection. Cancel-safe.
    pub async fn accept(&self) -> Option<Exchange> {
        loop {
            let deadline = (!self.is_logged_in()).then_some(self.login_by);
            let late = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                next = self.next() => return next,
                () = late => {
                    if !self.is_logged_in() {
                        tracing::debug!(peer = %self.peer, "no login in time");
                        self.close_as(Close::NoLogin).await;
                        return None;
                    }
                }
            }
        }
    }

    /// Ends the connection because the peer broke the protocol.
    pub async fn reject(&self) {
        self.close_as(Close::Protocol).await;
    }

    /// Ends the connection.
    pub async fn close(&self) {
        self.close_as(Close::Done).await;
    }

    async fn close_as(&self, why: Close) {
        match &self.kind {
            Kind::Quic(connection) => quic::close(connection, why),
            // An exchange that is under way ends by its own deadlines and finds nobody to come back to.
            Kind::Tcp { turn, .. } => {
                if let Ok(mut turn) = turn.try_lock() {
                    *turn = Turn::Gone;
                }
            }
        }
    }

    fn is_logged_in(&self) -> bool {
        self.logged_in.load(Ordering::Acquire)
    }

    async fn next(&self) -> Option<Exchange> {
        let opening = !self.is_logged_in();
        let window = if opening {
            self.limits.progress.min(self.login_by.saturating_duration_since(Instant::now()))
        } else {
            self.limits.progress
        };
        let until = opening.then_some(self.login_by);
        match &self.kind {
            Kind::Quic(connection) => {
                let (send, recv) = connection.accept_bi().await.ok()?;
                Some(Exchange::new(Io::Quic { send, recv }, window, opening).until(until))
            }
            Kind::Tcp { turn, .. } => {
                let mut turn = turn.lock().await;
                if let Turn::Away(coming) = &mut *turn {
                    *turn = coming.await.map_or(Turn::Gone, Turn::Here);
                }
                let Turn::Here(stream) = &mut *turn else { return None };
                // The end of the stream, an error, or silence: over. Otherwise a request has begun.
                let begun = timeout(self.limits.unused, stream.fill_buf()).await;
                let begun = begun.is_ok_and(|read| read.is_ok_and(|bytes| !bytes.is_empty()));
                let (home, coming) = oneshot::channel();
                let before = std::mem::replace(&mut *turn, Turn::Gone);
                let (Turn::Here(stream), true) = (before, begun) else { return None };
                *turn = Turn::Away(coming);
                let lease = Lease::new(stream, Home::Loop(home));
                Some(Exchange::new(Io::Tcp(lease), window, opening).until(until))
            }
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Kind::Quic(connection) = &self.kind {
            quic::close(connection, Close::Done);
        }
    }
}

/// Connections that are ready but not yet taken.
const BACKLOG: usize = 64;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientTls;
    use tokio::io::AsyncWriteExt as _;

    #[test]
    fn a_host_of_ipv6_is_one_address() {
        let of = |text: &str| source(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    /// Each kilobyte of the `Hello` comes within the progress deadline, the whole of it long after the login's.
    #[tokio::test]
    async fn a_trickle_does_not_outlast_the_login_deadline() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let server = ServerTls::new(certificate.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        let client = ClientTls::new(certificate.as_bytes(), "127.0.0.1").unwrap();
        let limits = Limits { login: Duration::from_secs(2), ..Limits::default() };
        let idle = limits.idle;
        let mut listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &server, limits).await.unwrap();
        let connecting = tcp::connect(client.config, client.name, listener.address(), None, idle);
        let (stream, incoming) = tokio::join!(connecting, listener.accept());
        let (mut stream, incoming) = (stream.unwrap(), incoming.unwrap());
        let trickle = async {
            stream.write_all(&60_000_u32.to_be_bytes()).await.unwrap();
            let mut pace = tokio::time::interval(Duration::from_millis(150));
            loop {
                stream.write_all(&[0; 1024]).await.unwrap();
                stream.flush().await.unwrap();
                pace.tick().await;
            }
        };
        let served = async { incoming.accept().await.unwrap().recv_request().await };
        tokio::select! {
            () = trickle => unreachable!(),
            result = served => assert!(matches!(result, Err(Error::Stalled(_))), "{result:?}"),
        }
    }
}
