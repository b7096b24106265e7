//! What a node is told: who it is, where its folders and keys are, which center it speaks to, and its limits.

use crate::card::Card;
use crate::revocation::Revocation;
use crate::value::{Address, Bytes, Code, Period, Secret, Unit};
use crate::{Problem, Settings};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Settings of `di-node`. `Default` is the only place where a default is written; `node.example.toml` shows them all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeConfig {
    /// What to do with a letter to be sent that is readable but breaks its official DTD. Default: tolerant.
    pub outgoing: Outgoing,
    /// What to do with a letter to be sent that has a 密等 other than 普通. Default: refuse.
    pub secret_letters: SecretLetters,
    /// Only receive: the drop folder is left alone. Default: false.
    pub receive_only: bool,
    /// The organisation.
    pub party: Party,
    /// Where files come from and go to.
    pub folders: Folders,
    /// The organisation's keys in files.
    pub keys: Keys,
    /// The organisation's card.
    pub card: Card,
    /// The exchange center.
    pub center: CenterLink,
    /// Whom to believe about members' certificates.
    pub trust: Trust,
    /// How the status of certificates is learned.
    pub revocation: Revocation,
    /// How the drop folder is watched.
    pub intake: Intake,
    /// A command that must pass what arrived.
    pub scan: Scan,
    /// Sizes and counts.
    pub limits: Limits,
    /// How long things are kept.
    pub keep: NodeKeep,
    /// Waiting times between attempts.
    pub retry: Retry,
    /// When a recipient's answer is missed.
    pub outcome: Outcome,
    /// The local interface between the command line and the service.
    pub api: Api,
}

/// The organisation this node serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Party {
    /// 機關代碼, ten characters. Required.
    pub code: Code,
    /// 全銜, shown to people. May be empty.
    pub name: String,
    /// 單位代碼 of units that have a mailbox of their own. Default: none.
    pub units: Vec<Unit>,
}

/// Folders; after loading all are absolute. Those below `root` may be written relative to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Folders {
    /// The folder of this node, relative to the settings file. Default: where the file is.
    pub root: PathBuf,
    /// Where letters to be sent are dropped.
    pub drop: PathBuf,
    /// Where letters that were sent go.
    pub sent: PathBuf,
    /// Where letters that were refused go.
    pub failed: PathBuf,
    /// Where letters that arrived are delivered.
    pub inbox: PathBuf,
    /// Where containers and receipts are kept.
    pub archive: PathBuf,
    /// Database, spool, lock: what the node itself needs.
    pub state: PathBuf,
    /// Letters that are being sent; must be on the file system of `drop`.
    pub work: PathBuf,
}

/// Keys of the organisation in files (非IC卡類憑證, or what an earlier card was replaced by).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keys {
    /// Key and certificate that sign. Required, unless a card does.
    pub sign: KeyFile,
    /// Keys that open what arrives, the present one first; older ones stay readable. At least one is required, unless a
    /// card opens; beside a card they are those of earlier times.
    pub unwrap: Vec<KeyFile>,
}

/// A key with its certificate: two PEM or DER files, or one PKCS#12 file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeyFile {
    /// PKCS#8 private key (RFC 5958), PEM or DER, with or without passphrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Certificate, PEM (then the chain may follow) or DER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PKCS#12 file (RFC 7292) with both; instead of `key` and `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs12: Option<PathBuf>,
    /// File whose first line is the passphrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// The passphrase itself; `passphrase-file` is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<Secret>,
}

/// Where a key comes from, after the check that exactly one form was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource<'a> {
    /// Private key and certificate in two files.
    Files {
        /// PKCS#8.
        key: &'a Path,
        /// Certificate and perhaps its chain.
        certificate: &'a Path,
    },
    /// One PKCS#12 file.
    Pkcs12(&'a Path),
}

/// The center and how to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CenterLink {
    /// `host:port`. Required.
    pub address: Address,
    /// Name in the center's TLS certificate. Default: the host of `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The center's code, as in its receipts. Required.
    pub code: String,
    /// PEM file with the certificates under which the center's TLS certificate must stand. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors: Option<PathBuf>,
    /// Certificates (PEM or DER) that may sign 系統確認. At least one is required.
    pub receipt_certificate: Vec<PathBuf>,
    /// PEM file with the certificates of the registration key. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registrar_anchors: Option<PathBuf>,
    /// How to travel. Default: auto.
    pub transport: Transport,
    /// The address to come from, where the machine has several and one is registered. Default: the system's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address: Option<std::net::IpAddr>,
}

/// How to reach the center.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// QUIC first, TCP if it does not answer; what worked is remembered.
    #[default]
    Auto,
    /// QUIC only.
    Quic,
    /// TLS on TCP only.
    Tcp,
}

/// Anchors of members' certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trust {
    /// PEM file with the certificates (GRCA and the like) under which members' certificates must stand. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors: Option<PathBuf>,
}

/// What to do with a readable letter that breaks its official DTD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outgoing {
    /// Sent, the breaches noted.
    #[default]
    Tolerant,
    /// Refused.
    Strict,
}

/// What to do with a letter whose 密等 is not 普通.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretLetters {
    /// Refused as `secret-not-electronic`.
    #[default]
    Refuse,
    /// Sent like any other.
    Allow,
}

/// How the drop folder is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Intake {
    /// How long a file must stay as it is where nobody can tell whether it is still being written. Default: 2 s.
    pub settle: Period,
    /// How often the folder is read in full, whatever the system reported. Default: 15 s.
    pub scan_every: Period,
    /// How long a letter may wait for files that it names. Default: 10 min.
    pub patience: Period,
}

/// A command between opening and archiving what arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scan {
    /// Program and arguments; the folder with the files is appended. Exit 0: pass, 1: refused, else: wait. Default: none.
    pub command: Vec<String>,
    /// How long it may take before it counts as down. Default: 60 s.
    pub timeout: Period,
}

/// Sizes and counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// All files of one document together. Default: 100 MiB.
    pub document: Bytes,
    /// One DI or SW. Default: 8 MiB.
    pub di: Bytes,
    /// Recipients of one document. Default: 500.
    pub recipients: usize,
    /// Documents worked on at a time, in each direction. Default: 8.
    pub in_flight: usize,
    /// How long sealed bytes are kept after the last recipient is final. Default: 30 days.
    pub keep_sealed: Period,
}

/// How long things are kept, beside `limits.keep-sealed`. The archive, the records and the journal have no setting: they are
/// never deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeKeep {
    /// Answers of the authorities that documents relied on, at least a year. Default: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Period>,
    /// The center's announcements. Default: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announcements: Option<Period>,
}

/// Waiting times; each attempt doubles the wait up to the longest, with jitter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retry {
    /// First wait of a document. Default: 2 s.
    pub first: Period,
    /// Longest wait of a document. Default: 15 min.
    pub longest: Period,
    /// First wait before connecting again. Default: 500 ms.
    pub connect_first: Period,
    /// Longest wait before connecting again. Default: 60 s.
    pub connect_longest: Period,
    /// How often to ask the center when nothing was pushed. Default: 60 s.
    pub poll: Period,
}

/// When a recipient's answer is missed (作業辦法 §7: the results are looked at on the next day at the latest).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outcome {
    /// Working days after 系統確認 at which 使用者確認 is missed. Default: 1.
    pub working_days: u16,
}

/// The local interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Api {
    /// The Unix socket, relative to `folders.state`. Default: `api.sock`.
    pub socket: PathBuf,
}

impl Default for Folders {
    fn default() -> Self {
        Self {
            root: ".".into(),
            drop: "drop".into(),
            sent: "sent".into(),
            failed: "failed".into(),
            inbox: "inbox".into(),
            archive: "archive".into(),
            state: "state".into(),
            work: "work".into(),
        }
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self { settle: Period::secs(2), scan_every: Period::secs(15), patience: Period::minutes(10) }
    }
}

impl Default for Scan {
    fn default() -> Self {
        Self { command: Vec::new(), timeout: Period::secs(60) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document: Bytes::mib(100),
            di: Bytes::mib(8),
            recipients: 500,
            in_flight: 8,
            keep_sealed: Period::days(30),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: Period::secs(2),
            longest: Period::minutes(15),
            connect_first: Period::millis(500),
            connect_longest: Period::secs(60),
            poll: Period::secs(60),
        }
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self { working_days: 1 }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self { socket: "api.sock".into() }
    }
}

impl Party {
    /// Mailbox codes of this node: the organisation (10 characters) and each unit (17).
    pub fn mailboxes(&self) -> Vec<String> {
        let own = std::iter::once(self.code.to_string());
        own.chain(self.units.iter().map(|unit| format!("{}{unit}", self.code))).collect()
    }
}

impl CenterLink {
    /// The name to expect in the center's TLS certificate.
    pub fn tls_name(&self) -> &str {
        self.server_name.as_deref().unwrap_or_else(|| self.address.host())
    }
}

impl KeyFile {
    /// Where the key is; `None` if neither or both forms were given, which [`crate::load`] refuses.
    pub fn source(&self) -> Option<KeySource<'_>> {
        match (&self.key, &self.certificate, &self.pkcs12) {
            (Some(key), Some(certificate), None) => Some(KeySource::Files { key, certificate }),
            (None, None, Some(file)) => Some(KeySource::Pkcs12(file)),
            _ => None,
        }
    }

    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.key, &mut self.certificate, &mut self.pkcs12, &mut self.passphrase_file]
            .into_iter()
            .flatten()
    }

    fn check(&self, key: &str, problems: &mut Vec<Problem>) {
        if self.source().is_none() {
            let given = self.key.is_some() || self.certificate.is_some() || self.pkcs12.is_some();
            let message = "請寫 key 與 certificate 兩個檔名，或只寫 pkcs12 一個檔名（擇一）";
            problems.push(if given { Problem::value(key, message) } else { Problem::missing(key, message) });
        }
        if self.passphrase.is_some() && self.passphrase_file.is_some() {
            problems.push(Problem::value(
                format!("{key}.passphrase"),
                "passphrase 與 passphrase-file 只能寫一個",
            ));
        }
    }
}

impl Settings for NodeConfig {
    fn resolve(&mut self, base: &Path) {
        let folders = &mut self.folders;
        join(base, &mut folders.root);
        let root = folders.root.clone();
        for folder in [
            &mut folders.drop,
            &mut folders.sent,
            &mut folders.failed,
            &mut folders.inbox,
            &mut folders.archive,
            &mut folders.state,
            &mut folders.work,
        ] {
            join(&root, folder);
        }
        join(&self.folders.state, &mut self.api.socket);
        for key in std::iter::once(&mut self.keys.sign).chain(&mut self.keys.unwrap) {
            key.paths().for_each(|path| join(base, path));
        }
        let card = &mut self.card;
        card.pin_file.iter_mut().chain(&mut card.guard).for_each(|path| join(base, path));
        let center = &mut self.center;
        center.receipt_certificate.iter_mut().for_each(|path| join(base, path));
        for path in [&mut center.anchors, &mut center.registrar_anchors, &mut self.trust.anchors]
            .into_iter()
            .flatten()
        {
            join(base, path);
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut out = Vec::new();
        self.required(&mut out);
        self.ranges(&mut out);
        self.revocation.problems(&mut out);
        self.apart(&mut out);
        out
    }
}

impl NodeConfig {
    fn required(&self, out: &mut Vec<Problem>) {
        let mut need = |given: bool, key: &str, what: &str| {
            if !given {
                out.push(Problem::missing(key, format!("必填，請寫{what}")));
            }
        };
        need(!self.party.code.is_empty(), "party.code", "貴機關的 10 碼機關代碼");
        need(!self.center.address.is_empty(), "center.address", "交換中心的「主機:連接埠」（host:port）");
        need(!self.center.code.is_empty(), "center.code", "交換中心的代碼");
        need(self.center.anchors.is_some(), "center.anchors", "交換中心 TLS 憑證的信任根憑證檔（PEM）");
        need(
            !self.center.receipt_certificate.is_empty(),
            "center.receipt-certificate",
            "交換中心「系統確認」簽章憑證的檔名（陣列）",
        );
        need(self.center.registrar_anchors.is_some(), "center.registrar-anchors", "註冊單位的憑證檔（PEM）");
        need(self.trust.anchors.is_some(), "trust.anchors", "會員憑證的信任根憑證檔（PEM）");
        let unwrap = self.card.is_used() || !self.keys.unwrap.is_empty();
        need(unwrap, "keys.unwrap", "至少一組解密金鑰（[[keys.unwrap]]），或以 [card] 使用憑證 IC 卡");
        if !self.card.is_used() {
            self.keys.sign.check("keys.sign", out);
        } else if self.keys.sign != KeyFile::default() {
            out.push(Problem::value(
                "keys.sign",
                "已用 [card] 的憑證 IC 卡簽章，請刪去 [keys.sign]（二者擇一）",
            ));
        }
        self.card.check(out);
        for (i, key) in self.keys.unwrap.iter().enumerate() {
            key.check(&format!("keys.unwrap.{i}"), out);
        }
    }

    fn ranges(&self, out: &mut Vec<Problem>) {
        let mut demand = |holds: bool, key: &str, what: &str| {
            if !holds {
                out.push(Problem::value(key, what));
            }
        };
        let limits = &self.limits;
        demand((1..=50_000).contains(&limits.recipients), "limits.recipients", "應在 1 與 50000 之間");
        demand((1..=256).contains(&limits.in_flight), "limits.in-flight", "應在 1 與 256 之間");
        demand(limits.di.get() > 0 && limits.di <= Bytes::mib(64), "limits.di", "應在 1 B 與 64 MiB 之間");
        demand(limits.document >= limits.di, "limits.document", "不得小於 limits.di");
        demand(
            limits.document <= Bytes::mib(3 * 1024),
            "limits.document",
            "不得大於 3072 MiB（ZIP 容器的上限）",
        );
        let (intake, retry) = (&self.intake, &self.retry);
        demand(intake.settle >= Period::millis(100), "intake.settle", "不得小於 100ms");
        demand(intake.scan_every >= Period::millis(100), "intake.scan-every", "不得小於 100ms");
        let year = |keep: Option<Period>| keep.is_none_or(|keep| keep >= Period::days(365));
        demand(year(self.keep.revocation), "keep.revocation", "不得小於 365d");
        demand(retry.first >= Period::millis(10), "retry.first", "不得小於 10ms");
        demand(retry.longest >= retry.first, "retry.longest", "不得小於 retry.first");
        demand(retry.connect_first >= Period::millis(10), "retry.connect-first", "不得小於 10ms");
        demand(
            retry.connect_longest >= retry.connect_first,
            "retry.connect-longest",
            "不得小於 retry.connect-first",
        );
        demand(retry.poll >= Period::millis(100), "retry.poll", "不得小於 100ms");
        demand((1..=60).contains(&self.outcome.working_days), "outcome.working-days", "應在 1 與 60 之間");
        demand(self.center.code.len() <= 32, "center.code", "不得長於 32 個字元");
    }

    /// No folder inside another where one would eat the other's files.
    fn apart(&self, out: &mut Vec<Problem>) {
        let f = &self.folders;
        let named = [
            ("drop", &f.drop),
            ("sent", &f.sent),
            ("failed", &f.failed),
            ("inbox", &f.inbox),
            ("archive", &f.archive),
            ("state", &f.state),
            ("work", &f.work),
        ];
        for (i, (name, folder)) in named.iter().enumerate() {
            for (other_name, other) in named.iter().take(i) {
                if folder.starts_with(other) || other.starts_with(folder) {
                    let message =
                        format!("不得與 folders.{other_name} 相同或互相包含（{}）", other.display());
                    out.push(Problem::value(format!("folders.{name}"), message));
                }
            }
        }
    }
}

/// `base/path` without `.` parts.
fn join(base: &Path, path: &mut PathBuf) {
    *path = base.join(&*path).components().collect();
}
