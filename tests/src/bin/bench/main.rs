//! How fast, at what cost, and is everything there: both ends and the center as real processes on this machine, file
//! keys, from the drop folder to 使用者確認.
//!
//! `bench BIN-DIR [--softhsm MODULE] [--dir FOLDER] [CASE…]`; `bench --help` lists the cases. A case may also be told as
//! `NAME=COUNTxBYTES@IN-FLIGHT`, for example `p10k=400x10000@8`; in flight is what was dropped and is not confirmed yet.
//! With a module the sender's keys are on a SoftHSM token.
//!
//! Each case prints one JSON line. The harness itself takes little (`harness_cpu_ms`): the letters are made before the
//! clock starts and dropped by renaming; confirmations are seen by looking at a counter in the sender's database.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement stops at the first surprise")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod check;
mod meter;
mod stage;
mod steady;
mod tail;

use std::path::{Path, PathBuf};
use std::time::Duration;

use meter::Line;
use tests::site::{Process, Site, eventually};

const HELP: &str = "bench BIN-DIR [--softhsm MODULE] [--dir FOLDER] [CASE…]

  s10k  2,000 letters of 10 kB, 1 in flight       p10k  the same, 8 in flight
  s1m   200 letters of 1 MB, 1 in flight          p1m   the same, 8 in flight
  NAME=COUNTxBYTES@IN-FLIGHT                      any other such case

Without a case: all of them. FOLDER (by default /var/tmp) should be on a real disk.";

/// A steady flow of equal letters to one recipient.
#[derive(Debug, Clone)]
struct Flow {
    name: String,
    count: usize,
    /// Letter, roster and attachment together.
    bytes: usize,
    in_flight: usize,
}

impl Flow {
    fn of(text: &str) -> Option<Self> {
        let text = match text {
            "s10k" => "s10k=2000x10000@1",
            "p10k" => "p10k=2000x10000@8",
            "s1m" => "s1m=200x1000000@1",
            "p1m" => "p1m=200x1000000@8",
            other => other,
        };
        let (name, rest) = text.split_once('=')?;
        let (count, rest) = rest.split_once('x')?;
        let (bytes, in_flight) = rest.split_once('@')?;
        let (count, bytes, in_flight) = (count.parse().ok()?, bytes.parse().ok()?, in_flight.parse().ok()?);
        (in_flight > 0 && count > 0).then(|| Self { name: name.to_owned(), count, bytes, in_flight })
    }
}

const ALL: &[&str] = &["s10k", "p10k", "s1m", "p1m"];

/// What the command line asks for.
struct Asked {
    bins: PathBuf,
    dir: PathBuf,
    softhsm: Option<PathBuf>,
    cases: Vec<String>,
}

impl Asked {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked =
            Self { bins: PathBuf::new(), dir: "/var/tmp".into(), softhsm: None, cases: Vec::new() };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--help" | "-h" => return Err(HELP.to_owned()),
                "--softhsm" => asked.softhsm = Some(args.next().ok_or("--softhsm: which module?")?.into()),
                "--dir" => asked.dir = args.next().ok_or("--dir: which folder?")?.into(),
                _ if asked.bins.as_os_str().is_empty() => asked.bins = arg.into(),
                _ if Flow::of(&arg).is_some() => asked.cases.push(arg),
                _ => return Err(format!("no such case: {arg}\n\n{HELP}")),
            }
        }
        if asked.bins.as_os_str().is_empty() {
            return Err(HELP.to_owned());
        }
        if asked.cases.is_empty() {
            asked.cases = ALL.iter().map(|case| (*case).to_owned()).collect();
        }
        Ok(asked)
    }
}

/// The center and both ends, running.
struct Running {
    site: Site,
    from: String,
    to: String,
    center: Process,
    sender: Process,
    receiver: Process,
    /// The number of the next letter: each is used once.
    next: usize,
}

impl Running {
    fn start(dir: &Path, asked: &Asked) -> Self {
        let site = match &asked.softhsm {
            Some(module) => Site::make_with_token(dir, &asked.bins, module),
            None => Site::make(dir, &asked.bins),
        };
        let token = if asked.softhsm.is_some() { site.token() } else { Vec::new() };
        let (from, to) = (site.codes[0].clone(), site.codes[1].clone());
        let center = site.center();
        let (sender, receiver) = (site.node_in(&from, token), site.node(&to));
        for code in [&from, &to] {
            let socket = site.socket(code);
            eventually("both ends are connected", Duration::from_secs(30), || {
                site.get(&socket, "/v1/status").ok().filter(|s| s["link"]["connected"] == true)
            });
        }
        Self { site, from, to, center, sender, receiver, next: 1_000_000 }
    }

    /// By the names that the figures go under.
    fn processes(&self) -> [(&'static str, &Process); 3] {
        [("sender", &self.sender), ("center", &self.center), ("receiver", &self.receiver)]
    }
}

fn main() -> std::process::ExitCode {
    let asked = match Asked::read(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(help) => {
            eprintln!("{help}");
            return std::process::ExitCode::from(2);
        }
    };
    let dir = tempfile::Builder::new().prefix("di-bench-").tempdir_in(&asked.dir).unwrap();
    let machine = Line::new("machine")
        .number("cpus", std::thread::available_parallelism().map_or(1, usize::from))
        .figure("syncs_per_s", meter::syncs_per_second(dir.path()), 0)
        .figure("load", meter::load(), 1);
    println!("{machine}");
    let mut running = Running::start(dir.path(), &asked);
    let mut whole = true;
    for case in &asked.cases {
        if let Some(flow) = Flow::of(case) {
            let result = steady::run(&mut running, &flow);
            println!("{}", result.line);
            whole &= result.whole;
        }
    }
    if whole { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
