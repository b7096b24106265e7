//! The way from bytes to a [`Reading`]: decode, prolog, limits, tree, rules, meaning.

use crate::companions::{self, Companion, Role};
use crate::declarations;
use crate::decode::{self, Decoded, Encoding, Undecodable};
use crate::doctype::{self, Entity, Notation, Refused};
use crate::error::{Error, Problem, Severity};
use crate::finding::{Finding, Findings};
use crate::letter::Letter;
use crate::line::Lines;
use crate::model::{self, Edition, Kind};
use crate::roster::Roster;
use crate::tree::Document;
use crate::validate::{Entities, Validator, name_of};
use crate::{Limits, extract, foreign};

/// The one word about a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing is wrong (for kinds without official DTD: by our inferred rules).
    Valid,
    /// Everything that is wrong is known from real producers and has an agreed reading.
    Tolerated,
    /// Something is wrong that has no agreed reading.
    Invalid,
    /// It cannot be read as a DI or SW at all.
    Unreadable,
}

impl Verdict {
    /// `valid`, `tolerated`, `invalid` or `unreadable`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Tolerated => "tolerated",
            Self::Invalid => "invalid",
            Self::Unreadable => "unreadable",
        }
    }

    /// True for [`Verdict::Valid`] and [`Verdict::Tolerated`].
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Valid | Self::Tolerated)
    }
}

/// All that is known about a file.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What the bytes are. For undecodable bytes what they were taken for.
    pub encoding: Encoding,
    /// True if a byte order mark stands at the start.
    pub bom: bool,
    /// The encoding that the XML declaration names.
    pub declared: Option<String>,
    /// Name of the root element; of a file that cannot be read to it the name in its first tag; empty if there is none.
    pub root: String,
    /// Which kind of document; `None` if the root is none of them.
    pub kind: Option<Kind>,
    /// The edition by the DTD name.
    pub edition: Option<Edition>,
    /// The DTD name as written.
    pub dtd_name: Option<String>,
    /// Declared unparsed entities in their order.
    pub entities: Vec<Entity>,
    /// Declared notations in their order.
    pub notations: Vec<Notation>,
    /// Everything that is wrong, by position.
    pub problems: Vec<Problem>,
    /// The conclusion.
    pub verdict: Verdict,
    /// What the letter says; present unless unreadable or a roster.
    pub letter: Option<Letter>,
    /// What the roster says; present for a readable 交換表單.
    pub roster: Option<Roster>,
    companions: Vec<Companion>,
}

impl Reading {
    /// The files that the DI names: the roster first, then the attachments in the order of the letter, then the rest. Each once.
    #[must_use]
    pub fn companions(&self) -> &[Companion] {
        &self.companions
    }

    /// File name of the SW, if the letter has one; see [`Role::Roster`].
    #[must_use]
    pub fn roster_file(&self) -> Option<&str> {
        self.companions.iter().find(|one| one.role == Role::Roster).map(|one| one.file.as_str())
    }

    /// True if an official DTD is breached.
    #[must_use]
    pub fn breaches_official(&self) -> bool {
        self.problems.iter().any(|problem| problem.official)
    }

    /// The problem that weighs most, the first of them.
    #[must_use]
    pub fn worst(&self) -> Option<&Problem> {
        self.problems.iter().rev().max_by_key(|problem| problem.severity)
    }
}

/// The files that the DI names, as [`Reading::companions`].
#[must_use]
pub fn companions(reading: &Reading) -> &[Companion] {
    reading.companions()
}

/// The files that a DI names, without judging the rest of it: enough to see whether a unit is complete.
///
/// # Errors
/// [`Error::Unreadable`] if the bytes are no readable DI or a name is not acceptable as a file name.
pub fn named_files(bytes: &[u8], limits: &Limits) -> Result<Vec<Companion>, Error> {
    let mut findings = Findings::new(limits.problems);
    let mut reading = Reading::empty();
    let decoded = work(bytes, limits, false, &mut reading, &mut findings);
    reading.conclude(decoded.as_ref().map_or("", |decoded| &decoded.text), findings);
    let refused = reading
        .problems
        .into_iter()
        .find(|problem| problem.severity == Severity::Fatal || problem.label == "file-name");
    match refused {
        Some(problem) => Err(Error::Unreadable(Box::new(problem))),
        None => Ok(reading.companions),
    }
}

/// Reads a DI or SW. It never fails: what cannot be read is [`Verdict::Unreadable`], with the reason in `problems`.
#[must_use]
pub fn read(bytes: &[u8], limits: &Limits) -> Reading {
    let mut findings = Findings::new(limits.problems);
    let mut reading = Reading::empty();
    let decoded = work(bytes, limits, true, &mut reading, &mut findings);
    reading.conclude(decoded.as_ref().map_or("", |decoded| &decoded.text), findings);
    reading
}

impl Reading {
    const fn empty() -> Self {
        Self {
            encoding: Encoding::Utf8,
            bom: false,
            declared: None,
            root: String::new(),
            kind: None,
            edition: None,
            dtd_name: None,
            entities: Vec::new(),
            notations: Vec::new(),
            problems: Vec::new(),
            verdict: Verdict::Unreadable,
            letter: None,
            roster: None,
            companions: Vec::new(),
        }
    }

    /// Turns findings into problems and draws the conclusion.
    fn conclude(&mut self, text: &str, mut findings: Findings) {
        self.verdict = match findings.worst {
            None => Verdict::Valid,
            Some(Severity::Warning) => Verdict::Tolerated,
            Some(Severity::Error) => Verdict::Invalid,
            Some(Severity::Fatal) => Verdict::Unreadable,
        };
        if self.verdict == Verdict::Unreadable {
            self.letter = None;
            self.roster = None;
        }
        if findings.more {
            let severity = findings.worst.unwrap_or(Severity::Error);
            let mut finding =
                about(severity, "too-many-problems", "there are more problems than are listed", text.len());
            finding.expected = findings.limit.to_string();
            findings.list.push(finding);
        }
        findings.list.sort_by_key(|finding| finding.at);
        let mut lines = Lines::new(text);
        self.problems = findings
            .list
            .into_iter()
            .map(|finding| {
                let (line, column) = lines.position(finding.at);
                Problem {
                    label: finding.label,
                    severity: finding.severity,
                    line,
                    column,
                    path: finding.path,
                    message: finding.message,
                    found: finding.found,
                    expected: finding.expected,
                    official: finding.official,
                }
            })
            .collect();
    }
}

pub(crate) fn about(
    severity: Severity,
    label: &'static str,
    message: impl Into<String>,
    at: usize,
) -> Finding {
    Finding {
        label,
        severity,
        at,
        path: String::new(),
        message: message.into(),
        found: String::new(),
        expected: String::new(),
        official: false,
    }
}

fn fatal(findings: &mut Findings, label: &'static str, message: impl Into<String>, at: usize) {
    told(findings, about(Severity::Fatal, label, message, at));
}

pub(crate) fn told(findings: &mut Findings, finding: Finding) {
    findings.add(finding.severity, || finding);
}

/// All steps; stops at the first that makes the file unreadable. The text is handed back for positions.
fn work<'b>(
    bytes: &'b [u8],
    limits: &Limits,
    judge: bool,
    reading: &mut Reading,
    findings: &mut Findings,
) -> Option<Decoded<'b>> {
    if let Some(what) = foreign::other_start(bytes) {
        let finding = about(Severity::Fatal, "not-xml", format!("the file is {what}"), 0);
        told(findings, Finding { expected: what.to_owned(), ..finding });
        return None;
    }
    if bytes.len() > limits.size {
        let mut finding = about(Severity::Fatal, "too-large", "the file is larger than the limit", 0);
        (finding.found, finding.expected) = (bytes.len().to_string(), limits.size.to_string());
        told(findings, finding);
        name_it(&foreign::beginning(bytes), reading, findings);
        return None;
    }
    let decoded = match decode::decode(bytes) {
        Ok(decoded) => decoded,
        Err(Undecodable::Mark) => {
            fatal(findings, "encoding-unsupported", "the byte order mark is not that of UTF-8", 0);
            return None;
        }
        Err(Undecodable::Bytes { before, found, encoding }) => {
            return Some(undecodable(before, &found, encoding, reading, findings));
        }
    };
    reading.encoding = decoded.encoding;
    reading.bom = decoded.bom;
    reading.declared.clone_from(&decoded.declared);
    tree(&decoded, limits, judge, reading, findings);
    match decoded.doubt {
        Some(Undecodable::Bytes { before, found, encoding }) if reading.kind.is_none() => {
            *findings = Findings::new(limits.problems);
            reading.root.clear();
            Some(undecodable(before, &found, encoding, reading, findings))
        }
        _ => {
            if reading.kind.is_none() && reading.root.is_empty() {
                name_it(&decoded.text, reading, findings);
            }
            if reading.kind.is_none() {
                reading.edition = None; // that of another file's DTD
            }
            Some(decoded)
        }
    }
}

/// What could not be read to its root is named for what it is, as far as its first tag tells.
fn name_it(text: &str, reading: &mut Reading, findings: &mut Findings) {
    let Some((root, at)) = foreign::glimpse(text) else { return };
    root.clone_into(&mut reading.root);
    reading.kind = Kind::from_root(root);
    if let Some(what) = foreign::other_root(root) {
        told(findings, unknown_root(root, what, at));
    }
}

fn unknown_root(root: &str, what: &str, at: usize) -> Finding {
    let message = format!("{root} is no DI or SW: {what}");
    let finding = about(Severity::Fatal, "root-unknown", message, at);
    Finding { found: root.to_owned(), expected: what.to_owned(), ..finding }
}

fn undecodable<'b>(
    before: String,
    found: &[u8],
    encoding: Encoding,
    reading: &mut Reading,
    findings: &mut Findings,
) -> Decoded<'b> {
    reading.encoding = encoding;
    let message = format!("the bytes are not {}", encoding.as_str());
    let mut finding = about(Severity::Fatal, "encoding", message, before.len());
    finding.found = found.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ");
    told(findings, finding);
    Decoded { text: before.into(), encoding, bom: false, declared: None, lies: false, doubt: None }
}

fn tree(decoded: &Decoded<'_>, limits: &Limits, judge: bool, reading: &mut Reading, findings: &mut Findings) {
    let text: &str = &decoded.text;
    let prolog = match doctype::prolog(text, limits) {
        Ok(prolog) => prolog,
        Err(Refused { label, at, message, found, expected }) => {
            let finding = about(Severity::Fatal, label, message, at);
            return told(findings, Finding { found, expected, ..finding });
        }
    };
    let base = prolog.root;
    declarations::edition(prolog.doctype.as_ref(), reading);
    let body = text.get(base..).unwrap_or_default();
    // The parser never sees the document type declaration.
    let document = match Document::parse(body, limits) {
        Ok(document) => document,
        Err(Refused { label, at, message, found, expected }) => {
            let finding = about(Severity::Fatal, label, message, base + at);
            return told(findings, Finding { found, expected, ..finding });
        }
    };
    let root = document.root_element();
    name_of(root).clone_into(&mut reading.root);
    reading.kind = Kind::from_root(&reading.root);
    let Some(kind) = reading.kind else {
        let what = foreign::other_root(&reading.root).unwrap_or("its root element is not known");
        return told(findings, unknown_root(&reading.root, what, base));
    };
    if decoded.lies {
        let declared = decoded.declared.clone().unwrap_or_default();
        let real = decoded.encoding.as_str();
        let message = format!("declared {declared:?}, but the bytes are {real}");
        let finding = about(Severity::Warning, "encoding-declared", message, 0);
        told(findings, Finding { found: declared, expected: real.to_owned(), ..finding });
    }
    declarations::check(kind, base, prolog.doctype, reading, findings);
    let mut entities = Entities::new();
    for entity in &reading.entities {
        entities.entry(&entity.name).or_insert(entity);
    }
    if judge {
        let edition = reading.edition.unwrap_or(Edition::E104);
        Validator {
            grammar: model::grammar(kind, edition),
            edition,
            official: reading.edition == Some(Edition::E104) && kind.is_official(),
            entities: &entities,
            base,
            findings,
        }
        .document(&document);
        if kind == Kind::Roster {
            reading.roster = Some(extract::roster(root));
        } else {
            reading.letter = Some(extract::letter(kind, root, &entities));
        }
    }
    reading.companions = companions::collect(&document, &entities, &reading.entities);
}
