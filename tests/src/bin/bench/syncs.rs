//! How often each process waits for the disk, by letters: the programs run under `strace`, which sees these calls only,
//! so the others go at their usual speed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::meter::{Line, with_all};
use crate::{Flow, Outcome, Running, steady};

const CASES: &[&str] = &["syncs_10k=400x10000@8", "syncs_1m=60x1000000@8"];

/// What a program is started with.
pub(crate) fn wrapper(dir: &Path, name: &str) -> Vec<OsString> {
    // -D: the program stays our child; seccomp: nothing but these calls stops it
    let mut words: Vec<OsString> = [
        "strace",
        "-D",
        "-f",
        "-q",
        "--seccomp-bpf",
        "-ttt",
        "-e",
        "trace=fsync,fdatasync,syncfs,msync",
        "-o",
    ]
    .map(OsString::from)
    .to_vec();
    words.push(file(dir, name).into());
    words
}

fn file(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.syncs"))
}

pub(crate) fn run(running: Running) -> (Running, Vec<Outcome>) {
    let mut running = running.restart_under(wrapper);
    let mut outcomes = Vec::new();
    for flow in CASES.iter().filter_map(|case| Flow::of(case)) {
        let from = now();
        let steady = steady::run(&mut running, &flow);
        let to = now();
        let count = |name| count(&file(&running.site.dir, name), from, to) as f64 / flow.count as f64;
        let each = with_all(["sender", "center", "receiver"].map(|name| (name, count(name))).to_vec());
        let line = Line::new(&flow.name)
            .number("documents", flow.count)
            .number("bytes", flow.bytes)
            .number("in_flight", flow.in_flight)
            .each("syncs_per_document", &each, 2)
            .number("lost", steady.lost)
            .number("doubled", steady.doubled);
        outcomes.push(Outcome::of(line, steady.lost, steady.doubled));
    }
    (running.restart(), outcomes)
}

/// Seconds since 1970, as strace prints them.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Lines of calls that began between the two.
fn count(path: &Path, from: f64, to: f64) -> usize {
    let text = fs::read_to_string(path).unwrap_or_default();
    let began = |line: &&str| {
        let time = line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
        !line.contains("resumed>")
            && line.contains("sync(")
            && time.is_some_and(|at| (from..to).contains(&at))
    };
    text.lines().filter(began).count()
}
