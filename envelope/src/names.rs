//! Which names a file of the unit may have.

use crate::error::Error;

/// Longest name in bytes: what ext4, XFS and ZFS allow.
const MAX_NAME: usize = 255;

/// Whether a character turns the direction of text around it, so that a name reads otherwise than it is
/// (Unicode Standard Annex 9).
pub(crate) fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

/// A plain file name: no folder, no drive, nothing that a file system or a terminal takes for something else.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    let plain = !name.is_empty()
        && name.len() <= MAX_NAME
        && !matches!(name, "." | "..")
        && name.trim() == name
        && !name.ends_with('.')
        && !name
            .chars()
            .any(|c| matches!(c, '/' | '\\' | ':' | '\u{fffd}') || c.is_control() || turns_text(c));
    if plain { Ok(()) } else { Err(Error::BadName { name: name.to_owned() }) }
}

/// The form in which two names are the same for file systems that ignore case.
pub(crate) fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tricks_are_refused_and_ordinary_names_are_not() {
        for bad in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "a\\b",
            "C:x",
            "a\nb",
            " a",
            "a ",
            "a.",
            "\u{202e}gpj.exe",
            "a\0b",
            &"長".repeat(86),
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in
            ["附件一.pdf", ".profile", "exchange.xml", "mimetype", "a b.doc", "100%.odt", &"長".repeat(85)]
        {
            assert!(check(good).is_ok(), "{good:?}");
        }
        assert_eq!(folded("ÄB.PDF"), folded("äb.pdf"));
        assert_eq!(folded("ſ"), folded("S"));
    }
}
