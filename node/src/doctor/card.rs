//! Checks 2 to 9, by a helper of our own: where no service has the card.

use std::sync::Arc;

use ::card::guard::{Guard, Place, Status as Tries};
use ::card::{Error, Info, Pins, Token, pin, presence};
use envelope::trust::Purpose;

use super::hicos::{self, CARD, DECRYPT, DRIVER, Facts, NINE, PIN, READER, SIGN};
use super::{Check, Doctor, Patient, Status};
use crate::card::find::{self, Found};
use crate::card::{self, tell};

/// Reader to signing certificate.
pub(super) fn look(args: &Doctor, patient: &Patient, checks: &mut Vec<Check>, facts: &mut Facts) {
    let config = patient.config();
    let defaults = config::Card::default();
    let wanted = config.map_or(&defaults, |config| &config.card);
    let module = args.module.as_deref().or(wanted.module.as_deref());
    let mut settings = module.map(|module| card::settings(wanted, module));
    if let (Some(settings), true) =
        (&mut settings, args.module.is_some() && wanted.module.as_deref() != module)
    {
        // Another module than the configured: a look at whatever card it shows.
        settings.choice = ::card::Choice::default();
    }
    if let (Some(client), true, None) = (&patient.service, wanted.is_used(), &args.module) {
        let found = find::look(card::readers(wanted).as_ref(), None);
        learn(&found, None, facts);
        return super::service::look(args, patient, client, &found, checks, facts);
    }
    let found = find::look(card::readers(wanted).as_ref(), settings.as_ref());
    learn(&found, module, facts);
    let shown = found.tokens.as_ref().is_some_and(|t| t.as_ref().is_ok_and(|tokens| !tokens.is_empty()));
    // A module can be wrong whatever the readers are like: both are told.
    let (readable, loaded) = (readers(&found, shown, checks), driver(&found, checks));
    if !readable || !loaded {
        return;
    }
    let Some(info) = card_read(&found, checks) else { return };
    facts.certificates = vec![
        (info.unwrap.certificate.clone(), Purpose::Encrypt),
        (info.sign.certificate.clone(), Purpose::Sign),
    ];
    facts.authorities.clone_from(&info.authorities);
    used(args, patient, found, &info, checks, facts);
    for (name, key) in [(NINE[7], &info.unwrap), (NINE[8], &info.sign)] {
        checks.push(hicos::dates(name, &key.certificate, patient));
    }
}

/// 2: whether PC/SC has a reader. A module that shows a token without one does not use PC/SC.
pub(super) fn readers(found: &Found, shown: bool, checks: &mut Vec<Check>) -> bool {
    let (check, go_on) = match &found.readers {
        None => (Check::skipped(READER, super::READER_UNUSED), true),
        Some(snapshot) => {
            let names: Vec<String> = snapshot.readers.iter().map(|r| model(&r.name)).collect();
            match snapshot.state.label() {
                _ if names.is_empty() && shown => (Check::skipped(READER, super::READER_UNUSED), true),
                None if names.is_empty() => (Check::skipped(READER, super::READER_UNUSED), true),
                // The reader is there; what is in it is another check.
                None | Some("card-absent" | "card-mute") => (Check::ok(READER, names.join("、")), true),
                Some(label) => {
                    let code = if label == "card-no-reader" { "0x8010002E" } else { "" };
                    (Check::fail(READER, label, code), shown)
                }
            }
        }
    };
    checks.push(check);
    go_on
}

/// 3: whether the module loads.
fn driver(found: &Found, checks: &mut Vec<Check>) -> bool {
    let check = match &found.helper {
        None => Check::unknown(DRIVER, super::NO_MODULE, ""),
        Some(Err(error)) => Check::fail(DRIVER, error.label(), &error.to_string()).shared(error.label()),
        Some(Ok(helper)) => Check::ok(DRIVER, helper.library()),
    };
    let go_on = check.status == Status::Ok;
    checks.push(check);
    go_on
}

/// 4: whether there is a card, the right one, with the certificates it should have.
fn card_read(found: &Found, checks: &mut Vec<Check>) -> Option<Arc<Info>> {
    let by_readers = found.readers.as_ref().and_then(|snapshot| snapshot.state.label());
    let check = match (&found.tokens, &found.token, &found.info) {
        (Some(Err(error)), ..) => Check::fail(CARD, error.label(), &error.to_string()).shared(error.label()),
        (_, _, Some(Ok(info))) => {
            let rank = info.rank.map(tell::rank).unwrap_or_default();
            checks.push(Check::ok(CARD, tell::whose(info)).shared(format!("兩張憑證俱全 {rank}")));
            return Some(Arc::clone(info));
        }
        (_, _, Some(Err(trouble))) => Check::fail(CARD, trouble.label, &trouble.detail).shared(trouble.label),
        (_, Some(Err(state)), None) => {
            Check::fail(CARD, state.label(), &tell::particulars(state)).shared(state.label())
        }
        _ => match by_readers {
            Some(label) => Check::fail(CARD, label, ""),
            // A card that the module does not know: of another kind, or not yet opened.
            None if found
                .readers
                .as_ref()
                .is_some_and(|s| matches!(s.state, presence::State::CardIn { .. })) =>
            {
                Check::fail(CARD, "card-unknown", "")
            }
            None => Check::fail(CARD, "card-absent", ""),
        },
    };
    checks.push(check);
    None
}

/// 5 to 7: what needs the PIN. It is tried once, or not at all.
fn used(
    args: &Doctor,
    patient: &Patient,
    found: Found,
    info: &Arc<Info>,
    checks: &mut Vec<Check>,
    facts: &mut Facts,
) {
    let Some(Ok(mut helper)) = found.helper else { return };
    let guard = guard(patient);
    let tries = guard.as_ref().and_then(|guard| guard.status(&info.token.serial, patient.now).ok());
    if info.token.pin.locked || tries.as_ref().is_some_and(|tries| tries.locked) {
        checks.push(Check::fail(PIN, "pin-locked", ""));
        fill_to(checks, 7, |name| Check::unknown(name, super::BEFORE, ""));
        return;
    }
    if !args.pin && args.pin_fd.is_none() {
        let check = untried(&info.token, tries.as_ref());
        let stopped = check.status == Status::Fail;
        checks.push(check);
        fill_to(checks, 7, |name| match stopped {
            true => Check::unknown(name, super::BEFORE, ""),
            false => Check::skipped(name, super::PIN_NOT_ASKED).remedy(""),
        });
        return;
    }
    let Some(guard) = guard else {
        checks.push(Check::fail(PIN, "guard-unwritable", ""));
        fill_to(checks, 7, |name| Check::unknown(name, super::BEFORE, ""));
        return;
    };
    let pins = match supply(args, patient) {
        Ok(supply) => Pins::new(guard, Some(supply), "doctor", crate::cli::now),
        Err(error) => {
            checks.push(Check::fail(PIN, error.label(), ""));
            fill_to(checks, 7, |name| Check::unknown(name, super::BEFORE, ""));
            return;
        }
    };
    match helper.login(&pins) {
        Err(error) => {
            // What is to be done now is what the guard says after this try.
            let after = self::guard(patient).and_then(|g| g.status(&info.token.serial, patient.now).ok());
            checks.push(refused(&error, after.and_then(|tries| tries.refusal).as_ref()));
            fill_to(checks, 7, |name| Check::unknown(name, super::BEFORE, ""));
        }
        Ok(info) => {
            checks.push(Check::ok(PIN, "正確"));
            let oaep = if info.oaep { "，可用 OAEP" } else { "" };
            let (decrypted, took) = timed(|| helper.self_test(&pins));
            checks.push(done(DECRYPT, decrypted.map(|()| format!("{took} 毫秒{oaep}"))));
            let digest = envelope::sha256(b"di-node doctor");
            let (signed, took) = timed(|| helper.sign(&pins, &digest));
            checks.push(done(SIGN, signed.map(|_| format!("{took} 毫秒"))));
            facts.lines.push(format!("OAEP-SHA256：{}", if info.oaep { "可用" } else { "不可用" }));
        }
    }
    drop(helper);
}

/// A PIN that was not tried: what is known of its tries all the same.
fn untried(token: &Token, tries: Option<&Tries>) -> Check {
    if token.pin.final_try {
        return Check::fail(PIN, "pin-last-try", "");
    }
    match tries {
        Some(tries) if tries.failed > 0 => {
            let refusal = tries.refusal.as_ref().map_or("pin-stopped", ::card::guard::Refusal::label);
            Check::fail(PIN, refusal, &tell::left(tries.left))
        }
        _ => Check::skipped(PIN, super::PIN_NOT_ASKED),
    }
}

/// A login that failed; the second failure in a row leaves another remedy than the first.
fn refused(error: &Error, now: Option<&::card::guard::Refusal>) -> Check {
    let left = match error {
        Error::Pin(refusal) => tell::left(refusal.left()),
        _ => error.to_string(),
    };
    let grave = |label: &&str| ["pin-tries-spent", "pin-last-try", "pin-locked"].contains(label);
    let label = match error {
        Error::Pin(_) => {
            now.map(::card::guard::Refusal::label).filter(grave).unwrap_or_else(|| error.label())
        }
        _ => error.label(),
    };
    Check::fail(PIN, label, &left).shared(label)
}

fn done(name: super::Name, result: Result<String, Error>) -> Check {
    match result {
        Ok(detail) => Check::ok(name, detail),
        Err(error) => Check::fail(name, error.label(), &error.to_string()).shared(error.label()),
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, u128) {
    let began = std::time::Instant::now();
    let result = work();
    (result, began.elapsed().as_millis())
}

/// The guard of the configured node; without one, that of this machine.
fn guard(patient: &Patient) -> Option<Guard> {
    match patient.config() {
        Some(config) => Guard::open(&card::guard_folder(config)).ok(),
        // The service may keep its records elsewhere: one try here, so that with its own there are never three.
        None => Guard::at(&Place { shared: false, ..Place::of_this_machine()? }).ok(),
    }
}

/// The PIN: from the descriptor given, from where the settings say, or from the person at the terminal.
fn supply(args: &Doctor, patient: &Patient) -> Result<pin::Supply, pin::Error> {
    card::harden();
    let given = args.pin_fd.and_then(|fd| u32::try_from(fd).ok()).map(pin::Source::Descriptor);
    // A systemd credential is there for the service only, and its descriptor is the service's.
    let configured = patient
        .config()
        .and_then(|config| card::source(&config.card))
        .filter(|source| matches!(source, pin::Source::File(_)));
    pin::Supply::open(given.or(configured).unwrap_or_else(card::question))
}

fn fill_to(checks: &mut Vec<Check>, count: usize, with: impl Fn(super::Name) -> Check) {
    for name in NINE.iter().take(count).skip(checks.len()) {
        checks.push(with(*name));
    }
}

/// A reader's name without what some drivers put behind it: the serial number in brackets.
fn model(reader: &str) -> String {
    let mut name = String::new();
    let mut depth = 0_u32;
    for c in reader.chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            c if depth == 0 => name.push(c),
            _ => {}
        }
    }
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// For the report: makes and models, nobody's numbers. And what must not get into it.
fn learn(found: &Found, module: Option<&std::path::Path>, facts: &mut Facts) {
    if let Some(snapshot) = &found.readers {
        for reader in &snapshot.readers {
            let inside = match &reader.slot {
                presence::Slot::Empty => "空".to_owned(),
                presence::Slot::Mute => "卡片沒有反應".to_owned(),
                presence::Slot::Card { atr, .. } => {
                    let bytes: Vec<String> = atr.iter().map(|b| format!("{b:02X}")).collect();
                    format!("卡片，ATR {}", bytes.join(" "))
                }
            };
            facts.lines.push(format!("讀卡機：{}；{inside}", model(&reader.name)));
        }
    }
    facts.lines.extend(module.map(|module| format!("程式庫檔名：{}", find::file_name(module))));
    if let Some(Ok(helper)) = &found.helper {
        facts.lines.push(format!("程式庫：{}", helper.library()));
    }
    if let Some(Ok(tokens)) = &found.tokens {
        for token in tokens {
            facts.private.push(token.serial.clone());
            if !OFFICIAL.contains(&token.label.as_str()) {
                facts.private.push(token.label.clone());
            }
            facts.lines.push(format!(
                "卡片：製造者 {}，型號 {}，PIN {} 至 {} 碼，旗標 {:?}",
                token.manufacturer, token.model, token.pin_min, token.pin_max, token.pin
            ));
        }
    }
    if let Some(Ok(info)) = &found.info {
        for (what, key) in [("簽章", &info.sign), ("加密", &info.unwrap)] {
            let bits = key.certificate.rsa_bits().map(|bits| format!("RSA {bits}")).unwrap_or_default();
            facts.lines.push(format!(
                "{what}憑證：CKA_ID {}，CKA_LABEL {}，{bits}，用途 {:?}",
                key.id,
                key.label,
                key.certificate.key_usage()
            ));
        }
    }
}

/// Labels that are the same on every official card, and so name nobody.
const OFFICIAL: [&str; 1] = ["HiCOS PKI Smart Card"];
