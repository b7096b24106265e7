//! The wire between two real ends: QUIC and TCP on loopback, and everything that a broken or hostile peer may do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod center;
mod frames;
mod hostile;
mod links;
mod protocol;
mod samples;
mod vectors;
