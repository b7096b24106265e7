//! A roster as tables, one for each 本別.

use std::collections::HashMap;

use super::{Block, Heading, Role, Table, View, letter};
use crate::letter::Name;
use crate::roster::{Line, Roster};

const COLUMNS: [&str; 5] = ["名稱", "機關代碼", "單位代碼", "附件", "本文與附件合併檔"];

pub(super) fn view(roster: &Roster) -> View {
    let mut groups: Vec<(Option<&str>, Vec<&Line>)> = Vec::new();
    let mut places: HashMap<Option<&str>, usize> = HashMap::new();
    for line in &roster.lines {
        let copy = line.copy.as_deref();
        let place = *places.entry(copy).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, lines)) => lines.push(line),
            None => groups.push((copy, vec![line])),
        }
    }
    let tables = groups.into_iter().map(|(copy, lines)| Block::Table(table(copy, &lines)));
    let extra = roster.extra.iter().map(|extra| Block::Field(letter::extra(extra)));
    View {
        kind: "交換表單".to_owned(),
        filing: Vec::new(),
        heading: Heading { senders: Vec::new(), title: "交換表單".to_owned(), title_first: true },
        contact: Vec::new(),
        blocks: tables.chain(extra).collect(),
    }
}

/// Columns in which nothing stands are left out.
fn table(copy: Option<&str>, lines: &[&Line]) -> Table {
    let rows: Vec<[String; 5]> = lines.iter().map(|line| row(line)).collect();
    let used =
        |column: usize| column < 2 || rows.iter().any(|row| row.get(column).is_some_and(|c| !c.is_empty()));
    let kept: Vec<usize> = (0..COLUMNS.len()).filter(|column| used(*column)).collect();
    let cells = |row: &[String; 5]| kept.iter().filter_map(|column| row.get(*column).cloned()).collect();
    Table {
        role: Role::Roster,
        label: format!("{}：{} 個收受者", copy.unwrap_or("未註明本別"), lines.len()),
        columns: kept.iter().filter_map(|column| COLUMNS.get(*column)).map(|c| (*c).to_owned()).collect(),
        rows: rows.iter().map(cells).collect(),
    }
}

fn row(line: &Line) -> [String; 5] {
    let (code, unit) = line.party.mailbox();
    let unit = unit.or(line.party.unit.as_deref()).unwrap_or_default();
    let name = match &line.party.name {
        Name::Person { name, title: Some(title) } => format!("{name}　{title}"),
        name => name.text().to_owned(),
    };
    let attachments = match line.attachments {
        Some(true) => "含附件",
        Some(false) => "不含附件",
        None => "",
    };
    let file = line.combined_file.clone().unwrap_or_default();
    [name, code.to_owned(), unit.to_owned(), attachments.to_owned(), file]
}
