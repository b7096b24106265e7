//! Ours and the peer in turns, on the same machine in the same minutes; and beside them the limit, cryptography alone.
//!
//! The peer is a program `run.sh` that does the four cases and prints one JSON line for each (`label`, `count`, `wall_s`,
//! `sender_cpu_s`, `receiver_cpu_s`, `missing`, `duplicates`). The limit is another, which prints documents per second of
//! signing, sealing, opening, verifying, receipt and its verification in memory, on one core and on two.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::meter::{Line, load, syncs_per_second};
use crate::{Asked, Flow, Running, steady};

/// The peer's cases and counts.
const CASES: &[&str] = &["s10k=400x10000@1", "p10k=400x10000@8", "s1m=100x1000000@1", "p1m=100x1000000@8"];

/// Where the other programs are.
pub(crate) struct Peer {
    /// The peer's `run.sh`.
    pub(crate) run: PathBuf,
    /// The limit's `run.sh`.
    pub(crate) limit: PathBuf,
    /// What they may keep for the next time (the peer's Python packages).
    pub(crate) work: PathBuf,
    /// How often each.
    pub(crate) rounds: usize,
}

/// All rounds of one side in one case.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    documents: f64,
    seconds: f64,
    /// Seconds of all processes.
    cpu: f64,
    lost: u64,
    doubled: u64,
}

impl Sum {
    fn per_s(&self) -> f64 {
        self.documents / self.seconds
    }

    fn cpu_ms(&self) -> f64 {
        self.cpu * 1e3 / self.documents
    }
}

/// Whether nothing of ours was lost or doubled.
pub(crate) fn run(dir: &Path, asked: &Asked, peer: &Peer) -> Result<bool, String> {
    let (mut ours, mut theirs): (BTreeMap<String, Sum>, BTreeMap<String, Sum>) = Default::default();
    let mut limits = Vec::new();
    for round in 1..=peer.rounds {
        let machine = Line::new("machine")
            .number("round", round)
            .figure("syncs_per_s", syncs_per_second(dir), 0)
            .figure("load", load(), 1);
        println!("{machine}");
        let mut running = Running::start(&dir.join(round.to_string()), asked, |_| {});
        for flow in CASES.iter().filter_map(|case| Flow::of(case)) {
            let steady = steady::run(&mut running, &flow);
            eprintln!("ours {round}: {}", steady.line);
            let sum = ours.entry(flow.name).or_default();
            sum.documents += flow.count as f64;
            sum.seconds += steady.seconds;
            sum.cpu += steady.cpu_ms / 1e3;
            sum.lost += steady.lost as u64;
            sum.doubled += steady.doubled as u64;
        }
        drop(running);
        for line in output(&peer.run, &peer.work.join("peer"), &["wal"])?.lines() {
            eprintln!("peer {round}: {line}");
            add(&mut theirs, line);
        }
        let said = output(&peer.limit, &peer.work.join("limit"), &[])?;
        limits.extend(said.lines().filter_map(Limit::of));
    }
    for (case, _) in CASES.iter().filter_map(|case| case.split_once('=')) {
        let (Some(us), Some(them)) = (ours.get(case), theirs.get(case)) else {
            return Err(format!("the peer printed no figures for {case}: {}", peer.run.display()));
        };
        println!("{}", compared(case, us, them, peer.rounds));
    }
    println!("{}", limit(&ours, &limits));
    Ok(ours.values().all(|sum| sum.lost + sum.doubled == 0))
}

fn compared(case: &str, us: &Sum, them: &Sum, rounds: usize) -> Line {
    Line::new(case)
        .figure("ours_per_s", us.per_s(), 2)
        .figure("peer_per_s", them.per_s(), 2)
        .figure("ratio", us.per_s() / them.per_s(), 2)
        .figure("ours_cpu_ms", us.cpu_ms(), 2)
        .figure("peer_cpu_ms", them.cpu_ms(), 2)
        .figure("cpu_ratio", them.cpu_ms() / us.cpu_ms(), 2)
        .number("rounds", rounds)
        .figure("ours_lost", us.lost as f64, 0)
        .figure("ours_doubled", us.doubled as f64, 0)
        .figure("peer_lost", them.lost as f64, 0)
        .figure("peer_doubled", them.doubled as f64, 0)
}

/// One line of the peer.
fn add(theirs: &mut BTreeMap<String, Sum>, line: &str) {
    let Ok(said) = serde_json::from_str::<serde_json::Value>(line) else { return };
    let Some(case) = said["label"].as_str().filter(|label| *label != "warm") else { return };
    let sum = theirs.entry(case.to_owned()).or_default();
    let figure = |name: &str| said[name].as_f64().unwrap_or_default();
    sum.documents += figure("count");
    sum.seconds += figure("wall_s");
    sum.cpu += figure("sender_cpu_s") + figure("receiver_cpu_s");
    sum.lost += said["missing"].as_u64().unwrap_or_default();
    sum.doubled += said["duplicates"].as_u64().unwrap_or_default();
}

/// What a run of the limit says of one size and number of threads.
struct Limit {
    bytes: u64,
    threads: u64,
    per_s: f64,
    cpu_ms: f64,
}

impl Limit {
    /// From `r AES-256-GCM size=10240 threads=2: 1578.1 docs/s, 1.250 ms cpu/doc […`.
    fn of(line: &str) -> Option<Self> {
        let value = |key: &str| {
            let rest = line.split_once(key)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let figures = line.split_once(": ")?.1;
        let (per_s, rest) = figures.split_once(" docs/s, ")?;
        let cpu_ms = rest.split_once(" ms cpu/doc")?.0;
        Some(Self {
            bytes: value("size=")?,
            threads: value("threads=")?,
            per_s: per_s.parse().ok()?,
            cpu_ms: cpu_ms.parse().ok()?,
        })
    }
}

/// Which share of the limit on two cores the parallel cases reach.
fn limit(ours: &BTreeMap<String, Sum>, limits: &[Limit]) -> Line {
    let mut line = Line::new("limit");
    for (case, bytes, suffix) in [("p10k", 10_240, ""), ("p1m", 1_048_576, "_1m")] {
        let of: Vec<_> = limits.iter().filter(|limit| (limit.bytes, limit.threads) == (bytes, 2)).collect();
        let mean =
            |figure: fn(&Limit) -> f64| of.iter().map(|limit| figure(limit)).sum::<f64>() / of.len() as f64;
        let Some(us) = ours.get(case).filter(|_| !of.is_empty()) else { continue };
        line = line
            .figure(&format!("share{suffix}"), us.per_s() / mean(|limit| limit.per_s), 3)
            .figure(&format!("limit{suffix}_per_s"), mean(|limit| limit.per_s), 1)
            .figure(&format!("ours{suffix}_per_s"), us.per_s(), 1)
            .figure(&format!("limit{suffix}_cpu_ms"), mean(|limit| limit.cpu_ms), 2)
            .figure(&format!("ours{suffix}_cpu_ms"), us.cpu_ms(), 2)
            .figure(&format!("cpu_share{suffix}"), mean(|limit| limit.cpu_ms) / us.cpu_ms(), 3);
    }
    line
}

/// What a `run.sh` prints; its work goes there.
fn output(program: &Path, work: &Path, args: &[&str]) -> Result<String, String> {
    std::fs::create_dir_all(work).map_err(|e| format!("{}: {e}", work.display()))?;
    let mut command = Command::new(OsStr::new("bash"));
    command.arg(program).args(args).env("PEER_WORK", work).stdin(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().map_err(|e| format!("{}: {e}", program.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let end: Vec<&str> = said.lines().rev().take(8).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    Err(format!(
        "{} ended with {}:\n{}\nThe peer needs python3 with venv, openssl, curl and, the first time, PyPI; the limit needs gcc \
         and libssl-dev. Its work folder: {}",
        program.display(),
        output.status,
        end.join("\n"),
        work.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_others_print_is_read() {
        let line = "r AES-256-GCM size=10240 threads=2: 1578.1 docs/s, 1.250 ms cpu/doc [sign 0.300 enc 0.1]";
        let read = Limit::of(line).unwrap();
        assert_eq!((read.bytes, read.threads, read.per_s, read.cpu_ms), (10_240, 2, 1578.1, 1.25));
        let mut sums = BTreeMap::new();
        let peer = r#"{"label":"p10k","count":400,"wall_s":20.0,"sender_cpu_s":18.0,"receiver_cpu_s":12.0,"missing":1,"duplicates":2}"#;
        add(&mut sums, peer);
        add(&mut sums, &peer.replace("20.0", "30.0"));
        add(&mut sums, r#"{"label":"warm","count":20,"wall_s":1.0}"#);
        let sum = sums["p10k"];
        assert_eq!((sum.per_s(), sum.cpu_ms(), sum.lost, sum.doubled), (16.0, 75.0, 2, 4));
        assert_eq!(sums.len(), 1);
        let ours = Sum { documents: 800.0, seconds: 4.0, cpu: 3.2, ..Sum::default() };
        let text = compared("p10k", &ours, &sum, 2).to_string();
        let wanted = r#"{"case":"p10k","ours_per_s":200.00,"peer_per_s":16.00,"ratio":12.50,"ours_cpu_ms":4.00,"peer_cpu_ms":75.00,"#;
        assert!(text.starts_with(wanted), "{text}");
    }
}
