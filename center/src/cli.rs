//! `di-center`: the command line. People read Chinese here; the log is English.

mod commands;
mod members;
mod registrar;
mod table;

use crate::error::Result;
use clap::{Args, Parser, Subcommand};
use config::CenterConfig;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// 公文電子交換中心（參考實作）
#[derive(Debug, Parser)]
#[command(name = "di-center", version, about, long_about = None)]
struct Cli {
    /// 設定檔
    #[arg(long, global = true, default_value = "center.toml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 執行交換中心，直到收到 SIGTERM 或 Ctrl-C
    Run(Run),
    /// 建立資料夾與資料庫，缺少系統確認金鑰時產生一組，並檢查 TLS 憑證與金鑰
    Init,
    /// 會員：新增、列出、停權、登錄資料、固定位址
    #[command(subcommand)]
    Member(members::Member),
    /// 註冊單位：副署會員的登錄資料（不需要資料庫，可在另一台機器執行）
    #[command(subcommand)]
    Registrar(registrar::Registrar),
    /// 發布公告
    Announce(Announce),
    /// 顯示件數
    Status(Json),
    /// 備份資料庫與密文，服務執行中亦可
    Backup(Backup),
    /// 核對備份，或還原到空的資料夾並換新的紀元
    Restore(Restore),
    /// 以其他方法（虛擬機快照等）還原後執行：換新的紀元，讓各節點補送備份裡沒有的公文
    RestoreEpoch,
    /// 設定檔
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Args)]
struct Run {
    /// 故意出錯的百分比（測試節點用）
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    mischief: Option<u8>,
    /// 故意出錯的亂數起點，可重現
    #[arg(long, value_name = "SEED")]
    mischief_seed: Option<u64>,
}

#[derive(Debug, Args)]
struct Backup {
    /// 要建立的備份資料夾；已存在時不覆寫
    #[arg(value_name = "DIR")]
    dest: PathBuf,
    /// 前一次的備份；內容相同的密文檔以硬連結共用，不再複製
    #[arg(long, value_name = "DIR")]
    previous: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Restore {
    /// 備份資料夾
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// 只核對備份，不還原；不需要設定檔
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Args)]
struct Announce {
    /// 標題，一行
    title: String,
    /// 內文，或內文所在的 UTF-8 檔案
    #[arg(long, value_name = "TEXT|FILE")]
    body: String,
}

#[derive(Debug, Clone, Copy, Args)]
struct Json {
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// 檢查設定檔
    Check,
    /// 顯示實際生效的設定
    Show,
}

/// The program. Exit code 0 done, 1 failed, 2 wrong usage.
pub fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    crate::points::declare();
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", crate::words::explain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Run(options) => commands::run(load(&cli.config)?, options.mischief, options.mischief_seed),
        Command::Init => commands::init(&load(&cli.config)?),
        Command::Member(command) => members::run(&load(&cli.config)?, command),
        Command::Registrar(command) => registrar::run(&cli.config, command),
        Command::Announce(announce) => {
            commands::announce(&load(&cli.config)?, &announce.title, &announce.body)
        }
        Command::Status(options) => commands::status(&load(&cli.config)?, options.json),
        Command::Backup(Backup { dest, previous }) => {
            commands::backup(&load(&cli.config)?, dest, previous.as_deref())
        }
        Command::Restore(Restore { dir, check: true }) => commands::check_backup(dir),
        Command::Restore(Restore { dir, check: false }) => commands::restore(&load(&cli.config)?, dir),
        Command::RestoreEpoch => commands::restore_epoch(&load(&cli.config)?),
        Command::Config(ConfigCommand::Check) => {
            load(&cli.config)?;
            print(&format!("設定檔 {} 沒有問題。", cli.config.display()));
            Ok(())
        }
        Command::Config(ConfigCommand::Show) => {
            print(config::to_toml(&load(&cli.config)?).trim_end());
            Ok(())
        }
    }
}

fn load(path: &Path) -> Result<CenterConfig> {
    Ok(config::load(path)?)
}

/// A line on standard output; a reader that went away (`| head`) is no error.
fn print(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        <super::Cli as clap::CommandFactory>::command().debug_assert();
    }
}
