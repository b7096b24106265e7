//! `vectors/`: the bytes of every message of every version. Written once; an old version's stay readable for ever.

use std::{collections::BTreeSet, fmt::Debug, fs, path::PathBuf};

use wire::{
    codec::{self, Message},
    message::{Reply, Request},
};

use crate::samples;

/// Messages that came with version 2; all others are of version 1.
const V2: [&str; 5] =
    ["request-answered", "request-submitted", "reply-answered", "reply-answered-gone", "reply-submitted"];

fn folder(version: u8) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/v{version}"))
}

fn version(name: &str) -> u8 {
    if V2.contains(&name) { 2 } else { 1 }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn cbor<M: Message>(message: &M) -> Vec<u8> {
    codec::frame(message).unwrap()[4..].to_vec()
}

/// The three lines of a vector: what it is, its bytes, and what they mean.
fn vector<M: Message + Debug>(name: &str, message: &M) -> String {
    let kind = name.split('-').next().unwrap();
    format!("# {kind}, version {}\n{}\n{message:?}\n", version(name), hex(&cbor(message)))
}

#[test]
fn the_vectors_decode_and_encode_to_the_same_bytes() {
    let mut seen = 0;
    for entry in [1, 2].into_iter().flat_map(|version| fs::read_dir(folder(version)).unwrap()) {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let [kind, bytes, meaning] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("{}: not three lines", path.display())
        };
        let bytes = unhex(bytes);
        let (again, decoded) = if kind.starts_with("# request") {
            let message: Request = codec::decode(&bytes).unwrap();
            (cbor(&message), format!("{message:?}"))
        } else {
            let message: Reply = codec::decode(&bytes).unwrap();
            (cbor(&message), format!("{message:?}"))
        };
        assert_eq!(decoded, meaning, "{}", path.display());
        assert_eq!(hex(&again), hex(&bytes), "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, samples::requests().len() + samples::replies().len());
}

/// Every message has its vector, as this program encodes it. `WRITE_VECTORS=1` writes the missing ones, and never changes one.
#[test]
fn every_message_has_a_vector() {
    let requests = samples::requests().into_iter().map(|(name, m)| {
        let name = format!("request-{name}");
        (vector(&name, &m), name)
    });
    let replies = samples::replies().into_iter().map(|(name, m)| {
        let name = format!("reply-{name}");
        (vector(&name, &m), name)
    });
    for (text, name) in requests.chain(replies) {
        let path = folder(version(&name)).join(format!("{name}.txt"));
        if !path.exists() && std::env::var_os("WRITE_VECTORS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "{}", path.display());
    }
    // The first number of the outer array is the message's index: none is without a vector.
    let indices = |of: Vec<Vec<u8>>| of.iter().map(|bytes| bytes[1]).collect::<BTreeSet<_>>();
    let requests = indices(samples::requests().iter().map(|(_, m)| cbor(m)).collect());
    let replies = indices(samples::replies().iter().map(|(_, m)| cbor(m)).collect());
    assert_eq!(requests, (0..=12).collect());
    assert_eq!(replies, (0..=14).collect());
    let unknown = |index: u8| [0x82, index, 0x80];
    assert!(codec::decode::<Request>(&unknown(13)).is_err(), "a new request needs a vector");
    assert!(codec::decode::<Reply>(&unknown(15)).is_err(), "a new reply needs a vector");
}
