//! What the child process costs: the same operations straight through the module, and through the helper.
//!
//! `cargo bench -p card [-- COUNT]`, with SoftHSM installed (`make deps-test`).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement may stop at the first surprise"
)]

#[path = "../tests/all/support.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;

use card::{Card, State};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use envelope::key::WrapScheme;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Hsm, PIN, SOFTHSM, pki};

/// As the helper makes it.
const DIGEST_INFO_SHA256: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

fn main() {
    let count: usize = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(3000);
    if std::env::var_os("SOFTHSM2_CONF").is_none() {
        let hsm = Hsm::new();
        // The direct half runs in this process, which needs the variable from its start.
        hsm.official("HiCOS PKI Smart Card");
        std::fs::write(hsm.dir.path().join("unwrap.pem"), &pki().unwrap.certificate).unwrap();
        let me = std::env::current_exe().unwrap();
        let status = Command::new(me)
            .arg(count.to_string())
            .env("SOFTHSM2_CONF", hsm.conf())
            .env("DIR", hsm.dir.path())
            .status();
        std::process::exit(status.unwrap().code().unwrap_or(1));
    }
    let dir = std::path::PathBuf::from(std::env::var_os("DIR").unwrap());
    let certificate = std::fs::read_to_string(dir.join("unwrap.pem")).unwrap();
    let wrapped = support::openssl_encrypts(&dir, &certificate, &[7; 32], false);

    let pkcs11 = Pkcs11::new(SOFTHSM).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = pkcs11.get_slots_with_initialized_token().unwrap()[0];
    let session = pkcs11.open_ro_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
    let find = |id: &[u8]| {
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id.to_vec())];
        session.find_objects(&template).unwrap()[0]
    };
    let (sign, unwrap) = (find(b"SIGN"), find(b"KEYX"));
    let info = [&DIGEST_INFO_SHA256[..], &[1; 32]].concat();

    let settings = {
        let mut settings = card::Settings::new(support::helper(), SOFTHSM);
        settings.environment.push(("SOFTHSM2_CONF".into(), std::env::var_os("SOFTHSM2_CONF").unwrap()));
        settings
    };
    let card = Card::start(settings, support::pins(&dir, PIN)).unwrap();
    assert!(card.wait(support::PATIENCE, State::is_ready).is_ready(), "{}", card.state());

    // In turns, so that both see the same machine.
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..count {
        let mut one = |place: usize, work: &dyn Fn()| {
            let began = Instant::now();
            work();
            times[place].push(began.elapsed());
        };
        one(0, &|| drop(session.sign(&Mechanism::RsaPkcs, sign, &info).unwrap()));
        one(1, &|| drop(card.sign(&[1; 32]).unwrap()));
        one(2, &|| drop(session.decrypt(&Mechanism::RsaPkcs, unwrap, &wrapped).unwrap()));
        one(3, &|| drop(card.unwrap(WrapScheme::Pkcs1, &wrapped).unwrap()));
    }
    let median = |place: usize| {
        let mut sorted = times[place].clone();
        sorted.sort();
        (sorted[sorted.len() / 2], sorted[sorted.len() * 99 / 100])
    };
    println!("{count} operations each, RSA 2048, SoftHSM; median (99th percentile), microseconds");
    println!(
        "          direct          through the helper   overhead   through the helper, one after another"
    );
    for (name, place) in [("sign  ", 0), ("unwrap", 2)] {
        let ((direct, direct_99), (helped, helped_99)) = (median(place), median(place + 1));
        let rate = 1.0 / helped.as_secs_f64();
        println!(
            "{name}  {:>6} ({:>6})  {:>6} ({:>6})      {:>6}     {rate:>6.0}/s",
            direct.as_micros(),
            direct_99.as_micros(),
            helped.as_micros(),
            helped_99.as_micros(),
            helped.saturating_sub(direct).as_micros(),
        );
    }

    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..count / 8).for_each(|_| drop(card.sign(&[1; 32]).unwrap())));
        }
    });
    let rate = (count / 8 * 8) as f64 / began.elapsed().as_secs_f64();
    println!("sign, eight callers at once: {rate:.0}/s");

    let mut restarts: Vec<_> = (0..21)
        .map(|_| {
            let pid = Pid::from_raw(i32::try_from(card.helper_pid().unwrap()).unwrap()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
            let began = Instant::now();
            card.sign(&[1; 32]).unwrap();
            began.elapsed()
        })
        .collect();
    restarts.sort();
    println!("a signature that finds the helper killed: {} ms (median of 21)", restarts[10].as_millis());
    let status = std::fs::read_to_string(format!("/proc/{}/status", card.helper_pid().unwrap())).unwrap();
    for line in status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("Threads")) {
        println!("helper: {line}");
    }
}
