//! The roster (交換表單, SW): who is reached electronically, and with which parts.

use crate::letter::{Extra, Name};

/// A name with its codes, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// 全銜, 單位名 or 姓名.
    pub name: Name,
    /// 機關代碼 as written: 10 characters, sometimes 17 (organisation and unit), sometimes empty.
    pub code: String,
    /// 單位代碼 as written.
    pub unit: Option<String>,
}

impl Party {
    /// Organisation code and unit code: a 17-character code is split 10 + 7; a unit code counts only if it has 7 characters.
    ///
    /// A code of any other length is returned unchanged: the directory decides what it is worth.
    #[must_use]
    pub fn mailbox(&self) -> (&str, Option<&str>) {
        if self.code.is_ascii() && self.code.len() == 17 {
            let (organisation, unit) = self.code.split_at(10);
            return (organisation, Some(unit));
        }
        (&self.code, self.unit.as_deref().filter(|unit| unit.is_ascii() && unit.len() == 7))
    }
}

/// One entry of a roster, or the inline form of 受文者.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Name and codes.
    pub party: Party,
    /// 含附件: `None` when absent or empty, which means included.
    pub attachments: Option<bool>,
    /// 內含本文與附件之可攜式文件檔名: one PDF that holds the letter and its attachments.
    pub combined_file: Option<String>,
    /// 本別 (正本, 副本 …); `None` when absent: never guessed from names.
    pub copy: Option<String>,
}

/// Where a line is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    /// Organisation code, normally 10 characters.
    pub code: String,
    /// Unit code, 7 characters.
    pub unit: Option<String>,
    /// The name in the roster, for display only.
    pub name: String,
    /// Whether the attachments go along; true when the line does not say.
    pub attachments: bool,
}

impl Line {
    /// Where this line is to be delivered.
    #[must_use]
    pub fn mailbox(&self) -> Mailbox {
        let (code, unit) = self.party.mailbox();
        Mailbox {
            code: code.to_owned(),
            unit: unit.map(str::to_owned),
            name: self.party.name.text().to_owned(),
            attachments: self.attachments.unwrap_or(true),
        }
    }
}

/// A roster: its lines in the order of the file, duplicates kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// One entry each.
    pub lines: Vec<Line>,
    /// Text for which a line has no other place, such as a 含附件 that belongs to no entry.
    pub extra: Vec<Extra>,
}

impl Roster {
    /// Where the lines are to be delivered, one per line and in order.
    #[must_use]
    pub fn mailboxes(&self) -> Vec<Mailbox> {
        self.lines.iter().map(Line::mailbox).collect()
    }
}

/// What a 含附件 text means: `None` when empty, else whether attachments are included.
pub(crate) fn attachments_word(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    Some(!(text.contains('不') || text.contains('無') || text.contains('未')))
}
