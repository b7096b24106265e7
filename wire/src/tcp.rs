//! The same frames over TLS on TCP (protocol §2.2): one exchange at a time on a connection.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncBufRead as _, BufReader},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::{ALPN, Error, Result, exchange::trouble, pool::Place};

/// A connection; boxed because it moves between pool and exchange.
pub(crate) type Stream = Box<BufReader<TlsStream<TcpStream>>>;

/// A connection's turn: given back at the end, closed if dropped before.
#[derive(Debug)]
pub(crate) struct Lease {
    stream: Option<Stream>,
    home: Home,
}

/// Where a connection goes after an exchange.
#[derive(Debug)]
pub(crate) enum Home {
    /// A node's pool.
    Pool(Place),
    /// The center's loop, which waits for the next request.
    Loop(oneshot::Sender<Stream>),
    /// Whoever holds the exchange takes it out.
    Nowhere,
}

impl Lease {
    pub(crate) fn new(stream: Stream, home: Home) -> Self {
        Self { stream: Some(stream), home }
    }

    pub(crate) fn stream(&mut self) -> Result<&mut BufReader<TlsStream<TcpStream>>> {
        self.stream.as_deref_mut().ok_or(Error::Closed)
    }

    pub(crate) fn take(self) -> Option<Stream> {
        self.stream
    }

    pub(crate) fn give_back(self) {
        let Some(stream) = self.stream else { return };
        match self.home {
            Home::Pool(place) => place.give_back(stream),
            // A loop that has ended wants it closed.
            Home::Loop(home) => drop(home.send(stream)),
            Home::Nowhere => {}
        }
    }
}

/// Connects and shakes hands.
pub(crate) async fn connect(
    tls: Arc<ClientConfig>,
    name: ServerName<'static>,
    to: SocketAddr,
    bind: Option<std::net::IpAddr>,
    idle: Duration,
) -> Result<Stream> {
    let lost = |error| trouble(&error, "connecting");
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(lost)?;
    if let Some(address) = bind {
        let address = SocketAddr::new(address, 0);
        socket.bind(address).map_err(|source| Error::Bind { address, source })?;
    }
    let stream = socket.connect(to).await.map_err(lost)?;
    prepare(&stream, idle);
    let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(lost)?;
    finish(stream.into())
}

/// The center's half of the handshake.
pub(crate) async fn accept(tls: Arc<ServerConfig>, stream: TcpStream, idle: Duration) -> Result<Stream> {
    prepare(&stream, idle);
    let stream =
        TlsAcceptor::from(tls).accept(stream).await.map_err(|error| trouble(&error, "connecting"))?;
    finish(stream.into())
}

fn finish(stream: TlsStream<TcpStream>) -> Result<Stream> {
    if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(Error::Malformed("another protocol than di-exchange/1".to_owned()));
    }
    Ok(Box::new(BufReader::with_capacity(BUFFER, stream)))
}

/// A dead peer is noticed within about `idle`, whether bytes are under way or not. Where the system cannot, only later.
fn prepare(stream: &TcpStream, idle: Duration) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let step = (idle / 3).max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new().with_time(step).with_interval(step);
    #[cfg(unix)]
    let keepalive = keepalive.with_retries(2);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_user_timeout(Some(idle));
}

/// The value that binds a login to this connection (RFC 8446 §7.5).
pub(crate) fn exporter(stream: &Stream, label: &[u8]) -> Result<[u8; 32]> {
    let value = match stream.get_ref() {
        TlsStream::Client(tls) => tls.get_ref().1.export_keying_material([0; 32], label, Some(&[])),
        TlsStream::Server(tls) => tls.get_ref().1.export_keying_material([0; 32], label, Some(&[])),
    };
    value.map_err(|error| Error::Lost(error.to_string()))
}

/// Whether an idle connection is still good: nothing has come, not even its end.
pub(crate) fn is_quiet(stream: &mut Stream) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    std::pin::Pin::new(stream.as_mut()).poll_fill_buf(&mut context).is_pending()
}

const BUFFER: usize = 16 * 1024;
