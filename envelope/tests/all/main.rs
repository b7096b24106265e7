//! The envelope from outside: round trips, hostile bytes, and openssl as judge.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod authority;
mod common;
mod container;
mod evidence;
mod receipt;
mod sealed;
mod signed;
mod soft;
mod statements;
mod status;
mod trust;
