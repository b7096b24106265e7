//! Byte offsets to line and column, in one sweep.

/// Turns ascending byte offsets of a text into lines and columns (in characters), both from 1.
pub(crate) struct Lines<'a> {
    rest: &'a str,
    at: usize,
    line: u32,
    column: u32,
}

impl<'a> Lines<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { rest: text, at: 0, line: 1, column: 1 }
    }

    /// Position of the character that holds byte `offset`; offsets before the last one asked for give the last position.
    pub(crate) fn position(&mut self, offset: usize) -> (u32, u32) {
        let mut taken = 0;
        for (start, character) in self.rest.char_indices() {
            if self.at + start + character.len_utf8() > offset {
                break;
            }
            taken = start + character.len_utf8();
            if character == '\n' {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            } else {
                self.column = self.column.saturating_add(1);
            }
        }
        self.rest = self.rest.get(taken..).unwrap_or_default();
        self.at += taken;
        (self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let text = "ab\n函\u{20000}x\r\ny";
        let mut lines = Lines::new(text);
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(1), (1, 2));
        assert_eq!(lines.position(3), (2, 1));
        assert_eq!(lines.position(6), (2, 2));
        assert_eq!(lines.position(10), (2, 3));
        assert_eq!(lines.position(13), (3, 1));
        assert_eq!(lines.position(13), (3, 1));
        assert_eq!(lines.position(999), (3, 2));
    }
}
