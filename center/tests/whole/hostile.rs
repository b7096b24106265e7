//! Members that want more than they may.

use crate::pki::CODES;
use crate::world::{World, ask, bundle, fetch, header, label, line, member, now, offers, submit};
use center::Quotas;
use envelope::receipt::{ReceiptLine, Verdict};
use std::sync::atomic::Ordering;
use wire::message::{PartHeader, Refusal, Reply, Request};
use wire::{Lane, Transport};

const A: &str = CODES[0];
const B: &str = CODES[1];
const C: &str = CODES[2];

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_are_not_true() {
    let world = World::new(|_| ()).await;
    let transport = Transport::Tcp;
    let (a, b, c) =
        (world.node(0, transport).await, world.node(1, transport).await, world.node(2, transport).await);
    submit(&a, &header(1, b"one", &[B]), b"one").await.unwrap();
    submit(&b, &header_of(B, C, 2, b"two"), b"two").await.unwrap();
    let offer = offers(&b, 0).await.unwrap().remove(0);
    let honest = line(&offer, Verdict::Confirmed);
    let with = |edit: &dyn Fn(&mut ReceiptLine)| {
        let mut line = honest.clone();
        edit(&mut line);
        line
    };
    for (lines, signer, expected) in [
        // signed by C, reported by B
        (vec![honest.clone()], 2, "receipt-not-yours"),
        // about C's mailbox
        (vec![with(&|l| l.recipient = C.into())], 1, "receipt-not-yours"),
        (vec![with(&|l| l.sealed = [0; 32])], 1, "receipt-invalid"),
        (vec![with(&|l| l.manifest = [0; 32])], 1, "receipt-invalid"),
        (vec![with(&|l| l.center = "OTHER".into())], 1, "receipt-invalid"),
        (vec![with(&|l| l.document = [9; 16])], 1, "receipt-unknown-part"),
        (vec![with(&|l| l.round = 1)], 1, "receipt-unknown-part"),
        (vec![with(&|l| l.round = 70_000)], 1, "receipt-invalid"),
        (vec![with(&|l| l.sender = C.into())], 1, "receipt-unknown-part"),
        // a true line does not carry a false one
        (vec![honest.clone(), with(&|l| l.document = [9; 16])], 1, "receipt-unknown-part"),
    ] {
        let reply = ask(&b, Request::Report { bundle: bundle(&lines, signer) }).await;
        assert_eq!(label(reply), expected, "{lines:?}");
    }
    // B's true report, brought by C
    let stolen = bundle(std::slice::from_ref(&honest), 1);
    assert_eq!(label(ask(&c, Request::Report { bundle: stolen.clone() }).await), "receipt-not-yours");
    // one bit changed
    let mut broken = stolen.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(label(ask(&b, Request::Report { bundle: broken }).await), "receipt-invalid");
    assert_eq!(label(ask(&b, Request::Report { bundle: vec![0; 300] }).await), "receipt-invalid");
    // nothing of all that was kept
    assert_eq!(offers(&b, 0).await.unwrap().len(), 1);
    let outcomes = ask(&a, Request::Outcomes { after: 0, limit: 9 }).await.unwrap();
    assert_eq!(outcomes, Reply::Outcomes { outcomes: vec![] });
    assert_eq!(ask(&b, Request::Report { bundle: stolen }).await.unwrap(), Reply::Reported);
    // the line of another member can be neither read nor seen
    assert_eq!(label(fetch(&c, offer.seq, 0).await), "offer-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn size_rate_and_quota_are_each_members_own() {
    let world = World::new(|_| ()).await;
    let mut small = member(A);
    small.quotas =
        Quotas { max_length: Some(200_000), parts_per_minute: Some(3), bytes_per_day: Some(250_000) };
    world.registry.put_member(&small, now()).unwrap();
    let connected = world.connect(0, Transport::Quic).await.unwrap();
    assert_eq!(connected.welcome.max_length, 200_000);
    let a = connected.connection;
    let body = vec![7; 200_001];
    assert_eq!(label(submit(&a, &header(1, &body, &[B]), &body).await), "too-large");
    submit(&a, &header(1, &body[..200_000], &[B]), &body[..200_000]).await.unwrap();
    // the second would pass the day's bytes; the refusal says when the day is over
    let no = refusal(submit(&a, &header(2, &body[..100_000], &[B]), &body[..100_000]).await);
    assert_eq!(no.label, "quota-exceeded");
    assert!((1..=86_401).contains(&no.after), "{}", no.after);
    submit(&a, &header(3, b"one", &[B]), b"one").await.unwrap();
    let no = refusal(submit(&a, &header(4, b"one", &[B]), b"one").await);
    assert_eq!(no.label, "rate-exceeded");
    assert!((1..=20).contains(&no.after), "{}", no.after);
    // what was accepted is still answered
    submit(&a, &header(3, b"one", &[B]), b"one").await.unwrap();
    world.ahead.store(60_000, Ordering::SeqCst);
    submit(&a, &header(4, b"one", &[B]), b"one").await.unwrap();
    let b = world.node(1, Transport::Quic).await;
    submit(&b, &header_of(B, A, 5, b"one"), b"one").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_what_the_header_says() {
    for transport in [Transport::Quic, Transport::Tcp] {
        let world = World::new(|_| ()).await;
        let a = world.node(0, transport).await;
        let body = vec![1; 100_000];
        let mut wrong = header(1, &body, &[B]);
        wrong.sealed = [0; 32];
        assert_eq!(label(submit(&a, &wrong, &body).await), "digest-mismatch");
        // a refused large body begins again at 0
        let mut exchange = a.open(Lane::Work).await.unwrap();
        exchange.send(&Request::Submit { header: wrong.clone(), eager: false }).await.unwrap();
        assert_eq!(exchange.recv_reply(crate::world::WAIT).await.unwrap(), Reply::Go { offset: 0 });
        drop(exchange);
        let mut small = header(2, b"one", &[B]);
        small.sealed = [0; 32];
        let a = world.node(0, transport).await;
        assert_eq!(label(submit(&a, &small, b"one").await), "digest-mismatch");
        submit(&a, &header(2, b"one", &[B]), b"one").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_leaves_the_connection_in_step() {
    let world = World::new(|_| ()).await;
    let a = world.node(0, Transport::Tcp).await;
    let body = vec![1; 60_000];
    for n in 0..5 {
        assert_eq!(label(submit(&a, &header(n, &body, &["Z00000000Z"]), &body).await), "recipient-unknown");
        submit(&a, &header(n, &body, &[B]), &body).await.unwrap();
    }
}

fn refusal(result: wire::Result<Vec<u8>>) -> Refusal {
    match result {
        Err(wire::Error::Refused(refusal)) => *refusal,
        other => panic!("{other:?}"),
    }
}

fn header_of(sender: &str, to: &str, n: u8, body: &[u8]) -> PartHeader {
    PartHeader { sender: sender.into(), ..header(n, body, &[to]) }
}
