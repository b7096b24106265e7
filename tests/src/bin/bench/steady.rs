//! Equal letters to one recipient, a fixed number of them in flight.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use store::journal::About;

use crate::check::{self, check};
use crate::meter::{Line, Meter, percentile};
use crate::tail::Tail;
use crate::{Flow, Outcome, Running, stage};

/// Without any progress for so long the rest counts as lost.
const STALLED: Duration = Duration::from_secs(60);

pub(crate) fn run(running: &mut Running, flow: &Flow) -> Outcome {
    let Flow { name, count, bytes, in_flight } = flow;
    let staged = running.site.dir.join("staged");
    let units = stage::make(&staged, running.next, *count, &running.from, &running.to, *bytes);
    let first = running.next;
    running.next += count;
    let drop = running.site.folder(&running.from, "drop");
    let mut tail = Tail::open(&running.site.folder(&running.from, "state"));

    let meter = Meter::start(running);
    let mut dropped = Vec::with_capacity(*count);
    let mut times = Vec::with_capacity(*count);
    let mut ids = HashMap::with_capacity(*count);
    let mut progress = Instant::now();
    while times.len() < *count && progress.elapsed() < STALLED {
        while let Some(unit) = units.get(dropped.len())
            && dropped.len() - times.len() < *in_flight
        {
            unit.drop_into(&drop);
            dropped.push(Instant::now());
        }
        for line in tail.look() {
            let About::Document(id) = line.about else { continue };
            if line.event == "claimed" {
                let number = line.detail.split('.').next().and_then(|n| n.parse::<usize>().ok());
                ids.extend(number.and_then(|n| n.checked_sub(first)).map(|n| (id, n)));
            } else if line.event == "confirmed"
                && let Some(n) = ids.remove(&id)
            {
                times.push(dropped[n].elapsed());
                progress = Instant::now();
            }
        }
    }
    let taken = meter.stop(running);

    let confirmed = times.len();
    let check::Counted { lost, doubled } = check(&running.site, &running.to, &units);
    let lost = lost.max(count - confirmed);
    let line = Line::new(name)
        .number("documents", *count)
        .number("bytes", *bytes)
        .number("in_flight", *in_flight)
        .figure("per_s", confirmed as f64 / taken.seconds, 1)
        .figure("p50_ms", percentile(&mut times, 0.5), 1)
        .figure("p95_ms", percentile(&mut times, 0.95), 1)
        .figure("p99_ms", percentile(&mut times, 0.99), 1)
        .each("cpu_ms", &taken.cpu_per(*count), 2)
        .each("peak_mb", &taken.peak, 1)
        .each("written_mb", &taken.written_mb(*count), 3)
        .number("lost", lost)
        .number("doubled", doubled)
        .figure("harness_cpu_ms", taken.own / *count as f64, 2);
    let cpu_ms = taken.cpu.iter().map(|(_, ms)| ms).sum();
    let cpu = taken.cpu_per(*count);
    Outcome { line, seconds: taken.seconds, cpu_ms, cpu, peak: taken.peak, lost, doubled }
}
