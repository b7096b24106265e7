//! The official word for every state (檔案管理局's state table), and the local ones before and beside it.

use store::state::{Document, Inbound, Line, Word};

/// Which box a state belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Box {
    /// 發文匣
    Out,
    /// 收文匣
    In,
}

/// Every word that a state can show as, with its meaning; what `di-node status --state` accepts and the manual lists.
pub const STATES: &[(Box, &str, &str, &str)] = &[
    (Box::Out, "claimed", "待簽章", "已從資料夾收下，等候檢查、簽章與加密"),
    (Box::Out, "held", "暫停", "等人決定：疑似重複，或承辦人暫停；以 release 放行或 abandon 放棄"),
    (Box::Out, "waiting", "待傳送", "已簽章加密，等候送到交換中心"),
    (Box::Out, "accepted", "系統確認", "交換中心已收下並開立回條，等對方確認"),
    (Box::Out, "confirmed", "使用者確認", "對方已收文完成並開立回條"),
    (Box::Out, "returned", "使用者退文", "對方退回，原因見說明；改正後重送或補送紙本"),
    (Box::Out, "on-paper", "補送紙本", "已改以紙本送達"),
    (Box::Out, "abandoned", "已放棄", "承辦人放棄送件"),
    (Box::Out, "refused", "未送出", "檢查不合格，沒有送出；原因在 failed 資料夾的說明檔"),
    (Box::In, "offered", "公文到達", "交換中心有給本機關的公文，尚未下載"),
    (Box::In, "fetched", "收文下載處理中", "已下載，等候解密、驗章與檢查"),
    (Box::In, "archived", "收文完成", "已歸檔，確認回條待送出"),
    (Box::In, "confirmed", "收文完成", "已歸檔，確認回條已送達交換中心"),
    (Box::In, "quarantined", "收文異常", "公文有問題，已隔離；退文回條待送出或等人處理"),
    (Box::In, "reported", "收文異常", "公文有問題，已退文給對方"),
    (Box::In, "held", "暫停", "承辦人暫停處理"),
];

fn word(kind: Box, state: &str) -> &'static str {
    STATES.iter().find(|(k, s, _, _)| *k == kind && *s == state).map_or("不明", |(_, _, word, _)| word)
}

/// The word for a document in the 發文匣; `duplicate` tells the second press of "send" from a person's pause.
#[must_use]
pub fn outbound(state: Word, held: bool, duplicate: bool) -> &'static str {
    match (held && !state.is_final(), duplicate) {
        (true, true) => "暫停（疑似重複）",
        (true, false) => "暫停",
        (false, _) => word(Box::Out, state.as_str()),
    }
}

/// The state that people see: what a person gave up before it was sealed is kept by the store as a refusal with the
/// label `abandoned`, and is shown as given up.
#[must_use]
pub fn shown(state: Word, label: &str) -> Word {
    if state == Word::Refused && label == "abandoned" { Word::Abandoned } else { state }
}

/// The word for one recipient of a document.
#[must_use]
pub fn line(document: Document, state: Line) -> &'static str {
    match document {
        Document::Claimed => word(Box::Out, "claimed"),
        Document::Refused => word(Box::Out, "refused"),
        Document::Sealed => word(Box::Out, state.as_str()),
    }
}

/// The word for a document in the 收文匣.
#[must_use]
pub fn inbound(state: Inbound, held: bool) -> &'static str {
    if held { "暫停" } else { word(Box::In, state.as_str()) }
}

/// The rows of the manual's table of states.
#[cfg(test)]
pub(super) fn markdown() -> String {
    let row = |(kind, state, word, meaning): &(Box, &str, &str, &str)| {
        let kind = if *kind == Box::Out { "發文匣" } else { "收文匣" };
        format!("| {kind} | {word} | `{state}` | {meaning} |\n")
    };
    let head = "| 匣 | 狀態 | 代號 | 意義 |\n|---|---|---|---|\n".to_owned();
    STATES.iter().map(row).fold(head, |text, row| text + &row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_the_store_has_its_official_word() {
        for state in Word::ALL {
            assert_ne!(outbound(*state, false, false), "不明", "{state}");
        }
        for state in Line::ALL {
            assert_ne!(line(Document::Sealed, *state), "不明", "{state}");
        }
        for state in Inbound::ALL {
            assert_ne!(inbound(*state, false), "不明", "{state}");
        }
        // The words of the manual (2.1): what users of the desktop client know.
        assert_eq!(inbound(Inbound::Offered, false), "公文到達");
        assert_eq!(inbound(Inbound::Fetched, false), "收文下載處理中");
        assert_eq!(inbound(Inbound::Archived, false), "收文完成");
        assert_eq!(inbound(Inbound::Quarantined, false), "收文異常");
        assert_eq!(outbound(Word::Accepted, false, false), "系統確認");
        assert_eq!(outbound(Word::Confirmed, false, false), "使用者確認");
        assert_eq!(outbound(Word::Returned, false, false), "使用者退文");
        assert_eq!(outbound(Word::Claimed, true, true), "暫停（疑似重複）");
    }
}
