//! What comes back for what we sent: the center's receipts and the receivers' verdicts.

use rusqlite::params;

use crate::journal::Of;
use crate::meta;
use crate::outbound::{advance_line, settle};
use crate::state::{Line, Verdict};
use crate::writer::{Ledger, Ticket};
use crate::{DocumentId, Error, MISDIRECTED, NODE, Store};

/// One line of a receiver's receipt, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictLine {
    /// Which document.
    pub document: DocumentId,
    /// Which round the receiver answers.
    pub round: u16,
    /// Which recipient.
    pub recipient: String,
    /// What it says.
    pub verdict: Verdict,
    /// Why, for a return; else empty.
    pub label: String,
    /// When the receiver archived it, as the receipt says.
    pub archived_at: Option<i64>,
}

/// A receipt bundle that came in: what [`Store::verdicts`] records in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// The bundle's bytes, kept as evidence.
    pub bundle: Vec<u8>,
    /// The center's number of it: the cursor moves here. `None` leaves the cursor alone.
    pub seq: Option<u64>,
    /// Its verified lines. Empty (a bundle that does not verify) moves only the cursor; journal the alarm beside it.
    pub lines: Vec<VerdictLine>,
}

/// What one verdict did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The line moved there.
    Moved(Line),
    /// It came before our own record of the center's receipt; [`Store::accepted`] will apply it.
    Early,
    /// It is kept, and changes nothing: a person had settled the line, or a later round is on its way.
    Kept,
    /// The same verdict was here before.
    Repeated,
    /// Another verdict was here first and stays; this one is kept, and an alarm is in the journal.
    Contradicts(Verdict),
    /// No such document, round or recipient; an alarm is in the journal.
    Unknown,
}

/// A line as a verdict finds it.
struct Met {
    key: i64,
    state: Line,
    round: u16,
    accepted: bool,
}

impl Store {
    /// The center has a part: its receipt is stored, its waiting (and, in a later round, returned) lines become
    /// Accepted, and verdicts that came early are applied. The same again changes nothing; a receipt with other bytes
    /// (a restored center) is kept beside the first.
    pub fn accepted(&self, part: i64, receipt: Vec<u8>, accepted_at: i64, at: i64) -> Ticket<()> {
        self.write_patiently("accepted", move |ledger| {
            let sql = "SELECT p.doc, d.id, p.round, p.todo, r.bytes FROM part p JOIN document d ON d.key = p.doc
                       LEFT JOIN receipt r ON r.id = p.receipt WHERE p.id = ?1";
            let (key, document, round, todo, first): (i64, DocumentId, u16, bool, Option<Vec<u8>>) = ledger
                .find(sql, [part], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))?
                .ok_or(Error::NotFound("part"))?;
            let of = Of::Document(key, document);
            let again = first.is_some();
            if first.as_ref() != Some(&receipt) {
                let id = ledger.insert(
                    "INSERT INTO receipt (kind, part, bytes, made_at) VALUES ('center', ?1, ?2, ?3)",
                    params![part, receipt, at],
                )?;
                let sql = "UPDATE part SET receipt = ?2, accepted_at = ?3 WHERE id = ?1 AND receipt IS NULL";
                ledger.execute(sql, params![part, id, accepted_at])?;
            } else if !todo {
                return Ok(());
            }
            ledger.execute(
                "UPDATE part SET todo = 0, due = NULL, attempts = 0, step = NULL, begun = 0, label = '', detail = ''
                 WHERE id = ?1",
                [part],
            )?;
            let event = if again { "accepted-again" } else { "accepted" };
            ledger.log(at, NODE, event, of, &format!("part {part}, round {round}"))?;
            if !again {
                accept_lines(ledger, key, part, accepted_at, at)?;
                apply_early(ledger, of, key, part, at)?;
                settle(ledger, key, at)?;
            }
            Ok(())
        })
    }

    /// What receivers say, with the cursor, in one step. The first verdict of a (document, round, recipient) is final.
    /// A confirmation of any round confirms the line; a return counts for the present round only. A verdict that comes
    /// before our own record of the center's receipt waits for it.
    pub fn verdicts(&self, verdicts: Verdicts, at: i64) -> Ticket<Vec<Effect>> {
        self.write("verdicts", move |ledger| {
            let mut bundle = Bundle { bytes: &verdicts.bundle, receipt: None, at };
            let mut effects = Vec::with_capacity(verdicts.lines.len());
            let mut touched = Vec::new();
            for line in &verdicts.lines {
                let (effect, key) = judge(ledger, line, &mut bundle)?;
                effects.push(effect);
                if matches!(effect, Effect::Moved(_)) {
                    touched.extend(key);
                }
            }
            touched.sort_unstable();
            touched.dedup();
            for key in touched {
                settle(ledger, key, at)?;
            }
            if let Some(seq) = verdicts.seq {
                meta::move_cursor(ledger, meta::OUTCOMES, seq)?;
            }
            Ok(effects)
        })
    }

    /// The center does not hold these accepted parts (restored from a backup): they become due again, same bytes. The
    /// lines keep their state. Returns how many; parts that are settled or not accepted are left alone.
    pub fn resubmit(&self, parts: Vec<i64>, at: i64) -> Ticket<u32> {
        self.write("resubmit", move |ledger| {
            let mut count = 0;
            for part in parts {
                let sql = "UPDATE part SET todo = 1, due = ?2, attempts = 0 WHERE id = ?1 AND todo = 0 AND settled = 0
                           RETURNING doc";
                let Some(key) = ledger.find(sql, params![part, at], |r| r.get::<_, i64>(0))? else { continue };
                let id = ledger
                    .find("SELECT id FROM document WHERE key = ?1", [key], |r| r.get(0))?
                    .ok_or(Error::NotFound("document"))?;
                ledger.log(at, NODE, "resubmit", Of::Document(key, id), &format!("part {part}"))?;
                count += 1;
            }
            Ok(count)
        })
    }
}

fn accept_lines(ledger: &Ledger, key: i64, part: i64, accepted_at: i64, at: i64) -> Result<(), Error> {
    let lines: Vec<String> = {
        let mut statement = ledger.prepare("SELECT recipient FROM line WHERE doc = ?1 AND part = ?2")?;
        statement.query_map([key, part], |r| r.get(0))?.collect::<Result<_, _>>()?
    };
    for recipient in lines {
        // a line that is accepted already (a resend of an unanswered one) or final keeps its state
        let moved = advance_line(ledger, key, &recipient, Line::Accepted, at)?;
        if moved.is_ok() || moved == Err(Line::Accepted) {
            ledger.execute(
                "UPDATE line SET accepted_at = ?3, label = '', detail = '', notice = '', receipt = NULL,
                   archived_at = NULL
                 WHERE doc = ?1 AND recipient = ?2",
                params![key, recipient, accepted_at],
            )?;
        }
    }
    Ok(())
}

/// Verdicts that were here before the center's receipt: a confirmation of any round, else what this round said.
fn apply_early(ledger: &mut Ledger, of: Of, key: i64, part: i64, at: i64) -> Result<(), Error> {
    type Early = (String, u16, Verdict, String, Option<i64>, i64);
    let early: Vec<Early> = {
        let mut statement = ledger.prepare(
            "SELECT v.recipient, v.round, v.verdict, v.label, v.archived_at, v.receipt
             FROM verdict v JOIN line l ON l.doc = v.doc AND l.recipient = v.recipient
             WHERE v.doc = ?1 AND v.first = 1 AND l.part = ?2 AND l.state = 'accepted'
               AND (v.verdict = 'confirmed' OR v.round = l.round)
             ORDER BY v.verdict, v.round",
        )?;
        let row =
            |r: &rusqlite::Row<'_>| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?));
        statement.query_map([key, part], row)?.collect::<Result<_, _>>()?
    };
    for (recipient, round, verdict, label, archived_at, receipt) in early {
        let to = if verdict == Verdict::Confirmed { Line::Confirmed } else { Line::Returned };
        if advance_line(ledger, key, &recipient, to, at)?.is_ok() {
            decide(ledger, key, &recipient, &label, archived_at, receipt)?;
            ledger.log(at, NODE, to.as_str(), of, &format!("{recipient} round {round} {label}"))?;
        }
    }
    Ok(())
}

/// The receipt that decided a line.
fn decide(
    ledger: &Ledger,
    key: i64,
    recipient: &str,
    label: &str,
    archived_at: Option<i64>,
    receipt: i64,
) -> Result<(), Error> {
    // a notice that overtook the confirmation which it follows is not lost
    ledger.execute(
        "UPDATE line SET label = CASE WHEN notice IN ('misdirected', 'incomplete') THEN label ELSE ?3 END,
           notice = CASE WHEN notice IN ('misdirected', 'incomplete') THEN notice ELSE '' END,
           archived_at = ?4, receipt = ?5 WHERE doc = ?1 AND recipient = ?2",
        params![key, recipient, label, archived_at, receipt],
    )?;
    Ok(())
}

/// The bundle that verdicts came in, stored when the first of them is new.
struct Bundle<'a> {
    bytes: &'a [u8],
    receipt: Option<i64>,
    at: i64,
}

impl Bundle<'_> {
    fn stored(&mut self, ledger: &Ledger) -> Result<i64, Error> {
        if let Some(id) = self.receipt {
            return Ok(id);
        }
        let sql = "INSERT INTO receipt (kind, bytes, made_at) VALUES ('outcome', ?1, ?2)";
        let id = ledger.insert(sql, params![self.bytes, self.at])?;
        self.receipt = Some(id);
        Ok(id)
    }

    fn keep(&mut self, ledger: &Ledger, key: i64, line: &VerdictLine, first: bool) -> Result<i64, Error> {
        let receipt = self.stored(ledger)?;
        ledger.execute(
            "INSERT INTO verdict (doc, recipient, round, verdict, label, at, archived_at, receipt, first)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                key,
                line.recipient,
                line.round,
                line.verdict,
                line.label,
                self.at,
                line.archived_at,
                receipt,
                first
            ],
        )?;
        Ok(receipt)
    }
}

fn judge(
    ledger: &mut Ledger,
    line: &VerdictLine,
    bundle: &mut Bundle<'_>,
) -> Result<(Effect, Option<i64>), Error> {
    let at = bundle.at;
    let said = format!("{} round {} {} {}", line.recipient, line.round, line.verdict, line.label);
    let met = ledger.find(
        "SELECT l.doc, l.state, l.round, p.accepted_at IS NOT NULL
         FROM document d JOIN line l ON l.doc = d.key JOIN part p ON p.id = l.part
         WHERE d.id = ?1 AND l.recipient = ?2",
        params![line.document, line.recipient],
        |r| Ok(Met { key: r.get(0)?, state: r.get(1)?, round: r.get(2)?, accepted: r.get(3)? }),
    )?;
    let Some(met) = met.filter(|met| line.round <= met.round) else {
        ledger.alarm(
            at,
            NODE,
            "unknown-verdict",
            Of::Node,
            &format!("{} {said}", crate::hex(&line.document)),
        )?;
        return Ok((Effect::Unknown, None));
    };
    let of = Of::Document(met.key, line.document);
    let key = params![met.key, line.recipient, line.round, line.verdict];
    let seen =
        "SELECT first FROM verdict WHERE doc = ?1 AND recipient = ?2 AND round = ?3 AND verdict = ?4 LIMIT 1";
    let seen: Option<bool> = ledger.find(seen, key, |r| r.get(0))?;
    let first = "SELECT verdict FROM verdict WHERE doc = ?1 AND recipient = ?2 AND round = ?3 AND first = 1";
    let first: Option<Verdict> =
        ledger.find(first, params![met.key, line.recipient, line.round], |r| r.get(0))?;

    if line.verdict == Verdict::Misdirected {
        if seen.is_some() {
            return Ok((Effect::Repeated, None));
        }
        bundle.keep(ledger, met.key, line, false)?;
        // its label is one of ours, or the general one
        let label = if line.label.is_empty() { MISDIRECTED } else { &line.label };
        mark(ledger, &met, line, label)?;
        ledger.alarm(at, NODE, MISDIRECTED, of, &said)?;
        return Ok((Effect::Kept, None));
    }
    match first {
        Some(first) if first == line.verdict => return Ok((Effect::Repeated, None)),
        Some(first) => {
            if seen.is_none() {
                bundle.keep(ledger, met.key, line, false)?;
                ledger.alarm(at, NODE, "contradiction", of, &format!("{said}, but {first} was first"))?;
            }
            return Ok((Effect::Contradicts(first), None));
        }
        None => {}
    }
    let receipt = bundle.keep(ledger, met.key, line, true)?;
    let confirms = line.verdict == Verdict::Confirmed;
    let present = line.round == met.round;
    if !met.state.is_final() && ((present && !met.accepted) || met.state == Line::Waiting) {
        ledger.log(at, NODE, "early-verdict", of, &said)?;
        return Ok((Effect::Early, None));
    }
    let to = if confirms { Line::Confirmed } else { Line::Returned };
    let moves = met.state == Line::Accepted && (confirms || present);
    if moves && advance_line(ledger, met.key, &line.recipient, to, at)?.is_ok() {
        decide(ledger, met.key, &line.recipient, &line.label, line.archived_at, receipt)?;
        ledger.log(at, NODE, to.as_str(), of, &said)?;
        return Ok((Effect::Moved(to), Some(met.key)));
    }
    late(ledger, of, &met, line, &said, at)?;
    Ok((Effect::Kept, None))
}

/// A verdict that comes too late to move the line is told where people see it, if they would decide otherwise.
fn late(
    ledger: &mut Ledger,
    of: Of,
    met: &Met,
    line: &VerdictLine,
    said: &str,
    at: i64,
) -> Result<(), Error> {
    let label = match (met.state, line.verdict) {
        (Line::OnPaper | Line::Abandoned | Line::Returned, Verdict::Confirmed) => "late-confirmed",
        (Line::OnPaper | Line::Abandoned, Verdict::Returned) => "late-returned",
        (Line::Confirmed, Verdict::Returned) => {
            ledger.alarm(at, NODE, "contradiction", of, said)?;
            return Ok(());
        }
        _ => {
            ledger.log(at, NODE, "late-verdict", of, said)?;
            return Ok(());
        }
    };
    mark(ledger, met, line, label)?;
    ledger.alarm(at, NODE, label, of, said)?;
    Ok(())
}

/// Told at the line, and open until a person has dealt with it.
fn mark(ledger: &Ledger, met: &Met, line: &VerdictLine, label: &str) -> Result<(), Error> {
    ledger.execute("UPDATE document SET noted = NULL WHERE key = ?1", [met.key])?;
    ledger.execute(
        "UPDATE line SET label = ?3, notice = ?3 WHERE doc = ?1 AND recipient = ?2",
        params![met.key, line.recipient, label],
    )?;
    Ok(())
}
