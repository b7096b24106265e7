use crate::common::{AT, DAY, PKI, ca, label, params, party, run};
use envelope::key::{Certificate, SigningKey};
use envelope::trust::{Anchors, Purpose, chain};
use rcgen::{BasicConstraints, IsCa, KeyUsagePurpose as Usage};

fn sign(certificate: &Certificate, intermediates: &[Certificate], at: i64) -> &'static str {
    label(chain(certificate, intermediates, &PKI.anchors, Purpose::Sign, at))
}

#[test]
fn what_a_certificate_says() {
    let cert = &PKI.sender.cert;
    assert_eq!(cert.subject(), "C=TW,O=測試協會");
    assert_eq!(cert.issuer(), "C=TW,O=行政院,OU=組織及團體憑證管理中心");
    assert_eq!(cert.organisation(), Some("測試協會"));
    assert_eq!(cert.organisation_oid(), Some("2.16.886.101.1"));
    assert_eq!(cert.rsa_bits(), Some(2048));
    assert_eq!(cert.aki(), PKI.xca.cert.ski());
    assert_eq!(cert.not_before(), 1_735_689_600_000);
    let usage = cert.key_usage().unwrap();
    assert!(usage.digital_signature && !usage.key_encipherment && !usage.key_cert_sign);
    assert_eq!(PKI.center.cert.organisation_oid(), None);
    let both =
        Certificate::all_from_pem(format!("{}{}", cert.to_pem(), PKI.root.to_pem()).as_bytes()).unwrap();
    assert_eq!(both, [cert.clone(), PKI.root.clone()]);
    assert_eq!(label(Certificate::all_from_pem(b"no PEM")), "certificate-malformed");
    assert_eq!(label(Certificate::from_der(&cert.der()[1..])), "certificate-malformed");
}

#[test]
fn generations_with_one_name_are_told_apart() {
    assert_eq!(PKI.xca.cert.subject_der(), PKI.xca_old.cert.subject_der());
    let both = [PKI.xca_old.cert.clone(), PKI.xca.cert.clone()];
    for (party, ca) in [(&PKI.sender, &PKI.xca), (&PKI.receiver, &PKI.xca_old)] {
        let found = chain(&party.cert, &both, &PKI.anchors, Purpose::Sign, AT).unwrap();
        assert_eq!(found, [party.cert.clone(), ca.cert.clone(), PKI.root.clone()]);
    }
    assert_eq!(sign(&PKI.sender.cert, std::slice::from_ref(&PKI.xca_old.cert), AT), "untrusted");
}

#[test]
fn each_reason_has_its_label() {
    let cas = [PKI.xca.cert.clone(), PKI.xca_old.cert.clone()];
    assert_eq!(sign(&PKI.sender.cert, &[], AT), "untrusted");
    assert_eq!(sign(&PKI.stranger.cert, &PKI.stranger.key.chain(), AT), "untrusted");
    assert_eq!(sign(&PKI.sender.cert, &cas, AT + 5 * 365 * DAY), "certificate-expired");
    assert_eq!(sign(&PKI.sender.cert, &cas, AT - 3 * 365 * DAY), "certificate-not-yet-valid");
    assert_eq!(sign(&PKI.sender_enc.cert, &cas, AT), "wrong-usage");
    let encrypt = |c| label(chain(c, &cas, &PKI.anchors, Purpose::Encrypt, AT));
    assert_eq!(encrypt(&PKI.sender.cert), "wrong-usage");
    assert_eq!(encrypt(&PKI.sender_enc.cert), "ok");
    // Pinned itself: a chain of one.
    let pinned = Anchors::new(vec![PKI.stranger.cert.clone()]);
    assert_eq!(chain(&PKI.stranger.cert, &[], &pinned, Purpose::Sign, AT).unwrap().len(), 1);
}

#[test]
fn not_every_certificate_may_issue() {
    let signing = [Usage::DigitalSignature];
    // An ordinary certificate as issuer; a CA below a CA that allows none; a CA that may not sign certificates.
    let leaf_as_ca = ca("假的", Some(&PKI.xca), |p| p.is_ca = IsCa::NoCa);
    let narrow = ca("限一層", Some(&PKI.xca), |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let below = ca("第二層", Some(&narrow), |_| {});
    let no_cert_sign = ca("無權", Some(&PKI.xca), |p| p.key_usages = vec![Usage::CrlSign]);
    let all = [&leaf_as_ca, &narrow, &below, &no_cert_sign, &PKI.xca].map(|c| c.cert.clone());
    for issuer in [&leaf_as_ca, &below, &no_cert_sign] {
        let victim = party(issuer, &params("被冒名", &signing));
        assert_eq!(sign(&victim.cert, &all, AT), "issuer-not-ca", "{}", issuer.cert.subject());
    }
    let fine = party(&narrow, &params("正常", &signing));
    assert_eq!(sign(&fine.cert, &all, AT), "ok");
    // Not valid now, though the certificate below it is.
    let expired = ca("過期", Some(&PKI.xca), |p| p.not_after = rcgen::date_time_ymd(2026, 1, 1));
    let orphan = party(&expired, &params("孤兒", &signing));
    assert_eq!(sign(&orphan.cert, &[expired.cert, PKI.xca.cert.clone()], AT), "certificate-expired");
}

#[test]
fn weak_keys_and_hashes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let make = |args: &str| {
        let mut all: Vec<&str> =
            "req -x509 -nodes -days 3000 -subj /C=TW/O=weak -keyout k.pem -out c.pem".split(' ').collect();
        all.extend(args.split(' '));
        run("openssl", dir.path(), &all);
        Certificate::all_from_pem(&std::fs::read(dir.path().join("c.pem")).unwrap()).unwrap().remove(0)
    };
    let usage = "-addext keyUsage=digitalSignature,keyCertSign";
    for args in ["-newkey rsa:1024", "-newkey ec -pkeyopt ec_paramgen_curve:P-256"] {
        let weak = make(&format!("{args} {usage}"));
        let at = weak.not_before();
        let anchors = Anchors::new(vec![weak.clone()]);
        assert_eq!(label(chain(&weak, &[], &anchors, Purpose::Sign, at)), "weak-key", "{args}");
    }
    let cert = make(&format!("-newkey rsa:2048 -sha1 {usage}"));
    let key = std::fs::read_to_string(dir.path().join("k.pem")).unwrap();
    // A certificate signed with SHA-1 by a strong anchor.
    std::fs::write(dir.path().join("ext"), "keyUsage=digitalSignature\n").unwrap();
    std::fs::write(dir.path().join("ca.pem"), cert.to_pem()).unwrap();
    std::fs::write(dir.path().join("ca.key"), key).unwrap();
    let request = "req -new -newkey rsa:2048 -nodes -subj /C=TW/O=below -keyout k2.pem -out r.pem";
    run("openssl", dir.path(), &request.split(' ').collect::<Vec<_>>());
    let sign =
        "x509 -req -sha1 -days 99 -in r.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out b.pem";
    run("openssl", dir.path(), &sign.split(' ').collect::<Vec<_>>());
    let below =
        Certificate::all_from_pem(&std::fs::read(dir.path().join("b.pem")).unwrap()).unwrap().remove(0);
    let at = below.not_before();
    assert_eq!(label(chain(&below, &[], &Anchors::new(vec![cert]), Purpose::Sign, at)), "weak-key");
}

/// A root that changed its key twice: GRCA → GRCA 1.5 → GRCA 2 all have one name, and each new key is certified by the one
/// before. With the authority and the leaf that is a chain of five below one pinned anchor.
#[test]
fn self_issued_certificates_lead_from_the_newest_generation_to_the_oldest() {
    let root = "憑證總管理中心";
    // One authority below it may be; self-issued certificates do not count (RFC 5280 §4.2.1.9).
    let oldest = ca(root, None, |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)));
    let between = ca(root, Some(&oldest), |_| {});
    let newest = ca(root, Some(&between), |_| {});
    let xca = ca("組織及團體憑證管理中心", Some(&newest), |_| {});
    let leaf = party(&xca, &params("測試學校", &[Usage::DigitalSignature]));
    assert_eq!(oldest.cert.subject_der(), newest.cert.subject_der());
    let anchors = Anchors::new(vec![oldest.cert.clone()]);
    // In any order, and beside generations of other authorities with the same names.
    let mut others = vec![
        PKI.xca.cert.clone(),
        newest.cert.clone(),
        xca.cert.clone(),
        PKI.root.clone(),
        between.cert.clone(),
        PKI.xca_old.cert.clone(),
    ];
    for _ in 0..others.len() {
        others.rotate_left(1);
        let found = chain(&leaf.cert, &others, &anchors, Purpose::Sign, AT).unwrap();
        let expected = [&leaf.cert, &xca.cert, &newest.cert, &between.cert, &oldest.cert].map(Clone::clone);
        assert_eq!(found, expected);
    }
    // A link is missing; another root with the same name is pinned.
    others.retain(|c| *c != between.cert);
    assert_eq!(label(chain(&leaf.cert, &others, &anchors, Purpose::Sign, AT)), "untrusted");
    others.push(between.cert);
    let other = Anchors::new(vec![PKI.root.clone()]);
    assert_eq!(label(chain(&leaf.cert, &others, &other, Purpose::Sign, AT)), "untrusted");
    // Pinned in the middle: the chain ends there.
    let middle = Anchors::new(vec![newest.cert]);
    assert_eq!(chain(&leaf.cert, &others, &middle, Purpose::Sign, AT).unwrap().len(), 3);
}
