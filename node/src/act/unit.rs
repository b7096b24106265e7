//! A unit (one DI, at most one SW, attachments) read and judged: what it says, whom it is for, whether it may go.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use config::{NodeConfig, Outgoing, SecretLetters};
use di_format::{Letter, Limits, Name, Names, Reading, Roster, Severity};
use store::outbound::{About, Hint};
use store::state::Priority;

use super::{Step, io_trouble, organisation};
use crate::flow::Outcome;

/// Label: 密等 other than 普通 and the configuration does not allow it.
pub const SECRET: &str = "secret-not-electronic";
/// Label: neither a roster nor an inline recipient says whom it is for.
pub const NO_RECIPIENT: &str = "no-recipient";
/// Label: more recipients than the limit.
pub const TOO_MANY: &str = "too-many-recipients";
/// Label: all files together are larger than the limit.
pub const TOO_LARGE: &str = "document-too-large";
/// Label: the letter names another organisation as its sender.
pub const SENDER: &str = "sender-not-ours";
/// Label: a file that the DI names is not in the unit.
pub const MISSING: &str = "companion-missing";
/// Label: the letter breaches its official DTD and the configuration is strict.
pub const STRICT: &str = "breaches-official-dtd";
/// Label: the DI is a roster, or the SW is a letter.
pub const INVALID: &str = "unit-mixed-up";
/// Label: a file of the unit cannot be read from our own disk.
pub const UNREADABLE: &str = "unit-file-unreadable";

/// A letter with its roster, both accepted.
#[derive(Debug, Clone)]
pub struct Unit {
    /// What the DI says.
    pub letter: Letter,
    /// What the SW says, if there is one.
    pub roster: Option<Roster>,
    /// For lists and searches.
    pub about: About,
    /// Labels of what was tolerated, each once, separated by blanks; empty if nothing was.
    pub warnings: String,
    /// Whether an official DTD is breached.
    pub breaches: bool,
    /// Bare names of all files that the DI names and needs.
    pub named: Vec<String>,
    /// The roster among them.
    pub roster_file: Option<String>,
}

/// One line of the roster, or the inline recipient: who is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Mailbox codes to try, the unit's own before its organisation's.
    pub codes: Vec<String>,
    /// As the roster has it.
    pub name: String,
    /// 正本, 副本 or empty, as the line says.
    pub copy: String,
    /// Whether the attachments travel.
    pub attachments: bool,
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// The disk's; a larger file is [`TOO_LARGE`].
pub(crate) fn read(path: &Path, limit: u64) -> Step<Vec<u8>> {
    let trouble = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Outcome::Bad { label: MISSING.into(), detail: file_name(path).to_owned() }
        }
        _ => io_trouble(UNREADABLE, &error),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(trouble)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(trouble)?;
    if bytes.len() as u64 > limit {
        return Err(bad("too-large", format!("{}: {limit} bytes allowed", file_name(path))));
    }
    Ok(bytes)
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn bad(label: &str, detail: impl Into<String>) -> Outcome {
    Outcome::Bad { label: label.into(), detail: detail.into() }
}

/// Limits for the two XML files.
#[must_use]
pub fn limits(config: &NodeConfig) -> Limits {
    Limits { size: usize::try_from(config.limits.di.get()).unwrap_or(usize::MAX), ..Limits::default() }
}

/// What was wrong with a file that is not accepted: the label of its worst problem, with its place.
fn refuse(name: &str, reading: &Reading) -> Outcome {
    let Some(worst) = reading.worst() else { return bad(INVALID, name) };
    let (line, column) = (worst.line, worst.column);
    let place = if worst.path.is_empty() { String::new() } else { format!("（{}）", worst.path) };
    let said = crate::words::di_sentence(worst);
    let mut detail = format!("{name} 第 {line} 行第 {column} 欄{place}：{said}");
    let more = reading.problems.iter().filter(|p| p.severity >= Severity::Error).count().saturating_sub(1);
    if more > 0 {
        detail.push_str(&format!("（另有 {more} 項）"));
    }
    bad(worst.label, detail)
}

/// What a DI says of itself as far as it can be read, also when it is not accepted.
#[must_use]
pub fn about(reading: &Reading, sender: &str) -> About {
    let edition = reading.edition.map_or_else(String::new, |e| e.as_str().to_owned());
    let Some(letter) = &reading.letter else {
        return About { kind: reading.root.clone(), edition, sender: sender.into(), ..About::default() };
    };
    let kind = if letter.category.is_empty() { letter.kind.root() } else { &letter.category };
    About {
        kind: kind.to_owned(),
        edition,
        subject: letter.subject.clone(),
        number: letter.printed_number(),
        dated: letter.date.clone(),
        priority: priority(&letter.priority),
        sender: sender.to_owned(),
        sender_name: letter.senders.first().map_or_else(String::new, |s| s.name.text().to_owned()),
    }
}

/// 速別 as written.
fn priority(text: &str) -> Priority {
    if text.contains("最速") {
        Priority::Fastest
    } else if text.contains("速") {
        Priority::Fast
    } else {
        Priority::Normal
    }
}

/// Reads and judges a unit. `sw` is the roster's bytes where there are any; `(name, bytes)`.
///
/// # Errors
/// [`Outcome::Bad`] with the label of the worst problem.
pub fn judge(limits: &Limits, di: (&str, &[u8]), sw: Option<(&str, &[u8])>, sender: &str) -> Step<Unit> {
    let reading = di_format::read(di.1, limits);
    if !reading.verdict.is_accepted() {
        return Err(refuse(di.0, &reading));
    }
    let about = about(&reading, sender);
    let mut breaches = reading.breaches_official();
    let mut labels: Vec<&str> = reading.problems.iter().map(|p| p.label).collect();
    let needed = reading.companions().iter().filter(|c| c.role != di_format::Role::Unreferenced);
    let named = needed.map(|c| c.file.clone()).collect();
    let roster_file = reading.roster_file().map(str::to_owned);
    let listed = match sw {
        Some((name, bytes)) => {
            let listed = di_format::read(bytes, limits);
            if !listed.verdict.is_accepted() {
                return Err(refuse(name, &listed));
            }
            breaches |= listed.breaches_official();
            labels.extend(listed.problems.iter().map(|p| p.label));
            Some(listed.roster.ok_or_else(|| bad(INVALID, name))?)
        }
        None => None,
    };
    let letter = reading.letter.ok_or_else(|| bad(INVALID, di.0))?;
    labels.sort_unstable();
    labels.dedup();
    Ok(Unit { letter, roster: listed, about, warnings: labels.join(" "), breaches, named, roster_file })
}

/// What our own node demands of a letter before it goes out, besides being accepted. Returns the mailbox that sends.
///
/// # Errors
/// [`Outcome::Bad`].
pub fn may_go(config: &NodeConfig, unit: &Unit) -> Step<String> {
    let letter = &unit.letter;
    if letter.is_classified() && config.secret_letters == SecretLetters::Refuse {
        return Err(bad(SECRET, letter.classification.level.clone().unwrap_or_default()));
    }
    if unit.breaches && config.outgoing == Outgoing::Strict {
        return Err(bad(STRICT, unit.warnings.clone()));
    }
    sender(config, letter)
}

/// The mailbox that sends: the unit's own where the letter names one of ours, else the organisation's. A joint letter
/// has several senders; one of them must be ours.
fn sender(config: &NodeConfig, letter: &Letter) -> Step<String> {
    let own = config.party.code.as_str();
    let named: Vec<_> = letter.senders.iter().map(|s| s.mailbox()).filter(|(c, _)| !c.is_empty()).collect();
    let Some((_, part)) = named.iter().find(|(code, _)| *code == own) else {
        return match named.first() {
            None => Ok(own.to_owned()),
            Some((code, _)) => Err(bad(SENDER, format!("{code}, {own}"))),
        };
    };
    let ours = part.filter(|part| config.party.units.iter().any(|unit| unit.as_str() == *part));
    Ok(ours.map_or_else(|| own.to_owned(), |part| format!("{own}{part}")))
}

/// Whom a letter is for: the roster's lines, or the inline 受文者; and those of them whose code cannot be a mailbox's,
/// to be listed with all others that cannot be addressed.
///
/// # Errors
/// [`NO_RECIPIENT`].
pub fn wanted(unit: &Unit) -> Step<(Vec<Wanted>, Vec<String>)> {
    let lines: Vec<&di_format::Line> = match (&unit.roster, unit.letter.inline_recipient()) {
        (Some(roster), _) => roster.lines.iter().collect(),
        (None, Some(line)) => vec![line],
        (None, None) => Vec::new(),
    };
    if lines.is_empty() {
        return Err(bad(NO_RECIPIENT, ""));
    }
    let mut out = Vec::with_capacity(lines.len());
    let mut wrong = Vec::new();
    for line in lines {
        let mailbox = line.mailbox();
        let shape =
            |code: &str, length| code.len() == length && code.bytes().all(|b| b.is_ascii_alphanumeric());
        if !shape(&mailbox.code, 10) {
            wrong.push(format!("{} {} (malformed)", mailbox.code, mailbox.name).trim_start().to_owned());
            continue;
        }
        let own = mailbox.unit.filter(|unit| shape(unit, 7)).map(|unit| format!("{}{unit}", mailbox.code));
        out.push(Wanted {
            codes: own.into_iter().chain([mailbox.code]).collect(),
            name: mailbox.name,
            copy: line.copy.clone().unwrap_or_default(),
            attachments: mailbox.attachments,
        });
    }
    Ok((out, wrong))
}

/// Names in 正本, 出席者, 列席者 and 副本 that match no line of the roster: perhaps on paper. A hint, never a decision. A 分繕 copy
/// has none: each of its names has a letter of its own.
#[must_use]
pub fn hints(unit: &Unit) -> Vec<Hint> {
    let Some(roster) = &unit.roster else { return Vec::new() };
    let listed: Names = roster.lines.iter().map(|line| line.party.name.text()).collect();
    let mut out: Vec<Hint> = Vec::new();
    let mut seen = HashSet::new();
    for (copy, entry) in unit.letter.entries() {
        // A 總稱 stands for many lines and matches none of them.
        let name = entry.name.text();
        if matches!(entry.name, Name::Group(_)) || name.is_empty() || !seen.insert(name) {
            continue;
        }
        if !listed.has(name) {
            out.push(Hint { name: name.to_owned(), copy: copy.to_owned() });
        }
    }
    out
}

/// The roster's lines with one code become one mailbox: attachments travel if any line says so, the first name stays.
#[must_use]
pub fn grouped(resolved: Vec<(String, Wanted)>) -> Vec<(String, Wanted)> {
    let mut out: Vec<(String, Wanted)> = Vec::with_capacity(resolved.len());
    let mut at = std::collections::HashMap::new();
    for (code, line) in resolved {
        match at.get(&code).and_then(|index: &usize| out.get_mut(*index)) {
            Some((_, first)) => first.attachments |= line.attachments,
            None => {
                at.insert(code.clone(), out.len());
                out.push((code, line));
            }
        }
    }
    out
}

/// Whether an offer for `code` is for one of our mailboxes.
#[must_use]
pub fn is_ours(config: &NodeConfig, code: &str) -> bool {
    organisation(code) == config.party.code.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(code: &str, attachments: bool) -> (String, Wanted) {
        let wanted = Wanted { codes: vec![code.into()], name: code.into(), copy: String::new(), attachments };
        (code.into(), wanted)
    }

    #[test]
    fn lines_with_one_code_become_one_and_attachments_win() {
        let out = grouped(vec![line("A", false), line("B", false), line("A", true)]);
        let short: Vec<_> = out.iter().map(|(code, w)| (code.as_str(), w.attachments)).collect();
        assert_eq!(short, [("A", true), ("B", false)]);
    }
}
