//! Problems before their places are turned into lines and columns.

use crate::error::Severity;

/// A problem at a byte offset.
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
            let mut finding = finding();
            // what is said about a long value is short
            for (text, most) in
                [(&mut finding.message, 300), (&mut finding.found, 81), (&mut finding.expected, 1000)]
            {
                clip(text, most);
            }
            self.list.push(finding);
        } else {
            self.more = true;
        }
    }

    /// True if nothing can change any more: the list is full and more was found, an error among it.
    pub(crate) fn complete(&self) -> bool {
        self.more && self.list.len() >= self.limit && self.worst >= Some(Severity::Error)
    }
}

/// Cuts a text to a number of characters.
fn clip(text: &mut String, most: usize) {
    if text.len() > most
        && let Some((end, _)) = text.char_indices().nth(most)
    {
        text.truncate(end);
        text.push('…');
    }
}

/// At most 80 characters of a value.
pub(crate) fn excerpt(value: &str) -> String {
    match value.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}
