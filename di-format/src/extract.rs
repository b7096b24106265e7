//! From the tree to a [`Letter`] or [`Roster`], whatever the order: what is known is taken, what is not is kept as extra.
//!
//! Every text that is taken is marked; in the end, what is not marked goes into [`Letter::extra`], so that no text is lost.
//! Where something stands more often than a letter can hold, the first is taken.

mod lists;

use std::cell::RefCell;
use std::collections::HashSet;

use crate::attributes::attachment_tokens;
use crate::check_file_name;
use crate::letter::{
    Attachments, Classification, Extra, Item, Letter, Name, Number, Opinion, Paragraph, Recipient, When,
};
use crate::model::Kind;
use crate::roster::{Party, Roster};
use crate::tree::Node;
use crate::validate::{Entities, name_of, text_of};

/// The child elements with their names.
fn elements<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = (&'i str, Node<'a, 'i>)> {
    node.children().filter(Node::is_element).map(|child| (name_of(child), child))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    elements(node).find(|(known, _)| *known == name).map(|(_, child)| child)
}

/// An attribute with blanks at both ends removed, as for all types but CDATA.
fn token(node: Node<'_, '_>, name: &str) -> Option<String> {
    node.attribute(name).map(|value| value.trim_matches(' ').to_owned()).filter(|value| !value.is_empty())
}

fn coded(node: Node<'_, '_>, default: &str) -> String {
    token(node, "代碼").unwrap_or_else(|| default.to_owned())
}

pub(crate) fn letter(kind: Kind, root: Node<'_, '_>, entities: &Entities<'_>) -> Letter {
    let taker = Taker::new(entities);
    let mut letter = Letter::new(kind);
    letter.category.clear();
    letter.priority.clear();
    for (name, node) in elements(root) {
        if !taker.part(&mut letter, name, node) && !taker.notice_part(&mut letter, name, node) {
            taker.mark(node, Node::descendants);
            letter.extra.push(Extra { name: name.to_owned(), text: all_text(node) });
        }
    }
    taker.leftovers(root, &mut letter.extra);
    letter
}

pub(crate) fn roster(root: Node<'_, '_>) -> Roster {
    let entities = Entities::new();
    let taker = Taker::new(&entities);
    let lines = taker.lines(root);
    let mut extra = Vec::new();
    taker.leftovers(root, &mut extra);
    Roster { lines, extra }
}

/// All text in an element; its attributes' values if there is none.
fn all_text(node: Node<'_, '_>) -> String {
    let joined = |texts: Vec<&str>| texts.join(" ");
    let texts = node.descendants().filter_map(|part| part.is_text().then(|| part.text()).flatten());
    let texts = joined(texts.map(str::trim).filter(|text| !text.is_empty()).collect());
    if texts.is_empty() {
        let attributes = node.descendants().flat_map(|part| part.attributes());
        return joined(attributes.map(|one| one.value().trim()).filter(|text| !text.is_empty()).collect());
    }
    texts
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

/// Takes texts and remembers which.
struct Taker<'e> {
    entities: &'e Entities<'e>,
    /// By node number.
    taken: RefCell<Vec<bool>>,
    /// Attachments met so far.
    files: RefCell<HashSet<String>>,
}

impl<'e> Taker<'e> {
    fn new(entities: &'e Entities<'e>) -> Self {
        Self { entities, taken: RefCell::default(), files: RefCell::default() }
    }
}

impl Taker<'_> {
    fn mark<'a, 'i: 'a, I>(&self, node: Node<'a, 'i>, parts: impl Fn(&Node<'a, 'i>) -> I)
    where
        I: Iterator<Item = Node<'a, 'i>>,
    {
        let mut taken = self.taken.borrow_mut();
        for part in parts(&node).filter(Node::is_text) {
            let number = part.number();
            if taken.len() <= number {
                taken.resize(number + 1, false);
            }
            if let Some(mark) = taken.get_mut(number) {
                *mark = true;
            }
        }
    }

    /// The text directly in an element, which is thereby taken.
    fn text(&self, node: Node<'_, '_>) -> String {
        self.mark(node, Node::children);
        text_of(node)
    }

    fn child_text(&self, node: Node<'_, '_>, name: &str) -> Option<String> {
        child(node, name).map(|child| self.text(child))
    }

    /// Fills a value that is still empty.
    fn fill(&self, value: &mut String, text: impl FnOnce(&Self) -> String) {
        if value.is_empty() {
            *value = text(self);
        }
    }

    /// 文字 in an element such as 主旨; text directly in it if there is none.
    fn inner_text(&self, node: Node<'_, '_>) -> String {
        self.child_text(node, "文字").unwrap_or_else(|| self.text(node))
    }

    /// What was not taken, each with the name of its element (文字 is named for what it stands in).
    fn leftovers(&self, root: Node<'_, '_>, extra: &mut Vec<Extra>) {
        let taken = self.taken.borrow();
        for node in root.descendants().filter(Node::is_text) {
            let text = node.text().unwrap_or_default().trim();
            if text.is_empty() || taken.get(node.number()).is_some_and(|taken| *taken) {
                continue;
            }
            let name = node.ancestors().skip(1).map(name_of).find(|name| *name != "文字");
            extra.push(Extra { name: name.unwrap_or_default().to_owned(), text: text.to_owned() });
        }
    }

    /// Takes a child of the root that letters have; false if it is another.
    fn part(&self, letter: &mut Letter, name: &str, node: Node<'_, '_>) -> bool {
        match name {
            "發文機關" | "單位" | "機關" => letter.senders.push(self.party(node)),
            "函類別" => letter.category = coded(node, "函"),
            "令類別" => letter.category = coded(node, "獎懲令"),
            "地址" => self.fill(&mut letter.address, |taker| taker.text(node)),
            "聯絡方式" => letter.contacts.push(self.text(node)),
            "受文者" if letter.recipient.is_none() => letter.recipient = self.recipient(node),
            "發文日期" => self.fill(&mut letter.date, |taker| {
                taker.child_text(node, "年月日").unwrap_or_else(|| taker.text(node))
            }),
            "年月日" => self.fill(&mut letter.date, |taker| taker.text(node)),
            "發文字號" => letter.numbers.push(self.number(node)),
            "文號" => letter.numbers.push(self.parts(String::new(), Some(node))),
            "速別" => self.fill(&mut letter.priority, |_| coded(node, "")),
            "密等及解密條件或保密期限" | "密等及解密條件" => {
                if letter.classification == Classification::default() {
                    letter.classification = self.classification(node);
                }
            }
            "密等" if letter.classification.level.is_none() => {
                letter.classification.level = self.level(node)
            }
            "擬辦方式" => letter.handling = Some(coded(node, "1")),
            "附件" => self.attach(&mut letter.attachments, node),
            "主旨" | "開會事由" | "會勘事由" | "案情摘要" => {
                self.fill(&mut letter.subject, |taker| taker.inner_text(node));
            }
            "段落" => letter.paragraphs.push(self.paragraph(node)),
            "正本" => self.entries(node, &mut letter.originals),
            "副本" => self.entries(node, &mut letter.copies),
            "敬陳" => self.persons(node, &mut letter.submitted_to),
            "署名" => letter.signatures.push(self.text(node)),
            _ => return false,
        }
        true
    }

    /// Takes what only notices and 簽稿會核單 have.
    fn notice_part(&self, letter: &mut Letter, name: &str, node: Node<'_, '_>) -> bool {
        match name {
            "聯絡人及電話" => self.contact_persons(node, &mut letter.contact_persons),
            "開會時間" | "會勘時間" => letter.times.push(self.when(node)),
            "開會地點" | "會勘地點" => self.fill(&mut letter.place, |taker| taker.inner_text(node)),
            "主持人" => self.persons(node, &mut letter.chairs),
            "出席者" => self.entries(node, &mut letter.attendees),
            "列席者" => self.entries(node, &mut letter.observers),
            "備註" => letter.remarks.extend(self.inner_paragraphs(node)),
            "承辦單位" if letter.kind == Kind::Consultation => {
                self.fill(&mut letter.responsible, |taker| taker.unit(node));
            }
            "收文字號" if letter.received_number.is_none() => {
                letter.received_number = Some(self.number(node))
            }
            "受會單位" => letter.opinions.push(Opinion { unit: self.unit(node), ..Opinion::default() }),
            "會核意見" | "收會時間" | "會畢時間" => {
                if letter.opinions.is_empty() {
                    letter.opinions.push(Opinion::default());
                }
                if let Some(opinion) = letter.opinions.last_mut() {
                    match name {
                        "會核意見" => opinion.opinion.extend(self.inner_paragraphs(node)),
                        "收會時間" if opinion.received == When::default() => {
                            opinion.received = self.when(node)
                        }
                        "會畢時間" if opinion.finished == When::default() => {
                            opinion.finished = self.when(node)
                        }
                        _ => {}
                    }
                }
            }
            _ => return false,
        }
        true
    }

    fn unit(&self, node: Node<'_, '_>) -> String {
        self.child_text(node, "單位名").unwrap_or_else(|| self.text(node))
    }

    fn when(&self, node: Node<'_, '_>) -> When {
        When {
            date: self.child_text(node, "年月日").unwrap_or_else(|| self.text(node)),
            weekday: self.child_text(node, "星期").unwrap_or_default(),
            time: self.child_text(node, "時分"),
        }
    }

    /// The 段落 in 備註 or 會核意見; text directly in it as one without a name.
    fn inner_paragraphs(&self, node: Node<'_, '_>) -> Vec<Paragraph> {
        let parts = elements(node).filter(|(name, _)| *name == "段落");
        let mut parts: Vec<Paragraph> = parts.map(|(_, part)| self.paragraph(part)).collect();
        if parts.is_empty() {
            let text = self.inner_text(node);
            if !text.is_empty() {
                parts.push(Paragraph { text: Some(text), ..Paragraph::default() });
            }
        }
        parts
    }

    fn party(&self, node: Node<'_, '_>) -> Party {
        let mut found: Option<Name> = None;
        let mut party = Party { name: Name::Text(String::new()), code: String::new(), unit: None };
        for (name, node) in elements(node) {
            match (name, &mut found) {
                ("機關代碼", _) => self.fill(&mut party.code, |taker| taker.text(node)),
                ("單位代碼", _) if party.unit.is_none() => party.unit = Some(self.text(node)),
                ("職稱", Some(Name::Person { title: title @ None, .. })) => *title = Some(self.text(node)),
                (_, found @ None) => *found = self.named(name, node),
                _ => {}
            }
        }
        party.name = found.unwrap_or_else(|| Name::Text(self.text(node)));
        party
    }

    /// The element that starts an entry of a flat list, as a name.
    fn named(&self, name: &str, node: Node<'_, '_>) -> Option<Name> {
        match name {
            "全銜" => Some(Name::Organisation(self.text(node))),
            "單位名" => Some(Name::Unit(self.text(node))),
            "總稱" => Some(Name::Group(self.text(node))),
            "姓名" => Some(Name::Person { name: self.text(node), title: None }),
            _ => None,
        }
    }

    fn recipient(&self, node: Node<'_, '_>) -> Option<Recipient> {
        if let Some(table) = child(node, "交換表") {
            let entity = table.attribute("交換表單").unwrap_or_default().trim_matches(' ');
            let file = self.entities.get(entity).map(|entity| entity.file.clone());
            return Some(Recipient::Roster { text: self.text(table), file });
        }
        let one = ["全銜", "單位名", "姓名", "總稱"].iter().any(|name| child(node, name).is_some());
        if one && let Some(line) = self.lines_up_to(node, 1).into_iter().next() {
            return Some(Recipient::One(Box::new(line)));
        }
        let text = self.text(node);
        (!text.is_empty()).then_some(Recipient::Text(text))
    }

    fn number(&self, node: Node<'_, '_>) -> Number {
        match (child(node, "文號"), child(node, "字"), child(node, "文字")) {
            (None, _, Some(text)) => Number::Text(self.text(text)),
            (None, None, None) => Number::Text(self.text(node)),
            (inner, word, _) => self.parts(word.map(|word| self.text(word)).unwrap_or_default(), inner),
        }
    }

    fn parts(&self, word: String, node: Option<Node<'_, '_>>) -> Number {
        let part = |name| node.and_then(|node| self.child_text(node, name)).unwrap_or_default();
        let branch = part("支號");
        let none = branch.chars().all(|character| matches!(character, '0' | '０'));
        Number::Parts {
            word, year: part("年度"), serial: part("流水號"), branch: (!none).then_some(branch)
        }
    }

    fn classification(&self, node: Node<'_, '_>) -> Classification {
        let condition =
            ["解密條件或保密期限", "解密條件"].iter().find_map(|name| self.child_text(node, name));
        let level = child(node, "密等").and_then(|level| self.level(level));
        Classification { level, condition: condition.unwrap_or_default() }
    }

    /// 普通 is no level; where it is written as text it stays as extra.
    fn level(&self, node: Node<'_, '_>) -> Option<String> {
        let given = token(node, "代碼");
        if given.is_none() && !matches!(text_of(node).as_str(), "" | "普通") {
            return Some(self.text(node));
        }
        given.filter(|level| level != "普通")
    }

    fn attach(&self, attachments: &mut Attachments, node: Node<'_, '_>) {
        self.fill(&mut attachments.caption, |taker| taker.inner_text(node));
        let mut seen = self.files.borrow_mut();
        for (_, node) in elements(node).filter(|(name, _)| *name == "附件檔名") {
            for file in attachment_files(node.attribute("附件名").unwrap_or_default(), self.entities) {
                if seen.insert(file.to_owned()) {
                    attachments.files.push(file.to_owned());
                }
            }
        }
    }

    fn paragraph(&self, node: Node<'_, '_>) -> Paragraph {
        Paragraph {
            name: node.attribute("段名").unwrap_or_default().to_owned(),
            text: self.child_text(node, "文字"),
            items: self.items(node),
        }
    }

    /// The depth of this recursion is bounded by `Limits::depth`.
    fn items(&self, node: Node<'_, '_>) -> Vec<Item> {
        let parts = || elements(node).filter(|(name, _)| *name == "條列").map(|(_, part)| part);
        let mut items = Vec::with_capacity(parts().count()); // often one, where a vector would take room for four
        items.extend(parts().map(|node| Item {
            marker: node.attribute("序號").unwrap_or_default().to_owned(),
            text: self.child_text(node, "文字"),
            items: self.items(node),
        }));
        items
    }
}
