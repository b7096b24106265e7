//! The guard by example; `tests/random.rs` is the proof over random histories.

mod random;

use super::file::crash;
use super::*;
use tempfile::TempDir;

const CARD: &str = "XX00000000000001";
const NONE: PinFlags = PinFlags { count_low: false, final_try: false, locked: false };
const WRONG: Outcome = Outcome::Wrong { left: None };

/// In memory where there is such a folder: thousands of fsyncs are not what is tested here.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn guard(dir: &TempDir) -> Guard {
    Guard::open(dir.path()).unwrap()
}

fn source(name: &str) -> Generation {
    name.into()
}

fn begin(guard: &Guard, from: &str, flags: PinFlags) -> Result<Attempt, Refusal> {
    guard.begin(CARD, &source(from), flags, "test", 1000)
}

fn ask(guard: &Guard, ask: Ask) -> Result<Granted, Refusal> {
    guard.grant(CARD, ask, Some(NONE), "anna", "new PIN letter", 1000)
}

fn label<T>(result: Result<T, Refusal>) -> &'static str {
    result.err().map_or("allowed", |refusal| refusal.label())
}

#[test]
fn one_failed_try_stops_the_node_until_a_person_or_a_new_source() {
    let dir = folder();
    let refusal = begin(&guard(&dir), "a", NONE).unwrap().failed(WRONG);
    assert!(matches!(refusal, Refusal::Wrong { failed: 1, left: None }));
    // Another process, later: the same source is not tried, another one is.
    let guard = guard(&dir);
    assert_eq!(label(begin(&guard, "a", NONE)), "pin-stopped");
    let _ = begin(&guard, "b", NONE).unwrap().failed(WRONG);
    // That was the second and last, whatever comes.
    for from in ["a", "b", "c"] {
        assert_eq!(label(begin(&guard, from, NONE)), "pin-tries-spent");
    }
    assert_eq!(label(ask(&guard, Ask::Once)), "pin-tries-spent");
    // Each further try takes a force of its own.
    for failed in [2, 3, 4] {
        assert_eq!(ask(&guard, Ask::Forced).unwrap(), Granted::Given { failed, left: None });
        let _ = begin(&guard, "c", NONE).unwrap().failed(WRONG);
        assert_eq!(label(begin(&guard, "d", NONE)), "pin-tries-spent");
    }
    // The right PIN ends it all.
    ask(&guard, Ask::Forced).unwrap();
    begin(&guard, "c", NONE).unwrap().succeeded(2000).unwrap();
    let status = guard.status(CARD, 3000).unwrap();
    assert_eq!((status.failed, status.last_success), (0, Some(2000)));
    assert!(status.refusal.is_none() && status.permit.is_none());
    assert_eq!(ask(&guard, Ask::Once).unwrap(), Granted::NotNeeded);
    assert_eq!(guard.cards().unwrap(), [CARD]);
}

#[test]
fn a_person_grants_exactly_one_more() {
    let dir = folder();
    let guard = guard(&dir);
    let _ = begin(&guard, "a", NONE).unwrap().failed(Outcome::Wrong { left: Some(2) });
    assert_eq!(ask(&guard, Ask::Once).unwrap(), Granted::Given { failed: 1, left: Some(2) });
    let permit = guard.status(CARD, 1000).unwrap().permit.unwrap();
    assert_eq!(
        (permit.permit, permit.by.as_str(), permit.why.as_str()),
        (Permit::Once, "anna", "new PIN letter")
    );
    // A try that did not reach the card gives the permit back.
    begin(&guard, "a", NONE).unwrap().not_presented().unwrap();
    let _ = begin(&guard, "a", NONE).unwrap().failed(WRONG);
    assert_eq!(label(begin(&guard, "a", NONE)), "pin-last-try");
}

#[test]
fn a_permit_is_for_today() {
    let dir = folder();
    let guard = guard(&dir);
    let _ = begin(&guard, "a", NONE).unwrap().failed(WRONG);
    ask(&guard, Ask::Once).unwrap();
    for later in [1000 + PERMIT_LIFETIME, 999] {
        assert_eq!(label(guard.begin(CARD, &source("a"), NONE, "test", later)), "pin-stopped");
    }
    assert_eq!(label(guard.begin(CARD, &source("a"), NONE, "test", 999 + PERMIT_LIFETIME)), "allowed");
}

#[test]
fn whoever_is_gone_before_the_answer_has_failed() {
    let dir = folder();
    let before = guard(&dir);
    drop(begin(&before, "a", NONE).unwrap());
    let after = guard(&dir);
    let status = after.status(CARD, 1000).unwrap();
    assert_eq!((status.failed, status.last_failure.unwrap().why), (1, Why::Interrupted));
    assert_eq!(status.refusal.unwrap().label(), "pin-stopped");
    assert_eq!(label(begin(&after, "a", NONE)), "pin-stopped");
    drop(begin(&after, "b", NONE).unwrap());
    assert_eq!(label(begin(&after, "c", NONE)), "pin-tries-spent");
}

#[test]
fn one_at_a_time() {
    let dir = folder();
    let (one, other) = (guard(&dir), guard(&dir));
    let attempt = begin(&one, "a", NONE).unwrap();
    assert_eq!(label(begin(&other, "b", NONE)), "pin-busy");
    assert_eq!(label(ask(&other, Ask::Forced)), "pin-busy");
    let status = other.status(CARD, 1000).unwrap();
    assert_eq!((status.failed, status.trying.unwrap().by.as_str()), (0, "test"));
    // Another card is another matter.
    other.begin("YY1", &source("b"), NONE, "test", 1).unwrap().succeeded(1).unwrap();
    attempt.succeeded(1000).unwrap();
    assert_eq!(label(begin(&other, "b", NONE)), "allowed");
}

#[test]
fn what_the_token_shows_is_heeded() {
    let dir = folder();
    let guard = guard(&dir);
    let low = PinFlags { count_low: true, ..NONE };
    begin(&guard, "a", low).unwrap().not_presented().unwrap();
    let last = PinFlags { final_try: true, ..low };
    assert_eq!(label(begin(&guard, "a", last)), "pin-last-try");
    let once = guard.grant(CARD, Ask::Once, Some(last), "anna", "", 1000);
    assert_eq!(label(once), "pin-last-try");
    let forced = guard.grant(CARD, Ask::Forced, Some(last), "anna", "", 1000);
    assert_eq!(forced.unwrap(), Granted::Given { failed: 0, left: Some(1) });
    begin(&guard, "a", last).unwrap().succeeded(1000).unwrap();
    // Locked is never tried, and remembered when the token forgets it.
    let locked = PinFlags { locked: true, ..last };
    assert_eq!(label(begin(&guard, "a", locked)), "pin-locked");
    assert_eq!(label(begin(&guard, "b", NONE)), "pin-locked");
    assert_eq!(label(ask(&guard, Ask::Forced)), "pin-locked");
    // Unlocked, says a person; if the token still says otherwise that holds.
    guard.grant(CARD, Ask::Unlocked, Some(locked), "anna", "", 1000).unwrap();
    assert_eq!(label(begin(&guard, "a", locked)), "pin-locked");
    ask(&guard, Ask::Unlocked).unwrap();
    begin(&guard, "a", NONE).unwrap().succeeded(1000).unwrap();
    // Nobody starts the count anew by saying so of a card that was not locked.
    let _ = begin(&guard, "a", NONE).unwrap().failed(WRONG);
    assert_eq!(ask(&guard, Ask::Unlocked).unwrap(), Granted::NotNeeded);
    assert_eq!(guard.status(CARD, 1000).unwrap().failed, 1);
}

#[test]
fn the_last_figure_of_the_vendor_only_goes_down() {
    let dir = folder();
    let guard = guard(&dir);
    // Somebody else has spent one: the first of ours leaves one.
    let refusal = begin(&guard, "a", NONE).unwrap().failed(Outcome::Wrong { left: Some(1) });
    assert_eq!(refusal.left(), Some(1));
    assert_eq!(label(begin(&guard, "b", NONE)), "pin-last-try");
    assert_eq!(label(ask(&guard, Ask::Once)), "pin-last-try");
    ask(&guard, Ask::Forced).unwrap();
    let _ = begin(&guard, "b", NONE).unwrap().failed(Outcome::Locked);
    assert_eq!(label(ask(&guard, Ask::Forced)), "pin-locked");
    ask(&guard, Ask::Unlocked).unwrap();
    let _ = begin(&guard, "b", NONE).unwrap().failed(Outcome::Wrong { left: Some(2) });
    drop(begin(&guard, "c", NONE).unwrap());
    assert_eq!(guard.status(CARD, 1000).unwrap().left, Some(1));
}

#[test]
fn an_error_that_no_login_stands_for_counts() {
    let dir = folder();
    let guard = guard(&dir);
    begin(&guard, "a", NONE).unwrap().succeeded(1).unwrap();
    let refusal = guard.noticed(CARD, &source("a"), WRONG, "test", 1000);
    assert!(matches!(refusal, Refusal::Wrong { failed: 1, .. }));
    assert_eq!(label(begin(&guard, "a", NONE)), "pin-stopped");
}

#[test]
fn a_module_that_takes_a_pin_unseen_does_not_start_the_count_anew() {
    let dir = folder();
    let guard = guard(&dir);
    for (from, failed) in [("a", 1), ("b", 2)] {
        // "Right", says the module, twice even; and presents it with the first signature.
        begin(&guard, from, NONE).unwrap().succeeded(1).unwrap();
        begin(&guard, from, NONE).unwrap().succeeded(1).unwrap();
        let refusal = guard.noticed(CARD, &source(from), WRONG, "test", 1000);
        assert!(matches!(refusal, Refusal::Wrong { failed: f, .. } if f == failed));
    }
    assert_eq!(label(begin(&guard, "c", NONE)), "pin-tries-spent");
    // A key that works is the proof.
    ask(&guard, Ask::Forced).unwrap();
    begin(&guard, "c", NONE).unwrap().succeeded(1).unwrap();
    guard.proved(CARD).unwrap();
    let refusal = guard.noticed(CARD, &source("c"), WRONG, "test", 1000);
    assert!(matches!(refusal, Refusal::Wrong { failed: 1, .. }));
}

#[test]
fn successes_that_nothing_proves_are_failed_tries_in_the_end() {
    let dir = folder();
    let guard = guard(&dir);
    let attempt = begin(&guard, "a", NONE).unwrap();
    assert!(!attempt.in_doubt());
    attempt.succeeded(1).unwrap();
    let attempt = begin(&guard, "a", NONE).unwrap();
    assert!(attempt.in_doubt(), "nothing has worked since the login before");
    attempt.succeeded(1).unwrap();
    // No operation worked after either: each may have been a wrong PIN that the module presented later.
    assert_eq!(label(begin(&guard, "b", NONE)), "pin-tries-spent");
    ask(&guard, Ask::Forced).unwrap();
    begin(&guard, "a", NONE).unwrap().succeeded(1).unwrap();
    guard.proved(CARD).unwrap();
    for _ in 0..5 {
        begin(&guard, "a", NONE).unwrap().succeeded(1).unwrap();
        guard.proved(CARD).unwrap();
    }
    assert_eq!(guard.status(CARD, 1000).unwrap().failed, 0);
}

#[test]
fn a_damaged_record_is_never_a_fresh_one() {
    let good = {
        let dir = folder();
        let _ = begin(&guard(&dir), "a", NONE).unwrap().failed(WRONG);
        std::fs::read_to_string(dir.path().join(format!("{CARD}.json"))).unwrap()
    };
    let cases = [
        String::new(),
        good[..good.len() / 2].to_owned(),
        good.replace("\"format\": 1", "\"format\": 2"),
        good.replace("\"failed\": 1", "\"failed\": -1"),
        good.replace("\"left\"", "\"over\""),
        good.replace(CARD, "XX00000000000002"),
        good.clone() + &" ".repeat(70_000) + "x",
    ];
    for text in cases {
        assert_ne!(text, good);
        let dir = folder();
        let guard = guard(&dir);
        std::fs::write(dir.path().join(format!("{CARD}.json")), &text).unwrap();
        assert_eq!(label(begin(&guard, "new", NONE)), "guard-damaged", "{text}");
        assert_eq!(label(guard.status(CARD, 1000)), "guard-damaged");
        assert_eq!(label(ask(&guard, Ask::Once)), "guard-damaged");
        assert_eq!(label(ask(&guard, Ask::Unlocked)), "guard-damaged");
        assert_eq!(ask(&guard, Ask::Forced).unwrap(), Granted::Given { failed: LIMIT, left: None });
        let _ = begin(&guard, "new", NONE).unwrap().failed(WRONG);
        assert_eq!(label(begin(&guard, "newer", NONE)), "pin-tries-spent");
        assert_eq!(std::fs::read_to_string(dir.path().join(format!("{CARD}.damaged"))).unwrap(), text);
    }
}

#[test]
fn what_cannot_be_recorded_is_not_tried() {
    let dir = folder();
    let guard = guard(&dir);
    for step in 0..=4 {
        crash::at(step);
        assert_eq!(label(begin(&guard, &format!("{step}"), NONE)), "guard-unwritable");
    }
    // At the last step the record had its new name already: that one counts, to be safe.
    assert_eq!(guard.status(CARD, 1000).unwrap().failed, 1);
    begin(&guard, "a", NONE).unwrap().succeeded(1000).unwrap();
    guard.proved(CARD).unwrap();
    // A success that cannot be written down removes the record; nothing else of it would fit on a full disk.
    let attempt = begin(&guard, "a", NONE).unwrap();
    crash::at(1);
    attempt.succeeded(1000).unwrap();
    assert_eq!(label(begin(&guard, "a", NONE)), "allowed");
    std::fs::remove_dir_all(dir.path()).unwrap();
    assert_eq!(label(begin(&guard, "a", NONE)), "guard-unwritable");
}

#[test]
fn a_serial_is_a_name_and_nothing_else() {
    let dir = folder();
    let guard = guard(&dir);
    let mut odd = ["", "_", "../../x", "a b", "a_20b", "a.json", "王", "\0", "A", "a"];
    for card in odd {
        let _ = guard.begin(card, &source("a"), NONE, "test", 1).unwrap().failed(WRONG);
    }
    odd.sort_unstable();
    assert_eq!(guard.cards().unwrap(), odd);
    for card in odd {
        assert_eq!(guard.status(card, 1).unwrap().failed, 1, "{card:?} has a record of its own");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2 * odd.len());
}

#[test]
fn records_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder();
    let inner = dir.path().join("state/card");
    let guard = Guard::open(&inner).unwrap();
    drop(begin(&guard, "a", NONE).unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    for file in std::fs::read_dir(&inner).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn without_a_configuration_the_service_is_not_worked_round() {
    let dir = folder();
    let machine = dir.path().join("var/lib/di-node/card");
    let own = Some(dir.path().join("home"));
    // Nothing there, and it can be made.
    let place = Place::choose(&machine, own.clone()).unwrap();
    assert!(place.shared && machine.is_dir());
    // There, though not as a folder that can be used: no other place is taken.
    std::fs::remove_dir(&machine).unwrap();
    std::fs::write(&machine, "").unwrap();
    let place = Place::choose(&machine, own.clone()).unwrap();
    assert!(place.shared);
    assert_eq!(label(Guard::at(&place)), "guard-unwritable");
    // It cannot be made: the user's own, and there one try fewer.
    let nowhere = Path::new("/proc/di-node-none/card");
    assert_eq!(Place::choose(nowhere, None), None);
    let place = Place::choose(nowhere, own).unwrap();
    assert_eq!(place, Place { dir: dir.path().join("home/di-node/card"), shared: false });
    let guard = Guard::at(&place).unwrap();
    drop(begin(&guard, "a", NONE).unwrap());
    assert_eq!(label(begin(&guard, "b", NONE)), "pin-tries-spent");
}

#[test]
fn answers_of_modules() {
    use Answer::{Failed, NotPresented, Success};
    let wrong = |left| Failed(Outcome::Wrong { left });
    let table = [
        (0, Success),
        (0xFFFF_FFFF_0000_0000, Failed(Outcome::Unclear)),
        (0xA0, wrong(None)),
        (0xA2, Failed(Outcome::Unclear)),
        (0xA4, Failed(Outcome::Locked)),
        (0x8000_0001, wrong(Some(1))),
        (0x8000_0002, wrong(Some(2))),
        (0xFFFF_FFFF_8000_0001, wrong(Some(1))),
        (0xFFFF_FFFF_8000_0002, wrong(Some(2))),
        (0x1_8000_0002, Failed(Outcome::Unclear)),
        (0x100, NotPresented),
        (0x190, NotPresented),
        (0x05, Failed(Outcome::Unclear)),
        (0x32, Failed(Outcome::Unclear)),
        (0xB3, Failed(Outcome::Unclear)),
    ];
    for (rv, answer) in table {
        assert_eq!(Answer::of(rv), answer, "{rv:#x}");
    }
    assert_eq!(Answer::is_about_the_pin(0xA0), Some(WRONG));
    assert_eq!(Answer::is_about_the_pin(0x05), None);
}

#[test]
fn every_label_is_listed_once() {
    let io = || std::sync::Arc::new(std::io::Error::other(""));
    let all = [
        Refusal::Stopped { failed: 1, left: None },
        Refusal::Spent { failed: 2, left: None },
        Refusal::LastTry,
        Refusal::Locked,
        Refusal::Busy,
        Refusal::Wrong { failed: 1, left: None },
        Refusal::Unclear { failed: 1 },
        Refusal::Damaged("x".into()),
        Refusal::Unusable { path: "x".into(), during: "made", source: io() },
    ];
    let told: Vec<_> = all.iter().map(|refusal| (refusal.label(), refusal.class())).collect();
    assert_eq!(told, LABELS);
}
