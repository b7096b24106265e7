//! Whether certificates are revoked: answers of their authorities, fetched beside the work, kept on disk, judged.
//!
//! What is in it, in the order in which a question meets it:
//!
//! - [`Checker`]: asked about a chain and a time it answers at once, from what is at hand ([`Report`]). What is not at
//!   hand is noted, fetched by [`Checker::run`], and [`Checker::changed`] tells when it came. So no document ever waits
//!   for the network within a step.
//! - `state`: which places there are, who waits for what, and what is asked next.
//! - `place`: one address of one authority, what came from there and when to ask again.
//! - `folder`: the answers on disk; they survive a restart and are verified again before they are used.
//! - `fetch`: HTTP, bounded in time, size and redirects, to public addresses only unless allowed; `host` are the rules.
//!
//! **Order.** A certificate's CRLs first, in its own order (a partition before the complete list), then its OCSP
//! responders. A list serves all certificates of its authority, is the same for everybody and tells nobody whom we write
//! to; an OCSP question does. So OCSP is the fallback.
//!
//! **How long.** An answer is used until its next update and for [`Settings::grace`] after; it is renewed in the
//! background well before. **Without an answer** [`Mode`] decides.
//!
//! **HTTP only.** Answers are signed, so the way they come needs no protection, and an https address would need the status
//! of yet another certificate (RFC 5280 §8). Addresses are taken only from certificates whose chain to a pinned anchor
//! verified before.
//!
//! This crate reads no clock of its own: it is given one.

mod answer;
mod checker;
mod error;
mod fetch;
mod folder;
mod host;
mod place;
mod report;
mod settings;
mod state;

pub use checker::Checker;
pub use error::{Error, LABELS};
pub use folder::{Stored, look, stored_for};
pub use place::PlaceState;
pub use report::{Judged, Report};
pub use settings::{Mode, Settings};

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Back from hexadecimal.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}
