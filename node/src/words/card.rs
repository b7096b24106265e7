//! Words for the labels of `card`: how the card stands, why its PIN is not tried, what went wrong.

use super::{Words, w};

pub(super) const WORDS: &[Words] = &[
    // how it stands
    w("card-starting", "正在讀取卡片", "稍候；若一直如此，以 di-node doctor 檢測"),
    w("card-ready", "卡片可以使用", "不需處理"),
    w("card-helper", "卡片子程序無法啟動", "檢查 di-node 程式檔是否完整、系統的程序數限制；程式會自動再試"),
    w(
        "card-module",
        "卡片的 PKCS#11 程式庫無法使用",
        "確認設定檔 card.module 的路徑、檔案權限與 64 位元版本；重新安裝卡片廠商的程式庫後會自動再試",
    ),
    w(
        "card-no-service",
        "智慧卡服務（pcscd）沒有執行",
        "執行 systemctl enable --now pcscd.socket（未安裝時先 apt install pcscd）；恢復後會自動繼續",
    ),
    w(
        "card-service-refused",
        "智慧卡服務（pcscd）不讓這個帳號使用",
        "依手冊「卡片」一章為執行服務的帳號加上 polkit 規則；恢復後會自動繼續",
    ),
    w(
        "card-no-reader",
        "沒有偵測到讀卡機",
        "確認讀卡機已接上、驅動程式（libccid）已安裝，必要時換一個 USB 插槽；接好後會自動繼續",
    ),
    w(
        "card-reader-missing",
        "設定檔指定的讀卡機不在",
        "接上該讀卡機，或更正設定檔 card.pcsc 的名稱（di-node card list 可看目前的讀卡機）",
    ),
    w("card-absent", "讀卡機內沒有卡片", "插入卡片後會自動繼續，公文不會遺失"),
    w(
        "card-mute",
        "讀卡機內的卡片沒有反應",
        "確認晶片朝讀卡機的接點、方向正確，擦拭晶片後重插；仍無反應請換讀卡機或換卡",
    ),
    w(
        "card-unknown",
        "讀卡機內有卡片，但程式庫不認得它",
        "確認是 XCA 卡（組織及團體憑證）、已開卡，且程式庫是這種卡片的；卡片插反時也會如此",
    ),
    w(
        "card-other",
        "插著的卡片不是設定檔指定的那一張",
        "插入正確的卡片，或更正設定檔 card.label、card.serial（di-node card list 可看插著哪一張）",
    ),
    w(
        "card-ambiguous",
        "插著好幾張可用的卡片，不知該用哪一張",
        "在設定檔寫 card.serial 指定卡號（di-node card list 可看），或只留一張",
    ),
    w(
        "card-keys",
        "卡片上沒有可用的簽章與加密憑證",
        "確認卡片已開卡、憑證未被刪除（di-node card certs 可看卡上的憑證）；仍不行請洽憑證管理中心",
    ),
    w("card-wrong", "插著的不是本機關登記的卡片", "換上本機關向交換中心登記的卡片；若是新卡，須先重新登記"),
    w(
        "card-pin-needed",
        "卡片等候輸入 PIN 碼",
        "以 di-node card retry --pin 輸入，或依手冊設定 PIN 碼來源後重新啟動服務",
    ),
    w(
        "card-broken",
        "卡片或其程式庫發生錯誤",
        "程式會自動再試；若持續發生，重插卡片、換讀卡機，或以 di-node doctor 檢測",
    ),
    // PIN: where it comes from
    w(
        "pin-unreadable",
        "PIN 碼的來源無法讀取",
        "檢查設定檔 card.pin-… 所指的憑據或檔案與其權限；更正後會自動再試",
    ),
    w(
        "pin-not-private",
        "PIN 碼檔案的權限太寬",
        "把檔案改為執行服務的帳號（或 root）所有、權限 0600；更正後會自動再試",
    ),
    w(
        "pin-malformed",
        "PIN 碼的來源內容不正確",
        "檔案只能有一行 PIN 碼，不可空白；更正後會自動再試，不會用去機會",
    ),
    w(
        "pin-length",
        "PIN 碼的長度不合",
        "這張卡片的 PIN 碼長度不同（XCA 卡為 6 到 8 碼）；更正後會自動再試，不會用去機會",
    ),
    w("pin-cancelled", "沒有輸入 PIN 碼", "需要時以 di-node card retry --pin 再輸入"),
    // PIN: the guard
    w(
        "pin-stopped",
        "PIN 碼上次沒有通過，已停止嘗試以免鎖卡",
        "先確認 PIN 碼正確並更新來源，再以 di-node card retry 允許再試一次",
    ),
    w(
        "pin-tries-spent",
        "PIN 碼已連續兩次沒有通過，再錯一次就會鎖卡",
        "先在卡片廠商的工具確認 PIN 碼；確定正確後才用 di-node card retry --force 再試一次",
    ),
    w(
        "pin-last-try",
        "卡片只剩最後一次 PIN 碼機會",
        "先在卡片廠商的工具確認 PIN 碼；確定正確後才用 di-node card retry --force，錯了就會鎖卡",
    ),
    w(
        "pin-locked",
        "卡片已鎖卡",
        "由持卡人以用戶代碼在憑證管理中心的網站解鎖並設定新的 PIN 碼，之後執行 di-node card retry --unlocked",
    ),
    w("pin-busy", "另一個程式正在試這張卡片的 PIN 碼", "稍候會自動再試"),
    w("pin-wrong", "PIN 碼錯誤", "更正 PIN 碼的來源後，以 di-node card retry 允許再試一次；連錯三次會鎖卡"),
    w(
        "pin-unclear",
        "登入卡片時沒有得到明確的答覆，以一次失敗計",
        "確認卡片與讀卡機正常後，以 di-node card retry 允許再試一次",
    ),
    w(
        "guard-damaged",
        "PIN 碼嘗試紀錄損毀，為免鎖卡不再嘗試",
        "確認 PIN 碼正確後，以 di-node card retry --force 允許再試一次",
    ),
    w(
        "guard-unwritable",
        "PIN 碼嘗試紀錄無法讀寫，為免鎖卡不嘗試",
        "檢查狀態資料夾 card 的擁有者、權限與磁碟空間",
    ),
    // what went wrong
    w(
        "card-deadline",
        "卡片沒有在時限內回應",
        "程式會重新啟動卡片子程序並再試；若持續發生，重插卡片或換讀卡機",
    ),
    w(
        "card-helper-died",
        "卡片的程式庫異常中止",
        "程式會自動重新載入並再試；若持續發生，更新卡片廠商的程式庫",
    ),
    w("card-helper-answer", "卡片子程序的回應無法解讀", "程式會自動重新啟動它；升級程式後請重新啟動服務"),
    w(
        "card-failed",
        "卡片的作業失敗",
        "程式會自動再試；若持續發生，重插卡片，或以 di-node doctor --pin 檢測",
    ),
    w("card-refused", "卡片解不開這段密文", "密文不是加密給這張卡片的；舊卡請保留以開啟舊公文"),
    w(
        "card-unusable",
        "卡片的金鑰不能用於這項作業",
        "確認是 2048 位元以上的 RSA 憑證，且程式庫支援 RSA 簽章與解密",
    ),
    w("card-busy", "等候卡片的作業太多", "程式會自動再試"),
    w("card-closed", "卡片已停用（服務正在停止）", "等服務重新啟動"),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_label_has_words() {
        let all = [card::LABELS, card::presence::LABELS, card::guard::LABELS, card::pin::LABELS];
        let mut labels: Vec<&str> = all.into_iter().flatten().map(|(label, _)| *label).collect();
        labels.sort_unstable();
        labels.dedup();
        super::super::assert_complete(super::WORDS, labels);
    }
}
