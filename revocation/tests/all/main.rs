//! The checker against authorities that openssl runs and hosts that do as they please.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../../../envelope/tests/all/authority.rs"]
#[allow(dead_code, reason = "shared with the tests of envelope")]
mod authority;
mod checker;
mod common;
mod hostile;
