//! A view as plain text, for a terminal or a file: hanging indents, no control characters but line feeds.

use super::width::{visible, width, wrap};
use super::{Block, Clause, Field, Heading, Point, Role, Table, View};

/// Prints a view for a page of `columns` columns (40 to 4096; what is less or more is taken for these).
///
/// Only a single word, or a name in a table, that is wider than the page may pass it.
#[must_use]
pub fn text(view: &View, columns: usize) -> String {
    let mut page = Page { out: String::new(), columns: columns.clamp(40, 4096) };
    page.right(&view.filing);
    page.heading(&view.heading);
    page.right(&view.contact);
    page.blocks(&view.blocks);
    page.out
}

struct Page {
    out: String,
    columns: usize,
}

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        let text = text.trim_end();
        if !text.is_empty() {
            self.out.extend(std::iter::repeat_n(' ', indent));
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    /// One empty line, never two.
    fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn heading(&mut self, heading: &Heading) {
        let senders: Vec<String> = heading.senders.iter().map(super::Value::printed).collect();
        let senders = senders.join("、");
        let whole = match (heading.has_senders(), heading.title_first) {
            (false, _) => heading.title.clone(),
            (true, true) => format!("{}　{}　{senders}", heading.title, Heading::AT),
            (true, false) => format!("{senders}　{}", heading.title),
        };
        self.gap();
        for line in wrap(&visible(&whole), self.columns) {
            self.line(self.columns.saturating_sub(width(&line)) / 2, &line);
        }
        self.gap();
    }

    /// Lines that begin at the middle of the page, or before it where they are long.
    fn right(&mut self, fields: &[Field]) {
        let widest = fields.iter().flat_map(|field| {
            let label = width(&field.label);
            field.values.iter().map(move |value| label + width(&visible(&value.printed()))).chain([label])
        });
        let indent = self.columns.saturating_sub(widest.max().unwrap_or(0)).min(self.columns / 2);
        for field in fields {
            self.field(field, indent);
        }
    }

    fn blocks(&mut self, blocks: &[Block]) {
        let mut before = None;
        for block in blocks {
            let now = (Kind::of(block), role(block));
            // what stands apart also stands apart from its like, unless it is more of the same
            let same = before.is_some_and(|(kind, role): (Kind, Option<Role>)| {
                kind == now.0 && (kind != Kind::Apart || (role.is_some() && role == now.1))
            });
            if !same {
                self.gap();
            }
            before = Some(now);
            match block {
                Block::Field(field) => self.field(field, 0),
                Block::Clause(clause) => self.clause(clause),
                Block::Table(table) => self.table(table),
                Block::Group { blocks } => self.blocks(blocks),
            }
        }
    }

    fn field(&mut self, field: &Field, indent: usize) {
        let values: Vec<String> = field.values.iter().map(super::Value::printed).collect();
        self.hanging(&field.label, &values.join(field.role.separator()), indent);
    }

    fn clause(&mut self, clause: &Clause) {
        self.hanging(&clause.label, &clause.text, 0);
        self.points(&clause.items, 2);
    }

    /// Items stand under the text of their parent. Deeper than half a page nobody can read: hostile nesting must not
    /// push the text off the page.
    fn points(&mut self, items: &[Point], indent: usize) {
        for item in items {
            let marker = visible(&item.marker);
            let blank = if marker.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '.') {
                " "
            } else {
                ""
            };
            let marker = format!("{marker}{blank}");
            if !marker.is_empty() || !item.text.is_empty() {
                self.hanging(&marker, &item.text, indent);
            }
            let below = indent + width(&marker).clamp(2, 8);
            self.points(&item.items, below.min(self.columns / 2));
        }
    }

    /// A label and the text beside it. Where the label takes more than half of the line the text goes on below it.
    fn hanging(&mut self, label: &str, text: &str, indent: usize) {
        let (label, text) = (visible(label), visible(text));
        let room = self.columns.saturating_sub(indent);
        let lead = width(&label);
        if lead == 0 || text.is_empty() {
            for line in wrap(&format!("{label}{text}"), room) {
                self.line(indent, &line);
            }
            return;
        }
        if lead > room / 2 {
            // 密等及解密條件或保密期限： on a narrow page
            let hang = 4.min(room / 2);
            let whole = format!("{}{text}", label.replace('\n', " "));
            let mut lines = wrap(&whole, room).into_iter();
            self.line(indent, &lines.next().unwrap_or_default());
            for line in wrap(&lines.collect::<Vec<_>>().concat(), room - hang) {
                if !line.is_empty() {
                    self.line(indent + hang, &line);
                }
            }
            return;
        }
        for (number, line) in wrap(&text, room - lead).iter().enumerate() {
            if number == 0 {
                self.line(indent, &format!("{}{line}", label.replace('\n', " ")));
            } else {
                self.line(indent + lead, line);
            }
        }
    }

    /// The first column takes what the others leave; cells wrap.
    fn table(&mut self, table: &Table) {
        const GAP: usize = 2;
        self.line(0, &visible(&table.label));
        let widest = |column: usize| {
            let cells = table.rows.iter().chain([&table.columns]).filter_map(|row| row.get(column));
            cells.map(|cell| width(&visible(cell))).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> =
            (0..table.columns.len()).map(|column| widest(column).clamp(8, 30)).collect();
        let others: usize = widths.iter().skip(1).map(|width| width + GAP).sum();
        if let Some(first) = widths.first_mut() {
            *first = widest(0).min(self.columns.saturating_sub(others + 2).max(16)).max(4);
        }
        self.row(&table.columns, &widths);
        let rule: usize = widths.iter().map(|width| width + GAP).sum::<usize>().saturating_sub(GAP);
        self.line(2, &"─".repeat(rule));
        for row in &table.rows {
            self.row(row, &widths);
        }
    }

    fn row(&mut self, cells: &[String], widths: &[usize]) {
        let cells: Vec<Vec<String>> =
            cells.iter().zip(widths).map(|(cell, width)| wrap(&visible(cell), *width)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for number in 0..height {
            let mut line = String::new();
            for (cell, wide) in cells.iter().zip(widths) {
                let part = cell.get(number).map_or("", String::as_str);
                line.push_str(part);
                line.extend(std::iter::repeat_n(' ', wide.saturating_sub(width(part)) + 2));
            }
            self.line(2, &line);
        }
    }
}

const fn role(block: &Block) -> Option<Role> {
    match block {
        Block::Field(field) => Some(field.role),
        Block::Clause(clause) => Some(clause.role),
        Block::Table(_) | Block::Group { .. } => None,
    }
}

/// Blocks between which an empty line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fields,
    Body,
    Distribution,
    /// Apart from everything.
    Apart,
    Extra,
}

impl Kind {
    const fn of(block: &Block) -> Self {
        let Some(role) = role(block) else { return Self::Apart };
        match role {
            Role::Subject
            | Role::Paragraph
            | Role::Time
            | Role::Place
            | Role::Chair
            | Role::Contact
            | Role::Responsible
            | Role::ReceivedNumber => Self::Body,
            Role::Originals | Role::Attendees | Role::Observers | Role::Copies => Self::Distribution,
            Role::Remarks | Role::SubmittedTo | Role::Signature => Self::Apart,
            Role::Extra => Self::Extra,
            _ => Self::Fields,
        }
    }
}
