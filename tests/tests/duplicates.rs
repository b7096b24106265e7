//! The same thing twice: a letter dropped again, an id offered again, a receipt delivered again, a second node or center
//! on one folder.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::process::{Command, Stdio};
use std::time::Duration;

use config::Transport;
use store::queue::Target;
use store::state::{Inbound, Line, Word};
use tests::binary;
use tests::site::Site;
use tests::world::{Unit, World, eventually, now, to};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_unit_dropped_again_is_held_and_abandoned_without_a_trace_at_the_other_end() {
    let world = World::new(2, Transport::Auto).await;
    let unit = Unit::letter("重按", &[to(1)], &[("附件.txt", b"once")], &[]);
    // Twice at once, and once more when the first is through: neither the name nor the moment matters.
    let mut renamed = unit.clone();
    renamed.di.0 = "另存.di".into();
    world.nodes[0].put(&unit);
    world.nodes[0].put(&renamed);
    let sent = eventually("one is sent", || {
        world.nodes[0].outbox().into_iter().find(|row| row.word == Word::Confirmed)
    })
    .await;
    world.nodes[0].put(&unit);
    let held = eventually("two are held", || {
        let held: Vec<_> = world.nodes[0].outbox().into_iter().filter(|row| row.trouble.held).collect();
        (held.len() == 2).then_some(held)
    })
    .await;
    assert!(held.iter().all(|row| row.trouble.label == store::DUPLICATE && row.id != sent.id));
    let running = world.nodes[0].running.as_ref().unwrap();
    for row in &held {
        running.store().abandon(row.id, Vec::new(), "王小明", "重複", now()).await.unwrap();
    }
    running.wake();
    // A letter after them shows that nothing is left to be sent.
    let last = Unit::letter("之後", &[to(1)], &[], &[]);
    world.nodes[0].put(&last);
    world.nodes[0].until(&last, Word::Confirmed).await;
    assert_eq!(world.nodes[1].inbox().len(), 2, "the letter once, and the one after it");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_offered_again_is_neither_fetched_nor_delivered_again() {
    let mut world = World::new(2, Transport::Auto).await;
    let unit = Unit::letter("再到", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    let sent = world.nodes[0].until(&unit, Word::Confirmed).await;
    let got = world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
    let before = world.nodes[1].store().inbound(got.id).unwrap().unwrap();
    let center = world.config.data.join("center.db");
    let center = || rusqlite::Connection::open(&center).unwrap();
    let forget = "UPDATE line SET verdict = NULL, settled = NULL; UPDATE part SET open = 1, settled = NULL";
    // The node has lost its place among the offers, and the center offers the same again under the same number.
    world.nodes[1].stop().await;
    center().execute_batch(forget).unwrap();
    let state = &world.nodes[1].config.folders.state;
    let node = rusqlite::Connection::open(state.join("node.db")).unwrap();
    node.execute("DELETE FROM meta WHERE key = 'store.offers'", []).unwrap();
    drop(node);
    world.nodes[1].start().await;
    let place = || world.nodes[1].store().cursors().unwrap().offers;
    eventually("it is offered again", || (place() > 0).then_some(())).await;
    let after = world.nodes[1].store().inbound(got.id).unwrap().unwrap();
    assert_eq!((after.inbound.state, after.journal.len()), (Inbound::Confirmed, before.journal.len()));
    // The center does not know the answer, as one that lost its last minutes: a new epoch says so.
    world.nodes[1].stop().await;
    world.center_down().await;
    center().execute_batch(forget).unwrap();
    world.registry().restore_epoch().unwrap();
    world.center_up().await;
    world.nodes[1].start().await;
    // Answered with the same bytes, from the store.
    let open = "SELECT count(*) FROM line WHERE settled IS NULL";
    let settled = || center().query_row(open, [], |r| r.get::<_, i64>(0)).unwrap();
    eventually("the center is answered again", || (settled() == 0).then_some(())).await;
    let inbox = world.nodes[1].inbox();
    assert_eq!(inbox.len(), 1);
    let after = world.nodes[1].store().inbound(got.id).unwrap().unwrap();
    assert_eq!(after.inbound.state, Inbound::Confirmed);
    assert_eq!(after.receipt.unwrap().bytes, before.receipt.unwrap().bytes, "the stored receipt");
    let count = |event: &str| after.journal.iter().filter(|line| line.event == event).count();
    assert_eq!((count("fetched"), count("archived"), count("delivered")), (1, 1, 1));
    assert!(count("offered-again") >= 1, "it is in the journal");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_receipt_delivered_again_changes_nothing() {
    let mut world = World::new(3, Transport::Auto).await;
    let unit = Unit::letter("再回", &[to(1), to(2)], &[], &[]);
    world.nodes[0].put(&unit);
    let sent = world.nodes[0].until(&unit, Word::Confirmed).await;
    // The sender has lost its place among the outcomes: every receipt comes again.
    world.nodes[0].stop().await;
    let state = &world.nodes[0].config.folders.state;
    let node = rusqlite::Connection::open(state.join("node.db")).unwrap();
    node.execute("DELETE FROM meta WHERE key LIKE '%outcomes%'", []).unwrap();
    drop(node);
    world.nodes[0].start().await;
    // One behind them shows that they have come.
    let last = Unit::letter("之後", &[to(1)], &[], &[]);
    world.nodes[0].put(&last);
    world.nodes[0].until(&last, Word::Confirmed).await;
    let again = world.nodes[0].store().document(sent.document.id).unwrap().unwrap();
    assert_eq!(again.document.word, Word::Confirmed);
    assert!(again.lines.iter().all(|line| line.state == Line::Confirmed && line.label.is_empty()));
    assert_eq!(again.verdicts.iter().filter(|verdict| verdict.first).count(), 2, "the first ones stand");
    assert_eq!(again.document.changed_at, sent.document.changed_at, "nothing has moved");
    let alarms = world.nodes[0].store().alarms(10).unwrap();
    assert!(alarms.is_empty(), "{alarms:?}");
    world.nodes[0].store().verify_chain().unwrap();
    let target = Target::Document(sent.document.id);
    assert!(
        world.nodes[0].store().retry(target, "王小明", "", now()).await.is_err(),
        "nothing is to be done"
    );
    world.stop().await;
}

#[test]
fn a_second_node_or_center_on_one_folder_refuses_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let bins = binary("di-node").parent().unwrap().to_owned();
    let site = Site::make(dir.path(), &bins);
    let code = site.codes[0].clone();
    let (center, node) = (site.center(), site.node(&code));
    let up = || site.get(&site.socket(&code), "/v1/status").ok().filter(|s| s["link"]["connected"] == true);
    tests::site::eventually("the first works", Duration::from_secs(60), up);
    let second = site.di_node(&code, &["run"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(69), "{said}");
    assert!(said.contains(&node::words::what("already-running")), "what it is: {said}");
    let output = Command::new(bins.join("di-center"))
        .arg("--config")
        .arg(site.dir.join("center.toml"))
        .arg("run")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !said.is_empty(), "{said}");
    // The first ones have not noticed.
    let status = up().expect("the node answers and is connected");
    assert_eq!(status["link"]["connected"], true);
    for process in [node, center] {
        let name = process.name.clone();
        assert!(process.stop().success(), "{name} stops in order");
    }
}
