//! Who is let in, and who is not.

use crate::pki::{CODES, PKI, registration};
use crate::world::{CENTER, World, ask, credential, header, label, member, now, offers, submit};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use wire::login::ProofFacts;
use wire::message::{Challenge, Hello, Login, Reply, Request, Version};
use wire::{Credential, Transport};

const A: &str = CODES[0];
const B: &str = CODES[1];

/// A bare TLS connection, to say what no honest client says.
struct Bare(TlsStream<TcpStream>);

impl Bare {
    async fn connect(world: &World) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(PKI.tls_anchor_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![wire::ALPN.to_vec()];
        let tcp = TcpStream::connect(world.running().address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Self(tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.unwrap())
    }

    async fn say(&mut self, request: &Request) -> Reply {
        use tokio::io::AsyncWriteExt as _;
        self.0.write_all(&wire::codec::frame(request).unwrap()).await.unwrap();
        self.0.flush().await.unwrap();
        let frame = wire::codec::read(&mut self.0, wire::MAX_REPLY).await.unwrap().unwrap();
        wire::codec::decode(&frame).unwrap()
    }

    async fn hello(&mut self, member: &str) -> Challenge {
        let hello = Request::Hello(Hello { version: Version::V1, member: member.into() });
        match self.say(&hello).await {
            Reply::Challenge(challenge) => challenge,
            other => panic!("{other:?}"),
        }
    }

    /// The login as it should be on this connection.
    fn login(&self, card: &Credential, challenge: &Challenge, member: &str) -> Login {
        let exporter: [u8; 32] = self
            .0
            .get_ref()
            .1
            .export_keying_material([0; 32], wire::login::EXPORTER_LABEL, Some(&[]))
            .unwrap();
        let facts = ProofFacts {
            version: challenge.version,
            member,
            center: &challenge.center,
            nonce: &challenge.nonce,
            exporter: &exporter,
        };
        Login { statement: card.statement.clone(), proof: card.key.prove(&facts).unwrap() }
    }
}

fn refused(reply: Reply) -> String {
    match reply {
        Reply::Refused(refusal) => refusal.label,
        other => format!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_login_is_worth_nothing_on_another_connection() {
    let world = World::new(|_| ()).await;
    let card = credential(A, &PKI.members[0], now(), CENTER);
    let mut first = Bare::connect(&world).await;
    let challenge = first.hello(A).await;
    let login = first.login(&card, &challenge, A);
    assert!(matches!(first.say(&Request::Login(login.clone())).await, Reply::Welcome(_)));

    let mut second = Bare::connect(&world).await;
    second.hello(A).await;
    assert_eq!(refused(second.say(&Request::Login(login.clone())).await), "login-invalid");
    // nor does it help to try without a fresh challenge, or to ask at once
    assert_eq!(refused(second.say(&Request::Login(login.clone())).await), "not-logged-in");
    let offers = Request::Offers { after: 0, limit: 1 };
    assert_eq!(refused(second.say(&offers).await), "not-logged-in");
    // the right nonce with the exporter of another connection: what a man in the middle would have
    let mut third = Bare::connect(&world).await;
    let challenge = third.hello(A).await;
    let elsewhere = first.login(&card, &challenge, A);
    assert_eq!(refused(third.say(&Request::Login(elsewhere)).await), "login-invalid");
    // the connection may still log in properly
    let challenge = third.hello(A).await;
    let proper = third.login(&card, &challenge, A);
    assert!(matches!(third.say(&Request::Login(proper)).await, Reply::Welcome(_)));
    assert_eq!(refused(third.say(&Request::Login(login)).await), "malformed-request");
}

#[tokio::test(flavor = "multi_thread")]
async fn someone_elses_certificate_and_statements_for_elsewhere() {
    let world = World::new(|_| ()).await;
    for transport in [Transport::Quic, Transport::Tcp] {
        // B's card speaks for A
        let login = world.connect_as(A, &PKI.members[1], transport).await;
        assert_eq!(label(login.map(|_| ())), "certificate-not-registered");
        // a card of a CA that the center does not know
        let login = world.connect_as(A, &PKI.members[3], transport).await;
        assert_eq!(label(login.map(|_| ())), "certificate-untrusted");
    }
    for (card, expected) in [
        (credential(B, &PKI.members[0], now(), CENTER), "login-invalid"),
        (credential(A, &PKI.members[0], now(), "OTHER-CENTER"), "login-invalid"),
        (credential(A, &PKI.members[0], now() - 13 * 3_600_000, CENTER), "login-expired"),
        (credential(A, &PKI.members[0], now() + 3_600_000, CENTER), "login-not-yet-valid"),
    ] {
        let mut node = Bare::connect(&world).await;
        let challenge = node.hello(A).await;
        let login = node.login(&card, &challenge, A);
        assert_eq!(refused(node.say(&Request::Login(login)).await), expected);
    }
    // garbage where a statement should be
    let mut node = Bare::connect(&world).await;
    node.hello(A).await;
    let garbage = Login { statement: vec![0x30; 500], proof: vec![1; 70] };
    assert_eq!(refused(node.say(&Request::Login(garbage)).await), "login-invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_suspended_or_from_an_unregistered_address() {
    let world = World::new(|_| ()).await;
    for transport in [Transport::Quic, Transport::Tcp] {
        let unknown = world.connect_as("Z00000000Z", &PKI.members[0], transport).await;
        assert_eq!(label(unknown.map(|_| ())), "member-unknown");

        world.registry.suspend(A, now()).unwrap();
        assert_eq!(label(world.connect(0, transport).await.map(|_| ())), "member-suspended");
        world.registry.resume(A, now()).unwrap();

        // loopback is an address like any other: it must be registered
        let mut elsewhere = member(A);
        elsewhere.addresses = vec!["203.0.113.7".parse().unwrap(), "127.0.0.2".parse().unwrap()];
        world.registry.put_member(&elsewhere, now()).unwrap();
        assert_eq!(label(world.connect(0, transport).await.map(|_| ())), "address-not-registered");
        world.registry.add_address(A, "127.0.0.0/8".parse().unwrap(), now()).unwrap();
        world.connect(0, transport).await.unwrap();
        world.registry.put_member(&member(A), now()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_a_node_is_connected_counts_at_its_next_request() {
    let world = World::new(|_| ()).await;
    let a = world.node(0, Transport::Quic).await;
    offers(&a, 0).await.unwrap();
    world.registry.suspend(A, now()).unwrap();
    assert_eq!(label(offers(&a, 0).await), "member-suspended");
    world.registry.resume(A, now()).unwrap();
    offers(&a, 0).await.unwrap();

    let mut receive_only = member(A);
    receive_only.may_send = false;
    world.registry.put_member(&receive_only, now()).unwrap();
    assert_eq!(label(submit(&a, &header(1, b"one", &[B]), b"one").await), "may-not-send");
    offers(&a, 0).await.unwrap();

    world.ahead.store(13 * 3_600_000, Ordering::SeqCst);
    assert_eq!(label(offers(&a, 0).await), "login-expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_renewal_only_the_new_card_logs_in() {
    let world = World::new(|_| ()).await;
    // C's key pair stands in for A's next card
    let renewed = registration(&PKI.members[2], A, "某機關", 2, now());
    world.registry.put_entry(&renewed, now()).unwrap();
    assert_eq!(label(world.connect(0, Transport::Tcp).await.map(|_| ())), "certificate-not-registered");
    world.connect_as(A, &PKI.members[2], Transport::Tcp).await.unwrap();
    // and the old entry does not come back
    let old = registration(&PKI.members[0], A, "某機關", 1, now());
    let error = world.registry.put_entry(&old, now()).unwrap_err();
    assert_eq!(error.label(), "center-stale-entry");
    // nor one that the registrar has not signed
    let own = envelope::directory::countersign(
        &crate::pki::entry(&PKI.members[0], A, "某機關", 3, now()),
        &PKI.members[3].sign.key,
        now(),
    )
    .unwrap();
    assert_eq!(world.registry.put_entry(&own, now()).unwrap_err().label(), "center-key-or-certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_has_so_many_connections_and_no_more() {
    let world = World::new(|config| config.limits.connections_per_member = 2).await;
    let first = world.node(0, Transport::Quic).await;
    let _second = world.node(0, Transport::Quic).await;
    assert_eq!(label(world.connect(0, Transport::Quic).await.map(|_| ())), "busy");
    world.node(1, Transport::Quic).await;
    first.close().await;
    let mut tries = 0;
    while world.connect(0, Transport::Quic).await.is_err() {
        tries += 1;
        assert!(tries < 100, "a closed connection gives its place back");
    }
    let codes = vec![A.to_owned()];
    ask(&world.node(1, Transport::Quic).await, Request::Directory { codes }).await.unwrap();
}
