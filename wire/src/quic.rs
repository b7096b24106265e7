//! QUIC settings that both ends share (protocol §2.2).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quinn::{
    ConnectionError, ConnectionId, ConnectionIdGenerator, EndpointConfig, IdleTimeout, TransportConfig,
    VarInt,
};

use crate::{Error, Result};

/// Limits of one end, for the other.
pub(crate) struct Settings {
    /// Silence after which the peer counts as dead.
    pub idle: Duration,
    /// How often to say something when there is nothing to say.
    pub keep_alive: Option<Duration>,
    /// Streams that the peer may have open.
    pub streams: u32,
    /// Bytes that the peer may have under way on all streams together.
    pub window: u32,
}

pub(crate) fn transport(settings: &Settings) -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(settings.streams.into())
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(IdleTimeout::try_from(settings.idle).ok())
        .keep_alive_interval(settings.keep_alive)
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(settings.window.into())
        .send_window(SEND_WINDOW);
    Arc::new(transport)
}

/// An endpoint that knows what an earlier one with the same secret promised: the tokens by which a node believes that its
/// connection is gone.
pub(crate) fn remembering(secret: &[u8; 32]) -> EndpointConfig {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let mut config = EndpointConfig::new(Arc::new(key));
    // The ids of quinn's default can be checked by the process that made them only: those of an earlier one would be
    // left without an answer.
    config.cid_generator(|| Box::new(Ids));
    config
}

/// Random connection ids.
struct Ids;

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0; ID];
        // Does not fail where TLS has worked.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        ConnectionId::new(&bytes)
    }

    fn cid_len(&self) -> usize {
        ID
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// An endpoint for one connection of a node.
pub(crate) fn client_endpoint(bind: SocketAddr) -> Result<quinn::Endpoint> {
    quinn::Endpoint::client(bind).map_err(|source| Error::Bind { address: bind, source })
}

/// The protocol that TLS agreed on.
pub(crate) fn protocol(connection: &quinn::Connection) -> Option<Vec<u8>> {
    let data = connection.handshake_data()?.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?;
    data.protocol
}

/// What it means that a connection ended.
pub(crate) fn lost(error: &ConnectionError) -> Error {
    match error {
        ConnectionError::ApplicationClosed(_) => Error::Closed,
        ConnectionError::TransportError(inner) if inner.reason.contains(BAD_CERTIFICATE) => {
            Error::Untrusted(inner.reason.clone())
        }
        other => Error::Lost(other.to_string()),
    }
}

/// Why a connection is closed: application error codes (RFC 9000 §20.2) of protocol §2.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    Done = 0,
    NoLogin = 1,
    Protocol = 2,
    Stopping = 3,
}

pub(crate) fn close(connection: &quinn::Connection, why: Close) {
    let reason: &[u8] = match why {
        Close::Done => b"done",
        Close::NoLogin => b"no login in time",
        Close::Protocol => b"protocol broken",
        Close::Stopping => b"stopping",
    };
    connection.close(VarInt::from_u32(why as u32), reason);
}

/// How rustls begins the reason when it does not accept the server.
const BAD_CERTIFICATE: &str = "invalid peer certificate";
/// Bytes of a connection id, as quinn's own.
const ID: usize = 8;
/// On one stream: at a round trip of 20 ms some 13 MB/s.
const STREAM_WINDOW: u32 = 256 * 1024;
/// On all streams of a connection that is logged in: a full window for each of 64 streams, so that bodies that nobody reads
/// at the moment never hold up the others.
pub(crate) const OPEN_WINDOW: u32 = 64 * STREAM_WINDOW;
/// Bytes sent and not yet acknowledged, on all streams.
const SEND_WINDOW: u64 = 4 * 1024 * 1024;
/// On all streams of a connection that is not.
pub(crate) const OPENING_WINDOW: u32 = 128 * 1024;
/// Streams of a connection that is not logged in.
pub(crate) const OPENING_STREAMS: u32 = 2;
