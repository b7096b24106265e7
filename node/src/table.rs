//! Tables and wrapped text that are aligned where Chinese characters take two columns.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, LineStyle, Table as Grid, TableStyle};

/// A table with a heading line, left-aligned, without frame.
pub(crate) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    shrink: Vec<(usize, usize)>,
}

/// Columns that a row should keep to where no terminal says how many there are.
const PAGE: usize = 100;
/// Blanks between two columns.
const GAP: usize = 2;

impl Table {
    /// With these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let headings = headings.iter().map(|h| (*h).to_owned()).collect();
        Self { headings, rows: Vec::new(), shrink: Vec::new() }
    }

    /// Lets cells be cut so that rows fit: (column, least width), the first of them first.
    pub(crate) fn shrink(mut self, columns: &[(usize, usize)]) -> Self {
        self.shrink = columns.to_vec();
        self
    }

    /// Adds a row. Control characters, which could steer the terminal, become blanks.
    pub(crate) fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.iter().map(|c| plain(c)).collect());
    }

    /// The table as lines, each ending in a line feed, without blanks at the ends.
    pub(crate) fn render(&self) -> String {
        let terminal = terminal_columns();
        let mut rows = self.rows.clone();
        if !self.shrink.is_empty() {
            self.fit(&mut rows, terminal.map_or(PAGE, usize::from));
        }
        let mut grid = Grid::new();
        grid.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
        if let Some(columns) = terminal {
            grid.set_content_arrangement(ContentArrangement::Dynamic);
            grid.set_width(columns);
        }
        grid.set_header(&self.headings);
        for row in rows {
            grid.add_row(row);
        }
        // The grid itself puts one blank between columns.
        for column in grid.column_iter_mut() {
            column.set_padding((0, 1));
        }
        let mut text = String::new();
        for line in grid.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Cuts cells of the columns that may shrink until rows fit into `room`.
    fn fit(&self, rows: &mut [Vec<String>], room: usize) {
        let widest = |column: usize, rows: &[Vec<String>]| {
            let cells = rows.iter().filter_map(|r| r.get(column)).chain(self.headings.get(column));
            cells.map(|c| width(c)).max().unwrap_or(0)
        };
        let total: usize = (0..self.headings.len()).map(|c| widest(c, rows) + GAP).sum();
        let mut excess = total.saturating_sub(room);
        for (column, least) in &self.shrink {
            let now = widest(*column, rows);
            let next = now.saturating_sub(excess).max(*least).min(now);
            for cell in rows.iter_mut().filter_map(|r| r.get_mut(*column)) {
                *cell = cut(cell, next);
            }
            excess = excess.saturating_sub(now - widest(*column, rows));
        }
    }
}

/// Columns of the terminal that a person reads on; `None` when the output goes elsewhere and need not be broken.
fn terminal_columns() -> Option<u16> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    (size.ws_col >= 40).then_some(size.ws_col)
}

/// Columns that a character takes on a terminal.
pub(crate) const fn columns(c: char) -> usize {
    match c as u32 {
        0..0x20
        | 0x7f..0xa0
        | 0x300..=0x36f
        | 0x200b..=0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x2069
        | 0xfe00..=0xfe0f
        | 0xfeff => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xa960..=0xa97f
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// At most `columns` columns of a text, ending in … where something is cut.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += columns(c);
        if used + 1 > limit {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

/// `text` and blanks up to so many columns.
pub(crate) fn pad(text: &str, to: usize) -> String {
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', to.saturating_sub(width(text))));
    padded
}

/// Breaks a text into lines of at most `limit` columns. Chinese breaks anywhere, but not before closing punctuation;
/// Latin words and numbers stay whole where they fit.
pub(crate) fn wrap(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(8);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for piece in pieces(&plain(paragraph)) {
            let wide = width(&piece);
            let closing = piece.chars().next().is_some_and(|c| CLOSING.contains(c));
            if used + wide > limit && used > 0 && !(closing && used < limit + 2) {
                lines.push(line.trim_end().to_owned());
                line = String::new();
                used = 0;
                if piece == " " {
                    continue;
                }
            }
            if wide <= limit {
                line.push_str(&piece);
                used += wide;
                continue;
            }
            // A word longer than a line: cut it.
            for c in piece.chars() {
                if used + columns(c) > limit {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push(c);
                used += columns(c);
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

const CLOSING: &str = "，。、；：！？」』）〉》】〕…,.;:!?)";

/// Runs of Latin letters and digits, and every other character by itself.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in text.chars() {
        let word = columns(c) < 2 && !c.is_whitespace();
        match pieces.last_mut() {
            Some(last) if word && in_word => last.push(c),
            _ => pieces.push(c.to_string()),
        }
        in_word = word;
    }
    pieces
}

/// Without control characters: nothing that came from outside steers the terminal. Direction overrides too: they can
/// make a name read backwards.
pub(crate) fn plain(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_in_chinese_width() {
        let mut table = Table::new(&["狀態", "主旨", "x"]);
        table.row(&["系統確認".into(), "ab".into(), "|".into()]);
        table.row(&["x".into(), "公文電子交換".into(), "|".into()]);
        let text = table.render();
        let at: Vec<usize> = text.lines().filter_map(|l| l.find('|').map(|i| width(&l[..i]))).collect();
        assert_eq!(at.len(), 2);
        assert_eq!(at[0], at[1], "{text}");
    }

    #[test]
    fn rows_keep_to_the_page_by_cutting_what_may_be_cut() {
        let mut table = Table::new(&["識別碼", "主旨", "說明"]).shrink(&[(1, 12), (2, 10)]);
        table.row(&["4b2d4efc".into(), "有關".repeat(60), "另有名稱".repeat(20)]);
        let text = table.render();
        assert!(text.lines().all(|l| width(l) <= PAGE), "{text}");
        assert!(text.contains("4b2d4efc") && text.contains('…'));
    }

    #[test]
    fn wrapping_keeps_words_and_never_begins_a_line_with_a_full_stop() {
        let lines = wrap("有關貴機關申請 PKCS11 模組一案，請查照。", 20);
        assert!(lines.iter().all(|l| width(l) <= 22), "{lines:?}");
        assert!(lines.iter().any(|l| l.contains("PKCS11")), "{lines:?}");
        assert!(!lines.iter().any(|l| l.starts_with(['，', '。'])), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), "有關貴機關申請PKCS11模組一案，請查照。");
    }

    #[test]
    fn what_came_from_outside_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c\rd"), "a [2Jb c d");
        assert_eq!(cut("公文電子交換", 7), "公文電…");
        assert_eq!(pad("公", 4), "公  ");
    }
}
