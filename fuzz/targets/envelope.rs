//! What must hold for any signed or sealed bytes: the fuzz targets envelope and container.
//!
//! `fuzz/kept/pki` has the certificates under which the kept corpus was signed, and the content key of its sealed message;
//! no private key of it exists any more.
#![allow(dead_code, reason = "each target uses a part of this")]

use std::io::Cursor;

use envelope::container::{self, Limits, copy_file};
use envelope::key::{KeyError, KeyErrorKind, WrapScheme};
use envelope::receipt::{Kind, Receipt};
use envelope::trust::Anchors;
use envelope::{Certificate, Error, LABELS, UnwrapKey, directory, login, oid, sealed, sha256, signed};
use zeroize::Zeroizing;

const ROOT: &[u8] = include_bytes!("../kept/pki/root.der");
const CENTER: &[u8] = include_bytes!("../kept/pki/center.der");
const REGISTRAR: &[u8] = include_bytes!("../kept/pki/registrar.der");
const RECEIVER: &[u8] = include_bytes!("../kept/pki/receiver.der");
const CONTENT_KEY: &[u8] = include_bytes!("../kept/pki/content.key");
/// 2026-06-01T00:00:00Z.
const AT: i64 = 1_780_272_000_000;

/// The first byte says what the others are.
pub(crate) fn envelope(bytes: &[u8]) {
    let Some((what, bytes)) = bytes.split_first() else { return };
    let anchors = Anchors::new(vec![certificate(ROOT)]);
    match what % 8 {
        0 => {
            let checked = labelled(signed::check_attached(bytes, oid::LOGIN, 1 << 20));
            if let Some(checked) = checked {
                labelled(checked.trusted(&anchors, AT));
            }
        }
        1 => {
            labelled(signed::check_detached(bytes, oid::LOGIN, &sha256(b"content")));
        }
        2 => {
            let Some(receipt) = labelled(Receipt::from_der(bytes)) else { return };
            assert_eq!(receipt.to_der(), bytes, "one encoding only");
            assert!(receipt.lines().len() <= envelope::receipt::MAX_LINES);
            for line in receipt.lines() {
                let reduced = receipt.reduced_to(&line.recipient).unwrap();
                assert!(reduced.lines().iter().all(|other| other.recipient == line.recipient));
            }
            for kind in [Kind::Center, Kind::Receiver] {
                labelled(receipt.verify(kind, &anchors, AT));
                labelled(receipt.verify_pinned(kind, &certificate(CENTER), AT));
            }
        }
        3 => {
            labelled(directory::verify_entry(bytes, &anchors, AT));
        }
        4 => {
            let registrar = Anchors::new(vec![certificate(REGISTRAR)]);
            labelled(directory::verify(bytes, &registrar, &anchors, AT));
        }
        5 => {
            if let Some(verified) = labelled(login::verify(bytes, "CENTER", &anchors, AT)) {
                assert_eq!(verified.statement.center, "CENTER");
            }
        }
        6 => open(bytes),
        _ => {
            if let Some(read) = labelled(Certificate::from_der(bytes)) {
                assert_eq!(read.der(), bytes);
            }
            if let Some(read) = labelled(Anchors::from_pem(bytes)) {
                assert!(!read.certificates().is_empty());
            }
        }
    }
}

/// A whole container.
pub(crate) fn container(bytes: &[u8]) {
    let limits = Limits { length: 1 << 20, files: 20, recipients: 20 };
    let anchors = Anchors::new(vec![certificate(ROOT)]);
    let mut source = Cursor::new(bytes);
    let Some(read) = labelled(container::check(&mut source, &limits)) else { return };
    assert_eq!(read.length, bytes.len() as u64, "nothing stands beside the container");
    assert!(read.files.len() <= limits.files && read.exchange.recipients.len() <= limits.recipients);
    labelled(container::verify(&mut source, &anchors, AT, &limits));
    for file in &read.files {
        let mut out = Vec::new();
        copy_file(&mut source, file, &mut out).unwrap();
        assert_eq!((out.len() as u64, sha256(&out)), (file.size, file.sha256));
        assert!(!file.name.contains(['/', '\\']));
    }
}

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

/// Every error has a label that is listed.
fn labelled<T>(outcome: Result<T, Error>) -> Option<T> {
    outcome
        .map_err(|error| assert!(LABELS.iter().any(|known| known.0 == error.label()), "{}", error.label()))
        .ok()
}

fn open(bytes: &[u8]) {
    let mut out = Vec::new();
    let Some(opened) = labelled(sealed::open(bytes, bytes.len() as u64, &[&Known], &mut out)) else {
        assert!(out.len() <= bytes.len());
        return;
    };
    assert_eq!((opened.length, opened.sha256), (out.len() as u64, sha256(&out)));
    assert_eq!(opened.sealed_sha256, sha256(bytes));
    // what was opened once is opened in no part of it
    let cut = bytes.len() - 1;
    assert!(sealed::open(&bytes[..cut], cut as u64, &[&Known], &mut Vec::new()).is_err());
}

/// The receiver's key, which unwraps the one content key whatever it is given.
struct Known;

impl UnwrapKey for Known {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        Ok(certificate(RECEIVER))
    }

    fn unwrap(&self, _: WrapScheme, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        if wrapped.len() < 256 {
            return Err(KeyError::new(KeyErrorKind::Refused, "too short"));
        }
        Ok(Zeroizing::new(CONTENT_KEY.to_vec()))
    }
}
