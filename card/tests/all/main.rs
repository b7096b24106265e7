//! The card through real processes: SoftHSM, and a module that misbehaves as told.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod fake;
mod softhsm;
mod sources;
mod support;
