//! How a breach of a content model is named and weighed: the deviations of known producers are warnings.

use crate::error::Severity;
use crate::matcher::Breach;
use crate::model::{Cm, Kind};
use crate::tree::Node;
use crate::validate::{Said, Validator, name_of};

/// An element whose children do not fit.
#[derive(Clone, Copy)]
pub(crate) struct Parent<'a, 'd, 'i> {
    pub(crate) node: Node<'d, 'i>,
    pub(crate) name: &'a str,
    /// It has no child elements.
    pub(crate) empty: bool,
    /// Number of the last child that the model knows.
    pub(crate) last_known: Option<usize>,
    /// One of its children is 機關.
    pub(crate) office: bool,
    /// The names of children that stand at a wrong place.
    pub(crate) moved: &'a [&'a str],
}

#[derive(Clone, Copy)]
struct Missing<'a> {
    parent: &'a str,
    name: &'a str,
    found: &'a str,
    previous: Option<&'a str>,
    empty: bool,
    office: bool,
    expected: &'a str,
    is_root: bool,
}

/// Where an element belongs is looked up among at most so many siblings.
const MANY: usize = 1000;

const fn is_notice(kind: Kind) -> bool {
    matches!(kind, Kind::MeetingNotice | Kind::InspectionNotice)
}

impl Validator<'_, '_> {
    pub(crate) fn breach<'d, 'i>(
        &mut self,
        around: &Parent<'_, 'd, 'i>,
        breach: Breach<Node<'d, 'i>>,
        extra_from: &mut usize,
    ) {
        let Parent { node, name: parent, empty, last_known, office, moved } = *around;
        let is_root = node.parent_element().is_none();
        match breach {
            Breach::Missing { before, names: missing, after } => {
                let at = before.map_or_else(|| end_tag(node), |child| child.range().start);
                let found = before.map(name_of).unwrap_or_default();
                let previous = after.map(name_of);
                let choice = if previous.is_none() { self.first_names(parent) } else { String::new() };
                for (number, name) in missing.into_iter().enumerate() {
                    let expected = if number == 0 && !choice.is_empty() { &choice } else { name };
                    self.missing(
                        node,
                        at,
                        &Missing { parent, name, found, previous, empty, office, expected, is_root },
                    );
                    if empty && is_root {
                        break; // an empty document is said once
                    }
                }
            }
            Breach::Order { child, expected, late } => {
                let name = name_of(child);
                let said = Said {
                    label: "element-order",
                    severity: Severity::Warning,
                    message: format!("{name} stands at the wrong place in {parent}"),
                    found: name,
                    expected: late
                        .map(|late| format!("before {late}"))
                        .or_else(|| self.place(node, name, moved))
                        .unwrap_or_else(|| expected.join(" | ")),
                };
                self.say(child, child.range().start, said);
            }
            Breach::Repeated { child, expected } => {
                let name = name_of(child);
                let (label, severity) = if name == "正本" {
                    ("original-repeated", Severity::Warning)
                } else {
                    ("element-repeated", Severity::Error)
                };
                let said = Said {
                    label,
                    severity,
                    message: format!("{name} occurs again in {parent}"),
                    found: name,
                    expected: expected.join(" | "),
                };
                self.say(child, child.range().start, said);
            }
            Breach::Foreign { child, expected } => {
                let name = name_of(child);
                let (label, message) = match name {
                    "地址" if is_root && is_notice(self.grammar.kind()) => {
                        ("address-in-notice", "a notice has no 地址".to_owned())
                    }
                    "機關" if is_root && self.grammar.kind() == Kind::Memo => {
                        ("sender-form", "the sender of a 簽 is 發文機關 or 單位".to_owned())
                    }
                    _ if is_root && last_known.is_some_and(|last| last < child.number()) => {
                        *extra_from = child.range().start.min(*extra_from);
                        ("element-extra", format!("{name} follows the last element of {parent}"))
                    }
                    _ => {
                        if self.grammar.rule(name).is_some() {
                            self.unexpected(child, parent, &expected.join(" | "));
                        }
                        return;
                    }
                };
                let expected = expected.join(" | ");
                let said = Said { label, severity: Severity::Warning, message, found: name, expected };
                self.say(child, child.range().start, said);
            }
        }
    }

    /// Between which of the elements that are rightly there a misplaced one belongs, as `after A, before B`; `None` where entries
    /// repeat, so that no one place is the right one.
    fn place(&self, parent: Node<'_, '_>, name: &str, moved: &[&str]) -> Option<String> {
        let Cm::Seq(parts) = self.grammar.content(name_of(parent))? else { return None };
        let names = || parent.children().filter(Node::is_element).map(name_of);
        if names().nth(MANY).is_some() {
            return None;
        }
        let rank = |wanted: &str| parts.iter().position(|part| part.names(wanted));
        let own = rank(name)?;
        let ranks =
            || names().filter(|name| !moved.contains(name)).filter_map(|name| Some((rank(name)?, name)));
        let after = ranks().filter(|(rank, _)| *rank < own).max_by_key(|(rank, _)| *rank);
        let before = ranks().filter(|(rank, _)| *rank > own).min_by_key(|(rank, _)| *rank);
        let parts = [("after", after), ("before", before)];
        let said = parts.iter().filter_map(|(word, found)| found.map(|(_, name)| format!("{word} {name}")));
        Some(said.collect::<Vec<_>>().join(", ")).filter(|said| !said.is_empty())
    }

    /// What may stand first in an element.
    fn first_names(&self, element: &str) -> String {
        self.grammar.rule(element).map(|rule| rule.automaton.first_names().join(" | ")).unwrap_or_default()
    }

    fn missing(&mut self, node: Node<'_, '_>, at: usize, missing: &Missing<'_>) {
        let Missing { parent, name, found, previous, empty, office, expected, is_root } = *missing;
        let kind = self.grammar.kind();
        let detail_again =
            matches!(previous, None | Some("含附件" | "內含本文與附件之可攜式文件檔名" | "本別"));
        let (label, severity) = match name {
            _ if parent == "正本" && empty => ("original-empty", Severity::Warning),
            _ if kind == Kind::Roster && is_root && empty => ("roster-empty", Severity::Warning),
            _ if kind == Kind::Roster && is_root && found == "含附件" && detail_again => {
                if name == "機關代碼" {
                    return; // one report for the whole missing entry
                }
                ("roster-dangling", Severity::Warning)
            }
            "發文機關" | "單位" if kind == Kind::Memo && is_root && office => return,
            "發文字號" if is_root => ("number-missing", Severity::Warning),
            "開會時間" | "會勘時間" if is_root => ("time-missing", Severity::Warning),
            "機關代碼" if kind == Kind::Memo => ("code-missing", Severity::Warning),
            _ => ("element-missing", Severity::Error),
        };
        let message = match label {
            "original-empty" => "正本 names nobody".to_owned(),
            "roster-empty" => "the roster names nobody".to_owned(),
            "roster-dangling" => format!("{found} belongs to no entry"),
            _ if found.is_empty() => format!("{name} is missing at the end of {parent}"),
            _ => format!("{name} is missing in {parent} before {found}"),
        };
        let expected = match label {
            "roster-dangling" => self.first_names(parent),
            _ => expected.to_owned(),
        };
        self.say(node, at, Said { label, severity, message, found, expected });
    }
}

/// Where an element's end tag begins (or the element, if it has none).
fn end_tag(node: Node<'_, '_>) -> usize {
    let range = node.range();
    let source = node.document().text().get(range.clone()).unwrap_or_default();
    source.rfind("</").map_or(range.start, |offset| range.start + offset)
}
