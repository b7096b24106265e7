//! That the virtual card is a card, in the judgement of OpenSC's `pkcs11-tool` and of `openssl`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tests::pcscd::{Pcscd, opensc_module};
use tests::virtual_card::{Operation, PIN, WRONG_PIN};

use super::{LONG, OWNER, card, keys};

/// `pkcs11-tool` on the virtual card.
pub(crate) fn tool(pcscd: &Pcscd, args: &[&str]) -> Output {
    pcscd.command("pkcs11-tool").arg("--module").arg(opensc_module()).args(args).output().unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

pub(crate) fn login(pcscd: &Pcscd, pin: &str) -> Output {
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
