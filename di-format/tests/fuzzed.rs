//! The fuzz targets of this crate on stable Rust: vectors, kept corpus, and damaged copies of both.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "tests"
)]

#[path = "../../fuzz/targets/di.rs"]
mod di;
#[path = "../../fuzz/targets/drive.rs"]
mod drive;

use std::path::Path;

use di_format::model::grammar;
use di_format::{Edition, Kind};

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut folders = vec![drive::folder().join("kept").join(target)];
    if target != "validate" {
        folders.extend(["good", "tolerated", "bad"].map(|name| vectors.join(name)));
    }
    let mut seeds = drive::files(&folders);
    if target == "subset" {
        // the part between the brackets
        for seed in &mut seeds {
            let find = |mark: u8| seed.iter().take(2000).position(|byte| *byte == mark);
            if let (Some(from), Some(to)) = (find(b'['), find(b']')) {
                *seed = seed.get(from + 1..to).unwrap_or_default().to_vec();
            }
        }
    }
    seeds
}

#[test]
fn parse() {
    drive::run(di::parse, &seeds("parse"), &drive::words());
}

#[test]
fn validate() {
    // its bytes are choices
    let mut numbers = drive::Numbers(3);
    let mut seeds = seeds("validate");
    seeds.extend((0..200).map(|_| (0..300).map(|_| numbers.next().to_be_bytes()[0]).collect::<Vec<u8>>()));
    drive::run(di::validate, &seeds, &[]);
}

#[test]
fn subset() {
    drive::run(di::subset, &seeds("subset"), &drive::words());
}

#[test]
fn roster() {
    let mut seeds = seeds("roster");
    seeds.extend((0..100).map(|number: u8| (0..120).map(|step: u8| step.wrapping_mul(number) | 1).collect()));
    drive::run(di::roster, &seeds, &drive::words());
}

#[test]
fn the_dictionary_knows_every_element() {
    let words = drive::words();
    for kind in Kind::ALL {
        for name in grammar(kind, Edition::E91).elements().chain(grammar(kind, Edition::E104).elements()) {
            assert!(words.contains(&format!("<{name}>").into_bytes()), "{name} is not in fuzz/di.dict");
        }
    }
}
