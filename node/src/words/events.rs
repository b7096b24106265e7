//! The journal's events in Chinese.

/// Stable names of the journal's events, with what people read.
const EVENTS: &[(&str, &str)] = &[
    // the node
    ("opened", "開啟資料庫"),
    ("restored", "由備份還原，向交換中心補齊中"),
    ("caught-up", "已向交換中心補齊"),
    ("epoch", "記錄交換中心的紀元"),
    ("epoch-changed", "交換中心曾還原，重新核對"),
    ("announcement", "收到公告"),
    ("announcements-forgotten", "移除過期的公告"),
    ("outcome-invalid", "回條無法採信"),
    ("certificate-ends", "憑證到期提醒"),
    ("calendar-imported", "匯入辦公日曆"),
    ("unanswered", "逾期未使用者確認"),
    ("clock-jumped", "本機時間跳動"),
    ("login", "登入交換中心"),
    ("card-in", "卡片插入"),
    ("card-out", "卡片拔出"),
    ("card-login", "登入卡片，可以使用"),
    ("card-trouble", "卡片不能使用"),
    ("card-retry", "允許再試 PIN 碼"),
    // sending
    ("claimed", "自資料夾收下"),
    ("duplicate", "疑似重複，暫停"),
    ("described", "讀出公文內容"),
    ("sealed", "簽章並加密"),
    ("refused", "檢查不合，不送出"),
    ("accepted", "系統確認"),
    ("accepted-again", "系統確認（重複）"),
    ("confirmed", "使用者確認"),
    ("returned", "使用者退文"),
    ("misdirected", "誤送通知"),
    ("early-verdict", "對方回條先到，暫存"),
    ("late-verdict", "較晚的回條，保留備查"),
    ("late-confirmed", "較晚的使用者確認"),
    ("late-returned", "較晚的使用者退文，保留備查"),
    ("unknown-verdict", "回條所指的公文不明"),
    ("contradiction", "回條互相矛盾，保留備查"),
    ("resend-asked", "要求重送"),
    ("resent", "重新加密"),
    ("resubmit", "交換中心遺失，再次送出"),
    ("on-paper", "補送紙本"),
    ("notice-settled", "通知已處理"),
    ("abandoned", "承辦人放棄"),
    ("noted", "寫出說明檔"),
    ("recovered", "還原前已送出，由交換中心得知"),
    ("part-conflict", "交換中心收到的與這裡的不同"),
    // receiving
    ("offered", "公文到達"),
    ("offered-again", "公文再次到達"),
    ("recalled", "還原前已回覆，由交換中心得知"),
    ("replaced", "由重送的一份取代"),
    ("id-conflict", "同一識別碼但內容不同，不採用"),
    ("fetched", "下載完成"),
    ("refetch", "需重新下載"),
    ("archived", "收文完成，已歸檔"),
    ("looks-like-duplicate", "內容與先前的公文相同（疑似重複）"),
    ("delivered", "放入收文資料夾"),
    ("quarantined", "收文異常，已隔離"),
    ("answered", "簽署回條"),
    ("reported", "回條送達交換中心"),
    ("report-refused", "交換中心不收回條"),
    ("read", "已閱"),
    ("reopened", "重新處理"),
    ("send-back", "退文"),
    ("notify-asked", "要求通知發文機關"),
    ("notified", "通知已送達交換中心"),
    // both
    ("attempt", "開始處理"),
    ("setback", "未成，稍後再試"),
    ("woken", "恢復處理"),
    ("held", "暫停"),
    ("released", "放行"),
    ("retried", "立即再試"),
];

/// What happened, in Chinese; an unknown event is shown by its name.
#[must_use]
pub fn event(name: &str) -> &str {
    EVENTS.iter().find(|(event, _)| *event == name).map_or(name, |(_, words)| words)
}

/// What happened, in Chinese, told by the particulars too: what a person gave up before it was sealed is no refusal.
#[must_use]
pub fn happened<'a>(name: &'a str, detail: &str) -> &'a str {
    if given_up(name, detail).is_some() { event("abandoned") } else { event(name) }
}

/// The person's reason if the event is the giving up of a document before it was sealed.
fn given_up<'a>(event: &str, detail: &'a str) -> Option<&'a str> {
    if event == "refused" { detail.strip_prefix("abandoned:").map(str::trim) } else { None }
}

/// The particulars of an event for people: the store writes them in a fixed English form for programs.
#[must_use]
pub fn detail(event: &str, detail: &str) -> String {
    if let Some(why) = given_up(event, detail) {
        return why.to_owned();
    }
    let said = match event {
        "attempt" => attempt(detail),
        "sealed" => sealed(detail),
        "accepted" | "accepted-again" => part(detail),
        "noted" => detail.split_once(": ").map(|(word, path)| format!("{}：{path}", state(word))),
        "confirmed" | "returned" | "accepted-line" | "misdirected" | "on-paper" | "abandoned"
        | "late-confirmed" | "late-returned" => verdict(detail),
        "answered" | "reported" | "notified" | "offered-again" => {
            number_after(detail, "receipt ").map(|n| format!("回條 {n}"))
        }
        "recovered" => part(detail.split(", ").take(2).collect::<Vec<_>>().join(", ").as_str()),
        "caught-up" => detail
            .strip_suffix(" received")
            .and_then(|d| d.split_once(" sent, "))
            .map(|(sent, received)| format!("備份之後送出 {sent} 件、收到並已回覆 {received} 件")),
        "offered" => detail.split_once(" from ").map(|(_, from)| {
            let (sender, round) = from.split_once(" round ").unwrap_or((from, "0"));
            format!("發文機關 {sender}{}", again(round))
        }),
        "duplicate" => Some(format!("內容與 {detail} 相同")),
        "unanswered" => unanswered(detail),
        "card-in" | "card-out" | "card-login" => Some(format!("卡號 {detail}")),
        "card-retry" => Some(retry(detail)),
        "card-trouble" | "refused" | "setback" | "quarantined" | "refetch" | "send-back" | "notify-asked" => {
            labelled(detail)
        }
        _ => None,
    };
    said.unwrap_or_else(|| detail.to_owned())
}

/// Whether an event is one that people want in a history: a first try that went through is not.
#[must_use]
pub fn is_news(event: &str, detail: &str) -> bool {
    !(event == "attempt" && detail.contains(", try 1,"))
}

fn attempt(detail: &str) -> Option<String> {
    let (step, rest) = detail.split_once(", try ")?;
    let times = rest.split(',').next()?;
    let step = match step {
        "seal" => "簽章加密",
        "reseal" => "重新加密",
        "submit" => "送交換中心",
        "fetch" => "下載",
        "open" => "解密驗章",
        other => other,
    };
    Some(format!("{step}，第 {times} 次"))
}

fn unanswered(detail: &str) -> Option<String> {
    let (many, date) = detail.split_once(" recipients by ")?;
    Some(format!("{many} 個收受者到 {date} 仍未使用者確認；以 di-node outcome --due 查看"))
}

fn sealed(detail: &str) -> Option<String> {
    let recipients = detail.split_once(" recipients")?.0;
    let parts = detail.split_once(", ")?.1.split_once(" parts")?.0;
    Some(format!("{recipients} 個收受者，{parts} 份密文"))
}

fn part(detail: &str) -> Option<String> {
    let (part, round) = detail.strip_prefix("part ")?.split_once(", round ")?;
    Some(format!("密文 {part}{}", again(round)))
}

fn retry(detail: &str) -> String {
    let (what, why) = detail.split_once(": ").unwrap_or((detail, ""));
    let (ask, given) = what.split_once(", ").map_or((what, ""), |(ask, _)| (ask, "，並輸入 PIN 碼"));
    let ask = match ask {
        "once" => "再試一次",
        "forced" => "即使是最後一次也再試",
        "unlocked" => "卡片已解鎖",
        other => other,
    };
    if why.is_empty() { format!("{ask}{given}") } else { format!("{ask}{given}：{why}") }
}

fn verdict(detail: &str) -> Option<String> {
    if let Some(receipt) = number_after(detail, "receipt ") {
        return Some(format!("回條 {receipt}"));
    }
    let (code, rest) = detail.split_once(" round ")?;
    let (round, label) = rest.split_once(' ').unwrap_or((rest, ""));
    let why = super::of(label).map(|words| format!("：{}", words.what)).unwrap_or_default();
    Some(format!("{code}{}{why}", again(round)))
}

fn again(round: &str) -> String {
    if round == "0" { String::new() } else { format!("（第 {round} 次重送）") }
}

fn number_after<'a>(detail: &'a str, prefix: &str) -> Option<&'a str> {
    let number = detail.strip_prefix(prefix)?.split(' ').next()?;
    number.bytes().all(|b| b.is_ascii_digit()).then_some(number)
}

fn labelled(detail: &str) -> Option<String> {
    let (label, more) = detail.split_once(": ").unwrap_or_else(|| (detail.trim_end_matches(':'), ""));
    let words = super::of(label)?;
    Some(if more.trim().is_empty() { words.what.to_owned() } else { format!("{}：{more}", words.what) })
}

fn state(word: &str) -> &str {
    super::STATES
        .iter()
        .find(|(kind, state, _, _)| *kind == super::BoxKind::Out && *state == word)
        .map_or(word, |(_, _, chinese, _)| chinese)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particulars_are_told_in_chinese_and_never_lost() {
        assert_eq!(detail("attempt", "submit, try 3, begun 1"), "送交換中心，第 3 次");
        assert_eq!(detail("sealed", "2 recipients, 1 parts"), "2 個收受者，1 份密文");
        assert_eq!(detail("accepted", "part 4, round 0"), "密文 4");
        assert_eq!(detail("accepted", "part 4, round 2"), "密文 4（第 2 次重送）");
        assert_eq!(detail("returned", "XC20261103 round 0 element-missing"), "XC20261103：缺少必要的元素");
        assert_eq!(detail("confirmed", "receipt 4"), "回條 4");
        assert!(detail("unanswered", "3 recipients by 2026-11-30").starts_with("3 個收受者到 2026-11-30 "));
        assert_eq!(detail("offered", "4b2d from XC20261101 round 0"), "發文機關 XC20261101");
        assert_eq!(detail("setback", "disk-full: spool"), "磁碟空間不足：spool");
        assert_eq!(detail("refused", "abandoned: 重複"), "重複");
        assert_eq!(happened("refused", "abandoned: 重複"), "承辦人放棄");
        assert_eq!(happened("refused", "element-missing: x"), "檢查不合，不送出");
        assert_eq!(detail("recovered", "part 4, round 1, 2 recipients"), "密文 4（第 1 次重送）");
        assert_eq!(detail("caught-up", "5 sent, 2 received"), "備份之後送出 5 件、收到並已回覆 2 件");
        assert_eq!(detail("noted", "accepted: /x/y.txt"), "系統確認：/x/y.txt");
        for (event, text) in
            [("attempt", "odd"), ("sealed", "2"), ("from-the-future", "x"), ("setback", "y: z")]
        {
            assert_eq!(detail(event, text), text);
        }
    }
}
