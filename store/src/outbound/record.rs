//! The operations on documents that we send, each one command with its journal line.

use rusqlite::{Connection, params};

use super::Resending;
use super::send::{insert_parts, number_of, put_contents};
use crate::boxes::{Owner, Spooled};
use crate::journal::Of;
use crate::state::{Document, Line, Word};
use crate::writer::{Ledger, Ticket};
use crate::{DocumentId, Error, NODE, Store, content};

impl Store {
    /// Claimed → Refused, with the reason.
    pub fn refused(&self, document: DocumentId, label: &str, detail: &str, at: i64) -> Ticket<()> {
        let (label, detail) = (label.to_owned(), detail.to_owned());
        self.write("refused", move |ledger| refuse(ledger, document, NODE, &label, &detail, at))
    }

    /// A person (or the label `recipient-key-changed`) wants the document sent again to these recipients; empty: to
    /// all that the center had and that have not confirmed. Makes the document due; [`Store::resent`] settles it.
    /// Returns how many lines.
    ///
    /// The ticket fails with `state-moved` if the document is held, a named line is final or there is none to send
    /// to; with `not-found`.
    pub fn resend(
        &self,
        document: DocumentId,
        recipients: Vec<String>,
        actor: &str,
        why: &str,
        at: i64,
    ) -> Ticket<u32> {
        let (actor, why) = (actor.to_owned(), why.to_owned());
        self.write("resend", move |ledger| {
            let key = expect_state(ledger, document, Document::Sealed)?;
            let held = ledger.find("SELECT held FROM document WHERE key = ?1", [key], |r| r.get(0))?;
            if held == Some(true) {
                return Err(moved("held"));
            }
            let usual = |line| matches!(line, Line::Accepted | Line::Returned);
            let chosen = choose(ledger, key, recipients, usual, |line| !line.is_final())?;
            for recipient in &chosen {
                ledger.execute(
                    "UPDATE line SET resend = 1 WHERE doc = ?1 AND recipient = ?2",
                    params![key, recipient],
                )?;
            }
            ledger.execute(
                "UPDATE document SET todo = 1, due = ?2, attempts = 0, step = NULL, begun = 0 WHERE key = ?1",
                params![key, at],
            )?;
            let detail = format!("{}: {why}", chosen.join(" "));
            ledger.log(at, &actor, "resend-asked", Of::Document(key, document), &detail)?;
            count(chosen.len())
        })
    }

    /// The document was sealed anew: new parts (due at once) take over the lines named; lines that became final
    /// meanwhile stay as they are. A part none of whose lines is left is settled. Returns the parts' numbers.
    ///
    /// The ticket fails with `bad-request` if the round is not above every earlier one or a line names no part.
    pub fn resent(&self, mut resending: Resending, at: i64) -> Ticket<Vec<i64>> {
        self.write("resent", move |ledger| {
            put_contents(ledger, &resending.contents, resending.parts.iter_mut().map(|p| &mut p.file))?;
            let Resending { document, round, parts, lines, .. } = &resending;
            let key = expect_state(ledger, *document, Document::Sealed)?;
            if *round < next_round(ledger.conn(), key)? {
                return Err(Error::Bad("a resend with an old round"));
            }
            let mut addressed = Vec::with_capacity(lines.len());
            for line in lines {
                let attachments = ledger
                    .find(
                        "SELECT attachments FROM line WHERE doc = ?1 AND recipient = ?2",
                        params![key, line.recipient],
                        |r| r.get(0),
                    )?
                    .ok_or(Error::NotFound("line"))?;
                addressed.push((line.variant, line.group, line.recipient.as_str(), attachments));
            }
            let numbers = insert_parts(ledger, key, *round, parts, &addressed, at)?;
            let mut moved = Vec::new();
            for line in lines {
                let part = number_of(parts, &numbers, line.variant, line.group)?;
                let changed = ledger.execute(
                    "UPDATE line SET part = ?3, round = ?4, certificate = ?5, resend = 0
                     WHERE doc = ?1 AND recipient = ?2 AND state IN ('waiting', 'accepted', 'returned')",
                    params![key, line.recipient, part, round, line.certificate],
                )?;
                if changed > 0 {
                    moved.push(line.recipient.as_str());
                }
            }
            ledger.execute(
                "UPDATE document SET todo = 0, due = NULL, attempts = 0, step = NULL, begun = 0, label = '', detail = ''
                 WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM line WHERE doc = ?1 AND resend = 1)",
                [key],
            )?;
            let detail = format!("round {round}: {}", moved.join(" "));
            ledger.log(at, NODE, "resent", Of::Document(key, *document), &detail)?;
            settle(ledger, key, at)?;
            Ok(numbers)
        })
    }

    /// A person sent it on paper to these recipients, given by code or, where they have no line, by their name; empty:
    /// to all not final. Returns how many there are.
    pub fn on_paper(
        &self,
        document: DocumentId,
        recipients: Vec<String>,
        actor: &str,
        why: &str,
        at: i64,
    ) -> Ticket<u32> {
        let (actor, why) = (actor.to_owned(), why.to_owned());
        self.write("on-paper", move |ledger| {
            let key = expect_state(ledger, document, Document::Sealed)?;
            end_lines(ledger, (key, document), recipients, Line::OnPaper, &actor, &why, at)
        })
    }

    /// A person gives up on these recipients (as in [`Store::on_paper`]), or on a document that is not sealed (it becomes
    /// Refused with the label `abandoned`). Returns how many there are.
    pub fn abandon(
        &self,
        document: DocumentId,
        recipients: Vec<String>,
        actor: &str,
        why: &str,
        at: i64,
    ) -> Ticket<u32> {
        let (actor, why) = (actor.to_owned(), why.to_owned());
        self.write("abandon", move |ledger| {
            let (key, state) = locate(ledger, document)?;
            if state == Document::Claimed {
                refuse(ledger, document, &actor, "abandoned", &why, at)?;
                return Ok(0);
            }
            expect_state(ledger, document, Document::Sealed)?;
            end_lines(ledger, (key, document), recipients, Line::Abandoned, &actor, &why, at)
        })
    }

    /// The note for people in `sent/` or `failed/` tells `word` now and lies at `note`.
    pub fn noted(&self, document: DocumentId, word: Word, note: &str, at: i64) -> Ticket<()> {
        let note = note.to_owned();
        self.write_patiently("noted", move |ledger| {
            let (key, _) = locate(ledger, document)?;
            let sql = "UPDATE document SET noted = ?2, note = ?3 WHERE key = ?1";
            ledger.execute(sql, params![key, word, note])?;
            ledger.log(at, NODE, "noted", Of::Document(key, document), &format!("{word}: {note}"))?;
            Ok(())
        })
    }

    /// These content files of [`Store::spool_expired`] are removed, or will be next: no row names them any more.
    pub fn spool_forgotten(&self, files: Vec<Spooled>) -> Ticket<()> {
        self.write("spool-forgotten", move |ledger| {
            for Spooled { name, owner } in files {
                content::forget(ledger, &name)?;
                match owner {
                    Owner::Part(id) => ledger.execute(
                        "UPDATE part SET file = '' WHERE id = ?1 AND file = ?2",
                        params![id, name],
                    )?,
                    Owner::Container(doc, variant) => ledger.execute(
                        "UPDATE container SET file = '' WHERE doc = ?1 AND variant = ?2 AND file = ?3",
                        params![doc, variant, name],
                    )?,
                    Owner::Inbound(id) => ledger.execute(
                        "UPDATE inbound SET file = '' WHERE id = ?1 AND file = ?2",
                        params![id, name],
                    )?,
                };
            }
            Ok(())
        })
    }
}

/// The row of a document and where it stands.
pub(crate) fn locate(ledger: &Ledger, document: DocumentId) -> Result<(i64, Document), Error> {
    ledger
        .find("SELECT key, state FROM document WHERE id = ?1", [document], |r| Ok((r.get(0)?, r.get(1)?)))?
        .ok_or(Error::NotFound("document"))
}

fn moved(was: impl std::fmt::Display) -> Error {
    Error::Moved { what: "document", was: was.to_string() }
}

pub(super) fn expect_state(ledger: &Ledger, document: DocumentId, expected: Document) -> Result<i64, Error> {
    let (key, state) = locate(ledger, document)?;
    if state == expected { Ok(key) } else { Err(moved(state)) }
}

/// The one place where a document's own state changes.
pub(super) fn advance(ledger: &Ledger, document: DocumentId, to: Document) -> Result<i64, Error> {
    let (key, state) = locate(ledger, document)?;
    if !state.may_become(to) {
        return Err(moved(state));
    }
    ledger.execute("UPDATE document SET state = ?2 WHERE key = ?1", params![key, to])?;
    Ok(key)
}

/// The one place where the state of a recipient line changes. The inner error: where it stands, if the move is not
/// legal from there.
pub(crate) fn advance_line(
    ledger: &Ledger,
    key: i64,
    recipient: &str,
    to: Line,
    at: i64,
) -> Result<Result<(), Line>, Error> {
    let state: Line = ledger
        .find("SELECT state FROM line WHERE doc = ?1 AND recipient = ?2", params![key, recipient], |r| {
            r.get(0)
        })?
        .ok_or(Error::NotFound("line"))?;
    if !state.may_become(to) {
        return Ok(Err(state));
    }
    ledger.execute(
        "UPDATE line SET state = ?3, changed_at = ?4 WHERE doc = ?1 AND recipient = ?2",
        params![key, recipient, to, at],
    )?;
    Ok(Ok(()))
}

fn refuse(
    ledger: &mut Ledger,
    document: DocumentId,
    actor: &str,
    label: &str,
    detail: &str,
    at: i64,
) -> Result<(), Error> {
    let key = advance(ledger, document, Document::Refused)?;
    ledger.execute(
        "UPDATE document SET todo = 0, held = 0, due = NULL, step = NULL, begun = 0, label = ?2, detail = ?3
         WHERE key = ?1",
        params![key, label, detail],
    )?;
    ledger.log(at, actor, "refused", Of::Document(key, document), &format!("{label}: {detail}"))?;
    settle(ledger, key, at)
}

/// The recipients meant: those named (each must satisfy `may`), or all that are `usual`.
fn choose(
    ledger: &Ledger,
    key: i64,
    named: Vec<String>,
    usual: impl Fn(Line) -> bool,
    may: impl Fn(Line) -> bool,
) -> Result<Vec<String>, Error> {
    let mut statement =
        ledger.prepare("SELECT recipient, state FROM line WHERE doc = ?1 ORDER BY position")?;
    let lines: Vec<(String, Line)> =
        statement.query_map([key], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
    if named.is_empty() {
        let chosen: Vec<_> =
            lines.into_iter().filter(|(_, state)| usual(*state)).map(|(code, _)| code).collect();
        return if chosen.is_empty() {
            let word: String = ledger
                .find("SELECT word FROM document WHERE key = ?1", [key], |r| r.get(0))?
                .unwrap_or_default();
            Err(moved(word))
        } else {
            Ok(chosen)
        };
    }
    for code in &named {
        let (_, state) = lines.iter().find(|(c, _)| c == code).ok_or(Error::NotFound("line"))?;
        if !may(*state) {
            return Err(Error::Moved { what: "line", was: state.to_string() });
        }
    }
    Ok(named)
}

fn end_lines(
    ledger: &mut Ledger,
    (key, document): (i64, DocumentId),
    recipients: Vec<String>,
    to: Line,
    actor: &str,
    why: &str,
    at: i64,
) -> Result<u32, Error> {
    let may = |line: Line| line.may_become(to);
    let names: Vec<(String, bool)> = {
        let mut statement =
            ledger.prepare("SELECT name, done = '' FROM hint WHERE doc = ?1 ORDER BY position")?;
        statement.query_map([key], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?
    };
    let all = recipients.is_empty();
    let (named, codes): (Vec<String>, Vec<String>) =
        recipients.into_iter().partition(|one| names.iter().any(|(name, _)| name == one));
    let hints: Vec<String> = if all {
        names.iter().filter(|(_, open)| *open).map(|(name, _)| name.clone()).collect()
    } else {
        named
    };
    for name in &hints {
        if !names.iter().any(|(known, open)| known == name && *open) {
            return Err(Error::Moved { what: "name", was: "decided".to_owned() });
        }
        let sql = "UPDATE hint SET done = ?3, done_at = ?4 WHERE doc = ?1 AND name = ?2 AND done = ''";
        ledger.execute(sql, params![key, name, to, at])?;
    }
    let chosen = if !all && codes.is_empty() {
        Vec::new()
    } else {
        match choose(ledger, key, codes, may, may) {
            Err(Error::Moved { .. }) if all && !hints.is_empty() => Vec::new(),
            chosen => chosen?,
        }
    };
    for recipient in &chosen {
        if let Err(was) = advance_line(ledger, key, recipient, to, at)? {
            return Err(Error::Moved { what: "line", was: was.to_string() });
        }
        ledger.execute(
            "UPDATE line SET resend = 0, notice = '', detail = ?3 WHERE doc = ?1 AND recipient = ?2",
            params![key, recipient, why],
        )?;
    }
    // people read in the note beside the letter how each stands
    ledger.execute("UPDATE document SET noted = NULL WHERE key = ?1", [key])?;
    // what a resend waited for is over with its last recipient
    ledger.execute(
        "UPDATE document SET todo = 0, due = NULL, step = NULL, begun = 0, label = '', detail = ''
         WHERE key = ?1 AND todo = 1 AND NOT EXISTS (SELECT 1 FROM line WHERE doc = ?1 AND resend = 1)",
        [key],
    )?;
    let who: Vec<&str> = chosen.iter().chain(&hints).map(String::as_str).collect();
    ledger.log(at, actor, to.as_str(), Of::Document(key, document), &format!("{}: {why}", who.join(" ")))?;
    settle(ledger, key, at)?;
    count(who.len())
}

/// After lines changed: the document's word, and which parts have nothing left to do.
pub(crate) fn settle(ledger: &Ledger, key: i64, at: i64) -> Result<(), Error> {
    ledger.execute(
        "UPDATE part SET settled = 1, todo = 0, due = NULL
         WHERE doc = ?1 AND settled = 0 AND NOT EXISTS
           (SELECT 1 FROM line WHERE line.doc = ?1 AND line.part = part.id
              AND line.state IN ('waiting', 'accepted', 'returned'))",
        [key],
    )?;
    let states = {
        let mut statement = ledger.prepare("SELECT DISTINCT state FROM line WHERE doc = ?1")?;
        statement.query_map([key], |r| r.get(0))?.collect::<Result<Vec<Line>, _>>()?
    };
    let (state, was): (Document, Word) = ledger
        .find("SELECT state, word FROM document WHERE key = ?1", [key], |r| Ok((r.get(0)?, r.get(1)?)))?
        .ok_or(Error::NotFound("document"))?;
    let word = Word::of(state, &states);
    if word != was {
        ledger.execute(
            "UPDATE document SET word = ?2, changed_at = ?3, held = CASE WHEN ?4 THEN 0 ELSE held END WHERE key = ?1",
            params![key, word, at, word.is_final()],
        )?;
    }
    Ok(())
}

fn count(n: usize) -> Result<u32, Error> {
    u32::try_from(n).map_err(|_| Error::Bad("more than 2^32 rows"))
}

/// The round after the last.
pub(crate) fn next_round(conn: &Connection, key: i64) -> Result<u16, Error> {
    let last: Option<u16> =
        conn.prepare_cached("SELECT max(round) FROM part WHERE doc = ?1")?.query_row([key], |r| r.get(0))?;
    last.map_or(Ok(0), |round| round.checked_add(1).ok_or(Error::Bad("no round is left")))
}
