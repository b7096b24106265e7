//! The module, its one session, and what PKCS#11 calls its failures.
//!
//! Only what an unattended signer needs is called. The functions that change a PIN or a token are named nowhere in this
//! crate (a test looks), and C_WaitForSlotEvent is not used: it holds the module.

use crate::protocol::{CertificateEntry, KeyEntry, ModulusEntry, Reply, Secret, TokenEntry, Trouble};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use zeroize::Zeroizing;

/// Objects of one class that are looked at, tokens that are listed.
const MANY: usize = 32;

pub(super) struct Module {
    // Dropped first: a session is closed before the library goes.
    session: Option<Session>,
    keys: Vec<ObjectHandle>,
    slots: Vec<Slot>,
    pkcs11: Pkcs11,
}

impl Module {
    pub(super) fn load(path: &[u8]) -> Result<(Self, String), Reply> {
        let module_fault = |e: Error| match trouble(&e) {
            Reply::Trouble { during, detail, rv, pin_taken, .. } => {
                Reply::Trouble { kind: Trouble::Module, during, detail, rv, pin_taken }
            }
            other => other,
        };
        let pkcs11 = Pkcs11::new(OsStr::from_bytes(path)).map_err(module_fault)?;
        pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(module_fault)?;
        let library = pkcs11.get_library_info().map_or_else(
            |_| String::new(),
            |info| {
                let version = info.library_version();
                let (maker, what) = (info.manufacturer_id(), info.library_description());
                clean(&format!("{maker} {what} {}.{}", version.major(), version.minor()))
            },
        );
        Ok((Self { session: None, keys: Vec::new(), slots: Vec::new(), pkcs11 }, library))
    }

    pub(super) fn finish(mut self) {
        self.close();
        // Finalised but never unloaded: libraries that are taken away crash the threads that once called them.
        std::mem::forget(self.pkcs11.clone());
        let _ = self.pkcs11.finalize();
    }

    pub(super) fn tokens(&mut self) -> Reply {
        let all = match self.pkcs11.get_all_slots() {
            Ok(all) => all,
            Err(e) => return trouble(&e),
        };
        self.slots = match self.pkcs11.get_slots_with_token() {
            Ok(slots) => slots.into_iter().take(MANY).collect(),
            Err(e) => return trouble(&e),
        };
        let tokens = self.slots.iter().filter_map(|slot| self.token(*slot)).collect();
        Reply::Tokens { slots: u32::try_from(all.len()).unwrap_or(u32::MAX), tokens }
    }

    /// `None` for a token that is not initialised, or went while it was asked.
    fn token(&self, slot: Slot) -> Option<TokenEntry> {
        let info = self.pkcs11.get_token_info(slot).ok().filter(|info| info.token_initialized())?;
        let reader =
            self.pkcs11.get_slot_info(slot).map_or_else(|_| String::new(), |s| clean(s.slot_description()));
        Some(TokenEntry {
            slot: slot.id(),
            reader,
            label: clean(info.label()),
            manufacturer: clean(info.manufacturer_id()),
            model: clean(info.model()),
            serial: clean(info.serial_number()),
            count_low: info.user_pin_count_low(),
            final_try: info.user_pin_final_try(),
            locked: info.user_pin_locked(),
            pin_min: u32::try_from(info.min_pin_length()).unwrap_or(u32::MAX),
            pin_max: u32::try_from(info.max_pin_length()).unwrap_or(u32::MAX),
            pin_pad: info.protected_authentication_path(),
        })
    }

    pub(super) fn open(&mut self, slot: u64) -> Reply {
        self.close();
        let Some(slot) = self.slots.iter().copied().find(|s| s.id() == slot) else {
            return fault(Trouble::Card, "C_OpenSession", "the slot is not listed");
        };
        let session = match self.pkcs11.open_ro_session(slot) {
            Ok(session) => session,
            Err(e) => return trouble(&e),
        };
        let read = || -> Result<_, Error> { Ok((certificates(&session)?, moduli(&session)?)) };
        let (certificates, moduli) = match read() {
            Ok(read) => read,
            Err(e) => return trouble(&e),
        };
        // A module that can not list its mechanisms may still have the one that every card has.
        let listed = self.pkcs11.get_mechanism_list(slot).unwrap_or_default();
        let oaep = listed.contains(&MechanismType::RSA_PKCS_OAEP)
            && self
                .pkcs11
                .get_mechanism_info(slot, MechanismType::RSA_PKCS_OAEP)
                .is_ok_and(|info| info.decrypt());
        let pkcs1 = listed.is_empty() || listed.contains(&MechanismType::RSA_PKCS);
        self.session = Some(session);
        Reply::Opened { certificates, moduli, pkcs1, oaep }
    }

    pub(super) fn login(&self, pin: &Secret) -> Reply {
        let Some(session) = &self.session else { return no_session() };
        // A dead session would be given a PIN, and nobody could tell whether the card saw it.
        if let Err(e) = session.get_session_info() {
            return trouble(&e);
        }
        let pin = RawAuthPin::new(Box::new(pin.0.to_vec()));
        match session.login_with_raw(UserType::User, &pin) {
            Ok(()) => Reply::Pin { rv: 0 },
            Err(Error::Pkcs11(rv, _)) => Reply::Pin { rv: rv_number(rv) },
            Err(e) => trouble(&e),
        }
    }

    pub(super) fn keys(&mut self) -> Reply {
        let Some(session) = &self.session else { return no_session() };
        let read = || -> Result<Vec<(ObjectHandle, KeyEntry)>, Error> {
            let handles = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)])?;
            handles.into_iter().take(MANY).map(|key| Ok((key, key_entry(session, key)?))).collect()
        };
        match read() {
            Ok(keys) => {
                let (handles, keys) = keys.into_iter().unzip();
                self.keys = handles;
                Reply::Keys { keys }
            }
            Err(e) => trouble(&e),
        }
    }

    pub(super) fn sign(&self, key: u32, data: &[u8], pin: Option<&Secret>) -> Reply {
        let (session, key) = match self.key(key) {
            Ok(found) => found,
            Err(reply) => return reply,
        };
        let done = match pin {
            None => session.sign(&Mechanism::RsaPkcs, key, data).map_err(|e| trouble(&e)),
            Some(pin) => session
                .sign_init(&Mechanism::RsaPkcs, key)
                .map_err(|e| trouble(&e))
                .and_then(|()| allow(session, pin))
                .and_then(|()| session.sign_update(data).map_err(|e| after_pin(trouble(&e))))
                .and_then(|()| session.sign_final().map_err(|e| after_pin(trouble(&e)))),
        };
        done.map_or_else(|reply| reply, |bytes| Reply::Signature { bytes: bytes.into() })
    }

    pub(super) fn decrypt(&self, key: u32, oaep: bool, data: &[u8], pin: Option<&Secret>) -> Reply {
        let (session, key) = match self.key(key) {
            Ok(found) => found,
            Err(reply) => return reply,
        };
        let sha256 =
            PkcsOaepParams::new(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, PkcsOaepSource::empty());
        let mechanism = if oaep { Mechanism::RsaPkcsOaep(sha256) } else { Mechanism::RsaPkcs };
        let done = match pin {
            None => session.decrypt(&mechanism, key, data).map_err(|e| trouble(&e)),
            Some(pin) => session
                .decrypt_init(&mechanism, key)
                .map_err(|e| trouble(&e))
                .and_then(|()| allow(session, pin))
                .and_then(|()| session.decrypt_update(data).map_err(|e| after_pin(trouble(&e))))
                .and_then(|mut first| {
                    let mut last = session.decrypt_final().map_err(|e| after_pin(trouble(&e)))?;
                    first.append(&mut last);
                    Ok(first)
                }),
        };
        done.map_or_else(|reply| reply, |bytes| Reply::Plain { bytes: Secret(Zeroizing::new(bytes)) })
    }

    fn close(&mut self) {
        self.keys.clear();
        if let Some(session) = self.session.take() {
            // Some modules keep a login beyond its session.
            let _ = session.logout();
        }
    }

    fn key(&self, key: u32) -> Result<(&Session, ObjectHandle), Reply> {
        let session = self.session.as_ref().ok_or_else(no_session)?;
        let key = self
            .keys
            .get(key as usize)
            .ok_or_else(|| fault(Trouble::Session, "the request", "no such key"))?;
        Ok((session, *key))
    }
}

/// The PIN for the one operation that was begun (CKA_ALWAYS_AUTHENTICATE).
fn allow(session: &Session, pin: &Secret) -> Result<(), Reply> {
    let pin = RawAuthPin::new(Box::new(pin.0.to_vec()));
    session.login_with_raw(UserType::ContextSpecific, &pin).map_err(|e| match e {
        Error::Pkcs11(rv, _) => Reply::Pin { rv: rv_number(rv) },
        e => trouble(&e),
    })
}

fn after_pin(reply: Reply) -> Reply {
    match reply {
        Reply::Trouble { kind, during, detail, rv, .. } => {
            Reply::Trouble { kind, during, detail, rv, pin_taken: true }
        }
        other => other,
    }
}

fn certificates(session: &Session) -> Result<Vec<CertificateEntry>, Error> {
    let objects = session.find_objects(&[Attribute::Class(ObjectClass::CERTIFICATE)])?;
    let mut found = Vec::new();
    for object in objects.into_iter().take(MANY) {
        let mut entry =
            CertificateEntry { id: Vec::new().into(), label: String::new(), der: Vec::new().into() };
        for attribute in session
            .get_attributes(object, &[AttributeType::Id, AttributeType::Label, AttributeType::Value])?
        {
            match attribute {
                Attribute::Id(id) => entry.id = id.into(),
                Attribute::Label(label) => entry.label = clean(&String::from_utf8_lossy(&label)),
                Attribute::Value(der) => entry.der = der.into(),
                _ => {}
            }
        }
        if (1..=envelope::MAX_CERTIFICATE).contains(&entry.der.len()) {
            found.push(entry);
        }
    }
    Ok(found)
}

fn moduli(session: &Session) -> Result<Vec<ModulusEntry>, Error> {
    let objects = session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY)])?;
    let mut found = Vec::new();
    for object in objects.into_iter().take(MANY) {
        let mut entry = ModulusEntry { id: Vec::new().into(), modulus: Vec::new().into() };
        for attribute in session.get_attributes(object, &[AttributeType::Id, AttributeType::Modulus])? {
            match attribute {
                Attribute::Id(id) => entry.id = id.into(),
                Attribute::Modulus(modulus) => entry.modulus = modulus.into(),
                _ => {}
            }
        }
        found.push(entry);
    }
    Ok(found)
}

fn key_entry(session: &Session, key: ObjectHandle) -> Result<KeyEntry, Error> {
    const WANTED: [AttributeType; 6] = [
        AttributeType::Id,
        AttributeType::Label,
        AttributeType::Modulus,
        AttributeType::AlwaysAuthenticate,
        AttributeType::Sign,
        AttributeType::Decrypt,
    ];
    let mut entry = KeyEntry {
        id: Vec::new().into(),
        label: String::new(),
        modulus: Vec::new().into(),
        always_authenticate: false,
        sign: true,
        decrypt: true,
    };
    for attribute in session.get_attributes(key, &WANTED)? {
        match attribute {
            Attribute::Id(id) => entry.id = id.into(),
            Attribute::Label(label) => entry.label = clean(&String::from_utf8_lossy(&label)),
            Attribute::Modulus(modulus) => entry.modulus = modulus.into(),
            Attribute::AlwaysAuthenticate(yes) => entry.always_authenticate = yes,
            Attribute::Sign(yes) => entry.sign = yes,
            Attribute::Decrypt(yes) => entry.decrypt = yes,
            _ => {}
        }
    }
    Ok(entry)
}

/// Token text without padding: official strings end in blanks and tabs, others in NULs.
fn clean(text: &str) -> String {
    let text = text.split('\0').next().unwrap_or_default().trim();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn no_session() -> Reply {
    fault(Trouble::Session, "the request", "no session")
}

fn fault(kind: Trouble, during: &str, detail: &str) -> Reply {
    Reply::Trouble { kind, during: during.to_owned(), detail: detail.to_owned(), rv: 0, pin_taken: false }
}

/// A failed call, as the parent wants to know it.
fn trouble(error: &Error) -> Reply {
    match error {
        Error::Pkcs11(rv, function) => {
            let kind = kind(*rv, *function);
            let during = format!("C_{function:?}");
            Reply::Trouble { kind, during, detail: rv_name(*rv), rv: rv_number(*rv), pin_taken: false }
        }
        Error::LibraryLoading(e) => fault(Trouble::Module, "loading", &clean(&e.to_string())),
        Error::MissingSymbol(_) => fault(Trouble::Module, "loading", "no PKCS#11 module"),
        Error::NullFunctionPointer => fault(Trouble::Unusable, "the call", "the module lacks this function"),
        other => fault(Trouble::Other, "the call", &clean(&other.to_string())),
    }
}

fn kind(rv: RvError, function: Function) -> Trouble {
    use RvError as R;
    match rv {
        R::SessionHandleInvalid | R::SessionClosed | R::UserNotLoggedIn | R::CryptokiNotInitialized => {
            Trouble::Session
        }
        R::ObjectHandleInvalid | R::KeyHandleInvalid | R::OperationActive => Trouble::Session,
        R::DeviceRemoved | R::TokenNotPresent | R::TokenNotRecognized | R::SlotIdInvalid => Trouble::Card,
        R::EncryptedDataInvalid | R::EncryptedDataLenRange | R::DataInvalid | R::DataLenRange
            if matches!(function, Function::Decrypt | Function::DecryptUpdate | Function::DecryptFinal) =>
        {
            Trouble::Ciphertext
        }
        R::MechanismInvalid
        | R::MechanismParamInvalid
        | R::KeyTypeInconsistent
        | R::KeyFunctionNotPermitted
        | R::KeySizeRange
        | R::FunctionNotSupported => Trouble::Unusable,
        _ => Trouble::Other,
    }
}

fn rv_name(rv: RvError) -> String {
    match rv {
        RvError::VendorDefined(code) => format!("CKR_VENDOR_DEFINED {code:#x}"),
        RvError::UnknownErrorCode(code) => format!("unknown code {code:#x}"),
        named => format!("{named:?}"),
    }
}

/// The number behind a return value of C_Login (PKCS#11 v2.40 header); `CKR_GENERAL_ERROR` for one that means nothing
/// there.
fn rv_number(rv: RvError) -> u64 {
    match rv {
        RvError::VendorDefined(code) | RvError::UnknownErrorCode(code) => code,
        RvError::FunctionFailed => 0x06,
        RvError::ArgumentsBad => 0x07,
        RvError::DeviceError => 0x30,
        RvError::DeviceMemory => 0x31,
        RvError::DeviceRemoved => 0x32,
        RvError::FunctionCanceled => 0x50,
        RvError::OperationNotInitialized => 0x91,
        RvError::PinIncorrect => 0xa0,
        RvError::PinInvalid => 0xa1,
        RvError::PinLenRange => 0xa2,
        RvError::PinExpired => 0xa3,
        RvError::PinLocked => 0xa4,
        RvError::SessionClosed => 0xb0,
        RvError::SessionHandleInvalid => 0xb3,
        RvError::TokenNotPresent => 0xe0,
        RvError::UserAlreadyLoggedIn => 0x100,
        RvError::UserNotLoggedIn => 0x101,
        RvError::UserPinNotInitialized => 0x102,
        RvError::UserTypeInvalid => 0x103,
        _ => 0x05,
    }
}
