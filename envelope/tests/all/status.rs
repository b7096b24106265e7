//! CRLs and OCSP answers made by openssl; and what an attacker would make of them.

use crate::authority::Authority;
use crate::common::{DAY, label, run};
use envelope::crl::{self, Crl};
use envelope::key::Certificate;
use envelope::status::{Kind, Status, judge};
use envelope::trust::{Anchors, Purpose, chain};
use envelope::{Error, ocsp};
use std::path::Path;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Root, two generations of one authority, and their certificates.
struct Pki {
    _dir: tempfile::TempDir,
    root: Authority,
    old: Authority,
    new: Authority,
    good: Certificate,
    revoked: Certificate,
    held: Certificate,
    other_part: Certificate,
    responder: Certificate,
    /// Of the older generation, revoked there.
    before: Certificate,
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let root = Authority::root(&dir.path().join("root"));
    let old = root.below(&dir.path().join("old"));
    let new = root.below(&dir.path().join("new"));
    let good = new.issue("good", "v3_sign");
    let revoked = new.issue("revoked", "v3_sign");
    let held = new.issue("held", "v3_sign");
    let other_part = new.issue("other-part", "v3_other_part");
    let responder = new.issue("responder", "v3_ocsp");
    let before = old.issue("before", "v3_sign");
    new.revoke("revoked", "keyCompromise");
    new.revoke("held", "certificateHold");
    old.revoke("before", "superseded");
    Pki { _dir: dir, root, old, new, good, revoked, held, other_part, responder, before }
});

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

const LIMIT: u64 = 20 * 1024 * 1024;

fn read(der: &[u8], issuers: &[&Authority], wanted: &[&Certificate]) -> Result<Crl, Error> {
    let issuers: Vec<Certificate> = issuers.iter().map(|a| a.cert.clone()).collect();
    crl::read(der, LIMIT, &issuers, wanted.iter().map(|c| c.serial()))
}

fn status(list: &Crl, certificate: &Certificate) -> Status {
    list.finding(certificate).unwrap().status
}

#[test]
fn addresses_of_a_certificate() {
    let points = PKI.good.crl_points();
    let uris: Vec<&str> = points.iter().flat_map(|p| &p.uris).map(String::as_str).collect();
    assert_eq!(uris, ["http://crl.example/part-1.crl", "http://crl.example/complete.crl"]);
    assert_eq!(PKI.good.ocsp_responders(), ["http://crl.example/ocsp"]);
    assert!(PKI.good.names_status() && !PKI.root.cert.names_status());
    assert!(PKI.new.cert.is_ca() && !PKI.good.is_ca());
    assert!(PKI.new.cert.key_usage().unwrap().crl_sign);
}

#[test]
fn a_list_says_who_is_revoked_and_who_is_on_hold() {
    let before = now();
    let der = PKI.new.crl("crl_plain", "");
    let list = read(&der, &[&PKI.new], &[&PKI.good, &PKI.revoked, &PKI.held]).unwrap();
    assert_eq!(list.entries, 2);
    assert_eq!(list.length, der.len() as u64);
    assert_eq!(list.sha256, envelope::sha256(&der));
    assert!(list.this_update >= before - 60_000 && list.next_update - list.this_update == 2 * DAY);
    assert!(list.number.is_some());
    assert_eq!(status(&list, &PKI.good), Status::Good);
    let Status::Revoked { at, reason: 1 } = status(&list, &PKI.revoked) else { panic!("keyCompromise") };
    let Status::Held { since } = status(&list, &PKI.held) else { panic!("certificateHold") };
    // What happened before the revocation stands.
    for (certificate, since, expected) in
        [(&PKI.revoked, at, "certificate-revoked"), (&PKI.held, since, "certificate-held")]
    {
        let found = status(&list, certificate);
        assert_eq!(label(judge(certificate, found, since - 1)), "ok");
        assert_eq!(label(judge(certificate, found, since)), expected);
    }
    assert_eq!(label(judge(&PKI.good, Status::Good, at)), "ok");
    assert_eq!(label(judge(&PKI.good, Status::Unknown, at)), "revocation-unknown");
    // Nobody asked about it: no answer, rather than "good".
    assert_eq!(label(list.finding(&PKI.other_part)), "crl-out-of-scope");
}

#[test]
fn hold_may_end_and_revocation_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::root(&dir.path().join("ca"));
    let leaf = ca.issue("leaf", "v3_sign");
    ca.revoke("leaf", "certificateHold");
    let list = read(&ca.crl("crl_plain", ""), &[&ca], &[&leaf]).unwrap();
    assert!(matches!(status(&list, &leaf), Status::Held { .. }));
    // 復用: the authority takes it off the list.
    let path = ca.dir.join("index.txt");
    let index = std::fs::read_to_string(&path).unwrap();
    let good = index.lines().map(|line| {
        let mut fields: Vec<&str> = line.split('\t').collect();
        (fields[0], fields[2]) = ("V", "");
        fields.join("\t") + "\n"
    });
    std::fs::write(&path, good.collect::<String>()).unwrap();
    let later = read(&ca.crl("crl_plain", ""), &[&ca], &[&leaf]).unwrap();
    assert_eq!(status(&later, &leaf), Status::Good);
    later.follows(list.number.as_deref(), list.this_update).unwrap();
    assert_eq!(label(list.follows(later.number.as_deref(), list.this_update)), "crl-set-back");
    // removeFromCRL has no place in a whole list: not good.
    ca.revoke("leaf", "removeFromCRL");
    let odd = read(&ca.crl("crl_plain", ""), &[&ca], &[&leaf]).unwrap();
    assert!(matches!(status(&odd, &leaf), Status::Held { .. }));
}

#[test]
fn a_partition_speaks_for_its_own_certificates_only() {
    let part = read(&PKI.new.crl("crl_part", ""), &[&PKI.new], &[&PKI.good, &PKI.other_part, &PKI.new.cert])
        .unwrap();
    assert_eq!(status(&part, &PKI.good), Status::Good);
    assert_eq!(label(part.finding(&PKI.other_part)), "crl-out-of-scope");
    let complete = read(&PKI.new.crl("crl_plain", ""), &[&PKI.new], &[&PKI.other_part]).unwrap();
    assert_eq!(status(&complete, &PKI.other_part), Status::Good);
    assert_ne!(part.scope_digest(), complete.scope_digest());
    // Users' certificates are not in a list of authorities' certificates, nor the other way round.
    let cas = read(&PKI.new.crl("crl_cas", ""), &[&PKI.new], &[&PKI.good]).unwrap();
    assert_eq!(label(cas.finding(&PKI.good)), "crl-out-of-scope");
    let of_root = PKI.root.crl("crl_cas", "");
    let of_root = read(&of_root, &[&PKI.root], &[&PKI.new.cert]).unwrap();
    assert_eq!(status(&of_root, &PKI.new.cert), Status::Good);
    let users = read(&PKI.root.crl("crl_part", ""), &[&PKI.root], &[&PKI.new.cert]).unwrap();
    assert_eq!(label(users.finding(&PKI.new.cert)), "crl-out-of-scope");
    let attributes = read(&PKI.new.crl("crl_attributes", ""), &[&PKI.new], &[&PKI.good]).unwrap();
    assert_eq!(label(attributes.finding(&PKI.good)), "crl-out-of-scope");
}

#[test]
fn other_kinds_of_lists_are_refused_by_name() {
    for (section, expected) in [
        ("crl_delta", "crl-delta"),
        ("crl_indirect", "crl-indirect"),
        ("crl_unknown", "crl-unknown-critical"),
        ("crl_reasons", "crl-out-of-scope"),
    ] {
        assert_eq!(label(read(&PKI.new.crl(section, ""), &[&PKI.new], &[&PKI.good])), expected);
    }
    let sha1 = PKI.new.crl("crl_plain", "-md sha1");
    assert_eq!(label(read(&sha1, &[&PKI.new], &[&PKI.good])), "weak-key");
    for md in ["sha384", "sha512"] {
        let list = PKI.new.crl("crl_plain", &format!("-md {md}"));
        assert_eq!(label(read(&list, &[&PKI.new], &[&PKI.good])), "ok", "{md}");
    }
}

#[test]
fn generations_with_one_name_do_not_speak_for_each_other() {
    assert_eq!(PKI.old.cert.subject_der(), PKI.new.cert.subject_der());
    // Chains: by key identifier, through the right one of two with the same name.
    let anchors = Anchors::new(vec![PKI.root.cert.clone()]);
    let both = [PKI.old.cert.clone(), PKI.new.cert.clone()];
    for (leaf, ca) in [(&PKI.good, &PKI.new), (&PKI.before, &PKI.old)] {
        let path = chain(leaf, &both, &anchors, Purpose::Sign, now()).unwrap();
        assert_eq!(path, [leaf.clone(), ca.cert.clone(), PKI.root.cert.clone()]);
    }
    for section in ["crl_plain", "crl_no_aki"] {
        let der = PKI.old.crl(section, "");
        // The older generation's list, with both at hand: its own signer is found, whatever the order.
        for issuers in [[&PKI.old, &PKI.new], [&PKI.new, &PKI.old]] {
            let list = read(&der, &issuers, &[&PKI.before]).unwrap();
            assert_eq!(list.signer, PKI.old.cert);
            assert!(matches!(status(&list, &PKI.before), Status::Revoked { reason: 4, .. }));
        }
        let alone = label(read(&der, &[&PKI.new], &[&PKI.before]));
        // Without a key identifier only the signature tells.
        assert_eq!(alone, if section == "crl_plain" { "crl-wrong-issuer" } else { "crl-signature-invalid" });
    }
    assert_eq!(label(read(&PKI.old.crl("crl_plain", ""), &[&PKI.root], &[&PKI.before])), "crl-wrong-issuer");
}

#[test]
fn nothing_but_the_whole_signed_list_is_believed() {
    let der = PKI.new.crl("crl_part", "");
    let wanted = [&PKI.revoked];
    for cut in 0..der.len() {
        assert_eq!(label(read(&der[..cut], &[&PKI.new], &wanted)), "crl-malformed", "cut at {cut}");
    }
    let mut longer = der.clone();
    longer.push(b'\n');
    assert_eq!(label(read(&longer, &[&PKI.new], &wanted)), "crl-malformed");
    for at in 0..der.len() {
        let mut bent = der.clone();
        bent[at] ^= 1;
        assert!(read(&bent, &[&PKI.new], &wanted).is_err(), "byte {at} bent");
    }
    for garbage in
        [&b""[..], b"<html>not found</html>", b"-----BEGIN X509 CRL-----\n", &[0x30, 0x80], &[0x30; 5_000]]
    {
        assert!(read(garbage, &[&PKI.new], &wanted).is_err());
    }
    // Says that it is as long as everything: refused before anything is allocated for it.
    let mut huge = vec![0x30, 0x86, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(label(read(&huge, &[&PKI.new], &wanted)), "crl-too-large");
    huge[1] = 0x84;
    assert_eq!(label(read(&huge[..6], &[&PKI.new], &wanted)), "crl-too-large");
    let small = crl::read(der.as_slice(), 100, std::slice::from_ref(&PKI.new.cert), [PKI.good.serial()]);
    assert_eq!(label(small), "crl-too-large");
}

#[test]
fn dates_are_compared_with_the_caller_s_clock() {
    let list = read(&PKI.new.crl("crl_plain", ""), &[&PKI.new], &[&PKI.good]).unwrap();
    let (this, next) = (list.this_update, list.next_update);
    for (at, expected) in [
        (this, "ok"),
        (this - 5 * 60_000, "ok"),
        (this - 5 * 60_000 - 1, "crl-from-future"),
        (next + DAY, "ok"),
        (next + DAY + 1, "crl-stale"),
    ] {
        assert_eq!(label(list.timely(at, DAY)), expected, "{at}");
    }
    assert_eq!(label(list.follows(None, this)), "ok");
    assert_eq!(label(list.follows(None, this + 1)), "crl-set-back");
    let number = list.number.clone().unwrap();
    assert_eq!(label(list.follows(Some(&number), this)), "ok");
    assert_eq!(label(list.follows(Some(&[&[1], number.as_slice()].concat()), this)), "crl-set-back");
}

#[test]
fn a_hundred_thousand_entries() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::root(&dir.path().join("ca"));
    let (good, revoked) = (ca.issue("good", "v3_sign"), ca.issue("revoked", "v3_sign"));
    ca.revoke("revoked", "cessationOfOperation");
    ca.fill(100_000);
    let der = ca.crl("crl_plain", "");
    if let Ok(to) = std::env::var("DI_KEEP_CRL") {
        // For `cargo run --release -p envelope --example crl-cost`.
        std::fs::write(Path::new(&to).join("big.crl"), &der).unwrap();
        std::fs::write(Path::new(&to).join("ca.pem"), ca.cert.to_pem()).unwrap();
    }
    let list = read(&der, &[&ca], &[&good, &revoked]).unwrap();
    assert_eq!(list.entries, 100_001);
    assert_eq!(status(&list, &good), Status::Good);
    assert!(matches!(status(&list, &revoked), Status::Revoked { reason: 5, .. }));
}

fn question(certificate: &Certificate, nonce: Option<&[u8]>) -> Vec<u8> {
    ocsp::request(certificate, &PKI.new.cert, nonce)
}

fn answer(der: &[u8], certificate: &Certificate, nonce: Option<&[u8]>) -> Result<Status, Error> {
    ocsp::read(der, certificate, &PKI.new.cert, nonce).map(|finding| {
        assert_eq!((finding.kind, finding.answer), (Kind::Ocsp, envelope::sha256(der)));
        finding.status
    })
}

#[test]
fn responders_answer_good_revoked_held_and_unknown() {
    let nonce = [7; 16];
    for signer in ["ca", "responder"] {
        let ask = |certificate: &Certificate| {
            let der = PKI.new.ocsp(&question(certificate, Some(&nonce)), signer, "-ndays 1");
            answer(&der, certificate, Some(&nonce)).unwrap()
        };
        assert_eq!(ask(&PKI.good), Status::Good);
        assert!(matches!(ask(&PKI.revoked), Status::Revoked { reason: 1, .. }), "{signer}");
        assert!(matches!(ask(&PKI.held), Status::Held { .. }));
    }
    // A responder that has no record of it.
    let asked = question(&PKI.good, None);
    std::fs::write(PKI.new.dir.join("nothing.txt"), "").unwrap();
    let der = PKI.new.ocsp(&asked, "ca", "-index nothing.txt");
    assert_eq!(answer(&der, &PKI.good, None).unwrap(), Status::Unknown);
    // By key, and without nextUpdate: for as long as the caller's grace.
    let der = PKI.new.ocsp(&question(&PKI.good, None), "responder", "-resp_key_id");
    let finding = ocsp::read(&der, &PKI.good, &PKI.new.cert, None).unwrap();
    assert_eq!(finding.next_update, finding.this_update);
    let at = finding.this_update;
    assert_eq!(label(ocsp::timely(&finding, at + DAY, DAY)), "ok");
    assert_eq!(label(ocsp::timely(&finding, at + DAY + 1, DAY)), "crl-stale");
    assert_eq!(label(ocsp::timely(&finding, at - DAY, DAY)), "crl-from-future");
}

#[test]
fn openssl_reads_our_question_and_asks_its_own_by_sha256() {
    std::fs::write(PKI.new.dir.join("ours.der"), question(&PKI.good, Some(&[9; 32]))).unwrap();
    let shown =
        run("openssl", &PKI.new.dir, &"ocsp -reqin ours.der -req_text".split(' ').collect::<Vec<_>>());
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("Serial Number") && shown.contains("OCSP Nonce"), "{shown}");
    let ask = "ocsp -sha256 -issuer ca.pem -cert good.pem -no_nonce -reqout theirs.der";
    run("openssl", &PKI.new.dir, &ask.split(' ').collect::<Vec<_>>());
    let request = std::fs::read(PKI.new.dir.join("theirs.der")).unwrap();
    let der = PKI.new.ocsp(&request, "responder", "");
    assert_eq!(answer(&der, &PKI.good, None).unwrap(), Status::Good);
}

#[test]
fn answers_of_the_wrong_kind_are_refused_by_name() {
    let request = question(&PKI.good, Some(&[1; 16]));
    let der = PKI.new.ocsp(&request, "responder", "-ndays 1");
    // Another nonce: an old answer that is played again. Another certificate.
    assert_eq!(label(answer(&der, &PKI.good, Some(&[2; 16]))), "ocsp-other-question");
    assert_eq!(label(answer(&der, &PKI.revoked, Some(&[1; 16]))), "ocsp-other-question");
    // A certificate of the same authority that may not answer; the other generation's; another authority's responder.
    let der = PKI.new.ocsp(&request, "good", "");
    assert_eq!(label(answer(&der, &PKI.good, None)), "ocsp-wrong-signer");
    let der = PKI.old.ocsp(&request, "ca", "");
    assert_ne!(label(answer(&der, &PKI.good, None)), "ok");
    let stranger = PKI.old.issue("stranger", "v3_ocsp");
    assert_ne!(stranger, PKI.responder);
    let dir = &PKI.new.dir;
    for ending in ["pem", "key"] {
        std::fs::copy(PKI.old.dir.join(format!("stranger.{ending}")), dir.join(format!("stranger.{ending}")))
            .unwrap();
    }
    let der = PKI.new.ocsp(&request, "stranger", "");
    assert_eq!(label(answer(&der, &PKI.good, None)), "ocsp-wrong-signer");
    // tryLater (RFC 6960 §4.2.1).
    assert_eq!(label(answer(&[0x30, 3, 0x0a, 1, 3], &PKI.good, None)), "ocsp-refused");
    assert_eq!(label(answer(&vec![0; 200_000], &PKI.good, None)), "crl-too-large");
    for garbage in [&b""[..], b"<html>", &[0x30, 0x80], &[0x30, 3, 0x0a, 1, 0]] {
        assert_eq!(label(answer(garbage, &PKI.good, None)), "ocsp-malformed");
    }
}

#[test]
fn a_bent_ocsp_answer_never_says_good() {
    let der = PKI.new.ocsp(&question(&PKI.revoked, None), "responder", "-ndays 1");
    assert!(matches!(answer(&der, &PKI.revoked, None), Ok(Status::Revoked { .. })));
    for at in 0..der.len() {
        let mut bent = der.clone();
        bent[at] ^= 1;
        assert!(!matches!(answer(&bent, &PKI.revoked, None), Ok(Status::Good)), "byte {at} bent");
        assert!(answer(&der[..at], &PKI.revoked, None).is_err(), "cut at {at}");
    }
}
