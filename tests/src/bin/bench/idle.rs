//! Nothing to do: what the processes take just after their start, and all the while.

use std::fs;
use std::time::Duration;

use crate::meter::{Line, Meter};
use crate::{Outcome, Running};

/// After the start and the login.
const SETTLE: Duration = Duration::from_secs(5);

pub(crate) fn run(running: Running, seconds: u64) -> (Running, Outcome) {
    let running = running.restart();
    std::thread::sleep(SETTLE);
    let meter = Meter::start(&running);
    std::thread::sleep(Duration::from_secs(seconds));
    let resident = running.processes().map(|(name, process)| (name, resident_mb(process.id())));
    let taken = meter.stop(&running);
    let share = |ms: f64| ms / taken.seconds / 10.0;
    let shares: Vec<_> = taken.cpu.iter().map(|(name, ms)| (*name, share(*ms))).collect();
    let line = Line::new("idle")
        .figure("seconds", taken.seconds, 0)
        .each("cpu_percent_of_a_core", &shares, 3)
        .each("resident_mb", &resident, 1)
        .each("peak_mb", &taken.peak, 1)
        .number("lost", 0)
        .number("doubled", 0);
    (running, Outcome::of(line, 0, 0))
}

fn resident_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap() / 1024.0
}
