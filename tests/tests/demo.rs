//! The README's first command, and what it leaves behind, judged by public tools only: `unzip`, `openssl`, `sha256sum`'s arithmetic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn run(command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{shown}: {e}"));
    assert!(
        output.status.success(),
        "{shown} ended with {}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn files_ending(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.file_name().unwrap().to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    found
}

/// Unzips with Info-ZIP, an outside reader, into a folder of its own.
fn unzip(zip: &Path, into: &Path) {
    run(Command::new("unzip").arg("-q").arg(zip).arg("-d").arg(into));
}

fn check_container(container: &Path, keep: &Path, scratch: &Path) {
    let first = fs::read(container).unwrap();
    assert_eq!(&first[..4], b"PK\x03\x04");
    assert_eq!(&first[30..38], b"mimetype", "mimetype is the first entry, without extra field");
    assert_eq!(&first[38..69], b"application/vnd.etsi.asic-e+zip", "stored, no newline");
    unzip(container, scratch);
    let meta = scratch.join("META-INF");
    let entries: Vec<_> = fs::read_dir(&meta).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(entries.len(), 2, "one manifest and one signature: {entries:?}");

    // The manifest names every entry but mimetype and the signature, with its digest.
    let manifest = fs::read_to_string(meta.join("ASiCManifest001.xml")).unwrap();
    let mut listed = 0;
    for reference in manifest.split("<").filter(|s| s.contains("DataObjectReference") && s.contains("URI=\""))
    {
        let uri = reference.split("URI=\"").nth(1).unwrap().split('"').next().unwrap();
        let name = percent_decoded(uri);
        let digest =
            run(Command::new("openssl").args(["dgst", "-sha256", "-binary"]).arg(scratch.join(&name))).stdout;
        assert!(manifest.contains(&base64(&digest)), "the digest of {name} is not in the manifest");
        listed += 1;
    }
    let unit = fs::read_dir(scratch.join("unit")).unwrap().count();
    assert_eq!(listed, unit + 1, "every unit file and exchange.xml is listed");

    run(Command::new("openssl")
        .args(["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-purpose", "any", "-in"])
        .arg(meta.join("signature001.p7s"))
        .arg("-content")
        .arg(meta.join("ASiCManifest001.xml"))
        .arg("-CAfile")
        .arg(keep.join("pki/anchors.pem"))
        .args(["-out", "/dev/null"]));
}

fn percent_decoded(uri: &str) -> String {
    let bytes = uri.as_bytes();
    let mut out = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'%' {
            out.push(u8::from_str_radix(&uri[i + 1..i + 3], 16).unwrap());
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|c| {
            let word = u32::from(c[0]) << 16
                | u32::from(*c.get(1).unwrap_or(&0)) << 8
                | u32::from(*c.get(2).unwrap_or(&0));
            (0..4).map(
                move |i| {
                    if i > c.len() { '=' } else { ALPHABET[(word >> (18 - 6 * i) & 63) as usize] as char }
                },
            )
        })
        .collect()
}

/// Every enc key of the kept PKI, by member code.
fn decryption_keys(keep: &Path) -> BTreeMap<String, (PathBuf, PathBuf)> {
    files_ending(&keep.join("pki"), ".enc.key.pem")
        .into_iter()
        .map(|key| {
            let code = key.file_name().unwrap().to_string_lossy().split('.').next().unwrap().to_owned();
            let certificate = keep.join("pki").join(format!("{code}.enc.crt.pem"));
            (code, (certificate, key))
        })
        .collect()
}

fn decrypt(sealed: &Path, certificate: &Path, key: &Path) -> Option<Vec<u8>> {
    let output = Command::new("openssl")
        .args(["cms", "-decrypt", "-binary", "-inform", "DER", "-in"])
        .arg(sealed)
        .arg("-recip")
        .arg(certificate)
        .arg("-inkey")
        .arg(key)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output.status.success().then_some(output.stdout)
}

#[test]
fn the_demo_ends_well_and_leaves_what_openssl_accepts() {
    let dir = tempfile::tempdir().unwrap();
    let keep = dir.path().join("keep");
    let output = run(Command::new(tests::binary("di-node")).arg("demo").arg("--keep").arg(&keep));
    let shown = String::from_utf8(output.stdout).unwrap();
    for word in ["公文到達", "收文完成", "系統確認", "使用者確認", "收文匣", "發文匣"]
    {
        assert!(shown.contains(word), "the demo never says {word}:\n{shown}");
    }

    let evidence = keep.join("evidence");
    let containers = files_ending(&evidence, ".asice");
    assert!(containers.len() >= 4, "three letters, one of them also reduced: {containers:?}");
    assert!(containers.iter().any(|c| c.to_string_lossy().ends_with("-reduced.asice")));
    for (n, container) in containers.iter().enumerate() {
        check_container(container, &keep, &dir.path().join(format!("container{n}")));
    }

    // Each sealed message opens for at least one member, to exactly a container's bytes; for the sender never.
    let whole: Vec<Vec<u8>> = containers.iter().map(|c| fs::read(c).unwrap()).collect();
    let sealed = files_ending(&evidence, ".p7m");
    assert!(sealed.len() >= containers.len(), "a sealed message for each container: {sealed:?}");
    for message in &sealed {
        let opened: Vec<_> =
            decryption_keys(&keep).values().filter_map(|(c, k)| decrypt(message, c, k)).collect();
        assert!(!opened.is_empty(), "nobody can open {}", message.display());
        assert!(opened.len() < decryption_keys(&keep).len(), "everybody can open {}", message.display());
        assert!(opened.iter().all(|plain| whole.contains(plain)), "{} holds other bytes", message.display());
    }
    for file in files_ending(&evidence, ".evidence.zip") {
        run(Command::new("unzip").arg("-tq").arg(&file));
        run(Command::new(tests::binary("di-node"))
            .arg("verify")
            .arg(&file)
            .arg("--anchors")
            .arg(keep.join("pki/anchors.pem")));
    }

    // What was kept answers for itself.
    let configs = files_ending(&keep, ".toml");
    assert!(
        configs.iter().filter(|c| c.file_name().unwrap().to_string_lossy().starts_with("node-")).count() == 3
    );
    for config in configs.iter().filter(|c| c.file_name().unwrap().to_string_lossy().starts_with("node-")) {
        run(Command::new(tests::binary("di-node")).arg("--config").arg(config).args(["status", "--json"]));
    }
}
