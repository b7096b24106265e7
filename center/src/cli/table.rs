//! Tables that are right in CJK width.

/// A table with a header; plain columns, no frame.
pub(super) fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row.clone());
    }
    table.trim_fmt()
}
