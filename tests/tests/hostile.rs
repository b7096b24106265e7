//! Bad input of every kind, against the whole system: each ends in a clear state with a label that people have words
//! for; nothing is lost, and what comes after it goes through.
//!
//! - `dropping`: what lies in the drop folder (half files, missing files, wrong encodings, path tricks, a full disk);
//! - `sealed`: what a member sends who holds a valid login and means no good;
//! - `trust`: who claims to be whom (directory entries, logins, receipts), and a center that lies or is away.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "hostile/attacker.rs"]
mod attacker;
#[path = "hostile/dropping.rs"]
mod dropping;
#[path = "hostile/sealed.rs"]
mod sealed;
#[path = "hostile/trust.rs"]
mod trust;

/// People must find words for a label: what happened and what to do.
fn assert_explained(label: &str) {
    assert!(!label.is_empty(), "there is no label at all");
    assert!(node::words::of(label).is_some(), "no words for {label}");
}
