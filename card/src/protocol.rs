//! What supervisor and helper say to each other. Append only: a number is never used for something else.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use zeroize::Zeroizing;

/// Version of these messages. Both sides must be the same.
/// 1: the first one.
pub(crate) const VERSION: u16 = 1;

/// Bytes that are overwritten when dropped and not shown by `Debug`.
#[derive(Clone)]
pub(crate) struct Secret(pub Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl<C> Encode<C> for Secret {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Secret {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Self(Zeroizing::new(d.bytes()?.to_vec())))
    }
}

/// One request; every one has exactly one [`Reply`].
#[derive(Debug, Encode, Decode)]
pub(crate) enum Request {
    /// Load and initialise the module. First, and once.
    #[n(0)]
    Load {
        /// [`VERSION`].
        #[n(0)]
        version: u16,
        /// Path of the module, as the system spells it.
        #[n(1)]
        module: ByteVec,
    },
    /// List readers and initialised tokens.
    #[n(1)]
    Tokens,
    /// Open the one session and read what is public.
    #[n(2)]
    Open {
        /// CK_SLOT_ID.
        #[n(0)]
        slot: u64,
    },
    /// C_Login as CKU_USER.
    #[n(3)]
    Login {
        /// The PIN.
        #[n(0)]
        pin: Secret,
    },
    /// List the private keys; needs a login.
    #[n(4)]
    Keys,
    /// Sign with CKM_RSA_PKCS.
    #[n(5)]
    Sign {
        /// Index in [`Reply::Keys`].
        #[n(0)]
        key: u32,
        /// The DigestInfo.
        #[n(1)]
        data: ByteVec,
        /// The PIN for this one signature (CKA_ALWAYS_AUTHENTICATE).
        #[n(2)]
        pin: Option<Secret>,
    },
    /// Decrypt with CKM_RSA_PKCS or CKM_RSA_PKCS_OAEP (SHA-256, MGF1 SHA-256, empty label).
    #[n(6)]
    Decrypt {
        /// Index in [`Reply::Keys`].
        #[n(0)]
        key: u32,
        /// OAEP instead of PKCS#1 v1.5.
        #[n(1)]
        oaep: bool,
        /// The ciphertext.
        #[n(2)]
        data: ByteVec,
        /// The PIN for this one operation (CKA_ALWAYS_AUTHENTICATE).
        #[n(3)]
        pin: Option<Secret>,
    },
}

impl Request {
    /// Whether doing it presents a PIN.
    pub(crate) fn carries_pin(&self) -> bool {
        matches!(
            self,
            Self::Login { .. } | Self::Sign { pin: Some(_), .. } | Self::Decrypt { pin: Some(_), .. }
        )
    }
}

/// The answer to a [`Request`].
#[derive(Debug, Encode, Decode)]
pub(crate) enum Reply {
    /// To `Load`.
    #[n(0)]
    Loaded {
        /// The helper's [`VERSION`].
        #[n(0)]
        version: u16,
        /// Manufacturer, description and version of the library.
        #[n(1)]
        library: String,
    },
    /// To `Tokens`.
    #[n(1)]
    Tokens {
        /// All slots, also empty ones.
        #[n(0)]
        slots: u32,
        /// Initialised tokens.
        #[n(1)]
        tokens: Vec<TokenEntry>,
    },
    /// To `Open`.
    #[n(2)]
    Opened {
        /// X.509 certificates on the token.
        #[n(0)]
        certificates: Vec<CertificateEntry>,
        /// Public keys, for their moduli.
        #[n(1)]
        moduli: Vec<ModulusEntry>,
        /// Whether CKM_RSA_PKCS is listed, or nothing could be listed.
        #[n(2)]
        pkcs1: bool,
        /// Whether CKM_RSA_PKCS_OAEP is listed for decryption.
        #[n(3)]
        oaep: bool,
    },
    /// To `Login`, and to `Sign` and `Decrypt` when the PIN of the operation was not taken.
    #[n(3)]
    Pin {
        /// What C_Login returned.
        #[n(0)]
        rv: u64,
    },
    /// To `Keys`.
    #[n(4)]
    Keys {
        /// The private keys.
        #[n(0)]
        keys: Vec<KeyEntry>,
    },
    /// To `Sign`.
    #[n(5)]
    Signature {
        /// The signature.
        #[n(0)]
        bytes: ByteVec,
    },
    /// To `Decrypt`.
    #[n(6)]
    Plain {
        /// What was wrapped.
        #[n(0)]
        bytes: Secret,
    },
    /// To anything.
    #[n(7)]
    Trouble {
        /// Which kind.
        #[n(0)]
        kind: Trouble,
        /// The PKCS#11 function.
        #[n(1)]
        during: String,
        /// The return value's name or number.
        #[n(2)]
        detail: String,
        /// The return value, as far as it may be about a PIN; 0 otherwise.
        #[n(3)]
        rv: u64,
        /// Whether a PIN for this operation was taken before it failed.
        #[n(4)]
        pin_taken: bool,
    },
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Trouble {
    /// The module can not be loaded or initialised.
    #[n(0)]
    Module,
    /// The session or login is gone: open again.
    #[n(1)]
    Session,
    /// The card or the reader is gone.
    #[n(2)]
    Card,
    /// The ciphertext does not decrypt.
    #[n(3)]
    Ciphertext,
    /// The mechanism or key can not do this.
    #[n(4)]
    Unusable,
    /// Anything else; it may pass.
    #[n(5)]
    Other,
    /// A request that makes no sense here.
    #[n(6)]
    Request,
}

/// One token.
#[derive(Debug, Encode, Decode)]
pub(crate) struct TokenEntry {
    #[n(0)]
    pub slot: u64,
    #[n(1)]
    pub reader: String,
    #[n(2)]
    pub label: String,
    #[n(3)]
    pub manufacturer: String,
    #[n(4)]
    pub model: String,
    #[n(5)]
    pub serial: String,
    #[n(6)]
    pub count_low: bool,
    #[n(7)]
    pub final_try: bool,
    #[n(8)]
    pub locked: bool,
    #[n(9)]
    pub pin_min: u32,
    #[n(10)]
    pub pin_max: u32,
    #[n(11)]
    pub pin_pad: bool,
}

/// One certificate object.
#[derive(Debug, Encode, Decode)]
pub(crate) struct CertificateEntry {
    #[n(0)]
    pub id: ByteVec,
    #[n(1)]
    pub label: String,
    #[n(2)]
    pub der: ByteVec,
}

/// One public key object.
#[derive(Debug, Encode, Decode)]
pub(crate) struct ModulusEntry {
    #[n(0)]
    pub id: ByteVec,
    #[n(1)]
    pub modulus: ByteVec,
}

/// One private key object.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct KeyEntry {
    #[n(0)]
    pub id: ByteVec,
    #[n(1)]
    pub label: String,
    /// Empty when the token does not show it.
    #[n(2)]
    pub modulus: ByteVec,
    #[n(3)]
    pub always_authenticate: bool,
    /// CKA_SIGN; `true` when the token does not say.
    #[n(4)]
    pub sign: bool,
    /// CKA_DECRYPT; `true` when the token does not say.
    #[n(5)]
    pub decrypt: bool,
}
