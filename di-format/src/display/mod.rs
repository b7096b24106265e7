//! What a reader of a letter sees: one structure, from which text, HTML and (in the program `di-render`) PDF are made.
//!
//! [`View::letter`] and [`View::roster`] make it, [`text`] and [`html`] print it; as JSON it is what `di-node show FILE --json`
//! prints. Parts stand in the order known from paper: 檔號 and 保存年限, heading, address and contact lines, 受文者, date, number,
//! 速別, 密等, 附件, then 主旨 and 段落, then 正本 and 副本, then 署名; notices, 簽 and 簽稿會核單 have their own.
//!
//! Invariants: every text of the letter is in the view exactly once ([`Value::code`] is there for programs and is not
//! printed, as on paper); nothing is there that the letter does not say, but for labels: a label that paper always
//! shows stays, with nothing beside it; markers and line breaks are those of the letter. All printed text goes through
//! [`visible`], so that no letter can steer a terminal or turn the direction of a line.

mod html;
mod letter;
mod roster;
mod text;
mod width;

use serde::{Deserialize, Serialize};

pub use html::html;
pub use text::text;
pub use width::{columns, hidden, visible, width, wrap};

use crate::{Letter, Reading, Roster};

/// A letter or roster as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Root element, such as 函 or 交換表單.
    pub kind: String,
    /// 檔號 and 保存年限, to be filled in by the receiver; empty for a roster.
    pub filing: Vec<Field>,
    /// The heading.
    pub heading: Heading,
    /// 地址 and 聯絡方式, which stand at the right.
    pub contact: Vec<Field>,
    /// Everything below.
    pub blocks: Vec<Block>,
}

/// 「範例部　函」, or 「簽　於　資訊處」.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// 發文機關; several for a joint letter.
    pub senders: Vec<Value>,
    /// 函類別 or the kind.
    pub title: String,
    /// True where the title stands first (簽).
    pub title_first: bool,
}

impl Heading {
    /// What stands between title and senders where the title is first.
    pub const AT: &str = "於";

    /// Whether any sender has a name.
    #[must_use]
    pub fn has_senders(&self) -> bool {
        self.senders.iter().any(|sender| !sender.text.is_empty())
    }
}

/// A part of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "kebab-case")]
pub enum Block {
    /// A label with values.
    Field(Field),
    /// A label with prose and numbered items.
    Clause(Clause),
    /// Lines of a roster.
    Table(Table),
    /// Blocks that belong together, such as those of one consulted unit.
    Group {
        /// The blocks.
        blocks: Vec<Self>,
    },
}

/// A label with values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// What it is.
    pub role: Role,
    /// As printed, with its colon; may be empty.
    pub label: String,
    /// None where the letter does not say; see [`Role::separator`].
    pub values: Vec<Value>,
}

/// One value of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// As printed.
    pub text: String,
    /// Additions, printed in full-width parentheses behind it: names of attached files, 不含附件.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// 機關代碼 and 單位代碼 as written, separated by a blank; not printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
}

/// A label with prose and numbered items: 主旨, 段落, 備註.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clause {
    /// What it is.
    pub role: Role,
    /// As printed, with its colon; may be empty.
    pub label: String,
    /// The prose; may be empty.
    pub text: String,
    /// 條列.
    pub items: Vec<Point>,
}

/// 條列.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Its own marker (一、), as written.
    pub marker: String,
    /// The prose; may be empty.
    pub text: String,
    /// The items below it.
    pub items: Vec<Self>,
}

/// Lines of a roster with the same 本別.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What it is.
    pub role: Role,
    /// 本別 and the number of lines.
    pub label: String,
    /// Headings of the columns.
    pub columns: Vec<String>,
    /// One cell for each column.
    pub rows: Vec<Vec<String>>,
}

/// What a part of the page is; its name in kebab case is the class in HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// 檔號.
    FileNumber,
    /// 保存年限.
    Retention,
    /// 地址.
    Address,
    /// 聯絡方式, 聯絡人及電話.
    Contact,
    /// 受文者.
    Recipient,
    /// 發文日期 or 年月日.
    Date,
    /// 發文字號 or 文號.
    Number,
    /// 收文字號.
    ReceivedNumber,
    /// 速別.
    Priority,
    /// 密等及解密條件或保密期限.
    Classification,
    /// 擬辦方式.
    Handling,
    /// 附件.
    Attachments,
    /// 主旨, 開會事由, 會勘事由 or 案情摘要.
    Subject,
    /// 開會時間 or 會勘時間.
    Time,
    /// 開會地點 or 會勘地點.
    Place,
    /// 主持人.
    Chair,
    /// 段落.
    Paragraph,
    /// 承辦單位.
    Responsible,
    /// 受會單位.
    Consulted,
    /// 會核意見.
    Opinion,
    /// 收會時間.
    Received,
    /// 會畢時間.
    Finished,
    /// 正本.
    Originals,
    /// 出席者.
    Attendees,
    /// 列席者.
    Observers,
    /// 副本.
    Copies,
    /// 備註.
    Remarks,
    /// 敬陳.
    SubmittedTo,
    /// 署名.
    Signature,
    /// Lines of a roster.
    Roster,
    /// What has no other place, under the name of its element.
    Extra,
}

impl Role {
    /// The class in HTML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FileNumber => "file-number",
            Self::Retention => "retention",
            Self::Address => "address",
            Self::Contact => "contact",
            Self::Recipient => "recipient",
            Self::Date => "date",
            Self::Number => "number",
            Self::ReceivedNumber => "received-number",
            Self::Priority => "priority",
            Self::Classification => "classification",
            Self::Handling => "handling",
            Self::Attachments => "attachments",
            Self::Subject => "subject",
            Self::Time => "time",
            Self::Place => "place",
            Self::Chair => "chair",
            Self::Paragraph => "paragraph",
            Self::Responsible => "responsible",
            Self::Consulted => "consulted",
            Self::Opinion => "opinion",
            Self::Received => "received",
            Self::Finished => "finished",
            Self::Originals => "originals",
            Self::Attendees => "attendees",
            Self::Observers => "observers",
            Self::Copies => "copies",
            Self::Remarks => "remarks",
            Self::SubmittedTo => "submitted-to",
            Self::Signature => "signature",
            Self::Roster => "roster",
            Self::Extra => "extra",
        }
    }

    /// What stands between two values: 、 between names, a full-width blank between 密等 and its condition, else a line break.
    #[must_use]
    pub const fn separator(self) -> &'static str {
        match self {
            Self::Originals | Self::Attendees | Self::Observers | Self::Copies | Self::Chair => "、",
            Self::Classification => "　",
            _ => "\n",
        }
    }
}

impl View {
    /// A letter.
    #[must_use]
    pub fn letter(letter: &Letter) -> Self {
        letter::view(letter)
    }

    /// A roster, its lines grouped by 本別.
    #[must_use]
    pub fn roster(roster: &Roster) -> Self {
        roster::view(roster)
    }

    /// What was read; `None` if it is unreadable.
    #[must_use]
    pub fn of(reading: &Reading) -> Option<Self> {
        let letter = reading.letter.as_ref().map(Self::letter);
        letter.or_else(|| reading.roster.as_ref().map(Self::roster))
    }
}

impl Value {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The text with its notes, as printed.
    #[must_use]
    pub fn printed(&self) -> String {
        if self.notes.is_empty() {
            return self.text.clone();
        }
        format!("{}（{}）", self.text, self.notes.join("、"))
    }
}
