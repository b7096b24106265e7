//! What people find in `sent/` and `failed/`: the files of each letter and a text beside them that says what became of it.
//!
//! `<name>/` holds the files as they were dropped, `<name>.txt` the text; `<name>` is the DI's name and the beginning of the
//! id, so that writing again hits the same place. The text is UTF-8 with a byte order mark and CRLF: the plainest editor of any
//! office shows it. It is a convenience and is made anew from the rows whenever the word changes; nothing reads it.

use crate::cli::civil::Civil;
use crate::intake::{disk_label, hex, work_dir};
use crate::words;
use config::NodeConfig;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use store::boxes::Outgoing;
use store::outbound::LineRow;
use store::state::{Document, Line, Word};

/// Labels of this module that are in no other crate.
pub const LABELS: &[(&str, store::Class)] = &[("note-failed", store::Class::Retry)];

/// Why a note could not be written. Never the document's fault; nothing depends on it.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be {during}", path.display())]
pub struct Error {
    /// Which file or folder.
    path: PathBuf,
    /// made, moved, written
    during: &'static str,
    /// What the system said.
    #[source]
    source: io::Error,
}

impl Error {
    /// A stable name for programs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        disk_label(self.during, &self.source).unwrap_or("note-failed")
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> store::Class {
        if self.label() == "note-failed" { store::Class::Retry } else { store::Class::Wait }
    }
}

/// Moves the letter's files out of `work/` and writes the text; says where the text lies. A letter that was never sealed goes
/// to `failed/`, every other to `sent/`. Done again, it only writes the text.
///
/// # Errors
/// [`Error`]: our own folders.
pub fn write(config: &NodeConfig, outgoing: &Outgoing, now: i64) -> Result<String, Error> {
    let document = &outgoing.document;
    let folder = match document.state {
        Document::Sealed => &config.folders.sent,
        Document::Claimed | Document::Refused => &config.folders.failed,
    };
    let stem = document.di_name.rsplit_once('.').map_or(document.di_name.as_str(), |(stem, _)| stem);
    let id = hex(document.id.get(..4).unwrap_or_default());
    let name = format!("{}-{id}", crate::archive::safe(stem, 150)).trim_start_matches('-').to_owned();
    crate::start::make_folders(folder).map_err(at("made", folder))?;
    // while it waits for a person (疑似重複) its files stay in work
    if document.state != Document::Claimed || document.word == Word::Abandoned {
        move_folder(&work_dir(config, document.id), &folder.join(&name))?;
    }
    let places = places(outgoing, &folder.join(&name), config.limits.di.get());
    let text = text(outgoing, &places, &Civil::local(), now);
    let path = folder.join(format!("{name}.txt"));
    let hidden = folder.join(format!(".{name}.txt"));
    let bytes = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    write_closed(&hidden, bytes.as_bytes()).map_err(at("written", &hidden))?;
    durable::rename(NOTE, &hidden, &path).map_err(at("written", &path))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Writes a file that others cannot read.
fn write_closed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o640);
    let mut file = durable::File::open(NOTE, options, path)?;
    file.write_all(bytes)
}

/// Moves what is there; what is gone was moved before (or taken by a person).
fn move_folder(from: &Path, to: &Path) -> Result<(), Error> {
    match durable::rename(NOTE, from, to) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => {
            crate::start::make_folders(to).map_err(at("made", to))?;
            for file in std::fs::read_dir(from).map_err(at("read", from))? {
                let file = file.map_err(at("read", from))?;
                let target = to.join(file.file_name());
                std::fs::copy(file.path(), &target).map_err(at("moved", &target))?;
            }
            durable::remove_all(NOTE, from).map_err(at("moved", from))
        }
        Err(e) => Err(at("moved", to)(e)),
    }
}

/// Where in the letter its fault is, in Chinese; empty if the fault is none of the DI's or SW's own.
fn places(outgoing: &Outgoing, folder: &Path, most: u64) -> Vec<String> {
    if outgoing.document.word != Word::Refused {
        return Vec::new();
    }
    let limits =
        di_format::Limits { size: usize::try_from(most).unwrap_or(usize::MAX), ..Default::default() };
    let mut problems = Vec::new();
    for file in outgoing.files.iter().filter(|f| matches!(f.role.as_str(), "di" | "sw") && f.size <= most) {
        let Ok(bytes) = std::fs::read(folder.join(&file.name)) else { continue };
        let found = di_format::read(&bytes, &limits).problems.into_iter();
        let grave = found.filter(|p| p.severity != di_format::Severity::Warning || p.official);
        problems.extend(grave.map(|problem| (file.name.clone(), problem)));
    }
    if !problems.iter().any(|(_, problem)| problem.label == outgoing.document.trouble.label) {
        return Vec::new();
    }
    let line = |(file, problem): (String, di_format::Problem)| {
        let at = if problem.path.is_empty() { String::new() } else { format!("（{}）", problem.path) };
        let (line, column) = (problem.line, problem.column);
        format!("{file} 第 {line} 行第 {column} 欄{at}：{}", words::di_sentence(&problem))
    };
    problems.into_iter().take(MOST_PLACES).map(line).collect()
}

fn text(outgoing: &Outgoing, places: &[String], civil: &Civil, now: i64) -> String {
    let document = &outgoing.document;
    let duplicate = document.duplicate_of.is_some();
    let shown = words::shown(document.word, &document.trouble.label);
    let word = words::outbound(shown, document.trouble.held, duplicate);
    let mut out = format!("{word}\n\n");
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name}：{value}");
        }
    };
    line("公文", &document.drop_name);
    line("主旨", &document.about.subject);
    line("發文字號", &document.about.number);
    line("收件時間", &civil.second(document.claimed_at));
    line("識別碼", &hex(&document.id));
    if let Some(earlier) = document.duplicate_of {
        line("與此件內容相同", &hex(&earlier));
    }
    if !document.trouble.label.is_empty() && document.word != Word::Confirmed {
        let detail = document.trouble.detail.lines().map(ToOwned::to_owned).collect::<Vec<_>>();
        let (word, lines) =
            if places.is_empty() { ("細節", detail.as_slice()) } else { ("位置", places) };
        reason(&mut out, &document.trouble.label, word, lines);
    }
    if !outgoing.lines.is_empty() {
        recipients(&mut out, &outgoing.lines, document.state, civil);
    }
    if !outgoing.hints.is_empty() {
        out.push_str("\n待人工確認（可能為紙本）：以下受文者不在電子交換表單內，請確認是否另以紙本送達\n");
        for hint in &outgoing.hints {
            let _ = writeln!(out, "  {} {}", hint.copy, hint.name);
        }
    }
    let _ = write!(
        out,
        "\n本檔由 di-node 於 {} 寫成；詳情：di-node show {}\n",
        civil.second(now),
        short(&document.id)
    );
    out
}

/// What happened, where, and what to do.
fn reason(out: &mut String, label: &str, word: &str, detail: &[String]) {
    let _ = writeln!(out, "\n原因：{}（{label}）", words::what(label));
    for (i, line) in detail.iter().filter(|l| !l.trim().is_empty()).enumerate() {
        let _ = writeln!(out, "{}{line}", if i == 0 { format!("{word}：") } else { "　　　".to_owned() });
    }
    let _ = writeln!(out, "處理：{}", words::remedy(label));
}

fn recipients(out: &mut String, lines: &[LineRow], document: Document, civil: &Civil) {
    out.push_str("\n受文者：\n");
    for line in lines {
        let attachments = if line.attachments { "" } else { "（不含附件）" };
        let at = match line.state {
            Line::Confirmed => line.archived_at.or(Some(line.changed_at)),
            _ => Some(line.changed_at),
        };
        let at = at.map(|at| civil.second(at)).unwrap_or_default();
        let copy = &line.copy;
        let _ = write!(out, "  {} {}", words::line(document, line.state), line.recipient);
        let _ = writeln!(out, " {copy} {}{attachments}　{at}", line.name);
        if !line.label.is_empty() {
            let _ = writeln!(out, "    原因：{}（{}）", words::what(&line.label), line.label);
            for detail in line.detail.lines().filter(|l| !l.trim().is_empty()) {
                let _ = writeln!(out, "    細節：{detail}");
            }
            let remedy = match line.state {
                Line::Returned => words::returned_remedy(&line.label),
                _ => words::remedy(&line.label),
            };
            let _ = writeln!(out, "    處理：{remedy}");
        }
    }
}

/// Enough of the id for every command.
fn short(id: &[u8]) -> String {
    hex(id.get(..4).unwrap_or_default())
}

fn at(during: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + 'static {
    let path = path.to_owned();
    move |source| Error { path, during, source }
}

const MOST_PLACES: usize = 20;
/// The name of this place at the points of `durable`.
const NOTE: &str = "note";

#[cfg(test)]
mod tests {
    use super::*;
    use store::outbound::{About, Claim, Hint};

    /// A document as the store gives it back, claimed from real files in `work/`.
    fn outgoing(config: &NodeConfig) -> Outgoing {
        let store = store::Store::open(&config.folders.state, 1_795_190_400_000).unwrap();
        let id = [0xab; 16];
        let folder = work_dir(config, id);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("函稿 1.di"), "<函/>").unwrap();
        let about =
            About {
                subject: "檢送資料".into(), number: "院臺字第1150000123號".into(), ..About::default()
            };
        let claim = Claim {
            id,
            drop_name: "子/函稿 1.di".into(),
            di_name: "函稿 1.di".into(),
            about,
            ..Claim::default()
        };
        store.claim(claim, 1_795_190_400_000).wait().unwrap();
        store.document(id).unwrap().unwrap()
    }

    fn config(dir: &Path) -> NodeConfig {
        let mut config = NodeConfig::default();
        config::Settings::resolve(&mut config, dir);
        config
    }

    fn line(state: Line, label: &str) -> LineRow {
        LineRow {
            document: [0xab; 16],
            position: 0,
            recipient: "A99000000Z".into(),
            name: "某某機關".into(),
            copy: "副本".into(),
            attachments: false,
            paper: false,
            state,
            round: 0,
            part: 1,
            certificate: [0; 32],
            changed_at: 1_795_190_460_000,
            accepted_at: None,
            archived_at: None,
            label: label.into(),
            detail: String::new(),
            receipt: None,
            resend: false,
        }
    }

    #[test]
    fn a_refused_letter_is_found_with_reason_place_and_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let mut it = outgoing(&config);
        it.document.state = Document::Refused;
        it.document.word = Word::Refused;
        it.document.trouble.label = "element-missing".into();
        it.document.trouble.detail = "函稿 1.di:12:3 /函 主旨".into();
        let at = write(&config, &it, 0).unwrap();
        assert_eq!(Path::new(&at), config.folders.failed.join("函稿1-abababab.txt"));
        for (made, most) in [(Path::new(&at), 0o640), (config.folders.failed.as_path(), 0o750)] {
            let mode = std::os::unix::fs::PermissionsExt::mode(&made.metadata().unwrap().permissions());
            assert_eq!(mode & 0o777 & !most, 0, "{} is closed to others", made.display());
        }
        let bytes = std::fs::read(&at).unwrap();
        assert!(bytes.starts_with(b"\xef\xbb\xbf"), "for plain editors");
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        for part in
            ["未送出", "子/函稿 1.di", "檢送資料", "第1150000123號", "element-missing", ":12:3 /函", "處理："]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains(&words::remedy("element-missing")));
        assert_eq!(
            std::fs::read_to_string(config.folders.failed.join("函稿1-abababab/函稿 1.di")).unwrap(),
            "<函/>"
        );
        assert!(!work_dir(&config, [0xab; 16]).exists());
        // again, after a crash before the row was written
        assert_eq!(write(&config, &it, 1).unwrap(), at);
    }

    #[test]
    fn every_fault_of_the_letter_is_told_with_its_place_in_chinese() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let mut it = outgoing(&config);
        let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\">\n\
                    <函>\n<主旨><文字>甲</文字></主旨>\n<無此元素/>\n</函>\n";
        std::fs::write(work_dir(&config, [0xab; 16]).join("函稿 1.di"), text).unwrap();
        let size = text.len() as u64;
        let name = "函稿 1.di".to_owned();
        it.files = vec![store::outbound::File { name, role: "di".into(), size, sha256: [0; 32], crc32: 0 }];
        it.document.state = Document::Refused;
        it.document.word = Word::Refused;
        it.document.trouble.label =
            di_format::read(text.as_bytes(), &Default::default()).worst().unwrap().label.into();
        let note = std::fs::read_to_string(write(&config, &it, 0).unwrap()).unwrap();
        assert!(note.contains("函稿 1.di 第 5 行") && note.contains("〈無此元素〉"), "{note}");
        assert!(note.matches(" 行第 ").count() > 1, "all of them: {note}");
    }

    #[test]
    fn a_sent_letter_tells_each_recipient_and_who_may_need_paper() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let mut it = outgoing(&config);
        it.document.state = Document::Sealed;
        it.document.word = Word::Returned;
        it.lines = vec![line(Line::Confirmed, ""), line(Line::Returned, "unreadable")];
        it.hints = vec![Hint { name: "張三".into(), copy: "正本".into() }];
        let at = write(&config, &it, 0).unwrap();
        assert!(Path::new(&at).starts_with(&config.folders.sent));
        let text = std::fs::read_to_string(&at).unwrap();
        for part in [
            "使用者確認",
            "使用者退文",
            "（不含附件）",
            "某某機關",
            "（unreadable）",
            "可能為紙本",
            "正本 張三",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        it.document.word = Word::Confirmed;
        it.lines.pop();
        write(&config, &it, 0).unwrap();
        assert!(!std::fs::read_to_string(&at).unwrap().contains("使用者退文"));
        assert_eq!(
            std::fs::read_dir(&config.folders.sent).unwrap().count(),
            2,
            "the folder and its text, nothing hidden"
        );
    }

    #[test]
    fn while_a_letter_is_held_its_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let mut it = outgoing(&config);
        it.document.trouble.held = true;
        it.document.trouble.label = store::DUPLICATE.into();
        it.document.duplicate_of = Some([0xcd; 16]);
        let text = std::fs::read_to_string(write(&config, &it, 0).unwrap()).unwrap();
        assert!(text.contains("疑似重複") && text.contains("cdcdcdcd"), "{text}");
        assert!(work_dir(&config, [0xab; 16]).join("函稿 1.di").exists());
    }
}
