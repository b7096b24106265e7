//! How many durable writes a second, at 1, 8 and 64 callers: `cargo run --release -p store --example commits [FOLDER
//! [DOCUMENTS]]`.
//! Each document is claimed, sealed and accepted: three commits, six rows and three journal lines.

#![allow(clippy::disallowed_methods, reason = "measures the disk itself")]

use std::io::Write;
use std::time::Instant;

use store::Store;
use store::boxes::Filter;
use store::outbound::{Claim, Container, NewLine, NewPart, Sealing};
use store::queue::Take;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let total: u32 = std::env::args().nth(2).map_or(Ok(4000), |n| n.parse())?;
    let probe = std::path::Path::new(&folder).join("commits-probe");
    let mut file = std::fs::File::create(&probe)?;
    let begin = Instant::now();
    for _ in 0..500 {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
    }
    println!("disk: {:.0} syncs/s", 500.0 / begin.elapsed().as_secs_f64());
    std::fs::remove_file(&probe)?;
    for callers in [1, 8, 64] {
        let dir = std::path::Path::new(&folder).join(format!("commits-{callers}"));
        let store = Store::open(&dir, 0)?;
        let documents = if callers == 1 { total / 8 } else { total };
        let begin = Instant::now();
        let threads: Vec<_> = (0..callers)
            .map(|caller| {
                let store = store.clone();
                std::thread::spawn(move || {
                    (caller..documents).step_by(callers as usize).try_for_each(|n| one(&store, n))
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread died")??;
        }
        let seconds = begin.elapsed().as_secs_f64();
        let count = f64::from(documents);
        println!(
            "{callers:>2} callers: {:.0} documents/s, {:.0} commands/s",
            count / seconds,
            3.0 * count / seconds
        );
        let timed = |what: &str, begin: Instant| {
            println!("    {what}: {:.2} ms", 1e3 * begin.elapsed().as_secs_f64())
        };
        let begin = Instant::now();
        store.next_due()?;
        store.due_parts(Take { now: 9, limit: 64, at_most: None })?;
        timed("what is due next", begin);
        let begin = Instant::now();
        store.outbox(&Filter::default())?;
        timed("newest hundred of the outbox", begin);
        let begin = Instant::now();
        store.counters()?;
        timed("counters", begin);
        let begin = Instant::now();
        store.check()?;
        timed("full check", begin);
        drop(store);
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

fn one(store: &Store, n: u32) -> Result<(), store::Error> {
    let mut id = [0; 16];
    for (place, byte) in id.iter_mut().zip(n.wrapping_mul(2_654_435_761).to_be_bytes()) {
        *place = byte;
    }
    let mut digest = [1; 32];
    digest.rotate_left(1);
    for (place, byte) in digest.iter_mut().zip(id) {
        *place = byte;
    }
    store.claim(Claim { id, drop_name: format!("{n}.di"), digest, ..Claim::default() }, 1).wait()?;
    let parts = store
        .sealed(
            Sealing {
                about: None,
                document: id,
                containers: vec![Container {
                    variant: 0,
                    manifest: digest,
                    signature: digest,
                    file: format!("c{n}"),
                    size: 1,
                }],
                parts: vec![NewPart {
                    variant: 0,
                    group: 0,
                    sealed: digest,
                    length: 1,
                    file: format!("p{n}"),
                }],
                lines: vec![NewLine { recipient: "XC00000001".to_owned(), ..NewLine::default() }],
                hints: Vec::new(),
                contents: Vec::new(),
            },
            2,
        )
        .wait()?;
    for part in parts {
        store.accepted(part, vec![0; 2500], 3, 3).wait()?;
    }
    Ok(())
}
