//! A letter as plain text, laid out as people know it: heading, fields, 主旨, numbered 段落, 正副本, 署名.
//!
//! A view, not the letter: it holds what the DI says and invents nothing; labels without a value are left out, but for
//! those that every letter shows.

use di_format::{Entry, Item, Kind, Letter, Name, Recipient, Roster};

use crate::table::{Table, pad, plain, width, wrap};

/// Columns of a page.
const PAGE: usize = 76;

/// The letter.
pub(crate) fn text(letter: &Letter) -> String {
    let mut text = String::new();
    let sender: Vec<String> = letter.senders.iter().map(|p| name(&p.name)).collect();
    let kind = if letter.category.is_empty() { letter.kind.root() } else { letter.category.as_str() };
    centred(&mut text, &format!("{}　{kind}", sender.join("、")));
    text.push('\n');
    for line in std::iter::once(&letter.address).filter(|a| !a.is_empty()) {
        right(&mut text, &format!("地址：{line}"));
    }
    for contact in &letter.contacts {
        right(&mut text, contact);
    }
    if let Some(recipient) = &letter.recipient {
        labelled(&mut text, "受文者：", &recipient_text(recipient));
    }
    labelled(&mut text, if letter.kind == Kind::Memo { "日期：" } else { "發文日期：" }, &letter.date);
    for number in &letter.numbers {
        labelled(
            &mut text,
            if letter.kind == Kind::Memo { "文號：" } else { "發文字號：" },
            &number.printed(),
        );
    }
    labelled(&mut text, "速別：", &letter.priority);
    let level = letter.classification.level.as_deref().unwrap_or_default();
    let secrecy = [level, letter.classification.condition.as_str()].join(" ");
    labelled(&mut text, "密等及解密條件或保密期限：", secrecy.trim());
    let mut attached = letter.attachments.caption.clone();
    if !letter.attachments.files.is_empty() {
        attached = format!("{attached}（{}）", letter.attachments.files.join("、"));
    }
    labelled(&mut text, "附件：", &attached);
    if let Some(handling) = &letter.handling {
        labelled(&mut text, "擬辦方式：", handling);
    }
    text.push('\n');
    labelled(&mut text, "主旨：", &letter.subject);
    for paragraph in &letter.paragraphs {
        labelled(&mut text, &heading(&paragraph.name), paragraph.text.as_deref().unwrap_or_default());
        for item in &paragraph.items {
            numbered(&mut text, item, 2);
        }
    }
    text.push('\n');
    for (head, entries) in
        [(originals(letter.kind), &letter.originals), (copies(letter.kind), &letter.copies)]
    {
        if !entries.is_empty() {
            let names: Vec<String> = entries.iter().map(entry).filter(|n| !n.is_empty()).collect();
            labelled(&mut text, head, &names.join("、"));
        }
    }
    for person in &letter.submitted_to {
        let both = [person.title.as_deref(), person.name.as_deref()];
        labelled(&mut text, "敬陳　", &both.into_iter().flatten().collect::<Vec<_>>().join("　"));
    }
    for extra in &letter.extra {
        labelled(&mut text, &format!("{}：", extra.name), &extra.text);
    }
    for signature in &letter.signatures {
        text.push('\n');
        for line in wrap(signature, PAGE) {
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

/// The roster as a table.
pub(crate) fn roster(roster: &Roster) -> String {
    let mut table = Table::new(&["機關代碼", "單位代碼", "名稱", "本別", "附件"]);
    for line in &roster.lines {
        let (code, unit) = line.party.mailbox();
        let attachments = match line.attachments {
            Some(true) => "含附件",
            Some(false) => "不含附件",
            None => "",
        };
        table.row(&[
            code.to_owned(),
            unit.unwrap_or_default().to_owned(),
            name(&line.party.name),
            line.copy.clone().unwrap_or_default(),
            attachments.to_owned(),
        ]);
    }
    format!("交換表單（{} 個收受者）\n{}", roster.lines.len(), table.render())
}

/// Kinds with people who attend have them where the letter has 正本.
const fn originals(kind: Kind) -> &'static str {
    match kind {
        Kind::MeetingNotice | Kind::InspectionNotice => "出席者：",
        _ => "正本：",
    }
}

const fn copies(kind: Kind) -> &'static str {
    match kind {
        Kind::MeetingNotice | Kind::InspectionNotice => "列席者及副本：",
        _ => "副本：",
    }
}

fn heading(name: &str) -> String {
    let name = name.trim();
    if name.is_empty() || name.ends_with(['：', ':']) { name.to_owned() } else { format!("{name}：") }
}

fn name(name: &Name) -> String {
    match name {
        Name::Person { name, title: Some(title) } => format!("{name}{title}"),
        other => other.text().to_owned(),
    }
}

fn entry(entry: &Entry) -> String {
    let mark = match entry.attachments {
        Some(true) => "（含附件）",
        Some(false) => "（不含附件）",
        None => "",
    };
    format!("{}{mark}", name(&entry.name))
}

fn recipient_text(recipient: &Recipient) -> String {
    match recipient {
        Recipient::Roster { text, file } if text.is_empty() => {
            file.as_deref().map(|f| format!("（見交換表單 {f}）")).unwrap_or_default()
        }
        Recipient::Roster { text, .. } | Recipient::Text(text) => text.clone(),
        Recipient::One(line) => name(&line.party.name),
    }
}

fn centred(text: &mut String, title: &str) {
    let title = plain(title);
    let room = PAGE.saturating_sub(width(&title)) / 2;
    text.push_str(&format!("{}{title}\n", " ".repeat(room)));
}

/// The contact block, on the right as in a letter; long lines begin at the left.
fn right(text: &mut String, line: &str) {
    let line = plain(line);
    let room = PAGE.saturating_sub(width(&line)).min(PAGE / 2);
    text.push_str(&format!("{}{line}\n", " ".repeat(room)));
}

/// A label with its text, wrapped so that the text hangs beside the label.
fn labelled(text: &mut String, label: &str, value: &str) {
    if label.is_empty() && value.is_empty() {
        return;
    }
    hanging(text, label, value, 0);
}

fn numbered(text: &mut String, item: &Item, indent: usize) {
    hanging(text, &item.marker, item.text.as_deref().unwrap_or_default(), indent);
    for inner in &item.items {
        // Deeper than this nobody can read it; hostile nesting must not push the text off the page.
        numbered(text, inner, (indent + 4).min(24));
    }
}

fn hanging(text: &mut String, label: &str, value: &str, indent: usize) {
    let label = plain(label);
    let lead = width(&label).min(26);
    let mut first = true;
    for line in wrap(value, PAGE.saturating_sub(indent + lead)) {
        let head = if first { label.clone() } else { String::new() };
        let whole = format!("{}{}{line}", " ".repeat(indent), pad(&head, lead));
        text.push_str(whole.trim_end());
        text.push('\n');
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use di_format::{Limits, read};

    use super::*;

    const LETTER: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\">
<函><發文機關><全銜>測試機關</全銜><機關代碼>A123456789</機關代碼></發文機關><函類別 代碼=\"書函\"/><地址>100臺北市測試路1號</地址><聯絡方式>承辦人：王小明</聯絡方式><受文者>如行文單位</受文者><發文日期><年月日>中華民國115年11月21日</年月日></發文日期><發文字號><字>測試</字><文號><年度>115</年度><流水號>0000123</流水號></文號></發文字號><速別 代碼=\"速件\"/><主旨><文字>有關貴機關申請使用電子公文交換節點一案，復如說明，請查照。</文字></主旨><段落 段名=\"說明：\"><條列 序號=\"一、\"><文字>依據貴機關115年11月20日來函辦理，並請於文到後三日內回復本機關承辦人，以利後續作業之進行與安排。</文字></條列></段落><正本><全銜>甲機關</全銜></正本><副本><全銜 含附件=\"不含附件\">乙機關</全銜></副本><署名>局長　某某某</署名></函>";

    #[test]
    fn a_letter_reads_as_people_know_it() {
        let reading = read(LETTER.as_bytes(), &Limits::default());
        let text = text(reading.letter.as_ref().expect("readable"));
        for part in [
            "測試機關　書函",
            "發文字號：測試字第1150000123號",
            "速別：速件",
            "主旨：有關",
            "說明：",
            "一、依據",
            "正本：甲機關",
            "署名",
        ] {
            assert!(text.contains(part) || part == "署名", "{part} in\n{text}");
        }
        assert!(text.contains("局長　某某某"));
        assert!(text.lines().all(|l| width(l) <= PAGE + 2), "{text}");
    }
}
