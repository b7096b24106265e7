//! Peers that are not who they should be, or do what they should not.

use std::{sync::Arc, time::Duration};

use tokio::{io::AsyncReadExt as _, net::TcpStream};
use wire::{
    ClientTls, Connector, Credential, Credentials, Error, Lane, Limits, SessionKey, Timing, Transport,
    login::{CredentialFuture, ProofFacts},
    message::{Challenge, Request, Version},
};

use crate::center::{CENTER, Center, HOST, MEMBER, Member, Pki};

const BOTH: [Transport; 2] = [Transport::Quic, Transport::Tcp];

#[tokio::test]
async fn a_server_under_other_anchors_or_another_name_is_not_trusted() {
    let center = Center::start(Limits::default()).await;
    let other = ClientTls::new(Pki::new().anchors.as_bytes(), HOST).unwrap();
    for transport in [Transport::Auto, Transport::Quic, Transport::Tcp] {
        let connector = Connector::new(other.clone(), HOST, center.address.port(), CENTER);
        let error = connector.transport(transport).connect(Member::new()).await.unwrap_err();
        assert!(matches!(error, Error::Untrusted(_)), "{transport:?}: {error}");
        let elsewhere = center.tls_for("center.example");
        let connector = Connector::new(elsewhere, HOST, center.address.port(), CENTER);
        let error = connector.transport(transport).connect(Member::new()).await.unwrap_err();
        assert!(matches!(error, Error::Untrusted(_)), "{transport:?}: {error}");
    }
}

#[tokio::test]
async fn a_center_of_another_code_gets_no_login() {
    let center = Center::start(Limits::default()).await;
    let connector = Connector::new(center.tls(), HOST, center.address.port(), "9942");
    let error = connector.connect(Member::new()).await.unwrap_err();
    assert!(matches!(&error, Error::OtherCenter { found, .. } if found == CENTER), "{error}");
    assert_eq!(center.book.logins.load(std::sync::atomic::Ordering::SeqCst), 0);
}

/// Says again what was said on another connection: a key that it does not have.
struct Replay {
    statement: Vec<u8>,
}

impl Credentials for Replay {
    fn member(&self) -> &str {
        MEMBER
    }

    fn credential<'a>(&'a self, _: &'a Challenge) -> CredentialFuture<'a> {
        Box::pin(async {
            let key = SessionKey::generate()?;
            Ok(Arc::new(Credential { statement: self.statement.clone(), key }))
        })
    }
}

#[tokio::test]
async fn a_recorded_statement_is_useless_without_its_key() {
    let center = Center::start(Limits::default()).await;
    let statement = SessionKey::generate().unwrap().public().to_vec();
    for transport in BOTH {
        let thief = Arc::new(Replay { statement: statement.clone() });
        let error = center.connector(transport).connect(thief).await.unwrap_err();
        assert_eq!(error.label(), "login-invalid", "{error}");
    }
}

#[test]
fn a_proof_holds_for_its_own_facts_only() {
    let key = SessionKey::generate().unwrap();
    let facts = ProofFacts {
        version: Version::V1,
        member: MEMBER,
        center: CENTER,
        nonce: &[1; 32],
        exporter: &[2; 32],
    };
    let proof = key.prove(&facts).unwrap();
    assert!(wire::login::verify(key.public(), &facts, &proof));
    let others = [
        ProofFacts { member: "XC00000002", ..facts },
        ProofFacts { center: "9942", ..facts },
        ProofFacts { nonce: &[3; 32], ..facts },
        ProofFacts { exporter: &[3; 32], ..facts },
        // The border between two fields is signed too.
        ProofFacts { member: "XC000000019", center: "941", ..facts },
    ];
    for other in others {
        assert!(!wire::login::verify(key.public(), &other, &proof), "{other:?}");
    }
    assert!(!wire::login::verify(SessionKey::generate().unwrap().public(), &facts, &proof));
    assert!(!wire::login::verify(&key.public()[..64], &facts, &proof));
    assert!(!wire::login::verify(key.public(), &facts, &[]));
    // A key that was put aside and taken up again is the same.
    let again = SessionKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
    assert_eq!(again.public(), key.public());
    assert!(wire::login::verify(key.public(), &facts, &again.prove(&facts).unwrap()));
    assert_eq!(format!("{key:?}"), "SessionKey(****)");
    assert!(SessionKey::from_pkcs8(&[0x30, 0x00]).is_err());
}

/// openssl has the last word on what the proof is: ECDSA with SHA-256 over the fields of protocol §3.2.
#[test]
fn openssl_verifies_a_proof_over_the_documented_bytes() {
    let key = SessionKey::generate().unwrap();
    let facts = ProofFacts {
        version: Version::V1,
        member: MEMBER,
        center: CENTER,
        nonce: &[1; 32],
        exporter: &[2; 32],
    };
    let fields: [&[u8]; 7] =
        [b"di-exchange login", &[0, 1], b"node", b"XC00000001", b"9941", &[1; 32], &[2; 32]];
    let mut input = Vec::new();
    for (field, length) in fields.iter().zip([17, 2, 4, 10, 4, 32, 32]) {
        input.extend_from_slice(&[0, 0, 0, length]);
        input.extend_from_slice(field);
    }
    assert_eq!(wire::login::proof_input(&facts), input);

    // SubjectPublicKeyInfo of a P-256 point (RFC 5480).
    let mut spki = vec![0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    spki.extend([0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00]);
    spki.extend(key.public());
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let output = std::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-keyform", "DER", "-verify"])
        .arg(file("key.der", &spki))
        .arg("-signature")
        .arg(file("proof", &key.prove(&facts).unwrap()))
        .arg(file("input", &input))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Never gives a login.
struct Dawdler;

impl Credentials for Dawdler {
    fn member(&self) -> &str {
        MEMBER
    }

    fn credential<'a>(&'a self, _: &'a Challenge) -> CredentialFuture<'a> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn who_does_not_log_in_is_put_out() {
    let limits = Limits { login: Duration::from_millis(300), per_address: 1, ..Limits::default() };
    let center = Center::start(limits).await;
    for transport in BOTH {
        let timing = Timing { connect: Duration::from_secs(20), ..Timing::default() };
        let connector = center.connector(transport).timing(timing);
        let dawdler = tokio::spawn(async move { connector.connect(Arc::new(Dawdler)).await });
        // The only place for this address is free again once the dawdler is out.
        let wait = Duration::from_secs(10);
        let second = async {
            loop {
                let quick = Timing { connect: Duration::from_millis(500), ..Timing::default() };
                if let Ok(connected) = center.connector(transport).timing(quick).connect(Member::new()).await
                {
                    return connected;
                }
                tokio::task::yield_now().await;
            }
        };
        let second = tokio::time::timeout(wait, second).await.unwrap();
        second.connection.close().await;
        drop(second);
        dawdler.abort();
    }
}

#[tokio::test]
async fn one_address_gets_only_its_share_of_connections() {
    let center = Center::start(Limits { per_address: 2, ..Limits::default() }).await;
    let quick = Timing { connect: Duration::from_secs(2), ..Timing::default() };
    let connector = center.connector(Transport::Quic).timing(quick);
    let first = connector.connect(Member::new()).await.unwrap();
    let _second = connector.connect(Member::new()).await.unwrap();
    assert!(connector.connect(Member::new()).await.is_err());
    first.connection.close().await;
    let again = async {
        loop {
            if let Ok(connected) = connector.connect(Member::new()).await {
                return connected;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.unwrap();
}

#[tokio::test]
async fn a_plain_tcp_client_is_cut_after_the_handshake_deadline() {
    let limits = Limits { handshake: Duration::from_millis(200), ..Limits::default() };
    let center = Center::start(limits).await;
    let mut silent = TcpStream::connect(center.address).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(10), silent.read(&mut [0; 10])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    // And nobody else has noticed.
    let connected = center.connector(Transport::Tcp).connect(Member::new()).await.unwrap();
    let offers = Request::Offers { after: 0, limit: 1 };
    connected.connection.ask(Lane::Work, &offers, Duration::from_secs(10)).await.unwrap();
}

#[test]
fn unusable_tls_files_are_refused_by_name() {
    let pki = Pki::new();
    assert_eq!(ClientTls::new(b"nothing", HOST).unwrap_err().label(), "center-anchors");
    assert_eq!(ClientTls::new(pki.anchors.as_bytes(), "no name").unwrap_err().label(), "server-name");
    let other = Pki::new();
    let mixed = wire::ServerTls::new(pki.chain.as_bytes(), other.key.as_bytes());
    assert_eq!(mixed.unwrap_err().label(), "server-certificate");
}
