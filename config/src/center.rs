//! What a center is told: where it listens, its keys, whom it believes, where it keeps its data, and its limits.

use crate::node::KeyFile;
use crate::revocation::Revocation;
use crate::value::{Bytes, Period};
use crate::{Problem, Settings};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Settings of `di-center`. `Default` is the only place where a default is written; `center.example.toml` shows them all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CenterConfig {
    /// The center's code, as it stands in its receipts and in its members' logins: up to 32 ASCII letters, digits and
    /// hyphens. Required.
    pub code: String,
    /// Address and port of QUIC (UDP) and of TLS (TCP). Port 0 lets the system choose one for both. Default: 0.0.0.0:9941.
    pub listen: SocketAddr,
    /// The folder of the database, of large bodies and of unfinished uploads. Default: data.
    pub data: PathBuf,
    /// The server certificate.
    pub tls: Tls,
    /// The key that signs 系統確認.
    pub receipt: KeyFile,
    /// Whom to believe.
    pub trust: CenterTrust,
    /// How the status of certificates is learned.
    pub revocation: Revocation,
    /// Sizes, rates and quotas; those per member are defaults that `di-center member set` can override.
    pub limits: CenterLimits,
    /// How long things are kept.
    pub keep: Keep,
    /// Misbehaviour on purpose, for testing nodes.
    pub mischief: Mischief,
}

/// The center's TLS key and certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tls {
    /// PEM file: the server's certificate, then those between it and the anchor. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PEM file: the private key (PKCS#8), not encrypted. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// Anchors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CenterTrust {
    /// PEM file with the certificates (GRCA and the like) under which members' certificates must stand. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors: Option<PathBuf>,
    /// PEM file with the certificates of the registration key. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registrar_anchors: Option<PathBuf>,
}

/// What one member, one connection and one part may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CenterLimits {
    /// Largest sealed message. Default: 128 MiB.
    pub part: Bytes,
    /// Most addressees of one part. Default: 500.
    pub addressees: u16,
    /// Parts a minute from one member. Default: 60000.
    pub parts_per_minute: u32,
    /// Bytes a day (UTC) from one member. Default: 64 GiB.
    pub bytes_per_day: Bytes,
    /// Requests a minute from one member, whatever they ask. Default: 600000.
    pub requests_per_minute: u32,
    /// Connections of one member at a time. Default: 64.
    pub connections_per_member: usize,
    /// Connections in all. Default: 10000.
    pub connections: usize,
}

/// How long things are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keep {
    /// An upload that nobody continues. Default: 24h.
    pub uploads: Period,
    /// The sealed bytes of a part after its last recipient answered; the record and its receipts stay. Default: 30d.
    pub bodies: Period,
    /// The record of a part with its receipts, after its bytes are gone; at least 90 days. Default: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Period>,
}

/// Misbehaviour on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mischief {
    /// Of a hundred requests, how many meet trouble. Default: 0, never.
    pub percent: u8,
    /// Start of the random sequence, so that a run can be repeated; 0 takes a new one each time. Default: 0.
    pub seed: u64,
    /// The longest stall. Default: 2s.
    pub stall: Period,
}

impl Default for Mischief {
    fn default() -> Self {
        Self { percent: 0, seed: 0, stall: Period::secs(2) }
    }
}

impl Default for CenterConfig {
    fn default() -> Self {
        Self {
            code: String::new(),
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9941)),
            data: "data".into(),
            tls: Tls::default(),
            receipt: KeyFile::default(),
            trust: CenterTrust::default(),
            revocation: Revocation::default(),
            limits: CenterLimits::default(),
            keep: Keep::default(),
            mischief: Mischief::default(),
        }
    }
}

impl Default for CenterLimits {
    fn default() -> Self {
        Self {
            part: Bytes::mib(128),
            addressees: 500,
            parts_per_minute: 60_000,
            bytes_per_day: Bytes::mib(64 * 1024),
            requests_per_minute: 600_000,
            connections_per_member: 64,
            connections: 10_000,
        }
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self { uploads: Period::hours(24), bodies: Period::days(30), records: None }
    }
}

impl Settings for CenterConfig {
    fn resolve(&mut self, base: &Path) {
        let receipt = &mut self.receipt;
        let paths = [
            &mut self.tls.certificate,
            &mut self.tls.key,
            &mut receipt.key,
            &mut receipt.certificate,
            &mut receipt.pkcs12,
            &mut receipt.passphrase_file,
            &mut self.trust.anchors,
            &mut self.trust.registrar_anchors,
        ];
        for path in paths.into_iter().flatten().chain([&mut self.data]) {
            if path.is_relative() {
                *path = base.join(&*path);
            }
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut out = Vec::new();
        let mut need = |given: bool, key: &str, what: &str| {
            if !given {
                out.push(Problem::missing(key, format!("必填，請寫{what}")));
            }
        };
        need(!self.code.is_empty(), "code", "交換中心的代碼");
        need(self.tls.certificate.is_some(), "tls.certificate", "伺服器憑證檔（PEM）");
        need(self.tls.key.is_some(), "tls.key", "伺服器私密金鑰檔（PEM，PKCS#8）");
        need(
            self.receipt.source().is_some(),
            "receipt",
            "「系統確認」簽章金鑰：key 與 certificate 兩個檔名，或 pkcs12 一個檔名",
        );
        need(self.trust.anchors.is_some(), "trust.anchors", "會員憑證的信任根憑證檔（PEM）");
        need(self.trust.registrar_anchors.is_some(), "trust.registrar-anchors", "註冊單位的憑證檔（PEM）");
        let mut demand = |holds: bool, key: &str, what: &str| {
            if !holds {
                out.push(Problem::value(key, what));
            }
        };
        demand(
            self.code.len() <= 32 && self.code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "code",
            "只可用英文字母、數字與連字號，至多 32 個字元",
        );
        let limits = &self.limits;
        demand(
            limits.part.get() > 0 && limits.part <= Bytes::mib(4096),
            "limits.part",
            "應在 1 B 與 4096 MiB 之間",
        );
        demand((1..=1000).contains(&limits.addressees), "limits.addressees", "應在 1 與 1000 之間");
        demand(limits.parts_per_minute > 0, "limits.parts-per-minute", "不得為 0");
        demand(limits.requests_per_minute > 0, "limits.requests-per-minute", "不得為 0");
        demand(limits.connections_per_member > 0, "limits.connections-per-member", "不得為 0");
        demand(limits.connections > 0, "limits.connections", "不得為 0");
        demand(self.keep.uploads >= Period::minutes(1), "keep.uploads", "不得小於 1m");
        demand(self.keep.records.is_none_or(|keep| keep >= Period::days(90)), "keep.records", "不得小於 90d");
        demand(self.mischief.percent <= 100, "mischief.percent", "應在 0 與 100 之間");
        self.revocation.problems(&mut out);
        out
    }
}
