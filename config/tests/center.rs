//! The center's example file and what its settings refuse.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use config::{CenterConfig, load, parse, to_toml};
use std::path::Path;

const EXAMPLE: &str = include_str!("../center.example.toml");

fn uncommented(also_required: bool) -> String {
    let line = |line: &str| match (line.strip_prefix("#: "), line.strip_prefix('#')) {
        (Some(rest), _) if also_required => rest.to_owned(),
        (None, Some(rest)) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn keys(prefix: &str, value: &toml::Value, out: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(k, v)| keys(&format!("{prefix}.{k}"), v, out)),
        _ => out.push(prefix.to_owned()),
    }
}

#[test]
fn the_example_uncommented_is_the_default() {
    let settings: CenterConfig = toml::from_str(&uncommented(false)).unwrap();
    assert_eq!(settings, CenterConfig::default());
}

#[test]
fn the_example_shows_every_default() {
    let (mut shown, mut known) = (Vec::new(), Vec::new());
    keys("", &toml::from_str(&uncommented(true)).unwrap(), &mut shown);
    keys("", &toml::from_str(&to_toml(&CenterConfig::default())).unwrap(), &mut known);
    for key in known {
        assert!(shown.contains(&key), "{key}");
    }
}

#[test]
fn a_complete_file_is_read_back_equal_and_its_paths_are_absolute() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("center.toml");
    std::fs::write(&path, uncommented(true)).unwrap();
    let settings: CenterConfig = load(&path).unwrap();
    assert_eq!(settings.data, dir.path().join("data"));
    assert_eq!(settings.tls.key.as_deref(), Some(dir.path().join("keys/tls.key.pem").as_path()));
    assert_eq!(parse::<CenterConfig>(&to_toml(&settings), Path::new("/x/y.toml")).unwrap(), settings);
}

#[test]
fn an_empty_file_names_every_required_key() {
    let error = parse::<CenterConfig>("", Path::new("/x/center.toml")).unwrap_err().to_string();
    for key in ["code", "tls.certificate", "tls.key", "receipt", "trust.anchors", "trust.registrar-anchors"] {
        assert!(error.contains(key), "{key}: {error}");
    }
}

#[test]
fn values_out_of_range_are_refused_at_their_place() {
    let text = format!("{}\n", uncommented(true).replace("percent = 0", "percent = 101"));
    let error = parse::<CenterConfig>(&text, Path::new("/x/center.toml")).unwrap_err().to_string();
    assert!(error.contains("mischief") && error.contains("101"), "{error}");
}
