//! Pauses, tries and troubles, the same for documents, parts and received documents; and what is to be done next.

use rusqlite::{Connection, Row, params};

use crate::inbound::{InboundRow, ReceiptRow};
use crate::journal::Of;
use crate::outbound::{DocumentRow, PartRow};
use crate::state::Priority;
use crate::writer::{Ledger, Ticket};
use crate::{DocumentId, Error, HELD, NODE, Store, rows, signed};

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

/// A step that begins with the record that makes it possible: as [`Store::attempt`] right after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// Its name.
    pub step: &'static str,
    /// When it is looked at again if no outcome comes.
    pub due: i64,
}

impl Begin {
    /// Its first try.
    pub(crate) fn record(self, ledger: &Ledger, target: Target) -> Result<(), Error> {
        let (table, number, row) = match target {
            Target::Part(id) => ("part", "id", id),
            Target::Inbound(id) => ("inbound", "id", id),
            Target::Document(_) => return Err(Error::Bad("a document begins by itself")),
        };
        let sql =
            format!("UPDATE {table} SET attempts = 1, begun = 1, due = ?2, step = ?3 WHERE {number} = ?1");
        ledger.execute(&sql, params![row, self.due, self.step]).map(drop)
    }
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

/// A target's table, row, and what the journal calls it.
struct Located {
    table: &'static str,
    /// The column with the row's number.
    number: &'static str,
    row: i64,
    of: Of,
    /// The document or received document it belongs to, as (table, number column, row).
    whole: (&'static str, &'static str, i64),
}

fn locate(ledger: &Ledger, target: Target) -> Result<Located, Error> {
    match target {
        Target::Document(id) => {
            let key = ledger
                .find("SELECT key FROM document WHERE id = ?1", [id], |r| r.get(0))?
                .ok_or(Error::NotFound("document"))?;
            let of = Of::Document(key, id);
            Ok(Located { table: "document", number: "key", row: key, of, whole: ("document", "key", key) })
        }
        Target::Part(part) => {
            let sql = "SELECT d.key, d.id FROM part p JOIN document d ON d.key = p.doc WHERE p.id = ?1";
            let (key, id) =
                ledger.find(sql, [part], |r| Ok((r.get(0)?, r.get(1)?)))?.ok_or(Error::NotFound("part"))?;
            let of = Of::Document(key, id);
            Ok(Located { table: "part", number: "id", row: part, of, whole: ("document", "key", key) })
        }
        Target::Inbound(id) => {
            ledger
                .find("SELECT 1 FROM inbound WHERE id = ?1", [id], |_| Ok(()))?
                .ok_or(Error::NotFound("received document"))?;
            let of = Of::Inbound(id);
            Ok(Located { table: "inbound", number: "id", row: id, of, whole: ("inbound", "id", id) })
        }
    }
}

impl Located {
    /// Why nothing was changed.
    fn moved(&self, ledger: &Ledger) -> Result<Error, Error> {
        let (table, number, row) = self.whole;
        let word = if table == "document" { "word" } else { "state" };
        let sql =
            format!("SELECT CASE WHEN held = 1 THEN 'held' ELSE {word} END FROM {table} WHERE {number} = ?1");
        let was = ledger.find(&sql, [row], |r| r.get(0))?.ok_or(Error::NotFound(table))?;
        Ok(Error::Moved { what: self.table, was })
    }
}

impl Store {
    /// Records that `step` begins, before network, open, parse or render is touched. `due` is when it is looked at
    /// again if no outcome comes.
    ///
    /// The ticket fails with `state-moved` if the target is held, or nothing is to be done for it by now.
    pub fn attempt(&self, target: Target, step: &'static str, due: i64, at: i64) -> Ticket<Attempt> {
        self.write("attempt", move |ledger| {
            let located = locate(ledger, target)?;
            let Located { table, number, row, of, .. } = located;
            let sql = format!(
                "UPDATE {table} SET attempts = attempts + 1, due = ?2, step = ?3,
                   begun = CASE WHEN step IS ?3 THEN begun + 1 ELSE 1 END
                 WHERE {number} = ?1 AND held = 0 AND todo = 1 RETURNING attempts, begun"
            );
            let attempt = ledger.find(&sql, params![row, due, step], |r| {
                Ok(Attempt { attempts: r.get(0)?, begun: r.get(1)? })
            })?;
            let Some(attempt) = attempt else { return Err(located.moved(ledger)?) };
            let detail = format!("{step}, try {}, begun {}", attempt.attempts, attempt.begun);
            ledger.log(at, NODE, "attempt", of, &detail)?;
            Ok(attempt)
        })
    }

    /// Records how a try ended without a move: the step that was begun is over. A try that does not count (a *Wait*, a
    /// stop) is as if it had not been begun: deaths in the step before it stay counted, since after every start the
    /// link is away at first. The same *Wait* again (same label, no alarm) adds no journal line.
    ///
    /// The ticket fails with `state-moved` if nothing is to be done for the target by now.
    pub fn setback(&self, target: Target, setback: Setback, at: i64) -> Ticket<()> {
        self.write("setback", move |ledger| {
            let located = locate(ledger, target)?;
            let Located { table, number, row, of, .. } = located;
            let Setback { due, label, detail, counts, alarm } = &setback;
            let sql = format!("SELECT label FROM {table} WHERE {number} = ?1");
            let before: String = ledger.find(&sql, [row], |r| r.get(0))?.unwrap_or_default();
            let sql = format!(
                "UPDATE {table} SET due = ?2, label = ?3, detail = ?4,
                   step = CASE WHEN ?5 OR begun <= 1 THEN NULL ELSE step END,
                   begun = CASE WHEN ?5 OR begun <= 1 THEN 0 ELSE begun - 1 END,
                   attempts = CASE WHEN ?5 OR attempts = 0 THEN attempts ELSE attempts - 1 END
                 WHERE {number} = ?1 AND todo = 1"
            );
            if ledger.execute(&sql, params![row, due, label, detail, counts])? == 0 {
                return Err(located.moved(ledger)?);
            }
            let line = format!("{label}: {detail}");
            if *alarm {
                ledger.alarm(at, NODE, "setback", of, &line)?;
            } else if !label.is_empty() && (*counts || *label != before) {
                ledger.log(at, NODE, "setback", of, &line)?;
            }
            Ok(())
        })
    }

    /// Something happened that rows with these labels waited for: they are due now. Empty: all that wait. Returns how
    /// many.
    pub fn wake(&self, labels: Vec<String>, at: i64) -> Ticket<u32> {
        self.write("wake", move |ledger| {
            let mut woken = 0;
            for table in ["document", "part", "inbound"] {
                if labels.is_empty() {
                    let sql =
                        format!("UPDATE {table} SET due = ?1 WHERE todo = 1 AND held = 0 AND due IS NULL");
                    woken += ledger.execute(&sql, [at])?;
                }
                for label in &labels {
                    let sql = format!(
                        "UPDATE {table} SET due = ?1 WHERE todo = 1 AND held = 0 AND due IS NULL AND label = ?2"
                    );
                    woken += ledger.execute(&sql, params![at, label])?;
                }
            }
            if woken > 0 {
                ledger.log(at, NODE, "woken", Of::Node, &format!("{woken}: {}", labels.join(" ")))?;
            }
            u32::try_from(woken).map_err(|_| Error::Bad("more than 2^32 rows"))
        })
    }

    /// Rows that would become due later than `latest` become due at `at`: the clock was put back since their time was
    /// written, and no wait of ours is that long. Returns how many.
    pub fn hasten(&self, latest: i64, at: i64) -> Ticket<u32> {
        self.write("hasten", move |ledger| {
            let mut hastened = 0;
            for table in ["document", "part", "inbound"] {
                let sql = format!("UPDATE {table} SET due = ?2 WHERE todo = 1 AND due > ?1");
                hastened += ledger.execute(&sql, [latest, at])?;
            }
            if hastened > 0 {
                ledger.log(at, NODE, "woken", Of::Node, &format!("{hastened}: clock"))?;
            }
            u32::try_from(hastened).map_err(|_| Error::Bad("more than 2^32 rows"))
        })
    }

    /// Stops a document (a part counts as its document) until it is released.
    ///
    /// The ticket fails with `state-moved` if it is held or final already.
    pub fn hold(&self, target: Target, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let (actor, why) = (actor.to_owned(), why.to_owned());
        self.write("hold", move |ledger| {
            let located = locate(ledger, target)?;
            let (table, number, row) = located.whole;
            let still = if table == "document" {
                "word NOT IN ('refused', 'confirmed', 'on-paper', 'abandoned')"
            } else {
                "state NOT IN ('confirmed', 'reported')"
            };
            let sql = format!(
                "UPDATE {table} SET held = 1,
                   detail = CASE WHEN label = '' THEN ?3 ELSE detail END,
                   label = CASE WHEN label = '' THEN ?2 ELSE label END
                 WHERE {number} = ?1 AND held = 0 AND {still}"
            );
            if ledger.execute(&sql, params![row, HELD, why])? == 0 {
                return Err(located.moved(ledger)?);
            }
            if table == "document" {
                ledger.execute("UPDATE part SET held = 1 WHERE doc = ?1", [row])?;
            }
            ledger.log(at, &actor, "held", located.of, &why)?;
            Ok(())
        })
    }

    /// Lets a held one go on: due at once.
    ///
    /// The ticket fails with `state-moved` if it is not held.
    pub fn release(&self, target: Target, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let (actor, why) = (actor.to_owned(), why.to_owned());
        self.write("release", move |ledger| {
            let located = locate(ledger, target)?;
            let (table, number, row) = located.whole;
            // a quarantined one keeps the label that says why
            let keeps = if table == "inbound" { "state = 'quarantined'" } else { "0" };
            let sql = format!(
                "UPDATE {table} SET held = 0, due = CASE WHEN todo = 1 THEN ?2 ELSE due END,
                   label = CASE WHEN {keeps} AND label <> ?3 THEN label ELSE '' END,
                   detail = CASE WHEN {keeps} AND label <> ?3 THEN detail ELSE '' END
                 WHERE {number} = ?1 AND held = 1"
            );
            if ledger.execute(&sql, params![row, at, HELD])? == 0 {
                return Err(located.moved(ledger)?);
            }
            if table == "document" {
                let sql =
                    "UPDATE part SET held = 0, due = CASE WHEN todo = 1 THEN ?2 ELSE due END WHERE doc = ?1";
                ledger.execute(sql, params![row, at])?;
            }
            ledger.log(at, &actor, "released", located.of, &why)?;
            Ok(())
        })
    }

    /// A person wants it tried now: due at once, tries counted anew. Of a document, also its parts; of a received one,
    /// also receipts that the center would not take.
    ///
    /// The ticket fails with `state-moved` if it is held, or nothing is to be done for it.
    pub fn retry(&self, target: Target, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let (actor, why) = (actor.to_owned(), why.to_owned());
        self.write("retry", move |ledger| {
            let located = locate(ledger, target)?;
            let again = "due = ?2, attempts = 0, step = NULL, begun = 0";
            let Located { table, number, row, of, .. } = located;
            let sql = format!("UPDATE {table} SET {again} WHERE {number} = ?1 AND held = 0 AND todo = 1");
            let mut changed = ledger.execute(&sql, params![row, at])?;
            if table == "document" {
                let sql = format!("UPDATE part SET {again} WHERE doc = ?1 AND held = 0 AND todo = 1");
                changed += ledger.execute(&sql, params![row, at])?;
            }
            if table == "inbound" {
                let sql =
                    "UPDATE receipt SET label = '' WHERE kind = 'answer' AND sent_at IS NULL AND label <> ''
                           AND id IN (SELECT receipt FROM inbound WHERE id = ?1
                                      UNION SELECT notice_receipt FROM inbound WHERE id = ?1)";
                changed += ledger.execute(sql, [row])?;
            }
            if changed == 0 {
                return Err(located.moved(ledger)?);
            }
            ledger.log(at, &actor, "retried", of, &why)?;
            Ok(())
        })
    }

    /// Documents to be sealed, or sealed anew (those are in state Sealed, with lines marked `resend`).
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn due_documents(&self, take: Take) -> Result<Vec<DocumentRow>, Error> {
        let from = format!("SELECT {} FROM document d", rows::DOCUMENT);
        self.read("reading due documents", |conn| due(conn, &from, "d", take, rows::document_row))
    }

    /// Parts to be submitted.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn due_parts(&self, take: Take) -> Result<Vec<PartRow>, Error> {
        let from = format!("SELECT {} FROM {}", rows::PART, rows::PART_FROM);
        self.read("reading due parts", |conn| due(conn, &from, "p", take, rows::part_row))
    }

    /// Received documents to be fetched (Offered) or opened (Fetched).
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn due_inbound(&self, take: Take) -> Result<Vec<InboundRow>, Error> {
        let from = format!("SELECT {} FROM inbound i", rows::INBOUND);
        self.read("reading due received documents", |conn| due(conn, &from, "i", take, rows::inbound_row))
    }

    /// When the next of these three becomes due.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn next_due(&self) -> Result<Option<i64>, Error> {
        self.read("reading the next due time", |conn| {
            let mut next: Option<i64> = None;
            for table in ["document", "part", "inbound"] {
                let sql = format!(
                    "SELECT min(due) FROM {table} WHERE todo = 1 AND held = 0 AND priority = ?1 AND due > ?2"
                );
                let mut statement = conn.prepare_cached(&sql)?;
                for priority in Priority::URGENT_FIRST {
                    let due: Option<i64> = statement.query_row(params![priority, i64::MIN], |r| r.get(0))?;
                    next = [next, due].into_iter().flatten().min();
                }
            }
            Ok(next)
        })
    }

    /// Received documents without a receipt of ours: archived, or quarantined and to be answered, longest waiting
    /// first; then those with a notice to be signed. Held ones are left out.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn to_answer(&self, limit: u32) -> Result<Vec<InboundRow>, Error> {
        let sql = format!(
            "SELECT {} FROM inbound i WHERE answer = 1 AND receipt IS NULL AND held = 0 ORDER BY changed_at LIMIT ?1",
            rows::INBOUND
        );
        let notices = format!(
            "SELECT {} FROM inbound i WHERE notice <> '' AND notice_receipt IS NULL ORDER BY id LIMIT ?1",
            rows::INBOUND
        );
        self.read("reading what to answer", |conn| {
            let mut found = all(conn, &sql, limit, rows::inbound_row)?;
            let room = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(limit));
            found.extend(all(conn, &notices, room, rows::inbound_row)?);
            Ok(found)
        })
    }

    /// Receipts of ours that the center does not have yet, oldest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn to_report(&self, limit: u32) -> Result<Vec<ReceiptRow>, Error> {
        let sql = format!(
            "SELECT {} FROM receipt WHERE kind = 'answer' AND sent_at IS NULL AND label = '' ORDER BY id LIMIT ?1",
            rows::RECEIPT
        );
        self.read("reading what to report", |conn| all(conn, &sql, limit, rows::receipt_row))
    }

    /// Archived documents whose staged copy may not be renamed yet.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn to_deliver(&self, limit: u32) -> Result<Vec<InboundRow>, Error> {
        let sql = format!(
            "SELECT {} FROM inbound i WHERE delivered_at IS NULL AND staged <> '' ORDER BY id LIMIT ?1",
            rows::INBOUND
        );
        self.read("reading what to deliver", |conn| all(conn, &sql, limit, rows::inbound_row))
    }

    /// Documents past [`crate::state::Word::Claimed`] whose note for people tells no word, or an older one.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn to_note(&self, limit: u32) -> Result<Vec<DocumentRow>, Error> {
        let sql = format!(
            "SELECT {} FROM document d WHERE noted IS NOT word AND word <> 'claimed' ORDER BY changed_at LIMIT ?1",
            rows::DOCUMENT
        );
        self.read("reading what to note", |conn| all(conn, &sql, limit, rows::document_row))
    }
}

/// Rows that are due in the order of work: per priority, so that the index is read in its own order.
fn due<T>(
    conn: &Connection,
    from: &str,
    table: &str,
    take: Take,
    row: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let sql = format!(
        "{from} WHERE {table}.todo = 1 AND {table}.held = 0 AND {table}.priority = ?1 AND {table}.due <= ?2
           AND {table}.size <= ?3 ORDER BY {table}.due, {table}.size LIMIT ?4"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let at_most = take.at_most.map_or(Ok(i64::MAX), signed)?;
    let mut taken = Vec::new();
    for priority in Priority::URGENT_FIRST {
        let room = (take.limit as usize).saturating_sub(taken.len());
        if room == 0 {
            break;
        }
        for found in statement.query_map(params![priority, take.now, at_most, signed(room as u64)?], row)? {
            taken.push(found?);
        }
    }
    Ok(taken)
}

fn all<T>(
    conn: &Connection,
    sql: &str,
    limit: u32,
    row: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_map([limit], row)?.collect::<Result<_, _>>()?)
}
