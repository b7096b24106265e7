//! Figures: time of processors, memory, percentiles, and the JSON line that they are printed in.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Running;

/// A JSON object whose members stay in the order in which they were put in.
pub(crate) struct Line(Vec<(String, String)>);

impl Line {
    pub(crate) fn new(case: &str) -> Self {
        Self(vec![("case".to_owned(), format!("{case:?}"))])
    }

    pub(crate) fn number(mut self, name: &str, value: usize) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// With so many decimals.
    pub(crate) fn figure(mut self, name: &str, value: f64, decimals: usize) -> Self {
        self.0.push((name.to_owned(), format!("{value:.decimals$}")));
        self
    }

    /// One figure for each process.
    pub(crate) fn each(mut self, name: &str, values: &[(&str, f64)], decimals: usize) -> Self {
        let members: Vec<_> =
            values.iter().map(|(of, value)| format!("\"{of}\":{value:.decimals$}")).collect();
        self.0.push((name.to_owned(), format!("{{{}}}", members.join(","))));
        self
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<_> = self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        write!(f, "{{{}}}", members.join(","))
    }
}

/// What the three processes took since it was started.
pub(crate) struct Meter {
    start: Instant,
    cpu: Vec<u64>,
    written: Vec<u64>,
    own: u64,
}

/// What was taken.
pub(crate) struct Taken {
    pub(crate) seconds: f64,
    /// Milliseconds of each process.
    pub(crate) cpu: Vec<(&'static str, f64)>,
    /// Highest resident memory of each, MB.
    pub(crate) peak: Vec<(&'static str, f64)>,
    /// Bytes that each gave to the disk.
    written: Vec<(&'static str, f64)>,
    /// Milliseconds of the harness.
    pub(crate) own: f64,
}

impl Meter {
    pub(crate) fn start(running: &Running) -> Self {
        let cpu = running.processes().map(|(_, process)| process.cpu_ms());
        for (_, process) in running.processes() {
            process.reset_peak();
        }
        let written = running.processes().map(|(_, process)| written(process.id()));
        Self { start: Instant::now(), cpu: cpu.to_vec(), written: written.to_vec(), own: own_cpu_ms() }
    }

    pub(crate) fn stop(self, running: &Running) -> Taken {
        let seconds = self.start.elapsed().as_secs_f64();
        let processes = running.processes();
        let cpu = processes.iter().zip(&self.cpu);
        let bytes = processes.iter().zip(&self.written);
        Taken {
            seconds,
            cpu: cpu.map(|((name, p), before)| (*name, (p.cpu_ms() - before) as f64)).collect(),
            peak: processes.iter().map(|(name, p)| (*name, p.peak_kb() as f64 / 1024.0)).collect(),
            written: bytes.map(|((name, p), before)| (*name, (written(p.id()) - before) as f64)).collect(),
            own: (own_cpu_ms() - self.own) as f64,
        }
    }
}

impl Taken {
    /// Milliseconds of each process for each document, and of all.
    pub(crate) fn cpu_per(&self, documents: usize) -> Vec<(&'static str, f64)> {
        with_all(self.cpu.iter().map(|(name, ms)| (*name, ms / documents as f64)).collect())
    }

    /// Megabytes that each gave to the disk for each document, and all.
    pub(crate) fn written_mb(&self, documents: usize) -> Vec<(&'static str, f64)> {
        with_all(self.written.iter().map(|(name, bytes)| (*name, bytes / 1e6 / documents as f64)).collect())
    }
}

/// With their sum.
pub(crate) fn with_all(mut each: Vec<(&'static str, f64)>) -> Vec<(&'static str, f64)> {
    each.push(("all", each.iter().map(|(_, figure)| figure).sum()));
    each
}

/// `write_bytes` of a process: pages that it made dirty.
fn written(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// User and system time of this process, ms (in steps of 10).
fn own_cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

/// The time at or below which that share of them lies (nearest rank), ms.
pub(crate) fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let rank = (share * times.len() as f64).ceil().max(1.0);
    let at = (1..times.len()).find(|n| *n as f64 >= rank).unwrap_or(times.len());
    times.get(at.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// Appends of 4 kB, each synced, for a second.
pub(crate) fn syncs_per_second(dir: &Path) -> f64 {
    let path = dir.join("syncs");
    let mut file = std::fs::File::create(&path).unwrap();
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(1) {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    let _ = std::fs::remove_file(path);
    rate
}

/// Of the last minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_default()
}
