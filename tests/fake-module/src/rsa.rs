//! The card's RSA.

use crate::script::Oaep;
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use cryptoki_sys::*;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;

/// What a key is used for, with the mechanism's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// CKM_RSA_PKCS: a DigestInfo.
    SignInfo,
    /// CKM_SHA256_RSA_PKCS: anything.
    SignSha256,
    /// CKM_RSA_PKCS.
    Decrypt,
    /// CKM_RSA_PKCS_OAEP with this hash in both places.
    DecryptOaep(CK_MECHANISM_TYPE),
}

pub(crate) fn pkcs8(path: &Path) -> Result<Vec<u8>, CK_RV> {
    let key = PrivatePkcs8KeyDer::from_pem_file(path).map_err(|_| CKR_DEVICE_ERROR)?;
    Ok(key.secret_pkcs8_der().to_vec())
}

/// Modulus and exponent of an RSA-2048 key, out of its RSAPublicKey (RFC 8017 §A.1.1), where they have fixed places.
pub(crate) fn public(path: &Path) -> Result<(Vec<u8>, Vec<u8>), CK_RV> {
    let pair = KeyPair::from_pkcs8(&pkcs8(path)?).map_err(|_| CKR_DEVICE_ERROR)?;
    let public = pair.public_key().as_ref();
    let part = |range| public.get(range).map(<[u8]>::to_vec).ok_or(CKR_DEVICE_ERROR);
    Ok((part(9..265)?, part(267..270)?))
}

pub(crate) fn perform(how: Use, oaep: Oaep, key: &Path, input: &[u8]) -> Result<Vec<u8>, CK_RV> {
    let key = pkcs8(key)?;
    match how {
        Use::SignInfo => {
            let digest = input.strip_prefix(SHA256_INFO).ok_or(CKR_DATA_INVALID)?;
            sign(&key, digest)
        }
        Use::SignSha256 => sign(&key, digest::digest(&digest::SHA256, input).as_ref()),
        Use::Decrypt => {
            let key = Pkcs1PrivateDecryptingKey::new(decrypting(&key)?).map_err(|_| CKR_DEVICE_ERROR)?;
            let mut plain = vec![0; key.min_output_size()];
            Ok(key.decrypt(input, &mut plain).map_err(|_| CKR_ENCRYPTED_DATA_INVALID)?.to_vec())
        }
        Use::DecryptOaep(hash) => {
            let algorithm = match (hash, oaep) {
                (CKM_SHA256, Oaep::Sha256) => &OAEP_SHA256_MGF1SHA256,
                (CKM_SHA_1, Oaep::Sha1 | Oaep::Sha256) => &OAEP_SHA1_MGF1SHA1,
                _ => return Err(CKR_FUNCTION_FAILED),
            };
            let key = OaepPrivateDecryptingKey::new(decrypting(&key)?).map_err(|_| CKR_DEVICE_ERROR)?;
            let mut plain = vec![0; key.min_output_size()];
            let plain = key.decrypt(algorithm, input, &mut plain, None);
            Ok(plain.map_err(|_| CKR_ENCRYPTED_DATA_INVALID)?.to_vec())
        }
    }
}

fn decrypting(pkcs8: &[u8]) -> Result<PrivateDecryptingKey, CK_RV> {
    PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| CKR_DEVICE_ERROR)
}

fn sign(pkcs8: &[u8], digest: &[u8]) -> Result<Vec<u8>, CK_RV> {
    let pair = KeyPair::from_pkcs8(pkcs8).map_err(|_| CKR_DEVICE_ERROR)?;
    let digest = Digest::import_less_safe(digest, &digest::SHA256).map_err(|_| CKR_DATA_LEN_RANGE)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign_digest(&RSA_PKCS1_SHA256, &digest, &mut signature).map_err(|_| CKR_DEVICE_ERROR)?;
    Ok(signature)
}

/// DigestInfo of SHA-256 up to the digest (RFC 8017 §9.2).
const SHA256_INFO: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];
