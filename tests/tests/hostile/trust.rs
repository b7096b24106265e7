//! Who claims to be whom: substituted directory entries, recorded logins, forged receipts, and a center that lies.

use std::sync::Arc;

use config::Transport;
use envelope::SigningKey;
use envelope::receipt::{ReceiptLine, Verdict, make_receiver};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use store::queue::Target;
use store::state::{Inbound, Line, Word};
use tests::pki::MEMBERS;
use tests::world::{To, Unit, World, eventually, now, to};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use wire::login::ProofFacts;
use wire::message::{Challenge, Hello, Login, Reply, Request, Version};
use wire::{Credential, SessionKey};

use crate::assert_explained;
use crate::attacker::{Attacker, code, credential, encryption, key, login, refused};

/// The center's database, as a dishonest operator has it in his hands.
fn database(world: &World) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(world.config.data.join("center.db")).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection
}

fn answer_with(world: &World, member: usize, registration: &[u8]) {
    let sql = "UPDATE entry SET registration = ?2 WHERE code = ?1";
    assert_eq!(database(world).execute(sql, (code(member), registration)).unwrap(), 1);
}

fn count(world: &World, sql: &str, document: [u8; 16]) -> i64 {
    database(world).query_row(sql, [document], |row| row.get(0)).unwrap()
}

/// An entry for `member`'s code with another's keys, countersigned by whoever is at hand.
fn self_made(world: &World, member: usize, by: usize) -> Vec<u8> {
    let sign = key(world, &format!("{}.sign", code(by)));
    let chain = SigningKey::chain(&sign);
    let entry = envelope::directory::Entry {
        code: &code(member),
        name: MEMBERS[member].1,
        enc: &encryption(world, by),
        enc_chain: &chain,
        oaep: true,
        number: 9,
    };
    let entry = envelope::directory::make(&entry, &sign, now()).unwrap();
    envelope::directory::countersign(&entry, &sign, now()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sealed_to_an_entry_that_the_center_put_in_anothers_place() {
    let mut world = World::registered(4, Transport::Auto, |_, _| {}).await;
    let fresh = |world: &World, member: usize, number| {
        world.entry(MEMBERS[member].0, MEMBERS[member].1, "enc", number)
    };
    world.put_entry(MEMBERS[3].0, MEMBERS[3].1, "enc", 5);
    for node in [0, 1] {
        world.nodes[node].start().await;
    }
    let first = Unit::letter("先前", &[to(3)], &[], &[]);
    world.nodes[0].put(&first);
    world.nodes[0].until(&first, Word::Accepted).await;

    // Another member's entry in one place, an old one in the other. A restart forgets no number.
    world.nodes[0].stop().await;
    answer_with(&world, 2, &fresh(&world, 3, 5));
    answer_with(&world, 3, &fresh(&world, 3, 4));
    world.nodes[0].start().await;
    let another = Unit::letter("換人", &[to(1), to(2)], &[], &[]);
    let old = Unit::letter("換舊", &[to(3)], &[], &[]);
    let good = Unit::letter("好的", &[to(1)], &[], &[]);
    for unit in [&another, &old, &good] {
        world.nodes[0].put(unit);
    }
    let stopped = async |unit: &Unit, label: &str, says: &str| {
        let row = eventually(&format!("{} stops with {label} ({says})", unit.di.0), || {
            let rows = world.nodes[0].outbox();
            rows.into_iter().find(|r| {
                r.di_name == unit.di.0 && r.trouble.label == label && r.trouble.detail.contains(says)
            })
        })
        .await;
        assert_eq!((row.word, row.trouble.due), (Word::Claimed, None), "it waits for a person");
        assert_explained(label);
        let alarms = world.nodes[0].store().alarms(100).unwrap();
        assert!(alarms.iter().any(|a| a.about == store::journal::About::Document(row.id)), "nobody is told");
        assert_eq!(count(&world, "SELECT count(*) FROM part WHERE document = ?1", row.id), 0);
        row.id
    };
    let another_id = stopped(&another, "directory-entry-untrusted", MEMBERS[3].0).await;
    let old_id = stopped(&old, "directory-entry-set-back", "5").await;
    world.nodes[0].until(&good, Word::Confirmed).await;

    // An entry for the right code, made by somebody who is not the registrar.
    answer_with(&world, 2, &self_made(&world, 2, 3));
    let again = async |id| {
        let running = world.nodes[0].running.as_ref().unwrap();
        running.store().retry(Target::Document(id), "王小明", "請註冊單位查過", now()).await.unwrap();
        running.wake();
    };
    again(another_id).await;
    eventually("the self-made entry is no better", || {
        let row = world.nodes[0].outbox().into_iter().find(|r| r.id == another_id)?;
        let other = !row.trouble.detail.contains(MEMBERS[3].0);
        (row.trouble.label == "directory-entry-untrusted" && row.trouble.due.is_none() && other).then_some(())
    })
    .await;
    assert_eq!(count(&world, "SELECT count(*) FROM part WHERE document = ?1", another_id), 0);

    // Put right, and tried again by a person: both go out.
    answer_with(&world, 2, &fresh(&world, 2, 1));
    answer_with(&world, 3, &fresh(&world, 3, 5));
    again(another_id).await;
    again(old_id).await;
    for unit in [&another, &old] {
        world.nodes[0].until(unit, Word::Accepted).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_suspended_and_malformed_codes_among_many_are_all_listed_and_nothing_is_sent() {
    const SHORTENED: &str = "XC99999912";
    let world = World::new(3, Transport::Auto).await;
    world.registry().suspend(MEMBERS[2].0, now()).unwrap();
    let made_up = |code: &str| To { code: code.into(), name: "查無此機關".into(), attachments: None };
    let recipients = [to(0), to(1), made_up("XC99999998"), to(2), made_up(SHORTENED), made_up("XC99999999")];
    let mut bad = Unit::letter("多處", &recipients, &[], &[]);
    // the writer makes no such code; by hand it is quickly written
    for (_, bytes) in &mut bad.files {
        *bytes = String::from_utf8_lossy(bytes).replace(SHORTENED, "XC12").into_bytes();
    }
    let good = Unit::letter("好的", &[to(1)], &[], &[]);
    world.nodes[0].put(&bad);
    world.nodes[0].put(&good);
    let refused = world.nodes[0].until(&bad, Word::Refused).await;
    let trouble = &refused.document.trouble;
    assert_eq!(trouble.label, "recipients-not-addressable");
    assert_explained(&trouble.label);
    for code in ["XC99999998", "XC99999999", MEMBERS[2].0, "XC12"] {
        assert!(trouble.detail.contains(code), "{code} is not listed: {}", trouble.detail);
    }
    for code in [MEMBERS[0].0, MEMBERS[1].0] {
        assert!(!trouble.detail.contains(code), "{code} is not bad: {}", trouble.detail);
    }
    assert!(refused.containers.is_empty() && refused.parts.is_empty(), "nothing is signed");
    let sent = world.nodes[0].until(&good, Word::Confirmed).await;
    world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
    assert_eq!(world.nodes[1].inbox().len(), 1);
    world.stop().await;
}

/// A bare TLS connection, to say what no honest client says.
struct Bare(TlsStream<TcpStream>);

impl Bare {
    async fn connect(world: &World) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let pem = std::fs::read(world.dir().join("pki/center-ca.pem")).unwrap();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![wire::ALPN.to_vec()];
        let tcp = TcpStream::connect(world.config.listen).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
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
        let reply = self.say(&hello).await;
        let Reply::Challenge(challenge) = reply else { panic!("{reply:?}") };
        challenge
    }

    /// The login as it should be on this connection.
    fn login(&self, card: &Credential, challenge: &Challenge, member: &str) -> Login {
        let tls = self.0.get_ref().1;
        let exporter: [u8; 32] =
            tls.export_keying_material([0; 32], wire::login::EXPORTER_LABEL, Some(&[])).unwrap();
        let (version, center, nonce) = (challenge.version, challenge.center.as_str(), &challenge.nonce);
        let facts = ProofFacts { version, member, center, nonce, exporter: &exporter };
        Login { statement: card.statement.clone(), proof: card.key.prove(&facts).unwrap() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_login_opens_no_other_connection_and_anothers_card_none_at_all() {
    let world = World::new(2, Transport::Auto).await;
    let member = code(1);
    let card = credential(&member, &key(&world, &format!("{member}.sign")));
    let mut first = Bare::connect(&world).await;
    let challenge = first.hello(&member).await;
    let recorded = first.login(&card, &challenge, &member);
    assert!(matches!(first.say(&Request::Login(recorded.clone())).await, Reply::Welcome(_)));
    let mut second = Bare::connect(&world).await;
    second.hello(&member).await;
    let reply = second.say(&Request::Login(recorded.clone())).await;
    let Reply::Refused(refusal) = reply else { panic!("a recorded login was taken: {reply:?}") };
    assert_eq!(refusal.label, "login-invalid");
    assert_explained(&refusal.label);
    // Nothing is answered on it: neither offers nor anything else.
    let reply = second.say(&Request::Offers { after: 0, limit: 10 }).await;
    assert!(matches!(&reply, Reply::Refused(refusal) if refusal.label == "not-logged-in"), "{reply:?}");

    // The recorded statement with a session key of one's own; another member's card; a card that is no member's.
    let stolen = Credential { statement: card.statement.clone(), key: SessionKey::generate().unwrap() };
    assert_eq!(refused(login(&world, &member, stolen).await.map(drop)), "login-invalid");
    for (name, label) in
        [("XC00000003.sign", "certificate-not-registered"), ("stranger", "certificate-not-registered")]
    {
        let foreign = credential(&member, &key(&world, name));
        assert_eq!(refused(login(&world, &member, foreign).await.map(drop)), label, "{name}");
        assert_explained(label);
    }
    // The member itself goes on.
    let unit = Unit::letter("好的", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    world.nodes[0].until(&unit, Word::Confirmed).await;
    world.stop().await;
}

fn signed(attacker: &Attacker, line: &ReceiptLine) -> Vec<u8> {
    make_receiver(std::slice::from_ref(line), &attacker.sign, now()).unwrap()[0].1.to_der()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_for_another_not_even_with_the_centers_help() {
    let mut world = World::registered(3, Transport::Auto, |_, _| {}).await;
    world.nodes[0].start().await;
    let attacker = Attacker::new(&world, 2).await;
    let unit = Unit::letter("公文", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    let sent = world.nodes[0].until(&unit, Word::Accepted).await;
    let part = &sent.parts[0];
    let forged = ReceiptLine {
        center: "CENTER".into(),
        document: part.document,
        round: 0,
        sender: code(0),
        recipient: code(1),
        manifest: part.manifest,
        signature: part.signature,
        sealed: part.sealed,
        verdict: Verdict::Returned,
        label: "unreadable".into(),
        arrived: now(),
        archived: None,
    };
    let own = ReceiptLine { recipient: code(2), ..forged.clone() };
    for (line, label) in [(&forged, "receipt-not-yours"), (&own, "receipt-unknown-part")] {
        let bundle = signed(&attacker, line);
        assert_eq!(refused(attacker.ask(&Request::Report { bundle }).await), label);
        assert_explained(label);
    }
    // A center that forwards it all the same.
    world.nodes[0].stop().await;
    let bundle = signed(&attacker, &forged);
    let sql = "INSERT INTO outcome (sender, reporter, digest, bundle, reported) VALUES (?1, ?2, ?3, ?4, ?5)";
    let digest = envelope::sha256(&bundle);
    database(&world).execute(sql, (code(0), code(1), digest, &bundle, now())).unwrap();
    world.nodes[0].start().await;
    eventually("an alarm about the forged receipt", || {
        world.nodes[0].store().alarms(100).unwrap().into_iter().find(|a| a.event == "outcome-invalid")
    })
    .await;
    assert_explained("outcome-invalid");
    let lines = world.nodes[0].store().lines(sent.document.id).unwrap();
    assert_eq!(lines[0].state, Line::Accepted, "the forged receipt changed nothing");
    // The true answer counts, and is not held up by the forged one before it.
    world.nodes[1].start().await;
    world.nodes[0].until(&unit, Word::Confirmed).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_than_those_offered_are_fetched_again_and_blamed_on_nobody() {
    let mut world = World::registered(2, Transport::Auto, |_, _| {}).await;
    world.nodes[0].start().await;
    let unit = Unit::letter("調包", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    let id = world.nodes[0].until(&unit, Word::Accepted).await.document.id;
    let body = "(SELECT id FROM part WHERE document = ?1)";
    let bytes: Vec<u8> = database(&world)
        .query_row(&format!("SELECT bytes FROM body WHERE part = {body}"), [id], |row| row.get(0))
        .unwrap();
    let serve = |world: &World, bytes: &[u8]| {
        let sql = format!("UPDATE body SET bytes = ?2 WHERE part = {body}");
        assert_eq!(database(world).execute(&sql, (id, bytes)).unwrap(), 1);
    };
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    serve(&world, &other);
    let mut receiver = world.nodes.remove(1);
    receiver.start().await;
    let row = eventually("the exchange is noticed", || {
        receiver.inbox().into_iter().find(|r| r.offer.document == id && r.trouble.label == "sealed-mismatch")
    })
    .await;
    assert!(matches!(row.state, Inbound::Offered | Inbound::Fetched), "it is not the document's fault");
    assert_explained(&row.trouble.label);
    let good = Unit::letter("好的", &[to(1)], &[], &[]);
    world.nodes[0].put(&good);
    world.nodes[0].until(&good, Word::Confirmed).await;
    serve(&world, &bytes);
    world.nodes[0].until(&unit, Word::Confirmed).await;
    let got = receiver.received(id, Inbound::Confirmed).await;
    assert_eq!(receiver.delivered(&got), unit.all());
    receiver.stop().await;
    world.stop().await;
}
