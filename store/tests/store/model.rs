//! Random operations against a small model in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;
use store::Store;
use store::inbound::Offered;
use store::outbound::{Resending, ResentLine};
use store::state::{Inbound, Line, Verdict, Word};

use crate::common::*;

const RECIPIENTS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// The center's receipt for the n-th part of the document.
    Accepted(usize),
    Verdict {
        round: u16,
        recipient: usize,
        verdict: Verdict,
    },
    Resend(Vec<usize>),
    OnPaper(Vec<usize>),
    Abandon(Vec<usize>),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let some = || proptest::collection::vec(0..RECIPIENTS, 1..=2);
    let verdict = prop_oneof![Just(Verdict::Confirmed), Just(Verdict::Returned)];
    prop_oneof![
        3 => (0..4_usize).prop_map(Step::Accepted),
        4 => (0..3_u16, 0..RECIPIENTS, verdict)
            .prop_map(|(round, recipient, verdict)| Step::Verdict { round, recipient, verdict }),
        2 => some().prop_map(Step::Resend),
        1 => some().prop_map(Step::OnPaper),
        1 => some().prop_map(Step::Abandon),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Clone, Copy)]
struct ModelLine {
    state: Line,
    round: u16,
    part: usize,
}

/// What the store must agree with, written from the rules and not from the code.
struct Model {
    lines: Vec<ModelLine>,
    /// Accepted or not, by part.
    parts: Vec<bool>,
    first: BTreeMap<(usize, u16), Verdict>,
}

impl Model {
    fn new() -> Self {
        let line = ModelLine { state: Line::Waiting, round: 0, part: 0 };
        Self { lines: vec![line; RECIPIENTS], parts: vec![false], first: BTreeMap::new() }
    }

    fn accepted(&mut self, part: usize) {
        if std::mem::replace(&mut self.parts[part], true) {
            return;
        }
        for (recipient, line) in self.lines.iter_mut().enumerate().filter(|(_, l)| l.part == part) {
            if matches!(line.state, Line::Waiting | Line::Returned) {
                line.state = Line::Accepted;
            }
            if line.state != Line::Accepted {
                continue;
            }
            let confirmed = self.first.iter().any(|((r, _), v)| *r == recipient && *v == Verdict::Confirmed);
            if confirmed {
                line.state = Line::Confirmed;
            } else if self.first.get(&(recipient, line.round)) == Some(&Verdict::Returned) {
                line.state = Line::Returned;
            }
        }
    }

    fn verdict(&mut self, round: u16, recipient: usize, verdict: Verdict) {
        let line = &mut self.lines[recipient];
        if round > line.round || self.first.contains_key(&(recipient, round)) {
            return;
        }
        self.first.insert((recipient, round), verdict);
        let early = round == line.round && !self.parts[line.part];
        if line.state == Line::Accepted && !early {
            match verdict {
                Verdict::Confirmed => line.state = Line::Confirmed,
                _ if round == line.round => line.state = Line::Returned,
                _ => {}
            }
        }
    }

    fn end(&mut self, recipients: &[usize], to: Line) -> bool {
        let fine = recipients.iter().all(|r| !self.lines[*r].state.is_final());
        if fine {
            for r in recipients {
                self.lines[*r].state = to;
            }
        }
        fine
    }
}

/// Reachable in at most two legal moves: one command may record the center's receipt and a verdict that came early.
fn legal(from: Line, to: Line) -> bool {
    from == to
        || from.may_become(to)
        || Line::ALL.iter().any(|middle| from.may_become(*middle) && middle.may_become(to))
}

fn unique(recipients: &[usize]) -> Vec<usize> {
    let mut list = recipients.to_vec();
    list.sort_unstable();
    list.dedup();
    list
}

fn check_outbound(steps: &[Step]) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), 0).unwrap();
    let mut parts = vec![sent(&store, 1, RECIPIENTS)];
    let mut model = Model::new();
    for (at, step) in (2000_i64..).zip(steps) {
        let before: Vec<Line> = store.lines(id(1)).unwrap().iter().map(|l| l.state).collect();
        match step {
            Step::Accepted(part) => {
                if let Some(number) = parts.get(*part) {
                    store.accepted(*number, format!("r{part}").into_bytes(), at, at).wait().unwrap();
                    model.accepted(*part);
                }
            }
            Step::Verdict { round, recipient, verdict } => {
                let line = says(1, *round, *recipient, *verdict);
                let seq = u64::try_from(at).unwrap();
                store.verdicts(bundle(&[line], seq), at).wait().unwrap();
                model.verdict(*round, *recipient, *verdict);
            }
            Step::Resend(recipients) => {
                let recipients = unique(recipients);
                let codes: Vec<_> = recipients.iter().map(|r| code(*r)).collect();
                let fine = recipients.iter().all(|r| !model.lines[*r].state.is_final());
                assert_eq!(store.resend(id(1), codes.clone(), "王", "", at).wait().is_ok(), fine);
                if !fine {
                    continue;
                }
                let round = store.next_round(id(1)).unwrap();
                let lines =
                    codes.into_iter().map(|recipient| ResentLine { recipient, ..ResentLine::default() });
                let resending = Resending {
                    document: id(1),
                    round,
                    parts: vec![part(1, round)],
                    lines: lines.collect(),
                    contents: Vec::new(),
                };
                parts.extend(store.resent(resending, at).wait().unwrap());
                model.parts.push(false);
                for r in recipients {
                    (model.lines[r].round, model.lines[r].part) = (round, parts.len() - 1);
                }
            }
            Step::OnPaper(recipients) | Step::Abandon(recipients) => {
                let recipients = unique(recipients);
                let codes = recipients.iter().map(|r| code(*r)).collect();
                let paper = matches!(step, Step::OnPaper(_));
                let (to, done) = if paper {
                    (Line::OnPaper, store.on_paper(id(1), codes, "王", "", at).wait())
                } else {
                    (Line::Abandoned, store.abandon(id(1), codes, "王", "", at).wait())
                };
                assert_eq!(done.is_ok(), model.end(&recipients, to));
            }
            Step::Reopen => {
                drop(store);
                store = Store::open(dir.path(), at).unwrap();
            }
        }
        let all = store.document(id(1)).unwrap().unwrap();
        let states: Vec<Line> = all.lines.iter().map(|l| l.state).collect();
        assert_eq!(states, model.lines.iter().map(|l| l.state).collect::<Vec<_>>(), "after {step:?}");
        assert!(before.iter().zip(&states).all(|(from, to)| legal(*from, *to)), "{before:?} {states:?}");
        assert_eq!(all.document.word, Word::of(all.document.state, &states));
        for part in &all.parts {
            let open = all.lines.iter().any(|l| l.part == part.id && !l.state.is_final());
            assert_eq!(part.settled, !open, "part {} after {step:?}", part.id);
            assert_eq!(part.todo, open && part.accepted_at.is_none());
        }
        assert!(all.verdicts.iter().filter(|v| v.first).count() == model.first.len());
    }
    store.check().unwrap();
}

#[derive(Debug, Clone)]
enum Arrival {
    Offer { round: u16, seq: u64 },
    Fetched,
    Archived,
    Quarantined(bool),
    Answered,
    Reported,
    Refetch,
    Reopened,
}

fn arrival() -> impl Strategy<Value = Arrival> {
    prop_oneof![
        3 => (0..3_u16, 1..4_u64).prop_map(|(round, seq)| Arrival::Offer { round, seq }),
        3 => Just(Arrival::Fetched),
        2 => Just(Arrival::Archived),
        2 => any::<bool>().prop_map(Arrival::Quarantined),
        3 => Just(Arrival::Answered),
        3 => Just(Arrival::Reported),
        1 => Just(Arrival::Refetch),
        1 => Just(Arrival::Reopened),
    ]
}

/// State, round, whether an answer is wanted, whether one is signed.
type Arrived = (Inbound, u16, bool, bool);

fn check_inbound(steps: &[Arrival]) {
    use Inbound::{Archived, Confirmed, Fetched, Offered as AtCenter, Quarantined, Reported};
    let (_dir, store) = open();
    let mut model: Option<Arrived> = None;
    let mut receipt = None;
    let mut confirmed_times = 0;
    for (at, step) in (2000_i64..).zip(steps) {
        let (row, now) = (1, model);
        let (done, next) = match (step, now) {
            (Arrival::Offer { round, seq }, _) => {
                let result = store.offered(vec![offer(1, *seq, *round)], None, at).wait().unwrap().remove(0);
                let next = match now {
                    None => (AtCenter, *round, false, false),
                    Some((state, old, ..)) if *round > old && !matches!(state, Archived | Confirmed) => {
                        (AtCenter, *round, false, false)
                    }
                    Some(same) => same,
                };
                assert_eq!(matches!(result, Offered::New(1)), now.is_none());
                (true, Some(next))
            }
            (_, None) => continue,
            (Arrival::Fetched, Some((state, round, ..))) => {
                let done = store.fetched(row, round, "i1", at).wait().is_ok();
                (done, (state == AtCenter).then_some((Fetched, round, false, false)))
            }
            (Arrival::Archived, Some((state, round, ..))) => {
                let done = store.archived(archiving(row, 1), at).wait().is_ok();
                (done, (state == Fetched).then_some((Archived, round, true, false)))
            }
            (Arrival::Quarantined(tell), Some((state, round, ..))) => {
                let done = store.quarantined(row, "bad", "", *tell, None, at).wait().is_ok();
                let may = matches!(state, AtCenter | Fetched);
                (done, may.then_some((Quarantined, round, *tell, false)))
            }
            (Arrival::Answered, Some((state, round, wanted, signed))) => {
                let made = store.answered(vec![answer(&[row])], at).wait();
                let may = matches!(state, Archived | Quarantined) && wanted && !signed;
                receipt = made.as_ref().ok().map(|numbers| numbers[0]).or(receipt);
                (made.is_ok(), may.then_some((state, round, wanted, true)))
            }
            (Arrival::Reported, Some((state, round, wanted, signed))) => {
                let Some(receipt) = receipt.filter(|_| signed) else { continue };
                store.reported(receipt, at).wait().unwrap();
                let to = match state {
                    Archived => Confirmed,
                    Quarantined => Reported,
                    other => other,
                };
                confirmed_times += u32::from(state == Archived);
                (true, Some((to, round, wanted, signed)))
            }
            (Arrival::Refetch, Some((state, round, ..))) => {
                let done = store.refetch(row, "spool-missing", "", at, at).wait().is_ok();
                (done, (state == Fetched).then_some((AtCenter, round, false, false)))
            }
            (Arrival::Reopened, Some((state, round, _, signed))) => {
                let had_file = store.inbound(row).unwrap().unwrap().inbound.file;
                let done = store.reopen(row, "王", "", at).wait().is_ok();
                let to = if had_file.is_empty() { AtCenter } else { Fetched };
                (done, (state == Quarantined && !signed).then_some((to, round, false, false)))
            }
        };
        assert_eq!(done, next.is_some(), "{step:?} from {now:?}");
        model = next.or(now);
        let is = store.inbound(row).unwrap().unwrap().inbound;
        let (state, round, wanted, signed) = model.unwrap();
        assert_eq!((is.state, is.offer.round, is.receipt.is_some()), (state, round, signed), "{step:?}");
        let waits = store.to_answer(9).unwrap().len();
        assert_eq!(waits, usize::from(wanted && !signed && matches!(state, Archived | Quarantined)));
        assert_eq!(is.trouble.due.is_some(), matches!(state, AtCenter | Fetched));
    }
    assert!(confirmed_times <= 1);
    store.check().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_go_as_the_model_says(steps in proptest::collection::vec(step(), 1..24)) {
        check_outbound(&steps);
    }

    #[test]
    fn received_documents_go_as_the_model_says(steps in proptest::collection::vec(arrival(), 1..24)) {
        check_inbound(&steps);
    }
}
