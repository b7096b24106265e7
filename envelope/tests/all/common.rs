//! A throw-away PKI shaped like GRCA → XCA, made once.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use envelope::key::Certificate;
use envelope::soft::SoftKey;
use envelope::trust::Anchors;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyUsagePurpose as Usage,
};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

/// 2026-06-01T00:00:00Z.
pub const AT: i64 = 1_780_272_000_000;
pub const DAY: i64 = 86_400_000;

/// A key with its certificate, in the forms that tests need.
pub struct Party {
    pub pkcs8: Vec<u8>,
    pub key_pem: String,
    pub cert: Certificate,
    pub chain_pem: String,
    pub key: SoftKey,
}

pub struct Pki {
    pub root: Certificate,
    /// Two generations of one CA with the same name.
    pub xca: Ca,
    pub xca_old: Ca,
    pub anchors: Anchors,
    pub sender: Party,
    pub sender_enc: Party,
    pub receiver: Party,
    pub receiver_enc: Party,
    pub center: Party,
    pub registrar: Party,
    /// Of another CA that is not trusted.
    pub stranger: Party,
}

pub struct Ca {
    pub cert: Certificate,
    pub issuer: Issuer<'static, rcgen::KeyPair>,
}

pub static PKI: LazyLock<Pki> = LazyLock::new(Pki::new);

pub fn rsa() -> Vec<u8> {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap().as_ref().to_vec()
}

pub fn rcgen_key(pkcs8: &[u8]) -> rcgen::KeyPair {
    rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.to_vec().into(), &rcgen::PKCS_RSA_SHA256).unwrap()
}

pub fn params(organisation: &str, usages: &[Usage]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "TW");
    params.distinguished_name.push(DnType::OrganizationName, organisation);
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2031, 1, 1);
    params.key_usages = usages.to_vec();
    params.use_authority_key_identifier_extension = true;
    params
}

/// subjectDirectoryAttributes with the organisation's OID.
pub fn organisation_oid(oid: &[u8]) -> CustomExtension {
    let tlv = |tag: u8, value: &[u8]| [&[tag, value.len() as u8], value].concat();
    // 2.16.886.1.100.2.102
    let kind = tlv(6, &[0x60, 0x86, 0x76, 0x01, 0x64, 0x02, 0x66]);
    let attribute = tlv(0x30, &[kind, tlv(0x31, &tlv(6, oid))].concat());
    CustomExtension::from_oid_content(&[2, 5, 29, 9], tlv(0x30, &attribute))
}

pub fn ca(name: &str, above: Option<&Ca>, edit: impl FnOnce(&mut CertificateParams)) -> Ca {
    let key = rcgen_key(&rsa());
    let mut params = params("行政院", &[Usage::KeyCertSign, Usage::CrlSign]);
    params.distinguished_name.push(DnType::OrganizationalUnitName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    edit(&mut params);
    let cert = match above {
        Some(above) => params.signed_by(&key, &above.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Ca { cert: Certificate::from_der(cert.der()).unwrap(), issuer: Issuer::new(params, key) }
}

pub fn party(above: &Ca, params: &CertificateParams) -> Party {
    let pkcs8 = rsa();
    let key = rcgen_key(&pkcs8);
    let cert = params.signed_by(&key, &above.issuer).unwrap();
    let cert = Certificate::from_der(cert.der()).unwrap();
    let chain_pem = above.cert.to_pem();
    let certificates = format!("{}{}", cert.to_pem(), chain_pem);
    let key_pem = key.serialize_pem();
    let soft = SoftKey::from_pkcs8(key_pem.as_bytes(), None, certificates.as_bytes()).unwrap();
    Party { pkcs8, key_pem, cert, chain_pem, key: soft }
}

impl Pki {
    fn new() -> Self {
        let root = ca("憑證總管理中心", None, |_| {});
        let xca = ca("組織及團體憑證管理中心", Some(&root), |_| {});
        let xca_old = ca("組織及團體憑證管理中心", Some(&root), |_| {});
        let other = ca("別人", None, |_| {});
        let sign = [Usage::DigitalSignature];
        let enc = [Usage::KeyEncipherment, Usage::DataEncipherment];
        let with_oid = |name, usages: &[Usage], oid| {
            let mut params = params(name, usages);
            params.custom_extensions = vec![organisation_oid(oid)];
            params
        };
        // 2.16.886.101.90001 …
        let (a, b) = ([0x60, 0x86, 0x76, 0x65, 0x01], [0x60, 0x86, 0x76, 0x65, 0x02]);
        Self {
            sender: party(&xca, &with_oid("測試協會", &sign, &a)),
            sender_enc: party(&xca, &with_oid("測試協會", &enc, &a)),
            receiver: party(&xca_old, &with_oid("受文學校", &sign, &b)),
            receiver_enc: party(&xca_old, &with_oid("受文學校", &enc, &b)),
            center: party(&xca, &params("交換中心", &sign)),
            registrar: party(&xca, &params("註冊窗口", &sign)),
            stranger: party(&other, &with_oid("測試協會", &sign, &a)),
            anchors: Anchors::new(vec![root.cert.clone()]),
            root: root.cert,
            xca,
            xca_old,
        }
    }
}

/// Runs a judge; panics with its words if it fails.
pub fn run(program: &str, dir: &Path, args: &[&str]) -> Output {
    let output = try_run(program, dir, args);
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

pub fn try_run(program: &str, dir: &Path, args: &[&str]) -> Output {
    let command = Command::new(program).args(args).current_dir(dir).env("LC_ALL", "C.UTF-8").output();
    command.unwrap_or_else(|e| panic!("{program} is needed by this test: {e}"))
}

/// The errors' labels are what users and programs see; so tests look at those.
pub fn label<T>(result: Result<T, envelope::Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(e) => e.label(),
    }
}
