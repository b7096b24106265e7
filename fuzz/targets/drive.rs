//! The same targets on stable Rust: over the kept corpus, and over seeds damaged by numbers that are the same everywhere.
#![allow(dead_code, reason = "each test uses a part of this")]

use std::fs;
use std::path::{Path, PathBuf};

/// A target.
pub(crate) type Target = fn(&[u8]);

/// Numbers from a seed (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap()
    }
}

/// The folder `fuzz/` as seen from a crate of the workspace.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The files of some folders, by name.
pub(crate) fn files(folders: &[PathBuf]) -> Vec<Vec<u8>> {
    let mut found: Vec<PathBuf> = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The words of `di.dict`.
pub(crate) fn words() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(folder().join("di.dict")).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'))
        .map(|word| {
            let mut bytes = Vec::new();
            let mut rest = word;
            while let Some(first) = rest.chars().next() {
                if let Some(escaped) = rest.strip_prefix("\\x") {
                    bytes.push(u8::from_str_radix(&escaped[..2], 16).unwrap());
                    rest = &escaped[2..];
                } else {
                    let skip = usize::from(first == '\\');
                    bytes.push(rest.as_bytes()[skip]);
                    rest = &rest[skip + 1..];
                }
            }
            bytes
        })
        .collect()
}

/// Every seed as it is, then `DI_FUZZ_CASES` (else 1,000) damaged ones and as many of random bytes / 10.
pub(crate) fn run(target: Target, seeds: &[Vec<u8>], words: &[Vec<u8>]) {
    run_with(target, seeds, words);
}

/// As [`run`], for what keeps something.
pub(crate) fn run_with(target: impl Fn(&[u8]), seeds: &[Vec<u8>], words: &[Vec<u8>]) {
    let cases: usize = std::env::var("DI_FUZZ_CASES").ok().map_or(1000, |number| number.parse().unwrap());
    seeds.iter().for_each(|seed| target(seed));
    let mut numbers = Numbers(104);
    for _ in 0..cases {
        let mut bytes = seeds.get(numbers.below(seeds.len())).cloned().unwrap_or_default();
        for _ in 0..=numbers.below(4) {
            damage(&mut bytes, seeds, words, &mut numbers);
        }
        target(&bytes);
    }
    for _ in 0..cases / 10 {
        let length = numbers.below(400);
        let bytes: Vec<u8> = (0..length).map(|_| numbers.next().to_be_bytes()[0]).collect();
        target(&bytes);
    }
}

fn damage(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[Vec<u8>], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    let to = bytes.len().min(at + numbers.below(40));
    match numbers.below(7) {
        0 if at < bytes.len() => bytes[at] = numbers.next().to_be_bytes()[0],
        1 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
        2 => {
            bytes.drain(at..to);
        }
        3 => {
            let part = bytes[at..to].to_vec();
            bytes.splice(at..at, part);
        }
        4 if !words.is_empty() => {
            bytes.splice(at..at, words[numbers.below(words.len())].clone());
        }
        5 if !seeds.is_empty() => {
            let other = &seeds[numbers.below(seeds.len())];
            let from = numbers.below(other.len() + 1);
            bytes.splice(at..to, other[from..other.len().min(from + numbers.below(200))].to_vec());
        }
        6 => bytes.truncate(at),
        _ => {}
    }
}
