//! The journal's events in Chinese.

/// Stable names of the journal's events, with what people read.
const EVENTS: &[(&str, &str)] = &[
    // the node
    ("opened", "開啟資料庫"),
    ("epoch", "記錄交換中心的紀元"),
    ("epoch-changed", "交換中心曾還原，重新核對"),
    ("announcement", "收到公告"),
    ("outcome-invalid", "回執無法採信"),
    ("login", "登入交換中心"),
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
    ("early-verdict", "對方回執先到，暫存"),
    ("late-verdict", "較晚的回執，保留備查"),
    ("late-confirmed", "較晚的使用者確認"),
    ("late-returned", "較晚的使用者退文，保留備查"),
    ("unknown-verdict", "回執所指的公文不明"),
    ("contradiction", "回執互相矛盾，保留備查"),
    ("resend-asked", "要求重送"),
    ("resent", "重新加密"),
    ("resubmit", "交換中心遺失，再次送出"),
    ("on-paper", "補送紙本"),
    ("abandoned", "放棄"),
    ("noted", "寫出說明檔"),
    // receiving
    ("offered", "公文到達"),
    ("offered-again", "公文再次到達"),
    ("replaced", "由重送的一份取代"),
    ("id-conflict", "同一識別碼但內容不同，不採用"),
    ("fetched", "下載完成"),
    ("refetch", "需重新下載"),
    ("archived", "收文完成，已歸檔"),
    ("looks-like-duplicate", "內容與先前的公文相同（疑似重複）"),
    ("delivered", "放入收文資料夾"),
    ("quarantined", "收文異常，已隔離"),
    ("answered", "簽署回執"),
    ("reported", "回執送達交換中心"),
    ("report-refused", "交換中心不收回執"),
    ("read", "已閱"),
    ("reopened", "重新處理"),
    ("send-back", "退文"),
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
