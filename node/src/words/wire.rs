//! Words for the labels of `wire`: its own errors, and what a center refuses with.

use super::{Words, w};

pub(super) const WORDS: &[Words] = &[
    // ours
    w("center-anchors", "交換中心的信任錨點檔無法使用", "檢查設定檔 center.anchors 所指的 PEM 檔"),
    w("server-certificate", "TLS 憑證或金鑰無法使用", "檢查憑證與金鑰的檔案、權限與是否成對"),
    w("server-name", "交換中心的主機名稱不正確", "更正設定檔 center.address 或 center.server-name"),
    w("bind", "網路位址無法使用", "檢查位址與連接埠是否被其他程式占用，或不屬於本機"),
    w("session-key", "連線金鑰無法產生或使用", "程式會自動重試；若持續發生，重新啟動服務"),
    w("login-statement", "無法簽署登入聲明", "確認卡片或簽章金鑰可用；恢復後會自動登入"),
    w("unsendable", "要送出的訊息超過協定的限制", "減少收受者或附件；若仍發生請回報"),
    w("body-file", "傳輸中的檔案無法讀寫", "程式會自動重試；檢查磁碟空間與權限"),
    // the network's
    w("center-unresolved", "查不到交換中心的網路位址", "檢查 DNS 與設定檔 center.address；恢復後會自動繼續"),
    w(
        "center-unreachable",
        "連不上交換中心",
        "檢查網路與防火牆（UDP 與 TCP）；恢復後會自動繼續，公文不會遺失",
    ),
    w("connection-lost", "與交換中心的連線中斷", "程式會自動重新連線，並從中斷處續傳"),
    w("peer-stalled", "交換中心長時間沒有動靜", "程式會自動重新連線"),
    w("connection-closed", "交換中心關閉了連線", "程式會自動重新連線"),
    // the peer's
    w(
        "center-untrusted",
        "交換中心的憑證不可信",
        "不會送出任何資料；確認 center.anchors 與主機名稱，並向交換中心查證",
    ),
    w(
        "center-other",
        "連到的交換中心不是設定的那一個",
        "不會送出任何資料；更正 center.code 或 center.address",
    ),
    w("frame-too-long", "交換中心送來過長的訊息", "程式會自動重試；若持續發生請交換中心檢查"),
    w("frame-truncated", "交換中心的訊息不完整", "程式會自動重試"),
    w("frame-malformed", "交換中心的訊息無法解讀", "程式會自動重試；若持續發生，兩端的版本可能不合"),
    w("field-invalid", "交換中心的訊息內容不正確", "程式會自動重試；若持續發生請交換中心檢查"),
    w("answer-unexpected", "交換中心的回答與所問不符", "程式會自動重試；若持續發生請交換中心檢查"),
    // refusals: any request
    w("malformed-request", "交換中心認為要求不合協定", "兩端的版本可能不合；請更新程式"),
    w("not-logged-in", "尚未登入交換中心", "程式會自動登入"),
    w("busy", "交換中心忙碌中", "程式會依交換中心指定的時間再試"),
    w("rate-exceeded", "向交換中心要求的次數過多", "程式會依交換中心指定的時間再試"),
    w("shutting-down", "交換中心正在停止服務", "程式會自動重新連線"),
    w("internal", "交換中心內部發生錯誤", "程式會自動重試；若持續發生請通知交換中心"),
    w("too-many-codes", "一次查詢的代碼過多", "請更新程式；若仍發生請回報"),
    // refusals: login
    w("version-unsupported", "交換中心不再支援本程式的協定版本", "請更新程式"),
    w("member-unknown", "交換中心沒有這個機關代碼", "確認 party.code；向交換中心申請連線"),
    w("member-suspended", "本機關在交換中心已被停用", "向交換中心查明並申請恢復；恢復後會自動繼續"),
    w("address-not-registered", "由未登記的網路位址連線", "以登記的固定位址連線，或向交換中心申請變更位址"),
    w("login-invalid", "登入驗證不符", "確認簽章憑證為登記的那一張，機關代碼與交換中心代碼正確"),
    w("login-expired", "登入聲明已過期", "程式會重新簽署並登入"),
    w("login-not-yet-valid", "登入聲明的時間不合", "校正本機時間（NTP）後會自動登入"),
    w(
        "certificate-not-registered",
        "簽章憑證不是向交換中心登記的那一張",
        "換發憑證後須重新登記（di-node setup --entry-out）",
    ),
    w(
        "certificate-untrusted",
        "交換中心不信任本機關的憑證",
        "確認憑證由正確的憑證管理中心簽發；向交換中心查明",
    ),
    w("certificate-revoked", "憑證已廢止或暫停使用", "向憑證管理中心查明；換發後重新登記"),
    w("revocation-unknown", "目前無法查得憑證是否廢止", "稍後會自動再試"),
    // refusals: submit
    w("may-not-send", "本機關只能收文，不能發文", "向交換中心申請發文權限；核准後會自動繼續"),
    w("sender-not-yours", "發文機關不是本機關的信箱", "確認 DI 的發文機關代碼與設定檔的機關、單位代碼"),
    w("recipient-unknown", "有收文機關的代碼查無資料", "核對交換表單上列出的代碼；查無者改以紙本寄送"),
    w("recipient-suspended", "有收文機關已停用", "列出的機關改以紙本寄送，或等其恢復"),
    w("part-invalid", "送件資料自相矛盾", "請附上公文識別碼回報"),
    w("part-conflict", "同一識別碼先前已送過不同的內容", "不會覆寫；查明狀態資料夾是否曾被還原或複製"),
    w("too-many-addressees", "收受者超過交換中心的上限", "分成數件發送"),
    w(
        "quota-exceeded",
        "本機關當日送件的總量已達上限",
        "程式會依交換中心指定的時間再試；經常發生時請交換中心調高限額",
    ),
    w("storage-full", "交換中心的儲存空間不足", "程式會自動重試；通知交換中心"),
    w("digest-mismatch", "傳輸內容的雜湊值不符", "程式會重新傳送"),
    // refusals: fetch
    w("offer-unknown", "交換中心沒有這件待收公文", "程式會重新取得待收清單"),
    w("offer-gone", "這件公文已回覆過，交換中心不再保存", "如需原件請由本機歸檔取得，或請對方重送"),
    w("offset-invalid", "續傳的位置不正確", "程式會由頭重新下載"),
    // refusals: report
    w("receipt-invalid", "回條無法驗證", "確認簽章憑證為登記的那一張；請附上代號回報"),
    w("receipt-not-yours", "回條不屬於本機關", "請附上代號回報"),
    w("receipt-unknown-part", "交換中心沒有這件公文的資料", "交換中心還原後可能恢復；程式會自動再試"),
    w("receipt-conflict", "回條與先前回報的結果不同", "以先前的結果為準；已記入歷程，請查明"),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_label_has_words() {
        let own = wire::LABELS.iter().map(|(l, _)| *l);
        let refused = wire::refusal::ALL.iter().map(|l| l.name);
        super::super::assert_complete(super::WORDS, own.chain(refused));
    }
}
