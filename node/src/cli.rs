//! The command line `di-node`: the verbs, and for each the function that does it.
//!
//! Every verb ends in an exit code of [`exit`], prints what people asked for on standard output (or JSON with
//! `--json`), and prints what went wrong on standard error as a sentence, its causes and what to do
//! ([`failure::Failure`]). A closed pipe ends the program quietly. Nothing here decides anything about documents:
//! the verbs are clients of the local API (`crate::api`), or work on files alone.

mod backup;
mod calendar;
pub(crate) mod card;
pub(crate) mod civil;
pub(crate) mod client;
mod config;
pub(crate) mod exit;
pub(crate) mod failure;
mod held;
mod letter;
mod out;
mod outcome;
mod paper;
mod run;
mod show;
pub(crate) mod source;
mod status;
#[cfg(test)]
mod tests;
mod usage;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub(crate) use civil::{Civil, now, rfc3339};
use failure::Failure;
pub(crate) use out::Out;

/// What a verb ends with: an exit code of [`exit`], or the failure to print.
pub(crate) type Done = Result<u8, Failure>;

/// The whole command line.
#[derive(Parser, Debug)]
#[command(
    name = "di-node",
    version,
    about = "公文電子交換節點：把放進資料夾的公文簽章、加密、送出；把收到的公文驗章、歸檔、回覆確認",
    disable_help_subcommand = true,
    subcommand_required = true,
    propagate_version = false
)]
pub(crate) struct Cli {
    /// 設定檔；未指定時依序找 ./di-node.toml、/etc/di-node/di-node.toml
    #[arg(long, global = true, value_name = "檔案")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// 執行節點服務，直到收到 SIGTERM 或 Ctrl-C
    Run,
    /// 在這台機器上示範一次完整的交換：一個交換中心、三個機關、真的公文
    Demo(Demo),
    /// 由金鑰、憑證與交換中心位址產生第一份設定檔與地址簿登記檔
    Setup(Box<crate::setup::Setup>),
    /// 收發文狀態表：收文匣與發文匣
    Status(status::Status),
    /// 顯示一件公文的狀態、收受者與歷程；給檔名時顯示該公文的內容
    Show(show::Show),
    /// 檢查公文檔（DI、SW）是否合乎格式
    Lint(crate::lint::Lint),
    /// 印出某一文別的 DTD（本程式檢查所依據的內容模型）
    Dtd(crate::lint::Dtd),
    /// 匯出一件公文的全部憑據：簽章容器、密文、回條、證據檔與原始檔案
    Export(crate::export::Export),
    /// 離線驗證簽章容器、證據檔或回條
    Verify(crate::verify::Verify),
    /// 暫停一件公文的處理
    Hold(held::Held),
    /// 放行一件暫停中的公文（例如疑似重複者確定要再送一次）
    Release(held::Held),
    /// 立即再試一件公文；也用於查明後重新處理已隔離的公文
    Retry(held::Held),
    /// 放棄一件尚未完成的公文，或其中幾個收受者，不再處理
    Abandon(held::Aimed),
    /// 逐一收受者的發文結果；--due 列出次一工作日仍未使用者確認者
    Outcome(outcome::Results),
    /// 對未確認的收受者重送：同一件公文，以對方現用憑證重新加密
    Resend(held::Aimed),
    /// 補送紙本：印出清單，或登錄已補送
    Paper(paper::Paper),
    /// 收文後通知發文機關：誤送或錯漏；隔離而未退的公文則退文
    Return(held::Return),
    /// 登錄對方的誤送、錯漏通知或較晚的回條已處理
    Settle(held::Aimed),
    /// 辦公日曆：匯入行政院公布的放假日，據以計算工作日
    #[command(subcommand, disable_help_subcommand = true)]
    Calendar(calendar::Calendar),
    /// 憑證 IC 卡：狀況、讀卡機、憑證、允許再試 PIN 碼
    #[command(subcommand, disable_help_subcommand = true)]
    Card(card::Card),
    /// 檢測讀卡機、卡片、設定與連線，並說明如何處理
    Doctor(crate::doctor::Doctor),
    /// 備份：資料庫、處理中的公文、密文與歸檔，服務執行中亦可
    Backup(backup::Backup),
    /// 核對備份，或把備份還原到空的資料夾
    Restore(backup::Restore),
    /// 檢查或顯示設定
    #[command(subcommand, disable_help_subcommand = true)]
    Config(config::Config),
    /// 顯示說明
    Help(Help),
    /// 印出訊息代號一覽（手冊用）
    #[command(hide = true)]
    Words(WordsArgs),
}

#[derive(Args, Debug)]
struct Demo {
    /// 保留示範產生的一切（金鑰、設定、公文、證據）於這個新目錄
    #[arg(long, value_name = "目錄")]
    keep: Option<PathBuf>,
    /// 寄件機關的金鑰放在這個 PKCS#11 程式庫的載具上；SoftHSM 會自動備妥一次性載具
    #[arg(long, value_name = "檔案")]
    pkcs11: Option<PathBuf>,
    /// 已備好金鑰與憑證的載具標籤
    #[arg(long, value_name = "標籤", requires = "pkcs11")]
    token: Option<String>,
    /// 由這個檔案描述子讀該載具的 PIN 碼
    #[arg(long, value_name = "編號", requires = "pkcs11")]
    pin_fd: Option<u32>,
    /// 步調；slow 方便觀看
    #[arg(long, value_enum, value_name = "步調", default_value_t = Pace::Fast)]
    pace: Pace,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// 不等待
    Fast,
    /// 每一步之間稍停
    Slow,
}

#[derive(Args, Debug)]
struct Help {
    /// 要看哪個命令的說明；states 說明各種狀態
    #[arg(value_name = "命令")]
    verb: Vec<String>,
}

#[derive(Args, Debug)]
struct WordsArgs {
    /// 以 Markdown 表格輸出
    #[arg(long)]
    markdown: bool,
}

/// The entry of the program: reads the arguments, does the verb, prints a failure, returns the exit code.
pub fn main() -> ExitCode {
    ExitCode::from(call(std::env::args_os(), &mut Out::stdout()))
}

/// [`main`] on given arguments, writing to `out`; what the tests call.
pub(crate) fn call(args: impl IntoIterator<Item = OsString>, out: &mut Out) -> u8 {
    let parsed = command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error, out),
    };
    match perform(cli, out) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// The command with Chinese headings throughout.
pub(crate) fn command() -> clap::Command {
    usage::in_chinese(Cli::command().after_help(exit::help()), true)
}

fn perform(cli: Cli, out: &mut Out) -> Done {
    let config = cli.config.as_deref();
    match cli.verb {
        Verb::Run => run::run(config),
        Verb::Demo(demo) => Ok(run::demo(demo)),
        Verb::Setup(setup) => crate::setup::setup(&setup, out),
        Verb::Status(status) => status::status(&status, config, out),
        Verb::Show(show) => show::show(&show, config, out),
        Verb::Lint(lint) => crate::lint::lint(&lint, out),
        Verb::Dtd(dtd) => crate::lint::dtd(&dtd, out),
        Verb::Export(export) => crate::export::export(&export, config, out),
        Verb::Verify(verify) => crate::verify::verify(&verify, config, out),
        Verb::Hold(held) => held::send("hold", &held, config, out),
        Verb::Release(held) => held::send("release", &held, config, out),
        Verb::Retry(held) => held::send("retry", &held, config, out),
        Verb::Abandon(aimed) => held::aim("abandon", &aimed, config, out),
        Verb::Outcome(results) => outcome::outcome(&results, config, out),
        Verb::Resend(aimed) => held::aim("resend", &aimed, config, out),
        Verb::Paper(paper) => paper::paper(&paper, config, out),
        Verb::Return(back) => held::back(&back, config, out),
        Verb::Settle(aimed) => held::aim("settle", &aimed, config, out),
        Verb::Calendar(verb) => calendar::calendar(&verb, config, out),
        Verb::Card(verb) => card::card(&verb, config, out),
        Verb::Doctor(doctor) => crate::doctor::doctor(&doctor, config, out),
        Verb::Backup(given) => backup::backup(&given, config, out),
        Verb::Restore(given) => backup::restore(&given, config, out),
        Verb::Config(verb) => config::config(&verb, config, out),
        Verb::Help(help) => usage::help(&help.verb, out),
        Verb::Words(words) => {
            out.text(&if words.markdown { crate::words::markdown() } else { crate::words::plain() })?;
            Ok(exit::OK)
        }
    }
}
