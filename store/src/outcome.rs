//! What became of what we sent, recipient by recipient: what a person asks on the day after sending.

use std::collections::BTreeMap;

use rusqlite::{Connection, Params, params};

use crate::journal::Of;
use crate::outbound::{DocumentRow, Hint, LineRow, locate};
use crate::rows;
use crate::writer::Ticket;
use crate::{DocumentId, Error, Store};

/// Which recipients are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of one document.
    Document(DocumentId),
    /// All of the documents claimed at or after the first and before the second time.
    Claimed(i64, i64),
    /// Those that somebody still has to do with: not final, and names and notices that nobody has dealt with.
    Open {
        /// Only those whose waiting began before: at the center's acceptance, else at the claim. Unix milliseconds.
        waiting_before: i64,
        /// Only what came back before: returns, notices, late verdicts. Unix milliseconds.
        back_before: i64,
    },
}

/// A recipient and what is open about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineOf {
    /// Where it stands.
    pub line: LineRow,
    /// Whether the center has its present part.
    pub at_center: bool,
    /// Label and particulars of what keeps its present part from the center; empty if nothing.
    pub trouble: (String, String),
    /// A label that a person has not dealt with yet: a notice of the recipient, a late verdict. Empty if none.
    pub notice: String,
    /// When that came.
    pub notice_at: Option<i64>,
}

/// A name without a line (可能為紙本) and what a person decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintOf {
    /// The name.
    pub hint: Hint,
    /// `on-paper`, `abandoned`, or empty: nothing yet.
    pub done: String,
    /// When that was decided.
    pub done_at: Option<i64>,
}

/// A document with those of its recipients that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The document.
    pub document: DocumentRow,
    /// Recipients in the order of the roster. None for a document that is not sealed.
    pub lines: Vec<LineOf>,
    /// Names without a line.
    pub hints: Vec<HintOf>,
}

/// Lines, as far as they were asked for, with the document's number.
const LINE_FROM: &str = "FROM line l JOIN document d ON d.key = l.doc JOIN part p ON p.id = l.part";
const HINT_FROM: &str = "FROM hint h JOIN document d ON d.key = h.doc";

// What is open, each by an index of its own: what is final is never looked at, however much there is of it.
const ACCEPTED: &str = "WHERE l.state = 'accepted' AND l.accepted_at < ?1 ORDER BY l.accepted_at LIMIT ?2";
const UNSENT: &str = "WHERE l.state = 'waiting' AND d.claimed_at < ?1 ORDER BY d.claimed_at LIMIT ?2";
const RETURNED: &str = "WHERE l.state = 'returned' AND l.changed_at < ?1 ORDER BY l.changed_at LIMIT ?2";
// + keeps SQLite from reading every final line by its state
const NOTICED: &str = "WHERE l.notice <> '' AND +l.state IN ('confirmed', 'on-paper', 'abandoned')
                         AND l.changed_at < ?1 ORDER BY l.doc LIMIT ?2";
const UNSEALED: &str = "SELECT d.key FROM document d WHERE d.word = 'claimed' AND d.claimed_at < ?1
                        ORDER BY d.claimed_at LIMIT ?2";
const UNMATCHED: &str =
    "WHERE h.done = '' AND d.state = 'sealed' AND d.claimed_at < ?1 ORDER BY h.doc LIMIT ?2";

impl Store {
    /// Where recipients stand, oldest document first; and whether more than `limit` were found, and the others left
    /// out. Costs as much as there is to tell, whatever is stored besides.
    ///
    /// # Errors
    /// Those of reading the database.
    pub fn outcomes(&self, which: Which, limit: u32) -> Result<(Vec<Standing>, bool), Error> {
        self.read("reading outcomes", |conn| {
            let mut found = Collected { conn, limit, by: BTreeMap::new(), count: 0 };
            match which {
                Which::Document(id) => {
                    found.limit = u32::MAX;
                    let one = "SELECT d.key FROM document d WHERE d.id = ?1 LIMIT ?2";
                    found.documents(one, params![id, u32::MAX])?;
                    found.lines("WHERE d.id = ?1 ORDER BY l.position LIMIT ?2", params![id, u32::MAX])?;
                    found.hints("WHERE d.id = ?1 ORDER BY h.position LIMIT ?2", params![id, u32::MAX])?;
                    return Ok((found.standings()?, false));
                }
                Which::Claimed(since, until) => {
                    let most = limit.saturating_add(1);
                    let range = "d.claimed_at >= ?1 AND d.claimed_at < ?2";
                    let documents =
                        format!("SELECT d.key FROM document d WHERE {range} ORDER BY d.claimed_at LIMIT ?3");
                    found.documents(&documents, params![since, until, most])?;
                    let tail = format!("WHERE {range} ORDER BY d.claimed_at, l.doc, l.position LIMIT ?3");
                    found.lines(&tail, params![since, until, most])?;
                    let tail = format!("WHERE {range} ORDER BY d.claimed_at, h.doc, h.position LIMIT ?3");
                    found.hints(&tail, params![since, until, most])?;
                }
                Which::Open { waiting_before, back_before } => found.open(waiting_before, back_before)?,
            }
            let more = found.count > limit as usize;
            Ok((found.standings()?, more))
        })
    }

    /// A person has dealt with the notices and late verdicts of these recipients (empty: of all); they are no longer
    /// open. Their words stay. Returns how many.
    ///
    /// The ticket fails with `state-moved` if there is none, with `not-found` for a document that is not there.
    pub fn settled_notice(
        &self,
        document: DocumentId,
        recipients: Vec<String>,
        actor: &str,
        why: &str,
        at: i64,
    ) -> Ticket<u32> {
        let (actor, why) = (actor.to_owned(), why.to_owned());
        self.write("settled-notice", move |ledger| {
            let (key, _) = locate(ledger, document)?;
            let open: Vec<String> = {
                let mut statement = ledger.prepare(
                    "SELECT recipient FROM line WHERE doc = ?1 AND notice <> '' ORDER BY position",
                )?;
                statement.query_map([key], |r| r.get(0))?.collect::<Result<_, _>>()?
            };
            let chosen: Vec<String> = if recipients.is_empty() {
                open
            } else {
                for code in &recipients {
                    if !open.contains(code) {
                        return Err(Error::Moved { what: "line", was: "without a notice".to_owned() });
                    }
                }
                recipients
            };
            if chosen.is_empty() {
                return Err(Error::Moved { what: "document", was: "without a notice".to_owned() });
            }
            for code in &chosen {
                let sql = "UPDATE line SET notice = '' WHERE doc = ?1 AND recipient = ?2";
                ledger.execute(sql, params![key, code])?;
            }
            let detail = format!("{}: {why}", chosen.join(" "));
            ledger.log(at, &actor, "notice-settled", Of::Document(key, document), &detail)?;
            u32::try_from(chosen.len()).map_err(|_| Error::Bad("more than 2^32 rows"))
        })
    }
}

/// What was found so far, by the document's number.
struct Collected<'a> {
    conn: &'a Connection,
    limit: u32,
    by: BTreeMap<i64, (Vec<LineOf>, Vec<HintOf>)>,
    count: usize,
}

impl Collected<'_> {
    fn open(&mut self, waiting: i64, back: i64) -> Result<(), Error> {
        let most = self.limit.saturating_add(1);
        self.lines(ACCEPTED, params![waiting, most])?;
        self.lines(UNSENT, params![waiting, most])?;
        self.lines(RETURNED, params![back, most])?;
        self.lines(NOTICED, params![back, most])?;
        self.documents(UNSEALED, params![waiting, most])?;
        self.hints(UNMATCHED, params![waiting, most])
    }

    fn documents(&mut self, sql: &str, values: impl Params) -> Result<(), Error> {
        let mut statement = self.conn.prepare_cached(sql)?;
        for key in statement.query_map(values, |r| r.get::<_, i64>(0))? {
            self.by.entry(key?).or_default();
        }
        Ok(())
    }

    fn lines(&mut self, tail: &str, values: impl Params) -> Result<(), Error> {
        let sql = format!(
            "SELECT {}, p.accepted_at IS NOT NULL AND p.todo = 0, p.label, p.detail, l.notice, l.doc,
             CASE WHEN l.notice <> '' THEN
               (SELECT max(v.at) FROM verdict v WHERE v.doc = l.doc AND v.recipient = l.recipient) END
             {LINE_FROM} {tail}",
            rows::LINE
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut found = statement.query(values)?;
        while let Some(r) = found.next()? {
            let line = LineOf {
                line: rows::line_row(r)?,
                at_center: r.get(18)?,
                trouble: (r.get(19)?, r.get(20)?),
                notice: r.get(21)?,
                notice_at: r.get(23)?,
            };
            self.count += 1;
            self.by.entry(r.get(22)?).or_default().0.push(line);
        }
        Ok(())
    }

    fn hints(&mut self, tail: &str, values: impl Params) -> Result<(), Error> {
        let sql = format!("SELECT h.doc, h.name, h.copy, h.done, h.done_at {HINT_FROM} {tail}");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut found = statement.query(values)?;
        while let Some(r) = found.next()? {
            let hint = Hint { name: r.get(1)?, copy: r.get(2)? };
            self.count += 1;
            let hint = HintOf { hint, done: r.get(3)?, done_at: r.get(4)? };
            self.by.entry(r.get(0)?).or_default().1.push(hint);
        }
        Ok(())
    }

    /// In the order of the claims, cut to the limit.
    fn standings(self) -> Result<Vec<Standing>, Error> {
        let sql = format!("SELECT {} FROM document d WHERE d.key = ?1", rows::DOCUMENT);
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut left = if self.count > self.limit as usize { self.limit as usize } else { usize::MAX };
        let mut standings = Vec::with_capacity(self.by.len());
        for (key, (mut lines, mut hints)) in self.by {
            if left == 0 {
                break;
            }
            lines.sort_by_key(|l| l.line.position);
            lines.truncate(left);
            left -= lines.len();
            hints.truncate(left);
            left -= hints.len();
            let document = statement.query_row([key], rows::document_row)?;
            standings.push(Standing { document, lines, hints });
        }
        Ok(standings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a query goes through, as SQLite plans it.
    fn plan(conn: &Connection, sql: &str) -> String {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.query_map([1, 1], |r| r.get::<_, String>(3)).unwrap();
        steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    #[test]
    fn what_is_final_is_not_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let conn = crate::schema::open_writer(&dir.path().join("node.db")).unwrap();
        let line = |tail: &str| plan(&conn, &format!("SELECT l.doc {LINE_FROM} {tail}"));
        for (steps, index) in [
            (line(ACCEPTED), "SEARCH l USING INDEX line_state (state=? AND accepted_at<?)"),
            (line(UNSENT), "SEARCH l USING INDEX line_state (state=?)"),
            (line(RETURNED), "SEARCH l USING INDEX line_state (state=?)"),
            (line(NOTICED), "SCAN l USING INDEX line_notice"),
            (plan(&conn, UNSEALED), "INDEX document_word (word=? AND claimed_at<?)"),
            (plan(&conn, &format!("SELECT h.doc {HINT_FROM} {UNMATCHED}")), "INDEX hint_open"),
        ] {
            assert!(steps.contains(index), "{steps}");
        }
    }
}
