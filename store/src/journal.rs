//! The journal: append-only, hash-chained; the record of what happened, which the log is not.

use crate::writer::Ticket;
use crate::{Digest, DocumentId, Error, Store};

/// What a journal line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum About {
    /// The node as a whole: login, card, configuration.
    #[default]
    Node,
    /// A document that we send.
    Document(DocumentId),
    /// A received document.
    Inbound(i64),
}

/// A line to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewEntry {
    /// Who: [`crate::NODE`] or an operator's name.
    pub actor: String,
    /// What, stable, kebab-case.
    pub event: String,
    /// About what.
    pub about: About,
    /// More, for people; never content, never a PIN.
    pub detail: String,
    /// Whether a person must look at it.
    pub alarm: bool,
}

/// A line as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When, Unix milliseconds.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What.
    pub event: String,
    /// About what.
    pub about: About,
    /// More, for people.
    pub detail: String,
    /// Whether a person must look at it.
    pub alarm: bool,
    /// SHA-256 over the hash of the line before and this line.
    pub hash: Digest,
}

impl Store {
    /// Writes a line about something that changes no row: login, card, configuration, a refusal.
    pub fn journal(&self, entry: NewEntry, at: i64) -> Ticket<u64> {
        let _ = (entry, at);
        unimplemented!()
    }

    /// Lines after `after`, oldest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn journal_after(&self, after: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        let _ = (after, limit);
        unimplemented!()
    }

    /// The newest alarms, newest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn alarms(&self, limit: u32) -> Result<Vec<Entry>, Error> {
        let _ = limit;
        unimplemented!()
    }

    /// Checks every line against its hash and its neighbour; returns how many there are.
    ///
    /// # Errors
    /// `database-damaged` with the number of the first line that is wrong.
    pub fn verify_chain(&self) -> Result<u64, Error> {
        unimplemented!()
    }
}
