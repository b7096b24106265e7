//! The content models as data: what the document types say, in tables that can be held against a DTD line by line.
//!
//! `tables` has the shared elements of edition 104 (official), `kinds` the roots and what differs in older editions.
//! [`grammar`] puts them together for one kind and edition; [`dtd`] prints the edition 104 of a kind as a complete DTD.

mod kinds;
mod print;
mod syntax;
mod tables;

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::OnceLock;

use crate::matcher::Automaton;
pub use print::dtd;

/// A content model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cm {
    /// `EMPTY`
    Empty,
    /// `ANY`
    Any,
    /// `(#PCDATA)`
    Text,
    /// One element.
    El(&'static str),
    /// `(a,b)`
    Seq(&'static [Self]),
    /// `(a|b)`
    Alt(&'static [Self]),
    /// `a?`
    Opt(&'static Self),
    /// `a*`
    Star(&'static Self),
    /// `a+`
    Plus(&'static Self),
}

impl Cm {
    /// Whether an element of this name is a part of the model.
    #[must_use]
    pub fn names(&self, wanted: &str) -> bool {
        match self {
            Self::El(name) => *name == wanted,
            Self::Seq(parts) | Self::Alt(parts) => parts.iter().any(|part| part.names(wanted)),
            Self::Opt(inner) | Self::Star(inner) | Self::Plus(inner) => inner.names(wanted),
            Self::Empty | Self::Any | Self::Text => false,
        }
    }
}

/// The type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// `CDATA`
    Text,
    /// One of these values.
    OneOf(&'static [&'static str]),
    /// `ENTITY`: the name of a declared unparsed entity.
    Entity,
    /// `ENTITIES`: names of declared unparsed entities, separated by white space.
    Entities,
}

/// What holds when an attribute is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// `#REQUIRED`
    Required,
    /// `#IMPLIED`
    Implied,
    /// This value.
    Default(&'static str),
}

/// One `<!ELEMENT>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementDecl {
    /// Element name.
    pub name: &'static str,
    /// What it may contain.
    pub model: Cm,
}

/// One `<!ATTLIST>` with a single attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributeDecl {
    /// Element name.
    pub element: &'static str,
    /// Attribute name.
    pub name: &'static str,
    /// Its type.
    pub kind: AttributeType,
    /// Required, implied or defaulted.
    pub presence: Presence,
}

/// The kinds of document that are exchanged, by root element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// 函, with 書函 and others told apart by 函類別.
    Letter,
    /// 簽.
    Memo,
    /// 交換表單, the SW file.
    Roster,
    /// 令.
    Order,
    /// 公告.
    Announcement,
    /// 開會通知單.
    MeetingNotice,
    /// 會勘通知單.
    InspectionNotice,
    /// 簽稿會核單.
    Consultation,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Letter,
        Self::Memo,
        Self::Roster,
        Self::Order,
        Self::Announcement,
        Self::MeetingNotice,
        Self::InspectionNotice,
        Self::Consultation,
    ];

    /// The root element.
    #[must_use]
    pub const fn root(self) -> &'static str {
        match self {
            Self::Letter => "函",
            Self::Memo => "簽",
            Self::Roster => "交換表單",
            Self::Order => "令",
            Self::Announcement => "公告",
            Self::MeetingNotice => "開會通知單",
            Self::InspectionNotice => "會勘通知單",
            Self::Consultation => "簽稿會核單",
        }
    }

    /// The kind with this root element.
    #[must_use]
    pub fn from_root(root: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.root() == root)
    }

    /// The kind that a person names: the root element (`函`) or the part of the DTD name (`2`, `roster`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::from_root(name)
            .or_else(|| Self::ALL.into_iter().find(|kind| kind.code().eq_ignore_ascii_case(name)))
    }

    /// The part of the DTD name that stands for the kind: `2` in `104_2_utf8.dtd`, `roster` in `104_roster_utf8.dtd`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Order => "1",
            Self::Letter => "2",
            Self::Announcement => "3",
            Self::MeetingNotice => "4",
            Self::Memo => "5",
            Self::Consultation => "6",
            Self::InspectionNotice => "B",
            Self::Roster => "roster",
        }
    }

    /// True if the DTD of edition 104 is public; the models of the others are inferred from producers.
    #[must_use]
    pub const fn is_official(self) -> bool {
        matches!(self, Self::Letter | Self::Memo | Self::Roster)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root())
    }
}

/// The editions of the specification, by ROC year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Edition {
    /// 91 (2002)
    E91,
    /// 93 (2004)
    E93,
    /// 97 (2008)
    E97,
    /// 99 (2010)
    E99,
    /// 104 (2015), in force
    E104,
}

impl Edition {
    /// All editions, oldest first.
    pub const ALL: [Self; 5] = [Self::E91, Self::E93, Self::E97, Self::E99, Self::E104];

    /// The ROC year as in DTD names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::E91 => "91",
            Self::E93 => "93",
            Self::E97 => "97",
            Self::E99 => "99",
            Self::E104 => "104",
        }
    }
}

/// What a DTD name such as `104_2_utf8.dtd` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DtdName {
    pub(crate) edition: Option<Edition>,
    pub(crate) code: String,
    /// False if the name is written in other case than the official one.
    pub(crate) exact: bool,
}

/// Reads a DTD name; `None` if it has another form.
pub(crate) fn dtd_name(name: &str) -> Option<DtdName> {
    let lower = name.to_ascii_lowercase();
    let stem = lower.strip_suffix(".dtd")?;
    let mut parts = stem.split('_');
    let (year, code) = (parts.next()?, parts.next()?);
    let encoding = parts.next();
    if parts.next().is_some() || !matches!(encoding, None | Some("big5" | "utf8")) {
        return None;
    }
    if year.is_empty() || !year.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let code = if code.len() == 1 { code.to_ascii_uppercase() } else { code.to_owned() };
    let mut exact = format!("{year}_{code}");
    if let Some(part) = encoding {
        let _ = write!(exact, "_{part}");
    }
    exact.push_str(".dtd");
    Some(DtdName {
        edition: Edition::ALL.into_iter().find(|edition| edition.as_str() == year),
        code,
        exact: exact == name,
    })
}

/// An element's declaration with its automaton and attributes.
pub(crate) struct Rule {
    pub(crate) decl: &'static ElementDecl,
    pub(crate) automaton: Automaton,
    pub(crate) attributes: Vec<&'static AttributeDecl>,
}

/// The rules of one kind in one edition.
pub struct Grammar {
    kind: Kind,
    edition: Edition,
    rules: HashMap<&'static str, Rule>,
}

impl Grammar {
    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The edition.
    #[must_use]
    pub const fn edition(&self) -> Edition {
        self.edition
    }

    /// True if the rules are those of an official DTD.
    #[must_use]
    pub fn is_official(&self) -> bool {
        self.edition == Edition::E104 && self.kind.is_official()
    }

    /// The content model of an element; `None` if the document type does not declare it.
    #[must_use]
    pub fn content(&self, element: &str) -> Option<&'static Cm> {
        self.rules.get(element).map(|rule| &rule.decl.model)
    }

    /// The attributes that an element may have.
    #[must_use]
    pub fn attributes(&self, element: &str) -> &[&'static AttributeDecl] {
        self.rules.get(element).map_or(&[], |rule| &rule.attributes)
    }

    /// The names of all declared elements, in no order.
    pub fn elements(&self) -> impl Iterator<Item = &'static str> {
        self.rules.keys().copied()
    }

    pub(crate) fn rule(&self, element: &str) -> Option<&Rule> {
        self.rules.get(element)
    }
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grammar({} {})", self.edition.as_str(), self.kind)
    }
}

/// The rules of a kind in an edition; built at first use and kept.
#[must_use]
pub fn grammar(kind: Kind, edition: Edition) -> &'static Grammar {
    static BUILT: [[OnceLock<Grammar>; 5]; 8] = [const { [const { OnceLock::new() }; 5] }; 8];
    static LOST: OnceLock<Grammar> = OnceLock::new();
    let place = Kind::ALL.iter().position(|one| *one == kind);
    let year = Edition::ALL.iter().position(|one| *one == edition);
    let cell = place
        .zip(year)
        .and_then(|(place, year)| BUILT.get(place).and_then(|row| row.get(year)))
        .unwrap_or(&LOST); // never: both lists are complete
    cell.get_or_init(|| build(kind, edition))
}

/// Later tables stand before earlier ones.
fn layers(kind: Kind, edition: Edition) -> [(&'static [ElementDecl], &'static [AttributeDecl]); 3] {
    [
        (tables::ELEMENTS, tables::ATTRIBUTES),
        (kinds::older(edition), kinds::older_attributes(edition)),
        (kinds::root(kind, edition), &[]),
    ]
}

fn build(kind: Kind, edition: Edition) -> Grammar {
    let mut rules: HashMap<&'static str, Rule> = HashMap::new();
    for (elements, attributes) in layers(kind, edition) {
        for decl in elements {
            let kept = rules.remove(decl.name).map(|rule| rule.attributes).unwrap_or_default();
            rules.insert(decl.name, Rule { decl, automaton: Automaton::new(&decl.model), attributes: kept });
        }
        for attribute in attributes {
            if let Some(rule) = rules.get_mut(attribute.element) {
                rule.attributes.retain(|known| known.name != attribute.name);
                rule.attributes.push(attribute);
            }
        }
    }
    Grammar { kind, edition, rules }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_dtds() {
        let name = dtd_name("104_2_utf8.dtd").unwrap();
        assert_eq!((name.edition, name.code.as_str(), name.exact), (Some(Edition::E104), "2", true));
        let name = dtd_name("104_Roster_utf8.dtd").unwrap();
        assert_eq!((name.code.as_str(), name.exact), ("roster", false));
        assert_eq!(dtd_name("97_2.dtd").unwrap().edition, Some(Edition::E97));
        assert!(dtd_name("104_B_utf8.dtd").unwrap().exact);
        assert_eq!(dtd_name("110_2_utf8.dtd").unwrap().edition, None);
        for other in ["", "x.dtd", "104_2_utf16.dtd", "a_2.dtd", "104_2_utf8_x.dtd", "104_2_utf8"] {
            assert_eq!(dtd_name(other), None, "{other}");
        }
    }

    #[test]
    fn older_editions_differ_where_they_should() {
        let values = |edition| {
            grammar(Kind::Letter, edition)
                .attributes("密等")
                .iter()
                .any(|a| matches!(a.kind, AttributeType::OneOf(values) if values.contains(&"普通")))
        };
        assert_eq!(Edition::ALL.map(values), [true, true, true, false, false]);
    }
}
