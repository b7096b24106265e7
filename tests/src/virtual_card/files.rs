//! The card's files: PKCS#15 (ISO 7816-15), in the places where OpenSC's driver for IsoApplet looks.

use std::collections::HashMap;

use super::der::{bits, enumerated, integer, octets, sequence, utf8, value};
use super::{KeyPair, Print};

/// The application that OpenSC selects by name before it believes in the file tree: IsoApplet.
pub(super) const APPLICATION: [u8; 12] =
    [0xf2, 0x76, 0xa2, 0x88, 0xbc, 0xfb, 0xa6, 0x9d, 0x34, 0xf3, 0x10, 0x01];
/// The master file.
pub(super) const MASTER: u16 = 0x3f00;
/// The PKCS#15 folder in it.
pub(super) const FOLDER: u16 = 0x5015;

/// Numbers under which the keys are known to MSE (manage security environment), and the PIN to VERIFY.
pub(super) const SIGN_KEY: u8 = 1;
pub(super) const UNWRAP_KEY: u8 = 2;
pub(super) const USER_PIN: u8 = 1;

/// Length of a PIN, characters; shorter ones are filled up with NULs.
pub(super) const PIN_LENGTH: std::ops::RangeInclusive<usize> = 6..=8;

const OBJECTS: u16 = 0x5031;
const TOKEN: u16 = 0x5032;
const PINS: u16 = 0x4401;
const KEYS: u16 = 0x4402;
const CERTIFICATES: u16 = 0x4403;
const FIRST_CERTIFICATE: u16 = 0x4301;

// bits of PKCS#15's KeyUsageFlags, KeyAccessFlags and CommonObjectFlags
const DECRYPT: u8 = 1;
const SIGN: u8 = 2;
const UNWRAP: u8 = 5;
const NON_REPUDIATION: u8 = 9;
const SENSITIVE_FROM_BIRTH: [u8; 4] = [0, 2, 3, 4];
const PRIVATE: u8 = 0;
const MODIFIABLE: u8 = 1;

/// All files by number.
pub(super) fn tree(print: &Print) -> HashMap<u16, Vec<u8>> {
    let authority = |nth: usize| print.sign.certificates.get(nth);
    let listed = [
        Some(("cert1", &b"SIGN"[..], first(&print.sign))),
        Some(("cert2", b"KEYX", first(&print.unwrap))),
        authority(1).map(|certificate| ("CA", &b"CACert"[..], certificate)),
        authority(2).map(|certificate| ("ROOTCA", &b"ROOTCACert"[..], certificate)),
    ];
    let mut files = HashMap::new();
    let mut certificates = Vec::new();
    for (number, (label, id, certificate)) in (FIRST_CERTIFICATE..).zip(listed.into_iter().flatten()) {
        files.insert(number, certificate.clone());
        certificates.extend(sequence(&[
            sequence(&[utf8(label)]),
            sequence(&[octets(id)]),
            value(0xa1, &sequence(&[path(number)])),
        ]));
    }
    let keys = [
        private_key("cert1", b"SIGN", &[SIGN, NON_REPUDIATION], SIGN_KEY),
        private_key("cert2", b"KEYX", &[DECRYPT, UNWRAP], UNWRAP_KEY),
    ];
    let objects = [value(0xa0, &path(KEYS)), value(0xa4, &path(CERTIFICATES)), value(0xa8, &path(PINS))];
    files.insert(OBJECTS, objects.concat());
    files.insert(TOKEN, token(&print.number));
    files.insert(PINS, pin());
    files.insert(KEYS, keys.concat());
    files.insert(CERTIFICATES, certificates);
    files
}

fn first(pair: &KeyPair) -> &Vec<u8> {
    pair.certificates.first().expect("a card's key has a certificate")
}

/// A path from the master file to a file of the folder, or to the folder itself.
fn path(file: u16) -> Vec<u8> {
    let names: &[u16] = if file == FOLDER { &[MASTER, FOLDER] } else { &[MASTER, FOLDER, file] };
    sequence(&[octets(&names.iter().flat_map(|name| name.to_be_bytes()).collect::<Vec<_>>())])
}

/// EF(TokenInfo): label and manufacturer as the official module shows them.
fn token(number: &str) -> Vec<u8> {
    const LOGIN_REQUIRED: u8 = 1;
    const RANDOM: u8 = 2;
    sequence(&[
        integer(0),
        octets(number.as_bytes()),
        utf8("Chunghwa TeleCom Co., Ltd."),
        value(0x80, b"HiCOS PKI Smart Card"),
        bits(&[LOGIN_REQUIRED, RANDOM]),
    ])
}

/// EF(AODF): one PIN that opens everything.
fn pin() -> Vec<u8> {
    const CASE_SENSITIVE: u8 = 0;
    const LOCAL: u8 = 1;
    const INITIALISED: u8 = 4;
    const ASCII_NUMERIC: u8 = 1;
    let length = |n: &usize| integer(u16::try_from(*n).expect("a small number"));
    sequence(&[
        sequence(&[utf8("User PIN"), bits(&[PRIVATE, MODIFIABLE])]),
        sequence(&[octets(&[USER_PIN])]),
        value(
            0xa1,
            &sequence(&[
                bits(&[CASE_SENSITIVE, LOCAL, INITIALISED]),
                enumerated(ASCII_NUMERIC),
                length(PIN_LENGTH.start()),
                length(PIN_LENGTH.end()),
                length(PIN_LENGTH.end()),
                value(0x80, &[USER_PIN]),
                octets(&[0]),
                path(FOLDER),
            ]),
        ),
    ])
}

/// An entry of EF(PrKDF).
fn private_key(label: &str, id: &[u8], usage: &[u8], number: u8) -> Vec<u8> {
    sequence(&[
        sequence(&[utf8(label), bits(&[PRIVATE]), octets(&[USER_PIN])]),
        sequence(&[octets(id), bits(usage), bits(&SENSITIVE_FROM_BIRTH), integer(u16::from(number))]),
        value(0xa1, &sequence(&[path(FOLDER), integer(2048)])),
    ])
}
