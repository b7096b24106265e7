//! kill -9 at any moment, of anybody, again and again: every letter arrives once, with every byte, and the journals hold.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tests::binary;
use tests::crash::dice::Dice;
use tests::crash::house::helper_of;
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
