//! Due order, pauses, tries, troubles.

use store::queue::{Setback, Take, Target};
use store::state::Priority;
use store::{Error, HELD};

use crate::common::*;

const LATER: i64 = 1_000_000;

fn take(now: i64) -> Take {
    Take { now, limit: 100, at_most: None }
}

#[test]
fn urgent_first_then_longest_due_then_smallest() {
    let (_dir, store) = open();
    let rows = [
        (1, Priority::Normal, 10, 500),
        (2, Priority::Fast, 30, 500),
        (3, Priority::Fastest, 40, 900),
        (4, Priority::Normal, 10, 100),
        (5, Priority::Fast, 20, 9_000_000),
        (6, Priority::Fastest, 99, 1),
    ];
    for (n, priority, at, size) in rows {
        let mut c = claim(n);
        (c.about.priority, c.size) = (priority, size);
        store.claim(c, at).wait().unwrap();
    }
    let due = |take| -> Vec<u32> {
        let rows = store.due_documents(take).unwrap();
        rows.iter().map(|d| u32::from_be_bytes(d.id[..4].try_into().unwrap())).collect()
    };
    assert_eq!(due(take(50)), [3, 5, 2, 4, 1], "6 is not due yet");
    assert_eq!(due(Take { now: 50, limit: 2, at_most: None }), [3, 5]);
    assert_eq!(due(Take { now: 50, limit: 9, at_most: Some(1_000_000) }), [3, 2, 4, 1], "5 is too big");
    assert_eq!(store.next_due().unwrap(), Some(10));
}

#[test]
fn deaths_stay_counted_over_a_wait_and_end_with_an_outcome() {
    let (_dir, store) = open();
    let part = Target::Part(sent(&store, 1, 1));
    let begin = || store.attempt(part, "submit", LATER, 1100).wait().unwrap().begun;
    let wait = || {
        let away = Setback { label: "waits-for-link".into(), ..Setback::default() };
        store.setback(part, away, 1101).wait().unwrap();
        store.wake(vec!["waits-for-link".into()], 1102).wait().unwrap();
    };
    // as after every start: the link is away at first, then the step is begun, and the process dies in it
    for deaths in 1..=3 {
        assert_eq!(begin(), deaths, "after {} deaths", deaths - 1);
        wait();
        assert_eq!(begin(), deaths);
    }
    assert_eq!(store.due_parts(take(LATER)).unwrap()[0].trouble.begun, 3, "set apart at the next start");
    store.setback(part, Setback { counts: true, due: Some(1), ..Setback::default() }, 1103).wait().unwrap();
    assert_eq!(begin(), 1, "an outcome of its own is no death");
    wait();
    assert_eq!(store.due_parts(take(LATER)).unwrap()[0].trouble.step, None);
}

#[test]
fn a_try_is_counted_before_and_cleared_by_its_outcome() {
    let (_dir, store) = open();
    let part = Target::Part(sent(&store, 1, 1));
    for n in 1..=3 {
        let attempt = store.attempt(part, "submit", LATER, 1100).wait().unwrap();
        assert_eq!((attempt.attempts, attempt.begun), (n, 1));
        assert_eq!(store.due_parts(take(LATER - 1)).unwrap().len(), 0, "not taken twice");
        let lost = Setback {
            due: Some(1200),
            label: "link-down".into(),
            detail: "timeout".into(),
            counts: true,
            alarm: false,
        };
        store.setback(part, lost, 1101).wait().unwrap();
    }
    let row = &store.due_parts(take(1200)).unwrap()[0].trouble;
    assert_eq!((row.attempts, row.begun, row.step.as_deref(), row.label.as_str()), (3, 0, None, "link-down"));
    store.retry(Target::Document(id(1)), "王", "", 1150).wait().unwrap();
    assert_eq!(store.due_parts(take(1150)).unwrap()[0].trouble.attempts, 0);

    // the center has it: no try any more, no trouble any more
    let Target::Part(number) = part else { unreachable!() };
    store.accepted(number, b"r".to_vec(), 1, 1300).wait().unwrap();
    let done = store.part(number).unwrap().unwrap().trouble;
    assert_eq!((done.due, done.attempts, done.label.as_str()), (None, 0, ""));
    assert_eq!(store.attempt(part, "submit", LATER, 1301).wait().unwrap_err().label(), "state-moved");
    assert_eq!(store.next_due().unwrap(), None);
}

#[test]
fn what_waits_spends_no_try_and_wakes_by_what_it_waits_for() {
    let (_dir, store) = open();
    for n in 1..=3 {
        store.claim(claim(n), 1000).wait().unwrap();
        store.attempt(Target::Document(id(n)), "seal", LATER, 1001).wait().unwrap();
        let label = if n == 3 { "directory-stale" } else { "card-missing" };
        let waits = Setback { due: None, label: label.into(), ..Setback::default() };
        store.setback(Target::Document(id(n)), waits, 1002).wait().unwrap();
    }
    assert_eq!(store.next_due().unwrap(), None);
    assert!(store.due_documents(take(LATER)).unwrap().is_empty());
    let lines = store.verify_chain().unwrap();
    let again = Setback { due: None, label: "card-missing".into(), ..Setback::default() };
    store.setback(Target::Document(id(1)), again, 1003).wait().unwrap();
    assert_eq!(store.verify_chain().unwrap(), lines, "the same waiting again is no news");

    assert_eq!(store.wake(vec!["card-missing".into()], 2000).wait().unwrap(), 2);
    let due = store.due_documents(take(2000)).unwrap();
    assert_eq!((due.len(), due[0].trouble.attempts), (2, 0));
    assert_eq!(store.wake(vec![], 2001).wait().unwrap(), 1);
}

#[test]
fn what_is_held_is_left_alone_with_its_parts() {
    let (_dir, store) = open();
    let part = sent(&store, 1, 1);
    store.hold(Target::Part(part), "王", "等公文", 1100).wait().unwrap();
    assert!(store.due_parts(take(LATER)).unwrap().is_empty());
    assert_eq!(store.next_due().unwrap(), None);
    let row = store.document(id(1)).unwrap().unwrap().document.trouble;
    assert_eq!((row.held, row.label.as_str(), row.detail.as_str()), (true, HELD, "等公文"));
    let error = store.attempt(Target::Part(part), "submit", 1, 1).wait().unwrap_err();
    assert!(matches!(error, Error::Moved { was, .. } if was == "held"));
    assert!(store.hold(Target::Document(id(1)), "王", "", 1101).wait().is_err());
    assert_eq!(store.counters().unwrap().held, 1);

    // its outcome is recorded all the same
    store.release(Target::Document(id(1)), "王", "", 1200).wait().unwrap();
    assert_eq!(store.due_parts(take(1200)).unwrap().len(), 1);
    assert!(store.release(Target::Document(id(1)), "王", "", 1201).wait().is_err());
    let who: Vec<_> = store.document(id(1)).unwrap().unwrap().journal;
    assert_eq!(who.iter().filter(|e| e.actor == "王").count(), 2);
}

#[test]
fn attempts_survive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    for n in 1..=3 {
        let store = store::Store::open(dir.path(), 0).unwrap();
        if n == 1 {
            offered(&store, 1);
            store.fetched(1, 0, "i1", 1).wait().unwrap();
        }
        assert_eq!(store.attempt(Target::Inbound(1), "open", 0, 1).wait().unwrap().begun, n);
    }
}
