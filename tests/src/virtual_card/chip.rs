//! The card's operating system: commands in, answers out (ISO 7816-4 and -8).

use std::collections::HashMap;
use std::sync::PoisonError;

use aws_lc_rs::digest::{Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::rsa::{KeyPair as RsaKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding};

use super::files::{self, APPLICATION, FOLDER, MASTER, PIN_LENGTH, SIGN_KEY, UNWRAP_KEY, USER_PIN};
use super::{Desk, PIN, Print, Shared, der};

/// The answer to reset of a first-generation card of the family ("CHTMOICA"); that of an XCA card is not published.
pub(super) const ANSWER_TO_RESET: [u8; 17] =
    [0x3b, 0xb8, 0x13, 0x00, 0x81, 0x31, 0xfa, 0x52, 0x43, 0x48, 0x54, 0x4d, 0x4f, 0x49, 0x43, 0x41, 0xa5];

const TRIES: u8 = 3;

// status words of ISO 7816-4
const FINE: u16 = 0x9000;
const TRIES_LEFT: u16 = 0x63c0;
const WRONG_LENGTH: u16 = 0x6700;
const PIN_MISSING: u16 = 0x6982;
const PIN_BLOCKED: u16 = 0x6983;
const NO_FILE_SELECTED: u16 = 0x6986;
const WRONG_DATA: u16 = 0x6a80;
const NOT_FOUND: u16 = 0x6a82;
const WRONG_PARAMETERS: u16 = 0x6a86;
const NO_KEY: u16 = 0x6a88;
const OFFSET_BEYOND: u16 = 0x6b00;
const UNKNOWN_COMMAND: u16 = 0x6d00;

/// What a card can be pulled out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A signature: the card has begun, nobody gets it.
    Sign,
    /// A decipherment.
    Decipher,
    /// The check of a PIN: counted by the card, not answered.
    Pin,
}

/// What a card has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Signatures begun, the failed ones too.
    pub signatures: u64,
    /// Decipherments begun, the failed ones too.
    pub decipherments: u64,
    /// PIN values presented; asking how many tries are left is none.
    pub pins: u64,
    /// Those that were wrong.
    pub wrong_pins: u64,
    /// Times the card was powered, or reset while powered.
    pub resets: u64,
    /// Commands of any kind.
    pub commands: u64,
}

/// What goes back to the reader.
pub(super) enum Answer {
    Bytes(Vec<u8>),
    /// Nothing: the card left the reader.
    Pulled,
}

/// Everything inside the card.
pub(super) struct Chip {
    files: HashMap<u16, Vec<u8>>,
    sign: RsaKey,
    unwrap: Pkcs1PrivateDecryptingKey,
    pin: Vec<u8>,
    tries: u8,
    session: Session,
}

/// What a reset forgets.
#[derive(Default)]
struct Session {
    file: u16,
    key: Option<u8>,
    verified: bool,
    chained: Vec<u8>,
}

/// Why a command does not give data: its status word, or the card is gone.
enum Stop {
    Status(u16),
    Pulled,
}

impl From<u16> for Stop {
    fn from(status: u16) -> Self {
        Self::Status(status)
    }
}

type Reply = Result<Vec<u8>, Stop>;

impl Chip {
    pub(super) fn new(print: &Print) -> Self {
        let decrypting = PrivateDecryptingKey::from_pkcs8(&print.unwrap.key).expect("RSA key");
        Self {
            files: files::tree(print),
            sign: RsaKey::from_pkcs8(&print.sign.key).expect("RSA key"),
            unwrap: Pkcs1PrivateDecryptingKey::new(decrypting).expect("RSA key"),
            pin: PIN.into(),
            tries: TRIES,
            session: Session::default(),
        }
    }

    pub(super) fn tries_left(&self) -> u8 {
        self.tries
    }

    pub(super) fn unlock(&mut self) {
        self.tries = TRIES;
    }

    pub(super) fn change_pin(&mut self, pin: &str) {
        assert!(PIN_LENGTH.contains(&pin.len()), "a PIN has 6 to 8 characters");
        self.pin = pin.into();
        self.session.verified = false;
    }

    pub(super) fn power_off(&mut self) {
        self.session = Session::default();
    }

    /// Answers a command APDU.
    pub(super) fn answer(&mut self, apdu: &[u8], shared: &Shared) -> Answer {
        shared.change(|desk| desk.counts.commands += 1);
        match self.command(apdu, shared) {
            Ok(mut data) => {
                data.extend(FINE.to_be_bytes());
                Answer::Bytes(data)
            }
            Err(Stop::Status(status)) => Answer::Bytes(status.to_be_bytes().to_vec()),
            Err(Stop::Pulled) => Answer::Pulled,
        }
    }

    fn command(&mut self, apdu: &[u8], shared: &Shared) -> Reply {
        let [class, instruction, p1, p2, rest @ ..] = apdu else { return Err(WRONG_LENGTH.into()) };
        let (data, expected) = body(rest)?;
        const MORE_FOLLOWS: u8 = 0x10;
        if class & MORE_FOLLOWS != 0 {
            self.session.chained.extend(data);
            return if self.session.chained.len() > 1024 { Err(WRONG_LENGTH.into()) } else { Ok(Vec::new()) };
        }
        let data = [std::mem::take(&mut self.session.chained), data.to_vec()].concat();
        match (*instruction, *p1, *p2) {
            (0xa4, 4, _) => self.select_application(&data),
            (0xa4, 0 | 8 | 9, how) => self.select_file(&data, how),
            (0xb0, high, low) => self.read_binary(u16::from_be_bytes([high, low]), expected),
            (0x20, 0, USER_PIN) => self.verify(&data, shared),
            (0x22, 0x41, 0xb6 | 0xb8) => self.choose_key(&data),
            (0x2a, 0x9e, 0x9a) => {
                self.private(Operation::Sign, shared)?;
                self.sign(&data)
            }
            (0x2a, 0x80, 0x86) => {
                self.private(Operation::Decipher, shared)?;
                self.decipher(&data)
            }
            (0x2a, ..) => Err(WRONG_PARAMETERS.into()),
            _ => Err(UNKNOWN_COMMAND.into()),
        }
    }

    /// SELECT by application name; the answer is IsoApplet's: version 0.6, no features.
    fn select_application(&mut self, name: &[u8]) -> Reply {
        if name != APPLICATION {
            return Err(NOT_FOUND.into());
        }
        self.session.file = MASTER;
        Ok(vec![0, 6, 0])
    }

    /// SELECT by file number or by path; the answer is the file's control parameters, unless not wanted.
    fn select_file(&mut self, path: &[u8], how: u8) -> Reply {
        let number = match path {
            [] => MASTER,
            [.., high, low] => u16::from_be_bytes([*high, *low]),
            [_] => return Err(WRONG_LENGTH.into()),
        };
        let folder = number == MASTER || number == FOLDER;
        let size = match self.files.get(&number) {
            Some(file) => file.len(),
            None if folder => 0,
            None => return Err(NOT_FOUND.into()),
        };
        self.session.file = number;
        const NO_ANSWER: u8 = 0x0c;
        if how & NO_ANSWER == NO_ANSWER {
            return Ok(Vec::new());
        }
        let size = u16::try_from(size).expect("a card's file is small");
        let parameters = [
            der::value(0x80, &size.to_be_bytes()),
            der::value(0x82, &[if folder { 0x38 } else { 0x01 }]),
            der::value(0x83, &number.to_be_bytes()),
        ];
        Ok(der::value(0x6f, &parameters.concat()))
    }

    fn read_binary(&self, offset: u16, expected: usize) -> Reply {
        let file = self.files.get(&self.session.file).ok_or(NO_FILE_SELECTED)?;
        let rest = file.get(usize::from(offset)..).filter(|rest| !rest.is_empty()).ok_or(OFFSET_BEYOND)?;
        Ok(rest.iter().copied().take(expected).collect())
    }

    /// VERIFY: without data it only tells the tries left. The try is spent before the PIN is looked at.
    fn verify(&mut self, given: &[u8], shared: &Shared) -> Reply {
        if self.tries == 0 {
            return Err(PIN_BLOCKED.into());
        }
        if given.is_empty() {
            let left = TRIES_LEFT | u16::from(self.tries);
            return if self.session.verified { Ok(Vec::new()) } else { Err(left.into()) };
        }
        self.tries -= 1;
        self.session.verified = false;
        let given: Vec<u8> = given.iter().copied().take_while(|byte| *byte != 0).collect();
        let right = given == self.pin;
        let pulled = shared.change(|desk| {
            desk.counts.pins += 1;
            desk.counts.wrong_pins += u64::from(!right);
            desk.pull_during.take_if(|during| *during == Operation::Pin).is_some()
        });
        if right {
            self.tries = TRIES;
            self.session.verified = true;
        }
        match (pulled, right, self.tries) {
            (true, ..) => Err(Stop::Pulled),
            (_, true, _) => Ok(Vec::new()),
            (.., 0) => Err(PIN_BLOCKED.into()),
            (.., left) => Err((TRIES_LEFT | u16::from(left)).into()),
        }
    }

    /// MANAGE SECURITY ENVIRONMENT: which key the next operation uses (tag 83 or 84).
    fn choose_key(&mut self, mut list: &[u8]) -> Reply {
        self.session.key = None;
        while let [tag, length, rest @ ..] = list {
            let (content, after) = rest.split_at_checked(usize::from(*length)).ok_or(WRONG_DATA)?;
            if let (0x83 | 0x84, [key]) = (*tag, content) {
                self.session.key = Some(*key);
            }
            list = after;
        }
        Ok(Vec::new())
    }

    /// What every operation with a private key begins with: PIN, the time that it takes, and mishaps.
    fn private(&self, operation: Operation, shared: &Shared) -> Result<(), Stop> {
        let (slow, pulled) = shared.change(|desk| {
            match operation {
                Operation::Sign => desk.counts.signatures += 1,
                Operation::Decipher => desk.counts.decipherments += 1,
                Operation::Pin => {}
            }
            (desk.slow, desk.pull_during.take_if(|during| *during == operation).is_some())
        });
        if !self.session.verified {
            return Err(PIN_MISSING.into());
        }
        if pulled {
            return Err(Stop::Pulled);
        }
        if !slow.is_zero() {
            // a pulled card stops at once
            let powered = |desk: &mut Desk| desk.inside;
            let _ = shared
                .news
                .wait_timeout_while(shared.desk(), slow, powered)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// PSO: COMPUTE DIGITAL SIGNATURE over a DigestInfo; the card pads it (PKCS#1 v1.5).
    fn sign(&self, digest_info: &[u8]) -> Reply {
        if self.session.key != Some(SIGN_KEY) {
            return Err(NO_KEY.into());
        }
        let (padding, digest) = digest_of(digest_info).ok_or(WRONG_DATA)?;
        let mut signature = vec![0; self.sign.public_modulus_len()];
        self.sign.sign_digest(padding, &digest, &mut signature).map_err(|_| WRONG_DATA)?;
        Ok(signature)
    }

    /// PSO: DECIPHER; the first byte says "no indication of padding", the plain text comes without it.
    fn decipher(&self, data: &[u8]) -> Reply {
        if self.session.key != Some(UNWRAP_KEY) {
            return Err(NO_KEY.into());
        }
        let [0, cryptogram @ ..] = data else { return Err(WRONG_DATA.into()) };
        let mut room = vec![0; self.unwrap.min_output_size()];
        let plain = self.unwrap.decrypt(cryptogram, &mut room).map_err(|_| WRONG_DATA)?;
        Ok(plain.to_vec())
    }
}

/// Data field and expected length of a short command APDU, after its four header bytes.
fn body(rest: &[u8]) -> Result<(&[u8], usize), Stop> {
    let expected = |byte: u8| if byte == 0 { 256 } else { usize::from(byte) };
    match rest {
        [] => Ok((&[], 0)),
        [le] => Ok((&[], expected(*le))),
        [lc, rest @ ..] => match rest.split_at_checked(usize::from(*lc)) {
            Some((data, [])) => Ok((data, 0)),
            Some((data, [le])) => Ok((data, expected(*le))),
            _ => Err(WRONG_LENGTH.into()),
        },
    }
}

/// Takes a DigestInfo (RFC 8017 §9.2 note 1) apart.
fn digest_of(info: &[u8]) -> Option<(&'static dyn RsaEncoding, Digest)> {
    // SEQUENCE { SEQUENCE { OID 2.16.840.1.101.3.4.2.n, NULL }, OCTET STRING }
    let [
        0x30,
        _,
        0x30,
        0x0d,
        0x06,
        0x09,
        0x60,
        0x86,
        0x48,
        0x01,
        0x65,
        0x03,
        0x04,
        0x02,
        which,
        5,
        0,
        4,
        length,
        hash @ ..,
    ] = info
    else {
        return None;
    };
    let (padding, algorithm): (&'static dyn RsaEncoding, _) = match which {
        1 => (&RSA_PKCS1_SHA256, &SHA256),
        2 => (&RSA_PKCS1_SHA384, &SHA384),
        3 => (&RSA_PKCS1_SHA512, &SHA512),
        _ => return None,
    };
    let digest = Digest::import_less_safe(hash, algorithm).ok()?;
    (usize::from(*length) == hash.len()).then_some((padding, digest))
}
