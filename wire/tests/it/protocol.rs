//! docs/protocol.md and the code say the same.

use std::{fs, path::PathBuf};

fn protocol() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    fs::read_to_string(path).unwrap()
}

#[test]
fn section_7_lists_every_refusal_with_its_class_and_meaning() {
    let text = protocol();
    let section = text.split("\n## 7").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<_> = wire::refusal::ALL
        .iter()
        .map(|label| {
            let class = format!("{:?}", label.class).to_lowercase();
            format!("| `{}` | {class} | {} |", label.name, label.meaning)
        })
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_limits_are_the_documented_ones() {
    let text = protocol();
    for limit in [
        format!("| frame of a request | {} |", wire::MAX_REQUEST),
        format!("| frame of a reply | {} |", wire::MAX_REPLY),
        format!("| frame before the login | {} |", wire::MAX_OPENING),
        format!("| eager body | {} |", wire::EAGER_LIMIT),
        format!("| addressees of a part | {} |", wire::MAX_ADDRESSEES),
        format!("| wait of a watch, seconds | {} |", wire::MAX_WATCH_SECONDS),
        format!("| codes in one directory request | {} |", wire::MAX_DIRECTORY_CODES),
        format!("| lines in one answer | {} |", wire::MAX_PAGE),
        format!("| parts in one open list | {} |", wire::MAX_OPEN_PARTS),
    ] {
        assert!(text.contains(&limit), "missing: {limit}");
    }
    assert!(text.contains(std::str::from_utf8(wire::ALPN).unwrap()));
    assert!(text.contains(std::str::from_utf8(wire::login::EXPORTER_LABEL).unwrap()));
}

#[test]
fn labels_are_kebab_case_and_used_once() {
    let mut names: Vec<_> = wire::refusal::ALL.iter().map(|label| label.name).collect();
    names.extend(wire::LABELS.iter().map(|(label, _)| *label));
    for name in &names {
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
