//! The C functions (PKCS#11 2.40 §5).
#![allow(non_snake_case, reason = "the names are the standard's")]

use crate::library::{Library, PIN_LENGTH, call};
use crate::memory::Memory;
use crate::operation::*;
use crate::script::{Asks, Oaep, Script};
use cryptoki_sys::*;
use std::ffi::c_void;
use std::mem::transmute;
use std::slice::from_raw_parts;

/// The one symbol of the module.
///
/// # Safety
/// `list` must point to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    // SAFETY: the caller's promise; the list is never written through.
    unsafe { *list = (&raw const FUNCTIONS).cast_mut() };
    CKR_OK
}

/// As [`call`], but only between `C_Initialize` and `C_Finalize`.
pub(crate) fn with(name: &str, work: impl FnOnce(&mut Library, &Script) -> Result<(), CK_RV>) -> CK_RV {
    call(name, |library, script| work(library.as_mut().ok_or(CKR_CRYPTOKI_NOT_INITIALIZED)?, script))
}

/// # Safety
/// `from` must be null or point to `length` bytes.
pub(crate) unsafe fn bytes<'a>(from: *const u8, length: CK_ULONG) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: the caller's promise.
        Ok(length) if !from.is_null() => unsafe { from_raw_parts(from, length) },
        _ => &[],
    }
}

/// Two-step output (§5.2): the length alone, too little room, or all of it.
///
/// # Safety
/// `to` must be null or have room for `*length` values, `length` must be writable.
pub(crate) unsafe fn put<T: Copy>(values: &[T], to: *mut T, length: *mut CK_ULONG) -> Result<(), CK_RV> {
    let needed = values.len() as CK_ULONG;
    // SAFETY: the caller's promise.
    let room = unsafe { std::mem::replace(&mut *length, needed) };
    if to.is_null() {
        return Ok(());
    }
    if room < needed {
        return Err(CKR_BUFFER_TOO_SMALL);
    }
    // SAFETY: the caller's promise, and the room was just measured.
    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), to, values.len()) };
    Ok(())
}

/// A text of fixed length, padded with blanks; untidy, with a tab and a NUL among them.
fn text<const N: usize>(words: &str, untidy: bool) -> [u8; N] {
    let mut text = [b' '; N];
    let padding: &[u8] = if untidy { b" \t\0" } else { b"" };
    for (to, from) in text.iter_mut().zip(words.bytes().chain(padding.iter().copied())) {
        *to = from;
    }
    text
}

unsafe extern "C" fn C_Initialize(_: *mut c_void) -> CK_RV {
    call("C_Initialize", |library, script| {
        if library.is_some() {
            return Err(CKR_CRYPTOKI_ALREADY_INITIALIZED);
        }
        *library = Some(Library::start(script));
        Ok(())
    })
}

unsafe extern "C" fn C_Finalize(_: *mut c_void) -> CK_RV {
    call("C_Finalize", |library, _| library.take().map(drop).ok_or(CKR_CRYPTOKI_NOT_INITIALIZED))
}

unsafe extern "C" fn C_GetInfo(info: *mut CK_INFO) -> CK_RV {
    with("C_GetInfo", |_, script| {
        let told = CK_INFO {
            cryptokiVersion: CK_VERSION { major: 2, minor: 40 },
            manufacturerID: text("Nobody", script.untidy),
            flags: 0,
            libraryDescription: text("Fake module of the tests", script.untidy),
            libraryVersion: CK_VERSION { major: 0, minor: 1 },
        };
        // SAFETY: the caller's pointer.
        unsafe { *info = told };
        Ok(())
    })
}

unsafe extern "C" fn C_GetSlotList(
    with_token: CK_BBOOL,
    list: *mut CK_SLOT_ID,
    count: *mut CK_ULONG,
) -> CK_RV {
    with("C_GetSlotList", |library, script| {
        let slots = library.slots(script).into_iter().zip(0..);
        let slots: Vec<CK_SLOT_ID> =
            slots.filter(|(card, _)| *card || with_token == CK_FALSE).map(|(_, slot)| slot).collect();
        // SAFETY: the caller's pointers.
        unsafe { put(&slots, list, count) }
    })
}

unsafe extern "C" fn C_GetSlotInfo(slot: CK_SLOT_ID, info: *mut CK_SLOT_INFO) -> CK_RV {
    with("C_GetSlotInfo", |library, script| {
        let place = usize::try_from(slot).map_err(|_| CKR_SLOT_ID_INVALID)?;
        let reader = script.readers.get(place).ok_or(CKR_SLOT_ID_INVALID)?;
        let present = library.slots(script).get(place).copied().unwrap_or(false);
        let told = CK_SLOT_INFO {
            slotDescription: text(&reader.name, script.untidy),
            manufacturerID: text("Nobody", script.untidy),
            flags: CKF_REMOVABLE_DEVICE | CKF_HW_SLOT | if present { CKF_TOKEN_PRESENT } else { 0 },
            hardwareVersion: CK_VERSION { major: 1, minor: 0 },
            firmwareVersion: CK_VERSION { major: 1, minor: 0 },
        };
        // SAFETY: the caller's pointer.
        unsafe { *info = told };
        Ok(())
    })
}

unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    with("C_GetTokenInfo", |library, script| {
        let card = library.card(script, slot)?;
        let mut flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED;
        let memory = Memory::read(&card.memory).map_err(|_| CKR_DEVICE_ERROR)?;
        if script.pin_flags {
            let left = memory.tries.saturating_sub(memory.wrong);
            flags |= if memory.wrong > 0 { CKF_USER_PIN_COUNT_LOW } else { 0 };
            flags |= if left == 1 { CKF_USER_PIN_FINAL_TRY } else { 0 };
            flags |= if left == 0 { CKF_USER_PIN_LOCKED } else { 0 };
        }
        let told = CK_TOKEN_INFO {
            label: text(&card.label, script.untidy),
            manufacturerID: text(&card.manufacturer, script.untidy),
            model: text(&card.model, script.untidy),
            serialNumber: text(&card.serial, false),
            flags,
            ulMaxSessionCount: 16,
            ulSessionCount: CK_UNAVAILABLE_INFORMATION,
            ulMaxRwSessionCount: 16,
            ulRwSessionCount: CK_UNAVAILABLE_INFORMATION,
            ulMaxPinLen: PIN_LENGTH.1,
            ulMinPinLen: PIN_LENGTH.0,
            ulTotalPublicMemory: CK_UNAVAILABLE_INFORMATION,
            ulFreePublicMemory: CK_UNAVAILABLE_INFORMATION,
            ulTotalPrivateMemory: CK_UNAVAILABLE_INFORMATION,
            ulFreePrivateMemory: CK_UNAVAILABLE_INFORMATION,
            hardwareVersion: CK_VERSION { major: 1, minor: 0 },
            firmwareVersion: CK_VERSION { major: 1, minor: 0 },
            utcTime: [b' '; 16],
        };
        // SAFETY: the caller's pointer.
        unsafe { *info = told };
        Ok(())
    })
}

unsafe extern "C" fn C_GetMechanismList(
    slot: CK_SLOT_ID,
    list: *mut CK_MECHANISM_TYPE,
    count: *mut CK_ULONG,
) -> CK_RV {
    with("C_GetMechanismList", |library, script| {
        library.card(script, slot)?;
        let mut mechanisms = vec![CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS];
        if script.oaep != Oaep::None {
            mechanisms.push(CKM_RSA_PKCS_OAEP);
        }
        // SAFETY: the caller's pointers.
        unsafe { put(&mechanisms, list, count) }
    })
}

unsafe extern "C" fn C_GetMechanismInfo(
    slot: CK_SLOT_ID,
    mechanism: CK_MECHANISM_TYPE,
    info: *mut CK_MECHANISM_INFO,
) -> CK_RV {
    with("C_GetMechanismInfo", |library, script| {
        library.card(script, slot)?;
        let flags = match mechanism {
            CKM_RSA_PKCS => CKF_SIGN | CKF_DECRYPT | CKF_UNWRAP,
            CKM_SHA256_RSA_PKCS => CKF_SIGN,
            CKM_RSA_PKCS_OAEP if script.oaep != Oaep::None => CKF_DECRYPT | CKF_UNWRAP,
            _ => return Err(CKR_MECHANISM_INVALID),
        };
        // SAFETY: the caller's pointer.
        unsafe {
            *info = CK_MECHANISM_INFO { ulMinKeySize: 2048, ulMaxKeySize: 2048, flags: flags | CKF_HW }
        };
        Ok(())
    })
}

unsafe extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    _: *mut c_void,
    _: CK_NOTIFY,
    handle: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    with("C_OpenSession", |library, script| {
        if flags & CKF_SERIAL_SESSION == 0 {
            return Err(CKR_SESSION_PARALLEL_NOT_SUPPORTED);
        }
        let opened = library.open(script, slot)?;
        // SAFETY: the caller's pointer.
        unsafe { *handle = opened };
        Ok(())
    })
}

unsafe extern "C" fn C_CloseSession(handle: CK_SESSION_HANDLE) -> CK_RV {
    with("C_CloseSession", |library, _| library.close(handle))
}

unsafe extern "C" fn C_CloseAllSessions(slot: CK_SLOT_ID) -> CK_RV {
    with("C_CloseAllSessions", |library, _| {
        library.close_all(slot);
        Ok(())
    })
}

unsafe extern "C" fn C_GetSessionInfo(handle: CK_SESSION_HANDLE, info: *mut CK_SESSION_INFO) -> CK_RV {
    with("C_GetSessionInfo", |library, script| {
        let slot = library.session(script, handle)?.0.slot;
        let state = if library.is_logged_in(slot) { CKS_RO_USER_FUNCTIONS } else { CKS_RO_PUBLIC_SESSION };
        let told = CK_SESSION_INFO { slotID: slot, state, flags: CKF_SERIAL_SESSION, ulDeviceError: 0 };
        // SAFETY: the caller's pointer.
        unsafe { *info = told };
        Ok(())
    })
}

unsafe extern "C" fn C_Login(
    handle: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_UTF8CHAR,
    length: CK_ULONG,
) -> CK_RV {
    // SAFETY: the caller's pointers.
    with("C_Login", |library, script| library.login(script, handle, user, unsafe { bytes(pin, length) }))
}

unsafe extern "C" fn C_Logout(handle: CK_SESSION_HANDLE) -> CK_RV {
    with("C_Logout", |library, script| library.logout(script, handle))
}

unsafe extern "C" fn C_FindObjectsInit(
    handle: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    with("C_FindObjectsInit", |library, script| {
        let mut wanted = Vec::new();
        for place in 0..count as usize {
            // SAFETY: the caller's array of `count` attributes, each with its value.
            wanted.push(unsafe {
                let attribute = &*template.add(place);
                (attribute.type_, bytes(attribute.pValue.cast(), attribute.ulValueLen).to_vec())
            });
        }
        library.ask(script, handle, Asks::Find)?;
        let objects = library.objects(script, handle)?;
        let found = objects.into_iter().filter(|(_, object)| object.fits(&wanted)).map(|(handle, _)| handle);
        let found = found.collect();
        library.session(script, handle)?.0.found = Some(found);
        Ok(())
    })
}

unsafe extern "C" fn C_FindObjects(
    handle: CK_SESSION_HANDLE,
    list: *mut CK_OBJECT_HANDLE,
    room: CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    with("C_FindObjects", |library, script| {
        let session = library.session(script, handle)?.0;
        let found = session.found.as_mut().ok_or(CKR_OPERATION_NOT_INITIALIZED)?;
        let now: Vec<_> = found.drain(..found.len().min(room as usize)).collect();
        // SAFETY: the caller's pointers.
        unsafe {
            *count = room;
            put(&now, list, count)
        }
    })
}

unsafe extern "C" fn C_FindObjectsFinal(handle: CK_SESSION_HANDLE) -> CK_RV {
    with("C_FindObjectsFinal", |library, script| {
        library.session(script, handle)?.0.found.take().map(drop).ok_or(CKR_OPERATION_NOT_INITIALIZED)
    })
}

unsafe extern "C" fn C_GetAttributeValue(
    handle: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    with("C_GetAttributeValue", |library, script| {
        let objects = library.objects(script, handle)?;
        let object =
            objects.into_iter().find(|(handle, _)| *handle == object).ok_or(CKR_OBJECT_HANDLE_INVALID)?.1;
        let mut answer = Ok(());
        for place in 0..count as usize {
            // SAFETY: the caller's array of `count` attributes, each with room for `ulValueLen` bytes.
            unsafe {
                let attribute = &mut *template.add(place);
                let told = match object.attribute(attribute.type_) {
                    Some(value) => put(value, attribute.pValue.cast(), &raw mut attribute.ulValueLen),
                    None => Err(CKR_ATTRIBUTE_TYPE_INVALID),
                };
                if told.is_err() {
                    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                    answer = told;
                }
            }
        }
        answer
    })
}

extern "C" fn not_supported() -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Every function; those that a card of this kind has not are `not_supported`.
#[expect(clippy::missing_transmute_annotations, reason = "each place in the table says the type")]
static FUNCTIONS: CK_FUNCTION_LIST = {
    macro_rules! table {
        ([$($here:ident)*] [$($missing:ident)*]) => {
            CK_FUNCTION_LIST {
                version: CK_VERSION { major: 2, minor: 40 },
                $($here: Some($here),)*
                // SAFETY: whatever its arguments, a C function may leave them unread; it returns a CK_RV.
                $($missing: unsafe { transmute::<*const (), _>(not_supported as *const ()) },)*
            }
        };
    }
    table! {
        [C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo C_GetTokenInfo
         C_GetMechanismList C_GetMechanismInfo C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo
         C_Login C_Logout C_GetAttributeValue C_FindObjectsInit C_FindObjects C_FindObjectsFinal C_SignInit C_Sign
         C_SignUpdate C_SignFinal C_DecryptInit C_Decrypt C_DecryptUpdate C_DecryptFinal]
        [C_InitToken C_InitPIN C_SetPIN C_GetOperationState C_SetOperationState C_CreateObject C_CopyObject
         C_DestroyObject C_GetObjectSize C_SetAttributeValue C_EncryptInit C_Encrypt C_EncryptUpdate C_EncryptFinal
         C_DigestInit C_Digest C_DigestUpdate C_DigestKey C_DigestFinal C_SignRecoverInit C_SignRecover C_VerifyInit
         C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit C_VerifyRecover C_DigestEncryptUpdate
         C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey C_GenerateKeyPair C_WrapKey
         C_UnwrapKey C_DeriveKey C_SeedRandom C_GenerateRandom C_GetFunctionStatus C_CancelFunction
         C_WaitForSlotEvent]
    }
};
