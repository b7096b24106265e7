//! A message into a frame and out of it: `cargo bench -p wire --bench parts` (all crates': `make bench-parts`).
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a measuring program")]

#[path = "../tests/it/samples.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod samples;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wire::codec::{Message, decode, frame};

fn both<M: Message>(criterion: &mut Criterion, of: &str, name: &str, message: &M) {
    let bytes = frame(message).unwrap();
    let mut group = criterion.benchmark_group(format!("{of} {name}"));
    group.bench_function("encode", |bencher| bencher.iter(|| frame(black_box(message)).unwrap()));
    group.bench_function("decode", |bencher| bencher.iter(|| decode::<M>(black_box(&bytes[4..])).unwrap()));
    group.finish();
}

/// Those that every document needs.
fn frames(criterion: &mut Criterion) {
    for (name, request) in samples::requests() {
        if ["submit", "offers", "fetch", "report", "outcomes"].contains(&name) {
            both(criterion, "request", name, &request);
        }
    }
    for (name, reply) in samples::replies() {
        if ["accepted", "offers", "outcomes"].contains(&name) {
            both(criterion, "reply", name, &reply);
        }
    }
}

criterion_group!(parts, frames);
criterion_main!(parts);
