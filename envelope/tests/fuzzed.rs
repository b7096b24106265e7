//! The fuzz targets of this crate on stable Rust: the kept corpus, and damaged copies of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "tests"
)]

#[path = "all/common.rs"]
mod common;
#[path = "../../fuzz/targets/drive.rs"]
mod drive;
#[path = "../../fuzz/targets/envelope.rs"]
mod targets;

use std::fs;
use std::io::Cursor;

use common::{AT, PKI};
use envelope::container::{Addressee, Draft, Exchange, Role, UnitFile, measure};
use envelope::receipt::{ReceiptLine, Verdict, make_center, make_receiver};
use envelope::{directory, key::WrapScheme, login, oid, sealed, sha256, signed};

fn kept(name: &str) -> Vec<Vec<u8>> {
    let seeds = drive::files(&[drive::folder().join("kept").join(name)]);
    assert!(!seeds.is_empty());
    seeds
}

#[test]
fn envelope() {
    drive::run(targets::envelope, &kept("envelope"), &[]);
}

#[test]
fn container() {
    drive::run(targets::container, &kept("container"), &[]);
}

/// Everything in the kept corpus verifies: so what is derived from it goes deep.
#[test]
fn the_kept_corpus_is_good() {
    let [root, center, registrar] = ["root", "center", "registrar"].map(|name| {
        let der = fs::read(drive::folder().join(format!("kept/pki/{name}.der"))).unwrap();
        envelope::trust::Anchors::new(vec![envelope::Certificate::from_der(&der).unwrap()])
    });
    let read = |name: &str| fs::read(drive::folder().join("kept").join(name)).unwrap();
    let rest = |name: &str| read(&format!("envelope/{name}"))[1..].to_vec();
    login::verify(&rest("login"), "CENTER", &root, AT).unwrap();
    directory::verify_entry(&rest("entry"), &root, AT).unwrap();
    directory::verify(&rest("registration"), &registrar, &root, AT).unwrap();
    signed::check_detached(&rest("detached"), oid::LOGIN, &sha256(b"content")).unwrap();
    let receipt = |name: &str| envelope::receipt::Receipt::from_der(&rest(name)).unwrap();
    receipt("center-receipt")
        .verify_pinned(envelope::receipt::Kind::Center, &center.certificates()[0], AT)
        .unwrap();
    receipt("receiver-receipt").verify(envelope::receipt::Kind::Receiver, &root, AT).unwrap();
    let limits = envelope::container::Limits::default();
    envelope::container::verify(&mut Cursor::new(read("container/unit")), &root, AT, &limits).unwrap();
}

/// Writes `fuzz/kept/{pki,envelope,container}` anew, under new keys which are then forgotten.
#[test]
#[ignore = "writes the kept corpus: cargo test -p envelope --test fuzzed -- --ignored"]
fn write_the_kept_corpus() {
    let folder = drive::folder().join("kept");
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for (name, certificate) in [
        ("root", &PKI.root),
        ("center", &PKI.center.cert),
        ("registrar", &PKI.registrar.cert),
        ("receiver", &PKI.receiver_enc.cert),
    ] {
        put(&format!("pki/{name}.der"), certificate.der());
    }
    let put_envelope = |what: u8, name: &str, bytes: &[u8]| {
        put(&format!("envelope/{name}"), &[&[what], bytes].concat());
    };
    let statement = login::Statement {
        member: "XC00000001".into(),
        center: "CENTER".into(),
        session_key: [4; 65],
        not_before: AT,
        not_after: AT + 3_600_000,
    };
    let logged = login::make(&statement, &PKI.sender.key, AT).unwrap();
    put_envelope(0, "attached", &logged);
    put_envelope(5, "login", &logged);
    put_envelope(
        1,
        "detached",
        &signed::sign_detached(&PKI.sender.key, oid::LOGIN, &sha256(b"content"), AT).unwrap(),
    );
    let line = |recipient: &str, verdict, archived| ReceiptLine {
        center: "CENTER".into(),
        document: [7; 16],
        round: 0,
        sender: "XA00000001".into(),
        recipient: recipient.into(),
        manifest: [1; 32],
        signature: [2; 32],
        sealed: [3; 32],
        verdict,
        label: String::new(),
        arrived: AT + 5,
        archived,
    };
    let accepted = ["XA00000002", "XA00000003"].map(|code| line(code, Verdict::Accepted, None));
    put_envelope(2, "center-receipt", &make_center(&accepted, &PKI.center.key, AT).unwrap().to_der());
    let confirmed = [line("XA00000002", Verdict::Confirmed, Some(AT + 9))];
    for (_, receipt) in make_receiver(&confirmed, &PKI.receiver.key, AT).unwrap() {
        put_envelope(2, "receiver-receipt", &receipt.to_der());
    }
    let entry = directory::Entry {
        code: "XA00000001",
        name: "社團法人測試協會",
        enc: &PKI.sender_enc.cert,
        enc_chain: &envelope::SigningKey::chain(&PKI.sender_enc.key),
        oaep: true,
        number: 1,
    };
    let entry = directory::make(&entry, &PKI.sender.key, AT).unwrap();
    put_envelope(3, "entry", &entry);
    put_envelope(4, "registration", &directory::countersign(&entry, &PKI.registrar.key, AT).unwrap());
    let plain = b"plain text in a sealed message";
    let recipient = sealed::Recipient { certificate: PKI.receiver_enc.cert.clone(), oaep: true };
    let mut out = Vec::new();
    sealed::seal(&plain[..], plain.len() as u64, &[recipient], &mut out).unwrap();
    put_envelope(6, "sealed", &out);
    let spy = Spy::default();
    sealed::open(&out[..], out.len() as u64, &[&spy], &mut Vec::new()).unwrap();
    put("pki/content.key", &spy.0.lock().unwrap());
    put_envelope(7, "certificate", PKI.sender.cert.der());
    put_envelope(7, "anchors", PKI.root.to_pem().as_bytes());

    let unit = [
        ("1150000001.di", Role::Di, &b"<di/>"[..]),
        ("1150000001.sw", Role::Sw, b"<sw/>"),
        ("附件一.txt", Role::Attachment, b"text"),
    ];
    let files: Vec<UnitFile> = unit
        .iter()
        .map(|(name, role, bytes)| {
            let m = measure(*bytes).unwrap();
            UnitFile { name: (*name).into(), role: *role, size: m.size, sha256: m.sha256, crc32: m.crc32 }
        })
        .collect();
    let exchange = Exchange {
        document: *b"0123456789abcdef",
        kind: "函".into(),
        subject: "主旨".into(),
        created: AT + 123,
        sender: "XA00000001".into(),
        recipients: vec![Addressee { code: "XA00000002".into(), attachments: true }],
        withheld: 0,
    };
    let signed = Draft::new(&exchange, &files).unwrap().sign(&PKI.sender.key, AT).unwrap();
    let mut out = Vec::new();
    signed
        .write(&mut out, |file| {
            Ok(Cursor::new(unit.iter().find(|(name, ..)| *name == file.name).unwrap().2.to_vec()))
        })
        .unwrap();
    put("container/unit", &out);
}

/// The receiver's key, which tells what it unwrapped.
#[derive(Default)]
struct Spy(std::sync::Mutex<Vec<u8>>);

impl envelope::UnwrapKey for Spy {
    fn certificate(&self) -> Result<envelope::Certificate, envelope::KeyError> {
        PKI.receiver_enc.key.certificate()
    }

    fn unwrap(
        &self,
        scheme: WrapScheme,
        wrapped: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, envelope::KeyError> {
        let key = PKI.receiver_enc.key.unwrap(scheme, wrapped)?;
        self.0.lock().unwrap().clone_from(&key);
        Ok(key)
    }
}
