//! Nothing that happens to our processes locks a card: the whole path, killed and hung on purpose.
//!
//! A supervisor (`card-holder`) with its helper and the fake module, on a card that is a file, shows no PIN flags and
//! locks at three. `DI_PIN_GUARD_CASES` says how many random histories (8).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use card::guard::{Ask, Granted, Guard, Refusal};
use card::pin::{Source, Supply};
use card::{Helper, Pins, Settings};
use fake_module::{Asks, Card, Fault, Key, Memory, Reader, Script, VARIABLE, What, When, WrongPin};
use proptest::prelude::*;
use proptest::test_runner::Config;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const SERIAL: &str = "XX00000000000001";
const PATIENCE: Duration = Duration::from_secs(30);
const PINS: [&str; 3] = ["73910562", "111111", "222222"];

/// A card in its reader, a guard's folder, a PIN file.
struct Desk {
    dir: tempfile::TempDir,
    script: Script,
    faults: u32,
    /// Of the supervisor's calls with a PIN, milliseconds. Where a call is to succeed it is long enough for any machine.
    deadline: u64,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        tests::pki::write(dir.path());
        let key = |id: &str, label: &str, file: &str| Key {
            id: id.into(),
            label: label.into(),
            key: Some(at(&format!("XC00000001.{file}.key.pem"))),
            certificate: Some(at(&format!("XC00000001.{file}.crt.pem"))),
            sign: id == "SIGN",
            decrypt: id == "KEYX",
        };
        let keys = vec![key("SIGN", "cert1", "sign"), key("KEYX", "cert2", "enc")];
        let card = Card { memory: at("card"), serial: SERIAL.into(), keys, ..Card::default() };
        let reader = Reader { name: "reader".into(), card: Some(card), insertion: 0 };
        let script = Script { readers: vec![reader], pin_flags: false, ..Script::default() };
        Memory::new(PINS[0]).write(&at("card")).unwrap();
        let desk = Self { dir, script, faults: 0, deadline: 20_000 };
        desk.put_script();
        desk.put_pin(PINS[0]);
        desk
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put_script(&self) {
        self.script.write(&self.at("script")).unwrap();
    }

    /// Replaces the PIN file, as an editor does.
    fn put_pin(&self, pin: &str) {
        let new = self.at("pin.new");
        let mut file = std::fs::File::options().create_new(true).write(true).mode(0o600).open(&new).unwrap();
        writeln!(file, "{pin}").unwrap();
        std::fs::rename(new, self.at("pin")).unwrap();
    }

    /// Something goes wrong at the next `C_Login`, once. The file is gone as soon as it has begun.
    fn arm(&mut self, when: When, what: What) -> PathBuf {
        self.faults += 1;
        let once = self.at(&format!("fault-{}", self.faults));
        std::fs::write(&once, "").unwrap();
        self.script.faults = vec![Fault { call: "C_Login".into(), when, what, once: Some(once.clone()) }];
        self.put_script();
        once
    }

    fn disarm(&mut self) {
        self.script.faults.clear();
        self.put_script();
    }

    fn card(&self) -> Memory {
        Memory::read(&self.at("card")).unwrap()
    }

    fn guard(&self) -> Guard {
        Guard::open(&self.at("guard")).unwrap()
    }

    /// What `di-node card retry` does.
    fn retry(&self, ask: Ask) -> Result<Granted, Refusal> {
        self.guard().grant(SERIAL, ask, None, "anna", "", now())
    }

    /// What `di-node doctor --pin-file` does, beside the service: one login of its own.
    fn doctor(&self, pin: &str) {
        let own = self.at("doctor-pin");
        let _ = std::fs::remove_file(&own);
        let file = std::fs::File::options().create_new(true).write(true).mode(0o600).open(&own);
        file.unwrap().write_all(pin.as_bytes()).unwrap();
        let supply = Supply::open(Source::File(own)).unwrap();
        let pins = Pins::new(self.guard(), Some(supply), "doctor", now);
        let mut settings = Settings::new(
            vec![env!("CARGO_BIN_EXE_card-holder").into(), "card-helper".into()],
            tests::binary("libfake_module.so"),
        );
        settings.environment.push((VARIABLE.into(), self.at("script").into()));
        settings.deadlines.login = Duration::from_millis(self.deadline);
        let Ok(mut helper) = Helper::start(&settings) else { return };
        let token = helper.tokens().ok().and_then(|listing| listing.tokens.into_iter().next());
        if token.is_some_and(|token| helper.read(&token).is_ok()) {
            let _ = helper.login(&pins);
        }
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// The supervising process.
struct Holder {
    child: Child,
    said: Receiver<String>,
    orders: u32,
    log: PathBuf,
}

impl Holder {
    fn start(desk: &Desk) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(desk.at("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_card-holder"))
            .arg(tests::binary("libfake_module.so"))
            .args([desk.at("script"), desk.at("guard"), desk.at("pin")])
            .arg(desk.deadline.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        Self { child, said, orders: 0, log: desk.at("log") }
    }

    fn order(&mut self, order: &str) -> u32 {
        self.orders += 1;
        writeln!(self.child.stdin.as_mut().unwrap(), "{} {order}", self.orders).unwrap();
        self.orders
    }

    /// The answer to an order; older ones are passed over.
    fn answer(&self, order: u32, patience: Duration) -> Option<String> {
        let until = Instant::now() + patience;
        loop {
            let line = self.said.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
            let (number, answer) = line.split_once(' ').unwrap();
            if number == order.to_string() {
                return Some(answer.to_owned());
            }
        }
    }

    fn ask(&mut self, order: &str) -> String {
        let number = self.order(order);
        self.answer(number, PATIENCE).unwrap_or_else(|| {
            let ended = self.child.try_wait();
            let log = std::fs::read_to_string(&self.log).unwrap();
            let lines: Vec<_> = log.lines().rev().take(20).collect();
            panic!("no answer to {order}; ended: {ended:?}; log, newest first:\n{}", lines.join("\n"))
        })
    }

    /// Looks and works with the card, as far as it can. The label of the state after it.
    fn look(&mut self) -> String {
        self.ask("look")
    }

    fn sign(&mut self) -> String {
        self.ask("sign")
    }

    fn helper(&mut self) -> Option<Pid> {
        Pid::from_raw(self.ask("pid").parse().unwrap())
    }

    /// Looks with a fault armed. Whether the login came to it; if not, the guard or the state stood before it.
    fn look_into(&mut self, fault: &Path) -> bool {
        let order = self.order("look");
        let until = Instant::now() + PATIENCE;
        while fault.exists() {
            if self.answer(order, Duration::from_millis(5)).is_some() {
                return !fault.exists();
            }
            assert!(Instant::now() < until, "neither a login nor an answer");
        }
        true
    }

    /// kill -9. Returns the helper that was left behind.
    fn kill(mut self) -> Option<Pid> {
        let helper = self.helper();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        helper
    }

    fn stop(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gone(pid: Pid) -> bool {
    // Reaped by whoever adopts orphans here, or still waiting for that.
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap_or_default();
    status.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.trim_start().starts_with(['Z', 'X']))
}

fn until(what: &str, fits: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !fits() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[derive(Debug, Clone)]
enum Event {
    /// The PIN file is replaced.
    Rewrite(usize),
    /// The holder takes another PIN at the authority, which also unlocks.
    Renew(usize),
    /// The holder takes another PIN with other software, while we are logged in.
    ChangedElsewhere(usize),
    /// The service starts again.
    Restart,
    /// The service looks, and works if it can.
    Look,
    /// Something is to be signed.
    Sign,
    /// A person acts.
    Ask(Ask),
    /// Killed inside the login, before or after the card has counted.
    Kill { supervisor: bool, helper: bool, after: bool },
    /// The module hangs beyond the deadline.
    Hang { after: bool },
    /// The module crashes.
    Crash { after: bool },
    /// Another program tries.
    Doctor(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let pin = || 0..PINS.len();
    prop_oneof![
        4 => pin().prop_map(Event::Rewrite),
        1 => pin().prop_map(Event::Renew),
        1 => pin().prop_map(Event::ChangedElsewhere),
        2 => Just(Event::Restart),
        3 => Just(Event::Look),
        2 => Just(Event::Sign),
        2 => Just(Event::Ask(Ask::Once)),
        1 => Just(Event::Ask(Ask::Unlocked)),
        4 => any::<(bool, bool, bool)>()
            .prop_map(|(supervisor, helper, after)| Event::Kill { supervisor, helper, after }),
        1 => any::<bool>().prop_map(|after| Event::Hang { after }),
        1 => any::<bool>().prop_map(|after| Event::Crash { after }),
        2 => pin().prop_map(Event::Doctor),
    ]
}

/// How the card and its module are.
#[derive(Debug, Clone)]
struct Nature {
    wrong_pin: WrongPin,
    always_authenticate: bool,
    keeps_pin: bool,
    asks: Asks,
}

fn nature() -> impl Strategy<Value = Nature> {
    let wrong_pin = prop_oneof![
        3 => Just(WrongPin::Standard),
        1 => Just(WrongPin::Vendor),
        1 => Just(WrongPin::VendorSignExtended),
        1 => Just(WrongPin::DeviceError),
    ];
    let asks = prop_oneof![3 => Just(Asks::Login), 1 => Just(Asks::Find), 1 => Just(Asks::Operation)];
    (wrong_pin, proptest::bool::weighted(0.3), proptest::bool::weighted(0.3), asks).prop_map(
        |(wrong_pin, always_authenticate, keeps_pin, asks)| Nature {
            wrong_pin,
            always_authenticate,
            keeps_pin,
            asks,
        },
    )
}

fn play(nature: &Nature, history: Vec<Event>) {
    let mut desk = Desk::new();
    desk.script.wrong_pin = nature.wrong_pin;
    desk.script.always_authenticate = nature.always_authenticate;
    desk.script.keeps_pin = nature.keeps_pin;
    desk.script.asks = nature.asks;
    desk.put_script();
    // A slow machine only adds failures.
    desk.deadline = 400;
    let mut holder = Holder::start(&desk);
    let mut orphans = Vec::new();
    for event in history {
        match event.clone() {
            Event::Rewrite(pin) => desk.put_pin(PINS[pin]),
            Event::Renew(pin) => Memory::change(&desk.at("card"), |card| {
                card.pin = PINS[pin].into();
                card.wrong = 0;
            })
            .unwrap(),
            Event::ChangedElsewhere(pin) => {
                Memory::change(&desk.at("card"), |card| card.pin = PINS[pin].into()).unwrap();
            }
            Event::Restart => {
                holder.stop();
                holder = Holder::start(&desk);
            }
            Event::Look => drop(holder.look()),
            Event::Sign => drop(holder.sign()),
            Event::Ask(ask) => drop(desk.retry(ask)),
            Event::Doctor(pin) => desk.doctor(PINS[pin]),
            Event::Hang { after } => {
                let fault = desk.arm(if after { When::After } else { When::Before }, What::Hang(60_000));
                holder.look_into(&fault);
                holder.look();
            }
            Event::Crash { after } => {
                let fault = desk.arm(if after { When::After } else { When::Before }, What::Crash);
                holder.look_into(&fault);
                holder.look();
            }
            Event::Kill { supervisor, helper, after } => {
                // Short enough that an orphan would wake up while its successor works.
                let fault = desk.arm(if after { When::After } else { When::Before }, What::Hang(300));
                if holder.look_into(&fault) {
                    let pid = holder.helper();
                    if helper || !supervisor {
                        pid.map(|pid| kill_process(pid, Signal::KILL));
                    }
                    if supervisor {
                        orphans.extend(holder.kill());
                        holder = Holder::start(&desk);
                    }
                }
                desk.disarm();
            }
        }
        let card = desk.card();
        assert!(card.most_wrong < card.tries, "{event:?} locked the card: {card:?}");
    }
    holder.stop();
    for orphan in orphans {
        until("an orphan goes", || gone(orphan));
    }
    let card = desk.card();
    assert!(card.most_wrong < card.tries, "locked in the end: {card:?}");
}

fn cases() -> u32 {
    std::env::var("DI_PIN_GUARD_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(8)
}

proptest! {
    #![proptest_config(Config {
        cases: cases(), failure_persistence: None, max_shrink_iters: 60, ..Config::default()
    })]

    #[test]
    fn no_history_locks_the_card(
        nature in nature(),
        history in proptest::collection::vec(event(), 8..20),
    ) {
        play(&nature, history);
    }
}

#[test]
fn wrong_once_stopped_and_the_third_only_by_force() {
    let desk = Desk::new();
    desk.put_pin(PINS[1]);
    let mut holder = Holder::start(&desk);
    assert_eq!(holder.look(), "pin-stopped");
    assert_eq!((holder.sign().as_str(), desk.card().presented), ("pin-stopped", 1));
    // One more by a person, and not a third however often they ask and whatever is in the file.
    assert!(matches!(desk.retry(Ask::Once), Ok(Granted::Given { failed: 1, left: None })));
    assert_eq!((holder.look().as_str(), holder.look().as_str()), ("pin-wrong", "pin-tries-spent"));
    desk.put_pin(PINS[2]);
    assert_eq!(desk.retry(Ask::Once).unwrap_err().label(), "pin-tries-spent");
    assert_eq!(holder.look(), "pin-tries-spent");
    holder.stop();
    desk.doctor(PINS[2]);
    let mut holder = Holder::start(&desk);
    assert_eq!((holder.look().as_str(), desk.card().presented), ("pin-tries-spent", 2));
    // Force it is; and it was wrong again.
    desk.retry(Ask::Forced).unwrap();
    assert_eq!(holder.look(), "pin-locked");
    assert_eq!((desk.card().wrong, desk.card().presented), (3, 3));
    assert_eq!(desk.retry(Ask::Forced).unwrap_err().label(), "pin-locked");
    // Unlocked at the authority, said so, and all is well by itself.
    Memory::change(&desk.at("card"), |card| card.wrong = 0).unwrap();
    desk.put_pin(PINS[0]);
    assert_eq!(holder.look(), "pin-locked");
    desk.retry(Ask::Unlocked).unwrap();
    assert_eq!((holder.look().as_str(), holder.sign().as_str()), ("card-ready", "signed"));
    assert_eq!(desk.guard().status(SERIAL, now()).unwrap().failed, 0);
}

#[test]
fn a_right_pin_in_a_changed_source_resumes_by_itself() {
    let desk = Desk::new();
    desk.put_pin(PINS[1]);
    let mut holder = Holder::start(&desk);
    assert_eq!(holder.look(), "pin-stopped");
    desk.put_pin(PINS[0]);
    assert_eq!((holder.look().as_str(), holder.sign().as_str()), ("card-ready", "signed"));
}

/// A module that says yes at the login and asks the card later, even one that then says nothing about the PIN.
#[test]
fn a_module_that_asks_the_card_later_never_presents_a_third_time() {
    let later = [Asks::Find, Asks::Operation];
    let answers = [WrongPin::Standard, WrongPin::Vendor, WrongPin::DeviceError];
    for (asks, wrong_pin) in later.iter().flat_map(|asks| answers.iter().map(move |answer| (*asks, *answer)))
    {
        let mut desk = Desk::new();
        (desk.script.asks, desk.script.wrong_pin) = (asks, wrong_pin);
        desk.put_script();
        desk.put_pin(PINS[1]);
        for pin in [None, None, Some(PINS[2]), None] {
            let mut holder = Holder::start(&desk);
            for _ in 0..2 {
                holder.look();
                holder.sign();
            }
            pin.into_iter().for_each(|pin| desk.put_pin(pin));
            holder.look();
            holder.sign();
            holder.stop();
            let card = desk.card();
            assert!((1..=2).contains(&card.presented), "{asks:?} {wrong_pin:?}: {card:?}");
        }
    }
}

/// With the right PIN such a module is an ordinary one, also where nothing is signed between one start and the next.
#[test]
fn a_module_that_asks_the_card_later_is_used_over_many_starts() {
    let mut desk = Desk::new();
    desk.script.asks = Asks::Operation;
    desk.put_script();
    for _ in 0..4 {
        let before = desk.guard().status(SERIAL, now()).unwrap().last_success;
        let holder = Holder::start(&desk);
        until("a login", || desk.guard().status(SERIAL, now()).unwrap().last_success != before);
        holder.stop();
    }
    let mut holder = Holder::start(&desk);
    assert_eq!((holder.look().as_str(), holder.sign().as_str()), ("card-ready", "signed"));
}

/// The module presents the old PIN by itself and says nothing about it: the try is counted when the login fails, too.
#[test]
fn a_pin_presented_again_without_a_word_counts() {
    let mut desk = Desk::new();
    (desk.script.keeps_pin, desk.script.wrong_pin) = (true, WrongPin::DeviceError);
    desk.put_script();
    let mut holder = Holder::start(&desk);
    assert_eq!((holder.look().as_str(), holder.sign().as_str()), ("card-ready", "signed"));
    Memory::change(&desk.at("card"), |card| card.pin = PINS[1].into()).unwrap();
    holder.sign();
    holder.look();
    desk.put_pin(PINS[2]);
    holder.look();
    holder.sign();
    let card = desk.card();
    assert!(card.most_wrong < card.tries, "locked: {card:?}");
}

#[test]
fn an_orphaned_helper_presents_nothing() {
    let mut desk = Desk::new();
    desk.put_pin(PINS[1]);
    let fault = desk.arm(When::Before, What::Hang(1500));
    let mut holder = Holder::start(&desk);
    assert!(holder.look_into(&fault));
    let orphan = holder.kill().expect("a helper");
    until("the orphan goes", || gone(orphan));
    assert_eq!(desk.card().presented, 0, "the orphan went before it woke up");
    // It counts all the same.
    desk.disarm();
    let mut holder = Holder::start(&desk);
    assert_eq!((holder.look().as_str(), desk.card().presented), ("pin-stopped", 0));
}

#[test]
fn a_pin_of_a_wrong_length_is_not_presented() {
    let desk = Desk::new();
    for pin in ["12345", "123456789"] {
        desk.put_pin(pin);
        let mut holder = Holder::start(&desk);
        assert_eq!(holder.look(), "pin-length");
    }
    assert_eq!(desk.card().presented, 0);
    desk.put_pin(PINS[0]);
    assert_eq!(Holder::start(&desk).look(), "card-ready");
}

/// Everything below a folder, with its path.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

#[test]
fn the_pin_is_nowhere() {
    let mut desk = Desk::new();
    // Right, wrong, hung, and with the module printing whatever it likes.
    let fault = desk.arm(When::After, What::Print(format!("PIN {} accepted\n", PINS[0])));
    let mut holder = Holder::start(&desk);
    assert!(holder.look_into(&fault));
    assert_eq!(holder.look(), "card-ready");
    assert_eq!(holder.sign(), "signed");
    let searched = |pid: i32| {
        for name in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{pid}/{name}")).unwrap();
            assert!(!contains(&text, PINS[0]), "{name} of {pid}");
        }
    };
    searched(i32::try_from(holder.child.id()).unwrap());
    searched(holder.helper().unwrap().as_raw_pid());
    Memory::change(&desk.at("card"), |card| card.pin = PINS[1].into()).unwrap();
    holder.stop();
    let fault = desk.arm(When::After, What::Hang(60_000));
    desk.deadline = 400;
    let mut holder = Holder::start(&desk);
    holder.look_into(&fault);
    assert_eq!(holder.look(), "pin-stopped");
    holder.stop();
    desk.disarm();

    let mut found = Vec::new();
    files(desk.dir.path(), &mut found);
    let mut searched = Vec::new();
    for path in found {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // The PIN's own file.
        if name != "pin" {
            assert!(!contains(&std::fs::read(&path).unwrap(), PINS[0]), "{}", path.display());
            searched.push(name);
        }
    }
    assert!(searched.contains(&"log".to_owned()) && searched.contains(&format!("{SERIAL}.json")));
    let log = std::fs::read_to_string(desk.at("log")).unwrap();
    assert!(log.contains("card-ready"), "the log says something at all: {log}");
}

fn contains(text: &[u8], pin: &str) -> bool {
    text.windows(pin.len()).any(|window| window == pin.as_bytes())
}
