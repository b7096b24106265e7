//! The property test `flow`: random orders of events against a model of two sides and a center.
//!
//! What is persisted is in rows; a crash loses everything else, at any point of a step. After each event the
//! invariants of DESIGN §8 that the flow is answerable for are checked; at the end everything comes back and
//! all must arrive.
//!
//! A failure prints the shortest history that fails; `DI_MODEL_LOG` plays it again (see [`log`]), and `DI_MODEL_CASES` says
//! how many histories there are.

use proptest::prelude::*;
use store::state::{Document, Inbound, Line};

use super::outbound::{DocumentRecord, PartRecord};
use super::*;
use crate::link::MAX_SKEW;

mod log;

const RECIPIENTS: usize = 3;

/// Where in a step the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Die {
    Not,
    /// The attempt is recorded, nothing was touched.
    Before,
    /// The outside has changed, nothing is recorded.
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    Key,
    Link,
    Disk,
    Scanner,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Tick(i64),
    /// A side's wall clock is put forward or back.
    Jump(Side, i64),
    Flip(Side, World),
    Seal(Die),
    Submit(usize, Die, bool),
    Pull,
    Offer(usize),
    Fetch(usize, Die, bool),
    Open(usize, Die, Found),
    Answer,
    Report(usize, Die),
    Backup,
    Restore,
    OpenList,
    Forge(usize),
    Resend(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Sender,
    Receiver,
}

/// What opening finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Good,
    Bad,
    Missing,
    Trouble,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Confirmed,
    Returned,
}

#[derive(Debug, Clone, Default)]
struct Row {
    pace: Pace,
    label: String,
}

#[derive(Debug, Clone)]
struct Part {
    row: Row,
    round: u16,
    accepted: bool,
    resubmit: bool,
    manifest: u32,
    sealed: u32,
    to: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Receiver {
    state: Option<Inbound>,
    row: Row,
    round: u16,
    answer: bool,
    receipt: Option<(u16, Verdict)>,
    delivered: u32,
}

#[derive(Debug, Clone, Default)]
struct Center {
    /// (round, part index) → (manifest, sealed)
    parts: std::collections::BTreeMap<usize, (u32, u32)>,
    /// Receipts of receivers, in order.
    outcomes: Vec<(usize, u16, Verdict)>,
}

struct Model {
    /// True time, which is the center's.
    now: i64,
    /// How far each side's wall clock is ahead of it.
    ahead: [i64; 2],
    sender: Facts,
    receiver: Facts,
    document: Document,
    resend: Vec<usize>,
    row: Row,
    signed: u32,
    seals: u32,
    parts: Vec<Part>,
    lines: Vec<(Line, u16)>,
    verdicts: std::collections::BTreeMap<(usize, u16), Verdict>,
    alarms: u32,
    cursor: usize,
    receivers: Vec<Receiver>,
    center: Center,
    backup: Option<Center>,
    /// Verdicts that receivers ever signed: what a sender may believe.
    truth: Vec<(usize, u16, Verdict)>,
}

impl Model {
    fn new() -> Self {
        let row = Row { pace: Pace { due: Some(0), ..Pace::default() }, label: String::new() };
        let receiver = Receiver {
            state: None,
            row: Row::default(),
            round: 0,
            answer: false,
            receipt: None,
            delivered: 0,
        };
        Self {
            now: 0,
            ahead: [0, 0],
            sender: Facts::all(0),
            receiver: Facts::all(0),
            document: Document::Claimed,
            resend: Vec::new(),
            row,
            signed: 0,
            seals: 0,
            parts: Vec::new(),
            lines: Vec::new(),
            verdicts: Default::default(),
            alarms: 0,
            cursor: 0,
            receivers: vec![receiver; RECIPIENTS],
            center: Center::default(),
            backup: None,
            truth: Vec::new(),
        }
    }

    fn facts(&self, side: Side) -> Facts {
        let facts = match side {
            Side::Sender => self.sender,
            Side::Receiver => self.receiver,
        };
        let ahead = self.at(side) - self.now;
        Facts { now: self.at(side), clock: ahead.abs() <= MAX_SKEW, ..facts }
    }

    /// What a side's wall clock says.
    fn at(&self, side: Side) -> i64 {
        self.now + self.ahead[side as usize]
    }

    fn rows(&mut self, side: Side) -> Vec<&mut Row> {
        match side {
            Side::Sender => {
                let parts = self.parts.iter_mut().map(|part| &mut part.row);
                std::iter::once(&mut self.row).chain(parts).collect()
            }
            Side::Receiver => self.receivers.iter_mut().map(|receiver| &mut receiver.row).collect(),
        }
    }

    /// The loop notices it: what is due by the old time is due now (the store's `hasten`).
    fn jump(&mut self, side: Side, by: i64) {
        self.ahead[side as usize] += by;
        let now = self.at(side);
        for row in self.rows(side) {
            row.pace.due = row.pace.due.map(|due| due.min(now));
        }
        self.wake();
    }

    /// What comes back makes the rows due that wait for it: the store's `wake`.
    fn wake(&mut self) {
        let (sender, receiver) = (self.facts(Side::Sender), self.facts(Side::Receiver));
        let wake = |row: &mut Row, facts: &Facts| {
            let over = Why::ALL.iter().any(|w| w.label() == row.label && w.is_over(facts));
            if row.pace.due.is_none() && over {
                row.pace.due = Some(facts.now);
            }
        };
        wake(&mut self.row, &sender);
        self.parts.iter_mut().for_each(|p| wake(&mut p.row, &sender));
        self.receivers.iter_mut().for_each(|r| wake(&mut r.row, &receiver));
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::Tick(ms) => self.now += ms,
            Event::Jump(side, by) => self.jump(*side, *by),
            Event::Flip(side, what) => {
                let facts = match side {
                    Side::Sender => &mut self.sender,
                    Side::Receiver => &mut self.receiver,
                };
                match what {
                    World::Key => (facts.sign, facts.unwrap) = (!facts.sign, !facts.unwrap),
                    World::Link => facts.link = !facts.link,
                    World::Disk => facts.disk = !facts.disk,
                    World::Scanner => facts.scanner = !facts.scanner,
                }
                self.wake();
            }
            Event::Seal(die) => self.seal(*die),
            Event::Submit(part, die, lost) => self.submit(*part, *die, *lost),
            Event::Pull => self.pull(),
            Event::Offer(to) => self.offer(*to),
            Event::Fetch(to, die, cut) => self.fetch(*to, *die, *cut),
            Event::Open(to, die, found) => self.open(*to, *die, *found),
            Event::Answer => self.answer(),
            Event::Report(to, die) => self.report(*to, *die),
            Event::Backup => self.backup = Some(self.center.clone()),
            Event::Restore => {
                if let Some(old) = self.backup.clone() {
                    self.center = old;
                    self.cursor = 0;
                }
            }
            Event::OpenList => self.open_list(),
            Event::Forge(to) => {
                // A second, contradicting receipt for a round that has a verdict.
                let said = self.verdicts.iter().find(|((who, _), _)| who == to).map(|(k, v)| (*k, *v));
                if let Some(((who, round), verdict)) = said {
                    let other =
                        if verdict == Verdict::Confirmed { Verdict::Returned } else { Verdict::Confirmed };
                    self.center.outcomes.push((who, round, other));
                }
            }
            Event::Resend(to) => {
                if self.lines.get(*to).is_some_and(|(state, _)| *state == Line::Returned)
                    && !self.resend.contains(to)
                {
                    self.resend.push(*to);
                    self.row.pace = Pace { due: Some(self.at(Side::Sender)), ..Pace::default() };
                    self.row.label.clear();
                }
            }
        }
    }

    fn begin(row: &mut Row, now: i64) {
        row.pace.attempts += 1;
        row.pace.begun += 1;
        row.pace.due = Some(now + 1_000);
    }

    /// Records a setback; a forward move resets the pace by itself.
    fn back(row: &mut Row, change: &Change, alarms: &mut u32, before: u32) {
        let Change::Setback { due, counts, alarm, label, .. } = change else {
            panic!("not a setback: {change:?}")
        };
        row.pace.begun = 0;
        row.pace.due = *due;
        if !counts {
            row.pace.attempts = before;
        }
        row.label.clone_from(label);
        *alarms += u32::from(*alarm);
    }

    fn seal(&mut self, die: Die) {
        let facts = self.facts(Side::Sender);
        let record =
            DocumentRecord { state: self.document, resend: !self.resend.is_empty(), pace: self.row.pace };
        match outbound::decide(&record, &facts) {
            act @ (Act::Seal | Act::Reseal) => {
                assert!(facts.sign && facts.disk && facts.clock && !self.row.pace.held);
                let before = self.row.pace.attempts;
                let now = self.at(Side::Sender);
                Self::begin(&mut self.row, now);
                if die == Die::Before {
                    return;
                }
                if act == Act::Seal {
                    self.signed += 1;
                }
                self.seals += 1;
                if die == Die::After {
                    return; // spool orphans, removed at start
                }
                let record = DocumentRecord { pace: self.row.pace, ..record };
                let outcome = if facts.link {
                    Outcome::Done
                } else {
                    Outcome::Fault(Fault::wait(Why::Link, "directory"))
                };
                match outbound::apply(
                    &record,
                    &outcome,
                    &When { now: self.at(Side::Sender), ..When::default() },
                ) {
                    Change::Forward if act == Act::Seal => {
                        assert!(self.document.may_become(Document::Sealed));
                        self.document = Document::Sealed;
                        self.row = Row::default();
                        self.lines = vec![(Line::Waiting, 0); RECIPIENTS];
                        for to in [vec![0, 1], vec![2]] {
                            self.part(0, to);
                        }
                    }
                    Change::Forward => {
                        let to = std::mem::take(&mut self.resend);
                        self.row = Row::default();
                        let round = self.parts.iter().map(|p| p.round).max().unwrap_or(0) + 1;
                        self.part(round, to);
                    }
                    other => Self::back(&mut self.row, &other, &mut self.alarms, before),
                }
            }
            Act::SetApart => Self::back(&mut self.row, &outbound::set_apart(), &mut self.alarms, 0),
            Act::Nothing | Act::Until(_) | Act::Wait(_) => {}
            other => panic!("a document never does {other:?}"),
        }
    }

    fn part(&mut self, round: u16, to: Vec<usize>) {
        for who in &to {
            self.lines[*who].1 = round;
        }
        let row =
            Row { pace: Pace { due: Some(self.at(Side::Sender)), ..Pace::default() }, label: String::new() };
        let (manifest, sealed) = (self.signed, self.seals);
        self.parts.push(Part { row, round, accepted: false, resubmit: false, manifest, sealed, to });
    }

    fn submit(&mut self, index: usize, die: Die, lost: bool) {
        let facts = self.facts(Side::Sender);
        let now = self.at(Side::Sender);
        let Some(part) = self.parts.get_mut(index) else { return };
        let record = PartRecord {
            accepted: part.accepted && !part.resubmit,
            settled: part.to.iter().all(|w| self.lines[*w].0.is_final() || self.lines[*w].1 > part.round),
            pace: part.row.pace,
        };
        match outbound::decide_part(&record, &facts) {
            Act::Submit => {
                assert!(facts.link);
                assert_eq!(self.document, Document::Sealed, "nothing is sent before its row");
                let before = part.row.pace.attempts;
                Self::begin(&mut part.row, now);
                if die == Die::Before {
                    return;
                }
                let first = *self.center.parts.entry(index).or_insert((part.manifest, part.sealed));
                assert_eq!(first, (part.manifest, part.sealed), "a repeat has the same bytes");
                if die == Die::After {
                    return;
                }
                let outcome =
                    if lost { Outcome::Fault(Fault::retry("reply-lost", "")) } else { Outcome::Done };
                let record = PartRecord { pace: part.row.pace, ..record };
                match outbound::apply_part(&record, &outcome, &When { now, jitter: 500, ..When::default() }) {
                    Change::Forward => {
                        part.accepted = true;
                        part.resubmit = false;
                        part.row = Row::default();
                        let round = part.round;
                        for who in part.to.clone() {
                            let (state, current) = self.lines[who];
                            if current == round && state.may_become(Line::Accepted) {
                                self.lines[who].0 = Line::Accepted;
                            }
                            if let Some(v) = self.verdicts.get(&(who, round)).copied() {
                                self.verdict(who, round, v);
                            }
                        }
                    }
                    other => Self::back(&mut part.row, &other, &mut self.alarms, before),
                }
            }
            Act::SetApart => Self::back(&mut part.row, &outbound::set_apart(), &mut self.alarms, 0),
            Act::Nothing | Act::Until(_) | Act::Wait(_) => {}
            other => panic!("a part never does {other:?}"),
        }
    }

    /// Outcomes from the center, each once by the cursor, repeated after a restore.
    fn pull(&mut self) {
        if !self.sender.link {
            return;
        }
        while let Some((who, round, verdict)) = self.center.outcomes.get(self.cursor).copied() {
            self.cursor += 1;
            match self.verdicts.get(&(who, round)) {
                Some(first) if *first == verdict => {}
                Some(_) => self.alarms += 1,
                None => {
                    self.verdicts.insert((who, round), verdict);
                    self.verdict(who, round, verdict);
                }
            }
        }
    }

    fn verdict(&mut self, who: usize, round: u16, verdict: Verdict) {
        let (state, current) = self.lines[who];
        let next = match verdict {
            Verdict::Confirmed => Line::Confirmed,
            Verdict::Returned if round == current => Line::Returned,
            Verdict::Returned => return,
        };
        if state.may_become(next) {
            self.lines[who].0 = next;
            self.resend.retain(|r| *r != who);
        }
    }

    fn offer(&mut self, to: usize) {
        if !self.receiver.link {
            return;
        }
        // All that the center holds for it, oldest first: repeats included.
        let rounds: Vec<u16> = self
            .center
            .parts
            .keys()
            .filter_map(|index| self.parts.get(*index))
            .filter(|p| p.to.contains(&to))
            .map(|p| p.round)
            .collect();
        let now = self.at(Side::Receiver);
        let receiver = &mut self.receivers[to];
        for round in rounds {
            let fresh = Row { pace: Pace { due: Some(now), ..Pace::default() }, label: String::new() };
            match receiver.state {
                None => {
                    (receiver.state, receiver.row, receiver.round) = (Some(Inbound::Offered), fresh, round)
                }
                Some(Inbound::Quarantined | Inbound::Reported) if round > receiver.round => {
                    assert!(receiver.state.is_some_and(|s| s.may_become(Inbound::Offered)));
                    receiver.state = Some(Inbound::Offered);
                    (receiver.row, receiver.round) = (fresh, round);
                    (receiver.receipt, receiver.answer) = (None, false);
                }
                Some(_) => {}
            }
        }
    }

    fn receive(&mut self, to: usize, next: Inbound) {
        let state = self.receivers[to].state.unwrap();
        assert!(state.may_become(next), "{state} → {next}");
        self.receivers[to].state = Some(next);
        let due = matches!(next, Inbound::Fetched | Inbound::Offered).then_some(self.at(Side::Receiver));
        self.receivers[to].row = Row { pace: Pace { due, ..Pace::default() }, label: String::new() };
    }

    fn record(&mut self, to: usize, change: &Change, before: u32) {
        match change {
            Change::Forward => unreachable!(),
            Change::Quarantine { answer, .. } => {
                self.receive(to, Inbound::Quarantined);
                self.receivers[to].answer = *answer;
            }
            Change::FetchAgain { due, .. } => {
                self.receive(to, Inbound::Offered);
                self.receivers[to].row.pace.due = Some(*due);
            }
            other => Self::back(&mut self.receivers[to].row, other, &mut self.alarms, before),
        }
    }

    fn fetch(&mut self, to: usize, die: Die, cut: bool) {
        let facts = self.facts(Side::Receiver);
        let Some(state) = self.receivers[to].state else { return };
        let record = inbound::Record { state, pace: self.receivers[to].row.pace };
        match inbound::decide(&record, &facts) {
            Act::Fetch => {
                assert!(facts.link && facts.disk && state == Inbound::Offered);
                let before = record.pace.attempts;
                let now = self.at(Side::Receiver);
                Self::begin(&mut self.receivers[to].row, now);
                if die != Die::Not {
                    return;
                }
                let record = inbound::Record { pace: self.receivers[to].row.pace, ..record };
                let outcome = if cut { Outcome::Fault(Fault::wait(Why::Link, "cut")) } else { Outcome::Done };
                match inbound::apply(
                    &record,
                    &outcome,
                    &When { now: self.at(Side::Receiver), ..When::default() },
                ) {
                    Change::Forward => self.receive(to, Inbound::Fetched),
                    other => {
                        self.record(to, &other, before);
                        self.wake(); // the link is there again at once
                    }
                }
            }
            Act::SetApart if state == Inbound::Offered => self.record(to, &inbound::set_apart(), 0),
            _ => {}
        }
    }

    fn open(&mut self, to: usize, die: Die, found: Found) {
        let facts = self.facts(Side::Receiver);
        let Some(state) = self.receivers[to].state else { return };
        let record = inbound::Record { state, pace: self.receivers[to].row.pace };
        match inbound::decide(&record, &facts) {
            Act::Open => {
                assert!(facts.unwrap && facts.scanner && facts.disk && facts.clock);
                let before = record.pace.attempts;
                let now = self.at(Side::Receiver);
                Self::begin(&mut self.receivers[to].row, now);
                if die != Die::Not {
                    return; // staged and archive folders are hidden: made anew
                }
                let record = inbound::Record { pace: self.receivers[to].row.pace, ..record };
                let outcome = match found {
                    Found::Good => Outcome::Done,
                    Found::Bad => Outcome::Bad { label: "unreadable".into(), detail: String::new() },
                    Found::Missing => Outcome::Gone { label: "spool-missing".into(), detail: String::new() },
                    Found::Trouble => Outcome::Fault(Fault::retry("archive-failed", "")),
                };
                match inbound::apply(
                    &record,
                    &outcome,
                    &When { now: self.at(Side::Receiver), ..When::default() },
                ) {
                    Change::Forward => {
                        self.receive(to, Inbound::Archived);
                        self.receivers[to].delivered += 1;
                    }
                    other => self.record(to, &other, before),
                }
            }
            Act::SetApart if state == Inbound::Fetched => self.record(to, &inbound::set_apart(), 0),
            _ => {}
        }
    }

    fn answer(&mut self) {
        let facts = self.facts(Side::Receiver);
        let waiting: Vec<usize> = (0..RECIPIENTS)
            .filter(|i| {
                let r = &self.receivers[*i];
                r.receipt.is_none()
                    && (r.state == Some(Inbound::Archived)
                        || (r.state == Some(Inbound::Quarantined) && r.answer))
            })
            .collect();
        let many = inbound::answers(waiting.len(), false, 2, &facts);
        assert!(many == 0 || facts.sign);
        for to in waiting.into_iter().take(many) {
            let r = &mut self.receivers[to];
            let verdict =
                if r.state == Some(Inbound::Archived) { Verdict::Confirmed } else { Verdict::Returned };
            r.receipt = Some((r.round, verdict));
            self.truth.push((to, r.round, verdict));
        }
    }

    fn report(&mut self, to: usize, die: Die) {
        if !self.receiver.link || die == Die::Before {
            return;
        }
        let Some((round, verdict)) = self.receivers[to].receipt else { return };
        if verdict == Verdict::Confirmed {
            assert_eq!(self.receivers[to].delivered, 1, "confirmed only what is archived");
        }
        if !self.center.outcomes.contains(&(to, round, verdict)) {
            self.center.outcomes.push((to, round, verdict));
        }
        if die == Die::After {
            return;
        }
        match self.receivers[to].state.unwrap() {
            Inbound::Archived => self.receive(to, Inbound::Confirmed),
            Inbound::Quarantined => self.receive(to, Inbound::Reported),
            _ => {}
        }
    }

    fn open_list(&mut self) {
        let now = self.at(Side::Sender);
        for (index, part) in self.parts.iter_mut().enumerate() {
            if part.accepted && !self.center.parts.contains_key(&index) {
                part.resubmit = true;
                part.row.pace.due = Some(now);
            }
        }
    }

    fn check(&self, before: &[(Line, u16)]) {
        // A container is signed once for all that leaves the house.
        let left: Vec<u32> = self.parts.iter().map(|p| p.manifest).collect();
        assert!(left.windows(2).all(|w| w[0] == w[1]), "one container");
        for (who, (state, _)) in self.lines.iter().enumerate() {
            if let Some((old, _)) = before.get(who) {
                assert!(!old.is_final() || old == state, "final stays: {old} → {state}");
            }
            if *state == Line::Confirmed {
                assert!(self.truth.iter().any(|(w, _, v)| *w == who && *v == Verdict::Confirmed));
                assert_eq!(self.receivers[who].delivered, 1);
            }
        }
        for r in &self.receivers {
            assert!(r.delivered <= 1, "delivered twice");
            let archived = matches!(r.state, Some(Inbound::Archived | Inbound::Confirmed));
            assert_eq!(archived, r.delivered == 1);
            if r.receipt.is_some_and(|(_, v)| v == Verdict::Confirmed) {
                assert!(archived, "confirmed what is not archived");
            }
        }
        let rows = self.parts.iter().map(|p| &p.row).chain(self.receivers.iter().map(|r| &r.row));
        for row in rows.chain([&self.row]) {
            assert!(row.pace.begun <= DEATHS, "begun again after {DEATHS} deaths");
        }
        let sending =
            self.parts.iter().map(|part| &part.row).chain([&self.row]).map(|row| (Side::Sender, row));
        let receiving = self.receivers.iter().map(|receiver| (Side::Receiver, &receiver.row));
        let longest = retry::Table::default().longest;
        for (side, row) in sending.chain(receiving) {
            let latest = self.at(side) + longest + longest / 4;
            assert!(
                row.pace.due.is_none_or(|due| due <= latest),
                "waits for a time that does not come: {row:?}"
            );
        }
    }

    /// Everything comes back; all must arrive, but for what was set apart.
    fn settle(&mut self) {
        (self.sender, self.receiver) = (Facts::all(0), Facts::all(0));
        let [sender, receiver] = self.ahead;
        self.jump(Side::Sender, -sender);
        self.jump(Side::Receiver, -receiver);
        for _ in 0..40 {
            self.now += 4_000_000;
            self.seal(Die::Not);
            self.open_list();
            for part in 0..self.parts.len() {
                self.submit(part, Die::Not, false);
            }
            for to in 0..RECIPIENTS {
                self.offer(to);
                self.fetch(to, Die::Not, false);
                self.open(to, Die::Not, Found::Good);
            }
            self.answer();
            for to in 0..RECIPIENTS {
                self.report(to, Die::Not);
                // A receiver whose center was restored reports again what it had reported.
            }
            self.pull();
        }
        if self.row.label == DIED {
            return;
        }
        assert_eq!(self.document, Document::Sealed);
        let apart = self.parts.iter().any(|p| p.row.label == DIED);
        for (who, (state, round)) in self.lines.clone().into_iter().enumerate() {
            let receiver = &self.receivers[who];
            let quarantined = receiver.state == Some(Inbound::Quarantined) && !receiver.answer;
            let answered = state == Line::Confirmed || state == Line::Returned;
            assert!(
                answered || apart || quarantined,
                "line {who} is {state} in round {round}: {receiver:?}\n{:?}",
                self.parts
            );
        }
    }
}

fn die() -> impl Strategy<Value = Die> {
    prop_oneof![8 => Just(Die::Not), 1 => Just(Die::Before), 1 => Just(Die::After)]
}

fn event() -> impl Strategy<Value = Event> {
    let side = || prop_oneof![Just(Side::Sender), Just(Side::Receiver)];
    let world = prop_oneof![Just(World::Key), Just(World::Link), Just(World::Disk), Just(World::Scanner)];
    let found = prop_oneof![
        6 => Just(Found::Good), 1 => Just(Found::Bad), 1 => Just(Found::Missing), 1 => Just(Found::Trouble)
    ];
    let to = || 0..RECIPIENTS;
    prop_oneof![
        3 => (1..90_000i64).prop_map(Event::Tick),
        2 => (side(), world).prop_map(|(s, w)| Event::Flip(s, w)),
        1 => (side(), -200_000..200_000i64).prop_map(|(s, ms)| Event::Jump(s, ms)),
        1 => (side(), -YEARS..YEARS).prop_map(|(s, ms)| Event::Jump(s, ms)),
        3 => die().prop_map(Event::Seal),
        4 => (0..5usize, die(), prop::bool::weighted(0.2)).prop_map(|(p, d, l)| Event::Submit(p, d, l)),
        2 => Just(Event::Pull),
        4 => to().prop_map(Event::Offer),
        4 => (to(), die(), prop::bool::weighted(0.2)).prop_map(|(t, d, c)| Event::Fetch(t, d, c)),
        4 => (to(), die(), found).prop_map(|(t, d, f)| Event::Open(t, d, f)),
        3 => Just(Event::Answer),
        3 => (to(), die()).prop_map(|(t, d)| Event::Report(t, d)),
        1 => Just(Event::Backup),
        1 => Just(Event::Restore),
        1 => Just(Event::OpenList),
        1 => to().prop_map(Event::Forge),
        1 => to().prop_map(Event::Resend),
    ]
}

/// Ten of them, milliseconds.
const YEARS: i64 = 10 * 365 * 86_400_000;

fn play(events: &[Event]) {
    let mut model = Model::new();
    for event in events {
        let before = model.lines.clone();
        model.step(event);
        model.check(&before);
    }
    model.settle();
}

fn cases() -> u32 {
    std::env::var("DI_MODEL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Random orders of key away, link cut, crash, lost reply, duplicate offers, clocks that jump, new epoch, resends,
    /// contradicting receipts.
    #[test]
    fn flow(events in prop::collection::vec(event(), 1..160)) {
        let again = log::read(&log::write(&events));
        prop_assert_eq!(again.as_deref(), Some(events.as_slice()));
        let played = std::panic::catch_unwind(|| play(&events));
        prop_assert!(played.is_ok(), "play it again with DI_MODEL_LOG='{}'", log::write(&events));
    }
}

/// Plays `DI_MODEL_LOG`, or a history in which everything happens once.
#[test]
fn replay() {
    let all = "seal:before tick:5000 seal:not submit:0:after:. tick:5000 submit:0:not:lost jump:sender:-90000000 \
               submit:0:not:. submit:1:not:. backup offer:0 offer:0 fetch:0:not:lost fetch:0:not:. flip:receiver:key \
               jump:receiver:400000 open:0:not:good flip:receiver:key jump:receiver:-400000 open:0:after:good tick:5000 \
               open:0:not:good answer report:0:after report:0:not pull restore open-list pull forge:0 resend:1";
    let log = std::env::var("DI_MODEL_LOG").unwrap_or_else(|_| all.to_owned());
    let events = log::read(&log).expect("a history as the test `flow` prints it");
    println!("{} events", events.len());
    play(&events);
}

#[test]
fn waits_spend_no_attempt_and_have_no_timer() {
    let record = PartRecord {
        accepted: false,
        settled: false,
        pace: Pace { due: Some(0), attempts: 1, begun: 1, held: false },
    };
    let change = outbound::apply_part(&record, &Outcome::Fault(Fault::wait(Why::Link, "")), &When::default());
    assert!(
        matches!(change, Change::Setback { due: None, counts: false, alarm: false, ref label, .. } if label == "waits-for-link")
    );
}

#[test]
fn the_third_death_sets_apart_without_a_return() {
    let pace = Pace { due: Some(0), attempts: 3, begun: DEATHS, held: false };
    let record = inbound::Record { state: Inbound::Fetched, pace };
    assert_eq!(inbound::decide(&record, &Facts::all(1)), Act::SetApart);
    assert!(matches!(inbound::set_apart(), Change::Quarantine { answer: false, .. }));
    let held = inbound::Record { pace: Pace { held: true, ..pace }, ..record };
    assert_eq!(inbound::decide(&held, &Facts::all(1)), Act::Nothing, "a person's pause comes first");
}

#[test]
fn what_could_not_be_fetched_is_never_sent_back() {
    let record = inbound::Record { state: Inbound::Offered, pace: Pace::default() };
    let bad = Outcome::Bad { label: "x".into(), detail: String::new() };
    assert!(matches!(
        inbound::apply(&record, &bad, &When::default()),
        Change::Quarantine { answer: false, .. }
    ));
}
