//! `lint` and `dtd`: files against the rules of `di-format`, without service or configuration.
//!
//! The verdict is on the file itself. What is found by looking beside it (`unit`) is added as warnings and changes neither
//! the verdict nor the exit code.

mod unit;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use di_format::model::{self, Kind};
use di_format::{Edition, Limits, Problem, Verdict, is_rule, read};
use serde::Serialize;

use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::{Done, Out};
use crate::table::plain;
use crate::words;

/// 檢查公文檔
#[derive(Args, Debug)]
pub(crate) struct Lint {
    /// DI 或 SW 檔，可多個
    #[arg(value_name = "檔案", required = true)]
    files: Vec<PathBuf>,
    /// 以 JSON 輸出：一個陣列，每檔一項
    #[arg(long)]
    json: bool,
}

/// 印出 DTD
#[derive(Args, Debug)]
pub(crate) struct Dtd {
    /// 文別：函、簽、交換表單、令、公告、開會通知單、會勘通知單、簽稿會核單
    #[arg(value_name = "文別")]
    kind: String,
}

/// One file of `lint --json`; the keys are stable.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    file: String,
    kind: Option<String>,
    edition: Option<String>,
    encoding: Option<String>,
    verdict: String,
    problems: Vec<Item>,
    #[serde(skip)]
    rules: Option<Rules>,
}

/// Where the rules come from by which a file was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    Official,
    Inferred,
    /// The kind has an official DTD, but the file does not say which edition it follows.
    Unnamed,
}

/// One problem of `lint --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    label: String,
    severity: String,
    line: u32,
    column: u32,
    path: String,
    message: String,
    official: bool,
}

/// Does it: 0 if every file is valid or tolerated, 1 if one is invalid, 2 if one is unreadable, not there
/// or may not be read.
pub(crate) fn lint(args: &Lint, out: &mut Out) -> Done {
    let mut reports = Vec::new();
    let mut worst = exit::OK;
    for path in &args.files {
        let report = report(path, &args.files);
        worst = worst.max(match report.verdict.as_str() {
            "valid" | "tolerated" => exit::OK,
            "invalid" => exit::FAILED,
            _ => exit::UNREADABLE,
        });
        if !args.json {
            out.text(&text(&report))?;
        }
        reports.push(report);
    }
    if args.json {
        out.json(&reports)?;
    }
    Ok(worst)
}

/// `dtd KIND`: our content model of a kind as a DTD that an outside judge reads.
pub(crate) fn dtd(args: &Dtd, out: &mut Out) -> Done {
    let name = args.kind.trim();
    let Some(kind) = Kind::from_name(if name.eq_ignore_ascii_case("sw") { "roster" } else { name }) else {
        let what = format!("沒有「{}」這個文別的內容模型", plain(name));
        return Err(Failure::new(exit::USAGE, "kind-unknown", what));
    };
    out.text(&model::dtd(kind))?;
    Ok(exit::OK)
}

/// A file's bytes, or the label why not; no more than a little over the limit is read.
pub(crate) fn load(path: &Path, limits: &Limits) -> Result<Vec<u8>, (&'static str, String)> {
    let label = |e: &std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => "file-not-found",
        _ => "file-not-readable",
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(limits.size).unwrap_or(u64::MAX).saturating_add(1);
    let done = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    match done {
        Ok(_) => Ok(bytes),
        Err(e) => Err((label(&e), e.to_string())),
    }
}

fn report(path: &Path, given: &[PathBuf]) -> Report {
    let limits = Limits::default();
    let bytes = match load(path, &limits) {
        Ok(bytes) => bytes,
        Err((label, why)) => {
            let message = format!("{}（{why}）。{}", words::what(label), words::remedy(label));
            let item = item(label, "error", (1, 1), "", message, false);
            return Report {
                file: path.display().to_string(),
                kind: None,
                edition: None,
                encoding: None,
                verdict: Verdict::Unreadable.as_str().to_owned(),
                problems: vec![item],
                rules: None,
            };
        }
    };
    let reading = read(&bytes, &limits);
    let mut problems: Vec<Item> = reading.problems.iter().map(of_problem).collect();
    problems.extend(unit::check(path, &bytes, &reading, given));
    problems.sort_by_key(|item| (item.line, item.column));
    if problems.len() > limits.problems + 1 {
        problems.truncate(limits.problems);
        let label = "too-many-problems";
        let message = format!("{}（上限 {}）。{}", words::what(label), limits.problems, words::remedy(label));
        let last = problems.last().map_or((1, 1), |item| (item.line, item.column));
        problems.push(item(label, "warning", last, "", message, false));
    }
    let of = |kind: Kind| match (kind.is_official(), reading.edition) {
        (true, Some(Edition::E104)) => Rules::Official,
        (true, None) => Rules::Unnamed,
        _ => Rules::Inferred,
    };
    let rules = reading.kind.filter(|_| reading.verdict != Verdict::Unreadable);
    Report {
        file: path.display().to_string(),
        kind: (!reading.root.is_empty()).then(|| plain(&reading.root)),
        edition: reading.edition.map(|e| e.as_str().to_owned()),
        encoding: Some(reading.encoding.as_str().to_owned()),
        verdict: reading.verdict.as_str().to_owned(),
        problems,
        rules: rules.map(of),
    }
}

fn item(
    label: &str,
    severity: &str,
    (line, column): (u32, u32),
    path: &str,
    message: String,
    official: bool,
) -> Item {
    Item {
        label: label.to_owned(),
        severity: severity.to_owned(),
        line,
        column,
        path: path.to_owned(),
        message,
        official,
    }
}

fn of_problem(problem: &Problem) -> Item {
    let message = format!("{}。{}", words::di_sentence(problem), words::remedy(problem.label));
    item(
        problem.label,
        problem.severity.as_str(),
        (problem.line, problem.column),
        &problem.path,
        message,
        problem.official,
    )
}

/// The verdict in Chinese.
pub(crate) fn verdict(name: &str) -> &'static str {
    match name {
        "valid" => "合格",
        "tolerated" => "可收送（有出入）",
        "invalid" => "不合格",
        _ => "無法辨讀",
    }
}

fn text(report: &Report) -> String {
    let mut text = format!("{}：{}", plain(&report.file), verdict(&report.verdict));
    let kind = report.kind.as_deref();
    let edition = report.edition.as_ref().map(|e| format!("{e} 年版"));
    let rules = report.rules.map(|rules| match rules {
        Rules::Official => "依官方 DTD",
        Rules::Inferred => "依推定規則：官方 DTD 未公開",
        Rules::Unnamed => "版次不明，依 104 年版規則",
    });
    let facts: Vec<&str> =
        [kind, edition.as_deref(), report.encoding.as_deref(), rules].into_iter().flatten().collect();
    if !facts.is_empty() {
        text.push_str(&format!("（{}）", facts.join("，")));
    }
    text.push('\n');
    for item in &report.problems {
        let weight = if item.severity == "warning" { "注意" } else { "錯誤" };
        let rule = match (item.official, is_rule(&item.label)) {
            (true, _) => "，違反官方 DTD",
            (false, true) if report.rules == Some(Rules::Unnamed) => "，違反 104 年版規則",
            (false, true) => "，違反推定規則",
            (false, false) => "",
        };
        let place =
            if item.path.is_empty() { String::new() } else { format!("　於 {}", plain(&item.path)) };
        text.push_str(&format!(
            "  {}:{}　{weight}　{}{place}［{}{rule}］\n",
            item.line,
            item.column,
            plain(&item.message),
            item.label,
        ));
    }
    text
}

#[cfg(test)]
mod tests;
