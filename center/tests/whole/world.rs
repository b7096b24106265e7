//! One center in a temporary folder, and nodes that talk to it.

use crate::pki::{CODES, Keys, PKI, registration};
use center::{Clock, NewMember, Quotas, Registry, Running};
use config::CenterConfig;
use envelope::receipt::{Receipt, ReceiptLine, Verdict};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use wire::login::CredentialFuture;
use wire::message::{Addressee, Challenge, Offer, PartHeader, PartKey, Priority, Reply, Request};
use wire::{
    ClientTls, Connected, Connection, Connector, Credential, Credentials, Lane, SessionKey, Transport,
};

pub const WAIT: Duration = Duration::from_secs(30);
pub const CENTER: &str = "TEST-CENTER";

pub struct World {
    _dir: tempfile::TempDir,
    pub config: CenterConfig,
    pub registry: Registry,
    pub running: Option<Running>,
    /// Milliseconds added to the system's clock.
    pub ahead: Arc<AtomicI64>,
}

pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

pub fn settings(dir: &Path) -> CenterConfig {
    let put = |name: &str, text: &str| {
        std::fs::write(dir.join(name), text).unwrap();
        Some(dir.join(name))
    };
    let mut config = CenterConfig {
        code: CENTER.into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        data: dir.join("data"),
        ..CenterConfig::default()
    };
    config.tls.certificate = put("tls.crt.pem", &PKI.tls_cert_pem);
    config.tls.key = put("tls.key.pem", &PKI.tls_key_pem);
    config.receipt.key = put("receipt.key.pem", &PKI.receipt.key_pem);
    config.receipt.certificate = put("receipt.crt.pem", &PKI.receipt.cert_pem);
    config.trust.anchors = put("anchors.pem", &PKI.anchors_pem);
    config.trust.registrar_anchors = put("registrar.pem", &PKI.registrar.cert_pem);
    config
}

impl World {
    /// Members A, B and C, from loopback; the settings as changed by `edit`.
    pub async fn new(edit: impl FnOnce(&mut CenterConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = settings(dir.path());
        edit(&mut config);
        let registry = Registry::open(&config).unwrap();
        for (code, keys) in CODES.iter().zip(&PKI.members).take(3) {
            registry.put_member(&member(code), now()).unwrap();
            registry.put_entry(&registration(keys, code, "某機關", 1, now()), now()).unwrap();
        }
        let mut world = Self { _dir: dir, config, registry, running: None, ahead: Arc::default() };
        world.start().await;
        world
    }

    pub async fn start(&mut self) {
        let ahead = self.ahead.clone();
        let clock: Clock = Arc::new(move || now() + ahead.load(Ordering::SeqCst));
        self.running = Some(center::start_with(self.config.clone(), clock).await.unwrap());
    }

    pub async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub async fn connect(&self, who: usize, transport: Transport) -> wire::Result<Connected> {
        self.connect_as(CODES[who], &PKI.members[who], transport).await
    }

    pub async fn connect_as(&self, code: &str, keys: &Keys, transport: Transport) -> wire::Result<Connected> {
        let card = Card { member: code.into(), credential: Arc::new(credential(code, keys, now(), CENTER)) };
        let tls = ClientTls::new(PKI.tls_anchor_pem.as_bytes(), "localhost").unwrap();
        Connector::new(tls, "127.0.0.1", self.running().address().port(), CENTER)
            .transport(transport)
            .connect(Arc::new(card))
            .await
    }

    /// A connection of a member that must come about.
    pub async fn node(&self, who: usize, transport: Transport) -> Connection {
        self.connect(who, transport).await.unwrap().connection
    }
}

pub fn member(code: &str) -> NewMember {
    NewMember {
        code: code.into(),
        name: "某機關".into(),
        may_send: true,
        addresses: vec!["127.0.0.1".parse().unwrap()],
        quotas: Quotas::default(),
    }
}

pub fn credential(code: &str, keys: &Keys, at: i64, center: &str) -> Credential {
    let key = SessionKey::generate().unwrap();
    let begin = at / 1000 * 1000;
    let statement = envelope::login::Statement {
        member: code.into(),
        center: center.into(),
        session_key: *key.public(),
        not_before: begin,
        not_after: begin + envelope::login::MAX_LIFETIME,
    };
    Credential { statement: envelope::login::make(&statement, &keys.sign.key, at).unwrap(), key }
}

struct Card {
    member: String,
    credential: Arc<Credential>,
}

impl Credentials for Card {
    fn member(&self) -> &str {
        &self.member
    }
    fn credential<'a>(&'a self, _: &'a Challenge) -> CredentialFuture<'a> {
        Box::pin(async { Ok(self.credential.clone()) })
    }
}

/// A part of member A with this body.
pub fn header(n: u8, body: &[u8], to: &[&str]) -> PartHeader {
    PartHeader {
        key: PartKey { document: [n; 16], variant: 0, group: 0, round: 0 },
        sender: CODES[0].into(),
        addressees: to.iter().map(|c| Addressee { code: (*c).into(), attachments: true }).collect(),
        priority: Priority::Normal,
        manifest: [n; 32],
        signature: [n.wrapping_add(1); 32],
        sealed: envelope::sha256(body),
        length: body.len() as u64,
    }
}

/// Submits as a node does: eager when small, else from the offset that the center names.
pub async fn submit(node: &Connection, header: &PartHeader, body: &[u8]) -> wire::Result<Vec<u8>> {
    let eager = header.length <= wire::EAGER_LIMIT;
    let request = Request::Submit { header: header.clone(), eager };
    let mut exchange = node.open(Lane::Work).await?;
    let mut reply = if eager {
        exchange.send_with_body(&request, body).await?;
        exchange.recv_reply(WAIT).await?
    } else {
        exchange.send(&request).await?;
        exchange.recv_reply(WAIT).await?
    };
    if let Reply::Go { offset } = reply {
        let mut rest = &body[offset as usize..];
        let left = rest.len() as u64;
        exchange.send_body(&mut rest, left).await?;
        reply = exchange.recv_reply(WAIT).await?;
    }
    exchange.finish().await?;
    match reply {
        Reply::Accepted { receipt } => Ok(receipt),
        other => panic!("{other:?}"),
    }
}

pub async fn ask(node: &Connection, request: Request) -> wire::Result<Reply> {
    node.ask(Lane::Work, &request, WAIT).await
}

pub async fn offers(node: &Connection, after: u64) -> wire::Result<Vec<Offer>> {
    match ask(node, Request::Offers { after, limit: 100 }).await? {
        Reply::Offers { offers } => Ok(offers),
        other => panic!("{other:?}"),
    }
}

/// The bytes of an offer from an offset to the end.
pub async fn fetch(node: &Connection, seq: u64, offset: u64) -> wire::Result<Vec<u8>> {
    let mut exchange = node.open(Lane::Work).await?;
    exchange.send(&Request::Fetch { seq, offset }).await?;
    let Reply::Body { length, .. } = exchange.recv_reply(WAIT).await? else { panic!("no body") };
    let mut bytes = Vec::new();
    exchange.recv_body(&mut bytes, length - offset).await?;
    exchange.finish().await?;
    Ok(bytes)
}

/// The receipt line of an offer, as its recipient would write it.
pub fn line(offer: &Offer, verdict: Verdict) -> ReceiptLine {
    ReceiptLine {
        center: CENTER.into(),
        document: offer.header.key.document,
        round: offer.header.key.round.into(),
        sender: offer.header.sender.clone(),
        recipient: offer.header.addressees[0].code.clone(),
        manifest: offer.header.manifest,
        signature: offer.header.signature,
        sealed: offer.header.sealed,
        verdict,
        label: String::new(),
        arrived: now(),
        archived: Some(now()),
    }
}

/// One bundle, for one sender, signed by the member.
pub fn bundle(lines: &[ReceiptLine], who: usize) -> Vec<u8> {
    let bundles = envelope::receipt::make_receiver(lines, &PKI.members[who].sign.key, now()).unwrap();
    assert_eq!(bundles.len(), 1, "one sender");
    let receipt: &Receipt = &bundles[0].1;
    receipt.to_der()
}

/// The label of a refusal.
pub fn label<T: std::fmt::Debug>(result: wire::Result<T>) -> String {
    match result {
        Err(wire::Error::Refused(refusal)) => refusal.label,
        other => format!("not refused: {other:?}"),
    }
}
