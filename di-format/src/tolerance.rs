//! The tolerance table: what is wrong and accepted all the same.

/// The labels of all deviations that are accepted, as docs/di.md explains them one by one.
///
/// A problem with one of these labels is a warning, whatever official DTD it breaches; a problem with any other label makes
/// the file invalid or unreadable. (`too-many-problems` weighs as much as the worst problem that is not listed.)
pub const TOLERATED: &[&str] = &[
    // prolog
    "encoding-declared",
    "doctype-missing",
    "dtd-name",
    "dtd-name-case",
    "entity-repeated",
    // structure
    "element-order",
    "element-extra",
    "original-empty",
    "original-repeated",
    "recipient-text",
    "number-missing",
    "time-missing",
    "address-in-notice",
    "classification-text",
    "classification-ordinary",
    "sender-form",
    "attachment-not-entity",
    // codes and values
    "code-missing",
    "code-joined",
    "code-form",
    "heading-repeated",
    "attachments-word",
    "date-form",
    "date-impossible",
    "postcode-form",
    "contact-form",
    "company-number",
    // rosters
    "roster-empty",
    "roster-dangling",
    // a letter with its roster
    "name-not-in-roster",
    "roster-name-not-in-letter",
    "recipient-differs",
];

/// True for labels that say that a document type's own rules are broken: those of an official DTD (then
/// [`Problem::official`](crate::Problem::official) is true), or rules that are inferred from what producers emit.
/// Other labels are about the file itself, or remarks that no DTD makes.
#[must_use]
pub fn is_rule(label: &str) -> bool {
    RULES.contains(&label)
}

const RULES: &[&str] = &[
    "doctype-root",
    "notation-repeated",
    "notation-undeclared",
    "element-undeclared",
    "element-unexpected",
    "element-order",
    "element-repeated",
    "element-missing",
    "element-extra",
    "text-unexpected",
    "content-not-empty",
    "attribute-undeclared",
    "attribute-missing",
    "attribute-value",
    "entity-undeclared",
    "original-empty",
    "original-repeated",
    "recipient-text",
    "number-missing",
    "time-missing",
    "address-in-notice",
    "classification-text",
    "classification-ordinary",
    "sender-form",
    "attachment-not-entity",
    "roster-empty",
    "roster-dangling",
];
