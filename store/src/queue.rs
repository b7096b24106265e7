//! Pauses, tries and troubles, the same for documents, parts and received documents; and what is to be done next.

use crate::inbound::{InboundRow, ReceiptRow};
use crate::outbound::{DocumentRow, PartRow};
use crate::writer::Ticket;
use crate::{DocumentId, Error, Store};

/// Something with a due time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A document that we send: claimed (to be sealed), or sealed with a resend asked for.
    Document(DocumentId),
    /// A part to be submitted.
    Part(i64),
    /// A received document.
    Inbound(i64),
}

/// How a try ended without a move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setback {
    /// When to try again; `None`: when something happens (class *Wait* or *Permanent*), not by time.
    pub due: Option<i64>,
    /// Stable label; empty clears label and detail (a try cut short by a stop, say).
    pub label: String,
    /// More, for people.
    pub detail: String,
    /// Whether the try counts for the back-off; false for class *Wait*.
    pub counts: bool,
    /// Whether a person must act: the journal line becomes an alarm.
    pub alarm: bool,
}

/// Recorded beginning of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Tries since the last step that worked, this one included.
    pub attempts: u32,
    /// How often this step was begun without any outcome, this one included: 4 means that the process died three
    /// times in it.
    pub begun: u32,
}

/// The oldest due rows in the order of work: most urgent first, then the longest due, then the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Take {
    /// Now.
    pub now: i64,
    /// At most so many.
    pub limit: u32,
    /// Only those of at most so many bytes: for the slots that big ones may not fill.
    pub at_most: Option<u64>,
}

impl Store {
    /// Records that `step` begins, before network, open, parse or render is touched. `due` is when it is looked at
    /// again if no outcome comes. Held rows are refused.
    ///
    /// # Errors
    /// `state-moved` if the target is held or final by now.
    pub fn attempt(&self, target: Target, step: &'static str, due: i64, at: i64) -> Ticket<Attempt> {
        let _ = (target, step, due, at);
        unimplemented!()
    }

    /// Records how a try ended without a move.
    pub fn setback(&self, target: Target, setback: Setback, at: i64) -> Ticket<()> {
        let _ = (target, setback, at);
        unimplemented!()
    }

    /// Something happened that rows with these labels waited for: they are due now. Empty: all that wait. Returns how
    /// many.
    pub fn wake(&self, labels: Vec<String>, at: i64) -> Ticket<u32> {
        let _ = (labels, at);
        unimplemented!()
    }

    /// Stops a document (a part counts as its document) until it is released.
    pub fn hold(&self, target: Target, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let _ = (target, actor, why, at);
        unimplemented!()
    }

    /// Lets a held one go on: due at once.
    pub fn release(&self, target: Target, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let _ = (target, actor, why, at);
        unimplemented!()
    }

    /// A person wants it tried now: due at once, tries counted anew. Of a document, also its parts.
    pub fn retry(&self, target: Target, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let _ = (target, actor, why, at);
        unimplemented!()
    }

    /// Documents to be sealed or sealed anew.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn due_documents(&self, take: Take) -> Result<Vec<DocumentRow>, Error> {
        let _ = take;
        unimplemented!()
    }

    /// Parts to be submitted.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn due_parts(&self, take: Take) -> Result<Vec<PartRow>, Error> {
        let _ = take;
        unimplemented!()
    }

    /// Received documents to be fetched (Offered) or opened (Fetched).
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn due_inbound(&self, take: Take) -> Result<Vec<InboundRow>, Error> {
        let _ = take;
        unimplemented!()
    }

    /// When the next of these three becomes due.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn next_due(&self) -> Result<Option<i64>, Error> {
        unimplemented!()
    }

    /// Received documents without a receipt of ours: archived, or quarantined and to be answered. Held ones are left
    /// out.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn to_answer(&self, limit: u32) -> Result<Vec<InboundRow>, Error> {
        let _ = limit;
        unimplemented!()
    }

    /// Receipts of ours that the center does not have yet.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn to_report(&self, limit: u32) -> Result<Vec<ReceiptRow>, Error> {
        let _ = limit;
        unimplemented!()
    }

    /// Archived documents whose staged copy may not be renamed yet.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn to_deliver(&self, limit: u32) -> Result<Vec<InboundRow>, Error> {
        let _ = limit;
        unimplemented!()
    }

    /// Documents whose note for people tells no word, or an older one.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn to_note(&self, limit: u32) -> Result<Vec<DocumentRow>, Error> {
        let _ = limit;
        unimplemented!()
    }
}
