//! kill -9 of everybody, again and again, and whether anything was lost or doubled: the driver behind `make crash`.
//!
//! In the order of a run: [`letters`] makes letters and writes each into a manifest before it is dropped; [`house`] runs
//! center, nodes and card helper as real processes and kills them; [`points`] has them die at every named fail point,
//! [`mod@random`] kills them at random times; [`person`] does what a person would (a card that asks after a kill inside a
//! login) and waits until everything is settled; [`check`] compares everybody's books, archives and folders with the
//! manifest. [`dice`] makes all choices, from one seed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub mod check;
pub mod dice;
pub mod house;
pub mod letters;
pub mod person;
pub mod points;
pub mod random;

use check::Wrong;
use dice::Dice;
use house::{House, Who};
use letters::{Manifest, Office};
use person::{Person, settle};
use points::{Hits, Which};
use random::{Plan, random};

/// What to do.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The programs that are killed at random times.
    pub bins: PathBuf,
    /// Where the site is made: an empty or new folder.
    pub dir: PathBuf,
    /// A PKCS#11 module for the first member's keys, or files.
    pub softhsm: Option<PathBuf>,
    /// The programs with fail points, and at which of these they die.
    pub points: Option<(PathBuf, Which)>,
    /// Who is killed at random times; empty: everybody.
    pub targets: Vec<Who>,
    /// How many letters.
    pub documents: u64,
    /// How many kills at random times.
    pub kills: u64,
    /// Of all choices.
    pub seed: u64,
    /// Of at most so many letters the evidence is exported and verified.
    pub sample: usize,
}

/// How it went. Its text is the last line of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Letters dropped.
    pub documents: u64,
    /// Kills at random times that counted.
    pub kills_random: u64,
    /// Deaths at named fail points that counted.
    pub kills_points: u64,
    /// Letters and copies that did not come to their end.
    pub stuck: u64,
    /// Fail points that nobody came to, but those that the programs call rare.
    pub unhit: u64,
    /// Programs that ended without being killed.
    pub fell: u64,
    /// Letters set apart because the process died in the same step three times.
    pub set_apart: u64,
    /// What the check found.
    pub wrong: Wrong,
}

impl Tally {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let Wrong { lost, doubled, mismatched, unverified, leftover, broken, verified: _ } = self.wrong;
        [
            lost,
            doubled,
            mismatched,
            unverified,
            leftover,
            broken,
            self.stuck,
            self.unhit,
            self.fell,
            self.set_apart,
        ]
        .iter()
        .all(|many| *many == 0)
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { documents, kills_random, kills_points, stuck, unhit, fell, set_apart, wrong } = self;
        let Wrong { lost, doubled, mismatched, unverified, leftover, broken, verified: _ } = wrong;
        write!(
            f,
            "documents={documents} kills_random={kills_random} kills_points={kills_points} lost={lost} \
             doubled={doubled} stuck={stuck} mismatched={mismatched} unverified={unverified} leftover={leftover} \
             broken={broken} unhit={unhit} set_apart={set_apart} fell={fell}"
        )
    }
}

/// The name of the manifest in the run's folder.
pub const MANIFEST: &str = "manifest.jsonl";

/// A whole run.
///
/// # Errors
/// The system's, when letters cannot be written.
///
/// # Panics
/// If the site cannot be made or read, or a kill has used up the card.
pub fn run(settings: &Settings) -> io::Result<Tally> {
    let begun = Instant::now();
    let mut dice = Dice::new(settings.seed);
    let mut house = House::make(&settings.dir, &settings.bins, settings.softhsm.as_deref());
    let manifest = settings.dir.join(MANIFEST);
    let mut office = Office::new(house.site.clone(), settings.seed, Manifest::create(&manifest)?);
    let mut person = Person::default();
    let (mut hits, mut letters) = (Hits::default(), settings.documents);
    if let Some((bins, which)) = &settings.points {
        let pointed = house.site.run_by(bins);
        let usual = std::mem::replace(&mut house.site, pointed);
        // Each kill at a random time must find a letter under way.
        let few = letters.saturating_sub(settings.kills);
        let left;
        (hits, left) = points::points(&mut house, &mut person, &mut office, &mut dice, *which, few)?;
        letters -= few - left;
        hits.fell += house.stop_all().len() as u64;
        house.site = usual;
        tell(&hits);
        println!("the points took {:.0?}", begun.elapsed());
    }
    house.start_all();
    let targets = if settings.targets.is_empty() { house.targets() } else { settings.targets.clone() };
    let plan = Plan { kills: settings.kills, letters, targets };
    let kills = random(&mut house, &mut person, &mut office, &mut dice, &plan)?;
    told(&house, &kills);
    println!("settling after {:.0?}", begun.elapsed());
    let open = settle(&mut house, &mut person, office.dropped());
    let unwilling = house.stop_all();
    for who in &unwilling {
        println!("WRONG: {} did not stop in order", house.name(*who));
    }
    println!("checking after {:.0?}", begun.elapsed());
    let letters = Manifest::read(&manifest)?;
    let wrong = check::check(&house, &letters, settings.sample, &mut dice);
    println!(
        "evidence of {} letters exported and verified; the card was allowed {} more tries; {:.0?} in all",
        wrong.verified,
        person.card_retries,
        begun.elapsed()
    );
    Ok(Tally {
        documents: letters.len() as u64,
        kills_random: kills.total(),
        kills_points: hits.total(),
        stuck: open.unconfirmed + open.unreceived + u64::from(open.things > 0),
        unhit: hits.unhit.len() as u64,
        fell: hits.fell + kills.fell + person.fell + unwilling.len() as u64,
        set_apart: person.set_apart,
        wrong,
    })
}

fn tell(hits: &Hits) {
    println!("{} fail points hit", hits.of.len());
    for point in &hits.rare_unhit {
        println!("not hit, and called rare: {point}");
    }
}

fn told(house: &House, kills: &random::Kills) {
    for (who, many) in &kills.of {
        println!("{} was killed {many} times at random", house.name(*who));
    }
    println!("{} moments did not count", kills.missed);
}

/// `SoftHSM`'s module where Debian puts it.
#[must_use]
pub fn softhsm() -> Option<PathBuf> {
    let module = Path::new("/usr/lib/softhsm/libsofthsm2.so");
    module.is_file().then(|| module.to_owned())
}
