//! Attributes held against their declarations.

use crate::check_file_name;
use crate::error::Severity;
use crate::finding::excerpt;
use crate::model::{AttributeDecl, AttributeType, Edition, Presence, Rule};
use crate::tree::Node;
use crate::validate::{Said, Validator, name_of};

impl Validator<'_, '_> {
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

    /// Every attribute of an element, those that are missing too.
    pub(crate) fn attributes(&mut self, node: Node<'_, '_>, rule: &Rule) {
        for attribute in node.attributes() {
            let (name, at) = (attribute.name(), attribute.range().start);
            match rule.attributes.iter().find(|decl| decl.name == name) {
                Some(decl) => self.value(node, decl, at, attribute.value()),
                None => self.undeclared_attribute(node, at, name),
            }
        }
        for decl in &rule.attributes {
            if decl.presence == Presence::Required && node.attribute(decl.name).is_none() {
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
            _ => format!("{:?} is not allowed for {} of {}", excerpt(value), decl.name, decl.element),
        };
        self.say(node, at, Said { label, severity, message, found: value, expected });
    }
}

/// The tokens of 附件名 as producers write it: separated by blanks or commas.
pub(crate) fn attachment_tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split([' ', ',', '\t', '\r', '\n']).filter(|token| !token.is_empty())
}
