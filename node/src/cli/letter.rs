//! `show FILE`: a DI as the letter that it is, an SW as its table.

use std::path::Path;

use di_format::display::{self, View};
use di_format::{Limits, Reading};
use serde::Serialize;

use super::failure::Failure;
use super::{Done, Out, exit};
use crate::table::page;
use crate::{lint, words};

/// What `show FILE --json` prints.
#[derive(Serialize)]
struct Shown<'r> {
    file: String,
    kind: &'r str,
    edition: Option<&'static str>,
    encoding: &'static str,
    verdict: &'static str,
    view: View,
}

/// Does it.
pub(super) fn show(path: &Path, json: bool, out: &mut Out) -> Done {
    let limits = Limits::default();
    let bytes = lint::load(path, &limits).map_err(|(label, why)| {
        let what = format!("{}：{}（{why}）", words::what(label), path.display());
        Failure::new(exit::NOT_FOUND, label, what)
    })?;
    let reading = di_format::read(&bytes, &limits);
    let Some(view) = View::of(&reading) else { return Err(unreadable(path, &reading)) };
    if json {
        out.json(&Shown {
            file: path.display().to_string(),
            kind: &reading.root,
            edition: reading.edition.map(di_format::Edition::as_str),
            encoding: reading.encoding.as_str(),
            verdict: reading.verdict.as_str(),
            view,
        })?;
        return Ok(exit::OK);
    }
    let mut text = display::text(&view, page());
    let many = reading.problems.len();
    if many > 0 {
        let word = lint::verdict(reading.verdict.as_str());
        text.push_str(&format!("\n格式檢查：{word}，共 {many} 項；以 di-node lint 查看\n"));
    }
    out.text(&text)?;
    Ok(exit::OK)
}

/// As `lint` says it: where, what, and (by the label) what to do.
fn unreadable(path: &Path, reading: &Reading) -> Failure {
    let Some(problem) = reading.worst() else {
        return Failure::labelled(exit::UNREADABLE, "root-unknown");
    };
    let said = words::di_sentence(problem);
    let at = format!("第 {} 行第 {} 字", problem.line, problem.column);
    let what = format!("{} 無法辨讀：{at}，{said}", path.display());
    Failure::new(exit::UNREADABLE, problem.label, what)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn shown(name: &str, bytes: &[u8], json: bool) -> (Done, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let page = Page::default();
        let done = show(&path, json, &mut Out::to(page.clone()));
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        (done, text)
    }

    const LETTER: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\">
<函><發文機關><全銜>測試機關</全銜><機關代碼>A123456789</機關代碼></發文機關><函類別 代碼=\"書函\"/><地址>100臺北市測試路1號</地址><聯絡方式>承辦人：王小明</聯絡方式><受文者>如行文單位</受文者><發文日期><年月日>中華民國115年11月21日</年月日></發文日期><發文字號><字>測試</字><文號><年度>115</年度><流水號>0000123</流水號></文號></發文字號><速別 代碼=\"速件\"/><主旨><文字>請\u{9b}2J\u{202e}查照。</文字></主旨><正本><全銜>甲機關</全銜></正本><署名>局長　某某某</署名></函>";

    #[test]
    fn a_letter_is_shown_as_people_know_it_and_cannot_steer_the_terminal() {
        let (done, text) = shown("一.di", LETTER.as_bytes(), false);
        assert_eq!(done.unwrap(), exit::OK);
        for part in [
            "測試機關　書函",
            "測試字第1150000123號",
            "主旨：請〔U+009B〕2J〔U+202E〕查照。",
            "局長　某某某",
            "di-node lint",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        let (_, json) = shown("一.di", LETTER.as_bytes(), true);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["kind"], &json["verdict"]), (&"函".into(), &"tolerated".into()));
        let view: View = serde_json::from_value(json["view"].clone()).unwrap();
        assert_eq!(view.heading.title, "書函");
    }

    #[test]
    fn what_is_no_letter_is_refused_with_place_and_remedy() {
        let (done, text) = shown("二.di", "<?xml version=\"1.0\"?>\n<函><主旨></函>".as_bytes(), false);
        let failure = done.unwrap_err();
        assert_eq!((failure.code(), failure.label(), text.as_str()), (exit::UNREADABLE, "malformed", ""));
        let said = failure.render(false);
        assert!(said.contains("第 2 行第") && said.contains("處理"), "{said}");
    }
}
