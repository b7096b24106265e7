//! What people ask: the two boxes, one document with everything, what stands open, counters.

use crate::inbound::{InboundRow, ReceiptRow};
use crate::journal::Entry;
use crate::outbound::{Container, DocumentRow, File, Hint, LineRow, PartRow};
use crate::state::{Inbound, Line, Verdict, Word};
use crate::{DocumentId, Error, Store};

/// Which rows of a box. The default is the newest hundred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter<S> {
    /// Claimed (outbox) or first offered (inbox) at or after.
    pub since: Option<i64>,
    /// Claimed or first offered before.
    pub until: Option<i64>,
    /// Only these states; empty: all.
    pub states: Vec<S>,
    /// Only held ones, or only others.
    pub held: Option<bool>,
    /// Substring of subject, number, sender's or recipient's code or name, drop name.
    pub text: String,
    /// Continue below the last row of the page before: its time and id bytes (see [`OutboxRow::cursor`]).
    pub before: Option<(i64, Vec<u8>)>,
    /// At most so many, 1 to 10,000.
    pub limit: u32,
}

impl<S> Default for Filter<S> {
    fn default() -> Self {
        Self { since: None, until: None, states: Vec::new(), held: None, text: String::new(), before: None, limit: 100 }
    }
}

/// A line of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The document.
    pub document: DocumentRow,
    /// How many recipients stand where, states without any left out.
    pub lines: Vec<(Line, u32)>,
    /// The first recipient's name (or code).
    pub first_recipient: String,
    /// How many names match no line (可能為紙本).
    pub hints: u32,
}

/// One document with everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The document.
    pub document: DocumentRow,
    /// Its files.
    pub files: Vec<File>,
    /// Its containers.
    pub containers: Vec<Container>,
    /// Its parts, all rounds.
    pub parts: Vec<PartRow>,
    /// Its recipients.
    pub lines: Vec<LineRow>,
    /// Names without a line.
    pub hints: Vec<Hint>,
    /// Every verdict, also those that changed nothing.
    pub verdicts: Vec<VerdictRow>,
    /// Its history, oldest first.
    pub journal: Vec<Entry>,
}

/// A verdict as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRow {
    /// Which recipient.
    pub recipient: String,
    /// Which round.
    pub round: u16,
    /// What it said.
    pub verdict: Verdict,
    /// Why.
    pub label: String,
    /// When it came.
    pub at: i64,
    /// When the receiver archived it, as it says.
    pub archived_at: Option<i64>,
    /// The bundle.
    pub receipt: i64,
    /// Whether it is the first of its (document, round, recipient): the one that counts.
    pub first: bool,
}

/// One received document with everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The document, with the center's receipt in `inbound.offer.receipt`.
    pub inbound: InboundRow,
    /// Its files.
    pub files: Vec<File>,
    /// Our receipt for it.
    pub receipt: Option<ReceiptRow>,
    /// Its history, oldest first.
    pub journal: Vec<Entry>,
}

/// What an id (or the beginning of one) names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Found {
    /// A document that we send.
    Document(DocumentId),
    /// A received document: row and the sender's id of it.
    Inbound(i64, DocumentId),
}

/// How many stand where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Documents that we send, by word.
    pub documents: Vec<(Word, u64)>,
    /// Recipient lines by state.
    pub lines: Vec<(Line, u64)>,
    /// Received documents by state.
    pub inbound: Vec<(Inbound, u64)>,
    /// Held, both ways.
    pub held: u64,
    /// Receipts of ours that the center does not have yet.
    pub unreported: u64,
    /// Received, archived and not read.
    pub unread: u64,
}


/// A notice of the center.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Its number at the center.
    pub number: u64,
    /// When published.
    pub time: i64,
    /// One line.
    pub title: String,
    /// Plain text.
    pub body: String,
    /// When we stored it.
    pub stored_at: i64,
}

impl Store {
    /// The outbox, newest first.
    ///
    /// # Errors
    /// Those of reading the database (so for all below).
    pub fn outbox(&self, filter: &Filter<Word>) -> Result<Vec<OutboxRow>, Error> {
        let _ = filter;
        unimplemented!()
    }

    /// The inbox, newest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn inbox(&self, filter: &Filter<Inbound>) -> Result<Vec<InboundRow>, Error> {
        let _ = filter;
        unimplemented!()
    }

    /// One document that we send, with everything; `None` if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn document(&self, id: DocumentId) -> Result<Option<Outgoing>, Error> {
        let _ = id;
        unimplemented!()
    }

    /// One part; `None` if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn part(&self, id: i64) -> Result<Option<PartRow>, Error> {
        let _ = id;
        unimplemented!()
    }

    /// One received document, with everything; `None` if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn inbound(&self, id: i64) -> Result<Option<Incoming>, Error> {
        let _ = id;
        unimplemented!()
    }

    /// One receipt; `None` if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn receipt(&self, id: i64) -> Result<Option<ReceiptRow>, Error> {
        let _ = id;
        unimplemented!()
    }

    /// What begins with these hexadecimal digits (any case, blanks and `-` ignored), at most `limit`, newest first.
    /// Received documents are found by the sender's id.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn find(&self, prefix: &str, limit: u32) -> Result<Vec<Found>, Error> {
        let _ = (prefix, limit);
        unimplemented!()
    }

    /// Parts that the center said it accepted and whose recipients are not all final, from `after` (a part's number)
    /// on: for the open list.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn open_parts(&self, after: i64, limit: u32) -> Result<Vec<PartRow>, Error> {
        let _ = (after, limit);
        unimplemented!()
    }

    /// Lines that the center accepted before `before` (its clock) and nobody answered, oldest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn unanswered(&self, before: i64, limit: u32) -> Result<Vec<LineRow>, Error> {
        let _ = (before, limit);
        unimplemented!()
    }

    /// The round that a resend of this document takes.
    ///
    /// # Errors
    /// Those of reading the database; `bad-request` after 65,535 rounds.
    pub fn next_round(&self, document: DocumentId) -> Result<u16, Error> {
        let _ = document;
        unimplemented!()
    }

    /// How many stand where.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn counters(&self) -> Result<Counters, Error> {
        unimplemented!()
    }

    /// Every spool file that a row names: what the clean-up at start must not remove.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn spool_names(&self) -> Result<Vec<String>, Error> {
        unimplemented!()
    }

    /// Spool files of documents whose every recipient has been final since before `before`; and sealed bytes of
    /// received documents that are archived.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn spool_expired(&self, before: i64, limit: u32) -> Result<Vec<String>, Error> {
        let _ = (before, limit);
        unimplemented!()
    }

    /// Notices of the center, newest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn announcements(&self, limit: u32) -> Result<Vec<Announcement>, Error> {
        let _ = limit;
        unimplemented!()
    }
}
