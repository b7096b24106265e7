//! The only loop: gather facts, decide, act (bounded), record, wake.
//!
//! It wakes on the intake, on news and state of the link, on finished jobs and on due times. A job performs one act
//! (received documents: one after the other, as long as the next one can follow at once), records what it changed, and
//! reports back; so finishing one step leads to the next without waiting for anything.
//!
//! Fair: most urgent first, bounded by `limits.in-flight` in each lane, and one place in each lane is for documents
//! under 1 MB. A silent recipient or center holds up nothing but its own jobs.
//!
//! The clock is read here and nowhere below.

mod card;
mod clock;
mod direct;
mod job;
mod lane;
mod pump;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use store::queue::{Take, Target};
use store::state::Word;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::act::ahead::Begun;
use crate::act::{Tools, answer};
use crate::flow::{Act, DEATHS, Facts, Why, inbound, outbound};
use crate::link::{Cursors, LinkState, News};
pub(crate) use clock::jump;
pub(crate) use direct::Direct;
pub(crate) use job::when;
use job::{Done, Work};
use lane::Lane;
use pump::Pumps;

/// Unix milliseconds.
#[must_use]
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// How long something that gave no answer (disk, scanner, key) is left alone before one more try finds out.
const PROBE: i64 = 15_000;
/// The same for the disk: looking is cheap, and everything waits for it.
const DISK: i64 = 2_000;
/// The same for certificates, where an answer that comes is noticed at once.
const TRUST: i64 = 60_000;
/// Between two looks at the certificates' ends, milliseconds.
const VALIDITY: i64 = 6 * 3_600_000;
/// How long jobs may take to end at a stop, and how long to record that they were cut off.
const GRACE: Duration = Duration::from_secs(4);
/// How long until what is still away is told again, ms.
const TELL_AGAIN: i64 = 3_600_000;
/// As which the loop tells its troubles.
const LOOP: &str = "loop";
/// Reports to the center at a time.
const REPORTS: usize = 4;
/// Between two rounds of notes for people: what changes twice within it is told once. Milliseconds.
const NOTES: i64 = 300;
/// While rows are worked on, due times are looked at so often.
const BUSY: Duration = Duration::from_millis(200);
/// Looked at at least so often, whatever was (not) reported.
const LOOK: Duration = Duration::from_secs(30);

/// What there is to look at again in the store. What a job has done is flagged by the job; what waits for a place, by its
/// lane; so that nothing is looked for that cannot be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dirty {
    pub(crate) documents: bool,
    pub(crate) parts: bool,
    pub(crate) inbound: bool,
    pub(crate) answers: bool,
    pub(crate) reports: bool,
    pub(crate) deliveries: bool,
    pub(crate) notes: bool,
    /// Notes that somebody waits for.
    pub(crate) urgent: bool,
}

impl Dirty {
    const ALL: Self = Self {
        documents: true,
        parts: true,
        inbound: true,
        answers: true,
        reports: true,
        deliveries: true,
        notes: true,
        urgent: true,
    };

    /// A unit was claimed, or claimed and sealed; it may be held.
    const CLAIMED: Self = Self {
        documents: true,
        parts: true,
        inbound: false,
        answers: false,
        reports: false,
        deliveries: false,
        notes: true,
        urgent: true,
    };

    const fn add(&mut self, other: Self) {
        self.documents |= other.documents;
        self.parts |= other.parts;
        self.inbound |= other.inbound;
        self.answers |= other.answers;
        self.reports |= other.reports;
        self.deliveries |= other.deliveries;
        self.notes |= other.notes;
        self.urgent |= other.urgent;
    }
}

pub(crate) struct Run {
    tools: Tools,
    facts: watch::Sender<Facts>,
    /// What gave no answer, and when it is tried again.
    away: BTreeMap<Why, i64>,
    /// When the journal was last told of it.
    told: BTreeMap<Why, i64>,
    lanes: [Lane; 3],
    busy: HashSet<Target>,
    reporting: HashSet<i64>,
    /// There are more than are reported at a time.
    more_reports: bool,
    signing: bool,
    delivering: bool,
    noting: bool,
    notes_after: i64,
    /// A note could not be written: none is tried before that.
    notes_not_before: i64,
    /// To be looked at again then, although no row says so.
    soon: Option<i64>,
    /// When the next row becomes due, as far as it was looked up.
    next_due: Option<Option<i64>>,
    /// The counters up to which news was asked for.
    asked: News,
    /// When the certificates' ends are looked at next; `None` while that runs.
    validity: Option<i64>,
    /// A row that the process died in twice runs alone, so that no neighbour is suspected with it.
    alone: bool,
    quiet: bool,
    /// Restored and not caught up: nothing else is begun; when it is asked (again). `i64::MAX`: under way.
    behind: Option<i64>,
    pumps: Pumps,
    clocks: clock::Clocks,
    jobs: JoinSet<()>,
    done: mpsc::UnboundedSender<Done>,
    dirty: Dirty,
}

/// A due row, and what to do with it.
struct Candidate {
    target: Target,
    act: Act,
    suspect: bool,
    size: u64,
    work: Work,
}

const DOCUMENTS: usize = 0;
const PARTS: usize = 1;
const INBOUND: usize = 2;

/// What the loop knows of the world before it has looked: nothing may begin.
pub(crate) fn nothing_known() -> watch::Sender<Facts> {
    watch::Sender::new(Facts { link: false, direct: false, ..Facts::all(now()) })
}

/// Runs until `stop`; then nothing new is begun, and what is under way may end.
pub(crate) async fn run(
    tools: Tools,
    facts: watch::Sender<Facts>,
    mut begun: mpsc::UnboundedReceiver<Begun>,
    stop: CancellationToken,
) {
    let (done, mut finished) = mpsc::unbounded_channel();
    let each = tools.config.limits.in_flight;
    let mut run = Run {
        facts,
        away: BTreeMap::new(),
        told: BTreeMap::new(),
        lanes: [Lane::new(each), Lane::new(each), Lane::new(each)],
        busy: HashSet::new(),
        reporting: HashSet::new(),
        more_reports: false,
        signing: false,
        delivering: false,
        noting: false,
        notes_after: 0,
        notes_not_before: 0,
        soon: None,
        next_due: None,
        asked: News::default(),
        validity: Some(0),
        alone: false,
        quiet: false,
        behind: tools.store.behind().unwrap_or(Some(0)).map(|_| 0),
        pumps: Pumps::default(),
        clocks: clock::Clocks::new(now()),
        jobs: JoinSet::new(),
        done,
        dirty: Dirty::ALL,
        tools,
    };
    run.begin().await;
    let mut state = run.tools.link.state();
    let mut news = run.tools.link.news();
    let mut answers = run.tools.revocation.changed();
    let mut moments = run.tools.card.as_ref().map(crate::card::Desk::moments);
    if let Some(moments) = &mut moments {
        let at_first = moments.borrow_and_update().clone();
        run.card_changed(&at_first).await;
    }
    let desk = run.tools.card.clone();
    let at_first = state.borrow_and_update().clone();
    run.link_changed(&at_first).await;
    loop {
        run.step().await;
        run.tell_direct();
        let sleep = run.until_due();
        tokio::select! {
            () = stop.cancelled() => break,
            Some(end) = finished.recv() => {
                run.ended(&end).await;
                while let Ok(end) = finished.try_recv() {
                    run.ended(&end).await;
                }
            }
            Some(step) = begun.recv() => {
                run.go_on(step);
                while let Ok(step) = begun.try_recv() {
                    run.go_on(step);
                }
            }
            () = run.tools.wake.notified() => run.all(),
            () = run.tools.claimed.notified() => run.dirty.add(Dirty::CLAIMED),
            Ok(()) = state.changed() => {
                let now_so = state.borrow_and_update().clone();
                run.link_changed(&now_so).await;
            }
            () = card::changed(&mut moments) => {
                let now_so = moments.as_mut().map(|moments| moments.borrow_and_update().clone());
                if let Some(now_so) = now_so {
                    run.card_changed(&now_so).await;
                }
            }
            () = card::doubted(desk.as_ref()) => run.pumps.want_own(),
            Ok(()) = answers.changed() => {
                let _ = answers.borrow_and_update();
                run.away.retain(|why, _| !matches!(why, Why::Trust | Why::Certificate));
                run.set(Why::Certificate, true);
                run.validity = run.validity.map(|at| at.min(now() + TRUST));
                run.wake(&[Why::Trust, Why::Certificate]).await;
            }
            Ok(()) = news.changed() => {
                let now_so = *news.borrow_and_update();
                run.pumps.want_news(run.asked, now_so);
                run.asked = now_so;
            }
            () = tokio::time::sleep(sleep) => {
                run.all();
                run.soon = run.soon.filter(|soon| *soon > now());
            }
            Some(_) = run.jobs.join_next() => {}
        }
    }
    run.end().await;
}

/// How long something that was found missing counts as away, milliseconds.
const fn away_for(why: Why) -> i64 {
    match why {
        Why::Link | Why::Clock => 1_000,
        // An answer wakes what waits for it.
        Why::Trust | Why::Certificate => TRUST,
        Why::Disk => DISK,
        Why::Key | Why::Scanner | Why::Permission => PROBE,
    }
}

/// Every label with which rows wait for these.
fn labels(whys: &[Why]) -> Vec<String> {
    let all =
        whys.iter().flat_map(|why| std::iter::once(why.label()).chain(why.more_labels().iter().copied()));
    all.map(str::to_owned).collect()
}

impl Run {
    /// Everything is looked at again.
    const fn all(&mut self) {
        self.dirty = Dirty::ALL;
        self.next_due = None;
    }

    /// Lets jobs end; then cuts them off, which they record, so that no stop looks like a death.
    async fn end(mut self) {
        self.facts.send_modify(|facts| facts.stopping = true);
        for cut in [false, true] {
            if cut {
                self.tools.cut.cancel();
            }
            let ending = async { while self.jobs.join_next().await.is_some() {} };
            if tokio::time::timeout(GRACE, ending).await.is_ok() {
                return;
            }
        }
        tracing::warn!("some jobs did not end in time; they are begun again at the next start");
        self.jobs.shutdown().await;
    }

    /// A restart is an event for all that waits.
    async fn begin(&mut self) {
        let labels = labels(&Why::ALL);
        if let Err(error) = self.tools.store.wake(labels, now()).await {
            tracing::error!(%error, "what waits could not be woken");
        }
        self.hasten_at_start().await;
    }

    fn tell_direct(&self) {
        let direct = !self.alone && !self.quiet && self.behind.is_none() && !self.tools.troubles.waits();
        self.facts.send_if_modified(|facts| std::mem::replace(&mut facts.direct, direct) != direct);
    }

    fn facts_now(&mut self) -> Facts {
        let now = now();
        self.facts.send_if_modified(|facts| {
            facts.now = now;
            false
        });
        let mut facts = *self.facts.borrow();
        facts.now = now;
        facts
    }

    /// What is back is tried again; the rows that waited for it become due.
    async fn came_back(&mut self) {
        let now = now();
        let back: Vec<Why> =
            self.away.iter().filter(|(_, until)| **until <= now).map(|(why, _)| *why).collect();
        for why in back {
            if why == Why::Disk && !self.told_all(now).await {
                self.away.insert(why, now + DISK);
                continue;
            }
            self.away.remove(&why);
            self.set(why, true);
            self.wake(&[why]).await;
        }
    }

    /// Tells store and journal what they could not take; says whether they have all of it.
    async fn told_all(&mut self, now: i64) -> bool {
        for target in self.tools.troubles.tell(&self.tools.store, now).await {
            self.busy.remove(&target);
            self.all();
        }
        !self.tools.troubles.waits()
    }

    fn set(&self, why: Why, there: bool) {
        self.facts.send_modify(|facts| match why {
            Why::Key => (facts.sign, facts.unwrap) = (there, there),
            Why::Disk => facts.disk = there,
            Why::Scanner => facts.scanner = there,
            Why::Certificate => facts.certificate = there,
            // The link speaks for itself, and for the clocks and permissions.
            Why::Link | Why::Trust | Why::Clock | Why::Permission => {}
        });
    }

    async fn wake(&mut self, whys: &[Why]) {
        let labels = labels(whys);
        match self.tools.store.wake(labels, now()).await {
            Ok(0) => {}
            Ok(_) => self.all(),
            Err(error) => tracing::error!(%error, "what waits could not be woken"),
        }
    }

    async fn link_changed(&mut self, state: &LinkState) {
        let up = state.up();
        let receive_only = self.tools.config.receive_only;
        self.facts.send_modify(|facts| {
            facts.link = up.is_some();
            facts.may_send = !receive_only && up.is_none_or(|up| up.welcome.may_send);
        });
        self.clock_told(state);
        self.registration(state);
        let Some(up) = up else { return };
        let first = self.tools.store.cursors().is_ok_and(|cursors| cursors.epoch == [0; 16]);
        match self.tools.store.epoch(up.welcome.epoch, now()).await {
            Ok(true) => {
                if !first {
                    tracing::warn!("the center begins a new epoch");
                }
                self.tools.link.seen(Cursors::default());
                self.tools.directory.forget();
                self.pumps.want_all();
            }
            Ok(false) => self.pumps.want_connected(),
            Err(error) => tracing::error!(%error, "the center's epoch could not be recorded"),
        }
        self.wake(&[Why::Link, Why::Trust, Why::Clock, Why::Permission]).await;
        self.all();
    }

    /// Decides and begins everything that can be begun now.
    async fn step(&mut self) {
        self.look_at_clock().await;
        self.came_back().await;
        let facts = self.facts_now();
        if facts.stopping {
            return;
        }
        if let Some(at) = self.behind {
            if facts.link && at <= facts.now {
                self.behind = Some(i64::MAX);
                self.spawn(Work::Pump(pump::Kind::CatchUp));
            }
            if self.dirty.deliveries {
                // needs nobody else
                self.dirty.deliveries = self.deliveries().is_err();
            }
            return;
        }
        if self.tools.troubles.waits()
            && !self.away.contains_key(&Why::Disk)
            && !self.told_all(facts.now).await
        {
            self.soon.get_or_insert(facts.now + DISK);
        }
        if self.quiet && self.jobs.is_empty() {
            self.quiet = false;
            self.all();
        }
        if self.alone || self.quiet {
            return;
        }
        let dirty = std::mem::take(&mut self.dirty);
        let mut failed = false;
        if dirty.documents {
            failed |= self.fill(DOCUMENTS, &facts).is_err();
        }
        if dirty.parts && facts.link && facts.may_send {
            failed |= self.fill(PARTS, &facts).is_err();
        }
        if dirty.inbound {
            failed |= self.fill(INBOUND, &facts).is_err();
        }
        if dirty.answers && facts.link {
            failed |= self.answers(&facts).is_err();
        }
        if dirty.reports && facts.link {
            failed |= self.reports().is_err();
        }
        if dirty.deliveries {
            failed |= self.deliveries().is_err();
        }
        if dirty.notes || dirty.urgent {
            let all = self.notes_after <= facts.now;
            let may = self.notes_not_before <= facts.now && !self.noting;
            failed |= may && (all || dirty.urgent) && self.notes(all).is_err();
            self.dirty.notes |= !all || !may;
            self.dirty.urgent |= dirty.urgent && !may;
        }
        // By a wrong clock it would tell of ends that are far away.
        if facts.clock && self.validity.is_some_and(|at| at <= facts.now) {
            self.validity = None;
            self.spawn(Work::Validity);
        }
        if facts.link {
            for kind in self.pumps.due(facts.now, facts.clock) {
                self.spawn(Work::Pump(kind));
            }
        }
        if failed {
            tracing::error!("the store could not be read; trying again");
            self.soon = Some(facts.now + 1_000);
        }
    }

    /// Begins due rows of a lane while it has room.
    fn fill(&mut self, which: usize, facts: &Facts) -> Result<(), store::Error> {
        loop {
            let Some(lane) = self.lanes.get_mut(which) else { return Ok(()) };
            let Some(at_most) = lane.room() else {
                lane.more = true;
                return Ok(());
            };
            // Those that are too large for the places left are not in the answer.
            lane.more = at_most.is_some();
            let take = Take { now: facts.now, limit: lane.look_at(), at_most };
            let candidates = self.candidates(which, take, facts)?;
            let (seen, mut begun) = (candidates.len(), 0);
            for candidate in candidates {
                let Some(lane) = self.lanes.get_mut(which) else { return Ok(()) };
                match lane.room() {
                    None => {
                        lane.more = true;
                        return Ok(());
                    }
                    Some(Some(most)) if candidate.size > most => {
                        lane.more = true;
                        continue;
                    }
                    Some(_) => {}
                }
                if self.may_begin(&candidate) {
                    begun += 1;
                    self.begin_row(which, candidate);
                }
            }
            if begun == 0 || seen < usize::try_from(take.limit).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }

    fn candidates(&self, lane: usize, take: Take, facts: &Facts) -> Result<Vec<Candidate>, store::Error> {
        let store = &self.tools.store;
        let suspect = |begun: u32| begun + 1 >= DEATHS;
        Ok(match lane {
            DOCUMENTS => store
                .due_documents(take)?
                .into_iter()
                .map(|row| {
                    let act = outbound::decide(&(&row).into(), facts);
                    let (target, suspect, size) =
                        (Target::Document(row.id), suspect(row.trouble.begun), row.size);
                    Candidate { target, act, suspect, size, work: Work::Document(Box::new(row), act) }
                })
                .collect(),
            PARTS => store
                .due_parts(take)?
                .into_iter()
                .map(|row| {
                    let act = outbound::decide_part(&(&row).into(), facts);
                    let (target, suspect, size) =
                        (Target::Part(row.id), suspect(row.trouble.begun), row.length);
                    Candidate { target, act, suspect, size, work: Work::Part(Box::new(row), act, None) }
                })
                .collect(),
            _ => store
                .due_inbound(take)?
                .into_iter()
                .map(|row| {
                    let act = inbound::decide(&(&row).into(), facts);
                    let (target, suspect) = (Target::Inbound(row.id), suspect(row.trouble.begun));
                    let size = row.offer.length;
                    Candidate { target, act, suspect, size, work: Work::Inbound(Box::new(row), act, None) }
                })
                .collect(),
        })
    }

    /// Whether there is something to begin for it now. A suspect waits until nothing else runs.
    fn may_begin(&mut self, candidate: &Candidate) -> bool {
        if self.busy.contains(&candidate.target) || self.alone || self.quiet {
            return false;
        }
        match candidate.act {
            Act::Nothing | Act::Until(_) | Act::Wait(_) => false,
            Act::SetApart => true,
            _ if candidate.suspect && !self.jobs.is_empty() => {
                self.quiet = true;
                false
            }
            _ => true,
        }
    }

    fn begin_row(&mut self, lane: usize, candidate: Candidate) {
        self.busy.insert(candidate.target);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.enter(candidate.target, candidate.size);
        }
        self.alone = candidate.suspect && candidate.act != Act::SetApart;
        self.spawn(candidate.work);
    }

    /// A step that was recorded as begun: nothing is left to decide, unless a person has stopped it since.
    fn go_on(&mut self, begun: Begun) {
        let Begun { target, place } = begun;
        let store = &self.tools.store;
        let found = match target {
            Target::Part(id) => {
                store.part(id).map(|row| row.map(|row| Work::Part(Box::new(row), Act::Submit, Some(place))))
            }
            Target::Inbound(id) => store.inbound_row(id).map(|row| {
                let row = row.filter(|row| !row.trouble.held)?;
                Some(Work::Inbound(Box::new(row), Act::Fetch, Some(place)))
            }),
            Target::Document(_) => return,
        };
        match found {
            Ok(Some(work)) if self.busy.insert(target) => self.spawn(work),
            // Its time comes by itself.
            Ok(_) => self.next_due = None,
            Err(error) => {
                tracing::error!(%error, "what was begun could not be read");
                self.next_due = None;
            }
        }
    }

    fn answers(&mut self, facts: &Facts) -> Result<(), store::Error> {
        if self.signing {
            // With what has come until that signature is made.
            self.dirty.answers = true;
            return Ok(());
        }
        let waiting = self.tools.store.to_answer(u32::try_from(answer::MOST).unwrap_or(u32::MAX))?;
        let many = inbound::answers(waiting.len(), self.signing, answer::MOST, facts);
        if many > 0 {
            self.signing = true;
            self.dirty.answers = many >= answer::MOST;
            self.spawn(Work::Answers(waiting.into_iter().take(many).collect()));
        }
        Ok(())
    }

    fn reports(&mut self) -> Result<(), store::Error> {
        // Those that are being reported are still in the answer.
        let room = u32::try_from(REPORTS + 1).unwrap_or(u32::MAX);
        for receipt in self.tools.store.to_report(room)? {
            if self.reporting.len() >= REPORTS {
                self.more_reports = true;
                return Ok(());
            }
            if self.reporting.insert(receipt.id) {
                self.spawn(Work::Report(Box::new(receipt)));
            }
        }
        self.more_reports = false;
        Ok(())
    }

    fn deliveries(&mut self) -> Result<(), store::Error> {
        if !self.delivering {
            let rows = self.tools.store.to_deliver(32)?;
            let rows: Vec<_> =
                rows.into_iter().filter(|row| !self.busy.contains(&Target::Inbound(row.id))).collect();
            if !rows.is_empty() {
                self.delivering = true;
                self.spawn(Work::Deliver(rows));
            }
        }
        Ok(())
    }

    /// Notes for people; what is refused or held is told at once, since somebody waits to put it right.
    fn notes(&mut self, all: bool) -> Result<(), store::Error> {
        if !self.noting {
            let mut rows = self.tools.store.to_note(32)?;
            rows.retain(|row| all || row.trouble.held || row.word == Word::Refused);
            if !rows.is_empty() {
                self.noting = true;
                self.spawn(Work::Notes(rows));
            }
        }
        Ok(())
    }

    fn spawn(&mut self, work: Work) {
        let (tools, facts, done) = (self.tools.clone(), self.facts.subscribe(), self.done.clone());
        self.jobs.spawn(async move {
            // Even a job that panics is reported, or its place would be lost for ever.
            let mut guard = job::Guard::new(done, work.ticket());
            guard.end = Some(job::perform(&tools, work, facts).await);
        });
    }

    /// A person must bring it back: told in the journal once an hour while it lasts. The link and what hangs on it come
    /// back alone, and are told by the link.
    fn alarm(&mut self, why: Why) {
        if why == Why::Key && self.tools.card.is_some() {
            // The card tells its own story in the journal.
            return;
        }
        if !matches!(why, Why::Disk | Why::Key | Why::Scanner | Why::Trust | Why::Certificate) {
            return;
        }
        // The first question is under way: most answers come at once.
        if why == Why::Trust && !self.tools.revocation.in_trouble() {
            return;
        }
        let now = now();
        if self.told.get(&why).is_some_and(|at| now.saturating_sub(*at) < TELL_AGAIN) {
            return;
        }
        self.told.insert(why, now);
        // Where the journal is on the full disk too, it is told later.
        self.tools.troubles.alarm(why.label().into(), now);
    }

    /// A job ended: its place is free, what it found missing is away for a while.
    async fn ended(&mut self, end: &Done) {
        match &end.ticket {
            job::Ticket::Row(target) => {
                if !self.tools.troubles.holds(*target) {
                    self.busy.remove(target);
                }
                if std::mem::take(&mut self.alone) {
                    // The others waited for it.
                    self.all();
                }
                let [documents, parts, inbound] = &mut self.lanes;
                self.dirty.documents |= documents.leave(*target);
                self.dirty.parts |= parts.leave(*target);
                self.dirty.inbound |= inbound.leave(*target);
            }
            job::Ticket::Answers => self.signing = false,
            job::Ticket::Report(id) => {
                self.reporting.remove(id);
                self.dirty.reports |= self.more_reports && !end.failed;
            }
            job::Ticket::Deliver => self.delivering = false,
            job::Ticket::Notes => {
                self.noting = false;
                self.notes_after = now() + NOTES;
                if end.failed {
                    self.notes_not_before = now() + PROBE;
                }
            }
            job::Ticket::Validity => self.validity = Some(now() + self.until_validity(end.failed)),
            job::Ticket::Pump(pump::Kind::CatchUp) => {
                self.behind = end.failed.then(|| now() + pump::AGAIN);
            }
            job::Ticket::Pump(kind) => self.pumps.ended(*kind, end.failed, now()),
        }
        if !end.failed && !self.away.contains_key(&Why::Disk) {
            self.tools.troubles.ends(LOOP);
        }
        self.dirty.add(end.dirty);
        if end.failed {
            self.next_due = None;
        }
        for why in &end.away {
            if *why == Why::Disk {
                self.tools.troubles.begins(LOOP, why.label(), &end.detail, now());
            }
            let desk = self.tools.card.as_ref().filter(|_| *why == Why::Key);
            let until = desk.map_or_else(|| now() + away_for(*why), |card| self.card_away(card));
            if self.away.insert(*why, until).is_none() {
                tracing::warn!(label = why.label(), "waiting");
                self.alarm(*why);
            }
            self.set(*why, false);
        }
        if end.failed && matches!(end.ticket, job::Ticket::Report(_) | job::Ticket::Answers) {
            // No row of its own that has a due time: looked at again with the next event, or soon.
            self.soon.get_or_insert_with(|| now() + 2_000);
        }
    }

    /// Certificates, and whose answer is missed, are looked at four times a day, when offices begin, and when our own
    /// certificate ends.
    fn until_validity(&self, failed: bool) -> i64 {
        if failed {
            return TRUST;
        }
        let own = self.tools.parts.sign.certificate().map(|own| own.not_after().saturating_add(1_000));
        let ends = own.map_or(i64::MAX, |at| at.saturating_sub(now()));
        let look = VALIDITY.min(crate::act::late::until_opening(now()));
        if ends > 0 { ends.min(look) } else { look }
    }

    /// Until the next due time, the next probe, or the regular look.
    fn until_due(&mut self) -> Duration {
        let now = now();
        if let Some(at) = self.behind {
            let wait = u64::try_from(at.saturating_sub(now)).unwrap_or(0).max(100);
            return Duration::from_millis(wait).min(LOOK);
        }
        if !self.busy.is_empty() {
            // Soon enough: every job that ends has its lane looked at, what has become due included.
            return BUSY;
        }
        let store = &self.tools.store;
        let due = *self.next_due.get_or_insert_with(|| store.next_due().ok().flatten());
        let probe = self.away.values().copied().min();
        let notes = self.dirty.notes.then_some(self.notes_after.max(self.notes_not_before));
        let Facts { link, clock, .. } = *self.facts.borrow();
        // What the center is asked for, and what is judged by time, cannot be begun without.
        let pumps = link.then(|| self.pumps.next(now, clock)).flatten();
        let validity = self.validity.filter(|_| clock);
        let next = [due, probe, notes, self.soon, validity, pumps].into_iter().flatten().min();
        let Some(next) = next else { return LOOK };
        // What is due and was not begun waits for a place or for an event, not for the time.
        let wait = u64::try_from(next.saturating_sub(now)).unwrap_or(0).max(100);
        Duration::from_millis(wait).min(LOOK)
    }
}
