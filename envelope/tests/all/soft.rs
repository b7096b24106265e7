use crate::common::{PKI, label, run};
use envelope::key::{SigningKey, UnwrapKey, WrapScheme};
use envelope::soft::SoftKey;
use envelope::{Class, Fault, sha256};
use std::path::Path;

fn openssl(dir: &Path, args: &str) {
    run("openssl", dir, &args.split(' ').collect::<Vec<_>>());
}

/// Signs and unwraps: so the key is whole and belongs to its certificate.
fn works(key: &SoftKey) {
    assert_eq!(key.own_certificate(), &PKI.sender.cert);
    let signed =
        envelope::signed::sign_attached(key, envelope::oid::LOGIN, b"x", &[], crate::common::AT).unwrap();
    envelope::signed::check_attached(&signed, envelope::oid::LOGIN, 1 << 20).unwrap();
    assert_eq!(key.sign(&sha256(b"x")).unwrap(), PKI.sender.key.sign(&sha256(b"x")).unwrap());
}

#[test]
fn pkcs8_in_every_wrapping() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("k.pem"), &PKI.sender.key_pem).unwrap();
    let certificates = format!("{}{}", PKI.sender.chain_pem, PKI.sender.cert.to_pem());
    let read = |name: &str, passphrase: Option<&str>| {
        SoftKey::from_file(&std::fs::read(dir.join(name)).unwrap(), passphrase, Some(certificates.as_bytes()))
    };
    works(&read("k.pem", None).unwrap());
    assert_eq!(read("k.pem", None).unwrap().chain(), std::slice::from_ref(&PKI.xca.cert));
    openssl(dir, "pkcs8 -topk8 -nocrypt -in k.pem -outform DER -out plain.der");
    works(&read("plain.der", None).unwrap());
    openssl(dir, "rsa -in k.pem -traditional -out pkcs1.pem");
    works(&read("pkcs1.pem", None).unwrap());
    for (n, options) in
        ["-v2 aes-256-cbc", "-v2 aes-128-cbc -v2prf hmacWithSHA512", "-v2 des3 -v2prf hmacWithSHA1"]
            .into_iter()
            .enumerate()
    {
        let args = format!("pkcs8 -topk8 -in k.pem {options} -passout pass:geheim -out e{n}.pem");
        openssl(dir, &args);
        works(&read(&format!("e{n}.pem"), Some("geheim")).unwrap());
        assert_eq!(label(read(&format!("e{n}.pem"), None)), "key-passphrase-needed");
        let wrong = read(&format!("e{n}.pem"), Some("wrong"));
        // One wrong passphrase in 256 gives right padding by chance; then the key does not parse.
        assert!(matches!(label(wrong), "key-passphrase-wrong" | "key-file-unreadable"));
    }
    openssl(dir, "pkcs8 -topk8 -in k.pem -passout pass:geheim -outform DER -out e.der");
    works(&read("e.der", Some("geheim")).unwrap());
    // DER certificate; key and certificates in one file.
    let key = PKI.sender.key_pem.as_bytes();
    works(&SoftKey::from_pkcs8(key, None, PKI.sender.cert.der()).unwrap());
    works(
        &SoftKey::from_file(format!("{}{certificates}", PKI.sender.key_pem).as_bytes(), None, None).unwrap(),
    );
}

#[test]
fn pkcs12_of_today_and_of_old() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("k.pem"), &PKI.sender.key_pem).unwrap();
    std::fs::write(dir.join("c.pem"), PKI.sender.cert.to_pem()).unwrap();
    std::fs::write(dir.join("ca.pem"), PKI.xca.cert.to_pem()).unwrap();
    let read = |passphrase: Option<&str>| {
        SoftKey::from_file(&std::fs::read(dir.join("k.p12")).unwrap(), passphrase, None)
    };
    for options in [
        "",
        " -certpbe AES-128-CBC -keypbe AES-256-CBC -macalg sha512",
        " -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1",
        " -certpbe NONE -keypbe NONE",
        " -nomac",
        " -legacy",
    ] {
        let args = format!(
            "pkcs12 -export -inkey k.pem -in c.pem -certfile ca.pem -passout pass:密碼1 -out k.p12{options}"
        );
        openssl(dir, &args);
        let key = read(Some("密碼1")).unwrap_or_else(|e| panic!("{options}: {e}"));
        works(&key);
        assert_eq!(key.chain(), std::slice::from_ref(&PKI.xca.cert));
        assert_eq!(label(read(None)), "key-passphrase-needed");
        if !options.contains("nomac") {
            assert_eq!(label(read(Some("falsch"))), "key-passphrase-wrong", "{options}");
        }
    }
    let whole = std::fs::read(dir.join("k.p12")).unwrap();
    for length in (0..whole.len()).step_by(37) {
        assert!(SoftKey::from_pkcs12(&whole[..length], "密碼1").is_err());
    }
}

#[test]
fn what_does_not_fit_is_our_fault_and_says_why() {
    let key = PKI.sender.key_pem.as_bytes();
    let other = SoftKey::from_pkcs8(key, None, PKI.receiver.cert.der()).unwrap_err();
    assert_eq!(
        (other.label(), other.fault(), other.class()),
        ("key-mismatch", Fault::Ours, Class::Permanent)
    );
    assert_eq!(label(SoftKey::from_pkcs8(b"", None, PKI.sender.cert.der())), "key-file-unreadable");
    assert_eq!(
        label(SoftKey::from_pkcs8(PKI.sender.cert.to_pem().as_bytes(), None, PKI.sender.cert.der())),
        "key-file-unreadable"
    );
    let twice = PKI.sender.key_pem.repeat(2);
    assert_eq!(
        label(SoftKey::from_pkcs8(twice.as_bytes(), None, PKI.sender.cert.der())),
        "key-file-unreadable"
    );
    let ec = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n";
    assert_eq!(label(SoftKey::from_pkcs8(ec.as_bytes(), None, PKI.sender.cert.der())), "key-file-unreadable");
    assert!(SoftKey::from_pkcs8(&PKI.sender.pkcs8, None, PKI.sender.cert.der()).is_ok());
    let debug = format!("{:?}", PKI.sender.key);
    assert!(debug.contains("測試協會") && !debug.contains("pair"), "{debug}");
    for scheme in [WrapScheme::Pkcs1, WrapScheme::OaepSha256] {
        for wrapped in [&[0; 256][..], &[1; 255], &[]] {
            let error = PKI.sender_enc.key.unwrap(scheme, wrapped).unwrap_err();
            assert_eq!(error.kind(), envelope::key::KeyErrorKind::Refused);
        }
    }
}

#[test]
fn labels_are_all_listed_once() {
    let mut labels: Vec<_> = envelope::LABELS.iter().map(|(label, _)| *label).collect();
    let count = labels.len();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), count);
    assert!(
        labels.iter().all(|l| l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
    );
}
