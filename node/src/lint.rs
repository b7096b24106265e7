//! `lint` and `dtd`: files against the rules of `di-format`, without service or configuration.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use di_format::model::{self, Kind};
use di_format::{Limits, Problem, Reading, Verdict, read};
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
        let report = report(path);
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

fn report(path: &Path) -> Report {
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
            };
        }
    };
    let reading = read(&bytes, &limits);
    let mut problems: Vec<Item> = reading.problems.iter().map(of_problem).collect();
    // The verdict is on the file itself; what is missing beside it is a warning.
    problems.extend(missing(path, &reading));
    Report {
        file: path.display().to_string(),
        kind: (!reading.root.is_empty()).then(|| plain(&reading.root)),
        edition: reading.edition.map(|e| e.as_str().to_owned()),
        encoding: Some(reading.encoding.as_str().to_owned()),
        verdict: reading.verdict.as_str().to_owned(),
        problems,
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

/// Files that the DI names and that are neither beside it nor in `Attch/`: a warning here, a refusal in the drop folder.
fn missing(path: &Path, reading: &Reading) -> Vec<Item> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut items = Vec::new();
    for companion in reading.companions() {
        if companion.role == di_format::Role::Unreferenced {
            continue;
        }
        let near = [folder.join(&companion.file), folder.join("Attch").join(&companion.file)];
        if near.iter().any(|p| p.is_file()) {
            continue;
        }
        let label = "companion-missing";
        let message =
            format!("{}：「{}」。{}", words::what(label), plain(&companion.file), words::remedy(label));
        items.push(item(label, "warning", (1, 1), &reading.root, message, false));
    }
    items
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
    let facts: Vec<&str> =
        [kind, edition.as_deref(), report.encoding.as_deref()].into_iter().flatten().collect();
    if !facts.is_empty() {
        text.push_str(&format!("（{}）", facts.join("，")));
    }
    text.push('\n');
    for item in &report.problems {
        let weight = if item.severity == "warning" { "注意" } else { "錯誤" };
        let official = if item.official { "，違反官方 DTD" } else { "" };
        let place =
            if item.path.is_empty() { String::new() } else { format!("　於 {}", plain(&item.path)) };
        text.push_str(&format!(
            "  {}:{}　{weight}　{}{place}［{}{official}］\n",
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

    #[test]
    fn a_missing_companion_is_a_warning_only() {
        let dir = tempfile::tempdir().unwrap();
        let di = dir.path().join("x.di");
        let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\" [\n<!ENTITY 表單 SYSTEM \"x.sw\" NDATA DI>\n<!ENTITY 甲 SYSTEM \"y.pdf\" NDATA _X>\n<!NOTATION DI SYSTEM \"\">\n<!NOTATION _X SYSTEM \"\">\n]>\n<函/>\n";
        std::fs::write(&di, text).unwrap();
        // Declared and not referred to: not asked for.
        let said = super::text(&report(&di));
        assert!(!said.contains("y.pdf"), "{said}");
        let text =
            text.replace("<函/>", "<函><受文者><交換表 交換表單=\"表單\">如正副本</交換表></受文者></函>");
        std::fs::write(&di, text).unwrap();
        let found = report(&di);
        assert!(found.problems.iter().any(|p| p.label == "companion-missing" && p.severity == "warning"));
        std::fs::create_dir(dir.path().join("Attch")).unwrap();
        std::fs::write(dir.path().join("Attch/x.sw"), ROSTER).unwrap();
        assert!(!report(&di).problems.iter().any(|p| p.label == "companion-missing"));
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
