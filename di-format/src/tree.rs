//! The elements, attributes and texts of a document, as small as they can be kept.
//!
//! A [`Document`] is two arrays, of cells (elements and texts, in document order) and of attributes, 24 bytes each, that
//! point into the text. Only what differs from its source (references, line ends) is a string of its own. White space
//! between elements, comments and instructions leave no cell, only a mark at their element ([`Node::holds_more`]).
//!
//! `parse` makes it in one pass and judges well-formedness (XML 1.0, fifth edition, without a document type) and limits.
//! It is held against roxmltree by tests and fuzzing. A colon is a name's character like others: there are no namespaces.

mod parse;
#[cfg(test)]
mod tests;
mod text;

use std::ops::Range;

/// A parsed document.
#[derive(Debug)]
pub(crate) struct Document<'i> {
    text: &'i str,
    cells: Vec<Cell>,
    attributes: Vec<Written>,
    /// Names of elements, each once.
    names: Vec<&'i str>,
    /// Texts and values that differ from their source.
    made: Vec<String>,
}

/// No cell, or no string of its own.
const NONE: u32 = u32::MAX;
/// In `Cell::what`: a text, not an element.
const TEXT: u32 = 1 << 31;
/// In `Cell::what`: an element with white space, a comment or an instruction in it; a text with a CDATA section in it.
const MORE: u32 = 1 << 30;

/// An element or a text.
#[derive(Debug)]
struct Cell {
    start: u32,
    end: u32,
    parent: u32,
    /// The cell after all that is in this one.
    after: u32,
    /// Number of the name, and marks.
    what: u32,
    /// An element's first attribute; the string of a text, if it has one of its own.
    more: u32,
}

/// An attribute as written.
#[derive(Debug)]
struct Written {
    owner: u32,
    start: u32,
    name_end: u32,
    value: u32,
    value_end: u32,
    made: u32,
}

/// Offsets are 32 bits wide: larger texts are refused before.
#[expect(clippy::cast_possible_truncation, reason = "parse refuses texts of 4 GiB")]
const fn narrow(offset: usize) -> u32 {
    offset as u32
}

const fn wide(offset: u32) -> usize {
    offset as usize
}

impl<'i> Document<'i> {
    /// The whole text that was parsed.
    pub(crate) const fn text(&self) -> &'i str {
        self.text
    }

    /// The root element.
    pub(crate) const fn root_element(&self) -> Node<'_, 'i> {
        Node { document: self, at: 0 }
    }

    /// The names of elements, each once; [`Node::name_number`] counts in this list.
    pub(crate) fn names(&self) -> &[&'i str] {
        &self.names
    }

    fn between(&self, start: u32, end: u32) -> &'i str {
        self.text.get(wide(start)..wide(end)).unwrap_or_default()
    }

    fn made(&self, number: u32) -> Option<&str> {
        self.made.get(wide(number)).map(String::as_str)
    }

    fn node(&self, at: u32) -> Option<Node<'_, 'i>> {
        (wide(at) < self.cells.len()).then_some(Node { document: self, at })
    }
}

/// An element or a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'d, 'i> {
    document: &'d Document<'i>,
    at: u32,
}

impl<'d, 'i> Node<'d, 'i> {
    fn cell(&self) -> &'d Cell {
        const LOST: Cell = Cell { start: 0, end: 0, parent: NONE, after: 0, what: TEXT, more: NONE };
        self.document.cells.get(wide(self.at)).unwrap_or(&LOST) // never: nodes are made of cells that exist
    }

    pub(crate) const fn document(&self) -> &'d Document<'i> {
        self.document
    }

    /// Its place in document order; the root is 0.
    pub(crate) const fn number(&self) -> usize {
        wide(self.at)
    }

    pub(crate) fn is_text(&self) -> bool {
        self.cell().what & TEXT != 0
    }

    pub(crate) fn is_element(&self) -> bool {
        !self.is_text()
    }

    /// Where its name stands in [`Document::names`].
    pub(crate) fn name_number(&self) -> usize {
        wide(self.cell().what & !(TEXT | MORE))
    }

    /// The element's name as written; empty for a text.
    pub(crate) fn name(&self) -> &'i str {
        if self.is_text() {
            return "";
        }
        self.document.names.get(self.name_number()).copied().unwrap_or_default()
    }

    /// The text of a text.
    pub(crate) fn text(&self) -> Option<&'d str> {
        let cell = self.cell();
        if cell.what & TEXT == 0 {
            return None;
        }
        Some(self.document.made(cell.more).unwrap_or_else(|| self.document.between(cell.start, cell.end)))
    }

    /// For an element: there is white space, a comment or an instruction in it. For a text: part of it is a CDATA section.
    pub(crate) fn holds_more(&self) -> bool {
        self.cell().what & MORE != 0
    }

    /// From its first to after its last byte, in the text that was parsed.
    pub(crate) fn range(&self) -> Range<usize> {
        let cell = self.cell();
        wide(cell.start)..wide(cell.end)
    }

    /// Where the element's content begins: after its start tag.
    pub(crate) fn content_start(&self) -> usize {
        let after_name = wide(self.cell().start) + 1 + self.name().len();
        let from = self.attributes().last().map_or(after_name, |last| last.range().end);
        let rest = self.document.text.get(from..).unwrap_or_default();
        rest.find('>').map_or(from, |end| from + end + 1)
    }

    pub(crate) fn parent_element(&self) -> Option<Self> {
        self.document.node(self.cell().parent)
    }

    /// Itself, its parent and so on.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = Self> + use<'d, 'i> {
        std::iter::successors(Some(*self), Self::parent_element)
    }

    /// Its elements and texts.
    pub(crate) fn children(&self) -> impl Iterator<Item = Self> + Clone + use<'d, 'i> {
        let document = self.document;
        let (mut at, after) = (self.at + 1, self.cell().after);
        std::iter::from_fn(move || {
            let node = (at < after).then_some(Node { document, at })?;
            at = node.cell().after;
            Some(node)
        })
    }

    pub(crate) fn first_child(&self) -> Option<Self> {
        self.children().next()
    }

    /// Itself and all that is in it, in document order.
    pub(crate) fn descendants(&self) -> impl Iterator<Item = Self> + Clone + use<'d, 'i> {
        let document = self.document;
        (self.at..self.cell().after).map(move |at| Node { document, at })
    }

    /// Its attributes in the order of writing.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = Attribute<'d, 'i>> + use<'d, 'i> {
        let (document, owner) = (self.document, self.at);
        let first = if self.is_text() { NONE } else { self.cell().more };
        let from = document.attributes.get(wide(first)..).unwrap_or_default();
        from.iter().take_while(move |one| one.owner == owner).map(|written| Attribute { document, written })
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'d str> {
        self.attributes().find(|one| one.name() == name).map(|one| one.value())
    }
}

/// An attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'d, 'i> {
    document: &'d Document<'i>,
    written: &'d Written,
}

impl<'d, 'i> Attribute<'d, 'i> {
    pub(crate) fn name(&self) -> &'i str {
        self.document.between(self.written.start, self.written.name_end)
    }

    /// The value, its references resolved and its line ends and tabulators made blanks (XML 1.0 §3.3.3).
    pub(crate) fn value(&self) -> &'d str {
        let Written { value, value_end, made, .. } = *self.written;
        self.document.made(made).unwrap_or_else(|| self.document.between(value, value_end))
    }

    /// From the name to after the closing quote.
    pub(crate) const fn range(&self) -> Range<usize> {
        wide(self.written.start)..wide(self.written.value_end) + 1
    }
}
