//! What people see of a letter: golden pages for each kind, the same in text and HTML, and nothing of the letter missing.
//!
//! `DI_VIEWS=write cargo test -p di-format --test display` writes the golden pages anew; look at them before you commit.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod letters;
mod shared;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use di_format::display::{Block, View, html, text, width};
use di_format::{Kind, Letter, Limits, Verdict, read, write};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

/// Wide enough that nothing is broken into lines.
const WIDE: usize = 4000;

fn views() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/views")
}

fn view(bytes: &[u8]) -> View {
    let reading = read(bytes, &Limits::default());
    View::of(&reading).unwrap_or_else(|| panic!("{:#?}", reading.problems))
}

fn documents(folder: &Path) -> Vec<PathBuf> {
    let is_document = |path: &PathBuf| {
        path.extension().is_some_and(|one| one.eq_ignore_ascii_case("di") || one.eq_ignore_ascii_case("sw"))
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(is_document).collect();
    files.sort();
    files
}

/// Everything that is visible in a text, without what only lays it out.
fn strings_of_text(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '─').collect()
}

/// The same of a fragment of HTML.
fn strings_of_html(html: &str) -> String {
    let mut out = String::new();
    for (number, piece) in html.split('<').enumerate() {
        let text = if number == 0 { piece } else { piece.split_once('>').unwrap().1 };
        out.push_str(text);
    }
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
    {
        out = out.replace(entity, character);
    }
    strings_of_text(&out)
}

fn same_in_both(view: &View) {
    assert_eq!(strings_of_text(&text(view, WIDE)), strings_of_html(&html(view)));
}

#[test]
fn pages_of_every_kind() {
    let mut kinds = HashSet::new();
    for file in documents(&views()) {
        let reading = read(&std::fs::read(&file).unwrap(), &Limits::default());
        kinds.insert(reading.kind);
        let odd = file.ends_with("odd.di");
        assert_eq!(reading.verdict == Verdict::Valid, !odd, "{}: {:#?}", file.display(), reading.problems);
        let view = View::of(&reading).unwrap();
        for (extension, page) in [("txt", text(&view, 78)), ("html", html(&view))] {
            let golden = file.with_extension(extension);
            if std::env::var_os("DI_VIEWS").is_some_and(|value| value == "write") {
                std::fs::write(&golden, &page).unwrap();
            }
            let expected = std::fs::read_to_string(&golden).unwrap_or_default();
            assert_eq!(page, expected, "{} differs", golden.display());
        }
        let json = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<View>(&json).unwrap(), view);
        same_in_both(&view);
    }
    assert_eq!(kinds.len(), Kind::ALL.len());
}

#[test]
fn pages_keep_to_their_width_and_hold_nothing_that_steers() {
    let mut files = documents(&views());
    files.extend(shared::shared().into_iter().flat_map(|root| documents(&root.join("data/samples"))));
    for file in files {
        let view = view(&std::fs::read(&file).unwrap());
        same_in_both(&view);
        for columns in [40, 60, 78, 100] {
            let page = text(&view, columns);
            for line in page.lines() {
                let widest = if view.kind == "交換表單" { columns.max(90) } else { columns };
                assert!(width(line) <= widest, "{} at {columns}: {line}", file.display());
                assert!(!line.ends_with(' ') && !line.chars().any(char::is_control), "{line:?}");
            }
            assert!(!page.contains("\n\n\n") && !page.starts_with('\n'), "{}\n{page}", file.display());
        }
        let fragment = html(&view);
        for never in ["<script", "<style", " style=", " on", "href", "src="] {
            assert!(!fragment.contains(never), "{never} in {fragment}");
        }
    }
}

/// Runs a check over generated letters of every kind; the letter is in the message only as far as the check says it.
fn every_kind(cases: usize, mut check: impl FnMut(&Letter, &mut TestRunner)) {
    let mut runner = TestRunner::deterministic();
    for kind in letters::KINDS {
        let letters = letters::letter(kind);
        for _ in 0..cases {
            let letter = letters.new_tree(&mut runner).unwrap().current();
            check(&letter, &mut runner);
        }
    }
}

#[test]
fn text_and_html_say_the_same() {
    let rosters = letters::roster();
    every_kind(40, |letter, runner| {
        let view = View::letter(letter);
        same_in_both(&view);
        let columns = (0_usize..120).new_tree(runner).unwrap().current();
        assert_eq!(strings_of_text(&text(&view, columns)), strings_of_text(&text(&view, WIDE)), "{columns}");
        same_in_both(&View::roster(&rosters.new_tree(runner).unwrap().current()));
    });
}

/// Every text is replaced by a word of its own; then elements that nobody knows, bare text and repeated elements are
/// put in anywhere. Each word must be in the view once.
#[test]
fn every_text_is_in_the_view_exactly_once() {
    every_kind(60, |letter, runner| {
        let places = proptest::collection::vec((0_usize..1000, 0_u8..3), 0..6);
        let places = places.new_tree(runner).unwrap().current();
        let written = String::from_utf8(letters::written(letter).unwrap()).unwrap();
        let mut lines: Vec<String> = written.split_terminator("\r\n").map(str::to_owned).collect();
        let first = 1 + lines.iter().position(|line| *line == format!("<{}>", letter.kind.root())).unwrap();
        for (place, what) in &places {
            let at = first + place % (lines.len() - first);
            let line = match what {
                0 => "<未知 代碼=\"x\">?</未知>".to_owned(),
                1 => "？".to_owned(),
                _ if lines[at].contains("</") && !lines[at].starts_with("</") => lines[at].clone(),
                _ => continue,
            };
            lines.insert(at, line);
        }
        let (marked, printed, codes) = mark(&lines, first);
        let view = view(marked.as_bytes());
        let json = serde_json::to_string(&view).unwrap();
        let text = strings_of_text(&text(&view, 78));
        for word in &printed {
            assert_eq!(json.matches(word).count(), 1, "{word} in the view of\n{marked}");
            assert_eq!(text.matches(word).count(), 1, "{word} in\n{text}");
        }
        for word in &codes {
            // not printed; but what is given twice is
            assert!(
                json.matches(word).count() == 1 && text.matches(word).count() <= 1,
                "{word} of\n{marked}\n{json}"
            );
        }
        same_in_both(&view);
    });
}

/// Gives every text, 段名 and 序號 a word of its own; which of them are printed, and which are codes.
fn mark(lines: &[String], first: usize) -> (String, Vec<String>, Vec<String>) {
    let (mut out, mut printed, mut codes) = (String::new(), Vec::new(), Vec::new());
    for (number, line) in lines.iter().enumerate() {
        let word = format!("T{number}E");
        if number < first || line.starts_with("</") || (line.starts_with('<') && line.ends_with("/>")) {
            out.push_str(line);
        } else if !line.starts_with('<') {
            out.push_str(&word);
            printed.push(word);
        } else if let Some((open, _)) = line.split_once("</") {
            let (tag, _) = open.split_once('>').unwrap();
            let name = tag.trim_start_matches('<').split(' ').next().unwrap();
            out.push_str(&format!("{tag}>{word}</{name}>"));
            let is_code = matches!(name, "機關代碼" | "單位代碼");
            if is_code { &mut codes } else { &mut printed }.push(word);
        } else if let Some((tag, _)) = line.split_once("=\"") {
            out.push_str(&format!("{tag}=\"{word}\">"));
            printed.push(word);
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    (out, printed, codes)
}

#[test]
fn a_roster_is_grouped_by_copy_with_every_line() {
    let mut runner = TestRunner::deterministic();
    let rosters = letters::roster();
    for _ in 0..50 {
        let roster = rosters.new_tree(&mut runner).unwrap().current();
        let view = View::roster(&roster);
        let mut rows = 0;
        for block in &view.blocks {
            let Block::Table(table) = block else { panic!("{block:?}") };
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
            rows += table.rows.len();
        }
        assert_eq!(rows, roster.lines.len());
        assert_eq!(view, self::view(&write::roster(&roster).unwrap()));
    }
    let dangling = "<!DOCTYPE 交換表單 SYSTEM \"104_roster_utf8.dtd\"><交換表單><含附件>不含附件</含附件><全銜>甲</全銜>\
        <機關代碼>A00000000B</機關代碼><機關代碼>A00000001B</機關代碼><備考>急</備考></交換表單>";
    let page = text(&view(dangling.as_bytes()), 78);
    for part in ["含附件：不含附件", "機關代碼：A00000001B", "備考：急"] {
        assert!(page.lines().any(|line| line == part), "{part} in\n{page}");
    }
    let read = read(dangling.as_bytes(), &Limits::default()).roster.unwrap();
    assert_eq!(write::roster(&read).unwrap_err().label(), "write-no-place");
}

/// A letter of 8 MiB is shown in time and space that grow with it, and nesting cannot push it off the page.
#[test]
fn a_hostile_letter_is_shown_too() {
    let head = "<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\"><函><主旨><文字>";
    let deep = format!("{}<文字>底</文字>{}", "<條列 序號=\"一、\">".repeat(100), "</條列>".repeat(100));
    let letter = format!("{head}{}</文字></主旨><段落>{deep}</段落></函>", "，字".repeat(400_000));
    let view = view(letter.as_bytes());
    let page = text(&view, 60);
    assert!(page.lines().all(|line| width(line) <= 60));
    assert!(page.contains("底") && html(&view).len() < 2 * letter.len());
}
