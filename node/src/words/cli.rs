//! Words for what the command line and the local API say themselves.

use super::{Words, w};

pub(super) const WORDS: &[Words] = &[
    w("usage", "用法錯誤", "以 di-node --help 或 di-node 命令 --help 查看用法"),
    w("file-not-found", "找不到檔案", "檢查路徑與檔名"),
    w("file-not-readable", "檔案無法讀取", "檢查權限；資料夾請改為指定其中的檔案"),
    w("id-ambiguous", "有多件公文的識別碼以此開頭", "多寫幾碼識別碼"),
    w("service-down", "節點服務沒有執行", "以 di-node run 或 systemctl start di-node 啟動服務後再試"),
    w("service-silent", "節點服務沒有在時限內回應", "稍後再試；若持續發生，查看服務的紀錄"),
    w("service-denied", "沒有使用節點服務的權限", "以執行服務的帳號執行（例如 sudo -u di-node di-node …）"),
    w("service-other-version", "節點服務的回應無法解讀", "命令列與服務版本不同；升級後請重新啟動服務"),
    w("output-failed", "無法寫出結果", "檢查磁碟空間與輸出目的地"),
    w("target-exists", "目的地已經存在，不覆寫", "改用另一個名稱，或先移走原有的檔案"),
    w("target-failed", "無法寫入目的地", "檢查資料夾是否存在、權限與磁碟空間"),
    w("time-unclear", "看不懂這個時間", "寫成 2026-11-21、\"2026-11-21 08:30\"、今天、昨天或 7d"),
    w("time-order", "--since 晚於 --until", "把較早的時間寫在 --since，較晚的寫在 --until"),
    w("state-unknown", "沒有這個狀態", "可用的狀態見 docs/manual.md 的狀態表，寫中文或英文代號皆可"),
    w(
        "kind-unknown",
        "沒有這個文別的內容模型",
        "可用：函、簽、令、公告、開會通知單、會勘通知單、簽稿會核單、交換表單",
    ),
    w("not-exportable", "這件公文沒有可匯出的憑據", "尚未簽章的公文沒有憑據；完成簽章後再匯出"),
    w("not-verifiable", "這個檔案不是簽章容器、證據檔或回條", "請指定 .asice、.evidence.zip 或回條檔"),
    w(
        "other-container",
        "這個收受者收到的是同一件公文的另一個容器（含附件與不含附件各一）",
        "驗證另一個容器的證據檔",
    ),
    w(
        "revocation-not-included",
        "證據檔不含憑證廢止資料（CRL、OCSP），無法離線判定",
        "向憑證管理中心查詢該憑證在依據時間的狀態",
    ),
    w("entry-mismatch", "憑證上的機關識別碼與所給的不同", "檢查 --organisation-oid 與憑證是否屬於同一機關"),
    w("reason-missing", "沒有寫理由", "以 --reason 寫明為什麼；理由與承辦人都記入歷程"),
    w("recipient-unknown-here", "這件公文沒有這個收受者", "以 di-node outcome 識別碼 查看收受者的代碼或名稱"),
    w(
        "calendar-unreadable",
        "這個檔案不是可用的辦公日曆",
        "由政府資料開放平臺下載「中華民國政府行政機關辦公日曆表」的 CSV（不是 Google 行事曆版），不要另存成其他格式",
    ),
    w("calendar-incomplete", "日曆檔缺少其中幾天，沒有匯入", "重新下載整年的檔案"),
    w("verb-not-now", "這件公文目前的狀態不能這樣做", "以 di-node show 查看目前狀態"),
    w("no-runtime", "無法啟動執行環境", "檢查系統的執行緒與檔案數限制"),
    w(
        "card-not-configured",
        "設定檔沒有指定卡片，使用的是金鑰檔",
        "要使用卡片，依手冊「卡片」一章在設定檔寫 [card]",
    ),
    w("card-idle", "卡片可讀取，服務未執行", "啟動服務後會自動登入卡片"),
    w("api-socket", "本機介面的通訊端無法建立", "檢查狀態資料夾的權限，路徑是否過長（108 位元組以內）"),
    w("api-bad-request", "要求的內容不正確", "命令列與服務版本可能不同；升級後請重新啟動服務"),
    // lint, beside the letter
    w(
        "companion-case",
        "檔名的大小寫與公文所寫的不同",
        "把檔案改名，或更正公文裡的檔名；收送時視為同一個檔案",
    ),
    w(
        "companion-unnamed",
        "檔案在旁邊，公文裡沒有列",
        "若是附件，請在 DOCTYPE 加上 ENTITY 並列入〈附件檔名〉，否則不會送出；若不是，請移走",
    ),
    w(
        "roster-not-compared",
        "交換表單不能用，沒有與公文互相核對",
        "以 di-node lint 檢查這個交換表單，改正後再檢查一次公文",
    ),
];

#[cfg(test)]
mod tests {
    /// The labels are written in the code of `cli`, `api`, `setup`, `export` and `verify` themselves: every one of
    /// them is used there, and every one used there is here.
    #[test]
    fn every_label_used_has_words() {
        let sources = [
            include_str!("../cli.rs"),
            include_str!("../cli/backup.rs"),
            include_str!("../cli/calendar.rs"),
            include_str!("../cli/card.rs"),
            include_str!("../cli/client.rs"),
            include_str!("../cli/config.rs"),
            include_str!("../cli/held.rs"),
            include_str!("../cli/out.rs"),
            include_str!("../cli/outcome.rs"),
            include_str!("../cli/paper.rs"),
            include_str!("../cli/run.rs"),
            include_str!("../cli/show.rs"),
            include_str!("../cli/source.rs"),
            include_str!("../cli/status.rs"),
            include_str!("../cli/usage.rs"),
            include_str!("../api.rs"),
            include_str!("../api/calendar.rs"),
            include_str!("../api/order.rs"),
            include_str!("../api/outcome.rs"),
            include_str!("../api/read.rs"),
            include_str!("../workday.rs"),
            include_str!("../api/serve.rs"),
            include_str!("../api/socket.rs"),
            include_str!("../setup/inspect.rs"),
            include_str!("../export.rs"),
            include_str!("../lint.rs"),
            include_str!("../lint/unit.rs"),
            include_str!("../setup.rs"),
            include_str!("../verify.rs"),
        ]
        .concat();
        for words in super::WORDS {
            let used = sources.contains(&format!("\"{}\"", words.label))
                || sources.contains(&format!("代號：{}", words.label));
            assert!(used, "words without a use: {}", words.label);
        }
        for marker in ["labelled(", "Failure::new("] {
            for call in sources.split(marker).skip(1) {
                let head: String = call.chars().take(90).collect();
                let Some(label) = head.split('"').nth(1) else { continue };
                let plain = label.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
                assert!(!plain || super::super::of(label).is_some(), "no words for {label}");
            }
        }
    }
}
