//! Text to [`Document`], in one pass.
//!
//! quick-xml finds markup and attributes. It lets much through that is not well-formed, so names, references, characters,
//! `<` and `]]>`, nesting, what stands beside the root element, and the limits are judged here.

use std::collections::HashMap;

use memchr::{memchr, memchr2, memmem};
use quick_xml::Reader;
use quick_xml::errors::SyntaxError;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesStart, Event};

use super::{Cell, Document, MORE, NONE, Written, narrow, wide};
use crate::Limits;
use crate::doctype::{Refused, is_name_char, is_name_start, is_space, is_xml_char};

pub(super) type Outcome<T = ()> = Result<T, Refused>;

impl<'i> Document<'i> {
    /// Parses a text that begins with the root element.
    pub(crate) fn parse(text: &'i str, limits: &'i Limits) -> Outcome<Self> {
        if text.len() >= wide(u32::MAX) {
            let limit = u32::MAX.to_string();
            return Err(refused("too-large", 0, "the text is larger than 4 GiB").but(text.len(), limit));
        }
        // Looked for once, in all of the text: so nothing else has to look at characters one by one.
        let strange = first_strange(text);
        let mut parser = Parser::new(text, limits);
        let outcome = parser.document();
        match strange {
            Some((at, character)) if outcome.as_ref().map_or_else(|error| error.at >= at, |()| true) => {
                let found = format!("U+{:04X}", u32::from(character));
                Err(refused("character", at, "a character that XML does not allow").but(found, ""))
            }
            _ => outcome.map(|()| parser.made),
        }
    }
}

pub(super) fn refused(label: &'static str, at: usize, message: impl Into<String>) -> Refused {
    Refused { label, at, message: message.into(), found: String::new(), expected: String::new() }
}

impl Refused {
    pub(super) fn but(self, found: impl std::fmt::Display, expected: impl std::fmt::Display) -> Self {
        Self { found: found.to_string(), expected: expected.to_string(), ..self }
    }
}

/// The first character that XML does not allow: a control character, U+FFFE or U+FFFF.
fn first_strange(text: &str) -> Option<(usize, char)> {
    let bytes = text.as_bytes();
    let control = |byte: u8| (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r');
    let mut at = 0;
    // without a branch inside, so that it takes many bytes at a time
    for chunk in bytes.chunks(256) {
        let mut found = chunk.iter().fold(false, |found, byte| found | control(*byte));
        let ahead = bytes.get(at + 1..).unwrap_or_default();
        let further = bytes.get(at + 2..).unwrap_or_default();
        found |= chunk
            .iter()
            .zip(ahead)
            .zip(further)
            .fold(false, |found, ((a, b), c)| found | ((*a == 0xEF) & (*b == 0xBF) & (*c >= 0xBE)));
        if found {
            break;
        }
        at += chunk.len();
    }
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let rest = text.get(at..)?;
    rest.char_indices()
        .find(|(_, character)| !is_xml_char(*character))
        .map(|(offset, one)| (at + offset, one))
}

/// Slots of the memory for names that were just met.
const RECENT: usize = 256;

pub(super) struct Parser<'i> {
    pub(super) text: &'i str,
    pub(super) bytes: &'i [u8],
    limits: &'i Limits,
    pub(super) made: Document<'i>,
    /// The element that is open.
    pub(super) open: u32,
    depth: usize,
    numbers: HashMap<&'i str, u32>,
    recent: [u32; RECENT],
}

impl<'i> Parser<'i> {
    fn new(text: &'i str, limits: &'i Limits) -> Self {
        let made = Document {
            text,
            cells: Vec::with_capacity(text.len() / 128),
            attributes: Vec::new(),
            names: Vec::new(),
            made: Vec::new(),
        };
        let numbers = HashMap::with_capacity(64);
        Self {
            text,
            bytes: text.as_bytes(),
            limits,
            made,
            open: NONE,
            depth: 0,
            numbers,
            recent: [NONE; RECENT],
        }
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> &'i str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// quick-xml says where markup begins and ends; what it is, and whether it may stand there, is judged here.
    fn document(&mut self) -> Outcome {
        let mut reader = Reader::from_str(self.text);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        config.trim_markup_names_in_closing_tags = false;
        let mut text = None;
        let mut from = 0;
        loop {
            let event = reader.read_event().map_err(|error| self.unclosed(&error, from))?;
            let to = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            if let Event::Text(_) | Event::GeneralRef(_) = event {
                text = text.or(Some(from)); // one text, whatever is in it, until the next markup
                from = to;
                continue;
            }
            if let Some(start) = text.take() {
                self.text(start, from)?;
            }
            if self.open == NONE {
                match (&event, self.made.cells.is_empty()) {
                    (Event::Start(_) | Event::Empty(_), true) => {}
                    (_, true) => return Err(refused("malformed", from, "a name is missing")),
                    (Event::Comment(_) | Event::PI(_) | Event::Decl(_), false) => {}
                    (Event::Eof, false) => return Ok(()),
                    _ => return Err(refused("malformed", from, "something follows the root element")),
                }
            }
            match event {
                Event::Start(tag) => self.start_tag(&tag, from, None)?,
                Event::Empty(tag) => self.start_tag(&tag, from, Some(to))?,
                Event::End(_) => self.end_tag(from, to)?,
                Event::Comment(_) => self.comment(from, to)?,
                Event::CData(_) => self.section(from, to)?,
                Event::PI(_) | Event::Decl(_) => self.instruction(from)?,
                Event::DocType(_) => return Err(refused("malformed", from, "markup that cannot stand here")),
                Event::Eof => {
                    let name = self.open_name();
                    return Err(refused("malformed", self.text.len(), format!("{name} is not closed"))
                        .but("", format!("</{name}>")));
                }
                Event::Text(_) | Event::GeneralRef(_) => {}
            }
            from = to;
        }
    }

    /// Markup that does not end, or is none.
    fn unclosed(&self, error: &quick_xml::Error, from: usize) -> Refused {
        let end = self.text.len();
        match error {
            quick_xml::Error::Syntax(syntax) => match syntax {
                SyntaxError::InvalidBangMarkup => refused("malformed", from, "markup that cannot stand here"),
                SyntaxError::UnclosedComment => refused("malformed", end, "a comment does not end"),
                SyntaxError::UnclosedCData => refused("malformed", end, "a CDATA section does not end"),
                SyntaxError::UnclosedPI | SyntaxError::UnclosedXmlDecl => {
                    refused("malformed", end, "a processing instruction does not end")
                }
                SyntaxError::UnclosedSingleQuotedAttributeValue
                | SyntaxError::UnclosedDoubleQuotedAttributeValue => {
                    refused("malformed", end, "an attribute's value does not end")
                }
                SyntaxError::UnclosedDoctype => refused("malformed", from, "markup that cannot stand here"),
                SyntaxError::UnclosedTag => refused("malformed", end, "a start tag does not end"),
            },
            _ => refused("malformed", from, "markup that cannot stand here"),
        }
    }

    fn open_name(&self) -> &'i str {
        self.made.node(self.open).map(|node| node.name()).unwrap_or_default()
    }

    /// One more cell or attribute.
    pub(super) fn count(&self, at: usize) -> Outcome {
        if self.made.cells.len() + self.made.attributes.len() < wide(self.limits.nodes) {
            return Ok(());
        }
        Err(refused("too-many", at, "a limit is passed").but("", self.limits.nodes))
    }

    /// Marks the open element.
    pub(super) fn mark(&mut self) {
        if let Some(cell) = self.made.cells.get_mut(wide(self.open)) {
            cell.what |= MORE;
        }
    }

    /// Judges a name that stands at `from`.
    fn good(&self, word: &str, from: usize) -> Outcome {
        if word.is_empty() {
            return Err(refused("malformed", from, "a name is missing"));
        }
        if !word.starts_with(is_name_start) || !word.chars().all(is_name_char) {
            return Err(refused("malformed", from, "a name holds a character that names cannot have"));
        }
        if word.len() > self.limits.name && word.chars().nth(self.limits.name).is_some() {
            return Err(refused("name-too-long", from, "a limit is passed").but("", self.limits.name));
        }
        Ok(())
    }

    /// The number of an element's name; a name is judged where it is first met.
    fn name(&mut self, word: &'i str, from: usize) -> Outcome<u32> {
        let key = match word.as_bytes() {
            [first, .., before, last] => {
                usize::from(*last) ^ usize::from(*before) << 3 ^ usize::from(*first) << 1 ^ word.len() << 4
            }
            few => few.len(),
        };
        let slot = key % RECENT;
        let recent = self.recent.get(slot).copied().unwrap_or(NONE);
        if self.made.names.get(wide(recent)).is_some_and(|known| *known == word) {
            return Ok(recent);
        }
        let number = match self.numbers.get(word) {
            Some(number) => *number,
            None => {
                self.good(word, from)?;
                let number = narrow(self.made.names.len());
                self.made.names.push(word);
                self.numbers.insert(word, number);
                number
            }
        };
        if let Some(recent) = self.recent.get_mut(slot) {
            *recent = number;
        }
        Ok(number)
    }

    /// A start tag, or the tag of an empty element with where it ends.
    fn start_tag(&mut self, tag: &BytesStart<'_>, start: usize, end: Option<usize>) -> Outcome {
        self.count(start)?;
        let word = self.slice(start + 1, start + 1 + tag.name().as_ref().len());
        let what = self.name(word, start + 1)?;
        let number = narrow(self.made.cells.len());
        let first = narrow(self.made.attributes.len());
        let parent = self.open;
        self.made.cells.push(Cell {
            start: narrow(start),
            end: narrow(end.unwrap_or_default()),
            parent,
            after: number + 1,
            what,
            more: first,
        });
        if tag.len() > word.len() {
            self.attributes(tag, start + 1, number)?;
        }
        if end.is_none() {
            self.open = number;
            self.depth += 1;
            if self.depth > self.limits.depth {
                return Err(refused("too-deep", start, "a limit is passed").but("", self.limits.depth));
            }
        }
        Ok(())
    }

    /// The attributes of a tag whose inside begins at `base`.
    fn attributes(&mut self, tag: &BytesStart<'_>, base: usize, owner: u32) -> Outcome {
        let first = self.made.attributes.len();
        let mut after = base + tag.name().as_ref().len();
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| {
                let (at, message) = match error {
                    AttrError::ExpectedEq(at) => (at, "= is missing after an attribute's name"),
                    AttrError::ExpectedValue(at) | AttrError::UnquotedValue(at) => {
                        (at, "an attribute's value has no quotes")
                    }
                    AttrError::ExpectedQuote(at, _) => (at, "an attribute's value does not end"),
                    AttrError::Duplicated(at, _) => (at, "an unexpected character in a start tag"),
                };
                refused("malformed", base + at, message)
            })?;
            let start = self.offset(attribute.key.as_ref());
            let value = self.offset(&attribute.value);
            let (name_end, end) = (start + attribute.key.as_ref().len(), value + attribute.value.len());
            if start == after {
                return Err(refused("malformed", start, "an unexpected character in a start tag"));
            }
            after = end + 1;
            self.attribute(owner, first, [start, name_end, value, end])?;
        }
        Ok(())
    }

    /// Where a part of the text stands in it.
    fn offset(&self, part: &str) -> usize {
        part.as_ptr().addr().saturating_sub(self.bytes.as_ptr().addr())
    }

    fn attribute(&mut self, owner: u32, first: usize, places: [usize; 4]) -> Outcome {
        let [start, name_end, value, end] = places;
        let name = self.slice(start, name_end);
        let known = self.made.attributes.get(first..).unwrap_or_default();
        if known.len() >= self.limits.attributes {
            return Err(refused("too-many", start, "a limit is passed").but("", self.limits.attributes));
        }
        self.good(name, start)?;
        // each with each, but there are few
        if known.iter().any(|one| self.made.between(one.start, one.name_end) == name) {
            return Err(
                refused("malformed", start, format!("the attribute {name} occurs twice")).but(name, "")
            );
        }
        self.count(start)?;
        let inside = self.bytes.get(value..end).unwrap_or_default();
        if let Some(offset) = memchr(b'<', inside) {
            return Err(refused("malformed", value + offset, "< in an attribute's value"));
        }
        let made = if memchr2(b'&', b'\r', inside).is_some() || memchr2(b'\n', b'\t', inside).is_some() {
            let value = self.resolved(value, end, true)?;
            self.keep(value)
        } else {
            NONE
        };
        self.made.attributes.push(Written {
            owner,
            start: narrow(start),
            name_end: narrow(name_end),
            value: narrow(value),
            value_end: narrow(end),
            made,
        });
        Ok(())
    }

    pub(super) fn keep(&mut self, text: String) -> u32 {
        self.made.made.push(text);
        narrow(self.made.made.len() - 1)
    }

    fn end_tag(&mut self, start: usize, to: usize) -> Outcome {
        let name = self.open_name();
        let inside = self.slice(start + 2, to - 1);
        if inside != name && inside.trim_end_matches(is_space) != name {
            let word = inside.split(|one| !is_name_char(one)).next().unwrap_or_default();
            let found = if word.is_empty() { inside } else { word };
            let found = format!("</{}>", found.chars().take(40).collect::<String>());
            let message = format!("{name} is open, so {found} cannot stand here");
            return Err(refused("malformed", start, message).but(found, format!("</{name}>")));
        }
        let after = narrow(self.made.cells.len());
        if let Some(cell) = self.made.cells.get_mut(wide(self.open)) {
            (cell.end, cell.after) = (narrow(to), after);
            self.open = cell.parent;
        }
        self.depth -= 1;
        Ok(())
    }

    fn comment(&mut self, start: usize, to: usize) -> Outcome {
        let inside = self.bytes.get(start + 4..to - 3).unwrap_or(b"--"); // <!--> is none
        if inside.ends_with(b"-") || memmem::find(inside, b"--").is_some() {
            return Err(refused("malformed", start, "a comment holds --"));
        }
        self.mark();
        Ok(())
    }

    fn instruction(&mut self, start: usize) -> Outcome {
        let inside = self.text.get(start + 2..).unwrap_or_default();
        let end = inside.find(|one| is_space(one) || one == '?').unwrap_or(inside.len());
        let name = inside.get(..end).unwrap_or_default();
        self.good(name, start + 2)?;
        if name.eq_ignore_ascii_case("xml") {
            return Err(refused("malformed", start, "an XML declaration that is not at the start"));
        }
        if inside.get(end..).is_some_and(|rest| rest.starts_with('?') && !rest.starts_with("?>")) {
            return Err(refused("malformed", start + 2, "a name holds a character that names cannot have"));
        }
        self.mark();
        Ok(())
    }
}
