//! The parts that several kinds have: parties, recipients, entries, numbers, attachments, paragraphs.

use super::out::Out;
use crate::Error;
use crate::letter::{Attachments, Entry, Item, Letter, Name, Number, Paragraph, Person, Recipient, When};
use crate::roster::{Line, Party};

/// Items nested deeper than this are refused; the default limits of reading allow somewhat more.
const DEEPEST: usize = 50;

/// Refuses a value that has no place in an element.
fn unused(root: &'static str, element: &'static str, value: Option<&str>) -> Result<(), Error> {
    value.map_or(Ok(()), |value| Err(Error::NoPlace { root, element, value: value.to_owned() }))
}

/// Demands that something is there.
pub(super) fn present(element: &'static str, there: bool) -> Result<(), Error> {
    if there { Ok(()) } else { Err(Error::Missing { element }) }
}

impl Out {
    pub(super) fn senders(&mut self, senders: &[Party]) -> Result<(), Error> {
        present("發文機關", !senders.is_empty())?;
        for sender in senders {
            self.open("發文機關");
            self.party("發文機關", sender)?;
            self.close("發文機關");
        }
        Ok(())
    }

    fn party(&mut self, element: &'static str, party: &Party) -> Result<(), Error> {
        match &party.name {
            Name::Organisation(name) => {
                unused(element, "單位代碼", party.unit.as_deref())?;
                self.leaf("全銜", name)?;
                self.leaf("機關代碼", &party.code)
            }
            Name::Unit(name) => {
                let unit = party.unit.as_deref().ok_or(Error::Missing { element: "單位代碼" })?;
                self.leaf("單位名", name)?;
                self.leaf("機關代碼", &party.code)?;
                self.leaf("單位代碼", unit)
            }
            Name::Person { name, title } if element != "發文機關" => {
                self.leaf("姓名", name)?;
                self.optional("職稱", title.as_deref())?;
                self.leaf("機關代碼", &party.code)?;
                self.optional("單位代碼", party.unit.as_deref())
            }
            name => Err(Error::Value { element, value: name.text().to_owned() }),
        }
    }

    fn optional(&mut self, name: &'static str, value: Option<&str>) -> Result<(), Error> {
        value.map_or(Ok(()), |value| self.leaf(name, value))
    }

    pub(super) fn line(&mut self, element: &'static str, line: &Line) -> Result<(), Error> {
        self.party(element, &line.party)?;
        self.attachments_word(line.attachments)?;
        self.optional("內含本文與附件之可攜式文件檔名", line.combined_file.as_deref())
    }

    fn attachments_word(&mut self, included: Option<bool>) -> Result<(), Error> {
        let word = included.map(|included| if included { "含附件" } else { "不含附件" });
        self.optional("含附件", word)
    }

    pub(super) fn recipient(&mut self, letter: &Letter) -> Result<(), Error> {
        let Some(recipient) = &letter.recipient else { return Ok(()) };
        self.open("受文者");
        match recipient {
            Recipient::Roster { file: None, .. } => return Err(Error::Missing { element: "交換表單" }),
            Recipient::Roster { text, file: Some(_) } => {
                self.leaf_with("交換表", "交換表單", "表單", text)?;
            }
            Recipient::One(line) => {
                unused("受文者", "本別", line.copy.as_deref())?;
                self.line("受文者", line)?;
            }
            Recipient::Text(value) => {
                return Err(Error::Value { element: "受文者", value: value.clone() });
            }
        }
        self.close("受文者");
        Ok(())
    }

    pub(super) fn date(&mut self, date: &str) -> Result<(), Error> {
        self.wrapped("發文日期", "年月日", date)
    }

    pub(super) fn numbers(&mut self, numbers: &[Number]) -> Result<(), Error> {
        present("發文字號", !numbers.is_empty())?;
        numbers.iter().try_for_each(|number| self.number("發文字號", number))
    }

    pub(super) fn number(&mut self, element: &'static str, number: &Number) -> Result<(), Error> {
        self.open(element);
        match number {
            Number::Text(text) => self.leaf("文字", text)?,
            Number::Parts { word, .. } => {
                self.leaf("字", word)?;
                self.parts(number)?;
            }
        }
        self.close(element);
        Ok(())
    }

    /// 文號. A 支號 that is empty or zero means that there is none.
    pub(super) fn parts(&mut self, number: &Number) -> Result<(), Error> {
        let Number::Parts { year, serial, branch, .. } = number else { return Ok(()) };
        self.open("文號");
        self.leaf("年度", year)?;
        self.leaf("流水號", serial)?;
        let none = |branch: &&str| branch.chars().all(|c| matches!(c, '0' | '０'));
        self.optional("支號", branch.as_deref().filter(|branch| !none(branch)))?;
        self.close("文號");
        Ok(())
    }

    /// 速別 unless the letter has none, and the 密等 block.
    pub(super) fn degrees(&mut self, letter: &Letter) -> Result<(), Error> {
        if !letter.priority.is_empty() {
            self.coded("速別", Some(&letter.priority))?;
        }
        self.open("密等及解密條件或保密期限");
        self.coded("密等", letter.classification.level.as_deref())?;
        self.leaf("解密條件或保密期限", &letter.classification.condition)?;
        self.close("密等及解密條件或保密期限");
        Ok(())
    }

    pub(super) fn attachments(&mut self, attachments: &Attachments) -> Result<(), Error> {
        if *attachments == Attachments::default() {
            return Ok(());
        }
        self.open("附件");
        self.leaf("文字", &attachments.caption)?;
        let names: Vec<String> =
            (1..=attachments.files.len()).map(|number| format!("ATTCH{number}")).collect();
        if !names.is_empty() {
            self.empty_with("附件檔名", "附件名", &names.join(" "))?;
        }
        self.close("附件");
        Ok(())
    }

    /// 正本, 出席者 or 列席者, which know no 含附件.
    pub(super) fn names(&mut self, element: &'static str, entries: &[Entry]) -> Result<(), Error> {
        self.open(element);
        for entry in entries {
            unused(element, "含附件", entry.attachments.map(|_| entry.name.text()))?;
            self.entry(element, entry)?;
        }
        self.close(element);
        Ok(())
    }

    /// 副本, if there are copies.
    pub(super) fn copies(&mut self, entries: &[Entry]) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        self.open("副本");
        for entry in entries {
            self.entry("副本", entry)?;
            self.attachments_word(entry.attachments)?;
        }
        self.close("副本");
        Ok(())
    }

    fn entry(&mut self, element: &'static str, entry: &Entry) -> Result<(), Error> {
        match &entry.name {
            Name::Organisation(name) => self.leaf("全銜", name),
            Name::Unit(name) => self.leaf("單位名", name),
            Name::Group(name) => self.leaf("總稱", name),
            Name::Person { name, title } => {
                self.leaf("姓名", name)?;
                self.optional("職稱", title.as_deref())
            }
            Name::Text(value) => Err(Error::Value { element, value: value.clone() }),
        }
    }

    /// 姓名 with 職稱, as in 主持人 and 聯絡人及電話.
    pub(super) fn person(&mut self, person: &Person) -> Result<(), Error> {
        let name = person.name.as_deref().ok_or(Error::Missing { element: "姓名" })?;
        self.leaf("姓名", name)?;
        self.optional("職稱", person.title.as_deref())
    }

    /// 職稱 with 姓名, as in 敬陳.
    pub(super) fn superior(&mut self, person: &Person) -> Result<(), Error> {
        let title = person.title.as_deref().ok_or(Error::Missing { element: "職稱" })?;
        self.leaf("職稱", title)?;
        self.optional("姓名", person.name.as_deref())
    }

    /// A time with its weekday.
    pub(super) fn time(&mut self, element: &'static str, when: &When) -> Result<(), Error> {
        let time = when.time.as_deref().ok_or(Error::Missing { element: "時分" })?;
        self.open(element);
        self.leaf("年月日", &when.date)?;
        self.leaf("星期", &when.weekday)?;
        self.leaf("時分", time)?;
        self.close(element);
        Ok(())
    }

    /// A time without weekday.
    pub(super) fn moment(&mut self, element: &'static str, when: &When) -> Result<(), Error> {
        let weekday = Some(when.weekday.as_str()).filter(|weekday| !weekday.is_empty());
        unused(element, "星期", weekday)?;
        self.open(element);
        self.leaf("年月日", &when.date)?;
        self.optional("時分", when.time.as_deref())?;
        self.close(element);
        Ok(())
    }

    pub(super) fn subject(&mut self, element: &'static str, letter: &Letter) -> Result<(), Error> {
        self.wrapped(element, "文字", &letter.subject)
    }

    pub(super) fn signatures(&mut self, letter: &Letter) -> Result<(), Error> {
        letter.signatures.iter().try_for_each(|signature| self.leaf("署名", signature))
    }

    pub(super) fn paragraphs(&mut self, paragraphs: &[Paragraph]) -> Result<(), Error> {
        for paragraph in paragraphs {
            self.open_with("段落", "段名", &paragraph.name)?;
            self.optional("文字", paragraph.text.as_deref())?;
            self.items(&paragraph.items, 1)?;
            self.close("段落");
        }
        Ok(())
    }

    fn items(&mut self, items: &[Item], depth: usize) -> Result<(), Error> {
        for item in items {
            if depth > DEEPEST {
                return Err(Error::Value { element: "條列", value: item.marker.clone() });
            }
            self.open_with("條列", "序號", &item.marker)?;
            self.optional("文字", item.text.as_deref())?;
            self.items(&item.items, depth + 1)?;
            self.close("條列");
        }
        Ok(())
    }
}
