//! The error with its place, and the English of serde and toml turned into Chinese.

use crate::Problem;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

pub(crate) const UNREADABLE: &str = "config-unreadable";
pub(crate) const SYNTAX: &str = "config-syntax";
pub(crate) const UNKNOWN_KEY: &str = "config-unknown-key";
pub(crate) const VALUE: &str = "config-value";
pub(crate) const MISSING: &str = "config-missing";

/// Every label of this crate with its class.
pub const LABELS: &[(&str, Class)] = &[
    (UNREADABLE, Class::Permanent),
    (SYNTAX, Class::Permanent),
    (UNKNOWN_KEY, Class::Permanent),
    (VALUE, Class::Permanent),
    (MISSING, Class::Permanent),
];

/// What a trouble calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Trying again may help.
    Retry,
    /// Something must change outside first; no attempt is spent.
    Wait,
    /// A person must change something.
    Permanent,
}

/// Why a settings file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("設定檔「{}」無法讀取（config）", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file was read; one or more places in it are wrong.
    #[error("{}", render(.0))]
    Places(Vec<Note>),
}

/// One place in the file and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length of the marked text in characters, at least 1.
    pub length: usize,
    /// The whole source line.
    pub source_line: String,
    /// One of [`LABELS`].
    pub label: &'static str,
    /// What is wrong and what was expected, in Chinese.
    pub message: String,
}

impl Error {
    /// The stable name of the (first) fault.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Read { .. } => UNREADABLE,
            Self::Places(notes) => notes.first().map_or(SYNTAX, |n| n.label),
        }
    }

    /// Always [`Class::Permanent`]: a person must edit the file.
    pub fn class(&self) -> Class {
        Class::Permanent
    }

    /// The places that are wrong; empty if the file could not be read.
    pub fn notes(&self) -> &[Note] {
        match self {
            Self::Read { .. } => &[],
            Self::Places(notes) => notes,
        }
    }

    pub(crate) fn toml(text: &str, path: &Path, bad: &toml::de::Error) -> Self {
        let (label, message) = translate(bad.message());
        let span = bad.span().unwrap_or(0..0);
        Self::Places(vec![Note::at(text, path, span, label, message)])
    }

    pub(crate) fn encoding(path: &Path, bad: &std::string::FromUtf8Error) -> Self {
        let valid = bad.utf8_error().valid_up_to();
        let bytes = bad.as_bytes();
        let text = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default()).into_owned();
        let message = "檔案不是 UTF-8 編碼，請另存為 UTF-8".to_owned();
        Self::Places(vec![Note::at(&text, path, text.len()..text.len(), SYNTAX, message)])
    }

    pub(crate) fn problems(text: &str, path: &Path, problems: Vec<Problem>) -> Self {
        let table = toml::de::DeTable::parse(text.trim_start_matches('\u{feff}')).ok();
        let text = text.trim_start_matches('\u{feff}');
        let places = problems.into_iter().map(|p| {
            let span = table.as_ref().and_then(|t| span_of(t, &p.key)).unwrap_or(text.len()..text.len());
            Note::at(text, path, span, p.label, format!("{}：{}", p.key, p.message))
        });
        Self::Places(places.collect())
    }
}

impl Note {
    fn at(
        text: &str,
        path: &Path,
        span: std::ops::Range<usize>,
        label: &'static str,
        message: String,
    ) -> Self {
        let start = floor(text, span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let source_line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let marked = text.get(start..floor(text, span.end)).unwrap_or_default();
        let length = marked.lines().next().unwrap_or_default().trim_end().chars().count().max(1);
        Self {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column,
            length,
            source_line: source_line.to_owned(),
            label,
            message,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let before: String = self.source_line.chars().take(self.column - 1).collect();
        let marked: String = self.source_line.chars().skip(self.column - 1).take(self.length).collect();
        let carets = "^".repeat(width(&marked).max(1));
        writeln!(
            f,
            "{}:{}:{}: {} [{}]",
            self.path.display(),
            self.line,
            self.column,
            self.message,
            self.label
        )?;
        writeln!(f, "{gutter} |\n{number} | {}", self.source_line)?;
        write!(f, "{gutter} | {}{carets}", pad(&before))
    }
}

fn render(notes: &[Note]) -> String {
    let mut out = String::new();
    for (i, note) in notes.iter().enumerate() {
        let separator = if i == 0 { "" } else { "\n" };
        let _ = write!(out, "{separator}{note}");
    }
    out
}

/// Columns on a terminal: CJK and full-width characters take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// Blanks as wide as `text`; tabs stay tabs, so that the caret stays below its place.
fn pad(text: &str) -> String {
    text.chars().map(|c| if c == '\t' { "\t" } else { if wide(c) { "  " } else { " " } }).collect()
}

fn wide(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x20000..=0x3FFFD)
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Where a dotted key stands, or the nearest table above it that is written in the file.
fn span_of(table: &toml::Spanned<toml::de::DeTable<'_>>, key: &str) -> Option<std::ops::Range<usize>> {
    use toml::de::DeValue;
    let mut parts = key.split('.');
    let (name, value) = table.get_ref().get_key_value(parts.next()?)?;
    let (mut span, mut value) = (name.span(), value);
    for part in parts {
        let next = match value.get_ref() {
            DeValue::Table(inner) => inner.get_key_value(part).map(|(k, v)| (k.span(), v)),
            DeValue::Array(items) => {
                part.parse::<usize>().ok().and_then(|i| items.get(i)).map(|v| (v.span(), v))
            }
            _ => None,
        };
        let Some((at, inner)) = next else { return Some(span) };
        (span, value) = (at, inner);
    }
    // the value itself, where it is a plain one: that is what must be changed
    Some(match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) => span,
        _ => value.span(),
    })
}

/// The parser's English into a label and a Chinese sentence; what is not known is quoted.
fn translate(message: &str) -> (&'static str, String) {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let list = |from: usize| quoted.get(from..).unwrap_or_default().join("、");
    let first = quoted.first().copied().unwrap_or_default();
    if message.starts_with("unknown field") {
        let known =
            if quoted.len() > 1 { format!("，這裡可用的鍵有：{}", list(1)) } else { String::new() };
        return (UNKNOWN_KEY, format!("沒有「{first}」這個鍵（unknown key）{known}"));
    }
    if message.starts_with("unknown variant") {
        return (VALUE, format!("「{first}」不是可用的值，可用的值有：{}", list(1)));
    }
    if message.starts_with("missing field") {
        return (MISSING, format!("缺少必填的鍵「{first}」"));
    }
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        let (found, expected) = rest.split_once(", expected ").unwrap_or((rest, ""));
        return (VALUE, format!("型別不對：應為 {}，卻是 {}", kind(expected), kind(found)));
    }
    if let Some(rest) = message.strip_prefix("invalid value: ") {
        return (VALUE, format!("值不對（{rest}）"));
    }
    if message.starts_with("duplicate key") {
        return (SYNTAX, "同一個鍵寫了兩次（duplicate key）".to_owned());
    }
    // our own types refuse in Chinese already
    if message.starts_with('「') {
        return (VALUE, message.to_owned());
    }
    (SYNTAX, format!("不合 TOML 語法（{message}）"))
}

fn kind(english: &str) -> String {
    let table = [
        ("string", "字串（加引號）"),
        ("integer", "整數"),
        ("floating point", "小數"),
        ("boolean", "true 或 false"),
        ("sequence", "陣列 [ … ]"),
        ("map", "表格"),
        ("struct", "表格"),
        ("usize", "整數（0 以上）"),
        ("u32", "整數（0 以上）"),
        ("u16", "整數（0 以上）"),
        ("path", "字串（路徑，加引號）"),
    ];
    table
        .iter()
        .find(|(name, _)| english.contains(name))
        .map_or_else(|| english.to_owned(), |(_, zh)| format!("{zh}（{english}）"))
}
