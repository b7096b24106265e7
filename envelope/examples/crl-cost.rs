//! What one pass over a CRL costs: `crl-cost CRL.der CA.pem [PASSES]`. Prints entries, milliseconds and peak memory.
#![allow(clippy::unwrap_used, reason = "an example may stop at the first surprise")]

use envelope::Certificate;
use std::time::Instant;

fn main() {
    let mut args = std::env::args().skip(1);
    let (list, ca) = (args.next().unwrap(), args.next().unwrap());
    let passes: u32 = args.next().map_or(1, |n| n.parse().unwrap());
    let issuers = Certificate::all_from_pem(&std::fs::read(ca).unwrap()).unwrap();
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default().to_owned()
    };
    println!("before: {}", peak());
    let begun = Instant::now();
    let mut entries = 0;
    for _ in 0..passes {
        let file = std::fs::File::open(&list).unwrap();
        let read = envelope::crl::read(file, u64::MAX, &issuers, [&[1_u8, 2, 3][..]]).unwrap();
        entries = read.entries;
    }
    println!("{entries} entries, {:.1} ms a pass", begun.elapsed().as_secs_f64() * 1e3 / f64::from(passes));
    println!("after:  {}", peak());
}
