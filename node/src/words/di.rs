//! Words for the labels of `di-format`: the sentence for a problem is made from what was found and what was expected.

use di_format::Problem;

use super::{Words, w};

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
    w("code-form", "機關代碼不是 10 碼或 17 碼", "更正為地址簿上的代碼"),
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

/// A problem as a Chinese sentence with its particulars, without full stop.
#[must_use]
pub fn sentence(problem: &Problem) -> String {
    let (found, expected) = (shorten(&problem.found), alternatives(in_chinese(&problem.expected)));
    let (f, e) = (found.as_str(), expected.as_str());
    let has = (!f.is_empty(), !e.is_empty());
    let last = shorten(problem.path.rsplit('/').next().unwrap_or_default());
    let first = shorten(problem.path.split('/').next().unwrap_or_default());
    let text = match (problem.label, has) {
        ("too-large", (true, true)) => format!("檔案有 {f} 位元組，超過上限 {e}"),
        ("not-xml", (_, true)) => format!("這是{}，不是 XML", spaced(e)),
        ("encoding", (true, _)) => format!("這裡的位元組 {f} 既不是 UTF-8 也不是 CP950（Big5）"),
        ("encoding-declared", (true, true)) => format!("宣告的編碼是 {f}，實際是 {e}"),
        ("encoding-declared", (false, true)) => format!("沒有宣告編碼（那就應該是 UTF-8），實際是 {e}"),
        ("too-deep" | "too-many" | "name-too-long" | "too-many-problems", (_, true)) => {
            format!("{}（上限 {e}）", super::what(problem.label))
        }
        ("malformed", _) => malformed(problem, f, e),
        ("doctype-root", (true, true)) => format!("根元素是〈{f}〉，DOCTYPE 卻宣告為〈{e}〉"),
        ("dtd-name", (true, true)) => format!("DTD 檔名「{f}」不是這個文別的，應為 {e}"),
        ("root-unknown", (true, true)) => other_root(f, e),
        ("entity-repeated", (true, _)) => format!("實體「{f}」重複宣告，只有第一個算數"),
        ("notation-undeclared", (true, _)) => format!("實體所用的符號「{f}」沒有宣告"),
        ("file-name", (true, true)) => format!("實體所指的檔名「{f}」不可接受：{e}"),
        ("element-undeclared", (true, _)) => format!("〈{first}〉這個文別沒有〈{f}〉這個元素"),
        ("element-unexpected", (true, true)) if e == "text" => format!("這裡只能是文字，不可有〈{f}〉"),
        ("element-unexpected", (true, true)) => format!("這裡不可有〈{f}〉，可以有的是：{e}"),
        ("element-unexpected", (true, false)) => format!("這裡不可有〈{f}〉"),
        ("element-order", (true, true)) => match where_it_belongs(&problem.expected) {
            Some(place) => format!("〈{f}〉的順序不對，{place}"),
            None => format!("〈{f}〉的順序不對，這裡應為：{e}"),
        },
        ("element-repeated", (true, _)) => format!("〈{f}〉重複出現"),
        ("element-missing" | "number-missing" | "time-missing" | "code-missing", (true, true)) => {
            format!("〈{f}〉之前缺少：{e}")
        }
        ("element-missing" | "number-missing" | "time-missing" | "code-missing", (false, true)) => {
            if last.is_empty() { format!("缺少：{e}") } else { format!("〈{last}〉之內缺少：{e}") }
        }
        ("element-extra", (true, _)) => format!("結尾多出〈{f}〉"),
        ("text-unexpected", (true, true)) => format!("〈{last}〉裡不應直接有文字「{f}」，可以有的是：{e}"),
        ("text-unexpected", (true, false)) => format!("〈{last}〉裡不應有文字「{f}」"),
        ("content-not-empty", (true, _)) => format!("〈{last}〉應該是空的，卻有「{f}」"),
        ("attribute-undeclared", (true, true)) => format!("〈{last}〉沒有「{f}」這個屬性，可以有的是：{e}"),
        ("attribute-undeclared", (true, false)) => format!("〈{last}〉沒有「{f}」這個屬性"),
        ("attribute-missing", (_, true)) => format!("〈{last}〉缺少必要的屬性：{e}"),
        ("attribute-value", (true, true)) => format!("〈{last}〉的屬性值「{f}」不在允許的範圍，可用：{e}"),
        ("entity-undeclared", (true, _)) => format!("〈{last}〉所指的實體「{f}」沒有宣告"),
        ("original-empty", (_, true)) => format!("〈正本〉沒有內容，可以有的是：{e}"),
        ("original-repeated", (true, _)) => format!("〈{f}〉不只一個"),
        ("recipient-text", (true, true)) => format!("〈{last}〉裡直接寫了文字「{f}」，應該用：{e}"),
        ("address-in-notice", (true, _)) => format!("〈{first}〉沒有〈{f}〉這一欄"),
        ("classification-ordinary", (true, _)) => format!("密等寫為「{f}」，99 年版起已無此值"),
        ("sender-form", (_, true)) => format!("簽的發文者寫成〈{f}〉，應為：{e}"),
        ("roster-dangling", (true, _)) => format!("這個〈{f}〉不屬於任何受文者"),
        ("roster-empty", (_, true)) => format!("交換表單沒有任何受文者，每一筆由這些開始：{e}"),
        ("name-not-in-roster", (true, _)) => format!("「{f}」不在交換表單裡，可能以紙本寄送"),
        ("roster-name-not-in-letter", (true, true)) => {
            format!("交換表單第 {e} 行的「{f}」不在公文的受文者、正本與副本裡")
        }
        ("recipient-differs", (true, true)) => format!("交換表單的代碼是「{f}」，受文者的代碼卻是「{e}」"),
        ("entity-reference", (true, _)) => format!("內文引用了實體「{f}」"),
        (label, (true, true)) => format!("{}：「{f}」，應為 {e}", super::what(label)),
        (label, (true, false)) => format!("{}：「{f}」", super::what(label)),
        (label, (false, true)) => format!("{}，應為 {e}", super::what(label)),
        (label, (false, false)) => super::what(label),
    };
    text
}

/// A file with another root, by what `in_chinese` makes of it.
fn other_root(root: &str, what: &str) -> String {
    match what {
        "不認得的根元素" => format!("不認得根元素〈{root}〉，這不是公文本文檔或交換表單"),
        "格式尚未公開的文別" => format!("〈{root}〉是格式尚未公開的文別，不能讀"),
        "函類別的值，不是文別" => {
            format!("〈{root}〉不是根元素，是函類別的值：根元素寫〈函〉，再寫 <函類別 代碼=\"{root}\"/>")
        }
        _ => format!("這是{}，根元素是〈{root}〉，不是公文本文檔或交換表單", spaced(what)),
    }
}

/// A blank between Chinese and what begins with a Latin letter.
fn spaced(text: &str) -> String {
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) { format!(" {text}") } else { text.to_owned() }
}

/// `after A, before B` as it is said.
fn where_it_belongs(expected: &str) -> Option<String> {
    let after = expected.split(", ").find_map(|part| part.strip_prefix("after "));
    let before = expected.split(", ").find_map(|part| part.strip_prefix("before "));
    match (after.map(shorten), before.map(shorten)) {
        (Some(a), Some(b)) => Some(format!("應在〈{a}〉之後、〈{b}〉之前")),
        (Some(a), None) => Some(format!("應在〈{a}〉之後")),
        (None, Some(b)) => Some(format!("應在〈{b}〉之前")),
        (None, None) => None,
    }
}

/// Why it is no XML.
fn malformed(problem: &Problem, found: &str, expected: &str) -> String {
    let what = super::what("malformed");
    match (found.is_empty(), expected.is_empty()) {
        (true, false) if expected.starts_with("</") => format!("{what}：檔案到這裡就結束了，還缺 {expected}"),
        (false, false) => format!("{what}：這裡是「{found}」，應為 {expected}"),
        (true, false) => format!("{what}，應為 {expected}"),
        (false, true) if problem.message.contains("twice") => format!("{what}：屬性「{found}」寫了兩次"),
        (false, true) => format!("{what}：「{found}」"),
        (true, true) => match MALFORMED.iter().find(|(english, _)| *english == problem.message) {
            Some((_, chinese)) => format!("{what}：{chinese}"),
            None => what,
        },
    }
}

/// The messages of `di-format` for what is not well-formed.
const MALFORMED: &[(&str, &str)] = &[
    ("a second document type declaration", "有兩個 DOCTYPE"),
    ("the file ends before the root element", "檔案裡沒有根元素"),
    ("text before the root element", "根元素之前有文字"),
    ("the XML declaration has no version", "XML 宣告沒有 version"),
    ("a comment holds --", "註解裡有 --"),
    ("an XML declaration that is not at the start", "XML 宣告不在檔案最前面"),
    ("a name is missing", "這裡應該是一個名稱"),
    ("the document type declaration does not end", "DOCTYPE 沒有結束"),
    ("something follows the root element", "根元素結束之後還有內容"),
    ("> is missing after /", "/ 之後少了 >"),
    ("an unexpected character in a start tag", "標籤裡有不該有的符號"),
    ("a start tag does not end", "標籤沒有結束"),
    ("= is missing after an attribute's name", "屬性名稱之後少了 ="),
    ("an attribute's value has no quotes", "屬性值沒有引號"),
    ("an attribute's value does not end", "屬性值的引號沒有結束"),
    ("< in an attribute's value", "屬性值裡有 <"),
    ("a comment does not end", "註解沒有結束"),
    ("markup that cannot stand here", "這裡不可有這種標記"),
    ("a CDATA section does not end", "CDATA 沒有結束"),
    ("a processing instruction does not end", "處理指令沒有結束"),
];

/// The English reasons of `di-format` for the words that are no element names.
fn in_chinese(expected: &str) -> &str {
    match expected {
        "an archival package (電子封裝檔)" => "電子封裝檔（歸檔用的封裝）",
        "a record of online approval (線上簽核, SI)" => "線上簽核檔（SI）",
        "a transport envelope (EN)" => "傳輸信封（EN）",
        "an encryption switch (ESW)" => "加密交換檔（ESW）",
        "a vendor's draft (SDI)" => "廠商的公文草稿（SDI）",
        "a kind whose document type is not known" => "格式尚未公開的文別",
        "a value of 函類別, which is never a root" => "函類別的值，不是文別",
        "a message about a document (文書訊息, DM)" => "文書訊息檔（DM）",
        "an XML signature" => "XML 簽章檔",
        "a web page" => "網頁檔",
        "a PDF file" => "PDF 檔",
        "a ZIP archive, an ODF or an Office file" => "ZIP 壓縮檔、ODF 或 Office 檔",
        "an Office file of the older form" => "舊版 Office 檔",
        "an image" => "影像檔",
        "a 7z archive" => "7z 壓縮檔",
        "a RAR archive" => "RAR 壓縮檔",
        "an RTF file" => "RTF 檔",
        "a PEM file (certificate, key or signed data)" => "PEM 檔（憑證、金鑰或簽章）",
        "a DER file (certificate, signed or sealed data)" => "DER 檔（憑證、簽章或加密資料）",
        "archival metadata" => "檔案管理的後設資料",
        "its root element is not known" => "不認得的根元素",
        "the name is empty" => "檔名是空的",
        "the name is longer than 255 bytes" => "檔名超過 255 位元組",
        "the name holds a path separator" => "檔名含有路徑",
        "the name holds a drive or a scheme" => "檔名含有磁碟代號或網址",
        "the name begins with a dot" => "檔名以點開頭",
        "the name holds a control character" => "檔名含有控制字元",
        "the name holds a character that changes the direction of text" => "檔名含有改變文字方向的字元",
        other => other,
    }
}

/// At most sixty characters, on one line.
fn shorten(text: &str) -> String {
    let mut short: String =
        text.trim().chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().chars().count() > 60 {
        short.push('…');
    }
    short
}

fn alternatives(text: &str) -> String {
    let text = text.replace(" | ", "、");
    let mut short: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > 200 {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use di_format::Severity;

    use super::*;

    fn problem(label: &'static str, found: &str, expected: &str) -> Problem {
        Problem {
            label,
            severity: Severity::Error,
            line: 3,
            column: 5,
            path: "函/受文者".into(),
            message: String::new(),
            found: found.into(),
            expected: expected.into(),
            official: false,
        }
    }

    #[test]
    fn every_label_has_words() {
        super::super::assert_complete(WORDS, di_format::LABELS.iter().map(|(l, _)| *l));
    }

    #[test]
    fn a_sentence_names_what_was_found_and_what_was_expected() {
        let text = sentence(&problem("element-missing", "段落", "主旨"));
        assert_eq!(text, "〈段落〉之前缺少：主旨");
        let text = sentence(&problem("element-missing", "", "全銜"));
        assert_eq!(text, "〈受文者〉之內缺少：全銜");
        let text = sentence(&problem("attribute-value", "特急件", "普通件 | 速件 | 最速件"));
        assert_eq!(text, "〈受文者〉的屬性值「特急件」不在允許的範圍，可用：普通件、速件、最速件");
        let text = sentence(&problem("element-order", "發文日期", "after 受文者, before 發文字號"));
        assert_eq!(text, "〈發文日期〉的順序不對，應在〈受文者〉之後、〈發文字號〉之前");
        for (label, _) in di_format::LABELS {
            let text = sentence(&problem(label, "甲", "乙"));
            assert!(text.contains('甲') || text.contains('乙'), "{label}: {text}");
        }
    }

    #[test]
    fn what_is_no_xml_is_said_in_chinese() {
        let sources = [
            include_str!("../../../di-format/src/doctype.rs"),
            include_str!("../../../di-format/src/tree/parse.rs"),
        ];
        for part in sources.iter().flat_map(|source| source.split("malformed(\"").skip(1)) {
            let message = part.split('"').next().unwrap_or_default();
            assert!(MALFORMED.iter().any(|(english, _)| *english == message), "{message}");
        }
    }

    #[test]
    fn other_files_are_named_in_chinese() {
        let roots = di_format::OTHER_ROOTS.iter().map(|(_, what)| *what);
        for what in roots.chain(di_format::OTHER_STARTS.iter().map(|(_, what)| *what)) {
            let said = in_chinese(what);
            assert!(said != what && said.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{what}");
        }
    }

    #[test]
    fn hostile_text_stays_short_and_on_one_line() {
        let text = sentence(&problem("text-unexpected", &"長\n".repeat(5000), ""));
        assert!(text.chars().count() < 100 && !text.contains('\n'));
    }
}
