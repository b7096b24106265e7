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

/// Does it: 0 if every file is valid or tolerated, 1 if one is invalid, 2 if one is unreadable, 66 if one is not there
/// or may not be read.
pub(crate) fn lint(args: &Lint, out: &mut Out) -> Done {
    let mut reports = Vec::new();
    let mut worst = exit::OK;
    for path in &args.files {
        let report = report(path, &args.files);
        worst = worst.max(match report.verdict.as_str() {
            "valid" | "tolerated" => exit::OK,
            "invalid" => exit::FAILED,
            // Without its bytes a file has no encoding.
            _ if report.encoding.is_none() => exit::NOT_FOUND,
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
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn run(args: &[&str]) -> (u8, String) {
        let sink = Sink::default();
        let mut out = Out::to(sink.clone());
        let code = crate::cli::call(args.iter().map(std::ffi::OsString::from), &mut out);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        (code, text)
    }

    const ROSTER: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!DOCTYPE 交換表單 SYSTEM \"104_roster_utf8.dtd\">\n<交換表單><全銜>甲機關</全銜><機關代碼>A123456789</機關代碼><含附件>含附件</含附件></交換表單>\n";

    #[test]
    fn the_worst_of_several_files_decides_and_json_has_the_stable_keys() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(path("a.sw"), ROSTER).unwrap();
        std::fs::write(path("b.di"), "<電子封裝檔/>").unwrap();
        std::fs::write(path("c.di"), "no xml").unwrap();
        let (code, text) = run(&[
            "di-node",
            "lint",
            "--json",
            &path("a.sw"),
            &path("b.di"),
            &path("c.di"),
            &path("none.di"),
        ]);
        assert_eq!(code, exit::NOT_FOUND, "{text}");
        assert_eq!(run(&["di-node", "lint", &path("a.sw"), &path("c.di")]).0, exit::UNREADABLE);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let all = json.as_array().unwrap();
        assert_eq!(all.len(), 4);
        for one in all {
            let keys: Vec<&String> = one.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["edition", "encoding", "file", "kind", "problems", "verdict"]);
            for problem in one["problems"].as_array().unwrap() {
                let keys: Vec<&String> = problem.as_object().unwrap().keys().collect();
                assert_eq!(keys, ["column", "label", "line", "message", "official", "path", "severity"]);
            }
        }
        assert_eq!(all[0]["kind"], "交換表單");
        assert_eq!(all[0]["edition"], "104");
        assert_eq!(all[0]["encoding"], "utf-8");
        assert_eq!(all[1]["verdict"], "unreadable");
        assert_eq!(all[3]["problems"][0]["label"], "file-not-found");
        assert_eq!(run(&["di-node", "lint", &path("a.sw")]).0, exit::OK);
        assert_eq!(run(&["di-node", "lint"]).0, exit::USAGE);
    }

    fn alone(path: &Path) -> Report {
        report(path, &[path.to_owned()])
    }

    #[test]
    fn a_missing_companion_is_a_warning_only() {
        let dir = tempfile::tempdir().unwrap();
        let di = dir.path().join("x.di");
        let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\" [\n<!ENTITY 表單 SYSTEM \"x.sw\" NDATA DI>\n<!ENTITY 甲 SYSTEM \"y.pdf\" NDATA _X>\n<!NOTATION DI SYSTEM \"\">\n<!NOTATION _X SYSTEM \"\">\n]>\n<函/>\n";
        std::fs::write(&di, text).unwrap();
        // Declared and not referred to: not asked for.
        let said = super::text(&alone(&di));
        assert!(!said.contains("y.pdf"), "{said}");
        let text =
            text.replace("<函/>", "<函><受文者><交換表 交換表單=\"表單\">如正副本</交換表></受文者></函>");
        std::fs::write(&di, text).unwrap();
        let found = alone(&di);
        assert!(found.problems.iter().any(|p| p.label == "companion-missing"
            && p.severity == "warning"
            && (p.line, p.column) == (3, 1)));
        std::fs::create_dir(dir.path().join("Attch")).unwrap();
        std::fs::write(dir.path().join("Attch/x.sw"), ROSTER).unwrap();
        assert!(!alone(&di).problems.iter().any(|p| p.label == "companion-missing"));
    }

    fn vectors() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../di-format/vectors/unit")
    }

    fn labels(report: &Report) -> Vec<&str> {
        report.problems.iter().map(|p| p.label.as_str()).collect()
    }

    #[test]
    fn what_lies_beside_a_letter() {
        let found = alone(&vectors().join("folder/letter.di"));
        assert_eq!(found.verdict, "valid");
        assert_eq!(labels(&found), ["companion-unnamed", "companion-case", "companion-missing"]);
        let message = |at: usize| found.problems[at].message.as_str();
        assert!(message(0).contains("letter-2.ods"), "{}", message(0));
        assert!(message(1).contains("Plan.PDF") && message(1).contains("plan.pdf"), "{}", message(1));
        assert!(message(2).contains("gone.pdf"), "{}", message(2));
    }

    #[test]
    fn a_letter_is_held_against_its_roster() {
        let named = alone(&vectors().join("name-not-in-roster.di"));
        assert_eq!((labels(&named), named.verdict.as_str()), (vec!["name-not-in-roster"], "valid"));
        assert!(named.problems[0].line > 1 && named.problems[0].path == "函/副本/全銜");
        // by its own stem, though the letter names none
        assert_eq!(labels(&alone(&vectors().join("recipient-differs.di"))), ["recipient-differs"]);
        // given beside it under another name
        let dir = tempfile::tempdir().unwrap();
        let copied = |from: &str, to: &str| {
            let to = dir.path().join(to);
            std::fs::copy(vectors().join(from), &to).unwrap();
            to
        };
        let di = copied("name-not-in-roster.di", "一.di");
        std::fs::create_dir(dir.path().join("b")).unwrap();
        let sw = copied("name-not-in-roster.sw", "b/二.sw");
        assert_eq!(labels(&alone(&di)), ["companion-missing"]);
        let both = report(&di, &[di.clone(), sw.clone()]);
        assert_eq!(labels(&both), ["companion-missing", "name-not-in-roster"]);
        // one that is itself wrong is said to be
        std::fs::write(&sw, "<交換表單/>").unwrap();
        std::fs::write(dir.path().join("name-not-in-roster.sw"), "no roster").unwrap();
        assert_eq!(labels(&alone(&di)), ["roster-not-compared"]);
    }

    #[test]
    fn official_and_inferred_rules_are_told_apart() {
        let said = |name: &str| text(&alone(&vectors().join("..").join(name)));
        let letter = said("bad/subject-missing.di");
        assert!(letter.contains("依官方 DTD") && letter.contains("，違反官方 DTD］"), "{letter}");
        let older = said("tolerated/classification-ordinary.di");
        assert!(older.contains("依推定規則") && older.contains("，違反推定規則］"), "{older}");
        let order = said("good/order.di");
        assert!(order.contains("令，104 年版，utf-8，依推定規則"), "{order}");
        let other = said("bad/archive-package.xml");
        assert!(other.contains("電子封裝檔") && !other.contains("規則"), "{other}");
    }

    #[test]
    fn every_kind_prints_its_dtd_and_an_unknown_one_is_wrong_use() {
        for kind in Kind::ALL {
            let (code, text) = run(&["di-node", "dtd", kind.root()]);
            assert_eq!(code, exit::OK);
            assert!(text.contains(&format!("<!ELEMENT {}", kind.root())));
        }
        assert_eq!(run(&["di-node", "dtd", "roster"]).0, exit::OK);
        assert_eq!(run(&["di-node", "dtd", "信"]).0, exit::USAGE);
    }
}
