//! A whole exchange whose sender has its keys on the virtual card: real processes, a real PC/SC service, Debian's OpenSC.
//! The card is out when the node starts, is pulled in the middle and pushed in again, its service is killed; letters
//! wait, go on by themselves, and every one arrives once with every byte. Nobody enters anything meanwhile.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::binary;
use tests::pcscd::{Pcscd, opensc_module};
use tests::site::{Process, Site, drop_letter};
use tests::virtual_card::{Operation, VirtualCard};

/// A PIN whose digits stand nowhere by chance.
const PIN: &str = "83650194";
const LONG: Duration = Duration::from_secs(40);

/// Two members over a center; the first has a card.
struct Exchange {
    site: Site,
    ours: String,
    other: String,
    pcscd: Pcscd,
    card: VirtualCard,
    running: Vec<Process>,
    /// Attachments under way, by name: who should find them, and what is in them.
    sent: BTreeMap<String, (String, Vec<u8>)>,
    _dir: tempfile::TempDir,
}

impl Exchange {
    /// Center and the other member run; ours does not yet.
    fn new() -> Self {
        let bins = binary("di-node");
        let dir = tempfile::tempdir().unwrap();
        let site = Site::make(dir.path(), bins.parent().unwrap());
        let (ours, other) = (site.codes[0].clone(), site.codes[1].clone());
        let card = VirtualCard::of_member(&site.dir.join("pki"), &ours);
        card.change_pin(PIN);
        let pcscd = Pcscd::start();
        pcscd.insert(&card, 0);
        site.change_to_card(&ours, &opensc_module(), PIN, &pcscd.environment());
        card.remove();
        let running = vec![site.center(), site.node(&other)];
        Self { site, ours, other, pcscd, card, running, sent: BTreeMap::new(), _dir: dir }
    }

    fn start_ours(&mut self) {
        let node = self.site.node_in(&self.ours, self.pcscd.environment());
        self.running.push(node);
    }

    fn stop_ours(&mut self) {
        assert!(self.running.pop().unwrap().stop().success());
    }

    fn drop_letter(&mut self, number: u32, from_us: bool) {
        let (from, to) = if from_us { (&self.ours, &self.other) } else { (&self.other, &self.ours) };
        let number = format!("{number:07}");
        let bytes = number.as_bytes().repeat(300);
        let names = drop_letter(&self.site.folder(from, "drop"), &number, from, &[to], &[("bin", &bytes)]);
        self.sent.insert(names[0].clone(), (to.clone(), bytes));
    }

    fn ask(&self, code: &str, path: &str) -> Option<Value> {
        self.site.get(&self.site.socket(code), path).ok()
    }

    /// Waits until our node's card is in a state.
    fn card_is(&self, label: &str) {
        let mut last = Value::Null;
        let begun = Instant::now();
        while last["state"] != label {
            assert!(begun.elapsed() < LONG, "the card is {last}, not {label}");
            std::thread::sleep(Duration::from_millis(5));
            last = self.ask(&self.ours, "/v1/card").unwrap_or_default();
        }
    }

    /// Number, word and reason of our documents in a box.
    fn rows(&self, which: &str) -> Vec<(String, String, String)> {
        let page = self.ask(&self.ours, &format!("/v1/{which}")).unwrap_or_default();
        let rows = page["documents"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        rows.iter().map(|row| (text(&row["id"]), text(&row["word"]), text(&row["reason"]["label"]))).collect()
    }

    /// How many of our documents stand in a box for want of the card.
    fn waiting(&self, which: &str) -> usize {
        self.rows(which).iter().filter(|(.., label)| label == "card-absent").count()
    }

    /// Waits until something holds; shows both boxes and the card if it does not.
    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            if begun.elapsed() > LONG {
                let (out, inside) = (self.rows("outbox"), self.rows("inbox"));
                let status = self.ask(&self.ours, "/v1/status").unwrap_or_default();
                panic!("did not happen: {what}\nout {out:#?}\nin {inside:#?}\n{status:#}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Documents of a box with this word, those of the demo too.
    fn count(&self, which: &str, word: &str) -> u64 {
        let status = self.ask(&self.ours, "/v1/status").unwrap_or_default();
        let counts = status["counts"].as_array().cloned().unwrap_or_default();
        let fits = counts.iter().filter(|c| c["box"] == which && c["word"] == word);
        fits.filter_map(|c| c["count"].as_u64()).sum()
    }

    /// Every letter has arrived, once, with every byte.
    fn all_arrived(&self) {
        let mut found = BTreeMap::new();
        for code in [&self.ours, &self.other] {
            collect(&self.site.folder(code, "inbox"), code, &mut found);
        }
        found.retain(|name, _| self.sent.contains_key(name));
        assert!(found == self.sent, "found {:?} of {:?}", found.keys(), self.sent.keys());
    }
}

/// Files at `place` or below it that hold the PIN.
fn with_pin(place: &Path, found: &mut Vec<PathBuf>) {
    if place.is_dir() {
        std::fs::read_dir(place).unwrap().for_each(|entry| with_pin(&entry.unwrap().path(), found));
    } else if place.is_file() && std::fs::read(place).unwrap().windows(PIN.len()).any(|w| w == PIN.as_bytes())
    {
        found.push(place.to_owned());
    }
}

/// Attachments that were delivered into a folder or below it.
fn collect(folder: &Path, code: &str, found: &mut BTreeMap<String, (String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, code, found);
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".bin") {
            let twice = found.insert(name.clone(), (code.to_owned(), std::fs::read(&path).unwrap()));
            assert!(twice.is_none(), "{name} was delivered twice");
        }
    }
}

#[test]
fn the_senders_card_is_pulled_and_pushed_in_again() {
    let mut exchange = Exchange::new();
    exchange.start_ours();
    exchange.card_is("card-absent");
    let logins = exchange.card.counts().pins;
    let (before_out, before_in) = (exchange.count("out", "使用者確認"), exchange.count("in", "收文完成"));

    // a card that was never seen: there is nobody to log in as, so what comes waits at the center
    exchange.drop_letter(3_000_000, true);
    exchange.drop_letter(3_000_001, false);
    exchange.until("the letter waits for the card", |e| e.waiting("outbox") == 1);
    let pushed = Instant::now();
    exchange.pcscd.insert(&exchange.card, 0);
    exchange.until("the first is confirmed", |e| e.count("out", "使用者確認") > before_out);
    println!("from insertion to the first document confirmed: {} ms", pushed.elapsed().as_millis());
    exchange.until("what came in is read", |e| e.count("in", "收文完成") > before_in);

    // pulled: the login still holds, letters come and wait here
    exchange.card.remove();
    exchange.card_is("card-absent");
    exchange.drop_letter(3_000_002, true);
    exchange.drop_letter(3_000_003, false);
    exchange.until("both wait for the card", |e| e.waiting("outbox") == 1 && e.waiting("inbox") == 1);
    let pushed = Instant::now();
    exchange.pcscd.insert(&exchange.card, 0);
    exchange.until("both go on", |e| {
        e.count("out", "使用者確認") == before_out + 2 && e.count("in", "收文完成") == before_in + 2
    });
    println!("from insertion to both done: {} ms", pushed.elapsed().as_millis());

    // a slow card, work in both directions, and it is pulled in the middle of a signature and of a decipherment
    exchange.card.slow(Duration::from_millis(200));
    for n in 0..4 {
        exchange.drop_letter(3_000_010 + n, true);
        exchange.drop_letter(3_000_020 + n, false);
    }
    for operation in [Operation::Sign, Operation::Decipher] {
        exchange.card.pull_during(operation);
        assert!(exchange.card.wait_pulled(LONG), "{operation:?} comes");
        let pulled = Instant::now();
        exchange.card_is("card-absent");
        exchange.pcscd.insert(&exchange.card, 0);
        exchange.card_is("card-ready");
        println!("from pulled during {operation:?} to ready again: {} ms", pulled.elapsed().as_millis());
    }
    // and its service dies under it
    exchange.pcscd.kill();
    exchange.card_is("card-no-service");
    exchange.drop_letter(3_000_030, true);
    exchange.pcscd.run();
    exchange.pcscd.insert(&exchange.card, 0);
    let back = Instant::now();
    exchange.until("all are confirmed", |e| {
        e.count("out", "使用者確認") == before_out + 7 && e.count("in", "收文完成") == before_in + 6
    });
    println!("from insertion after the service's death to all done: {} ms", back.elapsed().as_millis());
    exchange.all_arrived();
    let counts = exchange.card.counts();
    println!("{counts:?} for 7 letters out, 6 in");
    assert_eq!(
        (counts.wrong_pins, counts.pins - logins),
        (0, 5),
        "one login for each insertion, and no more"
    );

    // a restart with the card in goes on by itself
    exchange.stop_ours();
    exchange.drop_letter(3_000_040, true);
    let restarted = Instant::now();
    exchange.start_ours();
    exchange.until("and one more", |e| e.count("out", "使用者確認") == before_out + 8);
    println!("from a restart to one more done: {} ms", restarted.elapsed().as_millis());
    exchange.all_arrived();

    // of the PIN nothing is anywhere but where it was put
    let mut found = Vec::new();
    with_pin(&exchange.site.dir, &mut found);
    let process = PathBuf::from(format!("/proc/{}", exchange.running.last().unwrap().id()));
    ["cmdline", "environ"].iter().for_each(|file| with_pin(&process.join(file), &mut found));
    assert_eq!(found, [exchange.site.dir.join(format!("pki/{}.pin", exchange.ours))]);
}
