//! The sentence for a problem, made from what was found and what was expected.

use di_format::Problem;

use crate::words::what;

/// A problem as a Chinese sentence with its particulars, without full stop.
#[must_use]
pub fn sentence(problem: &Problem) -> String {
    let (found, expected) = (shorten(&problem.found), alternatives(in_chinese(&problem.expected)));
    let (f, e) = (found.as_str(), expected.as_str());
    let has = (!f.is_empty(), !e.is_empty());
    let last = shorten(problem.path.rsplit('/').next().unwrap_or_default());
    let first = shorten(problem.path.split('/').next().unwrap_or_default());
    match (problem.label, has) {
        // lint reads no further than the limit, so how large it is may not be known
        ("too-large", (_, true)) => format!("檔案超過上限 {e} 位元組"),
        ("not-xml", (_, true)) => format!("這是{}，不是 XML", spaced(e)),
        ("encoding", (true, _)) => format!("這裡的位元組 {f} 既不是 UTF-8 也不是 CP950（Big5）"),
        ("encoding-declared", (true, true)) => format!("宣告的編碼是 {f}，實際是 {e}"),
        ("encoding-declared", (false, true)) => format!("沒有宣告編碼（那就應該是 UTF-8），實際是 {e}"),
        ("too-deep" | "too-many" | "name-too-long" | "too-many-problems", (_, true)) => {
            format!("{}（上限 {e}）", what(problem.label))
        }
        ("malformed", _) => malformed(problem, f, e),
        ("doctype-root", (true, true)) => format!("根元素是〈{f}〉，DOCTYPE 卻宣告為〈{e}〉"),
        ("dtd-name", (true, true)) => format!("DTD 檔名「{f}」不是這個文別的，應為 {e}"),
        ("root-unknown", (true, true)) => other_root(f, e),
        ("entity-repeated", (true, _)) => format!("實體「{f}」重複宣告，只有第一個算數"),
        ("notation-undeclared", (true, _)) => format!("實體所用的符號「{f}」沒有宣告"),
        ("file-name", (false, true)) => format!("實體所指的檔名不可接受：{e}"),
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
        ("attribute-value", (true, true)) if last == "密等" && f == "普通" => {
            "這一版的密等沒有「普通」：一般公文寫 <密等/>".to_owned()
        }
        ("attribute-value", (true, true)) => format!("〈{last}〉的屬性值「{f}」不在允許的範圍，可用：{e}"),
        ("entity-undeclared", (true, _)) => format!("〈{last}〉所指的實體「{f}」沒有宣告"),
        ("attachment-not-entity", (false, _)) => "附件名是空的，沒有指出任何檔案".to_owned(),
        ("code-form", (false, _)) => "機關代碼是空的".to_owned(),
        ("code-form", (true, _)) if last == "單位代碼" => format!("單位代碼不是 7 碼：「{f}」，不算數"),
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
        (label, (true, true)) => format!("{}：「{f}」，應為 {e}", what(label)),
        (label, (true, false)) => format!("{}：「{f}」", what(label)),
        (label, (false, true)) => format!("{}，應為 {e}", what(label)),
        (label, (false, false)) => what(label),
    }
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
    let what = what("malformed");
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
    ("a name holds a character that names cannot have", "名稱裡有不該有的字元"),
    ("a reference is not a number", "字元編號不正確，應像 &#8212;"),
    ("& does not begin a reference", "單獨的 & 要寫成 &amp;"),
    ("]]> in a text", "文字裡的 ]]> 要寫成 ]]&gt;"),
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
            include_str!("../../../../di-format/src/doctype.rs"),
            include_str!("../../../../di-format/src/tree/parse.rs"),
            include_str!("../../../../di-format/src/tree/text.rs"),
        ];
        let known = |message: &str| MALFORMED.iter().any(|(english, _)| *english == message);
        for source in sources {
            for part in source.split("malformed(\"").skip(1) {
                let message = part.split('"').next().unwrap_or_default();
                assert!(known(message), "{message}");
            }
            for part in source.split("refused(\"malformed\", ").skip(1) {
                let call = part.split(')').next().unwrap_or_default();
                let Some(message) = call.split('"').nth(1).filter(|_| !call.contains("format!")) else {
                    continue;
                };
                assert!(known(message), "{message}");
            }
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
