//! Jobs: begin is recorded, the act is performed, the change is recorded, the loop is told.

use store::inbound::{InboundRow, ReceiptRow};
use store::outbound::{DocumentRow, PartRow};
use store::queue::{Setback, Target};
use store::state::Inbound;
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::Dirty;
use super::pump::Kind;
use crate::act::ahead::Place;
use crate::act::open::Heard;
use crate::act::{self, Step, Tools, answer, fetch, outcome, upkeep};
use crate::flow::retry::Table;
use crate::flow::{Act, Change, Class, Facts, Outcome, When, Why, inbound, outbound};
use crate::telemetry::hex;

/// What a job is given.
pub(crate) enum Work {
    Document(Box<DocumentRow>, Act),
    /// With the place of a step that is recorded as begun.
    Part(Box<PartRow>, Act, Option<Place>),
    Inbound(Box<InboundRow>, Act, Option<Place>),
    Answers(Vec<InboundRow>),
    Report(Box<ReceiptRow>),
    Deliver(Vec<InboundRow>),
    Notes(Vec<DocumentRow>),
    /// How long certificates still last.
    Validity,
    Pump(Kind),
}

/// Whose place becomes free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ticket {
    Row(Target),
    Answers,
    Report(i64),
    Deliver,
    Notes,
    Validity,
    Pump(Kind),
}

impl Work {
    pub(crate) fn ticket(&self) -> Ticket {
        match self {
            Self::Document(row, _) => Ticket::Row(Target::Document(row.id)),
            Self::Part(row, ..) => Ticket::Row(Target::Part(row.id)),
            Self::Inbound(row, ..) => Ticket::Row(Target::Inbound(row.id)),
            Self::Answers(_) => Ticket::Answers,
            Self::Report(receipt) => Ticket::Report(receipt.id),
            Self::Deliver(_) => Ticket::Deliver,
            Self::Notes(_) => Ticket::Notes,
            Self::Validity => Ticket::Validity,
            Self::Pump(kind) => Ticket::Pump(*kind),
        }
    }
}

/// How a job ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) ticket: Ticket,
    /// What was found to be missing.
    pub(crate) away: Vec<Why>,
    /// More about that.
    pub(crate) detail: String,
    pub(crate) failed: bool,
    /// What to look at again.
    pub(crate) dirty: Dirty,
}

/// What is flagged of a job that did not end well, or whose end nobody saw.
fn after_failure(ticket: Ticket) -> Dirty {
    let none = Dirty::default();
    match ticket {
        Ticket::Row(Target::Document(_) | Target::Part(_)) => Dirty { notes: true, urgent: true, ..none },
        Ticket::Row(Target::Inbound(_)) => Dirty { inbound: true, answers: true, ..none },
        Ticket::Pump(Kind::Offers) => Dirty { inbound: true, reports: true, ..none },
        Ticket::Pump(Kind::Outcomes) => Dirty { documents: true, notes: true, ..none },
        Ticket::Notes => Dirty { notes: true, ..none },
        _ => none,
    }
}

/// Tells the loop when the job is over, however that comes.
pub(crate) struct Guard {
    done: mpsc::UnboundedSender<Done>,
    ticket: Ticket,
    pub(crate) end: Option<Done>,
}

impl Guard {
    pub(crate) const fn new(done: mpsc::UnboundedSender<Done>, ticket: Ticket) -> Self {
        Self { done, ticket, end: None }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let end = self.end.take();
        let end = end.unwrap_or_else(|| Done {
            ticket: self.ticket,
            away: Vec::new(),
            detail: String::new(),
            failed: true,
            dirty: after_failure(self.ticket),
        });
        let _ = self.done.send(end);
    }
}

/// Performs a piece of work to its record.
pub(crate) async fn perform(tools: &Tools, work: Work, facts: watch::Receiver<Facts>) -> Done {
    let ticket = work.ticket();
    let none = Dirty::default();
    let result = match work {
        Work::Document(row, act) => {
            let span = tracing::info_span!("doc", id = hex(&row.id));
            document(tools, &row, act).instrument(span).await
        }
        Work::Part(row, act, place) => {
            let span = tracing::info_span!("doc", id = hex(&row.document), part = row.id);
            part(tools, &row, act, place.is_some())
                .instrument(span)
                .await
                .map(|()| Dirty { notes: true, ..none })
        }
        Work::Inbound(row, act, place) => {
            let span = tracing::info_span!("doc", id = hex(&row.offer.document), inbound = row.id);
            received(tools, *row, act, place.is_some(), facts).instrument(span).await
        }
        Work::Answers(rows) => answer::sign(tools, rows).await.map(|()| Dirty { reports: true, ..none }),
        Work::Report(receipt) => unless_cut(tools, answer::report(tools, &receipt)).await.map(|()| none),
        Work::Deliver(rows) => {
            each(rows, |row| upkeep::deliver(tools, row)).await.map(|()| Dirty { deliveries: true, ..none })
        }
        Work::Notes(rows) => upkeep::notes(tools, rows).await.map(|()| Dirty { notes: true, ..none }),
        Work::Validity => {
            let missed = unless_cut(tools, act::late::look(tools)).await;
            unless_cut(tools, act::expiry::look(tools)).await.and(missed).map(|()| none)
        }
        Work::Pump(kind) => unless_cut(tools, pump(tools, kind)).await,
    };
    let (mut away, mut more) = (Vec::new(), String::new());
    if let Err(outcome) = &result {
        match outcome {
            Outcome::Fault(fault) => {
                let (label, detail) = (&fault.label, &fault.detail);
                if let Class::Wait(why) = fault.class {
                    away.push(why);
                    more.clone_from(detail);
                    tracing::debug!(?ticket, label, detail, "a step waits");
                } else {
                    tracing::warn!(?ticket, label, detail, "a step did not end well");
                }
            }
            Outcome::Bad { label, detail } | Outcome::Gone { label, detail } => {
                tracing::warn!(?ticket, label, detail, "a step did not end well");
            }
            Outcome::Stopped | Outcome::Done => {}
        }
    }
    let failed = !matches!(result, Ok(_) | Err(Outcome::Stopped));
    Done { ticket, away, detail: more, failed, dirty: result.unwrap_or_else(|_| after_failure(ticket)) }
}

/// All of them, whatever becomes of one; the last trouble is told.
async fn each<T, F: Future<Output = Step<()>>>(rows: Vec<T>, step: impl Fn(T) -> F) -> Step<()> {
    let mut result = Ok(());
    for row in rows {
        if let Err(outcome) = step(row).await {
            tracing::warn!(?outcome, "one of several failed");
            result = Err(outcome);
        }
    }
    result
}

async fn pump(tools: &Tools, kind: Kind) -> Step<Dirty> {
    let none = Dirty::default();
    match kind {
        Kind::Offers => {
            let heard = fetch::offers(tools).await?;
            Ok(Dirty { inbound: heard.new, reports: heard.answered_before, ..none })
        }
        Kind::Outcomes => {
            let resend = outcome::outcomes(tools).await?;
            Ok(Dirty { documents: resend, notes: true, ..none })
        }
        Kind::Announcements => upkeep::announcements(tools).await.map(|()| none),
        Kind::OpenList => upkeep::open_list(tools).await.map(|()| Dirty { parts: true, ..none }),
        Kind::Sweep => upkeep::sweep(tools).await.map(|()| none),
        Kind::Own => act::directory::check_own(tools).await.map(|()| none),
        Kind::CatchUp => act::recall::catch_up(tools).await.map(|()| Dirty::ALL),
    }
}

pub(crate) fn when(tools: &Tools) -> When {
    let retry = &tools.config.retry;
    let millis = |period: config::value::Period| i64::try_from(period.get().as_millis()).unwrap_or(i64::MAX);
    let table = Table { first: millis(retry.first), longest: millis(retry.longest) };
    When { now: tools.now(), jitter: jitter(), table }
}

/// 0–1000, random enough to spread tries.
fn jitter() -> u16 {
    use std::hash::{BuildHasher, RandomState};
    u16::try_from(RandomState::new().hash_one(0_u8) % 1_001).unwrap_or_default()
}

/// Records that a step begins. Returns how many tries it has had with this one.
async fn begin(tools: &Tools, target: Target, act: Act) -> Step<u32> {
    let Some(step) = act.step() else { return Err(Outcome::Stopped) };
    let when = when(tools);
    let due = when.table.due(1, 0, when.now, when.jitter);
    let attempt = tools.store.attempt(target, step, due, when.now).await;
    Ok(attempt.map_err(|e| act::store_trouble(&e))?.attempts)
}

fn told(outcome: Step<()>) -> Outcome {
    match outcome {
        Ok(()) => Outcome::Done,
        Err(outcome) => outcome,
    }
}

/// Records a change that is no move forward.
async fn setback(tools: &Tools, target: Target, change: Change) -> Step<()> {
    if let Change::Setback { due, counts, alarm, label, detail } = change {
        let setback = Setback { due, label, detail, counts, alarm };
        if let Err(error) = tools.store.setback(target, setback.clone(), tools.now()).await {
            if crate::trouble::disk(&error) {
                tools.troubles.keep(target, setback);
            }
            return Err(act::store_trouble(&error));
        }
    }
    Ok(())
}

/// A step ended and its record failed. Where that is the disk's fault, the step is over all the same and is done again:
/// begun three times without a record it would look as if the process had died in it.
fn unrecorded(tools: &Tools, target: Target, error: &store::Error) -> Outcome {
    let outcome = act::store_trouble(error);
    if let Outcome::Fault(fault) = &outcome
        && crate::trouble::disk(error)
    {
        let (label, detail) = (fault.label.clone(), fault.detail.clone());
        tools.troubles.keep(target, Setback { due: Some(0), label, detail, counts: false, alarm: false });
    }
    outcome
}

async fn document(tools: &Tools, row: &DocumentRow, act: Act) -> Step<Dirty> {
    let none = Dirty::default();
    let target = Target::Document(row.id);
    let mut record = outbound::DocumentRecord::from(row);
    if act == Act::SetApart {
        setback(tools, target, outbound::set_apart()).await?;
        return Ok(Dirty { notes: true, urgent: true, ..none });
    }
    record.pace.attempts = begin(tools, target, act).await?;
    let outcome = match act {
        Act::Seal => match unless_cut(tools, act::seal::seal(tools, row)).await {
            Ok(sealing) => recorded(tools.store.sealed(sealing, tools.now()).await),
            Err(outcome) => outcome,
        },
        _ => match unless_cut(tools, act::seal::reseal(tools, row)).await {
            Ok(resending) => recorded(tools.store.resent(resending, tools.now()).await),
            Err(outcome) => outcome,
        },
    };
    match outbound::apply(&record, &outcome, &when(tools)) {
        Change::Forward => {
            tracing::info!(state = "sealed", "待發送");
            Ok(Dirty { parts: true, notes: true, ..none })
        }
        Change::Refuse { label, detail } => {
            tracing::info!(state = "refused", label, detail, "未發送");
            let refused = tools.store.refused(row.id, &label, &detail, tools.now());
            refused.await.map_err(|e| unrecorded(tools, target, &e))?;
            Ok(Dirty { notes: true, urgent: true, ..none })
        }
        change => {
            setback(tools, target, change).await?;
            Err(outcome)
        }
    }
}

/// The act, unless the node stops and cannot wait for it any longer.
async fn unless_cut<T>(tools: &Tools, act: impl Future<Output = Step<T>>) -> Step<T> {
    tokio::select! {
        biased;
        result = act => result,
        () = tools.cut.cancelled() => Err(Outcome::Stopped),
    }
}

/// The outcome of a step whose record is its last act.
fn recorded<T>(result: Result<T, store::Error>) -> Outcome {
    told(result.map(drop).map_err(|e| act::store_trouble(&e)))
}

async fn part(tools: &Tools, row: &PartRow, act: Act, begun: bool) -> Step<()> {
    let target = Target::Part(row.id);
    let mut record = outbound::PartRecord::from(row);
    if act == Act::SetApart {
        return setback(tools, target, outbound::set_apart()).await;
    }
    if !begun {
        record.pace.attempts = begin(tools, target, act).await?;
    }
    let outcome = match unless_cut(tools, act::submit::submit(tools, row)).await {
        Ok(accepted) => {
            let stored = tools.store.accepted(row.id, accepted.receipt, accepted.at, tools.now());
            recorded(stored.await)
        }
        Err(outcome) => outcome,
    };
    match outbound::apply_part(&record, &outcome, &when(tools)) {
        Change::Forward => {
            tracing::info!(state = "accepted", "系統確認");
            Ok(())
        }
        change => {
            setback(tools, target, change).await?;
            Err(outcome)
        }
    }
}

/// A received document, as far as it can go at once.
async fn received(
    tools: &Tools,
    mut row: InboundRow,
    mut act: Act,
    mut begun: bool,
    facts: watch::Receiver<Facts>,
) -> Step<Dirty> {
    let none = Dirty::default();
    let target = Target::Inbound(row.id);
    if act == Act::Fetch
        && let Some(_room) = tools.memory.room(row.offer.length)
        && may_open(tools, &row, &facts)
    {
        let attempts = if begun { row.trouble.attempts } else { begin(tools, target, act).await? };
        match at_once(tools, &mut row, attempts).await {
            Ok(Some(dirty)) => return Ok(dirty),
            // The sealed bytes are in the spool, and what is wrong is found out and recorded from there.
            Ok(None) => (act, begun) = (Act::Open, false),
            Err((record, outcome)) => {
                let change = inbound::apply(&record, &outcome, &when(tools));
                setback(tools, target, change).await?;
                return Err(outcome);
            }
        }
    }
    loop {
        let mut record = inbound::Record::from(&row);
        let mut heard = None;
        let outcome = if act == Act::SetApart {
            quarantine(tools, row.id, inbound::set_apart(), heard).await?;
            return Ok(Dirty { answers: true, ..none });
        } else {
            if !std::mem::take(&mut begun) {
                record.pace.attempts = begin(tools, target, act).await?;
            }
            one(tools, &mut row, act, &mut heard).await
        };
        let (outcome, dirty) = match outcome {
            Ok(dirty) => (Outcome::Done, dirty),
            Err(outcome) => (outcome, none),
        };
        match inbound::apply(&record, &outcome, &when(tools)) {
            Change::Forward if row.state == Inbound::Fetched => {
                if !may_open(tools, &row, &facts) {
                    return Ok(none);
                }
                act = Act::Open;
            }
            Change::Forward => return Ok(dirty),
            change @ Change::Quarantine { .. } => {
                quarantine(tools, row.id, change, heard).await?;
                return Ok(Dirty { answers: true, ..none });
            }
            Change::FetchAgain { label, detail, due } => {
                let again = tools.store.refetch(row.id, &label, &detail, due, tools.now());
                again.await.map_err(|e| unrecorded(tools, target, &e))?;
                return Err(outcome);
            }
            change => {
                setback(tools, target, change).await?;
                return Err(outcome);
            }
        }
    }
}

/// Whether a document could be opened now, once it is fetched.
fn may_open(tools: &Tools, row: &InboundRow, facts: &watch::Receiver<Facts>) -> bool {
    let record = inbound::Record { state: Inbound::Fetched, ..inbound::Record::from(row) };
    let facts = Facts { now: tools.now(), ..*facts.borrow() };
    let pace = crate::flow::Pace { due: Some(facts.now), ..record.pace };
    inbound::decide(&inbound::Record { pace, ..record }, &facts) == Act::Open
}

/// Fetches one into memory, opens it as it came, and archives it: what an office gets all day costs one step and no detour
/// over the spool. `None` where that did not end well after the fetch: then the sealed bytes are in the spool, recorded as
/// Fetched, so that nothing is decided here.
async fn at_once(
    tools: &Tools,
    row: &mut InboundRow,
    attempts: u32,
) -> Result<Option<Dirty>, (inbound::Record, Outcome)> {
    let mut record = inbound::Record::from(&*row);
    record.pace.attempts = attempts;
    let failed = |outcome| (record, outcome);
    let sealed = unless_cut(tools, fetch::fetch_whole(tools, row)).await.map_err(failed)?;
    let sealed: std::sync::Arc<[u8]> = sealed.into();
    let source = act::open::Sealed::Memory(sealed.clone());
    let round = row.offer.round;
    let record = move |tools: &Tools, archiving| {
        archived(tools, archiving, |archiving, at| tools.store.received(archiving, round, at))
    };
    match unless_cut(tools, act::open::open(tools, row.id, source, &mut None, record)).await {
        Ok(dirty) => Ok(Some(dirty)),
        Err(Outcome::Stopped) => Err(failed(Outcome::Stopped)),
        Err(outcome) => {
            tracing::debug!(?outcome, "not opened at once");
            let file = fetch::keep_whole(tools, row, sealed.to_vec()).await.map_err(failed)?;
            fetched(tools, row, file).await.map_err(failed)?;
            Ok(None)
        }
    }
}

/// One act of a received document with its record.
async fn one(tools: &Tools, row: &mut InboundRow, act: Act, heard: &mut Heard) -> Step<Dirty> {
    if act == Act::Fetch {
        let file = unless_cut(tools, fetch::fetch(tools, row)).await?;
        fetched(tools, row, file).await?;
        return Ok(Dirty::default());
    }
    let record = |tools: &Tools, archiving| {
        archived(tools, archiving, |archiving, at| tools.store.archived(archiving, at))
    };
    let opened = act::open::open(tools, row.id, act::open::Sealed::Spool, heard, record);
    let dirty = unless_cut(tools, opened).await?;
    row.state = Inbound::Archived;
    Ok(dirty)
}

async fn fetched(tools: &Tools, row: &mut InboundRow, file: String) -> Step<()> {
    let fetched = tools.store.fetched(row.id, row.offer.round, &file, tools.now());
    fetched.await.map_err(|e| act::store_trouble(&e))?;
    row.state = Inbound::Fetched;
    row.file = file;
    row.trouble = store::outbound::Trouble { due: Some(0), ..Default::default() };
    Ok(())
}

/// Records what lies in the archive, then delivers it. Blocks.
fn archived(
    tools: &Tools,
    archiving: store::inbound::Archiving,
    record: impl FnOnce(store::inbound::Archiving, i64) -> store::Ticket<Option<i64>>,
) -> Step<Dirty> {
    let (id, staged, delivered) = (archiving.id, archiving.staged.clone(), archiving.delivered.clone());
    let duplicate = record(archiving, tools.now()).wait().map_err(|e| act::store_trouble(&e))?;
    tracing::info!(state = "archived", duplicate, "收文完成");
    // From here on a failure changes nothing for the sender: delivery is tried again by itself.
    if staged.is_empty() {
        return Ok(Dirty { answers: true, reports: true, ..Dirty::default() });
    }
    let delivered = upkeep::deliver_now(tools, id, &staged, &delivered);
    if let Err(outcome) = &delivered {
        tracing::warn!(?outcome, "the delivery is tried again");
    }
    Ok(Dirty { answers: true, deliveries: delivered.is_err(), ..Dirty::default() })
}

async fn quarantine(tools: &Tools, id: i64, change: Change, heard: Heard) -> Step<()> {
    let Change::Quarantine { label, detail, answer } = change else { return Ok(()) };
    tracing::warn!(state = "quarantined", label, detail, answer, "收文異常");
    let quarantined = tools.store.quarantined(id, &label, &detail, answer, heard, tools.now());
    quarantined.await.map_err(|e| unrecorded(tools, Target::Inbound(id), &e))
}
