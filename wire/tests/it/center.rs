//! A small center: real listener, real logins, bodies in memory. And the ways to get between it and a node.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Notify,
};
use wire::{
    ClientTls, Connector, Credential, Credentials, Exchange, Incoming, Limits, Listener, Result, ServerTls,
    SessionKey, Timing, Transport,
    login::{CredentialFuture, ProofFacts},
    message::*,
};

pub(crate) const MEMBER: &str = "XC00000001";
pub(crate) const CENTER: &str = "9941";
pub(crate) const HOST: &str = "127.0.0.1";

/// A throw-away authority and a server certificate for 127.0.0.1 under it.
#[derive(Clone)]
pub(crate) struct Pki {
    pub anchors: String,
    pub chain: String,
    pub key: String,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(vec![]).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let anchors = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let chain = server.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap().pem();
        Self { anchors, chain, key: key.serialize_pem() }
    }
}

/// What the center does and has seen.
#[derive(Default)]
pub(crate) struct Book {
    pub bodies: Mutex<HashMap<Digest, Vec<u8>>>,
    pub logins: AtomicUsize,
    pub proofs: Mutex<Vec<Vec<u8>>>,
    /// Wakes the watches.
    pub news: Notify,
    /// What `recv_body` ended with on the center's side.
    pub troubles: Mutex<Vec<String>>,
}

pub(crate) struct Center {
    pub address: SocketAddr,
    pub book: Arc<Book>,
    pki: Pki,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Center {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Center {
    pub(crate) async fn start(limits: Limits) -> Self {
        let pki = Pki::new();
        let tls = ServerTls::new(pki.chain.as_bytes(), pki.key.as_bytes()).unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &tls, limits).await.unwrap();
        Self::listening(pki, listener)
    }

    /// One that was there before, or will be again, at the same place; `secret` is what it remembers.
    pub(crate) async fn start_again(address: SocketAddr, pki: Pki, secret: &[u8; 32]) -> Self {
        let tls = ServerTls::new(pki.chain.as_bytes(), pki.key.as_bytes()).unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            // The port may be held a moment longer by the one before.
            match Listener::bind_again(address, &tls, Limits::default(), secret).await {
                Ok(listener) => return Self::listening(pki, listener),
                Err(error) => assert!(std::time::Instant::now() < until, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn listening(pki: Pki, mut listener: Listener) -> Self {
        let address = listener.address();
        let book = Arc::new(Book::default());
        let shared = book.clone();
        let task = tokio::spawn(async move {
            while let Some(incoming) = listener.accept().await {
                tokio::spawn(serve(Arc::new(incoming), shared.clone()));
            }
        });
        Self { address, book, pki, task }
    }

    pub(crate) fn tls(&self) -> ClientTls {
        ClientTls::new(self.pki.anchors.as_bytes(), HOST).unwrap()
    }

    pub(crate) fn tls_for(&self, name: &str) -> ClientTls {
        ClientTls::new(self.pki.anchors.as_bytes(), name).unwrap()
    }

    pub(crate) fn connector(&self, transport: Transport) -> Connector {
        self.connector_to(self.address, transport)
    }

    pub(crate) fn connector_to(&self, address: SocketAddr, transport: Transport) -> Connector {
        Connector::new(self.tls(), address.ip().to_string(), address.port(), CENTER).transport(transport)
    }
}

/// The session key is its own statement here: what a card says is not this crate's matter.
pub(crate) struct Member(Arc<Credential>);

impl Member {
    pub(crate) fn new() -> Arc<Self> {
        let key = SessionKey::generate().unwrap();
        Arc::new(Self(Arc::new(Credential { statement: key.public().to_vec(), key })))
    }
}

impl Credentials for Member {
    fn member(&self) -> &str {
        MEMBER
    }

    fn credential<'a>(&'a self, _: &'a Challenge) -> CredentialFuture<'a> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

pub(crate) fn short() -> Timing {
    Timing {
        head_start: Duration::from_millis(100),
        connect: Duration::from_secs(5),
        progress: Duration::from_millis(400),
        ..Timing::default()
    }
}

async fn serve(incoming: Arc<Incoming>, book: Arc<Book>) {
    let nonce = [7; 32];
    while let Some(exchange) = incoming.accept().await {
        let (incoming, book) = (incoming.clone(), book.clone());
        tokio::spawn(async move {
            let _ = answer(exchange, &incoming, &book, &nonce).await;
        });
    }
}

async fn answer(mut exchange: Exchange, incoming: &Incoming, book: &Book, nonce: &[u8; 32]) -> Result<()> {
    match exchange.recv_request().await? {
        Request::Hello(_) => {
            let challenge = Challenge { version: Version::V1, center: CENTER.into(), nonce: *nonce, time: 1 };
            exchange.send(&Reply::Challenge(challenge)).await?;
        }
        Request::Login(Login { statement, proof }) => {
            let exporter = incoming.exporter()?;
            let facts = ProofFacts {
                version: Version::V1,
                member: MEMBER,
                center: CENTER,
                nonce,
                exporter: &exporter,
            };
            if !wire::login::verify(&statement, &facts, &proof) {
                exchange.send(&Reply::Refused(wire::refusal::LOGIN_INVALID.refuse("bad proof"))).await?;
                return exchange.finish().await;
            }
            incoming.authenticated();
            book.logins.fetch_add(1, Ordering::SeqCst);
            book.proofs.lock().unwrap().push(proof);
            let welcome = Welcome {
                time: 1,
                epoch: [1; 16],
                max_length: 1 << 30,
                max_addressees: 500,
                may_send: true,
                mailboxes: vec![MEMBER.into()],
            };
            exchange.send(&Reply::Welcome(welcome)).await?;
        }
        Request::Submit { header, eager } => {
            let mut body = book.bodies.lock().unwrap().remove(&header.sealed).unwrap_or_default();
            if !eager {
                exchange.send(&Reply::Go { offset: body.len() as u64 }).await?;
            }
            let rest = header.length - body.len() as u64;
            let received = exchange.recv_body(&mut body, rest).await;
            // What has come is kept: the next try goes on from there.
            book.bodies.lock().unwrap().insert(header.sealed, body);
            if let Err(error) = &received {
                book.troubles.lock().unwrap().push(error.label().to_owned());
            }
            received?;
            exchange.send(&Reply::Accepted { receipt: vec![0x30] }).await?;
        }
        Request::Fetch { seq, offset } => {
            let body = vec![0xab; usize::try_from(seq).unwrap()];
            let rest = body.len() as u64 - offset;
            exchange.send(&Reply::Body { length: body.len() as u64, sealed: [0; 32] }).await?;
            if seq == HALF_DEAD {
                exchange.send_body(&mut &body[..100], 100).await?;
                std::future::pending::<()>().await;
            }
            exchange.send_body(&mut &body[usize::try_from(offset).unwrap()..], rest).await?;
        }
        Request::Watch { .. } => {
            book.news.notified().await;
            exchange.send(&Reply::News { offers: true, outcomes: false, announcements: false }).await?;
        }
        Request::Offers { after: SILENT, .. } => std::future::pending().await,
        Request::Offers { .. } => exchange.send(&Reply::Offers { offers: vec![] }).await?,
        _ => exchange.send(&Reply::Refused(wire::refusal::BUSY.refuse("not here"))).await?,
    }
    exchange.finish().await
}

/// A fetch of this number gets a hundred bytes and then nothing.
pub(crate) const HALF_DEAD: u64 = 4_321;
/// Offers after this number are never answered.
pub(crate) const SILENT: u64 = u64::MAX;

/// TCP passes through, UDP disappears, on one port number.
pub(crate) async fn udp_black_hole(center: SocketAddr) -> SocketAddr {
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Bound and never read: what is sent there is swallowed.
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (tcp, udp);
        }
    };
    let address = tcp.local_addr().unwrap();
    tokio::spawn(async move {
        let _udp = udp;
        while let Ok((mut near, _)) = tcp.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(center).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}

/// A UDP relay for one node. `cut` makes it swallow everything from then on.
pub(crate) async fn udp_relay(center: SocketAddr) -> (SocketAddr, Arc<std::sync::atomic::AtomicBool>) {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = near.local_addr().unwrap();
    let cut = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_cut = cut.clone();
    tokio::spawn(async move {
        let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
        let mut node = None;
        loop {
            tokio::select! {
                Ok((n, from)) = near.recv_from(&mut up) => {
                    node = Some(from);
                    if !is_cut.load(Ordering::SeqCst) {
                        far.send_to(&up[..n], center).await.unwrap();
                    }
                }
                Ok((n, _)) = far.recv_from(&mut down) => {
                    if let (Some(node), false) = (node, is_cut.load(Ordering::SeqCst)) {
                        near.send_to(&down[..n], node).await.unwrap();
                    }
                }
            }
        }
    });
    (address, cut)
}
