//! What became of what we sent: the day on which each recipient must have answered, and what a person can do since.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Params, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;
use store::Store;
use store::boxes::Found;
use store::outbound::DocumentRow;
use store::outcome::{HintOf, LineOf, Standing, Which};
use store::state::{Document, Line};

use super::serve::{answer, read_in, refuse};
use super::view::{Letter, Name, Outcomes, Reason, Recipient};
use super::{Local, calendar, read};
use crate::cli::civil::Civil;
use crate::words;
use crate::workday::Calendar;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// One document only.
    pub id: Option<String>,
    /// Only what is due by the day.
    pub due: bool,
    /// The day, `2026-11-30`; today if absent. Without `due` and `id`: everything taken from the drop folder on it.
    pub date: Option<String>,
    /// At most so many recipients and names; 0 for 1,000.
    pub limit: u32,
}

/// Days and working days at one moment.
struct Days<'a> {
    civil: &'a Civil,
    calendar: &'a Calendar,
    /// Told for this day.
    date: Date,
    /// Working days until an answer is missed.
    patience: u16,
}

/// `GET /v1/outcome`
pub(super) async fn show(
    State(local): State<Local>,
    params: Result<Params<Asked>, QueryRejection>,
) -> Response {
    match params {
        Ok(Params(asked)) => {
            let patience = local.working_days;
            answer(read_in(&local, move |store| outcome(store, &asked, patience, crate::cli::now())).await)
        }
        Err(bad) => refuse(StatusCode::BAD_REQUEST, "api-bad-request", &bad.body_text()),
    }
}

/// Recipients and names, those by exchange and by paper apart, oldest letter first.
///
/// # Errors
/// Nothing has the id, the day cannot be read, or the store's.
pub fn outcome(store: &Store, asked: &Asked, patience: u16, now: i64) -> Result<Outcomes, read::Error> {
    let (civil, calendar) = (Civil::local(), calendar::kept(store)?);
    let today = civil.date(now);
    let given: Option<Date> = match &asked.date {
        Some(text) => Some(text.parse().map_err(|_| read::Error::BadParameter("date"))?),
        None => None,
    };
    // What was sent on a day is told as it stands today.
    let date = given.filter(|_| asked.due || asked.id.is_some()).unwrap_or(today);
    let days = Days { civil: &civil, calendar: &calendar, date, patience };
    let limit = if asked.limit == 0 { 1_000 } else { asked.limit.min(100_000) };
    let which = match (&asked.id, given) {
        (Some(id), _) => Which::Document(sent(store, id)?),
        (None, _) if asked.due => days.due(),
        (None, Some(day)) => Which::Claimed(civil.start(day), civil.start(day.tomorrow().unwrap_or(day))),
        (None, None) => Which::Open { waiting_before: i64::MAX, back_before: i64::MAX },
    };
    let (standings, more) = store.outcomes(which, limit)?;
    let mut electronic = Vec::new();
    let mut paper = Vec::new();
    for standing in &standings {
        electronic.extend(days.recipients(standing));
        paper.extend(standing.hints.iter().map(|hint| days.name(&standing.document, hint)));
    }
    if asked.due {
        let is_due = |due: &Option<String>| due.as_ref().is_some_and(|due| *due <= date.to_string());
        electronic.retain(|r| is_due(&r.due));
        paper.retain(|n| is_due(&n.due));
    }
    let first = standings.iter().map(|s| civil.date(s.document.claimed_at)).min().unwrap_or(date);
    Ok(Outcomes {
        date: date.to_string(),
        working: calendar.is_working(date),
        due_only: asked.due,
        working_days: patience,
        uncovered: calendar.uncovered(first.min(date), calendar.after(date, patience)),
        electronic,
        paper,
        more,
    })
}

/// A document that we sent.
pub(super) fn sent(store: &Store, id: &str) -> Result<store::DocumentId, read::Error> {
    let named = if id.contains(':') { id.to_owned() } else { format!("out:{id}") };
    match read::find(store, &named)? {
        Found::Document(document) => Ok(document),
        Found::Inbound(..) => Err(read::Error::NotFound(id.to_owned())),
    }
}

/// How many recipients are missed by the day of `now`, at most `most`.
///
/// # Errors
/// The store's.
pub(crate) fn missed(store: &Store, patience: u16, now: i64, most: u32) -> Result<usize, store::Error> {
    let (civil, calendar) = (Civil::local(), calendar::kept(store)?);
    let days = Days { civil: &civil, calendar: &calendar, date: civil.date(now), patience };
    let (standings, _) = store.outcomes(days.due(), most)?;
    // A letter that is not sealed has no recipients yet, and counts once.
    Ok(standings.iter().map(|s| s.lines.len().max(usize::from(s.document.state == Document::Claimed))).sum())
}

impl Days<'_> {
    fn due(&self) -> Which {
        let day_after = |day: Date| self.civil.start(day.tomorrow().unwrap_or(day));
        Which::Open {
            waiting_before: day_after(self.calendar.last_due_by(self.date, self.patience)),
            back_before: day_after(self.date),
        }
    }

    /// The day by which something that began at `at` must be looked after, and working days since.
    fn until(&self, at: i64, patience: u16) -> (Option<String>, u16) {
        let due = self.calendar.after(self.civil.date(at), patience);
        (Some(due.to_string()), self.calendar.late(due, self.date))
    }

    fn recipients(&self, standing: &Standing) -> Vec<Recipient> {
        if standing.document.state == Document::Claimed {
            return vec![self.unsealed(&standing.document)];
        }
        standing.lines.iter().map(|line| self.recipient(&standing.document, line)).collect()
    }

    /// A letter that has no recipients yet, because it is not sealed.
    fn unsealed(&self, d: &DocumentRow) -> Recipient {
        let reason = Reason::of(&d.trouble.label, &d.trouble.detail);
        let (due, late) = self.until(d.claimed_at, self.patience);
        let action = reason
            .as_ref()
            .map_or_else(|| "等候簽章；以 di-node status 查看".to_owned(), |r| r.remedy.clone());
        Recipient {
            letter: letter(d),
            code: String::new(),
            name: String::new(),
            copy: String::new(),
            attachments: true,
            state: d.word.as_str().to_owned(),
            word: words::outbound(d.word, d.trouble.held, d.duplicate_of.is_some()).to_owned(),
            held: d.trouble.held,
            round: 0,
            resending: false,
            accepted_at: None,
            archived_at: None,
            due,
            late,
            reason,
            notice_at: None,
            action,
        }
    }

    fn recipient(&self, d: &DocumentRow, of: &LineOf) -> Recipient {
        let line = &of.line;
        let (due, late) = match line.state {
            Line::Accepted => self.until(line.accepted_at.unwrap_or(d.claimed_at), self.patience),
            Line::Waiting => self.until(d.claimed_at, self.patience),
            // It came back: nothing more comes by itself.
            Line::Returned => self.until(line.changed_at, 0),
            _ if !of.notice.is_empty() => self.until(of.notice_at.unwrap_or(line.changed_at), 0),
            _ => (None, 0),
        };
        let resending = line.resend || (line.round > 0 && !of.at_center);
        let (label, detail) = &of.trouble;
        let stuck = Reason::of(label, detail).or_else(|| {
            let document = Reason::of(&d.trouble.label, &d.trouble.detail);
            document.filter(|_| line.resend || d.trouble.held)
        });
        let reason =
            if of.at_center && !line.resend { None } else { stuck }.or_else(|| read::line_reason(line));
        let missed = due.as_ref().is_some_and(|due| *due <= self.date.to_string());
        let action = match line.state {
            _ if due.is_none() => String::new(),
            _ if d.trouble.held => words::remedy(store::HELD),
            Line::Accepted | Line::Returned if resending => match &reason {
                Some(reason) if !of.at_center || line.resend => format!("重送中；{}", reason.what),
                _ => "重送中".to_owned(),
            },
            Line::Waiting => {
                reason.as_ref().map_or_else(|| "等候送到交換中心".to_owned(), |r| r.remedy.clone())
            }
            Line::Accepted if missed => "向對方查詢；以 resend 重送，或補送紙本後以 paper 登錄".to_owned(),
            Line::Accepted => "等候對方確認".to_owned(),
            _ => reason.as_ref().map_or_else(String::new, |r| r.remedy.clone()),
        };
        Recipient {
            letter: letter(d),
            code: line.recipient.clone(),
            name: line.name.clone(),
            copy: line.copy.clone(),
            attachments: line.attachments,
            state: line.state.as_str().to_owned(),
            word: words::line(d.state, line.state).to_owned(),
            held: d.trouble.held,
            round: line.round,
            resending: resending && !line.state.is_final(),
            accepted_at: line.accepted_at,
            archived_at: line.archived_at,
            due,
            late,
            reason,
            notice_at: of.notice_at,
            action,
        }
    }

    fn name(&self, d: &DocumentRow, of: &HintOf) -> Name {
        let (due, late) =
            if of.done.is_empty() { self.until(d.claimed_at, self.patience) } else { (None, 0) };
        let done = of.done.parse::<Line>().ok();
        Name {
            letter: letter(d),
            name: of.hint.name.clone(),
            copy: of.hint.copy.clone(),
            state: done.map_or("unmatched", Line::as_str).to_owned(),
            word: done
                .map_or("待人工確認（可能為紙本）", |line| words::line(Document::Sealed, line))
                .to_owned(),
            done_at: of.done_at,
            due,
            late,
        }
    }
}

fn letter(d: &DocumentRow) -> Letter {
    Letter {
        id: read::hex(&d.id),
        number: d.about.number.clone(),
        subject: if d.about.subject.is_empty() { d.drop_name.clone() } else { d.about.subject.clone() },
        kind: d.about.kind.clone(),
        dated: d.about.dated.clone(),
        priority: read::priority(d.about.priority).to_owned(),
        claimed_at: d.claimed_at,
    }
}
