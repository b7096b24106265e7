//! Looks at keys, certificates and folders the way the service will, and says what is wrong before it starts.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use config::{KeyFile, KeySource, NodeConfig};
use envelope::key::SigningKey;
use envelope::soft::SoftKey;
use envelope::trust::{self, Anchors, Purpose};
use envelope::{Certificate, Error};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::api::view::Reason;
use crate::cli::Civil;

/// Warn when a certificate has fewer days left.
const FEW_DAYS: i64 = 90;
const DAY: i64 = 86_400_000;
/// Keys and certificates are small; anything larger is the wrong file.
const LARGEST: u64 = 1 << 20;

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at, in Chinese.
    pub(crate) name: String,
    /// What was found; may be empty.
    pub(crate) found: String,
    /// What is wrong; `None` if nothing.
    pub(crate) reason: Option<Reason>,
}

impl Check {
    fn good(name: &str, found: String) -> Self {
        Self { name: name.to_owned(), found, reason: None }
    }

    fn bad(name: &str, label: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), found: String::new(), reason: Reason::of(label, &detail.into()) }
    }

    /// The check as a line for people, with what to do below it where something is wrong.
    pub(crate) fn line(&self) -> String {
        match &self.reason {
            None if self.found.is_empty() => format!("✓ {}\n", self.name),
            None => format!("✓ {}：{}\n", self.name, self.found),
            Some(reason) => {
                let detail =
                    if reason.detail.is_empty() { String::new() } else { format!("（{}）", reason.detail) };
                format!(
                    "✗ {}：{}{detail}\n  處理：{}\n  代號：{}\n",
                    self.name, reason.what, reason.remedy, reason.label
                )
            }
        }
    }
}

/// Everything that settings point to.
pub(crate) fn settings(settings: &NodeConfig, now: i64) -> Vec<Check> {
    let mut checks = Vec::new();
    let members = anchors("憑證管理中心的信任錨點", settings.trust.anchors.as_deref(), &mut checks);
    anchors("交換中心的信任錨點", settings.center.anchors.as_deref(), &mut checks);
    anchors("註冊單位的信任錨點", settings.center.registrar_anchors.as_deref(), &mut checks);
    for path in &settings.center.receipt_certificate {
        let name = "交換中心的回條憑證";
        checks.push(match certificates(path) {
            Ok(found) => Check::good(name, found.first().map(describe).unwrap_or_default()),
            Err(trouble) => trouble.check(name, path),
        });
    }
    let sign = key("簽章金鑰", &settings.keys.sign, members.as_ref(), Purpose::Sign, now, &mut checks);
    for file in &settings.keys.unwrap {
        let unwrap = key("加密金鑰", file, members.as_ref(), Purpose::Encrypt, now, &mut checks);
        if let (Some(sign), Some(unwrap)) = (&sign, &unwrap) {
            same_organisation(sign.own_certificate(), unwrap.own_certificate(), &mut checks);
        }
    }
    folders(settings, &mut checks);
    checks
}

/// Reads a key with its certificate.
pub(crate) fn load_key(file: &KeyFile) -> Result<SoftKey, Trouble> {
    let passphrase = passphrase(file)?;
    let passphrase = passphrase.as_ref().map(|p| p.as_str());
    let loaded = match file.source() {
        Some(KeySource::Files { key, certificate }) => {
            let key = Zeroizing::new(read(key)?);
            SoftKey::from_file(&key, passphrase, Some(&read(certificate)?))
        }
        Some(KeySource::Pkcs12(path)) => SoftKey::from_file(&Zeroizing::new(read(path)?), passphrase, None),
        None => return Err(Trouble { label: "config-missing".to_owned(), detail: String::new() }),
    };
    Ok(loaded?)
}

fn passphrase(file: &KeyFile) -> Result<Option<Zeroizing<String>>, Trouble> {
    if let Some(path) = &file.passphrase_file {
        let text = Zeroizing::new(read(path)?);
        let text = std::str::from_utf8(&text)
            .map_err(|_| Trouble { label: "key-passphrase-wrong".to_owned(), detail: "UTF-8".to_owned() })?;
        return Ok(Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())));
    }
    Ok(file.passphrase.as_ref().map(|secret| Zeroizing::new(secret.expose().to_owned())))
}

/// A file that holds a key or certificates.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    let trouble = |e: std::io::Error| {
        let label =
            if e.kind() == std::io::ErrorKind::NotFound { "file-not-found" } else { "file-not-readable" };
        Trouble { label: label.to_owned(), detail: format!("{}：{e}", path.display()) }
    };
    let meta = std::fs::metadata(path).map_err(trouble)?;
    if meta.len() > LARGEST {
        let detail = format!("{}：{} 位元組", path.display(), meta.len());
        return Err(Trouble { label: "envelope-too-large".to_owned(), detail });
    }
    std::fs::read(path).map_err(trouble)
}

/// All certificates of a PEM file, or the one of a DER file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<Certificate>, Trouble> {
    let bytes = read(path)?;
    let found = if bytes.first() == Some(&0x30) {
        Certificate::from_der(&bytes).map(|one| vec![one])
    } else {
        Certificate::all_from_pem(&bytes)
    };
    found.map_err(|error| Trouble {
        label: error.label().to_owned(),
        detail: format!("{}：{error}", path.display()),
    })
}

/// A label with its particulars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) label: String,
    pub(crate) detail: String,
}

impl Trouble {
    fn check(&self, name: &str, path: &Path) -> Check {
        let path = path.display().to_string();
        let detail = match (self.detail.is_empty(), self.detail.contains(&path)) {
            (true, _) => path,
            (false, true) => self.detail.clone(),
            (false, false) => format!("{path}：{}", self.detail),
        };
        Check::bad(name, &self.label, detail)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self { label: error.label().to_owned(), detail: error.to_string() }
    }
}

fn anchors(name: &str, path: Option<&Path>, checks: &mut Vec<Check>) -> Option<Anchors> {
    let path = path?;
    match certificates(path).map(Anchors::new) {
        Ok(anchors) => {
            let found: Vec<&str> = anchors.certificates().iter().map(Certificate::subject).collect();
            checks.push(Check::good(name, found.join("；")));
            Some(anchors)
        }
        Err(trouble) => {
            checks.push(trouble.check(name, path));
            None
        }
    }
}

fn key(
    name: &str,
    file: &KeyFile,
    anchors: Option<&Anchors>,
    purpose: Purpose,
    now: i64,
    checks: &mut Vec<Check>,
) -> Option<SoftKey> {
    let path = match file.source() {
        Some(KeySource::Files { key, .. } | KeySource::Pkcs12(key)) => key,
        None => Path::new(""),
    };
    match load_key(file) {
        Ok(key) => {
            let chain = SigningKey::chain(&key);
            checks.push(certificate(name, key.own_certificate(), &chain, anchors, purpose, now));
            Some(key)
        }
        Err(trouble) => {
            checks.push(trouble.check(name, path));
            None
        }
    }
}

/// A key's certificate: its usage, its chain, its validity now.
pub(crate) fn certificate(
    name: &str,
    own: &Certificate,
    chain: &[Certificate],
    anchors: Option<&Anchors>,
    purpose: Purpose,
    now: i64,
) -> Check {
    match judge(own, chain, anchors, purpose, now) {
        Err(error) => Check::bad(name, error.label(), own.subject()),
        Ok(()) => {
            let days = own.not_after().saturating_sub(now) / DAY;
            let soon = if days < FEW_DAYS { "，請儘早換發" } else { "" };
            let until = Civil::local().second(own.not_after());
            Check::good(name, format!("{}；有效至 {until}（還有 {days} 天{soon}）", describe(own)))
        }
    }
}

/// Whether a certificate may be used for `purpose` now; without anchors only its own usage and validity are looked at.
pub(crate) fn judge(
    own: &Certificate,
    chain: &[Certificate],
    anchors: Option<&Anchors>,
    purpose: Purpose,
    now: i64,
) -> Result<(), Error> {
    match anchors {
        Some(anchors) => trust::chain(own, chain, anchors, purpose, now).map(|_| ()),
        None if !trust::fits(own, purpose) => Err(Error::WrongUsage { subject: own.subject().to_owned() }),
        None => trust::valid_at(own, now),
    }
}

/// Whether signing and encryption certificate are the same organisation's.
pub(crate) fn same_organisation(sign: &Certificate, unwrap: &Certificate, checks: &mut Vec<Check>) {
    let name = "簽章與加密憑證屬於同一機關";
    let same = match (sign.organisation_oid(), unwrap.organisation_oid()) {
        (Some(a), Some(b)) => a == b,
        _ => sign.subject_der() == unwrap.subject_der() || sign.organisation() == unwrap.organisation(),
    };
    checks.push(if same {
        Check::good(name, String::new())
    } else {
        Check::bad(name, "entry-mismatch", format!("{}；{}", sign.subject(), unwrap.subject()))
    });
}

/// A certificate in a few words.
pub(crate) fn describe(certificate: &Certificate) -> String {
    let oid = certificate.organisation_oid().map(|o| format!("，機關 OID {o}")).unwrap_or_default();
    format!("{}{oid}，序號 {}", certificate.subject(), certificate.serial_hex())
}

fn folders(settings: &NodeConfig, checks: &mut Vec<Check>) {
    let f = &settings.folders;
    let all = [
        ("發文資料夾 drop", &f.drop),
        ("處理中資料夾 work", &f.work),
        ("已送出資料夾 sent", &f.sent),
        ("未送出資料夾 failed", &f.failed),
        ("收文資料夾 inbox", &f.inbox),
        ("歸檔資料夾 archive", &f.archive),
        ("狀態資料夾 state", &f.state),
    ];
    for (name, folder) in all {
        let found = std::fs::metadata(folder);
        checks.push(match found {
            Ok(meta) if meta.is_dir() => Check::good(name, folder.display().to_string()),
            Ok(_) => Check::bad(name, "target-failed", folder.display().to_string()),
            Err(_) if exists_above(folder).is_some() => {
                Check::good(name, format!("{}（尚未建立，啟動時會建立）", folder.display()))
            }
            Err(_) => Check::bad(name, "target-failed", folder.display().to_string()),
        });
    }
    // Claiming renames from one into the other.
    if let (Some(drop), Some(work)) = (exists_above(&f.drop), exists_above(&f.work))
        && drop != work
    {
        checks.push(Check::bad("drop 與 work 在同一檔案系統", "state-folder", f.work.display().to_string()));
    }
}

/// The device of a folder, or of the nearest one above it that is there.
fn exists_above(folder: &Path) -> Option<u64> {
    folder
        .ancestors()
        .find_map(|f| std::fs::metadata(f).ok().filter(std::fs::Metadata::is_dir))
        .map(|m| m.dev())
}
