//! A throw-away authority and everybody's keys, made once per test process: RSA keys take the longest of all.

use std::path::Path;
use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, RsaKeySize, SanType,
};

/// Organisation codes of the members that there are keys for, with their names.
pub const MEMBERS: [(&str, &str); 4] =
    [("XC00000001", "甲機關"), ("XC00000002", "乙機關"), ("XC00000003", "丙機關"), ("XC00000004", "丁機關")];

/// What is different about the certificates of this process. To be said before anything is written.
#[derive(Debug, Default)]
pub struct Shape {
    /// Members' certificates name `BASE/FILE.crl` (`…/XC00000001.sign.crl`) for their status.
    pub base: Option<String>,
    /// Days from now after which the certificate of a file ends; negative: it has ended.
    pub ends: Vec<(&'static str, i64)>,
}

static SHAPE: OnceLock<Shape> = OnceLock::new();

/// Says what is different about the certificates of this process.
///
/// # Panics
/// If it was said before.
pub fn shape(shape: Shape) {
    SHAPE.set(shape).expect("said once");
}

/// A list of the members' authority, DER: the certificates of these files, revoked at that time (Unix milliseconds) for that
/// reason. It is in force from now for so many seconds.
///
/// # Panics
/// If there is no such file.
#[must_use]
pub fn crl(dir: &Path, revoked: &[(&str, i64, rcgen::RevocationReason)], seconds: i64) -> Vec<u8> {
    let now = crate::world::now();
    let revoked = revoked.iter().map(|(file, at, reason)| {
        let pem = std::fs::read(dir.join(format!("{file}.crt.pem"))).expect("certificate");
        let certificate = envelope::Certificate::all_from_pem(&pem).expect("certificate").remove(0);
        rcgen::RevokedCertParams {
            serial_number: rcgen::SerialNumber::from_slice(certificate.serial()),
            revocation_time: time(*at),
            reason_code: Some(*reason),
            invalidity_date: None,
        }
    });
    let params = rcgen::CertificateRevocationListParams {
        this_update: time(now - 1_000),
        next_update: time(now + seconds * 1_000),
        crl_number: rcgen::SerialNumber::from(u64::try_from(now).expect("after 1970")),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let (xca, key) = XCA.get().expect("the keys were written");
    let issuer = Issuer::from_params(xca, key);
    params.signed_by(&issuer).expect("list").der().to_vec()
}

static XCA: OnceLock<(CertificateParams, KeyPair)> = OnceLock::new();

fn time<T: From<std::time::SystemTime>>(at: i64) -> T {
    let since = std::time::Duration::from_millis(u64::try_from(at).expect("after 1970"));
    T::from(std::time::UNIX_EPOCH + since)
}

/// A name and what its file holds.
type File = (String, String);

fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(make)
}

/// Writes everything into `dir`: `anchors.pem`, `CODE.{sign,enc}.{crt,key}.pem`, `registrar.{crt,key}.pem`,
/// `center-receipt.{crt,key}.pem`, `center-ca.pem`, `center-tls.{crt,key}.pem`; `CODE.enc2.…` is a second encryption
/// key of the first two members, `stranger.{crt,key}.pem` a key under the same CA that is no member's, `ended.…` another
/// signing key of the first member's.
///
/// # Panics
/// If the folder cannot be written.
pub fn write(dir: &Path) {
    std::fs::create_dir_all(dir).expect("pki folder");
    for (name, text) in files() {
        std::fs::write(dir.join(name), text).expect("pki file");
    }
}

fn rsa_keys(count: usize) -> Vec<KeyPair> {
    std::thread::scope(|scope| {
        let make = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).expect("RSA key");
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|t| t.join().expect("key thread")).collect()
    })
}

fn make() -> Vec<File> {
    let mut keys = rsa_keys(2 * MEMBERS.len() + 8);
    let plain = Shape::default();
    let shape = SHAPE.get().unwrap_or(&plain);
    let mut next = || keys.pop().expect("enough keys");
    let mut out = Vec::new();

    let root = authority("測試根憑證", BasicConstraints::Unconstrained);
    let root_key = next();
    out.push(("anchors.pem".into(), root.self_signed(&root_key).expect("root").pem()));
    let root = Issuer::new(root, root_key);
    let xca = authority("測試憑證管理中心", BasicConstraints::Constrained(0));
    let xca_key = next();
    let xca_pem = xca.signed_by(&xca_key, &root).expect("xca").pem();
    let (xca, xca_key) = XCA.get_or_init(|| (xca, xca_key));
    let xca = Issuer::from_params(xca, xca_key);

    let sign = [KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
    let encrypt = [KeyUsagePurpose::KeyEncipherment];
    let mut end = |file: String, name: &str, usages: &[KeyUsagePurpose], oid: Option<u8>| {
        let key = next();
        let mut params = params(name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = usages.to_vec();
        params.custom_extensions.extend(oid.map(organisation_oid));
        if let (Some(base), Some(_)) = (&shape.base, oid) {
            let uris = vec![format!("{base}/{file}.crl")];
            params.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris }];
        }
        if let Some((_, days)) = shape.ends.iter().find(|(ends, _)| *ends == file) {
            params.not_after = time(crate::world::now() + days * 86_400_000);
        }
        let certificate = params.signed_by(&key, &xca).expect("certificate").pem();
        out.push((format!("{file}.crt.pem"), format!("{certificate}{xca_pem}")));
        out.push((format!("{file}.key.pem"), key.serialize_pem()));
    };
    for (n, (code, name)) in (1..).zip(MEMBERS) {
        end(format!("{code}.sign"), name, &sign, Some(n));
        end(format!("{code}.enc"), name, &encrypt, Some(n));
    }
    for (n, (code, name)) in (1..).zip(MEMBERS).take(2) {
        end(format!("{code}.enc2"), name, &encrypt, Some(n));
    }
    end("registrar".into(), "測試註冊單位", &sign, None);
    end("center-receipt".into(), "測試交換中心", &sign, None);
    end("stranger".into(), "陌生人", &sign, Some(99));
    end("ended".into(), "甲機關", &sign, Some(1));

    let tls_key = KeyPair::generate().expect("key");
    let tls_root = authority("測試 TLS", BasicConstraints::Constrained(0));
    out.push(("center-ca.pem".into(), tls_root.self_signed(&tls_key).expect("tls root").pem()));
    let tls_root = Issuer::new(tls_root, tls_key);
    let mut tls = params("測試交換中心");
    tls.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    tls.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    tls.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    let key = KeyPair::generate().expect("key");
    out.push(("center-tls.crt.pem".into(), tls.signed_by(&key, &tls_root).expect("tls").pem()));
    out.push(("center-tls.key.pem".into(), key.serialize_pem()));
    out
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "TW");
    params.distinguished_name.push(DnType::OrganizationName, name);
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(name: &str, depth: BasicConstraints) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(depth);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// subjectDirectoryAttributes with a made-up organisation OID.
fn organisation_oid(n: u8) -> CustomExtension {
    // SEQUENCE { SEQUENCE { OID 2.16.886.1.100.2.102, SET { OID 2.16.886.101.20003.n } } }
    let content = vec![
        0x30, 0x17, 0x30, 0x15, 0x06, 0x07, 0x60, 0x86, 0x76, 0x01, 0x64, 0x02, 0x66, 0x31, 0x0a, 0x06, 0x08,
        0x60, 0x86, 0x76, 0x65, 0x81, 0x9c, 0x23, n,
    ];
    CustomExtension::from_oid_content(&[2, 5, 29, 9], content)
}
