//! What the module is to do: a JSON file, read anew at every call.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The environment variable that names the script.
pub const VARIABLE: &str = "FAKE_PKCS11";

/// Everything that a test can steer. What is left out behaves like an ordinary card that shows its PIN flags.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Script {
    /// The readers, in the order of their slots, which count from 0.
    pub readers: Vec<Reader>,
    /// Slots and whether a card is in them are those of `C_Initialize`, for ever.
    pub frozen: bool,
    /// The token shows `CKF_USER_PIN_COUNT_LOW`, `…_FINAL_TRY` and `…_LOCKED`.
    pub pin_flags: bool,
    /// How a wrong PIN is answered.
    pub wrong_pin: WrongPin,
    /// Which OAEP the token lists, and can do.
    pub oaep: Oaep,
    /// Every signature and decryption needs a login of its own.
    pub always_authenticate: bool,
    /// The module keeps the PIN of the login, and presents it again at every signature and decryption.
    pub keeps_pin: bool,
    /// When the PIN of a login is presented to the card.
    pub asks: Asks,
    /// Token strings end in blanks and tabs, and in a NUL where there is room.
    pub untidy: bool,
    /// Milliseconds for a signature or decryption.
    pub slow: u64,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// A file to which every call appends its name.
    pub log: Option<PathBuf>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            readers: Vec::new(),
            frozen: false,
            pin_flags: true,
            wrong_pin: WrongPin::Standard,
            oaep: Oaep::None,
            always_authenticate: false,
            keeps_pin: false,
            asks: Asks::Login,
            untidy: false,
            slow: 0,
            faults: Vec::new(),
            log: None,
        }
    }
}

/// A reader, with or without a card.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reader {
    /// Name of the reader.
    pub name: String,
    /// The card in it.
    pub card: Option<Card>,
    /// Raised by a test that takes a card out and puts it in again: old sessions are gone.
    pub insertion: u64,
}

/// A card.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Card {
    /// Where its PIN and the count of tries live; see [`crate::Memory`].
    pub memory: PathBuf,
    /// Token label.
    pub label: String,
    /// Token manufacturer.
    pub manufacturer: String,
    /// Token model.
    pub model: String,
    /// Token serial, 16 characters at most.
    pub serial: String,
    /// Keys and certificates.
    pub keys: Vec<Key>,
    /// Certificates without a key, PEM files.
    pub authorities: Vec<PathBuf>,
}

impl Default for Card {
    fn default() -> Self {
        Self {
            memory: PathBuf::new(),
            label: "HiCOS PKI Smart Card".into(),
            manufacturer: "Chunghwa TeleCom Co., Ltd.".into(),
            model: "T7S".into(),
            serial: "XX00000000000001".into(),
            keys: Vec::new(),
            authorities: Vec::new(),
        }
    }
}

/// An RSA key with its certificate.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Key {
    /// CKA_ID.
    pub id: String,
    /// CKA_LABEL.
    pub label: String,
    /// PKCS#8 in PEM. Without it there is a certificate only.
    pub key: Option<PathBuf>,
    /// PEM. Without it there is a key only.
    pub certificate: Option<PathBuf>,
    /// CKA_SIGN.
    pub sign: bool,
    /// CKA_DECRYPT and CKA_UNWRAP.
    pub decrypt: bool,
}

/// When the PIN of a login is presented to the card. Until then `C_Login` says that it was right, whatever it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asks {
    /// In `C_Login`.
    Login,
    /// When objects are looked for.
    Find,
    /// At the first signature or decryption.
    Operation,
}

/// How a wrong PIN is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrongPin {
    /// CKR_PIN_INCORRECT, and CKR_PIN_LOCKED when that locks it.
    Standard,
    /// The vendor's 0x80000002 and 0x80000001, by the tries left.
    Vendor,
    /// The same with the sign carried to 64 bits.
    VendorSignExtended,
    /// CKR_DEVICE_ERROR, whatever happened: nobody can say.
    DeviceError,
}

/// What a token can do with RSAES-OAEP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oaep {
    /// Not listed.
    None,
    /// Listed, with SHA-1 only.
    Sha1,
    /// Listed, with SHA-1 and SHA-256.
    Sha256,
    /// Listed, and fails whatever is asked.
    Broken,
}

/// Something that goes wrong at a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    /// At which call, `C_Login` for example.
    pub call: String,
    /// Before or after its work is done.
    #[serde(default)]
    pub when: When,
    /// What happens.
    pub what: What,
    /// Only if this file is there; it is removed. So it happens once, however many processes run.
    #[serde(default)]
    pub once: Option<PathBuf>,
}

/// Before or after the work of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The card has seen nothing yet.
    #[default]
    Before,
    /// The card has done what it was asked for.
    After,
}

/// What happens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The call takes this many milliseconds longer.
    Hang(u64),
    /// The process aborts.
    Crash,
    /// The process ends with this exit code.
    Exit(i32),
    /// The call answers with this CK_RV.
    Answer(u64),
    /// This goes to standard output.
    Print(String),
    /// This many bytes are never given back.
    Leak(usize),
}

impl Script {
    /// Writes it where [`VARIABLE`] is to point: at once, or not at all.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(new, path)
    }

    /// As [`VARIABLE`] names it.
    pub(crate) fn read() -> Option<Self> {
        let text = std::fs::read(std::env::var_os(VARIABLE)?).ok()?;
        serde_json::from_slice(&text).inspect_err(|error| eprintln!("fake module: {error}")).ok()
    }
}
