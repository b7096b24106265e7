//! The prolog: XML declaration, comments, and the document type declaration in the narrow form that a DI needs.
//!
//! Allowed in the internal subset: `<!ENTITY name SYSTEM "file" NDATA notation>`, `<!NOTATION name SYSTEM|PUBLIC …>`,
//! comments and white space. Everything else (parsed and parameter entities, ATTLIST, ELEMENT, conditional sections)
//! is refused, so nothing here can expand or reach outside. System identifiers are file names, never URIs.

use crate::Limits;
use crate::line::Lines;

/// An unparsed entity: a companion file under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// The name that 交換表單 and 附件名 refer to.
    pub name: String,
    /// File name of the companion, exactly as written.
    pub file: String,
    /// The notation after NDATA.
    pub notation: String,
    /// Line of the declaration, from 1.
    pub line: u32,
    /// Column of the declaration in characters, from 1.
    pub column: u32,
    pub(crate) at: usize,
}

/// A declared notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notation {
    /// Its name.
    pub name: String,
    /// Its public or system identifier, usually empty.
    pub identifier: String,
    pub(crate) at: usize,
}

/// The document type declaration.
#[derive(Debug)]
pub(crate) struct Doctype {
    pub(crate) name: String,
    pub(crate) system: Option<String>,
    pub(crate) at: usize,
    pub(crate) entities: Vec<Entity>,
    pub(crate) notations: Vec<Notation>,
}

/// What stands before the root element.
#[derive(Debug)]
pub(crate) struct Prolog {
    pub(crate) doctype: Option<Doctype>,
    /// Where the root element's `<` stands.
    pub(crate) root: usize,
}

/// Why the prolog cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) label: &'static str,
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) found: String,
    pub(crate) expected: String,
}

pub(crate) const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// XML 1.0 (fifth edition) `NameStartChar`.
pub(crate) const fn is_name_start(character: char) -> bool {
    matches!(character, ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}'
        | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// XML 1.0 (fifth edition) `NameChar`.
pub(crate) const fn is_name_char(character: char) -> bool {
    is_name_start(character)
        || matches!(character, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// XML 1.0 `Char`.
pub(crate) const fn is_xml_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// XML 1.0 `PubidChar`.
fn is_public_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || " \r\n-'()+,./:=?;!*#@$_%".contains(character)
}

/// Reads everything up to the root element.
pub(crate) fn prolog(text: &str, limits: &Limits) -> Result<Prolog, Refused> {
    let mut cursor = Cursor { text, at: 0, limits };
    cursor.declaration()?;
    let mut doctype = None;
    loop {
        cursor.skip_space();
        if cursor.starts("<!--") {
            cursor.comment()?;
        } else if cursor.starts("<?") {
            cursor.instruction()?;
        } else if cursor.starts("<!DOCTYPE") {
            if doctype.is_some() {
                return Err(cursor.malformed("a second document type declaration"));
            }
            let mut found = cursor.doctype()?;
            let mut lines = Lines::new(text);
            for entity in &mut found.entities {
                (entity.line, entity.column) = lines.position(entity.at);
            }
            doctype = Some(found);
        } else if cursor.rest().strip_prefix('<').is_some_and(|rest| rest.starts_with(is_name_start)) {
            return Ok(Prolog { doctype, root: cursor.at });
        } else if cursor.rest().is_empty() {
            return Err(cursor.malformed("the file ends before the root element"));
        } else {
            return Err(cursor.malformed("text before the root element"));
        }
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    limits: &'a Limits,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn starts(&self, prefix: &str) -> bool {
        self.rest().starts_with(prefix)
    }

    fn malformed(&self, message: &str) -> Refused {
        self.refused("malformed", message.to_owned(), "")
    }

    fn form(&self, message: &str, expected: &str) -> Refused {
        let mut refused = self.refused("doctype-form", message.to_owned(), expected);
        refused.found = self.rest().chars().take(24).take_while(|c| *c != '\n').collect();
        refused
    }

    fn refused(&self, label: &'static str, message: String, expected: &str) -> Refused {
        Refused { label, at: self.at, message, found: String::new(), expected: expected.to_owned() }
    }

    /// Skips white space; true if there was some.
    fn skip_space(&mut self) -> bool {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches(is_space);
        self.at += rest.len() - trimmed.len();
        trimmed.len() < rest.len()
    }

    fn space(&mut self) -> Result<(), Refused> {
        if self.skip_space() { Ok(()) } else { Err(self.form("white space is missing", "")) }
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.starts(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Skips to the end of the next `end` and gives what stood before it.
    fn until(&mut self, end: &str, what: &str) -> Result<&'a str, Refused> {
        let rest = self.rest();
        let Some(length) = rest.find(end) else {
            return Err(self.malformed(&format!("{what} does not end")));
        };
        let inner = rest.get(..length).unwrap_or_default();
        if let Some((offset, character)) = inner.char_indices().find(|(_, c)| !is_xml_char(*c)) {
            let mut refused = self.refused("character", "a character that XML does not allow".to_owned(), "");
            refused.at += offset;
            refused.found = format!("U+{:04X}", u32::from(character));
            return Err(refused);
        }
        self.at += length + end.len();
        Ok(inner)
    }

    fn declaration(&mut self) -> Result<(), Refused> {
        if !self.rest().strip_prefix("<?xml").is_some_and(|rest| rest.starts_with(is_space)) {
            return Ok(());
        }
        let start = self.at;
        self.at += 5;
        let inner = self.until("?>", "the XML declaration")?;
        let mut rest = inner;
        let mut due = ["version", "encoding", "standalone"].as_slice();
        while !rest.trim_start_matches(is_space).is_empty() {
            let bad = || Refused {
                label: "malformed",
                at: start,
                message: "the XML declaration is not well-formed".to_owned(),
                found: String::new(),
                expected: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned(),
            };
            if !rest.starts_with(is_space) {
                return Err(bad());
            }
            let (name, after) = rest.trim_start_matches(is_space).split_once('=').ok_or_else(bad)?;
            let name = name.trim_end_matches(is_space);
            let place = due.iter().position(|known| *known == name).ok_or_else(bad)?;
            if due.len() == 3 && place != 0 {
                return Err(bad());
            }
            due = due.get(place + 1..).unwrap_or_default();
            let after = after.trim_start_matches(is_space);
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(bad)?;
            let (value, tail) = after.get(1..).unwrap_or_default().split_once(quote).ok_or_else(bad)?;
            let good = match name {
                "version" => value
                    .strip_prefix("1.")
                    .is_some_and(|minor| !minor.is_empty() && minor.chars().all(|c| c.is_ascii_digit())),
                "encoding" => value.starts_with(|c: char| c.is_ascii_alphabetic()),
                _ => matches!(value, "yes" | "no"),
            };
            if !good {
                return Err(bad());
            }
            rest = tail;
        }
        if due.len() == 3 {
            return Err(Refused { at: start, ..self.malformed("the XML declaration has no version") });
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), Refused> {
        self.at += 4;
        self.until("--", "a comment")?;
        if self.take(">") { Ok(()) } else { Err(self.malformed("a comment holds --")) }
    }

    fn instruction(&mut self) -> Result<(), Refused> {
        let start = self.at;
        self.at += 2;
        let name = self.name()?;
        if name.eq_ignore_ascii_case("xml") {
            return Err(Refused {
                at: start,
                ..self.malformed("an XML declaration that is not at the start")
            });
        }
        if !self.starts("?>") && !self.rest().starts_with(is_space) {
            return Err(self.malformed("a processing instruction does not end"));
        }
        self.until("?>", "a processing instruction")?;
        Ok(())
    }

    fn name(&mut self) -> Result<&'a str, Refused> {
        let rest = self.rest();
        let end = rest.find(|c| !is_name_char(c)).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        if !name.starts_with(is_name_start) {
            return Err(self.malformed("a name is missing"));
        }
        if name.chars().nth(self.limits.name).is_some() {
            let expected = self.limits.name.to_string();
            return Err(self.refused(
                "name-too-long",
                "a name is longer than the limit".to_owned(),
                &expected,
            ));
        }
        self.at += end;
        Ok(name)
    }

    fn literal(&mut self) -> Result<&'a str, Refused> {
        for quote in ["\"", "'"] {
            if self.take(quote) {
                return self.until(quote, "a quoted value");
            }
        }
        Err(self.form("a quoted value is missing", "\"…\""))
    }

    fn doctype(&mut self) -> Result<Doctype, Refused> {
        let at = self.at;
        self.at += "<!DOCTYPE".len();
        self.space()?;
        let name = self.name()?.to_owned();
        self.skip_space();
        let mut system = None;
        if self.take("SYSTEM") {
            self.space()?;
            system = Some(self.literal()?.to_owned());
        } else if self.starts("PUBLIC") {
            return Err(self.form("a public identifier of the document type", "SYSTEM"));
        }
        let mut doctype = Doctype { name, system, at, entities: Vec::new(), notations: Vec::new() };
        self.skip_space();
        if self.take("[") {
            self.subset(&mut doctype)?;
            self.skip_space();
        }
        if self.take(">") {
            Ok(doctype)
        } else {
            Err(self.malformed("the document type declaration does not end"))
        }
    }

    fn subset(&mut self, doctype: &mut Doctype) -> Result<(), Refused> {
        loop {
            self.skip_space();
            let at = self.at;
            if self.take("]") {
                return Ok(());
            } else if self.starts("<!--") {
                self.comment()?;
            } else if self.take("<!ENTITY") {
                self.space()?;
                let entity = self.entity(at)?;
                doctype.entities.push(entity);
            } else if self.take("<!NOTATION") {
                self.space()?;
                let notation = self.notation(at)?;
                doctype.notations.push(notation);
            } else if self.rest().is_empty() {
                return Err(self.malformed("the document type declaration does not end"));
            } else {
                return Err(self.form(
                    "only unparsed entities and notations may be declared here",
                    "<!ENTITY … SYSTEM … NDATA …> | <!NOTATION … SYSTEM …>",
                ));
            }
            if doctype.entities.len() + doctype.notations.len() > self.limits.entities {
                let expected = self.limits.entities.to_string();
                return Err(self.refused(
                    "too-many",
                    "more declarations than the limit".to_owned(),
                    &expected,
                ));
            }
        }
    }

    fn entity(&mut self, at: usize) -> Result<Entity, Refused> {
        if self.starts("%") {
            return Err(self.form("a parameter entity", "<!ENTITY … SYSTEM … NDATA …>"));
        }
        let name = self.name()?.to_owned();
        self.space()?;
        if !self.take("SYSTEM") {
            return Err(self.form("an entity that is not an unparsed file", "SYSTEM"));
        }
        self.space()?;
        let file = self.literal()?.to_owned();
        let spaced = self.skip_space();
        if !(spaced && self.take("NDATA")) {
            return Err(self.form("a parsed entity", "NDATA"));
        }
        self.space()?;
        let notation = self.name()?.to_owned();
        self.skip_space();
        if self.take(">") {
            Ok(Entity { name, file, notation, line: 0, column: 0, at })
        } else {
            Err(self.form("an entity declaration does not end", ">"))
        }
    }

    fn notation(&mut self, at: usize) -> Result<Notation, Refused> {
        let name = self.name()?.to_owned();
        self.space()?;
        let identifier = if self.take("SYSTEM") {
            self.space()?;
            self.literal()?.to_owned()
        } else if self.take("PUBLIC") {
            self.space()?;
            let at = self.at;
            let public = self.literal()?.to_owned();
            if !public.chars().all(is_public_char) {
                return Err(Refused {
                    at,
                    ..self.form("a public identifier with characters it cannot have", "")
                });
            }
            if self.skip_space() && self.rest().starts_with(['"', '\'']) {
                self.literal()?;
            }
            public
        } else {
            return Err(self.form("a notation without identifier", "SYSTEM"));
        };
        self.skip_space();
        if self.take(">") {
            Ok(Notation { name, identifier, at })
        } else {
            Err(self.form("a notation declaration does not end", ">"))
        }
    }
}

#[cfg(test)]
mod tests;
