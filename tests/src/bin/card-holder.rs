//! A card and its guard in a process of their own, to be killed: `card-holder MODULE SCRIPT GUARD-FOLDER PIN-FILE DEADLINE`
//! (milliseconds, for whatever carries a PIN).
//!
//! Commands on standard input, each with a number that its answer begins with: `N look` (the label of the state after
//! it), `N sign` (`signed`, or the label of the error), `N pid` (the helper's; 0 if there is none). It ends with its
//! input. Logs, as detailed as can be, go to standard error.

use card::guard::Guard;
use card::pin::{Source, Supply};
use card::{Card, Pins, Settings};
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || arguments.next().expect("MODULE SCRIPT GUARD-FOLDER PIN-FILE DEADLINE");
    let module = next();
    if module == "card-helper" {
        std::process::exit(card::helper::main());
    }
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::stderr).init();
    let me = std::env::current_exe().expect("a program knows its own path");
    let mut settings = Settings::new(vec![me.into(), "card-helper".into()], module);
    settings.environment.push((fake_module::VARIABLE.into(), next()));
    settings.care.backoff = (Duration::from_millis(10), Duration::from_millis(50));
    let guard = Guard::open(Path::new(&next())).expect("guard's folder");
    let supply = Supply::open(Source::File(next().into())).expect("files are read when they are needed");
    let deadline = next().to_str().and_then(|text| text.parse().ok()).expect("milliseconds");
    settings.deadlines.login = Duration::from_millis(deadline);
    settings.deadlines.operate = settings.deadlines.login;
    let now = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    let card = Card::start(settings, Pins::new(guard, Some(supply), "holder", now)).expect("a thread");
    for line in std::io::stdin().lock().lines() {
        let card = card.clone();
        let Some((number, order)) = line.as_ref().ok().and_then(|line| line.split_once(' ')) else { break };
        let say = answer(number);
        match order {
            "look" => drop(std::thread::spawn(move || {
                card.look_again();
                // In line behind the look.
                let _ = card.self_test();
                say(card.state().label());
            })),
            "sign" => drop(std::thread::spawn(move || match card.sign(&[0x5a; 32]) {
                Ok(_) => say("signed"),
                Err(error) => say(error.label()),
            })),
            "pid" => say(&card.helper_pid().unwrap_or(0).to_string()),
            _ => break,
        }
    }
    card.stop();
}

fn answer(number: &str) -> impl Fn(&str) + use<> {
    let number = number.to_owned();
    move |answer| {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{number} {answer}").and_then(|()| out.flush());
    }
}
