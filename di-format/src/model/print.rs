//! The tables printed as a DTD.

use std::fmt;
use std::fmt::Write as _;

use super::{AttributeDecl, AttributeType, Cm, Edition, Kind, Presence, layers};

/// A complete, self-contained DTD (UTF-8, LF) of a kind in edition 104, for `xmllint --dtdvalid` and other judges.
///
/// For a kind without official DTD a comment says that it is inferred.
#[must_use]
pub fn dtd(kind: Kind) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let origin =
        if kind.is_official() { "official content models" } else { "inferred from producers, not official" };
    let _ =
        writeln!(out, "<!-- {} edition 104, {origin}; printed from the tables of di-format -->", kind.root());
    for (elements, attributes) in layers(kind, Edition::E104).into_iter().rev() {
        for decl in elements {
            let _ = writeln!(out, "<!ELEMENT {} {}>", decl.name, decl.model);
        }
        for attribute in attributes {
            let _ = writeln!(out, "{attribute}");
        }
    }
    out
}

impl fmt::Display for Cm {
    /// As in a DTD; a group always has its parentheses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("EMPTY"),
            Self::Any => f.write_str("ANY"),
            Self::Text => f.write_str("(#PCDATA)"),
            Self::El(_) => write!(f, "({})", Inner(self)),
            Self::Opt(inner) | Self::Star(inner) | Self::Plus(inner) if matches!(inner, Self::El(_)) => {
                write!(f, "({})", Inner(self))
            }
            _ => Inner(self).fmt(f),
        }
    }
}

struct Inner<'a>(&'a Cm);

impl fmt::Display for Inner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |f: &mut fmt::Formatter<'_>, parts: &[Cm], separator: &str| {
            f.write_str("(")?;
            for (number, part) in parts.iter().enumerate() {
                if number > 0 {
                    f.write_str(separator)?;
                }
                Inner(part).fmt(f)?;
            }
            f.write_str(")")
        };
        match self.0 {
            Cm::El(name) => f.write_str(name),
            Cm::Seq(parts) => group(f, parts, ","),
            Cm::Alt(parts) => group(f, parts, "|"),
            Cm::Opt(inner) => write!(f, "{}?", Inner(inner)),
            Cm::Star(inner) => write!(f, "{}*", Inner(inner)),
            Cm::Plus(inner) => write!(f, "{}+", Inner(inner)),
            Cm::Empty | Cm::Any | Cm::Text => self.0.fmt(f),
        }
    }
}

impl fmt::Display for AttributeDecl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<!ATTLIST {} {} ", self.element, self.name)?;
        match self.kind {
            AttributeType::Text => f.write_str("CDATA")?,
            AttributeType::Entity => f.write_str("ENTITY")?,
            AttributeType::Entities => f.write_str("ENTITIES")?,
            AttributeType::OneOf(values) => write!(f, "({})", values.join("|"))?,
        }
        match self.presence {
            Presence::Required => f.write_str(" #REQUIRED>"),
            Presence::Implied => f.write_str(" #IMPLIED>"),
            Presence::Default(value) => write!(f, " \"{value}\">"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_a_dtd_does() {
        let dtd = dtd(Kind::Letter);
        for line in [
            "<!ELEMENT 函 (發文機關+,函類別,地址,聯絡方式+,受文者,發文日期,發文字號+,速別?,密等及解密條件或保密期限?,附件?,主旨,段落*,正本,副本?,署名*)>",
            "<!ELEMENT 副本 (((姓名,職稱?)|全銜|單位名|總稱),含附件?)*>",
            "<!ELEMENT 主旨 (文字)>",
            "<!ELEMENT 速別 EMPTY>",
            "<!ELEMENT 字 (#PCDATA)>",
            "<!ATTLIST 速別 代碼 (普通件|速件|最速件) #IMPLIED>",
            "<!ATTLIST 附件檔名 附件名 ENTITIES #REQUIRED>",
            "<!ATTLIST 條列 序號 CDATA \"\">",
        ] {
            assert!(dtd.lines().any(|printed| printed == line), "{line}");
        }
    }
}
