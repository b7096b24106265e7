//! A first, rough measurement: one center and two nodes as real processes, file keys, from the drop folder to 使用者確認.
//!
//! `rough-bench BIN-DIR [--softhsm MODULE] [CASE…]`, cases `NAME=COUNTxBYTES@IN-FLIGHT`, for example `p10k=400x10000@8`;
//! with a module the sender's keys are on a SoftHSM token.
//! Prints one JSON line per case: documents per second, CPU ms per document of each process, peak memory of each.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement stops at the first surprise")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::Store;
use store::state::Word;
use tests::site::{Process, Site, drop_letter, eventually};

struct Case {
    name: String,
    count: usize,
    bytes: usize,
    in_flight: usize,
}

fn parse(text: &str) -> Option<Case> {
    let (name, rest) = text.split_once('=')?;
    let (count, rest) = rest.split_once('x')?;
    let (bytes, in_flight) = rest.split_once('@')?;
    Some(Case {
        name: name.to_owned(),
        count: count.parse().ok()?,
        bytes: bytes.parse().ok()?,
        in_flight: in_flight.parse().ok()?,
    })
}

/// How many documents of the sender are confirmed by everybody; read beside the node, so that asking costs it nothing.
fn confirmed(store: &Store) -> usize {
    let counts = store.counters().unwrap().documents;
    let of = counts.into_iter().filter(|(word, _)| *word == Word::Confirmed).map(|(_, count)| count);
    usize::try_from(of.sum::<u64>()).unwrap()
}

fn main() {
    let mut args = std::env::args().skip(1);
    let bins = PathBuf::from(args.next().expect("rough-bench BIN-DIR [CASE…]"));
    let mut args = args.peekable();
    let module = args.next_if(|a| a == "--softhsm").and_then(|_| args.next()).map(PathBuf::from);
    let mut cases: Vec<Case> = args.map(|a| parse(&a).expect("NAME=COUNTxBYTES@IN-FLIGHT")).collect();
    if cases.is_empty() {
        cases = ["s10k=200x10000@1", "p10k=400x10000@8", "s1m=50x1000000@1", "p1m=100x1000000@8"]
            .iter()
            .filter_map(|c| parse(c))
            .collect();
    }
    let dir = tempfile::tempdir().unwrap();
    let site = match &module {
        Some(module) => Site::make_with_token(dir.path(), &bins, module),
        None => Site::make(dir.path(), &bins),
    };
    let center = site.center();
    let (from, to) = (&site.codes[0], &site.codes[1]);
    let token = if module.is_some() { site.token() } else { Vec::new() };
    let nodes = [site.node_in(from, token), site.node(to)];
    let socket = site.socket(from);
    eventually("the sender is connected", Duration::from_secs(20), || {
        site.get(&socket, "/v1/status").ok().filter(|s| s["link"]["connected"] == true)
    });
    let store = Store::open_read_only(&site.folder(from, "state")).unwrap();
    let drop = site.folder(from, "drop");
    let mut number = 0;
    for case in &cases {
        let body = vec![0x5a; case.bytes.saturating_sub(1_500)];
        let before = confirmed(&store);
        let cpu = |p: &Process| p.cpu_ms();
        let cpu_before = [cpu(&nodes[0]), cpu(&center), cpu(&nodes[1])];
        let start = Instant::now();
        let mut dropped = 0;
        let mut done = 0;
        while done < case.count {
            while dropped < case.count && dropped - done < case.in_flight {
                number += 1;
                // every letter differs, so that none is a duplicate
                let mut bytes = body.clone();
                let mark = format!("{number:08}");
                bytes[..8].copy_from_slice(mark.as_bytes());
                let _ = drop_letter(&drop, &format!("{number:07}"), from, &[to], &[("bin", &bytes)]);
                dropped += 1;
            }
            std::thread::sleep(Duration::from_millis(3));
            done = confirmed(&store) - before;
            assert!(
                start.elapsed() < Duration::from_secs(600),
                "{}: only {done} of {} confirmed",
                case.name,
                case.count
            );
        }
        let seconds = start.elapsed().as_secs_f64();
        let per = |after: u64, before: u64| (after - before) as f64 / case.count as f64;
        println!(
            "{{\"case\":\"{}\",\"documents\":{},\"bytes\":{},\"in_flight\":{},\"per_s\":{:.1},\"cpu_ms\":{{\"sender\":{:.2},\"center\":{:.2},\"receiver\":{:.2}}},\"peak_kb\":{{\"sender\":{},\"center\":{},\"receiver\":{}}}}}",
            case.name,
            case.count,
            case.bytes,
            case.in_flight,
            case.count as f64 / seconds,
            per(nodes[0].cpu_ms(), cpu_before[0]),
            per(center.cpu_ms(), cpu_before[1]),
            per(nodes[1].cpu_ms(), cpu_before[2]),
            nodes[0].peak_kb(),
            center.peak_kb(),
            nodes[1].peak_kb(),
        );
    }
}
