use std::{io, net::SocketAddr};

use crate::message::{Refusal, RefusalClass};

/// What to do about trouble: the same three words for refusals of a center and for faults found here.
pub type Class = RefusalClass;

/// What can go wrong between node and center.
///
/// The peer's faults (it broke the protocol) are apart from the network's and from ours, so that a log says who is to blame.
/// The source is never part of the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // Ours: someone must change the configuration.
    /// The anchors file holds no usable certificate.
    #[error("the center's anchors cannot be used: {0}")]
    Anchors(String),
    /// The server's certificate or key file cannot be used.
    #[error("the TLS certificate or key cannot be used: {0}")]
    ServerCertificate(String),
    /// The configured server name is neither a DNS name nor an address.
    #[error("{0:?} is no server name")]
    ServerName(String),
    /// The listening or source address could not be had.
    #[error("cannot bind {address}")]
    Bind {
        /// Which one.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A session key could not be made, read or used.
    #[error("the session key failed: {0}")]
    SessionKey(&'static str),
    /// The node could not get its login statement (card absent, …).
    #[error("no login statement")]
    Credential(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A message to be sent breaks the limits of the protocol.
    #[error("a message to be sent breaks the protocol: {0}")]
    Unsendable(&'static str),
    /// Reading the body that is sent, or writing the body that is received, failed on our side.
    #[error("the body's file failed")]
    Body(#[source] io::Error),

    // The network's: again later.
    /// The center's name has no address.
    #[error("cannot resolve {host}")]
    Resolve {
        /// The name.
        host: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Neither QUIC nor TCP reached the center in time.
    #[error("cannot reach {host}: {detail}")]
    Unreachable {
        /// The configured host and port.
        host: String,
        /// The last trouble of each attempt.
        detail: String,
    },
    /// The connection broke.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// Nothing, or almost nothing, moved within the progress deadline.
    #[error("the peer stalled while {0}")]
    Stalled(&'static str),
    /// The peer closed the connection or this exchange on purpose.
    #[error("the peer closed the connection")]
    Closed,

    // The peer's: it breaks the protocol, or is not who it should be.
    /// The server's certificate is not under the configured anchors, or names another host.
    #[error("the server's certificate is not accepted: {0}")]
    Untrusted(String),
    /// The center calls itself something else than the configuration does.
    #[error("the center is {found:?}, not {expected:?}")]
    OtherCenter {
        /// By the configuration.
        expected: String,
        /// By its challenge.
        found: String,
    },
    /// A frame longer than allowed here.
    #[error("a frame of {length} bytes, more than {limit}")]
    FrameTooLong {
        /// As announced.
        length: u64,
        /// As allowed.
        limit: u32,
    },
    /// The stream ended inside a frame or body.
    #[error("the stream ended {missing} bytes early")]
    Truncated {
        /// How much was still to come, at least.
        missing: u64,
    },
    /// A frame that is no message.
    #[error("a frame that is no message: {0}")]
    Malformed(String),
    /// A message with a value outside its limits.
    #[error("a message with a bad field: {0}")]
    BadField(&'static str),
    /// A message of the wrong kind for this place.
    #[error("an answer of the wrong kind to {0}")]
    Unexpected(&'static str),

    // The center said no.
    /// A refusal; label and class are the center's.
    #[error("refused: {} ({})", .0.label, .0.detail)]
    Refused(Box<Refusal>),
}

impl Error {
    /// Stable name for programs. A refusal's label is the center's own, see [`crate::refusal`].
    pub fn label(&self) -> &str {
        match self {
            Self::Anchors(_) => "center-anchors",
            Self::ServerCertificate(_) => "server-certificate",
            Self::ServerName(_) => "server-name",
            Self::Bind { .. } => "bind",
            Self::SessionKey(_) => "session-key",
            Self::Credential(_) => "login-statement",
            Self::Unsendable(_) => "unsendable",
            Self::Body(_) => "body-file",
            Self::Resolve { .. } => "center-unresolved",
            Self::Unreachable { .. } => "center-unreachable",
            Self::Lost(_) => "connection-lost",
            Self::Stalled(_) => "peer-stalled",
            Self::Closed => "connection-closed",
            Self::Untrusted(_) => "center-untrusted",
            Self::OtherCenter { .. } => "center-other",
            Self::FrameTooLong { .. } => "frame-too-long",
            Self::Truncated { .. } => "frame-truncated",
            Self::Malformed(_) => "frame-malformed",
            Self::BadField(_) => "field-invalid",
            Self::Unexpected(_) => "answer-unexpected",
            Self::Refused(refusal) => &refusal.label,
        }
    }

    /// What to do: try again, wait for someone, or give up.
    pub fn class(&self) -> Class {
        match self {
            Self::Refused(refusal) => refusal.class,
            _ => LABELS
                .iter()
                .find(|(label, _)| *label == self.label())
                .map_or(Class::Retry, |(_, class)| *class),
        }
    }

    /// Whether the peer broke the protocol (as opposed to the network, the configuration, or a proper refusal).
    pub fn is_peer_fault(&self) -> bool {
        matches!(
            self,
            Self::Untrusted(_)
                | Self::OtherCenter { .. }
                | Self::FrameTooLong { .. }
                | Self::Truncated { .. }
                | Self::Malformed(_)
                | Self::BadField(_)
                | Self::Unexpected(_)
        )
    }
}

/// Every label of [`Error`] with its class; the labels of refusals are in [`crate::refusal::ALL`].
pub const LABELS: &[(&str, Class)] = &[
    ("center-anchors", Class::Wait),
    ("server-certificate", Class::Wait),
    ("server-name", Class::Wait),
    ("bind", Class::Wait),
    ("session-key", Class::Retry),
    ("login-statement", Class::Wait),
    ("unsendable", Class::Permanent),
    ("body-file", Class::Retry),
    ("center-unresolved", Class::Retry),
    ("center-unreachable", Class::Retry),
    ("connection-lost", Class::Retry),
    ("peer-stalled", Class::Retry),
    ("connection-closed", Class::Retry),
    ("center-untrusted", Class::Wait),
    ("center-other", Class::Wait),
    ("frame-too-long", Class::Retry),
    ("frame-truncated", Class::Retry),
    ("frame-malformed", Class::Retry),
    ("field-invalid", Class::Retry),
    ("answer-unexpected", Class::Retry),
];
