//! Dying at named fail points: a build with fail points (crate `durable`) ends itself at the one that it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::house::{House, Who};
use super::letters::Office;
use super::person::{Open, Person, settle, unsettled};

/// Which points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that the programs name, but those that they call rare: they are tried too, and told of when they were not hit.
    All,
    /// So many of the common ones, by the dice.
    Some(usize),
}

/// A point as its program names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Whether it is the center's.
    pub center: bool,
    /// As in `spool.before-fsync`.
    pub name: String,
    /// Whether an exchange without trouble passes it.
    pub rare: bool,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.name, if self.center { "di-center" } else { "di-node" })
    }
}

/// How it went.
#[derive(Debug, Default)]
pub struct Hits {
    /// How often each point was hit, and counted.
    pub of: BTreeMap<Point, u64>,
    /// Common points that nobody could be brought to.
    pub unhit: Vec<Point>,
    /// Rare points that nobody could be brought to.
    pub rare_unhit: Vec<Point>,
    /// How often somebody ended without being told to.
    pub fell: u64,
}

impl Hits {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.of.values().sum()
    }
}

/// Every point of both programs, by themselves.
///
/// # Errors
/// If they cannot be asked, or name none.
pub fn list(bins: &Path) -> io::Result<Vec<Point>> {
    let mut points = Vec::new();
    for (program, center) in [("di-node", false), ("di-center", true)] {
        let output = Command::new(bins.join(program)).env("DI_FAILPOINT", "list").output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let before = points.len();
        points.extend(text.lines().map(|line| {
            let (name, rare) = line.strip_suffix(" rare").map_or((line, false), |name| (name, true));
            Point { center, name: name.to_owned(), rare }
        }));
        if !output.status.success() || points.len() == before {
            return Err(io::Error::other(format!(
                "{program} has no fail points: built without the feature?"
            )));
        }
    }
    Ok(points)
}

/// One run over the points.
struct Round<'a> {
    house: &'a mut House,
    person: &'a mut Person,
    office: &'a mut Office,
    dice: &'a mut Dice,
    /// Letters that may still be dropped.
    letters: u64,
    hits: Hits,
}

/// Has somebody die at every point. Nobody may run; everybody runs in the end, with fail points, and all is settled.
/// Returns how many letters are left of `letters`.
///
/// # Errors
/// The system's, when letters cannot be dropped or the programs not be asked.
pub fn points(
    house: &mut House,
    person: &mut Person,
    office: &mut Office,
    dice: &mut Dice,
    which: Which,
    letters: u64,
) -> io::Result<(Hits, u64)> {
    let mut points = list(house.site.bins())?;
    dice.shuffle(&mut points);
    // Rare ones last: what comes before them makes some trouble.
    points.sort_by_key(|point| point.rare);
    if let Which::Some(many) = which {
        points.truncate(many);
    }
    let mut round = Round { house, person, office, dice, letters, hits: Hits::default() };
    let passed = round.survey()?;
    for (n, point) in points.into_iter().enumerate() {
        if round.at(&point, &passed)? {
            *round.hits.of.entry(point).or_default() += 1;
        } else if point.rare {
            round.hits.rare_unhit.push(point);
        } else {
            println!("WRONG: nobody came to {point}");
            round.hits.unhit.push(point);
        }
        if n % 20 == 19 {
            println!("{} points hit, {} letters dropped", round.hits.total(), round.office.dropped().len());
        }
    }
    round.house.start_all();
    let open = settle(round.house, round.person, round.office.dropped());
    if open != Open::default() {
        println!("WRONG: not settled after the points: {open:?}");
    }
    Ok((round.hits, round.letters))
}

impl Round<'_> {
    /// Who passes what, when nobody dies.
    fn survey(&mut self) -> io::Result<BTreeMap<Who, BTreeSet<String>>> {
        let file = |house: &House, who: Who| house.site.dir.join(format!("passed-{}", house.log_name(who)));
        for who in self.house.everybody() {
            let path = file(self.house, who);
            self.house.start(who, vec![("DI_PASSED".into(), path.into())]);
        }
        self.drop(true)?;
        let open = settle(self.house, self.person, self.office.dropped());
        if open != Open::default() {
            println!("WRONG: not settled before the points: {open:?}");
        }
        let everybody = self.house.everybody();
        let read = |who: Who| {
            let text = std::fs::read_to_string(file(self.house, who)).unwrap_or_default();
            (who, text.lines().map(str::to_owned).collect())
        };
        Ok(everybody.into_iter().map(read).collect())
    }

    /// Two letters, one there and one back; rich ones take every way: several recipients, attachments and none, a large
    /// one.
    fn drop(&mut self, rich: bool) -> io::Result<()> {
        for back in [false, true] {
            if self.letters == 0 {
                return Ok(());
            }
            self.letters -= 1;
            self.office.drop_chosen(back, rich)?;
        }
        Ok(())
    }

    /// Has one who passes the point die there. False if nobody could be brought to it.
    fn at(&mut self, point: &Point, passed: &BTreeMap<Who, BTreeSet<String>>) -> io::Result<bool> {
        let mut able: Vec<Who> =
            self.house.everybody().into_iter().filter(|who| (*who == Who::Center) == point.center).collect();
        self.dice.shuffle(&mut able);
        able.sort_by_key(|who| !passed.get(who).is_some_and(|names| names.contains(&point.name)));
        if point.rare {
            // One try: most of them need more than a death to be passed.
            able.truncate(1);
        }
        for who in able {
            // Who did not pass it in an ordinary exchange may in an extraordinary one.
            let seen = passed.get(&who).is_some_and(|names| names.contains(&point.name));
            let ways: &[bool] = if seen { &[false, true] } else { &[true] };
            for hard in ways {
                if self.letters < 2 {
                    return Ok(false);
                }
                if self.one(point, who, *hard)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Tries it with one target; `hard`: with rich letters, at its first passing, without what is kept between starts, and for a rare point right after a kill.
    fn one(&mut self, point: &Point, who: Who, hard: bool) -> io::Result<bool> {
        if self.house.second_begin(who) {
            // Twice dead in the same step; the third time would set the letter apart.
            self.house.start_all();
            let _ = settle(self.house, self.person, self.office.dropped());
        }
        if hard && point.rare {
            self.house.start(who, Vec::new());
            self.drop(true)?;
            let _ = super::person::until_worked(self.house, self.person, who, self.office.dropped());
            let _ = self.house.strike(who, |_| true);
        } else if !self.house.stop(who) {
            self.hits.fell += 1;
        }
        if let (true, Who::Node(node)) = (hard, who) {
            // What is kept between starts and would spare it the way: the login, and what its card said.
            for kept in ["session", "card-certificates.pem"] {
                let _ = std::fs::remove_file(self.house.folder(node, "state").join(kept));
            }
        }
        self.drop(hard)?;
        let nth = if hard { 1 } else { self.dice.between(1, 3) };
        let log = self.log(who);
        let from = std::fs::metadata(&log).map_or(0, |meta| meta.len());
        let wanted = OsString::from(format!("{}:{nth}", point.name));
        self.house.start(who, vec![("DI_FAILPOINT".into(), wanted)]);
        self.house.start_all();
        // A helper's own words are thrown away, since a vendor's module may print anything; its node tells of its end.
        let helper = point.name.starts_with("helper.");
        let what =
            if helper { "how=signal 6".to_owned() } else { format!("fail point {} reached", point.name) };
        let (start, mut still_open) = (Instant::now(), true);
        let reached = loop {
            let fell = self.house.fallen();
            // Asked after the look at the processes: who has died there has said so before.
            let said = said_since(&log, from, &what);
            for fallen in fell {
                if fallen != who || !said {
                    println!("{} ended by itself and is started again", self.house.name(fallen));
                    self.hits.fell += 1;
                    self.house.start(fallen, Vec::new());
                }
            }
            if said {
                break still_open;
            }
            still_open = unsettled(self.house, self.office.dropped());
            if start.elapsed() > PATIENCE || (!still_open && start.elapsed() > Duration::from_secs(1)) {
                break false;
            }
            self.person.look(self.house);
            std::thread::sleep(Duration::from_millis(20));
        };
        // A helper died instead of its node, or nobody: the next start is without the point.
        // Armed until then, it may come to the point while it stops: no hit, and no fault either.
        if self.house.pid(who).is_some() && !self.house.stop(who) && !said_since(&log, from, &what) {
            self.hits.fell += 1;
        }
        self.house.start_all();
        Ok(reached)
    }

    fn log(&self, who: Who) -> PathBuf {
        self.house.site.dir.join(format!("{}.log", self.house.log_name(who)))
    }
}

/// Whether a log says something behind a place.
fn said_since(log: &Path, from: u64, what: &str) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    let read = std::fs::File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    read.is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(what))
}

/// So long a target may take to come to a point: nodes that have lost the center several times pause before they come back.
const PATIENCE: Duration = Duration::from_secs(75);
