//! What a node does to every letter: `cargo bench -p di-format --bench parts` (all crates': `make bench-parts`). How letters
//! of other sizes and shapes fare is in `speed`.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a measuring program")]

#[path = "speed/shapes.rs"]
#[allow(dead_code, reason = "shared with the other measuring program")]
mod shapes;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use di_format::{Limits, read};

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read and judge a letter");
    for size in [2_000, 10_000, 100_000] {
        let letter = shapes::letter(size);
        group.throughput(Throughput::Bytes(letter.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &letter, |bencher, letter| {
            bencher.iter(|| read(black_box(letter), &Limits::default()));
        });
    }
    group.finish();
}

criterion_group!(parts, reading);
criterion_main!(parts);
