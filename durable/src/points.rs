//! What a test can do at the points. Nothing of this is in a release build.
//!
//! - `DI_FAILPOINT=POINT[:N]` ends the process, as a power cut would, when it passes POINT for the N-th time. A point is
//!   `NAME.before-STEP` or `NAME.after-STEP`, as in `spool.before-fsync`. `DI_FAILPOINT=list` prints every point that the
//!   program has declared ([`declare`]), one a line, behind some of them ` rare`, and ends.
//!   `DI_PASSED=FILE` adds to FILE the name of every point when it is passed for the first time.
//! - `DI_FAULTS=FILE` makes steps fail. The file is read at every step, so that a full disk can get room again while the
//!   process runs. A line is `NAME STEP FAULT`, name and step perhaps `*`; the fault is `full`, `read-only`, `io` or
//!   `slow:MS`. With the step `*` a fault is at the steps where the system gives it.
//! - `DI_RECORD=FILE` adds every step to a file: [`crate::record`].

mod fault;
mod record;

pub use fault::fault;
pub use record::Trace;
pub(crate) use record::{record_names, witness};

use crate::Step;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Every point of this program; one that is passed without being declared ends the process, so that no list of points can
/// be wrong.
static DECLARED: OnceLock<BTreeSet<String>> = OnceLock::new();

/// The steps whose two points can end the process.
const ENDING: [Step; 8] = [
    Step::Fsync,
    Step::Folder,
    Step::Rename,
    Step::Remove,
    Step::Commit,
    Step::Send,
    Step::Receive,
    Step::Card,
];

impl Step {
    /// As it is written in points, faults and records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::Fsync => "fsync",
            Self::Folder => "folder",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::MakeFolder => "make-folder",
            Self::Commit => "commit",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Card => "card",
        }
    }

    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Create,
        Self::Write,
        Self::Fsync,
        Self::Folder,
        Self::Rename,
        Self::Remove,
        Self::MakeFolder,
        Self::Commit,
        Self::Send,
        Self::Receive,
        Self::Card,
    ];
}

/// Names, each with the steps that are done by it.
pub type Steps = &'static [(&'static str, &'static [Step])];

/// Says which names the program has and which steps it does by each: those that it passes again and again, and those
/// that it may never pass. Called once, at its start; prints them and ends the process if that is asked for.
pub fn declare(common: Steps, rare: Steps) {
    let points = |names: Steps| -> BTreeSet<String> {
        let steps = names.iter().flat_map(|(name, steps)| steps.iter().map(move |step| (name, *step)));
        steps.flat_map(|(name, step)| ["before", "after"].map(|when| point(when, name, step))).collect()
    };
    let (common, rare) = (points(common), points(rare));
    if std::env::var("DI_FAILPOINT").is_ok_and(|wanted| wanted == "list") {
        common.iter().for_each(|point| println!("{point}"));
        rare.iter().for_each(|point| println!("{point} rare"));
        std::process::exit(0);
    }
    let _ = DECLARED.set(common.into_iter().chain(rare).collect());
}

fn point(when: &str, name: &str, step: Step) -> String {
    format!("{name}.{when}-{}", step.word())
}

/// A point is passed.
pub fn pass(when: &str, name: &'static str, step: Step) {
    if when == "before" && matches!(step, Step::Send | Step::Receive)
        || when == "after" && step == Step::Commit
    {
        record::mark(name, step);
    }
    if !ENDING.contains(&step) {
        return;
    }
    let point = point(when, name, step);
    if DECLARED.get().is_some_and(|declared| !declared.contains(&point)) {
        eprintln!("fail point {point} is not declared");
        std::process::abort();
    }
    note_passed(&point);
    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| {
        let wanted = std::env::var("DI_FAILPOINT").ok()?;
        let (point, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((point.to_owned(), nth.parse().unwrap_or(1)))
    });
    let Some((wanted, nth)) = wanted else { return };
    if *wanted != point {
        return;
    }
    static PASSED: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let count = passed.entry(point).or_default();
    *count += 1;
    if count == nth {
        eprintln!("fail point {wanted} reached");
        std::process::abort();
    }
}

/// Adds a point to the file of those that were passed.
fn note_passed(point: &str) {
    static PASSED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    static FILE: OnceLock<Option<std::fs::File>> = OnceLock::new();
    let open = || {
        let path = std::env::var_os("DI_PASSED")?;
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        Some(file.expect("DI_PASSED can be written"))
    };
    let Some(mut file) = FILE.get_or_init(open).as_ref() else { return };
    if PASSED.lock().unwrap_or_else(PoisonError::into_inner).insert(point.to_owned()) {
        std::io::Write::write_all(&mut file, format!("{point}\n").as_bytes())
            .expect("DI_PASSED can be written");
    }
}
