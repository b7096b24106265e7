//! What members do with a center, on both carriers.

use crate::pki::{CODES, PKI, registration};
use crate::world::{World, ask, bundle, fetch, header, label, line, now, offers, submit};
use envelope::receipt::{Kind, Receipt, Verdict};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wire::message::{OpenPart, PartKey, Priority, Reply, Request};
use wire::{Lane, Transport};

const B: &str = CODES[1];
const C: &str = CODES[2];
const BOTH: [Transport; 2] = [Transport::Quic, Transport::Tcp];

fn large() -> Vec<u8> {
    (0..700_000_u32).map(|i| (i * 7 % 251) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_submit_to_the_senders_receipt() {
    for transport in BOTH {
        let world = World::new(|_| ()).await;
        let (a, b) = (world.node(0, transport).await, world.node(1, transport).await);
        let waiting = {
            let b = b.clone();
            let watch =
                Request::Watch { offers_after: 0, outcomes_after: 0, announcements_after: 0, wait: 50 };
            tokio::spawn(async move { b.ask(Lane::Watch, &watch, Duration::from_secs(60)).await })
        };
        tokio::task::yield_now().await;
        let sent = Instant::now();
        let small = header(1, b"sealed", &[B, C]);
        let receipt = submit(&a, &small, b"sealed").await.unwrap();
        let news = waiting.await.unwrap().unwrap();
        assert_eq!(news, Reply::News { offers: true, outcomes: false, announcements: false });
        assert!(sent.elapsed() < Duration::from_secs(10), "woken, not waited out: {:?}", sent.elapsed());

        // 系統確認: one signature over both lines, by the center's receipt key
        let read = Receipt::from_der(&receipt).unwrap();
        let verified = read.verify_pinned(Kind::Center, &PKI.receipt.cert, now()).unwrap();
        assert_eq!(verified.lines.len(), 2);
        assert!(verified.lines.iter().all(|l| l.verdict == Verdict::Accepted && l.sealed == small.sealed));

        let body = large();
        let mut urgent = header(2, &body, &[B]);
        urgent.priority = Priority::Fastest;
        submit(&a, &urgent, &body).await.unwrap();
        let listed = offers(&b, 0).await.unwrap();
        assert_eq!(
            listed.iter().map(|o| o.header.key.document[0]).collect::<Vec<_>>(),
            [2, 1],
            "urgent first"
        );
        // an offer carries the proof of the time, reduced to its line
        let reduced = Receipt::from_der(&listed[1].receipt).unwrap();
        let verified = reduced.verify_pinned(Kind::Center, &PKI.receipt.cert, now()).unwrap();
        assert_eq!((verified.lines.len(), verified.lines[0].recipient.as_str()), (1, B));
        assert_eq!(verified.lines[0].arrived, listed[1].accepted);

        for offset in [0, 1, 65_536, 650_001, body.len()] {
            let bytes = fetch(&b, listed[0].seq, offset as u64).await.unwrap();
            assert!(bytes == body[offset..], "from {offset}");
        }
        assert_eq!(label(fetch(&b, listed[0].seq, body.len() as u64 + 1).await), "offset-invalid");
        assert_eq!(fetch(&b, listed[1].seq, 2).await.unwrap(), b"aled");

        let report = bundle(&[line(&listed[0], Verdict::Confirmed), line(&listed[1], Verdict::Returned)], 1);
        for _ in 0..2 {
            let reply = ask(&b, Request::Report { bundle: report.clone() }).await.unwrap();
            assert_eq!(reply, Reply::Reported, "a repeat is fine");
        }
        assert!(offers(&b, 0).await.unwrap().is_empty());
        let Reply::Outcomes { outcomes } = ask(&a, Request::Outcomes { after: 0, limit: 10 }).await.unwrap()
        else {
            panic!()
        };
        assert_eq!(outcomes.len(), 1, "the repeat made no second outcome");
        assert_eq!(outcomes[0].bundle, report, "the very bytes");

        // a verdict that contradicts the first one is kept and forwarded too
        let other = bundle(&[line(&listed[0], Verdict::Returned)], 1);
        assert_eq!(ask(&b, Request::Report { bundle: other }).await.unwrap(), Reply::Reported);
        let after = Request::Outcomes { after: outcomes[0].seq, limit: 10 };
        let Reply::Outcomes { outcomes } = ask(&a, after).await.unwrap() else { panic!() };
        assert_eq!(outcomes.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_part_again_gets_the_first_receipt_and_another_manifest_never() {
    for transport in BOTH {
        let world = World::new(|_| ()).await;
        let a = world.node(0, transport).await;
        let first = submit(&a, &header(1, b"one", &[B]), b"one").await.unwrap();
        assert_eq!(submit(&a, &header(1, b"one", &[B]), b"one").await.unwrap(), first);
        let differently = large();
        let again = submit(&a, &header(1, &differently, &[B]), &differently).await.unwrap();
        assert_eq!(again, first, "sealed differently");
        let mut other = header(1, b"one", &[B]);
        other.manifest = [9; 32];
        match submit(&a, &other, b"one").await {
            Err(wire::Error::Refused(refusal)) => {
                assert_eq!(refusal.label, "part-conflict");
                assert_eq!(refusal.receipt, Some(first.clone()));
            }
            other => panic!("{other:?}"),
        }
        // the connection is still in step, and the retry is answered even though the recipient left
        world.registry.suspend(B, now()).unwrap();
        assert_eq!(submit(&a, &header(1, b"one", &[B]), b"one").await.unwrap(), first);
        world.registry.resume(B, now()).unwrap();
        let b = world.node(1, transport).await;
        assert_eq!(offers(&b, 0).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_addressee_is_named_in_one_refusal() {
    let world = World::new(|_| ()).await;
    let a = world.node(0, Transport::Tcp).await;
    world.registry.suspend(C, now()).unwrap();
    let to = ["Z00000000Z", B, C, "B00000002BU000001", "Y00000000Y"];
    match submit(&a, &header(1, b"one", &to), b"one").await {
        Err(wire::Error::Refused(refusal)) => {
            assert_eq!(refusal.label, "recipient-unknown");
            assert_eq!(refusal.codes, ["Z00000000Z", "B00000002BU000001", "Y00000000Y", C]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(label(submit(&a, &header(1, b"one", &[B, C]), b"one").await), "recipient-suspended");
    assert_eq!(label(submit(&a, &header(1, b"one", &[B, B]), b"one").await), "part-invalid");
    let mut foreign = header(1, b"one", &[B]);
    foreign.sender = B.into();
    assert_eq!(label(submit(&a, &foreign, b"one").await), "sender-not-yours");
    // a unit's mailbox appears while the center runs, and belongs to its organisation
    let unit = registration(&PKI.members[1], "B00000002BU000001", "某機關某處", 1, now());
    world.registry.put_entry(&unit, now()).unwrap();
    submit(&a, &header(1, b"one", &["B00000002BU000001"]), b"one").await.unwrap();
    let b = world.connect(1, Transport::Tcp).await.unwrap();
    assert_eq!(b.welcome.mailboxes, [B, "B00000002BU000001"]);
    assert_eq!(offers(&b.connection, 0).await.unwrap().len(), 1);
    let codes = vec![B.to_owned(), C.to_owned(), "Z00000000Z".to_owned()];
    let Reply::Directory { answers } = ask(&a, Request::Directory { codes }).await.unwrap() else { panic!() };
    let standings: Vec<_> = answers.iter().map(|x| (x.standing, x.entry.is_some())).collect();
    use wire::message::Standing::{Active, Suspended, Unknown};
    assert_eq!(standings, [(Active, true), (Suspended, true), (Unknown, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_cut_goes_on_at_the_durable_offset() {
    for transport in BOTH {
        let world = World::new(|_| ()).await;
        let body = large();
        let part = header(1, &body, &[B]);
        let request = Request::Submit { header: part.clone(), eager: false };
        let mut held = 0;
        for cut in [1, 70_000, 262_144, 300_001] {
            let a = world.node(0, transport).await;
            let mut exchange = a.open(Lane::Work).await.unwrap();
            exchange.send(&request).await.unwrap();
            let Reply::Go { offset } = exchange.recv_reply(crate::world::WAIT).await.unwrap() else {
                panic!()
            };
            assert!(offset >= held && offset <= body.len() as u64, "{offset} after {held}");
            held = offset;
            let mut rest = &body[offset as usize..];
            exchange.send_body(&mut rest, cut).await.unwrap();
            drop(exchange);
            a.close().await;
        }
        // whatever arrived before the last cut is kept; a restart of the center changes nothing
        let mut world = world;
        world.stop().await;
        world.start().await;
        let a = world.node(0, transport).await;
        let mut exchange = a.open(Lane::Work).await.unwrap();
        exchange.send(&request).await.unwrap();
        let Reply::Go { offset } = exchange.recv_reply(crate::world::WAIT).await.unwrap() else { panic!() };
        if transport == Transport::Tcp {
            assert!(offset > 0, "TCP delivers what was written before the cut");
        }
        let mut rest = &body[offset as usize..];
        let left = rest.len() as u64;
        exchange.send_body(&mut rest, left).await.unwrap();
        assert!(matches!(exchange.recv_reply(crate::world::WAIT).await.unwrap(), Reply::Accepted { .. }));
        let b = world.node(1, transport).await;
        let seq = offers(&b, 0).await.unwrap()[0].seq;
        assert!(fetch(&b, seq, 0).await.unwrap() == body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_again_is_not_kept_out_by_its_own_half_dead_connection() {
    for transport in BOTH {
        let world = World::new(|_| ()).await;
        let (first, second) = (world.node(0, transport).await, world.node(0, transport).await);
        let body = large();
        let part = header(1, &body, &[B]);
        let mut exchange = first.open(Lane::Work).await.unwrap();
        exchange.send(&Request::Submit { header: part.clone(), eager: false }).await.unwrap();
        assert_eq!(exchange.recv_reply(crate::world::WAIT).await.unwrap(), Reply::Go { offset: 0 });
        submit(&second, &part, &body).await.unwrap();
        exchange.send_body(&mut &body[..], body.len() as u64).await.unwrap();
        assert_eq!(label(exchange.recv_reply(crate::world::WAIT).await), "busy");
        let _ = exchange.finish().await;
        assert!(offers(&first, 0).await.unwrap().is_empty(), "the connection is still in step");
        submit(&first, &part, &body).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_uploads_and_settled_bodies_go_by_the_centers_clock() {
    let world = World::new(|_| ()).await;
    let (a, b) = (world.node(0, Transport::Tcp).await, world.node(1, Transport::Tcp).await);
    let body = large();
    let part = header(1, &body, &[B]);
    let request = Request::Submit { header: part.clone(), eager: false };
    let mut exchange = a.open(Lane::Work).await.unwrap();
    exchange.send(&request).await.unwrap();
    exchange.recv_reply(crate::world::WAIT).await.unwrap();
    drop(exchange);
    submit(&a, &header(2, b"two", &[B]), b"two").await.unwrap();
    let listed = offers(&b, 0).await.unwrap();
    let report = bundle(&[line(&listed[0], Verdict::Confirmed)], 1);
    ask(&b, Request::Report { bundle: report }).await.unwrap();
    let keep = &world.config.keep;
    assert_eq!(world.running().tidy(keep).await.unwrap(), center::mailbox::Tidied::default());
    world.ahead.store(25 * 3_600_000, Ordering::SeqCst);
    assert_eq!(world.running().tidy(keep).await.unwrap().uploads, 1);
    assert_eq!(std::fs::read_dir(world.config.data.join("uploads")).unwrap().count(), 0);
    world.ahead.store(31 * 24 * 3_600_000, Ordering::SeqCst);
    assert_eq!(world.running().tidy(keep).await.unwrap().bodies, 1);
    // their logins ran out meanwhile by that clock
    assert_eq!(label(offers(&b, 0).await), "login-expired");
    world.ahead.store(0, Ordering::SeqCst);
    assert_eq!(label(fetch(&b, listed[0].seq, 0).await), "offer-gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_everything_and_a_restore_shows() {
    let mut world = World::new(|_| ()).await;
    let first = world.connect(0, Transport::Quic).await.unwrap();
    let receipt = submit(&first.connection, &header(1, b"one", &[B]), b"one").await.unwrap();
    world.stop().await;
    world.start().await;
    let again = world.connect(0, Transport::Quic).await.unwrap();
    assert_eq!(again.welcome.epoch, first.welcome.epoch);
    assert_eq!(submit(&again.connection, &header(1, b"one", &[B]), b"one").await.unwrap(), receipt);
    world.registry.restore_epoch().unwrap();
    let restored = world.connect(0, Transport::Quic).await.unwrap();
    assert_ne!(restored.welcome.epoch, first.welcome.epoch);
    let here = header(1, b"one", &[B]);
    let lost = PartKey { document: [9; 16], ..here.key };
    let parts = vec![
        OpenPart { key: here.key, manifest: here.manifest },
        OpenPart { key: lost, manifest: here.manifest },
    ];
    let reply = ask(&restored.connection, Request::OpenList { parts }).await.unwrap();
    assert_eq!(reply, Reply::Missing { parts: vec![lost] });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_from_another_process_wakes_those_who_wait() {
    let world = World::new(|_| ()).await;
    let b = world.node(1, Transport::Quic).await;
    let watch = Request::Watch { offers_after: 0, outcomes_after: 0, announcements_after: 0, wait: 50 };
    let waiting = {
        let b = b.clone();
        tokio::spawn(async move { b.ask(Lane::Watch, &watch, Duration::from_secs(60)).await })
    };
    // the center has looked at least once, so that the change is a change
    let shown = ask(&b, Request::Announcements { after: 0, limit: 10 }).await.unwrap();
    assert_eq!(shown, Reply::Announcements { announcements: vec![] });
    let begun = Instant::now();
    world.registry.announce("停機公告", "今晚八時起停機一小時。", now()).unwrap();
    let news = waiting.await.unwrap().unwrap();
    assert_eq!(news, Reply::News { offers: false, outcomes: false, announcements: true });
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mischief_a_node_that_tries_again_still_gets_everything_once() {
    for transport in BOTH {
        let world = World::new(|config| {
            config.mischief.percent = 30;
            config.mischief.seed = 4711;
            config.mischief.stall = config::value::Period::millis(50);
        })
        .await;
        let body = large();
        let mut a = world.node(0, transport).await;
        let mut receipts = Vec::new();
        for n in 1..=12_u8 {
            let content = if n % 4 == 0 { &body[..] } else { b"small" };
            let part = header(n, content, &[B]);
            receipts.push(loop {
                match submit(&a, &part, content).await {
                    Ok(receipt) => break receipt,
                    Err(wire::Error::Refused(refusal)) => panic!("{refusal:?}"),
                    Err(_) => a = world.node(0, transport).await,
                }
            });
        }
        let mut b = world.node(1, transport).await;
        let mut seen = std::collections::BTreeMap::new();
        while seen.len() < 12 {
            let Ok(listed) = offers(&b, 0).await else {
                b = world.node(1, transport).await;
                continue;
            };
            for offer in listed {
                let Ok(bytes) = fetch(&b, offer.seq, 0).await else {
                    b = world.node(1, transport).await;
                    break;
                };
                assert_eq!(envelope::sha256(&bytes), offer.header.sealed);
                seen.insert(offer.seq, offer);
            }
        }
        let documents: std::collections::BTreeSet<_> = seen.values().map(|o| o.header.key.document).collect();
        assert_eq!(documents.len(), 12, "each document has one line");
        let lines: Vec<_> = seen.values().map(|o| line(o, Verdict::Confirmed)).collect();
        let report = bundle(&lines, 1);
        while ask(&b, Request::Report { bundle: report.clone() }).await.is_err() {
            b = world.node(1, transport).await;
        }
        let outcomes = loop {
            match ask(&a, Request::Outcomes { after: 0, limit: 100 }).await {
                Ok(Reply::Outcomes { outcomes }) => break outcomes,
                Ok(other) => panic!("{other:?}"),
                Err(_) => a = world.node(0, transport).await,
            }
        };
        assert_eq!(outcomes.len(), 1, "reported once, however often it was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_center_stays_out_of_the_folder() {
    let mut world = World::new(|_| ()).await;
    let second = center::start(world.config.clone()).await.err().unwrap();
    assert_eq!(second.label(), "center-in-use", "{second}");
    world.stop().await;
    center::start(world.config.clone()).await.unwrap().stop().await;
}
