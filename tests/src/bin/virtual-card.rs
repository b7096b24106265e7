//! A virtual card in a private smart card service, for a person who wants to try something with it:
//!
//! ```text
//! virtual-card FOLDER [CODE]
//! ```
//!
//! FOLDER holds `CODE.sign.{crt,key}.pem` and `CODE.enc.{crt,key}.pem` (those of `di-node demo --keep` will do); an empty
//! or missing one is filled with made-up keys. Prints what to put into the environment of another shell, then does what
//! the lines of stdin say, until they end:
//!
//! ```text
//! insert [0|1]   remove   slow MILLISECONDS   pull-during sign|decipher|pin   unlock   counts
//! kill   stop   run          the service
//! ```

use std::io::BufRead;
use std::path::PathBuf;
use std::time::Duration;

use tests::pcscd::{Pcscd, opensc_module};
use tests::virtual_card::{Operation, PIN, VirtualCard};

fn main() {
    let mut args = std::env::args().skip(1);
    let Some(folder) = args.next().map(PathBuf::from) else {
        eprintln!("usage: virtual-card FOLDER [CODE]");
        std::process::exit(2);
    };
    let code = args.next().unwrap_or_else(|| tests::pki::MEMBERS[0].0.to_owned());
    if !folder.join(format!("{code}.sign.key.pem")).is_file() {
        tests::pki::write(&folder);
    }
    let card = VirtualCard::of_member(&folder, &code);
    let mut pcscd = Pcscd::start();
    for (name, value) in pcscd.environment() {
        println!("export {}={}", name.display(), value.display());
    }
    println!("# module {}   PIN {PIN}   organisation {code}", opensc_module().display());
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["insert"] => pcscd.insert(&card, 0),
            ["insert", slot] => pcscd.insert(&card, slot.parse().unwrap_or(0)),
            ["remove"] => card.remove(),
            ["slow", ms] => card.slow(Duration::from_millis(ms.parse().unwrap_or(400))),
            ["pull-during", "sign"] => card.pull_during(Operation::Sign),
            ["pull-during", "decipher"] => card.pull_during(Operation::Decipher),
            ["pull-during", "pin"] => card.pull_during(Operation::Pin),
            ["unlock"] => card.unlock(),
            ["counts"] => println!("{:?}, {} tries left", card.counts(), card.tries_left()),
            ["kill"] => pcscd.kill(),
            ["stop"] => pcscd.stop(),
            ["run"] => pcscd.run(),
            [] => {}
            _ => println!("?"),
        }
    }
}
