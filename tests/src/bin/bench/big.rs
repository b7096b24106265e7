//! A huge attachment, the limits raised for it, and eight small letters dropped just behind it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use store::journal::About;
use tests::site::Site;

use crate::meter::{Line, Meter, percentile};
use crate::stage::Unit;
use crate::tail::Tail;
use crate::{Outcome, Running};

const SMALL: usize = 8;
const AT_MOST: Duration = Duration::from_secs(600);

/// Before the processes start.
pub(crate) fn prepare(site: &Site) {
    for code in &site.codes {
        site.set(&format!("node-{code}.toml"), "limits", "document", "\"1200 MiB\"");
    }
    site.set("center.toml", "limits", "part", "\"1200 MiB\"");
}

pub(crate) fn run(running: &mut Running, name: &str, bytes: usize) -> Outcome {
    let staged = running.site.dir.join("staged");
    let first = running.next;
    let units: Vec<Unit> = (0..=SMALL)
        .map(|n| {
            let bytes = if n == 0 { bytes } else { 10_000 };
            let number = running.number();
            Unit::make(&staged, number, &running.from, &[&running.to], bytes, "普通件")
        })
        .collect();
    rustix::fs::sync();
    let drop = running.site.folder(&running.from, "drop");
    let mut tail = Tail::open(&running.site.folder(&running.from, "state"));
    let meter = Meter::start(running);
    let start = Instant::now();
    for unit in &units {
        unit.drop_into(&drop);
    }
    let (mut ids, mut big, mut small) = (HashMap::new(), None, Vec::new());
    let mut overtook = 0;
    while (big.is_none() || small.len() < SMALL) && start.elapsed() < AT_MOST {
        for line in tail.look() {
            let About::Document(id) = line.about else { continue };
            if line.event == "claimed" {
                let number = line.detail.split('.').next().and_then(|n| n.parse::<usize>().ok());
                ids.extend(number.map(|n| (id, n)));
            } else if line.event == "confirmed" {
                match ids.remove(&id) {
                    Some(number) if number == first => big = Some(start.elapsed()),
                    Some(_) => {
                        small.push(start.elapsed());
                        overtook += usize::from(big.is_none());
                    }
                    None => {}
                }
            }
        }
    }
    let taken = meter.stop(running);
    let checked = crate::check::check(&running.site, &running.to, &units);
    let lost = checked.lost.max(1 + SMALL - usize::from(big.is_some()) - small.len());
    let seconds = big.unwrap_or(AT_MOST).as_secs_f64();
    let line = Line::new(name)
        .number("documents", 1 + SMALL)
        .number("bytes", bytes)
        .figure("seconds", seconds, 2)
        .figure("mb_per_s", bytes as f64 / 1e6 / seconds, 1)
        .number("small_overtook", overtook)
        .figure("small_p50_ms", percentile(&mut small, 0.5), 1)
        .figure("small_max_ms", percentile(&mut small, 1.0), 1)
        .each("cpu_ms", &taken.cpu_per(1), 0)
        .each("peak_mb", &taken.peak, 1)
        .each("written_mb", &taken.written_mb(1), 1)
        .number("lost", lost)
        .number("doubled", checked.doubled);
    Outcome::of(line, lost, checked.doubled)
}
