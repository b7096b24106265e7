//! The link against a small center: real sockets, real logins, one RSA key per run.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use envelope::{Certificate, SigningKey, key::KeyError, soft::SoftKey, trust::Anchors};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, RsaKeySize,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use wire::{Exchange, Incoming, Limits, Listener, ServerTls, login::ProofFacts, message::*, refusal};

use super::{CLOCK_SKEW, Cursors, Link, LinkState};
use crate::parts::Parts;

const MEMBER: &str = "XC00000001";
const CENTER: &str = "9941";
const PATIENCE: Duration = Duration::from_secs(20);

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

struct Pki {
    /// PEM: the authority, of members and of the center's TLS alike.
    anchor: String,
    member: SoftKey,
    tls: (String, String),
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let ca_key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let anchor = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::from_params(&ca, &ca_key);

    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut member = CertificateParams::new(vec![]).unwrap();
    member.distinguished_name.push(DnType::OrganizationName, "測試機關");
    member.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    member.use_authority_key_identifier_extension = true;
    let certificate = member.signed_by(&key, &issuer).unwrap();
    let member = SoftKey::from_pkcs8(&key.serialize_der(), None, certificate.der()).unwrap();

    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let tls = (server.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem());
    Pki { anchor, member, tls }
});

/// The member's key, counting what it is asked to do.
struct Card(AtomicUsize);

impl SigningKey for Card {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        SigningKey::certificate(&PKI.member)
    }
    fn chain(&self) -> Vec<Certificate> {
        PKI.member.chain()
    }
    fn sign(&self, digest: &envelope::Digest) -> Result<Vec<u8>, KeyError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        PKI.member.sign(digest)
    }
}

/// What the center does, and what it has seen.
#[derive(Default)]
struct Book {
    /// Login is refused so.
    refuse: Mutex<Option<Refusal>>,
    /// The center's clock minus the real one.
    skew: AtomicI64,
    logins: AtomicUsize,
    watches: Mutex<Vec<u64>>,
    news: Notify,
    bodies: Mutex<Vec<(u64, Vec<u8>)>>,
    /// Large submissions that hang.
    hanging: AtomicUsize,
}

struct Center {
    address: SocketAddr,
    tasks: CancellationToken,
    done: tokio::task::JoinHandle<()>,
}

impl Center {
    async fn start(address: SocketAddr, book: Arc<Book>) -> Self {
        let (chain, key) = &PKI.tls;
        let tls = ServerTls::new(chain.as_bytes(), key.as_bytes()).unwrap();
        let mut listener = Listener::bind(address, &tls, Limits::default()).await.unwrap();
        let address = listener.address();
        let tasks = CancellationToken::new();
        let stop = tasks.clone();
        let done = tokio::spawn(async move {
            loop {
                let incoming = tokio::select! {
                    incoming = listener.accept() => Arc::new(incoming.unwrap()),
                    () = stop.cancelled() => break,
                };
                tokio::spawn(stop.clone().run_until_cancelled_owned(serve(
                    incoming,
                    book.clone(),
                    stop.clone(),
                )));
            }
            listener.close().await;
        });
        Self { address, tasks, done }
    }

    async fn stop(self) {
        self.tasks.cancel();
        self.done.await.unwrap();
    }
}

async fn serve(incoming: Arc<Incoming>, book: Arc<Book>, stop: CancellationToken) {
    while let Some(exchange) = incoming.accept().await {
        let (incoming, book) = (incoming.clone(), book.clone());
        let answer = async move {
            let _ = answer(exchange, &incoming, &book).await;
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(answer));
    }
}

async fn answer(mut exchange: Exchange, incoming: &Incoming, book: &Book) -> wire::Result<()> {
    let nonce = [9; 32];
    let time = now() + book.skew.load(Ordering::SeqCst);
    let reply = match exchange.recv_request().await? {
        Request::Hello(_) => {
            Reply::Challenge(Challenge { version: Version::V1, center: CENTER.into(), nonce, time })
        }
        Request::Login(Login { statement, proof }) => {
            book.logins.fetch_add(1, Ordering::SeqCst);
            let anchors = Anchors::new(Certificate::all_from_pem(PKI.anchor.as_bytes()).unwrap());
            let login = envelope::login::verify(&statement, CENTER, &anchors, time).unwrap().statement;
            assert_eq!(login.member, MEMBER);
            let exporter = incoming.exporter()?;
            let facts = ProofFacts {
                version: Version::V1,
                member: MEMBER,
                center: CENTER,
                nonce: &nonce,
                exporter: &exporter,
            };
            assert!(wire::login::verify(&login.session_key, &facts, &proof));
            if let Some(refusal) = book.refuse.lock().unwrap().clone() {
                Reply::Refused(refusal)
            } else {
                incoming.authenticated();
                Reply::Welcome(Welcome {
                    time,
                    epoch: [1; 16],
                    max_length: 1 << 30,
                    max_addressees: 500,
                    may_send: true,
                    mailboxes: vec![MEMBER.into()],
                })
            }
        }
        Request::Watch { offers_after, .. } => {
            book.watches.lock().unwrap().push(offers_after);
            book.news.notified().await;
            Reply::News { offers: true, outcomes: false, announcements: false }
        }
        Request::Submit { header, eager } => {
            let offset = if eager { 0 } else { 50_000 };
            if !eager {
                exchange.send(&Reply::Go { offset }).await?;
            }
            if header.length >= super::ask::SMALL {
                book.hanging.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            let mut body = Vec::new();
            exchange.recv_body(&mut body, header.length - offset).await?;
            book.bodies.lock().unwrap().push((offset, body));
            Reply::Accepted { receipt: vec![0x30] }
        }
        Request::Fetch { offset, .. } => {
            exchange.send(&Reply::Body { length: 1_000, sealed: [0; 32] }).await?;
            let rest = vec![7; usize::try_from(1_000 - offset).unwrap()];
            exchange.send_body(&mut rest.as_slice(), 1_000 - offset).await?;
            return exchange.finish().await;
        }
        Request::Directory { codes } => Reply::Directory {
            // Never more than two at a time.
            answers: codes
                .into_iter()
                .take(2)
                .map(|code| DirectoryAnswer { code, standing: Standing::Unknown, entry: None })
                .collect(),
        },
        Request::OpenList { parts } => Reply::Missing { parts: parts.iter().map(|part| part.key).collect() },
        _ => Reply::Refused(refusal::BUSY.refuse("not here")),
    };
    exchange.send(&reply).await?;
    exchange.finish().await
}

struct Node {
    link: Link,
    stop: CancellationToken,
}

fn node(address: SocketAddr, transport: &str, state: &Path, card: &Arc<Card>) -> Node {
    let text = format!(
        "[party]\ncode = \"{MEMBER}\"\n\
         [keys]\nsign = {{ pkcs12 = \"a\" }}\nunwrap = [{{ pkcs12 = \"a\" }}]\n\
         [center]\naddress = \"{address}\"\ncode = \"{CENTER}\"\nanchors = \"a\"\n\
         receipt-certificate = [\"a\"]\nregistrar-anchors = \"a\"\ntransport = \"{transport}\"\n\
         [trust]\nanchors = \"a\"\n\
         [retry]\nconnect-first = \"20ms\"\nconnect-longest = \"100ms\"\n"
    );
    let mut config: config::NodeConfig = config::parse(&text, &state.join("node.toml")).unwrap();
    config.folders.state = state.to_owned();
    let anchors = || Arc::new(Anchors::new(Certificate::all_from_pem(PKI.anchor.as_bytes()).unwrap()));
    let parts = Parts {
        login: card.clone(),
        sign: card.clone(),
        unwrap: Arc::new([]),
        anchors: anchors(),
        registrar: anchors(),
        tls: PKI.anchor.as_bytes().into(),
        receipts: Arc::new([]),
    };
    let stop = CancellationToken::new();
    let link = Link::start(&config, &parts, Cursors::default(), now, stop.clone()).unwrap();
    Node { link, stop }
}

async fn wait_for<T>(receiver: &mut watch::Receiver<T>, what: impl FnMut(&T) -> bool) {
    tokio::time::timeout(PATIENCE, receiver.wait_for(what)).await.expect("in time").unwrap();
}

async fn up(link: &Link) {
    wait_for(&mut link.state(), |state| state.up().is_some()).await;
}

async fn down(link: &Link, label: &str) {
    wait_for(&mut link.state(), |state| state.up().is_none() && state.label() == Some(label)).await;
}

fn card() -> Arc<Card> {
    Arc::new(Card(AtomicUsize::new(0)))
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn header(length: u64) -> PartHeader {
    PartHeader {
        key: PartKey { document: [1; 16], variant: 0, group: 0, round: 0 },
        sender: MEMBER.into(),
        addressees: vec![Addressee { code: "XC00000002".into(), attachments: true }],
        priority: Priority::Normal,
        manifest: [1; 32],
        signature: [2; 32],
        sealed: [3; 32],
        length,
    }
}

#[tokio::test]
async fn a_missing_center_fails_requests_at_once_and_is_found_when_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let book = Arc::new(Book::default());
    let center = Center::start(loopback(), book.clone()).await;
    let address = center.address;
    center.stop().await;

    let node = node(address, "tcp", dir.path(), &card());
    let started = Instant::now();
    let error = node.link.offers(0, 10).await.unwrap_err();
    assert_eq!((error.label(), error.class()), ("link-connecting", wire::Class::Wait));
    assert!(started.elapsed() < Duration::from_secs(1));
    down(&node.link, "center-unreachable").await;
    assert_eq!(node.link.offers(0, 10).await.unwrap_err().label(), "center-unreachable");

    let before = *node.link.news().borrow();
    let _center = Center::start(address, book).await;
    up(&node.link).await;
    let after = *node.link.news().borrow();
    assert!(after.offers > before.offers && after.outcomes > before.outcomes, "everything is asked for anew");
    assert_eq!(node.link.offers(0, 10).await.unwrap_err().label(), "busy");
}

#[tokio::test]
async fn reconnects_and_restarts_cost_no_card_operation() {
    let dir = tempfile::tempdir().unwrap();
    let (book, card) = (Arc::new(Book::default()), card());
    let center = Center::start(loopback(), book.clone()).await;
    let address = center.address;
    for transport in ["quic", "tcp"] {
        let node = node(address, transport, dir.path(), &card);
        up(&node.link).await;
        node.stop.cancel();
        down(&node.link, "link-stopped").await;
    }
    let node = node(address, "auto", dir.path(), &card);
    up(&node.link).await;
    center.stop().await;
    wait_for(&mut node.link.state(), |state| state.up().is_none()).await;
    let _center = Center::start(address, book.clone()).await;
    up(&node.link).await;
    assert!(book.logins.load(Ordering::SeqCst) >= 4);
    assert_eq!(card.0.load(Ordering::SeqCst), 1);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(dir.path().join("session")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn the_watch_turns_the_counters_and_goes_on_from_what_was_seen() {
    for transport in ["quic", "tcp"] {
        let dir = tempfile::tempdir().unwrap();
        let book = Arc::new(Book::default());
        let center = Center::start(loopback(), book.clone()).await;
        let node = node(center.address, transport, dir.path(), &card());
        up(&node.link).await;
        let mut news = node.link.news();
        let first = *news.borrow_and_update();
        book.news.notify_one();
        wait_for(&mut news, |news| news.offers > first.offers).await;
        assert_eq!(news.borrow().outcomes, first.outcomes);
        node.link.seen(Cursors { offers: 17, ..Cursors::default() });
        let seen = *news.borrow_and_update();
        book.news.notify_one();
        wait_for(&mut news, |news| news.offers > seen.offers).await;
        assert!(book.watches.lock().unwrap().starts_with(&[0, 17]), "{:?}", book.watches.lock().unwrap());
    }
}

#[tokio::test]
async fn a_refused_login_is_a_state_with_the_centers_label() {
    let dir = tempfile::tempdir().unwrap();
    let book = Arc::new(Book::default());
    *book.refuse.lock().unwrap() = Some(refusal::MEMBER_SUSPENDED.refuse("since yesterday"));
    let center = Center::start(loopback(), book.clone()).await;
    let card = card();
    let node = node(center.address, "auto", dir.path(), &card);
    down(&node.link, "member-suspended").await;
    assert_eq!(node.link.report(vec![1]).await.unwrap_err().label(), "member-suspended");
    *book.refuse.lock().unwrap() = None;
    up(&node.link).await;
    assert_eq!(card.0.load(Ordering::SeqCst), 1, "a refusal alone costs no card operation");
}

#[tokio::test]
async fn with_a_wrong_clock_nothing_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let (book, card) = (Arc::new(Book::default()), card());
    let center = Center::start(loopback(), book.clone()).await;
    book.skew.store(10 * 60_000, Ordering::SeqCst);
    {
        let node = node(center.address, "auto", dir.path(), &card);
        down(&node.link, CLOCK_SKEW).await;
        assert_eq!(card.0.load(Ordering::SeqCst), 0);
        book.skew.store(0, Ordering::SeqCst);
        up(&node.link).await;
        assert_eq!(node.link.state().borrow().label(), None);
        node.stop.cancel();
    }
    // A statement that both clocks find valid still logs in; the state says what is wrong.
    book.skew.store(10 * 60_000, Ordering::SeqCst);
    let node = node(center.address, "auto", dir.path(), &card);
    up(&node.link).await;
    let state = node.link.state().borrow().clone();
    assert_eq!(state.label(), Some(CLOCK_SKEW));
    let LinkState::Up(up) = state else { panic!() };
    assert!((9 * 60_000..=10 * 60_000 + 5_000).contains(&up.skew), "{}", up.skew);
    assert_eq!(card.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn large_bodies_that_hang_do_not_keep_small_ones_waiting() {
    for transport in ["quic", "tcp"] {
        let dir = tempfile::tempdir().unwrap();
        let book = Arc::new(Book::default());
        let center = Center::start(loopback(), book.clone()).await;
        let node = node(center.address, transport, dir.path(), &card());
        up(&node.link).await;
        let large = dir.path().join("large");
        std::fs::write(&large, vec![0; 3_000_000]).unwrap();
        let mut hanging = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (link, large) = (node.link.clone(), large.clone());
            hanging.spawn(async move {
                link.submit(header(3_000_000), std::fs::File::open(large).unwrap()).await
            });
        }
        while book.hanging.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await;
        }
        let small = dir.path().join("small");
        std::fs::write(&small, vec![5; 10_000]).unwrap();
        for _ in 0..3 {
            let sent = node.link.submit(header(10_000), std::fs::File::open(&small).unwrap());
            assert_eq!(tokio::time::timeout(PATIENCE, sent).await.unwrap().unwrap(), [0x30]);
        }
        assert_eq!(book.bodies.lock().unwrap()[0], (0, vec![5; 10_000]));
    }
}

#[tokio::test]
async fn bodies_go_on_from_where_they_stopped_and_lists_are_asked_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let book = Arc::new(Book::default());
    let center = Center::start(loopback(), book.clone()).await;
    let link = node(center.address, "auto", dir.path(), &card()).link;
    up(&link).await;

    let path = dir.path().join("body");
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    link.submit(header(200_000), std::fs::File::open(&path).unwrap()).await.unwrap();
    assert!(book.bodies.lock().unwrap()[0] == (50_000, bytes[50_000..].to_vec()));
    // A file that is shorter than its row says is our own trouble.
    let error = link.submit(header(250_000), std::fs::File::open(&path).unwrap()).await.unwrap_err();
    assert_eq!(error.label(), "body-file");

    let mut rest = Vec::new();
    link.fetch(1, 400, 1_000, &mut rest).await.unwrap();
    assert_eq!(rest, vec![7; 600]);
    assert_eq!(link.fetch(1, 0, 999, &mut rest).await.unwrap_err().label(), "answer-unexpected");

    let codes: Vec<_> = (0..7).map(|n| format!("XC0000000{n}")).collect();
    let answers = link.directory(&codes).await.unwrap();
    assert_eq!(answers.into_iter().map(|answer| answer.code).collect::<Vec<_>>(), codes);
    let parts: Vec<_> = (0..1_500_u16)
        .map(|group| OpenPart { key: PartKey { group, ..header(1).key }, manifest: [0; 32] })
        .collect();
    assert_eq!(link.open_list(parts).await.unwrap().len(), 1_500);
}
