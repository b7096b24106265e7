//! Tables that are aligned where Chinese characters take two columns.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, LineStyle, Table as Grid, TableStyle};
use di_format::display::{columns, width};

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

/// Columns of a page of prose: those of the terminal, but no more than can be read with ease; 78 where it is none.
pub(crate) fn page() -> usize {
    terminal_columns().map_or(78, |columns| usize::from(columns).min(100))
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
    fn what_came_from_outside_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c\rd"), "a [2Jb c d");
        assert_eq!(cut("公文電子交換", 7), "公文電…");
        assert_eq!(pad("公", 4), "公  ");
    }
}
