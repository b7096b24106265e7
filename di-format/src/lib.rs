//! Bytes to document and back, and whether it is valid.
//!
//! A DI (文書本文檔) is one official letter in XML; an SW (交換表單) lists its electronically reached recipients.
//! Both come in two encodings and five editions, from producers that disagree with the rules in known ways.
//!
//! Six things to know:
//! - [`read`] takes the bytes and always gives a [`Reading`]: what the file is, everything that is wrong with it
//!   ([`Problem`]), one [`Verdict`], and what it says: a [`Letter`] or a [`Roster`].
//! - [`model`] holds the content models as data; [`model::dtd`] prints them as a DTD for any outside judge.
//! - [`fields`] reads values that were written for people: dates, contact lines, postcodes, 統一編號.
//! - [`cross_check`] holds a letter against its roster: hints, never decisions. [`TOLERATED`] lists what is wrong and
//!   accepted all the same; docs/di.md explains each.
//! - [`mod@write`] makes every kind, 函, 簽 and 交換表單 valid by the official DTDs, the others only on the caller's word;
//!   reading them gives the same values back.
//! - [`display`] makes what a person sees of a letter: one [`display::View`], printed as text or HTML.
//!
//! Invariants: nothing is read from disk, network or clock; no external or parsed entity is ever expanded; received
//! bytes are never changed or re-serialised; every size is bounded by [`Limits`] before work is done; time and memory
//! are linear in the input.
//!
//! It fails by saying so: reading never fails, it ends in [`Verdict::Unreadable`]; writing returns [`Error`].

mod attributes;
mod breach;
mod companions;
mod crosscheck;
mod declarations;
mod decode;
pub mod display;
mod doctype;
mod error;
mod extract;
pub mod fields;
mod file_name;
mod finding;
mod foreign;
mod letter;
mod line;
mod matcher;
pub mod model;
mod reading;
mod remarks;
mod roster;
mod tolerance;
mod tree;
mod validate;
pub mod write;

pub use companions::{Companion, Role};
pub use crosscheck::{Names, cross_check};
pub use decode::Encoding;
pub use doctype::{Entity, Notation};
pub use error::{Class, Error, LABELS, Problem, Severity};
pub use file_name::check_file_name;
pub use foreign::{OTHER_ROOTS, OTHER_STARTS};
pub use letter::{
    Attachments, Classification, ContactPerson, Entry, Extra, Item, Letter, Name, Number, Opinion, Paragraph,
    Person, Recipient, When,
};
pub use model::{Edition, Kind};
pub use reading::{Reading, Verdict, companions, named_files, read};
pub use roster::{Line, Mailbox, Party, Roster};
pub use tolerance::{TOLERATED, is_rule};

/// Bounds on what is read. The defaults fit every letter; raise `size` for very large rosters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// File size in bytes; checked before decoding. Default 8 MiB.
    pub size: usize,
    /// Nesting depth of elements. Default 128.
    pub depth: usize,
    /// Attributes of one element. Default 32.
    pub attributes: usize,
    /// Elements, attributes and texts together; white space between elements is none. Default 500,000.
    pub nodes: u32,
    /// Declarations (entities and notations) in the internal subset. Default 2,000.
    pub entities: usize,
    /// Characters of an element, attribute, entity or notation name. Default 256.
    pub name: usize,
    /// Problems listed; further ones are counted in the verdict only. Default 1,000.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            size: 8 << 20,
            depth: 128,
            attributes: 32,
            nodes: 500_000,
            entities: 2000,
            name: 256,
            problems: 1000,
        }
    }
}
