//! A letter as people speak of it: who writes what to whom, and with which files.

use crate::model::Kind;
use crate::roster::{Line, Party};

/// How a party is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// 全銜: an organisation.
    Organisation(String),
    /// 單位名: a unit of an organisation.
    Unit(String),
    /// 姓名 with 職稱: a person.
    Person {
        /// 姓名.
        name: String,
        /// 職稱.
        title: Option<String>,
    },
    /// 總稱: a group such as 各區公所; it has no code.
    Group(String),
    /// Bare text, as some producers write instead of one of the forms above.
    Text(String),
}

impl Name {
    /// The name as displayed (a person without the title).
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Organisation(name)
            | Self::Unit(name)
            | Self::Person { name, .. }
            | Self::Group(name)
            | Self::Text(name) => name,
        }
    }
}

/// One entry of 正本, 副本, 出席者 or 列席者. Names here are display text: never a key to the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as printed.
    pub name: Name,
    /// 含附件: `None` when absent or empty, which means included.
    pub attachments: Option<bool>,
}

/// 受文者: whom this copy is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// 交換表: the recipients are in the roster.
    Roster {
        /// Display text (如正副本行文單位); never parsed.
        text: String,
        /// File name of the roster, resolved from the entity; `None` if the entity is not declared.
        file: Option<String>,
    },
    /// The one recipient of a 分繕 copy.
    One(Box<Line>),
    /// Bare text, as some producers write.
    Text(String),
}

/// 發文字號 or 文號.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// The number in its parts.
    Parts {
        /// 字, with or without the character 字 at its end; empty in a 簽.
        word: String,
        /// 年度.
        year: String,
        /// 流水號.
        serial: String,
        /// 支號; `None` when absent, empty or zero.
        branch: Option<String>,
    },
    /// 文字: the whole printed number.
    Text(String),
}

impl Number {
    /// The number as printed on the letter: 字 第 年度 流水號 支號 號.
    #[must_use]
    pub fn printed(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts { word, year, serial, branch } => {
                let digits = [year.as_str(), serial, branch.as_deref().unwrap_or("")].concat();
                if word.is_empty() {
                    return digits;
                }
                let suffix = if word.ends_with('字') { "" } else { "字" };
                format!("{word}{suffix}第{digits}號")
            }
        }
    }
}

/// 密等及解密條件或保密期限.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Classification {
    /// 密, 機密, 極機密 or 絕對機密 (or whatever is written there); `None` when not classified (absent, empty or 普通).
    pub level: Option<String>,
    /// 解密條件或保密期限.
    pub condition: String,
}

/// 附件: the caption, and the files that its entities name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachments {
    /// Caption such as 如文.
    pub caption: String,
    /// File names in the order of the letter, resolved from entity names; each once.
    pub files: Vec<String>,
}

/// 段落.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paragraph {
    /// 段名, such as 說明：; may be empty.
    pub name: String,
    /// 文字; `None` when absent.
    pub text: Option<String>,
    /// 條列.
    pub items: Vec<Item>,
}

/// 條列: one numbered item, with its own items below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// 序號 as printed (一、); never renumbered.
    pub marker: String,
    /// 文字; `None` when absent.
    pub text: Option<String>,
    /// Items below.
    pub items: Vec<Self>,
}

/// A person of 敬陳 or 主持人.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// 職稱.
    pub title: Option<String>,
    /// 姓名.
    pub name: Option<String>,
}

/// An element that the document type does not have, kept for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Element name.
    pub name: String,
    /// All text in it.
    pub text: String,
}

/// What a DI says. Values are as written, white space at both ends removed.
///
/// Kinds without 主旨 have their 開會事由, 會勘事由 or 案情摘要 as `subject`; 出席者 stand in `originals`, 列席者 and 副本 in `copies`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Which kind of document.
    pub kind: Kind,
    /// 函類別 (or 令類別), its default when the attribute is absent; empty for kinds without it.
    pub category: String,
    /// 發文機關, or 單位 of a 簽; several for a joint letter.
    pub senders: Vec<Party>,
    /// 地址.
    pub address: String,
    /// 聯絡方式, one line each.
    pub contacts: Vec<String>,
    /// 受文者.
    pub recipient: Option<Recipient>,
    /// 發文日期, or 年月日 of a 簽, as printed.
    pub date: String,
    /// 發文字號, or 文號 of a 簽.
    pub numbers: Vec<Number>,
    /// 速別; 普通件 when not given.
    pub priority: String,
    /// 密等及解密條件或保密期限.
    pub classification: Classification,
    /// 擬辦方式 of a 簽.
    pub handling: Option<String>,
    /// 附件.
    pub attachments: Attachments,
    /// 主旨.
    pub subject: String,
    /// 段落.
    pub paragraphs: Vec<Paragraph>,
    /// 正本.
    pub originals: Vec<Entry>,
    /// 副本.
    pub copies: Vec<Entry>,
    /// 敬陳 of a 簽.
    pub submitted_to: Vec<Person>,
    /// 署名.
    pub signatures: Vec<String>,
    /// What follows that no document type knows.
    pub extra: Vec<Extra>,
}

impl Letter {
    /// An empty letter of a kind, to be filled in for writing.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            category: if kind == Kind::Letter { "函".to_owned() } else { String::new() },
            senders: Vec::new(),
            address: String::new(),
            contacts: Vec::new(),
            recipient: None,
            date: String::new(),
            numbers: Vec::new(),
            priority: "普通件".to_owned(),
            classification: Classification::default(),
            handling: None,
            attachments: Attachments::default(),
            subject: String::new(),
            paragraphs: Vec::new(),
            originals: Vec::new(),
            copies: Vec::new(),
            submitted_to: Vec::new(),
            signatures: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// 行文單位保密: 正本 holds a single empty 總稱, so the recipients must not learn of each other.
    #[must_use]
    pub fn hides_recipients(&self) -> bool {
        matches!(self.originals.as_slice(), [Entry { name: Name::Group(name), .. }] if name.is_empty())
    }

    /// The first 發文字號 as printed, or empty.
    #[must_use]
    pub fn printed_number(&self) -> String {
        self.numbers.first().map(Number::printed).unwrap_or_default()
    }

    /// True if 密等 says anything but 普通.
    #[must_use]
    pub const fn is_classified(&self) -> bool {
        self.classification.level.is_some()
    }

    /// 10-character code of the first sender, or empty.
    #[must_use]
    pub fn sender_code(&self) -> &str {
        self.senders.first().map_or("", |party| party.mailbox().0)
    }

    /// File name of the roster that 受文者 names; [`Reading::roster_file`](crate::Reading::roster_file) also knows of one
    /// that is only declared.
    #[must_use]
    pub fn roster_file(&self) -> Option<&str> {
        match &self.recipient {
            Some(Recipient::Roster { file, .. }) => file.as_deref(),
            _ => None,
        }
    }

    /// The recipient of a 分繕 copy, for which no roster is needed.
    #[must_use]
    pub fn inline_recipient(&self) -> Option<&Line> {
        match &self.recipient {
            Some(Recipient::One(line)) => Some(line),
            _ => None,
        }
    }
}
