//! What the node knows beside documents: epoch, cursors, announcements, small named values.

use rusqlite::{Connection, params};

use crate::journal::Of;
use crate::writer::{Ledger, Ticket};
use crate::{Error, NODE, Store, signed, unsigned};

pub(crate) const EPOCH: &str = "store.epoch";
pub(crate) const OFFERS: &str = "store.offers";
pub(crate) const OUTCOMES: &str = "store.outcomes";
const ANNOUNCEMENTS: &str = "store.announcements";

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

/// A notice of the center.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announcement {
    /// Its number at the center.
    pub number: u64,
    /// When published.
    pub time: i64,
    /// One line.
    pub title: String,
    /// Plain text.
    pub body: String,
}

pub(crate) fn get(conn: &Connection, key: &str) -> Result<Option<Vec<u8>>, Error> {
    use rusqlite::OptionalExtension;
    let mut statement = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |r| r.get(0)).optional()?)
}

pub(crate) fn set(ledger: &Ledger, key: &str, value: &[u8]) -> Result<(), Error> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    ledger.execute(sql, params![key, value])?;
    Ok(())
}

fn cursor(conn: &Connection, key: &str) -> Result<u64, Error> {
    Ok(get(conn, key)?.and_then(|v| v.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// Moves a cursor forward; an older number leaves it where it is.
pub(crate) fn move_cursor(ledger: &Ledger, key: &str, to: u64) -> Result<(), Error> {
    if to > cursor(ledger.conn(), key)? { set(ledger, key, &to.to_be_bytes()) } else { Ok(()) }
}

/// The center's epoch as last seen.
pub(crate) fn current_epoch(conn: &Connection) -> Result<[u8; 16], Error> {
    Ok(get(conn, EPOCH)?.and_then(|v| v.try_into().ok()).unwrap_or_default())
}

impl Store {
    /// The epoch and the cursors.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn cursors(&self) -> Result<Cursors, Error> {
        self.read("reading the cursors", |conn| {
            Ok(Cursors {
                epoch: current_epoch(conn)?,
                offers: cursor(conn, OFFERS)?,
                outcomes: cursor(conn, OUTCOMES)?,
                announcements: cursor(conn, ANNOUNCEMENTS)?,
            })
        })
    }

    /// The center's epoch is `epoch`. If it is another one than stored, all cursors go back to 0 and a journal line is
    /// written (an alarm, unless it is the first); returns whether it was another.
    pub fn epoch(&self, epoch: [u8; 16], at: i64) -> Ticket<bool> {
        self.write("epoch", move |ledger| {
            let known = get(ledger.conn(), EPOCH)?;
            if known.as_deref() == Some(&epoch) {
                return Ok(false);
            }
            set(ledger, EPOCH, &epoch)?;
            for key in [OFFERS, OUTCOMES, ANNOUNCEMENTS] {
                ledger.execute("DELETE FROM meta WHERE key = ?1", [key])?;
            }
            // what the center refused before it may take now
            ledger.execute("UPDATE receipt SET label = '' WHERE kind = 'answer' AND sent_at IS NULL", [])?;
            let hex = crate::hex(&epoch);
            if known.is_some() {
                ledger.alarm(at, NODE, "epoch-changed", Of::Node, &hex)?;
            } else {
                ledger.log(at, NODE, "epoch", Of::Node, &hex)?;
            }
            Ok(true)
        })
    }

    /// Sets a small value of the caller's; a value that is only looked up needs no journal line. Keys beginning with
    /// `store.` are ours and refused (`bad-request`).
    pub fn set_meta(&self, key: &str, value: Vec<u8>) -> Ticket<()> {
        let key = key.to_owned();
        self.write("set-meta", move |ledger| {
            if key.starts_with("store.") {
                return Err(Error::Bad("this key is the store's own"));
            }
            set(ledger, &key, &value)
        })
    }

    /// Sets several small values of the caller's in one step, as [`Self::set_meta`] does one.
    pub fn set_metas(&self, values: Vec<(String, Vec<u8>)>) -> Ticket<()> {
        self.write("set-metas", move |ledger| {
            for (key, value) in &values {
                if key.starts_with("store.") {
                    return Err(Error::Bad("this key is the store's own"));
                }
                set(ledger, key, value)?;
            }
            Ok(())
        })
    }

    /// A person sets a small value of the caller's, with its journal line. Keys as in [`Store::set_meta`].
    pub fn decided(
        &self,
        key: &str,
        value: Vec<u8>,
        actor: &str,
        event: &'static str,
        detail: &str,
        at: i64,
    ) -> Ticket<()> {
        let (key, actor, detail) = (key.to_owned(), actor.to_owned(), detail.to_owned());
        self.write("decided", move |ledger| {
            if key.starts_with("store.") {
                return Err(Error::Bad("this key is the store's own"));
            }
            set(ledger, &key, &value)?;
            ledger.log(at, &actor, event, Of::Node, &detail)?;
            Ok(())
        })
    }

    /// A value set before.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.read("reading a value", |conn| get(conn, key))
    }

    /// Every value set before whose key begins with `prefix`, by key.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
        self.read("reading values", |conn| {
            let sql = "SELECT key, value FROM meta WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key";
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map([prefix], |r| Ok((r.get(0)?, r.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Stores notices of the center and moves their cursor. Known notices are left as they are; returns how many were new,
    /// or other than before under their number.
    pub fn announced(&self, notices: Vec<Announcement>, at: i64) -> Ticket<u32> {
        self.write("announced", move |ledger| {
            let mut new = 0;
            for notice in notices {
                // a center that was restored gives a number that it had given before to another notice
                let sql = "INSERT INTO announcement (number, time, title, body, stored_at) VALUES (?1, ?2, ?3, ?4, ?5)
                           ON CONFLICT (number) DO UPDATE SET time = excluded.time, title = excluded.title,
                             body = excluded.body, stored_at = excluded.stored_at
                           WHERE time <> excluded.time OR title <> excluded.title OR body <> excluded.body";
                let number = signed(notice.number)?;
                if ledger.execute(sql, params![number, notice.time, notice.title, notice.body, at])? > 0 {
                    new += 1;
                    ledger.log(at, NODE, "announcement", Of::Node, &format!("{number} {}", notice.title))?;
                }
                move_cursor(ledger, ANNOUNCEMENTS, notice.number)?;
            }
            Ok(new)
        })
    }

    /// Notices that came before `before` are no longer wanted.
    pub fn forget_announcements(&self, before: i64, at: i64) -> Ticket<()> {
        self.write("forget-announcements", move |ledger| {
            let gone = ledger.execute("DELETE FROM announcement WHERE stored_at < ?1", [before])?;
            if gone > 0 {
                ledger.log(at, NODE, "announcements-forgotten", Of::Node, &gone.to_string())?;
            }
            Ok(())
        })
    }

    /// Notices of the center, newest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn announcements(&self, limit: u32) -> Result<Vec<Announcement>, Error> {
        self.read("reading announcements", |conn| {
            let sql = "SELECT number, time, title, body FROM announcement ORDER BY number DESC LIMIT ?1";
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map([limit], |r| {
                Ok(Announcement {
                    number: unsigned(r.get(0)?),
                    time: r.get(1)?,
                    title: r.get(2)?,
                    body: r.get(3)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
