//! Documents that we send.

use store::boxes::Filter;
use store::outbound::{Effect, Resending, ResentLine};
use store::queue::{Take, Target};
use store::state::{Document, Line, Verdict, Word};
use store::{DUPLICATE, Error, Store};

use crate::common::*;

#[test]
fn from_claim_to_confirmation() {
    let (_dir, store) = open();
    let part = sent(&store, 1, 2);
    assert_eq!(word(&store, 1), Word::Waiting);
    store.accepted(part, b"receipt".to_vec(), 1100, 1101).wait().unwrap();
    assert_eq!((states(&store, 1), word(&store, 1)), (vec![Line::Accepted; 2], Word::Accepted));
    assert_eq!(store.open_parts(0, 10).unwrap().len(), 1);

    let both = [says(1, 0, 0, Verdict::Confirmed), says(1, 0, 1, Verdict::Confirmed)];
    let effects = store.verdicts(bundle(&both, 5), 1200).wait().unwrap();
    assert_eq!(effects, [Effect::Moved(Line::Confirmed); 2]);
    assert_eq!(word(&store, 1), Word::Confirmed);
    assert_eq!(store.cursors().unwrap().outcomes, 5);
    assert!(store.open_parts(0, 10).unwrap().is_empty());

    let all = store.document(id(1)).unwrap().unwrap();
    assert_eq!((all.files.len(), all.containers.len(), all.parts.len(), all.hints.len()), (1, 1, 1, 1));
    assert!(all.parts[0].settled);
    assert_eq!(all.parts[0].addressees, [(code(0), true), (code(1), true)]);
    let events: Vec<_> = all.journal.iter().map(|e| e.event.as_str()).collect();
    assert_eq!(events, ["claimed", "sealed", "accepted", "confirmed", "confirmed"]);
    let receipts = store.receipts(id(1)).unwrap();
    assert_eq!(receipts.iter().map(|r| r.kind.as_str()).collect::<Vec<_>>(), ["center", "outcome"]);
    assert!(store.spool_expired(1200, 10).unwrap().is_empty());
    let expired = store.spool_expired(1201, 10).unwrap();
    let mut names: Vec<_> = expired.iter().map(|file| file.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["c1", "p1-0"]);
    store.spool_forgotten(expired).wait().unwrap();
    assert!(store.spool_names().unwrap().is_empty());
    store.check().unwrap();
}

#[test]
fn the_loser_of_two_moves_is_told_where_the_document_stands() {
    let (_dir, store) = open();
    store.claim(claim(1), 1000).wait().unwrap();
    let sealed = store.sealed(sealing(1, 1), 1001);
    let refused = store.refused(id(1), "bad-roster", "", 1001);
    sealed.wait().unwrap();
    let error = refused.wait().unwrap_err();
    assert!(matches!(&error, Error::Moved { was, .. } if was == "sealed"), "{error}");
    assert_eq!(error.label(), "state-moved");
    assert_eq!(store.claim(claim(1), 1002).wait().unwrap_err().label(), "id-taken");
    assert_eq!(store.refused(id(9), "x", "", 1).wait().unwrap_err().label(), "not-found");
}

#[test]
fn a_sealing_that_contradicts_itself_leaves_nothing() {
    let (_dir, store) = open();
    store.claim(claim(1), 1000).wait().unwrap();
    let mut lost = sealing(1, 2);
    lost.lines[1].group = 7;
    assert_eq!(store.sealed(lost, 1001).wait().unwrap_err().label(), "bad-request");
    let mut twice = sealing(1, 2);
    twice.lines[1].recipient = code(0);
    assert_eq!(store.sealed(twice, 1001).wait().unwrap_err().label(), "bad-request");
    let all = store.document(id(1)).unwrap().unwrap();
    assert_eq!((all.document.state, all.parts.len(), all.lines.len()), (Document::Claimed, 0, 0));
    store.sealed(sealing(1, 2), 1002).wait().unwrap();
}

#[test]
fn the_same_bytes_again_are_held_until_a_person_says() {
    let (_dir, store) = open();
    store.claim(claim(1), 1000).wait().unwrap();
    let mut again = claim(2);
    again.digest = digest(1);
    assert_eq!(store.claim(again.clone(), 1001).wait().unwrap().duplicate_of, Some(id(1)));
    let held = store.document(id(2)).unwrap().unwrap().document;
    assert!(held.trouble.held && held.trouble.label == DUPLICATE && held.duplicate_of == Some(id(1)));
    let take = Take { now: 2000, limit: 10, at_most: None };
    assert_eq!(store.due_documents(take).unwrap().len(), 1);
    assert_eq!(alarms(&store), [DUPLICATE]);

    store.release(Target::Document(id(2)), "王小明", "真的要再發", 1500).wait().unwrap();
    assert_eq!(store.due_documents(take).unwrap().len(), 2);

    // what was refused does not count as sent
    again.id = id(3);
    again.digest = digest(33);
    store.claim(again.clone(), 1600).wait().unwrap();
    store.refused(id(3), "bad-roster", "", 1601).wait().unwrap();
    again.id = id(4);
    assert_eq!(store.claim(again, 1602).wait().unwrap().duplicate_of, None);
    // dropped by a person: final, and never due
    store.hold(Target::Document(id(4)), "王小明", "", 1603).wait().unwrap();
    store.abandon(id(4), vec![], "王小明", "按錯", 1604).wait().unwrap();
    let dropped = store.document(id(4)).unwrap().unwrap().document;
    assert_eq!((dropped.word, dropped.trouble.label.as_str()), (Word::Refused, "abandoned"));
    assert!(!dropped.trouble.held);
}

#[test]
fn the_first_verdict_is_final_and_a_contradiction_is_kept() {
    let (_dir, store) = open();
    let part = sent(&store, 1, 1);
    store.accepted(part, b"r".to_vec(), 1100, 1101).wait().unwrap();
    let yes = says(1, 0, 0, Verdict::Confirmed);
    let no = says(1, 0, 0, Verdict::Returned);
    let one = |line: &store::outbound::VerdictLine, seq| {
        store.verdicts(bundle(std::slice::from_ref(line), seq), 1200).wait().unwrap()[0]
    };
    assert_eq!(one(&yes, 1), Effect::Moved(Line::Confirmed));
    assert_eq!(one(&yes, 2), Effect::Repeated);
    assert_eq!(one(&no, 3), Effect::Contradicts(Verdict::Confirmed));
    assert_eq!(one(&no, 4), Effect::Contradicts(Verdict::Confirmed));
    assert_eq!(states(&store, 1), [Line::Confirmed]);
    assert_eq!(alarms(&store), ["contradiction"], "once, not per repetition");
    let kept = store.document(id(1)).unwrap().unwrap().verdicts;
    assert_eq!(
        kept.iter().map(|v| (v.verdict, v.first)).collect::<Vec<_>>(),
        [(Verdict::Confirmed, true), (Verdict::Returned, false)]
    );
    assert_eq!(store.receipt(kept[1].receipt).unwrap().unwrap().bytes, b"bundle 3");
    assert_eq!(one(&says(1, 0, 0, Verdict::Misdirected), 5), Effect::Kept);
    assert_eq!(store.lines(id(1)).unwrap()[0].label, "misdirected");
    assert_eq!(one(&says(1, 1, 0, Verdict::Confirmed), 6), Effect::Unknown, "no such round");
    assert_eq!(one(&says(8, 0, 0, Verdict::Confirmed), 7), Effect::Unknown, "no such document");
}

#[test]
fn a_verdict_before_the_centers_receipt_waits_for_it() {
    let (_dir, store) = open();
    let part = sent(&store, 1, 2);
    let lines = [says(1, 0, 0, Verdict::Confirmed), says(1, 0, 1, Verdict::Returned)];
    assert_eq!(store.verdicts(bundle(&lines, 1), 1100).wait().unwrap(), [Effect::Early; 2]);
    assert_eq!(states(&store, 1), [Line::Waiting; 2]);
    store.accepted(part, b"r".to_vec(), 1050, 1200).wait().unwrap();
    assert_eq!((states(&store, 1), word(&store, 1)), (vec![Line::Confirmed, Line::Returned], Word::Returned));
}

fn resend(store: &Store, n: u32, recipients: &[usize]) -> i64 {
    let round = store.next_round(id(n)).unwrap();
    let lines = recipients
        .iter()
        .map(|r| ResentLine { recipient: code(*r), certificate: digest(9), ..ResentLine::default() })
        .collect();
    let resending =
        Resending { document: id(n), round, parts: vec![part(n, round)], lines, contents: Vec::new() };
    store.resent(resending, 1400).wait().unwrap()[0]
}

#[test]
fn a_returned_line_is_sent_again_as_the_next_round() {
    let (_dir, store) = open();
    let first = sent(&store, 1, 2);
    store.accepted(first, b"r0".to_vec(), 1100, 1101).wait().unwrap();
    let lines = [says(1, 0, 0, Verdict::Confirmed), says(1, 0, 1, Verdict::Returned)];
    store.verdicts(bundle(&lines, 1), 1200).wait().unwrap();

    assert_eq!(store.resend(id(1), vec![code(0)], "王", "", 1300).wait().unwrap_err().label(), "state-moved");
    assert_eq!(store.resend(id(1), vec![], "王", "換卡", 1300).wait().unwrap(), 1);
    let due = store.due_documents(Take { now: 1300, limit: 5, at_most: None }).unwrap();
    assert_eq!((due.len(), due[0].state), (1, Document::Sealed));
    assert_eq!(store.lines(id(1)).unwrap().iter().map(|l| l.resend).collect::<Vec<_>>(), [false, true]);

    let second = resend(&store, 1, &[1]);
    assert!(store.due_documents(Take { now: 9999, limit: 5, at_most: None }).unwrap().is_empty());
    assert!(store.part(first).unwrap().unwrap().settled, "nobody is left in the old part");
    let due = store.due_parts(Take { now: 9999, limit: 5, at_most: None }).unwrap();
    assert_eq!((due.len(), due[0].id, due[0].round), (1, second, 1));
    assert_eq!(due[0].addressees, [(code(1), true)]);

    // what the old round says now is kept, and decides nothing
    let late = [says(1, 0, 1, Verdict::Returned)];
    assert_eq!(store.verdicts(bundle(&late, 2), 1401).wait().unwrap(), [Effect::Repeated]);
    store.accepted(second, b"r1".to_vec(), 1500, 1501).wait().unwrap();
    assert_eq!(states(&store, 1), [Line::Confirmed, Line::Accepted]);
    let done = [says(1, 1, 1, Verdict::Confirmed)];
    assert_eq!(store.verdicts(bundle(&done, 3), 1600).wait().unwrap(), [Effect::Moved(Line::Confirmed)]);
    assert_eq!(word(&store, 1), Word::Confirmed);
    let old =
        Resending { document: id(1), round: 1, parts: vec![part(1, 1)], lines: vec![], contents: Vec::new() };
    assert_eq!(store.resent(old, 1700).wait().unwrap_err().label(), "bad-request");
}

#[test]
fn a_confirmation_of_an_older_round_confirms_an_unanswered_line() {
    let (_dir, store) = open();
    let first = sent(&store, 1, 1);
    store.accepted(first, b"r0".to_vec(), 1100, 1101).wait().unwrap();
    store.resend(id(1), vec![code(0)], "王", "沒有回音", 1300).wait().unwrap();
    let second = resend(&store, 1, &[0]);
    let yes = [says(1, 0, 0, Verdict::Confirmed)];
    assert_eq!(store.verdicts(bundle(&yes, 1), 1401).wait().unwrap(), [Effect::Moved(Line::Confirmed)]);
    assert!(store.part(second).unwrap().unwrap().settled, "the second round need not be sent any more");
    assert!(store.due_parts(Take { now: 9999, limit: 5, at_most: None }).unwrap().is_empty());
}

#[test]
fn paper_and_giving_up_end_the_waiting_and_what_comes_late_is_shown() {
    let (_dir, store) = open();
    let part = sent(&store, 1, 3);
    store.accepted(part, b"r".to_vec(), 1100, 1101).wait().unwrap();
    assert_eq!(store.on_paper(id(1), vec![code(0)], "王", "急件", 1200).wait().unwrap(), 1);
    assert_eq!(
        store.on_paper(id(1), vec![code(0)], "王", "", 1200).wait().unwrap_err().label(),
        "state-moved"
    );
    assert_eq!(store.abandon(id(1), vec![], "王", "機關裁撤", 1201).wait().unwrap(), 3, "and the name");
    assert_eq!(word(&store, 1), Word::OnPaper);
    let late = [says(1, 0, 0, Verdict::Confirmed), says(1, 0, 1, Verdict::Returned)];
    assert_eq!(store.verdicts(bundle(&late, 1), 1300).wait().unwrap(), [Effect::Kept; 2]);
    let lines = store.lines(id(1)).unwrap();
    assert_eq!(
        lines.iter().map(|l| (l.state, l.label.as_str())).collect::<Vec<_>>(),
        [(Line::OnPaper, "late-confirmed"), (Line::Abandoned, "late-returned"), (Line::Abandoned, "")]
    );
    let by_whom = store.document(id(1)).unwrap().unwrap().journal;
    assert!(by_whom.iter().any(|e| e.event == "on-paper" && e.actor == "王" && e.detail.contains("急件")));
}

#[test]
fn a_restored_center_gets_the_same_part_again() {
    let (_dir, store) = open();
    let part = sent(&store, 1, 1);
    store.epoch([1; 16], 1000).wait().unwrap();
    store.accepted(part, b"r".to_vec(), 1100, 1101).wait().unwrap();
    store.verdicts(bundle(&[], 7), 1102).wait().unwrap();
    assert!(!store.epoch([1; 16], 1200).wait().unwrap());
    assert!(store.epoch([2; 16], 1200).wait().unwrap());
    assert_eq!(store.cursors().unwrap(), store::meta::Cursors { epoch: [2; 16], ..Default::default() });
    assert_eq!(store.resubmit(vec![part, 999], 1300).wait().unwrap(), 1);
    let due = store.due_parts(Take { now: 1300, limit: 5, at_most: None }).unwrap();
    assert_eq!((due.len(), due[0].file.as_str()), (1, "p1-0"));
    assert_eq!(states(&store, 1), [Line::Accepted]);
    store.accepted(part, b"second receipt".to_vec(), 1400, 1401).wait().unwrap();
    let now = store.part(part).unwrap().unwrap();
    assert_eq!((now.todo, now.accepted_at), (false, Some(1100)), "the first receipt stands");
    assert_eq!(store.receipt(now.receipt.unwrap()).unwrap().unwrap().bytes, b"r");
}

#[test]
fn the_box_is_filtered_paged_and_says_how_many_stand_where() {
    let (_dir, store) = open();
    for n in 1..=25 {
        let mut c = claim(n);
        c.about.subject = if n % 5 == 0 { "會議通知".into() } else { "檢送資料".into() };
        store.claim(c, 1000 + i64::from(n / 2)).wait().unwrap();
    }
    store.sealed(sealing(7, 3), 1100).wait().unwrap();
    store.refused(id(8), "bad-roster", "第 3 行", 1100).wait().unwrap();

    let mut filter = Filter { limit: 10, ..Filter::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.outbox(&filter).unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some((last.document.claimed_at, last.document.key));
        seen.extend(page.iter().map(|row| row.document.id));
    }
    assert_eq!(seen, (1..=25).rev().map(id).collect::<Vec<_>>(), "each once, newest first");

    let with = |filter: Filter<Word>| store.outbox(&filter).unwrap().len();
    assert_eq!(with(Filter { text: "會議".into(), ..Filter::default() }), 5);
    assert_eq!(with(Filter { text: "受文機關2".into(), ..Filter::default() }), 1);
    assert_eq!(with(Filter { states: vec![Word::Refused, Word::Waiting], ..Filter::default() }), 2);
    assert_eq!(with(Filter { since: Some(1010), until: Some(1012), ..Filter::default() }), 4);
    let row = &store.outbox(&Filter { states: vec![Word::Waiting], ..Filter::default() }).unwrap()[0];
    assert_eq!((row.lines.clone(), row.hints), (vec![(Line::Waiting, 3)], 1));
    assert_eq!(row.first_recipient, "受文機關0");
    let counters = store.counters().unwrap();
    assert_eq!(counters.documents, [(Word::Claimed, 23), (Word::Refused, 1), (Word::Waiting, 1)]);

    let found = store.find("0000 0007-D0", 5).unwrap();
    assert_eq!(found, [store::boxes::Found::Document(id(7))]);
    assert_eq!(store.find("000000", 5).unwrap().len(), 5);
    assert!(store.find("xyz", 5).unwrap().is_empty());
}

#[test]
fn the_note_follows_the_word() {
    let (_dir, store) = open();
    let part = sent(&store, 1, 1);
    let tell = || store.to_note(5).unwrap().into_iter().map(|d| d.word).collect::<Vec<_>>();
    assert_eq!(tell(), [Word::Waiting]);
    store.noted(id(1), Word::Waiting, "sent/公文1.txt", 1200).wait().unwrap();
    assert!(tell().is_empty());
    store.accepted(part, b"r".to_vec(), 1100, 1201).wait().unwrap();
    assert_eq!(tell(), [Word::Accepted]);
}

#[test]
fn a_receipt_is_held_against_what_was_sealed_to_its_recipient_in_its_round() {
    let (_dir, store) = open();
    sent(&store, 1, 2);
    let first = store.sealed_to(id(1), &code(1), 0).unwrap().unwrap();
    assert_eq!((first.manifest, first.sealed, first.certificate), (digest(1), digest(3), digest(1)));
    assert_eq!(store.sealed_to(id(1), &code(2), 0).unwrap(), None, "not a recipient");
    assert_eq!(store.sealed_to(id(1), &code(1), 1).unwrap(), None, "no such round yet");

    store.resend(id(1), vec![code(1)], "王小明", "試", 1100).wait().unwrap();
    let line = ResentLine { recipient: code(1), variant: 0, group: 0, certificate: digest(9) };
    let again = Resending {
        document: id(1),
        round: 1,
        parts: vec![store::outbound::NewPart { sealed: digest(8), ..part(1, 1) }],
        lines: vec![line],
        contents: Vec::new(),
    };
    store.resent(again, 1101).wait().unwrap();
    let old = store.sealed_to(id(1), &code(1), 0).unwrap().unwrap();
    let new = store.sealed_to(id(1), &code(1), 1).unwrap().unwrap();
    assert_eq!((old.sealed, new.sealed), (digest(3), digest(8)));
    assert_eq!(store.sealed_to(id(1), &code(0), 1).unwrap(), None, "the other one is not in that round");
}
