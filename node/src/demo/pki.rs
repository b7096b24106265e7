//! A throw-away certificate authority shaped like GRCA → XCA, and everybody's keys under it.
//!
//! Two levels, RSA-2048, key usages and the organisation's OID as on real cards. Nothing of it is secret or lasting:
//! the private keys are written in the clear, which is what `--keep` promises.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, RsaKeySize, SanType,
};

use super::Failed;
use super::story::Member;

/// Years that everything is valid for; certificates begin a day ago, so that no clock is a little too early.
const YEARS: i16 = 6;

/// Writes `pki/` of a demonstration below `dir`.
///
/// | file | is |
/// |---|---|
/// | `anchors.pem` | the root that everybody trusts |
/// | `CODE.sign.{crt,key}.pem`, `CODE.enc.{crt,key}.pem` | a member's two certificates (with the XCA-like CA behind) and keys |
/// | `registrar.{crt,key}.pem` | the registration key |
/// | `center-receipt.{crt,key}.pem` | the center's key for 系統確認 |
/// | `center-ca.pem`, `center-tls.{crt,key}.pem` | the center's TLS certificate and what it stands under |
pub(super) fn make(dir: &Path, members: &[Member], today: jiff::civil::Date) -> Result<(), Failed> {
    fs::create_dir_all(dir).map_err(|e| Failed::io("建立金鑰資料夾", e))?;
    let keys = Keys::make(4 + 2 * members.len())?;
    write(dir, members, today, keys).map_err(|e| Failed::because("製作一次性憑證", e))
}

/// RSA keys, made on as many threads as there are processors: they take the longest of all.
struct Keys(Vec<KeyPair>);

impl Keys {
    fn make(count: usize) -> Result<Self, Failed> {
        let made: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..count)
                .map(|_| {
                    scope.spawn(|| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048))
                })
                .collect();
            threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        let keys: Result<Vec<_>, _> = made.into_iter().flatten().collect();
        let keys = keys.map_err(|e| Failed::because("產生金鑰", e.into()))?;
        if keys.len() == count { Ok(Self(keys)) } else { Err(Failed::new("產生金鑰的執行緒中斷")) }
    }

    fn next(&mut self) -> Result<KeyPair, io::Error> {
        self.0.pop().ok_or_else(|| io::Error::other("too few keys were made"))
    }
}

type Boxed = Box<dyn std::error::Error + Send + Sync>;

fn write(dir: &Path, members: &[Member], today: jiff::civil::Date, mut keys: Keys) -> Result<(), Boxed> {
    let mut root = authority("憑證總管理中心（展示）", today, BasicConstraints::Unconstrained);
    root.key_usages.push(KeyUsagePurpose::DigitalSignature);
    let root_key = keys.next()?;
    let root_certificate = root.self_signed(&root_key)?;
    let root = Issuer::new(root, root_key);

    let xca = authority("組織及團體憑證管理中心（展示）", today, BasicConstraints::Constrained(0));
    let xca_key = keys.next()?;
    let xca_pem = xca.signed_by(&xca_key, &root)?.pem();
    let xca = Issuer::new(xca, xca_key);

    public(dir, "anchors.pem", &root_certificate.pem())?;
    let mut end = |name: &str, params: &CertificateParams| -> Result<(), Boxed> {
        let key = keys.next()?;
        let certificate = params.signed_by(&key, &xca)?;
        public(dir, &format!("{name}.crt.pem"), &format!("{}{xca_pem}", certificate.pem()))?;
        secret(dir, &format!("{name}.key.pem"), &key.serialize_pem())?;
        Ok(())
    };
    let sign = [KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
    let encrypt = [KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DataEncipherment];
    for (n, member) in members.iter().enumerate() {
        let oid = organisation_oid(u8::try_from(n)?);
        for (purpose, usages) in [("sign", &sign), ("enc", &encrypt)] {
            let mut params = end_entity(member.name, today, usages);
            params.custom_extensions.push(oid.clone());
            end(&format!("{}.{purpose}", member.code), &params)?;
        }
    }
    end("registrar", &end_entity("註冊單位（展示）", today, &sign))?;
    end("center-receipt", &end_entity("交換中心系統確認（展示）", today, &sign))?;

    // TLS stands under a root of its own: what proves the center's address proves nothing else.
    let tls_root_key = KeyPair::generate()?;
    let tls_root = authority("交換中心 TLS（展示）", today, BasicConstraints::Constrained(0));
    public(dir, "center-ca.pem", &tls_root.self_signed(&tls_root_key)?.pem())?;
    let tls_root = Issuer::new(tls_root, tls_root_key);
    let mut tls = end_entity("交換中心", today, &[KeyUsagePurpose::DigitalSignature]);
    tls.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    tls.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    let tls_key = KeyPair::generate()?;
    public(dir, "center-tls.crt.pem", &tls.signed_by(&tls_key, &tls_root)?.pem())?;
    secret(dir, "center-tls.key.pem", &tls_key.serialize_pem())?;
    Ok(())
}

fn params(name: &str, today: jiff::civil::Date) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "TW");
    params.distinguished_name.push(DnType::OrganizationName, name);
    let date = |d: jiff::civil::Date| {
        let part = |n: i8| u8::try_from(n).unwrap_or(1);
        rcgen::date_time_ymd(i32::from(d.year()), part(d.month()), part(d.day()))
    };
    params.not_before = date(today.yesterday().unwrap_or(today));
    params.not_after = date(today.saturating_add(jiff::Span::new().years(YEARS)));
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(name: &str, today: jiff::civil::Date, depth: BasicConstraints) -> CertificateParams {
    let mut params = params(name, today);
    params.is_ca = IsCa::Ca(depth);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn end_entity(name: &str, today: jiff::civil::Date, usages: &[KeyUsagePurpose]) -> CertificateParams {
    let mut params = params(name, today);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = usages.to_vec();
    params
}

/// subjectDirectoryAttributes with the organisation's OID, 2.16.886.1.100.2.102 (domain: GPKI certificates); the OIDs
/// themselves are made up, below 2.16.886.101.20003.
fn organisation_oid(n: u8) -> CustomExtension {
    // SEQUENCE { SEQUENCE { OID 2.16.886.1.100.2.102, SET { OID 2.16.886.101.20003.n } } }
    let content = vec![
        0x30,
        0x17,
        0x30,
        0x15,
        0x06,
        0x07,
        0x60,
        0x86,
        0x76,
        0x01,
        0x64,
        0x02,
        0x66,
        0x31,
        0x0a,
        0x06,
        0x08,
        0x60,
        0x86,
        0x76,
        0x65,
        0x81,
        0x9c,
        0x23,
        1 + n,
    ];
    CustomExtension::from_oid_content(&[2, 5, 29, 9], content)
}

fn public(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    put(dir, name, text, 0o644)
}

fn secret(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    put(dir, name, text, 0o600)
}

fn put(dir: &Path, name: &str, text: &str, mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(dir.join(name))?;
    file.write_all(text.as_bytes())
}
