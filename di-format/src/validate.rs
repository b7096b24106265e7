//! Holds a tree against its grammar and finds every breach, each with its weight.
//!
//! What real producers are known to do otherwise is a warning and keeps its label; the list is the `match`es below.

use std::collections::HashMap;

use roxmltree::{Document, Node, NodeType};

use crate::breach::Parent;
use crate::doctype::is_space;
use crate::error::Severity;
use crate::matcher::Breach;
use crate::model::{AttributeDecl, AttributeType, Cm, Edition, Grammar, Presence, Rule};
use crate::{Entity, check_file_name};

/// A problem before its place is turned into line and column.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) label: &'static str,
    pub(crate) severity: Severity,
    pub(crate) at: usize,
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) found: String,
    pub(crate) expected: String,
    pub(crate) official: bool,
}

/// Collects findings up to a number; the worst weight counts all of them.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) list: Vec<Finding>,
    pub(crate) worst: Option<Severity>,
    pub(crate) limit: usize,
    pub(crate) more: bool,
}

impl Findings {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(crate) fn add(&mut self, severity: Severity, finding: impl FnOnce() -> Finding) {
        self.worst = self.worst.max(Some(severity));
        if self.list.len() < self.limit {
            self.list.push(finding());
        } else {
            self.more = true;
        }
    }
}

/// The names of the unparsed entities; the first declaration of a name binds, as in XML.
pub(crate) type Entities<'a> = HashMap<&'a str, &'a Entity>;

/// Element name as written, with its prefix if it has one.
pub(crate) fn name_of<'i>(node: Node<'_, 'i>) -> &'i str {
    let tag = node.tag_name();
    if tag.namespace().is_none() {
        return tag.name();
    }
    let start = node.range().start + 1;
    let rest = node.document().input_text().get(start..).unwrap_or_default();
    let end = rest.find(|c| is_space(c) || matches!(c, '>' | '/')).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
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

/// Element names from the root down to a node.
pub(crate) fn path_of(node: Node<'_, '_>) -> String {
    let mut names: Vec<&str> = node.ancestors().filter(Node::is_element).map(name_of).collect();
    names.reverse();
    names.join("/")
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
        let root = document.root_element();
        let namespaces = document.input_text().contains("xmlns");
        // extra trailing elements are reported once, at their start, and not looked into
        let mut extra_from = usize::MAX;
        for node in root.descendants().filter(Node::is_element) {
            if node.range().start >= extra_from {
                break;
            }
            if namespaces {
                self.namespaces(node);
            }
            let name = name_of(node);
            match self.grammar.rule(name) {
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

    fn namespaces(&mut self, node: Node<'_, '_>) {
        let start = node.range().start;
        let text = node.document().input_text().get(start..).unwrap_or_default();
        let head = text.split('>').next().unwrap_or_default();
        if let Some(at) = head.find("xmlns") {
            self.undeclared_attribute(node, start + at, "xmlns");
        }
    }

    fn undeclared_attribute(&mut self, node: Node<'_, '_>, at: usize, attribute: &str) {
        let element = name_of(node);
        let declared: Vec<&str> = self.grammar.attributes(element).iter().map(|decl| decl.name).collect();
        let said = Said {
            label: "attribute-undeclared",
            severity: Severity::Error,
            message: format!("{element} has no attribute {attribute}"),
            found: attribute,
            expected: declared.join(" | "),
        };
        self.say(node, at, said);
    }

    fn attributes(&mut self, node: Node<'_, '_>, rule: &Rule) {
        let source = node.document().input_text();
        for attribute in node.attributes() {
            let written = source.get(attribute.range_qname()).unwrap_or_else(|| attribute.name());
            let decl = rule.attributes.iter().find(|decl| decl.name == written);
            match decl {
                Some(decl) => self.value(node, decl, attribute.range().start, attribute.value()),
                None => self.undeclared_attribute(node, attribute.range().start, written),
            }
        }
        for decl in &rule.attributes {
            if decl.presence == Presence::Required && !node.has_attribute(decl.name) {
                let said = Said {
                    label: "attribute-missing",
                    severity: Severity::Error,
                    message: format!("{} needs the attribute {}", decl.element, decl.name),
                    found: "",
                    expected: decl.name.to_owned(),
                };
                self.say(node, node.range().start, said);
            }
        }
    }

    fn value(&mut self, node: Node<'_, '_>, decl: &AttributeDecl, at: usize, value: &str) {
        let tokens = || value.split(' ').filter(|token| !token.is_empty());
        let (label, severity, expected) = match decl.kind {
            AttributeType::Text => return,
            AttributeType::OneOf(values) => {
                let mut found = tokens();
                if found.next().is_some_and(|token| values.contains(&token)) && found.next().is_none() {
                    return;
                }
                let expected = values.join(" | ");
                if decl.element == "密等" && value.trim() == "普通" && self.edition == Edition::E99 {
                    ("classification-ordinary", Severity::Warning, expected)
                } else {
                    ("attribute-value", Severity::Error, expected)
                }
            }
            AttributeType::Entity => {
                let mut found = tokens();
                if found.next().is_some_and(|token| self.entities.contains_key(token))
                    && found.next().is_none()
                {
                    return;
                }
                ("entity-undeclared", Severity::Error, String::new())
            }
            AttributeType::Entities => {
                if tokens().next().is_some() && tokens().all(|token| self.entities.contains_key(token)) {
                    return;
                }
                let names_a_file = |token: &str| {
                    self.entities.contains_key(token)
                        || (token.contains('.') && check_file_name(token).is_ok())
                };
                if attachment_tokens(value).all(names_a_file) {
                    ("attachment-not-entity", Severity::Warning, String::new())
                } else {
                    ("entity-undeclared", Severity::Error, String::new())
                }
            }
        };
        let message = match label {
            "entity-undeclared" => {
                format!("{} of {} names an entity that is not declared", decl.name, decl.element)
            }
            "attachment-not-entity" => format!("{} does not hold the names of entities", decl.name),
            _ => format!("{value:?} is not allowed for {} of {}", decl.name, decl.element),
        };
        self.say(node, at, Said { label, severity, message, found: value, expected });
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
                    let children: Vec<Node<'_, '_>> = elements().collect();
                    let names: Vec<&str> = children.iter().copied().map(name_of).collect();
                    let last_known = names.iter().rposition(|name| rule.automaton.knows(name));
                    let parent = Parent { node, name, children: &children, names: &names, last_known };
                    let (breaches, complete) = rule.automaton.breaches(&names, self.findings.limit.max(64));
                    if !complete {
                        self.findings.more = true;
                        self.findings.worst = self.findings.worst.max(Some(Severity::Error));
                    }
                    for breach in breaches {
                        if let Breach::Missing { .. } = breach
                            && names.is_empty()
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
        let Some(first) = node.first_child() else { return };
        let text = text_of(node);
        let as_text = name == "密等" && !text.is_empty() && node.children().all(|child| child.is_text());
        let (label, severity) = if as_text {
            ("classification-text", Severity::Warning)
        } else {
            ("content-not-empty", Severity::Error)
        };
        let found = if first.is_element() { name_of(first).to_owned() } else { text };
        let message = format!("{name} must be empty");
        self.say(
            node,
            first.range().start,
            Said { label, severity, message, found: &found, expected: String::new() },
        );
    }

    /// Reports text between elements; true if it stands in the place of a recipient.
    fn bare_text(&mut self, node: Node<'_, '_>, name: &str, rule: &Rule) -> bool {
        let source = node.document().input_text();
        let mut bare = false;
        for child in node.children().filter(|child| child.node_type() == NodeType::Text) {
            let text = child.text().unwrap_or_default();
            let blank = text.chars().all(is_space);
            if blank && is_plain(source, child.range().start) {
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

/// The tokens of 附件名 as producers write it: separated by blanks or commas.
pub(crate) fn attachment_tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split([' ', ',', '\t', '\r', '\n']).filter(|token| !token.is_empty())
}

/// True if the blank text that begins here holds no CDATA section, which is never mere white space.
///
/// A reference such as `&#32;` passes: strictly it is no white space either (XML 1.0, validity constraint Element Valid),
/// but libxml2 takes it for such, and nothing hangs on it.
fn is_plain(source: &str, at: usize) -> bool {
    let mut rest = source.get(at..).unwrap_or_default().trim_start_matches(is_space);
    while let Some((_, after)) = rest.strip_prefix("&#").and_then(|rest| rest.split_once(';')) {
        rest = after.trim_start_matches(is_space);
    }
    !rest.starts_with("<![CDATA[")
}

/// At most 80 characters of a value.
fn excerpt(value: &str) -> String {
    match value.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}
