//! Makes DI and SW of edition 104 that no receiver rejects.
//!
//! [`letter`] writes 函 (with every 函類別) and 簽, [`roster`] writes 交換表單: their DTDs are public. For the other kinds only
//! producers are known, not the DTD; [`unconfirmed`] writes them for a caller that says so.
//!
//! The form: UTF-8 without byte order mark, CRLF, one element a line, strict order; entities 表單 and ATTCHn with
//! notations DI and _X; the 密等 block is always there, an empty or zero 支號 never. What comes out is read and judged once
//! more before it is returned, is `valid` but for [`REMARKS`], and reading it gives the same [`Letter`] or [`Roster`] back.
//!
//! Nothing is lost or changed on the way: what the kind has no place for, and values that would not come back as they
//! are, are refused. In particular [`Error::Character`] refuses in every value the control characters (U+0000–001F, and
//! so tab, CR and LF; U+007F–009F), U+FFFE and U+FFFF; and a blank (U+0020) at either end of an element's text.
//! [`one_line`] removes what a person may have typed. Everything else is carried as it is: markup, `]]>`, quotes, private-use
//! and astral characters, full-width blanks.

mod letters;
mod lists;
mod notices;
mod out;
mod places;

use std::borrow::Cow;

use crate::letter::Letter;
use crate::model::Kind;
use crate::roster::Roster;
use crate::{Error, check_file_name};
use out::Out;

/// What is said of values that are written all the same, since only a person knows whether they are wrong: a date as
/// printed, a postcode, a contact line, a 統一編號.
pub const REMARKS: &[&str] =
    &["date-form", "date-impossible", "postcode-form", "contact-form", "company-number"];

/// Writes a 函 or 簽.
///
/// # Errors
/// - [`Error::Unconfirmed`]: the kind has no official DTD; see [`unconfirmed`].
/// - [`Error::Missing`]: the kind demands something that is not there.
/// - [`Error::NoPlace`]: the kind has no place for something that is there.
/// - [`Error::Value`]: a value that is not allowed where it stands, such as 便函 as 函類別.
/// - [`Error::Character`]: a character that would not come back; see [the module](self).
/// - [`Error::FileName`]: the name of a roster or attachment is not acceptable, or two differ only in case.
/// - [`Error::Invalid`]: the result would not be judged `valid`, such as one with a 機關代碼 that is empty.
pub fn letter(letter: &Letter) -> Result<Vec<u8>, Error> {
    match letter.kind {
        Kind::Letter | Kind::Memo => write(letter),
        Kind::Roster => Err(Error::Value { element: "交換表單", value: "a letter".to_owned() }),
        kind => Err(Error::Unconfirmed { root: kind.root() }),
    }
}

/// The caller's word that it wants a document by rules that are inferred from producers, not official: a receiver may
/// reject it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unconfirmed {
    said: (),
}

impl Unconfirmed {
    /// "I know that the DTD of this kind (104 年版 附錄 5) is not confirmed."
    #[must_use]
    pub const fn dtd_is_inferred() -> Self {
        Self { said: () }
    }
}

/// Writes a letter of any kind: also 令, 公告, 開會通知單, 會勘通知單 and 簽稿會核單, whose DTDs are not public.
///
/// # Errors
/// As for [`letter`], but for [`Error::Unconfirmed`].
pub fn unconfirmed(letter: &Letter, word: Unconfirmed) -> Result<Vec<u8>, Error> {
    let Unconfirmed { said: () } = word;
    match letter.kind {
        Kind::Roster => self::letter(letter),
        _ => write(letter),
    }
}

fn write(letter: &Letter) -> Result<Vec<u8>, Error> {
    places::check(letter)?;
    let mut out = Out::new(letter.kind);
    out.subset(letter.roster_file(), &letter.attachments)?;
    out.open(letter.kind.root());
    match letter.kind {
        Kind::Letter => out.letter(letter)?,
        Kind::Memo => out.memo(letter)?,
        Kind::Order => out.order(letter)?,
        Kind::Announcement => out.announcement(letter)?,
        Kind::MeetingNotice | Kind::InspectionNotice => out.notice(letter)?,
        Kind::Consultation => out.consultation(letter)?,
        Kind::Roster => {}
    }
    out.close(letter.kind.root());
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
    if let Some(extra) = roster.extra.first() {
        return Err(Error::NoPlace { root: "交換表單", element: "", value: extra.name.clone() });
    }
    let mut out = Out::new(Kind::Roster);
    out.no_subset();
    out.open("交換表單");
    for line in &roster.lines {
        out.line("交換表單", line)?;
        if let Some(copy) = &line.copy {
            out.open("本別");
            out.coded("收發處理本別", Some(copy))?;
            out.close("本別");
        }
    }
    out.close("交換表單");
    out.finish()
}

/// Makes one line of what a person typed: tabs and line breaks go, with a blank left between ASCII words; other control
/// characters and blanks at the ends go without trace.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if out::refused(text).is_none() {
        return Cow::Borrowed(text);
    }
    let is_break = |c: char| matches!(c, '\t' | '\r' | '\n' | '\u{85}');
    let mut line = String::with_capacity(text.len());
    for piece in text.split(is_break).filter(|piece| !piece.is_empty()) {
        let word = |c: char| c.is_ascii_graphic();
        if line.ends_with(word) && piece.starts_with(word) {
            line.push(' ');
        }
        line.extend(piece.chars().filter(|c| !out::is_refused(*c)));
    }
    Cow::Owned(line.trim_matches(' ').to_owned())
}
