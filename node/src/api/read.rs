//! From the store's rows to the API's answers; used by the service, and by the command line where none runs.

use store::Store;
use store::boxes::{Filter, Found, Incoming, OutboxRow, Outgoing};
use store::inbound::InboundRow;
use store::outbound::{self, DocumentRow, Trouble};
use store::state::{Inbound, Priority, Word};

use super::view::{Count, Document, Event, File, InDocument, InRow, Line, OutDocument, OutRow, Page, Reason};
use crate::words;

/// What is asked of a box.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// From this time on (claimed, or first offered), Unix milliseconds.
    pub since: Option<i64>,
    /// Up to this time, inclusive.
    pub until: Option<i64>,
    /// Stable names of states, and `held`; empty for all.
    pub states: Vec<String>,
    /// Cursor of the page before.
    pub before: Option<String>,
    /// At most so many rows; 0 for the default of 100.
    pub limit: u32,
}

/// Why a reading has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// Nothing has this id.
    #[error("nothing has the id {0}")]
    NotFound(String),
    /// More than one document has an id that begins so.
    #[error("{} documents have this id", .0.len())]
    Ambiguous(Vec<String>),
    /// The order does not fit this document.
    #[error("not possible for this document")]
    NotNow,
    /// The order cannot be carried out, for a reason with a label and particulars.
    #[error("refused: {0}")]
    Refused(&'static str, String),
    /// A parameter makes no sense.
    #[error("bad parameter {0}")]
    BadParameter(&'static str),
}

impl Error {
    /// Stable label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Store(error) => error.label(),
            Self::NotFound(_) => "not-found",
            Self::Ambiguous(_) => "id-ambiguous",
            Self::NotNow => "verb-not-now",
            Self::Refused(label, _) => label,
            Self::BadParameter(_) => "api-bad-request",
        }
    }

    /// Particulars for people.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Store(error) => error.to_string(),
            Self::NotFound(id) => id.clone(),
            Self::Ambiguous(ids) => ids.join("、"),
            Self::NotNow => String::new(),
            Self::Refused(_, detail) => detail.clone(),
            Self::BadParameter(name) => (*name).to_owned(),
        }
    }
}

/// 發文匣, newest first.
///
/// # Errors
/// The store's, or a parameter that makes no sense.
pub fn outbox(store: &Store, query: &Query) -> Result<Page<OutRow>, Error> {
    let mut filter: Filter<Word> = filter(query)?;
    // The store keeps what was given up before sealing among the refused: ask for both, and keep what was asked for.
    let asked = filter.states.clone();
    if asked.contains(&Word::Abandoned) && !asked.contains(&Word::Refused) {
        filter.states.push(Word::Refused);
    }
    let wanted =
        |d: &DocumentRow| asked.is_empty() || asked.contains(&words::shown(d.word, &d.trouble.label));
    let most = limit(query) as usize;
    let mut documents = Vec::new();
    loop {
        let rows = store.outbox(&filter)?;
        for row in rows.iter().filter(|row| wanted(&row.document)) {
            documents.push(out_row(store, row)?);
            if documents.len() >= most {
                let next = Some(cursor(row.document.claimed_at, row.document.key));
                return Ok(Page { documents, next });
            }
        }
        match rows.last() {
            Some(last) if rows.len() >= most => {
                filter.before = Some((last.document.claimed_at, last.document.key));
            }
            _ => return Ok(Page { documents, next: None }),
        }
    }
}

/// 收文匣, newest first.
///
/// # Errors
/// As [`outbox`].
pub fn inbox(store: &Store, query: &Query) -> Result<Page<InRow>, Error> {
    let filter: Filter<Inbound> = filter(query)?;
    let rows = store.inbox(&filter)?;
    let next = (rows.len() >= limit(query) as usize)
        .then(|| rows.last().map(|row| cursor(row.offered_at, row.id)))
        .flatten();
    let mut documents = Vec::new();
    for row in &rows {
        let mut shown = in_row(row);
        if row.trouble.held
            && row.state != Inbound::Quarantined
            && let Some(found) = store.inbound(row.id)?
        {
            shown.reason = paused(&found.journal).or(shown.reason);
        }
        documents.push(shown);
    }
    Ok(Page { documents, next })
}

/// The one document that `name` means: see [`find`].
///
/// # Errors
/// As [`find`].
pub fn document(store: &Store, name: &str) -> Result<Document, Error> {
    match find(store, name)? {
        Found::Document(id) => {
            let found = store.document(id)?.ok_or_else(|| Error::NotFound(name.to_owned()))?;
            Ok(Document::Out(Box::new(out_document(&found))))
        }
        Found::Inbound(row, _) => {
            let found = store.inbound(row)?.ok_or_else(|| Error::NotFound(name.to_owned()))?;
            Ok(Document::In(Box::new(in_document(&found))))
        }
    }
}

/// What `name` means: an id or its first digits, with `out:` or `in:` before it where both boxes have it (a letter to
/// ourselves), and `@code` behind it where several of our mailboxes received it.
///
/// # Errors
/// Nothing has it, or more than one.
pub fn find(store: &Store, name: &str) -> Result<Found, Error> {
    let (kind, rest) = match name.split_once(':') {
        Some((kind @ ("out" | "in"), rest)) => (Some(kind), rest),
        _ => (None, name),
    };
    let (digits, code) = rest.split_once('@').map_or((rest, None), |(digits, code)| (digits, Some(code)));
    let plain: String = digits.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    if plain.is_empty() || plain.len() > 32 || !plain.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Error::NotFound(name.to_owned()));
    }
    let mut found = store.find(&plain, 20)?;
    found.retain(|f| match f {
        Found::Document(_) => kind != Some("in") && code.is_none(),
        Found::Inbound(..) => kind != Some("out"),
    });
    if code.is_some() || found.len() > 1 {
        let mut named = Vec::new();
        for one in found {
            let text = match one {
                Found::Document(id) => format!("out:{}", hex(&id)),
                Found::Inbound(row, id) => {
                    let ours = store.inbound(row)?.map(|r| r.inbound.offer.recipient).unwrap_or_default();
                    if code.is_some_and(|code| !ours.eq_ignore_ascii_case(code)) {
                        continue;
                    }
                    format!("in:{}@{ours}", hex(&id))
                }
            };
            named.push((one, text));
        }
        return match named.as_slice() {
            [] => Err(Error::NotFound(name.to_owned())),
            [(one, _)] => Ok(*one),
            many => Err(Error::Ambiguous(many.iter().map(|(_, text)| text.clone()).collect())),
        };
    }
    found.first().copied().ok_or_else(|| Error::NotFound(name.to_owned()))
}

/// How long our certificates and those of our recipients still last, as it was looked at last; the days by the clock now.
pub(crate) fn certificates(store: &Store) -> Result<Vec<super::view::Validity>, Error> {
    let mut list = crate::act::expiry::listed(store)?;
    let now = crate::cli::now();
    list.iter_mut().for_each(|one| one.days_left = Some(one.days(now)));
    Ok(list)
}

/// How many stand where, for the overview.
///
/// # Errors
/// The store's.
pub fn counts(store: &Store) -> Result<(Vec<Count>, u64, u64), Error> {
    let counters = store.counters()?;
    let out = counters.documents.iter().map(|(state, count)| Count {
        kind: "out".to_owned(),
        state: state.as_str().to_owned(),
        word: words::outbound(*state, false, false).to_owned(),
        count: *count,
    });
    let inbound = counters.inbound.iter().map(|(state, count)| Count {
        kind: "in".to_owned(),
        state: state.as_str().to_owned(),
        word: words::inbound(*state, false).to_owned(),
        count: *count,
    });
    Ok((out.chain(inbound).filter(|c| c.count > 0).collect(), counters.held, counters.unreported))
}

/// Journal lines after `after`, oldest first.
///
/// # Errors
/// The store's.
pub fn journal(store: &Store, after: u64, limit: u32) -> Result<Vec<Event>, Error> {
    Ok(store.journal_after(after, limit.clamp(1, 1000))?.iter().map(event).collect())
}

/// The newest alarms.
///
/// # Errors
/// The store's.
pub fn alarms(store: &Store, limit: u32) -> Result<Vec<Event>, Error> {
    Ok(store.alarms(limit)?.iter().map(event).collect())
}

fn filter<S: std::str::FromStr>(query: &Query) -> Result<Filter<S>, Error> {
    let mut states = Vec::new();
    let mut held = None;
    for name in &query.states {
        if name == "held" {
            held = Some(true);
        } else {
            states.push(name.parse().map_err(|_| Error::BadParameter("state"))?);
        }
    }
    let before = match &query.before {
        None => None,
        Some(text) => Some(read_cursor(text).ok_or(Error::BadParameter("before"))?),
    };
    // `until` is inclusive for people, exclusive in the store.
    let until = query.until.map(|until| until.saturating_add(1));
    Ok(Filter { since: query.since, until, states, held, text: String::new(), before, limit: limit(query) })
}

const fn limit(query: &Query) -> u32 {
    match query.limit {
        0 => 100,
        many if many > 1000 => 1000,
        some => some,
    }
}

fn cursor(at: i64, row: i64) -> String {
    format!("{at}.{row}")
}

fn read_cursor(text: &str) -> Option<(i64, i64)> {
    let (at, row) = text.split_once('.')?;
    Some((at.parse().ok()?, row.parse().ok()?))
}

fn reason(trouble: &Trouble) -> Option<Reason> {
    Reason::of(&trouble.label, &trouble.detail)
}

pub(super) const fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Normal => "普通件",
        Priority::Fast => "速件",
        Priority::Fastest => "最速件",
    }
}

fn out_row(store: &Store, row: &OutboxRow) -> Result<OutRow, Error> {
    let recipients = row.lines.iter().map(|(state, count)| Count {
        kind: "out".to_owned(),
        state: state.as_str().to_owned(),
        word: line_word(&row.document, *state).to_owned(),
        count: u64::from(*count),
    });
    let mut shown = out_summary(&row.document, recipients.collect(), row.first_recipient.clone(), row.hints);
    // Why it came back is written at its lines.
    if row.document.word == Word::Returned
        && shown.reason.is_none()
        && let Some(found) = store.document(row.document.id)?
    {
        shown.reason =
            found.lines.iter().filter(|l| l.state == store::state::Line::Returned).find_map(line_reason);
    }
    // A pause hides what the document waited for before: the person's reason is in its history.
    if row.document.trouble.held
        && let Some(found) = store.document(row.document.id)?
    {
        shown.reason = paused(&found.journal).or(shown.reason);
    }
    Ok(shown)
}

/// Why a line is as it is; of one that came back with what the sender can do.
pub(super) fn line_reason(line: &outbound::LineRow) -> Option<Reason> {
    let mut reason = Reason::of(&line.label, &line.detail)?;
    if line.state == store::state::Line::Returned {
        reason.remedy = words::returned_remedy(&line.label);
    }
    Some(reason)
}

/// The reason that a person gave for the pause that a history ends with; `None` if no person paused it.
fn paused(journal: &[store::journal::Entry]) -> Option<Reason> {
    let last = journal.iter().rev().find(|e| matches!(e.event.as_str(), "held" | "released"))?;
    if last.event == "held" { Reason::of(store::HELD, &last.detail) } else { None }
}

fn line_word(d: &DocumentRow, state: store::state::Line) -> &'static str {
    let given_up = words::shown(d.word, &d.trouble.label) != d.word;
    let state = if given_up { store::state::Line::Abandoned } else { state };
    words::line(if given_up { store::state::Document::Sealed } else { d.state }, state)
}

fn out_summary(d: &DocumentRow, recipients: Vec<Count>, first_recipient: String, hints: u32) -> OutRow {
    let duplicate = d.duplicate_of.is_some();
    let shown = words::shown(d.word, &d.trouble.label);
    OutRow {
        id: hex(&d.id),
        state: shown.as_str().to_owned(),
        word: words::outbound(shown, d.trouble.held, duplicate).to_owned(),
        held: d.trouble.held,
        reason: reason(&d.trouble),
        kind: d.about.kind.clone(),
        number: d.about.number.clone(),
        subject: d.about.subject.clone(),
        priority: priority(d.about.priority).to_owned(),
        sender: d.about.sender.clone(),
        first_recipient,
        recipients,
        hints,
        drop_name: d.drop_name.clone(),
        claimed_at: d.claimed_at,
        changed_at: d.changed_at,
        duplicate_of: d.duplicate_of.map(|id| hex(&id)),
    }
}

fn out_document(found: &Outgoing) -> OutDocument {
    let d = &found.document;
    let mut recipients: Vec<Count> = Vec::new();
    for line in &found.lines {
        let state = line.state.as_str();
        match recipients.iter_mut().find(|c| c.state == state) {
            Some(count) => count.count = count.count.saturating_add(1),
            None => recipients.push(Count {
                kind: "out".to_owned(),
                state: state.to_owned(),
                word: line_word(d, line.state).to_owned(),
                count: 1,
            }),
        }
    }
    let first = found.lines.first().map(|l| if l.name.is_empty() { &l.recipient } else { &l.name });
    let hints = u32::try_from(found.hints.len()).unwrap_or(u32::MAX);
    let mut row = out_summary(d, recipients, first.cloned().unwrap_or_default(), hints);
    if row.held {
        row.reason = paused(&found.journal).or(row.reason);
    } else if row.reason.is_none() {
        // What keeps a part from the center keeps the document.
        let stuck = found.parts.iter().find(|part| !part.settled && !part.trouble.label.is_empty());
        row.reason = stuck.and_then(|part| Reason::of(&part.trouble.label, &part.trouble.detail));
    }
    OutDocument {
        row,
        edition: d.about.edition.clone(),
        dated: d.about.dated.clone(),
        size: d.size,
        files: files(&found.files),
        lines: found
            .lines
            .iter()
            .map(|line| Line {
                code: line.recipient.clone(),
                name: line.name.clone(),
                copy: line.copy.clone(),
                attachments: line.attachments,
                state: line.state.as_str().to_owned(),
                word: line_word(d, line.state).to_owned(),
                // What keeps a line from moving is written at its part.
                reason: line_reason(line).or_else(|| {
                    let part = found.parts.iter().find(|p| p.id == line.part && !p.settled)?;
                    reason(&part.trouble)
                }),
                round: line.round,
                accepted_at: line.accepted_at,
                archived_at: line.archived_at,
                changed_at: line.changed_at,
            })
            .collect(),
        unmatched: found
            .hints
            .iter()
            .map(|h| if h.copy.is_empty() { h.name.clone() } else { format!("{}（{}）", h.name, h.copy) })
            .collect(),
        sealed_at: d.sealed_at,
        history: found.journal.iter().map(event).collect(),
    }
}

fn in_row(row: &InboundRow) -> InRow {
    InRow {
        id: hex(&row.offer.document),
        state: row.state.as_str().to_owned(),
        word: words::inbound(row.state, row.trouble.held).to_owned(),
        held: row.trouble.held,
        reason: reason(&row.trouble),
        kind: row.about.kind.clone(),
        number: row.about.number.clone(),
        subject: row.about.subject.clone(),
        priority: priority(row.offer.priority).to_owned(),
        sender: row.offer.sender.clone(),
        sender_name: row.about.sender_name.clone(),
        recipient: row.offer.recipient.clone(),
        warnings: row.warnings.split([' ', ',', '\n']).filter(|w| !w.is_empty()).map(str::to_owned).collect(),
        folder: row.delivered.clone(),
        duplicate: row.duplicate_of.is_some(),
        offered_at: row.offered_at,
        archived_at: row.archived_at,
        changed_at: row.changed_at,
    }
}

fn in_document(found: &Incoming) -> InDocument {
    let row = &found.inbound;
    let mut shown = in_row(row);
    if row.trouble.held && row.state != Inbound::Quarantined {
        shown.reason = paused(&found.journal).or(shown.reason);
    }
    InDocument {
        row: shown,
        edition: row.about.edition.clone(),
        dated: row.about.dated.clone(),
        size: if row.size == 0 { row.offer.length } else { row.size },
        files: files(&found.files),
        accepted_at: row.offer.accepted_at,
        attachments: row.offer.attachments,
        round: row.offer.round,
        notice: Reason::of(&row.notice, ""),
        archive: row.archive.clone(),
        history: found.journal.iter().map(event).collect(),
    }
}

fn files(files: &[outbound::File]) -> Vec<File> {
    let view = |f: &outbound::File| File {
        name: f.name.clone(),
        role: f.role.clone(),
        size: f.size,
        sha256: hex(&f.sha256),
    };
    files.iter().map(view).collect()
}

fn event(entry: &store::journal::Entry) -> Event {
    Event {
        seq: entry.seq,
        at: entry.at,
        actor: entry.actor.clone(),
        event: entry.event.clone(),
        what: words::happened(&entry.event, &entry.detail).to_owned(),
        detail: entry.detail.clone(),
        alarm: entry.alarm,
        hash: hex(&entry.hash),
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The store's target of an order for what was found.
pub(crate) const fn target(found: Found) -> store::queue::Target {
    match found {
        Found::Document(id) => store::queue::Target::Document(id),
        Found::Inbound(row, _) => store::queue::Target::Inbound(row),
    }
}
