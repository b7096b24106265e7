//! One letter at a time, with pauses: from its last close to its place in the other end's archive.

use std::time::Duration;

use crate::meter::{Line, Meter, percentile};
use crate::stage::Unit;
use crate::tail::Tail;
use crate::{Outcome, Running};

const LETTERS: usize = 300;
const BYTES: usize = 10_000;
const AT_MOST: Duration = Duration::from_secs(30);

pub(crate) fn run(running: &mut Running) -> Outcome {
    let staged = running.site.dir.join("staged");
    let drop = running.site.folder(&running.from, "drop");
    let mut there = Tail::open(&running.site.folder(&running.to, "state"));
    let mut here = Tail::open(&running.site.folder(&running.from, "state"));
    let (mut archived, mut confirmed, mut units) = (Vec::new(), Vec::new(), Vec::new());
    let meter = Meter::start(running);
    for n in 0..LETTERS {
        let number = running.number();
        let unit = Unit::make(&staged, number, &running.from, &[&running.to], BYTES, "普通件");
        let closed = unit.write_into(&drop);
        let wait = |tail: &mut Tail, event: &str| {
            while closed.elapsed() < AT_MOST {
                if tail.look().iter().any(|line| line.event == event) {
                    return Some(closed.elapsed());
                }
            }
            None
        };
        archived.extend(wait(&mut there, "archived"));
        confirmed.extend(wait(&mut here, "confirmed"));
        units.push(unit);
        // Not in step with anything that the programs do at intervals.
        std::thread::sleep(Duration::from_millis(20 + (n as u64 * 37) % 60));
    }
    let taken = meter.stop(running);
    let checked = crate::check::check(&running.site, &running.to, &units);
    let lost = checked.lost.max(LETTERS - archived.len());
    let line = Line::new("single")
        .number("documents", LETTERS)
        .number("bytes", BYTES)
        .figure("p50_ms", percentile(&mut archived, 0.5), 1)
        .figure("p95_ms", percentile(&mut archived, 0.95), 1)
        .figure("p99_ms", percentile(&mut archived, 0.99), 1)
        .figure("confirmed_p50_ms", percentile(&mut confirmed, 0.5), 1)
        .figure("confirmed_p99_ms", percentile(&mut confirmed, 0.99), 1)
        .each("cpu_ms", &taken.cpu_per(LETTERS), 2)
        .each("peak_mb", &taken.peak, 1)
        .number("lost", lost)
        .number("doubled", checked.doubled);
    Outcome::of(line, lost, checked.doubled)
}
