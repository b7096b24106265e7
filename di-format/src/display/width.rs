//! How wide text is on a terminal, where it may break, and what must not reach a terminal.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar as _;

/// Columns that a character takes: two for CJK and full-width forms, none for combining marks, one for everything else,
/// also where Unicode (UAX #11) calls the width ambiguous (… “ ” ① and private-use characters), as terminals do by default.
#[must_use]
pub fn columns(character: char) -> usize {
    character.width().unwrap_or(0)
}

/// Columns that a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Text with which nothing can be steered or hidden: control characters, those that change the direction of text, and
/// invisible ones become 〔U+009B〕; a tab becomes a blank. Line feeds stay; so do variation selectors and joiners, which
/// belong to the character before them.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|character| character != '\n' && hidden(character)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push('\n'),
            '\t' => out.push(' '),
            '\r' => {}
            _ if hidden(character) => out.push_str(&format!("〔U+{:04X}〕", u32::from(character))),
            _ => out.push(character),
        }
    }
    Cow::Owned(out)
}

/// What [`visible`] does not let through: control characters, also line feeds, what changes the direction of text, and
/// what cannot be seen.
#[must_use]
pub const fn hidden(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'
        | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        | '\u{FDD0}'..='\u{FDEF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
        || character as u32 & 0xFFFE == 0xFFFE
}

/// These do not stand at the beginning of a line.
const CLOSING: &str = "，。、；：！？」』）〉》】〕｝…,.;:!?)]}％%";
/// These do not stand at the end of a line.
const OPENING: &str = "「『（〈《【〔｛([{";

/// Breaks a text into lines of at most `limit` columns (at least 8). Chinese breaks anywhere but before closing and after
/// opening punctuation; Latin words and numbers stay whole where they fit. A line feed in the text is kept.
#[must_use]
pub fn wrap(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(8);
    let mut lines = Vec::new();
    for line in text.split('\n') {
        wrap_line(line.trim(), limit, &mut lines);
    }
    lines
}

fn wrap_line(text: &str, limit: usize, lines: &mut Vec<String>) {
    let mut line = String::new();
    let mut used = 0;
    for piece in Pieces(text) {
        let wide = width(piece);
        if used > 0 && used + wide > limit {
            lines.push(line.trim_end().to_owned());
            line.clear();
            used = 0;
            if piece.chars().all(char::is_whitespace) {
                continue;
            }
        }
        if wide <= limit {
            line.push_str(piece);
            used += wide;
            continue;
        }
        // A word longer than a line is cut.
        for character in piece.chars() {
            if used + columns(character) > limit {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(character);
            used += columns(character);
        }
    }
    lines.push(line.trim_end().to_owned());
}

/// The parts of a line between which it may break.
struct Pieces<'t>(&'t str);

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let mut end = 0;
        let mut before: Option<char> = None;
        for (at, character) in self.0.char_indices() {
            if before.is_some_and(|before| breaks(before, character)) {
                break;
            }
            end = at + character.len_utf8();
            before = Some(character);
        }
        let (piece, rest) = self.0.split_at(end);
        self.0 = rest;
        before.map(|_| piece)
    }
}

fn breaks(before: char, after: char) -> bool {
    let word = |character: char| columns(character) < 2 && !character.is_whitespace();
    if columns(after) == 0 || CLOSING.contains(after) || OPENING.contains(before) {
        return false;
    }
    !(word(before) && word(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_terminals() {
        for (text, columns) in [
            ("", 0),
            ("abc", 3),
            ("函", 2),
            ("（一）", 6),
            ("e\u{301}", 1),
            ("𠮷", 2),
            ("…", 1),
            ("\u{E000}", 1),
        ] {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    #[test]
    fn lines_break_where_people_break_them() {
        assert_eq!(wrap("一二三四五六", 8), ["一二三四", "五六"]);
        assert_eq!(wrap("一二三四。五", 8), ["一二三", "四。五"]);
        assert_eq!(wrap("一二三（四五", 8), ["一二三", "（四五"]);
        assert_eq!(wrap("一二 abcdef 三", 8), ["一二", "abcdef", "三"]);
        assert_eq!(wrap("abcdefghijkl", 8), ["abcdefgh", "ijkl"]);
        assert_eq!(wrap("一\n 二", 8), ["一", "二"]);
        assert_eq!(wrap("", 8), [""]);
    }

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        assert_eq!(visible("一\t二\r\n三"), "一 二\n三");
        assert_eq!(visible("a\u{1b}[31mb\u{9b}2Jc"), "a〔U+001B〕[31mb〔U+009B〕2Jc");
        assert_eq!(
            visible("\u{202e}txt.exe\u{2066}\u{200b}\u{e0041}"),
            "〔U+202E〕txt.exe〔U+2066〕〔U+200B〕〔U+E0041〕"
        );
        assert_eq!(visible("葛\u{e0100}\u{e000}\u{20bb7}"), "葛\u{e0100}\u{e000}\u{20bb7}");
    }

    #[test]
    fn a_long_line_is_wrapped_in_linear_time() {
        let text = "，".repeat(300_000);
        assert!(wrap(&text, 70).concat().len() == text.len());
    }
}
