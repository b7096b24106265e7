//! Everything but members and registrar.

use super::print;
use crate::Registry;
use crate::error::{Error, Result};
use config::{CenterConfig, KeyFile};
use std::path::Path;

/// `run`: until a signal comes.
pub(super) fn run(mut config: CenterConfig, mischief: Option<u8>, seed: Option<u64>) -> Result<()> {
    if let Some(percent) = mischief {
        config.mischief.percent = percent;
    }
    if let Some(seed) = seed {
        config.mischief.seed = seed;
    }
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("center")
        .build()
        .map_err(|e| Error::file("start the runtime", Path::new("tokio"), e))?;
    runtime.block_on(async {
        let code = config.code.clone();
        let running = crate::start(config).await?;
        print(&format!("交換中心 {code} 在 {}（UDP 與 TCP）等候連線。按 Ctrl-C 停止。", running.address()));
        signal().await;
        print("停止中…");
        running.stop().await;
        print("已停止。");
        Ok(())
    })
}

async fn signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}

/// The log goes to standard error; `RUST_LOG` sets what is told, `info` by default.
fn log() {
    use std::io::IsTerminal as _;
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let _ = subscriber.try_init();
}

/// `init`: may be run again; nothing that exists is changed.
pub(super) fn init(config: &CenterConfig) -> Result<()> {
    make_receipt_key(config)?;
    crate::read_key(&config.receipt, "the receipt key")?;
    crate::read_tls(config)?;
    Registry::open(config)?;
    print(&format!("資料夾：{}", config.data.display()));
    print("TLS 憑證與金鑰、系統確認金鑰、信任根憑證、註冊單位憑證：都可以用。");
    if let Some(certificate) = &config.receipt.certificate {
        print(&format!(
            "請把系統確認憑證 {} 交給各會員（節點設定 center.receipt-certificate）。",
            certificate.display()
        ));
    }
    Ok(())
}

/// Makes the receipt key and its certificate if neither file exists.
fn make_receipt_key(config: &CenterConfig) -> Result<()> {
    let KeyFile { key: Some(key), certificate: Some(certificate), .. } = &config.receipt else {
        return Ok(());
    };
    if key.exists() || certificate.exists() {
        return Ok(());
    }
    let failed = |_| Error::file("make the key", key, std::io::Error::other("no key could be made"));
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_3072)
        .map_err(failed)?;
    let mut about = rcgen::CertificateParams::default();
    about.distinguished_name.push(rcgen::DnType::OrganizationName, config.code.as_str());
    about.distinguished_name.push(rcgen::DnType::CommonName, format!("{} receipts", config.code));
    about.key_usages =
        vec![rcgen::KeyUsagePurpose::DigitalSignature, rcgen::KeyUsagePurpose::ContentCommitment];
    let year = 1970 + i32::try_from(crate::now() / 31_556_952_000).unwrap_or(0);
    about.not_before = rcgen::date_time_ymd(year, 1, 1);
    about.not_after = rcgen::date_time_ymd(year + 10, 1, 1);
    let signed = about.self_signed(&pair).map_err(failed)?;
    write_private(key, pair.serialize_pem().as_bytes())?;
    write_new(certificate, signed.pem().as_bytes())?;
    print(&format!("已產生系統確認金鑰 {} 與憑證 {}。", key.display(), certificate.display()));
    Ok(())
}

/// A new file that only its owner can read.
fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    write_with(&options, path, bytes)
}

/// A new file; one that exists is never overwritten.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(std::fs::OpenOptions::new().write(true).create_new(true), path, bytes)
}

fn write_with(options: &std::fs::OpenOptions, path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Error::file("make the folder", folder, e))?;
    }
    let mut file = options.open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
        _ => Error::file("make", path, e),
    })?;
    #[expect(clippy::disallowed_methods, reason = "what a person asked for; no state of the center")]
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| Error::file("write", path, e))
}

/// `announce`.
pub(super) fn announce(config: &CenterConfig, title: &str, body: &str) -> Result<()> {
    let path = Path::new(body);
    let body = if body.len() < 4096 && path.is_file() {
        std::fs::read_to_string(path).map_err(|e| Error::file("read", path, e))?
    } else {
        body.to_owned()
    };
    let too_long =
        |what: &str, most: usize| Error::Import { line: 1, why: format!("{what} 超過 {most} 位元組") };
    if title.trim().is_empty() || title.contains(['\n', '\r']) || title.len() > 600 {
        return Err(too_long("標題須為一行，不得", 600));
    }
    if body.len() > 60_000 {
        return Err(too_long("內文", 60_000));
    }
    let number = Registry::open(config)?.announce(title, &body, crate::now())?;
    print(&format!("已發布第 {number} 號公告：{title}"));
    Ok(())
}

/// `status`.
pub(super) fn status(config: &CenterConfig, json: bool) -> Result<()> {
    let counts = Registry::open(config)?.counts()?;
    if json {
        let text = serde_json::to_string_pretty(&counts).unwrap_or_default();
        print(&text);
        return Ok(());
    }
    for (name, count) in [
        ("會員", counts.members),
        ("　停權中", counts.suspended),
        ("登錄信箱", counts.entries),
        ("收過的件", counts.parts),
        ("收件列", counts.lines),
        ("　尚未回覆", counts.waiting),
        ("回條", counts.outcomes),
        ("未完成上傳", counts.uploads),
        ("保存中的位元組", counts.bytes),
        ("公告", counts.announcements),
    ] {
        print(&format!("{name}：{count}"));
    }
    Ok(())
}

/// `backup`.
pub(super) fn backup(config: &CenterConfig, dest: &Path, previous: Option<&Path>) -> Result<()> {
    let mut shown = Shown::new();
    let made = crate::backup::make(config, dest, previous, crate::now(), &mut |bytes| shown.tell(bytes));
    shown.end();
    let manifest = made?;
    print(&format!("✓ 已備份：{}", dest.display()));
    describe(&manifest);
    print("不含：金鑰、憑證與通行碼，以及未完成的上傳。請另外保管金鑰與設定檔。");
    Ok(())
}

/// `restore --check`.
pub(super) fn check_backup(dir: &Path) -> Result<()> {
    let mut shown = Shown::new();
    let checked = crate::backup::check(dir, &mut |bytes| shown.tell(bytes));
    shown.end();
    let found = checked?;
    print(&format!("✓ 備份完好：{}", dir.display()));
    describe(found.manifest());
    Ok(())
}

/// `restore`.
pub(super) fn restore(config: &CenterConfig, dir: &Path) -> Result<()> {
    let mut shown = Shown::new();
    let restored = crate::backup::check(dir, &mut |bytes| shown.tell(bytes)).and_then(|found| {
        Ok((crate::backup::restore(config, &found, &mut |bytes| shown.tell(bytes))?, found))
    });
    shown.end();
    let (epoch, found) = restored?;
    print(&format!("✓ 已還原：{}", config.data.display()));
    describe(found.manifest());
    print(&format!(
        "新的紀元是 {}。各節點下次登入時會核對，補送備份裡沒有的公文。",
        crate::session::hex(&epoch)
    ));
    print("備份之後新增的會員、登錄資料與公告不在其中，請重新加入。原來的交換中心絕不可再啟動。");
    Ok(())
}

fn describe(manifest: &::backup::Manifest) {
    let at = manifest.created.div_euclid(1000);
    print(&format!(
        "  交換中心 {}，Unix 時間 {at} 的狀態；{} 個檔案，{} 位元組",
        manifest.code,
        manifest.files.len(),
        manifest.bytes()
    ));
    if let Some(first) = manifest.missing.first() {
        print(&format!("  注意：有 {} 個密文檔當時就不在，例如 {first}", manifest.missing.len()));
    }
}

/// What is being done, on a terminal only, a few times a second.
struct Shown {
    on: bool,
    last: Option<std::time::Instant>,
}

impl Shown {
    fn new() -> Self {
        Self { on: std::io::IsTerminal::is_terminal(&std::io::stderr()), last: None }
    }

    fn tell(&mut self, bytes: u64) {
        use std::io::Write as _;
        if self.on && self.last.is_none_or(|last| last.elapsed() > std::time::Duration::from_millis(200)) {
            self.last = Some(std::time::Instant::now());
            let _ = write!(std::io::stderr(), "\r\x1b[K{} MB", bytes / 1_000_000);
        }
    }

    fn end(&self) {
        use std::io::Write as _;
        if self.on && self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// `restore-epoch`.
pub(super) fn restore_epoch(config: &CenterConfig) -> Result<()> {
    let epoch = Registry::open(config)?.restore_epoch()?;
    print(&format!("新的紀元是 {}。各節點下次登入時會核對並補送。", crate::session::hex(&epoch)));
    Ok(())
}
