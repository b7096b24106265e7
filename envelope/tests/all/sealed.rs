use crate::common::{PKI, Party, label, run};
use aws_lc_rs::aead;
use envelope::key::{Certificate, KeyError, KeyErrorKind, UnwrapKey, WrapScheme};
use envelope::sealed::{Recipient, Sealer, open, seal};
use envelope::{Class, Error, Fault, sha256};
use std::io::{Read, Write};
use zeroize::Zeroizing;

fn to(party: &Party, oaep: bool) -> Recipient {
    Recipient { certificate: party.cert.clone(), oaep }
}

fn sealed(plain: &[u8], recipients: &[Recipient]) -> Vec<u8> {
    let mut out = Vec::new();
    let info = seal(plain, plain.len() as u64, recipients, &mut out).unwrap();
    assert_eq!((info.length, info.sha256), (out.len() as u64, sha256(&out)));
    out
}

fn opened(sealed: &[u8], keys: &[&dyn UnwrapKey]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let opened = open(sealed, sealed.len() as u64, keys, &mut out)?;
    assert_eq!((opened.length, opened.sha256), (out.len() as u64, sha256(&out)));
    assert_eq!(opened.sealed_sha256, sha256(sealed));
    Ok(out)
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 % 253) as u8).collect()
}

#[test]
fn round_trips_of_odd_sizes_by_either_scheme() {
    for (n, length) in
        [0, 1, 15, 16, 17, 127, 128, 255, 65_535, 65_536, 65_537, 300_001].into_iter().enumerate()
    {
        let plain = text(length);
        let bytes = sealed(&plain, &[to(&PKI.receiver_enc, n % 2 == 0), to(&PKI.sender_enc, n % 3 == 0)]);
        assert_eq!(opened(&bytes, &[&PKI.receiver_enc.key]).unwrap(), plain, "{length}");
        assert_eq!(opened(&bytes, &[&PKI.center.key, &PKI.sender_enc.key]).unwrap(), plain, "{length}");
    }
}

#[test]
fn openssl_opens_ours() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let plain = text(100_000);
    // The same recipient twice is one recipient.
    let all = [to(&PKI.receiver_enc, true), to(&PKI.sender_enc, false), to(&PKI.receiver_enc, true)];
    std::fs::write(path("m.p7m"), sealed(&plain, &all)).unwrap();
    for party in [&PKI.receiver_enc, &PKI.sender_enc] {
        std::fs::write(path("c.pem"), party.cert.to_pem()).unwrap();
        std::fs::write(path("k.pem"), &party.key_pem).unwrap();
        let args = "cms -decrypt -binary -inform DER -in m.p7m -recip c.pem -inkey k.pem -out plain";
        run("openssl", dir.path(), &args.split(' ').collect::<Vec<_>>());
        assert_eq!(std::fs::read(path("plain")).unwrap(), plain);
    }
    let dump = run("openssl", dir.path(), &["asn1parse", "-inform", "DER", "-in", "m.p7m"]);
    let dump = String::from_utf8(dump.stdout).unwrap();
    assert!(dump.contains("id-smime-ct-authEnvelopedData") && dump.contains("aes-256-gcm"), "{dump}");
    assert_eq!(dump.matches("rsaesOaep").count(), 1);
}

#[test]
fn we_open_what_openssl_makes_in_der() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let plain = text(5_000);
    std::fs::write(path("plain"), &plain).unwrap();
    std::fs::write(path("c.pem"), PKI.receiver_enc.cert.to_pem()).unwrap();
    let base = "cms -encrypt -binary -aes-256-gcm -outform DER -in plain -out m.p7m -recip c.pem";
    for options in ["", " -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256"] {
        run("openssl", dir.path(), &format!("{base}{options}").split(' ').collect::<Vec<_>>());
        let bytes = std::fs::read(path("m.p7m")).unwrap();
        assert_eq!(opened(&bytes, &[&PKI.receiver_enc.key]).unwrap(), plain, "{options}");
    }
}

#[test]
fn streams_64_mib_with_constant_buffers() {
    const LENGTH: u64 = 64 << 20;
    /// Checks that it is given the same pattern, and keeps nothing.
    struct Zeros(u64);
    impl Write for Zeros {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            assert!(bytes.len() <= 65_536 && bytes.iter().all(|b| *b == 0));
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sealed");
    let out = std::fs::File::create(&path).unwrap();
    let info = seal(std::io::repeat(0).take(LENGTH), LENGTH, &[to(&PKI.receiver_enc, true)], out).unwrap();
    let mut zeros = Zeros(0);
    let file = std::fs::File::open(&path).unwrap();
    let opened = open(file, info.length, &[&PKI.receiver_enc.key], &mut zeros).unwrap();
    assert_eq!((opened.sealed_sha256, zeros.0), (info.sha256, LENGTH));
}

/// A key that answers what a test wants, for the certificate of the receiver.
struct Odd(Result<Vec<u8>, KeyErrorKind>);

impl UnwrapKey for Odd {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        Ok(PKI.receiver_enc.cert.clone())
    }
    fn unwrap(&self, _: WrapScheme, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.0.clone().map(Zeroizing::new).map_err(|kind| KeyError::new(kind, "test"))
    }
}

#[test]
fn every_way_of_not_decrypting_is_one_outcome() {
    let bytes = sealed(b"plain", &[to(&PKI.receiver_enc, false)]);
    for odd in [Ok(vec![0; 32]), Ok(vec![0; 31]), Ok(vec![]), Err(KeyErrorKind::Refused)] {
        let error = opened(&bytes, &[&Odd(odd)]).unwrap_err();
        assert_eq!((error.label(), error.fault()), ("unreadable", Fault::Peer));
        assert_eq!(error.to_string(), Error::Unreadable.to_string());
    }
    // The real key: nonsense in the wrapped key, and a wrong tag.
    let wrapped_at = bytes.windows(4).position(|w| w == [4, 0x82, 1, 0]).unwrap() + 50;
    for position in [wrapped_at, bytes.len() - 1, bytes.len() - 19] {
        let mut bytes = bytes.clone();
        bytes[position] ^= 1;
        assert_eq!(label(opened(&bytes, &[&PKI.receiver_enc.key])), "unreadable", "{position}");
    }
}

#[test]
fn a_key_that_is_away_is_told_apart() {
    let bytes = sealed(b"plain", &[to(&PKI.receiver_enc, true), to(&PKI.sender_enc, true)]);
    for (kind, expected, class) in [
        (KeyErrorKind::Absent, "key-absent", Class::Wait),
        (KeyErrorKind::PinNeeded, "key-pin-needed", Class::Wait),
        (KeyErrorKind::Broken, "key-broken", Class::Retry),
        (KeyErrorKind::Unusable, "key-unusable", Class::Permanent),
    ] {
        let away = Odd(Err(kind));
        let error = opened(&bytes, &[&away]).unwrap_err();
        assert_eq!((error.label(), error.class(), error.fault()), (expected, class, Fault::Ours));
        // Another of our keys may do.
        assert_eq!(opened(&bytes, &[&away, &PKI.sender_enc.key]).unwrap(), b"plain");
    }
    assert_eq!(label(opened(&bytes, &[&PKI.center.key])), "not-for-us");
    assert_eq!(label(opened(&bytes, &[])), "not-for-us");
}

/// A message put together by hand, to be wrong in one thing.
struct Forge {
    tag: Vec<u8>,
    nonce: Vec<u8>,
    icv: u8,
    version: u8,
    attributes: Vec<u8>,
    recipients: usize,
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = match value.len() {
        n @ 0..128 => vec![n as u8],
        n @ 128..256 => vec![0x81, n as u8],
        n => [&[0x82][..], &(n as u16).to_be_bytes()].concat(),
    };
    [&[tag][..], &length, &value].concat()
}

/// With `tag` cut to `tag_len`: what a forger sends who hopes for a short tag.
fn forge(tag_len: usize, edit: impl FnOnce(&mut Forge)) -> Vec<u8> {
    let key = [9; 32];
    let aead = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &key).unwrap());
    let mut ciphertext = b"200 bytes or so ".repeat(13);
    let nonce = [3; 12];
    let tag = aead
        .seal_in_place_separate_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::empty(),
            &mut ciphertext,
        )
        .unwrap();
    let mut f = Forge {
        tag: tag.as_ref()[..tag_len].to_vec(),
        nonce: nonce.to_vec(),
        icv: 16,
        version: 0,
        attributes: vec![],
        recipients: 1,
    };
    edit(&mut f);
    let public = aws_lc_rs::rsa::PublicEncryptingKey::from_der(PKI.receiver_enc.cert.public_key()).unwrap();
    let public = aws_lc_rs::rsa::Pkcs1PublicEncryptingKey::new(public).unwrap();
    let mut wrapped = vec![0; 256];
    public.encrypt(&key, &mut wrapped).unwrap();
    let cert = &PKI.receiver_enc.cert;
    let rid = tlv(0x30, &[cert.issuer_der(), &tlv(2, &[cert.serial()])]);
    let rsa = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    let recipient = tlv(0x30, &[&[2, 1, 0], &rid, &rsa, &tlv(4, &[&wrapped])]);
    let gcm = [6, 9, 0x60, 0x86, 0x48, 1, 101, 3, 4, 1, 46];
    let parameters = tlv(0x30, &[&tlv(4, &[&f.nonce]), &[2, 1, f.icv]]);
    let data = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1];
    let content = tlv(0x30, &[&data, &tlv(0x30, &[&gcm, &parameters]), &tlv(0x80, &[&ciphertext])]);
    let body = tlv(
        0x30,
        &[
            &[2, 1, f.version],
            &tlv(0x31, &[&recipient.repeat(f.recipients)]),
            &content,
            &f.attributes,
            &tlv(4, &[&f.tag]),
        ],
    );
    let oid = [6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 16, 1, 23];
    tlv(0x30, &[&oid, &tlv(0xa0, &[&body])])
}

#[test]
fn tags_and_parameters_are_exactly_ours() {
    let key = &PKI.receiver_enc.key;
    let open = |bytes: Vec<u8>| label(opened(&bytes, &[key]));
    assert_eq!(open(forge(16, |_| {})), "ok");
    for length in [0, 4, 8, 12, 13, 14, 15] {
        assert_eq!(open(forge(length, |f| f.icv = length as u8)), "sealed-malformed", "tag of {length}");
        assert_eq!(open(forge(length, |_| {})), "sealed-malformed", "tag of {length}, said to be 16");
    }
    assert_eq!(open(forge(16, |f| f.icv = 12)), "sealed-malformed");
    assert_eq!(open(forge(16, |f| f.tag.push(0))), "sealed-malformed");
    assert_eq!(open(forge(16, |f| f.nonce.push(0))), "sealed-malformed");
    assert_eq!(open(forge(16, |f| f.version = 2)), "sealed-malformed");
    assert_eq!(open(forge(16, |f| f.attributes = vec![0xa1, 0])), "sealed-malformed");
    assert_eq!(open(forge(16, |f| f.recipients = 0)), "not-for-us");
    assert_eq!(open(forge(16, |f| f.recipients = 2)), "sealed-malformed", "our key twice");
    let mut trailing = forge(16, |_| {});
    trailing.push(0);
    assert_eq!(open(trailing), "sealed-malformed");
}

#[test]
fn cut_changed_and_foreign_bytes_are_refused() {
    let key = &PKI.receiver_enc.key;
    let whole = sealed(b"some plaintext", &[to(&PKI.receiver_enc, true)]);
    for length in 0..whole.len() {
        let cut = &whole[..length];
        assert_eq!(label(opened(cut, &[key])), "sealed-malformed", "cut to {length}");
        // The length that was announced, but fewer bytes.
        let result = open(cut, whole.len() as u64, &[key], std::io::sink());
        assert_eq!(label(result), "envelope-io", "cut to {length}");
    }
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 1 << (position % 8);
        assert!(opened(&bytes, &[key]).is_err(), "byte {position}");
    }
    let indefinite = [&[0x30, 0x80], &whole[4..], &[0, 0]].concat();
    assert_eq!(label(opened(&indefinite, &[key])), "sealed-malformed");
    assert_eq!(label(opened(&[0x30, 0x86, 255, 255, 255, 255, 255, 255], &[key])), "sealed-malformed");
}

#[test]
fn the_callers_own_mistakes_are_ours() {
    let one = [to(&PKI.receiver_enc, true)];
    let ours = |result: Result<_, Error>| {
        let error = result.map(|_: envelope::sealed::SealedInfo| ()).unwrap_err();
        assert_eq!(error.fault(), Fault::Ours, "{error}");
        error.label()
    };
    assert_eq!(ours(seal(&b"abc"[..], 3, &[], std::io::sink())), "envelope-argument");
    assert_eq!(ours(seal(&b"abc"[..], 4, &one, std::io::sink())), "file-changed");
    assert_eq!(ours(seal(&b"abc"[..], 2, &one, std::io::sink())), "file-changed");
    let mut sealer = Sealer::new(Vec::new(), 3, &one).unwrap();
    sealer.write_all(b"ab").unwrap();
    assert!(sealer.finish().is_err());
    let mut sealer = Sealer::new(Vec::new(), 3, &one).unwrap();
    assert!(sealer.write_all(b"abcd").is_err());
}

/// A card that was never seen.
struct Unseen;

impl UnwrapKey for Unseen {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        Err(KeyError::new(KeyErrorKind::Absent, "test"))
    }
    fn unwrap(&self, _: WrapScheme, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        Err(KeyError::new(KeyErrorKind::Absent, "test"))
    }
}

#[test]
fn what_may_be_for_a_card_that_is_not_there_waits_and_is_not_sent_back() {
    let bytes = sealed(b"plain", &[to(&PKI.receiver_enc, false)]);
    let error = opened(&bytes, &[&PKI.sender.key, &Unseen]).unwrap_err();
    assert_eq!((error.label(), error.fault(), error.class()), ("key-absent", Fault::Ours, Class::Wait));
    // A key that fits is used, whatever else is missing.
    assert_eq!(opened(&bytes, &[&Unseen, &PKI.receiver_enc.key]).unwrap(), b"plain");
}
