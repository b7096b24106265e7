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
    let (code, text) =
        run(&["di-node", "lint", "--json", &path("a.sw"), &path("b.di"), &path("c.di"), &path("none.di")]);
    assert_eq!(code, exit::UNREADABLE, "{text}");
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
    let text = text.replace("<函/>", "<函><受文者><交換表 交換表單=\"表單\">如正副本</交換表></受文者></函>");
    std::fs::write(&di, text).unwrap();
    let found = alone(&di);
    assert!(
        found.problems.iter().any(|p| p.label == "companion-missing"
            && p.severity == "warning"
            && (p.line, p.column) == (3, 1))
    );
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
