//! Words for the labels of `envelope`.

use super::{Words, w};

pub(super) const WORDS: &[Words] = &[
    w("not-der", "密碼資料的編碼不正確", "請對方以原檔重送；若是自己的檔案，確認沒有被改動或截斷"),
    w("envelope-too-large", "內容的大小或數量超過上限", "減少附件或請對方分件；上限可在設定檔 limits 調整"),
    w("bad-value", "資料中有本版本不接受的值", "請對方更新程式後重送"),
    w("container-malformed", "簽章容器的結構不合規定", "請對方以原檔重送；勿以壓縮軟體重新打包"),
    w("container-duplicate-entry", "簽章容器內有同名檔案", "請對方改正檔名後重送"),
    w("container-unlisted-entry", "簽章容器內的檔案與簽署清單不一致", "內容可能遭增刪，不得採用；請對方重送"),
    w("container-bad-name", "簽章容器內有不可接受的檔名", "請對方改用單純檔名（不含路徑與控制字元）後重送"),
    w("container-digest-mismatch", "檔案內容與簽署時不同", "內容可能遭竄改，不得採用；請對方重送"),
    w("exchange-malformed", "交換資訊檔的格式不正確", "請對方更新程式後重送"),
    w("exchange-contradiction", "交換資訊與容器內的檔案不符", "不得採用；請對方重送"),
    w("signer-count", "簽章者不是恰好一位", "請對方以單一機關憑證簽章後重送"),
    w("signed-attributes-missing", "簽章缺少必要的簽署屬性", "此簽章不可採信；請對方更新程式後重送"),
    w("signed-attributes-wrong", "簽章的簽署屬性不正確", "此簽章不可採信；請對方更新程式後重送"),
    w("wrong-content-type", "簽章的用途不符", "此簽章是為別的用途所作，不可採信；請對方重送"),
    w("signing-certificate-missing", "簽章沒有指明所用的憑證", "此簽章不可採信；請對方更新程式後重送"),
    w("signing-certificate-mismatch", "簽章所指的憑證與實際使用的不同", "此簽章不可採信；請對方重送"),
    w("wrong-algorithm", "使用了不接受的演算法", "須為 SHA-256 與 RSA；請對方更新程式或換發憑證"),
    w("content-digest-mismatch", "簽章所涵蓋的內容與檔案不符", "內容可能遭竄改，不得採用；請對方重送"),
    w("signature-invalid", "簽章驗證不符", "內容可能遭竄改，不得採用；請對方重送"),
    w("wrong-signer", "簽章者不是應簽章的機關", "不得採用；向對方機關查證後請其重送"),
    w("certificate-malformed", "憑證檔無法解讀", "確認是 PEM 或 DER 格式的憑證檔"),
    w(
        "untrusted",
        "憑證無法串接到信任的根憑證",
        "確認設定檔的信任錨點（anchors）為正確的憑證管理中心憑證；對方憑證須由其簽發",
    ),
    w("certificate-expired", "憑證已過期", "由憑證所屬機關換發憑證，登記後重送"),
    w("certificate-not-yet-valid", "憑證尚未生效", "確認本機時間正確；等憑證生效後再試"),
    w(
        "certificate-held",
        "憑證暫時停用，可能復用",
        "復用後會自動繼續；急件請改以紙本，或請憑證所屬機關向憑證管理中心查明",
    ),
    w(
        "status-address-missing",
        "憑證沒有載明查詢廢止狀態的位址",
        "設定檔 revocation.without-address 設為 accept 即採信這類憑證",
    ),
    w("crl-malformed", "廢止清冊（CRL）不完整或格式不正確", "會自動再試；若持續發生，通知憑證管理中心"),
    w("crl-too-large", "廢止清冊（CRL）超過大小上限", "確認無誤後調高設定檔 revocation.max-size"),
    w("crl-delta", "取得的是差異廢止清冊，不採用", "會改用其他位址並自動再試；若持續發生，通知憑證管理中心"),
    w(
        "crl-indirect",
        "取得的是間接廢止清冊，不採用",
        "會改用其他位址並自動再試；若持續發生，通知憑證管理中心",
    ),
    w("crl-unknown-critical", "廢止清冊（CRL）含有本版本不認得的必要延伸", "更新程式；在此之前無法據以判定"),
    w(
        "crl-wrong-issuer",
        "廢止清冊（CRL）不是這個憑證的簽發者所發",
        "會自動再試；若持續發生，檢查信任錨點與網路代理",
    ),
    w(
        "crl-signature-invalid",
        "廢止資料的簽章驗證不符",
        "不採用並自動再試；若持續發生，網路上可能有人竄改，請查明",
    ),
    w("crl-out-of-scope", "廢止清冊（CRL）不涵蓋這張憑證", "會改用其他位址並自動再試"),
    w("crl-from-future", "廢止資料的發布時間晚於現在", "確認本機時間正確"),
    w("crl-stale", "廢止資料已過其下次更新的時間", "會自動再試；若持續發生，通知憑證管理中心"),
    w("crl-set-back", "取得的廢止清冊比先前的舊", "不採用並自動再試；若持續發生，檢查網路代理的快取"),
    w("ocsp-malformed", "線上狀態查詢（OCSP）的回答格式不正確", "會自動再試；若持續發生，通知憑證管理中心"),
    w("ocsp-refused", "線上狀態查詢（OCSP）的主機不予回答", "會自動再試；若持續發生，通知憑證管理中心"),
    w(
        "ocsp-wrong-signer",
        "線上狀態查詢（OCSP）的回答者沒有資格回答",
        "不採用並自動再試；若持續發生，網路上可能有人竄改，請查明",
    ),
    w("ocsp-other-question", "線上狀態查詢（OCSP）的回答與所問不符", "不採用並自動再試"),
    // why an answer of an authority did not come
    w(
        "status-address-refused",
        "憑證所載的查詢位址不是 http 位址",
        "只查 http 位址；若憑證只有 https 位址，請回報",
    ),
    w(
        "status-address-internal",
        "憑證所載的查詢位址在內部網路",
        "確認該位址可信後，把設定檔 revocation.internal-addresses 設為 true",
    ),
    w(
        "status-host-unreachable",
        "連不上憑證管理中心的查詢主機",
        "檢查對外網路（HTTP，通常為連接埠 80）與設定檔 revocation.proxy",
    ),
    w(
        "status-host-slow",
        "憑證管理中心的查詢主機過慢",
        "會自動再試；廢止清冊很大時可調高設定檔 revocation.timeout",
    ),
    w(
        "status-http-failed",
        "與查詢主機的連線中斷或不是 HTTP",
        "會自動再試；若持續發生，檢查網路代理與防火牆",
    ),
    w("status-http-status", "查詢主機回答錯誤代碼", "會自動再試；若持續發生，通知憑證管理中心"),
    w("status-redirects", "查詢主機不斷轉址", "會自動再試；若持續發生，通知憑證管理中心"),
    w("status-folder-failed", "廢止資料無法寫入狀態資料夾", "檢查 state/revocation 的權限與磁碟空間"),
    w("status-task-failed", "查詢作業異常中止", "會自動再試；若持續發生，請附上紀錄回報"),
    w("wrong-usage", "憑證的用途不允許這樣使用", "簽章須用簽章憑證、加密須用加密憑證；檢查是否放反"),
    w("weak-key", "金鑰強度不足或種類不符", "須為 2048 位元以上的 RSA；請換發憑證"),
    w("issuer-not-ca", "簽發憑證者沒有簽發的資格", "憑證不可採信；向憑證管理中心查證"),
    w("sealed-malformed", "密文格式不正確", "請對方重送；若持續發生，請對方更新程式"),
    w("not-for-us", "密文不是加密給本機關的", "請對方確認收文機關與憑證後重送"),
    w(
        "unreadable",
        "密文無法以本機關的金鑰解開",
        "確認加密金鑰是目前（或換發前）的那一把；請對方確認憑證後重送",
    ),
    w("login-refused", "登入憑證聲明不被接受", "確認本機時間與機關代碼；重新啟動服務以重新登入"),
    w("entry-contradiction", "地址簿登記資料前後不符", "該機關須重新登記；在此之前不會送件給它"),
    w("receipt-contradiction", "回條內容前後不符", "回條不可採信，已保留備查；向交換中心或對方查證"),
    w("key-absent", "金鑰不在（卡片未插入，或金鑰檔不見）", "插入卡片或放回金鑰檔後會自動繼續"),
    w("key-pin-needed", "金鑰需要 PIN 碼", "依手冊提供 PIN 碼；程式不會自行反覆嘗試"),
    w("key-broken", "金鑰裝置暫時失靈", "程式會自動重試；若持續發生，重新插卡或更換讀卡機"),
    w("key-refused", "金鑰裝置拒絕這項作業", "確認卡片未鎖卡、未廢止，且金鑰用途正確"),
    w("key-unusable", "金鑰不能用於這項作業", "確認是 2048 位元以上的 RSA 金鑰且用途正確"),
    w("key-file-unreadable", "金鑰檔無法讀取", "須為 PKCS#8（PEM 或 DER）或 PKCS#12；檢查路徑與權限"),
    w("key-passphrase-needed", "金鑰檔有密碼保護，但沒有提供密碼", "在設定檔指定密碼檔（passphrase-file）"),
    w("key-passphrase-wrong", "金鑰檔的密碼不正確", "更正密碼檔的內容；注意大小寫與行末空白"),
    w("key-mismatch", "私密金鑰與憑證不是一對", "檢查是否把簽章與加密的檔案放反，或憑證已換發"),
    w("recipient-unusable", "無法加密給這個收文機關的憑證", "請對方登記可用的加密憑證；在此之前改以紙本補送"),
    w("file-changed", "檔案在讀取途中被改動", "等檔案寫完並關閉後，重新放入資料夾"),
    w("envelope-argument", "資料無法寫成簽章容器", "檢查檔名與欄位是否過長或含有不可用的字元"),
    w("envelope-io", "讀寫檔案失敗", "程式會自動重試；若持續發生，檢查磁碟空間與權限"),
    w("no-random", "作業系統無法提供亂數", "程式會自動重試；若持續發生，檢查作業系統"),
    // why a link of the evidence is not ✓
    w("receipt-missing", "沒有回條", "尚未收到，或沒有附上；以較新的證據檔再驗證"),
    w("certificate-missing", "缺少所需的憑證", "請以較新的證據檔再驗證"),
    w(
        "anchor-missing",
        "沒有信任錨點，無法判定",
        "以 --anchors、--center-receipt-cert、--registrar-anchors 指定，或以 --config 指定設定檔",
    ),
    w("not-examined", "前一項不成立，未檢查", "先排除前一項的問題"),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_label_has_words() {
        super::super::assert_complete(
            super::WORDS,
            envelope::LABELS.iter().chain(revocation::LABELS).map(|(l, _)| *l),
        );
    }
}
