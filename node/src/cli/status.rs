//! `status`: 收發文狀態表, both boxes.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::source::{Source, settings};
use super::{Civil, Done, Out, exit, now, rfc3339};
use crate::api::read::Query;
use crate::api::view::{Card, InRow, OutRow, Overview, Page, Reason};
use crate::table::{Table, cut, plain};
use crate::words::{BoxKind, STATES};

/// 收發文狀態表
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// 從何時起：2026-11-21、"2026-11-21 08:30"、今天、昨天、7d
    #[arg(long, value_name = "時間")]
    since: Option<String>,
    /// 到何時為止；寫法同上
    #[arg(long, value_name = "時間")]
    until: Option<String>,
    /// 只看這些狀態，以逗號分隔，例如 收文異常,使用者退文
    #[arg(long, value_name = "狀態", value_delimiter = ',')]
    state: Vec<String>,
    /// 每一匣最多幾件
    #[arg(long, value_name = "件數", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// `status --json`.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    overview: Overview,
    since: String,
    until: String,
    outbox: Vec<OutRow>,
    inbox: Vec<InRow>,
    /// Whether `--limit` cut a box short.
    more: bool,
}

/// Does it.
pub(crate) fn status(args: &Status, config: Option<&Path>, out: &mut Out) -> Done {
    let civil = Civil::local();
    let now = now();
    let (since, until) = range(args, &civil, now)?;
    let (outward, inward) = states(&args.state)?;
    let (settings, _) = settings(config)?;
    let source = Source::open(settings)?;
    let overview = source.overview()?;
    let query = |states: &[String]| Query {
        since: Some(since),
        until: Some(until),
        states: states.to_vec(),
        before: None,
        limit: args.limit.min(1000),
    };
    let all = args.state.is_empty();
    let mut more = false;
    let mut outbox = Vec::new();
    if all || !outward.is_empty() {
        more |= pages(&mut outbox, args.limit, query(&outward), |q| source.outbox(q))?;
    }
    let mut inbox = Vec::new();
    if all || !inward.is_empty() {
        more |= pages(&mut inbox, args.limit, query(&inward), |q| source.inbox(q))?;
    }
    if args.json {
        let report = Report { overview, since: rfc3339(since), until: rfc3339(until), outbox, inbox, more };
        out.json(&report)?;
        return Ok(exit::OK);
    }
    let time = When::of(&civil, since, until);
    let mut text = heading(&overview, &civil);
    text.push_str(&format!(
        "{} 至 {}（{}）\n\n",
        civil.second(since),
        civil.second(until),
        civil.offset(since)
    ));
    if all || !inward.is_empty() {
        text.push_str(&inbox_table(&inbox, &civil, time));
    }
    if all || !outward.is_empty() {
        text.push_str(&outbox_table(&outbox, &civil, time));
    }
    text.push_str(&alarms(&overview, &civil, since, until));
    if more {
        text.push_str("尚有更多，請縮小範圍或加大 --limit\n");
    }
    out.text(&text)?;
    Ok(exit::OK)
}

/// Reads pages until `limit`; whether there was more.
fn pages<T>(
    into: &mut Vec<T>,
    limit: u32,
    mut query: Query,
    read: impl Fn(&Query) -> Result<Page<T>, Failure>,
) -> Result<bool, Failure> {
    let limit = limit as usize;
    loop {
        let page = read(&query)?;
        into.extend(page.documents);
        query.before = page.next;
        if query.before.is_none() {
            return Ok(false);
        }
        if into.len() >= limit {
            into.truncate(limit);
            query.limit = 1;
            return Ok(!read(&query)?.documents.is_empty());
        }
    }
}

/// Today if nothing is said; from `since` on till now if only that is said.
fn range(args: &Status, civil: &Civil, now: i64) -> Result<(i64, i64), Failure> {
    let unclear = |text: &str| {
        Failure::new(exit::USAGE, "time-unclear", format!("{}：{text}", crate::words::what("time-unclear")))
    };
    let (today, tonight) = civil.today(now);
    let since = match &args.since {
        Some(text) => civil.read(text, now, false).ok_or_else(|| unclear(text))?,
        // With an end alone: the day of that end.
        None => match &args.until {
            Some(text) => civil.today(civil.read(text, now, true).ok_or_else(|| unclear(text))?).0,
            None => today,
        },
    };
    let until = match &args.until {
        Some(text) => civil.read(text, now, true).ok_or_else(|| unclear(text))?,
        None => tonight,
    };
    if since > until {
        return Err(Failure::labelled(exit::USAGE, "time-order"));
    }
    Ok((since, until))
}

/// Words or stable names as the stable names of each box.
fn states(given: &[String]) -> Result<(Vec<String>, Vec<String>), Failure> {
    let (mut outward, mut inward) = (Vec::new(), Vec::new());
    for name in given.iter().map(|s| s.trim()).filter(|s| !s.is_empty()) {
        let mut known = false;
        for (kind, state, word, _) in STATES {
            // "confirmed" is a state of both boxes; so are some words.
            let matches = *state == name || *word == name || (*state == "held" && name == "暫停（疑似重複）");
            if matches {
                known = true;
                match kind {
                    BoxKind::Out => outward.push((*state).to_owned()),
                    BoxKind::In => inward.push((*state).to_owned()),
                }
            }
        }
        if !known {
            let what = format!("沒有「{name}」這個狀態");
            return Err(Failure::new(exit::USAGE, "state-unknown", what));
        }
    }
    Ok((outward, inward))
}

fn heading(overview: &Overview, civil: &Civil) -> String {
    let mut text = format!("di-node {}　{}", overview.version, overview.code);
    if !overview.name.is_empty() {
        text.push_str(&format!("　{}", overview.name));
    }
    if overview.receive_only {
        text.push_str("（只收文）");
    }
    text.push('\n');
    let center = &overview.center;
    match &overview.link {
        None => text.push_str("服務未執行；以下是資料夾中的紀錄\n"),
        Some(link) if link.connected => {
            let by = link.transport.as_deref().map(|t| format!("，{}", t.to_uppercase())).unwrap_or_default();
            let since = link.since.map(|at| format!("，自 {}", civil.minute(at))).unwrap_or_default();
            text.push_str(&format!("交換中心 {center}：已連線{by}{since}\n"));
        }
        Some(link) => {
            text.push_str(&format!("交換中心 {center}：未連線"));
            if let Some(reason) = &link.reason {
                text.push_str(&format!("；{}\n　　處理：{}", reason.what, reason.remedy));
            }
            text.push('\n');
        }
    }
    if let Some(card) = &overview.card {
        text.push_str(&card_line(card, civil));
    }
    for trouble in &overview.troubles {
        let (reason, since) = (&trouble.reason, civil.minute(trouble.since));
        text.push_str(&format!("！{}（{}），自 {since}\n", reason.what, reason.label));
        if !reason.detail.is_empty() {
            text.push_str(&format!("　　{}\n", plain(&reason.detail)));
        }
        text.push_str(&format!("　　處理：{}\n", reason.remedy));
    }
    text.push_str(&validity(overview));
    if overview.held > 0 {
        text.push_str(&format!("暫停中、等人決定：{} 件\n", overview.held));
    }
    if overview.missed > 0 {
        text.push_str(&format!(
            "！到期仍未使用者確認：{} 個收受者（di-node outcome --due）\n",
            overview.missed
        ));
    }
    if overview.unreported > 0 {
        text.push_str(&format!("尚未送達交換中心的回條：{} 份\n", overview.unreported));
    }
    text
}

/// The card in one line, with what to do below it where something is to be done.
fn card_line(card: &Card, civil: &Civil) -> String {
    let number =
        card.token.as_ref().map(|token| format!("，卡號 {}", plain(&token.serial))).unwrap_or_default();
    let since = card.since.map(|at| format!("，自 {}", civil.minute(at))).unwrap_or_default();
    let mut text = format!("憑證 IC 卡：{}{number}{since}\n", card.word);
    if let Some(reason) = &card.reason {
        if !reason.detail.is_empty() {
            text.push_str(&format!("　　{}\n", plain(&reason.detail)));
        }
        text.push_str(&format!("　　處理：{}\n", reason.remedy));
    }
    text
}

/// What cannot be used, and what ends within 90 days.
fn validity(overview: &Overview) -> String {
    let now = now();
    let mut text = String::new();
    let mut more = 0;
    for one in &overview.certificates {
        let near = one.reason.is_some() || one.days(now) < 90;
        if !near || (one.code.is_some() && text.lines().count() >= 12) {
            more += usize::from(near);
            continue;
        }
        text.push_str(&format!("！{}", one.to_line(now)));
        if let Some(reason) = &one.reason {
            text.push_str(&format!("；{}\n　　處理：{}", reason.what, reason.remedy));
        }
        text.push('\n');
    }
    if more > 0 {
        text.push_str(&format!("另有 {more} 個收文機關的憑證將於 90 日內到期（--json 全部列出）\n"));
    }
    text
}

/// What somebody must look at and that happened in the time asked for.
fn alarms(overview: &Overview, civil: &Civil, since: i64, until: i64) -> String {
    let mut text = String::new();
    for event in overview.alarms.iter().filter(|e| (since..=until).contains(&e.at)) {
        let detail = plain(&crate::words::detail(&event.event, &event.detail));
        let colon = if detail.is_empty() { "" } else { "：" };
        text.push_str(&format!("！{}　{}{colon}{}\n", civil.minute(event.at), event.what, cut(&detail, 70)));
    }
    if text.is_empty() { text } else { format!("須留意\n{text}\n") }
}

fn outbox_table(rows: &[OutRow], civil: &Civil, time: When) -> String {
    if rows.is_empty() {
        return "發文匣：沒有公文\n\n".to_owned();
    }
    let mut table = Table::new(&["識別碼", "時間", "狀態", "字號", "主旨", "收受者", "說明"]).shrink(&[
        (4, 16),
        (6, 12),
        (5, 12),
        (3, 12),
        (4, 8),
    ]);
    for row in rows {
        table.row(&[
            short(&row.id),
            time.show(civil, row.claimed_at),
            row.word.clone(),
            row.number.clone(),
            if row.subject.is_empty() { row.drop_name.clone() } else { row.subject.clone() },
            recipients(row),
            match (&row.duplicate_of, row.held) {
                (Some(first), true) => format!("同 {}", short(first)),
                _ => note(why(row.reason.as_ref()).as_deref(), (row.hints > 0).then_some("可能另有紙本")),
            },
        ]);
    }
    format!("發文匣（{} 件）\n{}\n", rows.len(), table.render())
}

fn inbox_table(rows: &[InRow], civil: &Civil, time: When) -> String {
    if rows.is_empty() {
        return "收文匣：沒有公文\n\n".to_owned();
    }
    let mut table = Table::new(&["識別碼", "時間", "狀態", "發文機關", "字號", "主旨", "說明"]).shrink(&[
        (5, 16),
        (6, 12),
        (3, 12),
        (4, 12),
        (5, 8),
    ]);
    for row in rows {
        let sender = if row.sender_name.is_empty() { &row.sender } else { &row.sender_name };
        let marks = match (row.duplicate, row.warnings.is_empty()) {
            (true, _) => Some("疑似重複"),
            (false, false) => Some("可讀，格式有出入"),
            (false, true) => None,
        };
        table.row(&[
            short(&row.id),
            time.show(civil, row.offered_at),
            row.word.clone(),
            sender.clone(),
            row.number.clone(),
            row.subject.clone(),
            note(why(row.reason.as_ref()).as_deref(), marks),
        ]);
    }
    format!("收文匣（{} 件）\n{}\n", rows.len(), table.render())
}

/// How times are shown: the hour alone when everything is of one day.
#[derive(Clone, Copy)]
enum When {
    OneDay,
    Days,
}

impl When {
    fn of(civil: &Civil, since: i64, until: i64) -> Self {
        if civil.today(since) == civil.today(until) { Self::OneDay } else { Self::Days }
    }

    fn show(self, civil: &Civil, at: i64) -> String {
        match self {
            Self::OneDay => civil.hour(at),
            Self::Days => civil.minute(at),
        }
    }
}

/// The first eight digits: enough for a year of an office, and every verb takes a beginning.
fn short(id: &str) -> String {
    id.get(..8).unwrap_or(id).to_owned()
}

/// Whom it is for; with their states where these differ, since the column of the state tells one for all.
fn recipients(row: &OutRow) -> String {
    let total: u64 = row.recipients.iter().map(|c| c.count).sum();
    match row.recipients.as_slice() {
        [] => String::new(),
        [_] if total == 1 => row.first_recipient.clone(),
        [_] => format!("{total} 個：{}…", row.first_recipient),
        many => many.iter().map(|c| format!("{} {}", c.word, c.count)).collect::<Vec<_>>().join("、"),
    }
}

/// The sentence of a reason; of a person's pause also what the person said.
fn why(reason: Option<&Reason>) -> Option<String> {
    reason.map(|r| match r.label.as_str() {
        store::HELD if !r.detail.is_empty() => format!("{}：{}", r.what, r.detail),
        _ => r.what.clone(),
    })
}

fn note(reason: Option<&str>, mark: Option<&str>) -> String {
    [reason, mark].into_iter().flatten().collect::<Vec<_>>().join("；")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_given_in_chinese_or_english() {
        let given = |s: &str| states(&s.split(',').map(str::to_owned).collect::<Vec<_>>());
        let (outward, inward) = given("使用者退文,收文異常").unwrap();
        assert_eq!(outward, ["returned"]);
        assert_eq!(inward, ["quarantined", "reported"]);
        let (outward, inward) = given("confirmed").unwrap();
        assert_eq!((outward, inward), (vec!["confirmed".to_owned()], vec!["confirmed".to_owned()]));
        assert_eq!(given("已讀").unwrap_err().code(), exit::USAGE);
    }
}
