//! The card: whose module drives it, which card it is, where its PIN comes from, and how long it may take.

use crate::Problem;
use crate::value::Period;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::{Path, PathBuf};

/// An XCA card (or another PKCS#11 token) instead of a signing key in a file. In use when `module` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Card {
    /// The vendor's PKCS#11 library, an absolute path. Without it there is no card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<PathBuf>,
    /// Label of the token to use, where several are in. Default: whichever is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Serial of the token (the card number) to use. Default: whichever is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The organisation OID that the card's certificates must have. Default: that of the registered certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation_oid: Option<String>,
    /// Name of the systemd credential (`LoadCredential=`) that holds the PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_credential: Option<String>,
    /// File whose first line is the PIN; only its owner may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_file: Option<PathBuf>,
    /// An open file descriptor from which the PIN is read once at start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_fd: Option<i32>,
    /// Folder of the guard's records of PIN tries; shared by several nodes that use one card. Default: `card` below
    /// `folders.state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<PathBuf>,
    /// Whether PC/SC tells when a card comes and goes. Default: auto.
    pub pcsc: Pcsc,
    /// How long one signature or decryption may take before the helper process is ended. Default: 20 s.
    pub timeout: Period,
    /// How long loading the module, finding the card or logging in may take. Default: 60 s.
    pub start_timeout: Period,
}

/// Whether and where PC/SC looks for the card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pcsc {
    /// All readers, if PC/SC is there.
    #[default]
    Auto,
    /// Not at all: the module is asked now and then.
    Off,
    /// Only readers whose name contains this.
    Reader(String),
}

/// Where the PIN comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinSource<'a> {
    /// The systemd credential of this name.
    Credential(&'a str),
    /// The first line of a file.
    File(&'a Path),
    /// A file descriptor.
    Fd(i32),
    /// A person at the terminal, or `di-node card retry`.
    Prompt,
}

impl Default for Card {
    fn default() -> Self {
        Self {
            module: None,
            label: None,
            serial: None,
            organisation_oid: None,
            pin_credential: None,
            pin_file: None,
            pin_fd: None,
            guard: None,
            pcsc: Pcsc::Auto,
            timeout: Period::secs(20),
            start_timeout: Period::secs(60),
        }
    }
}

impl Card {
    /// Whether the node's signing key is on a card.
    pub const fn is_used(&self) -> bool {
        self.module.is_some()
    }

    /// Where the PIN comes from; the first that is given.
    pub fn pin(&self) -> PinSource<'_> {
        match (&self.pin_credential, &self.pin_file, self.pin_fd) {
            (Some(name), ..) => PinSource::Credential(name),
            (None, Some(path), _) => PinSource::File(path),
            (None, None, Some(fd)) => PinSource::Fd(fd),
            (None, None, None) => PinSource::Prompt,
        }
    }

    pub(crate) fn check(&self, out: &mut Vec<Problem>) {
        let mut demand = |holds: bool, key: &str, what: &str| {
            if !holds {
                out.push(Problem::value(format!("card.{key}"), what));
            }
        };
        let absolute = self.module.as_ref().is_none_or(|path| path.is_absolute());
        demand(absolute, "module", "請寫 PKCS#11 程式庫的絕對路徑");
        let sources = [self.pin_credential.is_some(), self.pin_file.is_some(), self.pin_fd.is_some()];
        let given = sources.iter().filter(|given| **given).count();
        let last = if self.pin_fd.is_some() { "pin-fd" } else { "pin-file" };
        demand(given <= 1, last, "pin-credential、pin-file、pin-fd 只能寫一個");
        let name = |name: &String| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
        demand(
            self.pin_credential.as_ref().is_none_or(name),
            "pin-credential",
            "請寫憑據（credential）的名稱，不是路徑",
        );
        demand(self.pin_fd.is_none_or(|fd| fd >= 0), "pin-fd", "檔案描述子（file descriptor）不得小於 0");
        let given = |text: &Option<String>| text.as_ref().is_none_or(|text| !text.trim().is_empty());
        demand(given(&self.label), "label", "不可空白；不指定就不要寫這個鍵");
        demand(given(&self.serial), "serial", "不可空白；不指定就不要寫這個鍵");
        let dotted =
            |oid: &String| oid.split('.').count() > 2 && oid.split('.').all(|arc| arc.parse::<u64>().is_ok());
        demand(
            self.organisation_oid.as_ref().is_none_or(dotted),
            "organisation-oid",
            "請寫以點分隔的數字，例如 2.16.886.119.90026.102041",
        );
        demand(self.timeout >= Period::secs(1), "timeout", "不得小於 1s");
        demand(self.start_timeout >= self.timeout, "start-timeout", "不得小於 card.timeout");
        let any = self.label.is_some() || self.serial.is_some() || self.organisation_oid.is_some();
        if self.module.is_none() && (any || self.pin() != PinSource::Prompt) {
            out.push(Problem::missing(
                "card.module",
                "寫了 [card] 就要寫 module：廠商 PKCS#11 程式庫的絕對路徑",
            ));
        }
    }
}

impl Serialize for Pcsc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Auto => "auto",
            Self::Off => "off",
            Self::Reader(name) => name,
        })
    }
}

impl<'de> Deserialize<'de> for Pcsc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.trim() {
            "auto" => Self::Auto,
            "off" => Self::Off,
            "" => {
                return Err(serde::de::Error::custom(
                    "「」不是可用的值：請寫 auto、off，或讀卡機名稱的一部分",
                ));
            }
            name => Self::Reader(name.to_owned()),
        })
    }
}
