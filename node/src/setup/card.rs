//! Setup with a card: its certificates are read without a PIN; only a directory entry needs one, for its signature.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::card::guard::Guard;
use ::card::{Helper, Info, Pins, pin};
use clap::Args;
use config::NodeConfig;
use envelope::{Certificate, Digest, KeyError, SigningKey};

use super::inspect::Trouble;
use super::quoted;
use crate::card::{self, find, tell};
use crate::cli::failure::Failure;

/// Which card, and where its PIN will come from.
#[derive(Args, Debug)]
pub(crate) struct CardArgs {
    /// 以卡片簽章與解密：廠商 PKCS#11 程式庫的絕對路徑；不用金鑰檔
    #[arg(long, value_name = "檔案")]
    pub(crate) pkcs11: Option<PathBuf>,
    /// 同時插著好幾張卡時，用標籤為此的那一張
    #[arg(long, value_name = "標籤", requires = "pkcs11")]
    token: Option<String>,
    /// 同時插著好幾張卡時，用卡號為此的那一張
    #[arg(long, value_name = "卡號", requires = "pkcs11")]
    card_serial: Option<String>,
    /// 服務的 PIN 碼由 systemd 的這個憑據（LoadCredential）提供
    #[arg(long, value_name = "名稱", requires = "pkcs11", conflicts_with_all = ["pin_file", "pin_fd"])]
    pin_credential: Option<String>,
    /// 服務的 PIN 碼由這個檔案（第一行）提供；權限須為 0600
    #[arg(long, value_name = "檔案", requires = "pkcs11", conflicts_with = "pin_fd")]
    pin_file: Option<PathBuf>,
    /// 服務的 PIN 碼由啟動時的這個檔案描述子提供
    #[arg(long, value_name = "編號", requires = "pkcs11")]
    pin_fd: Option<u32>,
}

/// A card that was read.
pub(crate) struct OwnCard {
    helper: Mutex<Helper>,
    pub(crate) info: Arc<Info>,
    /// CA certificates from the anchors' file, for what the card does not hold.
    known: Vec<Certificate>,
    pins: Mutex<Option<Pins>>,
}

impl CardArgs {
    /// Reads the card's certificates.
    pub(crate) fn read(&self, module: &Path, known: Vec<Certificate>) -> Result<OwnCard, Trouble> {
        let settings = config::Card {
            module: Some(module.to_owned()),
            label: self.token.clone(),
            serial: self.card_serial.clone(),
            ..config::Card::default()
        };
        let wanted = card::settings(&settings, module);
        let found = find::look(card::readers(&settings).as_ref(), Some(&wanted));
        match (found.helper, found.info) {
            (Some(Ok(helper)), Some(Ok(info))) => {
                Ok(OwnCard { helper: Mutex::new(helper), info, known, pins: Mutex::new(None) })
            }
            (Some(Err(error)), _) => Err(of(&find::Trouble::from(&error))),
            (_, Some(Err(trouble))) => Err(of(&trouble)),
            _ => Err(match (found.tokens, found.token) {
                (Some(Err(error)), _) => of(&find::Trouble::from(&error)),
                (_, Some(Err(state))) => of(&find::Trouble::from(&state)),
                _ => {
                    let label = found.readers.as_ref().and_then(|snapshot| snapshot.state.label());
                    Trouble { label: label.unwrap_or("card-absent").to_owned(), detail: String::new() }
                }
            }),
        }
    }

    /// Logs in, through the guard that the service of these settings will have.
    pub(crate) fn login(&self, own: &mut OwnCard, config: &NodeConfig) -> Result<(), Failure> {
        let refused =
            |label: &str, detail: String| super::failed(Trouble { label: label.to_owned(), detail });
        crate::start::make_folders(&config.folders.state)
            .map_err(|e| refused("folder-unusable", e.to_string()))?;
        let guard = Guard::open(&card::guard_folder(config))
            .map_err(|refusal| refused(refusal.label(), tell::left(refusal.left())))?;
        let source = match (&self.pin_file, self.pin_fd) {
            (Some(path), _) => pin::Source::File(path.clone()),
            (None, Some(number)) => pin::Source::Descriptor(number),
            (None, None) => card::question(),
        };
        card::harden();
        let supply = pin::Supply::open(source).map_err(|e| refused(e.label(), String::new()))?;
        let pins = Pins::new(guard, Some(supply), "setup", crate::cli::now);
        let helper = own.helper.get_mut().unwrap_or_else(PoisonError::into_inner);
        own.info = helper.login(&pins).map_err(|error| {
            let detail = match &error {
                ::card::Error::Pin(refusal) => tell::left(refusal.left()),
                other => other.to_string(),
            };
            refused(error.label(), detail)
        })?;
        own.pins = Mutex::new(Some(pins));
        Ok(())
    }

    /// The table for the settings file.
    pub(crate) fn toml(&self, module: &Path, info: &Info) -> String {
        let mut text = format!(
            "# 憑證 IC 卡：簽章、登入與解開來文\n[card]\nmodule = {}\n",
            quoted(&module.display().to_string())
        );
        let mut line = |key: &str, value: &Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!("{key} = {}\n", quoted(value)));
            }
        };
        line("label", &self.token);
        line("serial", &self.card_serial);
        line("organisation-oid", &info.organisation_oid);
        line("pin-credential", &self.pin_credential);
        let file = self
            .pin_file
            .as_ref()
            .map(|path| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()).display().to_string());
        line("pin-file", &file);
        if let Some(number) = self.pin_fd {
            text.push_str(&format!("pin-fd = {number}\n"));
        }
        text
    }
}

fn of(trouble: &find::Trouble) -> Trouble {
    Trouble { label: trouble.label.to_owned(), detail: trouble.detail.clone() }
}

impl SigningKey for OwnCard {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        Ok(self.info.sign.certificate.clone())
    }

    fn chain(&self) -> Vec<Certificate> {
        self.info.authorities.iter().chain(&self.known).cloned().collect()
    }

    fn sign(&self, digest: &Digest) -> Result<Vec<u8>, KeyError> {
        let pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let pins = pins.as_ref().ok_or(::card::Error::PinNeeded)?;
        let mut helper = self.helper.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(helper.sign(pins, digest)?)
    }
}
