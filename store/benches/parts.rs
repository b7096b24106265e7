//! A document's way through the store, durably: `cargo bench -p store --bench parts` (all crates': `make bench-parts`).
//! Claim, seal and accept are three commands; alone each has a commit to itself, many at once share them.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a measuring program")]

use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use store::Store;
use store::outbound::{Claim, Container, NewLine, NewPart, Sealing};
use store::queue::Take;

static NEXT: AtomicU64 = AtomicU64::new(1);

fn claim() -> Claim {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let mut digest = [1; 32];
    digest[..16].copy_from_slice(&id);
    Claim { id, drop_name: format!("{n}.di"), digest, ..Claim::default() }
}

fn sealing(claim: &Claim) -> Sealing {
    let digest = claim.digest;
    let container =
        Container { variant: 0, manifest: digest, signature: digest, file: claim.drop_name.clone(), size: 1 };
    let part = NewPart { variant: 0, group: 0, sealed: digest, length: 1, file: claim.drop_name.clone() };
    Sealing {
        about: None,
        document: claim.id,
        containers: vec![container],
        parts: vec![part],
        lines: vec![NewLine { recipient: "XC00000001".to_owned(), ..NewLine::default() }],
        hints: Vec::new(),
        contents: Vec::new(),
    }
}

/// So many documents, each step of all of them before the next step.
fn advance(store: &Store, count: usize) {
    let claims: Vec<Claim> = (0..count).map(|_| claim()).collect();
    let tickets: Vec<_> = claims.iter().map(|claim| store.claim(claim.clone(), 1)).collect();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    let tickets: Vec<_> = claims.iter().map(|claim| store.sealed(sealing(claim), 2)).collect();
    let parts: Vec<i64> = tickets.into_iter().flat_map(|ticket| ticket.wait().unwrap()).collect();
    let tickets: Vec<_> = parts.into_iter().map(|part| store.accepted(part, vec![0; 2_500], 3, 3)).collect();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
}

fn advancing(criterion: &mut Criterion) {
    // Beside the build, which is on a disk; a temporary folder may not be.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = Store::open(&dir.path().join("state"), 0).unwrap();
    let mut group = criterion.benchmark_group("claim, seal and accept, durably");
    group.sample_size(20);
    for count in [1, 8, 64] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("documents at once", count), |bencher| {
            bencher.iter(|| advance(&store, count));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("look");
    group.bench_function("what is due", |bencher| {
        bencher.iter(|| store.due_parts(Take { now: 9, limit: 16, at_most: None }).unwrap());
    });
    group.finish();
}

criterion_group!(parts, advancing);
criterion_main!(parts);
