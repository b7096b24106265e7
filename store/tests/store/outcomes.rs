//! The late and unanswered: what is open per recipient, and what a person does about it.

use store::Store;
use store::outcome::{Standing, Which};
use store::queue::{Setback, Target};
use store::state::{Inbound, Line, Verdict, Word};

use crate::common::*;

const ALL: Which = Which::Open { waiting_before: i64::MAX, back_before: i64::MAX };

fn codes(standings: &[Standing]) -> Vec<(u8, Vec<String>)> {
    let line = |s: &Standing| (s.document.id[3], s.lines.iter().map(|l| l.line.recipient.clone()).collect());
    standings.iter().map(line).collect()
}

fn open(store: &Store) -> Vec<Standing> {
    store.outcomes(ALL, 1000).unwrap().0
}

fn events(store: &Store, n: u32) -> Vec<(String, String, String)> {
    let all = store.document(id(n)).unwrap().unwrap().journal;
    all.into_iter().map(|e| (e.event, e.actor, e.detail)).collect()
}

#[test]
fn what_is_open_is_told_by_recipient_and_by_when_its_waiting_began() {
    let (_dir, store) = crate::common::open();
    let one = sent(&store, 1, 3);
    store.accepted(one, b"r".to_vec(), 2000, 2001).wait().unwrap();
    let said = [says(1, 0, 0, Verdict::Confirmed), says(1, 0, 1, Verdict::Returned)];
    store.verdicts(bundle(&said, 1), 5000).wait().unwrap();
    sent(&store, 2, 1);
    store.claim(claim(3), 1000).wait().unwrap();
    store.claim(claim(4), 1000).wait().unwrap();
    store.refused(id(4), "bad-roster", "", 1001).wait().unwrap();

    let all = open(&store);
    assert_eq!(codes(&all), [(1, vec![code(1), code(2)]), (2, vec![code(0)]), (3, vec![])]);
    assert!(all[0].lines.iter().all(|l| l.at_center) && !all[1].lines[0].at_center);
    assert_eq!(all[0].hints[0].hint.name, "某某里辦公處");

    let due = |waiting_before, back_before| {
        codes(&store.outcomes(Which::Open { waiting_before, back_before }, 1000).unwrap().0)
    };
    assert_eq!(due(1000, 5000), [], "before anything began to wait");
    assert_eq!(due(1001, 5000), [(1, vec![]), (2, vec![code(0)]), (3, vec![])], "not sent, and names");
    assert_eq!(due(2001, 5000), [(1, vec![code(2)]), (2, vec![code(0)]), (3, vec![])]);
    assert_eq!(due(0, 5001), [(1, vec![code(1)])], "what came back does not wait");

    let whole = store.outcomes(Which::Document(id(1)), 1).unwrap();
    assert_eq!((codes(&whole.0), whole.1), (vec![(1, vec![code(0), code(1), code(2)])], false));
    let day = store.outcomes(Which::Claimed(1000, 1001), 1000).unwrap().0;
    assert_eq!(day.len(), 4, "whatever became of them");
    assert!(store.outcomes(Which::Claimed(0, 1000), 1000).unwrap().0.is_empty());
    let (some, more) = store.outcomes(ALL, 2).unwrap();
    assert!(more && some.iter().map(|s| s.lines.len() + s.hints.len()).sum::<usize>() == 2);
}

#[test]
fn paper_and_giving_up_end_lines_and_names_with_who_and_why() {
    let (_dir, store) = crate::common::open();
    let part = sent(&store, 1, 3);
    store.accepted(part, b"r".to_vec(), 2000, 2001).wait().unwrap();
    let name = "某某里辦公處".to_owned();
    let paper = |who: Vec<String>| store.on_paper(id(1), who, "王小明", "逾次日未確認", 3000).wait();
    assert_eq!(paper(vec![code(0), name.clone()]).unwrap(), 2);
    assert_eq!(paper(vec![name.clone()]).unwrap_err().label(), "state-moved", "a name is decided once");
    assert_eq!(paper(vec!["XC77777777".into()]).unwrap_err().label(), "not-found");
    assert_eq!(states(&store, 1), [Line::OnPaper, Line::Accepted, Line::Accepted]);
    assert!(open(&store)[0].hints.is_empty());
    let line = events(&store, 1).pop().unwrap();
    let detail = format!("{} {name}: 逾次日未確認", code(0));
    assert_eq!(line, ("on-paper".to_owned(), "王小明".to_owned(), detail));

    // a part of several recipients that is refused as a whole changes nothing
    let both = store.abandon(id(1), vec![code(1), code(0)], "王", "", 3001).wait();
    assert_eq!(both.unwrap_err().label(), "state-moved");
    assert_eq!(states(&store, 1)[1], Line::Accepted);
    assert_eq!(store.abandon(id(1), vec![], "王", "停辦", 3002).wait().unwrap(), 2);
    assert!(open(&store).is_empty());
    let hints = store.outcomes(Which::Document(id(1)), 9).unwrap().0.remove(0).hints;
    assert_eq!((hints[0].done.as_str(), hints[0].done_at), ("on-paper", Some(3000)));

    // names alone, when every line is final already
    let part = sent(&store, 2, 1);
    store.accepted(part, b"r".to_vec(), 2000, 2001).wait().unwrap();
    store.verdicts(bundle(&[says(2, 0, 0, Verdict::Confirmed)], 1), 2002).wait().unwrap();
    assert_eq!(store.on_paper(id(2), vec![], "王", "", 3003).wait().unwrap(), 1);
    assert_eq!(store.on_paper(id(2), vec![], "王", "", 3004).wait().unwrap_err().label(), "state-moved");
    store.check().unwrap();
}

#[test]
fn a_resend_is_for_all_unconfirmed_and_not_for_what_is_held() {
    let (_dir, store) = crate::common::open();
    let part = sent(&store, 1, 3);
    store.accepted(part, b"r".to_vec(), 2000, 2001).wait().unwrap();
    let said = [says(1, 0, 0, Verdict::Confirmed), says(1, 0, 1, Verdict::Returned)];
    store.verdicts(bundle(&said, 1), 2002).wait().unwrap();
    store.hold(Target::Document(id(1)), "王", "", 2003).wait().unwrap();
    assert_eq!(store.resend(id(1), vec![], "王", "", 2004).wait().unwrap_err().label(), "state-moved");
    store.release(Target::Document(id(1)), "王", "", 2005).wait().unwrap();
    assert_eq!(store.resend(id(1), vec![], "王", "未確認", 2006).wait().unwrap(), 2);
    let asked: Vec<bool> = store.lines(id(1)).unwrap().iter().map(|l| l.resend).collect();
    assert_eq!(asked, [false, true, true]);

    // a resend that cannot be made, and what a person does instead: nothing of it stays behind
    let gone = Setback { label: "container-gone".into(), alarm: true, ..Setback::default() };
    store.setback(Target::Document(id(1)), gone, 2007).wait().unwrap();
    store.on_paper(id(1), vec![code(1)], "王", "", 2008).wait().unwrap();
    assert_eq!(store.document(id(1)).unwrap().unwrap().document.trouble.label, "container-gone");
    store.on_paper(id(1), vec![code(2)], "王", "", 2009).wait().unwrap();
    let document = store.document(id(1)).unwrap().unwrap().document;
    assert_eq!((document.word, document.trouble.label.as_str()), (Word::Confirmed, ""));
    assert_eq!(store.next_due().unwrap(), None);
}

#[test]
fn a_notice_after_the_confirmation_moves_nothing_and_stays_open_until_dealt_with() {
    let (_dir, store) = crate::common::open();
    let part = sent(&store, 1, 2);
    store.accepted(part, b"r".to_vec(), 2000, 2001).wait().unwrap();
    let yes = [says(1, 0, 0, Verdict::Confirmed), says(1, 0, 1, Verdict::Confirmed)];
    store.verdicts(bundle(&yes, 1), 2002).wait().unwrap();
    store.on_paper(id(1), vec![], "王", "", 2003).wait().unwrap();
    assert!(open(&store).is_empty());
    let mut no = says(1, 0, 1, Verdict::Misdirected);
    no.label = store::INCOMPLETE.into();
    store.verdicts(bundle(&[no], 2), 2500).wait().unwrap();
    assert_eq!((states(&store, 1), word(&store, 1)), (vec![Line::Confirmed; 2], Word::Confirmed));
    let found = open(&store);
    assert_eq!(codes(&found), [(1, vec![code(1)])]);
    let line = &found[0].lines[0];
    assert_eq!((line.notice.as_str(), line.notice_at), ("incomplete", Some(2500)));
    assert_eq!(alarms(&store), ["misdirected"]);

    // one that overtakes the confirmation which it follows is not lost
    let part = sent(&store, 2, 1);
    store.accepted(part, b"r".to_vec(), 2000, 2001).wait().unwrap();
    store.verdicts(bundle(&[says(2, 0, 0, Verdict::Misdirected)], 3), 2510).wait().unwrap();
    store.verdicts(bundle(&[says(2, 0, 0, Verdict::Confirmed)], 4), 2511).wait().unwrap();
    store.on_paper(id(2), vec![], "王", "", 2512).wait().unwrap();
    assert_eq!(open(&store)[1].lines[0].notice, "misdirected");
    store.settled_notice(id(2), vec![], "王", "已改寄", 2513).wait().unwrap();

    let settle = |who: Vec<String>| store.settled_notice(id(1), who, "王", "已改寄", 2600).wait();
    assert_eq!(settle(vec![code(0)]).unwrap_err().label(), "state-moved");
    assert_eq!(settle(vec![]).unwrap(), 1);
    assert_eq!(settle(vec![]).unwrap_err().label(), "state-moved");
    assert!(open(&store).is_empty());
    assert_eq!(store.lines(id(1)).unwrap()[1].label, "incomplete", "what was said stays");
    assert_eq!(events(&store, 1).pop().unwrap().0, "notice-settled");
}

#[test]
fn we_tell_a_sender_once_and_only_after_our_confirmation() {
    let (_dir, store) = crate::common::open();
    let row = archived(&store, 1);
    let tell = || store.notify(row, store::MISDIRECTED, "李", "非本機關業務", 3000).wait();
    assert_eq!(tell().unwrap_err().label(), "state-moved", "nothing is confirmed yet");
    let receipt = store.answered(vec![answer(&[row])], 3001).wait().unwrap()[0];
    tell().unwrap();
    assert_eq!(tell().unwrap_err().label(), "state-moved", "once");
    let waiting = store.to_answer(9).unwrap();
    assert_eq!((waiting.len(), waiting[0].notice.as_str()), (1, "misdirected"));
    let notice = store.answered(vec![answer(&[row])], 3002).wait().unwrap()[0];
    assert!(store.to_answer(9).unwrap().is_empty());
    assert_eq!(store.to_report(9).unwrap().len(), 2);
    store.reported(notice, 3003).wait().unwrap();
    let state = |store: &Store| store.inbound(row).unwrap().unwrap().inbound.state;
    assert_eq!(state(&store), Inbound::Archived, "the notice moves nothing");
    store.reported(notice, 3004).wait().unwrap();
    store.reported(receipt, 3005).wait().unwrap();
    let all = store.inbound(row).unwrap().unwrap();
    assert_eq!((all.inbound.state, all.inbound.notice_receipt), (Inbound::Confirmed, Some(notice)));
    let said: Vec<_> = all.journal.iter().map(|e| (e.event.as_str(), e.actor.as_str())).collect();
    assert_eq!(said.iter().filter(|(event, _)| *event == "notified").count(), 1);
    assert!(said.contains(&("notify-asked", "李")));

    // a restored center offers it again: both are sent again, the same bytes
    store.epoch([1; 16], 4000).wait().unwrap();
    store.offered(vec![offer(1, 9, 0)], None, 4001).wait().unwrap();
    let again: Vec<i64> = store.to_report(9).unwrap().iter().map(|r| r.id).collect();
    assert_eq!(again, [receipt, notice]);

    // what the center would not take is tried again on a person's word
    store.report_refused(notice, "receipt-invalid", "", 4002).wait().unwrap();
    assert_eq!(store.to_report(9).unwrap().len(), 1);
    store.retry(Target::Inbound(row), "李", "", 4003).wait().unwrap();
    assert_eq!(store.to_report(9).unwrap().len(), 2);
    store.check().unwrap();
}

#[test]
fn a_quarantined_one_is_opened_again_unless_held_or_answered() {
    let (_dir, store) = crate::common::open();
    let row = offered(&store, 1);
    store.fetched(row, 0, "i1", 1001).wait().unwrap();
    store.quarantined(row, "died-three-times", "", false, None, 1002).wait().unwrap();
    store.hold(Target::Inbound(row), "李", "", 1003).wait().unwrap();
    assert_eq!(store.reopen(row, "李", "", 1004).wait().unwrap_err().label(), "state-moved");
    store.release(Target::Inbound(row), "李", "", 1005).wait().unwrap();
    store.reopen(row, "李", "已更新程式", 1006).wait().unwrap();
    let state = store.inbound(row).unwrap().unwrap().inbound;
    assert_eq!((state.state, state.trouble.label.as_str()), (Inbound::Fetched, ""));
    assert_eq!(state.trouble.begun, 0, "deaths are counted anew");
}

/// One document to a thousand recipients among many others: the work of a query is bounded by what it tells.
#[test]
fn a_thousand_recipients_are_told_without_looking_at_other_documents() {
    let (_dir, store) = crate::common::open();
    for n in 10..60 {
        let part = sent(&store, n, 20);
        store.accepted(part, b"r".to_vec(), 2000, 2001).wait().unwrap();
        let said: Vec<_> = (0..20).map(|r| says(n, 0, r, Verdict::Confirmed)).collect();
        store.verdicts(bundle(&said, u64::from(n)), 2002).wait().unwrap();
        store.on_paper(id(n), vec![], "王", "", 2003).wait().unwrap();
    }
    let part = sent(&store, 1, 1000);
    store.accepted(part, b"r".to_vec(), 2000, 2001).wait().unwrap();
    let said: Vec<_> = (0..1000).step_by(2).map(|r| says(1, 0, r, Verdict::Confirmed)).collect();
    store.verdicts(bundle(&said, 100), 2002).wait().unwrap();
    let (whole, _) = store.outcomes(Which::Document(id(1)), 10).unwrap();
    assert_eq!(whole[0].lines.len(), 1000);
    let open = open(&store);
    assert_eq!((open.len(), open[0].lines.len()), (1, 500));
}
