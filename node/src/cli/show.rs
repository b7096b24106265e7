//! `show`: one document with its recipients and history; or, for a file, the letter as text.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::source::{Source, settings};
use super::{Civil, Done, Out, exit, letter};
use crate::api::view::{Document, Event, File, InDocument, OutDocument, Reason};
use crate::table::{Table, plain};
use crate::words;

/// 顯示公文
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// 公文識別碼（可只寫開頭幾碼），或 DI、SW 檔
    #[arg(value_name = "識別碼或檔案")]
    what: String,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(crate) fn show(args: &Show, config: Option<&Path>, out: &mut Out) -> Done {
    let path = PathBuf::from(&args.what);
    if path.exists() {
        return letter::show(&path, args.json, out);
    }
    // What can't be an id was meant as a file.
    let id = args.what.rsplit(':').next().unwrap_or_default().split('@').next().unwrap_or_default();
    if id.is_empty() || id.len() > 40 || !id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        let what = format!("{}：{}", words::what("file-not-found"), plain(&args.what));
        let remedy = format!("{}；若是識別碼，只能是 0–9、a–f", words::remedy("file-not-found"));
        return Err(Failure::new(exit::NOT_FOUND, "file-not-found", what).remedy(remedy));
    }
    let (settings, _) = settings(config)?;
    let document = Source::open(settings)?.document(&args.what)?;
    if args.json {
        out.json(&document)?;
        return Ok(exit::OK);
    }
    let civil = Civil::local();
    out.text(&match &document {
        Document::Out(d) => outgoing(d, &civil),
        Document::In(d) => incoming(d, &civil),
    })?;
    Ok(exit::OK)
}

fn outgoing(d: &OutDocument, civil: &Civil) -> String {
    let row = &d.row;
    let mut text = String::from("發文\n");
    field(&mut text, "識別碼", &row.id);
    field(&mut text, "狀態", &row.word);
    reason(&mut text, row.reason.as_ref());
    field(&mut text, "文別", &edition(&row.kind, &d.edition));
    field(&mut text, "發文字號", &row.number);
    field(&mut text, "發文日期", &d.dated);
    field(&mut text, "主旨", &row.subject);
    field(&mut text, "速別", &row.priority);
    field(&mut text, "發文機關", &row.sender);
    field(&mut text, "放入名稱", &row.drop_name);
    if let Some(first) = &row.duplicate_of {
        field(&mut text, "疑似重複", &format!("內容與 {first} 相同"));
    }
    field(&mut text, "收下時間", &civil.second(row.claimed_at));
    if let Some(at) = d.sealed_at {
        field(&mut text, "簽章時間", &civil.second(at));
    }
    text.push_str(&files(&d.files));
    if !d.lines.is_empty() {
        let mut table =
            Table::new(&["代碼", "收受者", "本別", "附件", "狀態", "系統確認", "對方歸檔", "說明"]);
        for line in &d.lines {
            let round = if line.round > 0 { format!("第 {} 次重送", line.round) } else { String::new() };
            let why = line.reason.as_ref().map(said).unwrap_or_default();
            table.row(&[
                line.code.clone(),
                line.name.clone(),
                line.copy.clone(),
                if line.attachments { "含".to_owned() } else { "不含".to_owned() },
                line.word.clone(),
                line.accepted_at.map(|at| civil.minute(at)).unwrap_or_default(),
                line.archived_at.map(|at| civil.minute(at)).unwrap_or_default(),
                [why, round].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join("；"),
            ]);
        }
        text.push_str(&format!("\n收受者\n{}", table.render()));
        let mut remedies: Vec<&str> =
            d.lines.iter().filter_map(|l| l.reason.as_ref()).map(|r| r.remedy.as_str()).collect();
        remedies.dedup();
        for remedy in remedies {
            text.push_str(&format!("處理：{}\n", plain(remedy)));
        }
    }
    for name in &d.unmatched {
        text.push_str(&format!("待人工確認（可能為紙本）：{}\n", plain(name)));
    }
    text.push_str(&history(&d.history, civil));
    text
}

fn incoming(d: &InDocument, civil: &Civil) -> String {
    let row = &d.row;
    let mut text = String::from("收文\n");
    field(&mut text, "識別碼", &row.id);
    field(&mut text, "狀態", &row.word);
    reason(&mut text, row.reason.as_ref());
    let sender = if row.sender_name.is_empty() {
        row.sender.clone()
    } else {
        format!("{}（{}）", row.sender_name, row.sender)
    };
    field(&mut text, "發文機關", &sender);
    field(&mut text, "收文信箱", &row.recipient);
    field(&mut text, "文別", &edition(&row.kind, &d.edition));
    field(&mut text, "發文字號", &row.number);
    field(&mut text, "發文日期", &d.dated);
    field(&mut text, "主旨", &row.subject);
    field(&mut text, "速別", &row.priority);
    if !d.attachments {
        field(&mut text, "附件", "發文機關註明不含附件");
    }
    if row.duplicate {
        field(&mut text, "疑似重複", "先前收過相同內容的公文");
    }
    for label in &row.warnings {
        field(&mut text, "格式注意", &format!("{}［{label}］", words::what(label)));
    }
    field(&mut text, "中心收件", &civil.second(d.accepted_at));
    field(&mut text, "公文到達", &civil.second(row.offered_at));
    if let Some(at) = row.archived_at {
        field(&mut text, "歸檔時間", &civil.second(at));
    }
    field(&mut text, "收文資料夾", &row.folder);
    field(&mut text, "歸檔位置", &d.archive);
    text.push_str(&files(&d.files));
    text.push_str(&history(&d.history, civil));
    text
}

fn field(text: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        text.push_str(&format!("  {}　{}\n", crate::table::pad(name, 10), plain(value)));
    }
}

fn reason(text: &mut String, reason: Option<&Reason>) {
    if let Some(reason) = reason {
        field(text, "原因", &format!("{}［{}］", reason.what, reason.label));
        for line in reason.detail.lines().filter(|l| !l.trim().is_empty()) {
            field(text, "", line);
        }
        field(text, "處理", &reason.remedy);
    }
}

fn said(reason: &Reason) -> String {
    if reason.detail.is_empty() {
        reason.what.clone()
    } else {
        format!("{}：{}", reason.what, reason.detail)
    }
}

fn edition(kind: &str, edition: &str) -> String {
    if edition.is_empty() { kind.to_owned() } else { format!("{kind}（{edition} 年版）") }
}

fn files(files: &[File]) -> String {
    if files.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["檔案", "用途", "位元組", "SHA-256"]);
    for file in files {
        let role = match file.role.as_str() {
            "di" => "本文",
            "sw" => "交換表單",
            "attachment" => "附件",
            other => other,
        };
        table.row(&[file.name.clone(), role.to_owned(), file.size.to_string(), file.sha256.clone()]);
    }
    format!("\n檔案\n{}", table.render())
}

fn history(events: &[Event], civil: &Civil) -> String {
    if events.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["時間", "事項", "承辦", "說明"]);
    for event in events.iter().filter(|e| words::is_news(&e.event, &e.detail)) {
        let actor = if event.actor == store::NODE { "系統" } else { &event.actor };
        let what = if event.alarm { format!("！{}", event.what) } else { event.what.clone() };
        table.row(&[
            civil.milli(event.at),
            what,
            actor.to_owned(),
            words::detail(&event.event, &event.detail),
        ]);
    }
    format!("\n歷程\n{}", table.render())
}
