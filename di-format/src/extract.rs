//! From the tree to a [`Letter`] or [`Roster`], whatever the order: what is known is taken, what is not is kept as extra.

use std::collections::HashSet;

use roxmltree::Node;

use crate::check_file_name;
use crate::letter::{
    Attachments, Classification, Entry, Extra, Item, Letter, Name, Number, Paragraph, Person, Recipient,
};
use crate::model::Kind;
use crate::roster::{Line, Party, Roster, attachments_word};
use crate::validate::{Entities, attachment_tokens, name_of, text_of};

/// The child elements with their names.
fn elements<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = (&'i str, Node<'a, 'i>)> {
    node.children().filter(Node::is_element).map(|child| (name_of(child), child))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    elements(node).find(|(known, _)| *known == name).map(|(_, child)| child)
}

fn child_text(node: Node<'_, '_>, name: &str) -> Option<String> {
    child(node, name).map(text_of)
}

/// An attribute with blanks at both ends removed, as for all types but CDATA.
fn token(node: Node<'_, '_>, name: &str) -> Option<String> {
    node.attribute(name).map(|value| value.trim_matches(' ').to_owned()).filter(|value| !value.is_empty())
}

/// 文字 in an element such as 主旨; text directly in it if there is none.
fn inner_text(node: Node<'_, '_>) -> String {
    child_text(node, "文字").unwrap_or_else(|| text_of(node))
}

pub(crate) fn letter(kind: Kind, root: Node<'_, '_>, entities: &Entities<'_>) -> Letter {
    let mut letter = Letter::new(kind);
    letter.category.clear();
    for (name, node) in elements(root) {
        match name {
            "發文機關" | "單位" | "機關" => letter.senders.push(party(node)),
            "函類別" => letter.category = token(node, "代碼").unwrap_or_else(|| "函".to_owned()),
            "令類別" => letter.category = token(node, "代碼").unwrap_or_else(|| "獎懲令".to_owned()),
            "地址" => letter.address = text_of(node),
            "聯絡方式" => letter.contacts.push(text_of(node)),
            "聯絡人及電話" => letter.contacts.extend(elements(node).map(|(_, part)| text_of(part))),
            "受文者" => letter.recipient = recipient(node, entities),
            "發文日期" => letter.date = child_text(node, "年月日").unwrap_or_else(|| text_of(node)),
            "年月日" => letter.date = text_of(node),
            "發文字號" => letter.numbers.push(number(node)),
            "文號" => letter.numbers.push(parts(String::new(), Some(node))),
            "速別" => letter.priority = token(node, "代碼").unwrap_or_else(|| "普通件".to_owned()),
            "密等及解密條件或保密期限" | "密等及解密條件" => {
                letter.classification = classification(node)
            }
            "密等" => letter.classification.level = level(node),
            "擬辦方式" => letter.handling = Some(token(node, "代碼").unwrap_or_else(|| "1".to_owned())),
            "附件" => attach(&mut letter.attachments, node, entities),
            "主旨" | "開會事由" | "會勘事由" | "案情摘要" => letter.subject = inner_text(node),
            "段落" => letter.paragraphs.push(paragraph(node)),
            "備註" => letter
                .paragraphs
                .extend(elements(node).filter(|(name, _)| *name == "段落").map(|(_, part)| paragraph(part))),
            "正本" | "出席者" => entries(node, &mut letter.originals),
            "副本" | "列席者" => entries(node, &mut letter.copies),
            "敬陳" => letter.submitted_to = persons(node),
            "署名" => letter.signatures.push(text_of(node)),
            _ => letter.extra.push(Extra { name: name.to_owned(), text: all_text(node) }),
        }
    }
    letter
}

fn all_text(node: Node<'_, '_>) -> String {
    let texts: Vec<&str> = node
        .descendants()
        .filter_map(|part| part.is_text().then(|| part.text()).flatten())
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    texts.join(" ")
}

fn party(node: Node<'_, '_>) -> Party {
    let mut party = Party { name: Name::Text(text_of(node)), code: String::new(), unit: None };
    for (name, node) in elements(node) {
        match name {
            "機關代碼" => party.code = text_of(node),
            "單位代碼" => party.unit = Some(text_of(node)),
            _ => {
                if let Some(name) = named(name, node) {
                    party.name = name;
                } else if let ("職稱", Name::Person { title, .. }) = (name, &mut party.name) {
                    *title = Some(text_of(node));
                }
            }
        }
    }
    party
}

/// The element that starts an entry of a flat list, as a name.
fn named(name: &str, node: Node<'_, '_>) -> Option<Name> {
    match name {
        "全銜" => Some(Name::Organisation(text_of(node))),
        "單位名" => Some(Name::Unit(text_of(node))),
        "總稱" => Some(Name::Group(text_of(node))),
        "姓名" => Some(Name::Person { name: text_of(node), title: None }),
        _ => None,
    }
}

fn recipient(node: Node<'_, '_>, entities: &Entities<'_>) -> Option<Recipient> {
    if let Some(table) = child(node, "交換表") {
        let entity = table.attribute("交換表單").unwrap_or_default().trim_matches(' ');
        let file = entities.get(entity).map(|entity| entity.file.clone());
        return Some(Recipient::Roster { text: text_of(table), file });
    }
    if let Some(line) = lines(node).into_iter().next() {
        return Some(Recipient::One(Box::new(line)));
    }
    let text = text_of(node);
    (!text.is_empty()).then_some(Recipient::Text(text))
}

fn number(node: Node<'_, '_>) -> Number {
    match (child(node, "文號"), child_text(node, "文字")) {
        (None, Some(text)) => Number::Text(text),
        (None, None) if child(node, "字").is_none() => Number::Text(text_of(node)),
        (inner, _) => parts(child_text(node, "字").unwrap_or_default(), inner),
    }
}

fn parts(word: String, node: Option<Node<'_, '_>>) -> Number {
    let part = |name| node.and_then(|node| child_text(node, name)).unwrap_or_default();
    let branch = part("支號");
    let none = branch.chars().all(|character| matches!(character, '0' | '０'));
    Number::Parts { word, year: part("年度"), serial: part("流水號"), branch: (!none).then_some(branch) }
}

fn classification(node: Node<'_, '_>) -> Classification {
    let condition = child_text(node, "解密條件或保密期限").or_else(|| child_text(node, "解密條件"));
    Classification { level: child(node, "密等").and_then(level), condition: condition.unwrap_or_default() }
}

fn level(node: Node<'_, '_>) -> Option<String> {
    token(node, "代碼").or_else(|| Some(text_of(node))).filter(|level| !matches!(level.as_str(), "" | "普通"))
}

/// The file names that 附件名 leads to: entity first, then file name.
pub(crate) fn attachment_files<'a>(
    value: &'a str,
    entities: &'a Entities<'_>,
) -> impl Iterator<Item = &'a str> {
    attachment_tokens(value).filter_map(|token| match entities.get(token) {
        Some(entity) => Some(entity.file.as_str()),
        None if token.contains('.') && check_file_name(token).is_ok() => Some(token),
        None => None,
    })
}

fn attach(attachments: &mut Attachments, node: Node<'_, '_>, entities: &Entities<'_>) {
    let caption = child_text(node, "文字").unwrap_or_default();
    if attachments.caption.is_empty() {
        attachments.caption = caption;
    }
    let mut seen: HashSet<String> = attachments.files.iter().cloned().collect();
    for (_, node) in elements(node).filter(|(name, _)| *name == "附件檔名") {
        for file in attachment_files(node.attribute("附件名").unwrap_or_default(), entities) {
            if seen.insert(file.to_owned()) {
                attachments.files.push(file.to_owned());
            }
        }
    }
}

fn paragraph(node: Node<'_, '_>) -> Paragraph {
    Paragraph {
        name: node.attribute("段名").unwrap_or_default().to_owned(),
        text: child_text(node, "文字"),
        items: items(node),
    }
}

/// The depth of this recursion is bounded by `Limits::depth`.
fn items(node: Node<'_, '_>) -> Vec<Item> {
    elements(node)
        .filter(|(name, _)| *name == "條列")
        .map(|(_, node)| Item {
            marker: node.attribute("序號").unwrap_or_default().to_owned(),
            text: child_text(node, "文字"),
            items: items(node),
        })
        .collect()
}

fn entries(node: Node<'_, '_>, into: &mut Vec<Entry>) {
    let before = into.len();
    for (name, child) in elements(node) {
        if let Some(name) = named(name, child) {
            into.push(Entry { name, attachments: None });
            continue;
        }
        let Some(entry) = into.last_mut() else { continue };
        match (name, &mut entry.name) {
            ("職稱", Name::Person { title, .. }) => *title = Some(text_of(child)),
            ("含附件", _) => entry.attachments = attachments_word(&text_of(child)),
            _ => {}
        }
    }
    let text = text_of(node);
    if into.len() == before && !text.is_empty() {
        into.push(Entry { name: Name::Text(text), attachments: None });
    }
}

fn persons(node: Node<'_, '_>) -> Vec<Person> {
    let mut persons: Vec<Person> = Vec::new();
    for (name, child) in elements(node) {
        let text = Some(text_of(child));
        match (name, persons.last_mut()) {
            ("職稱", _) => persons.push(Person { title: text, name: None }),
            ("姓名", Some(person)) if person.name.is_none() => person.name = text,
            ("姓名", _) => persons.push(Person { title: None, name: text }),
            _ => {}
        }
    }
    persons
}

/// Groups a flat list: a name starts an entry, everything else belongs to the entry before it, first value first.
fn lines(node: Node<'_, '_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    // a second 含附件 in a row belongs to an entry that the producer left out
    let mut attachments_said = false;
    for (name, child) in elements(node) {
        if let Some(name) = named(name, child) {
            let party = Party { name, code: String::new(), unit: None };
            lines.push(Line { party, attachments: None, combined_file: None, copy: None });
            attachments_said = false;
            continue;
        }
        let Some(line) = lines.last_mut() else { continue };
        match name {
            "職稱" => {
                if let Name::Person { title: title @ None, .. } = &mut line.party.name {
                    *title = Some(text_of(child));
                }
            }
            "機關代碼" if line.party.code.is_empty() => line.party.code = text_of(child),
            "單位代碼" if line.party.unit.is_none() => line.party.unit = Some(text_of(child)),
            "含附件" if !attachments_said => {
                line.attachments = attachments_word(&text_of(child));
                attachments_said = true;
            }
            "內含本文與附件之可攜式文件檔名" => line.combined_file = Some(text_of(child)),
            "本別" => {
                let copy = self::child(child, "收發處理本別");
                line.copy = copy.map(|copy| token(copy, "代碼").unwrap_or_else(|| "正本".to_owned()));
            }
            _ => {}
        }
    }
    lines
}

pub(crate) fn roster(root: Node<'_, '_>) -> Roster {
    Roster { lines: lines(root) }
}
