//! Our reader held against roxmltree: the same documents are well-formed, and they say the same.

use roxmltree::NodeType;

use super::Document;
use crate::Limits;

#[path = "../../../fuzz/targets/drive.rs"]
mod drive;

/// What a document says, by our tree. White space alone says nothing, and neighbouring texts are one.
fn ours(text: &str, limits: &Limits) -> Option<String> {
    let document = Document::parse(text, limits).ok()?;
    let mut said = String::new();
    let mut open = Vec::new();
    for node in document.root_element().descendants() {
        while let Some(end) = open.pop_if(|end| *end <= node.range().start) {
            said.push_str(&format!(")@{end}"));
        }
        if let Some(text) = node.text() {
            said.push_str(&format!("{:?}", lead(text)));
            continue;
        }
        let more = if node.holds_more() && node.first_child().is_none() { "+" } else { "" };
        said.push_str(&format!("({}@{}{more}", node.name(), node.range().start));
        for one in node.attributes() {
            assert_eq!(node.attribute(one.name()), Some(one.value()));
            said.push_str(&format!(" {}={:?}@{:?}", one.name(), one.value(), one.range()));
        }
        assert_eq!(
            node.children().count(),
            node.descendants()
                .filter(|one| one.parent_element().is_some_and(|above| above.number() == node.number()))
                .count()
        );
        open.push(node.range().end);
    }
    open.reverse();
    for end in open {
        said.push_str(&format!(")@{end}"));
    }
    Some(said)
}

/// White space at the start of a text is kept by one and not by the other, and read by nobody.
fn lead(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}

fn theirs(text: &str) -> Option<String> {
    let document = roxmltree::Document::parse(text).ok()?;
    let mut said = String::new();
    element(document.root_element(), &mut said);
    Some(said)
}

fn element(node: roxmltree::Node<'_, '_>, said: &mut String) {
    let source = node.document().input_text();
    let blank = |text: &str| text.chars().all(|one| matches!(one, ' ' | '\t' | '\r' | '\n'));
    let mut inside = String::new();
    let (mut more, mut run) = (false, None::<String>);
    let closed = |run: &mut Option<String>, inside: &mut String| {
        if let Some(text) = run.take() {
            inside.push_str(&format!("{:?}", lead(&text)));
        }
    };
    for child in node.children() {
        match child.node_type() {
            NodeType::Element => {
                closed(&mut run, &mut inside);
                element(child, &mut inside);
            }
            NodeType::Text => {
                let text = child.text().unwrap();
                // its range is that of its first part only
                let next = child.next_sibling().map(|next| next.range().start);
                let end = next.unwrap_or_else(|| node.range().end);
                let section = source[child.range().start..end].contains("<![CDATA[");
                match &mut run {
                    Some(run) => run.push_str(text),
                    None if blank(text) && !section => more = true,
                    None => run = Some(text.to_owned()),
                }
            }
            _ => more = true,
        }
    }
    closed(&mut run, &mut inside);
    let more = if more && inside.is_empty() { "+" } else { "" };
    said.push_str(&format!("({}@{}{more}", node.tag_name().name(), node.range().start));
    for one in node.attributes() {
        said.push_str(&format!(" {}={:?}@{:?}", one.name(), one.value(), one.range()));
    }
    said.push_str(&format!("{inside})@{}", node.range().end));
}

#[test]
fn says_what_roxmltree_says() {
    let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let folders = ["good", "tolerated", "bad"].map(|name| vectors.join(name));
    let mut seeds: Vec<Vec<u8>> = drive::files(&folders)
        .into_iter()
        .filter_map(|file| Some(String::from_utf8(file).ok()?.replace(':', "-")))
        .filter_map(|text| {
            Some(text.split_once("]>").or_else(|| text.split_once(".dtd\">"))?.1.trim_start().into())
        })
        .collect();
    seeds.push(b"<a>x<![CDATA[y]]> <!-- --> z<b/> <![CDATA[ ]]></a>".into());
    seeds.push("<a b=' \t\n&#10;\r\n' c='&quot;'>&#x51FD;\r\n<?a b?>]] ></a><!-- --> ".into());
    let compared = std::cell::Cell::new((0, 0));
    drive::run_with(
        |bytes| {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            // it keeps a lone carriage return at the end of a text (XML 1.0 §2.11 makes it a line feed)
            if text.replace("\r\n", "").contains('\r') {
                return;
            }
            // ours knows no namespaces, roxmltree no end to its depth
            if !text.starts_with('<') || text.contains(':') || text.contains("xmlns") {
                return;
            }
            let limits = Limits { depth: 1000, attributes: 1000, name: 10_000, ..Limits::default() };
            let (ours, theirs) = (ours(text, &limits), theirs(text));
            // it takes <?a;?> for an instruction, which XML 1.0 (§2.6) does not
            if ours.is_none() && theirs.is_some() && text.contains("<?") {
                return;
            }
            assert_eq!(ours, theirs, "{text}\n{:?}", Document::parse(text, &limits).err());
            let (all, good) = compared.get();
            compared.set((all + 1, good + usize::from(ours.is_some())));
        },
        &seeds,
        &drive::words(),
    );
    let (all, good) = compared.get();
    println!("{all} texts compared, {good} well-formed");
    assert!(all > 250 && good > 50, "{all} texts compared, {good} well-formed");
}

#[test]
fn what_breaks_well_formedness() {
    let wrong = |text: &str| {
        let refused = Document::parse(text, &Limits::default()).unwrap_err();
        (refused.label, refused.at)
    };
    for (text, label, at) in [
        ("<a>", "malformed", 3),
        ("<a", "malformed", 2),
        ("<a></b>", "malformed", 3),
        ("<a></ab>", "malformed", 3),
        ("<a/><b/>", "malformed", 4),
        ("<a/>x", "malformed", 4),
        ("<a b='1' b='2'/>", "malformed", 9),
        ("<a b='1'c='2'/>", "malformed", 8),
        ("<a b='<'/>", "malformed", 6),
        ("<a b=1/>", "malformed", 5),
        ("<a>]]></a>", "malformed", 3),
        ("<a><!-- -- --></a>", "malformed", 3),
        ("<a>&x;</a>", "entity-reference", 3),
        ("<a b='&x;'/>", "entity-reference", 6),
        ("<a>& </a>", "malformed", 3),
        ("<a>&#0;</a>", "character", 3),
        ("<a>&#x110000;</a>", "character", 3),
        ("<a>&#;</a>", "malformed", 3),
        ("<a>\u{1}</a>", "character", 3),
        ("<a>\u{FFFE}</a>", "character", 3),
        ("<a><!--\u{0}--></a>", "character", 7),
        ("<a></b>\u{0}", "malformed", 3),
        ("<1/>", "malformed", 1),
        ("<a><?xml a?></a>", "malformed", 3),
        ("<a><!DOCTYPE a></a>", "malformed", 3),
    ] {
        assert_eq!(wrong(text), (label, at), "{text}");
    }
}

#[test]
fn limits_hold() {
    let limits = Limits { depth: 2, attributes: 2, name: 3, nodes: 5, ..Limits::default() };
    let label = |text: &str| Document::parse(text, &limits).map_or_else(|refused| refused.label, |_| "");
    assert_eq!(label("<a><b/><b><!-- <c><c><c> --></b></a>"), "");
    assert_eq!(label("<a><b><c></c></b></a>"), "too-deep");
    assert_eq!(label("<a x='<>' y='\"'/>"), "malformed");
    assert_eq!(label("<a x='1' y='2'/>"), "");
    assert_eq!(label("<a x='1' y='2' z='3'/>"), "too-many");
    assert_eq!(label("<函函函 一二三='1'/>"), "");
    assert_eq!(label("<函函函函/>"), "name-too-long");
    assert_eq!(label("<a 一二三四='1'/>"), "name-too-long");
    assert_eq!(label("<a><b/><b/><b/><b/></a>"), "");
    assert_eq!(label("<a><b/><b/><b/><b/><b/></a>"), "too-many");
    assert_eq!(label("<a><b/>x<b y=''/></a>"), "");
    assert_eq!(label("<a><b/>x<b y=''/>z</a>"), "too-many");
}
