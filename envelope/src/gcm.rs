//! AES-256-GCM as a stream (NIST SP 800-38D) with a 96-bit nonce, a 128-bit tag and no additional data.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use ctr::Ctr32BE;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;

/// The most plaintext under one nonce, bytes (SP 800-38D §5.2.1.1).
pub(crate) const MAX_PLAINTEXT: u64 = (1 << 36) - 32;

pub(crate) struct Gcm {
    counter: Ctr32BE<Aes256>,
    hash: GHash,
    /// Ciphertext that does not fill a block yet.
    rest: [u8; 16],
    rest_len: usize,
    length: u64,
    mask: [u8; 16],
}

impl Gcm {
    pub(crate) fn new(key: &[u8; 32], nonce: &[u8; 12]) -> Self {
        let mut hash_key = ghash::Key::default();
        Aes256::new(key.into()).encrypt_block(&mut hash_key);
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(nonce.iter().chain(&[0, 0, 0, 1])) {
            *to = *from;
        }
        let mut counter = Ctr32BE::<Aes256>::new(key.into(), &first.into());
        // Counter block 1 masks the tag; the text begins with block 2.
        let mut mask = [0; 16];
        counter.apply_keystream(&mut mask);
        Self { counter, hash: GHash::new(&hash_key), rest: [0; 16], rest_len: 0, length: 0, mask }
    }

    /// Encrypts in place.
    pub(crate) fn encrypt(&mut self, text: &mut [u8]) {
        self.counter.apply_keystream(text);
        self.absorb(text);
    }

    /// Decrypts in place. The result is not to be trusted before the tag.
    pub(crate) fn decrypt(&mut self, text: &mut [u8]) {
        self.absorb(text);
        self.counter.apply_keystream(text);
    }

    pub(crate) fn tag(mut self) -> [u8; 16] {
        let (rest, rest_len) = (self.rest, self.rest_len);
        self.hash.update_padded(rest.get(..rest_len).unwrap_or_default());
        let mut lengths = ghash::Block::default();
        let bits = (self.length * 8).to_be_bytes();
        for (to, from) in lengths.iter_mut().skip(8).zip(bits) {
            *to = from;
        }
        self.hash.update(&[lengths]);
        let mut tag = self.mask;
        for (to, from) in tag.iter_mut().zip(self.hash.finalize()) {
            *to ^= from;
        }
        tag
    }

    fn absorb(&mut self, mut ciphertext: &[u8]) {
        self.length += ciphertext.len() as u64;
        if self.rest_len > 0 {
            let take = (16 - self.rest_len).min(ciphertext.len());
            let (head, tail) = ciphertext.split_at(take);
            for (to, from) in self.rest.iter_mut().skip(self.rest_len).zip(head) {
                *to = *from;
            }
            self.rest_len += take;
            ciphertext = tail;
            if self.rest_len < 16 {
                return;
            }
            self.hash.update(&[self.rest.into()]);
            self.rest_len = 0;
        }
        let (whole, tail) = ciphertext.split_at(ciphertext.len() / 16 * 16);
        self.hash.update_padded(whole);
        for (to, from) in self.rest.iter_mut().zip(tail) {
            *to = *from;
        }
        self.rest_len = tail.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::aead;

    #[test]
    fn equals_aws_lc_for_any_length_and_cut() {
        let key: [u8; 32] = [0x5a; 32];
        let nonce = [7; 12];
        let judge = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &key).unwrap());
        for length in (0..70).chain([255, 256, 1_000, 4_096, 65_537]) {
            let plain: Vec<u8> = (0..length).map(|i| (i * 31 % 251) as u8).collect();
            let mut expected = plain.clone();
            let tag = judge
                .seal_in_place_separate_tag(
                    aead::Nonce::assume_unique_for_key(nonce),
                    aead::Aad::empty(),
                    &mut expected,
                )
                .unwrap();
            for cut in [1, 3, 15, 16, 17, 64, 1_000_000] {
                let mut text = plain.clone();
                let mut gcm = Gcm::new(&key, &nonce);
                text.chunks_mut(cut).for_each(|chunk| gcm.encrypt(chunk));
                assert_eq!(text, expected, "{length} by {cut}");
                assert_eq!(gcm.tag(), tag.as_ref(), "{length} by {cut}");
                let mut gcm = Gcm::new(&key, &nonce);
                text.chunks_mut(cut).for_each(|chunk| gcm.decrypt(chunk));
                assert_eq!(text, plain);
                assert_eq!(gcm.tag(), tag.as_ref());
            }
        }
    }
}
