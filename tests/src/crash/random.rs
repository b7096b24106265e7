//! kill -9 at random times.

use std::io;
use std::time::Duration;

use super::dice::Dice;
use super::house::{House, Who};
use super::letters::Office;
use super::person::{Person, unsettled, until_worked};

/// What the kills may use.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many kills.
    pub kills: u64,
    /// How many letters, all of which are dropped in the end.
    pub letters: u64,
    /// Who may be killed.
    pub targets: Vec<Who>,
}

/// The kills and how they went.
#[derive(Debug, Default)]
pub struct Kills {
    /// Each target and how often it was killed.
    pub of: std::collections::BTreeMap<Who, u64>,
    /// How often the moment did not count: everything settled meanwhile, or no work done since the last start.
    pub missed: u64,
    /// How often somebody ended without being killed.
    pub fell: u64,
}

impl Kills {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.of.values().sum()
    }
}

/// Drops letters and kills, again and again. Everybody must run; somebody may be away when this returns. Fewer kills than
/// planned if the letters do not last.
///
/// # Errors
/// The system's, when letters cannot be dropped.
pub fn random(
    house: &mut House,
    person: &mut Person,
    office: &mut Office,
    dice: &mut Dice,
    plan: &Plan,
) -> io::Result<Kills> {
    let mut kills = Kills::default();
    let mut letters = plan.letters;
    let mut told = 0;
    while kills.total() < plan.kills {
        let left = plan.kills - kills.total();
        let share = (letters / left).clamp(u64::from(letters > 0), 40);
        for _ in 0..share {
            office.drop_next()?;
            letters -= 1;
            std::thread::sleep(Duration::from_millis(dice.roll(12)));
        }
        // Two at once now and then; always where letters are scarce, since one that is alone is often over too soon.
        let victims = if letters < left * 2 || dice.roll(6) == 0 { 2 } else { 1 };
        let mut struck = 0;
        for _ in 0..victims {
            let who = *dice.pick(&plan.targets);
            if kills.total() >= plan.kills || !until_worked(house, person, who, office.dropped()) {
                continue;
            }
            // A letter that is alone is over in some 50 ms.
            std::thread::sleep(Duration::from_millis(dice.roll(if struck == 0 { 30 } else { 2 })));
            if house.strike(who, |house| unsettled(house, office.dropped())) {
                *kills.of.entry(who).or_default() += 1;
                struck += 1;
            } else {
                kills.missed += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(dice.roll(120)));
        for who in house.fallen() {
            println!("{} ended by itself and is started again", house.name(who));
            kills.fell += 1;
        }
        house.start_all();
        person.look(house);
        if letters == 0 && struck == 0 && !unsettled(house, office.dropped()) {
            break;
        }
        if kills.total() >= told + 50 {
            told = kills.total();
            println!("{told} kills at random times, {} letters dropped", office.dropped().len());
        }
    }
    for _ in 0..letters {
        office.drop_next()?;
    }
    Ok(kills)
}
