//! Connections as a node and its center use them, over both carriers.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use wire::{Carrier, Connection, Error, Lane, Limits, Timing, Transport, message::*};

use crate::{
    center::{Center, HALF_DEAD, Member, Pki, SILENT, short, udp_black_hole, udp_relay},
    samples::header,
};

const WAIT: Duration = Duration::from_secs(10);
const BOTH: [(Transport, Carrier); 2] = [(Transport::Quic, Carrier::Quic), (Transport::Tcp, Carrier::Tcp)];

async fn connected(center: &Center, transport: Transport, timing: Timing) -> Connection {
    let connector = center.connector(transport).timing(timing);
    connector.connect(Member::new()).await.unwrap().connection
}

fn offers(after: u64) -> Request {
    Request::Offers { after, limit: 10 }
}

#[tokio::test]
async fn a_login_holds_on_both_carriers_and_a_request_is_answered() {
    let center = Center::start(Limits::default()).await;
    for (transport, carrier) in BOTH {
        let connection = connected(&center, transport, Timing::default()).await;
        assert_eq!(connection.carrier(), carrier);
        assert_eq!(connection.peer(), center.address);
        let reply = connection.ask(Lane::Work, &offers(0), WAIT).await.unwrap();
        assert_eq!(reply, Reply::Offers { offers: vec![] });
        // A refusal is an answer, not the end of the connection.
        let refused = connection.ask(Lane::Work, &Request::Report { bundle: vec![1] }, WAIT).await;
        let Err(Error::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.label, "busy");
        connection.ask(Lane::Work, &offers(0), WAIT).await.unwrap();
        connection.close().await;
    }
    // The proof covers the exporter value: that the center took it shows that both ends had the same.
    assert_eq!(center.book.logins.load(Ordering::SeqCst), 2);
    let proofs = center.book.proofs.lock().unwrap();
    assert_ne!(proofs[0], proofs[1]);
}

#[tokio::test]
async fn auto_prefers_quic() {
    let center = Center::start(Limits::default()).await;
    let connection = connected(&center, Transport::Auto, Timing::default()).await;
    assert_eq!(connection.carrier(), Carrier::Quic);
}

#[tokio::test]
async fn twenty_megabytes_go_up_after_an_interruption_and_come_down_from_an_offset() {
    let center = Center::start(Limits::default()).await;
    let body: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    for (transport, carrier) in BOTH {
        let connection = connected(&center, transport, Timing::default()).await;
        let sealed = [carrier as u8; 32];
        let length = body.len() as u64;
        let submit = Request::Submit { header: PartHeader { sealed, length, ..header() }, eager: false };

        // The first try breaks off after five megabytes.
        let mut exchange = connection.open(Lane::Work).await.unwrap();
        exchange.send(&submit).await.unwrap();
        assert_eq!(exchange.recv_reply(WAIT).await.unwrap(), Reply::Go { offset: 0 });
        exchange.send_body(&mut &body[..5_000_000], 5_000_000).await.unwrap();
        drop(exchange);

        // The second goes on from where the center says, once it has noticed that the first is over.
        while !center.book.bodies.lock().unwrap().contains_key(&sealed) {
            tokio::task::yield_now().await;
        }
        let mut exchange = connection.open(Lane::Work).await.unwrap();
        exchange.send(&submit).await.unwrap();
        let Reply::Go { offset } = exchange.recv_reply(WAIT).await.unwrap() else { panic!() };
        let at = usize::try_from(offset).unwrap();
        exchange.send_body(&mut &body[at..], length - offset).await.unwrap();
        assert_eq!(exchange.recv_reply(WAIT).await.unwrap(), Reply::Accepted { receipt: vec![0x30] });
        exchange.finish().await.unwrap();
        assert!((1..=5_000_000).contains(&offset), "{offset}");
        assert!(center.book.bodies.lock().unwrap()[&sealed] == body);

        let mut exchange = connection.open(Lane::Work).await.unwrap();
        exchange.send(&Request::Fetch { seq: 20_000_000, offset: 19_000_000 }).await.unwrap();
        let Reply::Body { length, .. } = exchange.recv_reply(WAIT).await.unwrap() else { panic!() };
        assert_eq!(length, 20_000_000);
        let mut rest = Vec::new();
        exchange.recv_body(&mut rest, length - 19_000_000).await.unwrap();
        exchange.finish().await.unwrap();
        assert!(rest.len() == 1_000_000 && rest.iter().all(|byte| *byte == 0xab));
    }
}

#[tokio::test]
async fn an_eager_body_travels_with_its_header() {
    let center = Center::start(Limits::default()).await;
    for (transport, carrier) in BOTH {
        let connection = connected(&center, transport, Timing::default()).await;
        let (sealed, body) = ([carrier as u8; 32], vec![0x5a; 60_000]);
        let header = PartHeader { sealed, length: 60_000, ..header() };
        for _ in 0..3 {
            center.book.bodies.lock().unwrap().remove(&sealed);
            let mut exchange = connection.open(Lane::Work).await.unwrap();
            let submit = Request::Submit { header: header.clone(), eager: true };
            exchange.send_with_body(&submit, &body).await.unwrap();
            exchange.recv_reply(WAIT).await.unwrap();
            exchange.finish().await.unwrap();
            assert_eq!(center.book.bodies.lock().unwrap()[&sealed], body);
        }
    }
}

#[tokio::test]
async fn a_half_dead_center_meets_the_progress_deadline() {
    let center = Center::start(Limits::default()).await;
    for (transport, _) in BOTH {
        let connection = connected(&center, transport, short()).await;
        let mut exchange = connection.open(Lane::Work).await.unwrap();
        exchange.send(&Request::Fetch { seq: HALF_DEAD, offset: 0 }).await.unwrap();
        exchange.recv_reply(WAIT).await.unwrap();
        let started = Instant::now();
        let error = exchange.recv_body(&mut tokio::io::sink(), HALF_DEAD).await.unwrap_err();
        assert!(matches!(error, Error::Stalled(_)), "{error}");
        assert!(started.elapsed() < Duration::from_secs(3));
        drop(exchange);
        // So does one that never answers.
        let error = connection.ask(Lane::Work, &offers(SILENT), short().progress).await.unwrap_err();
        assert!(matches!(error, Error::Stalled(_)), "{error}");
        // Neither hurts what comes after.
        connection.ask(Lane::Work, &offers(0), WAIT).await.unwrap();
    }
}

#[tokio::test]
async fn a_half_dead_node_meets_the_progress_deadline() {
    let limits = Limits { progress: Duration::from_millis(300), ..Limits::default() };
    let center = Center::start(limits).await;
    for (tries, (transport, _)) in (1..).zip(BOTH) {
        let connection = connected(&center, transport, Timing::default()).await;
        let mut exchange = connection.open(Lane::Work).await.unwrap();
        exchange.send(&Request::Submit { header: header(), eager: false }).await.unwrap();
        exchange.recv_reply(WAIT).await.unwrap();
        exchange.send_body(&mut &[0; 100][..], 100).await.unwrap();
        // One byte now and then is no progress either.
        let trickle = async {
            while exchange.send_body(&mut &[0; 1][..], 1).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if center.book.troubles.lock().unwrap().len() == tries {
                    break;
                }
            }
        };
        tokio::time::timeout(WAIT, trickle).await.unwrap();
        assert_eq!(center.book.troubles.lock().unwrap().last().unwrap(), "peer-stalled");
    }
}

#[tokio::test]
async fn where_udp_disappears_tcp_wins_and_is_remembered() {
    let center = Center::start(Limits::default()).await;
    let address = udp_black_hole(center.address).await;
    let connector = center.connector_to(address, Transport::Auto).timing(short());
    assert_eq!(connector.preferred(), Carrier::Quic);
    let started = Instant::now();
    let first = connector.connect(Member::new()).await.unwrap();
    assert_eq!(first.connection.carrier(), Carrier::Tcp);
    assert!(started.elapsed() >= short().head_start);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    first.connection.ask(Lane::Work, &offers(0), WAIT).await.unwrap();

    assert_eq!(connector.preferred(), Carrier::Tcp);
    let second = connector.connect(Member::new()).await.unwrap();
    assert_eq!(second.connection.carrier(), Carrier::Tcp);

    // After a while QUIC gets its chance again.
    let forgetful = Timing { remember: Duration::ZERO, ..short() };
    assert_eq!(connector.timing(forgetful).preferred(), Carrier::Quic);
}

#[tokio::test]
async fn a_center_that_is_not_there_is_given_up_in_time() {
    let center = Center::start(Limits::default()).await;
    let address = udp_black_hole(center.address).await;
    let timing = Timing { connect: Duration::from_millis(500), ..short() };
    let connector = center.connector_to(address, Transport::Quic).timing(timing);
    let started = Instant::now();
    let error = connector.connect(Member::new()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_dead_line_is_noticed_by_silence() {
    let center = Center::start(Limits::default()).await;
    let (address, cut) = udp_relay(center.address).await;
    let timing = Timing { idle: Duration::from_millis(900), ..Timing::default() };
    let connector = center.connector_to(address, Transport::Quic).timing(timing);
    let connection = connector.connect(Member::new()).await.unwrap().connection;
    connection.ask(Lane::Work, &offers(0), WAIT).await.unwrap();
    cut.store(true, Ordering::SeqCst);
    let started = Instant::now();
    let watch = Request::Watch { offers_after: 0, outcomes_after: 0, announcements_after: 0, wait: 55 };
    let error = connection.ask(Lane::Watch, &watch, Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(error, Error::Lost(_)), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_center_that_died_and_is_back_says_that_the_old_connection_is_gone() {
    let (pki, secret) = (Pki::new(), [7; 32]);
    let first = Center::start_again("127.0.0.1:0".parse().unwrap(), pki.clone(), &secret).await;
    let (relay, cut) = udp_relay(first.address).await;
    // Silence alone would be noticed after this only.
    let timing = Timing { idle: Duration::from_secs(600), ..Timing::default() };
    let connector = first.connector_to(relay, Transport::Quic).timing(timing);
    let connection = connector.connect(Member::new()).await.unwrap().connection;
    // It goes without a word, as a killed process does: what it says at its end gets nowhere.
    cut.store(true, Ordering::SeqCst);
    let address = first.address;
    drop(first);
    let _second = Center::start_again(address, pki, &secret).await;
    cut.store(false, Ordering::SeqCst);
    let error = connection.ask(Lane::Work, &offers(0), Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(&error, Error::Lost(how) if how.contains("reset by peer")), "{error}");
    connector.connect(Member::new()).await.unwrap();
}

#[tokio::test]
async fn the_pool_grows_on_demand_and_the_watch_has_its_own_connection() {
    let center = Center::start(Limits::default()).await;
    let timing = Timing { pool: 3, ..Timing::default() };
    let connection = connected(&center, Transport::Tcp, timing).await;
    let watching = connection.clone();
    let watch = tokio::spawn(async move {
        let request = Request::Watch { offers_after: 0, outcomes_after: 0, announcements_after: 0, wait: 55 };
        watching.ask(Lane::Watch, &request, WAIT).await
    });
    let mut requests = JoinSet::new();
    for _ in 0..40 {
        let connection = connection.clone();
        requests.spawn(async move { connection.ask(Lane::Work, &offers(0), WAIT).await });
    }
    while let Some(reply) = requests.join_next().await {
        reply.unwrap().unwrap();
    }
    center.book.news.notify_one();
    let news = Reply::News { offers: true, outcomes: false, announcements: false };
    assert_eq!(watch.await.unwrap().unwrap(), news);
    assert!((2..=4).contains(&center.book.logins.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn many_exchanges_share_one_quic_connection() {
    let center = Center::start(Limits { streams: 8, ..Limits::default() }).await;
    let connection = connected(&center, Transport::Quic, Timing::default()).await;
    let mut requests = JoinSet::new();
    for _ in 0..200 {
        let connection = connection.clone();
        requests.spawn(async move { connection.ask(Lane::Work, &offers(0), WAIT).await });
    }
    while let Some(reply) = requests.join_next().await {
        reply.unwrap().unwrap();
    }
    assert_eq!(center.book.logins.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stopped_center_is_noticed_and_a_new_one_is_found_at_once() {
    for (transport, _) in BOTH {
        let center = Center::start(Limits::default()).await;
        let connector = center.connector(transport);
        let connection = connector.connect(Member::new()).await.unwrap().connection;
        drop(center);
        let error = connection.ask(Lane::Work, &offers(0), WAIT).await.err();
        if transport == Transport::Quic {
            let error = error.unwrap();
            assert!(matches!(error, Error::Closed | Error::Lost(_)), "{error}");
        }
    }
}
