//! The operations on received documents, each one command with its journal lines.

use rusqlite::params;

use super::{Answer, Archiving, BeginSome, Offer, Offered};
use crate::journal::Of;
use crate::outbound::{About, insert_files};
use crate::queue::Target;
use crate::state::Inbound;
use crate::writer::{Ledger, Ticket};
use crate::{Digest, Error, NODE, Store, hex, meta, signed, unsigned};

/// The stored side of an offer.
struct Known {
    id: i64,
    state: Inbound,
    seq: u64,
    epoch: [u8; 16],
    round: u16,
    manifest: Digest,
    receipt: Option<i64>,
}

impl Store {
    /// Records offers, each at most once, and the offers cursor (`after`, if given). One result per offer.
    /// The key is (sender organisation, document, recipient).
    pub fn offered(&self, offers: Vec<Offer>, after: Option<u64>, at: i64) -> Ticket<Vec<Offered>> {
        self.offered_begun(offers, after, None, at)
    }

    /// [`Store::offered`], and the first `most` of those that are new and of at most `small` bytes are begun.
    pub fn offered_begun(
        &self,
        offers: Vec<Offer>,
        after: Option<u64>,
        begun: Option<BeginSome>,
        at: i64,
    ) -> Ticket<Vec<Offered>> {
        self.write("offered", move |ledger| {
            let epoch = meta::current_epoch(ledger.conn())?;
            let mut results = Vec::with_capacity(offers.len());
            let mut room = begun.map_or(0, |begun| begun.most);
            for offer in &offers {
                let mut result = offer_one(ledger, offer, epoch, at)?;
                if let (Offered::New(id), Some(begun)) = (result.clone(), begun)
                    && room > 0
                    && offer.length <= begun.small
                {
                    begun.begin.record(ledger, Target::Inbound(id))?;
                    room -= 1;
                    result = Offered::Begun(id);
                }
                results.push(result);
            }
            if let Some(after) = after {
                meta::move_cursor(ledger, meta::OFFERS, after)?;
            }
            Ok(results)
        })
    }

    /// Offered → Fetched: the sealed bytes of that round are durable in the spool. Due at once.
    ///
    /// The ticket fails with `state-moved` also if another round was offered meanwhile.
    pub fn fetched(&self, id: i64, round: u16, file: &str, at: i64) -> Ticket<()> {
        let file = file.to_owned();
        self.write("fetched", move |ledger| {
            fetched(ledger, id, round, &file, at)?;
            ledger.execute(
                "UPDATE inbound SET file = ?2, todo = 1, due = ?3 WHERE id = ?1",
                params![id, file, at],
            )?;
            Ok(())
        })
    }

    /// Offered → Fetched → Archived in one step: the sealed bytes of that round were opened as they came and were never in
    /// the spool. Archive and staged copy must be durable. Returns what [`Store::archived`] returns.
    ///
    /// The ticket fails with `state-moved` also if another round was offered meanwhile.
    pub fn received(&self, archiving: Archiving, round: u16, at: i64) -> Ticket<Option<i64>> {
        self.write("received", move |ledger| {
            fetched(ledger, archiving.id, round, "", at)?;
            archived(ledger, &archiving, at)
        })
    }

    /// Fetched → Offered: the content file is gone or its digest wrong; fetched again, due at `due`.
    pub fn refetch(&self, id: i64, label: &str, detail: &str, due: i64, at: i64) -> Ticket<()> {
        let (label, detail) = (label.to_owned(), detail.to_owned());
        self.write("refetch", move |ledger| {
            let tried = "SELECT attempts FROM inbound WHERE id = ?1";
            let attempts: u32 = ledger.find(tried, [id], |r| r.get(0))?.unwrap_or(0);
            advance(ledger, id, &[Inbound::Fetched], Inbound::Offered, at)?;
            ledger.execute(
                "UPDATE inbound SET file = '', todo = 1, due = ?2, label = ?3, detail = ?4, attempts = ?5
                 WHERE id = ?1",
                params![id, due, label, detail, attempts],
            )?;
            ledger.log(at, NODE, "refetch", Of::Inbound(id), &format!("{label}: {detail}"))?;
            Ok(())
        })
    }

    /// Fetched → Archived. Archive and staged copy must be durable. Returns an earlier archived document with the same
    /// content for the same recipient, if any.
    pub fn archived(&self, archiving: Archiving, at: i64) -> Ticket<Option<i64>> {
        self.write("archived", move |ledger| archived(ledger, &archiving, at))
    }

    /// The staged copy was renamed into the delivery folder, or had been taken from there. Repeating it changes
    /// nothing.
    pub fn delivered(&self, id: i64, at: i64) -> Ticket<()> {
        self.write_patiently("delivered", move |ledger| {
            let sql = "UPDATE inbound SET delivered_at = ?2
                       WHERE id = ?1 AND delivered_at IS NULL AND archived_at IS NOT NULL RETURNING delivered";
            if let Some(name) = ledger.find(sql, params![id, at], |r| r.get::<_, String>(0))? {
                ledger.log(at, NODE, "delivered", Of::Inbound(id), &name)?;
                return Ok(());
            }
            let state = locate(ledger, id)?;
            if matches!(state, Inbound::Archived | Inbound::Confirmed) { Ok(()) } else { Err(moved(state)) }
        })
    }

    /// Offered or Fetched → Quarantined. With `answer` a 使用者退文 will be sent; without (poison, our own trouble)
    /// nothing is said. An alarm is in the journal. `about` as far as it could be read.
    pub fn quarantined(
        &self,
        id: i64,
        label: &str,
        detail: &str,
        answer: bool,
        about: Option<About>,
        at: i64,
    ) -> Ticket<()> {
        let (label, detail) = (label.to_owned(), detail.to_owned());
        self.write("quarantined", move |ledger| {
            advance(ledger, id, &[Inbound::Offered, Inbound::Fetched], Inbound::Quarantined, at)?;
            if let Some(about) = &about {
                describe(ledger, id, about)?;
            }
            ledger.execute(
                "UPDATE inbound SET label = ?2, detail = ?3, answer = ?4, todo = 0, due = NULL WHERE id = ?1",
                params![id, label, detail, answer],
            )?;
            ledger.alarm(at, NODE, "quarantined", Of::Inbound(id), &format!("{label}: {detail}"))?;
            Ok(())
        })
    }

    /// Receipts were signed: stored, before anybody is told. Rows stay in their state. Returns the receipts' numbers.
    ///
    /// The ticket fails with `state-moved` if a row is not waiting for an answer (any more).
    pub fn answered(&self, answers: Vec<Answer>, at: i64) -> Ticket<Vec<i64>> {
        self.write("answered", move |ledger| {
            let mut numbers = Vec::with_capacity(answers.len());
            for answer in &answers {
                let sql = "INSERT INTO receipt (kind, \"to\", bytes, made_at) VALUES ('answer', ?1, ?2, ?3)";
                let receipt = ledger.insert(sql, params![answer.to, answer.bundle, at])?;
                for id in &answer.inbound {
                    let changed = ledger.execute(
                        "UPDATE inbound SET receipt = ?2 WHERE id = ?1 AND answer = 1 AND receipt IS NULL
                           AND state IN ('archived', 'quarantined')",
                        params![id, receipt],
                    )?;
                    let notice = "UPDATE inbound SET notice_receipt = ?2
                                  WHERE id = ?1 AND notice <> '' AND notice_receipt IS NULL";
                    if changed == 0 && ledger.execute(notice, params![id, receipt])? == 0 {
                        return Err(moved(locate(ledger, *id)?));
                    }
                    ledger.log(at, NODE, "answered", Of::Inbound(*id), &format!("receipt {receipt}"))?;
                }
                numbers.push(receipt);
            }
            Ok(numbers)
        })
    }

    /// The center has a receipt of ours: its rows become Confirmed or Reported. Repeating it changes nothing.
    pub fn reported(&self, receipt: i64, at: i64) -> Ticket<()> {
        self.write("reported", move |ledger| {
            let before = "SELECT sent_at IS NOT NULL FROM receipt WHERE id = ?1 AND kind = 'answer'";
            let again: bool =
                ledger.find(before, [receipt], |r| r.get(0))?.ok_or(Error::NotFound("receipt"))?;
            let sql = "UPDATE receipt SET sent_at = ?2, label = '' WHERE id = ?1";
            ledger.execute(sql, params![receipt, at])?;
            let notices: Vec<i64> = {
                let mut statement = ledger.prepare("SELECT id FROM inbound WHERE notice_receipt = ?1")?;
                statement.query_map([receipt], |r| r.get(0))?.collect::<Result<_, _>>()?
            };
            for id in notices.into_iter().filter(|_| !again) {
                ledger.log(at, NODE, "notified", Of::Inbound(id), &format!("receipt {receipt}"))?;
            }
            let rows: Vec<(i64, Inbound)> = {
                let mut statement = ledger.prepare("SELECT id, state FROM inbound WHERE receipt = ?1")?;
                statement.query_map([receipt], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?
            };
            for (id, state) in rows {
                let to = match state {
                    Inbound::Archived => Inbound::Confirmed,
                    Inbound::Quarantined => Inbound::Reported,
                    _ => continue,
                };
                let was = "SELECT label, detail FROM inbound WHERE id = ?1";
                let why: (String, String) =
                    ledger.find(was, [id], |r| Ok((r.get(0)?, r.get(1)?)))?.unwrap_or_default();
                advance(ledger, id, &[state], to, at)?;
                ledger.execute(
                    "UPDATE inbound SET label = ?2, detail = ?3 WHERE id = ?1",
                    params![id, why.0, why.1],
                )?;
                ledger.log(at, NODE, to.as_str(), Of::Inbound(id), &format!("receipt {receipt}"))?;
            }
            Ok(())
        })
    }

    /// The center will not take a receipt of ours, and trying again can't help: it is left out of
    /// [`Store::to_report`] until the epoch changes or the document is offered again. An alarm is in the journal.
    pub fn report_refused(&self, receipt: i64, label: &str, detail: &str, at: i64) -> Ticket<()> {
        let (label, detail) = (label.to_owned(), detail.to_owned());
        self.write("report-refused", move |ledger| {
            let sql = "UPDATE receipt SET label = ?2 WHERE id = ?1 AND kind = 'answer' AND sent_at IS NULL";
            if ledger.execute(sql, params![receipt, label])? == 0 {
                return Err(Error::NotFound("receipt"));
            }
            ledger.alarm(
                at,
                NODE,
                "report-refused",
                Of::Node,
                &format!("receipt {receipt}, {label}: {detail}"),
            )?;
            Ok(())
        })
    }

    /// A person read it.
    pub fn read_by(&self, id: i64, actor: &str, at: i64) -> Ticket<()> {
        let actor = actor.to_owned();
        self.write("read", move |ledger| {
            let sql = "UPDATE inbound SET read_at = ?2 WHERE id = ?1 AND read_at IS NULL";
            if ledger.execute(sql, params![id, at])? == 0 {
                locate(ledger, id)?;
                return Ok(());
            }
            ledger.log(at, &actor, "read", Of::Inbound(id), "")?;
            Ok(())
        })
    }

    /// Quarantined → Fetched (or Offered when the sealed bytes are gone), on a person's word, while nothing has been
    /// answered and it is not held.
    pub fn reopen(&self, id: i64, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let (actor, why) = (actor.to_owned(), why.to_owned());
        self.write("reopen", move |ledger| {
            // one that was answered before a restore is answered already, and may be opened again all the same
            let row = "SELECT file <> '', EXISTS (SELECT 1 FROM receipt WHERE id = inbound.receipt AND sent_at IS NULL),
                         held FROM inbound WHERE id = ?1";
            let (file, answered, held): (bool, bool, bool) = ledger
                .find(row, [id], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
                .ok_or(Error::NotFound("received document"))?;
            let state = locate(ledger, id)?;
            if held {
                return Err(Error::Moved { what: "received document", was: crate::HELD.to_owned() });
            }
            if answered || state != Inbound::Quarantined {
                return Err(moved(if answered { Inbound::Reported } else { state }));
            }
            let to = if file { Inbound::Fetched } else { Inbound::Offered };
            advance(ledger, id, &[Inbound::Quarantined], to, at)?;
            ledger.execute(
                "UPDATE inbound SET answer = 0, todo = 1, due = ?2 WHERE id = ?1",
                params![id, at],
            )?;
            ledger.log(at, &actor, "reopened", Of::Inbound(id), &why)?;
            Ok(())
        })
    }

    /// A person has the sender told that a document which we confirmed was not ours, or is wrong or incomplete
    /// (誤送/錯漏通知); it moves nothing, and [`Store::to_answer`] has it signed. Once for each document.
    ///
    /// The ticket fails with `state-moved` if no confirmation is signed yet, or the sender has been told.
    pub fn notify(&self, id: i64, label: &str, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let (label, actor, why) = (label.to_owned(), actor.to_owned(), why.to_owned());
        self.write("notify", move |ledger| {
            if label.is_empty() {
                return Err(Error::Bad("a notice without a label"));
            }
            let changed = ledger.execute(
                "UPDATE inbound SET notice = ?2
                 WHERE id = ?1 AND notice = '' AND receipt IS NOT NULL AND state IN ('archived', 'confirmed')",
                params![id, label],
            )?;
            if changed == 0 {
                return Err(moved(locate(ledger, id)?));
            }
            ledger.log(at, &actor, "notify-asked", Of::Inbound(id), &format!("{label}: {why}"))?;
            Ok(())
        })
    }

    /// A person has a quarantined document without an answer sent back (使用者退文), with that label.
    pub fn send_back(&self, id: i64, label: &str, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let (label, actor, why) = (label.to_owned(), actor.to_owned(), why.to_owned());
        self.write("send-back", move |ledger| {
            let changed = ledger.execute(
                "UPDATE inbound SET answer = 1, label = ?2, detail = ?3, held = 0
                 WHERE id = ?1 AND state = 'quarantined' AND receipt IS NULL",
                params![id, label, why],
            )?;
            if changed == 0 {
                return Err(moved(locate(ledger, id)?));
            }
            ledger.log(at, &actor, "send-back", Of::Inbound(id), &format!("{label}: {why}"))?;
            Ok(())
        })
    }
}

/// Offered → Fetched, of that round.
fn fetched(ledger: &mut Ledger, id: i64, round: u16, file: &str, at: i64) -> Result<(), Error> {
    let now: Option<u16> = ledger.find("SELECT round FROM inbound WHERE id = ?1", [id], |r| r.get(0))?;
    if now.is_some_and(|now| now != round) {
        return Err(Error::Moved { what: "received document", was: "another round".to_owned() });
    }
    advance(ledger, id, &[Inbound::Offered], Inbound::Fetched, at)?;
    ledger.log(at, NODE, "fetched", Of::Inbound(id), file)?;
    Ok(())
}

/// Fetched → Archived.
fn archived(ledger: &mut Ledger, a: &Archiving, at: i64) -> Result<Option<i64>, Error> {
    advance(ledger, a.id, &[Inbound::Fetched], Inbound::Archived, at)?;
    let twin = "SELECT o.id FROM inbound o JOIN inbound i ON i.id = ?1
                WHERE o.digest = ?2 AND o.archived_at IS NOT NULL AND o.recipient = i.recipient AND o.id <> ?1
                ORDER BY o.id LIMIT 1";
    let duplicate_of: Option<i64> =
        if a.digest == [0; 32] { None } else { ledger.find(twin, params![a.id, a.digest], |r| r.get(0))? };
    describe(ledger, a.id, &a.about)?;
    let answered: Option<i64> = ledger
        .find(
            "UPDATE inbound SET staged = ?2, delivered = ?3, archive = ?4, digest = ?5, content_size = ?6,
           warnings = ?7, archived_at = ?8, duplicate_of = ?9, todo = 0, due = NULL, answer = 1
         WHERE id = ?1 RETURNING receipt",
            params![
                a.id,
                a.staged,
                a.delivered,
                a.archive,
                a.digest,
                signed(a.size)?,
                a.warnings,
                at,
                duplicate_of
            ],
            |r| r.get(0),
        )?
        .flatten();
    if let Some(receipt) = answered {
        // confirmed before a restore: the first receipt counts, and goes out once more
        ledger.execute("UPDATE receipt SET sent_at = NULL, label = '' WHERE id = ?1", [receipt])?;
    }
    insert_files(ledger, "inbound_content", a.id, &a.files)?;
    ledger.log(at, NODE, "archived", Of::Inbound(a.id), &a.archive)?;
    if let Some(twin) = duplicate_of {
        ledger.log(at, NODE, "looks-like-duplicate", Of::Inbound(a.id), &twin.to_string())?;
    }
    Ok(duplicate_of)
}

fn moved(was: Inbound) -> Error {
    Error::Moved { what: "received document", was: was.to_string() }
}

fn locate(ledger: &Ledger, id: i64) -> Result<Inbound, Error> {
    ledger
        .find("SELECT state FROM inbound WHERE id = ?1", [id], |r| r.get(0))?
        .ok_or(Error::NotFound("received document"))
}

/// The one place where the state of a received document changes: a compare-and-set from where the operation starts.
/// What troubled it before is over.
pub(crate) fn advance(ledger: &Ledger, id: i64, from: &[Inbound], to: Inbound, at: i64) -> Result<(), Error> {
    let state = locate(ledger, id)?;
    if !from.contains(&state) || !state.may_become(to) {
        return Err(moved(state));
    }
    ledger.execute(
        "UPDATE inbound SET state = ?2, changed_at = ?3, attempts = 0, step = NULL, begun = 0, label = '', detail = ''
         WHERE id = ?1",
        params![id, to, at],
    )?;
    Ok(())
}

fn describe(ledger: &Ledger, id: i64, about: &About) -> Result<(), Error> {
    ledger.execute(
        "UPDATE inbound SET kind = ?2, edition = ?3, subject = ?4, number = ?5, dated = ?6, about_priority = ?7,
           about_sender = ?8, sender_name = ?9 WHERE id = ?1",
        params![
            id,
            about.kind,
            about.edition,
            about.subject,
            about.number,
            about.dated,
            about.priority,
            about.sender,
            about.sender_name,
        ],
    )?;
    Ok(())
}

/// The organisation of a mailbox code: its first ten characters.
pub(crate) fn organisation(code: &str) -> &str {
    code.get(..10).unwrap_or(code)
}

pub(crate) fn offer_one(
    ledger: &mut Ledger,
    offer: &Offer,
    epoch: [u8; 16],
    at: i64,
) -> Result<Offered, Error> {
    let sql = "SELECT id, state, seq, epoch, round, manifest, receipt FROM inbound
               WHERE document = ?1 AND organisation = ?2 AND recipient = ?3";
    let known =
        ledger.find(sql, params![offer.document, organisation(&offer.sender), offer.recipient], |r| {
            Ok(Known {
                id: r.get(0)?,
                state: r.get(1)?,
                seq: unsigned(r.get(2)?),
                epoch: r.get(3)?,
                round: r.get(4)?,
                manifest: r.get(5)?,
                receipt: r.get(6)?,
            })
        })?;
    let Some(known) = known else {
        let center = center_receipt(ledger, offer, at)?;
        let id = ledger.insert(
            "INSERT INTO inbound (state, organisation, document, recipient, offered_at, changed_at, seq, epoch, sender,
               variant, grp, round, attachments, manifest, signature, sealed, size, priority, accepted_at,
               center_receipt, due)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?5)",
            params![
                Inbound::Offered,
                organisation(&offer.sender),
                offer.document,
                offer.recipient,
                at,
                signed(offer.seq)?,
                epoch,
                offer.sender,
                offer.variant,
                offer.group,
                offer.round,
                offer.attachments,
                offer.manifest,
                offer.signature,
                offer.sealed,
                signed(offer.length)?,
                offer.priority,
                offer.accepted_at,
                center,
            ],
        )?;
        let detail = format!("{} from {} round {}", hex(&offer.document), offer.sender, offer.round);
        ledger.log(at, NODE, "offered", Of::Inbound(id), &detail)?;
        return Ok(Offered::New(id));
    };
    let of = Of::Inbound(known.id);
    if offer.manifest != known.manifest {
        let detail = format!("offer {} round {}: another manifest", offer.seq, offer.round);
        ledger.alarm(at, NODE, "id-conflict", of, &detail)?;
        return Ok(Offered::Conflict(known.id));
    }
    let archived = matches!(known.state, Inbound::Archived | Inbound::Confirmed);
    if offer.round > known.round && !archived {
        if known.state != Inbound::Offered {
            advance(ledger, known.id, &[known.state], Inbound::Offered, at)?;
        }
        replace(ledger, known.id, offer, epoch, at)?;
        ledger.log(at, NODE, "replaced", of, &format!("round {}, was {}", offer.round, known.state))?;
        return Ok(Offered::Replaced(known.id));
    }
    // an offer with another number than the one answered: the center does not have our answer, or asks for a later
    // round of what is archived; a mere repetition of the number is a reply that was late
    if (known.seq, known.epoch) != (offer.seq, epoch) {
        let sql = "UPDATE inbound SET seq = ?2, epoch = ?3 WHERE id = ?1";
        ledger.execute(sql, params![known.id, signed(offer.seq)?, epoch])?;
        if let Some(receipt) = known.receipt {
            ledger.execute(
                "UPDATE receipt SET sent_at = NULL, label = ''
                 WHERE id = ?1 OR id = (SELECT notice_receipt FROM inbound WHERE id = ?2)",
                [receipt, known.id],
            )?;
            ledger.log(at, NODE, "offered-again", of, &format!("receipt {receipt} will be sent again"))?;
        } else if known.state == Inbound::Offered {
            // under its new number it can be fetched
            ledger
                .execute("UPDATE inbound SET due = ?2 WHERE id = ?1 AND todo = 1", params![known.id, at])?;
        }
    }
    Ok(Offered::Known { id: known.id, state: known.state, receipt: known.receipt })
}

fn center_receipt(ledger: &Ledger, offer: &Offer, at: i64) -> Result<i64, Error> {
    let sql = "INSERT INTO receipt (kind, bytes, made_at) VALUES ('center', ?1, ?2)";
    ledger.insert(sql, params![offer.receipt, at])
}

/// A later round in place of the one that is there.
fn replace(ledger: &Ledger, id: i64, offer: &Offer, epoch: [u8; 16], at: i64) -> Result<(), Error> {
    let center = center_receipt(ledger, offer, at)?;
    ledger.execute(
        "UPDATE inbound SET seq = ?2, epoch = ?3, sender = ?4, variant = ?5, grp = ?6, round = ?7, attachments = ?8,
           signature = ?9, sealed = ?10, size = ?11, priority = ?12, accepted_at = ?13, center_receipt = ?14,
           due = ?15, changed_at = ?15, todo = 1, file = '', answer = 0, receipt = NULL,
           attempts = 0, step = NULL, begun = 0, label = '', detail = ''
         WHERE id = ?1",
        params![
            id,
            signed(offer.seq)?,
            epoch,
            offer.sender,
            offer.variant,
            offer.group,
            offer.round,
            offer.attachments,
            offer.signature,
            offer.sealed,
            signed(offer.length)?,
            offer.priority,
            offer.accepted_at,
            center,
            at,
        ],
    )?;
    Ok(())
}
