//! The module between two calls: sessions, logins, operations; and what surrounds every call.

use crate::memory::{Memory, Said};
use crate::object::{self, Object};
use crate::rsa::{self, Use};
use crate::script::{Asks, Card, Fault, Oaep, Script, What, When, WrongPin};
use cryptoki_sys::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

static LIBRARY: Mutex<Option<Library>> = Mutex::new(None);

/// From `C_Initialize` to `C_Finalize`.
#[derive(Default)]
pub(crate) struct Library {
    /// Slots with a card as they were at the start.
    at_start: Vec<bool>,
    sessions: BTreeMap<CK_SESSION_HANDLE, Session>,
    last_handle: CK_SESSION_HANDLE,
    /// Slots with a login.
    logins: BTreeMap<CK_SLOT_ID, Login>,
}

/// A login that the module has said to be good.
struct Login {
    /// The PIN, which the module keeps.
    pin: Vec<u8>,
    /// The card has seen it.
    asked: bool,
}

pub(crate) struct Session {
    pub(crate) slot: CK_SLOT_ID,
    insertion: u64,
    /// Handles still to be told.
    pub(crate) found: Option<Vec<CK_OBJECT_HANDLE>>,
    operation: Option<Operation>,
}

struct Operation {
    how: Use,
    key: std::path::PathBuf,
    /// The login for this one operation has been made.
    authenticated: bool,
    /// From the updates.
    data: Vec<u8>,
    /// Done, but the caller has not yet brought enough room.
    result: Option<Vec<u8>>,
}

/// One call of the named function: script, log, faults, and the work between them.
pub(crate) fn call(
    name: &str,
    work: impl FnOnce(&mut Option<Library>, &Script) -> Result<(), CK_RV>,
) -> CK_RV {
    let Some(script) = Script::read() else { return CKR_GENERAL_ERROR };
    if let Some(mut log) = script
        .log
        .as_ref()
        .and_then(|path| std::fs::File::options().create(true).append(true).open(path).ok())
    {
        let _ = log.write_all(format!("{name}\n").as_bytes());
    }
    if let Some(answer) = faults(&script, name, When::Before) {
        return answer;
    }
    let answer = work(&mut LIBRARY.lock().unwrap_or_else(PoisonError::into_inner), &script);
    faults(&script, name, When::After).unwrap_or(answer.err().unwrap_or(CKR_OK))
}

fn faults(script: &Script, name: &str, when: When) -> Option<CK_RV> {
    let mut answer = None;
    for Fault { what, once, .. } in script.faults.iter().filter(|f| f.call == name && f.when == when) {
        if once.as_ref().is_some_and(|path| std::fs::remove_file(path).is_err()) {
            continue;
        }
        match what {
            What::Hang(milliseconds) => std::thread::sleep(Duration::from_millis(*milliseconds)),
            What::Crash => std::process::abort(),
            What::Exit(code) => std::process::exit(*code),
            What::Answer(rv) => answer = Some(*rv as CK_RV),
            What::Leak(bytes) => std::mem::forget(vec![1_u8; *bytes]),
            What::Print(text) => {
                let mut out = std::io::stdout();
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
        }
    }
    answer
}

impl Library {
    pub(crate) fn start(script: &Script) -> Self {
        Self { at_start: script.readers.iter().map(|r| r.card.is_some()).collect(), ..Self::default() }
    }

    /// What the caller is told about the slots: a card in it or not.
    pub(crate) fn slots(&self, script: &Script) -> Vec<bool> {
        if script.frozen {
            return self.at_start.clone();
        }
        script.readers.iter().map(|r| r.card.is_some()).collect()
    }

    pub(crate) fn card<'a>(&self, script: &'a Script, slot: CK_SLOT_ID) -> Result<&'a Card, CK_RV> {
        let place = usize::try_from(slot).map_err(|_| CKR_SLOT_ID_INVALID)?;
        let reader = script.readers.get(place).ok_or(CKR_SLOT_ID_INVALID)?;
        let gone = if script.frozen { CKR_GENERAL_ERROR } else { CKR_TOKEN_NOT_PRESENT };
        reader.card.as_ref().ok_or(gone)
    }

    pub(crate) fn open(&mut self, script: &Script, slot: CK_SLOT_ID) -> Result<CK_SESSION_HANDLE, CK_RV> {
        self.card(script, slot)?;
        self.last_handle += 1;
        let insertion = insertion(script, slot);
        let session = Session { slot, insertion, found: None, operation: None };
        self.sessions.insert(self.last_handle, session);
        Ok(self.last_handle)
    }

    pub(crate) fn close(&mut self, handle: CK_SESSION_HANDLE) -> Result<(), CK_RV> {
        let slot = self.sessions.remove(&handle).ok_or(CKR_SESSION_HANDLE_INVALID)?.slot;
        if !self.sessions.values().any(|session| session.slot == slot) {
            self.logins.remove(&slot);
        }
        Ok(())
    }

    pub(crate) fn close_all(&mut self, slot: CK_SLOT_ID) {
        self.sessions.retain(|_, session| session.slot != slot);
        self.logins.remove(&slot);
    }

    /// A session whose card is still in the reader since it was opened.
    pub(crate) fn session<'a>(
        &mut self,
        script: &'a Script,
        handle: CK_SESSION_HANDLE,
    ) -> Result<(&mut Session, &'a Card), CK_RV> {
        let session = self.sessions.get(&handle).ok_or(CKR_SESSION_HANDLE_INVALID)?;
        let (slot, was) = (session.slot, session.insertion);
        let card = self.card(script, slot);
        if card.is_err() || insertion(script, slot) != was {
            self.close_all(slot);
            return Err(if script.frozen { CKR_GENERAL_ERROR } else { CKR_DEVICE_REMOVED });
        }
        Ok((self.sessions.get_mut(&handle).ok_or(CKR_SESSION_HANDLE_INVALID)?, card?))
    }

    pub(crate) fn is_logged_in(&self, slot: CK_SLOT_ID) -> bool {
        self.logins.contains_key(&slot)
    }

    /// The objects that may be seen now.
    pub(crate) fn objects(
        &mut self,
        script: &Script,
        handle: CK_SESSION_HANDLE,
    ) -> Result<Vec<(CK_OBJECT_HANDLE, Object)>, CK_RV> {
        let (session, card) = self.session(script, handle)?;
        let slot = session.slot;
        let all = object::all(card, script)?.into_iter().zip(1..).map(|(object, handle)| (handle, object));
        let open = self.is_logged_in(slot);
        Ok(all.filter(|(_, object)| open || object.class != CKO_PRIVATE_KEY).collect())
    }

    pub(crate) fn login(
        &mut self,
        script: &Script,
        handle: CK_SESSION_HANDLE,
        user: CK_USER_TYPE,
        pin: &[u8],
    ) -> Result<(), CK_RV> {
        let (session, card) = self.session(script, handle)?;
        let (slot, pending) = (session.slot, session.operation.is_some());
        match user {
            CKU_USER if self.is_logged_in(slot) => return Err(CKR_USER_ALREADY_LOGGED_IN),
            CKU_USER => {}
            CKU_CONTEXT_SPECIFIC if pending => {}
            CKU_CONTEXT_SPECIFIC => return Err(CKR_OPERATION_NOT_INITIALIZED),
            _ => return Err(CKR_USER_TYPE_INVALID),
        }
        if !(PIN_LENGTH.0..=PIN_LENGTH.1).contains(&(pin.len() as CK_ULONG)) {
            return Err(CKR_PIN_LEN_RANGE);
        }
        let asked = user != CKU_USER || script.asks == Asks::Login;
        if asked {
            present(script, card, pin)?;
        }
        if user == CKU_USER {
            self.logins.insert(slot, Login { pin: pin.to_vec(), asked });
        } else if let Some(operation) = &mut self.session(script, handle)?.0.operation {
            operation.authenticated = true;
        }
        Ok(())
    }

    /// The PIN of a login that was taken unseen reaches the card now. One that was wrong reaches it again next time.
    pub(crate) fn ask(&mut self, script: &Script, handle: CK_SESSION_HANDLE, now: Asks) -> Result<(), CK_RV> {
        let (session, card) = self.session(script, handle)?;
        let slot = session.slot;
        if let Some(login) = self.logins.get_mut(&slot).filter(|login| !login.asked && script.asks == now) {
            present(script, card, &login.pin)?;
            login.asked = true;
        }
        Ok(())
    }

    pub(crate) fn logout(&mut self, script: &Script, handle: CK_SESSION_HANDLE) -> Result<(), CK_RV> {
        let slot = self.session(script, handle)?.0.slot;
        self.logins.remove(&slot).map(drop).ok_or(CKR_USER_NOT_LOGGED_IN)
    }

    pub(crate) fn begin(
        &mut self,
        script: &Script,
        handle: CK_SESSION_HANDLE,
        how: Use,
        key: CK_OBJECT_HANDLE,
    ) -> Result<(), CK_RV> {
        if matches!(how, Use::DecryptOaep(_)) && script.oaep == Oaep::None {
            return Err(CKR_MECHANISM_INVALID);
        }
        let objects = self.objects(script, handle)?;
        let object = objects.into_iter().find(|(handle, _)| *handle == key).map(|(_, object)| object);
        let object = object.ok_or(CKR_KEY_HANDLE_INVALID)?;
        let signs = matches!(how, Use::SignInfo | Use::SignSha256);
        if !(if signs { object.sign } else { object.decrypt }) {
            return Err(CKR_KEY_FUNCTION_NOT_PERMITTED);
        }
        let key = object.key.ok_or(CKR_KEY_TYPE_INCONSISTENT)?;
        let operation = Operation { how, key, authenticated: false, data: Vec::new(), result: None };
        self.session(script, handle)?.0.operation = Some(operation);
        Ok(())
    }

    pub(crate) fn update(
        &mut self,
        script: &Script,
        handle: CK_SESSION_HANDLE,
        data: &[u8],
    ) -> Result<(), CK_RV> {
        let operation = &mut self.session(script, handle)?.0.operation;
        operation.as_mut().ok_or(CKR_OPERATION_NOT_INITIALIZED)?.data.extend_from_slice(data);
        Ok(())
    }

    /// Ends the operation over what was gathered, and over `data`. The room is measured against the modulus first, as
    /// a card would: only asking how much is needed costs it nothing.
    pub(crate) fn end(
        &mut self,
        script: &Script,
        handle: CK_SESSION_HANDLE,
        data: &[u8],
        room: Option<CK_ULONG>,
    ) -> Result<Result<Vec<u8>, CK_ULONG>, CK_RV> {
        if room.is_some() {
            self.ask(script, handle, Asks::Operation)?;
        }
        let kept = self.sessions.get(&handle).and_then(|s| self.logins.get(&s.slot));
        let kept = kept.map(|login| login.pin.clone());
        let (session, card) = self.session(script, handle)?;
        let mut operation = session.operation.take().ok_or(CKR_OPERATION_NOT_INITIALIZED)?;
        let Some(room) = room else {
            let needed = operation.result.as_ref().map_or(MODULUS, |result| result.len() as CK_ULONG);
            session.operation = Some(operation);
            return Ok(Err(needed));
        };
        let result = if let Some(result) = operation.result.take() {
            result
        } else {
            if script.always_authenticate && !operation.authenticated {
                return Err(CKR_USER_NOT_LOGGED_IN);
            }
            if script.keeps_pin {
                present(script, card, &kept.ok_or(CKR_USER_NOT_LOGGED_IN)?)?;
            }
            std::thread::sleep(Duration::from_millis(script.slow));
            let mut input = std::mem::take(&mut operation.data);
            input.extend_from_slice(data);
            rsa::perform(operation.how, script.oaep, &operation.key, &input)?
        };
        if (result.len() as CK_ULONG) > room {
            let needed = result.len() as CK_ULONG;
            operation.result = Some(result);
            session.operation = Some(operation);
            return Ok(Err(needed));
        }
        Ok(Ok(result))
    }
}

fn insertion(script: &Script, slot: CK_SLOT_ID) -> u64 {
    usize::try_from(slot).ok().and_then(|place| script.readers.get(place)).map_or(0, |r| r.insertion)
}

fn present(script: &Script, card: &Card, pin: &[u8]) -> Result<(), CK_RV> {
    let said = Memory::present(Path::new(&card.memory), pin).map_err(|_| CKR_DEVICE_ERROR)?;
    let vendor = |left: u32, carried: u64| Err((carried | 0x8000_0000 | u64::from(left)) as CK_RV);
    match (said, script.wrong_pin) {
        (Said::Right, _) => Ok(()),
        (_, WrongPin::DeviceError) => Err(CKR_DEVICE_ERROR),
        (Said::Locked, _) => Err(CKR_PIN_LOCKED),
        (Said::Wrong { .. }, WrongPin::Standard) => Err(CKR_PIN_INCORRECT),
        (Said::Wrong { left }, WrongPin::Vendor) => vendor(left, 0),
        (Said::Wrong { left }, WrongPin::VendorSignExtended) => vendor(left, 0xFFFF_FFFF_0000_0000),
    }
}

/// Shortest and longest PIN.
pub(crate) const PIN_LENGTH: (CK_ULONG, CK_ULONG) = (6, 8);

/// Bytes of an RSA-2048 modulus.
const MODULUS: CK_ULONG = 256;
