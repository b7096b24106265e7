//! A report that may be shown to a stranger: what was found, without serials, names, codes, addresses and paths.

use std::path::Path;

use super::hicos::Facts;
use super::{Check, Patient};
use crate::cli::failure::Failure;

/// Writes it to a file that must not be there yet; `-` is standard output's sign and not taken.
///
/// # Errors
/// The file is there, or cannot be written.
pub(super) fn write(
    path: &Path,
    checks: &[Check],
    nine: usize,
    facts: &Facts,
    patient: &Patient,
) -> Result<(), Failure> {
    let text = scrubbed(text(checks, nine, facts), &private(facts, patient));
    crate::setup::write_new(path, text.as_bytes(), 0o600)
}

/// The report before the last sieve.
pub(super) fn text(checks: &[Check], nine: usize, facts: &Facts) -> String {
    let mut text = format!(
        "di-node doctor 報告（可供他人檢視：不含卡號、姓名、機關、PIN 碼、位址與路徑）\ndi-node {}\n\n",
        env!("CARGO_PKG_VERSION")
    );
    for (n, check) in checks.iter().enumerate() {
        let number = if n < nine { format!("{} ", n + 1) } else { String::new() };
        text.push_str(&format!(
            "{} {number}{}（{}）：{}\n",
            check.status.sign(),
            check.name,
            check.id,
            check.shared
        ));
    }
    if !facts.lines.is_empty() {
        text.push_str("\n讀卡機、程式庫與卡片\n");
        for line in &facts.lines {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

/// Everything of this node and card that names somebody or something of theirs.
fn private(facts: &Facts, patient: &Patient) -> Vec<String> {
    let mut private = facts.private.clone();
    for (certificate, _) in &facts.certificates {
        private.push(certificate.subject().to_owned());
        private.push(certificate.serial_hex());
        private.extend(certificate.organisation().map(str::to_owned));
        private.extend(certificate.organisation_oid().map(str::to_owned));
    }
    if let Some(config) = patient.config() {
        private.extend([
            config.party.code.to_string(),
            config.party.name.clone(),
            config.center.code.clone(),
            config.center.address.host().to_owned(),
            config.folders.root.display().to_string(),
        ]);
        private.extend(config.card.serial.clone());
        private.extend(config.card.label.clone());
    }
    private.extend(std::env::var("HOME").ok());
    private
}

/// A last sieve: whatever got in nevertheless goes out.
pub(super) fn scrubbed(text: String, private: &[String]) -> String {
    let mut private: Vec<&String> = private.iter().filter(|word| word.trim().chars().count() > 2).collect();
    // The longest first, so that no half of a name stays.
    private.sort_by_key(|word| std::cmp::Reverse(word.len()));
    private.iter().fold(text, |text, word| text.replace(word.as_str(), "〔略〕"))
}
