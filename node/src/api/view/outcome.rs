//! What became of what we sent, recipient by recipient, in JSON; and the calendar of working days.

use serde::{Deserialize, Serialize};

use super::{Reason, time};
use crate::workday::{Exception, Year};

/// `GET /v1/outcome`: recipients and where they stand, those by exchange and those by paper apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// The day that it is told for, `2026-11-30`.
    pub date: String,
    /// Whether that is a working day.
    pub working: bool,
    /// Whether only what is due by that day was asked for.
    pub due_only: bool,
    /// Working days after 系統確認 by which 使用者確認 is expected.
    pub working_days: u16,
    /// Years that these days lie in and that have no calendar: weekends only.
    pub uncovered: Vec<i16>,
    /// Recipients by exchange.
    pub electronic: Vec<Recipient>,
    /// Names in 正本 and 副本 that match no recipient by exchange.
    pub paper: Vec<Name>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

/// The letter that a recipient or name belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// 32 hexadecimal digits.
    pub id: String,
    /// 發文字號.
    pub number: String,
    /// 主旨; where the letter is not read yet, its name in the drop folder.
    pub subject: String,
    /// 文別.
    pub kind: String,
    /// 發文日期 as printed.
    pub dated: String,
    /// 速別.
    pub priority: String,
    /// When it was taken from the drop folder.
    #[serde(with = "time")]
    pub claimed_at: i64,
}

/// A recipient by exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Of which letter.
    #[serde(flatten)]
    pub letter: Letter,
    /// Mailbox code; empty for a letter that is not sealed yet.
    pub code: String,
    /// Name as in the roster.
    pub name: String,
    /// 正本 or 副本; may be empty.
    pub copy: String,
    /// Whether the attachments go along.
    pub attachments: bool,
    /// Stable name.
    pub state: String,
    /// In Chinese.
    pub word: String,
    /// The letter is held.
    pub held: bool,
    /// Round of sending.
    pub round: u16,
    /// A later round is asked for or on its way.
    pub resending: bool,
    /// 系統確認, by the center's clock.
    #[serde(with = "time::option")]
    pub accepted_at: Option<i64>,
    /// 使用者確認: when the recipient archived it, as it says.
    #[serde(with = "time::option")]
    pub archived_at: Option<i64>,
    /// The day by which somebody must look after it; absent when nothing is open.
    pub due: Option<String>,
    /// Working days since then.
    pub late: u16,
    /// Why it is as it is.
    pub reason: Option<Reason>,
    /// When a notice or late verdict came that nobody has dealt with yet.
    #[serde(with = "time::option")]
    pub notice_at: Option<i64>,
    /// What to do, in Chinese; empty when nothing is open.
    pub action: String,
}

/// A name without a recipient by exchange (可能為紙本).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// Of which letter.
    #[serde(flatten)]
    pub letter: Letter,
    /// As the letter has it.
    pub name: String,
    /// 正本 or 副本.
    pub copy: String,
    /// `unmatched`, `on-paper` or `abandoned`.
    pub state: String,
    /// In Chinese.
    pub word: String,
    /// When a person decided about it.
    #[serde(with = "time::option")]
    pub done_at: Option<i64>,
    /// The day by which somebody must look after it; absent when that is done.
    pub due: Option<String>,
    /// Working days since then.
    pub late: u16,
}

/// `GET /v1/calendar`: what is known of working days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// Today, `2026-11-30`.
    pub today: String,
    /// Whether that is a working day.
    pub working: bool,
    /// The next one.
    pub next: String,
    /// Imported years with their exceptions.
    pub years: Vec<Year>,
    /// Of this year and the next, those that have weekends only.
    pub uncovered: Vec<i16>,
}

/// `POST /v1/calendar`: years to be taken, each in place of what was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarOrder {
    /// Who orders it.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
    /// Name of the file.
    pub source: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The years.
    pub years: Vec<YearOrder>,
}

/// A year of [`CalendarOrder`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YearOrder {
    /// Of the Christian era.
    pub year: i16,
    /// Days that are not as their weekday says, in their order.
    pub exceptions: Vec<Exception>,
}
