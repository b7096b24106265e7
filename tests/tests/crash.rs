//! kill -9 at any moment, of anybody, again and again: every letter arrives once, with every byte, and the journals hold.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::time::Duration;

use tests::binary;
use tests::site::{Process, Site, drop_letter, eventually};

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
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut folders = vec![site.folder(&to, "inbox")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                assert!(!name.starts_with('.'), "everything is delivered: {name}");
                folders.push(path);
            } else if sent.contains_key(&name) {
                let twice = found.insert(name.clone(), std::fs::read(&path).unwrap());
                assert!(twice.is_none(), "{name} was delivered twice");
            }
        }
    }
    assert!(found == sent, "every byte of every letter");
    for process in running.into_iter().flatten() {
        let name = process.name.clone();
        assert!(process.stop().success(), "{name} stops in order");
    }
    for code in [&from, &to] {
        let state = site.folder(code, "state");
        let store = store::Store::open_read_only(&state).unwrap();
        store.verify_chain().unwrap();
        let held = store.outbox(&store::boxes::Filter { held: Some(true), ..Default::default() }).unwrap();
        assert!(held.is_empty(), "nothing is set apart");
    }
}
