use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quinn::crypto::rustls::QuicClientConfig;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    ALPN, Carrier, ClientTls, Error, Result,
    exchange::{Exchange, Io},
    login::{Credentials, EXPORTER_LABEL, ProofFacts},
    message::{Challenge, Hello, Login, Reply, Request, Version, Welcome},
    pool::Pool,
    quic::{self, Close, Settings},
    tcp::{self, Home, Lease, Stream},
};

/// Which carriers may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// Both, raced: QUIC first, TCP a moment later; the first handshake wins and is remembered for a while.
    #[default]
    Auto,
    /// Only QUIC.
    Quic,
    /// Only TCP.
    Tcp,
}

/// How long a node waits, and for what.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Between two attempts of a race. 300 ms.
    pub head_start: Duration,
    /// For name, handshake and login together. 10 s.
    pub connect: Duration,
    /// Within this time at least a kilobyte, or all that is left, must move. 30 s.
    pub progress: Duration,
    /// Silence on the wire after which the center counts as dead. 15 s.
    pub idle: Duration,
    /// How long the winner of a race is tried first. 10 minutes.
    pub remember: Duration,
    /// Most TCP connections beside the watch's. 8.
    pub pool: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            head_start: Duration::from_millis(300),
            connect: Duration::from_secs(10),
            progress: Duration::from_secs(30),
            idle: Duration::from_secs(15),
            remember: Duration::from_secs(600),
            pool: 8,
        }
    }
}

/// What an exchange is for: the watch waits long and must not take a place from work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Everything that is answered at once.
    Work,
    /// The one `Watch`.
    Watch,
}

/// Makes connections to one center and remembers which carrier works.
#[derive(Debug, Clone)]
pub struct Connector {
    dial: Arc<Dial>,
    host: String,
    port: u16,
    transport: Transport,
    memory: Arc<Mutex<Option<(Carrier, Instant)>>>,
}

impl Connector {
    /// For the center called `center` at `host` (a name or an address) and `port` (the same number for UDP and TCP).
    pub fn new(tls: ClientTls, host: impl Into<String>, port: u16, center: impl Into<String>) -> Self {
        Self {
            dial: Arc::new(Dial { tls, center: center.into(), bind: None, timing: Timing::default() }),
            host: host.into(),
            port,
            transport: Transport::default(),
            memory: Arc::default(),
        }
    }

    /// Which carriers may be used; both by default.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// The source address that the member has registered; the system's choice by default.
    #[must_use]
    pub fn bind(mut self, address: Option<IpAddr>) -> Self {
        self.dial = Arc::new(Dial { bind: address, ..Dial::clone(&self.dial) });
        self
    }

    /// Other deadlines.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.dial = Arc::new(Dial { timing, ..Dial::clone(&self.dial) });
        self
    }

    /// Connects, checks that it is the right center, and logs in.
    ///
    /// # Errors
    /// The network's, the center's certificate, [`Error::OtherCenter`], [`Error::Credential`], [`Error::Refused`].
    pub async fn connect(&self, credentials: Arc<dyn Credentials>) -> Result<Connected> {
        let deadline = Instant::now() + self.dial.timing.connect;
        let unreachable = |detail: &str| Error::Unreachable { host: self.place(), detail: detail.to_owned() };
        let shaken = tokio::time::timeout_at(deadline, self.race())
            .await
            .map_err(|_| unreachable("no answer in time"))??;
        let carrier = shaken.carrier();
        self.remember(carrier);
        let opened = match tokio::time::timeout_at(deadline, self.open(shaken, credentials)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Stalled("logging in")),
        };
        if let (Carrier::Quic, Err(Error::Lost(_) | Error::Stalled(_))) = (carrier, &opened) {
            // Handshakes pass, but nothing after them: some networks do that to UDP.
            self.remember(Carrier::Tcp);
        }
        opened
    }

    /// The code that the center must call itself by.
    pub fn center(&self) -> &str {
        &self.dial.center
    }

    /// The carrier that the next race begins with.
    pub fn preferred(&self) -> Carrier {
        match self.transport {
            Transport::Quic => Carrier::Quic,
            Transport::Tcp => Carrier::Tcp,
            Transport::Auto => self
                .memory
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .filter(|(_, since)| since.elapsed() < self.dial.timing.remember)
                .map_or(Carrier::Quic, |(carrier, _)| carrier),
        }
    }

    fn remember(&self, carrier: Carrier) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        // The time of the first success stays, so that QUIC gets its chance again.
        if memory
            .is_none_or(|(known, since)| known != carrier || since.elapsed() >= self.dial.timing.remember)
        {
            *memory = Some((carrier, Instant::now()));
        }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Every address on every carrier, one started after the other; the first handshake wins, the others are dropped.
    async fn race(&self) -> Result<Shaken> {
        let mut candidates = self.candidates().await?.into_iter();
        let mut running = JoinSet::new();
        let mut troubles = Vec::new();
        loop {
            let next = candidates.next();
            let more = next.is_some();
            if let Some((carrier, address)) = next {
                let dial = self.dial.clone();
                running.spawn(async move { (carrier, dial.shake(carrier, address).await) });
            }
            let ended = if more && candidates.len() > 0 {
                tokio::select! {
                    ended = running.join_next() => ended,
                    () = sleep(self.dial.timing.head_start) => continue,
                }
            } else {
                running.join_next().await
            };
            match ended {
                Some(Ok((_, Ok(shaken)))) => return Ok(shaken),
                Some(Ok((_, Err(error @ (Error::Untrusted(_) | Error::Bind { .. }))))) => return Err(error),
                Some(Ok((carrier, Err(error)))) => troubles.push(format!("{carrier}: {error}")),
                Some(Err(error)) => troubles.push(error.to_string()),
                None => {
                    return Err(Error::Unreachable { host: self.place(), detail: troubles.join("; ") });
                }
            }
        }
    }

    async fn candidates(&self) -> Result<Vec<(Carrier, SocketAddr)>> {
        let resolve = |source| Error::Resolve { host: self.host.clone(), source };
        let addresses: Vec<_> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(resolve)?
            .filter(|address| self.dial.bind.is_none_or(|bind| bind.is_ipv4() == address.is_ipv4()))
            .take(MAX_ADDRESSES)
            .collect();
        if addresses.is_empty() {
            return Err(resolve(std::io::ErrorKind::NotFound.into()));
        }
        let first = self.preferred();
        let carriers = match (self.transport, first) {
            (Transport::Auto, Carrier::Quic) => &[Carrier::Quic, Carrier::Tcp][..],
            (Transport::Auto, Carrier::Tcp) => &[Carrier::Tcp, Carrier::Quic],
            (Transport::Quic, _) => &[Carrier::Quic],
            (Transport::Tcp, _) => &[Carrier::Tcp],
        };
        let pairs = addresses.iter().flat_map(|address| carriers.iter().map(|carrier| (*carrier, *address)));
        Ok(pairs.collect())
    }

    async fn open(&self, shaken: Shaken, credentials: Arc<dyn Credentials>) -> Result<Connected> {
        let dial = &self.dial;
        let (connection, opened) = match shaken {
            Shaken::Quic { connection, endpoint, peer } => {
                let quic = Quic { connection, endpoint, peer, timing: dial.timing.clone() };
                let opened = open_quic(&quic, &dial.center, credentials.as_ref()).await?;
                (Inner::Quic(Box::new(quic)), opened)
            }
            Shaken::Tcp { stream, peer } => {
                let (stream, opened) = open_tcp(dial, stream, credentials.as_ref()).await?;
                let pool = Pool::new(dial.clone(), peer, credentials, stream, opened.welcome.epoch);
                (Inner::Tcp(pool), opened)
            }
        };
        let Opened { challenge, welcome } = opened;
        Ok(Connected { connection: Connection { inner: Arc::new(connection) }, challenge, welcome })
    }
}

/// A connection that is logged in, and what the center said on the way.
#[derive(Debug)]
pub struct Connected {
    /// For requests.
    pub connection: Connection,
    /// To `Hello`; holds the center's clock.
    pub challenge: Challenge,
    /// To `Login`.
    pub welcome: Welcome,
}

/// A node's connection: one QUIC connection, or a pool of TCP connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
enum Inner {
    Quic(Box<Quic>),
    Tcp(Arc<Pool>),
}

#[derive(Debug)]
struct Quic {
    connection: quinn::Connection,
    endpoint: quinn::Endpoint,
    peer: SocketAddr,
    timing: Timing,
}

impl Connection {
    /// What carries it.
    pub fn carrier(&self) -> Carrier {
        match *self.inner {
            Inner::Quic(_) => Carrier::Quic,
            Inner::Tcp(_) => Carrier::Tcp,
        }
    }

    /// The center's address.
    pub fn peer(&self) -> SocketAddr {
        match &*self.inner {
            Inner::Quic(quic) => quic.peer,
            Inner::Tcp(pool) => pool.peer,
        }
    }

    /// Begins an exchange; waits for a free stream or pooled connection.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::Closed`], [`Error::Stalled`]; over TCP also those of [`Connector::connect`].
    pub async fn open(&self, lane: Lane) -> Result<Exchange> {
        match &*self.inner {
            Inner::Quic(quic) => quic.open(false).await,
            Inner::Tcp(pool) => pool.open(lane).await,
        }
    }

    /// One request and its reply, both without a body. The reply must begin within `wait`; a refusal is an error.
    ///
    /// # Errors
    /// As [`Connection::open`] and [`Exchange::recv_reply`].
    pub async fn ask(&self, lane: Lane, request: &Request, wait: Duration) -> Result<Reply> {
        let mut exchange = self.open(lane).await?;
        exchange.send(request).await?;
        let reply = match exchange.recv_reply(wait).await {
            // A refusal is a complete answer too.
            Err(refused @ Error::Refused(_)) => {
                exchange.finish().await?;
                return Err(refused);
            }
            other => other?,
        };
        exchange.finish().await?;
        Ok(reply)
    }

    /// Says goodbye. What is under way is lost.
    pub async fn close(&self) {
        match &*self.inner {
            Inner::Quic(quic) => {
                quic::close(&quic.connection, Close::Done);
                let _ = timeout(GOODBYE, quic.endpoint.wait_idle()).await;
            }
            Inner::Tcp(pool) => pool.close(),
        }
    }
}

impl Quic {
    async fn open(&self, opening: bool) -> Result<Exchange> {
        let (send, recv) = timeout(self.timing.progress, self.connection.open_bi())
            .await
            .map_err(|_| Error::Stalled("opening a stream"))?
            .map_err(|error| quic::lost(&error))?;
        Ok(Exchange::new(Io::Quic { send, recv }, self.timing.progress, opening))
    }
}

impl Drop for Quic {
    fn drop(&mut self) {
        quic::close(&self.connection, Close::Done);
    }
}

/// What every attempt needs.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    tls: ClientTls,
    pub(crate) center: String,
    bind: Option<IpAddr>,
    pub(crate) timing: Timing,
}

enum Shaken {
    Quic { connection: quinn::Connection, endpoint: quinn::Endpoint, peer: SocketAddr },
    Tcp { stream: Stream, peer: SocketAddr },
}

impl Shaken {
    fn carrier(&self) -> Carrier {
        match self {
            Self::Quic { .. } => Carrier::Quic,
            Self::Tcp { .. } => Carrier::Tcp,
        }
    }
}

impl Dial {
    async fn shake(&self, carrier: Carrier, peer: SocketAddr) -> Result<Shaken> {
        match carrier {
            Carrier::Quic => self.quic(peer).await,
            Carrier::Tcp => Ok(Shaken::Tcp { stream: self.tcp(peer).await?, peer }),
        }
    }

    pub(crate) async fn tcp(&self, peer: SocketAddr) -> Result<Stream> {
        let tls = &self.tls;
        tcp::connect(tls.config.clone(), tls.name.clone(), peer, self.bind, self.timing.idle).await
    }

    async fn quic(&self, peer: SocketAddr) -> Result<Shaken> {
        let any = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let endpoint = quic::client_endpoint(SocketAddr::new(self.bind.unwrap_or(any), 0))?;
        let crypto = QuicClientConfig::try_from(self.tls.config.clone())
            .map_err(|error| Error::Lost(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(quic::transport(&Settings {
            idle: self.timing.idle,
            keep_alive: Some(self.timing.idle / 3),
            streams: 0,
            window: quic::OPEN_WINDOW,
        }));
        let connecting = endpoint
            .connect_with(config, peer, &self.tls.name.to_str())
            .map_err(|error| Error::Lost(error.to_string()))?;
        let connection = connecting.await.map_err(|error| quic::lost(&error))?;
        if quic::protocol(&connection).as_deref() != Some(ALPN) {
            return Err(Error::Malformed("another protocol than di-exchange/1".to_owned()));
        }
        Ok(Shaken::Quic { connection, endpoint, peer })
    }
}

/// What the opening of a connection gave.
pub(crate) struct Opened {
    pub(crate) challenge: Challenge,
    pub(crate) welcome: Welcome,
}

async fn open_quic(quic: &Quic, center: &str, credentials: &dyn Credentials) -> Result<Opened> {
    let wait = quic.timing.progress;
    let mut exchange = quic.open(true).await?;
    let challenge = hello(&mut exchange, center, credentials, wait).await?;
    exchange.finish().await?;
    let mut exporter = [0; 32];
    quic.connection
        .export_keying_material(&mut exporter, EXPORTER_LABEL, &[])
        .map_err(|_| Error::Lost("no exporter value".to_owned()))?;
    let mut exchange = quic.open(true).await?;
    let welcome = login(&mut exchange, credentials, &challenge, &exporter, wait).await?;
    exchange.finish().await?;
    Ok(Opened { challenge, welcome })
}

pub(crate) async fn open_tcp(
    dial: &Dial,
    stream: Stream,
    credentials: &dyn Credentials,
) -> Result<(Stream, Opened)> {
    let wait = dial.timing.progress;
    let exporter = tcp::exporter(&stream, EXPORTER_LABEL)?;
    let lease = Lease::new(stream, Home::Nowhere);
    let mut exchange = Exchange::new(Io::Tcp(lease), wait, true);
    let challenge = hello(&mut exchange, &dial.center, credentials, wait).await?;
    let welcome = login(&mut exchange, credentials, &challenge, &exporter, wait).await?;
    match exchange.into_io() {
        Io::Tcp(lease) => lease.take().map(|stream| (stream, Opened { challenge, welcome })),
        Io::Quic { .. } => None,
    }
    .ok_or(Error::Closed)
}

async fn hello(
    exchange: &mut Exchange,
    center: &str,
    credentials: &dyn Credentials,
    wait: Duration,
) -> Result<Challenge> {
    let hello = Hello { version: Version::NEWEST, member: credentials.member().to_owned() };
    exchange.send(&Request::Hello(hello)).await?;
    let Reply::Challenge(challenge) = exchange.recv_reply(wait).await? else {
        return Err(Error::Unexpected("hello"));
    };
    if challenge.center != center {
        return Err(Error::OtherCenter { expected: center.to_owned(), found: challenge.center });
    }
    Ok(challenge)
}

async fn login(
    exchange: &mut Exchange,
    credentials: &dyn Credentials,
    challenge: &Challenge,
    exporter: &[u8; 32],
    wait: Duration,
) -> Result<Welcome> {
    let credential = credentials.credential(challenge).await.map_err(Error::Credential)?;
    let proof = credential.key.prove(&ProofFacts {
        version: challenge.version,
        member: credentials.member(),
        center: &challenge.center,
        nonce: &challenge.nonce,
        exporter,
    })?;
    exchange.send(&Request::Login(Login { statement: credential.statement.clone(), proof })).await?;
    match exchange.recv_reply(wait).await? {
        Reply::Welcome(welcome) => Ok(welcome),
        _ => Err(Error::Unexpected("login")),
    }
}

/// Of one name: enough for both families and a spare.
const MAX_ADDRESSES: usize = 4;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
