//! From a TOML file to checked settings, or an error that shows the place.
//!
//! - [`load`] reads a file into [`NodeConfig`] (or the center's settings) and checks it; [`to_toml`] prints what is in effect.
//! - [`Settings`] is what a settings type must offer: resolve its paths, name its problems.
//! - [`value`] has the types that carry a unit or a form: `"30s"`, `"20 MiB"`, a 機關代碼, an address, a secret.
//!
//! An unknown key is refused. `Default` is the only place where a default is written. A relative path is relative to the
//! file's own directory. This crate opens nothing but the file it is given and knows no other crate.
//!
//! It fails with [`Error`]: the message is Chinese, since it is read by the person who wrote the file, and has
//! `file:line:column`, the line, a caret and what was expected. Programs use [`Error::label`].

mod card;
mod center;
mod error;
mod node;
mod revocation;
pub mod value;

pub use card::{Card, Pcsc, PinSource};
pub use center::{CenterConfig, CenterLimits, CenterTrust, Keep, Mischief, Tls};
pub use error::{Class, Error, LABELS, Note};
pub use node::{
    Api, CenterLink, Folders, Intake, KeyFile, KeySource, Keys, Limits, NodeConfig, NodeKeep, Outcome,
    Outgoing, Party, Retry, Scan, SecretLetters, Transport, Trust,
};
pub use revocation::{Revocation, RevocationMode, WithoutAddress};

use serde::{Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};

/// A settings type that [`load`] can read.
pub trait Settings: DeserializeOwned + Serialize {
    /// Makes every relative path absolute, `base` being the directory of the file.
    fn resolve(&mut self, base: &Path);

    /// What does not make sense although it reads well; empty if all is in order. Looks at nothing but `self`.
    fn problems(&self) -> Vec<Problem>;
}

/// Something that reads well and makes no sense, named by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, dotted from the top, e.g. `center.address`; an array element by its index, e.g. `keys.unwrap.0.key`.
    pub key: String,
    /// `config-missing` or `config-value`.
    pub label: &'static str,
    /// What was expected and what to write, in Chinese.
    pub message: String,
}

impl Problem {
    /// A key that has no default and was not given.
    pub fn missing(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), label: error::MISSING, message: message.into() }
    }

    /// A value out of its range, or one that does not go with another.
    pub fn value(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), label: error::VALUE, message: message.into() }
    }
}

/// Reads, resolves and checks a settings file.
///
/// # Errors
/// [`Error`] with every problem that could be told at once: the file cannot be read, is no TOML, has an unknown key, a
/// value of the wrong form, or lacks a key that has no default.
pub fn load<T: Settings>(path: impl AsRef<Path>) -> Result<T, Error> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|bad| Error::encoding(path, &bad))?;
    parse(&text, path)
}

/// [`load`] for text that is already read; `path` is shown in errors and its directory resolves relative paths.
///
/// # Errors
/// As [`load`], but for reading.
pub fn parse<T: Settings>(text: &str, path: &Path) -> Result<T, Error> {
    let mut settings: T = toml::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|bad| Error::toml(text.trim_start_matches('\u{feff}'), path, &bad))?;
    settings.resolve(&directory(path));
    let problems = settings.problems();
    if problems.is_empty() { Ok(settings) } else { Err(Error::problems(text, path, problems)) }
}

/// The settings in effect as TOML, for `config show`; secrets are shown as `****`.
pub fn to_toml<T: Settings>(settings: &T) -> String {
    toml::to_string_pretty(settings).unwrap_or_else(|bad| format!("# {bad}\n"))
}

/// The directory of the file, absolute where the system can tell.
fn directory(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}
