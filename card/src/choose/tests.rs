use super::*;
use rcgen::{CertificateParams, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, RsaKeySize};
use std::sync::LazyLock;

static RSA: LazyLock<[KeyPair; 2]> = LazyLock::new(|| {
    let rsa = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    [rsa(), rsa()]
});

const SIGN: &[KeyUsagePurpose] = &[KeyUsagePurpose::DigitalSignature];
const UNWRAP: &[KeyUsagePurpose] = &[KeyUsagePurpose::DataEncipherment];

fn entry(id: &str, label: &str, usages: &[KeyUsagePurpose], key: &KeyPair) -> CertificateEntry {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = usages.to_vec();
    let der = params.self_signed(key).unwrap().der().to_vec();
    CertificateEntry { id: id.as_bytes().to_vec().into(), label: label.into(), der: der.into() }
}

/// The modulus, cut out of RSAPublicKey: 4 bytes of SEQUENCE, 4 of INTEGER, a zero.
fn modulus(key: &KeyPair) -> Vec<u8> {
    key.der_bytes()[9..9 + 256].to_vec()
}

fn key(id: &str, label: &str, modulus: &[u8]) -> KeyEntry {
    KeyEntry {
        id: id.as_bytes().to_vec().into(),
        label: label.into(),
        modulus: modulus.to_vec().into(),
        always_authenticate: false,
        sign: true,
        decrypt: true,
    }
}

#[test]
fn certificates_are_told_apart_by_usage_then_identifier_then_label() {
    let [a, b] = &*RSA;
    let found = certificates(&[entry("KEYX", "cert2", SIGN, a), entry("SIGN", "cert1", UNWRAP, b)]).unwrap();
    assert_eq!((found.sign.0.id.as_str(), found.unwrap.0.id.as_str()), ("KEYX", "SIGN"));

    let unwrap = || entry("KEYX", "cert2", UNWRAP, b);
    let found = certificates(&[entry("OLD", "x", SIGN, b), entry("SIGN ", "x", SIGN, a), unwrap()]).unwrap();
    assert_eq!(found.sign.0.id, "SIGN");
    let found =
        certificates(&[entry("1", "cert1", SIGN, a), entry("2", "other", SIGN, b), unwrap()]).unwrap();
    assert_eq!(found.sign.0.label, "cert1");
    let doubt =
        certificates(&[entry("\u{1}", "x", SIGN, a), entry("B", "x", SIGN, b), unwrap()]).unwrap_err();
    assert_eq!(doubt, "several signing certificates on the card: 01, B");
}

#[test]
fn what_is_missing_or_unusable_is_named() {
    let [a, _] = &*RSA;
    let elliptic = KeyPair::generate().unwrap();
    assert_eq!(certificates(&[]).unwrap_err(), "no signing certificate on the card");
    let rubbish = CertificateEntry { id: Vec::new().into(), label: String::new(), der: vec![1; 99].into() };
    let lone = certificates(&[rubbish, entry("SIGN", "cert1", SIGN, a)]).unwrap_err();
    assert_eq!(lone, "no encryption certificate on the card");
    let weak = certificates(&[entry("SIGN", "cert1", SIGN, &elliptic), entry("KEYX", "cert2", UNWRAP, a)])
        .unwrap_err();
    assert_eq!(weak, "the signing certificate on the card has no RSA key of 2048 to 8192 bits");
}

#[test]
fn private_keys_are_found_by_modulus_identifier_label() {
    let [a, b] = &*RSA;
    let found = certificates(&[entry("SIGN", "cert1", SIGN, a), entry("KEYX", "cert2", UNWRAP, b)]).unwrap();
    let find = |keys: &[KeyEntry], moduli: &[ModulusEntry]| {
        private_key(keys, moduli, &found.sign.0, &found.sign.1, Use::Sign)
    };
    let zero_first = [&[0][..], &modulus(a)].concat();
    assert_eq!(
        find(&[key("SIGN", "cert1", &modulus(b)), key("X", "y", &zero_first)], &[]),
        Ok(1),
        "by modulus"
    );
    assert_eq!(find(&[key("KEYX", "cert2", &[]), key("SIGN", "", &[])], &[]), Ok(1), "by identifier");
    assert_eq!(find(&[key("", "cert2", &[]), key("", "cert1", &[])], &[]), Ok(1), "by label");
    assert!(find(&[key("KEYX", "cert1", &[])], &[]).is_err(), "a label does not stand against an identifier");
    assert!(find(&[key("SIGN", "cert1", &modulus(b))], &[]).is_err(), "another key");
    let of_b = ModulusEntry { id: b"SIGN".to_vec().into(), modulus: modulus(b).into() };
    assert!(find(&[key("SIGN", "cert1", &[])], &[of_b]).is_err(), "its public key is another one");
    let of_a = ModulusEntry { id: b"odd".to_vec().into(), modulus: modulus(a).into() };
    assert_eq!(find(&[key("SIGN", "cert1", &[]), key("odd", "", &[])], &[of_a]), Ok(1), "by its public key");
    let mut decrypting = key("SIGN", "cert1", &modulus(a));
    decrypting.sign = false;
    assert_eq!(find(&[decrypting, key("SIGN", "cert1", &modulus(a))], &[]), Ok(1), "the one that may sign");
}
