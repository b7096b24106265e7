//! What must hold for any bytes that di-format reads: the fuzz targets parse, validate, subset and roster.
#![allow(dead_code, reason = "each target uses a part of this")]

use std::collections::HashSet;
use std::fmt::Write as _;

use di_format::display::{self, View};
use di_format::model::{AttributeType, Cm, Grammar, Presence, grammar};
use di_format::{
    Edition, Kind, LABELS, Limits, Reading, Severity, Verdict, check_file_name, named_files, read, write,
};

/// Any bytes at all.
pub(crate) fn parse(bytes: &[u8]) {
    let reading = judged(bytes);
    match named_files(bytes, &Limits::default()) {
        Ok(files) => {
            assert_ne!(reading.verdict, Verdict::Unreadable);
            assert_eq!(files, reading.companions());
        }
        Err(_) => assert!(
            reading.verdict == Verdict::Unreadable
                || reading.problems.iter().any(|problem| problem.label == "file-name")
        ),
    }
    if let Some(view) = View::of(&reading) {
        let said = display::text(&view, 40).len() + display::html(&view).len();
        assert!(said <= 64 * 1024 + 200 * bytes.len(), "{} bytes are shown in {said}", bytes.len());
    }
    // a file that was cut off somewhere, the place taken from the bytes themselves
    let sum = bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let cut = &bytes[..sum % (bytes.len() + 1)];
    let half = judged(cut);
    if half.verdict != Verdict::Unreadable && reading.verdict != Verdict::Unreadable {
        assert_eq!(half.root, reading.root, "only what follows the root element can be missing");
        assert_eq!((half.letter, half.roster), (reading.letter, reading.roster));
    }
}

/// A document of elements and attributes that a grammar knows, more or less at their places, judged by a matcher that
/// shares nothing with ours.
pub(crate) fn validate(bytes: &[u8]) {
    let mut choices = Choices { bytes, left: 400 };
    let kind = [Kind::Letter, Kind::Memo, Kind::Roster][choices.below(3)];
    let grammar = grammar(kind, Edition::E104);
    let mut out = format!(
        "<!DOCTYPE {} SYSTEM \"104_{}_utf8.dtd\" [<!ENTITY 表單 SYSTEM \"a.sw\" NDATA DI>\
         <!ENTITY ATTCH1 SYSTEM \"1.pdf\" NDATA _X><!NOTATION DI SYSTEM \"\"><!NOTATION _X SYSTEM \"\">]>",
        kind.root(),
        kind.code()
    );
    let mut right = true;
    element(kind.root(), grammar, &mut choices, 0, &mut out, &mut right);
    let reading = judged(out.as_bytes());
    assert_ne!(reading.verdict, Verdict::Unreadable, "{out}");
    assert_eq!(right, !reading.breaches_official(), "{out}\n{:?}", reading.problems);
}

/// Any internal subset, in front of a good letter.
pub(crate) fn subset(bytes: &[u8]) {
    let good = "<函><發文機關><全銜>甲</全銜><機關代碼>A000000001</機關代碼></發文機關><函類別/><地址/><聯絡方式/>\
                <受文者><交換表 交換表單=\"表單\"/></受文者><發文日期><年月日/></發文日期><發文字號><文字/></發文字號>\
                <主旨><文字/></主旨><正本><全銜>乙</全銜></正本></函>";
    let mut text = b"<!DOCTYPE \xE5\x87\xBD SYSTEM \"104_2_utf8.dtd\" [".to_vec();
    text.extend_from_slice(bytes);
    text.extend_from_slice(b"\n]>");
    text.extend_from_slice(good.as_bytes());
    let reading = judged(&text);
    let given = String::from_utf8_lossy(&text);
    let mut volume = 0;
    for entity in &reading.entities {
        for part in [&entity.name, &entity.file, &entity.notation] {
            assert!(
                reading.encoding.as_str() != "utf-8" || given.contains(part),
                "{part:?} came from nowhere"
            );
            volume += part.len();
        }
    }
    assert!(volume <= text.len() * 3, "nothing expands");
    let declared = reading.entities.len() + reading.notations.len();
    assert!(declared <= Limits::default().entities && declared <= text.len() / 10);
    if reading.verdict != Verdict::Unreadable && reading.root == "函" && !given.contains("<函>\n") {
        let names: HashSet<_> = reading.entities.iter().map(|entity| &entity.name).collect();
        let known = names.iter().any(|name| *name == "表單");
        let said = reading.problems.iter().any(|problem| problem.label == "entity-undeclared");
        let other_root = given.matches("<函>").count() > 1;
        assert!(other_root || known != said || reading.problems.len() > 1000, "{:?}", reading.problems);
    }
}

/// Rosters: raw content, or entries put together by choices.
pub(crate) fn roster(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_first() else { return };
    let edition = ["97_roster.dtd", "104_roster_utf8.dtd"][usize::from(how >> 1 & 1)];
    let mut text = format!("<!DOCTYPE 交換表單 SYSTEM \"{edition}\"><交換表單>").into_bytes();
    if how & 1 == 0 {
        text.extend_from_slice(rest);
    } else {
        let mut choices = Choices { bytes: rest, left: 2000 };
        while !choices.bytes.is_empty() {
            text.extend_from_slice(roster_part(&mut choices).as_bytes());
        }
    }
    text.extend_from_slice("</交換表單>".as_bytes());
    let reading = judged(&text);
    let Some(roster) = &reading.roster else { return };
    let elements = text.iter().filter(|byte| **byte == b'<').count();
    assert!(roster.lines.len() <= elements, "more lines than elements");
    assert!(reading.letter.is_none());
    for mailbox in roster.mailboxes() {
        assert!(mailbox.code.len() <= 17 || roster.lines.iter().any(|line| line.party.code.len() > 10));
    }
}

fn roster_part(choices: &mut Choices<'_>) -> String {
    let code = ["A00000000B", "", "A00000000BU111111", "A00", "U111111", "臺北"][choices.below(6)];
    let word = ["含附件", "不含附件", "", "附件", "甲機關", "a.pdf"][choices.below(6)];
    match choices.below(14) {
        0 => format!("<全銜>{word}</全銜><機關代碼>{code}</機關代碼>"),
        1 => format!("<單位名>{word}</單位名><機關代碼>{code}</機關代碼><單位代碼>U111111</單位代碼>"),
        2 => format!("<姓名>{word}</姓名><職稱/><機關代碼>{code}</機關代碼>"),
        3 => format!("<含附件>{word}</含附件>"),
        4 => "<本別><收發處理本別 代碼=\"副本\"/></本別>".to_owned(),
        5 => "<內含本文與附件之可攜式文件檔名>a.pdf</內含本文與附件之可攜式文件檔名>".to_owned(),
        6 => format!("<機關代碼>{code}</機關代碼>"),
        7 => format!("<單位代碼>{code}</單位代碼>"),
        8 => format!("<全銜>{word}</全銜>"),
        9 => format!("<職稱>{word}</職稱>"),
        10 => word.to_owned(),
        11 => "<!-- -->".to_owned(),
        12 => "<本別/>".to_owned(),
        _ => "\n".to_owned(),
    }
}

/// Reads, checks everything that holds for every reading, and gives it back.
fn judged(bytes: &[u8]) -> Reading {
    let limits = Limits::default();
    let reading = read(bytes, &limits);
    let again = read(bytes, &limits);
    assert_eq!(
        (&reading.problems, reading.verdict, &reading.letter, &reading.roster),
        (&again.problems, again.verdict, &again.letter, &again.roster),
        "read twice gives the same"
    );
    let worst = reading.problems.iter().map(|problem| problem.severity).max();
    let verdict = match worst {
        None => Verdict::Valid,
        Some(Severity::Warning) => Verdict::Tolerated,
        Some(Severity::Error) => Verdict::Invalid,
        Some(Severity::Fatal) => Verdict::Unreadable,
    };
    assert_eq!(reading.verdict, verdict, "{:?}", reading.problems);
    let unreadable = verdict == Verdict::Unreadable;
    assert_eq!(unreadable, reading.letter.is_none() && reading.roster.is_none());
    assert!(reading.letter.is_none() || reading.roster.is_none());
    assert!(unreadable || reading.kind.is_some_and(|kind| kind.root() == reading.root));
    assert!(reading.problems.len() <= limits.problems + 1);
    assert!(reading.problems.is_sorted_by_key(|problem| (problem.line, problem.column)));
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    for problem in &reading.problems {
        assert!(problem.line >= 1 && problem.column >= 1);
        assert!(problem.line as usize <= lines + 1 && problem.column as usize <= bytes.len() + 1);
        assert!(LABELS.iter().any(|known| known.0 == problem.label), "{}", problem.label);
        let said = problem.path.len() + problem.message.len() + problem.found.len() + problem.expected.len();
        assert!(said <= 16 * 1024, "{said} bytes about one problem: {}", problem.label);
        let official = reading.edition == Some(Edition::E104) && reading.kind.is_some_and(Kind::is_official);
        assert!(official || !problem.official, "{problem:?}");
    }
    for companion in reading.companions() {
        assert_eq!(check_file_name(&companion.file), Ok(()));
        assert!(reading.entities.iter().any(|entity| entity.file == companion.file) || !unreadable);
    }
    let files: HashSet<_> = reading.companions().iter().map(|companion| &companion.file).collect();
    assert_eq!(files.len(), reading.companions().len(), "each file once");
    if !unreadable {
        let said = format!("{:?}{:?}", reading.letter, reading.roster);
        assert!(said.len() <= 16 * 1024 + 64 * bytes.len(), "{} bytes became {}", bytes.len(), said.len());
    }
    if verdict == Verdict::Valid && reading.edition == Some(Edition::E104) {
        written_again(&reading);
    }
    reading
}

/// What a valid document says can be written, and says the same again.
fn written_again(reading: &Reading) {
    let write = |reading: &Reading| match (&reading.letter, &reading.roster) {
        (Some(letter), _) if letter.kind.is_official() => write::letter(letter).ok(),
        (_, Some(roster)) => write::roster(roster).ok(),
        _ => None,
    };
    // a writer may refuse what nobody should send, such as an attachment named twice
    let Some(bytes) = write(reading) else { return };
    let second = read(&bytes, &Limits { size: usize::MAX, ..Limits::default() });
    assert!(!second.breaches_official() && second.verdict.is_accepted(), "{:?}", second.problems);
    assert_eq!(
        flat(&format!("{:?}{:?}", reading.letter, reading.roster)),
        flat(&format!("{:?}{:?}", second.letter, second.roster)),
    );
    assert_eq!(write(&second).as_ref(), Some(&bytes), "written twice gives the same");
}

/// Without white space, which the writer changes within texts.
fn flat(said: &str) -> String {
    said.replace("\\n", "").replace("\\r", "").replace("\\t", "").replace(' ', "")
}

/// Decisions taken from bytes; always 0 when there are no more, or when too many were taken.
struct Choices<'a> {
    bytes: &'a [u8],
    left: u32,
}

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first().filter(|_| self.left > 0) else {
            self.bytes = &[];
            return 0;
        };
        self.left -= 1;
        self.bytes = rest;
        *first
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    /// True for one byte in 32, and never at the end.
    fn seldom(&mut self) -> bool {
        self.byte() > 247
    }
}

/// Prints one element with all that is in it; clears `right` where it leaves the document type.
fn element(
    name: &str,
    grammar: &Grammar,
    choices: &mut Choices<'_>,
    depth: usize,
    out: &mut String,
    right: &mut bool,
) {
    let _ = write!(out, "<{name}");
    let declared = grammar.attributes(name);
    for decl in declared {
        let needed = decl.presence == Presence::Required;
        if choices.seldom() {
            *right &= !needed;
            continue;
        }
        if !needed && choices.below(2) == 0 {
            continue;
        }
        let odd = choices.seldom();
        let (value, good) = match decl.kind {
            AttributeType::OneOf(values) if odd => ("x", values.contains(&"x")),
            AttributeType::OneOf(values) => (values[choices.below(values.len())], true),
            AttributeType::Entity if odd => (["", "無", "表單 ATTCH1"][choices.below(3)], false),
            AttributeType::Entity => (["表單", " 表單 ", "ATTCH1"][choices.below(3)], true),
            AttributeType::Entities if odd => (["", " ", "ATTCH1,ATTCH1", "a.pdf"][choices.below(4)], false),
            AttributeType::Entities => (["ATTCH1", "ATTCH1  表單"][choices.below(2)], true),
            AttributeType::Text => ("&#13;任意", true),
        };
        let _ = write!(out, " {}=\"{value}\"", decl.name);
        *right &= good;
    }
    if choices.seldom() && declared.iter().all(|decl| decl.name != "代碼") {
        out.push_str(" 代碼='1'");
        *right = false;
    }
    out.push('>');
    match grammar.content(name) {
        None => *right = false,
        Some(Cm::Any) => {}
        Some(Cm::Empty) => {
            if choices.seldom() {
                out.push(' ');
                *right = false;
            }
        }
        Some(Cm::Text) => {
            out.push_str(["", "文字", " <![CDATA[<]]>&amp;", "<!-- -->甲<?a b?>"][choices.below(4)]);
            if choices.seldom() {
                out.push_str("<文字/>");
                *right = false;
            }
        }
        Some(model) => {
            let mut children = Vec::new();
            grow(model, choices, depth, &mut children);
            while choices.seldom() {
                let at = choices.below(children.len() + 1);
                match choices.below(5) {
                    0 if at < children.len() => {
                        children.remove(at);
                    }
                    1 if at < children.len() => children.insert(at, children[at]),
                    2 if at < children.len() => children.swap(0, at),
                    3 => {
                        children.insert(at, ["文字", "全銜", "署名", "無", "正本", "機關"][choices.below(6)])
                    }
                    _ => {
                        out.push('字');
                        *right = false;
                    }
                }
            }
            *right &= ends(model, &children, 0).contains(&children.len());
            for child in children {
                if depth > 40 {
                    let _ = write!(out, "<{child}/>");
                    *right = false;
                    continue;
                }
                element(child, grammar, choices, depth + 1, out, right);
                out.push_str(["", "\r\n", "<!-- x -->", "<?a b?>"][choices.below(4)]);
            }
        }
    }
    let _ = write!(out, "</{name}>");
}

/// Children that a model allows.
fn grow(model: &Cm, choices: &mut Choices<'_>, depth: usize, children: &mut Vec<&'static str>) {
    let again = |choices: &mut Choices<'_>| choices.byte() > 127 && depth < 30;
    match model {
        Cm::Empty | Cm::Any | Cm::Text => {}
        Cm::El(name) => children.push(name),
        Cm::Seq(parts) => parts.iter().for_each(|part| grow(part, choices, depth, children)),
        Cm::Alt(parts) => grow(&parts[choices.below(parts.len())], choices, depth, children),
        Cm::Opt(part) => {
            if again(choices) {
                grow(part, choices, depth, children);
            }
        }
        Cm::Star(part) => {
            while again(choices) && children.len() < 40 {
                grow(part, choices, depth, children);
            }
        }
        Cm::Plus(part) => {
            grow(part, choices, depth, children);
            while again(choices) && children.len() < 40 {
                grow(part, choices, depth, children);
            }
        }
    }
}

/// Where a match of the model that begins at `start` can end: slow, and as plain as the definition.
fn ends(model: &Cm, children: &[&str], start: usize) -> HashSet<usize> {
    let then = |ends_of: &dyn Fn(usize) -> HashSet<usize>, from: HashSet<usize>| {
        from.into_iter().flat_map(ends_of).collect::<HashSet<_>>()
    };
    match model {
        Cm::Empty | Cm::Any | Cm::Text => [start].into(),
        Cm::El(name) => {
            children.get(start).filter(|child| *child == name).map(|_| start + 1).into_iter().collect()
        }
        Cm::Seq(parts) => {
            parts.iter().fold([start].into(), |from, part| then(&|at| ends(part, children, at), from))
        }
        Cm::Alt(parts) => parts.iter().flat_map(|part| ends(part, children, start)).collect(),
        Cm::Opt(part) => ends(part, children, start).into_iter().chain([start]).collect(),
        Cm::Star(part) | Cm::Plus(part) => {
            let mut all: HashSet<usize> =
                if matches!(model, Cm::Star(_)) { [start].into() } else { ends(part, children, start) };
            loop {
                let more = then(&|at| ends(part, children, at), all.clone());
                let before = all.len();
                all.extend(more);
                if all.len() == before {
                    return all;
                }
            }
        }
    }
}
