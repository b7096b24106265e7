//! What can be wrong with a document, and how it is said.

use std::fmt;

/// How much a [`Problem`] weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The deviation is known from real producers and the document can be read in spite of it.
    Warning,
    /// The document breaks its rules in a way that has no agreed reading.
    Error,
    /// Nothing reliable can be read: not well-formed, not decodable, not a DI or SW, or over a limit.
    Fatal,
}

impl Severity {
    /// The word used in reports: `warning` or `error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error | Self::Fatal => "error",
        }
    }
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable name, one of [`LABELS`].
    pub label: &'static str,
    /// Whether the document can be read in spite of it.
    pub severity: Severity,
    /// Line, from 1; lines end at LF.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Element path from the root, `函/受文者/交換表`; empty before the root element.
    pub path: String,
    /// One English sentence for logs.
    pub message: String,
    /// What stands there: an element, attribute, value or file name. May be empty.
    pub found: String,
    /// What should stand there, alternatives separated by ` | `. May be empty.
    pub expected: String,
    /// True for a breach of an official DTD (edition 104 of 函, 簽, 交換表單).
    pub official: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.line, self.column, self.label, self.message)?;
        if !self.path.is_empty() {
            write!(f, " (at {})", self.path)?;
        }
        Ok(())
    }
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The same call may succeed later.
    Retry,
    /// Something outside must change first.
    Wait,
    /// The bytes or values themselves are at fault.
    Permanent,
}

/// Why a function of this crate has no result.
///
/// [`read`](crate::read) does not fail: what it cannot read it reports as a [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no readable DI or SW; the first fatal problem.
    #[error("not readable: {0}")]
    Unreadable(Box<Problem>),
    /// A value to be written holds a character that would not come back as it is; see [`crate::write`].
    #[error("{element}: U+{code:04X} cannot be written there", code = *character as u32)]
    Character {
        /// The element or attribute that would have held it.
        element: &'static str,
        /// The character.
        character: char,
    },
    /// A value that the document type demands is missing.
    #[error("{element}: missing, and the document type demands it")]
    Missing {
        /// The element or attribute.
        element: &'static str,
    },
    /// A value is not one of those that the document type allows.
    #[error("{element}: {value:?} is not allowed by the document type")]
    Value {
        /// The element or attribute.
        element: &'static str,
        /// The value.
        value: String,
    },
    /// The letter holds something for which its kind has no place, so that writing would lose it.
    #[error("{root} has no place for {element} ({value:?})")]
    NoPlace {
        /// The kind, or the element in which the value would have to stand.
        root: &'static str,
        /// The element; empty for what is [`extra`](crate::Letter::extra).
        element: &'static str,
        /// What stands there, or how many of them.
        value: String,
    },
    /// A companion's file name is not acceptable.
    #[error("file name {name:?}: {reason}")]
    FileName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What was written would not be judged `valid`; the first problem.
    #[error("would not be valid: {0}")]
    Invalid(Box<Problem>),
    /// There is no writer for this kind of document.
    #[error("{root} cannot be written: its document type is not confirmed")]
    Unconfirmed {
        /// The root element.
        root: &'static str,
    },
}

impl Error {
    /// Stable name, one of [`LABELS`].
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreadable(problem) => problem.label,
            Self::Character { .. } => "write-character",
            Self::Missing { .. } => "write-missing",
            Self::Value { .. } => "write-value",
            Self::NoPlace { .. } => "write-no-place",
            Self::FileName { .. } => "file-name",
            Self::Invalid(_) => "write-invalid",
            Self::Unconfirmed { .. } => "write-unconfirmed",
        }
    }

    /// What can be done about it: all errors of this crate are faults of the bytes or values.
    #[must_use]
    pub const fn class(&self) -> Class {
        Class::Permanent
    }
}

/// Every label that a [`Problem`] or an [`Error`] can carry, with its meaning.
///
/// `found` and `expected` in the comments say what those fields of the problem hold.
pub const LABELS: &[(&str, &str)] = &[
    // bytes
    ("too-large", "the file is larger than the limit; found: size in bytes, expected: limit"),
    ("not-xml", "the file is of another type than XML; expected: what it is"),
    ("encoding", "the bytes are neither UTF-8 nor CP950; found: the bytes in hexadecimal"),
    ("encoding-unsupported", "the byte order mark announces an encoding other than UTF-8"),
    (
        "encoding-declared",
        "the declared encoding is not that of the bytes; found: declared (empty if none is), expected: real",
    ),
    // well-formedness and limits
    ("malformed", "not well-formed XML"),
    ("character", "a character that XML does not allow; found: the character"),
    ("too-deep", "elements are nested deeper than the limit; expected: limit"),
    ("too-many", "more elements, attributes or entities than the limit; expected: limit"),
    ("name-too-long", "a name is longer than the limit; expected: limit"),
    // prolog
    ("doctype-missing", "there is no document type declaration"),
    (
        "doctype-form",
        "the document type declaration holds something else than unparsed entities and notations",
    ),
    ("doctype-root", "the document type names another root element; found: root, expected: declared name"),
    ("dtd-name", "the DTD name is not one of this kind; found: DTD name"),
    ("dtd-name-case", "the DTD name is written in another case; found: DTD name"),
    ("root-unknown", "the root element is not that of a DI or SW; found: root, expected: what the file is"),
    ("entity-repeated", "an entity is declared more than once; found: entity"),
    ("notation-repeated", "a notation is declared more than once; found: notation"),
    ("notation-undeclared", "an entity has a notation that is not declared; found: notation"),
    ("file-name", "an entity names a file in a way that is not accepted; found: name, expected: reason"),
    ("entity-reference", "a general entity is referenced in text; found: entity"),
    // structure
    ("element-undeclared", "the document type has no such element; found: element"),
    (
        "element-unexpected",
        "the element is not allowed in its parent; found: element, expected: what is allowed",
    ),
    (
        "element-order",
        "the element stands at another place than the document type says; found: element, expected: where it belongs (`after A, before B`), or what is due",
    ),
    ("element-repeated", "the element occurs more often than allowed; found: element"),
    ("element-missing", "an element is missing; found: where, expected: the element"),
    ("element-extra", "an additional element after the last one of the document type; found: element"),
    (
        "text-unexpected",
        "text where only elements are allowed; found: the text, expected: elements allowed there",
    ),
    ("content-not-empty", "an element that must be empty has content; found: the content"),
    ("attribute-undeclared", "the element has no such attribute; found: attribute"),
    ("attribute-missing", "a required attribute is missing; expected: attribute"),
    ("attribute-value", "the attribute's value is not allowed; found: value, expected: values"),
    ("entity-undeclared", "an attribute names an entity that is not declared; found: entity"),
    // deviations of known producers, accepted
    ("original-empty", "正本 is empty"),
    ("original-repeated", "正本 occurs more than once; the entries are merged"),
    ("recipient-text", "a recipient is written as bare text; found: the text"),
    ("number-missing", "發文字號 is missing"),
    ("time-missing", "the time of the meeting or inspection is missing"),
    ("address-in-notice", "a notice has an 地址"),
    ("classification-text", "密等 is written as text; found: the text"),
    ("classification-ordinary", "密等 has the value 普通, which this edition no longer has"),
    ("sender-form", "the sender of a 簽 is written as 機關"),
    (
        "attachment-not-entity",
        "附件名 holds a file name or a comma-joined list instead of entity names; found: the value",
    ),
    ("code-missing", "機關代碼 is missing or empty"),
    ("code-joined", "a 17-character code (organisation and unit) in 機關代碼; found: the code"),
    (
        "code-form",
        "in a roster, an organisation code that has neither 10 nor 17 characters, or a unit code that has not 7; found: the code",
    ),
    ("heading-repeated", "the paragraph's text repeats its 段名; found: 段名"),
    ("date-form", "年月日 is not written as a date; found: the text"),
    ("date-impossible", "年月日 is a day that the calendar does not have; found: the text"),
    ("postcode-form", "地址 begins with digits that are no postcode of 3, 5 or 6; found: the digits"),
    ("contact-form", "a line of 聯絡方式 whose value does not fit its label; found: the value"),
    ("company-number", "a 統一編號 with a wrong check digit; found: the number"),
    ("roster-empty", "the roster has no entries"),
    ("roster-dangling", "an entry's detail without an entry in the roster; found: element"),
    ("attachments-word", "含附件 holds other words than 含附件 and 不含附件; found: the words"),
    // a letter with its roster: hints
    ("name-not-in-roster", "a name in the letter that no line of the roster has; found: the name"),
    (
        "roster-name-not-in-letter",
        "a line of the roster whose name is not in the letter; found: the name, expected: its line in the roster",
    ),
    (
        "recipient-differs",
        "the roster has another recipient than 受文者; found: code in the roster, expected: code in 受文者",
    ),
    ("too-many-problems", "there are more problems than are listed; expected: limit"),
    // writing
    ("write-character", "a value to be written holds a control character, or a blank at its ends"),
    ("write-missing", "a value that the document type demands is missing"),
    ("write-value", "a value is not allowed by the document type"),
    ("write-no-place", "the letter holds something for which its kind has no place"),
    ("write-invalid", "what was written would not be valid"),
    ("write-unconfirmed", "there is no confirmed document type for this kind"),
];
