//! What people are told about the center's own troubles, in Chinese, keyed by label.

use crate::Error;

/// What happened and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// The label of [`Error::label`].
    pub label: &'static str,
    /// What happened.
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// The words for a label.
pub fn of(label: &str) -> Option<&'static Words> {
    WORDS.iter().find(|words| words.label == label)
}

/// The whole message for a person: what, where, why, what to do.
pub fn explain(error: &Error) -> String {
    if let Error::Config(config) = error {
        return config.to_string(); // already Chinese, with its place
    }
    let label = error.label();
    let Some(words) = of(label) else { return error.chain() };
    format!("錯誤：{}（{label}）\n細節：{}\n處理：{}", words.what, error.chain(), words.remedy)
}

macro_rules! words {
    ($($label:literal $what:literal $remedy:literal;)*) => {
        const WORDS: &[Words] = &[$(Words { label: $label, what: $what, remedy: $remedy }),*];
    };
}

words! {
    "center-config" "設定檔不能用" "請依訊息指出的行號修改設定檔，再以 config check 檢查。";
    "center-database" "資料庫操作失敗" "請檢查資料夾的權限與磁碟；若訊息說 locked，請稍候再試。";
    "center-schema" "資料庫是較新版的程式建立的" "請改用較新版的 di-center。";
    "center-damaged" "資料庫已損壞" "請先停止服務並保留現有檔案，再以 restore 由備份還原。";
    "center-in-use" "另一個 di-center 正在使用這個資料夾" "同一資料夾只能有一個交換中心；請先停止另一個，或改用別的 data 資料夾。";
    "center-stopping" "交換中心正在停止" "請稍候再試。";
    "center-file" "檔案或資料夾無法存取" "請檢查路徑是否存在、執行帳號有無權限。";
    "center-target-exists" "目的地已存在，不覆寫" "請換一個檔名，或先移走既有的檔案。";
    "center-disk-full" "磁碟空間不足" "請清出空間；會員會自動重試，已收下的公文不受影響。";
    "center-upload-taken-over" "同一件的較新上傳已接手" "不必處理，會員會自動重試。";
    "center-digest-mismatch" "收到的密文與其摘要不符" "不必處理，會員會重新上傳；若一再發生，請檢查該會員的網路或磁碟。";
    "center-key-or-certificate" "金鑰、憑證或登錄資料不能用" "請核對檔案是否正確、憑證是否過期、信任根憑證是否齊全。登錄資料：會員憑證須由 center.toml 的 trust.anchors 簽發，副署者的憑證須在 trust.registrar-anchors 之中。";
    "center-network" "網路或 TLS 設定不能用" "請檢查 listen 的位址與連接埠是否已被占用，以及 tls 的憑證與金鑰是否相符。";
    "center-no-member" "沒有這個會員" "請以 member list 核對代碼，或先執行 member add。";
    "center-bad-code" "不是會員或信箱代碼" "機關代碼是 10 個英數字，單位信箱代碼是 17 個；單位信箱隨登錄資料（registration）加入。";
    "center-bad-network" "不是 IP 位址或網段" "請寫成 203.0.113.7 或 203.0.113.0/24；IPv6 亦可。";
    "center-stale-entry" "登錄資料的編號沒有增加" "已有相同或較新的登錄資料；請會員以較大的編號重製，再由註冊單位副署。";
    "center-import" "匯入檔有一列不能用" "請修正該列後再匯入；重複匯入同一會員不會出錯。";
    "center-revocation" "憑證廢止資料的資料夾不能用" "請檢查資料夾 data/revocation 的權限與磁碟空間。";
    "center-task" "內部工作意外中止" "請再試一次；若一再發生，請保留紀錄檔並回報。";
    "backup-exists" "備份的目的地已經存在，不覆寫" "請換一個資料夾名稱（例如加上日期），或先移走既有的資料夾。";
    "backup-running" "另一個備份正在寫同一個資料夾" "請等它完成；若確定沒有其他備份在執行，再試一次。";
    "backup-none" "這個資料夾不是完成的備份（沒有 manifest.json）" "請核對路徑；名稱結尾是 .partial 者是中斷的備份，不能還原。";
    "backup-damaged" "備份裡的檔案與當時寫下的不符" "請改用另一份備份，並檢查存放備份的磁碟或傳輸方式。";
    "backup-newer" "備份是較新版本的程式做的" "請安裝相同或更新的版本再還原。";
    "backup-other" "這是別的交換中心或別種程式的備份" "請核對備份資料夾與設定檔的 code。";
    "backup-full" "存放的磁碟空間不足" "請清出空間後再執行一次；沒有完成的備份會自動移除。";
    "backup-failed" "檔案無法讀寫" "請檢查路徑、擁有者與權限；請以執行服務的帳號執行。";
    "restore-not-empty" "要放回的資料夾不是空的" "請先停止服務，把原來的 data 資料夾整個改名保留，再還原。";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_words_and_no_words_are_left_over() {
        for (label, _) in crate::LABELS {
            assert!(of(label).is_some(), "{label}");
        }
        assert_eq!(WORDS.len(), crate::LABELS.len());
    }
}
