//! kill -9 at any moment, of anybody, again and again: every letter arrives once, with every byte, and the journals hold.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tests::binary;
use tests::pcscd::{Pcscd, opensc_module};
use tests::site::{Process, Site, drop_letter, eventually};
use tests::virtual_card::{PIN, VirtualCard};

const LETTERS: usize = 24;
const KILLS: usize = 12;

/// Not random enough for anything else, and the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_comes_twice() {
    let bins = binary("di-node");
    let dir = tempfile::tempdir().unwrap();
    let site = Site::make(dir.path(), bins.parent().unwrap());
    let (from, to) = (site.codes[0].clone(), site.codes[1].clone());
    let start = |who: usize| -> Process {
        match who {
            0 => site.center(),
            1 => site.node(&from),
            _ => site.node(&to),
        }
    };
    let mut running: Vec<Option<Process>> = (0..3).map(|who| Some(start(who))).collect();
    let mut dice = Dice(20_261_121);
    let mut sent = BTreeMap::new();
    let mut kills = 0;
    for letter in 0..LETTERS {
        let number = format!("{:07}", 2_000_000 + letter);
        let size = if letter % 5 == 0 { 400_000 } else { 2_000 };
        let bytes = vec![u8::try_from(letter).unwrap(); size];
        let names = drop_letter(&site.folder(&from, "drop"), &number, &from, &[&to], &[("bin", &bytes)]);
        sent.insert(names[0].clone(), bytes);
        std::thread::sleep(Duration::from_millis(dice.roll(60)));
        if letter % 2 == 1 && kills < KILLS {
            kills += 1;
            let who = usize::try_from(dice.roll(3)).unwrap();
            running[who].take().unwrap().kill();
            std::thread::sleep(Duration::from_millis(dice.roll(120)));
            running[who] = Some(start(who));
        }
    }
    let socket = site.socket(&from);
    let done = || {
        let status = site.get(&socket, "/v1/status").ok()?;
        let counts = status["counts"].as_array()?;
        let confirmed = counts.iter().filter(|c| c["box"] == "out" && c["word"] == "使用者確認");
        let many = confirmed.filter_map(|c| c["count"].as_u64()).sum::<u64>();
        // The demo's own letters were confirmed before.
        (many >= u64::try_from(LETTERS).unwrap() + 3).then_some(status)
    };
    eventually("all are confirmed", Duration::from_secs(90), done);
    assert!(arrived(&site.folder(&to, "inbox"), &sent) == sent, "every byte of every letter");
    all_delivered(&site.folder(&to, "inbox"));
    for process in running.into_iter().flatten() {
        let name = process.name.clone();
        assert!(process.stop().success(), "{name} stops in order");
    }
    journals_hold(&site, &[&from, &to]);
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

/// A node's card helper, if it has one this moment.
fn helper_of(node: &Process) -> Option<Pid> {
    let parent = format!(" {} ", node.id());
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // After the name in brackets: state, parent.
        let ours = stat.rsplit_once(')')?.1.get(2..)?.starts_with(&parent);
        let called = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        (ours && called.contains("card-helper")).then(|| Pid::from_raw(pid)).flatten()
    })
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
    let mut dice = Dice(20_261_122);
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
