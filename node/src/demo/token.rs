//! The sender's keys on a PKCS#11 token: a scratch one of SoftHSM, made with its own tool, or one that somebody prepared.
//!
//! Our own code never initialises a token and never writes to one: `softhsm2-util` and `pkcs11-tool` do.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ::card::pin;
use envelope::Certificate;
use zeroize::Zeroizing;

use super::story::Member;
use super::{Failed, Options};
use crate::card::{self, find};

/// The label of the scratch token.
const LABEL: &str = "di-demo";
/// The PIN of the scratch token, which guards nothing but the demonstration.
const PIN: &str = "246802";

/// A token with the sender's keys.
pub(super) struct Token {
    pub(super) module: PathBuf,
    pub(super) label: String,
    pin: Zeroizing<Vec<u8>>,
    /// SoftHSM's configuration; the scratch token is visible only with it.
    conf: Option<PathBuf>,
    /// What to tell.
    pub(super) told: String,
}

impl Token {
    /// Moves the sender's keys of `pki` to a scratch token, or has the demonstration trust the prepared one.
    pub(super) fn make(
        options: &Options,
        dir: &Path,
        pki: &Path,
        sender: &Member,
    ) -> Result<Option<Self>, Failed> {
        let Some(module) = &options.pkcs11 else { return Ok(None) };
        let module = fs::canonicalize(module)
            .map_err(|e| Failed::io(&format!("找不到 PKCS#11 程式庫 {}", module.display()), e))?;
        match (&options.token, options.pin_fd) {
            (Some(label), Some(fd)) => Self::prepared(module, label, fd, pki).map(Some),
            (None, None) if find::file_name(&module).contains("softhsm") => {
                Self::scratch(module, dir, pki, sender).map(Some)
            }
            (None, None) => Err(Failed::new(
                "這個程式庫不是 SoftHSM：請用已備好金鑰與憑證的載具，並指定 --token 標籤與 --pin-fd 編號",
            )),
            _ => Err(Failed::new("--token 與 --pin-fd 要一起指定")),
        }
    }

    fn scratch(module: PathBuf, dir: &Path, pki: &Path, sender: &Member) -> Result<Self, Failed> {
        let place = dir.join("softhsm");
        let tokens = place.join("tokens");
        fs::create_dir_all(&tokens).map_err(|e| Failed::io("建立 SoftHSM 的資料夾", e))?;
        let conf = place.join("softhsm2.conf");
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        fs::write(&conf, text).map_err(|e| Failed::io("寫 softhsm2.conf", e))?;
        let run = |program: &str, package: &str, args: &[&str]| -> Result<(), Failed> {
            let mut command = Command::new(program);
            command.args(args).env("SOFTHSM2_CONF", &conf).stdin(Stdio::null());
            let output = command.output().map_err(|e| {
                Failed::io(&format!("執行 {program}（套件 {package}：apt install {package}）"), e)
            })?;
            if output.status.success() {
                return Ok(());
            }
            let said = String::from_utf8_lossy(&output.stderr);
            Err(Failed::new(format!("{program}（{}）：{}", output.status, said.trim())))
        };
        run(
            "softhsm2-util",
            "softhsm2",
            &["--init-token", "--free", "--label", LABEL, "--so-pin", PIN, "--pin", PIN],
        )?;
        let library = module.display().to_string();
        for (purpose, id, label) in [("sign", "5349474e", "cert1"), ("enc", "4b455958", "cert2")] {
            let key = pki.join(format!("{}.{purpose}.key.pem", sender.code));
            let path = key.display().to_string();
            run(
                "softhsm2-util",
                "softhsm2",
                &["--import", &path, "--token", LABEL, "--label", label, "--id", id, "--pin", PIN],
            )?;
            // From here on the key is on the token only.
            fs::remove_file(&key).map_err(|e| Failed::io("移除金鑰檔", e))?;
            let pem = fs::read(pki.join(format!("{}.{purpose}.crt.pem", sender.code)));
            let pem = pem.map_err(|e| Failed::io("讀憑證", e))?;
            let chain = Certificate::all_from_pem(&pem).map_err(|e| Failed::because("讀憑證", e.into()))?;
            // The certificate of the key, and once the CA's behind it, as on real cards.
            let authority = ("434143657274", "CACert");
            let ids = [(id, label), authority];
            for (certificate, (id, label)) in
                chain.iter().zip(ids).take(if purpose == "sign" { 2 } else { 1 })
            {
                let der = place.join("certificate.der");
                fs::write(&der, certificate.der()).map_err(|e| Failed::io("寫憑證", e))?;
                let path = der.display().to_string();
                run(
                    "pkcs11-tool",
                    "opensc",
                    &[
                        "--module",
                        &library,
                        "--token-label",
                        LABEL,
                        "--login",
                        "--pin",
                        PIN,
                        "--write-object",
                        &path,
                        "--type",
                        "cert",
                        "--id",
                        id,
                        "--label",
                        label,
                    ],
                )?;
            }
        }
        let told = format!("SoftHSM 的一次性載具「{LABEL}」（展示用 PIN 碼 {PIN}）；金鑰檔已刪除");
        let pin = Zeroizing::new(PIN.as_bytes().to_vec());
        Ok(Self { module, label: LABEL.to_owned(), pin, conf: Some(conf), told })
    }

    /// The token's own certificates become anchors: who they are is what the person who prepared it says.
    fn prepared(module: PathBuf, label: &str, fd: u32, pki: &Path) -> Result<Self, Failed> {
        card::harden();
        let entry = pin::Supply::open(pin::Source::Descriptor(fd)).and_then(|supply| supply.entry());
        let entry = entry.map_err(|e| Failed::new(crate::words::explain(e.label())))?;
        let wanted = config::Card { label: Some(label.to_owned()), ..config::Card::default() };
        let found = find::look(None, Some(&card::settings(&wanted, &module)));
        let info = match (found.info, found.token, found.helper) {
            (Some(Ok(info)), ..) => info,
            (Some(Err(trouble)), ..) => return Err(Failed::new(crate::words::explain(trouble.label))),
            (None, Some(Err(state)), _) => return Err(Failed::new(crate::words::explain(state.label()))),
            (None, _, Some(Err(error))) => return Err(Failed::new(crate::words::explain(error.label()))),
            _ => return Err(Failed::new(crate::words::explain("card-absent"))),
        };
        let anchors = fs::OpenOptions::new().append(true).open(pki.join("anchors.pem"));
        let text = format!("{}{}", info.sign.certificate.to_pem(), info.unwrap.certificate.to_pem());
        anchors
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| Failed::io("寫 anchors.pem", e))?;
        let pin = Zeroizing::new(entry.pin.expose().to_vec());
        let told = format!("載具「{label}」（展示期間信任它自己的憑證）");
        Ok(Self { module, label: label.to_owned(), pin, conf: None, told })
    }

    /// Lets a program see the token; its standard input will be a pipe for [`Token::tell`].
    pub(super) fn show(&self, command: &mut Command) {
        if let Some(conf) = &self.conf {
            command.env("SOFTHSM2_CONF", conf);
        }
        command.stdin(Stdio::piped());
    }

    /// A command that sees the token and gets the PIN, for a person to type. Only the scratch token's PIN is no secret.
    pub(super) fn by_hand(&self, command: &str) -> String {
        match &self.conf {
            Some(conf) => format!("printf {PIN} | SOFTHSM2_CONF={} {command}", conf.display()),
            None => format!("{command}　（由標準輸入給 PIN 碼）"),
        }
    }

    /// Gives a program the PIN, by its standard input.
    pub(super) fn tell(&self, child: &mut Child) -> std::io::Result<()> {
        match child.stdin.take() {
            Some(mut stdin) => stdin.write_all(&self.pin),
            None => Ok(()),
        }
    }
}
