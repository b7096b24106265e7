//! What a module's answer to `C_Login` says about the PIN (PKCS#11 2.40 §5.6; HiCOS's own codes).

/// How a try came out that was not a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The card said that the PIN is wrong.
    Wrong {
        /// How many tries are left, where the answer says so.
        left: Option<u32>,
    },
    /// The card said that it is locked.
    Locked,
    /// Anything else: an error of the device, a hang, a crash. The card may have counted.
    Unclear,
}

/// What a module's answer to a login means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The card took the PIN.
    Success,
    /// The module did certainly not present the PIN.
    NotPresented,
    /// The PIN may have been presented.
    Failed(Outcome),
}

impl Answer {
    /// Reads the `CK_RV` of `C_Login`, whole: HiCOS answers a wrong PIN with a vendor's code that names the tries left,
    /// seen as 32 bits and with its sign carried to 64.
    ///
    /// Only answers that by the standard exclude a presentation are [`Answer::NotPresented`]. A card that was removed, a
    /// session that was lost, a length that was refused: the PIN may have been on its way.
    #[must_use]
    pub fn of(rv: u64) -> Self {
        let code = match rv >> 32 {
            0 | 0xFFFF_FFFF => rv & 0xFFFF_FFFF,
            _ => return Self::Failed(Outcome::Unclear),
        };
        match code {
            CKR_OK if rv == CKR_OK => Self::Success,
            CKR_PIN_INCORRECT => Self::Failed(Outcome::Wrong { left: None }),
            ONE_LEFT => Self::Failed(Outcome::Wrong { left: Some(1) }),
            TWO_LEFT => Self::Failed(Outcome::Wrong { left: Some(2) }),
            CKR_PIN_LOCKED => Self::Failed(Outcome::Locked),
            CKR_USER_ALREADY_LOGGED_IN | CKR_CRYPTOKI_NOT_INITIALIZED | CKR_FUNCTION_NOT_SUPPORTED => {
                Self::NotPresented
            }
            _ => Self::Failed(Outcome::Unclear),
        }
    }

    /// Whether an answer to a call that presents no PIN (`C_Sign`, `C_Decrypt`) is one about the PIN: the module keeps
    /// it and has presented it again by itself. See [`super::Guard::noticed`].
    #[must_use]
    pub fn is_about_the_pin(rv: u64) -> Option<Outcome> {
        match Self::of(rv) {
            Self::Failed(outcome @ (Outcome::Wrong { .. } | Outcome::Locked)) => Some(outcome),
            _ => None,
        }
    }
}

const CKR_OK: u64 = 0;
const CKR_FUNCTION_NOT_SUPPORTED: u64 = 0x54;
const CKR_PIN_INCORRECT: u64 = 0xA0;
const CKR_PIN_LOCKED: u64 = 0xA4;
const CKR_USER_ALREADY_LOGGED_IN: u64 = 0x100;
const CKR_CRYPTOKI_NOT_INITIALIZED: u64 = 0x190;
const ONE_LEFT: u64 = 0x8000_0001;
const TWO_LEFT: u64 = 0x8000_0002;
