//! `backup` and `restore`.

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use backup::Manifest;
use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::source::settings;
use super::{Done, Out, exit, rfc3339};
use crate::backup::make::{Wanted, make};
use crate::backup::{Trouble, restore};

/// 備份
#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// 要建立的備份資料夾；已存在時不覆寫
    #[arg(value_name = "資料夾")]
    dest: PathBuf,
    /// 不含歸檔（archive 另有備份時）
    #[arg(long)]
    without_archive: bool,
    /// 前一次的備份；內容相同的檔案以硬連結共用，不再複製
    #[arg(long, value_name = "資料夾")]
    previous: Option<PathBuf>,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// 還原
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// 備份資料夾
    #[arg(value_name = "資料夾", required_unless_present = "rolled_back")]
    dir: Option<PathBuf>,
    /// 只核對備份，不還原；不需要設定檔
    #[arg(long)]
    check: bool,
    /// state 已用其他方法（虛擬機快照等）回到從前：註記下來，節點啟動後會向交換中心補齊
    #[arg(long, conflicts_with_all = ["dir", "check"])]
    rolled_back: bool,
    /// 與 --rolled-back 併用：從什麼時候起可能有缺，例如 2026-11-28 或 2026-11-28T20:00；未指定時為歷程最後一筆的時間
    #[arg(long, value_name = "時間", requires = "rolled_back")]
    since: Option<String>,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    folder: String,
    code: &'a str,
    program: &'a str,
    created: String,
    schema: i64,
    journal_lines: u64,
    archive: bool,
    files: usize,
    bytes: u64,
    missing: &'a [String],
}

impl<'a> Summary<'a> {
    fn of(folder: &Path, manifest: &'a Manifest) -> Self {
        Self {
            folder: folder.display().to_string(),
            code: &manifest.code,
            program: &manifest.program,
            created: rfc3339(manifest.created),
            schema: manifest.schema,
            journal_lines: manifest.journal.as_ref().map_or(0, |journal| journal.lines),
            archive: manifest.archive == Some(true),
            files: manifest.files.len(),
            bytes: manifest.bytes(),
            missing: &manifest.missing,
        }
    }
}

/// `backup`: beside the running service or without it.
pub(crate) fn backup(given: &Backup, config: Option<&Path>, out: &mut Out) -> Done {
    let (settings, _) = settings(config)?;
    let mut progress = Shown::new();
    let wanted = Wanted {
        dest: &given.dest,
        without_archive: given.without_archive,
        previous: given.previous.as_deref(),
    };
    let made = make(&settings, &wanted, super::now, &mut |what, bytes| progress.tell(what, bytes));
    progress.end();
    let manifest = made.map_err(failed)?;
    if given.json {
        out.json(&Summary::of(&given.dest, &manifest))?;
        return Ok(exit::OK);
    }
    out.text(&described("已備份", &given.dest, &manifest))?;
    out.line(
        "不含：金鑰、通行碼與 PIN 碼，以及 drop、sent、failed、inbox 內的檔案。請另外保管金鑰與設定檔。",
    )?;
    Ok(exit::OK)
}

/// `restore`: into empty folders, on this machine or another.
pub(crate) fn restore(given: &Restore, config: Option<&Path>, out: &mut Out) -> Done {
    if given.rolled_back {
        let (settings, _) = settings(config)?;
        let now = super::now();
        let since = match &given.since {
            Some(text) => Some(super::Civil::local().read(text, now, false).ok_or_else(|| {
                Failure::new(
                    exit::USAGE,
                    "time-unclear",
                    format!("{}：{text}", crate::words::what("time-unclear")),
                )
            })?),
            None => None,
        };
        let since = restore::mark(&settings, since, now).map_err(failed)?;
        let at = super::Civil::local().minute(since);
        out.line(&format!("已註記。節點啟動後會先向交換中心補齊 {at} 以後的收發文，再開始工作。"))?;
        return Ok(exit::OK);
    }
    let Some(dir) = &given.dir else {
        return Err(Failure::labelled(exit::USAGE, "usage"));
    };
    let mut progress = Shown::new();
    let checked = restore::check(dir, &mut |what, bytes| progress.tell(what, bytes));
    progress.end();
    let found = checked.map_err(failed)?;
    if given.check {
        if given.json {
            out.json(&Summary::of(dir, found.manifest()))?;
        } else {
            out.text(&described("備份完好", dir, found.manifest()))?;
        }
        return Ok(exit::OK);
    }
    let (settings, _) = settings(config)?;
    let mut progress = Shown::new();
    let put =
        restore::restore(&settings, &found, super::now(), &mut |what, bytes| progress.tell(what, bytes));
    progress.end();
    let put = put.map_err(failed)?;
    if given.json {
        out.json(&Summary::of(dir, found.manifest()))?;
        return Ok(exit::OK);
    }
    out.text(&described("已還原", dir, found.manifest()))?;
    for path in &put.differ {
        out.line(&format!("注意：{} 已存在而且內容不同，保留原檔。", path.display()))?;
    }
    if found.manifest().archive != Some(true) {
        out.line("這份備份不含歸檔；請另外還原 archive。")?;
    }
    if put.inbox_kept {
        out.line("收文資料夾仍是原來的：備份之後已放入的公文不會再放一次。")?;
    }
    if rustix::process::geteuid().is_root() {
        out.line("注意：以 root 還原；請把這些資料夾的擁有者改成執行服務的帳號。")?;
    }
    out.line("接著：放回金鑰與設定檔，以 di-node doctor 檢查，再啟動服務。")?;
    out.line("節點啟動後會先向交換中心補齊備份之後的收發文，再開始工作。原來的節點絕不可再啟動。")?;
    Ok(exit::OK)
}

fn described(what: &str, dir: &Path, manifest: &Manifest) -> String {
    let at = super::Civil::local().minute(manifest.created);
    let archive = if manifest.archive == Some(true) { "含歸檔" } else { "不含歸檔" };
    let lines = manifest.journal.as_ref().map_or(0, |journal| journal.lines);
    let mut text = format!(
        "✓ {what}：{}\n  機關 {}，{at} 的狀態，{archive}；{} 個檔案，{}；歷程 {lines} 筆\n",
        dir.display(),
        manifest.code,
        manifest.files.len(),
        size(manifest.bytes()),
    );
    if !manifest.missing.is_empty() {
        text.push_str(&format!(
            "  注意：有 {} 個檔案當時就不在，例如 {}\n",
            manifest.missing.len(),
            manifest.missing.first().map_or("", String::as_str)
        ));
    }
    text
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} 位元組"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

fn failed(trouble: Trouble) -> Failure {
    let label = trouble.label();
    let code = match label {
        "backup-none" => exit::NOT_FOUND,
        "backup-exists" | "backup-full" | "backup-failed" | "restore-not-empty" => exit::CANNOT_CREATE,
        "already-running" | "backup-running" => exit::UNAVAILABLE,
        _ => exit::FAILED,
    };
    Failure::labelled(code, label).because(trouble)
}

/// What is being done, on a terminal only, a few times a second.
struct Shown {
    on: bool,
    last: Option<Instant>,
}

impl Shown {
    fn new() -> Self {
        Self { on: std::io::stderr().is_terminal(), last: None }
    }

    fn tell(&mut self, what: &str, bytes: u64) {
        if self.on && self.last.is_none_or(|last| last.elapsed() > Duration::from_millis(200)) {
            self.last = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\r\x1b[K{what}　{}", size(bytes));
        }
    }

    fn end(&mut self) {
        if self.on && self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
