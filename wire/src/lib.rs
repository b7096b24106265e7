//! What node and center say to each other.

pub mod message;

/// Most addressees in one part.
pub const MAX_ADDRESSEES: u16 = 1_000;
/// Bodies up to this size may follow a `Submit` at once.
pub const EAGER_LIMIT: u64 = 64 * 1024;
/// Longest wait of a `Watch`, seconds.
pub const MAX_WATCH_SECONDS: u16 = 55;
/// Most codes in one `Directory` request.
pub const MAX_DIRECTORY_CODES: usize = 200;
