//! What is wrong with the document type declaration, as far as it can be read.

use std::collections::HashSet;

use crate::check_file_name;
use crate::doctype::Doctype;
use crate::error::Severity;
use crate::finding::{Finding, Findings};
use crate::model::{self, Edition, Kind};
use crate::reading::{Reading, about, told};

/// Notes what the DTD's name says of the edition, before anything else can go wrong.
pub(crate) fn edition(doctype: Option<&Doctype>, reading: &mut Reading) {
    let Some(written) = doctype.and_then(|doctype| doctype.system.as_deref()) else { return };
    reading.dtd_name = Some(written.to_owned());
    reading.edition = model::dtd_name(last_part(written)).and_then(|name| name.edition);
}

/// Some write a path or address in front of the name.
fn last_part(written: &str) -> &str {
    written.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// The document type declaration: its name, the DTD's name, entities and notations.
pub(crate) fn check(
    kind: Kind,
    base: usize,
    doctype: Option<Doctype>,
    reading: &mut Reading,
    findings: &mut Findings,
) {
    let Some(doctype) = doctype else {
        return told(
            findings,
            about(Severity::Warning, "doctype-missing", "there is no document type declaration", base),
        );
    };
    let written = doctype.system.unwrap_or_default();
    let last = last_part(&written);
    let name = model::dtd_name(last);
    let official = reading.edition == Some(Edition::E104) && kind.is_official();
    let fits = name.as_ref().is_some_and(|name| {
        name.edition.is_some()
            && (name.code == kind.code()
                || matches!((kind, name.code.as_str()), (Kind::Order, "C") | (Kind::Announcement, "D")))
    });
    let expected = format!("104_{}_utf8.dtd", kind.code());
    if !fits || last.len() != written.len() {
        let message = format!("{written:?} is not the name of a DTD of {kind}");
        let finding = about(Severity::Warning, "dtd-name", message, doctype.at);
        told(findings, Finding { found: written, expected, ..finding });
    } else if name.is_some_and(|name| !name.exact) {
        let finding =
            about(Severity::Warning, "dtd-name-case", "the DTD name is written in other case", doctype.at);
        told(findings, Finding { expected: written.to_lowercase(), found: written, ..finding });
    }
    if doctype.name != reading.root {
        let message = format!("the document type is that of {}, the root is {}", doctype.name, reading.root);
        let finding = about(Severity::Error, "doctype-root", message, doctype.at);
        told(findings, Finding { found: reading.root.clone(), expected: doctype.name, official, ..finding });
    }
    let mut notations = HashSet::new();
    for notation in &doctype.notations {
        if !notations.insert(notation.name.as_str()) {
            let message = format!("notation {} is declared more than once", notation.name);
            let finding = about(Severity::Error, "notation-repeated", message, notation.at);
            told(findings, Finding { found: notation.name.clone(), official, ..finding });
        }
    }
    let mut names = HashSet::new();
    for entity in &doctype.entities {
        if !names.insert(entity.name.as_str()) {
            let message = format!("entity {} is declared more than once; the first one counts", entity.name);
            let finding = about(Severity::Warning, "entity-repeated", message, entity.at);
            told(findings, Finding { found: entity.name.clone(), ..finding });
            continue;
        }
        if !notations.contains(entity.notation.as_str()) {
            let message = format!("notation {} of entity {} is not declared", entity.notation, entity.name);
            let finding = about(Severity::Error, "notation-undeclared", message, entity.at);
            told(findings, Finding { found: entity.notation.clone(), official, ..finding });
        }
        if let Err(reason) = check_file_name(&entity.file) {
            let message = format!("entity {}: {reason}: {:?}", entity.name, entity.file);
            let finding = about(Severity::Error, "file-name", message, entity.at);
            told(findings, Finding { found: entity.file.clone(), expected: reason.to_owned(), ..finding });
        }
    }
    reading.entities = doctype.entities;
    reading.notations = doctype.notations;
}
