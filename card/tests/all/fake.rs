//! A module that hangs, dies, leaks, prints, forgets, and lists its slots once, through the real helper process.

use crate::support::{self, PATIENCE, openssl_encrypts, openssl_verifies, pki, until};
use card::{Card, Error, Hint, Settings, State};
use envelope::key::{KeyError, KeyErrorKind, WrapScheme};
use envelope::sha256;
use fake_module::{Fault, Key, Memory, Oaep, Reader, Script, VARIABLE, What, When};
use std::path::PathBuf;
use std::time::{Duration, Instant};

struct Fake {
    dir: tempfile::TempDir,
    script: Script,
}

impl Fake {
    /// One reader with an official card in it.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let key = |id: &str, label: &str, pair: &support::Pair, sign: bool| {
            std::fs::write(at(&format!("{id}.key")), &pair.key).unwrap();
            std::fs::write(at(&format!("{id}.pem")), &pair.certificate).unwrap();
            let (key, certificate) = (Some(at(&format!("{id}.key"))), Some(at(&format!("{id}.pem"))));
            Key { id: id.into(), label: label.into(), key, certificate, sign, decrypt: !sign }
        };
        let keys = vec![key("SIGN", "cert1", &pki().sign, true), key("KEYX", "cert2", &pki().unwrap, false)];
        let card = fake_module::Card { memory: at("memory"), keys, ..fake_module::Card::default() };
        Memory::new(support::PIN).write(&at("memory")).unwrap();
        let reader = Reader { name: "Reader".into(), card: Some(card), insertion: 0 };
        let script = Script { readers: vec![reader], log: Some(at("log")), ..Script::default() };
        Self { dir, script }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes what the script says true from the next call of the module on.
    fn set(&self) {
        self.script.write(&self.at("script")).unwrap();
    }

    fn fault(&mut self, call: &str, when: When, what: What) {
        self.script.faults.push(Fault { call: call.into(), when, what, once: None });
    }

    fn fault_once(&mut self, call: &str, when: When, what: What) {
        let once = self.at(&format!("once-{}", self.script.faults.len()));
        std::fs::write(&once, "").unwrap();
        self.script.faults.push(Fault { call: call.into(), when, what, once: Some(once) });
    }

    fn settings(&self) -> Settings {
        let me = std::env::current_exe().unwrap();
        let module = me.ancestors().map(|dir| dir.join("libfake_module.so")).find(|path| path.is_file());
        let mut settings = Settings::new(support::helper(), module.expect("libfake_module.so is built"));
        settings.environment.push((VARIABLE.into(), self.at("script").into()));
        settings.care.absent_probe = Duration::from_millis(50);
        settings.care.backoff = (Duration::from_millis(10), Duration::from_millis(200));
        settings
    }

    fn start(&self) -> Card {
        self.start_with(self.settings())
    }

    fn start_with(&self, settings: Settings) -> Card {
        self.set();
        Card::start(settings, support::pins(self.dir.path(), support::PIN)).unwrap()
    }

    /// How often the module was called so.
    fn calls(&self, name: &str) -> usize {
        let log = std::fs::read_to_string(self.at("log")).unwrap_or_default();
        log.lines().filter(|line| line.trim() == name).count()
    }

    fn memory(&self) -> Memory {
        Memory::read(&self.at("memory")).unwrap()
    }

    fn wrapped(&self) -> Vec<u8> {
        openssl_encrypts(self.dir.path(), &pki().unwrap.certificate, &[7; 32], false)
    }
}

fn kind<T: std::fmt::Debug>(error: Result<T, Error>) -> KeyErrorKind {
    KeyError::from(error.unwrap_err()).kind()
}

#[test]
fn untidy_strings_are_trimmed_and_listed_oaep_is_used() {
    let mut fake = Fake::new();
    fake.script.untidy = true;
    fake.script.oaep = Oaep::Sha256;
    fake.fault("C_Initialize", When::Before, What::Print("garbage\n".repeat(1000)));
    fake.fault("C_Sign", When::After, What::Print("more garbage".into()));
    let mut settings = fake.settings();
    settings.choice.label = Some("HiCOS PKI Smart Card".into());
    settings.choice.serial = Some("xx00000000000001".into());
    let card = fake.start_with(settings);
    let State::Ready { info } = until(&card, "card-ready") else { unreachable!() };
    assert_eq!(
        (info.token.label.as_str(), info.token.serial.as_str()),
        ("HiCOS PKI Smart Card", "XX00000000000001")
    );
    assert_eq!(
        (info.token.manufacturer.as_str(), info.token.model.as_str()),
        ("Chunghwa TeleCom Co., Ltd.", "T7S")
    );
    assert!(info.oaep);
    let oaep = openssl_encrypts(fake.dir.path(), &pki().unwrap.certificate, &[7; 32], true);
    assert_eq!(card.unwrap(WrapScheme::OaepSha256, &oaep).unwrap().as_slice(), [7; 32]);
    let signature = card.sign(&sha256(b"words")).unwrap();
    assert!(openssl_verifies(fake.dir.path(), &pki().sign.certificate, b"words", &signature));
    for untrue in [Oaep::Sha1, Oaep::Broken, Oaep::None] {
        fake.script.oaep = untrue;
        let card = fake.start();
        let State::Ready { info } = until(&card, "card-ready") else { unreachable!() };
        assert!(!info.oaep, "{untrue:?}");
    }
}

#[test]
fn a_hanging_module_is_killed_at_its_deadline_and_started_again() {
    let mut fake = Fake::new();
    fake.fault_once("C_Sign", When::Before, What::Hang(600_000));
    let mut settings = fake.settings();
    settings.deadlines.operate = Duration::from_millis(300);
    let card = fake.start_with(settings);
    until(&card, "card-ready");
    let pid = card.helper_pid().unwrap();
    let began = Instant::now();
    let error = card.sign(&[1; 32]).unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "killed and reaped");
    until(&card, "card-ready");
    card.sign(&[1; 32]).unwrap();
    assert_eq!(card.helper_starts(), 2);
}

#[test]
fn a_module_that_always_crashes_stops_at_two_logins_that_nothing_has_proven() {
    let mut fake = Fake::new();
    for call in ["C_Sign", "C_Decrypt"] {
        fake.fault(call, When::Before, What::Crash);
    }
    let card = fake.start();
    until(&card, "card-ready");
    let _ = card.sign(&[1; 32]);
    // It may be a module that takes a PIN unseen, and presents it with the first operation: nobody knows.
    until(&card, "pin-tries-spent");
    card.look_again();
    let _ = card.sign(&[1; 32]);
    assert_eq!(fake.calls("C_Login"), 2);
}

#[test]
fn a_wrong_pin_that_shows_at_the_list_of_keys_counts() {
    let mut fake = Fake::new();
    let pins = support::pins(fake.dir.path(), support::PIN);
    let guard = pins.guard().clone();
    // The first call that reads a private object.
    fake.fault("C_FindObjectsInit", When::Before, What::Answer(0xffff_ffff_8000_0002));
    fake.set();
    let mut settings = fake.settings();
    settings.environment.clear();
    let script = fake.at("script-before");
    Script { faults: Vec::new(), ..fake.script.clone() }.write(&script).unwrap();
    settings.environment.push((VARIABLE.into(), script.clone().into()));
    let mut helper = card::Helper::start(&settings).unwrap();
    let token = helper.tokens().unwrap().tokens.remove(0);
    helper.read(&token).unwrap();
    fake.script.write(&script).unwrap();
    let error = helper.login(&pins).unwrap_err();
    assert_eq!(error.label(), "pin-wrong", "{error}");
    assert_eq!(guard.status(&token.serial, 0).unwrap().failed, 1);
    assert_eq!(helper.read(&token).and_then(|_| helper.login(&pins)).unwrap_err().label(), "card-failed");
}

#[test]
fn one_crash_is_not_seen_by_the_caller() {
    let mut fake = Fake::new();
    fake.fault_once("C_Sign", When::After, What::Crash);
    fake.fault_once("C_Decrypt", When::Before, What::Exit(3));
    let card = fake.start();
    until(&card, "card-ready");
    card.sign(&[1; 32]).unwrap();
    assert_eq!(card.unwrap(WrapScheme::Pkcs1, &fake.wrapped()).unwrap().as_slice(), [7; 32]);
    assert_eq!(card.helper_starts(), 3);
}

#[test]
fn a_ciphertext_that_kills_the_module_again_and_again_is_the_senders_fault() {
    let mut fake = Fake::new();
    for _ in 0..5 {
        fake.fault_once("C_Decrypt", When::Before, What::Crash);
    }
    let card = fake.start();
    until(&card, "card-ready");
    let wrapped = fake.wrapped();
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(kind(card.unwrap(WrapScheme::Pkcs1, &wrapped)));
        until(&card, "card-ready");
    }
    assert_eq!(kinds, [KeyErrorKind::Broken, KeyErrorKind::Broken, KeyErrorKind::Refused]);
    card.self_test().unwrap();
}

#[test]
fn deaths_elsewhere_speak_for_a_ciphertext() {
    let mut fake = Fake::new();
    for _ in 0..8 {
        fake.fault_once("C_Decrypt", When::Before, What::Crash);
    }
    let card = fake.start();
    let wrapped = fake.wrapped();
    for _ in 0..4 {
        until(&card, "card-ready");
        assert_eq!(kind(card.unwrap(WrapScheme::Pkcs1, &wrapped)), KeyErrorKind::Broken);
        until(&card, "card-ready");
        let pid = i32::try_from(card.helper_pid().unwrap()).unwrap();
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        card.sign(&[1; 32]).unwrap();
    }
    assert_eq!(card.unwrap(WrapScheme::Pkcs1, &wrapped).unwrap().as_slice(), [7; 32]);
}

#[test]
fn a_general_error_is_the_ciphertexts_fault_only_if_the_card_decrypts_our_own() {
    let mut fake = Fake::new();
    fake.fault_once("C_Decrypt", When::Before, What::Answer(5));
    let card = fake.start();
    until(&card, "card-ready");
    assert_eq!(kind(card.unwrap(WrapScheme::Pkcs1, &fake.wrapped())), KeyErrorKind::Refused);
    assert!(card.state().is_ready());

    fake.script.faults.clear();
    fake.fault("C_Decrypt", When::Before, What::Answer(5));
    fake.set();
    assert_eq!(kind(card.unwrap(WrapScheme::Pkcs1, &fake.wrapped())), KeyErrorKind::Broken);
}

#[test]
fn a_leaking_module_is_started_again_between_operations() {
    let mut fake = Fake::new();
    fake.fault("C_Sign", When::After, What::Leak(40 << 20));
    let mut settings = fake.settings();
    settings.care.memory = 100 << 20;
    settings.care.look_every = 1;
    let card = fake.start_with(settings);
    until(&card, "card-ready");
    for _ in 0..8 {
        card.sign(&[1; 32]).unwrap();
    }
    assert!((3..=5).contains(&card.helper_starts()), "{}", card.helper_starts());
}

#[test]
fn a_card_pulled_and_put_back_between_two_calls_costs_one_login() {
    let mut fake = Fake::new();
    let card = fake.start();
    until(&card, "card-ready");
    fake.script.readers[0].insertion += 1;
    fake.set();
    card.sign(&[1; 32]).unwrap();
    assert_eq!((fake.calls("C_Login"), card.helper_starts()), (2, 2), "and a fresh module");
}

#[test]
fn work_waits_while_the_card_is_out_and_goes_on_when_it_is_back() {
    let mut fake = Fake::new();
    let mut settings = fake.settings();
    // Only hints are heard in time.
    settings.care.absent_probe = Duration::from_secs(3600);
    let card = fake.start_with(settings);
    until(&card, "card-ready");
    card.hint(Hint::CardIn);
    let inside = fake.script.readers[0].card.take();
    fake.set();
    card.hint(Hint::CardOut);
    until(&card, "card-absent");
    assert_eq!(kind(card.sign(&[1; 32])), KeyErrorKind::Absent);
    let asked = fake.calls("C_Login");
    fake.script.readers[0].card = inside;
    fake.script.readers[0].insertion += 1;
    fake.set();
    card.hint(Hint::CardIn);
    until(&card, "card-ready");
    card.sign(&[1; 32]).unwrap();
    assert_eq!(fake.calls("C_Login"), asked + 1);

    // The service refuses, the card is out: the refusal is what a person has to know.
    fake.script.readers[0].card = None;
    fake.set();
    card.hint(Hint::Refused { detail: "polkit".into() });
    until(&card, "card-service-refused");
    card.hint(Hint::NoReader);
    until(&card, "card-no-reader");
}

#[test]
fn a_hint_about_another_reader_does_not_disturb_a_module_without_pcsc() {
    let fake = Fake::new();
    let card = fake.start();
    until(&card, "card-ready");
    card.hint(Hint::NoCard);
    card.hint(Hint::NoService { detail: "none".into() });
    card.hint(Hint::CardIn);
    card.sign(&[1; 32]).unwrap();
    assert_eq!((fake.calls("C_Login"), card.helper_starts()), (1, 1));
    // Some card was taken out; whether it was ours, only a fresh module knows.
    card.hint(Hint::CardOut);
    card.sign(&[1; 32]).unwrap();
    assert_eq!((fake.calls("C_Login"), card.helper_starts()), (2, 2));
}

#[test]
fn a_module_that_lists_its_slots_once_sees_a_new_card_in_a_new_helper() {
    let mut fake = Fake::new();
    fake.script.frozen = true;
    let inside = fake.script.readers[0].card.take();
    for watched in [false, true] {
        let mut settings = fake.settings();
        fake.script.readers[0].card = None;
        if watched {
            settings.care.absent_probe = Duration::from_secs(3600);
        }
        let card = fake.start_with(settings);
        until(&card, "card-absent");
        fake.script.readers[0].card = inside.clone();
        fake.set();
        if watched {
            card.hint(Hint::CardIn);
        }
        until(&card, "card-ready");
    }
}

#[test]
fn a_card_that_the_module_does_not_know_is_called_that() {
    let mut fake = Fake::new();
    fake.script.readers[0].card = None;
    let card = fake.start();
    until(&card, "card-absent");
    card.hint(Hint::CardIn);
    let state = card.wait(PATIENCE, |state| state.label() == "card-unknown");
    assert_eq!(state, State::UnknownCard);
}

#[test]
fn a_key_that_wants_the_pin_for_every_operation_gets_it_through_the_guard() {
    let mut fake = Fake::new();
    fake.script.always_authenticate = true;
    let card = fake.start();
    until(&card, "card-ready");
    let signature = card.sign(&sha256(b"words")).unwrap();
    assert!(openssl_verifies(fake.dir.path(), &pki().sign.certificate, b"words", &signature));
    assert_eq!(card.unwrap(WrapScheme::Pkcs1, &fake.wrapped()).unwrap().as_slice(), [7; 32]);
    assert_eq!(fake.memory().presented, 3, "one login and two operations");

    // Somebody changes the PIN elsewhere: one try is lost, not one for each operation.
    Memory::change(&fake.at("memory"), |memory| memory.pin = "999999".into()).unwrap();
    for _ in 0..3 {
        assert_eq!(kind(card.sign(&[1; 32])), KeyErrorKind::PinNeeded);
    }
    until(&card, "pin-stopped");
    assert_eq!(fake.memory().wrong, 1);
}

#[test]
fn a_login_that_hangs_is_a_failed_try_and_nothing_more_is_tried() {
    let mut fake = Fake::new();
    fake.fault("C_Login", When::After, What::Hang(600_000));
    let mut settings = fake.settings();
    settings.deadlines.login = Duration::from_millis(300);
    let card = fake.start_with(settings);
    until(&card, "pin-stopped");
    // Many looks later.
    let starts = card.helper_starts();
    card.look_again();
    assert_eq!(kind(card.sign(&[1; 32])), KeyErrorKind::PinNeeded);
    card.tokens().unwrap();
    assert_eq!(fake.memory().presented, 1);
    assert!(card.helper_starts() <= starts + 1);
}

#[test]
fn calls_over_the_limit_are_refused_instead_of_kept() {
    let fake = Fake::new();
    let mut settings = fake.settings();
    settings.care.queue = 0;
    let card = fake.start_with(settings);
    until(&card, "card-ready");
    assert!(matches!(card.sign(&[1; 32]), Err(Error::Busy)));
}
