//! Encryption by passphrase: PBES2 with PBKDF2 (RFC 8018 §6.2), and the two schemes of older PKCS#12 files (RFC 7292
//! appendix C). Only ever used on our own key files.

use crate::error::Error;
use crate::tlv::{self, Der};
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, InnerIvInit, KeyInit, KeyIvInit};
use aws_lc_rs::digest::{self, Context};
use aws_lc_rs::{hmac, pbkdf2};
use const_oid::ObjectIdentifier;
use core::num::NonZeroU32;
use zeroize::Zeroizing;

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const HMAC_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.7");
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
const HMAC_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.10");
const HMAC_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.11");
const AES128_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2");
const AES192_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.22");
const AES256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");
const DES3_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.3.7");
const PBE_SHA1_DES3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const PBE_SHA1_RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");

/// The most rounds that are done for a key file: some seconds.
const MAX_ITERATIONS: u32 = 20_000_000;

const WHAT: &str = "the encryption of a key file";
const UNKNOWN: Error = Error::KeyFile { what: "its encryption is of an unknown kind" };

fn bad(_: Error) -> Error {
    Error::KeyFile { what: "its encryption parameters are malformed" }
}

/// Decrypts what an AlgorithmIdentifier describes. A wrong passphrase shows as wrong padding, nearly always.
pub(crate) fn decrypt(
    algorithm: &[u8],
    passphrase: &str,
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut fields = Der::only(algorithm, tlv::SEQUENCE, WHAT).map_err(bad)?;
    let scheme = fields.oid().map_err(bad)?;
    let mut parameters = fields.inside(tlv::SEQUENCE).map_err(bad)?;
    match scheme {
        PBES2 => pbes2(&mut parameters, passphrase, ciphertext),
        PBE_SHA1_DES3 | PBE_SHA1_RC2_40 => {
            let salt = parameters.octets().map_err(bad)?;
            let rounds = iterations(&mut parameters)?;
            let derive = |purpose, length| {
                kdf(&digest::SHA1_FOR_LEGACY_USE_ONLY, purpose, passphrase, salt, rounds, length)
            };
            let iv = derive(Purpose::Iv, 8);
            if scheme == PBE_SHA1_DES3 {
                cbc::<des::TdesEde3>(&derive(Purpose::Key, 24), &iv, ciphertext)
            } else {
                let cipher = rc2::Rc2::new_with_eff_key_len(&derive(Purpose::Key, 5), 40);
                let mode = cbc::Decryptor::inner_iv_slice_init(cipher, &iv).map_err(|_| UNKNOWN)?;
                mode.decrypt_padded_vec::<Pkcs7>(ciphertext)
                    .map(Zeroizing::new)
                    .map_err(|_| Error::PassphraseWrong)
            }
        }
        _ => Err(UNKNOWN),
    }
}

fn iterations(fields: &mut Der<'_>) -> Result<NonZeroU32, Error> {
    let rounds = fields.small().map_err(bad)?;
    NonZeroU32::new(rounds)
        .filter(|n| n.get() <= MAX_ITERATIONS)
        .ok_or(Error::KeyFile { what: "its number of iterations is out of range" })
}

fn pbes2(parameters: &mut Der<'_>, passphrase: &str, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut kdf = parameters.inside(tlv::SEQUENCE).map_err(bad)?;
    if kdf.oid().map_err(bad)? != PBKDF2 {
        return Err(UNKNOWN);
    }
    let mut kdf = kdf.inside(tlv::SEQUENCE).map_err(bad)?;
    let salt = kdf.octets().map_err(bad)?;
    let rounds = iterations(&mut kdf)?;
    kdf.optional(tlv::INTEGER).map_err(bad)?;
    let prf = match kdf.optional(tlv::SEQUENCE).map_err(bad)? {
        Some(prf) => Der::new(prf.value, WHAT).oid().map_err(bad)?,
        None => HMAC_SHA1,
    };
    let prf = match prf {
        HMAC_SHA1 => pbkdf2::PBKDF2_HMAC_SHA1,
        HMAC_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
        HMAC_SHA384 => pbkdf2::PBKDF2_HMAC_SHA384,
        HMAC_SHA512 => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => return Err(UNKNOWN),
    };
    let mut cipher = parameters.inside(tlv::SEQUENCE).map_err(bad)?;
    let (kind, iv) = (cipher.oid().map_err(bad)?, cipher.octets().map_err(bad)?);
    let derive = |length| {
        let mut key = Zeroizing::new(vec![0; length]);
        pbkdf2::derive(prf, rounds, salt, passphrase.as_bytes(), &mut key);
        key
    };
    match kind {
        AES128_CBC => cbc::<aes::Aes128>(&derive(16), iv, ciphertext),
        AES192_CBC => cbc::<aes::Aes192>(&derive(24), iv, ciphertext),
        AES256_CBC => cbc::<aes::Aes256>(&derive(32), iv, ciphertext),
        DES3_CBC => cbc::<des::TdesEde3>(&derive(24), iv, ciphertext),
        _ => Err(UNKNOWN),
    }
}

fn cbc<C>(key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error>
where
    C: aes::cipher::BlockCipherDecrypt + KeyInit,
{
    let mode = cbc::Decryptor::<C>::new_from_slices(key, iv).map_err(|_| UNKNOWN)?;
    mode.decrypt_padded_vec::<Pkcs7>(ciphertext).map(Zeroizing::new).map_err(|_| Error::PassphraseWrong)
}

/// What a key is derived for: the ID byte of RFC 7292 appendix B.3.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// The key derivation of PKCS#12 (RFC 7292 appendix B.2).
pub(crate) fn kdf(
    algorithm: &'static digest::Algorithm,
    purpose: Purpose,
    passphrase: &str,
    salt: &[u8],
    rounds: NonZeroU32,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let block = algorithm.block_len();
    let mut password: Zeroizing<Vec<u8>> =
        Zeroizing::new(passphrase.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect());
    if passphrase.is_empty() {
        password.clear();
    }
    let repeated = |bytes: &[u8]| -> Zeroizing<Vec<u8>> {
        Zeroizing::new(bytes.iter().copied().cycle().take(bytes.len().div_ceil(block) * block).collect())
    };
    let mut input = Zeroizing::new([repeated(salt).as_slice(), repeated(&password).as_slice()].concat());
    let diversifier = vec![purpose as u8; block];
    let mut out = Zeroizing::new(Vec::new());
    while out.len() < length {
        let mut hash = Context::new(algorithm);
        hash.update(&diversifier);
        hash.update(&input);
        let mut piece = hash.finish();
        for _ in 1..rounds.get() {
            piece = digest::digest(algorithm, piece.as_ref());
        }
        out.extend_from_slice(piece.as_ref());
        // Each block of the input is increased by the piece, repeated to a block, and one.
        for chunk in input.chunks_mut(block) {
            let addend: Vec<u8> = piece.as_ref().iter().copied().cycle().take(block).collect();
            let mut carry = 1;
            for (to, from) in chunk.iter_mut().zip(&addend).rev() {
                let sum = u16::from(*to) + u16::from(*from) + carry;
                [_, *to] = sum.to_be_bytes();
                carry = sum >> 8;
            }
        }
    }
    out.truncate(length);
    out
}

/// Verifies the MAC of a PKCS#12 file (RFC 7292 appendix A) over `content`.
pub(crate) fn verify_mac(mac_data: &mut Der<'_>, passphrase: &str, content: &[u8]) -> Result<(), Error> {
    let mut info = mac_data.inside(tlv::SEQUENCE).map_err(bad)?;
    let hash = Der::new(info.expect(tlv::SEQUENCE).map_err(bad)?.value, WHAT).oid().map_err(bad)?;
    let expected = info.octets().map_err(bad)?;
    let salt = mac_data.octets().map_err(bad)?;
    let rounds = if mac_data.is_empty() { NonZeroU32::MIN } else { iterations(mac_data)? };
    let (digest, mac): (&'static digest::Algorithm, _) = match hash.as_bytes() {
        [0x2b, 0x0e, 0x03, 0x02, 0x1a] => {
            (&digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY)
        }
        [0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 1] => (&digest::SHA256, hmac::HMAC_SHA256),
        [0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 2] => (&digest::SHA384, hmac::HMAC_SHA384),
        [0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 3] => (&digest::SHA512, hmac::HMAC_SHA512),
        _ => return Err(UNKNOWN),
    };
    let key = kdf(digest, Purpose::Mac, passphrase, salt, rounds, digest.output_len());
    hmac::verify(&hmac::Key::new(mac, &key), content, expected).map_err(|_| Error::PassphraseWrong)
}
