//! A whole center over real QUIC and TCP, with `wire`'s own client.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code"
)]

mod command;
mod exchange;
mod hostile;
mod login;
mod pki;
mod world;
