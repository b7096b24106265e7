//! After a restore from a backup: what the center still knows, and this database has forgotten.
//!
//! [`Store::restored`] marks a database that was put back; until [`Store::caught_up`] it is [`Store::behind`], and the
//! node begins nothing but asking. [`Store::recovered`] takes in parts that we had submitted, [`Store::recalled`] mailbox
//! lines that we had answered. Nothing is delivered, signed or sent a second time by them: the first receipt stays the
//! one that counts. Every operation may be repeated.

use rusqlite::params;

use crate::inbound::{Offer, Offered, advance, offer_one};
use crate::journal::Of;
use crate::outbound::{advance_line, settle};
use crate::state::{Document, Inbound, Line, Priority, Verdict, Word};
use crate::writer::{Ledger, Ticket};
use crate::{Digest, DocumentId, Error, NODE, Store, hex, meta, signed};

/// Since when something may be missing (Unix milliseconds, 8 bytes), while that is so.
const BEHIND: &str = "store.behind";
/// One byte: 1 if the delivery folder is the one that was used before the restore.
const INBOX_KEPT: &str = "store.inbox-kept";

/// A mailbox line that the center says we had answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    /// The line, as when it was offered first.
    pub offer: Offer,
    /// What our receipt said; the first one counts.
    pub verdict: Verdict,
    /// Why, for a return.
    pub label: String,
    /// Our receipt bundle with that line, byte for byte.
    pub bundle: Vec<u8>,
}

/// A part that the center says we had submitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Of which document.
    pub document: DocumentId,
    /// Of which container.
    pub variant: u16,
    /// Which group of recipients.
    pub group: u16,
    /// Which round.
    pub round: u16,
    /// Mailbox that sent it.
    pub sender: String,
    /// For whom.
    pub addressees: Vec<Addressee>,
    /// 速別
    pub priority: Priority,
    /// SHA-256 of the manifest.
    pub manifest: Digest,
    /// SHA-256 of the signature.
    pub signature: Digest,
    /// SHA-256 of the sealed bytes.
    pub sealed: Digest,
    /// Length of the sealed bytes.
    pub length: u64,
    /// The center's receipt.
    pub receipt: Vec<u8>,
    /// When the center accepted it, by its clock.
    pub accepted_at: i64,
}

/// A recipient of a [`Recovered`] part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addressee {
    /// Mailbox code.
    pub code: String,
    /// Its name in the directory.
    pub name: String,
    /// Whether the attachments travel.
    pub attachments: bool,
    /// SHA-256 of its encryption certificate at that time, for judging its receipt.
    pub certificate: Digest,
}

impl Store {
    /// This database was put back as it was at `copied_at`: from then on something may be missing. `inbox_kept`: the
    /// delivery folder is the one of before, so that what had been confirmed lies, or lay, there. An alarm is written.
    pub fn restored(&self, copied_at: i64, inbox_kept: bool, detail: &str, at: i64) -> Ticket<()> {
        let detail = detail.to_owned();
        self.write("restored", move |ledger| {
            // restored again before it had caught up: the older moment counts
            let before = meta::get(ledger.conn(), BEHIND)?.and_then(time);
            let since = before.map_or(copied_at, |before| before.min(copied_at));
            meta::set(ledger, BEHIND, &since.to_be_bytes())?;
            meta::set(ledger, INBOX_KEPT, &[u8::from(inbox_kept)])?;
            ledger.alarm(at, NODE, "restored", Of::Node, &detail)?;
            Ok(())
        })
    }

    /// Since when something may be missing, if this database was put back and has not caught up yet.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn behind(&self) -> Result<Option<i64>, Error> {
        self.read("reading whether anything is missing", |conn| Ok(meta::get(conn, BEHIND)?.and_then(time)))
    }

    /// Whether the delivery folder outlived the last restore.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn inbox_kept(&self) -> Result<bool, Error> {
        self.read("reading what was kept", |conn| Ok(meta::get(conn, INBOX_KEPT)?.as_deref() == Some(&[1])))
    }

    /// Everything that the center knows is here. An alarm tells people what had been missing.
    pub fn caught_up(&self, detail: &str, at: i64) -> Ticket<()> {
        let detail = detail.to_owned();
        self.write("caught-up", move |ledger| {
            if ledger.execute("DELETE FROM meta WHERE key = ?1", [BEHIND])? > 0 {
                ledger.alarm(at, NODE, "caught-up", Of::Node, &detail)?;
            }
            Ok(())
        })
    }

    /// Takes in mailbox lines that we had answered. What was confirmed is fetched, archived and answered with its first
    /// receipt once more; what was returned is set down as returned. Returns how many were not known or not answered.
    pub fn recalled(&self, lines: Vec<Recalled>, at: i64) -> Ticket<u32> {
        self.write("recalled", move |ledger| {
            let epoch = meta::current_epoch(ledger.conn())?;
            let mut news = 0;
            for line in &lines {
                news += u32::from(recall(ledger, line, epoch, at)?);
            }
            Ok(news)
        })
    }

    /// Takes in parts that we had submitted: documents that are not known, or not known to be sent, stand where the
    /// center's receipt puts them. Their containers and sealed bytes are gone. Returns the documents that changed.
    pub fn recovered(&self, parts: Vec<Recovered>, at: i64) -> Ticket<Vec<DocumentId>> {
        self.write("recovered", move |ledger| {
            let mut changed: Vec<DocumentId> = Vec::new();
            for part in &parts {
                if recover(ledger, part, at)? && !changed.contains(&part.document) {
                    changed.push(part.document);
                }
            }
            Ok(changed)
        })
    }
}

fn time(bytes: Vec<u8>) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_be_bytes)
}

/// A received document as a recalled line finds it.
struct Met {
    state: Inbound,
    file: bool,
    receipt: Option<i64>,
}

fn recall(ledger: &mut Ledger, line: &Recalled, epoch: [u8; 16], at: i64) -> Result<bool, Error> {
    let id = match offer_one(ledger, &line.offer, epoch, at)? {
        Offered::New(id) | Offered::Begun(id) | Offered::Replaced(id) | Offered::Known { id, .. } => id,
        Offered::Conflict(_) => return Ok(false),
    };
    let sql = "SELECT state, file <> '', receipt FROM inbound WHERE id = ?1";
    let row = |r: &rusqlite::Row<'_>| Ok(Met { state: r.get(0)?, file: r.get(1)?, receipt: r.get(2)? });
    let met = ledger.find(sql, [id], row)?.ok_or(Error::NotFound("received document"))?;
    if met.receipt.is_some() {
        return Ok(false);
    }
    let of = Of::Inbound(id);
    let confirmed = line.verdict != Verdict::Returned;
    if confirmed {
        match met.state {
            Inbound::Quarantined => {
                // a person, or another key, opened it later
                let to = if met.file { Inbound::Fetched } else { Inbound::Offered };
                advance(ledger, id, &[Inbound::Quarantined], to, at)?;
                let sql = "UPDATE inbound SET answer = 0, todo = 1, due = ?2, held = 0 WHERE id = ?1";
                ledger.execute(sql, params![id, at])?;
            }
            Inbound::Offered | Inbound::Fetched => {
                ledger.execute("UPDATE inbound SET due = ?2 WHERE id = ?1 AND todo = 1", params![id, at])?;
            }
            Inbound::Archived | Inbound::Confirmed | Inbound::Reported => {}
        }
    } else if matches!(met.state, Inbound::Offered | Inbound::Fetched) {
        advance(ledger, id, &[met.state], Inbound::Quarantined, at)?;
        let sql = "UPDATE inbound SET label = ?2, answer = 1, todo = 0, due = NULL WHERE id = ?1";
        ledger.execute(sql, params![id, line.label])?;
    }
    let receipt = adopt(ledger, line, at)?;
    ledger.execute("UPDATE inbound SET receipt = ?2 WHERE id = ?1", params![id, receipt])?;
    ledger.log(at, NODE, "recalled", of, &format!("{}, receipt {receipt}", line.verdict))?;
    let state: Inbound =
        ledger.find("SELECT state FROM inbound WHERE id = ?1", [id], |r| r.get(0))?.unwrap_or(met.state);
    let done = match state {
        Inbound::Archived if confirmed => Inbound::Confirmed,
        Inbound::Quarantined if !confirmed => Inbound::Reported,
        _ => return Ok(true),
    };
    advance(ledger, id, &[state], done, at)?;
    if done == Inbound::Reported {
        ledger.execute("UPDATE inbound SET label = ?2 WHERE id = ?1", params![id, line.label])?;
    }
    ledger.log(at, NODE, done.as_str(), of, &format!("receipt {receipt}"))?;
    Ok(true)
}

/// A bundle of ours that the center has: stored once, however many lines it holds.
fn adopt(ledger: &Ledger, line: &Recalled, at: i64) -> Result<i64, Error> {
    use sha2::Digest as _;
    let digest: Digest = sha2::Sha256::digest(&line.bundle).into();
    let key = format!("store.answer.{}", hex(&digest));
    if let Some(id) = meta::get(ledger.conn(), &key)?.and_then(time) {
        return Ok(id);
    }
    let to = crate::inbound::organisation(&line.offer.sender);
    let sql = "INSERT INTO receipt (kind, \"to\", bytes, made_at, sent_at) VALUES ('answer', ?1, ?2, ?3, ?3)";
    let id = ledger.insert(sql, params![to, line.bundle, at])?;
    meta::set(ledger, &key, &id.to_be_bytes())?;
    Ok(id)
}

fn recover(ledger: &mut Ledger, part: &Recovered, at: i64) -> Result<bool, Error> {
    let sql = "SELECT key, state FROM document WHERE id = ?1";
    let known: Option<(i64, Document)> = ledger.find(sql, [part.document], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let (key, state) = match known {
        Some(known) => known,
        None => (make_document(ledger, part)?, Document::Claimed),
    };
    let of = Of::Document(key, part.document);
    if state == Document::Refused {
        ledger.alarm(at, NODE, "recovered", of, "refused here, but the center has it")?;
        return Ok(false);
    }
    let sql = "SELECT id, sealed, accepted_at IS NOT NULL FROM part
               WHERE doc = ?1 AND variant = ?2 AND grp = ?3 AND round = ?4";
    let values = params![key, part.variant, part.group, part.round];
    let there: Option<(i64, Digest, bool)> =
        ledger.find(sql, values, |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    let manifest = "SELECT manifest FROM container WHERE doc = ?1 AND variant = ?2";
    let manifest: Option<Digest> = ledger.find(manifest, params![key, part.variant], |r| r.get(0))?;
    if manifest.is_some_and(|manifest| manifest != part.manifest) {
        let detail = format!("part {} {} round {}: another manifest", part.variant, part.group, part.round);
        ledger.alarm(at, NODE, "part-conflict", of, &detail)?;
        return Ok(false);
    }
    let receipt = "INSERT INTO receipt (kind, part, bytes, made_at) VALUES ('center', ?1, ?2, ?3)";
    let id = match there {
        Some((_, _, true)) => return Ok(false),
        Some((id, sealed, false)) => {
            if sealed != part.sealed {
                // sealed twice: the center has the other one
                ledger.execute(
                    "UPDATE part SET sealed = ?2, size = ?3, file = '' WHERE id = ?1",
                    params![id, part.sealed, signed(part.length)?],
                )?;
            }
            id
        }
        None => {
            if manifest.is_none() {
                let sql = "INSERT INTO container (doc, variant, manifest, signature, file, size)
                           VALUES (?1, ?2, ?3, ?4, '', 0)";
                ledger.execute(sql, params![key, part.variant, part.manifest, part.signature])?;
            }
            insert_part(ledger, key, part)?
        }
    };
    let receipt = ledger.insert(receipt, params![id, part.receipt, at])?;
    ledger.execute(
        "UPDATE part SET accepted_at = ?2, receipt = ?3, todo = 0, due = NULL, held = 0, attempts = 0, step = NULL,
           begun = 0, label = '', detail = '' WHERE id = ?1",
        params![id, part.accepted_at, receipt],
    )?;
    take_lines(ledger, key, id, part, at)?;
    if state == Document::Claimed {
        let sql =
            "UPDATE document SET state = ?2, sealed_at = ?3, sender = ?4, todo = 0, held = 0, due = NULL, attempts = 0,
                     step = NULL, begun = 0, label = '', detail = '' WHERE key = ?1";
        debug_assert!(state.may_become(Document::Sealed));
        ledger.execute(sql, params![key, Document::Sealed, part.accepted_at, part.sender])?;
    }
    let detail = format!("part {id}, round {}, {} recipients", part.round, part.addressees.len());
    ledger.log(at, NODE, "recovered", of, &detail)?;
    settle(ledger, key, at)?;
    Ok(true)
}

/// A document of which only the center's list is left.
fn make_document(ledger: &Ledger, part: &Recovered) -> Result<i64, Error> {
    ledger.insert(
        "INSERT INTO document (id, state, word, kind, edition, subject, number, dated, priority, sender, sender_name,
           drop_name, di_name, digest, size, claimed_at, changed_at, todo)
         VALUES (?1, ?2, ?3, '', '', '', '', '', ?4, ?5, '', '', '', zeroblob(32), 0, ?6, ?6, 0)",
        params![part.document, Document::Claimed, Word::Claimed, part.priority, part.sender, part.accepted_at],
    )
}

fn insert_part(ledger: &Ledger, key: i64, part: &Recovered) -> Result<i64, Error> {
    let addressees: Vec<String> = part
        .addressees
        .iter()
        .map(|a| if a.attachments { a.code.clone() } else { format!("{}-", a.code) })
        .collect();
    ledger.insert(
        "INSERT INTO part (doc, variant, grp, round, addressees, sealed, size, file, priority, todo)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', ?8, 0)",
        params![
            key,
            part.variant,
            part.group,
            part.round,
            addressees.join(" "),
            part.sealed,
            signed(part.length)?,
            part.priority,
        ],
    )
}

/// Its recipients stand at 系統確認, unless a later round or a person has dealt with them.
fn take_lines(ledger: &Ledger, key: i64, id: i64, part: &Recovered, at: i64) -> Result<(), Error> {
    for a in &part.addressees {
        let sql = "SELECT round FROM line WHERE doc = ?1 AND recipient = ?2";
        let round: Option<u16> = ledger.find(sql, params![key, a.code], |r| r.get(0))?;
        match round {
            None => {
                let position = "SELECT count(*) FROM line WHERE doc = ?1";
                let position: i64 = ledger.find(position, [key], |r| r.get(0))?.unwrap_or(0);
                ledger.execute(
                    "INSERT INTO line (doc, position, recipient, name, copy, attachments, paper, state, round, part,
                       certificate, changed_at)
                     VALUES (?1, ?2, ?3, ?4, '', ?5, 0, ?6, ?7, ?8, ?9, ?10)",
                    params![
                        key,
                        position,
                        a.code,
                        a.name,
                        a.attachments,
                        Line::Waiting,
                        part.round,
                        id,
                        a.certificate,
                        at
                    ],
                )?;
            }
            Some(round) if round > part.round => continue,
            Some(_) => {
                let sql = "UPDATE line SET part = ?3, round = ?4, certificate = ?5, resend = 0
                           WHERE doc = ?1 AND recipient = ?2 AND state IN ('waiting', 'accepted', 'returned')";
                ledger.execute(sql, params![key, a.code, id, part.round, a.certificate])?;
            }
        }
        if advance_line(ledger, key, &a.code, Line::Accepted, at)?.is_ok() {
            let sql = "UPDATE line SET accepted_at = ?3, label = '', detail = '', receipt = NULL
                       WHERE doc = ?1 AND recipient = ?2";
            ledger.execute(sql, params![key, a.code, part.accepted_at])?;
        }
    }
    Ok(())
}
