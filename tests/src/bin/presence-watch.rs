//! What `card::presence` sees, line by line, until stdin ends: `presence-watch [READER]`. A process of its own, because
//! the library of PC/SC finds its service by the environment of the process.

use std::io::Write;

use card::presence::{Settings, Watcher};

fn main() {
    let settings = Settings { reader: std::env::args().nth(1) };
    let watcher = Watcher::start(settings, |seen| {
        let events = match &seen.state {
            card::presence::State::CardIn { events, .. } => events.to_string(),
            _ => "-".to_owned(),
        };
        let label = seen.state.label().unwrap_or("card-in");
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{}\t{label}\t{events}\t{}", seen.turn, seen.state).and_then(|()| out.flush());
    });
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    drop(watcher);
    println!("stopped");
}
