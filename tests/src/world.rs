//! One center and some nodes in this process, over temporary folders, real sockets on free ports and file keys.
//!
//! A [`World`] whose test fails leaves its folder and says where.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use config::value::Period;
use config::{CenterConfig, KeyFile, NodeConfig, Transport};
use di_format::{Attachments, Entry, Kind, Letter, Line, Name, Number, Party, Recipient, Roster};
use envelope::soft::SoftKey;
use envelope::trust::Anchors;
use envelope::{Certificate, SigningKey};
use store::boxes::{Filter, Outgoing};
use store::inbound::InboundRow;
use store::outbound::DocumentRow;
use store::state;

use crate::pki::{self, MEMBERS};

/// How long anything may take before a test says that it does not come.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something, looking again and again; there is no fixed sleep.
///
/// # Panics
/// After a minute, with `what`.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Unix milliseconds.
#[must_use]
pub fn now() -> i64 {
    node::run::now()
}

/// A center with its members.
pub struct World {
    dir: Option<tempfile::TempDir>,
    /// Settings of the center; its port is fixed after the first start.
    pub config: CenterConfig,
    /// The center; `None` while it is down.
    pub center: Option<center::Running>,
    /// The members in the order of [`MEMBERS`].
    pub nodes: Vec<Node>,
}

/// One member.
pub struct Node {
    /// Its organisation code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its settings.
    pub config: NodeConfig,
    /// The node; `None` while it is down.
    pub running: Option<node::Running>,
}

impl World {
    /// A center and `members` nodes, all registered, started and logged in.
    ///
    /// # Panics
    /// If anything of it does not work.
    pub async fn new(members: usize, transport: Transport) -> Self {
        Self::with(members, transport, |_, _| {}).await
    }

    /// As [`World::new`], with other settings of the nodes.
    ///
    /// # Panics
    /// If anything of it does not work.
    pub async fn with(members: usize, transport: Transport, change: impl Fn(usize, &mut NodeConfig)) -> Self {
        let mut world = Self::registered(members, transport, change).await;
        for node in &mut world.nodes {
            node.start().await;
        }
        for node in &world.nodes {
            node.ready().await;
        }
        world
    }

    /// As [`World::with`], but no node is started.
    ///
    /// # Panics
    /// If anything of it does not work.
    pub async fn registered(
        members: usize,
        transport: Transport,
        change: impl Fn(usize, &mut NodeConfig),
    ) -> Self {
        node::telemetry::init("off");
        let dir = tempfile::Builder::new().prefix("di-world-").tempdir().expect("temporary folder");
        let keys = dir.path().join("pki");
        tokio::task::spawn_blocking({
            let keys = keys.clone();
            move || pki::write(&keys)
        })
        .await
        .expect("keys");
        let mut config = center_config(dir.path());
        // Not a port of those that outgoing connections get: one of them could have it while the center is down.
        let center = loop {
            let mut random = [0; 2];
            getrandom::fill(&mut random).expect("random numbers");
            config.listen.set_port(10_000 + u16::from_ne_bytes(random) % 10_000);
            match center::start(config.clone()).await {
                Ok(center) => break center,
                Err(error) => {
                    let taken = format!("{error:?}").contains("AddrInUse");
                    assert!(taken, "the center does not start: {error:?}");
                }
            }
        };
        let mut world = Self { dir: Some(dir), config, center: Some(center), nodes: Vec::new() };
        for (n, (code, name)) in MEMBERS.into_iter().enumerate().take(members) {
            world.register(code, name);
            let mut config = world.node_config(code, name, transport);
            change(n, &mut config);
            world.nodes.push(Node { code: code.into(), name: name.into(), config, running: None });
        }
        world
    }

    /// The folder of everything.
    ///
    /// # Panics
    /// Never while the world lives.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.as_ref().expect("it lives").path()
    }

    fn key(&self, name: &str) -> SoftKey {
        let read = |kind: &str| {
            std::fs::read(self.dir().join("pki").join(format!("{name}.{kind}.pem"))).expect("key file")
        };
        SoftKey::from_file(&read("key"), None, Some(&read("crt"))).expect("key")
    }

    /// The registrar's commands for a new member.
    fn register(&self, code: &str, name: &str) {
        let registry = center::Registry::open(&self.config).expect("registry");
        let member = center::NewMember {
            code: code.into(),
            name: name.into(),
            may_send: true,
            addresses: vec!["127.0.0.0/8".parse().expect("network")],
            quotas: center::Quotas::default(),
        };
        registry.put_member(&member, now()).expect("member");
        self.put_entry(code, name, "enc", 1);
    }

    /// A directory entry with that encryption key (`enc` or `enc2`) and number.
    ///
    /// # Panics
    /// If it is not taken.
    pub fn put_entry(&self, code: &str, name: &str, enc: &str, number: u64) {
        let registry = center::Registry::open(&self.config).expect("registry");
        registry.put_entry(&self.entry(code, name, enc, number), now()).expect("entry");
    }

    /// A countersigned directory entry.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn entry(&self, code: &str, name: &str, enc: &str, number: u64) -> Vec<u8> {
        let sign = self.key(&format!("{code}.sign"));
        let enc = self.key(&format!("{code}.{enc}")).own_certificate().clone();
        let chain: Vec<Certificate> = SigningKey::chain(&sign);
        let entry =
            envelope::directory::Entry { code, name, enc: &enc, enc_chain: &chain, oaep: true, number };
        let entry = envelope::directory::make(&entry, &sign, now()).expect("entry");
        envelope::directory::countersign(&entry, &self.key("registrar"), now()).expect("countersigned")
    }

    /// Registers units of a member, given by code and name, as mailboxes of their own with the member's keys.
    ///
    /// # Panics
    /// If one is not taken.
    pub fn put_units(&self, organisation: &str, units: &[(String, String)]) {
        let (registry, registrar) = (self.registry(), self.key("registrar"));
        let sign = self.key(&format!("{organisation}.sign"));
        let enc = self.key(&format!("{organisation}.enc")).own_certificate().clone();
        let chain: Vec<Certificate> = SigningKey::chain(&sign);
        for (code, name) in units {
            let entry = envelope::directory::Entry {
                code,
                name,
                enc: &enc,
                enc_chain: &chain,
                oaep: true,
                number: 1,
            };
            let entry = envelope::directory::make(&entry, &sign, now()).expect("entry");
            let entry = envelope::directory::countersign(&entry, &registrar, now()).expect("countersigned");
            registry.put_entry(&entry, now()).expect("entry");
        }
    }

    /// The registration side of the center.
    ///
    /// # Panics
    /// If it cannot be opened.
    #[must_use]
    pub fn registry(&self) -> center::Registry {
        center::Registry::open(&self.config).expect("registry")
    }

    /// Stops the center.
    pub async fn center_down(&mut self) {
        if let Some(center) = self.center.take() {
            center.stop().await;
        }
    }

    /// Starts the center again, on its old port.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn center_up(&mut self) {
        let until = Instant::now() + DEADLINE;
        self.center = loop {
            match center::start(self.config.clone()).await {
                Ok(center) => break Some(center),
                // Somebody's outgoing connection may have the port for a moment.
                Err(error) => assert!(Instant::now() < until, "the center does not start: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
    }

    /// Stops everything in order.
    pub async fn stop(mut self) {
        for node in &mut self.nodes {
            node.stop().await;
        }
        self.center_down().await;
    }

    /// Members' anchors.
    ///
    /// # Panics
    /// If they cannot be read.
    #[must_use]
    pub fn anchors(&self) -> Anchors {
        let pem = std::fs::read(self.dir().join("pki/anchors.pem")).expect("anchors");
        Anchors::from_pem(&pem).expect("anchors")
    }

    fn node_config(&self, code: &str, name: &str, transport: Transport) -> NodeConfig {
        let pki = |name: &str| self.dir().join("pki").join(name);
        let root = self.dir().join(code);
        let text = format!(
            r#"
[party]
code = "{code}"
name = "{name}"
[folders]
root = "{}"
[keys.sign]
key = "{}"
certificate = "{}"
[[keys.unwrap]]
key = "{}"
certificate = "{}"
[center]
address = "{}"
code = "CENTER"
anchors = "{}"
receipt-certificate = ["{}"]
registrar-anchors = "{}"
[trust]
anchors = "{}"
"#,
            root.display(),
            pki(&format!("{code}.sign.key.pem")).display(),
            pki(&format!("{code}.sign.crt.pem")).display(),
            pki(&format!("{code}.enc.key.pem")).display(),
            pki(&format!("{code}.enc.crt.pem")).display(),
            self.config.listen,
            pki("center-ca.pem").display(),
            pki("center-receipt.crt.pem").display(),
            pki("registrar.crt.pem").display(),
            pki("anchors.pem").display(),
        );
        let mut config: NodeConfig =
            config::parse(&text, &self.dir().join(format!("{code}.toml"))).expect("node settings");
        config.center.transport = transport;
        config.intake.settle = Period::millis(200);
        config.retry.first = Period::millis(50);
        config.retry.connect_first = Period::millis(50);
        config.retry.connect_longest = Period::millis(500);
        config
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("the world is kept at {}", dir.keep().display());
        }
    }
}

fn center_config(dir: &Path) -> CenterConfig {
    let pki = |name: &str| Some(dir.join("pki").join(name));
    CenterConfig {
        code: "CENTER".into(),
        listen: ([127, 0, 0, 1], 0).into(),
        data: dir.join("center"),
        tls: config::Tls { certificate: pki("center-tls.crt.pem"), key: pki("center-tls.key.pem") },
        receipt: KeyFile {
            key: pki("center-receipt.key.pem"),
            certificate: pki("center-receipt.crt.pem"),
            ..KeyFile::default()
        },
        trust: config::CenterTrust {
            anchors: pki("anchors.pem"),
            registrar_anchors: pki("registrar.crt.pem"),
        },
        ..CenterConfig::default()
    }
}

impl Node {
    /// Starts it; it may take a moment until it is logged in.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(&mut self) {
        let until = Instant::now() + Duration::from_secs(5);
        self.running = loop {
            match node::start(self.config.clone()).await {
                Ok(running) => break Some(running),
                // A child that another test is just starting has a copy of the lock until it executes its program.
                Err(error) if error.label() == "already-running" && Instant::now() < until => {}
                Err(error) => panic!("the node does not start: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
    }

    /// Stops it.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// Waits until it is logged in.
    ///
    /// # Panics
    /// If it is down, or does not log in within a minute.
    pub async fn ready(&self) {
        let ready = self.running.as_ref().expect("the node runs").ready();
        if tokio::time::timeout(DEADLINE, ready).await.is_err() {
            panic!(
                "{} does not log in: {:?}",
                self.code,
                self.running.as_ref().map(|r| r.link().borrow().clone())
            );
        }
    }

    /// Its store.
    ///
    /// # Panics
    /// If it is down.
    #[must_use]
    pub fn store(&self) -> &store::Store {
        self.running.as_ref().expect("the node runs").store()
    }

    /// Puts a unit into the drop folder, companions first.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn put(&self, unit: &Unit) {
        let drop = &self.config.folders.drop;
        std::fs::create_dir_all(drop).expect("drop folder");
        for (name, bytes) in &unit.files {
            std::fs::write(drop.join(name), bytes).expect("companion");
        }
        let temporary = drop.join(format!("{}.part", unit.di.0));
        std::fs::write(&temporary, &unit.di.1).expect("DI");
        std::fs::rename(temporary, drop.join(&unit.di.0)).expect("DI");
    }

    /// Everything it sends, newest first.
    ///
    /// # Panics
    /// If the store cannot be read.
    #[must_use]
    pub fn outbox(&self) -> Vec<DocumentRow> {
        let rows = self.store().outbox(&Filter { limit: 10_000, ..Filter::default() }).expect("outbox");
        rows.into_iter().map(|row| row.document).collect()
    }

    /// Everything it received, newest first.
    ///
    /// # Panics
    /// If the store cannot be read.
    #[must_use]
    pub fn inbox(&self) -> Vec<InboundRow> {
        self.store().inbox(&Filter { limit: 10_000, ..Filter::default() }).expect("inbox")
    }

    /// Waits until the document that was dropped as `unit` has that word, and gives everything about it.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn until(&self, unit: &Unit, word: state::Word) -> Outgoing {
        let what = format!("{} {} becomes {word}", self.code, unit.di.0);
        let found = eventually_told(&what, || {
            let row = self.outbox().into_iter().find(|row| row.di_name == unit.di.0);
            match row {
                Some(row) if row.word == word => Ok(row.id),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        self.store().document(found).expect("store").expect("document")
    }

    /// Waits until it has received the document `id` in that state.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn received(&self, id: [u8; 16], state: state::Inbound) -> InboundRow {
        let what = format!("{} has it {state}", self.code);
        eventually_told(&what, || {
            let row = self.inbox().into_iter().find(|row| row.offer.document == id);
            match row {
                Some(row) if row.state == state => Ok(row),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// The delivered files of a received document: name and bytes, sorted.
    ///
    /// # Panics
    /// If they cannot be read.
    #[must_use]
    pub fn delivered(&self, row: &InboundRow) -> Vec<(String, Vec<u8>)> {
        read_all(&self.config.folders.inbox.join(&row.delivered))
    }
}

/// As [`eventually`]; what was seen last is told when it does not come.
async fn eventually_told<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < until, "did not happen: {what}; last seen: {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Name and bytes of every file below a folder, sorted by name.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn read_all(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut out: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| {
            let path: PathBuf = entry.expect("entry").path();
            let name = path.file_name().expect("name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("file"))
        })
        .collect();
    out.sort();
    out
}

/// A unit to be dropped.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Name and bytes of the DI.
    pub di: (String, Vec<u8>),
    /// SW and attachments.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Whom a test letter is for.
#[derive(Debug, Clone)]
pub struct To {
    /// Code: 10 characters, or 17 with the unit's.
    pub code: String,
    /// Name.
    pub name: String,
    /// 含附件; `None` says nothing.
    pub attachments: Option<bool>,
}

/// One of [`MEMBERS`] as a recipient.
#[must_use]
pub fn to(member: usize) -> To {
    let (code, name) = MEMBERS.get(member).copied().unwrap_or_default();
    To { code: code.into(), name: name.into(), attachments: None }
}

impl To {
    /// With or without attachments.
    #[must_use]
    pub fn attachments(mut self, yes: bool) -> Self {
        self.attachments = Some(yes);
        self
    }
}

impl Unit {
    /// A 函 of the first member to these; `paper` names stand in 正本 but in no SW.
    ///
    /// # Panics
    /// If the letter cannot be written.
    #[must_use]
    pub fn letter(name: &str, to: &[To], attachments: &[(&str, &[u8])], paper: &[&str]) -> Self {
        let (code, sender) = MEMBERS.first().copied().unwrap_or_default();
        Self::letter_from(code, sender, name, to, attachments, paper)
    }

    /// A 函 of anybody.
    ///
    /// # Panics
    /// If the letter cannot be written.
    #[must_use]
    pub fn letter_from(
        code: &str,
        sender: &str,
        name: &str,
        to: &[To],
        attachments: &[(&str, &[u8])],
        paper: &[&str],
    ) -> Self {
        let letter = Self::draft(code, sender, name, to, attachments, paper);
        let roster = Self::roster(to);
        let mut files = vec![(format!("{name}.sw"), di_format::write::roster(&roster).expect("roster"))];
        files.extend(attachments.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())));
        let bytes = di_format::write::letter(&letter).expect("letter");
        Self { di: (format!("{name}.di"), bytes), files }
    }

    /// The letter before it is written, for changes.
    #[must_use]
    pub fn draft(
        code: &str,
        sender: &str,
        name: &str,
        to: &[To],
        attachments: &[(&str, &[u8])],
        paper: &[&str],
    ) -> Letter {
        let mut letter = Letter::new(Kind::Letter);
        let name_of = |name: &str| Name::Organisation(name.to_owned());
        letter.senders = vec![Party { name: name_of(sender), code: code.into(), unit: None }];
        letter.address = "臺北市中正區測試路1號".into();
        letter.contacts = vec!["承辦人：王小明".into(), "電話：02-12345678".into()];
        letter.recipient = Some(Recipient::Roster {
            text: "如正副本行文單位".into(),
            file: Some(format!("{name}.sw")),
        });
        letter.date = "中華民國115年11月21日".into();
        letter.numbers = vec![Number::Parts {
            word: "測試".into(),
            year: "115".into(),
            serial: "0000001".into(),
            branch: None,
        }];
        letter.subject = format!("檢送測試公文 {name}，請查照。");
        letter.attachments = Attachments {
            caption: if attachments.is_empty() { String::new() } else { "如文".into() },
            files: attachments.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        letter.paragraphs = vec![di_format::Paragraph {
            name: "說明：".into(),
            text: Some("依測試計畫辦理。".into()),
            items: Vec::new(),
        }];
        letter.originals = to
            .iter()
            .map(|t| t.name.as_str())
            .chain(paper.iter().copied())
            .map(|name| Entry { name: name_of(name), attachments: None })
            .collect();
        letter.signatures = vec!["主任 李大華".into()];
        letter
    }

    /// The roster for these.
    #[must_use]
    pub fn roster(to: &[To]) -> Roster {
        let lines = to.iter().map(|t| {
            let (code, unit) = t.code.split_at(t.code.len().min(10));
            let name = if unit.is_empty() { Name::Organisation } else { Name::Unit };
            Line {
                party: Party {
                    name: name(t.name.clone()),
                    code: code.to_owned(),
                    unit: Some(unit.to_owned()).filter(|u| !u.is_empty()),
                },
                attachments: t.attachments,
                combined_file: None,
                copy: None,
            }
        });
        Roster { lines: lines.collect(), ..Roster::default() }
    }

    /// All files, the DI too, sorted by name: what a recipient with attachments must find.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = self.files.clone();
        all.push(self.di.clone());
        all.sort();
        all
    }

    /// DI and SW only: what a recipient without attachments must find.
    #[must_use]
    pub fn without_attachments(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = self.all();
        all.retain(|(name, _)| name.ends_with(".di") || name.ends_with(".sw"));
        all
    }
}
