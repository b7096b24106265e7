//! Bytes to text: the bytes decide, not the declaration.
//!
//! Order: byte order mark; strict UTF-8 with at least one non-ASCII byte; the declared encoding; CP950.
//! CP950 is Windows' code page 950: Big5 with the seven ETEN characters 碁銹裏墻恒粧嫺, and the user-defined rows
//! (造字) at the private-use characters U+E000 to U+F848 where Windows puts them. Nothing is ever replaced.

/// What the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// UTF-8, or plain ASCII not declared as Big5.
    Utf8,
    /// Windows code page 950 (Big5), or plain ASCII declared as Big5.
    Cp950,
}

impl Encoding {
    /// The name used in reports: `utf-8` or `cp950`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Cp950 => "cp950",
        }
    }
}

/// Decoded text and what was found out about its bytes.
#[derive(Debug)]
pub(crate) struct Decoded<'a> {
    pub(crate) text: std::borrow::Cow<'a, str>,
    pub(crate) encoding: Encoding,
    pub(crate) bom: bool,
    pub(crate) declared: Option<String>,
    /// True if the declaration names another encoding than that of the bytes.
    pub(crate) lies: bool,
    /// Set if the bytes were to be UTF-8 and only happen to be possible CP950: what to say if nothing sensible comes out.
    pub(crate) doubt: Option<Undecodable>,
}

/// Why the bytes are no text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// Neither UTF-8 nor CP950; what comes before the byte is given as text for the position.
    Bytes { before: String, found: Vec<u8>, encoding: Encoding },
    /// A byte order mark of UTF-16 or UTF-32.
    Mark,
}

/// Decodes a whole file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded<'_>, Undecodable> {
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        let declared = declared_encoding(rest);
        let lies = declared.as_deref().is_some_and(|name| named(name) != Some(Encoding::Utf8));
        let text = utf8(rest).map_err(|error| not_utf8(rest, error))?;
        return Ok(Decoded {
            text: text.into(),
            encoding: Encoding::Utf8,
            bom: true,
            declared,
            lies,
            doubt: None,
        });
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") || bytes.starts_with(b"\0\0\xFE\xFF")
    {
        return Err(Undecodable::Mark);
    }
    let declared = declared_encoding(bytes);
    let meant = declared.as_deref().and_then(named);
    match utf8(bytes) {
        Ok(text) => {
            let encoding = match meant {
                Some(Encoding::Cp950) if bytes.is_ascii() => Encoding::Cp950,
                _ => Encoding::Utf8,
            };
            let lies = declared.is_some() && meant != Some(encoding);
            Ok(Decoded { text: text.into(), encoding, bom: false, declared, lies, doubt: None })
        }
        Err(error) => match cp950(bytes) {
            Ok(text) => {
                let lies = meant != Some(Encoding::Cp950);
                let doubt = lies.then(|| not_utf8(bytes, error));
                Ok(Decoded {
                    text: text.into(),
                    encoding: Encoding::Cp950,
                    bom: false,
                    declared,
                    lies,
                    doubt,
                })
            }
            Err(at) if meant == Some(Encoding::Cp950) => {
                let before = cp950(bytes.get(..at).unwrap_or_default()).unwrap_or_default();
                let found = bytes.get(at..bytes.len().min(at + 2)).unwrap_or_default().to_vec();
                Err(Undecodable::Bytes { before, found, encoding: Encoding::Cp950 })
            }
            Err(_) => Err(not_utf8(bytes, error)),
        },
    }
}

/// The quick check first; where it fails, the one that says where.
fn utf8(bytes: &[u8]) -> Result<&str, std::str::Utf8Error> {
    simdutf8::basic::from_utf8(bytes).or_else(|_| std::str::from_utf8(bytes))
}

fn not_utf8(bytes: &[u8], error: std::str::Utf8Error) -> Undecodable {
    let at = error.valid_up_to();
    let before = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default()).into_owned();
    let found = bytes.get(at..bytes.len().min(at + error.error_len().unwrap_or(1))).unwrap_or_default();
    Undecodable::Bytes { before, found: found.to_vec(), encoding: Encoding::Utf8 }
}

/// The encoding that a declared name means; `None` for any other.
fn named(label: &str) -> Option<Encoding> {
    match label.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => Some(Encoding::Utf8),
        "big5" | "big-5" | "big5-eten" | "x-x-big5" | "csbig5" | "cn-big5" | "cp950" | "cp-950" | "ms950"
        | "x-ms950" | "windows-950" | "x-windows-950" | "ibm950" | "950" => Some(Encoding::Cp950),
        _ => None,
    }
}

/// The value of `encoding` in the XML declaration, which is ASCII in both encodings.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let rest = bytes.strip_prefix(b"<?xml")?;
    let rest = rest.get(..rest.len().min(512))?;
    let end = rest.windows(2).position(|pair| pair == b"?>")?;
    let declaration = std::str::from_utf8(rest.get(..end)?).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let value = value.get(1..)?;
    Some(value.split_once(quote)?.0.to_owned())
}

/// Strict decoding of CP950; the offset of the first byte that is none.
fn cp950(bytes: &[u8]) -> Result<String, usize> {
    let mut text = String::with_capacity(bytes.len() / 2 * 3);
    let mut at = 0;
    // Runs that both tables agree on go through encoding_rs in one piece; the rest is done here pair by pair.
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let run = agreed_run(rest);
        if run > 0 {
            let piece = rest.get(..run).unwrap_or_default();
            match encoding_rs::BIG5.decode_without_bom_handling_and_without_replacement(piece) {
                Some(decoded) => text.push_str(&decoded),
                None => return Err(at + first_bad(piece)),
            }
            at += run;
            continue;
        }
        match (rest.first(), rest.get(1)) {
            (Some(&lead), Some(&trail)) => match special(lead, trail) {
                Some(character) => text.push(character),
                None => return Err(at),
            },
            _ => return Err(at),
        }
        at += 2;
    }
    Ok(text)
}

/// Length of the leading run of ASCII and of pairs that mean the same in WHATWG Big5 and in CP950.
fn agreed_run(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&lead) = bytes.get(at) {
        if lead < 0x80 {
            at += 1;
        } else if let Some(&trail) = bytes.get(at + 1)
            && agreed(lead, trail)
        {
            at += 2;
        } else {
            break;
        }
    }
    at
}

fn first_bad(piece: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&lead) = piece.get(at) {
        let length = if lead < 0x80 { 1 } else { 2 };
        let one = piece.get(at..at + length).unwrap_or_default();
        if encoding_rs::BIG5.decode_without_bom_handling_and_without_replacement(one).is_none() {
            break;
        }
        at += length;
    }
    at
}

/// True for pairs that encoding_rs decodes as Windows does, or that neither knows.
///
/// Found by comparing all 23,940 pairs: besides the user-defined rows, only 0xA3C0–A3E0 (pictures of control
/// characters, unknown to Windows) and 0xF9FE differ.
const fn agreed(lead: u8, trail: u8) -> bool {
    match lead {
        0xA1..=0xA2 | 0xA4..=0xC5 | 0xC9..=0xF8 => true,
        0xA3 => !matches!(trail, 0xC0..=0xE0),
        0xC6 => trail < 0xA1,
        0xF9 => trail != 0xFE,
        _ => false,
    }
}

/// The pairs that Windows decodes in its own way; `None` for those it does not know.
fn special(lead: u8, trail: u8) -> Option<char> {
    let column = match trail {
        0x40..=0x7E => u32::from(trail) - 0x40,
        0xA1..=0xFE => u32::from(trail) - 0xA1 + 63,
        _ => return None,
    };
    let row = |first: u8| (u32::from(lead) - u32::from(first)) * 157 + column;
    let code = match (lead, trail) {
        (0xF9, 0xFE) => 0x2593,
        (0xFA..=0xFE, _) => 0xE000 + row(0xFA),
        (0x8E..=0xA0, _) => 0xE311 + row(0x8E),
        (0x81..=0x8D, _) => 0xEEB8 + row(0x81),
        (0xC6..=0xC8, _) if lead > 0xC6 || trail >= 0xA1 => 0xF6B1 + row(0xC6) - 63,
        _ => return None,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_over_the_declaration() {
        let lie = decode("<?xml version=\"1.0\" encoding=\"big5\"?><函/>".as_bytes()).unwrap();
        assert_eq!((lie.encoding, lie.bom, lie.lies), (Encoding::Utf8, false, true));
        assert_eq!(lie.declared.as_deref(), Some("big5"));
        let other = decode(b"<?xml version='1.0' encoding='utf-8'?><\xA8\xE7/>").unwrap();
        assert_eq!((other.encoding, other.lies), (Encoding::Cp950, true));
        assert!(other.text.ends_with("<函/>"));
        let ascii = decode(b"<?xml version='1.0' encoding='MS950'?><a/>").unwrap();
        assert_eq!((ascii.encoding, ascii.lies), (Encoding::Cp950, false));
        let bom = decode("\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?><函/>".as_bytes()).unwrap();
        assert!(bom.bom && !bom.lies && bom.text.starts_with("<?xml"));
    }

    #[test]
    fn code_page_950_as_windows_has_it() {
        let eten = b"\xF9\xD6\xF9\xD7\xF9\xD8\xF9\xD9\xF9\xDA\xF9\xDB\xF9\xDC";
        assert_eq!(cp950(eten).unwrap(), "碁銹裏墻恒粧嫺");
        let corners = b"\xFA\x40\xFE\xFE\x8E\x40\xA0\xFE\x81\x40\x8D\xFE\xC6\xA1\xC8\xFE\xF9\xFE";
        assert_eq!(
            cp950(corners).unwrap(),
            "\u{E000}\u{E310}\u{E311}\u{EEB7}\u{EEB8}\u{F6B0}\u{F6B1}\u{F848}\u{2593}"
        );
        // ASCII bytes as second bytes do not end a character: 功 is A5 5C, 許 is B3 5C
        assert_eq!(cp950(b"\xA5\x5C\xB3\x5C<").unwrap(), "功許<");
    }

    #[test]
    fn nothing_is_replaced() {
        for (bytes, at) in [
            (&b"ab\xA4"[..], 2),
            (b"\xA4\x40\xA4\x20", 2),
            (b"\xFF\x40", 0),
            (b"\x80a", 0),
            (b"a\xA3\xC0", 1),
            (b"\xFA\x7F", 0),
        ] {
            assert_eq!(cp950(bytes), Err(at), "{bytes:x?}");
        }
        assert!(matches!(
            decode(b"<?xml version='1.0' encoding='big5'?>\xA4\x40\xFF\xFF"),
            Err(Undecodable::Bytes { before, found, encoding: Encoding::Cp950 })
                if before.ends_with("?>一") && found == [0xFF, 0xFF]
        ));
        assert!(matches!(decode(b"\xEF\xBB\xBF<a>\xA4\x40"), Err(Undecodable::Bytes { .. })));
        assert!(matches!(decode(b"\xFF\xFE<\0"), Err(Undecodable::Mark)));
    }

    #[test]
    fn every_private_use_character_has_one_pair() {
        let mut seen = std::collections::BTreeSet::new();
        for lead in 0x81..=0xFE_u8 {
            for trail in (0x40..=0x7E).chain(0xA1..=0xFE_u8) {
                if let Ok(text) = cp950(&[lead, trail])
                    && text.chars().all(|character| ('\u{E000}'..='\u{F8FF}').contains(&character))
                {
                    assert!(seen.insert(text), "{lead:x}{trail:x}");
                }
            }
        }
        assert_eq!(seen.len(), 0xF848 - 0xE000 + 1);
    }
}
