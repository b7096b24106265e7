//! What people read: Chinese sentences and remedies by stable label, and the official word for every state.
//!
//! One table per crate, below `words/`; a test in each holds it against that crate's own list of labels, so that no
//! label is without words and no words are without a label. The sentences say what happened, without a full stop; the
//! remedies say what a person can do. Where a label means the same in two crates, it stands in one table.
//! Look-ups never fail: an unknown label (written by a later release) still yields a sentence.

mod backup;
mod card;
mod cli;
mod config;
mod di;
mod doctor;
mod envelope;
mod events;
mod flow;
mod states;
mod store;
mod wire;

pub use di::sentence as di_sentence;
pub use events::{detail, event, happened, is_news};
pub use states::{Box as BoxKind, STATES, inbound, line, outbound, shown};

/// The sentence and the remedy of one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// The stable label, kebab-case.
    pub label: &'static str,
    /// What happened: a Chinese sentence without full stop.
    pub what: &'static str,
    /// What to do: a Chinese sentence without full stop.
    pub remedy: &'static str,
}

const fn w(label: &'static str, what: &'static str, remedy: &'static str) -> Words {
    Words { label, what, remedy }
}

/// Every table with the heading that the manual gives it.
pub(crate) const TABLES: &[(&str, &[Words])] = &[
    ("收發流程", flow::WORDS),
    ("公文格式（DI、SW）", di::WORDS),
    ("簽章、加密與憑證", envelope::WORDS),
    ("與交換中心的連線", wire::WORDS),
    ("卡片", card::WORDS),
    ("檢測（doctor）", doctor::WORDS),
    ("本機資料", store::WORDS),
    ("備份與還原", backup::WORDS),
    ("設定", config::WORDS),
    ("命令列", cli::WORDS),
];

/// The words of a label.
#[must_use]
pub fn of(label: &str) -> Option<&'static Words> {
    TABLES.iter().flat_map(|(_, table)| table.iter()).find(|words| words.label == label)
}

/// What happened, for any label.
#[must_use]
pub fn what(label: &str) -> String {
    of(label).map_or_else(|| format!("發生本版本未列的狀況（{label}）"), |words| words.what.to_owned())
}

/// What to do, for any label.
#[must_use]
pub fn remedy(label: &str) -> String {
    of(label)
        .map_or_else(|| "請更新程式；若仍發生，請附上代號回報".to_owned(), |words| words.remedy.to_owned())
}

/// What the sender can do about a document that came back for this reason: about the format the words for all fit; the
/// others speak to the receiver.
#[must_use]
pub fn returned_remedy(label: &str) -> String {
    match di::WORDS.iter().find(|words| words.label == label) {
        Some(words) => words.remedy.to_owned(),
        None => "改正後重送或補送紙本".to_owned(),
    }
}

/// Both as running text: `what。remedy。`
#[must_use]
pub fn explain(label: &str) -> String {
    format!("{}。{}。", what(label), remedy(label))
}

/// All labels as the manual's Markdown tables.
pub(crate) fn markdown() -> String {
    let mut text = String::new();
    for (heading, table) in TABLES {
        text.push_str(&format!("### {heading}\n\n| 代號 | 發生什麼 | 怎麼處理 |\n|---|---|---|\n"));
        for words in *table {
            text.push_str(&format!(
                "| `{}` | {} | {} |\n",
                words.label,
                cell(words.what),
                cell(words.remedy)
            ));
        }
        text.push('\n');
    }
    text
}

/// All labels as plain lines.
pub(crate) fn plain() -> String {
    let mut text = String::new();
    for (heading, table) in TABLES {
        text.push_str(&format!("{heading}\n"));
        for words in *table {
            text.push_str(&format!("  {}\n    {}。{}。\n", words.label, words.what, words.remedy));
        }
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// Holds a table against a crate's list of labels; for the tests of the tables.
#[cfg(test)]
pub(crate) fn assert_complete<'a>(table: &[Words], labels: impl IntoIterator<Item = &'a str>) {
    let labels: Vec<&str> = labels.into_iter().collect();
    let without: Vec<_> = labels.iter().filter(|l| of(l).is_none()).collect();
    assert!(without.is_empty(), "labels without words: {without:?}");
    let idle: Vec<_> = table.iter().map(|w| w.label).filter(|l| !labels.contains(l)).collect();
    assert!(idle.is_empty(), "words without a label: {idle:?}");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn labels_are_unique_and_words_are_sentences_for_people() {
        let mut seen = HashSet::new();
        for words in TABLES.iter().flat_map(|(_, t)| t.iter()) {
            assert!(seen.insert(words.label), "twice: {}", words.label);
            assert!(words.label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            for text in [words.what, words.remedy] {
                assert!(text.chars().count() >= 4, "{}: too short", words.label);
                assert!(!text.ends_with('。'), "{}: full stops are added where needed", words.label);
                assert!(text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{}", words.label);
            }
        }
    }

    #[test]
    fn what_came_back_is_told_to_the_sender() {
        assert_eq!(returned_remedy("scan-refused"), "改正後重送或補送紙本");
        assert_eq!(returned_remedy("element-missing"), remedy("element-missing"));
    }

    #[test]
    fn an_unknown_label_still_says_something() {
        assert!(explain("from-the-future").contains("from-the-future"));
    }

    /// What stands in the manual between two marks.
    fn between<'a>(manual: &'a str, name: &str) -> &'a str {
        let begin = format!("<!-- {name}: begin -->\n");
        let from = manual.find(&begin).expect("begin mark") + begin.len();
        let to = manual.find(&format!("<!-- {name}: end -->")).expect("end mark");
        manual[from..to].trim()
    }

    #[test]
    fn the_manual_has_the_generated_tables() {
        let manual = include_str!("../../docs/manual.md");
        assert!(
            between(manual, "words") == markdown().trim(),
            "docs/manual.md: replace what is between the marks by the output of `di-node words --markdown`"
        );
        assert_eq!(between(manual, "states"), states::markdown().trim());
    }
}
