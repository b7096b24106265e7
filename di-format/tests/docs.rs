//! docs/di.md says what the code does: its tables are held against the models, the labels, the vectors and the samples.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "tests")]

mod shared;

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use di_format::model::{self, AttributeDecl, AttributeType, Cm, Presence};
use di_format::{Edition, Kind, LABELS, Limits, Problem, Reading, TOLERATED, Verdict, cross_check, read};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/di.md");
    std::fs::read_to_string(path).unwrap()
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// What stands between `<!-- mark: begin -->` and `<!-- mark: end -->`.
fn between(page: &str, mark: &str) -> String {
    let (_, rest) = page.split_once(&format!("<!-- {mark}: begin -->\n")).unwrap_or_else(|| panic!("{mark}"));
    rest.split_once(&format!("<!-- {mark}: end -->")).unwrap_or_else(|| panic!("{mark}")).0.to_owned()
}

/// The rows of a table as cells, without backticks and escapes.
fn rows(page: &str, mark: &str) -> Vec<Vec<String>> {
    let cell = |text: &str| text.replace('\u{1}', "|").replace('`', "").trim().to_owned();
    let table = between(page, mark).replace("\\|", "\u{1}");
    let lines = table.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(cell).collect()).collect()
}

/// The cells as a row of a table with an empty last cell, to be pasted into the page.
fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |  |", cells.join(" | "))
}

fn assert_rows(mark: &str, expected: &[Vec<String>]) {
    let found: Vec<Vec<String>> = rows(&page(), mark)
        .into_iter()
        .map(|mut cells| {
            let said = cells.pop().unwrap_or_default();
            assert!(!said.is_empty(), "{mark}: {cells:?} is not explained");
            cells
        })
        .collect();
    let paste: Vec<String> = expected.iter().map(|cells| row(cells)).collect();
    assert!(found == expected, "docs/di.md, table {mark}: should be\n{}", paste.join("\n"));
}

/// A particle of a content model and how often it occurs.
fn particle(part: &Cm) -> (String, &'static str) {
    let name = |inner: &Cm| match inner {
        Cm::El(name) => (*name).to_owned(),
        other => other.to_string(),
    };
    match part {
        Cm::Opt(inner) => (name(inner), "0 或 1"),
        Cm::Star(inner) => (name(inner), "0 以上"),
        Cm::Plus(inner) => (name(inner), "1 以上"),
        other => (name(other), "1"),
    }
}

#[test]
fn the_order_of_elements_is_that_of_the_models() {
    for kind in [Kind::Letter, Kind::Memo, Kind::Roster] {
        let parts = match model::grammar(kind, Edition::E104).content(kind.root()).unwrap() {
            Cm::Seq(parts) | Cm::Plus(Cm::Seq(parts)) => parts,
            other => panic!("{other:?}"),
        };
        let expected: Vec<Vec<String>> = parts
            .iter()
            .enumerate()
            .map(|(at, part)| {
                let (name, times) = particle(part);
                vec![(at + 1).to_string(), name, times.to_owned()]
            })
            .collect();
        assert_rows(&format!("order {}", kind.root()), &expected);
    }
}

fn names(model: &Cm, into: &mut VecDeque<&'static str>) {
    match model {
        Cm::El(name) => into.push_back(name),
        Cm::Seq(parts) | Cm::Alt(parts) => parts.iter().for_each(|part| names(part, into)),
        Cm::Opt(inner) | Cm::Star(inner) | Cm::Plus(inner) => names(inner, into),
        Cm::Empty | Cm::Any | Cm::Text => {}
    }
}

fn attribute(decl: &&AttributeDecl) -> String {
    let kind = match decl.kind {
        AttributeType::Text => "任何文字".to_owned(),
        AttributeType::Entity => "一個實體名稱".to_owned(),
        AttributeType::Entities => "實體名稱，以空白分隔".to_owned(),
        AttributeType::OneOf(values) => values.join("、"),
    };
    let presence = match decl.presence {
        Presence::Required => "必有".to_owned(),
        Presence::Implied => "可省".to_owned(),
        Presence::Default("") => "省略即空".to_owned(),
        Presence::Default(value) => format!("省略即「{value}」"),
    };
    format!("{}：{kind}（{presence}）", decl.name)
}

#[test]
fn every_element_is_explained() {
    let mut expected = Vec::new();
    let mut seen = BTreeSet::new();
    for kind in [Kind::Letter, Kind::Memo, Kind::Roster] {
        let grammar = model::grammar(kind, Edition::E104);
        let mut waiting = VecDeque::new();
        names(grammar.content(kind.root()).unwrap(), &mut waiting);
        while let Some(name) = waiting.pop_front() {
            if !seen.insert(name) {
                continue;
            }
            let content = grammar.content(name).unwrap();
            names(content, &mut waiting);
            let attributes: Vec<String> = grammar.attributes(name).iter().map(attribute).collect();
            let attributes = if attributes.is_empty() { "–".to_owned() } else { attributes.join("；") };
            expected.push(vec![name.to_owned(), content.to_string(), attributes]);
        }
    }
    assert_rows("elements", &expected);
}

#[test]
fn the_inferred_models_are_printed() {
    let printed = between(&page(), "inferred");
    for kind in Kind::ALL {
        for edition in Edition::ALL {
            let grammar = model::grammar(kind, edition);
            if grammar.is_official() {
                continue;
            }
            let line = format!("{} {}", kind.root(), grammar.content(kind.root()).unwrap());
            assert!(printed.lines().any(|known| known == line), "{}: {line}", edition.as_str());
        }
    }
}

fn reading(file: &str) -> Reading {
    read(&std::fs::read(vectors().join(file)).unwrap(), &Limits::default())
}

/// Verdict and problems of a vector; of a letter in `unit/` what its roster has to say.
fn judged(file: &str) -> (Verdict, Vec<Problem>) {
    let reading = reading(file);
    let Some(stem) = file.strip_prefix("unit/").and_then(|file| file.strip_suffix(".di")) else {
        return (reading.verdict, reading.problems);
    };
    let bytes = |file: String| std::fs::read(vectors().join(file)).unwrap();
    let (di, sw) = (bytes(file.to_owned()), bytes(format!("unit/{stem}.sw")));
    assert_eq!(reading.verdict, Verdict::Valid);
    (Verdict::Tolerated, cross_check(&di, &sw, &Limits::default()))
}

/// Rows `label, what, how it is read, verdict, breach of an official DTD, source, files`; gives the labels.
fn table_of_labels(mark: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for cells in rows(&page(), mark) {
        let [label, what, why, verdict, official, source, files] = cells.as_slice() else {
            panic!("{mark}: {cells:?}")
        };
        assert!(labels.insert(label.clone()), "{label} has two rows");
        assert!(!what.is_empty() && !why.is_empty() && !source.is_empty(), "{label} is not explained");
        if files.starts_with("tests/") {
            assert!(vectors().join("..").join(files).is_file(), "{files}");
            continue;
        }
        for file in files.split('、') {
            let (found, problems) = judged(file);
            assert_eq!(found.as_str(), verdict, "{file}");
            let ours: Vec<&Problem> = problems.iter().filter(|problem| problem.label == label).collect();
            assert!(!ours.is_empty(), "{file} has no {label}: {problems:?}");
            if official == "缺元素時" {
                let missing = |one: &&Problem| one.official == one.message.contains("is missing");
                assert!(ours.iter().all(missing), "{file}");
                continue;
            }
            let breach = if ours.iter().any(|problem| problem.official) { "是" } else { "否" };
            assert_eq!(breach, official, "{file}");
        }
    }
    labels
}

#[test]
fn the_tolerance_table_is_that_of_the_code() {
    let tolerated = table_of_labels("tolerated");
    assert_eq!(tolerated, TOLERATED.iter().map(|label| (*label).to_owned()).collect());
    let refused = table_of_labels("refused");
    let others = LABELS.iter().map(|row| row.0).filter(|label| !label.starts_with("write-"));
    let others: BTreeSet<String> = others
        .filter(|label| !TOLERATED.contains(label) && *label != "file-name")
        .map(str::to_owned)
        .collect();
    let refused: BTreeSet<String> = refused.into_iter().filter(|label| label != "file-name").collect();
    assert_eq!(refused, others);
}

#[test]
fn every_vector_is_named_with_its_verdict() {
    let page = page();
    for cells in rows(&page, "accepted") {
        for file in cells.last().unwrap().split('、').filter(|file| file.starts_with("good/")) {
            assert_eq!(reading(file).verdict, Verdict::Valid, "{file}");
        }
    }
    for folder in ["good", "tolerated", "bad", "unit"] {
        for file in std::fs::read_dir(vectors().join(folder)).unwrap() {
            let name = format!("{folder}/{}", file.unwrap().file_name().to_str().unwrap());
            let named = page.contains(&name) || folder == "unit" && name.ends_with(".sw");
            assert!(named, "docs/di.md does not name {name}");
        }
    }
}

/// The code blocks that begin with the name of a file, as `<!-- file: x.di -->`.
fn examples(page: &str) -> Vec<(String, String)> {
    page.split("<!-- file: ")
        .skip(1)
        .map(|part| {
            let (name, rest) = part.split_once(" -->\n").unwrap();
            let code = rest.split_once("```xml\n").unwrap().1.split_once("```").unwrap().0;
            (name.to_owned(), code.to_owned())
        })
        .collect()
}

#[test]
fn the_examples_are_valid() {
    let examples = examples(&page());
    assert_eq!(examples.len(), 3);
    let printed = shared::printed();
    for dtds in [Some(printed.path().to_owned()), shared::official()].into_iter().flatten() {
        let dir = tempfile::tempdir().unwrap();
        shared::lay_out(&dtds, dir.path());
        for (name, text) in &examples {
            let reading = read(text.as_bytes(), &Limits::default());
            assert_eq!(reading.verdict, Verdict::Valid, "{name}: {:#?}", reading.problems);
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let names: Vec<String> = examples.iter().map(|(name, _)| name.clone()).collect();
        let said = shared::xmllint(dir.path(), &names);
        assert!(said.iter().all(String::is_empty), "{said:#?}");
    }
    let text = |name: &str| examples.iter().find(|one| one.0 == name).unwrap().1.as_bytes();
    let (di, sw) = (text("1150000123.di"), text("1150000123.sw"));
    assert_eq!(cross_check(di, sw, &Limits::default()), []);
    let files: Vec<String> =
        read(di, &Limits::default()).companions().iter().map(|one| one.file.clone()).collect();
    assert_eq!(files, ["1150000123.sw", "plan.pdf"]);
}

#[test]
fn the_samples_get_the_verdicts_that_are_explained() {
    let rows = rows(&page(), "samples");
    let Some(root) = shared::shared() else { return };
    let mut explained = BTreeSet::new();
    for cells in rows {
        let [file, kind, edition, encoding, verdict, labels, why] = cells.as_slice() else {
            panic!("{cells:?}")
        };
        let reading = read(&std::fs::read(root.join("data/samples").join(file)).unwrap(), &Limits::default());
        let mut found: Vec<&str> = reading.problems.iter().map(|problem| problem.label).collect();
        found.dedup();
        let found = if found.is_empty() { "–".to_owned() } else { found.join("、") };
        let of = |edition: Option<Edition>| edition.map_or("", Edition::as_str);
        assert_eq!(
            (kind, edition.as_str(), encoding.as_str(), verdict.as_str(), labels),
            (&reading.root, of(reading.edition), reading.encoding.as_str(), reading.verdict.as_str(), &found),
            "{file}"
        );
        assert!(!why.is_empty());
        explained.insert(file.clone());
    }
    for file in std::fs::read_dir(root.join("data/samples")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let ours = name.ends_with(".di") || name.ends_with(".sw");
        assert!(!ours || explained.contains(&name), "{name} is not explained");
    }
}

/// The mistakes of the page, made in its own letter: where each is found, and the verdict.
#[test]
fn mistakes_are_found_where_the_page_says() {
    let page = page();
    let examples = examples(&page);
    let text = &examples.iter().find(|one| one.0 == "1150000123.di").unwrap().1;
    let line = |start: &str| format!("{}\n", text.lines().find(|line| line.starts_with(start)).unwrap());
    let date = line("<發文日期>");
    let moved = text.replace(&date, "").replace("<速別", &format!("{date}<速別"));
    let half: String = text.chars().take(text.chars().count() / 2).collect();
    let cases: Vec<(&str, String)> = vec![
        ("忘了主旨", text.replace(&line("<主旨>"), "")),
        ("發文日期放到發文字號後面", moved),
        ("<主旨>檢送…</主旨>", text.replace("<主旨><文字>", "<主旨>").replace("</文字></主旨>", "</主旨>")),
        ("<速別 代碼=\"急件\"/>", text.replace("普通件", "急件")),
        ("<速別>普通件</速別>", text.replace("<速別 代碼=\"普通件\"/>", "<速別>普通件</速別>")),
        ("<密等 代碼=\"普通\"/>", text.replace("<密等/>", "<密等 代碼=\"普通\"/>")),
        ("附件名=\"ATTCH2\"", text.replace("附件名=\"ATTCH1\"", "附件名=\"ATTCH2\"")),
        ("忘了 <!NOTATION _X …>", text.replace(&line("<!NOTATION _X"), "")),
        ("A&B", text.replace("檢送「", "檢送 A&B「")),
        ("少了 </主旨>", text.replace("</主旨>", "")),
        ("根元素寫成〈書函〉", text.replace("<函>", "<書函>").replace("</函>", "</書函>")),
        ("請&nbsp;查照", text.replace("請查照", "請&nbsp;查照")),
        ("檔案被截斷", half),
        ("中華民國115年2月30日", text.replace("1月2日", "2月30日")),
        ("<正本>甲機關</正本>", text.replace("<正本><全銜>甲機關</全銜>", "<正本>甲機關")),
        ("SYSTEM 寫了路徑", text.replace("plan.pdf", "C:\\公文\\plan.pdf")),
    ];
    let rows: Vec<Vec<String>> = rows(&page, "mistakes");
    assert_eq!(rows.len(), cases.len());
    for (cells, (name, text)) in rows.iter().zip(cases) {
        assert_eq!(cells[0], name);
        let reading = read(text.as_bytes(), &Limits::default());
        let first = &reading.problems[0];
        let exit = match reading.verdict {
            Verdict::Valid | Verdict::Tolerated => "0",
            Verdict::Invalid => "1",
            Verdict::Unreadable => "2",
        };
        let place = format!("{}:{}　", first.line, first.column);
        assert!(cells[1].starts_with(&place), "{name}: {place} {first}");
        assert_eq!(cells[2], exit, "{name}: {first}");
    }
}
