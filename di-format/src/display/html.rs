//! A view as an HTML fragment, to be put into a page: semantic elements with classes, everything escaped, no style, no
//! script, no links.

use std::fmt::Write as _;

use super::width::visible;
use super::{Block, Clause, Field, Heading, Point, Table, Value, View};

/// Prints a view as one `<article>` (UTF-8, LF). Classes are `di`, the parts of the page, and [`Role`](super::Role).
#[must_use]
pub fn html(view: &View) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "<article class=\"di\" lang=\"zh-Hant-TW\" data-kind=\"{}\">", safe(&view.kind));
    if !view.filing.is_empty() {
        list(&mut out, "filing", &view.filing.iter().collect::<Vec<_>>());
    }
    heading(&mut out, &view.heading);
    if !view.contact.is_empty() {
        out.push_str("<address class=\"contacts\">\n");
        for field in &view.contact {
            let role = field.role.as_str();
            for value in &field.values {
                let _ = writeln!(out, "<p class=\"{role}\">{}{}</p>", label(&field.label), printed(value));
            }
        }
        out.push_str("</address>\n");
    }
    blocks(&mut out, &view.blocks);
    out.push_str("</article>\n");
    out
}

/// Escaped, harmless, with line breaks as elements.
fn safe(text: &str) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("<br>"),
            _ => out.push(character),
        }
    }
    out
}

fn attribute(text: &str) -> String {
    safe(&text.replace('\n', " "))
}

fn label(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!("<span class=\"label\">{}</span>", safe(label)) }
}

fn printed(value: &Value) -> String {
    let code = if value.code.is_empty() {
        String::new()
    } else {
        format!(" data-code=\"{}\"", attribute(&value.code))
    };
    let mut out = format!("<span class=\"value\"{code}>{}", safe(&value.text));
    if !value.notes.is_empty() {
        let notes: Vec<String> = value.notes.iter().map(|note| safe(note)).collect();
        let _ = write!(out, "<span class=\"notes\">（{}）</span>", notes.join("、"));
    }
    out.push_str("</span>");
    out
}

fn values(field: &Field) -> String {
    let separator = safe(field.role.separator());
    field.values.iter().map(printed).collect::<Vec<_>>().join(&separator)
}

fn heading(out: &mut String, heading: &Heading) {
    let title = format!("<span class=\"title\">{}</span>", safe(&heading.title));
    let senders = heading.senders.iter().map(printed).collect::<Vec<_>>().join("、");
    let whole = match (heading.has_senders(), heading.title_first) {
        (false, _) => title,
        (true, true) => format!("{title}　{}　<span class=\"senders\">{senders}</span>", Heading::AT),
        (true, false) => format!("<span class=\"senders\">{senders}</span>　{title}"),
    };
    let _ = writeln!(out, "<h1>{whole}</h1>");
}

/// Fields with labels as a description list.
fn list(out: &mut String, class: &str, fields: &[&Field]) {
    let _ = writeln!(out, "<dl class=\"{class}\">");
    for field in fields {
        let (role, label) = (field.role.as_str(), safe(&field.label));
        let _ = writeln!(out, "<div class=\"{role}\"><dt>{label}</dt><dd>{}</dd></div>", values(field));
    }
    out.push_str("</dl>\n");
}

fn blocks(out: &mut String, blocks: &[Block]) {
    let mut run: Vec<&Field> = Vec::new();
    for block in blocks {
        if let Block::Field(field) = block
            && !field.label.is_empty()
        {
            run.push(field);
            continue;
        }
        if !run.is_empty() {
            list(out, "fields", &std::mem::take(&mut run));
        }
        match block {
            Block::Field(field) => {
                for value in &field.values {
                    let _ = writeln!(out, "<p class=\"{}\">{}</p>", field.role.as_str(), printed(value));
                }
            }
            Block::Clause(one) => clause(out, one),
            Block::Table(one) => table(out, one),
            Block::Group { blocks: inner } => {
                out.push_str("<section class=\"group\">\n");
                self::blocks(out, inner);
                out.push_str("</section>\n");
            }
        }
    }
    if !run.is_empty() {
        list(out, "fields", &run);
    }
}

fn clause(out: &mut String, clause: &Clause) {
    let _ = writeln!(out, "<section class=\"{}\">", clause.role.as_str());
    if !clause.label.is_empty() {
        let _ = writeln!(out, "<h2>{}</h2>", safe(&clause.label));
    }
    if !clause.text.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", safe(&clause.text));
    }
    points(out, &clause.items);
    out.push_str("</section>\n");
}

/// The markers are the letter's own, so the list's must be hidden by style.
fn points(out: &mut String, items: &[Point]) {
    if items.is_empty() {
        return;
    }
    out.push_str("<ol class=\"items\">\n");
    for item in items {
        let (marker, text) = (safe(&item.marker), safe(&item.text));
        let _ = write!(out, "<li><span class=\"marker\">{marker}</span><span class=\"text\">{text}</span>");
        if !item.items.is_empty() {
            out.push('\n');
            points(out, &item.items);
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ol>\n");
}

fn table(out: &mut String, table: &Table) {
    let _ = writeln!(out, "<table class=\"{}\">", table.role.as_str());
    let _ = writeln!(out, "<caption>{}</caption>", safe(&table.label));
    let heads: String =
        table.columns.iter().map(|cell| format!("<th scope=\"col\">{}</th>", safe(cell))).collect();
    let _ = writeln!(out, "<thead><tr>{heads}</tr></thead>\n<tbody>");
    for row in &table.rows {
        let cells: String = row.iter().map(|cell| format!("<td>{}</td>", safe(cell))).collect();
        let _ = writeln!(out, "<tr>{cells}</tr>");
    }
    out.push_str("</tbody>\n</table>\n");
}
