//! `outcome`: where each recipient stands, and who has not confirmed by the next working day.

use std::path::Path;

use clap::Args;
use jiff::civil::Date;

use super::failure::Failure;
use super::source::{Source, settings};
use super::{Civil, Done, Out, exit, now};
use crate::api::outcome::Asked;
use crate::api::view::{Name, Outcomes, Recipient};
use crate::table::{Table, plain};
use crate::workday;

/// 逐一收受者的發文結果
#[derive(Args, Debug)]
pub(crate) struct Results {
    /// 只看這一件（識別碼可只寫開頭幾碼）；未指定時為所有還沒有結果的
    #[arg(value_name = "識別碼")]
    id: Option<String>,
    /// 只列到期應處理的：次一工作日仍未使用者確認、被退回、收到誤送通知
    #[arg(long)]
    due: bool,
    /// 與 --due 合用：到這一天為止應處理的（預設今天）；否則：這一天收下的公文的全部結果
    #[arg(long, value_name = "日期")]
    date: Option<String>,
    /// 最多列幾個收受者
    #[arg(long, value_name = "個數", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(crate) fn outcome(args: &Results, config: Option<&Path>, out: &mut Out) -> Done {
    let civil = Civil::local();
    let date = args.date.as_deref().map(|text| day(text, &civil)).transpose()?;
    let (settings, _) = settings(config)?;
    let source = Source::open(settings)?;
    let asked = Asked { id: args.id.clone(), due: args.due, date, limit: args.limit };
    let found = source.outcome(&asked)?;
    let open =
        found.electronic.iter().any(|r| r.due.is_some()) || found.paper.iter().any(|n| n.due.is_some());
    if args.json {
        out.json(&found)?;
    } else {
        out.text(&text(&found, &civil, args.id.is_some()))?;
    }
    Ok(if args.due && open { exit::FAILED } else { exit::OK })
}

/// A day as people write it: `2026-11-30`, `2026/11/30`, 今天, 昨天, 3d.
pub(super) fn day(text: &str, civil: &Civil) -> Result<String, Failure> {
    let at = civil.read(text, now(), false).ok_or_else(|| {
        Failure::new(exit::USAGE, "time-unclear", format!("{}：{text}", crate::words::what("time-unclear")))
    })?;
    Ok(civil.date(at).to_string())
}

fn text(found: &Outcomes, civil: &Civil, one: bool) -> String {
    let mut text = heading(found);
    let title = if found.due_only { "應處理" } else { "收受者" };
    if found.electronic.is_empty() {
        text.push_str(&format!("電子交換：沒有{title}\n\n"));
    } else {
        text.push_str(&format!(
            "電子交換（{title} {} 個）\n{}\n",
            found.electronic.len(),
            electronic(found, civil, one)
        ));
    }
    if found.paper.is_empty() {
        text.push_str("紙本：沒有不在交換表單內的受文者\n");
    } else {
        let names = found.paper.len();
        text.push_str(&format!("紙本（不在交換表單內的受文者 {names} 個）\n{}", paper(&found.paper, civil)));
    }
    if found.more {
        text.push_str("\n尚有更多，請加大 --limit\n");
    }
    text
}

/// The day, and what is (not) known of working days.
pub(super) fn heading(found: &Outcomes) -> String {
    let weekday = found.date.parse::<Date>().map_or("", workday::weekday);
    let kind = if found.working { "工作日" } else { "放假日" };
    let mut text = format!(
        "{}（星期{weekday}，{kind}）　系統確認後第 {} 個工作日應已使用者確認\n",
        found.date, found.working_days
    );
    if !found.uncovered.is_empty() {
        let years: Vec<String> = found.uncovered.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "！{} 年的辦公日曆尚未匯入，只以星期六、星期日為放假日；匯入：di-node calendar import 檔案\n",
            years.join("、")
        ));
    }
    text.push('\n');
    text
}

fn electronic(found: &Outcomes, civil: &Civil, one: bool) -> String {
    const HEADINGS: [&str; 8] = ["應處理日", "識別碼", "字號", "主旨", "代碼", "收受者", "狀態", "說明"];
    // Of one letter its own columns say nothing new.
    let shown = |n: &usize| !one || !(1..=3).contains(n);
    let headings: Vec<&str> = (0..).zip(HEADINGS).filter(|(n, _)| shown(n)).map(|(_, h)| h).collect();
    let shrink: &[(usize, usize)] =
        if one { &[(4, 30), (2, 16)] } else { &[(3, 12), (7, 16), (2, 14), (5, 12), (7, 10)] };
    let mut table = Table::new(&headings).shrink(shrink);
    for r in &found.electronic {
        let cells = [
            due(r.due.as_deref(), r.late),
            short(&r.letter.id),
            r.letter.number.clone(),
            r.letter.subject.clone(),
            r.code.clone(),
            r.name.clone(),
            r.word.clone(),
            if one { said(r, civil) } else { brief(r) },
        ];
        let kept = (0..).zip(cells).filter(|(n, _)| shown(n)).map(|(_, cell)| cell);
        table.row(&kept.collect::<Vec<_>>());
    }
    table.render() + &actions(&found.electronic)
}

/// What to do, once for all to whom it applies.
fn actions(recipients: &[Recipient]) -> String {
    let mut text = String::new();
    let mut told: Vec<(&str, &str)> = Vec::new();
    for r in recipients.iter().filter(|r| !r.action.is_empty()) {
        let what = r.reason.as_ref().map_or("", |reason| reason.what.as_str());
        if !told.contains(&(what, r.action.as_str())) {
            told.push((what, &r.action));
            let what = if what.is_empty() { &r.word } else { what };
            text.push_str(&format!("  {}\n    處理：{}\n", plain(what), plain(&r.action)));
        }
    }
    text
}

fn paper(names: &[Name], civil: &Civil) -> String {
    let mut table = Table::new(&["應處理日", "識別碼", "字號", "主旨", "受文者", "狀態"]).shrink(&[
        (3, 12),
        (4, 12),
        (2, 10),
    ]);
    for n in names {
        let name = if n.copy.is_empty() { n.name.clone() } else { format!("{}（{}）", n.name, n.copy) };
        let word = match n.done_at {
            Some(at) => format!("{}，{}", n.word, civil.minute(at)),
            None => n.word.clone(),
        };
        table.row(&[
            due(n.due.as_deref(), n.late),
            short(&n.letter.id),
            n.letter.number.clone(),
            n.letter.subject.clone(),
            name,
            word,
        ]);
    }
    table.render()
}

/// `11-30（逾 2 日）`: working days.
fn due(due: Option<&str>, late: u16) -> String {
    let day = due.and_then(|due| due.get(5..)).unwrap_or_default();
    if late > 0 { format!("{day}（逾 {late} 日）") } else { day.to_owned() }
}

/// What there is to say about a recipient: when, which round, why.
pub(super) fn said(r: &Recipient, civil: &Civil) -> String {
    let mut parts: Vec<String> = r.reason.iter().map(|reason| reason.what.clone()).collect();
    match (r.archived_at, r.accepted_at) {
        (Some(at), _) => parts.push(civil.minute(at)),
        (None, Some(at)) if r.state == "accepted" => parts.push(civil.minute(at)),
        (None, Some(at)) => parts.push(format!("系統確認 {}", civil.minute(at))),
        (None, None) => {}
    }
    if r.round > 0 {
        parts.push(format!("第 {} 次重送", r.round));
    }
    parts.join("；")
}

/// The same where there is little room: why, and which round.
fn brief(r: &Recipient) -> String {
    let why = r.reason.as_ref().map(|reason| reason.what.clone());
    let round = (r.round > 0).then(|| format!("第 {} 次重送", r.round));
    why.into_iter().chain(round).collect::<Vec<_>>().join("；")
}

pub(super) fn short(id: &str) -> String {
    id.get(..8).unwrap_or(id).to_owned()
}
