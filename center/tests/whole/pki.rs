//! A throw-away PKI: anchor → CA → members, a registrar, the center's receipt key and TLS certificate. Made once.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use envelope::Certificate;
use envelope::directory::Entry;
use envelope::soft::SoftKey;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyUsagePurpose as Usage};
use std::sync::LazyLock;

/// A key in a file, with its certificate.
pub struct Party {
    pub key_pem: String,
    pub cert_pem: String,
    pub cert: Certificate,
    pub key: SoftKey,
}

/// A member's two key pairs.
pub struct Keys {
    pub sign: Party,
    pub enc: Party,
}

struct Ca {
    cert: Certificate,
    issuer: Issuer<'static, rcgen::KeyPair>,
}

pub struct Pki {
    pub anchors_pem: String,
    pub registrar: Party,
    pub receipt: Party,
    pub tls_key_pem: String,
    pub tls_cert_pem: String,
    pub tls_anchor_pem: String,
    /// Three members; the fourth has a certificate of a CA that nobody trusts.
    pub members: Vec<Keys>,
}

pub static PKI: LazyLock<Pki> = LazyLock::new(Pki::new);
/// Organisation codes of [`Pki::members`].
pub const CODES: [&str; 4] = ["A00000001A", "B00000002B", "C00000003C", "X00000004X"];

fn rsa() -> rcgen::KeyPair {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap().as_ref().to_vec();
    rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der.into(), &rcgen::PKCS_RSA_SHA256).unwrap()
}

fn params(organisation: &str, usages: &[Usage]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "TW");
    params.distinguished_name.push(DnType::OrganizationName, organisation);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 1, 1);
    params.key_usages = usages.to_vec();
    params.use_authority_key_identifier_extension = true;
    params
}

fn ca(name: &str, above: Option<&Ca>) -> Ca {
    let key = rsa();
    let mut params = params(name, &[Usage::KeyCertSign, Usage::CrlSign]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cert = match above {
        Some(above) => params.signed_by(&key, &above.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Ca { cert: Certificate::from_der(cert.der()).unwrap(), issuer: Issuer::new(params, key) }
}

fn party(above: &Ca, organisation: &str, usage: Usage) -> Party {
    let key = rsa();
    let cert = params(organisation, &[usage]).signed_by(&key, &above.issuer).unwrap();
    let cert = Certificate::from_der(cert.der()).unwrap();
    let (key_pem, cert_pem) = (key.serialize_pem(), format!("{}{}", cert.to_pem(), above.cert.to_pem()));
    let key = SoftKey::from_pkcs8(key_pem.as_bytes(), None, cert_pem.as_bytes()).unwrap();
    Party { key_pem, cert_pem, cert, key }
}

fn member(above: &Ca, organisation: &str) -> Keys {
    Keys {
        sign: party(above, organisation, Usage::DigitalSignature),
        enc: party(above, organisation, Usage::KeyEncipherment),
    }
}

impl Pki {
    fn new() -> Self {
        let root = ca("測試總管理中心", None);
        let xca = ca("測試組織憑證管理中心", Some(&root));
        let stranger = ca("別人的管理中心", None);
        let tls_root = rcgen::KeyPair::generate().unwrap();
        let mut tls_ca = params("測試伺服器憑證", &[Usage::KeyCertSign]);
        tls_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let tls_anchor_pem = tls_ca.self_signed(&tls_root).unwrap().pem();
        let tls_issuer = Issuer::new(tls_ca, tls_root);
        let tls_key = rcgen::KeyPair::generate().unwrap();
        let mut tls = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        tls.use_authority_key_identifier_extension = true;
        let tls_cert_pem = tls.signed_by(&tls_key, &tls_issuer).unwrap().pem();
        Self {
            anchors_pem: root.cert.to_pem(),
            registrar: party(&xca, "註冊單位", Usage::DigitalSignature),
            receipt: party(&xca, "交換中心", Usage::DigitalSignature),
            tls_key_pem: tls_key.serialize_pem(),
            tls_cert_pem,
            tls_anchor_pem,
            members: vec![
                member(&xca, "甲機關"),
                member(&xca, "乙機關"),
                member(&xca, "丙機關"),
                member(&stranger, "路人"),
            ],
        }
    }
}

/// A member's entry as it signs it.
pub fn entry(keys: &Keys, code: &str, name: &str, number: u64, at: i64) -> Vec<u8> {
    let entry = Entry { code, name, enc: &keys.enc.cert, enc_chain: &[], oaep: true, number };
    envelope::directory::make(&entry, &keys.sign.key, at).unwrap()
}

/// The same, countersigned.
pub fn registration(keys: &Keys, code: &str, name: &str, number: u64, at: i64) -> Vec<u8> {
    envelope::directory::countersign(&entry(keys, code, name, number, at), &PKI.registrar.key, at).unwrap()
}
