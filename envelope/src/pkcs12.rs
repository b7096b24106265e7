//! PKCS#12 files (RFC 7292): one private key and its certificates, in definite-length DER.

use crate::error::Error;
use crate::key::Certificate;
use crate::tlv::{self, Der};
use crate::{oid, pbe};
use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERT_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
const WHAT: &str = "a PKCS#12 file";
const MALFORMED: Error = Error::KeyFile { what: "a PKCS#12 file that is malformed or not DER" };

/// PFX begins with version 3 and a SEQUENCE; a PKCS#8 key with version 0 or a SEQUENCE.
pub(crate) fn looks_like(file: &[u8]) -> bool {
    Der::only(file, tlv::SEQUENCE, WHAT).and_then(|mut pfx| pfx.small()).is_ok_and(|version| version == 3)
}

/// The private key as PKCS#8, and all certificates.
pub(crate) fn open(file: &[u8], passphrase: &str) -> Result<(Zeroizing<Vec<u8>>, Vec<Certificate>), Error> {
    let mut contents = Contents::default();
    contents.read(file, passphrase).map_err(|e| match e {
        Error::NotDer { .. } => MALFORMED,
        other => other,
    })?;
    let key = contents.key.ok_or(Error::KeyFile { what: "no private key in it" })?;
    Ok((key, contents.certificates))
}

#[derive(Default)]
struct Contents {
    key: Option<Zeroizing<Vec<u8>>>,
    certificates: Vec<Certificate>,
}

impl Contents {
    fn read(&mut self, file: &[u8], passphrase: &str) -> Result<(), Error> {
        let mut pfx = Der::only(file, tlv::SEQUENCE, WHAT)?;
        if pfx.small()? != 3 {
            return Err(MALFORMED);
        }
        let mut auth_safe = pfx.inside(tlv::SEQUENCE)?;
        if auth_safe.oid()? != oid::DATA {
            return Err(Error::KeyFile {
                what: "a PKCS#12 file that is signed instead of protected by a passphrase",
            });
        }
        let content = auth_safe.inside(tlv::CONTEXT_0)?.octets()?;
        if !pfx.is_empty() {
            pbe::verify_mac(&mut pfx.inside(tlv::SEQUENCE)?, passphrase, content)?;
        }
        let mut safes = Der::only(content, tlv::SEQUENCE, WHAT)?;
        while !safes.is_empty() {
            let mut safe = safes.inside(tlv::SEQUENCE)?;
            let kind = safe.oid()?;
            let mut inner = safe.inside(tlv::CONTEXT_0)?;
            match kind {
                oid::DATA => self.bags(inner.octets()?, passphrase)?,
                oid::ENCRYPTED_DATA => {
                    let mut encrypted = inner.inside(tlv::SEQUENCE)?;
                    encrypted.small()?;
                    let mut info = encrypted.inside(tlv::SEQUENCE)?;
                    info.oid()?;
                    let algorithm = info.expect(tlv::SEQUENCE)?.raw;
                    // [0] IMPLICIT OCTET STRING
                    let plain = pbe::decrypt(algorithm, passphrase, info.expect(0x80)?.value)?;
                    self.bags(&plain, passphrase)?;
                }
                _ => return Err(Error::KeyFile { what: "a PKCS#12 file of a kind that is not read" }),
            }
        }
        Ok(())
    }

    /// SafeContents.
    fn bags(&mut self, bytes: &[u8], passphrase: &str) -> Result<(), Error> {
        let mut bags = Der::only(bytes, tlv::SEQUENCE, WHAT)?;
        while !bags.is_empty() {
            let mut bag = bags.inside(tlv::SEQUENCE)?;
            let kind = bag.oid()?;
            let value = bag.expect(tlv::CONTEXT_0)?.value;
            match kind {
                KEY_BAG => self.take_key(Zeroizing::new(value.to_vec()))?,
                SHROUDED_KEY_BAG => {
                    let mut encrypted = Der::only(value, tlv::SEQUENCE, WHAT)?;
                    let algorithm = encrypted.expect(tlv::SEQUENCE)?.raw;
                    self.take_key(pbe::decrypt(algorithm, passphrase, encrypted.octets()?)?)?;
                }
                CERT_BAG => {
                    let mut certificate = Der::only(value, tlv::SEQUENCE, WHAT)?;
                    if certificate.oid()? == X509_CERTIFICATE {
                        let der = certificate.inside(tlv::CONTEXT_0)?.octets()?;
                        self.certificates.push(Certificate::from_der(der)?);
                    }
                }
                // CRLs, secrets and nested bags are none of ours.
                _ => {}
            }
        }
        Ok(())
    }

    fn take_key(&mut self, key: Zeroizing<Vec<u8>>) -> Result<(), Error> {
        match self.key.replace(key) {
            None => Ok(()),
            Some(_) => Err(Error::KeyFile { what: "more than one private key in it" }),
        }
    }
}
