//! `paper`: who must get a letter on paper, as a list to print; and who was sent it so.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use di_format::display::{width, wrap};

use super::failure::Failure;
use super::held::{account, give};
use super::outcome::{day, heading, said, short};
use super::source::{Source, settings};
use super::{Civil, Done, Out, exit, now};
use crate::api::outcome::Asked;
use crate::api::view::{Letter, Name, Order, Outcomes, Recipient};
use crate::table::plain;

/// 補送紙本：列印清單，或登錄已補送
#[derive(Args, Debug)]
pub(crate) struct Paper {
    /// 公文識別碼（可只寫開頭幾碼）；未指定時印出到期應補送紙本的清單
    #[arg(value_name = "識別碼")]
    id: Option<String>,
    /// 只登錄這些收受者：機關代碼（不在交換表單的寫名稱），以逗號分隔或重複指定；未指定時為所有未確認者
    #[arg(long, value_name = "代碼", value_delimiter = ',', requires = "id", conflicts_with = "list")]
    to: Vec<String>,
    /// 理由，記入歷程；登錄時必填
    #[arg(
        short,
        long,
        value_name = "文字",
        default_value = "",
        hide_default_value = true,
        conflicts_with = "list"
    )]
    reason: String,
    /// 承辦人，記入歷程；未指定時為登入帳號
    #[arg(long, value_name = "姓名")]
    actor: Option<String>,
    /// 給識別碼時也只印清單，不登錄
    #[arg(long)]
    list: bool,
    /// 清單到這一天為止應處理的；預設今天
    #[arg(long, value_name = "日期")]
    date: Option<String>,
    /// 清單以 HTML 輸出，供瀏覽器列印（A4）
    #[arg(long, conflicts_with = "json")]
    html: bool,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// What is stamped on the paper of a letter that the center has had.
const EXCHANGED: &str = "已電子交換未確認";
/// The same for one that the center never had.
const NOT_EXCHANGED: &str = "未經電子交換";

/// Columns of a page of plain text.
const COLUMNS: usize = 76;

/// Does it.
pub(crate) fn paper(args: &Paper, config: Option<&Path>, out: &mut Out) -> Done {
    match &args.id {
        Some(id) if !args.list && !args.html && args.date.is_none() => mark(args, id, config, out),
        _ => list(args, config, out),
    }
}

fn mark(args: &Paper, id: &str, config: Option<&Path>, out: &mut Out) -> Done {
    if args.reason.trim().is_empty() {
        return Err(Failure::labelled(exit::USAGE, "reason-missing"));
    }
    let order = Order {
        actor: args.actor.clone().unwrap_or_else(account),
        reason: args.reason.clone(),
        to: args.to.clone(),
        label: String::new(),
    };
    give("paper", id, &order, args.json, config, out)
}

fn list(args: &Paper, config: Option<&Path>, out: &mut Out) -> Done {
    let civil = Civil::local();
    let date = args.date.as_deref().map(|text| day(text, &civil)).transpose()?;
    let (settings, _) = settings(config)?;
    let house = format!("{}　{}", settings.party.code, settings.party.name);
    let asked = Asked { id: args.id.clone(), due: args.id.is_none(), date, limit: 100_000 };
    let mut found = Source::open(settings)?.outcome(&asked)?;
    // Of one letter asked for by its id also those whose paper went out already: to print again.
    found.electronic.retain(|r| !r.code.is_empty() && (r.state == "on-paper" || is_open(r)));
    found.paper.retain(|n| n.due.is_some() || (args.id.is_some() && n.state == "on-paper"));
    if args.json {
        out.json(&found)?;
        return Ok(exit::OK);
    }
    let printed = Printed { house: house.trim_end(), at: civil.second(now()), found: &found, civil: &civil };
    out.text(&if args.html { printed.html() } else { printed.text() })?;
    Ok(exit::OK)
}

/// Not confirmed, and nobody has settled it; a notice after the confirmation needs no paper of this letter.
fn is_open(r: &Recipient) -> bool {
    matches!(r.state.as_str(), "waiting" | "accepted" | "returned")
}

const fn stamp(r: &Recipient) -> &'static str {
    if r.accepted_at.is_some() { EXCHANGED } else { NOT_EXCHANGED }
}

/// What a list is made of.
struct Printed<'a> {
    house: &'a str,
    at: String,
    found: &'a Outcomes,
    civil: &'a Civil,
}

/// A letter with those that need it on paper.
struct Sheet<'a> {
    letter: &'a Letter,
    recipients: Vec<&'a Recipient>,
    names: Vec<&'a Name>,
}

impl<'a> Printed<'a> {
    /// Letters in the order in which they were sent.
    fn sheets(&self) -> Vec<Sheet<'a>> {
        let mut sheets: Vec<Sheet<'a>> = Vec::new();
        let letters = self.found.electronic.iter().map(|r| &r.letter);
        for letter in letters.chain(self.found.paper.iter().map(|n| &n.letter)) {
            if !sheets.iter().any(|s| s.letter.id == letter.id) {
                let recipients = self.found.electronic.iter().filter(|r| r.letter.id == letter.id).collect();
                let names = self.found.paper.iter().filter(|n| n.letter.id == letter.id).collect();
                sheets.push(Sheet { letter, recipients, names });
            }
        }
        sheets.sort_by_key(|s| s.letter.claimed_at);
        sheets
    }

    /// For a printer that prints plain text.
    fn text(&self) -> String {
        let mut text = String::from("補送紙本清單\n");
        let _ = writeln!(text, "{}　印製 {}", plain(self.house), self.at);
        text.push_str(&heading(self.found));
        let sheets = self.sheets();
        if sheets.is_empty() {
            text.push_str("沒有應補送紙本的公文\n");
            return text;
        }
        for sheet in &sheets {
            let letter = sheet.letter;
            text.push_str(&"─".repeat(38));
            let number = if letter.number.is_empty() { "（無字號）" } else { &letter.number };
            let _ = writeln!(text, "\n{}　{}　{}", plain(number), letter.kind, letter.priority);
            wrapped(&mut text, "主旨：", &letter.subject);
            let sent = self.civil.second(letter.claimed_at);
            let _ = writeln!(text, "{}　發文 {sent}　識別碼 {}", plain(&letter.dated), short(&letter.id));
            for r in &sheet.recipients {
                let without = if r.attachments { "" } else { "（不含附件）" };
                let _ = writeln!(text, "\n  □ {}〔{}〕", plain(&r.copy), stamp(r));
                wrapped(&mut text, "     ", &format!("{}　{}{without}", r.code, r.name));
                wrapped(&mut text, "     ", &format!("{}　{}", r.word, said(r, self.civil)));
            }
            for n in &sheet.names {
                let _ = writeln!(text, "\n  □ {}〔不在電子交換表單〕", plain(&n.copy));
                wrapped(&mut text, "     ", &format!("{}　{}", n.name, n.word));
            }
            text.push('\n');
        }
        text.push_str(&"─".repeat(38));
        text.push_str("\n補送後登錄：di-node paper 識別碼 --to 代碼或名稱 --reason 理由\n");
        text
    }

    /// For a browser: one page style of its own, nothing fetched, everything escaped.
    fn html(&self) -> String {
        let mut text = String::from(HEAD);
        let _ = writeln!(text, "<h1>補送紙本清單</h1>\n<p>{}　印製 {}</p>", escape(self.house), self.at);
        let _ = writeln!(text, "<p>{}</p>", escape(heading(self.found).trim_end()).replace('\n', "<br>"));
        let sheets = self.sheets();
        if sheets.is_empty() {
            text.push_str("<p>沒有應補送紙本的公文</p>\n");
        }
        for sheet in &sheets {
            let letter = sheet.letter;
            let _ = writeln!(
                text,
                "<section>\n<h2>{}　{}　{}</h2>\n<p>主旨：{}</p>\n<p>{}　發文 {}　識別碼 <code>{}</code></p>",
                escape(&letter.number),
                escape(&letter.kind),
                escape(&letter.priority),
                escape(&letter.subject),
                escape(&letter.dated),
                self.civil.second(letter.claimed_at),
                short(&letter.id)
            );
            text.push_str("<table><tr><th></th><th>本別</th><th>代碼</th><th>受文者</th><th>狀態</th><th>註記</th></tr>\n");
            for r in &sheet.recipients {
                let without = if r.attachments { "" } else { "（不含附件）" };
                let name = format!("{}{without}", r.name);
                let state = format!("{}　{}", r.word, said(r, self.civil));
                row(&mut text, [&r.copy, &r.code, &name, &state, stamp(r)]);
            }
            for n in &sheet.names {
                row(&mut text, [&n.copy, "", &n.name, &n.word, "不在電子交換表單"]);
            }
            text.push_str("</table>\n</section>\n");
        }
        text.push_str(
            "<p>補送後登錄：<code>di-node paper 識別碼 --to 代碼或名稱 --reason 理由</code></p>\n</html>\n",
        );
        text
    }
}

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"zh-Hant-TW\">\n<meta charset=\"utf-8\">\n<title>補送紙本清單</title>\n\
<style>@page{size:A4;margin:15mm}body{font-family:serif;font-size:12pt}h1{font-size:16pt}h2{font-size:13pt}\
section{break-inside:avoid;border-top:1px solid}table{border-collapse:collapse;width:100%}\
td,th{border:1px solid;padding:2pt 4pt;text-align:left}td:last-child{font-weight:bold;white-space:nowrap}</style>\n";

fn row(text: &mut String, cells: [&str; 5]) {
    text.push_str("<tr><td>□</td>");
    for cell in cells {
        let _ = write!(text, "<td>{}</td>", escape(cell));
    }
    text.push_str("</tr>\n");
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c => out.push_str(&plain(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// `text` behind `lead`, broken at 76 columns and hanging below its own beginning.
fn wrapped(out: &mut String, lead: &str, text: &str) {
    let indent = " ".repeat(width(lead));
    for (n, line) in wrap(&plain(text), COLUMNS.saturating_sub(width(lead))).iter().enumerate() {
        let _ = writeln!(out, "{}{line}", if n == 0 { lead } else { &indent });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            id: "ab".repeat(16),
            number: "院臺字第1150000123號".into(),
            subject: "有關<b>資料</b>".repeat(8),
            kind: "函".into(),
            dated: "中華民國115年11月27日".into(),
            priority: "速件".into(),
            claimed_at: 1_795_192_200_000,
        }
    }

    fn recipient(accepted_at: Option<i64>) -> Recipient {
        Recipient {
            letter: letter(),
            code: "A21000000I".into(),
            name: "衛生福利部".into(),
            copy: "正本".into(),
            attachments: false,
            state: "accepted".into(),
            word: "系統確認".into(),
            held: false,
            round: 1,
            resending: false,
            accepted_at,
            archived_at: None,
            due: Some("2026-11-30".into()),
            late: 0,
            reason: None,
            notice_at: None,
            action: String::new(),
        }
    }

    fn found() -> Outcomes {
        let name = Name {
            letter: letter(),
            name: "張三".into(),
            copy: "副本".into(),
            state: "unmatched".into(),
            word: "待人工確認（可能為紙本）".into(),
            done_at: None,
            due: Some("2026-11-30".into()),
            late: 0,
        };
        Outcomes {
            date: "2026-11-30".into(),
            working: true,
            due_only: true,
            working_days: 1,
            uncovered: vec![2026],
            electronic: vec![recipient(Some(1_795_192_200_000)), recipient(None)],
            paper: vec![name],
            more: false,
        }
    }

    #[test]
    fn the_list_says_what_to_stamp_and_fits_a_printer() {
        let (found, civil) = (found(), Civil::taipei());
        let printed = Printed { house: "XC00000001　甲", at: String::new(), found: &found, civil: &civil };
        let text = printed.text();
        assert!(text.lines().filter(|l| !l.starts_with('！')).all(|l| width(l) <= 76), "{text}");
        assert_eq!(text.matches("院臺字第1150000123號").count(), 1, "one heading a letter");
        assert_eq!(text.matches("□").count(), 3);
        assert_eq!(
            (text.matches("〔已電子交換未確認〕").count(), text.matches("〔未經電子交換〕").count()),
            (1, 1)
        );
        for part in ["（不含附件）", "第 1 次重送", "張三", "2026 年的辦公日曆尚未匯入"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        let html = printed.html();
        assert!(html.contains("有關&lt;b&gt;資料") && !html.contains("<b>"), "{html}");
        assert!(html.contains("<td>已電子交換未確認</td>"));
    }
}
