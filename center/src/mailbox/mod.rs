//! Where sealed parts, mailbox lines, receipts and announcements are kept.
//!
//! [`Mailbox`] is the seam: `session` knows nothing else. The tests in `contract` hold every implementation to the same
//! promises. All calls block and return after what they did is durable.

#[cfg(test)]
pub(crate) mod contract;
pub(crate) mod files;
mod recall;
mod report;
pub mod sqlite;
mod tidy;
mod tips;

use crate::error::Result;
use wire::message::{Announcement, Digest, OpenPart, Outcome, PartHeader, PartKey, SubmittedPart};

/// Bodies up to this size are kept in the database, larger ones as files, bytes.
pub const INLINE: u64 = 64 * 1024;

/// Keeps what a center keeps for its members.
pub trait Mailbox: Send + Sync + 'static {
    /// Random at creation and after each restore from backup.
    fn epoch(&self) -> Result<[u8; 16]>;
    /// Makes a new epoch, as after a restore.
    fn renew_epoch(&self) -> Result<[u8; 16]>;

    /// What was accepted for this part of this member, if anything.
    fn held(&self, member: &str, key: &PartKey) -> Result<Option<Held>>;
    /// Bytes accepted from a member on a day (days since 1970, UTC), with their receipts, and those announced by its unfinished uploads of other
    /// parts.
    fn used(&self, member: &str, day: i64, part: &PartKey) -> Result<Used>;
    /// Continues or begins the upload of a body larger than [`INLINE`]. Another sealing of the same part discards what
    /// was uploaded of the former; a request that still writes to it fails with [`crate::Error::TakenOver`].
    fn upload(&self, member: &str, header: &PartHeader, now: i64) -> Result<Box<dyn Upload>>;
    /// Keeps a part and gives each addressee a mailbox line; or says what was kept before. All or nothing.
    fn submit(&self, part: NewPart) -> Result<Submitted>;

    /// Lines of a member without a verdict and above `after`: the lowest numbers in their order, at most `limit` of them,
    /// and fewer where their receipts are large.
    fn offers(&self, member: &str, after: u64, limit: u16) -> Result<Vec<Waiting>>;
    /// The bytes of a line of a member.
    fn body(&self, member: &str, seq: u64) -> Result<Fetched>;
    /// Keeps a bundle for its sender and settles its lines; or says why not. All or nothing. A confirmation also settles
    /// other rounds of the same container for the same recipient, who archived it once and for all. A notice (誤送通知)
    /// is forwarded and moves nothing. A bundle that is
    /// kept already and settles nothing new changes nothing; a new one that settles nothing uses up the reporter's day.
    fn report(&self, report: Report) -> Result<Reported>;
    /// Bundles for a sender above `after`, at most `limit` of them and about `bytes` in all.
    fn outcomes(&self, member: &str, after: u64, limit: u16, bytes: usize) -> Result<Vec<Outcome>>;
    /// Lines of a member with a verdict that was reported at or after `since`, by number above `after`, at most `limit`
    /// of them and about `bytes` in all, each with the bundle that settled it.
    fn answered(
        &self,
        member: &str,
        since: i64,
        after: u64,
        limit: u16,
        bytes: usize,
    ) -> Result<Vec<Answered>>;
    /// Parts accepted from a member at or after `since`, by number above `after`, at most `limit` of them and about
    /// `bytes` in all.
    fn submitted(
        &self,
        member: &str,
        since: i64,
        after: u64,
        limit: u16,
        bytes: usize,
    ) -> Result<Vec<SubmittedPart>>;
    /// Which of these parts are not held with this manifest.
    fn missing(&self, member: &str, parts: &[OpenPart]) -> Result<Vec<PartKey>>;

    /// Whether there is anything above the cursors.
    fn news(&self, member: &str, cursors: Cursors) -> Result<News>;
    /// The same without waiting for a disk, where it is in memory and still so.
    fn news_at_hand(&self, member: &str, cursors: Cursors) -> Option<News>;
    /// Publishes an announcement and gives its number.
    fn announce(&self, title: &str, body: &str, now: i64) -> Result<u64>;
    /// Announcements above `after`, at most `limit` of them and about `bytes` in all.
    fn announcements(&self, after: u64, limit: u16, bytes: usize) -> Result<Vec<Announcement>>;

    /// Drops uploads that nobody continued since `uploads_before`, bodies of parts settled before `bodies_before`, and
    /// records of parts whose bytes went before `records_before`, if given.
    fn tidy(
        &self,
        uploads_before: i64,
        bodies_before: i64,
        records_before: Option<i64>,
        now: i64,
    ) -> Result<Tidied>;
    /// Removes files that no row names. Only while nobody else works on the same folder.
    fn remove_orphans(&self) -> Result<u64>;
    /// A number that changes when another process has written.
    fn foreign_writes(&self) -> Result<i64>;
    /// Counts for people.
    fn counts(&self) -> Result<Counts>;
}

/// A body on its way in.
pub trait Upload: Send {
    /// How many bytes are durable here: where the sender goes on.
    fn offset(&self) -> u64;
    /// The next bytes. More than announced are refused as a digest mismatch.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    /// The connection was cut: makes durable what has come.
    fn suspend(&mut self) -> Result<()>;
    /// All has come: checks the digest, and makes it durable under its final name.
    fn finish(self: Box<Self>) -> Result<Content>;
}

/// A complete body.
#[derive(Debug)]
pub enum Content {
    /// In memory, at most [`INLINE`].
    Bytes(Vec<u8>),
    /// In a file of the mailbox, durable, with this name.
    File(String),
}

/// What was accepted earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The manifest's digest.
    pub manifest: Digest,
    /// The receipt given then (DER).
    pub receipt: Vec<u8>,
}

/// What a member has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Accepted that day, bytes.
    pub accepted: u64,
    /// Announced by unfinished uploads of other parts, bytes.
    pub unfinished: u64,
}

/// A part to keep.
#[derive(Debug)]
pub struct NewPart {
    /// The member that submits it.
    pub member: String,
    /// As submitted.
    pub header: PartHeader,
    /// The sealed bytes.
    pub content: Content,
    /// The center's receipt (DER) over all its lines.
    pub receipt: Vec<u8>,
    /// The time in that receipt.
    pub accepted: i64,
    /// The member's limit for the day, bytes.
    pub bytes_per_day: u64,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// Kept now.
    Kept,
    /// Kept before; the new bytes were dropped.
    Before(Held),
    /// The member's day is used up; the bytes were dropped.
    OverQuota,
}

/// A line without a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub seq: u64,
    /// The part, with this line's addressee only.
    pub header: PartHeader,
    /// When the part was accepted.
    pub accepted: i64,
    /// The center's receipt over all lines of the part (DER).
    pub receipt: Vec<u8>,
}

/// A line with a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// As it was offered.
    pub line: Waiting,
    /// The bundle that settled it, if it is kept.
    pub bundle: Option<Vec<u8>>,
}

/// What there is of a line's bytes.
#[derive(Debug)]
pub enum Fetched {
    /// No such line for this member.
    Unknown,
    /// They are no longer kept.
    Gone,
    /// Here they are.
    Body {
        /// Length of the whole.
        length: u64,
        /// SHA-256 of the whole.
        sealed: Digest,
        /// The bytes.
        source: Source,
    },
}

/// Bytes to send.
#[derive(Debug)]
pub enum Source {
    /// In memory.
    Bytes(Vec<u8>),
    /// An open file, at its begin.
    File(std::fs::File),
}

/// A verified bundle to keep.
#[derive(Debug, Clone)]
pub struct Report {
    /// The member that reports.
    pub reporter: String,
    /// The member that sent, to whom the bundle goes.
    pub sender: String,
    /// What it says.
    pub lines: Vec<ReportLine>,
    /// The bundle (DER).
    pub bundle: Vec<u8>,
    /// Now.
    pub at: i64,
    /// The reporter's limit for the day, bytes.
    pub bytes_per_day: u64,
}

/// One line of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportLine {
    /// Document id.
    pub document: [u8; 16],
    /// Round.
    pub round: u16,
    /// The sender's mailbox code.
    pub sender: String,
    /// The reporter's mailbox code.
    pub recipient: String,
    /// As the reporter saw them; must be those of the mailbox line.
    pub manifest: Digest,
    /// Digest of the signature file.
    pub signature: Digest,
    /// Digest of the sealed bytes.
    pub sealed: Digest,
    /// The verdict's number in a receipt line.
    pub verdict: u8,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// Kept now; these documents had another verdict before (and keep it as the final one).
    Kept {
        /// Documents with a contradicting first verdict.
        contradictions: Vec<[u8; 16]>,
    },
    /// Kept before.
    Before,
    /// It settles nothing, and the reporter's day is used up.
    OverQuota,
    /// This document has no line for that recipient.
    NoLine([u8; 16]),
    /// This document's line has other digests.
    OtherDigests([u8; 16]),
}

/// How far a member has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursors {
    /// Offers.
    pub offers: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// Announcements.
    pub announcements: u64,
}

/// What there is above the cursors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// Offers.
    pub offers: bool,
    /// Outcomes.
    pub outcomes: bool,
    /// Announcements.
    pub announcements: bool,
}

/// What tidying removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// Uploads.
    pub uploads: u64,
    /// Bodies.
    pub bodies: u64,
    /// Records of parts, with lines and receipts.
    pub records: u64,
}

/// Counts for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// Members.
    pub members: u64,
    /// Of them suspended.
    pub suspended: u64,
    /// Directory entries.
    pub entries: u64,
    /// Parts ever accepted.
    pub parts: u64,
    /// Mailbox lines ever.
    pub lines: u64,
    /// Lines without a verdict.
    pub waiting: u64,
    /// Receipt bundles.
    pub outcomes: u64,
    /// Unfinished uploads.
    pub uploads: u64,
    /// Bytes of bodies that are kept.
    pub bytes: u64,
    /// Announcements.
    pub announcements: u64,
}
