//! `doctor`: what a person checks before asking for help. First the nine checks of the HiCOS tool by name and in its
//! order, so that who knows that tool knows this page; then the node's own.
//!
//! It works without configuration and without the service: what needs them is not examined and says so. The card is
//! touched by one process only: where the service runs, it is asked; else a helper of our own reads the card. A PIN is
//! tried at most once, only with `--pin` or `--pin-fd`, and only through the guard.
//!
//! - [`hicos`]: the nine checks; [`own`]: settings, keys in files, folders, trust; [`center`]: the way to the center;
//! - [`report`]: what may be shown to a stranger.

mod card;
mod center;
mod hicos;
mod own;
mod report;
mod service;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::source::settings;
use crate::cli::{Civil, Done, Out, exit, now};

/// Labels of this module's own, for the words that people read.
#[cfg(test)]
pub(crate) const LABELS: &[&str] = &[
    NO_CONFIG,
    NO_MODULE,
    FILE_KEYS,
    PIN_NOT_ASKED,
    SERVICE_DOWN,
    READER_UNUSED,
    DISK_LOW,
    QUIC_BLOCKED,
    TCP_BLOCKED,
    ONE_CARRIER,
    NOT_BUILT,
    REVOCATION_OFF,
    REVOCATION_NONE,
    EXPIRES_SOON,
    EXPIRED,
    NOT_ROOM,
];
const NO_CONFIG: &str = "doctor-no-config";
const NO_MODULE: &str = "doctor-no-module";
const FILE_KEYS: &str = "doctor-file-keys";
const PIN_NOT_ASKED: &str = "doctor-pin-not-asked";
const SERVICE_DOWN: &str = "doctor-service-down";
const READER_UNUSED: &str = "doctor-reader-unused";
const DISK_LOW: &str = "doctor-disk-low";
const QUIC_BLOCKED: &str = "doctor-quic-blocked";
const TCP_BLOCKED: &str = "doctor-tcp-blocked";
const ONE_CARRIER: &str = "doctor-one-carrier";
const REVOCATION_OFF: &str = "doctor-revocation-off";
const REVOCATION_NONE: &str = "doctor-revocation-none";
const NOT_BUILT: &str = "doctor-not-built";
const EXPIRED: &str = "doctor-card-expired";
const EXPIRES_SOON: &str = "certificate-expires-soon";
const NOT_ROOM: &str = "doctor-folder-unwritable";
/// An earlier check makes this one pointless.
const BEFORE: &str = "not-examined";

/// 檢測讀卡機、卡片、設定與連線
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// 也檢測 PIN 碼、加解密與簽章：以設定的 PIN 來源（沒有就請你輸入）登入卡片，只試一次
    #[arg(long)]
    pin: bool,
    /// 由這個檔案描述子讀 PIN 碼（第一行），只試一次
    #[arg(long, value_name = "編號", conflicts_with = "pin")]
    pin_fd: Option<i32>,
    /// 要檢測的 PKCS#11 程式庫；未指定時用設定檔 [card] 的 module
    #[arg(long, value_name = "檔案")]
    module: Option<PathBuf>,
    /// 另寫一份可以給別人看的報告（不含卡號、姓名、機關、PIN 碼與路徑）；不寫檔名時為 di-node-doctor.txt
    #[arg(long, value_name = "檔案", num_args = 0..=1, default_missing_value = "di-node-doctor.txt")]
    report: Option<PathBuf>,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// ✓
    Ok,
    /// ✗
    Fail,
    /// ? It could not be told.
    Unknown,
    /// – Not asked for, or not needed here.
    Skipped,
}

impl Status {
    const fn sign(self) -> char {
        match self {
            Self::Ok => '✓',
            Self::Fail => '✗',
            Self::Unknown => '?',
            Self::Skipped => '–',
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// Stable.
    pub(crate) id: &'static str,
    /// In Chinese.
    pub(crate) name: &'static str,
    /// How it ended.
    pub(crate) status: Status,
    /// What was found, in Chinese.
    pub(crate) detail: String,
    /// What to do; empty where nothing is to be done.
    pub(crate) remedy: String,
    /// What of the detail a stranger may read.
    #[serde(skip)]
    pub(crate) shared: String,
}

impl Check {
    /// A check that found what it should; what is found may name nobody.
    fn ok(of: Name, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(of, Status::Ok, detail.clone(), String::new(), detail)
    }

    /// A check that ended otherwise; sentence and remedy are those of the label.
    fn of(of: Name, status: Status, label: &str, more: &str) -> Self {
        let what = crate::words::what(label);
        let detail = if more.is_empty() { what.clone() } else { format!("{what}（{more}）") };
        let remedy = if status == Status::Skipped && label != PIN_NOT_ASKED {
            String::new()
        } else {
            crate::words::remedy(label)
        };
        Self::new(of, status, detail, remedy, format!("{what} [{label}]"))
    }

    fn fail(of: Name, label: &str, more: &str) -> Self {
        Self::of(of, Status::Fail, label, more)
    }

    fn unknown(of: Name, label: &str, more: &str) -> Self {
        Self::of(of, Status::Unknown, label, more)
    }

    fn skipped(of: Name, label: &str) -> Self {
        Self::of(of, Status::Skipped, label, "")
    }

    fn new(of: Name, status: Status, detail: String, remedy: String, shared: String) -> Self {
        Self { id: of.0, name: of.1, status, detail, remedy, shared }
    }

    /// Nothing was found out.
    const fn is_idle(&self) -> bool {
        matches!(self.status, Status::Unknown | Status::Skipped)
    }

    /// Another detail for strangers.
    fn shared(mut self, text: impl Into<String>) -> Self {
        self.shared = text.into();
        self
    }

    /// Another remedy than the label's.
    fn remedy(mut self, text: impl Into<String>) -> Self {
        self.remedy = text.into();
        self
    }
}

/// Id and name of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name(&'static str, &'static str);

/// `doctor --json`.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    checks: &'a [Check],
}

/// What all checks need to know.
struct Patient {
    /// The settings, or why there are none.
    settings: Settings,
    /// A service that runs with these settings.
    service: Option<crate::cli::client::Client>,
    now: i64,
    civil: Civil,
}

/// The settings file, as far as it could be read.
enum Settings {
    Given(Box<config::NodeConfig>, PathBuf),
    /// There is none, and none was asked for.
    Missing,
    Wrong(crate::cli::failure::Failure),
}

impl Patient {
    fn new(config: Option<&Path>) -> Self {
        let settings = match settings(config) {
            Ok((settings, path)) => Settings::Given(Box::new(settings), path),
            Err(failure) if config.is_none() && failure.label() == "config-unreadable" => Settings::Missing,
            Err(failure) => Settings::Wrong(failure),
        };
        let mut patient = Self { settings, service: None, now: now(), civil: Civil::local() };
        patient.service = patient
            .config()
            .and_then(|settings| crate::cli::client::Client::find(&settings.api.socket).ok().flatten());
        patient
    }

    fn config(&self) -> Option<&config::NodeConfig> {
        match &self.settings {
            Settings::Given(settings, _) => Some(settings),
            Settings::Missing | Settings::Wrong(_) => None,
        }
    }
}

/// Does it.
pub(crate) fn doctor(args: &Doctor, config: Option<&Path>, out: &mut Out) -> Done {
    let patient = Patient::new(config);
    let (mut checks, facts) = hicos::nine(args, &patient);
    let nine = checks.len();
    checks.extend(own::checks(&patient, &facts));
    if let Some(path) = &args.report {
        report::write(path, &checks, nine, &facts, &patient)?;
    }
    if args.json {
        out.json(&Listed { checks: &checks })?;
    } else {
        out.text(&render(&checks, nine))?;
        if let Some(path) = &args.report {
            out.line(&format!("\n可供他人檢視的報告：{}（交出前請自行看過一遍）", path.display()))?;
        }
    }
    Ok(code(&checks))
}

/// 1 if something failed, 3 if something could not be told, else 0.
fn code(checks: &[Check]) -> u8 {
    let any = |status| checks.iter().any(|check| check.status == status);
    match (any(Status::Fail), any(Status::Unknown)) {
        (true, _) => exit::FAILED,
        (false, true) => exit::UNDECIDED,
        (false, false) => exit::OK,
    }
}

/// For people: one line a check, what to do below those that need it, and the sum.
fn render(checks: &[Check], nine: usize) -> String {
    let mut text = String::from("憑證 IC 卡（九項，與 HiCOS 卡片管理工具相同）\n");
    let (card, own) = checks.split_at(nine.min(checks.len()));
    for (n, check) in card.iter().enumerate() {
        text.push_str(&line(check, &format!("{} {}", n + 1, check.name)));
    }
    text.push_str("\n本節點\n");
    // What was not examined for one reason is told once.
    for alike in own.chunk_by(|a, b| a.is_idle() && a.detail == b.detail && a.remedy == b.remedy) {
        let names: Vec<&str> = alike.iter().map(|check| check.name).collect();
        text.extend(alike.first().map(|check| line(check, &names.join("、"))));
    }
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    text.push_str(&format!(
        "\n通過 {}　未通過 {}　不明 {}　未檢測 {}\n",
        count(Status::Ok),
        count(Status::Fail),
        count(Status::Unknown),
        count(Status::Skipped)
    ));
    text
}

/// What follows from a check before says no more than its sign.
fn line(check: &Check, name: &str) -> String {
    let sign = check.status.sign();
    if check.remedy == crate::words::remedy(BEFORE) {
        return format!("{sign} {name}\n");
    }
    let colon = if check.detail.is_empty() { "" } else { "：" };
    let mut text = format!("{sign} {name}{colon}{}\n", check.detail);
    if !check.remedy.is_empty() {
        text.push_str(&format!("    處理：{}\n", check.remedy));
    }
    text
}
