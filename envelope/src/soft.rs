//! Keys in files: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017) and PKCS#12 (RFC 7292): the 非IC卡類憑證, the demo's keys, and
//! the center's own.

use crate::Digest;
use crate::error::Error;
use crate::key::{Certificate, KeyError, KeyErrorKind, SigningKey, UnwrapKey, WrapScheme};
use crate::pbe;
use crate::tlv::{self, Der};
use crate::{oid, pem, pkcs12};
use aws_lc_rs::digest;
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use zeroize::Zeroizing;

/// An RSA key read from a file, with its certificate. Signs and unwraps; what it may be used for is a matter of its
/// certificate.
pub struct SoftKey {
    certificate: Certificate,
    chain: Vec<Certificate>,
    pair: KeyPair,
    oaep: OaepPrivateDecryptingKey,
    pkcs1: Pkcs1PrivateDecryptingKey,
}

/// Largest key file that is read, bytes.
pub const MAX_KEY_FILE: usize = 256 * 1024;

const UNREADABLE: Error = Error::KeyFile { what: "neither PKCS#8 nor PKCS#12" };

impl SoftKey {
    /// From an RSA key (PKCS#8 in PEM or DER, encrypted with PBES2 or not; or PKCS#1) and certificates in PEM or DER:
    /// the key's own and, in any order, those above it.
    ///
    /// # Errors
    /// [`Error::KeyFile`], [`Error::PassphraseNeeded`], [`Error::PassphraseWrong`], [`Error::KeyMismatch`] when no
    /// certificate is that of the key, [`Error::CertificateMalformed`].
    pub fn from_pkcs8(key: &[u8], passphrase: Option<&str>, certificates: &[u8]) -> Result<Self, Error> {
        let certificates = if is_pem(certificates) {
            Certificate::all_from_pem(certificates)?
        } else {
            vec![Certificate::from_der(certificates)?]
        };
        Self::assemble(&private_key(key, passphrase)?, certificates)
    }

    /// From a PKCS#12 file with one private key. AES (PBES2) and the older 3DES and 40-bit RC2 encryptions are read.
    ///
    /// # Errors
    /// As [`SoftKey::from_pkcs8`].
    pub fn from_pkcs12(file: &[u8], passphrase: &str) -> Result<Self, Error> {
        if file.len() > MAX_KEY_FILE {
            return Err(Error::TooLarge { what: "a key file", limit: MAX_KEY_FILE as u64 });
        }
        let (key, certificates) = pkcs12::open(file, passphrase)?;
        Self::assemble(&key, certificates)
    }

    /// From a key file of either kind, told apart by its bytes. `certificates` is not needed for PKCS#12, where it is
    /// ignored, nor when the PEM file holds them beside the key.
    ///
    /// # Errors
    /// As [`SoftKey::from_pkcs8`].
    pub fn from_file(
        key: &[u8],
        passphrase: Option<&str>,
        certificates: Option<&[u8]>,
    ) -> Result<Self, Error> {
        if pkcs12::looks_like(key) {
            return Self::from_pkcs12(key, passphrase.ok_or(Error::PassphraseNeeded)?);
        }
        Self::from_pkcs8(key, passphrase, certificates.unwrap_or(key))
    }

    /// The certificate of the key, which for a file is always known.
    pub fn own_certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn assemble(pkcs8: &[u8], mut certificates: Vec<Certificate>) -> Result<Self, Error> {
        let unusable = |_| Error::KeyFile { what: "not an RSA key of 2048 to 8192 bits" };
        let pair = KeyPair::from_pkcs8(pkcs8).map_err(unusable)?;
        let decrypting = || PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(unusable);
        let not_rsa = |_| Error::KeyFile { what: "not an RSA key" };
        let own = certificates.iter().position(|c| c.rsa_public() == Some(pair.public_key().as_ref()));
        let certificate = certificates.swap_remove(own.ok_or(Error::KeyMismatch)?);
        Ok(Self {
            certificate,
            chain: certificates,
            oaep: OaepPrivateDecryptingKey::new(decrypting()?).map_err(not_rsa)?,
            pkcs1: Pkcs1PrivateDecryptingKey::new(decrypting()?).map_err(not_rsa)?,
            pair,
        })
    }
}

impl core::fmt::Debug for SoftKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SoftKey").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl SigningKey for SoftKey {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        Ok(self.certificate.clone())
    }

    fn chain(&self) -> Vec<Certificate> {
        self.chain.clone()
    }

    fn sign(&self, digest: &Digest) -> Result<Vec<u8>, KeyError> {
        let broken = |_| KeyError::new(KeyErrorKind::Unusable, "signing with the file key failed");
        let digest = digest::Digest::import_less_safe(digest, &digest::SHA256).map_err(broken)?;
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign_digest(&RSA_PKCS1_SHA256, &digest, &mut signature).map_err(broken)?;
        Ok(signature)
    }
}

impl UnwrapKey for SoftKey {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        Ok(self.certificate.clone())
    }

    fn unwrap(&self, scheme: WrapScheme, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let refused = |_| KeyError::new(KeyErrorKind::Refused, "the wrapped key does not decrypt");
        let mut plain = Zeroizing::new(vec![0; self.pair.public_modulus_len()]);
        let length = match scheme {
            WrapScheme::OaepSha256 => {
                self.oaep.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut plain, None).map_err(refused)?.len()
            }
            WrapScheme::Pkcs1 => self.pkcs1.decrypt(wrapped, &mut plain).map_err(refused)?.len(),
        };
        plain.truncate(length);
        Ok(plain)
    }
}

fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|w| w == b"-----BEGIN ")
}

/// PKCS#8, not encrypted, from any form of key file.
fn private_key(file: &[u8], passphrase: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Error> {
    if file.len() > MAX_KEY_FILE {
        return Err(Error::TooLarge { what: "a key file", limit: MAX_KEY_FILE as u64 });
    }
    if !is_pem(file) {
        return plain_key(file, passphrase);
    }
    let mut keys = pem::blocks(file).filter(|(label, _)| label.ends_with("PRIVATE KEY"));
    let der = match keys.next() {
        Some((label, Some(der))) if label != "EC PRIVATE KEY" => Zeroizing::new(der),
        Some((_, None)) => {
            return Err(Error::KeyFile { what: "broken PEM, or the old PEM encryption (use PKCS#8)" });
        }
        _ => return Err(Error::KeyFile { what: "no RSA private key in it" }),
    };
    if keys.next().is_some() {
        return Err(Error::KeyFile { what: "more than one private key in it" });
    }
    plain_key(&der, passphrase)
}

/// PKCS#8, not encrypted, from DER of PKCS#8 (encrypted or not) or PKCS#1.
fn plain_key(der: &[u8], passphrase: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut fields = Der::only(der, tlv::SEQUENCE, "a private key").map_err(|_| UNREADABLE)?;
    match fields.peek() {
        Some(tlv::SEQUENCE) => {
            let algorithm = fields.next().map_err(|_| UNREADABLE)?.raw;
            let ciphertext = fields.octets().map_err(|_| UNREADABLE)?;
            fields.end().map_err(|_| UNREADABLE)?;
            pbe::decrypt(algorithm, passphrase.ok_or(Error::PassphraseNeeded)?, ciphertext)
        }
        Some(tlv::INTEGER) => {
            fields.next().map_err(|_| UNREADABLE)?;
            if fields.peek() == Some(tlv::SEQUENCE) {
                return Ok(Zeroizing::new(der.to_vec()));
            }
            let algorithm = tlv::element(tlv::SEQUENCE, &[&tlv::oid(&oid::RSA), &[tlv::NULL, 0]]);
            let octets = Zeroizing::new(tlv::element(tlv::OCTET_STRING, &[der]));
            Ok(Zeroizing::new(tlv::element(
                tlv::SEQUENCE,
                &[&tlv::unsigned(tlv::INTEGER, 0), &algorithm, &octets],
            )))
        }
        _ => Err(UNREADABLE),
    }
}
