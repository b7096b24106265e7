//! The node's whole card path over the virtual card: `card::Card`, its helper process (the real `di-node card-helper`),
//! OpenSC's module, the service, the reader.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use card::guard::{Ask, Guard};
use card::pin::{Source, Supply};
use card::{Card, Class, Error, Pins, Settings, State};
use envelope::key::{WrapScheme, check_signature};
use envelope::{Certificate, sealed};
use tests::pcscd::{Pcscd, Watch, hints, opensc_module};
use tests::virtual_card::{Operation, PIN, VirtualCard, WRONG_PIN};

use super::judged::{login, said};
use super::{LONG, OWNER, card, keys};

/// A node's desk: service, card, PIN file and guard.
struct Desk {
    pcscd: Pcscd,
    card: Arc<VirtualCard>,
    dir: tempfile::TempDir,
}

/// The supervisor, and the watcher that it hears from.
struct Office {
    card: Card,
    _watch: Watch,
}

impl Desk {
    fn new() -> Self {
        Self::over(Pcscd::start())
    }

    fn over(pcscd: Pcscd) -> Self {
        let desk = Self { pcscd, card: Arc::new(card()), dir: tempfile::tempdir().unwrap() };
        desk.pin(PIN);
        desk
    }

    /// Writes the PIN file anew: a new generation of the source.
    fn pin(&self, pin: &str) {
        use std::os::unix::fs::PermissionsExt;
        let (new, file) = (self.dir.path().join("new"), self.pin_file());
        std::fs::write(&new, pin).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    fn pin_file(&self) -> PathBuf {
        self.dir.path().join("pin")
    }

    fn guard(&self) -> Guard {
        Guard::open(&self.dir.path().join("guard")).unwrap()
    }

    fn settings(&self) -> Settings {
        let helper = vec![tests::binary("di-node").into(), "card-helper".into()];
        let mut settings = Settings::new(helper, opensc_module());
        settings.environment = self.pcscd.environment();
        settings
    }

    /// A node starts to use the card.
    fn open(&self) -> Office {
        let supply = Supply::open(Source::File(self.pin_file())).unwrap();
        let pins = Pins::new(self.guard(), Some(supply), "service", tests::world::now);
        let card = Card::start(self.settings(), pins).unwrap();
        let watch = hints(self.pcscd.environment(), {
            let card = card.clone();
            move |hint| card.hint(hint)
        });
        Office { card, _watch: watch }
    }

    fn insert(&self) {
        self.pcscd.insert(&self.card, 0);
    }

    fn grant(&self, ask: Ask) {
        let guard = self.guard();
        let serial = guard.cards().unwrap().pop().unwrap();
        guard.grant(&serial, ask, None, "王小明", "試試看", tests::world::now()).unwrap();
    }
}

impl Office {
    fn until(&self, label: &str) -> State {
        let state = self.card.wait(LONG, |state| state.label() == label);
        assert_eq!(state.label(), label, "{state}");
        state
    }

    fn signs(&self) -> Result<(), Error> {
        let digest = [0x5a; 32];
        let signature = self.card.sign(&digest)?;
        check_signature(&certificate("sign"), &digest, &signature).unwrap();
        Ok(())
    }

    fn unwraps(&self) -> Result<(), Error> {
        let secret = [0xc3; 32];
        let wrapped = sealed::wrap(&certificate("enc"), WrapScheme::Pkcs1, &secret).unwrap();
        assert_eq!(*self.card.unwrap(WrapScheme::Pkcs1, &wrapped)?, secret);
        Ok(())
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.card.stop();
    }
}

fn certificate(which: &str) -> Certificate {
    let pem = std::fs::read(keys().join(format!("{OWNER}.{which}.crt.pem"))).unwrap();
    Certificate::all_from_pem(&pem).unwrap().swap_remove(0)
}

#[test]
fn it_comes_and_goes_and_work_goes_on_by_itself() {
    let desk = Desk::new();
    let office = desk.open();
    office.until("card-absent");
    assert_eq!(office.signs().unwrap_err().class(), Class::Wait);

    let pushed = Instant::now();
    desk.insert();
    let State::Ready { info } = office.until("card-ready") else { unreachable!() };
    println!("from insertion to a card that is ready to sign: {} ms", pushed.elapsed().as_millis());
    assert_eq!(info.token.label, "HiCOS PKI Smart Card (User PIN)");
    assert_eq!((&info.sign.id[..], &info.unwrap.id[..]), ("SIGN", "KEYX"));
    office.signs().unwrap();
    office.unwraps().unwrap();

    desk.card.remove();
    office.until("card-absent");
    assert_eq!(office.signs().unwrap_err().class(), Class::Wait);
    desk.insert();
    office.until("card-ready");
    office.signs().unwrap();
    let counts = desk.card.counts();
    assert_eq!((counts.pins, counts.wrong_pins), (2, 0), "one login for each insertion");
}

#[test]
fn pulled_in_the_middle_of_an_operation_it_goes_on_when_it_is_back() {
    let desk = Desk::new();
    desk.insert();
    let office = desk.open();
    office.until("card-ready");
    for operation in [Operation::Sign, Operation::Decipher] {
        desk.card.pull_during(operation);
        let failed = if operation == Operation::Sign { office.signs() } else { office.unwraps() };
        assert_ne!(failed.unwrap_err().class(), Class::Permanent, "it may be tried again");
        assert!(desk.card.wait_pulled(LONG));
        office.until("card-absent");
        desk.insert();
        office.until("card-ready");
        office.signs().unwrap();
        office.unwraps().unwrap();
    }
    assert_eq!(desk.card.counts().wrong_pins, 0);
}

/// The card's own count is the judge: whatever happens between, the node presents a wrong PIN once for each source, and
/// twice in all.
#[test]
fn a_wrong_pin_never_locks_it() {
    let mut desk = Desk::new();
    desk.pin(WRONG_PIN);
    desk.insert();
    let office = desk.open();
    office.card.wait(LONG, |state| matches!(state, State::PinNeeded { .. }));
    assert_eq!(desk.card.counts().wrong_pins, 1);
    assert!(office.signs().is_err());
    drop(office);

    for round in 0..3 {
        let office = desk.open();
        match round {
            0 => {
                desk.card.remove();
                office.until("card-absent");
                desk.insert();
            }
            1 => {
                desk.pcscd.kill();
                office.card.wait(LONG, |state| !matches!(state, State::PinNeeded { .. } | State::Starting));
                desk.pcscd.run();
                desk.insert();
            }
            _ => office.card.look_again(),
        }
        let state = office.card.wait(LONG, |state| matches!(state, State::PinNeeded { .. }));
        assert!(matches!(state, State::PinNeeded { .. }), "{state}");
        assert_eq!(desk.card.counts().wrong_pins, 1, "the same PIN is not tried again");
    }

    // another wrong PIN from a person who thinks to know better: one more, and no further
    desk.pin("11111111");
    let office = desk.open();
    assert!(desk.card.wait(LONG, |counts| counts.wrong_pins == 2));
    office.card.wait(LONG, |state| matches!(state, State::PinNeeded { .. }));
    drop(office);
    desk.pin(PIN);
    let office = desk.open();
    let state = office.card.wait(LONG, |state| matches!(state, State::PinNeeded { .. }));
    assert!(matches!(state, State::PinNeeded { .. }), "{state}");
    assert_eq!((desk.card.counts().pins, desk.card.tries_left()), (2, 1), "the last try belongs to a person");

    desk.grant(Ask::Forced);
    office.card.look_again();
    office.until("card-ready");
    office.signs().unwrap();
    assert_eq!(desk.card.tries_left(), 3);
}

#[test]
fn pulled_while_it_checks_the_pin_the_try_counts_as_failed() {
    let desk = Desk::new();
    desk.insert();
    desk.card.pull_during(Operation::Pin);
    let office = desk.open();
    assert!(desk.card.wait_pulled(LONG));
    desk.insert();
    let state = office.card.wait(LONG, |state| matches!(state, State::PinNeeded { .. }));
    assert!(matches!(state, State::PinNeeded { .. }), "{state}");
    assert_eq!(desk.card.counts().pins, 1, "nobody knows how it came out, so a person decides");
    desk.grant(Ask::Once);
    office.card.look_again();
    office.until("card-ready");
}

#[test]
fn a_card_that_somebody_else_has_locked() {
    let desk = Desk::new();
    desk.insert();
    for _ in 0..3 {
        login(&desk.pcscd, WRONG_PIN);
    }
    assert!(said(&login(&desk.pcscd, PIN)).contains("CKR_PIN_LOCKED"));
    let office = desk.open();
    office.until("pin-locked");
    // to the authority and back
    desk.card.remove();
    office.until("card-absent");
    desk.card.unlock();
    desk.insert();
    office.until("pin-locked");
    desk.grant(Ask::Unlocked);
    office.card.look_again();
    office.until("card-ready");
}

#[test]
fn the_service_dies_and_comes_back() {
    let mut desk = Desk::new();
    desk.insert();
    let office = desk.open();
    office.until("card-ready");
    desk.pcscd.kill();
    office.card.wait(LONG, |state| !state.is_ready());
    assert_eq!(office.signs().unwrap_err().class(), Class::Wait);
    desk.pcscd.run();
    desk.insert();
    office.until("card-ready");
    office.signs().unwrap();
}

#[test]
fn no_service_no_reader_then_both() {
    let mut pcscd = Pcscd::prepare();
    pcscd.plug_at_next_start(false);
    let mut desk = Desk::over(pcscd);
    let office = desk.open();
    office.until("card-no-service");
    desk.pcscd.run();
    office.until("card-no-reader");
    desk.pcscd.stop();
    office.until("card-no-service");
    desk.pcscd.plug_at_next_start(true);
    desk.pcscd.run();
    office.until("card-absent");
    desk.insert();
    office.until("card-ready");
}

#[test]
fn figures_of_a_fast_and_of_a_slow_card() {
    let desk = Desk::new();
    desk.insert();
    let office = desk.open();
    office.until("card-ready");
    let pace = |what: &str, many: u32, operation: &dyn Fn() -> Result<(), Error>| {
        let begun = Instant::now();
        (0..many).for_each(|_| operation().unwrap());
        let each = begun.elapsed() / many;
        println!("{what}: {:.2} ms each, {:.0} a second", each.as_secs_f64() * 1e3, 1.0 / each.as_secs_f64());
        each
    };
    pace("fast card, sign", 100, &|| office.signs());
    pace("fast card, unwrap", 100, &|| office.unwraps());
    desk.card.slow(Duration::from_millis(400));
    let each = pace("400 ms card, sign", 5, &|| office.signs());
    assert!(each >= Duration::from_millis(400) && each < Duration::from_millis(600), "{each:?}");
    assert_eq!(desk.card.counts().pins, 1, "one login for all of it");
}
