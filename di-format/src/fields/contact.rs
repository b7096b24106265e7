//! 聯絡方式: one line each, a label and a value.

use super::squeezed;

/// What a line of 聯絡方式 tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContactKind {
    /// 承辦人, 聯絡人.
    Person,
    /// 電話.
    Phone,
    /// 分機.
    Extension,
    /// 傳真.
    Fax,
    /// 電子信箱.
    Mail,
    /// 統一編號.
    CompanyNumber,
    /// Another label, or none.
    Other,
}

/// One line of 聯絡方式, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact<'a> {
    /// The whole line as written.
    pub raw: &'a str,
    /// What the label means.
    pub kind: ContactKind,
    /// The label without any blanks; empty if the line has no colon.
    pub label: String,
    /// What follows the colon, white space at both ends removed; the whole line if there is no colon.
    pub value: &'a str,
}

/// Takes a line apart at its first colon, full-width or not. Labels vary and hold blanks for alignment (`傳　　真：`).
#[must_use]
pub fn contact(line: &str) -> Contact<'_> {
    let Some((label, value)) = line.split_once(['：', ':']) else {
        return Contact { raw: line, kind: ContactKind::Other, label: String::new(), value: line.trim() };
    };
    let label = squeezed(label);
    let kind = match label.to_ascii_lowercase().as_str() {
        "承辦人" | "承辦人員" | "聯絡人" | "連絡人" => ContactKind::Person,
        "電話" | "聯絡電話" | "連絡電話" | "電話號碼" => ContactKind::Phone,
        "分機" => ContactKind::Extension,
        "傳真" | "傳真電話" | "傳真號碼" => ContactKind::Fax,
        "電子信箱" | "電子郵件" | "電子郵件信箱" | "電子郵件地址" | "e-mail" | "email" => {
            ContactKind::Mail
        }
        "統一編號" | "統編" => ContactKind::CompanyNumber,
        _ => ContactKind::Other,
    };
    Contact { raw: line, kind, label, value: value.trim() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_they_are_written() {
        for (line, kind, label, value) in [
            ("承辦人：測試員", ContactKind::Person, "承辦人", "測試員"),
            ("聯 絡 人：帝緯公文　02-23118811　", ContactKind::Person, "聯絡人", "帝緯公文　02-23118811"),
            ("傳　　真：02-24999999", ContactKind::Fax, "傳真", "02-24999999"),
            ("電話:(02)2311-8811#123", ContactKind::Phone, "電話", "(02)2311-8811#123"),
            ("電子郵件：a@b.gov.tw", ContactKind::Mail, "電子郵件", "a@b.gov.tw"),
            ("E-Mail：a@b", ContactKind::Mail, "E-Mail", "a@b"),
            ("分機：", ContactKind::Extension, "分機", ""),
            ("網址：http://a.b", ContactKind::Other, "網址", "http://a.b"),
            (" 02-23118811 ", ContactKind::Other, "", "02-23118811"),
            ("", ContactKind::Other, "", ""),
        ] {
            let found = contact(line);
            assert_eq!(
                (found.raw, found.kind, found.label.as_str(), found.value),
                (line, kind, label, value)
            );
        }
    }
}
