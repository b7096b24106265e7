//! Words for the labels of `di-format`: the sentence for a problem is made from what was found and what was expected.

mod said;

use super::{Words, w};
pub use said::sentence;

pub(super) const WORDS: &[Words] = &[
    // bytes
    w("too-large", "檔案超過大小上限", "減少內容或分件；上限可在設定檔 limits 調整，交換中心另有其上限"),
    w("not-xml", "檔案不是 XML", "確認放入的是 DI／SW 檔；這種檔案只能當附件"),
    w(
        "encoding",
        "檔案既不是 UTF-8 也不是 CP950（Big5）",
        "以 UTF-8 重新存檔；若在檔案結尾，檔案可能被截斷，請重新產生",
    ),
    w("encoding-unsupported", "檔案以 UTF-8 以外的 Unicode 編碼存檔", "以 UTF-8 重新存檔"),
    w("encoding-declared", "宣告的編碼與實際不符", "把 XML 宣告的 encoding 改成實際的編碼；仍可讀取"),
    // well-formedness and limits
    w("malformed", "不是格式正確的 XML", "依行號、欄位檢查標籤是否成對、符號是否跳脫（& 寫成 &amp;）"),
    w("character", "含有 XML 不允許的字元", "移除該控制字元；常因由其他程式複製貼上而來"),
    w("too-deep", "元素巢狀層數超過上限", "減少條列的層數"),
    w("too-many", "元素、屬性或實體的數量超過上限", "減少內容或分件"),
    w("name-too-long", "名稱過長", "縮短元素、屬性或實體的名稱"),
    // prolog
    w(
        "doctype-missing",
        "缺少 DOCTYPE 宣告",
        "在 XML 宣告之後加上文別的 DOCTYPE，例如 <!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\">",
    ),
    w("doctype-form", "DOCTYPE 內含有不接受的宣告", "內部子集只可有 NDATA 實體與 NOTATION；移除其餘宣告"),
    w("doctype-root", "DOCTYPE 宣告的文別與根元素不同", "讓 DOCTYPE 的名稱與根元素一致"),
    w("dtd-name", "DTD 檔名不是這個文別的", "改為該文別的 DTD 檔名；文別以根元素為準，仍可讀取"),
    w("dtd-name-case", "DTD 檔名的大小寫不同", "改為規定的大小寫；仍可讀取"),
    w(
        "root-unknown",
        "不是公文本文檔（DI）或交換表單（SW）",
        "確認放入的是 DI／SW 檔；其他檔案不能當公文交換",
    ),
    w("entity-repeated", "實體重複宣告", "移除重複的 ENTITY 宣告"),
    w("notation-repeated", "符號（NOTATION）重複宣告", "移除重複的 NOTATION 宣告"),
    w(
        "notation-undeclared",
        "實體所用的符號（NOTATION）沒有宣告",
        "在 DOCTYPE 內加上 <!NOTATION 符號 SYSTEM \"\">",
    ),
    w("file-name", "實體所指的檔名不可接受", "改用單純檔名：不含路徑、磁碟代號與控制字元"),
    w(
        "entity-reference",
        "內文引用了實體",
        "把實體引用改寫成文字；只允許 &lt; &gt; &amp; &quot; &apos; 與字元編號",
    ),
    // structure
    w("element-undeclared", "文別沒有這個元素", "移除或更正元素名稱"),
    w("element-unexpected", "元素不可放在這裡", "移到規定的位置，或移除"),
    w("element-order", "元素的順序不對", "移到規定的位置（di-node dtd 可印出順序）；仍可讀取"),
    w("element-repeated", "元素重複出現", "只保留一個"),
    w("element-missing", "缺少必要的元素", "補上該元素"),
    w("element-extra", "結尾多出元素", "移除多出的元素；可照常收送，其內容不處理"),
    w("text-unexpected", "不應有文字的地方出現文字", "把文字放進規定的元素（例如〈文字〉）"),
    w("content-not-empty", "應為空的元素有內容", "移除其內容；值要寫在屬性，例如 <速別 代碼=\"速件\"/>"),
    w("attribute-undeclared", "元素沒有這個屬性", "移除或更正屬性名稱"),
    w("attribute-missing", "缺少必要的屬性", "補上該屬性"),
    w("attribute-value", "屬性值不在允許的範圍", "改為允許的值"),
    w(
        "entity-undeclared",
        "屬性所指的實體沒有宣告",
        "在 DOCTYPE 內加上 <!ENTITY 名稱 SYSTEM \"檔名\" NDATA 符號>，或更正名稱",
    ),
    // deviations of known producers, accepted
    w("original-empty", "正本沒有內容", "可照常收送；如有受文者請補上"),
    w("original-repeated", "正本出現多次", "可照常收送；已合併處理"),
    w("recipient-text", "直接寫了文字，沒有用元素", "把名稱放進〈全銜〉等元素；可照常讀取，送給誰以代碼為準"),
    w("number-missing", "缺少發文字號", "可照常讀取；請補上字號"),
    w("time-missing", "缺少開會或會勘時間", "可照常讀取；請補上時間"),
    w("address-in-notice", "通知單內有地址欄", "移除地址；可照常讀取"),
    w("classification-text", "密等以純文字書寫", "改寫在屬性，例如 <密等 代碼=\"密\"/>；可照常讀取"),
    w("classification-ordinary", "密等寫為「普通」，本版已無此值", "可照常讀取；一般公文請留空"),
    w("sender-form", "簽的單位寫成機關", "改用〈發文機關〉或〈單位〉；可照常讀取"),
    w(
        "attachment-not-entity",
        "附件名不是實體名稱，而是檔名或以逗號連接",
        "可照常讀取；請改為以空白分隔的實體名稱",
    ),
    w("code-missing", "缺少機關代碼", "補上機關代碼；顯示用的名稱不能代替代碼"),
    w("code-joined", "機關代碼為 17 碼（機關加單位）", "可照常讀取；已拆成 10 碼與 7 碼"),
    w("code-form", "機關代碼不是 10 碼或 17 碼，或單位代碼不是 7 碼", "更正為地址簿上的代碼"),
    w("heading-repeated", "段落文字重複了段名", "可照常讀取；請移除重複的段名"),
    w("date-form", "年月日不是認得的日期寫法", "改寫為「中華民國115年1月2日」的形式；原文照錄，不影響收送"),
    w("date-impossible", "曆法上沒有這一天", "對照原稿更正日期；原文照錄，不影響收送"),
    w("postcode-form", "地址開頭的數字不是 3、5 或 6 碼的郵遞區號", "更正或移除郵遞區號；不影響收送"),
    w(
        "contact-form",
        "聯絡方式的內容與標題不符",
        "更正標題或內容，例如「電子信箱：」後面應為電子郵件地址；不影響收送",
    ),
    w("company-number", "統一編號的檢查碼不符", "對照登記資料更正；這只是提醒，不影響收送"),
    w("roster-empty", "交換表單沒有任何受文者", "補上受文者，或確認是否全部以紙本寄送"),
    w("roster-dangling", "交換表單有不屬於任何受文者的資料", "把該資料移到所屬的受文者之下"),
    w("attachments-word", "含附件欄寫了規定以外的文字", "改為「含附件」或「不含附件」"),
    // a letter with its roster
    w(
        "name-not-in-roster",
        "交換表單裡沒有這個名稱",
        "若以紙本寄送即屬正常；若應電子交換，請在交換表單加上這個機關與代碼（收件一律以代碼為準）",
    ),
    w(
        "roster-name-not-in-letter",
        "交換表單有這個受文者，公文裡卻沒有",
        "確認是否應列在正本或副本；若不該收到，請從交換表單移除（收件一律以代碼為準）",
    ),
    w(
        "recipient-differs",
        "交換表單的代碼與受文者的不同",
        "分繕的公文，交換表單應只列〈受文者〉那一個機關；請更正其中之一",
    ),
    w("too-many-problems", "問題太多，未全部列出", "先改正已列出的，再檢查一次"),
    // writing
    w(
        "write-character",
        "要寫入的文字含有控制字元（如換行、定位），或頭尾有空白",
        "移除該字元；換行請改用條列",
    ),
    w("write-missing", "缺少文別規定必要的內容", "補上該項內容"),
    w("write-value", "內容不是文別允許的值", "改為允許的值"),
    w("write-no-place", "這個文別沒有地方放這項內容", "移除該項內容，或改用有此欄位的文別"),
    w("write-invalid", "寫出的內容不合文別的規定", "依所附的問題更正內容"),
    w("write-unconfirmed", "這個文別沒有經確認的官方格式", "確定要產出時，另行指明接受未經確認的格式"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_words() {
        super::super::assert_complete(WORDS, di_format::LABELS.iter().map(|(l, _)| *l));
    }
}
