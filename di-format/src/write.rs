//! Makes 函, 簽 and 交換表單 of edition 104 that are valid by the official DTDs.
//!
//! UTF-8 without byte order mark, CRLF, one element a line; entities 表單 and ATTCHn, notations DI and _X; 速別 and the
//! 密等 block are always there, an empty or zero 支號 never. Line breaks and tabs inside values are removed. What comes
//! out is read and judged once more before it is returned, and reading it gives the same values back.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;

use quick_xml::escape::escape;

use crate::doctype::{is_space, is_xml_char};
use crate::letter::{Attachments, Entry, Item, Letter, Name, Number, Paragraph, Recipient};
use crate::model::Kind;
use crate::roster::{Line, Party, Roster};
use crate::{Error, Limits, Severity, check_file_name, read};

/// Items nested deeper than this are refused.
const DEEPEST: usize = 50;

/// Writes a 函 or 簽.
///
/// # Errors
/// [`Error::Unconfirmed`] for other kinds; [`Error::Missing`], [`Error::Value`], [`Error::FileName`], [`Error::Character`] or
/// [`Error::Invalid`] for values that the document type, the file system or XML does not allow; nothing is dropped silently.
pub fn letter(letter: &Letter) -> Result<Vec<u8>, Error> {
    if !letter.extra.is_empty() {
        let value = letter.extra.iter().map(|extra| extra.name.as_str()).collect::<Vec<_>>().join(" ");
        return Err(Error::Value { element: letter.kind.root(), value });
    }
    let mut out = Out::new(letter.kind);
    out.subset(letter.roster_file(), &letter.attachments)?;
    match letter.kind {
        Kind::Letter => out.whole_letter(letter)?,
        Kind::Memo => out.whole_memo(letter)?,
        kind => return Err(Error::Unconfirmed { root: kind.root() }),
    }
    out.finish()
}

/// Writes a roster.
///
/// # Errors
/// As for [`letter`]; a roster needs at least one line.
pub fn roster(roster: &Roster) -> Result<Vec<u8>, Error> {
    if roster.lines.is_empty() {
        return Err(Error::Missing { element: "交換表單" });
    }
    let mut out = Out::new(Kind::Roster);
    out.text.push_str(">\r\n");
    out.open("交換表單");
    for line in &roster.lines {
        out.line("交換表單", line)?;
        if let Some(copy) = &line.copy {
            out.open("本別");
            out.empty("收發處理本別", Some(("代碼", copy)))?;
            out.close("本別");
        }
    }
    out.close("交換表單");
    out.finish()
}

struct Out {
    text: String,
}

impl Out {
    fn new(kind: Kind) -> Self {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n");
        let _ = write!(text, "<!DOCTYPE {} SYSTEM \"104_{}_utf8.dtd\"", kind.root(), kind.code());
        Self { text }
    }

    /// Judges what was written.
    fn finish(self) -> Result<Vec<u8>, Error> {
        let bytes = self.text.into_bytes();
        let limits = Limits { size: usize::MAX, nodes: u32::MAX, entities: usize::MAX, ..Limits::default() };
        let wrong = |problem: &crate::Problem| problem.official || problem.severity > Severity::Warning;
        match read(&bytes, &limits).problems.into_iter().find(wrong) {
            Some(problem) => Err(Error::Invalid(Box::new(problem))),
            None => Ok(bytes),
        }
    }

    fn subset(&mut self, roster: Option<&str>, attachments: &Attachments) -> Result<(), Error> {
        if roster.is_none() && attachments.files.is_empty() {
            self.text.push_str(">\r\n");
            return Ok(());
        }
        self.text.push_str(" [\r\n");
        let mut seen = HashSet::new();
        for (number, file) in attachments.files.iter().enumerate() {
            if !seen.insert(file) {
                return Err(Error::Value { element: "附件檔名", value: file.clone() });
            }
            let file = literal(file)?;
            let _ = write!(self.text, "<!ENTITY ATTCH{} SYSTEM {file} NDATA _X>\r\n", number + 1);
        }
        if let Some(file) = roster {
            let file = literal(file)?;
            let _ = write!(self.text, "<!ENTITY 表單 SYSTEM {file} NDATA DI>\r\n");
        }
        self.text.push_str("<!NOTATION DI SYSTEM \"\">\r\n<!NOTATION _X SYSTEM \"\">\r\n]>\r\n");
        Ok(())
    }

    fn open(&mut self, name: &str) {
        let _ = write!(self.text, "<{name}>\r\n");
    }

    fn close(&mut self, name: &str) {
        let _ = write!(self.text, "</{name}>\r\n");
    }

    fn leaf(&mut self, name: &'static str, value: &str) -> Result<(), Error> {
        let value = clean(name, value)?;
        let value = value.trim_matches(is_space);
        let _ = write!(self.text, "<{name}>{}</{name}>\r\n", escape(value));
        Ok(())
    }

    fn start(&mut self, name: &'static str, attribute: (&'static str, &str)) -> Result<(), Error> {
        let (key, value) = attribute;
        let value = clean(key, value)?;
        let _ = write!(self.text, "<{name} {key}=\"{}\"", escape(value));
        Ok(())
    }

    fn empty(&mut self, name: &'static str, attribute: Option<(&'static str, &str)>) -> Result<(), Error> {
        match attribute {
            Some(attribute) => self.start(name, attribute)?,
            None => {
                let _ = write!(self.text, "<{name}");
            }
        }
        self.text.push_str("/>\r\n");
        Ok(())
    }

    fn whole_letter(&mut self, letter: &Letter) -> Result<(), Error> {
        unused("擬辦方式", letter.handling.as_deref())?;
        unused("敬陳", letter.submitted_to.first().map(|_| "敬陳"))?;
        present("發文機關", letter.senders.is_empty())?;
        present("聯絡方式", letter.contacts.is_empty())?;
        present("發文字號", letter.numbers.is_empty())?;
        present("正本", letter.originals.is_empty())?;
        self.open("函");
        for sender in &letter.senders {
            self.open("發文機關");
            self.party("發文機關", sender)?;
            self.close("發文機關");
        }
        self.empty("函類別", Some(("代碼", &letter.category)))?;
        self.leaf("地址", &letter.address)?;
        for contact in &letter.contacts {
            self.leaf("聯絡方式", contact)?;
        }
        present("受文者", letter.recipient.is_none())?;
        self.recipient(letter)?;
        self.open("發文日期");
        self.leaf("年月日", &letter.date)?;
        self.close("發文日期");
        for number in &letter.numbers {
            self.open("發文字號");
            match number {
                Number::Text(text) => self.leaf("文字", text)?,
                Number::Parts { word, .. } => {
                    self.leaf("字", word)?;
                    self.parts(number)?;
                }
            }
            self.close("發文字號");
        }
        self.degrees(letter)?;
        self.attachments(&letter.attachments)?;
        self.wrapped_text("主旨", &letter.subject)?;
        self.paragraphs(&letter.paragraphs)?;
        self.open("正本");
        for entry in &letter.originals {
            unused("含附件", entry.attachments.map(|_| "正本"))?;
            self.entry("正本", entry)?;
        }
        self.close("正本");
        if !letter.copies.is_empty() {
            self.open("副本");
            for entry in &letter.copies {
                self.entry("副本", entry)?;
                self.attachments_word(entry.attachments)?;
            }
            self.close("副本");
        }
        for signature in &letter.signatures {
            self.leaf("署名", signature)?;
        }
        self.close("函");
        Ok(())
    }

    fn whole_memo(&mut self, letter: &Letter) -> Result<(), Error> {
        let unfit = |element, value: Option<&String>| unused(element, value.map(String::as_str));
        unfit("函類別", Some(&letter.category).filter(|value| !value.is_empty()))?;
        unfit("地址", Some(&letter.address).filter(|value| !value.is_empty()))?;
        unfit("聯絡方式", letter.contacts.first())?;
        unused("正本", letter.originals.first().map(|entry| entry.name.text()))?;
        unused("副本", letter.copies.first().map(|entry| entry.name.text()))?;
        unfit("署名", letter.signatures.get(1))?;
        unused("發文機關", letter.senders.get(1).map(|party| party.name.text()))?;
        unused("文號", letter.numbers.get(1).map(|_| "文號"))?;
        let (Some(sender), Some(number), Some(signature)) =
            (letter.senders.first(), letter.numbers.first(), letter.signatures.first())
        else {
            let element = if letter.senders.is_empty() {
                "發文機關"
            } else if letter.numbers.is_empty() {
                "文號"
            } else {
                "署名"
            };
            return Err(Error::Missing { element });
        };
        self.open("簽");
        if let Party { name: Name::Unit(name), code, unit } = sender
            && code.is_empty()
        {
            self.open("單位");
            self.leaf("單位名", name)?;
            if let Some(unit) = unit {
                self.leaf("單位代碼", unit)?;
            }
            self.close("單位");
        } else {
            self.open("發文機關");
            self.party("發文機關", sender)?;
            self.close("發文機關");
        }
        self.recipient(letter)?;
        match number {
            Number::Parts { word, .. } if word.is_empty() => self.parts(number)?,
            _ => return Err(Error::Value { element: "文號", value: number.printed() }),
        }
        self.degrees(letter)?;
        if let Some(handling) = &letter.handling {
            self.empty("擬辦方式", Some(("代碼", handling)))?;
        }
        self.attachments(&letter.attachments)?;
        self.wrapped_text("主旨", &letter.subject)?;
        self.paragraphs(&letter.paragraphs)?;
        if !letter.submitted_to.is_empty() {
            self.open("敬陳");
            for person in &letter.submitted_to {
                let title = person.title.as_deref().ok_or(Error::Missing { element: "職稱" })?;
                self.leaf("職稱", title)?;
                if let Some(name) = &person.name {
                    self.leaf("姓名", name)?;
                }
            }
            self.close("敬陳");
        }
        self.leaf("署名", signature)?;
        self.leaf("年月日", &letter.date)?;
        self.close("簽");
        Ok(())
    }

    /// 速別 and the 密等 block, which are always written.
    fn degrees(&mut self, letter: &Letter) -> Result<(), Error> {
        self.empty("速別", Some(("代碼", &letter.priority)))?;
        self.open("密等及解密條件或保密期限");
        self.empty("密等", letter.classification.level.as_deref().map(|level| ("代碼", level)))?;
        self.leaf("解密條件或保密期限", &letter.classification.condition)?;
        self.close("密等及解密條件或保密期限");
        Ok(())
    }

    fn wrapped_text(&mut self, name: &'static str, value: &str) -> Result<(), Error> {
        self.open(name);
        self.leaf("文字", value)?;
        self.close(name);
        Ok(())
    }

    fn parts(&mut self, number: &Number) -> Result<(), Error> {
        let Number::Parts { year, serial, branch, .. } = number else { return Ok(()) };
        self.open("文號");
        self.leaf("年度", year)?;
        self.leaf("流水號", serial)?;
        if let Some(branch) =
            branch.as_deref().filter(|branch| !branch.chars().all(|c| matches!(c, '0' | '０')))
        {
            self.leaf("支號", branch)?;
        }
        self.close("文號");
        Ok(())
    }

    fn party(&mut self, element: &'static str, party: &Party) -> Result<(), Error> {
        match &party.name {
            Name::Organisation(name) => {
                unused("單位代碼", party.unit.as_deref())?;
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
                if let Some(title) = title {
                    self.leaf("職稱", title)?;
                }
                self.leaf("機關代碼", &party.code)?;
                match &party.unit {
                    Some(unit) => self.leaf("單位代碼", unit),
                    None => Ok(()),
                }
            }
            name => Err(Error::Value { element, value: name.text().to_owned() }),
        }
    }

    fn line(&mut self, element: &'static str, line: &Line) -> Result<(), Error> {
        self.party(element, &line.party)?;
        self.attachments_word(line.attachments)?;
        if let Some(file) = &line.combined_file {
            self.leaf("內含本文與附件之可攜式文件檔名", file)?;
        }
        Ok(())
    }

    fn recipient(&mut self, letter: &Letter) -> Result<(), Error> {
        let Some(recipient) = &letter.recipient else { return Ok(()) };
        self.open("受文者");
        match recipient {
            Recipient::Roster { file: None, .. } => return Err(Error::Missing { element: "交換表單" }),
            Recipient::Roster { text, file: Some(_) } => {
                let text = clean("交換表", text)?;
                self.start("交換表", ("交換表單", "表單"))?;
                let _ = write!(self.text, ">{}</交換表>\r\n", escape(text.trim_matches(is_space)));
            }
            Recipient::One(line) => {
                unused("本別", line.copy.as_deref())?;
                self.line("受文者", line)?;
            }
            Recipient::Text(value) => {
                return Err(Error::Value { element: "受文者", value: value.clone() });
            }
        }
        self.close("受文者");
        Ok(())
    }

    fn attachments(&mut self, attachments: &Attachments) -> Result<(), Error> {
        if *attachments == Attachments::default() {
            return Ok(());
        }
        self.open("附件");
        self.leaf("文字", &attachments.caption)?;
        let names: Vec<String> =
            (1..=attachments.files.len()).map(|number| format!("ATTCH{number}")).collect();
        if !names.is_empty() {
            self.empty("附件檔名", Some(("附件名", &names.join(" "))))?;
        }
        self.close("附件");
        Ok(())
    }

    fn attachments_word(&mut self, included: Option<bool>) -> Result<(), Error> {
        match included {
            Some(true) => self.leaf("含附件", "含附件"),
            Some(false) => self.leaf("含附件", "不含附件"),
            None => Ok(()),
        }
    }

    fn entry(&mut self, element: &'static str, entry: &Entry) -> Result<(), Error> {
        match &entry.name {
            Name::Organisation(name) => self.leaf("全銜", name),
            Name::Unit(name) => self.leaf("單位名", name),
            Name::Group(name) => self.leaf("總稱", name),
            Name::Person { name, title } => {
                self.leaf("姓名", name)?;
                title.as_deref().map_or(Ok(()), |title| self.leaf("職稱", title))
            }
            Name::Text(value) => Err(Error::Value { element, value: value.clone() }),
        }
    }

    fn paragraphs(&mut self, paragraphs: &[Paragraph]) -> Result<(), Error> {
        for paragraph in paragraphs {
            self.start("段落", ("段名", &paragraph.name))?;
            self.text.push_str(">\r\n");
            if let Some(text) = &paragraph.text {
                self.leaf("文字", text)?;
            }
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
            self.start("條列", ("序號", &item.marker))?;
            self.text.push_str(">\r\n");
            if let Some(text) = &item.text {
                self.leaf("文字", text)?;
            }
            self.items(&item.items, depth + 1)?;
            self.close("條列");
        }
        Ok(())
    }
}

fn present(element: &'static str, missing: bool) -> Result<(), Error> {
    if missing { Err(Error::Missing { element }) } else { Ok(()) }
}

/// Refuses a value for which the document type has no place.
fn unused(element: &'static str, value: Option<&str>) -> Result<(), Error> {
    value.map_or(Ok(()), |value| Err(Error::Value { element, value: value.to_owned() }))
}

/// A file name as a quoted literal of the internal subset, where nothing can be escaped.
fn literal(file: &str) -> Result<String, Error> {
    let name = || file.to_owned();
    check_file_name(file).map_err(|reason| Error::FileName { name: name(), reason })?;
    if let Some(character) = file.chars().find(|character| !is_xml_char(*character)) {
        return Err(Error::Character { element: "SYSTEM", character });
    }
    match (file.contains('"'), file.contains('\'')) {
        (false, _) => Ok(format!("\"{file}\"")),
        (true, false) => Ok(format!("'{file}'")),
        (true, true) => Err(Error::FileName { name: name(), reason: "the name holds both kinds of quotes" }),
    }
}

/// Removes tabs and line breaks, leaving a blank between ASCII words; refuses what XML cannot carry.
fn clean<'v>(element: &'static str, value: &'v str) -> Result<Cow<'v, str>, Error> {
    if let Some(character) = value.chars().find(|character| !is_xml_char(*character)) {
        return Err(Error::Character { element, character });
    }
    let is_break = |c: char| matches!(c, '\t' | '\r' | '\n');
    if !value.contains(is_break) {
        return Ok(Cow::Borrowed(value));
    }
    let mut out = String::with_capacity(value.len());
    for piece in value.split(is_break).filter(|piece| !piece.is_empty()) {
        if out.ends_with(|c: char| c.is_ascii_graphic()) && piece.starts_with(|c: char| c.is_ascii_graphic())
        {
            out.push(' ');
        }
        out.push_str(piece);
    }
    Ok(Cow::Owned(out))
}
