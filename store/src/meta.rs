//! What the node knows beside documents: epoch, cursors, announcements, small named values.

use crate::boxes::Announcement;
use crate::writer::Ticket;
use crate::{Error, Store};

/// How far we have read at the center, within its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursors {
    /// The center's epoch; all zero before the first login.
    pub epoch: [u8; 16],
    /// Last offer recorded.
    pub offers: u64,
    /// Last outcome recorded.
    pub outcomes: u64,
    /// Last announcement recorded.
    pub announcements: u64,
}

impl Store {
    /// The epoch and the cursors.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn cursors(&self) -> Result<Cursors, Error> {
        unimplemented!()
    }

    /// The center's epoch is `epoch`. If it is another one than stored, all cursors go back to 0 and a journal line is
    /// written; returns whether it was.
    pub fn epoch(&self, epoch: [u8; 16], at: i64) -> Ticket<bool> {
        let _ = (epoch, at);
        unimplemented!()
    }

    /// Sets a small value of the caller's. Keys beginning with `store.` are ours.
    pub fn set_meta(&self, key: &str, value: Vec<u8>) -> Ticket<()> {
        let _ = (key, value);
        unimplemented!()
    }

    /// A value set before.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let _ = key;
        unimplemented!()
    }

    /// Stores notices of the center and moves their cursor. Known numbers are left as they are; returns how many were
    /// new.
    pub fn announced(&self, notices: Vec<Announcement>, at: i64) -> Ticket<u32> {
        let _ = (notices, at);
        unimplemented!()
    }
}
