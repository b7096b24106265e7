//! Revocation and the ends of certificates, with nodes whose authority's host does as it is told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use config::value::Period;
use config::{RevocationMode, Transport};
use envelope::evidence::{self, Mark, Step, Trust};
use rcgen::RevocationReason::{CertificateHold, KeyCompromise};
use store::state::{Inbound, Word};
use tests::pki;
use tests::world::{Unit, World, eventually, now, to};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What the host gives for a file; nothing: it does not answer at all.
type Gives = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// One host for all tests of this process, since all certificates name it. Each test has members, and so files, of its own
/// only as far as it says so: a file that nobody set is given as a list that names nobody.
static HOST: LazyLock<Gives> = LazyLock::new(|| {
    let gives = Gives::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let all = gives.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, all.clone()));
            }
        });
    });
    let ends = vec![("XC00000001.sign", 20), ("XC00000002.enc", 6), ("ended", -2)];
    pki::shape(pki::Shape { base: Some(base), ends });
    gives
});

async fn serve(mut stream: tokio::net::TcpStream, gives: Gives) {
    let mut buffer = [0; 4096];
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(n @ 1..) => head.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    let Some(body) = gives.lock().unwrap().get(&path).cloned() else { std::future::pending().await };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    let _ = stream.shutdown().await;
}

/// One test at a time: they share the host.
static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn give(world: &World, file: &str, revoked: &[(&str, i64, rcgen::RevocationReason)], seconds: i64) {
    let list = pki::crl(&world.dir().join("pki"), revoked, seconds);
    HOST.lock().unwrap().insert(format!("{file}.crl"), list);
}

fn withhold(file: &str) {
    HOST.lock().unwrap().remove(&format!("{file}.crl"));
}

/// Members whose nodes ask the host, with a good list for every certificate. No node runs yet.
async fn world(members: usize) -> World {
    LazyLock::force(&HOST);
    let world = World::registered(members, Transport::Quic, |_, config| {
        config.revocation.internal_addresses = true;
        config.revocation.timeout = Period::secs(30);
    })
    .await;
    for (code, _) in pki::MEMBERS {
        for purpose in ["sign", "enc"] {
            give(&world, &format!("{code}.{purpose}"), &[], 86_400);
        }
    }
    world
}

async fn start(world: &mut World) {
    for node in &mut world.nodes {
        node.start().await;
    }
    for node in &world.nodes {
        node.ready().await;
    }
}

/// Waits until the document waits for this reason.
async fn waits(world: &World, node: usize, unit: &Unit, label: &str) -> [u8; 16] {
    eventually(label, || {
        let row = world.nodes[node].outbox().into_iter().find(|row| row.di_name == unit.di.0)?;
        (row.trouble.label == label).then_some(row.id)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_hangs_delays_no_other_document_and_its_end_wakes_what_waits() {
    let _one = ONE.lock().await;
    let mut world = world(3).await;
    withhold("XC00000003.enc");
    for node in &mut world.nodes {
        // Long enough that the test would fail if anything waited for it, short enough to see it end.
        node.config.revocation.timeout = Period::secs(6);
    }
    start(&mut world).await;
    let stuck = Unit::letter("等憑證", &[to(2)], &[], &[]);
    world.nodes[0].put(&stuck);
    waits(&world, 0, &stuck, "revocation-unknown").await;
    for n in 0..4 {
        let other = Unit::letter(&format!("別件{n}"), &[to(1)], &[], &[]);
        world.nodes[0].put(&other);
        world.nodes[0].until(&other, Word::Confirmed).await;
        waits(&world, 0, &stuck, "revocation-unknown").await;
    }
    assert!(node::words::of("revocation-unknown").is_some());
    give(&world, "XC00000003.enc", &[], 86_400);
    world.nodes[0].until(&stuck, Word::Confirmed).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_recipient_is_refused_and_one_on_hold_is_waited_for() {
    let _one = ONE.lock().await;
    let mut world = world(3).await;
    let (revoked, held) = ("XC00000002.enc", "XC00000003.enc");
    give(&world, revoked, &[(revoked, now() - 60_000, KeyCompromise)], 86_400);
    give(&world, held, &[(held, now() - 60_000, CertificateHold)], 4);
    start(&mut world).await;
    let both = Unit::letter("兩個都不行", &[to(1), to(2)], &[], &[]);
    world.nodes[0].put(&both);
    let refused = world.nodes[0].until(&both, Word::Refused).await;
    let trouble = &refused.document.trouble;
    assert_eq!(trouble.label, "certificate-revoked");
    assert!(trouble.detail.contains("XC00000002") && !trouble.detail.contains("XC00000003"), "{trouble:?}");
    let waiting = Unit::letter("等復用", &[to(2)], &[], &[]);
    world.nodes[0].put(&waiting);
    waits(&world, 0, &waiting, "certificate-held").await;
    // 復用: the next list does not name it any more. Nobody does anything.
    give(&world, held, &[], 86_400);
    world.nodes[0].until(&waiting, Word::Confirmed).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_judged_at_the_time_of_acceptance() {
    let _one = ONE.lock().await;
    let mut world = world(2).await;
    // The sender does not look at itself; the center cannot ask (internal addresses) and lets it in.
    world.nodes[0].config.revocation.mode = Some(RevocationMode::Off);
    let sender = "XC00000001.sign";
    // Revoked later than what follows: good at the time.
    give(&world, sender, &[(sender, now() + 3_600_000, KeyCompromise)], 86_400);
    start(&mut world).await;
    let before = Unit::letter("廢止之前", &[to(1)], &[], &[]);
    world.nodes[0].put(&before);
    let sent = world.nodes[0].until(&before, Word::Confirmed).await;
    // The evidence of the receiver has the list that it relied on, and verifies offline.
    let node = &world.nodes[1];
    let row = node.received(sent.document.id, Inbound::Confirmed).await;
    let found = node.store().inbound(row.id).unwrap().unwrap();
    let out = world.dir().join("export");
    let status = node.config.folders.state.join("revocation");
    node::export::inbound(&found, node.store(), &node.config.folders.archive, &status, &out).unwrap();
    let file = std::fs::read_dir(&out).unwrap().flatten().map(|e| e.path());
    let file = file.into_iter().find(|p| p.to_string_lossy().ends_with(".evidence.zip")).unwrap();
    let trust = Trust { anchors: world.anchors(), ..Trust::default() };
    let report = evidence::verify(&mut Cursor::new(std::fs::read(file).unwrap()), &trust).unwrap();
    let link = report.links.iter().find(|l| l.step == Step::Revocation && l.recipient.is_none()).unwrap();
    assert_eq!((link.mark, link.label), (Mark::Yes, ""), "{:?}", report.links);
    world.nodes[1].stop().await;
    // Revoked before: a new list, known at the next start.
    std::fs::remove_dir_all(status).unwrap();
    give(&world, sender, &[(sender, now() - 3_600_000, KeyCompromise)], 86_400);
    world.nodes[1].start().await;
    let after = Unit::letter("廢止之後", &[to(1)], &[], &[]);
    world.nodes[0].put(&after);
    let sent = world.nodes[0].until(&after, Word::Returned).await;
    assert_eq!(sent.lines[0].label, "certificate-revoked");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_certificate_stops_sending_only_and_its_end_is_told_once() {
    let _one = ONE.lock().await;
    let mut world = world(2).await;
    let own = "XC00000001.sign";
    start(&mut world).await;
    let first = Unit::letter("第一件", &[to(1)], &[], &[]);
    world.nodes[0].put(&first);
    world.nodes[0].until(&first, Word::Confirmed).await;
    // Told at once of ours; of the recipient's after the next look.
    let ends = |world: &World| {
        let events = world.nodes[0].store().journal_after(0, 10_000).unwrap();
        events.into_iter().filter(|e| e.event == "certificate-ends").collect::<Vec<_>>()
    };
    let told = eventually("our own certificate's end", || Some(ends(&world)).filter(|e| !e.is_empty())).await;
    assert!(told[0].alarm && told[0].detail.contains("本機關簽章憑證剩 19 日"), "{told:?}");
    for _ in 0..2 {
        world.nodes[0].stop().await;
        world.nodes[0].start().await;
        world.nodes[0].ready().await;
        eventually("the recipient's certificate's end", || (ends(&world).len() >= 2).then_some(())).await;
    }
    let told = ends(&world);
    assert_eq!(told.len(), 2, "once each: {told:?}");
    assert!(!told[1].alarm && told[1].detail.contains("XC00000002"), "{told:?}");
    // Revoked: nothing is sent any more; what comes is archived.
    world.nodes[0].stop().await;
    std::fs::remove_dir_all(world.nodes[0].config.folders.state.join("revocation")).unwrap();
    give(&world, own, &[(own, now() - 60_000, KeyCompromise)], 86_400);
    world.nodes[0].start().await;
    world.nodes[0].ready().await;
    let stopped = Unit::letter("不送", &[to(1)], &[], &[]);
    world.nodes[0].put(&stopped);
    waits(&world, 0, &stopped, "own-certificate-revoked").await;
    let coming = Unit::letter_from("XC00000002", "乙機關", "收得到", &[to(0)], &[], &[]);
    world.nodes[1].put(&coming);
    let id = eventually("it arrives", || world.nodes[0].inbox().first().map(|row| row.offer.document)).await;
    eventually("it is archived", || {
        let row = world.nodes[0].inbox().into_iter().find(|row| row.offer.document == id)?;
        matches!(row.state, Inbound::Archived | Inbound::Confirmed).then_some(())
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_center_lets_in_whom_it_knows_to_be_good() {
    let _one = ONE.lock().await;
    let mut world = world(2).await;
    let revoked = "XC00000002.sign";
    give(&world, revoked, &[(revoked, now() - 60_000, KeyCompromise)], 86_400);
    world.center_down().await;
    world.config.revocation.internal_addresses = true;
    world.config.revocation.mode = Some(RevocationMode::Hard);
    world.center_up().await;
    for node in &mut world.nodes {
        node.start().await;
    }
    // Not known at first: refused for the moment, and let in by itself once the list came.
    world.nodes[0].ready().await;
    let state = world.nodes[1].running.as_ref().unwrap().link();
    eventually("refused for its revocation", || {
        (state.borrow().label() == Some("certificate-revoked")).then_some(())
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_expired_certificate_the_reason_shows_although_nobody_logs_in() {
    let _one = ONE.lock().await;
    let mut world = world(2).await;
    let pki = world.dir().join("pki");
    let sign = &mut world.nodes[0].config.keys.sign;
    (sign.key, sign.certificate) = (Some(pki.join("ended.key.pem")), Some(pki.join("ended.crt.pem")));
    world.nodes[0].start().await;
    let unit = Unit::letter("過期", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    waits(&world, 0, &unit, "own-certificate-expired").await;
    assert!(tokio::time::timeout(Duration::from_millis(200), world.nodes[0].ready()).await.is_err());
    world.stop().await;
}
