//! The C functions that use a private key (PKCS#11 2.40 §5.9, §5.11).
#![allow(non_snake_case, reason = "the names are the standard's")]

use crate::entry::{bytes, put, with};
use crate::rsa::Use;
use crate::script::Oaep;
use cryptoki_sys::*;

pub(crate) unsafe extern "C" fn C_SignInit(
    handle: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    with("C_SignInit", |library, script| {
        // SAFETY: the caller's pointer.
        let how = match unsafe { (*mechanism).mechanism } {
            CKM_RSA_PKCS => Use::SignInfo,
            CKM_SHA256_RSA_PKCS => Use::SignSha256,
            _ => return Err(CKR_MECHANISM_INVALID),
        };
        library.begin(script, handle, how, key)
    })
}

pub(crate) unsafe extern "C" fn C_DecryptInit(
    handle: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    with("C_DecryptInit", |library, script| {
        // SAFETY: the caller's pointer, and for OAEP its parameters.
        let how = match unsafe { &*mechanism } {
            CK_MECHANISM { mechanism: CKM_RSA_PKCS, .. } => Use::Decrypt,
            CK_MECHANISM { mechanism: CKM_RSA_PKCS_OAEP, pParameter, ulParameterLen } => {
                if pParameter.is_null() || *ulParameterLen as usize != size_of::<CK_RSA_PKCS_OAEP_PARAMS>() {
                    return Err(CKR_MECHANISM_PARAM_INVALID);
                }
                // SAFETY: not null, and as long as it must be.
                let parameters = unsafe { &*pParameter.cast::<CK_RSA_PKCS_OAEP_PARAMS>() };
                match (parameters.hashAlg, parameters.mgf) {
                    (CKM_SHA_1, CKG_MGF1_SHA1) => Use::DecryptOaep(CKM_SHA_1),
                    (CKM_SHA256, CKG_MGF1_SHA256) if script.oaep != Oaep::Sha1 => {
                        Use::DecryptOaep(CKM_SHA256)
                    }
                    _ => return Err(CKR_MECHANISM_PARAM_INVALID),
                }
            }
            _ => return Err(CKR_MECHANISM_INVALID),
        };
        library.begin(script, handle, how, key)
    })
}

/// # Safety
/// The caller's pointers.
unsafe fn finish(
    name: &str,
    handle: CK_SESSION_HANDLE,
    input: (*mut CK_BYTE, CK_ULONG),
    output: *mut CK_BYTE,
    length: *mut CK_ULONG,
) -> CK_RV {
    with(name, |library, script| {
        // SAFETY: the caller's pointers.
        let (input, room) =
            unsafe { (bytes(input.0, input.1), if output.is_null() { None } else { Some(*length) }) };
        match library.end(script, handle, input, room)? {
            // SAFETY: the caller's pointers.
            Ok(result) => unsafe { put(&result, output, length) },
            Err(needed) => {
                // SAFETY: the caller's pointer.
                unsafe { *length = needed };
                if room.is_some() { Err(CKR_BUFFER_TOO_SMALL) } else { Ok(()) }
            }
        }
    })
}

macro_rules! operations {
    ($($single:ident, $last:ident;)*) => {$(
        pub(crate) unsafe extern "C" fn $single(
            handle: CK_SESSION_HANDLE,
            input: *mut CK_BYTE,
            input_length: CK_ULONG,
            output: *mut CK_BYTE,
            length: *mut CK_ULONG,
        ) -> CK_RV {
            // SAFETY: the caller's pointers.
            unsafe { finish(stringify!($single), handle, (input, input_length), output, length) }
        }

        pub(crate) unsafe extern "C" fn $last(
            handle: CK_SESSION_HANDLE,
            output: *mut CK_BYTE,
            length: *mut CK_ULONG,
        ) -> CK_RV {
            // SAFETY: the caller's pointers.
            unsafe { finish(stringify!($last), handle, (std::ptr::null_mut(), 0), output, length) }
        }
    )*};
}

operations! {
    C_Sign, C_SignFinal;
    C_Decrypt, C_DecryptFinal;
}

pub(crate) unsafe extern "C" fn C_SignUpdate(
    handle: CK_SESSION_HANDLE,
    part: *mut CK_BYTE,
    length: CK_ULONG,
) -> CK_RV {
    // SAFETY: the caller's pointers.
    with("C_SignUpdate", |library, script| library.update(script, handle, unsafe { bytes(part, length) }))
}

/// Gives nothing out before the end, as a card cannot.
pub(crate) unsafe extern "C" fn C_DecryptUpdate(
    handle: CK_SESSION_HANDLE,
    part: *mut CK_BYTE,
    part_length: CK_ULONG,
    output: *mut CK_BYTE,
    length: *mut CK_ULONG,
) -> CK_RV {
    with("C_DecryptUpdate", |library, script| {
        // SAFETY: the caller's pointers.
        unsafe {
            *length = 0;
            // Asked for the length only (§5.2): nothing is taken in.
            if output.is_null() {
                return Ok(());
            }
            library.update(script, handle, bytes(part, part_length))
        }
    })
}
