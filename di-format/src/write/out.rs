//! The text that is being written, and what every element goes through.

use std::collections::HashSet;
use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::check_file_name;
use crate::doctype::is_xml_char;
use crate::letter::Attachments;
use crate::model::{self, AttributeType, Edition, Grammar, Kind};
use crate::{Error, Limits, read};

pub(super) struct Out {
    text: String,
    grammar: &'static Grammar,
}

impl Out {
    pub(super) fn new(kind: Kind) -> Self {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n");
        let _ = write!(text, "<!DOCTYPE {} SYSTEM \"104_{}_utf8.dtd\"", kind.root(), kind.code());
        Self { text, grammar: model::grammar(kind, Edition::E104) }
    }

    /// Judges what was written.
    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        let bytes = self.text.into_bytes();
        let limits = Limits { size: usize::MAX, nodes: u32::MAX, entities: usize::MAX, ..Limits::default() };
        let wrong = |problem: &crate::Problem| !super::REMARKS.contains(&problem.label);
        match read(&bytes, &limits).problems.into_iter().find(wrong) {
            Some(problem) => Err(Error::Invalid(Box::new(problem))),
            None => Ok(bytes),
        }
    }

    pub(super) fn no_subset(&mut self) {
        self.text.push_str(">\r\n");
    }

    pub(super) fn subset(&mut self, roster: Option<&str>, attachments: &Attachments) -> Result<(), Error> {
        if roster.is_none() && attachments.files.is_empty() {
            self.no_subset();
            return Ok(());
        }
        self.text.push_str(" [\r\n");
        let mut seen = HashSet::new();
        let numbered = attachments.files.iter().enumerate();
        let attached = numbered.map(|(number, file)| (format!("ATTCH{}", number + 1), file.as_str(), "_X"));
        for (entity, file, notation) in attached.chain(roster.map(|file| ("表單".to_owned(), file, "DI"))) {
            if !seen.insert(file.to_lowercase()) {
                let reason = "two files of the letter have this name";
                return Err(Error::FileName { name: file.to_owned(), reason });
            }
            let _ = write!(self.text, "<!ENTITY {entity} SYSTEM {} NDATA {notation}>\r\n", literal(file)?);
        }
        self.text.push_str("<!NOTATION DI SYSTEM \"\">\r\n<!NOTATION _X SYSTEM \"\">\r\n]>\r\n");
        Ok(())
    }

    pub(super) fn open(&mut self, name: &str) {
        let _ = write!(self.text, "<{name}>\r\n");
    }

    /// The start tag with one attribute of type CDATA, ENTITY or ENTITIES.
    pub(super) fn open_with(&mut self, name: &str, key: &'static str, value: &str) -> Result<(), Error> {
        self.start(name, key, value)?;
        self.text.push_str(">\r\n");
        Ok(())
    }

    pub(super) fn close(&mut self, name: &str) {
        let _ = write!(self.text, "</{name}>\r\n");
    }

    /// An element with text. Blanks at its ends would not come back.
    pub(super) fn leaf(&mut self, name: &'static str, value: &str) -> Result<(), Error> {
        carried(name, value)?;
        let _ = write!(self.text, "<{name}>{}</{name}>\r\n", escape(value));
        Ok(())
    }

    /// An element with text and one attribute.
    pub(super) fn leaf_with(
        &mut self,
        name: &'static str,
        key: &'static str,
        value: &str,
        text: &str,
    ) -> Result<(), Error> {
        self.start(name, key, value)?;
        carried(name, text)?;
        let _ = write!(self.text, ">{}</{name}>\r\n", escape(text));
        Ok(())
    }

    /// An element whose only content is the text element 文字.
    pub(super) fn wrapped(
        &mut self,
        name: &'static str,
        inner: &'static str,
        value: &str,
    ) -> Result<(), Error> {
        self.open(name);
        self.leaf(inner, value)?;
        self.close(name);
        Ok(())
    }

    /// An empty element with an attribute.
    pub(super) fn empty_with(&mut self, name: &str, key: &'static str, value: &str) -> Result<(), Error> {
        self.start(name, key, value)?;
        self.text.push_str("/>\r\n");
        Ok(())
    }

    /// An empty element with 代碼, which must be one of the values that the document type lists.
    pub(super) fn coded(&mut self, name: &'static str, value: Option<&str>) -> Result<(), Error> {
        let Some(value) = value else {
            let _ = write!(self.text, "<{name}/>\r\n");
            return Ok(());
        };
        let allowed = self.grammar.attributes(name).iter().any(|attribute| {
            attribute.name == "代碼"
                && matches!(attribute.kind, AttributeType::OneOf(values) if values.contains(&value))
        });
        if !allowed {
            return Err(Error::Value { element: name, value: value.to_owned() });
        }
        self.empty_with(name, "代碼", value)
    }

    fn start(&mut self, name: &str, key: &'static str, value: &str) -> Result<(), Error> {
        if let Some(character) = value.chars().find(|character| is_refused(*character)) {
            return Err(Error::Character { element: key, character });
        }
        let _ = write!(self.text, "<{name} {key}=\"{}\"", escape(value));
        Ok(())
    }
}

/// Characters that no value may hold: not in XML, or a control character (a reader would turn tabs and line breaks in
/// attributes into blanks, and no receiver expects the others).
pub(super) const fn is_refused(character: char) -> bool {
    character.is_ascii_control() || matches!(character, '\u{80}'..='\u{9F}') || !is_xml_char(character)
}

/// The first character of an element's text that would not come back.
pub(super) fn refused(text: &str) -> Option<char> {
    let blank = text.starts_with(' ') || text.ends_with(' ');
    text.chars().find(|character| is_refused(*character)).or_else(|| blank.then_some(' '))
}

fn carried(element: &'static str, text: &str) -> Result<(), Error> {
    refused(text).map_or(Ok(()), |character| Err(Error::Character { element, character }))
}

/// A file name as a quoted literal of the internal subset, where nothing can be escaped.
fn literal(file: &str) -> Result<String, Error> {
    let name = || file.to_owned();
    check_file_name(file).map_err(|reason| Error::FileName { name: name(), reason })?;
    if let Some(character) = file.chars().find(|character| is_refused(*character)) {
        return Err(Error::Character { element: "SYSTEM", character });
    }
    match (file.contains('"'), file.contains('\'')) {
        (false, _) => Ok(format!("\"{file}\"")),
        (true, false) => Ok(format!("'{file}'")),
        (true, true) => Err(Error::FileName { name: name(), reason: "the name holds both kinds of quotes" }),
    }
}
