//! A real PKCS#11 module, SoftHSM, through the real helper process.

use std::time::Duration;

use crate::support::{Hsm, ORGANISATION, PATIENCE, openssl_encrypts, openssl_verifies, pki, until};
use card::identity::{Expected, Mismatch};
use card::{Card, CardRank, Error, Helper, Settings, State};
use envelope::key::{KeyErrorKind, WrapScheme};
use envelope::sha256;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

fn pid_of(card: &Card) -> Pid {
    Pid::from_raw(i32::try_from(card.helper_pid().unwrap()).unwrap()).unwrap()
}

#[test]
fn signs_and_unwraps_as_openssl_expects() {
    let hsm = Hsm::new();
    hsm.official("HiCOS PKI Smart Card");
    let card = Card::start(hsm.settings(), hsm.pins(crate::support::PIN)).unwrap();
    let State::Ready { info } = until(&card, "card-ready") else { unreachable!() };

    assert_eq!((info.sign.id.as_str(), info.sign.label.as_str()), ("SIGN", "cert1"));
    assert_eq!((info.unwrap.id.as_str(), info.unwrap.label.as_str()), ("KEYX", "cert2"));
    assert_eq!(info.organisation_oid.as_deref(), Some(ORGANISATION));
    assert_eq!(info.rank, Some(CardRank::Secondary));
    assert_eq!(info.authorities.len(), 1);
    assert!(!info.oaep, "SoftHSM lists OAEP and can not do it with SHA-256");

    let signature = card.signing_key().sign(&sha256(b"a document")).unwrap();
    assert!(openssl_verifies(hsm.dir.path(), &pki().sign.certificate, b"a document", &signature));

    let wrapped = openssl_encrypts(hsm.dir.path(), &pki().unwrap.certificate, &[7; 32], false);
    let key = card.unwrap_key();
    assert_eq!(key.unwrap(WrapScheme::Pkcs1, &wrapped).unwrap().as_slice(), [7; 32]);
    card.self_test().unwrap();

    // Someone else's ciphertext, a mutilated one, and one of another length are the same thing to the caller.
    let foreign = openssl_encrypts(hsm.dir.path(), &pki().sign.certificate, &[7; 32], false);
    for bad in [&foreign[..], &wrapped[..255], &[0; 256], &[0xff; 256]] {
        match key.unwrap(WrapScheme::Pkcs1, bad) {
            Err(e) => assert_eq!(e.kind(), KeyErrorKind::Refused, "{e}"),
            // One foreign ciphertext in some thousands has a padding by chance.
            Ok(plain) => assert_ne!(plain.as_slice(), [7; 32]),
        }
    }
    assert!(card.state().is_ready(), "a bad ciphertext is no fault of the card");
    assert_eq!(card.helper_starts(), 1);
}

#[test]
fn a_killed_helper_is_replaced_within_the_same_call() {
    let hsm = Hsm::new();
    hsm.official("HiCOS PKI Smart Card");
    let card = Card::start(hsm.settings(), hsm.pins(crate::support::PIN)).unwrap();
    until(&card, "card-ready");
    for round in 2..5 {
        kill_process(pid_of(&card), Signal::KILL).unwrap();
        card.sign(&sha256(b"after the kill")).unwrap();
        assert_eq!(card.helper_starts(), round);
    }
}

#[test]
fn the_helper_ends_with_the_card() {
    let hsm = Hsm::new();
    hsm.official("HiCOS PKI Smart Card");
    let card = Card::start(hsm.settings(), hsm.pins(crate::support::PIN)).unwrap();
    until(&card, "card-ready");
    let pid = pid_of(&card);
    let (again, key) = (card.clone(), card.signing_key());
    again.stop();
    assert!(test_kill_process(pid).is_err(), "the helper outlived its card");
    assert!(matches!(card.sign(&[0; 32]), Err(Error::Closed)));
    assert_eq!(key.sign(&[0; 32]).unwrap_err().kind(), KeyErrorKind::Broken);
}

#[test]
fn the_helper_inherits_little_and_can_not_be_looked_into() {
    let hsm = Hsm::new();
    hsm.official("HiCOS PKI Smart Card");
    let helper = Helper::start(&hsm.settings()).unwrap();
    assert!(helper.library().contains("SoftHSM"), "{}", helper.library());
    match std::fs::read(format!("/proc/{}/environ", helper.pid())) {
        // Only root may look into a process that is not dumpable.
        Ok(environment) => {
            let environment = String::from_utf8_lossy(&environment).into_owned();
            assert!(
                environment.contains("SOFTHSM2_CONF=") && !environment.contains("CARGO"),
                "{environment}"
            );
        }
        Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::PermissionDenied),
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", helper.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(format!("/proc/{}/mem", helper.pid())).unwrap().uid();
    assert_eq!(owner, 0, "a process that is not dumpable belongs to root in /proc");
}

#[test]
fn started_by_hand_it_says_so() {
    let output = std::process::Command::new(crate::support::helper()[0].clone())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not by hand"));
}

#[test]
fn one_of_several_tokens_is_chosen_and_doubt_is_listed() {
    let hsm = Hsm::new();
    let first = hsm.official("HiCOS PKI Smart Card");
    let second = hsm.official("HiCOS PKI Smart Card");
    let other = hsm.token("something else");
    let start = |change: &dyn Fn(&mut Settings)| {
        let mut settings = hsm.settings();
        change(&mut settings);
        Card::start(settings, hsm.pins(crate::support::PIN)).unwrap()
    };

    let State::Ambiguous { found } = until(&start(&|_| ()), "card-ambiguous") else { unreachable!() };
    assert_eq!(found.len(), 3);
    let by_label = start(&|s| s.choice.label = Some(" hicos PKI Smart Card".into()));
    let State::Ambiguous { found } = until(&by_label, "card-ambiguous") else { unreachable!() };
    let mut serials: Vec<_> = found.iter().map(|t| t.serial.clone()).collect();
    let mut expected = vec![first.clone(), second.clone()];
    serials.sort();
    expected.sort();
    assert_eq!(serials, expected);

    for serial in [&first, &second.to_uppercase()] {
        let card = start(&|s| s.choice.serial = Some(serial.clone()));
        let State::Ready { info } = until(&card, "card-ready") else { unreachable!() };
        assert!(info.token.serial.eq_ignore_ascii_case(serial));
    }
    let State::OtherCard { found } =
        until(&start(&|s| s.choice.label = Some("no such".into())), "card-other")
    else {
        unreachable!()
    };
    assert_eq!(found.len(), 3);
    let State::NoKeys { what, .. } = until(&start(&|s| s.choice.serial = Some(other.clone())), "card-keys")
    else {
        unreachable!()
    };
    assert_eq!(what, "no signing certificate on the card");
}

#[test]
fn keys_are_found_by_usage_when_identifiers_mislead() {
    let hsm = Hsm::new();
    let serial = hsm.token("card");
    hsm.put(&serial, &pki().unwrap, "SIGN", "cert1");
    hsm.put(&serial, &pki().sign, "KEYX", "cert2");
    let card = Card::start(hsm.settings(), hsm.pins(crate::support::PIN)).unwrap();
    let State::Ready { info } = until(&card, "card-ready") else { unreachable!() };
    assert_eq!((info.sign.id.as_str(), info.unwrap.id.as_str()), ("KEYX", "SIGN"));
    card.self_test().unwrap();
}

#[test]
fn a_card_that_comes_later_is_taken_up_by_itself() {
    let hsm = Hsm::new();
    let card = Card::start(hsm.settings(), hsm.pins(crate::support::PIN)).unwrap();
    until(&card, "card-absent");
    let key = card.signing_key();
    assert_eq!(key.certificate().unwrap_err().kind(), KeyErrorKind::Absent);
    assert!(matches!(card.sign(&[0; 32]), Err(Error::NotReady(_))));
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let ears = std::sync::Arc::clone(&heard);
    card.subscribe(move |state| ears.lock().unwrap().push(state.label()));
    // Written elsewhere and there at once, as a card is.
    let desk = Hsm::new();
    desk.official("HiCOS PKI Smart Card");
    desk.move_to(&hsm);
    until(&card, "card-ready");
    key.sign(&sha256(b"now")).unwrap();
    key.certificate().unwrap();
    assert_eq!(heard.lock().unwrap().last(), Some(&"card-ready"));
}

#[test]
fn the_wrong_card_is_not_used_until_it_is_expected() {
    let hsm = Hsm::new();
    hsm.official("HiCOS PKI Smart Card");
    let mut settings = hsm.settings();
    settings.expected.organisation_oid = Some("2.16.886.101.20003.8".into());
    let card = Card::start(settings, hsm.pins(crate::support::PIN)).unwrap();
    let State::WrongCard { what, .. } = until(&card, "card-wrong") else { unreachable!() };
    let found = Some(ORGANISATION.to_owned());
    assert_eq!(what, Mismatch::Organisation { expected: "2.16.886.101.20003.8".into(), found });
    assert!(matches!(card.sign(&[0; 32]), Err(Error::NotReady(_))));

    let ours = Expected { organisation_oid: Some(ORGANISATION.into()), ..Expected::default() };
    card.expect(ours.clone());
    until(&card, "card-ready");
    card.expect(Expected { sign_sha256: Some([1; 32]), ..ours.clone() });
    let State::WrongCard { what: Mismatch::SignCertificate, .. } = until(&card, "card-wrong") else {
        panic!("the registered certificate is another one");
    };
    card.expect(ours);
    until(&card, "card-ready");
    assert_eq!(card.helper_starts(), 1);
}

#[test]
fn a_module_that_is_none_is_a_state() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("text.so"), "no library").unwrap();
    for module in [dir.path().join("missing.so"), dir.path().join("text.so"), "libc.so.6".into()] {
        let card = Card::start(
            Settings::new(crate::support::helper(), &module),
            crate::support::pins(dir.path(), "1"),
        )
        .unwrap();
        until(&card, "card-module");
    }
    let helper = vec![dir.path().join("no-program").into()];
    let card = Card::start(Settings::new(helper, "x.so"), crate::support::pins(dir.path(), "1")).unwrap();
    until(&card, "card-helper");
}

#[test]
fn a_wrong_pin_is_tried_once_and_a_new_one_at_once() {
    let hsm = Hsm::new();
    let serial = hsm.official("HiCOS PKI Smart Card");
    let pins = hsm.pins("654321");
    let guard = pins.guard().clone();
    let card = Card::start(hsm.settings(), pins).unwrap();
    let state = card.wait(PATIENCE, |state| matches!(state, State::PinNeeded { .. }));
    assert_eq!(state.label(), "pin-wrong");
    // It looks again and again, and does not try again.
    until(&card, "pin-stopped");
    assert_eq!(guard.status(&serial, 0).unwrap().failed, 1);
    assert_eq!(card.signing_key().sign(&[0; 32]).unwrap_err().kind(), KeyErrorKind::PinNeeded);
    assert!(card.signing_key().certificate().is_ok(), "certificates need no PIN");
    card.supply(crate::support::supply(hsm.dir.path(), crate::support::PIN));
    until(&card, "card-ready");
    assert_eq!(guard.status(&serial, 0).unwrap().failed, 0);

    // Of a length that the card does not take: not presented.
    let card = Card::start(hsm.settings(), hsm.pins("1")).unwrap();
    until(&card, "pin-length");
    assert_eq!(guard.status(&serial, 0).unwrap().failed, 0);
}

#[test]
fn helpers_killed_in_the_middle_of_work_cost_neither_a_wrong_result_nor_a_pin_try() {
    let hsm = Hsm::new();
    let serial = hsm.official("HiCOS PKI Smart Card");
    let pins = hsm.pins(crate::support::PIN);
    let guard = pins.guard().clone();
    let mut settings = hsm.settings();
    settings.care.backoff = (Duration::from_millis(10), Duration::from_millis(100));
    let card = Card::start(settings, pins).unwrap();
    until(&card, "card-ready");
    let wrapped = openssl_encrypts(hsm.dir.path(), &pki().unwrap.certificate, &[7; 32], false);
    let working = std::sync::atomic::AtomicUsize::new(3);
    let (done, failed) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (mut done, mut failed) = (0, 0);
                    while done < 100 {
                        // `sign` verifies what it returns.
                        let signed = card.signing_key().sign(&sha256(b"words")).map(drop);
                        let unwrapped = card.unwrap_key().unwrap(WrapScheme::Pkcs1, &wrapped);
                        let unwrapped = unwrapped.map(|plain| assert_eq!(plain.as_slice(), [7; 32]));
                        for result in [signed, unwrapped] {
                            match result {
                                Ok(()) => done += 1,
                                Err(e) => {
                                    assert_eq!(e.kind(), KeyErrorKind::Broken, "{e}");
                                    failed += 1;
                                }
                            }
                        }
                    }
                    working.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    (done, failed)
                })
            })
            .collect();
        let mut killed = 0;
        while working.load(std::sync::atomic::Ordering::SeqCst) > 0 && killed < 8 {
            // Ready: so it is not inside a login, where a kill rightly counts as a try.
            until(&card, "card-ready");
            if let Some(pid) = card.helper_pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap())) {
                killed += u32::from(kill_process(pid, Signal::KILL).is_ok());
            }
            let starts = card.helper_starts();
            while card.helper_starts() == starts && working.load(std::sync::atomic::Ordering::SeqCst) > 0 {
                std::thread::yield_now();
            }
        }
        assert!(killed > 3, "killed {killed} times only");
        workers.into_iter().map(|w| w.join().unwrap()).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    assert!(done >= 300, "{done} done, {failed} failed");
    until(&card, "card-ready");
    assert_eq!(guard.status(&serial, 0).unwrap().failed, 0);
}
