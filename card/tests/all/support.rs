//! Keys, certificates, SoftHSM tokens and fake cards for the tests of this crate.

use card::guard::Guard;
use card::pin::{Source, Supply};
use card::{Card, Pins, Settings, State};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, RsaKeySize,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub(crate) const PIN: &str = "123456";
pub(crate) const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate with its key, PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) struct Pki {
    pub(crate) sign: Pair,
    pub(crate) unwrap: Pair,
    pub(crate) authority: String,
}

/// The organisation of [`pki`].
pub(crate) const ORGANISATION: &str = "2.16.886.101.20003.7";

/// One organisation's pair under one authority, a 附卡.
pub(crate) fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        let rsa = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let params = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CountryName, "TW");
            params.distinguished_name.push(DnType::OrganizationName, name);
            params
        };
        let mut authority = params("測試憑證管理中心");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = rsa();
        let pem = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        let pair = |usages: &[KeyUsagePurpose]| {
            let key = rsa();
            let mut own = params("測試私立範例高級中學");
            own.is_ca = IsCa::ExplicitNoCa;
            own.key_usages = usages.to_vec();
            own.custom_extensions.push(attributes());
            let certificate = own.signed_by(&key, &issuer).unwrap().pem();
            Pair { certificate, key: key.serialize_pem() }
        };
        Pki {
            sign: pair(&[KeyUsagePurpose::DigitalSignature]),
            unwrap: pair(&[KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DataEncipherment]),
            authority: pem,
        }
    })
}

/// subjectDirectoryAttributes: rank `secondary`, organisation 2.16.886.101.20003.7.
fn attributes() -> CustomExtension {
    let der = |tag: u8, inner: &[&[u8]]| {
        let inner = inner.concat();
        [&[tag, u8::try_from(inner.len()).unwrap()][..], &inner].concat()
    };
    let oid = |tail: &[u8]| der(6, &[&[0x60, 0x86, 0x76], tail]);
    let rank = der(0x30, &[&oid(&[0x01, 0x64, 0x02, 0x02]), &der(0x31, &[&der(0x13, &[b"secondary"])])]);
    let organisation = oid(&[0x65, 0x81, 0x9c, 0x23, 7]);
    let organisation = der(0x30, &[&oid(&[0x01, 0x64, 0x02, 0x66]), &der(0x31, &[&organisation])]);
    CustomExtension::from_oid_content(&[2, 5, 29, 9], der(0x30, &[&rank, &organisation]))
}

pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; make deps-test installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A private SoftHSM.
pub(crate) struct Hsm {
    pub(crate) dir: tempfile::TempDir,
}

impl Hsm {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tokens")).unwrap();
        let tokens = dir.path().join("tokens");
        let conf = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(dir.path().join("conf"), conf).unwrap();
        Self { dir }
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.dir.path().join("conf")
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("SOFTHSM2_CONF", self.conf());
        command
    }

    /// Makes a token; returns its serial number.
    pub(crate) fn token(&self, label: &str) -> String {
        let made = run(self
            .tool("softhsm2-util")
            .args(["--init-token", "--free", "--label", label])
            .args(["--so-pin", "12345678", "--pin", PIN]));
        // "The token has been initialized and is reassigned to slot N"
        let slot = String::from_utf8(made).unwrap();
        let slot = slot.trim().rsplit(' ').next().unwrap().to_owned();
        let shown = String::from_utf8(run(self.tool("softhsm2-util").arg("--show-slots"))).unwrap();
        let mine = shown.split("\nSlot ").find(|part| part.starts_with(&format!("{slot}\n"))).unwrap();
        let serial = mine.lines().find(|line| line.trim().starts_with("Serial number:")).unwrap();
        serial.split(':').nth(1).unwrap().trim().to_owned()
    }

    /// Moves every token to another.
    #[allow(clippy::disallowed_methods, reason = "no step of the programs")]
    pub(crate) fn move_to(&self, other: &Self) {
        for token in std::fs::read_dir(self.dir.path().join("tokens")).unwrap() {
            let token = token.unwrap();
            std::fs::rename(token.path(), other.dir.path().join("tokens").join(token.file_name())).unwrap();
        }
    }

    /// Puts a key and its certificate on a token.
    pub(crate) fn put(&self, serial: &str, pair: &Pair, id: &str, label: &str) {
        let at = |name: &str| self.dir.path().join(name);
        std::fs::write(at("key"), &pair.key).unwrap();
        std::fs::write(at("pem"), &pair.certificate).unwrap();
        let hex: String = id.bytes().map(|b| format!("{b:02x}")).collect();
        run(self
            .tool("softhsm2-util")
            .arg("--import")
            .arg(at("key"))
            .args(["--serial", serial, "--label", label, "--id", &hex, "--pin", PIN]));
        self.put_certificate(serial, &pair.certificate, &hex, label);
    }

    pub(crate) fn put_certificate(&self, serial: &str, pem: &str, hex_id: &str, label: &str) {
        let at = |name: &str| self.dir.path().join(name);
        std::fs::write(at("pem"), pem).unwrap();
        run(Command::new("openssl")
            .args(["x509", "-outform", "DER", "-in"])
            .arg(at("pem"))
            .arg("-out")
            .arg(at("der")));
        let slot = self.slot_index(serial);
        run(self
            .tool("pkcs11-tool")
            .args(["--module", SOFTHSM, "--login", "--pin", PIN, "--type", "cert"])
            .args(["--slot", &slot, "--id", hex_id, "--label", label, "--write-object"])
            .arg(at("der")));
    }

    fn slot_index(&self, serial: &str) -> String {
        let shown = String::from_utf8(run(self.tool("softhsm2-util").arg("--show-slots"))).unwrap();
        let mine = shown.split("\nSlot ").find(|part| part.contains(serial)).unwrap();
        mine.lines().next().unwrap().trim().to_owned()
    }

    /// A token like an official card.
    pub(crate) fn official(&self, label: &str) -> String {
        let serial = self.token(label);
        self.put(&serial, &pki().sign, "SIGN", "cert1");
        self.put(&serial, &pki().unwrap, "KEYX", "cert2");
        self.put_certificate(&serial, &pki().authority, "434143657274", "CACert");
        serial
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new(helper(), SOFTHSM);
        settings.environment.push(("SOFTHSM2_CONF".into(), self.conf().into()));
        settings.care.absent_probe = Duration::from_millis(50);
        settings
    }

    pub(crate) fn pins(&self, pin: &str) -> Pins {
        pins(self.dir.path(), pin)
    }
}

pub(crate) fn helper() -> Vec<std::ffi::OsString> {
    vec![env!("CARGO_BIN_EXE_card-helper").into()]
}

/// A source that holds a PIN, written anew: another generation each time.
pub(crate) fn supply(dir: &Path, pin: &str) -> Supply {
    let path = dir.join("pin");
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, pin).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Supply::open(Source::File(path)).unwrap()
}

/// A guard in `dir`, and a clock that counts calls: no test depends on the time of day.
pub(crate) fn pins(dir: &Path, pin: &str) -> Pins {
    static NOW: AtomicI64 = AtomicI64::new(1_700_000_000_000);
    let guard = Guard::open(&dir.join("guard")).unwrap();
    Pins::new(guard, Some(supply(dir, pin)), "test", || NOW.fetch_add(1, Ordering::Relaxed))
}

/// Waits for a state by its label.
#[track_caller]
pub(crate) fn until(card: &Card, label: &str) -> State {
    let state = card.wait(PATIENCE, |state| state.label() == label);
    assert_eq!(state.label(), label, "{state}");
    state
}

/// Whether openssl accepts the signature over `text`.
pub(crate) fn openssl_verifies(dir: &Path, certificate: &str, text: &[u8], signature: &[u8]) -> bool {
    let at = |name: &str| dir.join(name);
    std::fs::write(at("verify.pem"), certificate).unwrap();
    std::fs::write(at("verify.txt"), text).unwrap();
    std::fs::write(at("verify.sig"), signature).unwrap();
    let key = run(Command::new("openssl").args(["x509", "-pubkey", "-noout", "-in"]).arg(at("verify.pem")));
    std::fs::write(at("verify.key"), key).unwrap();
    let mut openssl = Command::new("openssl");
    openssl
        .args(["dgst", "-sha256", "-verify"])
        .arg(at("verify.key"))
        .arg("-signature")
        .arg(at("verify.sig"));
    openssl.arg(at("verify.txt")).output().unwrap().status.success()
}

/// What openssl encrypts to a certificate, PKCS#1 v1.5 or OAEP with SHA-256.
pub(crate) fn openssl_encrypts(dir: &Path, certificate: &str, text: &[u8], oaep: bool) -> Vec<u8> {
    let at = |name: &str| dir.join(name);
    std::fs::write(at("encrypt.pem"), certificate).unwrap();
    std::fs::write(at("encrypt.txt"), text).unwrap();
    let mut openssl = Command::new("openssl");
    openssl
        .args(["pkeyutl", "-encrypt", "-certin", "-inkey"])
        .arg(at("encrypt.pem"))
        .arg("-in")
        .arg(at("encrypt.txt"));
    if oaep {
        openssl.args(["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"]);
        openssl.args(["-pkeyopt", "rsa_mgf1_md:sha256"]);
    }
    run(&mut openssl)
}
