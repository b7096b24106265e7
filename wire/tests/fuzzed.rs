//! The fuzz target of this crate on stable Rust: vectors, kept corpus, and damaged copies of both.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "tests"
)]

#[path = "../../fuzz/targets/drive.rs"]
mod drive;
#[path = "../../fuzz/targets/wire.rs"]
mod targets;

use std::path::Path;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The second line of every vector, which is the message.
fn vectors() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut all: Vec<_> = ["v1", "v2"]
        .iter()
        .flat_map(|version| std::fs::read_dir(folder.join(version)).unwrap())
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, unhex(text.lines().nth(1).unwrap()))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn frame() {
    let mut seeds: Vec<Vec<u8>> = vectors().into_iter().map(|(_, bytes)| bytes).collect();
    seeds.extend(drive::files(&[drive::folder().join("kept/frame")]));
    drive::run(targets::frame, &seeds, &[]);
}

/// `WRITE_KEPT=1` writes those that are missing.
#[test]
fn the_kept_corpus_has_every_vector() {
    let folder = drive::folder().join("kept/frame");
    for (name, bytes) in vectors() {
        let path = folder.join(name);
        if std::env::var_os("WRITE_KEPT").is_some() && !path.exists() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{}", path.display());
    }
}
