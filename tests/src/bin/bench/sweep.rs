//! Does a document cost the same, and is a node as soon ready, when a hundred thousand are stored, or a million?
//!
//! The databases are filled by SQL and not by the programs, which would take hours for a million: real rows, left by
//! documents that were really exchanged, are copied again and again under new numbers, with all that hangs on them, each
//! copy 40 days older than its original; their sealed bytes are taken to be swept away, as they would be. What such a copy
//! lacks: the hash chain of the journal does not run through it, and no archive folders belong to it.

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tests::site::{Process, Site, eventually};

use crate::meter::Line;
use crate::{Asked, Flow, Outcome, Running, connected, steady};

/// Milliseconds between a row and its next copy.
const OLDER: i64 = 3_456_000_000;
/// Columns that are times.
const TIMES: &[&str] = &[
    "at",
    "claimed_at",
    "sealed_at",
    "changed_at",
    "accepted_at",
    "archived_at",
    "offered_at",
    "delivered_at",
    "made_at",
    "sent_at",
    "read_at",
    "accepted",
    "reported",
];

/// A table, and what a copy has in these columns; `:X` is what the numbers of that kind have to be raised by.
type Table = (&'static str, &'static [(&'static str, &'static str)]);

/// What is counted: letter, table, column.
type Kind = (&'static str, &'static str, &'static str);

const NODE_KINDS: &[Kind] = &[
    (":D", "document", "key"),
    (":P", "part", "id"),
    (":R", "receipt", "id"),
    (":V", "verdict", "id"),
    (":I", "inbound", "id"),
    (":J", "journal", "seq"),
];
const NODE: &[Table] = &[
    ("receipt", &[("id", "id + :R"), ("part", "part + :P")]),
    ("document", &[("key", "key + :D"), ("id", "randomblob(16)"), ("digest", "randomblob(32)")]),
    ("document_file", &[("owner", "owner + :D")]),
    ("container", &[("doc", "doc + :D"), ("file", "''")]),
    ("part", &[("id", "id + :P"), ("doc", "doc + :D"), ("receipt", "receipt + :R"), ("file", "''")]),
    ("line", &[("doc", "doc + :D"), ("part", "part + :P"), ("receipt", "receipt + :R")]),
    ("hint", &[("doc", "doc + :D")]),
    ("verdict", &[("id", "id + :V"), ("doc", "doc + :D"), ("receipt", "receipt + :R")]),
    (
        "inbound",
        &[
            ("id", "id + :I"),
            ("document", "randomblob(16)"),
            ("digest", "randomblob(32)"),
            ("center_receipt", "center_receipt + :R"),
            ("receipt", "receipt + :R"),
            ("file", "''"),
        ],
    ),
    ("inbound_content", &[("owner", "owner + :I")]),
    ("journal", &[("seq", "seq + :J"), ("doc", "doc + :D"), ("inbound", "inbound + :I")]),
];

const CENTER_KINDS: &[Kind] = &[(":P", "part", "id"), (":L", "line", "seq"), (":O", "outcome", "seq")];
// Downwards: what lies above a member's cursor would be news to it.
const CENTER: &[Table] = &[
    ("part", &[("id", "id + :P"), ("document", "randomblob(16)"), ("gone", "settled"), ("file", "NULL")]),
    ("line", &[("seq", "seq - :L"), ("part", "part + :P")]),
    ("outcome", &[("seq", "seq - :O"), ("digest", "randomblob(32)")]),
];

/// One line for each size.
pub(crate) fn run(dir: &Path, asked: &Asked, mut tell: impl FnMut(Outcome)) {
    let mut running = Running::start(dir, asked, |_| {});
    steady::run(&mut running, &Flow::of("first=100x10000@8").unwrap());
    for size in &asked.sizes {
        let Running { site, from, to, token, center, sender, receiver, next } = running;
        for process in [sender, receiver, center] {
            let name = process.name.clone();
            assert!(process.stop().success(), "{name} stops in order");
        }
        let filled = Instant::now();
        let databases = [
            (site.folder(&from, "state").join("node.db"), NODE, NODE_KINDS, "document"),
            (site.folder(&to, "state").join("node.db"), NODE, NODE_KINDS, "inbound"),
            (site.dir.join("center/center.db"), CENTER, CENTER_KINDS, "part"),
        ];
        let mut stored = Vec::new();
        for ((path, tables, kinds, counted), name) in databases.iter().zip(["sender", "receiver", "center"]) {
            stored.push((name, fill(path, tables, kinds, counted, *size) as f64));
        }
        let filled = filled.elapsed();
        let start = Instant::now();
        let center = site.center();
        eventually("the center listens", Duration::from_secs(120), || TcpStream::connect(listen(&site)).ok());
        let center_ready = start.elapsed();
        let (sender, sender_ready) = ready(&site, &from, || site.node_in(&from, token.clone()));
        let (receiver, receiver_ready) = ready(&site, &to, || site.node(&to));
        connected(&site, &from);
        connected(&site, &to);
        running = Running { site, from, to, token, center, sender, receiver, next };
        steady::run(&mut running, &Flow::of("warm=60x10000@8").unwrap());
        let outcome = steady::run(&mut running, &Flow::of("sweep=400x10000@8").unwrap());
        let seconds = |time: Duration| time.as_secs_f64();
        let starts = [("sender", sender_ready), ("center", center_ready), ("receiver", receiver_ready)];
        let line = Line::new("sweep")
            .each("stored", &stored, 0)
            .figure("per_s", 400.0 / outcome.seconds, 1)
            .figure("cpu_ms_all", outcome.cpu_ms / 400.0, 2)
            .each("cpu_ms", &outcome.cpu, 2)
            .each("start_s", &starts.map(|(name, time)| (name, seconds(time))), 3)
            .each("peak_mb", &outcome.peak, 1)
            .figure("fill_s", seconds(filled), 1)
            .number("lost", outcome.lost)
            .number("doubled", outcome.doubled);
        tell(Outcome::of(line, outcome.lost, outcome.doubled));
    }
}

/// From its start to its first answer.
fn ready(site: &Site, code: &str, start: impl FnOnce() -> Process) -> (Process, Duration) {
    let begin = Instant::now();
    let process = start();
    let socket = site.socket(code);
    eventually("the node answers", Duration::from_secs(120), || site.get(&socket, "/v1/status").ok());
    (process, begin.elapsed())
}

fn listen(site: &Site) -> String {
    let text = std::fs::read_to_string(site.dir.join("center.toml")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("listen = \"")).unwrap();
    line.trim_end_matches('"').to_owned()
}

/// Copies what is there as often as it takes to have so many; returns how many there are then.
fn fill(path: &Path, tables: &[Table], kinds: &[Kind], counted: &str, size: u64) -> u64 {
    let database = Connection::open(path).unwrap();
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let count = || number(&format!("SELECT count(*) FROM {counted}")).unsigned_abs();
    let there = count();
    database
        .execute_batch(
            "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;
             PRAGMA cache_size = -1000000;",
        )
        .unwrap();
    let ranges: Vec<_> = kinds
        .iter()
        .map(|(letter, table, column)| {
            let least = number(&format!("SELECT coalesce(min({column}), 1) FROM {table}"));
            (*letter, least, number(&format!("SELECT coalesce(max({column}), 1) FROM {table}")))
        })
        .collect();
    for nth in 1..i64::try_from(size.div_ceil(there)).unwrap() {
        database.execute_batch("BEGIN").unwrap();
        for (table, special) in tables {
            copy(&database, table, special, &ranges, nth);
        }
        database.execute_batch("COMMIT").unwrap();
    }
    database.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    rustix::fs::sync();
    count()
}

/// The `nth` copy of the rows in `ranges`.
fn copy(database: &Connection, table: &str, special: &[(&str, &str)], ranges: &[(&str, i64, i64)], nth: i64) {
    let mut columns = database.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
    let columns: Vec<String> = columns.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let value = |column: &String| {
        let special = special.iter().find(|(name, _)| name == column);
        match special {
            Some((_, value)) => (*value).to_owned(),
            None if TIMES.contains(&column.as_str()) => format!("{column} - {}", nth * OLDER),
            None => format!("\"{column}\""),
        }
    };
    let mut values = columns.iter().map(value).collect::<Vec<_>>().join(", ");
    // the first special column is the one by which rows are told apart
    let (key, rule) = special[0];
    let (_, least, most) = ranges.iter().find(|(letter, ..)| rule.ends_with(letter)).unwrap();
    for (letter, least, most) in ranges {
        values = values.replace(letter, &(nth * (most - least + 1)).to_string());
    }
    let names = columns.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE {key} BETWEEN {least} AND {most}"
    );
    database.execute(&sql, []).unwrap();
}
