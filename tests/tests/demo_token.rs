//! The demonstration with the sender's keys on a PKCS#11 token: SoftHSM's scratch token, and the same token as one that
//! somebody prepared.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The demonstration's PIN, as it tells it.
const PIN: &str = "246802";

fn module() -> Option<PathBuf> {
    let places = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "SoftHSM is not installed");
        println!("SKIPPED: SoftHSM is not installed (make deps-test)");
    }
    found
}

fn demo(module: &Path, more: &[&str], conf: Option<&Path>) -> String {
    let mut command = Command::new(tests::binary("di-node"));
    command.arg("demo").arg("--pkcs11").arg(module).args(more).stdin(Stdio::piped());
    command.env_remove("SOFTHSM2_CONF").stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(conf) = conf {
        command.env("SOFTHSM2_CONF", conf);
    }
    let mut child = command.spawn().unwrap();
    // Without --pin-fd nobody reads it.
    let _ = child.stdin.take().unwrap().write_all(PIN.as_bytes());
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{shown}\n{said}", output.status);
    shown
}

/// Files below `dir` that hold `needle`.
fn holding(dir: &Path, needle: &[u8], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, needle, found);
        } else if fs::read(&path).unwrap_or_default().windows(needle.len()).any(|w| w == needle) {
            found.push(path);
        }
    }
}

#[test]
fn the_whole_demo_passes_with_the_senders_keys_on_a_token() {
    let Some(module) = module() else { return };
    let dir = tempfile::tempdir().unwrap();
    let keep = dir.path().join("keep");
    let shown = demo(&module, &["--keep", keep.to_str().unwrap()], None);
    assert!(shown.contains("卡片可以使用") && shown.contains("✓ 全部如預期"), "{shown}");

    // The sender has no key in a file, and its PIN is in nothing that was written.
    let own = |n: &str| keep.join("pki").join(n);
    assert!(!own("XC20261101.sign.key.pem").exists() && !own("XC20261101.enc.key.pem").exists());
    let settings = fs::read_to_string(keep.join("node-XC20261101.toml")).unwrap();
    assert!(settings.contains("[card]") && !settings.contains("[keys.sign]"), "{settings}");
    let mut found = Vec::new();
    holding(&keep, PIN.as_bytes(), &mut found);
    assert!(found.is_empty(), "the PIN is in {found:?}");

    // The journal has the card's day.
    let conf = keep.join("softhsm/softhsm2.conf");
    let store = store::Store::open_read_only(&keep.join("node-XC20261101/state")).unwrap();
    let events: Vec<String> = store.journal_after(0, 10_000).unwrap().into_iter().map(|e| e.event).collect();
    assert!(events.iter().any(|e| e == "card-in") && events.iter().any(|e| e == "card-login"), "{events:?}");
    drop(store);

    // The same token once more, as one that somebody prepared.
    let shown = demo(&module, &["--token", "di-demo", "--pin-fd", "0"], Some(&conf));
    assert!(shown.contains("載具「di-demo」") && shown.contains("✓ 全部如預期"), "{shown}");
}
