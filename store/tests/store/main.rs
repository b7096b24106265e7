//! The store as its callers see it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;
mod durable;
mod incoming;
mod model;
mod outcomes;
mod outgoing;
mod queues;
