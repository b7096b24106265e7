//! What people ask: the two boxes, one document with everything, what stands open, counters.

use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, OptionalExtension, Params, Row, params, params_from_iter};

use crate::inbound::{InboundRow, ReceiptRow};
use crate::journal::{self, Entry};
pub use crate::meta::Announcement;
use crate::outbound::{self, Container, DocumentRow, File, Hint, LineRow, PartRow};
use crate::state::{Inbound, Line, Verdict, Word};
use crate::{Digest, DocumentId, Error, Store, rows, unsigned};

/// Which rows of a box. The default is the newest hundred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter<S> {
    /// Claimed (outbox) or first offered (inbox) at or after.
    pub since: Option<i64>,
    /// Claimed or first offered before.
    pub until: Option<i64>,
    /// Only these states; empty: all.
    pub states: Vec<S>,
    /// Only held ones, or only others.
    pub held: Option<bool>,
    /// Substring of subject, number, sender's or recipient's code or name, drop name.
    pub text: String,
    /// Continue below the last row of the page before: (`claimed_at`, `key`) or (`offered_at`, `id`) of it.
    pub before: Option<(i64, i64)>,
    /// At most so many, 1 to 10,000.
    pub limit: u32,
}

impl<S> Default for Filter<S> {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            states: Vec::new(),
            held: None,
            text: String::new(),
            before: None,
            limit: 100,
        }
    }
}

/// A line of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The document.
    pub document: DocumentRow,
    /// How many recipients stand where, states without any left out.
    pub lines: Vec<(Line, u32)>,
    /// The first recipient's name (or code).
    pub first_recipient: String,
    /// How many names match no line (可能為紙本).
    pub hints: u32,
}

/// What was sealed to a recipient in a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTo {
    /// The document's sender code.
    pub sender: String,
    /// SHA-256 of the manifest.
    pub manifest: Digest,
    /// SHA-256 of the signature.
    pub signature: Digest,
    /// SHA-256 of the sealed bytes.
    pub sealed: Digest,
    /// SHA-256 of the certificate that the recipient's present part is sealed to.
    pub certificate: Digest,
}

/// One document with everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The document.
    pub document: DocumentRow,
    /// Its files.
    pub files: Vec<File>,
    /// Its containers.
    pub containers: Vec<Container>,
    /// Its parts, all rounds.
    pub parts: Vec<PartRow>,
    /// Its recipients.
    pub lines: Vec<LineRow>,
    /// Names without a line.
    pub hints: Vec<Hint>,
    /// Every verdict, also those that changed nothing.
    pub verdicts: Vec<VerdictRow>,
    /// Its history, oldest first.
    pub journal: Vec<Entry>,
}

/// A verdict as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRow {
    /// Which recipient.
    pub recipient: String,
    /// Which round.
    pub round: u16,
    /// What it said.
    pub verdict: Verdict,
    /// Why.
    pub label: String,
    /// When it came.
    pub at: i64,
    /// When the receiver archived it, as it says.
    pub archived_at: Option<i64>,
    /// The bundle.
    pub receipt: i64,
    /// Whether it is the first of its (document, round, recipient): the one that counts.
    pub first: bool,
}

/// One received document with everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The document, with the center's receipt in `inbound.offer.receipt`.
    pub inbound: InboundRow,
    /// Its files.
    pub files: Vec<File>,
    /// Our receipt for it.
    pub receipt: Option<ReceiptRow>,
    /// Its history, oldest first.
    pub journal: Vec<Entry>,
}

/// What an id (or the beginning of one) names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Found {
    /// A document that we send.
    Document(DocumentId),
    /// A received document: row and the sender's id of it.
    Inbound(i64, DocumentId),
}

/// How many stand where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Documents that we send, by word.
    pub documents: Vec<(Word, u64)>,
    /// Recipient lines by state.
    pub lines: Vec<(Line, u64)>,
    /// Received documents by state.
    pub inbound: Vec<(Inbound, u64)>,
    /// Held, both ways.
    pub held: u64,
    /// Receipts of ours that the center does not have yet.
    pub unreported: u64,
    /// Received, archived and not read.
    pub unread: u64,
}

/// A content file that nobody needs any more, and whose row names it still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Its name: in the spool, or of content in the database.
    pub name: String,
    pub(crate) owner: Owner,
}

impl AsRef<str> for Spooled {
    fn as_ref(&self) -> &str {
        &self.name
    }
}

/// The row that names a content file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    Part(i64),
    /// Document and variant.
    Container(i64, u16),
    Inbound(i64),
}

impl Store {
    /// The outbox, newest first.
    ///
    /// # Errors
    /// Those of reading the database (so for all below).
    pub fn outbox(&self, filter: &Filter<Word>) -> Result<Vec<OutboxRow>, Error> {
        let texts = ["d.subject", "d.number", "d.sender", "d.sender_name", "d.drop_name"];
        let more = "EXISTS (SELECT 1 FROM line l WHERE l.doc = d.key AND (instr(l.name, ?) OR instr(l.recipient, ?)))";
        let chosen = Chosen::new(filter, "d.claimed_at", "d.key", "d.word", "d.held", &texts, Some(more));
        self.read("reading the outbox", |conn| {
            let sql = format!("SELECT {} FROM document d {}", rows::DOCUMENT, chosen.tail);
            let documents = list(conn, &sql, params_from_iter(chosen.values), rows::document_row)?;
            documents.into_iter().map(|document| outbox_row(conn, document)).collect()
        })
    }

    /// The inbox, newest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn inbox(&self, filter: &Filter<Inbound>) -> Result<Vec<InboundRow>, Error> {
        let texts = ["i.subject", "i.number", "i.sender", "i.sender_name", "i.recipient", "i.delivered"];
        let chosen = Chosen::new(filter, "i.offered_at", "i.id", "i.state", "i.held", &texts, None);
        self.read("reading the inbox", |conn| {
            let sql = format!("SELECT {} FROM inbound i {}", rows::INBOUND, chosen.tail);
            list(conn, &sql, params_from_iter(chosen.values), rows::inbound_row)
        })
    }

    /// One document that we send, with everything; `None` if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn document(&self, id: DocumentId) -> Result<Option<Outgoing>, Error> {
        self.read("reading a document", |conn| {
            let sql = format!("SELECT {} FROM document d WHERE d.id = ?1", rows::DOCUMENT);
            let Some(document) = list(conn, &sql, [id], rows::document_row)?.pop() else { return Ok(None) };
            let key = [document.key];
            let files = "SELECT name, role, size, sha256, crc32 FROM document_file WHERE owner = ?1 ORDER BY position";
            let containers = "SELECT variant, manifest, signature, file, size FROM container WHERE doc = ?1";
            let parts = format!("SELECT {} FROM {} WHERE p.doc = ?1 ORDER BY p.id", rows::PART, rows::PART_FROM);
            let lines = format!(
                "SELECT {} FROM line l JOIN document d ON d.key = l.doc WHERE l.doc = ?1 ORDER BY l.position",
                rows::LINE
            );
            let verdicts = "SELECT recipient, round, verdict, label, at, archived_at, receipt, first FROM verdict
                            WHERE doc = ?1 ORDER BY id";
            let hints = "SELECT name, copy FROM hint WHERE doc = ?1 ORDER BY position";
            Ok(Some(Outgoing {
                files: list(conn, files, key, rows::file_row)?,
                containers: list(conn, containers, key, container_row)?,
                parts: list(conn, &parts, key, rows::part_row)?,
                lines: list(conn, &lines, key, rows::line_row)?,
                hints: list(conn, hints, key, |r| Ok(Hint { name: r.get(0)?, copy: r.get(1)? }))?,
                verdicts: list(conn, verdicts, key, verdict_row)?,
                journal: journal::of_document(conn, document.key)?,
                document,
            }))
        })
    }

    /// The recipients of a document; empty if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn lines(&self, document: DocumentId) -> Result<Vec<LineRow>, Error> {
        let sql = format!(
            "SELECT {} FROM line l JOIN document d ON d.key = l.doc WHERE d.id = ?1 ORDER BY l.position",
            rows::LINE
        );
        self.read("reading recipients", |conn| list(conn, &sql, [document], rows::line_row))
    }

    /// One part; `None` if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn part(&self, id: i64) -> Result<Option<PartRow>, Error> {
        let sql = format!("SELECT {} FROM {} WHERE p.id = ?1", rows::PART, rows::PART_FROM);
        self.read("reading a part", |conn| Ok(list(conn, &sql, [id], rows::part_row)?.pop()))
    }

    /// One received document, with everything; `None` if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn inbound(&self, id: i64) -> Result<Option<Incoming>, Error> {
        self.read("reading a received document", |conn| {
            let sql = format!("SELECT {} FROM inbound i WHERE i.id = ?1", rows::INBOUND);
            let Some(mut inbound) = list(conn, &sql, [id], rows::inbound_row)?.pop() else { return Ok(None) };
            inbound.offer.receipt = center_receipt(conn, id)?;
            let files =
                "SELECT name, role, size, sha256, crc32 FROM inbound_content WHERE owner = ?1 ORDER BY position";
            Ok(Some(Incoming {
                files: list(conn, files, [id], rows::file_row)?,
                receipt: inbound.receipt.map(|r| receipt(conn, r)).transpose()?.flatten(),
                journal: journal::of_inbound(conn, id)?,
                inbound,
            }))
        })
    }

    /// One received document without what hangs on it, but with `offer.receipt`; `None` if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn inbound_row(&self, id: i64) -> Result<Option<InboundRow>, Error> {
        self.read("reading a received document", |conn| {
            let sql = format!("SELECT {} FROM inbound i WHERE i.id = ?1", rows::INBOUND);
            let Some(mut row) = list(conn, &sql, [id], rows::inbound_row)?.pop() else { return Ok(None) };
            row.offer.receipt = center_receipt(conn, id)?;
            Ok(Some(row))
        })
    }

    /// The files of a document that we send, the DI first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn files(&self, document: DocumentId) -> Result<Vec<File>, Error> {
        let sql = "SELECT f.name, f.role, f.size, f.sha256, f.crc32 FROM document_file f JOIN document d ON d.key = f.owner
                   WHERE d.id = ?1 ORDER BY f.position";
        self.read("reading files", |conn| list(conn, sql, [document], rows::file_row))
    }

    /// What was sealed to a recipient in a round: what its receipt must speak of. `None` if it was not.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn sealed_to(
        &self,
        document: DocumentId,
        recipient: &str,
        round: u16,
    ) -> Result<Option<SealedTo>, Error> {
        let sql = "SELECT d.sender, c.manifest, c.signature, p.sealed, l.certificate
                   FROM line l JOIN document d ON d.key = l.doc JOIN part p ON p.doc = l.doc AND p.round = ?3
                   JOIN container c ON c.doc = p.doc AND c.variant = p.variant
                   WHERE d.id = ?1 AND l.recipient = ?2
                     AND CASE WHEN l.round = p.round THEN p.id = l.part
                         ELSE instr(' ' || replace(p.addressees, '-', '') || ' ', ' ' || ?2 || ' ') > 0 END";
        self.read("reading what was sealed", |conn| {
            let row = |r: &Row<'_>| {
                Ok(SealedTo {
                    sender: r.get(0)?,
                    manifest: r.get(1)?,
                    signature: r.get(2)?,
                    sealed: r.get(3)?,
                    certificate: r.get(4)?,
                })
            };
            Ok(list(conn, sql, params![document, recipient, round], row)?.pop())
        })
    }

    /// One receipt; `None` if there is none.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn receipt(&self, id: i64) -> Result<Option<ReceiptRow>, Error> {
        self.read("reading a receipt", |conn| receipt(conn, id))
    }

    /// Every receipt about a document that we send: the center's for its parts (also those of a restored center), and
    /// the bundles that verdicts came in. Oldest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn receipts(&self, document: DocumentId) -> Result<Vec<ReceiptRow>, Error> {
        let sql = format!(
            "SELECT {} FROM receipt WHERE id IN (
               SELECT receipt FROM verdict WHERE doc = (SELECT key FROM document WHERE id = ?1)
               UNION SELECT receipt FROM part WHERE doc = (SELECT key FROM document WHERE id = ?1)) ORDER BY id",
            rows::RECEIPT
        );
        self.read("reading receipts", |conn| list(conn, &sql, [document], rows::receipt_row))
    }

    /// What begins with these hexadecimal digits (any case, blanks and `-` ignored), at most `limit`, newest first
    /// within each box. Received documents are found by the sender's id. Anything but hexadecimal finds nothing.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn find(&self, prefix: &str, limit: u32) -> Result<Vec<Found>, Error> {
        let Some((low, high)) = id_range(prefix) else { return Ok(Vec::new()) };
        self.read("finding an id", |conn| {
            let sql = "SELECT id FROM document WHERE id BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT ?3";
            let mut found = list(conn, sql, params![low, high, limit], |r| Ok(Found::Document(r.get(0)?)))?;
            let sql =
                "SELECT id, document FROM inbound WHERE document BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT ?3";
            found.extend(list(conn, sql, params![low, high, limit], |r| {
                Ok(Found::Inbound(r.get(0)?, r.get(1)?))
            })?);
            found.truncate(limit as usize);
            Ok(found)
        })
    }

    /// Parts that the center said it accepted and that somebody has not answered, from after `after` (a part's number)
    /// on: for the open list.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn open_parts(&self, after: i64, limit: u32) -> Result<Vec<PartRow>, Error> {
        let sql = format!(
            "SELECT {} FROM {} WHERE p.settled = 0 AND p.todo = 0 AND p.id > ?1
               AND EXISTS (SELECT 1 FROM line l WHERE l.doc = p.doc AND l.part = p.id AND l.state = 'accepted')
             ORDER BY p.id LIMIT ?2",
            rows::PART,
            rows::PART_FROM
        );
        self.read("reading open parts", |conn| list(conn, &sql, params![after, limit], rows::part_row))
    }

    /// Lines that the center accepted before `before` (its clock) and nobody answered, oldest first.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn unanswered(&self, before: i64, limit: u32) -> Result<Vec<LineRow>, Error> {
        let sql = format!(
            "SELECT {} FROM line l JOIN document d ON d.key = l.doc
             WHERE l.state = 'accepted' AND l.accepted_at < ?1 ORDER BY l.accepted_at LIMIT ?2",
            rows::LINE
        );
        self.read("reading unanswered lines", |conn| list(conn, &sql, params![before, limit], rows::line_row))
    }

    /// The round that a resend of this document takes.
    ///
    /// # Errors
    /// Those of reading the database; `not-found`; `bad-request` after 65,535 rounds.
    pub fn next_round(&self, document: DocumentId) -> Result<u16, Error> {
        self.read("reading the round", |conn| {
            let key = conn
                .prepare_cached("SELECT key FROM document WHERE id = ?1")?
                .query_row([document], |r| r.get(0))
                .optional()?
                .ok_or(Error::NotFound("document"))?;
            outbound::next_round(conn, key)
        })
    }

    /// How many stand where.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn counters(&self) -> Result<Counters, Error> {
        self.read("counting", |conn| {
            let pairs = |sql: &str| list(conn, sql, [], |r| Ok((r.get(0)?, unsigned(r.get(1)?))));
            let lines = list(conn, "SELECT state, count(*) FROM line GROUP BY state", [], |r| {
                Ok((r.get(0)?, unsigned(r.get(1)?)))
            })?;
            let inbound = list(conn, "SELECT state, count(*) FROM inbound GROUP BY state", [], |r| {
                Ok((r.get(0)?, unsigned(r.get(1)?)))
            })?;
            let one = |sql: &str| -> Result<u64, Error> {
                Ok(unsigned(conn.prepare_cached(sql)?.query_row([], |r| r.get(0))?))
            };
            Ok(Counters {
                documents: pairs("SELECT word, count(*) FROM document GROUP BY word")?,
                lines,
                inbound,
                held: one("SELECT (SELECT count(*) FROM document WHERE held = 1)
                             + (SELECT count(*) FROM inbound WHERE held = 1)")?,
                unreported: one("SELECT count(*) FROM receipt
                                 WHERE kind = 'answer' AND sent_at IS NULL AND label = ''")?,
                unread: one(
                    "SELECT count(*) FROM inbound WHERE read_at IS NULL AND archived_at IS NOT NULL",
                )?,
            })
        })
    }

    /// Every spool file that a row names: what the clean-up at start must not remove. Content in the database is not
    /// among them.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn spool_names(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT file FROM part WHERE file <> '' AND file NOT LIKE '@%'
             UNION ALL SELECT file FROM container WHERE file <> '' AND file NOT LIKE '@%'
             UNION ALL SELECT file FROM inbound WHERE file <> ''";
        self.read("reading spool names", |conn| list(conn, sql, [], |r| r.get(0)))
    }

    /// Spool files of documents whose every recipient has been final since before `before`, and sealed bytes of
    /// received documents that are archived: to be removed, then told to [`Store::spool_forgotten`].
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn spool_expired(&self, before: i64, limit: u32) -> Result<Vec<Spooled>, Error> {
        let done = "d.word IN ('refused', 'confirmed', 'on-paper', 'abandoned') AND d.changed_at < ?1";
        let sql = format!(
            "SELECT 0, p.id, 0, p.file FROM part p JOIN document d ON d.key = p.doc WHERE p.file <> '' AND {done}
             UNION ALL SELECT 1, c.doc, c.variant, c.file FROM container c JOIN document d ON d.key = c.doc
               WHERE c.file <> '' AND {done}
             UNION ALL SELECT 2, id, 0, file FROM inbound WHERE file <> '' AND state IN ('archived', 'confirmed')
             LIMIT ?2"
        );
        self.read("reading expired spool files", |conn| {
            list(conn, &sql, params![before, limit], |r| {
                let owner = match r.get(0)? {
                    0 => Owner::Part(r.get(1)?),
                    1 => Owner::Container(r.get(1)?, r.get(2)?),
                    _ => Owner::Inbound(r.get(1)?),
                };
                Ok(Spooled { name: r.get(3)?, owner })
            })
        })
    }
}

fn outbox_row(conn: &Connection, document: DocumentRow) -> Result<OutboxRow, Error> {
    let key = [document.key];
    let lines = list(conn, "SELECT state, count(*) FROM line WHERE doc = ?1 GROUP BY state", key, |r| {
        Ok((r.get(0)?, r.get(1)?))
    })?;
    let first = "SELECT CASE WHEN name = '' THEN recipient ELSE name END FROM line WHERE doc = ?1
                 ORDER BY position LIMIT 1";
    let first_recipient =
        conn.prepare_cached(first)?.query_row(key, |r| r.get(0)).optional()?.unwrap_or_default();
    let hints =
        conn.prepare_cached("SELECT count(*) FROM hint WHERE doc = ?1")?.query_row(key, |r| r.get(0))?;
    Ok(OutboxRow { document, lines, first_recipient, hints })
}

fn receipt(conn: &Connection, id: i64) -> Result<Option<ReceiptRow>, Error> {
    let sql = format!("SELECT {} FROM receipt WHERE id = ?1", rows::RECEIPT);
    Ok(list(conn, &sql, [id], rows::receipt_row)?.pop())
}

/// The center's receipt that came with the offer.
fn center_receipt(conn: &Connection, id: i64) -> Result<Vec<u8>, Error> {
    let sql = "SELECT r.bytes FROM inbound i JOIN receipt r ON r.id = i.center_receipt WHERE i.id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([id], |r| r.get(0))?)
}

fn container_row(r: &Row<'_>) -> rusqlite::Result<Container> {
    Ok(Container {
        variant: r.get(0)?,
        manifest: r.get(1)?,
        signature: r.get(2)?,
        file: r.get(3)?,
        size: unsigned(r.get(4)?),
    })
}

fn verdict_row(r: &Row<'_>) -> rusqlite::Result<VerdictRow> {
    Ok(VerdictRow {
        recipient: r.get(0)?,
        round: r.get(1)?,
        verdict: r.get(2)?,
        label: r.get(3)?,
        at: r.get(4)?,
        archived_at: r.get(5)?,
        receipt: r.get(6)?,
        first: r.get(7)?,
    })
}

fn list<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_map(params, row)?.collect::<Result<_, _>>()?)
}

/// A filter as the end of a statement and its values.
struct Chosen {
    tail: String,
    values: Vec<Value>,
}

impl Chosen {
    fn new<S: ToSql + std::fmt::Display>(
        filter: &Filter<S>,
        time: &str,
        number: &str,
        state: &str,
        held: &str,
        texts: &[&str],
        more: Option<&str>,
    ) -> Self {
        let mut terms = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        if let Some(since) = filter.since {
            terms.push(format!("{time} >= ?"));
            values.push(since.into());
        }
        if let Some(until) = filter.until {
            terms.push(format!("{time} < ?"));
            values.push(until.into());
        }
        if !filter.states.is_empty() {
            terms.push(format!("{state} IN ({})", vec!["?"; filter.states.len()].join(", ")));
            values.extend(filter.states.iter().map(|s| Value::from(s.to_string())));
        }
        if let Some(wanted) = filter.held {
            terms.push(format!("{held} = ?"));
            values.push(i64::from(wanted).into());
        }
        if !filter.text.is_empty() {
            let mut any: Vec<String> = texts.iter().map(|column| format!("instr({column}, ?)")).collect();
            any.extend(more.map(str::to_owned));
            let places = any.iter().map(|term| term.matches('?').count()).sum();
            terms.push(format!("({})", any.join(" OR ")));
            values.extend(std::iter::repeat_n(Value::from(filter.text.clone()), places));
        }
        if let Some((at, row)) = filter.before {
            terms.push(format!("({time}, {number}) < (?, ?)"));
            values.extend([Value::from(at), Value::from(row)]);
        }
        let filter_by =
            if terms.is_empty() { String::new() } else { format!("WHERE {}", terms.join(" AND ")) };
        let tail = format!("{filter_by} ORDER BY {time} DESC, {number} DESC LIMIT ?");
        values.push(i64::from(filter.limit.clamp(1, 10_000)).into());
        Self { tail, values }
    }
}

/// The first and the last id that begin with these digits.
fn id_range(prefix: &str) -> Option<(DocumentId, DocumentId)> {
    let digits: String = prefix.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let low = u128::from_str_radix(&format!("{digits:0<32}"), 16).ok()?;
    let high = u128::from_str_radix(&format!("{digits:f<32}"), 16).ok()?;
    Some((low.to_be_bytes(), high.to_be_bytes()))
}
