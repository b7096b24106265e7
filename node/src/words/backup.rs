//! Words for the labels of `backup` and `restore`.

use super::{Words, w};

pub(super) const WORDS: &[Words] = &[
    w(
        "backup-exists",
        "備份的目的地已經存在，不覆寫",
        "換一個資料夾名稱（例如加上日期），或先移走既有的資料夾",
    ),
    w("backup-running", "另一個備份正在寫同一個資料夾", "等它完成；若確定沒有其他備份在執行，再試一次"),
    w(
        "backup-none",
        "這個資料夾不是完成的備份（沒有 manifest.json）",
        "核對路徑；名稱結尾是 .partial 者是中斷的備份，不能還原",
    ),
    w("backup-damaged", "備份裡的檔案與當時寫下的不符", "改用另一份備份；檢查存放備份的磁碟或傳輸方式"),
    w("backup-newer", "備份是較新版本的程式做的", "請安裝相同或更新的版本再還原"),
    w("backup-other", "這是別的機關或別種程式的備份", "核對備份資料夾與設定檔的機關代碼（party.code）"),
    w("backup-full", "存放的磁碟空間不足", "清出空間後再執行一次；沒有完成的備份會自動移除"),
    w("backup-failed", "檔案無法讀寫", "檢查路徑、擁有者與權限；請以執行服務的帳號執行"),
    w("backup-moving", "備份時公文一直在變動", "稍後再執行一次，或在收發較少的時段備份"),
    w(
        "restore-not-empty",
        "要放回的資料夾不是空的",
        "先停止服務，把原來的 state 與 work 資料夾整個改名保留，再還原",
    ),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_label_has_words() {
        let labels = backup::LABELS.iter().map(|(l, _)| *l).chain([crate::backup::MOVING]);
        super::super::assert_complete(super::WORDS, labels);
    }
}
