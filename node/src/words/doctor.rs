//! Words for the labels of `doctor`.

use super::{Words, w};

pub(super) const WORDS: &[Words] = &[
    w(
        "doctor-no-config",
        "沒有設定檔，未檢測",
        "以 di-node setup 產生設定檔，或以 --config 指定設定檔的位置",
    ),
    w(
        "doctor-no-module",
        "沒有指定卡片的 PKCS#11 程式庫",
        "安裝卡片廠商的程式庫，以 --module 指定其絕對路徑（或寫在設定檔 [card] 的 module）",
    ),
    w("doctor-file-keys", "使用金鑰檔，不使用卡片", "不需處理；要檢測卡片請加 --module"),
    w(
        "doctor-pin-not-asked",
        "未要求檢測",
        "加上 --pin 再執行一次，會登入卡片一次；PIN 碼若錯誤會用去一次機會",
    ),
    w("doctor-service-down", "服務未執行", "以 di-node run 或 systemctl start di-node 啟動"),
    w("doctor-reader-unused", "這個程式庫不經 PC/SC 讀卡機", "不需處理"),
    w("doctor-disk-low", "磁碟空間即將用盡", "清出空間或擴充磁碟；空間不足時收發會暫停，公文不會遺失"),
    w(
        "doctor-quic-blocked",
        "UDP 不通，目前可改走 TCP",
        "請網管開放對交換中心該連接埠的 UDP；若網路不允許，在設定檔寫 center.transport = \"tcp\"",
    ),
    w(
        "doctor-tcp-blocked",
        "TCP 不通，目前可走 QUIC（UDP）",
        "請網管開放對交換中心該連接埠的 TCP；若網路不允許，在設定檔寫 center.transport = \"quic\"",
    ),
    w("doctor-one-carrier", "設定檔 center.transport 指定不用這種方式", "不需處理"),
    w(
        "doctor-revocation-off",
        "設定檔 revocation.mode 為 off，不檢查憑證廢止",
        "除非在測試環境，請刪去這個設定",
    ),
    w("doctor-revocation-none", "還沒有查過任何憑證", "不需處理；服務收發公文時會自動下載"),
    w("doctor-not-built", "本版尚未提供", "不需處理"),
    w(
        "certificate-expires-soon",
        "憑證即將到期",
        "儘早向憑證管理中心申請換發；到期後不能發文，新憑證須重新登記，舊卡請保留以開啟舊公文",
    ),
    w(
        "doctor-card-expired",
        "卡片或金鑰檔的憑證已過期",
        "向憑證管理中心申請換發，新憑證向註冊單位登記後換用；舊卡請保留，以開啟先前的公文",
    ),
    w("doctor-folder-unwritable", "資料夾無法寫入", "檢查資料夾的擁有者與權限；請以執行服務的帳號檢測"),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_label_has_words() {
        super::super::assert_complete(super::WORDS, crate::doctor::LABELS.iter().copied());
    }
}
