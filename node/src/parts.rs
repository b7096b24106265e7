//! Keys and trust of a node, made from its configuration.

use std::path::Path;
use std::sync::Arc;

use config::{KeyFile, KeySource, NodeConfig};
use envelope::soft::SoftKey;
use envelope::trust::Anchors;
use envelope::{Certificate, SigningKey, UnwrapKey};

use crate::Error;

/// The keys of a card. All are one card's: their users stand in one line, but for the login, which goes first.
pub struct Card {
    /// Signs the login.
    pub login: Arc<dyn SigningKey>,
    /// Signs.
    pub sign: Arc<dyn SigningKey>,
    /// Opens.
    pub unwrap: Arc<dyn UnwrapKey>,
}

/// What a node needs of keys and certificates. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// Signs the login.
    pub login: Arc<dyn SigningKey>,
    /// Signs everything else.
    pub sign: Arc<dyn SigningKey>,
    /// Open what arrives; the present one first.
    pub unwrap: Arc<[Arc<dyn UnwrapKey>]>,
    /// Of members' certificates.
    pub anchors: Arc<Anchors>,
    /// Of the registration key.
    pub registrar: Arc<Anchors>,
    /// Of the center's TLS certificate, PEM.
    pub tls: Arc<[u8]>,
    /// Certificates that may sign 系統確認.
    pub receipts: Arc<[Certificate]>,
}

impl Parts {
    /// Reads keys and certificates from the files that the configuration names.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`], [`Error::Lacks`].
    pub fn load(config: &NodeConfig) -> Result<Self, Error> {
        Self::assemble(config, None, filed(config)?)
    }

    /// As [`Parts::load`], but signing with a card if there is one; keys in files (`filed`) then are those of earlier
    /// times.
    ///
    /// # Errors
    /// As [`Parts::load`].
    pub fn assemble(
        config: &NodeConfig,
        card: Option<Card>,
        filed: Vec<Arc<SoftKey>>,
    ) -> Result<Self, Error> {
        let mut unwrap: Vec<Arc<dyn UnwrapKey>> = Vec::new();
        let (login, sign) = match card {
            Some(card) => {
                unwrap.push(card.unwrap);
                (card.login, card.sign)
            }
            None => {
                let sign: Arc<dyn SigningKey> = Arc::new(key("signing key", &config.keys.sign)?);
                (Arc::clone(&sign), sign)
            }
        };
        unwrap.extend(filed.into_iter().map(|key| key as Arc<dyn UnwrapKey>));
        if unwrap.is_empty() {
            return Err(Error::Lacks("keys.unwrap"));
        }
        let mut receipts = Vec::new();
        for path in &config.center.receipt_certificate {
            receipts.extend(certificates("receipt certificate", path)?);
        }
        if receipts.is_empty() {
            return Err(Error::Lacks("center.receipt-certificate"));
        }
        let center = &config.center;
        Ok(Self {
            login,
            sign,
            unwrap: unwrap.into(),
            anchors: Arc::new(anchors("trust.anchors", config.trust.anchors.as_deref())?),
            registrar: Arc::new(anchors("center.registrar-anchors", center.registrar_anchors.as_deref())?),
            tls: read("center.anchors", center.anchors.as_deref().ok_or(Error::Lacks("center.anchors"))?)?
                .into(),
            receipts: receipts.into(),
        })
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("sign", &self.sign.certificate().map(|c| c.subject().to_owned()))
            .finish_non_exhaustive()
    }
}

/// The keys of `keys.unwrap`.
///
/// # Errors
/// As [`Parts::load`].
pub fn filed(config: &NodeConfig) -> Result<Vec<Arc<SoftKey>>, Error> {
    config.keys.unwrap.iter().map(|file| key("decryption key", file).map(Arc::new)).collect()
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read { what, path: path.to_owned(), source })
}

fn anchors(what: &'static str, path: Option<&Path>) -> Result<Anchors, Error> {
    Ok(Anchors::new(certificates(what, path.ok_or(Error::Lacks(what))?)?))
}

/// All certificates of a PEM file, or the one of a DER file.
fn certificates(what: &'static str, path: &Path) -> Result<Vec<Certificate>, Error> {
    let bytes = read(what, path)?;
    let found = if bytes.first() == Some(&0x30) {
        Certificate::from_der(&bytes).map(|one| vec![one])
    } else {
        Certificate::all_from_pem(&bytes)
    };
    found.map_err(|source| Error::Key { what, path: path.to_owned(), source: Box::new(source) })
}

fn key(what: &'static str, file: &KeyFile) -> Result<SoftKey, Error> {
    let passphrase = passphrase(file)?;
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    let (path, found) = match file.source().ok_or(Error::Lacks("keys"))? {
        KeySource::Files { key, certificate } => {
            let certificate = read("certificate", certificate)?;
            let bytes = zeroize::Zeroizing::new(read(what, key)?);
            (key, SoftKey::from_file(&bytes, passphrase, Some(&certificate)))
        }
        KeySource::Pkcs12(path) => {
            let bytes = zeroize::Zeroizing::new(read(what, path)?);
            (path, SoftKey::from_file(&bytes, passphrase, None))
        }
    };
    found.map_err(|source| Error::Key { what, path: path.to_owned(), source: Box::new(source) })
}

/// From the configuration, or the first line of the file that it names.
fn passphrase(file: &KeyFile) -> Result<Option<zeroize::Zeroizing<String>>, Error> {
    if let Some(secret) = &file.passphrase {
        return Ok(Some(zeroize::Zeroizing::new(secret.expose().to_owned())));
    }
    let Some(path) = &file.passphrase_file else { return Ok(None) };
    let bytes = zeroize::Zeroizing::new(read("passphrase", path)?);
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(zeroize::Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())))
}
