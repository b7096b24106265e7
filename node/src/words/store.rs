//! Words for the labels of `store`.

use super::{Words, w};

pub(super) const WORDS: &[Words] = &[
    w(
        "already-running",
        "已有另一個程式在使用這個狀態資料夾",
        "同一個狀態資料夾只能執行一個節點；先停止另一個，再重新啟動",
    ),
    w("database-newer", "資料庫是較新版本的程式寫的", "請安裝相同或更新的版本；不可用舊版開啟"),
    w(
        "database-damaged",
        "資料庫或其歷程鏈已損壞",
        "停止服務，保留整個狀態資料夾，改用最近的備份還原；檢查磁碟",
    ),
    w("database-failed", "資料庫作業失敗", "程式會自動重試；若持續發生，檢查磁碟空間、權限與系統紀錄"),
    w("disk-failed", "磁碟唯讀或寫入失敗", "請檢查磁碟與掛載狀態（dmesg）；恢復可寫後會自動繼續"),
    w("disk-full", "磁碟空間不足", "清出空間後會自動繼續；請勿刪除 state 與 archive 內的檔案"),
    w(
        "state-folder",
        "狀態資料夾無法建立、鎖定或寫入",
        "檢查資料夾是否存在、擁有者與權限是否為執行服務的帳號",
    ),
    w("spool-failed", "暫存內容檔無法讀寫", "程式會自動重試；若持續發生，檢查磁碟與權限"),
    w(
        "spool-missing",
        "暫存內容檔不見了",
        "檔案可能被人移除；由交換中心重新取得或重新送件，並查明是誰動了 state 資料夾",
    ),
    w("state-moved", "該公文的狀態已被另一項作業改變", "重新查看狀態後再決定"),
    w("not-found", "查無此公文", "以 di-node status 查公文識別碼；較早的公文請加 --since"),
    w("id-taken", "已有相同識別碼的公文", "請勿複製 state 或 work 資料夾的內容；重新放入原始檔案"),
    w("bad-request", "這項要求自相矛盾，無法記錄", "請附上代號與當時的操作回報"),
    w("store-closed", "服務正在停止", "等服務重新啟動後再試"),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_label_has_words() {
        super::super::assert_complete(super::WORDS, store::LABELS.iter().map(|(l, _)| *l));
    }
}
