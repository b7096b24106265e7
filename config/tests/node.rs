//! The example file, refusals with their place, and what is printed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use config::value::{Bytes, Period};
use config::{Error, KeySource, NodeConfig, Pcsc, PinSource, Settings, load, parse, to_toml};
use std::collections::BTreeSet;
use std::path::Path;

const EXAMPLE: &str = include_str!("../node.example.toml");

/// The example with its defaults, and perhaps also the keys without default, un-commented.
fn uncommented(also_required: bool) -> String {
    let line = |line: &str| match (line.strip_prefix("#: "), line.strip_prefix('#')) {
        (Some(rest), _) if also_required => rest.to_owned(),
        (None, Some(rest)) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn keys(prefix: &str, value: &toml::Value, out: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(k, v)| keys(&format!("{prefix}.{k}"), v, out));
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            items.iter().for_each(|v| keys(prefix, v, out));
        }
        _ => {
            out.insert(prefix.to_owned());
        }
    }
}

/// A complete file; keys in files, since a card and `keys.sign` do not go together.
fn with_file_keys() -> String {
    let text = uncommented(true);
    let (before, card) = text.split_once("[card]\n").unwrap();
    format!("{before}{}", card.get(card.find("\n[").unwrap()..).unwrap())
}

fn refused(text: &str) -> Error {
    parse::<NodeConfig>(text, Path::new("/etc/di/node.toml")).unwrap_err()
}

#[test]
fn the_example_uncommented_is_the_default() {
    let settings: NodeConfig = toml::from_str(&uncommented(false)).unwrap();
    assert_eq!(settings, NodeConfig::default());
}

#[test]
fn the_example_shows_every_key() {
    let everything: NodeConfig = toml::from_str(&uncommented(true)).unwrap();
    let (mut shown, mut known) = (BTreeSet::new(), BTreeSet::new());
    keys("", &toml::from_str(&uncommented(true)).unwrap(), &mut shown);
    keys("", &toml::from_str(&to_toml(&everything)).unwrap(), &mut known);
    assert_eq!(shown, known);
    // serde itself names every key of a table when it meets an unknown one
    for table in [
        "", "party", "folders", "keys", "center", "trust", "intake", "scan", "limits", "retry", "api", "card",
    ] {
        let head = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
        let message = refused(&format!("{head}no-such-key = 1\n")).to_string();
        let list = message.lines().next().unwrap().split_once("鍵有：");
        // a table with one or two keys is told as "`a` or `b`": the same quoting, the same list
        let list = list.unwrap_or_else(|| panic!("{message}")).1.trim_end_matches(" [config-unknown-key]");
        for key in list.split('、') {
            let path = if table.is_empty() { format!(".{key}") } else { format!(".{table}.{key}") };
            assert!(shown.iter().any(|s| *s == path || s.starts_with(&format!("{path}."))), "{path}");
        }
    }
}

#[test]
fn a_complete_file_is_accepted_and_paths_are_absolute() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    std::fs::write(&path, with_file_keys()).unwrap();
    let settings: NodeConfig = load(&path).unwrap();
    assert_eq!(settings.folders.drop, dir.path().join("drop"));
    assert_eq!(settings.api.socket, dir.path().join("state/api.sock"));
    assert_eq!(settings.trust.anchors, Some(dir.path().join("pki/anchors.pem")));
    assert_eq!(settings.party.mailboxes(), ["A11020200F"]);
    assert_eq!(settings.center.tls_name(), "center.example.tw");
    let key = dir.path().join("keys/sign.key.pem");
    assert!(matches!(settings.keys.sign.source(), Some(KeySource::Files { key: k, .. }) if k == key));
    assert_eq!((settings.limits.document, settings.intake.settle), (Bytes::mib(100), Period::secs(2)));
    // written and read back it is equal
    let again: NodeConfig = parse(&to_toml(&settings), &path).unwrap();
    assert_eq!(again, settings);
}

#[test]
fn an_unknown_key_is_refused_with_line_column_and_caret() {
    let error = refused("[party]\ncode = \"A11020200F\"\nnmae = \"某機關\"\n");
    assert_eq!((error.label(), error.notes()[0].line, error.notes()[0].column), ("config-unknown-key", 3, 1));
    let text = error.to_string();
    assert!(text.starts_with("/etc/di/node.toml:3:1: 沒有「nmae」這個鍵"), "{text}");
    assert!(text.contains("code、name、units") && text.contains("3 | nmae = \"某機關\""), "{text}");
    assert!(text.ends_with("\n  | ^^^^"), "{text}");
}

#[test]
fn a_value_of_the_wrong_form_points_at_the_value() {
    for (text, at, needle) in [
        ("[intake]\nsettle = \"30 parsecs\"", (2, 10), "不是時間長度"),
        ("[limits]\ndocument = 100", (2, 12), "型別不對"),
        ("[party]\ncode = \"a1\"", (2, 8), "不是機關代碼"),
        ("[party]\nunits = [\"U100000\", \"x\"]", (2, 9), "不是單位代碼"),
        ("outgoing = \"lax\"", (1, 12), "tolerant、strict"),
        ("[center]\naddress = \"center\"", (2, 11), "host:port"),
    ] {
        let error = refused(text);
        let note = &error.notes()[0];
        assert_eq!((note.label, (note.line, note.column)), ("config-value", at), "{error}");
        assert!(note.message.contains(needle), "{error}");
    }
}

#[test]
fn what_does_not_go_together_points_at_its_key_and_all_of_it_is_told_at_once() {
    let text = with_file_keys()
        .replace("in-flight = 8", "in-flight = 0")
        .replace("failed = \"failed\"", "failed = \"drop/failed\"")
        .replace("code = \"CENTER0001\"", "code = \"\"");
    let error = refused(&text);
    let found: BTreeSet<(&str, &str)> =
        error.notes().iter().map(|n| (n.source_line.as_str(), n.label)).collect();
    let expected = [
        ("failed = \"drop/failed\"", "config-value"),
        ("in-flight = 0", "config-value"),
        ("code = \"\"", "config-missing"),
    ];
    assert_eq!(found, expected.into_iter().collect());
    assert!(error.to_string().contains("folders.drop"), "{error}");
}

#[test]
fn an_empty_file_names_every_required_key() {
    let error = refused("");
    let missing: Vec<_> = error.notes().iter().map(|n| n.message.split('：').next().unwrap()).collect();
    for key in [
        "party.code",
        "keys.sign",
        "keys.unwrap",
        "center.address",
        "center.code",
        "center.anchors",
        "center.receipt-certificate",
        "center.registrar-anchors",
        "trust.anchors",
    ] {
        assert!(missing.contains(&key), "{key} in {missing:?}");
    }
    assert!(error.notes().iter().all(|n| n.label == "config-missing"));
}

#[test]
fn half_a_key_pair_and_two_passphrases_are_refused() {
    let text = with_file_keys().replace("certificate = \"keys/sign.crt.pem\"", "passphrase = \"hunter2\"");
    let error = refused(&text);
    let messages: Vec<_> = error.notes().iter().map(|n| n.message.as_str()).collect();
    assert!(messages.iter().any(|m| m.starts_with("keys.sign：")), "{messages:?}");
    assert!(messages.iter().any(|m| m.starts_with("keys.sign.passphrase：")), "{messages:?}");
}

#[test]
fn a_passphrase_is_never_shown() {
    let text = with_file_keys()
        .replace("#: # pkcs12", "# pkcs12")
        .replace("passphrase-file = \"keys/passphrase\"", "passphrase = \"hunter2\"");
    let settings = parse::<NodeConfig>(&text, Path::new("/x/node.toml")).unwrap();
    assert_eq!(settings.keys.sign.passphrase.as_ref().unwrap().expose(), "hunter2");
    assert!(!to_toml(&settings).contains("hunter2") && to_toml(&settings).contains("\"****\""));
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn a_file_that_is_not_there_not_utf8_or_not_toml() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    assert_eq!(load::<NodeConfig>(&path).unwrap_err().label(), "config-unreadable");
    std::fs::write(&path, b"[party]\nname = \"\xa4\xbd\"\n").unwrap();
    let error = load::<NodeConfig>(&path).unwrap_err();
    assert_eq!((error.label(), error.notes()[0].line), ("config-syntax", 2));
    let error = refused("[party\n");
    assert_eq!((error.label(), error.notes()[0].line), ("config-syntax", 1), "{error}");
    let error = refused("\u{feff}[party]\ncode = 1\n");
    assert_eq!(error.notes()[0].line, 2, "a byte order mark does not shift the place: {error}");
}

#[test]
fn every_label_is_listed() {
    for error in [refused(""), refused("x = 1"), refused("["), refused("receive-only = 3")] {
        assert!(config::LABELS.iter().any(|(label, _)| *label == error.label()));
    }
    let _ = NodeConfig::default().problems();
}

/// A complete file with a card instead of a signing key in a file, and `more` in its table.
fn with_card(more: &str) -> String {
    let text = with_file_keys();
    let (before, keys) = text.split_once("[keys.sign]\n").unwrap();
    let after = keys.get(keys.find("[[keys.unwrap]]").unwrap()..).unwrap();
    let old_keys_and_center = after.split_once("[center]").unwrap();
    format!("{before}[card]\n{more}\n[center]{}", old_keys_and_center.1)
}

#[test]
fn a_card_stands_in_for_key_files() {
    let text = with_card("module = \"/usr/lib/p11.so\"\npin-file = \"keys/pin\"\npcsc = \"ACS\"");
    let settings: NodeConfig = parse(&text, Path::new("/etc/di/node.toml")).unwrap();
    assert!(settings.card.is_used() && settings.keys.unwrap.is_empty());
    assert_eq!(settings.card.pin(), PinSource::File(Path::new("/etc/di/keys/pin")));
    assert_eq!(settings.card.pcsc, Pcsc::Reader("ACS".into()));
    let again: NodeConfig = parse(&to_toml(&settings), Path::new("/etc/di/node.toml")).unwrap();
    assert_eq!(again, settings);
    let nobody = with_card("module = \"/usr/lib/p11.so\"");
    let settings: NodeConfig = parse(&nobody, Path::new("/etc/di/node.toml")).unwrap();
    assert_eq!((settings.card.pin(), &settings.card.pcsc), (PinSource::Prompt, &Pcsc::Auto));
}

#[test]
fn what_makes_no_sense_of_a_card_points_at_its_line() {
    for (more, line, needle) in [
        ("module = \"p11.so\"", "module = \"p11.so\"", "絕對路徑"),
        ("label = \"x\"", "[card]", "要寫 module"),
        ("module = \"/p\"\npin-fd = 3\npin-file = \"pin\"", "pin-fd = 3", "只能寫一個"),
        ("module = \"/p\"\npin-credential = \"a/b\"", "pin-credential = \"a/b\"", "不是路徑"),
        ("module = \"/p\"\norganisation-oid = \"2.16.x\"", "organisation-oid = \"2.16.x\"", "以點分隔"),
        ("module = \"/p\"\ntimeout = \"10ms\"", "timeout = \"10ms\"", "不得小於 1s"),
        ("module = \"/p\"\npcsc = \"\"", "pcsc = \"\"", "auto"),
    ] {
        let error = refused(&with_card(more));
        let told = |n: &config::Note| n.source_line == line && n.message.contains(needle);
        assert!(error.notes().iter().any(told), "{error}");
    }
    let both = with_file_keys().replace("[center]", "[card]\nmodule = \"/p\"\n[center]");
    let error = refused(&both);
    assert!(error.to_string().contains("二者擇一"), "{error}");
}
