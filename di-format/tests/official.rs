//! Our content models against the official DTDs: their text compared, and their judgement on many broken documents.
//!
//! Where xmllint and we differ, on purpose or by its ways, and what the mutants therefore leave out (docs/di.md has the
//! same list):
//! - xmllint takes file names in SYSTEM literals for URIs and calls those with Chinese characters or blanks invalid; for
//!   us they are names. The mutants' names are ASCII.
//! - A repeated notation is a breach for both, but xmllint's message names no file: it has a test of its own.
//! - Parsed and parameter entities, ELEMENT and ATTLIST in the internal subset, PUBLIC identifiers: we refuse them as
//!   unreadable, xmllint obeys them. Not among the mutants, but among the vectors.
//! - A document of another root element is unreadable for us and not valid for xmllint: the same in the comparison.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod shared;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use di_format::{Kind, Limits, model, read};

/// Declarations of a DTD without comments and white space, as `ELEMENT name` and `ATTLIST name attribute`.
fn declarations(text: &str) -> BTreeMap<String, String> {
    let mut bare = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        bare.push_str(before);
        rest = comment.split_once("-->").unwrap().1;
    }
    bare.push_str(rest);
    let squeeze = |text: &str| text.split_whitespace().collect::<String>();
    let mut found = BTreeMap::new();
    for part in bare.split("<!").skip(1) {
        let body = part.split('>').next().unwrap();
        let mut words = body.split_whitespace();
        let (keyword, name) = (words.next().unwrap(), words.next().unwrap());
        let (key, value) = match keyword {
            "ELEMENT" => (format!("ELEMENT {name}"), squeeze(body.split_once(name).unwrap().1)),
            "ATTLIST" => {
                let attribute = words.next().unwrap();
                // the attribute's name may occur in the element's, so cut from the left, word by word
                let after = body.split_once(name).unwrap().1;
                (format!("ATTLIST {name} {attribute}"), squeeze(after.split_once(attribute).unwrap().1))
            }
            _ => continue,
        };
        assert!(found.insert(key.clone(), value).is_none(), "{key} twice");
    }
    found
}

/// The names of the elements in the order of their declarations.
fn order(text: &str) -> Vec<&str> {
    text.split("<!ELEMENT").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect()
}

/// Equal up to redundant parentheses: (a,(b,c)) is (a,b,c), ((a)+) is (a)+.
fn plain(model: &str) -> String {
    let mut model = model.to_owned();
    loop {
        let simpler = model
            .replace("(單位名,(機關代碼,單位代碼))", "(單位名,機關代碼,單位代碼)")
            .replace("((職稱,姓名?)+)", "(職稱,姓名?)+")
            .replace("((姓名,職稱?)+)", "(姓名,職稱?)+")
            .replace("|(文字))", "|文字)");
        if simpler == model {
            return model;
        }
        model = simpler;
    }
}

#[test]
fn tables_say_what_the_official_files_say() {
    let Some(official) = shared::official() else { return };
    let load = |name: &str| std::fs::read_to_string(official.join(name)).unwrap();
    for kind in [Kind::Letter, Kind::Memo, Kind::Roster] {
        let root = load(&format!("104_{}_utf8.dtd", kind.code()));
        let all = [root, load("104_basic_utf8.ent"), load("104_exchange_utf8.ent")].concat();
        assert_eq!(order(&model::dtd(kind)), order(&all), "{kind}: a reader compares line by line");
        let theirs = declarations(&all);
        let ours = declarations(&model::dtd(kind));
        let keys = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&ours), keys(&theirs), "{kind}");
        for (key, model) in &theirs {
            assert_eq!(plain(&ours[key]), plain(model), "{kind}: {key}");
        }
    }
}

/// Numbers from a seed (SplitMix64), the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// A document as a tree that can be broken and printed again.
#[derive(Clone)]
struct Tree {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Child>,
}

#[derive(Clone)]
enum Child {
    Tree(Tree),
    Text(String),
}

fn grow(node: roxmltree::Node<'_, '_>) -> Tree {
    Tree {
        name: node.tag_name().name().to_owned(),
        attributes: node.attributes().map(|a| (a.name().to_owned(), a.value().to_owned())).collect(),
        children: node
            .children()
            .filter_map(|child| {
                if child.is_element() {
                    return Some(Child::Tree(grow(child)));
                }
                child.text().filter(|text| !text.trim().is_empty()).map(|text| Child::Text(text.to_owned()))
            })
            .collect(),
    }
}

fn print(tree: &Tree, out: &mut String) {
    let _ = write!(out, "<{}", tree.name);
    for (name, value) in &tree.attributes {
        let _ = write!(out, " {name}=\"{value}\"");
    }
    if tree.children.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for child in &tree.children {
        match child {
            Child::Tree(tree) => print(tree, out),
            Child::Text(text) => out.push_str(&text.replace("& ", "&amp; ")),
        }
    }
    let _ = writeln!(out, "</{}>", tree.name);
}

/// The tree below the `number`-th element, counted from the root (0).
fn nth<'t>(tree: &'t mut Tree, number: &mut usize) -> Option<&'t mut Tree> {
    if *number == 0 {
        return Some(tree);
    }
    *number -= 1;
    tree.children.iter_mut().find_map(|child| match child {
        Child::Tree(tree) => nth(tree, number),
        Child::Text(_) => None,
    })
}

fn count(tree: &Tree) -> usize {
    1 + tree
        .children
        .iter()
        .map(|child| if let Child::Tree(tree) = child { count(tree) } else { 0 })
        .sum::<usize>()
}

const NAMES: &[&str] = &[
    "全銜",
    "姓名",
    "職稱",
    "單位名",
    "總稱",
    "機關代碼",
    "單位代碼",
    "含附件",
    "文字",
    "段落",
    "條列",
    "正本",
    "副本",
    "署名",
    "附件",
    "附件檔名",
    "交換表",
    "速別",
    "密等",
    "函類別",
    "年月日",
    "本別",
    "收發處理本別",
    "主旨",
    "文號",
    "字",
    "會辦機關",
    "決行",
    "無此元素",
    "公文類別",
    "單位",
    "擬辦方式",
    "敬陳",
    "發文字號",
    "流水號",
];
const VALUES: &[&str] = &[
    "",
    "函",
    "書函",
    "普通",
    "普通件",
    "密",
    "1",
    "6",
    "7",
    "ATTCH1",
    "ATTCH1 ATTCH2",
    "ATTCH3",
    "表單",
    "a b",
    " 速件 ",
];

/// Takes a text out of a tree: the first one from the `number`-th element on, if there is one.
fn take_text(tree: &mut Tree, number: usize) -> Option<Child> {
    for number in number..count(tree) {
        let element = nth(tree, &mut { number })?;
        let at = element.children.iter().position(|child| matches!(child, Child::Text(_)));
        if let Some(at) = at {
            return Some(element.children.remove(at));
        }
    }
    None
}

fn mutate(tree: &mut Tree, numbers: &mut Numbers) -> &'static str {
    let (all, how) = (count(tree), numbers.below(14));
    let mut number = numbers.below(all);
    if how == 13 {
        let Some(text) = take_text(tree, number) else { return "nothing" };
        let mut to = numbers.below(count(tree));
        let target = nth(tree, &mut to).unwrap();
        target.children.insert(numbers.below(target.children.len() + 1), text);
        return "move text";
    }
    // the next element that the change suits
    let fits = |element: &Tree| match how {
        0 | 1 | 9 => !element.children.is_empty(),
        2 => element.children.len() > 1,
        6 | 7 | 11 => !element.attributes.is_empty(),
        _ => true,
    };
    for _ in 0..all {
        if fits(nth(tree, &mut { number }).unwrap()) {
            break;
        }
        number = (number + 1) % all;
    }
    let target = nth(tree, &mut number).unwrap();
    let many = target.children.len();
    match how {
        0 if many > 0 => {
            target.children.remove(numbers.below(many));
            "drop"
        }
        1 if many > 0 => {
            let copy = target.children[numbers.below(many)].clone();
            target.children.insert(numbers.below(many + 1), copy);
            "repeat"
        }
        2 if many > 1 => {
            target.children.swap(numbers.below(many), numbers.below(many));
            "swap"
        }
        3 => {
            NAMES[numbers.below(NAMES.len())].clone_into(&mut target.name);
            "rename"
        }
        4 => {
            let name = NAMES[numbers.below(NAMES.len())].to_owned();
            let tree = Tree { name, attributes: Vec::new(), children: Vec::new() };
            target.children.insert(numbers.below(many + 1), Child::Tree(tree));
            "insert"
        }
        5 => {
            target.children.insert(numbers.below(many + 1), Child::Text("文字內容".to_owned()));
            "text"
        }
        6 if !target.attributes.is_empty() => {
            let at = numbers.below(target.attributes.len());
            VALUES[numbers.below(VALUES.len())].clone_into(&mut target.attributes[at].1);
            "value"
        }
        7 if !target.attributes.is_empty() => {
            target.attributes.clear();
            "no attribute"
        }
        8 => {
            let name = ["代碼", "段名", "序號", "附件名", "交換表單", "無此屬性"][numbers.below(6)];
            if target.attributes.iter().all(|known| known.0 != name) {
                let value = VALUES[numbers.below(VALUES.len())].to_owned();
                target.attributes.push((name.to_owned(), value));
            }
            "attribute"
        }
        9 if many > 0 => {
            // an element gives way to its children
            let at = numbers.below(many);
            if let Child::Tree(inner) = target.children[at].clone() {
                target.children.splice(at..=at, inner.children);
            }
            "unwrap"
        }
        10 => {
            target.children.clear();
            "empty"
        }
        11 if !target.attributes.is_empty() => {
            let name = ["代碼", "段名", "序號", "附件名", "無此屬性"][numbers.below(5)];
            let at = numbers.below(target.attributes.len());
            if target.attributes.iter().all(|known| known.0 != name) {
                name.clone_into(&mut target.attributes[at].0);
            }
            "rename attribute"
        }
        _ => {
            let blank = [" ", "\n", "<!-- x -->", "<?x y?>", "&#32;", "<![CDATA[ ]]>", "<![CDATA[字]]>"]
                [numbers.below(7)];
            target.children.push(Child::Text(blank.to_owned()));
            "blank"
        }
    }
}

const SEEDS: &[(&str, &str)] = &[
    ("2", include_str!("../vectors/good/letter-full.di")),
    ("2", include_str!("../vectors/good/letter-inline.di")),
    ("5", include_str!("../vectors/good/memo.di")),
    ("roster", include_str!("../vectors/good/roster.sw")),
];

fn prolog(name: &str, code: &str, numbers: &mut Numbers) -> String {
    let mut subset = vec![
        "<!ENTITY ATTCH1 SYSTEM \"a1.pdf\" NDATA _X>",
        "<!ENTITY ATTCH2 SYSTEM \"a2.pdf\" NDATA _X>",
        "<!ENTITY 表單 SYSTEM \"a.sw\" NDATA DI>",
        "<!NOTATION DI SYSTEM \"\">",
        "<!NOTATION _X SYSTEM \"\">",
    ];
    // now and then a declaration is missing or has another place
    match numbers.below(30) {
        0 => {
            subset.remove(numbers.below(5));
        }
        1 => subset.swap(0, 4),
        2 => subset.push("<!ENTITY ATTCH1 SYSTEM \"a3.pdf\" NDATA _X>"),
        _ => {}
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE {name} SYSTEM \"104_{code}_utf8.dtd\" [\n{}\n]>\n",
        subset.join("\n")
    )
}

/// Breaks documents and compares the judgement of each with that of xmllint under the DTDs in `dtds`.
fn differential(dtds: &Path, label: &str) {
    let mutants: usize = std::env::var("DI_MUTANTS").ok().map_or(1000, |number| number.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    shared::lay_out(dtds, dir.path());
    let mut numbers = Numbers(104);
    let (mut files, mut texts) = (Vec::new(), Vec::new());
    for number in 0..mutants {
        let (code, seed) = SEEDS[number % SEEDS.len()];
        let body =
            seed.split_once("]>").map_or_else(|| seed.split_once(".dtd\">").unwrap().1, |parts| parts.1);
        let mut tree = grow(roxmltree::Document::parse(body.trim_start()).unwrap().root_element());
        let name = tree.name.clone();
        let mut how = Vec::new();
        for _ in 0..numbers.below(3) + usize::from(number >= SEEDS.len()) {
            how.push(mutate(&mut tree, &mut numbers));
        }
        let mut text = prolog(&name, code, &mut numbers);
        print(&tree, &mut text);
        let file = format!("m{number}.xml");
        std::fs::write(dir.path().join(&file), &text).unwrap();
        files.push(file);
        texts.push((text, how));
    }
    let (mut valid, mut unreadable, mut apart) = (0, 0, Vec::new());
    for (said, (text, how)) in shared::xmllint(dir.path(), &files).iter().zip(&texts) {
        let reading = read(text.as_bytes(), &Limits::default());
        // a renamed root is no DI at all for us, and a validity error for xmllint
        let ours = !reading.breaches_official() && reading.letter.is_some() | reading.roster.is_some();
        unreadable += usize::from(reading.verdict == di_format::Verdict::Unreadable);
        valid += usize::from(ours);
        if ours != said.is_empty() {
            apart.push(format!("{how:?}\nwe: {:?}\nxmllint: {said}\n{text}\n", reading.problems));
        }
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in texts.iter().flat_map(|(_, how)| how) {
        *kinds.entry(kind).or_default() += 1;
    }
    println!("changes: {kinds:?}");
    assert!(kinds.len() > 13, "{kinds:?}");
    println!(
        "{mutants} mutants ({label}): {valid} valid for both, {unreadable} unreadable, {} apart",
        apart.len()
    );
    assert!(apart.is_empty(), "{} of {mutants} apart, the first:\n{}", apart.len(), apart[0]);
    assert!(
        valid * 20 > mutants && valid * 2 < mutants,
        "{valid} of {mutants} valid: the mutants show little"
    );
}

#[test]
fn judges_as_xmllint_does_with_the_official_dtds() {
    if let Some(official) = shared::official() {
        differential(&official, "official DTDs");
    }
}

/// A repeated notation is a breach for both, but xmllint names no file in that message, so it is not among the mutants.
#[test]
fn a_repeated_notation_is_a_breach() {
    let printed = shared::printed();
    let text = SEEDS[2].1.replace("]>", "<!NOTATION _X PUBLIC \"x\">\n]>");
    std::fs::write(printed.path().join("x.xml"), &text).unwrap();
    let judge = std::process::Command::new("xmllint")
        .current_dir(printed.path())
        .args(["--noout", "--valid", "x.xml"])
        .output()
        .unwrap();
    assert!(!judge.status.success());
    let reading = read(text.as_bytes(), &Limits::default());
    assert_eq!(
        reading.problems.iter().map(|p| (p.label, p.official)).collect::<Vec<_>>(),
        [("notation-repeated", true)]
    );
}

#[test]
fn judges_as_xmllint_does_with_our_printed_dtds() {
    differential(shared::printed().path(), "printed DTDs");
}
