//! What node and center say to each other; `docs/protocol.md` is the specification and this crate follows its sections.
//!
//! - [`message`]: the values ([`message::Request`], [`message::Reply`]), §5–§6; [`refusal`]: why a center says no, §7.
//! - [`codec`]: one message as one length-prefixed frame of CBOR, §2.
//! - [`login`]: the session key and its proof, bound to one connection, §3.
//! - [`Connector`] → [`Connection`] → [`Exchange`]: the node's side. QUIC and TCP are raced, one exchange carries one request.
//! - [`Listener`] → [`Incoming`] → [`Exchange`]: the center's side, QUIC and TCP on one port number.
//!
//! Invariants: TLS 1.3 only, no 0-RTT, no resumption; nothing received is allocated for before its length is checked;
//! every wait has a deadline, and deadlines are about progress, not about totals. A message that comes out of this crate
//! has passed its `check`, so list lengths and codes are within the protocol's limits.
//!
//! It fails with [`Error`]: the peer's faults are apart from the network's and ours. It writes nothing to disk, knows no
//! policy, and holds no opinion about receipts, statements and sealed bytes, which are opaque here.

pub mod codec;
pub mod login;
pub mod message;
pub mod refusal;

mod check;
mod connect;
mod error;
mod exchange;
mod listen;
mod pool;
mod quic;
mod tcp;
mod tls;

pub use connect::{Connected, Connection, Connector, Lane, Timing, Transport};
pub use error::{Class, Error, LABELS};
pub use exchange::{Body, Exchange};
pub use listen::{Incoming, Limits, Listener};
pub use login::{Credential, Credentials, SessionKey};
pub use tls::{ClientTls, ServerTls};

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// What carries the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// QUIC (RFC 9000) over UDP.
    Quic,
    /// TLS 1.3 (RFC 8446) over TCP.
    Tcp,
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
        })
    }
}

/// The protocol's name in TLS (RFC 7301), the same on both carriers.
pub const ALPN: &[u8] = b"di-exchange/1";
/// Longest frame of a request, bytes after the length.
pub const MAX_REQUEST: u32 = 1024 * 1024;
/// Longest frame before the login, bytes after the length: a statement with its certificate chain fits.
pub const MAX_OPENING: u32 = 64 * 1024;
/// Longest frame of a reply, bytes after the length. Lists are cut by the center so that they fit.
pub const MAX_REPLY: u32 = 4 * 1024 * 1024;
/// Most addressees in one part.
pub const MAX_ADDRESSEES: u16 = 1_000;
/// Bodies up to this size may follow a `Submit` at once.
pub const EAGER_LIMIT: u64 = 64 * 1024;
/// Longest wait of a `Watch`, seconds.
pub const MAX_WATCH_SECONDS: u16 = 55;
/// Most codes in one `Directory` request.
pub const MAX_DIRECTORY_CODES: usize = 200;
/// Most lines in one answer to `Offers`, `Outcomes` or `Announcements`.
pub const MAX_PAGE: u16 = 500;
/// Most parts in one `OpenList`.
pub const MAX_OPEN_PARTS: usize = 1_000;
