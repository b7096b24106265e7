//! Flat lists: 正本, 副本, 敬陳, 聯絡人及電話, 交換表單. A name starts an entry, everything else belongs to the entry before it.

use super::{Taker, child, coded, elements};
use crate::letter::{ContactPerson, Entry, Name, Person};
use crate::roster::{Line, Party, attachments_word};
use crate::tree::Node;
use crate::validate::text_of;

impl Taker<'_> {
    pub(super) fn entries(&self, node: Node<'_, '_>, into: &mut Vec<Entry>) {
        let before = into.len();
        for (name, child) in elements(node) {
            if let Some(name) = self.named(name, child) {
                into.push(Entry { name, attachments: None });
                continue;
            }
            let Some(entry) = into.get_mut(before..).and_then(<[Entry]>::last_mut) else { continue };
            match (name, &mut entry.name) {
                ("職稱", Name::Person { title: title @ None, .. }) => *title = Some(self.text(child)),
                ("含附件", _) if entry.attachments.is_none() => {
                    entry.attachments = self.attachments_word(child)
                }
                _ => {}
            }
        }
        if into.len() == before {
            let text = self.text(node);
            if !text.is_empty() {
                into.push(Entry { name: Name::Text(text), attachments: None });
            }
        }
    }

    /// Words other than the two that are prescribed also stay as extra, since they may say more.
    fn attachments_word(&self, node: Node<'_, '_>) -> Option<bool> {
        let text = text_of(node);
        if matches!(text.as_str(), "" | "含附件" | "不含附件") {
            self.text(node);
        }
        attachments_word(&text)
    }

    pub(super) fn persons(&self, node: Node<'_, '_>, into: &mut Vec<Person>) {
        for (name, child) in elements(node) {
            match (name, into.last_mut()) {
                ("職稱", Some(person)) if person.title.is_none() && person.name.is_some() => {
                    person.title = Some(self.text(child));
                }
                ("姓名", Some(person)) if person.name.is_none() => person.name = Some(self.text(child)),
                ("職稱", _) => into.push(Person { title: Some(self.text(child)), name: None }),
                ("姓名", _) => into.push(Person { title: None, name: Some(self.text(child)) }),
                _ => {}
            }
        }
    }

    pub(super) fn contact_persons(&self, node: Node<'_, '_>, into: &mut Vec<ContactPerson>) {
        let before = into.len();
        for (name, child) in elements(node) {
            let fresh = match (name, into.get(before..).and_then(<[ContactPerson]>::last)) {
                ("姓名", _) | ("職稱" | "電話", None) => true,
                ("職稱", Some(last)) => last.person.title.is_some() || !last.phone.is_empty(),
                _ => false,
            };
            if fresh {
                into.push(ContactPerson::default());
            }
            let Some(last) = into.last_mut() else { continue };
            match name {
                "姓名" => last.person.name = Some(self.text(child)),
                "職稱" => last.person.title = Some(self.text(child)),
                "電話" => self.fill(&mut last.phone, |taker| taker.text(child)),
                _ => {}
            }
        }
        if into.len() == before {
            let phone = self.text(node);
            if !phone.is_empty() {
                into.push(ContactPerson { phone, person: Person::default() });
            }
        }
    }

    pub(super) fn lines(&self, node: Node<'_, '_>) -> Vec<Line> {
        self.lines_up_to(node, usize::MAX)
    }

    pub(super) fn lines_up_to(&self, node: Node<'_, '_>, most: usize) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        // a second 含附件 in a row belongs to an entry that the producer left out
        let mut attachments_said = false;
        for (name, part) in elements(node) {
            if lines.len() < most
                && let Some(name) = self.named(name, part)
            {
                let party = Party { name, code: String::new(), unit: None };
                lines.push(Line { party, attachments: None, combined_file: None, copy: None });
                attachments_said = false;
                continue;
            }
            let Some(line) = lines.last_mut() else { continue };
            match name {
                "職稱" => {
                    if let Name::Person { title: title @ None, .. } = &mut line.party.name {
                        *title = Some(self.text(part));
                    }
                }
                "機關代碼" if line.party.code.is_empty() => line.party.code = self.text(part),
                "單位代碼" if line.party.unit.is_none() => line.party.unit = Some(self.text(part)),
                "含附件" if !attachments_said => {
                    line.attachments = self.attachments_word(part);
                    attachments_said = true;
                }
                "內含本文與附件之可攜式文件檔名" if line.combined_file.is_none() => {
                    line.combined_file = Some(self.text(part));
                }
                "本別" if line.copy.is_none() => {
                    line.copy = child(part, "收發處理本別").map(|copy| coded(copy, "正本"));
                }
                _ => {}
            }
        }
        lines
    }
}
