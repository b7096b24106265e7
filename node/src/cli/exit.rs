//! The exit codes of `di-node`; the numbers from 64 on are those of BSD's `sysexits`.

/// Done; the files are valid; everything verifies.
pub(crate) const OK: u8 = 0;
/// The answer is no: invalid file, failed verification, failed work.
pub(crate) const FAILED: u8 = 1;
/// A file is no document (or container, or receipt) at all.
pub(crate) const UNREADABLE: u8 = 2;
/// Verification or a check could not decide: something it needs is not at hand.
pub(crate) const UNDECIDED: u8 = 3;
/// Wrong use of the command line.
pub(crate) const USAGE: u8 = 64;
/// No such document or file.
pub(crate) const NOT_FOUND: u8 = 66;
/// The service does not run or does not answer.
pub(crate) const UNAVAILABLE: u8 = 69;
/// Something that the program should have been able to do, and could not.
pub(crate) const INTERNAL: u8 = 70;
/// A file or folder cannot be written.
pub(crate) const CANNOT_CREATE: u8 = 73;
/// The configuration is wrong or missing.
pub(crate) const CONFIG: u8 = 78;

/// Every code with its meaning, as help and manual print it.
pub(crate) const TABLE: &[(u8, &str)] = &[
    (OK, "完成；檔案合格；驗證通過"),
    (FAILED, "不合格、驗證不符、檢測未通過或作業失敗"),
    (UNREADABLE, "無法辨讀：不是公文檔、容器或回條"),
    (UNDECIDED, "驗證未能判定：缺少所需資料（例如信任錨點），或檢測項目不明"),
    (USAGE, "用法錯誤"),
    (NOT_FOUND, "查無此公文或檔案"),
    (UNAVAILABLE, "服務未執行或沒有回應"),
    (INTERNAL, "程式內部錯誤"),
    (CANNOT_CREATE, "無法寫入檔案或資料夾"),
    (CONFIG, "設定檔有誤或找不到"),
];

/// The foot of `di-node --help`: every code with its meaning.
pub(crate) fn help() -> String {
    let mut text = String::from("結束碼：\n");
    for (code, meaning) in TABLE {
        text.push_str(&format!("{code:>4}  {meaning}\n"));
    }
    text.push_str(
        "\n給的名稱若是存在的檔案就讀該檔，否則視為公文識別碼（可只寫開頭幾碼）。詳見 docs/manual.md。",
    );
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_manual_lists_every_code_with_its_meaning() {
        let manual = include_str!("../../../docs/manual.md");
        for (code, meaning) in super::TABLE {
            let row = format!("| {code} | {meaning} |");
            assert!(manual.contains(&row), "docs/manual.md lacks: {row}");
        }
    }
}
