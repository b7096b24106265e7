//! Frames as bytes: what is refused, and that refusing costs nothing.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};
use wire::{
    Error, MAX_OPENING, MAX_REPLY, MAX_REQUEST,
    codec::{self, Message as _},
    message::*,
};

use crate::samples::{any_reply, any_request, header, replies, requests};

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn requests_come_back_as_they_were(request in any_request()) {
        let frame = codec::frame(&request).unwrap();
        prop_assert_eq!(frame.len() - 4, codec::len(&request));
        prop_assert_eq!(codec::decode::<Request>(&frame[4..]).unwrap(), request);
    }

    #[test]
    fn replies_come_back_as_they_were(reply in any_reply()) {
        let frame = codec::frame(&reply).unwrap();
        prop_assert_eq!(frame.len() - 4, codec::len(&reply));
        prop_assert_eq!(codec::decode::<Reply>(&frame[4..]).unwrap(), reply);
    }

    #[test]
    fn a_flipped_bit_never_panics_and_what_is_read_can_be_written(
        request in any_request(), at in any::<prop::sample::Index>(), bit in 0_u32..8
    ) {
        let mut bytes = codec::frame(&request).unwrap()[4..].to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        if let Ok(read) = codec::decode::<Request>(&bytes) {
            prop_assert!(codec::frame(&read).is_ok());
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = codec::decode::<Request>(&bytes);
        let _ = codec::decode::<Reply>(&bytes);
    }
}

#[test]
fn every_cut_is_refused() {
    let mut frames: Vec<_> = requests().iter().map(|(_, m)| codec::frame(m).unwrap()).collect();
    frames.extend(replies().iter().map(|(_, m)| codec::frame(m).unwrap()));
    for frame in frames {
        for end in 4..frame.len() {
            assert!(codec::decode::<Request>(&frame[4..end]).is_err());
            assert!(codec::decode::<Reply>(&frame[4..end]).is_err());
        }
    }
}

#[test]
fn what_is_no_message_is_refused() {
    let deep = [[0x81; 200].as_slice(), &[0x00]].concat();
    let reported = [0x82, 0x07, 0x80];
    let cases: [(&str, &[u8]); 14] = [
        ("nothing", &[]),
        ("trailing bytes", &[0x82, 0x07, 0x80, 0x00]),
        ("unknown index", &[0x82, 0x18, 0x63, 0x80]),
        ("index of the wrong type", &[0x82, 0x61, 0x61, 0x80]),
        ("a map", &[0xa1, 0x07, 0x80]),
        ("a tag", &[0xc1, 0x82, 0x07, 0x80]),
        ("a float", &[0x82, 0x02, 0x81, 0xf9, 0x00, 0x00]),
        ("indefinite list", &[0x9f, 0x07, 0x80, 0xff]),
        ("indefinite bytes", &[0x82, 0x03, 0x81, 0x5f, 0x41, 0x30, 0xff]),
        ("not the shortest form", &[0x82, 0x18, 0x07, 0x80]),
        ("nested deeply", &deep),
        ("a list of 2^63", &[0x82, 0x0b, 0x81, 0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("a string of 2^32", &[0x82, 0x03, 0x81, 0x5a, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("bytes where text belongs", &[0x82, 0x09, 0x81, 0x81, 0x83, 0x41, 0x30, 0x00, 0xf6]),
    ];
    assert_eq!(codec::decode::<Reply>(&reported).unwrap(), Reply::Reported);
    for (what, bytes) in cases {
        let error = codec::decode::<Reply>(bytes).expect_err(what);
        assert!(matches!(error, Error::Malformed(_)), "{what}: {error}");
        assert!(error.is_peer_fault());
    }
}

#[test]
fn values_outside_their_limits_are_refused_both_ways() {
    let with = |change: fn(&mut PartHeader)| {
        let mut header = header();
        change(&mut header);
        Request::Submit { header, eager: false }
    };
    let one = |code: &str| vec![Addressee { code: code.into(), attachments: true }];
    let bad = [
        Request::Hello(Hello { version: Version::V1, member: "XC0000000".into() }),
        Request::Hello(Hello { version: Version::V1, member: "XC0000000公".into() }),
        Request::Login(Login { statement: vec![], proof: vec![1] }),
        with(|header| header.addressees.clear()),
        with(|header| header.addressees = vec![header.addressees[0].clone(); 1_001]),
        with(|header| header.length = 0),
        with(|header| header.sender = "../etc/pass".into()),
        Request::Submit { header: PartHeader { addressees: one("XC0000000 "), ..header() }, eager: false },
        Request::Submit { header: PartHeader { length: 65_537, ..header() }, eager: true },
        Request::Offers { after: 0, limit: 0 },
        Request::Offers { after: 0, limit: 501 },
        Request::Watch { offers_after: 0, outcomes_after: 0, announcements_after: 0, wait: 56 },
        Request::Directory { codes: vec![] },
        Request::Directory { codes: vec!["XC00000001".into(); 201] },
    ];
    for request in bad {
        // Ours: never sent. Theirs: a peer that sends it is told which field.
        assert!(matches!(codec::frame(&request), Err(Error::Unsendable(_))), "{request:?}");
        let bytes = minicbor::to_vec(&request).unwrap();
        assert!(matches!(codec::decode::<Request>(&bytes), Err(Error::BadField(_))), "{request:?}");
    }
    let label = Refusal { label: "No Such".into(), ..wire::refusal::BUSY.refuse("") };
    assert!(Reply::Refused(label).check().is_err());
}

#[test]
fn a_hello_of_a_later_version_is_read_as_ours() {
    let mut bytes = codec::frame(&requests()[0].1).unwrap()[4..].to_vec();
    assert_eq!(bytes[4], 1, "the version");
    bytes[4] = 9;
    let Request::Hello(hello) = codec::decode(&bytes).unwrap() else { panic!() };
    assert_eq!(hello.version, Version::NEWEST);
    bytes[4] = 0;
    assert!(codec::decode::<Request>(&bytes).is_err());
}

#[test]
fn fields_added_by_a_later_version_are_passed_over() {
    // Go { offset: 5 } with one more field, a list.
    let bytes = [0x82, 0x02, 0x82, 0x05, 0x82, 0x01, 0x61, 0x61];
    assert_eq!(codec::decode::<Reply>(&bytes).unwrap(), Reply::Go { offset: 5 });
}

/// Gives the bytes it has, then ends; remembers the largest room that it was asked to fill.
struct Meter<'a> {
    bytes: &'a [u8],
    largest: usize,
}

impl AsyncRead for Meter<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.largest = self.largest.max(buffer.remaining());
        let (now, later) = self.bytes.split_at(self.bytes.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_lying_length_costs_nothing() {
    for limit in [MAX_OPENING, MAX_REQUEST, MAX_REPLY] {
        let head = (limit + 1).to_be_bytes();
        let mut meter = Meter { bytes: &head, largest: 0 };
        let error = codec::read(&mut meter, limit).await.unwrap_err();
        assert!(matches!(error, Error::FrameTooLong { .. }));
        assert_eq!(meter.largest, 4, "only the length was asked for");
    }
    let lie = [MAX_REPLY.to_be_bytes().as_slice(), &[0; 100]].concat();
    let mut meter = Meter { bytes: &lie, largest: 0 };
    let error = codec::read(&mut meter, MAX_REPLY).await.unwrap_err();
    assert!(matches!(error, Error::Truncated { .. }), "{error}");
    assert!(meter.largest <= 16 * 1024, "{} bytes for 100", meter.largest);
    assert!(codec::read(&mut Meter { bytes: &[], largest: 0 }, 10).await.unwrap().is_none());
}
