//! The journal: append-only, hash-chained; the record of what happened, which the log is not.
//!
//! Each line's hash is SHA-256 over the hash of the line before (32 zero bytes for the first) and the canonical line:
//! number, time, what it is about, alarm flag, then actor, event and detail, each behind its length; all integers
//! big-endian. So a line that was changed, taken out or put in between breaks the chain from there on.

use rusqlite::{Connection, Row, params};
use sha2::{Digest as _, Sha256};

use crate::writer::Ticket;
use crate::{Digest, DocumentId, Error, Store, signed, unsigned};

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

/// The end of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    pub(crate) hash: Digest,
}

/// What a line is about, with the row number that it is indexed by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of {
    Node,
    Document(i64, DocumentId),
    Inbound(i64),
}

impl Of {
    const fn about(self) -> About {
        match self {
            Self::Node => About::Node,
            Self::Document(_, id) => About::Document(id),
            Self::Inbound(id) => About::Inbound(id),
        }
    }
}

/// Where the chain ends.
pub(crate) fn head(conn: &Connection) -> Result<Head, Error> {
    let mut statement = conn.prepare("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")?;
    let mut rows = statement.query([])?;
    rows.next()?.map_or(Ok(Head::default()), |row| Ok(Head { seq: unsigned(row.get(0)?), hash: row.get(1)? }))
}

/// Writes a line; returns the new end of the chain.
#[expect(clippy::too_many_arguments, reason = "the fields of a line")]
pub(crate) fn append(
    conn: &Connection,
    head: Head,
    at: i64,
    actor: &str,
    event: &str,
    of: Of,
    detail: &str,
    alarm: bool,
) -> Result<Head, Error> {
    let seq = head.seq + 1;
    let hash = chained(&head.hash, seq, at, actor, event, of.about(), detail, alarm);
    let (document, doc, inbound) = match of {
        Of::Node => (None, None, None),
        Of::Document(key, id) => (Some(id), Some(key), None),
        Of::Inbound(id) => (None, None, Some(id)),
    };
    conn.prepare_cached(
        "INSERT INTO journal (seq, at, actor, event, document, doc, inbound, detail, alarm, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![signed(seq)?, at, actor, event, document, doc, inbound, detail, alarm, hash])?;
    Ok(Head { seq, hash })
}

#[expect(clippy::too_many_arguments, reason = "the fields of a line")]
fn chained(
    before: &Digest,
    seq: u64,
    at: i64,
    actor: &str,
    event: &str,
    about: About,
    detail: &str,
    alarm: bool,
) -> Digest {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(seq.to_be_bytes());
    hash.update(at.to_be_bytes());
    match about {
        About::Node => hash.update([0]),
        About::Document(id) => {
            hash.update([1]);
            hash.update(id);
        }
        About::Inbound(id) => {
            hash.update([2]);
            hash.update(id.to_be_bytes());
        }
    }
    hash.update([u8::from(alarm)]);
    for text in [actor, event, detail] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

const COLUMNS: &str = "seq, at, actor, event, document, inbound, detail, alarm, hash";

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let about = match (row.get(4)?, row.get(5)?) {
        (Some(id), _) => About::Document(id),
        (None, Some(id)) => About::Inbound(id),
        (None, None) => About::Node,
    };
    Ok(Entry {
        seq: unsigned(row.get(0)?),
        at: row.get(1)?,
        actor: row.get(2)?,
        event: row.get(3)?,
        about,
        detail: row.get(6)?,
        alarm: row.get(7)?,
        hash: row.get(8)?,
    })
}

/// The history of one document, oldest first.
pub(crate) fn of_document(conn: &Connection, key: i64) -> Result<Vec<Entry>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM journal WHERE doc = ?1 ORDER BY seq");
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement.query_map([key], entry)?.collect::<Result<_, _>>()?)
}

/// The history of one received document, oldest first.
pub(crate) fn of_inbound(conn: &Connection, id: i64) -> Result<Vec<Entry>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM journal WHERE inbound = ?1 ORDER BY seq");
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement.query_map([id], entry)?.collect::<Result<_, _>>()?)
}

impl Store {
    /// Writes a line about something that changes no row: login, card, configuration, a refusal. Returns its number.
    ///
    /// The ticket fails with `not-found` if it is about a document that is not here.
    pub fn journal(&self, entry: NewEntry, at: i64) -> Ticket<u64> {
        self.write("journal", move |ledger| {
            let of = match entry.about {
                About::Node => Of::Node,
                About::Document(id) => ledger
                    .find("SELECT key FROM document WHERE id = ?1", [id], |r| r.get(0))?
                    .map(|key| Of::Document(key, id))
                    .ok_or(Error::NotFound("document"))?,
                About::Inbound(id) => Of::Inbound(id),
            };
            if entry.alarm {
                ledger.alarm(at, &entry.actor, &entry.event, of, &entry.detail)
            } else {
                ledger.log(at, &entry.actor, &entry.event, of, &entry.detail)
            }
        })
    }

    /// Lines after `after`, oldest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn journal_after(&self, after: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        self.read("reading the journal", |conn| {
            let sql = format!("SELECT {COLUMNS} FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2");
            let mut statement = conn.prepare_cached(&sql)?;
            Ok(statement.query_map(params![signed(after)?, limit], entry)?.collect::<Result<_, _>>()?)
        })
    }

    /// The newest alarms, newest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn alarms(&self, limit: u32) -> Result<Vec<Entry>, Error> {
        self.read("reading alarms", |conn| {
            let sql = format!("SELECT {COLUMNS} FROM journal WHERE alarm = 1 ORDER BY seq DESC LIMIT ?1");
            let mut statement = conn.prepare_cached(&sql)?;
            Ok(statement.query_map([limit], entry)?.collect::<Result<_, _>>()?)
        })
    }

    /// Checks every line against its hash and its neighbour; returns how many there are. Lines cut off at the end
    /// can't be seen from inside: compare the count or the last hash with one noted elsewhere.
    ///
    /// # Errors
    /// `database-damaged` with the number of the first line that is wrong.
    pub fn verify_chain(&self) -> Result<u64, Error> {
        self.read("verifying the journal", |conn| {
            let mut statement = conn.prepare(&format!("SELECT {COLUMNS} FROM journal ORDER BY seq"))?;
            let mut head = Head::default();
            for line in statement.query_map([], entry)? {
                let e = line?;
                let seq = head.seq + 1;
                let hash = chained(&head.hash, seq, e.at, &e.actor, &e.event, e.about, &e.detail, e.alarm);
                if e.seq != seq || e.hash != hash {
                    return Err(Error::Damaged(format!("journal line {seq} is not what was written")));
                }
                head = Head { seq, hash };
            }
            Ok(head.seq)
        })
    }
}
