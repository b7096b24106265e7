//! Files that are no DI or SW, named for what they are.

use crate::doctype::{is_name_char, is_name_start};

/// Root elements of other files around official letters, with what such a file is.
///
/// The names are those of open projects and producers; a root that is not listed is named as it is written.
pub const OTHER_ROOTS: &[(&str, &str)] = &[
    ("電子封裝檔", ARCHIVE),
    ("封裝檔內容", ARCHIVE),
    ("封裝檔電子簽章", ARCHIVE),
    ("電子影音檔案", ARCHIVE),
    ("線上簽核", APPROVAL),
    ("線上簽核流程", APPROVAL),
    ("線上簽核資訊", APPROVAL),
    ("g2b2c-envelope", "a transport envelope (EN)"),
    ("g2b2c-encrypt-list", "an encryption switch (ESW)"),
    ("文書結構", "a vendor's draft (SDI)"),
    ("文書訊息", MESSAGE),
    ("文書訊息表單", MESSAGE),
    ("文書訊息檔", MESSAGE),
    ("會銜公文會辦單", UNKNOWN_KIND),
    ("公文時效統計", UNKNOWN_KIND),
    ("便簽", UNKNOWN_KIND),
    ("跨機關陳核會稿交換表單", UNKNOWN_KIND),
    ("書函", CATEGORY),
    ("移文單", CATEGORY),
    ("交辦案件通知單", CATEGORY),
    ("交議案件通知單", CATEGORY),
    ("催辦案件通知單", CATEGORY),
    ("機密文書機密等級變更或註銷建議單", CATEGORY),
    ("機密文書機密等級變更或註銷通知單", CATEGORY),
    ("執行命令", CATEGORY),
    ("獎懲建議函", CATEGORY),
    ("ROWSET", "archival metadata"),
    ("Signature", "an XML signature"),
    ("ds:Signature", "an XML signature"),
    ("html", WEB),
    ("HTML", WEB),
];

const ARCHIVE: &str = "an archival package (電子封裝檔)";
const APPROVAL: &str = "a record of online approval (線上簽核, SI)";
const MESSAGE: &str = "a message about a document (文書訊息, DM)";
const UNKNOWN_KIND: &str = "a kind whose document type is not known";
const CATEGORY: &str = "a value of 函類別, which is never a root";
const WEB: &str = "a web page";

/// What a file with this root is.
pub(crate) fn other_root(root: &str) -> Option<&'static str> {
    OTHER_ROOTS.iter().find(|(name, _)| *name == root).map(|(_, what)| *what)
}

/// First bytes of files that are no XML, with what such a file is.
pub const OTHER_STARTS: &[(&[u8], &str)] = &[
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a ZIP archive, an ODF or an Office file"),
    (b"\xD0\xCF\x11\xE0", "an Office file of the older form"),
    (b"\xFF\xD8\xFF", IMAGE),
    (b"\x89PNG", IMAGE),
    (b"GIF8", IMAGE),
    (b"II*\0", IMAGE),
    (b"MM\0*", IMAGE),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"{\\rtf", "an RTF file"),
    (b"-----BEGIN ", "a PEM file (certificate, key or signed data)"),
    (b"\x30\x82", DER),
    (b"\x30\x83", DER),
    (b"\x30\x84", DER),
    (b"\x30\x80", DER),
];

const IMAGE: &str = "an image";
const DER: &str = "a DER file (certificate, signed or sealed data)";

/// What a file that begins with these bytes is, if it is known and no XML.
pub(crate) fn other_start(bytes: &[u8]) -> Option<&'static str> {
    OTHER_STARTS.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, what)| *what)
}

/// The name of the root element of a file that cannot be read to it, with its byte offset: by the first tag, whatever stands
/// before it. At most 64 kB are looked through.
pub(crate) fn glimpse(text: &str) -> Option<(&str, usize)> {
    let mut at = 0;
    loop {
        let rest = text.get(at..).filter(|_| at < 1 << 16)?;
        let open = rest.find('<')?;
        let tag = rest.get(open + 1..)?;
        if tag.starts_with("!--") {
            at += open + tag.find("-->")? + 4;
        } else if tag.starts_with(is_name_start) {
            let end = tag.char_indices().find(|(_, c)| !is_name_char(*c)).map_or(tag.len(), |(end, _)| end);
            let name = tag.get(..end).filter(|name| name.chars().count() <= 256)?;
            return Some((name, at + open));
        } else {
            at += open + 1;
        }
    }
}

/// The beginning of a file as text, for [`glimpse`], whatever its encoding.
pub(crate) fn beginning(bytes: &[u8]) -> String {
    let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    match std::str::from_utf8(head) {
        Ok(text) => text.to_owned(),
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(head).into_owned(),
        Err(_) => encoding_rs::BIG5.decode_without_bom_handling(head).0.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_seen_through_what_cannot_be_read() {
        for text in [
            "<電子封裝檔>",
            "<?xml version='1.0'?><!DOCTYPE 電子封裝檔 PUBLIC 'a' 'b' [<!ELEMENT x ANY><!-- <函> -->]>\n<電子封裝檔 a='",
            "garbage <1 <電子封裝檔/>",
        ] {
            assert_eq!(glimpse(text).map(|(name, _)| name), Some("電子封裝檔"), "{text}");
        }
        for text in ["", "<", "<!-- <函>", "no tag", "</函>"] {
            assert_eq!(glimpse(text), None, "{text}");
        }
        assert_eq!(beginning("函".repeat(5000).as_bytes()).chars().next(), Some('函'));
        assert!(beginning(b"<\xA8\xE7>").starts_with("<函>"));
    }
}
