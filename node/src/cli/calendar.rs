//! `calendar`: the office calendar of the year, imported from the file that 行政院人事行政總處 publishes.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde::Serialize;

use super::failure::Failure;
use super::held::{account, service};
use super::source::{Source, settings};
use super::{Civil, Done, Out, exit};
use crate::api::read::hex;
use crate::api::view;
use crate::table::Table;
use crate::workday::{self, Year};

/// 辦公日曆
#[derive(Subcommand, Debug)]
pub(crate) enum Calendar {
    /// 匯入「中華民國政府行政機關辦公日曆表」（CSV）；同一年取代先前匯入的
    Import(Import),
    /// 檢查日曆檔，不匯入
    Check(Check),
    /// 顯示已匯入哪些年、今天與次一工作日
    Show(Show),
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// 日曆檔（UTF-8 或 Big5）；可一次給好幾年
    #[arg(value_name = "檔案", required = true)]
    files: Vec<PathBuf>,
    /// 理由，記入歷程
    #[arg(short, long, value_name = "文字", default_value = "")]
    reason: String,
    /// 承辦人，記入歷程；未指定時為登入帳號
    #[arg(long, value_name = "姓名")]
    actor: Option<String>,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// 日曆檔（UTF-8 或 Big5）
    #[arg(value_name = "檔案", required = true)]
    files: Vec<PathBuf>,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// 只看這一年（西元）的放假日與補行上班日
    #[arg(value_name = "年")]
    year: Option<i16>,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// `check --json`.
#[derive(Serialize)]
struct Checked {
    years: Vec<Year>,
}

/// Largest file that is read, bytes; a year has 7 kB.
const LARGEST: u64 = 1 << 20;

/// Does it.
pub(crate) fn calendar(verb: &Calendar, config: Option<&Path>, out: &mut Out) -> Done {
    match verb {
        Calendar::Import(import) => take(import, config, out),
        Calendar::Check(check) => {
            let mut years = Vec::new();
            for file in &check.files {
                years.extend(read(file)?.0);
            }
            if check.json {
                out.json(&Checked { years })?;
            } else {
                out.text(&days(&years))?;
            }
            Ok(exit::OK)
        }
        Calendar::Show(show) => {
            let (settings, _) = settings(config)?;
            let found = Source::open(settings)?.calendar()?;
            tell(&found, show.year, show.json, out)
        }
    }
}

fn take(import: &Import, config: Option<&Path>, out: &mut Out) -> Done {
    let mut orders = Vec::new();
    for file in &import.files {
        let (years, sha256) = read(file)?;
        let years = years.into_iter().map(|y| view::YearOrder { year: y.year, exceptions: y.exceptions });
        orders.push(view::CalendarOrder {
            actor: import.actor.clone().unwrap_or_else(account),
            reason: import.reason.clone(),
            source: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256,
            years: years.collect(),
        });
    }
    // All files are good before the first is taken.
    let client = service(config)?;
    let mut found = None;
    for order in &orders {
        found = Some(client.post::<view::Calendar>("/v1/calendar", order)?);
    }
    match found {
        Some(found) => tell(&found, None, import.json, out),
        None => Ok(exit::OK),
    }
}

fn read(path: &Path) -> Result<(Vec<Year>, String), Failure> {
    let unreadable = |label: &str| {
        let code = if label == "file-not-found" { exit::NOT_FOUND } else { exit::UNREADABLE };
        Failure::new(code, label, format!("{}：{}", crate::words::what(label), path.display()))
    };
    let bytes = match std::fs::metadata(path) {
        Ok(found) if found.len() > LARGEST => return Err(unreadable("calendar-unreadable")),
        Ok(_) => std::fs::read(path).map_err(|e| unreadable("file-not-readable").because(e))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(unreadable("file-not-found")),
        Err(e) => return Err(unreadable("file-not-readable").because(e)),
    };
    let years = workday::read(&bytes).map_err(|e| unreadable(e.label()).because(e))?;
    Ok((years, hex(&envelope::sha256(&bytes))))
}

fn tell(found: &view::Calendar, year: Option<i16>, json: bool, out: &mut Out) -> Done {
    if json {
        out.json(found)?;
        return Ok(exit::OK);
    }
    let civil = Civil::local();
    let kind = if found.working { "工作日" } else { "放假日" };
    let of = |text: &str| text.parse::<Date>().map_or("", workday::weekday);
    let mut text = format!(
        "今天 {}（星期{}）：{kind}；次一工作日 {}（星期{}）\n",
        found.today,
        of(&found.today),
        found.next,
        of(&found.next)
    );
    for missing in &found.uncovered {
        text.push_str(&format!("！{missing} 年的辦公日曆尚未匯入，只以星期六、星期日為放假日\n"));
    }
    if let Some(year) = year {
        let years: Vec<Year> = found.years.iter().filter(|y| y.year == year).cloned().collect();
        text.push('\n');
        text.push_str(&days(&years));
    } else if !found.years.is_empty() {
        let mut table = Table::new(&["年", "平日放假", "週末上班", "匯入", "承辦", "檔案"]);
        for y in &found.years {
            let off = y.exceptions.iter().filter(|e| !e.working).count();
            table.row(&[
                y.year.to_string(),
                off.to_string(),
                (y.exceptions.len() - off).to_string(),
                civil.second(y.imported_at),
                y.actor.clone(),
                y.source.clone(),
            ]);
        }
        text.push('\n');
        text.push_str(&table.render());
    }
    out.text(&text)?;
    Ok(exit::OK)
}

/// Days that are not as their weekday says.
fn days(years: &[Year]) -> String {
    let mut text = String::new();
    for y in years {
        let mut table = Table::new(&["日期", "星期", "", "名稱"]);
        for e in &y.exceptions {
            let kind = if e.working { "上班" } else { "放假" };
            let weekday = workday::weekday(e.date).to_owned();
            table.row(&[e.date.to_string(), weekday, kind.to_owned(), e.name.clone()]);
        }
        text.push_str(&format!("{} 年：平日放假與週末上班 {} 天\n", y.year, y.exceptions.len()));
        if !y.exceptions.is_empty() {
            text.push_str(&table.render());
        }
    }
    text
}
