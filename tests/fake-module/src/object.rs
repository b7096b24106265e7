//! What lies on a card: private keys, public keys, certificates, and their attributes.

use crate::rsa;
use crate::script::{Card, Script};
use cryptoki_sys::*;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};

/// One object. Its handle is its place in [`all`], from 1.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) class: CK_OBJECT_CLASS,
    pub(crate) key: Option<PathBuf>,
    pub(crate) sign: bool,
    pub(crate) decrypt: bool,
    attributes: Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>,
}

impl Object {
    pub(crate) fn attribute(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<&[u8]> {
        self.attributes.iter().find(|(k, _)| *k == kind).map(|(_, value)| value.as_slice())
    }

    pub(crate) fn fits(&self, template: &[(CK_ATTRIBUTE_TYPE, Vec<u8>)]) -> bool {
        template.iter().all(|(kind, value)| self.attribute(*kind) == Some(value))
    }
}

/// All objects of a card, private ones too: always in the same order.
pub(crate) fn all(card: &Card, script: &Script) -> Result<Vec<Object>, CK_RV> {
    let mut objects = Vec::new();
    for key in &card.keys {
        let tag = |id: &str, label: &str| vec![(CKA_ID, id.into()), (CKA_LABEL, label.into())];
        if let Some(path) = &key.certificate {
            objects.push(certificate(path, tag(&key.id, &key.label))?);
        }
        let Some(path) = &key.key else { continue };
        let (modulus, exponent) = rsa::public(path)?;
        let bits = 8 * modulus.len() as CK_ULONG;
        let common = || {
            let mut common = tag(&key.id, &key.label);
            common.push((CKA_KEY_TYPE, number(CKK_RSA)));
            common.push((CKA_TOKEN, truth(true)));
            common.push((CKA_MODULUS, modulus.clone()));
            common.push((CKA_PUBLIC_EXPONENT, exponent.clone()));
            common
        };
        let mut public = common();
        public.push((CKA_CLASS, number(CKO_PUBLIC_KEY)));
        public.push((CKA_PRIVATE, truth(false)));
        public.push((CKA_MODULUS_BITS, number(bits)));
        objects.push(Object {
            class: CKO_PUBLIC_KEY,
            key: None,
            sign: false,
            decrypt: false,
            attributes: public,
        });
        let mut private = common();
        private.push((CKA_CLASS, number(CKO_PRIVATE_KEY)));
        private.push((CKA_PRIVATE, truth(true)));
        private.push((CKA_SENSITIVE, truth(true)));
        private.push((CKA_EXTRACTABLE, truth(false)));
        private.push((CKA_SIGN, truth(key.sign)));
        private.push((CKA_DECRYPT, truth(key.decrypt)));
        private.push((CKA_UNWRAP, truth(key.decrypt)));
        private.push((CKA_ALWAYS_AUTHENTICATE, truth(script.always_authenticate)));
        objects.push(Object {
            class: CKO_PRIVATE_KEY,
            key: Some(path.clone()),
            sign: key.sign,
            decrypt: key.decrypt,
            attributes: private,
        });
    }
    for path in &card.authorities {
        objects.push(certificate(path, vec![(CKA_ID, b"CACert".to_vec()), (CKA_LABEL, b"CACert".to_vec())])?);
    }
    Ok(objects)
}

fn certificate(path: &Path, mut attributes: Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>) -> Result<Object, CK_RV> {
    let der = CertificateDer::from_pem_file(path).map_err(|_| CKR_DEVICE_ERROR)?;
    attributes.push((CKA_CLASS, number(CKO_CERTIFICATE)));
    attributes.push((CKA_CERTIFICATE_TYPE, number(CKC_X_509)));
    attributes.push((CKA_TOKEN, truth(true)));
    attributes.push((CKA_PRIVATE, truth(false)));
    attributes.push((CKA_VALUE, der.to_vec()));
    Ok(Object { class: CKO_CERTIFICATE, key: None, sign: false, decrypt: false, attributes })
}

fn number(value: CK_ULONG) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

fn truth(value: bool) -> Vec<u8> {
    vec![CK_BBOOL::from(value)]
}
