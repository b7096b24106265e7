//! Texts and values: references resolved, line ends made one, neighbours put together.

use memchr::{memchr2, memchr3, memmem};

use super::parse::{Outcome, Parser, refused};
use super::{Cell, MORE, NONE, TEXT, narrow, wide};
use crate::doctype::{is_name_char, is_name_start, is_space, is_xml_char};

impl<'i> Parser<'i> {
    /// A CDATA section, which is a text or a part of one.
    pub(super) fn section(&mut self, start: usize, to: usize) -> Outcome {
        let inside = self.slice(start + 9, to - 3);
        let text = if inside.contains('\r') { line_ends(inside) } else { inside.to_owned() };
        self.add_text(start, to, Some(text))?;
        if let Some(cell) = self.made.cells.last_mut() {
            cell.what |= MORE;
        }
        Ok(())
    }

    /// Text between two tags.
    pub(super) fn text(&mut self, from: usize, to: usize) -> Outcome {
        let bytes = self.bytes.get(from..to).unwrap_or_default();
        if self.open == NONE {
            return match bytes.iter().position(|byte| !is_space(char::from(*byte))) {
                Some(offset) => {
                    Err(refused("malformed", from + offset, "something follows the root element"))
                }
                None => Ok(()),
            };
        }
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
    pub(super) fn add_text(&mut self, from: usize, to: usize, own: Option<String>) -> Outcome {
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
        self.count(from)?;
        let more = own.map_or(NONE, |text| self.keep(text));
        let after = narrow(self.made.cells.len() + 1);
        self.made.cells.push(Cell { start: narrow(from), end, parent: self.open, after, what: TEXT, more });
        Ok(())
    }

    /// References resolved and line ends made one (XML 1.0 §2.11); in a value, white space made blanks.
    pub(super) fn resolved(&self, from: usize, to: usize, value: bool) -> Outcome<String> {
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
