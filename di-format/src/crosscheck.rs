//! A letter held against its roster: hints for people. Who receives is decided by codes alone, never by names.

use std::collections::{BTreeSet, HashSet};

use crate::error::{Problem, Severity};
use crate::line::Lines;
use crate::tree::{Document, Node};
use crate::validate::{name_of, path_of, text_of};
use crate::{Limits, Name, Recipient, decode, doctype, read};

/// Names, to be asked whether one of them is meant by another way of writing it.
///
/// Written differently and still the same: blanks, 臺 and 台, full-width letters, a remark in parentheses at the end
/// (`(含附件)`), and a superior's name in front that one side leaves out (臺北市政府教育局, 教育局).
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Back to front, so that a common ending is a common beginning.
    reversed: BTreeSet<String>,
}

impl Names {
    /// Whether any name is the same as this one, or one of both ends with the other.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let wanted = turned(name);
        if wanted.is_empty() {
            return false;
        }
        let longer = self.reversed.range(wanted.clone()..).next();
        longer.is_some_and(|known| known.starts_with(&wanted))
            || wanted
                .char_indices()
                .skip(2)
                .any(|(end, _)| wanted.get(..end).is_some_and(|ending| self.reversed.contains(ending)))
    }
}

impl<'a> FromIterator<&'a str> for Names {
    fn from_iter<T: IntoIterator<Item = &'a str>>(names: T) -> Self {
        let reversed = names.into_iter().map(turned).filter(|name| !name.is_empty()).collect();
        Self { reversed }
    }
}

/// A name without what people write differently, back to front. At most 200 characters count.
fn turned(name: &str) -> String {
    let plain = plain(name);
    let kept = plain.strip_suffix(')').and_then(|inner| inner.rsplit_once('(')).map_or("", |(kept, _)| kept);
    let kept = if kept.is_empty() { plain.as_str() } else { kept };
    kept.chars().rev().take(200).collect()
}

fn plain(name: &str) -> String {
    let same = |character: char| match character {
        '臺' => '台',
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(character) - 0xFEE0).unwrap_or(character),
        other => other,
    };
    name.chars().filter(|character| !character.is_whitespace()).map(same).collect()
}

/// Holds a DI against its SW. Every problem is a warning with its place in the DI:
///
/// - `name-not-in-roster`: a name in 正本, 副本, 出席者 or 列席者 that no line has (perhaps on paper);
/// - `roster-name-not-in-letter`: a line whose name the letter does not have, unless the letter names groups or hides its
///   recipients;
/// - `recipient-differs`: the letter is for one recipient (分繕) and the roster has another code.
///
/// Nothing is said where one of both cannot be read, and no more than `limits.problems` in all.
#[must_use]
pub fn cross_check(di: &[u8], sw: &[u8], limits: &Limits) -> Vec<Problem> {
    let (letter, roster) = (read(di, limits).letter, read(sw, limits).roster);
    let (Some(letter), Some(roster)) = (letter, roster) else { return Vec::new() };
    let (Some(place), Some(list)) = (places(di, limits, ENTRIES), places(sw, limits, STARTS)) else {
        return Vec::new();
    };
    let mut said = Said { problems: Vec::new(), limit: limits.problems };
    let recipient = place.iter().find(|one| one.name == "受文者").or_else(|| place.first());
    if let Some(Recipient::One(own)) = &letter.recipient {
        let own = own.mailbox();
        for line in &roster.lines {
            let other = line.mailbox();
            let same = other.code.eq_ignore_ascii_case(&own.code)
                && (own.unit.is_none() || other.unit.is_none() || own.unit == other.unit);
            if let (false, Some(place)) = (same, recipient) {
                let code = |one: &crate::Mailbox| [&one.code, one.unit.as_deref().unwrap_or("")].concat();
                let message = "the roster has another recipient than 受文者".to_owned();
                said.say("recipient-differs", place, message, &code(&other), code(&own));
            }
        }
        return said.problems;
    }
    let listed: Names = roster.lines.iter().map(|line| line.party.name.text()).collect();
    let mut seen = HashSet::new();
    for one in place.iter().filter(|one| one.name != "受文者") {
        // a 總稱 stands for many lines and matches none of them
        let asked = one.name != "總稱" && !one.text.is_empty() && seen.insert(one.text.as_str());
        if asked && !listed.has(&one.text) {
            let message = format!("no line of the roster is named {:?}", one.text);
            said.say("name-not-in-roster", one, message, &one.text, String::new());
        }
    }
    let group = letter.entries().any(|(_, entry)| matches!(entry.name, Name::Group(_)));
    let none = letter.entries().next().is_none();
    let Some(recipient) = recipient.filter(|_| !group && !none) else { return said.problems };
    let mut named: Names = letter.entries().map(|(_, entry)| entry.name.text()).collect();
    if let Some(Recipient::Text(text)) = &letter.recipient {
        named.reversed.insert(turned(text));
    }
    for one in &list {
        if !one.text.is_empty() && !named.has(&one.text) {
            let message = format!("the roster's {:?} is not in the letter", one.text);
            said.say("roster-name-not-in-letter", recipient, message, &one.text, one.line.to_string());
        }
    }
    said.problems
}

struct Said {
    problems: Vec<Problem>,
    limit: usize,
}

impl Said {
    fn say(&mut self, label: &'static str, place: &Place, message: String, found: &str, expected: String) {
        if self.problems.len() < self.limit {
            let (line, column, path) = (place.line, place.column, place.path.clone());
            let found = found.chars().take(80).collect();
            let severity = Severity::Warning;
            let official = false;
            let problem = Problem { label, severity, line, column, path, message, found, expected, official };
            self.problems.push(problem);
        }
    }
}

/// Elements in which the letter names people, and 受文者.
const ENTRIES: &[&str] = &["受文者", "正本", "出席者", "列席者", "副本"];
/// The roster's root.
const STARTS: &[&str] = &["交換表單"];

/// Where a name stands.
struct Place {
    /// The element that holds the name, or `受文者` itself.
    name: String,
    text: String,
    path: String,
    line: u32,
    column: u32,
}

/// The names below the elements `parents`, and 受文者, with their places in the file; `None` if it is no readable XML.
fn places(bytes: &[u8], limits: &Limits, parents: &[&str]) -> Option<Vec<Place>> {
    let decoded = decode::decode(bytes).ok()?;
    let base = doctype::prolog(&decoded.text, limits).ok()?.root;
    let body = decoded.text.get(base..)?;
    let document = Document::parse(body, limits).ok()?;
    let mut lines = Lines::new(&decoded.text);
    let mut places = Vec::new();
    let root = document.root_element();
    let tops: Vec<Node<'_, '_>> = if parents.contains(&name_of(root)) {
        vec![root]
    } else {
        root.children().filter(|node| node.is_element() && parents.contains(&name_of(*node))).collect()
    };
    let mut add = |node: Node<'_, '_>| {
        let (line, column) = lines.position(base + node.range().start);
        let (name, text, path) = (name_of(node).to_owned(), text_of(node), path_of(node));
        places.push(Place { name, text, path, line, column });
    };
    for top in tops {
        if name_of(top) == "受文者" {
            add(top);
            continue;
        }
        let starts = |node: &Node<'_, '_>| {
            node.is_element() && matches!(name_of(*node), "全銜" | "單位名" | "姓名" | "總稱")
        };
        let before = top.children().filter(starts);
        let mut any = false;
        for node in before {
            any = true;
            add(node);
        }
        if !any && !text_of(top).is_empty() {
            add(top);
        }
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_the_same() {
        let names: Names = ["臺北市政府教育局", "甲機關", "乙　機關", "", "局"].into_iter().collect();
        for known in
            ["台北市政府教育局", "教育局", "甲機關(含附件)", "甲機關（均不含附件）", "範縣乙機關", "乙 機關"]
        {
            assert!(names.has(known), "{known}");
        }
        for unknown in ["丙機關", "", "(含附件)", "臺北市政府"] {
            assert!(!names.has(unknown), "{unknown}");
        }
        assert!(!Names::default().has("甲"));
    }

    fn letter(recipient: &str, rest: &str) -> Vec<u8> {
        format!("<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\">\n<函><受文者>{recipient}</受文者>\n{rest}</函>")
            .into_bytes()
    }

    fn roster(lines: &str) -> Vec<u8> {
        format!("<!DOCTYPE 交換表單 SYSTEM \"104_roster_utf8.dtd\">\n<交換表單>\n{lines}</交換表單>")
            .into_bytes()
    }

    fn said(di: &[u8], sw: &[u8]) -> Vec<(&'static str, u32, u32, String, String)> {
        cross_check(di, sw, &Limits::default())
            .into_iter()
            .map(|one| {
                assert_eq!((one.severity, one.official), (Severity::Warning, false));
                (one.label, one.line, one.column, one.found, one.expected)
            })
            .collect()
    }

    #[test]
    fn both_ways() {
        let sw = roster(
            "<全銜>甲機關</全銜><機關代碼>A00000000A</機關代碼>\n<全銜>丁機關</全銜><機關代碼>A00000000D</機關代碼>\n",
        );
        let di = letter(
            "<交換表 交換表單=\"x\"/>",
            "<正本><全銜>甲機關</全銜><全銜>乙機關</全銜></正本><副本><全銜>乙機關</全銜>\n<單位名>丙單位</單位名></副本>",
        );
        assert_eq!(
            said(&di, &sw),
            [
                ("name-not-in-roster", 3, 17, "乙機關".to_owned(), String::new()),
                ("name-not-in-roster", 4, 1, "丙單位".to_owned(), String::new()),
                ("roster-name-not-in-letter", 2, 4, "丁機關".to_owned(), "4".to_owned()),
            ]
        );
        // a group may stand for 丁機關; hidden recipients say nothing
        let di = letter("", "<正本><全銜>甲機關</全銜><總稱>各區公所</總稱></正本>");
        assert_eq!(said(&di, &sw), []);
        assert_eq!(said(&letter("", "<正本><總稱></總稱></正本>"), &sw), []);
        assert_eq!(said(b"no letter", &sw), []);
    }

    #[test]
    fn a_letter_for_one_recipient() {
        let sw = roster("<全銜>甲機關</全銜><機關代碼>A00000000A</機關代碼>");
        let own = |code: &str| {
            letter(
                &format!("<全銜>另一個名字</全銜><機關代碼>{code}</機關代碼>"),
                "<正本><全銜>乙</全銜></正本>",
            )
        };
        assert_eq!(said(&own("A00000000A"), &sw), []);
        assert_eq!(
            said(&own("A00000000B"), &sw),
            [("recipient-differs", 2, 4, "A00000000A".to_owned(), "A00000000B".to_owned())]
        );
    }

    #[test]
    fn many_names_take_no_quadratic_time() {
        let many = |from: u32| (from..from + 20_000).map(|n| format!("機關{n}")).collect::<Vec<_>>();
        let (left, right) = (many(0), many(100_000));
        let names: Names = left.iter().map(String::as_str).collect();
        assert!(right.iter().all(|name| !names.has(name)) && left.iter().all(|name| names.has(name)));
    }
}
