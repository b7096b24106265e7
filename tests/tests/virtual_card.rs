//! The virtual card in a real reader driver, a real PC/SC service and Debian's OpenSC: first that it is a card, judged by
//! `pkcs11-tool` and `openssl`, and that `card::presence` sees what happens to it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tests::pcscd::{Pcscd, Refusing, opensc_module};
use tests::pki;
use tests::virtual_card::{Operation, PIN, VirtualCard, WRONG_PIN};

const OWNER: &str = pki::MEMBERS[0].0;
const LONG: Duration = Duration::from_secs(20);

/// Everybody's keys, once for all tests of this file.
fn keys() -> &'static Path {
    static KEYS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = KEYS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        pki::write(dir.path());
        dir
    });
    dir.path()
}

fn card() -> VirtualCard {
    VirtualCard::of_member(keys(), OWNER)
}

/// What `card::presence` says, as it comes.
struct Watch {
    child: Child,
    lines: Receiver<Line>,
    seen: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    label: String,
    events: String,
    text: String,
}

impl Watch {
    fn start(environment: Vec<(std::ffi::OsString, std::ffi::OsString)>, reader: Option<&str>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_presence-watch"))
            .args(reader)
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let field: Vec<_> = line.split('\t').map(str::to_owned).collect();
                let line = match &field[..] {
                    [_, label, events, text] => {
                        Line { label: label.clone(), events: events.clone(), text: text.clone() }
                    }
                    _ => Line { label: line, events: String::new(), text: String::new() },
                };
                let _ = send.send(line);
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// The next state with this label; states before it are passed over.
    fn until(&mut self, label: &str) -> Line {
        let until = Instant::now() + LONG;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.label == label {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("never saw {label}; saw {:#?}", self.seen)
                }
            }
        }
    }

    fn ever(&self, label: &str) -> bool {
        self.seen.iter().any(|line| line.label == label)
    }

    /// Ends it, and says how long that took.
    fn stop(mut self) -> Duration {
        let begun = Instant::now();
        drop(self.child.stdin.take());
        self.until("stopped");
        assert!(self.child.wait().unwrap().success());
        begun.elapsed()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `pkcs11-tool` on the virtual card.
fn tool(pcscd: &Pcscd, args: &[&str]) -> Output {
    pcscd.command("pkcs11-tool").arg("--module").arg(opensc_module()).args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn login(pcscd: &Pcscd, pin: &str) -> Output {
    tool(pcscd, &["--login", "--pin", pin, "--list-objects", "--type", "privkey"])
}

/// A signature by the card over a file, judged by openssl.
fn signs(pcscd: &Pcscd, dir: &Path) -> Result<(), String> {
    let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    std::fs::write(at("text"), "公文").unwrap();
    let signed = tool(
        pcscd,
        &[
            "--login",
            "--pin",
            PIN,
            "--sign",
            "--id",
            "5349474e",
            "--mechanism",
            "SHA256-RSA-PKCS",
            "--input-file",
            &at("text"),
            "--output-file",
            &at("signature"),
        ],
    );
    if !signed.status.success() {
        return Err(said(&signed));
    }
    let verified = Command::new("openssl")
        .args([
            "dgst",
            "-sha256",
            "-verify",
            &public_key("sign", dir),
            "-signature",
            &at("signature"),
            &at("text"),
        ])
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", said(&verified));
    Ok(())
}

fn public_key(which: &str, dir: &Path) -> String {
    let file = dir.join(format!("{which}.pub.pem"));
    let certificate = keys().join(format!("{OWNER}.{which}.crt.pem"));
    let made = Command::new("openssl")
        .args(["x509", "-noout", "-pubkey", "-in"])
        .arg(certificate)
        .args(["-out".as_ref(), file.as_os_str()])
        .status();
    assert!(made.unwrap().success());
    file.to_str().unwrap().to_owned()
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    (dir, path)
}

#[test]
fn it_is_a_card_of_the_family() {
    let pcscd = Pcscd::start();
    let card = card();
    pcscd.insert(&card, 0);
    let (_dir, dir) = scratch();

    let slots = said(&tool(&pcscd, &["--list-slots"]));
    assert!(slots.contains("HiCOS PKI Smart Card"), "{slots}");
    assert!(slots.contains("pin min/max        : 6/8"), "{slots}");
    let objects = said(&tool(&pcscd, &["--list-objects", "--type", "cert"]));
    for expected in ["cert1", "5349474e", "cert2", "4b455958", "434143657274"] {
        assert!(objects.contains(expected), "{expected} in {objects}");
    }
    signs(&pcscd, &dir).unwrap();

    // what the other key is for, and for what not
    let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    std::fs::write(at("secret"), [7; 32]).unwrap();
    let wrapped = Command::new("openssl")
        .args(["pkeyutl", "-encrypt", "-pubin", "-inkey", &public_key("enc", &dir), "-in", &at("secret")])
        .args(["-out", &at("wrapped")])
        .status();
    assert!(wrapped.unwrap().success());
    let unwrap = |id: &str| {
        tool(
            &pcscd,
            &[
                "--login",
                "--pin",
                PIN,
                "--decrypt",
                "--id",
                id,
                "--mechanism",
                "RSA-PKCS",
                "--input-file",
                &at("wrapped"),
                "--output-file",
                &at("plain"),
            ],
        )
    };
    let plain = unwrap("4b455958");
    assert!(plain.status.success(), "{}", said(&plain));
    assert_eq!(std::fs::read(at("plain")).unwrap(), [7; 32]);
    assert!(!unwrap("5349474e").status.success(), "the signature key must not decrypt");
    assert_eq!((card.counts().signatures, card.counts().decipherments), (1, 1));
}

#[test]
fn three_wrong_pins_lock_it_until_the_authority_unlocks_it() {
    let pcscd = Pcscd::start();
    let card = card();
    pcscd.insert(&card, 0);
    for left in [2, 1] {
        let tried = login(&pcscd, WRONG_PIN);
        assert!(said(&tried).contains("CKR_PIN_INCORRECT"), "{}", said(&tried));
        assert_eq!(card.tries_left(), left);
    }
    assert!(said(&login(&pcscd, WRONG_PIN)).contains("CKR_PIN_LOCKED"));
    assert!(said(&login(&pcscd, PIN)).contains("CKR_PIN_LOCKED"), "the right one comes too late");
    assert_eq!((card.tries_left(), card.counts().wrong_pins), (0, 3));

    card.unlock();
    assert!(login(&pcscd, PIN).status.success());
}

#[test]
fn a_slow_card_takes_its_time() {
    let pcscd = Pcscd::start();
    let card = card();
    pcscd.insert(&card, 0);
    let (_dir, dir) = scratch();
    card.slow(Duration::from_millis(400));
    let begun = Instant::now();
    signs(&pcscd, &dir).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(400));
}

#[test]
fn pulled_in_the_middle_of_a_signature_it_signs_again_when_it_is_back() {
    let pcscd = Pcscd::start();
    let card = card();
    pcscd.insert(&card, 0);
    let (_dir, dir) = scratch();
    card.pull_during(Operation::Sign);
    signs(&pcscd, &dir).unwrap_err();
    assert!(card.wait_pulled(LONG));
    assert_eq!(card.counts().signatures, 1);
    pcscd.insert(&card, 0);
    signs(&pcscd, &dir).unwrap();
    assert_eq!(card.counts().wrong_pins, 0);
}

#[test]
fn presence_follows_the_card() {
    let pcscd = Pcscd::start();
    let card = card();
    let mut watch = Watch::start(pcscd.environment(), None);
    watch.until("card-absent");

    let pushed = Instant::now();
    pcscd.insert(&card, 0);
    let first = watch.until("card-in");
    println!("from insertion to news of it: {} ms", pushed.elapsed().as_millis());
    assert!(first.text.contains("Virtual XCA") && first.text.contains("MOICA family"), "{}", first.text);

    card.remove();
    watch.until("card-absent");
    pcscd.insert(&card, 0);
    assert_ne!(watch.until("card-in").events, first.events, "another insertion of the same card is news");
    let took = watch.stop();
    assert!(took < Duration::from_secs(1), "the watcher took {took:?} to stop");
}

#[test]
fn only_the_reader_that_is_wanted_counts() {
    let mut pcscd = Pcscd::start();
    let (visitor, ours) = (card(), card());
    pcscd.insert(&visitor, 0);
    let mut any = Watch::start(pcscd.environment(), None);
    assert!(any.until("card-in").text.contains("00 00"));

    let mut named = Watch::start(pcscd.environment(), Some("xca 00 01"));
    let empty = named.until("card-absent");
    assert!(empty.text.contains("Virtual XCA 00 01"), "{}", empty.text);
    pcscd.insert(&ours, 1);
    assert!(named.until("card-in").text.contains("Virtual XCA 00 01"));

    // another reader was plugged in instead
    pcscd.stop();
    pcscd.replace_at_next_start("Front Desk");
    pcscd.run();
    let missing = named.until("card-reader-missing");
    assert!(missing.text.contains("Front Desk 00 00"), "says what there is: {}", missing.text);
    assert!(any.until("card-absent").text.contains("Front Desk 00 00"), "any reader will do");
}

#[test]
fn presence_outlives_the_service() {
    let mut pcscd = Pcscd::prepare();
    let card = card();
    let mut watch = Watch::start(pcscd.environment(), None);
    watch.until("card-no-service");
    pcscd.run();
    watch.until("card-absent");
    for end in [Pcscd::kill, Pcscd::stop] {
        pcscd.insert(&card, 0);
        watch.until("card-in");
        end(&mut pcscd);
        watch.until("card-no-service");
        pcscd.run();
        watch.until("card-absent");
    }
    assert!(!watch.ever("card-service-refused"), "a dying service is no refusal: {:#?}", watch.seen);
    pcscd.kill();
    watch.until("card-no-service");
    assert!(watch.stop() < Duration::from_secs(1));
}

#[test]
fn a_refusal_is_told_apart_from_absence() {
    let refusing = Refusing::start();
    let mut watch = Watch::start(refusing.environment(), None);
    watch.until("card-service-refused");
    assert!(!watch.ever("card-no-service"));
    assert!(watch.stop() < Duration::from_secs(1));
}

#[test]
fn a_reader_comes_and_goes() {
    let mut pcscd = Pcscd::prepare();
    pcscd.plug_at_next_start(false);
    pcscd.run();
    let mut watch = Watch::start(pcscd.environment(), None);
    watch.until("card-no-reader");
    for _ in 0..2 {
        pcscd.stop();
        pcscd.plug_at_next_start(true);
        pcscd.run();
        watch.until("card-absent");
        pcscd.stop();
        pcscd.plug_at_next_start(false);
        pcscd.run();
        watch.until("card-no-reader");
    }
    Watch::start(pcscd.environment(), Some("xca")).until("card-no-reader");
}
