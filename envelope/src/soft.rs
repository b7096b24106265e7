//! Keys in files: PKCS#8 (RFC 5958) and PKCS#12 (RFC 7292), the 非IC卡類憑證 and the demo's keys.

use crate::Digest;
use crate::error::Error;
use crate::key::{Certificate, KeyError, SigningKey, UnwrapKey, WrapScheme};
use zeroize::Zeroizing;

/// An RSA key read from a file, with its certificate. Signs and unwraps; what it may be used for is a matter of its
/// certificate.
pub struct SoftKey {
    certificate: Certificate,
    chain: Vec<Certificate>,
}

impl SoftKey {
    /// From a PKCS#8 key (PEM or DER, encrypted with PBES2 or not) and PEM or DER certificates: the key's own and, in
    /// any order, those above it.
    pub fn from_pkcs8(key: &[u8], passphrase: Option<&str>, certificates: &[u8]) -> Result<Self, Error> {
        todo!("{} {passphrase:?} {}", key.len(), certificates.len())
    }

    /// From a PKCS#12 file with one private key.
    pub fn from_pkcs12(file: &[u8], passphrase: &str) -> Result<Self, Error> {
        todo!("{} {passphrase:?}", file.len())
    }

    /// From a key file of either kind, told apart by its bytes. `certificates` is not needed for PKCS#12.
    pub fn from_file(
        key: &[u8],
        passphrase: Option<&str>,
        certificates: Option<&[u8]>,
    ) -> Result<Self, Error> {
        todo!("{} {passphrase:?} {certificates:?}", key.len())
    }
}

impl SigningKey for SoftKey {
    fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }
    fn chain(&self) -> Vec<Certificate> {
        self.chain.clone()
    }
    fn sign(&self, _digest: &Digest) -> Result<Vec<u8>, KeyError> {
        todo!()
    }
}

impl UnwrapKey for SoftKey {
    fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }
    fn unwrap(&self, _scheme: WrapScheme, _wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        todo!()
    }
}
