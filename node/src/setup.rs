//! `setup`: a first configuration from keys and center, and the directory entry to hand to the registrar.
//!
//! Nothing is asked on the terminal: every value is a flag, so that the same command can stand in a script. Nothing is
//! overwritten. Before anything is written, keys and certificates are checked as the service will check them.

mod card;
pub(crate) mod inspect;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use config::KeyFile;
use envelope::key::SigningKey;
use envelope::soft::SoftKey;
use envelope::trust::{Anchors, Purpose};
use envelope::{Certificate, directory};
use serde::Serialize;

use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::{Done, Out, now};
use card::{CardArgs, OwnCard};
use inspect::{Check, Trouble};

/// 產生第一份設定檔
#[derive(Args, Debug)]
pub(crate) struct Setup {
    /// 機關代碼（10 碼）
    #[arg(long, value_name = "代碼")]
    code: String,
    /// 機關全銜
    #[arg(long, value_name = "全銜")]
    name: String,
    /// 簽章金鑰（PKCS#8 或 PKCS#12）
    #[arg(long, value_name = "檔案", required_unless_present = "pkcs11", conflicts_with = "pkcs11")]
    sign_key: Option<PathBuf>,
    /// 簽章憑證；金鑰為 PKCS#12 時不需要
    #[arg(long, value_name = "檔案")]
    sign_cert: Option<PathBuf>,
    /// 加密金鑰（PKCS#8 或 PKCS#12）
    #[arg(long, value_name = "檔案", required_unless_present = "pkcs11", conflicts_with = "pkcs11")]
    enc_key: Option<PathBuf>,
    /// 加密憑證；金鑰為 PKCS#12 時不需要
    #[arg(long, value_name = "檔案")]
    enc_cert: Option<PathBuf>,
    /// 金鑰檔的密碼檔（第一行為密碼）
    #[arg(long, value_name = "檔案")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    card: CardArgs,
    /// 憑證管理中心的憑證（PEM），機關憑證須由其簽發
    #[arg(long, value_name = "檔案")]
    anchors: PathBuf,
    /// 交換中心的位址
    #[arg(long, value_name = "主機:埠")]
    center: String,
    /// 交換中心的代碼
    #[arg(long, value_name = "代碼")]
    center_code: String,
    /// 簽發交換中心 TLS 憑證者的憑證（PEM）
    #[arg(long, value_name = "檔案")]
    center_anchors: PathBuf,
    /// 交換中心開立回條所用的憑證
    #[arg(long, value_name = "檔案", required = true)]
    center_receipt_cert: Vec<PathBuf>,
    /// 註冊單位的憑證（PEM）
    #[arg(long, value_name = "檔案")]
    registrar_anchors: PathBuf,
    /// 應有的機關 OID；與憑證不同時不產生設定
    #[arg(long, value_name = "OID")]
    organisation_oid: Option<String>,
    /// 資料夾的根目錄；未指定時為設定檔所在目錄
    #[arg(long, value_name = "目錄")]
    root: Option<PathBuf>,
    /// 設定檔寫到哪裡
    #[arg(short, long, value_name = "檔案", default_value = "di-node.toml")]
    output: PathBuf,
    /// 地址簿登記檔寫到哪裡；交給註冊單位
    #[arg(long, value_name = "檔案")]
    entry_out: Option<PathBuf>,
    /// 另有信箱的單位（7 碼），可重複；寫入設定檔，並在 --entry-out 旁為每一單位寫一份登記檔
    #[arg(long = "unit", value_name = "單位代碼")]
    units: Vec<config::value::Unit>,
    /// 登記檔的號次；換發憑證重新登記時須比前一次大
    #[arg(long, value_name = "號次", default_value_t = 1)]
    number: u64,
    /// 加密金鑰不能用 OAEP 解密（部分卡片）
    #[arg(long)]
    no_oaep: bool,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Made<'a> {
    ok: bool,
    checks: &'a [Check],
    config: Option<String>,
    entry: Option<String>,
    unit_entries: Vec<String>,
}

/// Does it.
pub(crate) fn setup(args: &Setup, out: &mut Out) -> Done {
    let mut entries = mailboxes(args);
    if let Some(twice) =
        args.units.iter().enumerate().find(|(n, unit)| args.units.iter().skip(n + 1).any(|u| u == *unit))
    {
        return Err(Failure::new(exit::USAGE, "usage", format!("--unit {} 寫了兩次", twice.1)));
    }
    for target in std::iter::once(&args.output).chain(entries.iter().map(|(path, _)| path)) {
        if target.exists() {
            let what = format!("{}：{}", crate::words::what("target-exists"), target.display());
            return Err(Failure::new(exit::CANNOT_CREATE, "target-exists", what));
        }
    }
    let mut checks = Vec::new();
    let known = inspect::certificates(&args.anchors).map_err(failed)?;
    let mut keys = Own::read(args, &known).map_err(failed)?;
    let anchors = Anchors::new(known);
    let at = now();
    let (own, unwrap) = (&keys.sign_certificate(), &keys.enc_certificate());
    let chain = keys.signer().chain();
    checks.push(inspect::certificate("簽章金鑰與憑證", own, &chain, Some(&anchors), Purpose::Sign, at));
    let chain = keys.enc_chain();
    checks.push(inspect::certificate("加密金鑰與憑證", unwrap, &chain, Some(&anchors), Purpose::Encrypt, at));
    inspect::same_organisation(own, unwrap, &mut checks);
    if let Some(expected) = &args.organisation_oid
        && own.organisation_oid() != Some(expected)
    {
        let found = own.organisation_oid().unwrap_or("（憑證未載）");
        return Err(failed(Trouble {
            label: "entry-mismatch".to_owned(),
            detail: format!("憑證為 {found}，應為 {expected}"),
        }));
    }
    let ok = checks.iter().all(|c| c.reason.is_none());
    let mut text: String = checks.iter().map(Check::line).collect();
    let mut written = None;
    if ok {
        let settings = toml(args, &keys)?;
        // What is written must be what the service accepts.
        write_new(&args.output, settings.as_bytes(), 0o640)?;
        let config = match config::load::<config::NodeConfig>(&args.output) {
            Ok(config) => config,
            Err(error) => {
                let _ = std::fs::remove_file(&args.output);
                return Err(Failure::new(exit::CONFIG, error.label(), "以這些值組成的設定檔不正確")
                    .block(error.to_string()));
            }
        };
        written = Some(args.output.display().to_string());
        text.push_str(&format!("✓ 已寫出設定檔 {}\n", args.output.display()));
        if let (Own::Card(card), false) = (&mut keys, entries.is_empty()) {
            args.card.login(card, &config)?;
        }
        for (path, code) in &entries {
            let der = make_entry(args, code, &keys, at).map_err(|e| failed(Trouble::from(e)))?;
            write_new(path, &der, 0o644)?;
            text.push_str(&format!("✓ 已寫出登記檔 {}（信箱 {code}）\n", path.display()));
        }
        if !entries.is_empty() {
            text.push_str(&format!(
                "  交給註冊單位：先以電話或公函核對下列指紋，再請其 di-center registrar 副署\n  簽章憑證 SHA-256 {}\n  加密憑證 SHA-256 {}\n",
                fingerprint(own),
                fingerprint(unwrap)
            ));
        }
    } else {
        entries.clear();
    }
    let mut made = entries.iter().map(|(path, _)| path.display().to_string());
    let entry = made.next();
    let unit_entries = made.collect();
    if args.json {
        out.json(&Made { ok, checks: &checks, config: written, entry, unit_entries })?;
    } else {
        out.text(&text)?;
    }
    Ok(if ok { exit::OK } else { exit::FAILED })
}

fn key_file(args: &Setup, key: &Path, certificate: Option<&PathBuf>) -> KeyFile {
    let mut file = KeyFile { passphrase_file: args.passphrase_file.clone(), ..KeyFile::default() };
    match certificate {
        Some(certificate) => {
            file.key = Some(key.to_owned());
            file.certificate = Some(certificate.clone());
        }
        None => file.pkcs12 = Some(key.to_owned()),
    }
    file
}

/// The entry files to write, each with its mailbox code: the organisation's first, then those of its units.
fn mailboxes(args: &Setup) -> Vec<(PathBuf, String)> {
    let Some(first) = &args.entry_out else { return Vec::new() };
    let stem = first.file_stem().unwrap_or_default().to_string_lossy();
    let unit = |unit: &config::value::Unit| {
        (first.with_file_name(format!("{stem}-{unit}.entry")), format!("{}{unit}", args.code))
    };
    let own = (first.clone(), args.code.clone());
    std::iter::once(own).chain(args.units.iter().map(unit)).collect()
}

/// The organisation's keys, wherever they are.
enum Own {
    Files { sign: Box<SoftKey>, enc: Box<SoftKey> },
    Card(Box<OwnCard>),
}

impl Own {
    fn read(args: &Setup, anchors: &[Certificate]) -> Result<Self, Trouble> {
        if let Some(module) = &args.card.pkcs11 {
            let known = anchors.iter().filter(|c| c.issuer_der() != c.subject_der()).cloned().collect();
            return Ok(Self::Card(Box::new(args.card.read(module, known)?)));
        }
        let load = |key: &Option<PathBuf>, certificate: Option<&PathBuf>| {
            let key = key.as_deref().unwrap_or_else(|| Path::new(""));
            inspect::load_key(&key_file(args, key, certificate)).map(Box::new)
        };
        Ok(Self::Files {
            sign: load(&args.sign_key, args.sign_cert.as_ref())?,
            enc: load(&args.enc_key, args.enc_cert.as_ref())?,
        })
    }

    fn signer(&self) -> &dyn SigningKey {
        match self {
            Self::Files { sign, .. } => sign.as_ref(),
            Self::Card(card) => card.as_ref(),
        }
    }

    fn sign_certificate(&self) -> Certificate {
        match self {
            Self::Files { sign, .. } => sign.own_certificate().clone(),
            Self::Card(card) => card.info.sign.certificate.clone(),
        }
    }

    fn enc_certificate(&self) -> Certificate {
        match self {
            Self::Files { enc, .. } => enc.own_certificate().clone(),
            Self::Card(card) => card.info.unwrap.certificate.clone(),
        }
    }

    fn enc_chain(&self) -> Vec<Certificate> {
        match self {
            Self::Files { enc, .. } => SigningKey::chain(enc.as_ref()),
            Self::Card(card) => card.chain(),
        }
    }

    /// Whether the encryption key can OAEP: a card tells after a login.
    fn oaep(&self) -> bool {
        match self {
            Self::Files { .. } => true,
            Self::Card(card) => card.info.oaep,
        }
    }
}

fn make_entry(args: &Setup, code: &str, keys: &Own, at: i64) -> Result<Vec<u8>, envelope::Error> {
    let entry = directory::Entry {
        code,
        name: &args.name,
        enc: &keys.enc_certificate(),
        enc_chain: &keys.enc_chain(),
        oaep: !args.no_oaep && keys.oaep(),
        number: args.number,
    };
    directory::make(&entry, keys.signer(), at)
}

/// The configuration with a line of explanation for each part.
fn toml(args: &Setup, keys: &Own) -> Result<String, Failure> {
    let base = args.output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let path = |p: &Path| -> Result<String, Failure> { Ok(quoted(&placed(p, base)?)) };
    let key = |head: &str, key: &Path, certificate: Option<&PathBuf>| -> Result<String, Failure> {
        let mut text = format!("{head}\n");
        match certificate {
            Some(certificate) => {
                text.push_str(&format!("key = {}\ncertificate = {}\n", path(key)?, path(certificate)?));
            }
            None => text.push_str(&format!("pkcs12 = {}\n", path(key)?)),
        }
        if let Some(file) = &args.passphrase_file {
            text.push_str(&format!("passphrase-file = {}\n", path(file)?));
        }
        Ok(text)
    };
    let receipts: Result<Vec<String>, Failure> = args.center_receipt_cert.iter().map(|p| path(p)).collect();
    let mut text = String::from(
        "# di-node 的設定檔，由 di-node setup 產生。所有可用的鍵與預設值見 config/node.example.toml。\n\
         # 檢查：di-node --config 本檔 config check\n\n",
    );
    text.push_str(&format!(
        "# 本機關\n[party]\ncode = {}\nname = {}\n",
        quoted(&args.code),
        quoted(&args.name)
    ));
    if !args.units.is_empty() {
        let units: Vec<String> = args.units.iter().map(|unit| quoted(&unit.to_string())).collect();
        text.push_str(&format!("units = [{}]\n", units.join(", ")));
    }
    text.push('\n');
    if let Some(root) = &args.root {
        text.push_str(&format!(
            "# 資料夾：其下有 drop sent failed inbox archive state work\n[folders]\nroot = {}\n\n",
            quoted(&root.display().to_string())
        ));
    }
    match (keys, &args.card.pkcs11, &args.sign_key, &args.enc_key) {
        (Own::Card(card), Some(module), ..) => text.push_str(&args.card.toml(module, &card.info)),
        (_, _, Some(sign), Some(enc)) => {
            text.push_str("# 簽章與登入用的金鑰\n");
            text.push_str(&key("[keys.sign]", sign, args.sign_cert.as_ref())?);
            text.push_str("\n# 解開來文用的金鑰；換發後新的放在前面，舊的留著才能讀舊文\n");
            text.push_str(&key("[[keys.unwrap]]", enc, args.enc_cert.as_ref())?);
        }
        _ => {}
    }
    text.push_str(&format!(
        "\n# 交換中心\n[center]\naddress = {}\ncode = {}\nanchors = {}\nreceipt-certificate = [{}]\nregistrar-anchors = {}\n",
        quoted(&args.center),
        quoted(&args.center_code),
        path(&args.center_anchors)?,
        receipts?.join(", "),
        path(&args.registrar_anchors)?,
    ));
    text.push_str(&format!("\n# 信任的憑證管理中心\n[trust]\nanchors = {}\n", path(&args.anchors)?));
    Ok(text)
}

/// `path` as the configuration names it: relative to the configuration's folder where it lies below, else absolute.
fn placed(path: &Path, base: &Path) -> Result<String, Failure> {
    let whole = |p: &Path| {
        std::fs::canonicalize(p).map_err(|e| {
            let what = format!("{}：{}", crate::words::what("file-not-found"), p.display());
            Failure::new(exit::NOT_FOUND, "file-not-found", what).because(e)
        })
    };
    let (path, base) = (whole(path)?, whole(base)?);
    Ok(path.strip_prefix(&base).unwrap_or(&path).display().to_string())
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn fingerprint(certificate: &Certificate) -> String {
    crate::api::read::hex(certificate.sha256())
}

/// Writes a file that must not be there yet.
#[expect(clippy::disallowed_methods, reason = "what a person asked for; no state of the node")]
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|e| {
        let label =
            if e.kind() == std::io::ErrorKind::AlreadyExists { "target-exists" } else { "target-failed" };
        let what = format!("{}：{}", crate::words::what(label), path.display());
        Failure::new(exit::CANNOT_CREATE, label, what).because(e)
    })
}

fn failed(trouble: Trouble) -> Failure {
    let what = crate::words::what(&trouble.label);
    let code = if trouble.label.starts_with("file-") { exit::NOT_FOUND } else { exit::FAILED };
    let what = if trouble.detail.is_empty() { what } else { format!("{what}：{}", trouble.detail) };
    Failure::new(code, trouble.label, what)
}
