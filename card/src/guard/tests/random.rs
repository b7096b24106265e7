//! Random histories against a model of a card: whatever happens in whatever order, nobody but a person's force spends
//! the third try.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

/// What the tests know of the card, which shows its PIN flags or does not.
struct Card {
    pin: u8,
    wrong: u32,
    shows: bool,
    told_locked: bool,
}

impl Card {
    fn flags(&self) -> PinFlags {
        if !self.shows {
            return NONE;
        }
        PinFlags { count_low: self.wrong > 0, final_try: self.wrong == 2, locked: self.wrong >= 3 }
    }

    fn present(&mut self, pin: u8) -> Result<(), Outcome> {
        if self.wrong >= 3 {
            self.told_locked = true;
            return Err(Outcome::Locked);
        }
        if pin == self.pin {
            self.wrong = 0;
            return Ok(());
        }
        self.wrong += 1;
        Err(Outcome::Wrong { left: None })
    }
}

#[derive(Debug, Clone)]
enum Event {
    /// Somebody tries.
    Try { source: u8, end: End, fault: Option<u8> },
    /// A person acts.
    Ask(Ask),
    /// The PIN in a source is rewritten.
    Rewrite { source: u8, pin: u8 },
    /// The holder takes another PIN at the authority, which also unlocks.
    Renew { pin: u8 },
    /// The process starts again; half a record is left from before.
    Restart { torn: bool },
    /// Time passes.
    Wait { hours: i64 },
    /// Something destroys the record.
    Damage,
}

/// How a try ends that was allowed.
#[derive(Debug, Clone)]
enum End {
    /// The answer arrives. `left`: it says how many are left.
    Answered { left: bool },
    /// The card has counted, but the module says nothing useful.
    Unclear,
    /// Killed before the card saw the PIN.
    KilledBefore,
    /// Killed after.
    KilledAfter,
    /// The module was not there to be asked.
    NotPresented,
    /// The module takes it unseen, and presents it with the first operation.
    Noticed,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => any::<bool>().prop_map(|left| End::Answered { left }),
        1 => Just(End::Unclear),
        1 => Just(End::KilledBefore),
        1 => Just(End::KilledAfter),
        1 => Just(End::NotPresented),
        1 => Just(End::Noticed),
    ]
}

fn event(force: bool, damage: bool) -> impl Strategy<Value = Event> {
    let ask = prop_oneof![3 => Just(Ask::Once), u32::from(force) * 2 => Just(Ask::Forced), 1 => Just(Ask::Unlocked)];
    prop_oneof![
        12 => (0..3_u8, end(), proptest::option::weighted(0.2, 0..=4_u8))
            .prop_map(|(source, end, fault)| Event::Try { source, end, fault }),
        3 => ask.prop_map(Event::Ask),
        3 => (0..3_u8, 0..3_u8).prop_map(|(source, pin)| Event::Rewrite { source, pin }),
        1 => (0..3_u8).prop_map(|pin| Event::Renew { pin }),
        2 => any::<bool>().prop_map(|torn| Event::Restart { torn }),
        1 => (1..30_i64).prop_map(|hours| Event::Wait { hours }),
        u32::from(damage) => Just(Event::Damage),
    ]
}

/// Plays a history. The assertions are inside; what was presented is counted, so that the test can be seen to test.
fn play(shows: bool, history: Vec<Event>) -> u32 {
    let dir = folder();
    let mut guard = guard(&dir);
    let mut card = Card { pin: 0, wrong: 0, shows, told_locked: false };
    let mut sources = [(0_u8, 0_u32); 3];
    let (mut now, mut forced, mut presented) = (1_000_000_i64, false, 0);
    for event in history {
        now += 1;
        match event {
            Event::Ask(ask) => {
                let granted = guard.grant(CARD, ask, Some(card.flags()), "anna", "", now);
                let given = matches!(granted, Ok(Granted::Given { .. }));
                forced |= given && ask == Ask::Forced;
                // Whether it is true or not: a card that is still locked has no try to lose.
                card.told_locked &= !(given && ask == Ask::Unlocked);
            }
            Event::Rewrite { source, pin } => {
                let (held, generation) = &mut sources[usize::from(source)];
                (*held, *generation) = (pin, *generation + 1);
            }
            Event::Renew { pin } => {
                (card.pin, card.wrong, card.told_locked) = (pin, 0, false);
            }
            Event::Restart { torn } => {
                if torn {
                    std::fs::write(dir.path().join(format!("{CARD}.json.new")), "{\"format\": 1, \"ca")
                        .unwrap();
                }
                guard = Guard::open(dir.path()).unwrap();
            }
            Event::Wait { hours } => now += hours * 3_600_000,
            Event::Damage => std::fs::write(dir.path().join(format!("{CARD}.json")), "{").unwrap(),
            Event::Try { source, end, fault } => {
                let (pin, generation) = sources[usize::from(source)];
                let name = Generation::from(format!("{source}/{generation}").as_str());
                if let Some(step) = fault {
                    crash::at(step);
                }
                let begun = guard.begin(CARD, &name, card.flags(), "test", now);
                crash::at(u8::MAX);
                let Ok(attempt) = begun else { continue };
                let permitted = std::mem::take(&mut forced);
                if matches!(end, End::NotPresented) {
                    forced = permitted && attempt.not_presented().is_ok();
                    continue;
                }
                if matches!(end, End::KilledBefore) {
                    continue;
                }
                // Here the PIN meets the card.
                presented += 1;
                assert!(card.wrong != 2 || permitted, "the third try without force");
                assert!(!card.told_locked, "a card that is known to be locked was tried");
                let left = |card: &Card| 3 - card.wrong;
                match (end, card.present(pin)) {
                    (End::Answered { .. } | End::Unclear | End::Noticed, Ok(())) => {
                        attempt.succeeded(now).unwrap();
                        guard.proved(CARD).unwrap();
                    }
                    (End::Answered { left: true }, Err(Outcome::Wrong { .. })) if card.wrong < 3 => {
                        let _ = attempt.failed(Outcome::Wrong { left: Some(left(&card)) });
                    }
                    (End::Answered { .. }, Err(outcome)) => drop(attempt.failed(outcome)),
                    (End::Unclear, Err(_)) => {
                        card.told_locked = false;
                        let _ = attempt.failed(Outcome::Unclear);
                    }
                    (End::Noticed, Err(outcome)) => {
                        attempt.succeeded(now).unwrap();
                        let _ = guard.noticed(CARD, &name, outcome, "test", now);
                    }
                    _ => card.told_locked = false,
                }
            }
        }
    }
    presented
}

fn cases() -> u32 {
    std::env::var("DI_GUARD_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_history_without_force_reaches_the_third(shows: bool, history in vec(event(false, false), 1..60)) {
        play(shows, history);
    }

    #[test]
    fn each_third_has_its_own_force(shows: bool, history in vec(event(true, false), 1..60)) {
        play(shows, history);
    }

    #[test]
    fn a_destroyed_record_changes_nothing(shows: bool, history in vec(event(false, true), 1..60)) {
        play(shows, history);
    }
}

/// The histories are not vacuous: cards are tried, and tried again after failures.
#[test]
fn histories_do_try() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let histories = vec(event(false, false), 40..60);
    let presented: u32 =
        (0..40).map(|_| play(false, histories.new_tree(&mut runner).unwrap().current())).sum();
    assert!(presented > 100, "{presented} tries in 40 histories");
}
