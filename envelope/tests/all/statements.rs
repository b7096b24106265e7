//! Login statements and directory entries.

use crate::common::{AT, DAY, PKI, Party, label};
use envelope::key::{Certificate, SigningKey};
use envelope::login::{self, Statement};
use envelope::trust::Anchors;
use envelope::{directory, oid, receipt, signed};

fn statement() -> Statement {
    Statement {
        member: "XA00000001".into(),
        center: "CENTER".into(),
        session_key: [4; 65],
        not_before: AT,
        not_after: AT + login::MAX_LIFETIME,
    }
}

#[test]
fn a_login_is_for_one_center_and_one_half_day() {
    let der = login::make(&statement(), &PKI.sender.key, AT).unwrap();
    let verify = |der: &[u8], center, at| label(login::verify(der, center, &PKI.anchors, at));
    let verified = login::verify(&der, "CENTER", &PKI.anchors, AT + 1).unwrap();
    assert_eq!((verified.statement, verified.signer), (statement(), PKI.sender.cert.clone()));
    assert_eq!(verified.chain.len(), 3);
    assert_eq!(verify(&der, "OTHER", AT), "login-refused");
    assert_eq!(verify(&der, "CENTER", AT + login::MAX_LIFETIME), "ok");
    assert_eq!(verify(&der, "CENTER", AT + login::MAX_LIFETIME + 1), "login-refused");
    assert_eq!(verify(&der, "CENTER", AT - 5 * 60_000), "ok", "clocks differ");
    assert_eq!(verify(&der, "CENTER", AT - 5 * 60_000 - 1), "login-refused");
    for end in [AT + login::MAX_LIFETIME + 1_000, AT, AT - 1_000] {
        let long = login::make(&Statement { not_after: end, ..statement() }, &PKI.sender.key, AT).unwrap();
        assert_eq!(verify(&long, "CENTER", AT), "login-refused");
    }
    let by_stranger = login::make(&statement(), &PKI.stranger.key, AT).unwrap();
    assert_eq!(verify(&by_stranger, "CENTER", AT), "untrusted");
    assert_eq!(verify(&[&der[..], &[0]].concat(), "CENTER", AT), "not-der");
    // Another signed thing of the same key is no login, and a login is nothing else.
    let entry = entry(&PKI.sender, &PKI.sender_enc, 1);
    assert_eq!(verify(&entry, "CENTER", AT), "wrong-content-type");
    assert_eq!(label(directory::verify_entry(&der, &PKI.anchors, AT)), "wrong-content-type");
    // Well signed, but not a statement.
    for content in [&b""[..], &[0x30, 0], &[0x30, 3, 2, 1, 9]] {
        let odd = signed::sign_attached(&PKI.sender.key, oid::LOGIN, content, &[], AT).unwrap();
        assert!(login::verify(&odd, "CENTER", &PKI.anchors, AT).is_err());
    }
}

fn entry(sign: &Party, enc: &Party, number: u64) -> Vec<u8> {
    let entry = directory::Entry {
        code: "XA00000001",
        name: "社團法人測試協會",
        enc: &enc.cert,
        enc_chain: &enc.key.chain(),
        oaep: true,
        number,
    };
    directory::make(&entry, &sign.key, AT).unwrap()
}

fn registrars() -> Anchors {
    Anchors::new(vec![PKI.registrar.cert.clone()])
}

#[test]
fn a_registration_says_whose_keys_are_whose() {
    let inner = entry(&PKI.sender, &PKI.sender_enc, 7);
    directory::verify_entry(&inner, &PKI.anchors, AT).unwrap();
    let outer = directory::countersign(&inner, &PKI.registrar.key, AT).unwrap();
    let e = directory::verify(&outer, &registrars(), &PKI.anchors, AT).unwrap();
    assert_eq!(
        (e.code.as_str(), e.name.as_str(), e.number, e.oaep),
        ("XA00000001", "社團法人測試協會", 7, true)
    );
    assert_eq!(e.organisation_oid.as_deref(), Some("2.16.886.101.1"));
    assert_eq!((e.sign, e.enc), (PKI.sender.cert.clone(), PKI.sender_enc.cert.clone()));
    assert!(e.chain.contains(&PKI.xca.cert));
    // An organisation without an OID is known by its whole subject.
    let plain = entry(&PKI.center, &PKI.center, 1);
    assert_eq!(label(directory::verify_entry(&plain, &PKI.anchors, AT)), "wrong-usage");
}

#[test]
fn a_substituted_entry_is_refused() {
    let verify = |outer: &[u8]| label(directory::verify(outer, &registrars(), &PKI.anchors, AT));
    // A registrar who looks at nothing.
    let registered =
        |inner: &[u8]| signed::sign_attached(&PKI.registrar.key, oid::REGISTRATION, inner, &[], AT).unwrap();
    let inner = entry(&PKI.sender, &PKI.sender_enc, 7);
    // The center's own key instead of the registrar's; a member's own entry without a registrar.
    assert_eq!(verify(&directory::countersign(&inner, &PKI.center.key, AT).unwrap()), "untrusted");
    assert_eq!(verify(&inner), "wrong-content-type");
    // The registrar's file holds its CA too, as such files do: under that CA every member could countersign.
    let mut file = vec![PKI.registrar.cert.clone()];
    file.extend(SigningKey::chain(&PKI.registrar.key));
    let by_member = directory::countersign(&inner, &PKI.sender.key, AT).unwrap();
    assert_eq!(label(directory::verify(&by_member, &Anchors::new(file), &PKI.anchors, AT)), "untrusted");
    // A key of somebody else's in the recipient's place: only with the member's own signature, which it has not.
    let other_key = registered(&entry(&PKI.sender, &PKI.receiver_enc, 7));
    assert_eq!(verify(&other_key), "entry-contradiction");
    let by_other = registered(&entry(&PKI.stranger, &PKI.sender_enc, 7));
    assert_eq!(verify(&by_other), "untrusted");
    let wrong_use = registered(&entry(&PKI.sender, &PKI.sender, 7));
    assert_eq!(verify(&wrong_use), "wrong-usage");
    // The encryption certificate taken out of the set, or out of time.
    let checked = signed::check_attached(&inner, oid::DIRECTORY_ENTRY, 1 << 20).unwrap();
    let without =
        signed::sign_attached(&PKI.sender.key, oid::DIRECTORY_ENTRY, &checked.content, &[], AT).unwrap();
    assert_eq!(label(directory::verify_entry(&without, &PKI.anchors, AT)), "entry-contradiction");
    let outer = directory::countersign(&inner, &PKI.registrar.key, AT).unwrap();
    let late = directory::verify(&outer, &registrars(), &PKI.anchors, AT + 6 * 365 * DAY);
    assert_eq!(label(late), "certificate-expired");
    let careful = directory::countersign(&entry(&PKI.sender, &PKI.receiver_enc, 7), &PKI.registrar.key, AT);
    assert_eq!(label(careful), "entry-contradiction");
    assert!(directory::countersign(b"no entry", &PKI.registrar.key, AT).is_err());
    for position in 0..outer.len() {
        let mut bytes = outer.clone();
        bytes[position] ^= 1 << (position % 8);
        // A CA certificate that nothing needs may be broken; what is said may not.
        if let Ok(e) = directory::verify(&bytes, &registrars(), &PKI.anchors, AT) {
            assert_eq!((e.code.as_str(), e.number), ("XA00000001", 7), "byte {position}");
            assert_eq!((&e.sign, &e.enc), (&PKI.sender.cert, &PKI.sender_enc.cert), "byte {position}");
        }
    }
}

#[test]
fn a_card_that_answers_wrongly_is_found_out_before_anything_leaves() {
    /// The sender's certificate with another key behind it.
    struct Swapped;
    impl SigningKey for Swapped {
        fn certificate(&self) -> Result<Certificate, envelope::KeyError> {
            Ok(PKI.sender.cert.clone())
        }
        fn chain(&self) -> Vec<Certificate> {
            vec![]
        }
        fn sign(&self, digest: &envelope::Digest) -> Result<Vec<u8>, envelope::KeyError> {
            PKI.receiver.key.sign(digest)
        }
    }
    assert_eq!(label(login::make(&statement(), &Swapped, AT)), "key-broken");
    assert_eq!(label(receipt::make_center(&[crate::receipt::line("a", "b")], &Swapped, AT)), "key-broken");
}
