//! Names of companion files: bare names, which cannot lead anywhere else.

/// Checks the name of a companion file.
///
/// # Errors
/// Says what is wrong: empty, longer than 255 bytes, a path or drive, a leading dot, a control character or a character that
/// changes the direction of text.
pub fn check_file_name(name: &str) -> Result<(), &'static str> {
    if name.trim().is_empty() {
        return Err("the name is empty");
    }
    if name.len() > 255 {
        return Err("the name is longer than 255 bytes");
    }
    if name.contains(['/', '\\']) {
        return Err("the name holds a path separator");
    }
    if name.contains(':') {
        return Err("the name holds a drive or a scheme");
    }
    if name.starts_with('.') {
        return Err("the name begins with a dot");
    }
    if name.chars().any(char::is_control) {
        return Err("the name holds a control character");
    }
    if name
        .chars()
        .any(|c| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
    {
        return Err("the name holds a character that changes the direction of text");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_names_only() {
        for good in [
            "a.pdf",
            "附件 文件.doc",
            "413122D9_095$310900100Q.di",
            "100%#1.txt",
            "a..b",
            "a",
            "\u{E000}.odt",
        ] {
            assert_eq!(check_file_name(good), Ok(()), "{good}");
        }
        let long = "a".repeat(256);
        for bad in [
            "",
            " ",
            ".",
            "..",
            "../a",
            "a/b",
            "a\\b",
            "C:a",
            "http:a",
            ".hidden",
            "a\0",
            "a\n",
            "a\u{85}",
            "a\u{202E}b",
            &long,
        ] {
            assert!(check_file_name(bad).is_err(), "{bad:?}");
        }
    }
}
