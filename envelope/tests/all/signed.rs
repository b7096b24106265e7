use crate::common::{AT, PKI, label, run, try_run};
use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerInfo, SignerInfos};
use der::asn1::{OctetString, SetOfVec};
use der::{Any, Decode, Encode, Tag};
use envelope::key::SigningKey;
use envelope::{oid, sha256, signed};

const LIMIT: usize = 1 << 20;

fn good() -> Vec<u8> {
    signed::sign_attached(&PKI.sender.key, oid::LOGIN, b"content", &[], AT).unwrap()
}

fn check(der: &[u8]) -> &'static str {
    label(signed::check_attached(der, oid::LOGIN, LIMIT))
}

/// Takes a signature apart, changes it, and puts it together again.
fn changed(der: &[u8], change: impl FnOnce(&mut SignedData)) -> Vec<u8> {
    let info = ContentInfo::from_der(der).unwrap();
    let mut data: SignedData = info.content.decode_as().unwrap();
    change(&mut data);
    ContentInfo { content: Any::encode_from(&data).unwrap(), ..info }.to_der().unwrap()
}

fn with_signer(der: &[u8], change: impl FnOnce(&mut SignerInfo)) -> Vec<u8> {
    changed(der, |data| {
        let mut info = data.signer_infos.0.as_slice()[0].clone();
        change(&mut info);
        data.signer_infos = SignerInfos(SetOfVec::try_from(vec![info]).unwrap());
    })
}

/// Signs the attributes again, by the rightful key.
fn resign(info: &mut SignerInfo) {
    let attributes = info.signed_attrs.as_ref().unwrap().to_der().unwrap();
    info.signature = OctetString::new(PKI.sender.key.sign(&sha256(&attributes)).unwrap()).unwrap();
}

fn without(info: &mut SignerInfo, oid: const_oid::ObjectIdentifier) {
    let kept: Vec<_> = info.signed_attrs.take().unwrap().iter().filter(|a| a.oid != oid).cloned().collect();
    info.signed_attrs = Some(SetOfVec::try_from(kept).unwrap());
}

#[test]
fn attached_and_detached_round_trip() {
    let checked = signed::check_attached(&good(), oid::LOGIN, LIMIT).unwrap();
    assert_eq!(checked.content, b"content");
    assert_eq!(checked.signer, PKI.sender.cert);
    assert_eq!(checked.certificates, std::slice::from_ref(&PKI.xca.cert));
    assert_eq!(checked.signing_time, AT);
    let chain = checked.trusted(&PKI.anchors, AT).unwrap();
    assert_eq!(chain, [PKI.sender.cert.clone(), PKI.xca.cert.clone(), PKI.root.clone()]);

    let digest = sha256(b"elsewhere");
    let detached = signed::sign_detached(&PKI.sender.key, oid::DATA, &digest, AT).unwrap();
    signed::check_detached(&detached, oid::DATA, &digest).unwrap();
    let other = sha256(b"something else");
    assert_eq!(label(signed::check_detached(&detached, oid::DATA, &other)), "content-digest-mismatch");
    // Neither passes as the other.
    assert_eq!(label(signed::check_detached(&good(), oid::LOGIN, &sha256(b"content"))), "bad-value");
    assert_eq!(label(signed::check_attached(&detached, oid::DATA, LIMIT)), "bad-value");
}

#[test]
fn openssl_accepts_ours() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(
        path("a.p7s"),
        signed::sign_attached(&PKI.sender.key, oid::DATA, b"content", &[], AT).unwrap(),
    )
    .unwrap();
    std::fs::write(path("ca.pem"), PKI.root.to_pem()).unwrap();
    let args =
        "cms -verify -cades -binary -inform DER -purpose any -attime 1780272000 -in a.p7s -CAfile ca.pem";
    let output = run("openssl", dir.path(), &args.split(' ').collect::<Vec<_>>());
    assert_eq!(output.stdout, b"content");
    run("openssl", dir.path(), &["asn1parse", "-inform", "DER", "-in", "a.p7s"]);
}

#[test]
fn missing_signed_attributes_are_refused() {
    let bare = with_signer(&good(), |info| {
        info.signed_attrs = None;
        info.signature = OctetString::new(PKI.sender.key.sign(&sha256(b"content")).unwrap()).unwrap();
    });
    assert_eq!(check(&bare), "signed-attributes-missing");
}

#[test]
fn signed_attributes_as_content_are_refused_though_openssl_takes_them() {
    let (mut content, mut signature) = (Vec::new(), OctetString::new([]).unwrap());
    let genuine = signed::sign_attached(&PKI.sender.key, oid::DATA, b"content", &[], AT).unwrap();
    with_signer(&genuine, |info| {
        content = info.signed_attrs.as_ref().unwrap().to_der().unwrap();
        signature = info.signature.clone();
    });
    let forged = changed(&genuine, |data| {
        data.encap_content_info.econtent = Some(Any::new(Tag::OctetString, content.clone()).unwrap());
        let mut info = data.signer_infos.0.as_slice()[0].clone();
        info.signed_attrs = None;
        info.signature = signature;
        data.signer_infos = SignerInfos(SetOfVec::try_from(vec![info]).unwrap());
    });
    assert_eq!(label(signed::check_attached(&forged, oid::DATA, LIMIT)), "signed-attributes-missing");

    // The forgery is a real one: openssl finds the signature good over bytes that nobody signed as content.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.p7s"), forged).unwrap();
    std::fs::write(dir.path().join("ca.pem"), PKI.root.to_pem()).unwrap();
    let args = "cms -verify -binary -inform DER -purpose any -attime 1780272000 -in f.p7s -CAfile ca.pem";
    let output = try_run("openssl", dir.path(), &args.split(' ').collect::<Vec<_>>());
    assert!(output.status.success() && output.stdout == content);
}

#[test]
fn exactly_one_signer() {
    let other = signed::sign_attached(&PKI.receiver.key, oid::LOGIN, b"content", &[], AT).unwrap();
    let mut second = None;
    with_signer(&other, |info| second = Some(info.clone()));
    let two = changed(&good(), |data| {
        let mut all = data.signer_infos.0.clone().into_vec();
        all.push(second.unwrap());
        data.signer_infos = SignerInfos(SetOfVec::try_from(all).unwrap());
    });
    assert_eq!(check(&two), "signer-count");
    let none = changed(&good(), |data| data.signer_infos = SignerInfos(SetOfVec::new()));
    assert_eq!(check(&none), "signer-count");
}

#[test]
fn each_signed_thing_has_its_own_content_type() {
    for other in [oid::DATA, oid::CENTER_RECEIPT, oid::RECEIPT_LIST, oid::DIRECTORY_ENTRY, oid::REGISTRATION]
    {
        assert_eq!(label(signed::check_attached(&good(), other, LIMIT)), "wrong-content-type");
    }
    // Renamed outside, the signed attribute still tells.
    let renamed = changed(&good(), |data| data.encap_content_info.econtent_type = oid::RECEIPT_LIST);
    assert_eq!(label(signed::check_attached(&renamed, oid::RECEIPT_LIST, LIMIT)), "wrong-content-type");
}

#[test]
fn attributes_are_exactly_the_four() {
    for (missing, expected) in [
        (oid::ATTR_SIGNING_CERTIFICATE_V2, "signing-certificate-missing"),
        (oid::ATTR_SIGNING_TIME, "signed-attributes-wrong"),
        (oid::ATTR_MESSAGE_DIGEST, "signed-attributes-wrong"),
        (oid::ATTR_CONTENT_TYPE, "signed-attributes-wrong"),
    ] {
        let der = with_signer(&good(), |info| {
            without(info, missing);
            resign(info);
        });
        assert_eq!(check(&der), expected, "{missing}");
    }
    let attribute = |oid: const_oid::ObjectIdentifier, value: Any| x509_cert::attr::Attribute {
        oid,
        values: SetOfVec::try_from(vec![value]).unwrap(),
    };
    let more = with_signer(&good(), |info| {
        let counter = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.25.3");
        let nonce = attribute(counter, Any::new(Tag::OctetString, [1]).unwrap());
        info.signed_attrs.as_mut().unwrap().insert(nonce).unwrap();
        resign(info);
    });
    assert_eq!(check(&more), "signed-attributes-wrong");
    let unsigned = with_signer(&good(), |info| {
        let extra = attribute(oid::ATTR_SIGNING_TIME, Any::new(Tag::OctetString, [1]).unwrap());
        info.unsigned_attrs = Some(SetOfVec::try_from(vec![extra]).unwrap());
    });
    assert_eq!(check(&unsigned), "signed-attributes-wrong");
}

#[test]
fn someone_elses_certificate_is_refused() {
    // The attribute names the receiver's certificate, the signer is the sender.
    let other = signed::sign_attached(&PKI.receiver.key, oid::LOGIN, b"content", &[], AT).unwrap();
    let mut theirs = None;
    with_signer(&other, |info| theirs = info.signed_attrs.clone());
    let named = with_signer(&good(), |info| {
        info.signed_attrs = theirs;
        resign(info);
    });
    assert_eq!(check(&named), "signing-certificate-mismatch");
    // The signer's certificate is not there at all.
    let absent = changed(&good(), |data| {
        let others: Vec<_> = data.certificates.as_ref().unwrap().0.iter().cloned().collect();
        let kept: Vec<_> = others
            .into_iter()
            .filter(|c| matches!(c, CertificateChoices::Certificate(c) if c.to_der().unwrap() != PKI.sender.cert.der()))
            .collect();
        data.certificates = Some(kept.try_into().unwrap());
    });
    assert_eq!(check(&absent), "signing-certificate-mismatch");
}

#[test]
fn weak_algorithms_and_broken_bytes_are_refused() {
    let sha1 = const_oid::ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
    assert_eq!(check(&with_signer(&good(), |info| info.digest_alg.oid = sha1)), "wrong-algorithm");
    let pss = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
    assert_eq!(check(&with_signer(&good(), |info| info.signature_algorithm.oid = pss)), "wrong-algorithm");
    let content = changed(&good(), |data| {
        data.encap_content_info.econtent = Some(Any::new(Tag::OctetString, *b"Content").unwrap());
    });
    assert_eq!(check(&content), "content-digest-mismatch");
    let forged = with_signer(&good(), |info| {
        info.signature = OctetString::new(PKI.stranger.key.sign(&sha256(b"")).unwrap()).unwrap();
    });
    assert_eq!(check(&forged), "signature-invalid");

    let whole = good();
    assert_eq!(check(&[&whole[..], &[0]].concat()), "not-der");
    for length in 0..whole.len() {
        assert_eq!(check(&whole[..length]), "not-der", "cut to {length}");
    }
    // BER: the same with an indefinite length outside.
    let content_info = &whole[4..];
    let indefinite = [&[0x30, 0x80], content_info, &[0, 0]].concat();
    assert_eq!(check(&indefinite), "not-der");
    assert_eq!(label(signed::check_attached(&whole, oid::LOGIN, whole.len() - 1)), "envelope-too-large");
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let whole = good();
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 1 << (position % 8);
        let result = signed::check_attached(&bytes, oid::LOGIN, LIMIT);
        assert!(result.and_then(|c| c.trusted(&PKI.anchors, AT)).is_err(), "byte {position}");
    }
}
