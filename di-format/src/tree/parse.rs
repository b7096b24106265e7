//! Text to [`Document`], in one pass.

use std::collections::HashMap;

use memchr::{memchr, memchr2, memchr3, memmem};

use super::{Cell, Document, MORE, NONE, TEXT, Written, narrow, wide};
use crate::Limits;
use crate::doctype::{Refused, is_name_char, is_name_start, is_space, is_xml_char};

type Outcome<T = ()> = Result<T, Refused>;

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

fn refused(label: &'static str, at: usize, message: impl Into<String>) -> Refused {
    Refused { label, at, message: message.into(), found: String::new(), expected: String::new() }
}

impl Refused {
    fn but(self, found: impl std::fmt::Display, expected: impl std::fmt::Display) -> Self {
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

struct Parser<'i> {
    text: &'i str,
    bytes: &'i [u8],
    at: usize,
    limits: &'i Limits,
    made: Document<'i>,
    /// The element that is open.
    open: u32,
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
        let numbers = HashMap::new();
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            limits,
            made,
            open: NONE,
            depth: 0,
            numbers,
            recent: [NONE; RECENT],
        }
    }

    fn rest(&self) -> &'i [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn slice(&self, from: usize, to: usize) -> &'i str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn malformed<T>(&self, message: impl Into<String>) -> Outcome<T> {
        Err(refused("malformed", self.at, message))
    }

    fn document(&mut self) -> Outcome {
        self.start_tag()?;
        while self.open != NONE {
            let rest = self.rest();
            let length = memchr(b'<', rest).unwrap_or(rest.len());
            if length > 0 {
                self.text(self.at, self.at + length)?;
                self.at += length;
            }
            match self.bytes.get(self.at + 1) {
                Some(b'/') => self.end_tag()?,
                Some(b'!') => self.comment_or_section()?,
                Some(b'?') => self.instruction()?,
                Some(_) => self.start_tag()?,
                None => {
                    let name = self.open_name();
                    self.at = self.bytes.len();
                    return Err(refused("malformed", self.at, format!("{name} is not closed"))
                        .but("", format!("</{name}>")));
                }
            }
        }
        loop {
            self.skip_space();
            if self.rest().is_empty() {
                return Ok(());
            } else if self.rest().starts_with(b"<!--") {
                self.comment_or_section()?;
            } else if self.rest().starts_with(b"<?") {
                self.instruction()?;
            } else {
                return self.malformed("something follows the root element");
            }
        }
    }

    fn open_name(&self) -> &'i str {
        self.made.node(self.open).map(|node| node.name()).unwrap_or_default()
    }

    fn skip_space(&mut self) -> bool {
        let from = self.at;
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
        self.at > from
    }

    /// One more cell or attribute.
    fn count(&self) -> Outcome {
        if self.made.cells.len() + self.made.attributes.len() < wide(self.limits.nodes) {
            return Ok(());
        }
        Err(refused("too-many", self.at, "a limit is passed").but("", self.limits.nodes))
    }

    /// Marks the open element.
    fn mark(&mut self) {
        if let Some(cell) = self.made.cells.get_mut(wide(self.open)) {
            cell.what |= MORE;
        }
    }

    /// A name, which is not yet judged.
    fn word(&mut self) -> Outcome<&'i str> {
        const fn ends(byte: u8) -> bool {
            !matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'-' | b'.' | 0x80..)
        }
        let from = self.at;
        let rest = self.rest();
        let length = rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
        let word = self.slice(from, from + length);
        if word.is_empty() {
            return self.malformed("a name is missing");
        }
        self.at += length;
        Ok(word)
    }

    /// Judges a name that was read just now.
    fn good(&self, word: &str) -> Outcome {
        let from = self.at - word.len();
        if word.len() > self.limits.name && word.chars().nth(self.limits.name).is_some() {
            return Err(refused("name-too-long", from, "a limit is passed").but("", self.limits.name));
        }
        if !word.starts_with(is_name_start) || !word.chars().all(is_name_char) {
            return Err(refused("malformed", from, "a name holds a character that names cannot have"));
        }
        Ok(())
    }

    /// The number of an element's name; a name is judged where it is first met.
    fn name(&mut self) -> Outcome<u32> {
        let word = self.word()?;
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
                self.good(word)?;
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

    fn start_tag(&mut self) -> Outcome {
        let start = self.at;
        self.count()?;
        self.at += 1;
        let what = self.name()?;
        let number = narrow(self.made.cells.len());
        let first = narrow(self.made.attributes.len());
        self.made.cells.push(Cell {
            start: narrow(start),
            end: 0,
            parent: self.open,
            after: number + 1,
            what,
            more: first,
        });
        loop {
            let spaced = self.skip_space();
            match self.peek() {
                Some(b'>') => {
                    self.at += 1;
                    self.open = number;
                    self.depth += 1;
                    if self.depth > self.limits.depth {
                        let limit = self.limits.depth;
                        return Err(refused("too-deep", start, "a limit is passed").but("", limit));
                    }
                    return Ok(());
                }
                Some(b'/') => {
                    self.at += 1;
                    if self.peek() != Some(b'>') {
                        return self.malformed("> is missing after /");
                    }
                    self.at += 1;
                    if let Some(cell) = self.made.cells.get_mut(wide(number)) {
                        cell.end = narrow(self.at);
                    }
                    return Ok(());
                }
                Some(_) if spaced => self.attribute(number, first)?,
                Some(_) => return self.malformed("an unexpected character in a start tag"),
                None => return self.malformed("a start tag does not end"),
            }
        }
    }

    fn attribute(&mut self, owner: u32, first: u32) -> Outcome {
        let start = self.at;
        let name = self.word()?;
        let known = self.made.attributes.get(wide(first)..).unwrap_or_default();
        if known.len() >= self.limits.attributes {
            return Err(refused("too-many", start, "a limit is passed").but("", self.limits.attributes));
        }
        self.good(name)?;
        // each with each, but there are few
        if known.iter().any(|one| self.made.between(one.start, one.name_end) == name) {
            return Err(
                refused("malformed", start, format!("the attribute {name} occurs twice")).but(name, "")
            );
        }
        self.count()?;
        let name_end = self.at;
        self.skip_space();
        if self.peek() != Some(b'=') {
            return self.malformed("= is missing after an attribute's name");
        }
        self.at += 1;
        self.skip_space();
        let Some(quote @ (b'"' | b'\'')) = self.peek() else {
            return self.malformed("an attribute's value has no quotes");
        };
        self.at += 1;
        let value = self.at;
        let Some(length) = memchr(quote, self.rest()) else {
            self.at = self.bytes.len();
            return self.malformed("an attribute's value does not end");
        };
        let end = value + length;
        let inside = self.bytes.get(value..end).unwrap_or_default();
        if let Some(offset) = memchr(b'<', inside) {
            self.at += offset;
            return self.malformed("< in an attribute's value");
        }
        let made = if memchr2(b'&', b'\r', inside).is_some() || memchr2(b'\n', b'\t', inside).is_some() {
            let value = self.resolved(value, end, true)?;
            self.keep(value)
        } else {
            NONE
        };
        self.at = end + 1;
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

    fn keep(&mut self, text: String) -> u32 {
        self.made.made.push(text);
        narrow(self.made.made.len() - 1)
    }

    fn end_tag(&mut self) -> Outcome {
        let (start, name) = (self.at, self.open_name());
        self.at += 2;
        let same = self.rest().starts_with(name.as_bytes());
        self.at += if same { name.len() } else { 0 };
        self.skip_space();
        if !same || self.peek() != Some(b'>') {
            self.at = start + 2;
            let found = self.word().unwrap_or_default();
            let message = format!("{name} is open, so </{found}> cannot stand here");
            return Err(refused("malformed", start, message).but(format!("</{found}>"), format!("</{name}>")));
        }
        self.at += 1;
        let after = narrow(self.made.cells.len());
        if let Some(cell) = self.made.cells.get_mut(wide(self.open)) {
            (cell.end, cell.after) = (narrow(self.at), after);
            self.open = cell.parent;
        }
        self.depth -= 1;
        Ok(())
    }

    fn comment_or_section(&mut self) -> Outcome {
        let start = self.at;
        if self.rest().starts_with(b"<!--") {
            self.at += 4;
            let Some(length) = memmem::find(self.rest(), b"--") else {
                self.at = self.bytes.len();
                return self.malformed("a comment does not end");
            };
            self.at += length + 2;
            if self.peek() != Some(b'>') {
                return Err(refused("malformed", start, "a comment holds --"));
            }
            self.at += 1;
            self.mark();
            return Ok(());
        }
        if !self.rest().starts_with(b"<![CDATA[") {
            return self.malformed("markup that cannot stand here");
        }
        self.at += 9;
        let Some(length) = memmem::find(self.rest(), b"]]>") else {
            self.at = self.bytes.len();
            return self.malformed("a CDATA section does not end");
        };
        let inside = self.slice(self.at, self.at + length);
        self.at += length + 3;
        let text = if inside.contains('\r') { line_ends(inside) } else { inside.to_owned() };
        self.add_text(start, self.at, Some(text))?;
        if let Some(cell) = self.made.cells.last_mut() {
            cell.what |= MORE;
        }
        Ok(())
    }

    fn instruction(&mut self) -> Outcome {
        let start = self.at;
        self.at += 2;
        let name = self.word()?;
        self.good(name)?;
        if name.eq_ignore_ascii_case("xml") {
            return Err(refused("malformed", start, "an XML declaration that is not at the start"));
        }
        let separate =
            matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) || self.rest().starts_with(b"?>");
        let Some(length) = memmem::find(self.rest(), b"?>").filter(|_| separate) else {
            return self.malformed("a processing instruction does not end");
        };
        self.at += length + 2;
        self.mark();
        Ok(())
    }

    /// Text between two tags.
    fn text(&mut self, from: usize, to: usize) -> Outcome {
        let bytes = self.bytes.get(from..to).unwrap_or_default();
        if bytes.iter().all(|byte| is_space(char::from(*byte))) {
            // between elements it says nothing; within a text it belongs to it
            if self.last_text().is_none() {
                self.mark();
                return Ok(());
            }
        } else if memchr3(b'&', b'\r', b']', bytes).is_none() {
            return self.add_text(from, to, None);
        }
        if let Some(offset) = memmem::find(bytes, b"]]>") {
            return Err(refused("malformed", from + offset, "]]> in a text"));
        }
        if memchr2(b'&', b'\r', bytes).is_none() {
            return self.add_text(from, to, None);
        }
        let text = self.resolved(from, to, false)?;
        if text.bytes().all(|byte| is_space(char::from(byte))) && self.last_text().is_none() {
            self.mark();
            return Ok(());
        }
        self.add_text(from, to, Some(text))
    }

    /// The last cell, if it is a text of the open element that goes on.
    fn last_text(&mut self) -> Option<&mut Cell> {
        let open = self.open;
        self.made.cells.last_mut().filter(|cell| cell.what & TEXT != 0 && cell.parent == open)
    }

    /// Adds to the text before, or makes a new one. `own`: the text where it is not as in the source.
    fn add_text(&mut self, from: usize, to: usize, own: Option<String>) -> Outcome {
        let end = narrow(to);
        if let Some(cell) = self.last_text() {
            let (start, last, more) = (cell.start, cell.end, cell.more);
            cell.end = end;
            let added = own.as_deref().unwrap_or_else(|| self.slice(from, to)).to_owned();
            if let Some(text) = self.made.made.get_mut(wide(more)) {
                text.push_str(&added);
            } else {
                let whole = self.slice(wide(start), wide(last)).to_owned() + &added;
                let more = self.keep(whole);
                if let Some(cell) = self.made.cells.last_mut() {
                    cell.more = more;
                }
            }
            return Ok(());
        }
        self.count()?;
        let more = own.map_or(NONE, |text| self.keep(text));
        let after = narrow(self.made.cells.len() + 1);
        self.made.cells.push(Cell { start: narrow(from), end, parent: self.open, after, what: TEXT, more });
        Ok(())
    }

    /// References resolved and line ends made one (XML 1.0 §2.11); in a value, white space made blanks.
    fn resolved(&self, from: usize, to: usize, value: bool) -> Outcome<String> {
        let mut text = String::with_capacity(to - from);
        let mut rest = self.slice(from, to);
        while let Some(length) = rest.find('&') {
            let (before, reference) = rest.split_at(length);
            push(&mut text, before, value);
            let at = to - reference.len();
            let inside = reference.get(1..).unwrap_or_default();
            let Some((name, after)) = inside.split_once(';') else {
                return Err(refused("malformed", at, "& does not begin a reference"));
            };
            text.push(one(name, at)?);
            rest = after;
        }
        push(&mut text, rest, value);
        Ok(text)
    }
}

fn push(text: &mut String, part: &str, value: bool) {
    let part = if part.contains('\r') { &line_ends(part) } else { part };
    if value {
        text.extend(part.chars().map(|character| if is_space(character) { ' ' } else { character }));
    } else {
        text.push_str(part);
    }
}

fn line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// The character that a reference stands for.
fn one(name: &str, at: usize) -> Outcome<char> {
    let number = |digits: &str, base: u32| {
        let good = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base));
        good.then(|| {
            digits.chars().fold(0_u32, |sum, digit| {
                sum.saturating_mul(base).saturating_add(digit.to_digit(base).unwrap_or_default())
            })
        })
    };
    let code = match name.strip_prefix('#') {
        Some(hexadecimal) if hexadecimal.starts_with('x') => {
            number(hexadecimal.get(1..).unwrap_or_default(), 16)
        }
        Some(decimal) => number(decimal, 10),
        None => {
            return Ok(match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ if name.starts_with(is_name_start) && name.chars().all(is_name_char) => {
                    let message = format!("the entity {} cannot be referenced", excerpt(name));
                    return Err(refused("entity-reference", at, message).but(excerpt(name), ""));
                }
                _ => return Err(refused("malformed", at, "& does not begin a reference")),
            });
        }
    };
    let Some(code) = code else { return Err(refused("malformed", at, "a reference is not a number")) };
    char::from_u32(code).filter(|character| is_xml_char(*character)).ok_or_else(|| {
        refused("character", at, "a character that XML does not allow").but(format!("U+{code:04X}"), "")
    })
}

/// At most 80 characters.
fn excerpt(name: &str) -> String {
    name.chars().take(80).collect()
}
