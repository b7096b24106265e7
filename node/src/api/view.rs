//! The JSON of the local API: what its answers hold. The command line reads them with the same types.
//!
//! Every state is given twice: `state` is the stable English name, `word` what people read. Every trouble is a
//! [`Reason`]: label, sentence, remedy. Times are RFC 3339 in UTC with milliseconds. Additions do not change `/v1`.

use serde::{Deserialize, Serialize};

mod card;
mod outcome;
pub use card::{Card, Cards, Certificate, Outcome, Reader, Retried, Retry, Tested, Token, Tries};
pub use outcome::{Calendar, CalendarOrder, Letter, Name, Outcomes, Recipient, YearOrder};

/// Times in JSON.
mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(at: &i64, to: S) -> Result<S::Ok, S::Error> {
        crate::cli::rfc3339(*at).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        let text = String::deserialize(from)?;
        text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(D::Error::custom)
    }

    pub(super) mod option {
        use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

        pub(in super::super) fn serialize<S: Serializer>(at: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
            at.map(crate::cli::rfc3339).serialize(to)
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<i64>, D::Error> {
            let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
            let stamp: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
            Ok(Some(stamp.as_millisecond()))
        }
    }
}

/// Why something is as it is: for programs, and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable label.
    pub label: String,
    /// What happened, in Chinese.
    pub what: String,
    /// What to do, in Chinese.
    pub remedy: String,
    /// Particulars; may be empty.
    #[serde(default)]
    pub detail: String,
}

impl Reason {
    /// From a label and its particulars; `None` for an empty label.
    #[must_use]
    pub fn of(label: &str, detail: &str) -> Option<Self> {
        (!label.is_empty()).then(|| Self {
            label: label.to_owned(),
            what: crate::words::what(label),
            remedy: crate::words::remedy(label),
            detail: detail.to_owned(),
        })
    }
}

/// How the node and the center stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Logged in now.
    pub connected: bool,
    /// `quic` or `tcp` while connected.
    pub transport: Option<String>,
    /// Since when it is so.
    #[serde(with = "time::option")]
    pub since: Option<i64>,
    /// Why not connected, or what limits the connection.
    pub reason: Option<Reason>,
}

/// `GET /v1/status`: the node as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Version of the program that answers.
    pub version: String,
    /// Whether a service runs; false when the command line read the state folder itself.
    pub running: bool,
    /// Since when the service runs.
    #[serde(with = "time::option")]
    pub started_at: Option<i64>,
    /// Our organisation code.
    pub code: String,
    /// Our organisation's name.
    pub name: String,
    /// The center's code.
    pub center: String,
    /// Whether only receiving is set.
    pub receive_only: bool,
    /// The connection; absent when no service runs.
    pub link: Option<Link>,
    /// The card; absent when no service runs, or its keys are in files.
    #[serde(default)]
    pub card: Option<Card>,
    /// What the node as a whole waits for now, the oldest first.
    #[serde(default)]
    pub troubles: Vec<NodeTrouble>,
    /// How many stand where, all times.
    pub counts: Vec<Count>,
    /// Held documents.
    pub held: u64,
    /// Confirmations and returns that the center does not have yet.
    pub unreported: u64,
    /// Recipients whose answer is missed by today: those of `GET /v1/outcome?due=true`, at most 1,000.
    #[serde(default)]
    pub missed: u64,
    /// How long certificates still last: ours first, then the recipients' that end first.
    #[serde(default)]
    pub certificates: Vec<Validity>,
    /// The newest alarms, newest first.
    pub alarms: Vec<Event>,
}

/// Something that the node as a whole waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTrouble {
    /// Since when.
    #[serde(with = "time")]
    pub since: i64,
    /// What, and what to do.
    pub reason: Reason,
}

impl NodeTrouble {
    /// As it is shown.
    #[must_use]
    pub fn of(trouble: &crate::trouble::Trouble) -> Option<Self> {
        let reason = Reason::of(&trouble.label, &trouble.detail)?;
        Some(Self { since: trouble.since, reason })
    }
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Ours: signs.
    Sign,
    /// Ours: opens what arrives.
    Decrypt,
    /// A recipient's: is sealed to.
    Encrypt,
}

/// How long a certificate still lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// The recipient's mailbox code; absent for ours.
    pub code: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// Subject.
    pub subject: String,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate in hexadecimal.
    pub sha256: String,
    /// The end of its validity.
    #[serde(with = "time")]
    pub not_after: i64,
    /// Whole days until then; negative when it is over.
    #[serde(default)]
    pub days_left: Option<i64>,
    /// Why it cannot be used at present, if so.
    #[serde(default)]
    pub reason: Option<Reason>,
}

impl Validity {
    /// Whole days left at `now` (Unix milliseconds); negative when it is over.
    #[must_use]
    pub const fn days(&self, now: i64) -> i64 {
        self.not_after.saturating_sub(now).div_euclid(86_400_000)
    }

    /// Whose and what for, in Chinese.
    #[must_use]
    pub fn of(&self) -> String {
        match (&self.code, self.purpose) {
            (None, Purpose::Sign) => "本機關簽章憑證".to_owned(),
            (None, _) => "本機關加密憑證".to_owned(),
            (Some(code), _) => format!("收文機關 {code} 的加密憑證"),
        }
    }

    /// In one line, for journal and status.
    #[must_use]
    pub fn to_line(&self, now: i64) -> String {
        let end = crate::cli::Civil::local().second(self.not_after);
        match self.days(now) {
            days if days < 0 => format!("{}已於 {end} 到期", self.of()),
            days => format!("{}剩 {days} 日，於 {end} 到期", self.of()),
        }
    }
}

/// So many documents in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// `out` or `in`.
    #[serde(rename = "box")]
    pub kind: String,
    /// Stable name.
    pub state: String,
    /// In Chinese.
    pub word: String,
    /// How many.
    pub count: u64,
}

/// A page of a box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Newest first.
    pub documents: Vec<T>,
    /// Give this as `before` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A line of 發文匣.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutRow {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Stable name.
    pub state: String,
    /// In Chinese.
    pub word: String,
    /// Waits for a person.
    pub held: bool,
    /// Why it is not further.
    pub reason: Option<Reason>,
    /// 文別.
    pub kind: String,
    /// 發文字號.
    pub number: String,
    /// 主旨.
    pub subject: String,
    /// 速別.
    pub priority: String,
    /// Mailbox that sends.
    pub sender: String,
    /// First recipient's name or code.
    pub first_recipient: String,
    /// Recipients by state.
    pub recipients: Vec<Count>,
    /// Names without an electronic line (可能為紙本).
    pub hints: u32,
    /// Name in the drop folder.
    pub drop_name: String,
    /// When it was taken from the drop folder.
    #[serde(with = "time")]
    pub claimed_at: i64,
    /// When it last changed.
    #[serde(with = "time")]
    pub changed_at: i64,
    /// The earlier document with the same bytes.
    pub duplicate_of: Option<String>,
}

/// A line of 收文匣.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InRow {
    /// The sender's id: 32 hexadecimal digits.
    pub id: String,
    /// Stable name.
    pub state: String,
    /// In Chinese.
    pub word: String,
    /// Waits for a person.
    pub held: bool,
    /// Why it is not further, or was returned.
    pub reason: Option<Reason>,
    /// 文別; empty before it was opened.
    pub kind: String,
    /// 發文字號.
    pub number: String,
    /// 主旨.
    pub subject: String,
    /// 速別.
    pub priority: String,
    /// Mailbox that sent it.
    pub sender: String,
    /// Name of the sender as in the letter.
    pub sender_name: String,
    /// Our mailbox.
    pub recipient: String,
    /// Labels of readable-with-warnings.
    pub warnings: Vec<String>,
    /// Name in the delivery folder; empty before archiving.
    pub folder: String,
    /// Whether a document with the same content came before (疑似重複).
    pub duplicate: bool,
    /// When it was first offered.
    #[serde(with = "time")]
    pub offered_at: i64,
    /// When it was safe in the archive.
    #[serde(with = "time::option")]
    pub archived_at: Option<i64>,
    /// When it last changed.
    #[serde(with = "time")]
    pub changed_at: i64,
}

/// `GET /v1/documents/{id}`: one document with everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "box", rename_all = "lowercase")]
pub enum Document {
    /// Sent by us.
    Out(Box<OutDocument>),
    /// Received by us.
    In(Box<InDocument>),
}

/// A document of 發文匣.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutDocument {
    /// As in the list.
    #[serde(flatten)]
    pub row: OutRow,
    /// Edition of its format.
    pub edition: String,
    /// 發文日期 as printed.
    pub dated: String,
    /// All files together, bytes.
    pub size: u64,
    /// Its files.
    pub files: Vec<File>,
    /// Its recipients, in the order of the roster.
    pub lines: Vec<Line>,
    /// Names in the letter that match no line: 待人工確認（可能為紙本）.
    pub unmatched: Vec<String>,
    /// When it was signed and sealed.
    #[serde(with = "time::option")]
    pub sealed_at: Option<i64>,
    /// Its history, oldest first.
    pub history: Vec<Event>,
}

/// A document of 收文匣.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InDocument {
    /// As in the list.
    #[serde(flatten)]
    pub row: InRow,
    /// Edition of its format.
    pub edition: String,
    /// 發文日期 as printed.
    pub dated: String,
    /// All files together, bytes; before archiving the length of the sealed bytes.
    pub size: u64,
    /// Its files.
    pub files: Vec<File>,
    /// When the center accepted it, by the center's clock.
    #[serde(with = "time")]
    pub accepted_at: i64,
    /// Whether the attachments were sent to us.
    pub attachments: bool,
    /// Which round of sending.
    pub round: u16,
    /// The notice that was sent to the sender after the confirmation (誤送/錯漏通知).
    #[serde(default)]
    pub notice: Option<Reason>,
    /// Folder in the archive; empty before archiving.
    pub archive: String,
    /// Its history, oldest first.
    pub history: Vec<Event>,
}

/// A file of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name.
    pub name: String,
    /// `di`, `sw` or `attachment`.
    pub role: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// A recipient of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Mailbox code.
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
    /// Why it was returned, or is not further.
    pub reason: Option<Reason>,
    /// Round of sending.
    pub round: u16,
    /// 系統確認.
    #[serde(with = "time::option")]
    pub accepted_at: Option<i64>,
    /// When the recipient archived it, as it says (使用者確認).
    #[serde(with = "time::option")]
    pub archived_at: Option<i64>,
    /// When the state last changed.
    #[serde(with = "time")]
    pub changed_at: i64,
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number, without gaps.
    pub seq: u64,
    /// When.
    #[serde(with = "time")]
    pub at: i64,
    /// Who: `node`, or a person.
    pub actor: String,
    /// Stable name of what happened.
    pub event: String,
    /// In Chinese.
    pub what: String,
    /// Particulars.
    pub detail: String,
    /// Whether a person must look at it.
    pub alarm: bool,
    /// SHA-256 that chains it to the line before.
    pub hash: String,
}

/// `POST /v1/documents/{id}/{hold,release,retry,abandon,resend,paper,settle,return}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Who orders it.
    pub actor: String,
    /// Why. Must say something.
    pub reason: String,
    /// Recipients by code, or by name where they have no code (`paper`, `abandon`); empty: all that it fits.
    #[serde(default)]
    pub to: Vec<String>,
    /// Of `return` after the confirmation: `misdirected` (the default) or `incomplete`.
    #[serde(default)]
    pub label: String,
}

/// An error's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Why.
    pub error: Reason,
}

/// `GET /v1/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether the service works: its store answers.
    pub ok: bool,
    /// Version of the service.
    pub version: String,
    /// Whether the center is reached now.
    pub connected: bool,
}
