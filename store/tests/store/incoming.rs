//! Documents that we receive.

use store::Store;
use store::boxes::Found;
use store::inbound::{Offered, verdict_for};
use store::queue::{Setback, Take, Target};
use store::state::{Inbound, Verdict};

use crate::common::*;

fn state(store: &Store, row: i64) -> Inbound {
    store.inbound(row).unwrap().unwrap().inbound.state
}

#[test]
fn from_offer_to_confirmation() {
    let (_dir, store) = open();
    let row = offered(&store, 1);
    let due = store.due_inbound(Take { now: 1000, limit: 9, at_most: None }).unwrap();
    assert_eq!((due.len(), due[0].state), (1, Inbound::Offered));
    store.fetched(row, 0, "i1", 1001).wait().unwrap();
    assert!(store.to_answer(9).unwrap().is_empty(), "nothing is confirmed before it is archived");
    assert_eq!(store.answered(vec![answer(&[row])], 1001).wait().unwrap_err().label(), "state-moved");
    assert_eq!(store.archived(archiving(row, 1), 1002).wait().unwrap(), None);
    assert!(store.due_inbound(Take { now: 9999, limit: 9, at_most: None }).unwrap().is_empty());

    assert_eq!(store.to_deliver(9).unwrap()[0].staged, ".staged-1");
    store.delivered(row, 1003).wait().unwrap();
    store.delivered(row, 1004).wait().unwrap();
    assert!(store.to_deliver(9).unwrap().is_empty());

    assert_eq!(store.to_answer(9).unwrap().len(), 1);
    let receipt = store.answered(vec![answer(&[row])], 1005).wait().unwrap()[0];
    assert!(store.to_answer(9).unwrap().is_empty());
    assert_eq!(state(&store, row), Inbound::Archived, "signed is not yet said");
    assert_eq!(store.to_report(9).unwrap()[0].bytes, b"ours");
    store.reported(receipt, 1006).wait().unwrap();
    store.reported(receipt, 1007).wait().unwrap();
    assert!(store.to_report(9).unwrap().is_empty());

    let all = store.inbound(row).unwrap().unwrap();
    assert_eq!((all.inbound.state, all.inbound.delivered_at), (Inbound::Confirmed, Some(1003)));
    assert_eq!(all.inbound.offer.receipt, b"center");
    assert_eq!((all.files.len(), all.receipt.unwrap().sent_at), (1, Some(1007)));
    let events: Vec<_> = all.journal.iter().map(|e| e.event.as_str()).collect();
    assert_eq!(events, ["offered", "fetched", "archived", "delivered", "answered", "confirmed"]);
    let expired = store.spool_expired(0, 9).unwrap();
    assert_eq!(expired[0].name, "i1");
    store.spool_forgotten(expired).wait().unwrap();
    assert!(store.spool_names().unwrap().is_empty());
    assert_eq!(store.find("00000001", 9).unwrap(), [Found::Inbound(row, id(1))]);
    assert_eq!(store.counters().unwrap().unread, 1);
    store.read_by(row, "王", 1100).wait().unwrap();
    assert_eq!(store.counters().unwrap().unread, 0);
    store.check().unwrap();
}

#[test]
fn the_same_offer_is_recorded_once() {
    let (_dir, store) = open();
    let row = offered(&store, 1);
    let twice = vec![offer(1, 1, 0), offer(1, 1, 0), offer(2, 2, 0)];
    let results = store.offered(twice, Some(2), 1100).wait().unwrap();
    assert_eq!(results[0], Offered::Known { id: row, state: Inbound::Offered, receipt: None });
    assert_eq!(results[0], results[1]);
    assert!(matches!(results[2], Offered::New(_)));
    assert_eq!(store.cursors().unwrap().offers, 2);

    // another recipient of ours, and another sender's same id, are documents of their own
    let mut unit = offer(1, 3, 0);
    unit.recipient = format!("{US}0000001");
    let mut other = offer(1, 4, 0);
    other.sender = "XC88888888".into();
    let mut same_house = offer(1, 5, 0);
    same_house.sender = "XC999999990000002".into();
    let results = store.offered(vec![unit, other, same_house], None, 1100).wait().unwrap();
    assert!(matches!(results[..2], [Offered::New(_), Offered::New(_)]));
    assert!(matches!(results[2], Offered::Known { id, .. } if id == row), "a unit of the same organisation");
}

#[test]
fn an_answered_offer_that_comes_back_is_answered_with_the_same_bytes() {
    let (_dir, store) = open();
    let row = archived(&store, 1);
    let receipt = store.answered(vec![answer(&[row])], 1100).wait().unwrap()[0];
    store.reported(receipt, 1101).wait().unwrap();
    let known = [Offered::Known { id: row, state: Inbound::Confirmed, receipt: Some(receipt) }];
    // the same number: a reply that was on its way before our report
    assert_eq!(store.offered(vec![offer(1, 1, 0)], None, 1200).wait().unwrap(), known);
    assert!(store.to_report(9).unwrap().is_empty());
    // another number, another round, another epoch: the center wants to hear it again
    for (seq, round, epoch) in [(2, 0, [0; 16]), (3, 1, [0; 16]), (3, 0, [5; 16])] {
        store.epoch(epoch, 1300).wait().unwrap();
        assert_eq!(store.offered(vec![offer(1, seq, round)], None, 1300).wait().unwrap(), known);
        assert_eq!(store.to_report(9).unwrap()[0].id, receipt);
        store.reported(receipt, 1301).wait().unwrap();
        assert_eq!(state(&store, row), Inbound::Confirmed);
    }
}

#[test]
fn a_later_round_takes_the_place_of_a_quarantined_one() {
    let (_dir, store) = open();
    let row = offered(&store, 1);
    store.fetched(row, 0, "i1", 1001).wait().unwrap();
    store.quarantined(row, "unreadable", "", true, None, 1002).wait().unwrap();
    assert_eq!(store.to_answer(9).unwrap()[0].trouble.label, "unreadable");
    let receipt = store.answered(vec![answer(&[row])], 1003).wait().unwrap()[0];
    store.reported(receipt, 1004).wait().unwrap();
    assert_eq!(state(&store, row), Inbound::Reported);
    assert_eq!(store.inbound(row).unwrap().unwrap().inbound.trouble.label, "unreadable");

    let mut other = offer(1, 2, 1);
    other.manifest = digest(77);
    assert_eq!(store.offered(vec![other], None, 1100).wait().unwrap(), [Offered::Conflict(row)]);
    assert_eq!(store.alarms(1).unwrap()[0].event, "id-conflict");

    assert_eq!(store.offered(vec![offer(1, 3, 1)], None, 1101).wait().unwrap(), [Offered::Replaced(row)]);
    let now = store.inbound(row).unwrap().unwrap().inbound;
    assert_eq!((now.state, now.offer.round, now.receipt, now.file.as_str()), (Inbound::Offered, 1, None, ""));
    assert_eq!(store.fetched(row, 0, "i1", 1102).wait().unwrap_err().label(), "state-moved", "the old round");
    store.fetched(row, 1, "i1-1", 1102).wait().unwrap();
    store.archived(archiving(row, 1), 1103).wait().unwrap();
    let again = store.offered(vec![offer(1, 4, 2)], None, 1104).wait().unwrap();
    assert_eq!(again, [Offered::Known { id: row, state: Inbound::Archived, receipt: None }]);
    // an older round changes nothing either
    let again = store.offered(vec![offer(1, 3, 0)], None, 1105).wait().unwrap();
    assert!(matches!(again[0], Offered::Known { state: Inbound::Archived, .. }));
}

#[test]
fn poison_is_kept_apart_in_silence_until_a_person_decides() {
    let (_dir, store) = open();
    let row = offered(&store, 1);
    store.fetched(row, 0, "i1", 1001).wait().unwrap();
    for begun in 1..=4 {
        let attempt = store.attempt(Target::Inbound(row), "open", 1000, 1002).wait().unwrap();
        assert_eq!((attempt.begun, attempt.attempts), (begun, begun));
    }
    assert_eq!(
        store.attempt(Target::Inbound(row), "parse", 1000, 1002).wait().unwrap().begun,
        1,
        "another step"
    );
    store.quarantined(row, "poison", "died three times in open", false, None, 1003).wait().unwrap();
    assert!(store.to_answer(9).unwrap().is_empty());
    assert_eq!(store.alarms(1).unwrap()[0].event, "quarantined");
    assert!(store.attempt(Target::Inbound(row), "open", 1, 2).wait().is_err());

    store.reopen(row, "王", "新版可讀", 1004).wait().unwrap();
    let now = store.inbound(row).unwrap().unwrap().inbound;
    assert_eq!((now.state, now.trouble.begun, now.trouble.due), (Inbound::Fetched, 0, Some(1004)));
    store.quarantined(row, "poison", "", false, None, 1005).wait().unwrap();
    store.send_back(row, "unreadable", "王", "退回", 1006).wait().unwrap();
    assert_eq!(store.to_answer(9).unwrap().len(), 1);
    let receipt = store.answered(vec![answer(&[row])], 1007).wait().unwrap()[0];
    assert_eq!(
        store.reopen(row, "王", "", 1008).wait().unwrap_err().label(),
        "state-moved",
        "it is answered"
    );
    store.reported(receipt, 1009).wait().unwrap();
    assert_eq!(verdict_for(state(&store, row)), Some(Verdict::Returned));
}

#[test]
fn a_lost_content_file_is_fetched_again() {
    let (_dir, store) = open();
    let row = offered(&store, 1);
    store.fetched(row, 0, "i1", 1001).wait().unwrap();
    store.attempt(Target::Inbound(row), "open", 5000, 1002).wait().unwrap();
    store.refetch(row, "spool-missing", "i1", 2000, 1003).wait().unwrap();
    let now = store.inbound(row).unwrap().unwrap().inbound;
    assert_eq!((now.state, now.trouble.due, now.file.as_str()), (Inbound::Offered, Some(2000), ""));
    assert_eq!((now.trouble.attempts, now.trouble.label.as_str()), (1, "spool-missing"));
}

#[test]
fn the_same_content_under_another_id_is_delivered_and_marked() {
    let (_dir, store) = open();
    let first = archived(&store, 1);
    let second = offered(&store, 2);
    store.fetched(second, 0, "i2", 1001).wait().unwrap();
    let mut twin = archiving(second, 2);
    twin.digest = digest(1);
    assert_eq!(store.archived(twin, 1002).wait().unwrap(), Some(first));
    assert_eq!(store.inbound(second).unwrap().unwrap().inbound.duplicate_of, Some(first));
    assert_eq!(store.to_answer(9).unwrap().len(), 2);
}

#[test]
fn a_report_that_the_center_will_not_take_does_not_block_the_others() {
    let (_dir, store) = open();
    let rows = [archived(&store, 1), archived(&store, 2)];
    let receipts = store.answered(vec![answer(&rows[..1]), answer(&rows[1..])], 1100).wait().unwrap();
    store.report_refused(receipts[0], "unknown-line", "", 1101).wait().unwrap();
    assert_eq!(store.to_report(9).unwrap().iter().map(|r| r.id).collect::<Vec<_>>(), receipts[1..]);
    store.epoch([3; 16], 1200).wait().unwrap();
    assert_eq!(store.to_report(9).unwrap().len(), 2, "a restored center is asked again");
}

#[test]
fn one_answer_that_can_not_be_given_undoes_its_whole_batch() {
    let (_dir, store) = open();
    let good = archived(&store, 1);
    let bad = offered(&store, 2);
    assert!(store.answered(vec![answer(&[good]), answer(&[bad])], 1100).wait().is_err());
    assert_eq!(store.to_answer(9).unwrap().len(), 1);
    assert!(store.to_report(9).unwrap().is_empty());
}

#[test]
fn the_inbox_is_filtered() {
    let (_dir, store) = open();
    let row = archived(&store, 1);
    offered(&store, 2);
    let waits = Setback { label: "scanner-down".into(), ..Setback::default() };
    store.setback(Target::Inbound(row), waits, 1).wait().unwrap_err();
    use store::boxes::Filter;
    let with = |filter: Filter<Inbound>| store.inbox(&filter).unwrap().len();
    assert_eq!(with(Filter::default()), 2);
    assert_eq!(with(Filter { states: vec![Inbound::Archived], ..Filter::default() }), 1);
    assert_eq!(with(Filter { text: "第1號".into(), ..Filter::default() }), 1);
    assert_eq!(with(Filter { text: "XC9999".into(), ..Filter::default() }), 2);
    assert_eq!(with(Filter { held: Some(true), ..Filter::default() }), 0);
}

#[test]
fn one_opened_as_it_came_is_archived_in_one_step_and_only_in_the_round_that_is_offered() {
    let (_dir, store) = open();
    let row = offered(&store, 1);
    assert_eq!(store.received(archiving(row, 1), 1, 1001).wait().unwrap_err().label(), "state-moved");
    assert_eq!(state(&store, row), Inbound::Offered);
    assert_eq!(store.received(archiving(row, 1), 0, 1002).wait().unwrap(), None);
    assert_eq!(state(&store, row), Inbound::Archived);
    assert_eq!(store.received(archiving(row, 1), 0, 1003).wait().unwrap_err().label(), "state-moved");
    let seen = store.inbound(row).unwrap().unwrap();
    let events: Vec<_> = seen.journal.iter().map(|e| e.event.as_str()).collect();
    assert_eq!(events, ["offered", "fetched", "archived"], "both moves are in the journal");
    assert_eq!(seen.inbound.file, "");
    assert_eq!(store.inbound_row(row).unwrap().unwrap().offer.receipt, b"center");
    assert_eq!(store.to_answer(9).unwrap().len(), 1);
}
