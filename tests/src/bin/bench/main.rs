//! How fast, at what cost, and is everything there: both ends and the center as real processes on this machine, file
//! keys, from the drop folder to 使用者確認.
//!
//! `bench BIN-DIR [--softhsm MODULE] [--dir FOLDER] [CASE…]`; `bench --help` lists the cases. A case may also be told as
//! `NAME=COUNTxBYTES@IN-FLIGHT`, for example `p10k=400x10000@8`; in flight is what was dropped and is not confirmed yet.
//! With a module the sender's keys are on a SoftHSM token. `bench BIN-DIR --peer RUN.SH LIMIT.SH` is `make bench-peer`.
//!
//! Each case prints one JSON line. The harness itself takes little (`harness_cpu_ms`): the letters are made before the
//! clock starts and dropped by renaming; confirmations are seen by looking at a counter in the sender's database.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement stops at the first surprise")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod big;
mod check;
mod idle;
mod many;
mod meter;
mod peer;
mod single;
mod stage;
mod steady;
mod sweep;
mod syncs;
mod tail;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meter::Line;
use peer::Peer;
use tests::site::{Process, Site, eventually};

const HELP: &str = "bench BIN-DIR [--softhsm MODULE] [--dir FOLDER] [CASE…]

  s10k  2,000 letters of 10 kB, 1 in flight       p10k  the same, 8 in flight
  s1m   200 letters of 1 MB, 1 in flight          p1m   the same, 8 in flight
  NAME=COUNTxBYTES@IN-FLIGHT                      any other such case
  single   one letter of 10 kB at a time: from its last close to the other end's archive
  many     one letter of 10 kB to 500 recipients  many1000  to 1,000
  big200   an attachment of 200 MB, the limits raised, and eight small letters behind it     big1g  of 1 GB
  idle     nothing to do, for --idle SECONDS (60)
  syncs    how often each process waits for the disk (needs strace)
  sweep    p10k over so many stored documents (--sizes, 100 to 100,000), and from the start of each program to its answer;
           takes long and some disk; only when asked for

With --peer RUN.SH LIMIT.SH: ours and the peer in turns, --rounds N of each (2), with the peer's counts; what the two keep
for the next time goes to --work FOLDER (/var/tmp/di-bench-peer).

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

const ALL: &[&str] =
    &["s10k", "p10k", "s1m", "p1m", "single", "syncs", "idle", "many", "many1000", "big200", "big1g"];

/// What a case found.
struct Outcome {
    line: Line,
    seconds: f64,
    /// Of all processes, for all documents.
    cpu_ms: f64,
    /// Of each process, for each document, ms.
    cpu: Vec<(&'static str, f64)>,
    /// Of each process, MB.
    peak: Vec<(&'static str, f64)>,
    lost: usize,
    doubled: usize,
}

impl Outcome {
    fn of(line: Line, lost: usize, doubled: usize) -> Self {
        Self { line, seconds: 0.0, cpu_ms: 0.0, cpu: Vec::new(), peak: Vec::new(), lost, doubled }
    }
}

/// What the command line asks for.
struct Asked {
    bins: PathBuf,
    dir: PathBuf,
    softhsm: Option<PathBuf>,
    idle: u64,
    sizes: Vec<u64>,
    cases: Vec<String>,
    peer: Option<Peer>,
}

impl Asked {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked = Self {
            bins: PathBuf::new(),
            dir: "/var/tmp".into(),
            softhsm: None,
            idle: 60,
            sizes: vec![100, 1_000, 10_000, 100_000],
            cases: Vec::new(),
            peer: None,
        };
        let (mut work, mut rounds) = (PathBuf::from("/var/tmp/di-bench-peer"), 2);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--help" | "-h" => return Err(HELP.to_owned()),
                "--softhsm" => asked.softhsm = Some(args.next().ok_or("--softhsm: which module?")?.into()),
                "--dir" => asked.dir = args.next().ok_or("--dir: which folder?")?.into(),
                "--idle" => {
                    asked.idle = args.next().and_then(|n| n.parse().ok()).ok_or("--idle: how long?")?
                }
                "--sizes" => {
                    let words = args.next().unwrap_or_default();
                    let sizes: Result<Vec<u64>, _> = words.split_whitespace().map(str::parse).collect();
                    asked.sizes = sizes.map_err(|_| "--sizes: numbers, in one word")?;
                }
                "--work" => work = args.next().ok_or("--work: which folder?")?.into(),
                "--rounds" => {
                    rounds = args.next().and_then(|n| n.parse().ok()).ok_or("--rounds: how many?")?
                }
                "--peer" => {
                    let mut program = || Some(PathBuf::from(args.next()?));
                    let programs = program().zip(program()).ok_or("--peer: which RUN.SH and LIMIT.SH?")?;
                    let (run, limit) = programs;
                    asked.peer = Some(Peer { run, limit, work: PathBuf::new(), rounds: 0 });
                }
                _ if asked.bins.as_os_str().is_empty() => asked.bins = arg.into(),
                "sweep" => asked.cases.push(arg),
                _ if ALL.contains(&arg.as_str()) || Flow::of(&arg).is_some() => asked.cases.push(arg),
                _ => return Err(format!("no such case: {arg}\n\n{HELP}")),
            }
        }
        if let Some(peer) = &mut asked.peer {
            (peer.work, peer.rounds) = (work, rounds);
            if let Some(absent) = [&peer.run, &peer.limit].into_iter().find(|program| !program.is_file()) {
                return Err(format!(
                    "there is no {}: the peer to compare with is not here. Fetch the project's `shared/peers` beside the \
                     repository, or name another: make bench-peer PEER=path/to/run.sh LIMIT=path/to/run.sh",
                    absent.display()
                ));
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
    token: Vec<(OsString, OsString)>,
    center: Process,
    sender: Process,
    receiver: Process,
    /// The number of the next letter: each is used once.
    next: usize,
}

impl Running {
    /// `prepare` may change settings before anything starts.
    fn start(dir: &Path, asked: &Asked, prepare: impl FnOnce(&Site)) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let site = match &asked.softhsm {
            Some(module) => Site::make_with_token(dir, &asked.bins, module),
            None => Site::make(dir, &asked.bins),
        };
        let token = if asked.softhsm.is_some() { site.token() } else { Vec::new() };
        prepare(&site);
        Self::over(site, token, 1_000_000, |_, _| Vec::new())
    }

    fn over(
        site: Site,
        token: Vec<(OsString, OsString)>,
        next: usize,
        wrapper: impl Fn(&Path, &str) -> Vec<OsString>,
    ) -> Self {
        let (from, to) = (site.codes[0].clone(), site.codes[1].clone());
        let under = |name| wrapper(&site.dir, name);
        let center = site.center_under(&under("center"));
        let sender = site.node_under(&from, &under("sender"), token.clone());
        let receiver = site.node_under(&to, &under("receiver"), Vec::new());
        for code in [&from, &to] {
            connected(&site, code);
        }
        Self { site, from, to, token, center, sender, receiver, next }
    }

    /// The same folders, new processes.
    fn restart(self) -> Self {
        self.restart_under(|_, _| Vec::new())
    }

    /// The same, each behind what `wrapper` says for `sender`, `center` and `receiver`.
    fn restart_under(self, wrapper: impl Fn(&Path, &str) -> Vec<OsString>) -> Self {
        for process in [self.sender, self.receiver, self.center] {
            let name = process.name.clone();
            assert!(process.stop().success(), "{name} stops in order");
        }
        Self::over(self.site, self.token, self.next, wrapper)
    }

    /// A number for a letter.
    const fn number(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    /// By the names that the figures go under.
    fn processes(&self) -> [(&'static str, &Process); 3] {
        [("sender", &self.sender), ("center", &self.center), ("receiver", &self.receiver)]
    }
}

/// Waits until a node is logged in at the center.
fn connected(site: &Site, code: &str) {
    let socket = site.socket(code);
    eventually("the node is connected", Duration::from_secs(30), || {
        site.get(&socket, "/v1/status").ok().filter(|s| s["link"]["connected"] == true)
    });
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
    if let Some(peer) = &asked.peer {
        return match peer::run(dir.path(), &asked, peer) {
            Ok(whole) => code(whole),
            Err(error) => {
                eprintln!("{error}");
                code(false)
            }
        };
    }
    println!("{machine}");
    let mut whole = true;
    let mut tell = |outcome: Outcome| {
        println!("{}", outcome.line);
        whole &= outcome.lost + outcome.doubled == 0;
    };
    // One site for the cases that need nothing special; the others have one each.
    let mut shared: Option<Running> = None;
    for case in &asked.cases {
        let special = |prepare: fn(&Site)| Running::start(&dir.path().join(case), &asked, prepare);
        match case.as_str() {
            "many" => tell(many::run(&dir.path().join(case), &asked, case, 500)),
            "many1000" => tell(many::run(&dir.path().join(case), &asked, case, 1_000)),
            "sweep" => sweep::run(&dir.path().join(case), &asked, &mut tell),
            "big200" => tell(big::run(&mut special(big::prepare), case, 200_000_000)),
            "big1g" => tell(big::run(&mut special(big::prepare), case, 1_000_000_000)),
            _ => {
                let mut running = shared
                    .take()
                    .unwrap_or_else(|| Running::start(&dir.path().join("shared"), &asked, |_| {}));
                match (case.as_str(), Flow::of(case)) {
                    (_, Some(flow)) => tell(steady::run(&mut running, &flow)),
                    ("single", _) => tell(single::run(&mut running)),
                    ("idle", _) => {
                        let outcome;
                        (running, outcome) = idle::run(running, asked.idle);
                        tell(outcome);
                    }
                    _ => {
                        let outcomes;
                        (running, outcomes) = syncs::run(running);
                        outcomes.into_iter().for_each(&mut tell);
                    }
                }
                shared = Some(running);
            }
        }
    }
    code(whole)
}

const fn code(whole: bool) -> std::process::ExitCode {
    if whole { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
