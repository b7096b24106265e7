//! kill -9 at any moment, of anybody, again and again: every letter arrives once, with every byte, and the journals hold.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tests::binary;
use tests::crash::check::{Wrong, check};
use tests::crash::dice::Dice;
use tests::crash::house::{House, helper_of};
use tests::crash::letters::{Manifest, Office};
use tests::crash::person::{Person, settle};
use tests::crash::points::Which;
use tests::crash::{Settings, run, softhsm};
use tests::pcscd::{Pcscd, opensc_module};
use tests::site::{Site, drop_letter, eventually};
use tests::virtual_card::{PIN, VirtualCard};

const LETTERS: usize = 24;

/// `make crash` in small: everybody is killed at random times, the card helper too, and everybody dies at some of the
/// fail points.
#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_comes_twice() {
    let bins = binary("di-node");
    let pointed = bins.parent().unwrap().with_file_name("failpoints").join("debug");
    assert!(
        pointed.join("di-node").is_file(),
        "the programs with fail points are not built: run `make failpoints`"
    );
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        bins: bins.parent().unwrap().to_owned(),
        dir: dir.path().to_owned(),
        softhsm: Some(softhsm().expect("SoftHSM: run `make deps-test`")),
        points: Some((pointed, Which::Some(8))),
        targets: Vec::new(),
        documents: 64,
        kills: 12,
        seed: 20_261_121,
        sample: 8,
    };
    let tally = run(&settings).unwrap();
    println!("{tally}");
    assert!(tally.is_right(), "{tally}");
    assert_eq!((tally.documents, tally.kills_random, tally.kills_points), (64, 12, 8), "{tally}");
}

/// The judge is judged: each kind of harm, done by hand, is found, and nothing is found before.
#[test]
fn the_check_finds_what_is_lost_doubled_changed_or_left() {
    let bins = binary("di-node").parent().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let mut house = House::make(dir.path(), &bins, None);
    let manifest = dir.path().join("manifest.jsonl");
    let mut office = Office::new(house.site.clone(), 7, Manifest::create(&manifest).unwrap());
    house.start_all();
    for _ in 0..3 {
        office.drop_chosen(false, true).unwrap();
    }
    assert!(settle(&mut house, &mut Person::default(), office.dropped()).is_settled());
    assert!(house.stop_all().is_empty());
    let letters = Manifest::read(&manifest).unwrap();
    let look = || Wrong { verified: 0, ..check(&house, &letters, 1, &mut Dice::new(1)) };
    assert_eq!(look(), Wrong::default());
    let mailbox = house.folder(1, "inbox").join(&house.site.codes[1]);
    let folder_of = |number: &str| {
        let found = std::fs::read_dir(&mailbox).unwrap().map(|entry| entry.unwrap().path());
        found.into_iter().find(|path| path.join(format!("{number}.di")).exists()).unwrap()
    };
    let numbers: Vec<&str> = letters.iter().map(|letter| letter.number.as_str()).collect();
    // Delivered again beside itself.
    let again = mailbox.join("again");
    std::fs::create_dir(&again).unwrap();
    let di = format!("{}.di", numbers[0]);
    std::fs::copy(folder_of(numbers[0]).join(&di), again.join(&di)).unwrap();
    assert_eq!(look(), Wrong { doubled: 1, ..Wrong::default() });
    // One byte of another.
    std::fs::write(folder_of(numbers[1]).join(format!("{}.sw", numbers[1])), "x").unwrap();
    assert_eq!(look(), Wrong { doubled: 1, mismatched: 1, ..Wrong::default() });
    // The third is gone, and something lies in the spool.
    std::fs::remove_dir_all(folder_of(numbers[2])).unwrap();
    std::fs::write(house.folder(2, "state").join("spool/left.draft"), "x").unwrap();
    assert_eq!(look(), Wrong { lost: 1, doubled: 1, mismatched: 1, leftover: 1, ..Wrong::default() });
}

/// The letters of `sent` that are in a folder, each with its bytes. What is still on its way there has a name with a dot.
fn arrived(inbox: &Path, sent: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut folders = vec![inbox.to_owned()];
    while let Some(folder) = folders.pop() {
        // Renamed just now.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') {
                    folders.push(path);
                }
            } else if sent.contains_key(&name) {
                let twice = found.insert(name.clone(), std::fs::read(&path).unwrap());
                assert!(twice.is_none(), "{name} was delivered twice");
            }
        }
    }
    found
}

/// Nothing is left half on its way.
fn all_delivered(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            assert!(!name.starts_with('.'), "everything is delivered: {name}");
            all_delivered(&path);
        }
    }
}

fn journals_hold(site: &Site, codes: &[&String]) {
    for code in codes {
        let store = store::Store::open_read_only(&site.folder(code, "state")).unwrap();
        store.verify_chain().unwrap();
        let held = store.outbox(&store::boxes::Filter { held: Some(true), ..Default::default() }).unwrap();
        assert!(held.is_empty(), "nothing is set apart");
    }
}

#[test]
fn a_card_helper_killed_at_any_moment_loses_nothing_and_locks_no_card() {
    let bins = binary("di-node");
    let dir = tempfile::tempdir().unwrap();
    let site = Site::make(dir.path(), bins.parent().unwrap());
    let (ours, other) = (site.codes[0].clone(), site.codes[1].clone());
    let card = VirtualCard::of_member(&site.dir.join("pki"), &ours);
    let pcscd = Pcscd::start();
    pcscd.insert(&card, 0);
    site.change_to_card(&ours, &opensc_module(), PIN, &pcscd.environment());
    card.slow(Duration::from_millis(30));
    let center = site.center();
    let partner = site.node(&other);
    let mut node = site.node_in(&ours, pcscd.environment());
    let label = || {
        let card = site.get(&site.socket(&ours), "/v1/card").ok()?;
        Some(card["state"].as_str()?.to_owned())
    };
    // A kill inside a login counts as a failed try, and a person has to act; the card is ready when this says so.
    let last = std::cell::RefCell::new(String::new());
    let person = || {
        let now = label()?;
        if last.replace(now.clone()) != now {
            println!("card: {now}");
        }
        match now.as_str() {
            "card-ready" => Some(()),
            "pin-stopped" | "pin-unclear" => {
                let _ = site.di_node(&ours, &["card", "retry"]);
                None
            }
            // Two logins in a row that were killed before anything proved them count as two failed tries.
            "pin-tries-spent" => {
                let _ = site.di_node(&ours, &["card", "retry", "--force"]);
                None
            }
            "pin-last-try" | "pin-locked" => panic!("a kill has used up the card: {now}"),
            _ => None,
        }
    };
    let ready = || eventually("the card is ready", Duration::from_secs(60), person);
    ready();
    let mut dice = Dice::new(20_261_122);
    let (mut there, mut here) = (BTreeMap::new(), BTreeMap::new());
    let mut kills = 0;
    for letter in 0..LETTERS {
        let bytes = vec![u8::try_from(letter).unwrap(); 2_000];
        let (from, to, sent) =
            if letter % 2 == 0 { (&ours, &other, &mut there) } else { (&other, &ours, &mut here) };
        let number = format!("{:07}", 3_000_000 + letter);
        let names = drop_letter(&site.folder(from, "drop"), &number, from, &[to], &[("bin", &bytes)]);
        sent.insert(names[0].clone(), bytes);
        if letter % 2 == 1 {
            std::thread::sleep(Duration::from_millis(dice.roll(150)));
            if letter % 12 == 11 {
                // Together with its node, which leaves no orphan. Twice only: a letter in whose step the node dies a
                // third time is set apart with an alarm, as it should be, and a person would have to act.
                let helper = helper_of(&node);
                node.kill();
                eventually("the helper goes with its node", Duration::from_secs(10), || {
                    helper.is_none_or(|pid| rustix::process::test_kill_process(pid).is_err()).then_some(())
                });
                node = site.node_in(&ours, pcscd.environment());
            } else if let Some(helper) = helper_of(&node) {
                // It may have gone since it was seen.
                kills += usize::from(kill_process(helper, Signal::KILL).is_ok());
            }
            ready();
        }
    }
    assert!(kills >= 6, "{kills} helpers were killed");
    for (code, folder, sent) in [(&ours, &other, &there), (&other, &ours, &here)] {
        eventually("all arrive", Duration::from_secs(90), || {
            // The last kill may be noticed only now.
            let _ = person();
            (arrived(&site.folder(folder, "inbox"), sent).len() == sent.len()).then_some(())
        });
        assert!(&arrived(&site.folder(folder, "inbox"), sent) == sent, "every byte of what {code} sent");
        all_delivered(&site.folder(folder, "inbox"));
    }
    assert_eq!(card.counts().wrong_pins, 0);
    for process in [node, partner, center] {
        let name = process.name.clone();
        assert!(process.stop().success(), "{name} stops in order");
    }
    journals_hold(&site, &[&ours, &other]);
}
