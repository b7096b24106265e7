//! `setup`, `config check`, `export`, `verify` with keys that openssl made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use envelope::container::{Addressee, Draft, Exchange, Role, UnitFile, measure};
use envelope::soft::SoftKey;
use serde_json::Value;
use store::Store;
use store::outbound::{Claim, Container, NewLine, NewPart, Sealing};

use super::{exit, now, run};

/// A CA, and a member's two key pairs under it.
struct Pki {
    dir: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pki = Self { dir };
        fs::write(
            pki.path("ext"),
            "[sign]\nkeyUsage=critical,digitalSignature,nonRepudiation\nauthorityKeyIdentifier=keyid\n\
             subjectKeyIdentifier=hash\n[enc]\nkeyUsage=critical,keyEncipherment\n\
             authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n",
        )
        .unwrap();
        pki.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "400",
            "-subj",
            "/C=TW/O=測試根憑證",
            "-utf8",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ]);
        for name in ["sign", "enc"] {
            let (key, csr, crt) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
            pki.openssl(&[
                "req",
                "-new",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/C=TW/O=測試協會",
                "-utf8",
                "-keyout",
                &key,
                "-out",
                &csr,
            ]);
            pki.openssl(&[
                "x509",
                "-req",
                "-in",
                &csr,
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                "300",
                "-extfile",
                "ext",
                "-extensions",
                name,
                "-out",
                &crt,
            ]);
        }
        pki
    }

    fn openssl(&self, args: &[&str]) -> String {
        let out = Command::new("openssl")
            .current_dir(self.dir.path())
            .args(args)
            .output()
            .expect("openssl is installed");
        assert!(out.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// `setup` with the four files as given.
    fn setup(&self, sign: [&str; 2], enc: [&str; 2], more: &[&str]) -> (u8, String) {
        let paths = [sign[0], sign[1], enc[0], enc[1]].map(|n| self.at(n));
        let (ca, config, entry) = (self.at("ca.pem"), self.at("node.toml"), self.at("m.entry"));
        let mut args = vec!["setup", "--code", "XC12345678", "--name", "測試\"協會\""];
        let flags = ["--sign-key", "--sign-cert", "--enc-key", "--enc-cert"];
        for (flag, path) in flags.iter().zip(&paths) {
            args.extend([flag, path.as_str()]);
        }
        for flag in ["--anchors", "--center-anchors", "--center-receipt-cert", "--registrar-anchors"] {
            args.extend([flag, ca.as_str()]);
        }
        args.extend([
            "--center",
            "localhost:4433",
            "--center-code",
            "C1",
            "-o",
            &config,
            "--entry-out",
            &entry,
        ]);
        args.extend(more);
        run(Path::new("unused"), &args)
    }

    fn key(&self) -> SoftKey {
        let (key, cert) =
            (fs::read(self.path("sign.key")).unwrap(), fs::read(self.path("sign.crt")).unwrap());
        SoftKey::from_pkcs8(&key, None, &cert).unwrap()
    }
}

const SIGN: [&str; 2] = ["sign.key", "sign.crt"];
const ENC: [&str; 2] = ["enc.key", "enc.crt"];

#[test]
fn setup_writes_what_the_service_accepts_and_nothing_where_keys_are_mixed_up() {
    let pki = Pki::new();
    // Signature and encryption exchanged; a key that is not the certificate's; another organisation than said.
    assert_eq!(pki.setup(ENC, SIGN, &[]).0, exit::FAILED);
    assert_eq!(pki.setup(["enc.key", "sign.crt"], ENC, &[]).0, exit::FAILED);
    assert_eq!(pki.setup(SIGN, ENC, &["--organisation-oid", "2.16.886.1"]).0, exit::FAILED);
    assert_eq!(pki.setup(["none.key", "sign.crt"], ENC, &[]).0, exit::NOT_FOUND);
    assert!(!pki.path("node.toml").exists() && !pki.path("m.entry").exists());

    let (code, text) = pki.setup(SIGN, ENC, &[]);
    assert_eq!(code, exit::OK, "{text}");
    assert!(text.contains("還有 299 天"), "{text}");
    let settings: config::NodeConfig = config::load(pki.path("node.toml")).unwrap();
    assert_eq!(settings.party.name, "測試\"協會\"");
    assert_eq!(
        settings.keys.sign.key.as_deref(),
        Some(pki.path("sign.key").canonicalize().unwrap().as_path())
    );
    let anchors = envelope::trust::Anchors::from_pem(&fs::read(pki.path("ca.pem")).unwrap()).unwrap();
    let entry = fs::read(pki.path("m.entry")).unwrap();
    let entry = envelope::directory::verify_entry(&entry, &anchors, now()).unwrap();
    assert_eq!((entry.code.as_str(), entry.number, entry.oaep), ("XC12345678", 1, true));
    // The fingerprints that are read out on the telephone are those of openssl.
    let printed = pki.openssl(&["x509", "-in", "sign.crt", "-noout", "-fingerprint", "-sha256"]);
    let printed = printed.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    assert!(text.contains(&printed), "{printed}\n{text}");

    let before = fs::read(pki.path("node.toml")).unwrap();
    assert_eq!(pki.setup(SIGN, ENC, &[]).0, exit::CANNOT_CREATE, "nothing is overwritten");
    assert_eq!(fs::read(pki.path("node.toml")).unwrap(), before);

    let (code, text) = run(&pki.path("node.toml"), &["config", "check"]);
    assert_eq!(code, exit::OK, "{text}");
    fs::copy(pki.path("enc.key"), pki.path("sign.key")).unwrap();
    let (code, text) = run(&pki.path("node.toml"), &["config", "check", "--json"]);
    assert_eq!(code, exit::CONFIG);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert!(
        json["checks"].as_array().unwrap().iter().any(|c| c["reason"]["label"] == "key-mismatch"),
        "{json}"
    );
    assert!(run(&pki.path("node.toml"), &["config", "show"]).1.contains("XC12345678"));
}

#[test]
fn setup_writes_an_entry_for_each_unit_with_a_mailbox() {
    let pki = Pki::new();
    assert_eq!(pki.setup(SIGN, ENC, &["--unit", "U1"]).0, exit::USAGE);
    assert_eq!(pki.setup(SIGN, ENC, &["--unit", "U100000", "--unit", "U100000"]).0, exit::USAGE);
    fs::write(pki.path("m-U200000.entry"), "here before").unwrap();
    let units = ["--unit", "U100000", "--unit", "U200000"];
    assert_eq!(pki.setup(SIGN, ENC, &units).0, exit::CANNOT_CREATE);
    assert!(!pki.path("node.toml").exists() && !pki.path("m.entry").exists());
    fs::remove_file(pki.path("m-U200000.entry")).unwrap();

    let (code, text) = pki.setup(SIGN, ENC, &units);
    assert_eq!(code, exit::OK, "{text}");
    let settings: config::NodeConfig = config::load(pki.path("node.toml")).unwrap();
    assert_eq!(settings.party.units.len(), 2);
    let anchors = envelope::trust::Anchors::from_pem(&fs::read(pki.path("ca.pem")).unwrap()).unwrap();
    let files = ["m.entry", "m-U100000.entry", "m-U200000.entry"];
    for (file, code) in files.iter().zip(settings.party.mailboxes()) {
        let entry = fs::read(pki.path(file)).unwrap();
        let entry = envelope::directory::verify_entry(&entry, &anchors, now()).unwrap();
        assert_eq!(entry.code, code);
        assert!(text.contains(file) && text.contains(&code), "{text}");
    }
}

const ID: [u8; 16] = [0x5a; 16];
const LETTER: &[u8] = "公文的位元組".as_bytes();

/// A store with one sealed document whose container `pki` signed.
fn sealed(pki: &Pki) -> (PathBuf, PathBuf) {
    let folder = pki.path("node");
    let store = Store::open(&folder.join("state"), now()).unwrap();
    let found = measure(LETTER).unwrap();
    let file = UnitFile {
        name: "公文 1.di".to_owned(),
        role: Role::Di,
        size: found.size,
        sha256: found.sha256,
        crc32: found.crc32,
    };
    let exchange = Exchange {
        document: ID,
        kind: "函".to_owned(),
        subject: "測試".to_owned(),
        created: now(),
        sender: "XC12345678".to_owned(),
        recipients: vec![Addressee { code: "XC87654321".to_owned(), attachments: true }],
        withheld: 0,
    };
    let signed = Draft::new(&exchange, &[file]).unwrap().sign(&pki.key(), now()).unwrap();
    let mut container = store.spool().create("c.asice").unwrap();
    let written = signed.write(&mut container, |_| Ok(LETTER)).unwrap();
    container.keep().unwrap();
    let mut part = store.spool().create("p.p7m").unwrap();
    std::io::Write::write_all(&mut part, b"sealed").unwrap();
    part.keep().unwrap();
    store
        .claim(Claim { id: ID, drop_name: "公文 1.di".to_owned(), ..Claim::default() }, now())
        .wait()
        .unwrap();
    let sealing = Sealing {
        about: None,
        document: ID,
        containers: vec![Container {
            variant: 0,
            manifest: written.manifest,
            signature: written.signature,
            file: "c.asice".to_owned(),
            size: written.length,
        }],
        parts: vec![NewPart { variant: 0, group: 0, sealed: [1; 32], length: 6, file: "p.p7m".to_owned() }],
        lines: vec![NewLine { recipient: "XC87654321".to_owned(), attachments: true, ..NewLine::default() }],
        hints: Vec::new(),
        contents: Vec::new(),
    };
    store.sealed(sealing, now()).wait().unwrap();
    let config = pki.path("node.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[folders]\nroot = \"node\"\n")).unwrap();
    (config, folder)
}

#[test]
fn what_is_exported_verifies_here_and_with_openssl_and_a_changed_byte_does_not() {
    let pki = Pki::new();
    assert_eq!(pki.setup(SIGN, ENC, &[]).0, exit::OK);
    let (config, _) = sealed(&pki);
    let to = pki.at("out");
    let (code, text) = run(&config, &["export", "5a5a", "-o", &to]);
    assert_eq!(code, exit::OK, "{text}");
    let id = "5a".repeat(16);
    let out = |name: &str| pki.path("out").join(name);
    assert_eq!(fs::read(out(&id).join("公文 1.di")).unwrap(), LETTER);
    assert_eq!(fs::read(out(&format!("{id}.sealed.p7m"))).unwrap(), b"sealed");
    assert_eq!(run(&config, &["export", "5a5a", "-o", &to]).0, exit::CANNOT_CREATE, "nothing is overwritten");

    let container = out(&format!("{id}.asice"));
    let ca = pki.at("ca.pem");
    let verify = |path: &Path, more: &[&str]| {
        let path = path.display().to_string();
        let mut args = vec!["verify", path.as_str(), "--json"];
        args.extend(more);
        let (code, text) = run(&config, &args);
        (code, serde_json::from_str::<Value>(&text).unwrap_or_default())
    };
    let (code, json) = verify(&container, &[]);
    assert_eq!(code, exit::OK, "{json:#}");
    assert_eq!(json["relied_on"]["source"], "sender-claim");
    assert_eq!(json["files"][0]["name"], "公文 1.di");
    let (code, json) = verify(&out(&format!("{id}.evidence.zip")), &["--anchors", &ca]);
    assert_eq!(code, exit::OK, "{json:#}");
    // The commands that it prints do what they say.
    let script = pki.path("check.sh");
    let commands: Vec<&str> =
        json["commands"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    fs::write(&script, format!("set -e\n{}\n", commands.join("\n"))).unwrap();
    let done = Command::new("sh").arg(&script).current_dir(pki.dir.path()).output().unwrap();
    assert!(done.status.success(), "{commands:#?}\n{}", String::from_utf8_lossy(&done.stderr));
    // The digests are printed as the manifest has them.
    let manifest = fs::read_to_string(pki.path("容器/META-INF/ASiCManifest001.xml")).unwrap();
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    let digests: Vec<_> = printed
        .lines()
        .filter_map(|line| line.split_once("  "))
        .filter(|(digest, name)| digest.len() == 44 && (name.starts_with("unit/") || *name == "exchange.xml"))
        .collect();
    assert!(digests.len() >= 2, "{printed}");
    assert!(digests.iter().all(|(digest, _)| manifest.contains(digest)), "{printed}\n{manifest}");

    // Somebody else's anchor: not trusted. No anchor at all: not decided. A changed byte: no.
    let other = Pki::new();
    assert_eq!(verify(&container, &["--anchors", &other.at("ca.pem")]).0, exit::FAILED);
    let place = container.display().to_string();
    let bytes = fs::read(&container).unwrap();
    let at = bytes.windows(LETTER.len()).position(|w| w == LETTER).unwrap();
    let mut changed = bytes.clone();
    changed[at] ^= 1;
    fs::write(&container, &changed).unwrap();
    let (code, json) = verify(&container, &[]);
    assert_eq!(code, exit::FAILED, "{json:#}");
    fs::write(&container, &bytes[..bytes.len() / 2]).unwrap();
    assert_ne!(verify(&container, &[]).0, exit::OK);
    fs::write(&container, "no container").unwrap();
    assert_eq!(run(&config, &["verify", &place]).0, exit::UNREADABLE);
    assert_eq!(run(&config, &["verify", &pki.at("none")]).0, exit::NOT_FOUND);
}

#[test]
fn a_file_needs_neither_service_nor_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let roster = dir.path().join("a.sw");
    fs::write(&roster, "<?xml version=\"1.0\"?>\n<!DOCTYPE 交換表單 SYSTEM \"104_roster_utf8.dtd\">\n<交換表單><全銜>甲機關</全銜><機關代碼>A123456789</機關代碼></交換表單>").unwrap();
    let none = dir.path().join("none.toml");
    let place = roster.display().to_string();
    let (code, text) = run(&none, &["show", &place]);
    assert_eq!(code, exit::OK);
    assert!(text.contains("甲機關") && text.contains("A123456789"), "{text}");
    fs::write(&roster, "<電子封裝檔/>").unwrap();
    assert_eq!(run(&none, &["show", &place]).0, exit::UNREADABLE);
}
