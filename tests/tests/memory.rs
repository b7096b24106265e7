//! A 200 MB attachment passes through both nodes and the center, each as a real process, each in bounded memory;
//! with the default limit the same letter is refused with its label and remedy.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::Path;
use std::time::Duration;
use tests::site::{Site, drop_letter, eventually};

const BIG: usize = 200_000_000;
/// DESIGN §9: each process stays below this.
const LIMIT_KB: u64 = 64 * 1024;

fn bins() -> std::path::PathBuf {
    tests::binary("di-node").parent().unwrap().to_owned()
}

/// Not compressible by accident, and every block differs from the next.
fn big_bytes() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..BIG.div_ceil(8))
        .flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .take(BIG)
        .collect()
}

fn find(dir: &Path, name: &str) -> Option<std::path::PathBuf> {
    for entry in fs::read_dir(dir).ok()? {
        let path = entry.ok()?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.file_name()?.to_str()? == name {
            return Some(path);
        }
    }
    None
}

#[test]
fn two_hundred_megabytes_pass_in_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::make(dir.path(), &bins());
    let (from, to) = (site.codes[0].clone(), site.codes[1].clone());
    for code in [&from, &to] {
        site.set(&format!("node-{code}.toml"), "limits", "document", "\"300 MiB\"");
    }
    site.set("center.toml", "limits", "part", "\"300 MiB\"");
    let center = site.center();
    let (sender, receiver) = (site.node(&from), site.node(&to));
    let socket = site.socket(&from);
    eventually("the sender is connected", Duration::from_secs(30), || {
        site.get(&socket, "/v1/status").ok().filter(|s| s["link"]["connected"] == true)
    });
    let before = confirmed(&site, &socket);

    let bytes = big_bytes();
    let names = drop_letter(&site.folder(&from, "drop"), "0009001", &from, &[&to], &[("bin", &bytes)]);
    for n in 0..8 {
        let _ = drop_letter(
            &site.folder(&from, "drop"),
            &format!("000901{n}"),
            &from,
            &[&to],
            &[("txt", b"small")],
        );
    }
    eventually("all nine are confirmed", Duration::from_secs(240), || {
        (confirmed(&site, &socket) == before + 9).then_some(())
    });
    let arrived = find(&site.folder(&to, "inbox"), &names[0]).expect("the attachment was delivered");
    assert!(fs::read(arrived).unwrap() == bytes, "the delivered bytes differ");
    for process in [&center, &sender, &receiver] {
        let peak = process.peak_kb();
        println!("{}: peak {} kB", process.name, peak);
        assert!(peak < LIMIT_KB, "{} took {peak} kB", process.name);
    }
}

fn confirmed(site: &Site, socket: &Path) -> u64 {
    let status = site.get(socket, "/v1/status").unwrap();
    let counts = status["counts"].as_array().unwrap();
    counts
        .iter()
        .filter(|c| c["box"] == "out" && c["word"] == "使用者確認")
        .filter_map(|c| c["count"].as_u64())
        .sum()
}

#[test]
fn by_default_two_hundred_megabytes_are_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::make(dir.path(), &bins());
    let (from, to) = (&site.codes[0], &site.codes[1]);
    let _center = site.center();
    let _sender = site.node(from);
    let _ = drop_letter(&site.folder(from, "drop"), "0009002", from, &[to], &[("bin", &big_bytes())]);
    let note = eventually("a note in failed/", Duration::from_secs(60), || {
        let failed = fs::read_dir(site.folder(from, "failed")).ok()?.filter_map(Result::ok);
        let named = failed.map(|e| e.path()).find(|p| {
            let name = p.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("0009002") && name.ends_with(".txt")
        })?;
        fs::read_to_string(named).ok()
    });
    assert!(note.contains("document-too-large"), "the note has the label:\n{note}");
    assert!(note.contains("處理："), "the note says what to do:\n{note}");
}
