//! Holds a tree against its grammar and finds every breach, each with its weight.
//!
//! What real producers are known to do otherwise is a warning and keeps its label; the list is the `match`es below.

use std::collections::HashMap;

use crate::Entity;
use crate::breach::Parent;
use crate::doctype::is_space;
use crate::error::Severity;
use crate::finding::{Finding, Findings, excerpt};
use crate::matcher::Breach;
use crate::model::{Cm, Edition, Grammar, Rule};
use crate::tree::{Document, Node};

/// The names of the unparsed entities; the first declaration of a name binds, as in XML.
pub(crate) type Entities<'a> = HashMap<&'a str, &'a Entity>;

/// Element name as written, with its prefix if it has one.
pub(crate) fn name_of<'i>(node: Node<'_, 'i>) -> &'i str {
    node.name()
}

/// The text directly in an element, white space at both ends removed.
pub(crate) fn text_of(node: Node<'_, '_>) -> String {
    let mut texts = node.children().filter_map(|child| child.is_text().then(|| child.text()).flatten());
    let first = texts.next().unwrap_or_default();
    let Some(second) = texts.next() else { return first.trim_matches(is_space).to_owned() };
    let mut all = [first, second].concat();
    for text in texts {
        all.push_str(text);
    }
    all.trim_matches(is_space).to_owned()
}

/// Element names from the root down to a node. Of what is very deep or has very long names, a part.
pub(crate) fn path_of(node: Node<'_, '_>) -> String {
    const DEEP: usize = 24;
    const LONG: usize = 64;
    let names: Vec<&str> = node.ancestors().filter(Node::is_element).map(name_of).collect();
    let mut path = String::new();
    for (number, name) in names.iter().rev().enumerate() {
        let from_below = names.len() - number;
        if number >= 3 && from_below > DEEP {
            if from_below == DEEP + 1 {
                path.push_str("/…");
            }
            continue;
        }
        if number > 0 {
            path.push('/');
        }
        match name.char_indices().nth(LONG) {
            Some((end, _)) => path.extend([name.get(..end).unwrap_or_default(), "…"]),
            None => path.push_str(name),
        }
    }
    path
}

pub(crate) struct Validator<'g, 'f> {
    pub(crate) grammar: &'g Grammar,
    pub(crate) edition: Edition,
    pub(crate) official: bool,
    pub(crate) entities: &'g Entities<'g>,
    /// Byte offset of the root element in the whole text.
    pub(crate) base: usize,
    pub(crate) findings: &'f mut Findings,
}

/// What a problem says besides where it is.
pub(crate) struct Said<'a> {
    pub(crate) label: &'static str,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) found: &'a str,
    pub(crate) expected: String,
}

impl Validator<'_, '_> {
    pub(crate) fn document(&mut self, document: &Document<'_>) {
        let grammar = self.grammar;
        let rules: Vec<Option<&Rule>> = document.names().iter().map(|name| grammar.rule(name)).collect();
        // extra trailing elements are reported once, at their start, and not looked into
        let mut extra_from = usize::MAX;
        for node in document.root_element().descendants().filter(Node::is_element) {
            if node.range().start >= extra_from || self.findings.complete() {
                break;
            }
            let name = name_of(node);
            match rules.get(node.name_number()).copied().flatten() {
                Some(rule) => {
                    self.attributes(node, rule);
                    self.content(node, name, rule, &mut extra_from);
                    self.values(node, name);
                }
                None => self.undeclared(node, name),
            }
        }
    }

    pub(crate) fn say(&mut self, node: Node<'_, '_>, at: usize, said: Said<'_>) {
        let (official, at) = (self.official, self.base + at);
        self.findings.add(said.severity, || Finding {
            label: said.label,
            severity: said.severity,
            at,
            path: path_of(node),
            message: said.message,
            found: excerpt(said.found),
            expected: said.expected,
            official,
        });
    }

    /// A remark that no DTD makes.
    pub(crate) fn remark(&mut self, node: Node<'_, '_>, label: &'static str, message: String, found: &str) {
        let at = self.base + node.range().start;
        self.findings.add(Severity::Warning, || Finding {
            label,
            severity: Severity::Warning,
            at,
            path: path_of(node),
            message,
            found: excerpt(found),
            expected: String::new(),
            official: false,
        });
    }

    fn undeclared(&mut self, node: Node<'_, '_>, name: &str) {
        let root = self.grammar.kind();
        let said = Said {
            label: "element-undeclared",
            severity: Severity::Error,
            message: format!("the document type of {root} has no element {name}"),
            found: name,
            expected: String::new(),
        };
        self.say(node, node.range().start, said);
    }

    fn content(&mut self, node: Node<'_, '_>, name: &str, rule: &Rule, extra_from: &mut usize) {
        match rule.decl.model {
            Cm::Any => {}
            Cm::Empty => self.empty(node, name),
            Cm::Text => {
                for child in node.children().filter(Node::is_element) {
                    if self.grammar.rule(name_of(child)).is_some() {
                        self.unexpected(child, name, "text");
                    }
                }
            }
            _ => {
                let bare = self.bare_text(node, name, rule);
                let elements = || node.children().filter(Node::is_element);
                if !rule.automaton.matches(elements().map(name_of)) {
                    let named = elements().map(|child| (child, name_of(child)));
                    let known = named.clone().filter(|(_, name)| rule.automaton.knows(name));
                    let (last_known, office) = (
                        known.last().map(|(child, _)| child.number()),
                        named.clone().any(|(_, name)| name == "機關"),
                    );
                    let (breaches, complete) = rule.automaton.breaches(named, self.findings.limit.max(64));
                    let mut moved: Vec<&str> = Vec::new();
                    for breach in &breaches {
                        if let Breach::Order { child, late: None, .. } = breach
                            && !moved.contains(&name_of(*child))
                        {
                            moved.push(name_of(*child)); // few: names of one model
                        }
                    }
                    let empty = elements().next().is_none();
                    let parent = Parent { node, name, empty, last_known, office, moved: &moved };
                    if !complete {
                        self.findings.more = true;
                        self.findings.worst = self.findings.worst.max(Some(Severity::Error));
                    }
                    for breach in breaches {
                        if let Breach::Missing { .. } = breach
                            && parent.empty
                            && bare
                        {
                            continue; // said already: the text stands for the elements
                        }
                        self.breach(&parent, breach, extra_from);
                    }
                }
            }
        }
    }

    fn empty(&mut self, node: Node<'_, '_>, name: &str) {
        let first = node.first_child();
        if first.is_none() && !node.holds_more() {
            return;
        }
        let text = text_of(node);
        let as_text = name == "密等" && !text.is_empty() && node.children().all(|child| child.is_text());
        let (label, severity) = if as_text {
            ("classification-text", Severity::Warning)
        } else {
            ("content-not-empty", Severity::Error)
        };
        let at = first.map_or_else(|| node.content_start(), |first| first.range().start);
        let found = first.filter(Node::is_element).map_or(text, |first| name_of(first).to_owned());
        let message = format!("{name} must be empty");
        self.say(node, at, Said { label, severity, message, found: &found, expected: String::new() });
    }

    /// Reports text between elements; true if it stands in the place of a recipient.
    fn bare_text(&mut self, node: Node<'_, '_>, name: &str, rule: &Rule) -> bool {
        let mut bare = false;
        for child in node.children().filter(Node::is_text) {
            let text = child.text().unwrap_or_default();
            let blank = text.chars().all(is_space);
            // a CDATA section is never mere white space
            if blank && !child.holds_more() {
                continue;
            }
            let recipient = matches!(name, "受文者" | "正本" | "副本" | "出席者" | "列席者") && !blank;
            bare |= recipient;
            let (label, severity) = if recipient {
                ("recipient-text", Severity::Warning)
            } else {
                ("text-unexpected", Severity::Error)
            };
            let lead = text.len() - text.trim_start_matches(is_space).len();
            let said = Said {
                label,
                severity,
                message: format!("text in {name}, which holds elements only"),
                found: text.trim_matches(is_space),
                expected: rule.automaton.first_names().join(" | "),
            };
            self.say(node, child.range().start + lead, said);
        }
        bare
    }

    pub(crate) fn unexpected(&mut self, child: Node<'_, '_>, parent: &str, expected: &str) {
        let name = name_of(child);
        let said = Said {
            label: "element-unexpected",
            severity: Severity::Error,
            message: format!("{name} is not allowed in {parent}"),
            found: name,
            expected: expected.to_owned(),
        };
        self.say(child, child.range().start, said);
    }
}
