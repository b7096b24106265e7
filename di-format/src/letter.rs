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

/// One of 聯絡人及電話.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactPerson {
    /// 姓名 and 職稱.
    pub person: Person,
    /// 電話.
    pub phone: String,
}

/// A point in time as printed: 開會時間, 會勘時間, 收會時間 or 會畢時間.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    /// 年月日.
    pub date: String,
    /// 星期; empty in 收會時間 and 會畢時間.
    pub weekday: String,
    /// 時分; `None` when absent.
    pub time: Option<String>,
}

/// One consulted unit of a 簽稿會核單.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opinion {
    /// 受會單位.
    pub unit: String,
    /// 會核意見; one by the document type.
    pub opinion: Vec<Paragraph>,
    /// 收會時間.
    pub received: When,
    /// 會畢時間.
    pub finished: When,
}

/// Text of a DI for which a [`Letter`] has no other place, kept for display: an element that the document type does not
/// have, or what stands where it should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Name of the element.
    pub name: String,
    /// The text in it; the values of its attributes where it has none.
    pub text: String,
}

/// What a DI says. Values are as written, white space at both ends removed. No text of the DI is lost: what has no field
/// is in `extra`.
///
/// Kinds without 主旨 have their 開會事由, 會勘事由 or 案情摘要 as `subject`.
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
    /// 聯絡人及電話 of a notice.
    pub contact_persons: Vec<ContactPerson>,
    /// 受文者.
    pub recipient: Option<Recipient>,
    /// 發文日期, or 年月日 of a 簽, as printed.
    pub date: String,
    /// 發文字號, or 文號 of a 簽.
    pub numbers: Vec<Number>,
    /// 速別 as given; empty when the DI does not say, which means 普通件.
    pub priority: String,
    /// 密等及解密條件或保密期限.
    pub classification: Classification,
    /// 擬辦方式 of a 簽.
    pub handling: Option<String>,
    /// 附件.
    pub attachments: Attachments,
    /// 主旨.
    pub subject: String,
    /// 開會時間 or 會勘時間.
    pub times: Vec<When>,
    /// 開會地點 or 會勘地點.
    pub place: String,
    /// 主持人.
    pub chairs: Vec<Person>,
    /// 段落.
    pub paragraphs: Vec<Paragraph>,
    /// 正本.
    pub originals: Vec<Entry>,
    /// 出席者 of a notice, where other kinds have 正本.
    pub attendees: Vec<Entry>,
    /// 列席者 of a notice.
    pub observers: Vec<Entry>,
    /// 副本.
    pub copies: Vec<Entry>,
    /// 備註 of a notice; one by the document type.
    pub remarks: Vec<Paragraph>,
    /// 承辦單位 of a 簽稿會核單.
    pub responsible: String,
    /// 收文字號 of a 簽稿會核單.
    pub received_number: Option<Number>,
    /// The consulted units of a 簽稿會核單.
    pub opinions: Vec<Opinion>,
    /// 敬陳 of a 簽.
    pub submitted_to: Vec<Person>,
    /// 署名.
    pub signatures: Vec<String>,
    /// What has no other place.
    pub extra: Vec<Extra>,
}

impl Letter {
    /// An empty letter of a kind, to be filled in for writing: 函類別 函, 速別 普通件 where the kind has them.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let priority = match kind {
            Kind::Announcement | Kind::Consultation | Kind::Roster => "",
            _ => "普通件",
        };
        Self {
            kind,
            category: if kind == Kind::Letter { "函".to_owned() } else { String::new() },
            senders: Vec::new(),
            address: String::new(),
            contacts: Vec::new(),
            contact_persons: Vec::new(),
            recipient: None,
            date: String::new(),
            numbers: Vec::new(),
            priority: priority.to_owned(),
            classification: Classification::default(),
            handling: None,
            attachments: Attachments::default(),
            subject: String::new(),
            times: Vec::new(),
            place: String::new(),
            chairs: Vec::new(),
            paragraphs: Vec::new(),
            originals: Vec::new(),
            attendees: Vec::new(),
            observers: Vec::new(),
            copies: Vec::new(),
            remarks: Vec::new(),
            responsible: String::new(),
            received_number: None,
            opinions: Vec::new(),
            submitted_to: Vec::new(),
            signatures: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// 行文單位保密: 正本 (出席者 of a notice) holds a single empty 總稱, so the recipients must not learn of each other.
    #[must_use]
    pub fn hides_recipients(&self) -> bool {
        let entries = if self.originals.is_empty() { &self.attendees } else { &self.originals };
        matches!(entries.as_slice(), [Entry { name: Name::Group(name), .. }] if name.is_empty())
    }

    /// Every entry of 正本, 出席者, 列席者 and 副本 with the element in which it stands.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, &Entry)> {
        let lists = [
            ("正本", &self.originals),
            ("出席者", &self.attendees),
            ("列席者", &self.observers),
            ("副本", &self.copies),
        ];
        lists.into_iter().flat_map(|(element, entries)| entries.iter().map(move |entry| (element, entry)))
    }

    /// 速別, which is 普通件 when the DI does not say.
    #[must_use]
    pub fn urgency(&self) -> &str {
        if self.priority.is_empty() { "普通件" } else { &self.priority }
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
