//! Words for the labels of the node itself: intake, flow, its steps, and its start.

use super::{Words, w};

pub(super) const WORDS: &[Words] = &[
    // held
    w(
        "duplicate",
        "同樣的內容先前已放入過（疑似重複）",
        "查看先前那件；確定要再送一次用 di-node release，不送則用 di-node abandon",
    ),
    w("held", "承辦人暫停處理", "以 di-node release 放行，或以 di-node abandon 放棄"),
    w("abandoned", "承辦人放棄送件", "需要時重新放入原始檔案"),
    // told after a line was final
    w(
        "misdirected",
        "對方通知：這件公文不是給該機關的（誤送）",
        "查明應送的機關，以新的一件發送；處理後以 di-node settle 登錄",
    ),
    w(
        "incomplete",
        "對方通知：公文的內容或附件有錯漏",
        "與對方聯絡，更正後以新的一件發送；處理後以 di-node settle 登錄",
    ),
    w(
        "late-confirmed",
        "已改以其他方式處理或被退回之後，對方才使用者確認",
        "對方可能有兩份（電子與紙本），請告知對方；處理後以 di-node settle 登錄",
    ),
    w(
        "late-returned",
        "已改以其他方式處理之後，對方才使用者退文",
        "確認紙本已送達；處理後以 di-node settle 登錄",
    ),
    w("returned-by-person", "收文機關的承辦人退回這件公文", "與對方聯絡；改正後重送或補送紙本"),
    // waits
    w("waits-for-key", "等候金鑰或卡片", "插入卡片或放回金鑰檔後會自動繼續"),
    w("waits-for-link", "等候與交換中心連線", "檢查網路；恢復後會自動繼續，公文不會遺失"),
    w(
        "waits-for-disk",
        "等候磁碟（空間不足或不能寫入）",
        "清出空間或恢復可寫後會自動繼續；請勿刪除 state 與 archive 內的檔案",
    ),
    w(
        "waits-for-clock",
        "本機時間與交換中心相差過大",
        "校正本機時間（NTP）後會自動繼續；在此之前不簽章也不退文",
    ),
    w("waits-for-scanner", "等候掃描程式", "檢查設定檔 scan.command；恢復後會自動繼續，未掃描者不歸檔"),
    w("waits-for-permission", "沒有發文權限", "向交換中心申請發文權限，或取消設定檔的 receive-only"),
    w("waits-for-trust", "憑證或地址簿資料尚不足以判定", "檢查與交換中心的連線及信任錨點；補齊後會自動繼續"),
    w(
        "waits-for-certificate",
        "本機關的簽章憑證目前不能使用，暫停發文",
        "換發或更換憑證（卡片）後會自動繼續；收文不受影響",
    ),
    w(
        "own-certificate-expired",
        "本機關的簽章憑證已過期，暫停發文",
        "換發憑證（卡片）並重新登記後會自動繼續；收文不受影響",
    ),
    w(
        "own-certificate-not-yet-valid",
        "本機關的簽章憑證尚未生效，暫停發文",
        "確認本機時間正確；憑證生效後會自動繼續",
    ),
    w(
        "own-certificate-revoked",
        "本機關的簽章憑證已廢止，停止發文",
        "若非貴機關申請，立即聯絡憑證管理中心；換發並重新登記後會自動繼續",
    ),
    w(
        "own-certificate-held",
        "本機關的簽章憑證暫時停用，暫停發文",
        "向憑證管理中心申請復用；復用後會自動繼續",
    ),
    w(
        "own-certificate-unusable",
        "本機關的簽章憑證無法串接到信任的根憑證，或不是簽章用",
        "檢查設定檔 keys.sign 與 trust.anchors；更正後重新啟動",
    ),
    w(
        "died-three-times",
        "程式處理這件公文時三度異常中止，已隔離",
        "保留原檔並附上代號回報；查明後再重新處理",
    ),
    // what is to be sent
    w("no-recipient", "公文沒有指明電子收文機關", "附上交換表單（SW），或以分繕方式寫明受文者與機關代碼"),
    w("too-many-recipients", "收受者超過上限", "分成數件發送；上限可在設定檔 limits.recipients 調整"),
    w(
        "document-too-large",
        "全部檔案超過大小上限",
        "減少附件或改用其他方式提供；上限可在設定檔 limits.document 調整",
    ),
    w("sender-not-ours", "發文機關不是本機關", "確認放對資料夾；更正 DI 的發文機關代碼"),
    w(
        "companion-missing",
        "公文所指的檔案不在旁邊",
        "把檔案放在 DI 旁邊或其下的 Attch 資料夾；放入發文資料夾時缺檔不會送出",
    ),
    w(
        "breaches-official-dtd",
        "公文不合官方 DTD，而設定要求嚴格檢查",
        "依 di-node lint 的說明改正，或把設定檔 outgoing 改為 tolerant",
    ),
    w("unit-mixed-up", "本文與交換表單的檔案放反或種類不對", "DI 須是公文本文，SW 須是交換表單"),
    w("unit-file-unreadable", "公文的檔案無法讀取", "檢查磁碟與權限後重新放入"),
    w("secret-not-electronic", "密件不得以電子交換傳送", "改以紙本依機密文書規定辦理"),
    w(
        "recipients-not-addressable",
        "有收文機關無法以電子方式送達",
        "核對列出的代碼；查無或停用者改以紙本寄送，更正後重新放入",
    ),
    w("directory-entry-untrusted", "收文機關的地址簿登記無法驗證", "不會送出；向交換中心與註冊單位查證"),
    w("directory-entry-set-back", "收文機關的地址簿登記被退回舊版", "不會送出；向交換中心與註冊單位查證"),
    w("container-gone", "重送所需的簽章容器已不在", "請重新放入原始檔案，以新的一件發送"),
    w(
        "center-receipt-invalid",
        "交換中心的回條無法驗證",
        "確認設定檔 center.receipt-certificate；向交換中心查證",
    ),
    w("outcome-invalid", "收到的回條無法驗證或與所送不符", "回條不採信但已保留；向對方或交換中心查證"),
    // the link
    w("link-connecting", "正在連線", "稍候；若一直如此，檢查網路與設定檔 center.address"),
    w(
        "own-entry-missing",
        "交換中心的地址簿沒有本機關的登記",
        "向註冊單位申請登記（di-node setup --entry-out 產生登記檔）；登記前別人無法送件給本機關",
    ),
    w(
        "own-entry-other-key",
        "地址簿登記的憑證不是本機關目前使用的",
        "若已換發憑證，以較大的號次重新登記；若不是本機關所為，立即通知註冊單位與交換中心",
    ),
    w("clock-skew", "本機時間與交換中心相差過大", "校正本機時間（NTP）；在此之前不簽章，也不以時間為由退文"),
    w("link-stopped", "服務正在停止", "等服務重新啟動"),
    // what arrives
    w("sealed-mismatch", "下載的內容與交換中心所列的不符", "程式會重新下載；若持續發生請通知交換中心"),
    w("offer-outdated", "交換中心曾還原，這件公文還沒有再次到達", "不必處理；發文機關的節點補送後會自動下載"),
    w("transport-contradiction", "公文內容與交換中心所列的不符", "已退文；請對方重送"),
    w("wrong-sender", "公文的簽章者不是發文機關", "已退文；向發文機關查證後請其重送"),
    w("not-addressed-to-us", "公文的收文機關不是本機關", "已退文；請對方確認收文機關"),
    w("sender-not-in-directory", "發文機關不在地址簿中", "已暫停；向交換中心查證"),
    w(
        "recipient-key-changed",
        "公文是以本機關的舊憑證加密，已無金鑰可解",
        "把舊金鑰加到設定檔 keys.unwrap，或請對方以新憑證重送",
    ),
    w("scan-refused", "掃描程式判定檔案有害", "檔案已隔離並退文；通知發文機關"),
    w("scanner-down", "掃描程式沒有結果", "檢查掃描程式；恢復後會自動繼續"),
    w("archive-failed", "歸檔或收文資料夾無法寫入", "檢查磁碟空間與權限；恢復後會自動繼續，不會重複收文"),
    w("delivery-name", "歸檔位置的名稱不正確", "檢查歸檔與收文資料夾是否被人改動；保留現狀並附上代號回報"),
    w(
        "note-failed",
        "sent 或 failed 資料夾的說明檔無法寫入",
        "檢查磁碟空間與權限；公文本身不受影響，程式會自動再寫",
    ),
    // start
    w("file-unreadable", "設定檔所指的檔案無法讀取", "檢查路徑與權限；以 di-node config check 逐項檢查"),
    w("config-lacks", "設定不完整", "以 di-node config check 查看缺少哪一項"),
    w("folder-unusable", "資料夾無法建立或寫入", "檢查擁有者與權限是否為執行服務的帳號"),
    w("work-apart-from-drop", "drop 與 work 不在同一個檔案系統", "把兩者放在同一個磁碟分割"),
    w("drop-folder", "發文資料夾無法使用", "檢查資料夾是否存在、權限與網路磁碟是否連線"),
    w("work-elsewhere", "drop 與 work 不在同一個檔案系統（無法改名移動）", "把兩者放在同一個磁碟分割"),
    w(
        "drop-file",
        "發文資料夾內的檔案無法讀取或移動",
        "檢查權限，並確認沒有其他程式開著該檔；程式會自動再試",
    ),
    w("internal-panic", "程式內部發生錯誤", "程式會再試；請附上代號與紀錄檔回報"),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_label_has_words() {
        let flow = crate::flow::LABELS.iter().copied();
        let act = crate::act::LABELS.iter().copied();
        let start = crate::LABELS.iter().copied();
        let link = crate::link::LABELS.iter().copied();
        let archive = crate::archive::LABELS.iter().map(|(l, _)| *l);
        let note = crate::note::LABELS.iter().map(|(l, _)| *l);
        let intake = crate::intake::LABELS.iter().map(|(l, _)| *l);
        super::super::assert_complete(
            super::WORDS,
            flow.chain(act).chain(start).chain(intake).chain(link).chain(archive).chain(note).chain([
                store::DUPLICATE,
                store::HELD,
                store::MISDIRECTED,
                store::INCOMPLETE,
                "abandoned",
                "late-confirmed",
                "late-returned",
            ]),
        );
    }
}
