//! `config check` and `config show`.

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use super::source::settings;
use super::{Done, Out, exit};
use crate::setup::inspect;

/// 檢查或顯示設定
#[derive(Subcommand, Debug)]
pub(crate) enum Config {
    /// 檢查設定檔，以及它所指的金鑰、憑證與資料夾
    Check {
        /// 以 JSON 輸出
        #[arg(long)]
        json: bool,
    },
    /// 顯示實際生效的設定（含預設值，密碼以 **** 代替）
    Show {
        /// 以 JSON 輸出
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Checked<'a> {
    file: String,
    ok: bool,
    checks: &'a [inspect::Check],
}

/// Does it.
pub(crate) fn config(verb: &Config, given: Option<&Path>, out: &mut Out) -> Done {
    let (settings, path) = settings(given)?;
    match verb {
        Config::Show { json: true } => out.json(&settings)?,
        Config::Show { json: false } => out.text(&config::to_toml(&settings))?,
        Config::Check { json } => {
            let checks = inspect::settings(&settings, super::now());
            let ok = checks.iter().all(|c| c.reason.is_none());
            if *json {
                out.json(&Checked { file: path.display().to_string(), ok, checks: &checks })?;
            } else {
                let mut text = format!("✓ 設定檔 {}\n", path.display());
                for check in &checks {
                    text.push_str(&check.line());
                }
                out.text(&text)?;
            }
            return Ok(if ok { exit::OK } else { exit::CONFIG });
        }
    }
    Ok(exit::OK)
}
