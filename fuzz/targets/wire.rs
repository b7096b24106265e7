//! What must hold for any bytes of a peer: the fuzz target frame.
#![allow(dead_code, reason = "each target uses a part of this")]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wire::codec::{self, Message};
use wire::message::{Reply, Request};
use wire::{MAX_REPLY, MAX_REQUEST};

/// A message, and a stream of frames.
pub(crate) fn frame(bytes: &[u8]) {
    message::<Request>(bytes);
    message::<Reply>(bytes);
    stream(bytes, MAX_REQUEST);
    // a frame around it comes out as it went in, and not at all when it is cut off
    let length = u32::try_from(bytes.len()).unwrap();
    let framed = [&length.to_be_bytes(), bytes].concat();
    assert_eq!(stream(&framed, MAX_REPLY), 1);
    let cut = bytes.iter().fold(0_usize, |sum, byte| sum + usize::from(*byte)) % framed.len();
    assert_eq!(stream(&framed[..cut], MAX_REPLY), 0);
}

/// What decodes has one encoding only, which is the bytes that were decoded.
fn message<M: Message + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(message) = codec::decode::<M>(bytes) else { return };
    assert!(message.check().is_ok());
    let frame = codec::frame(&message).unwrap();
    let again = codec::decode::<M>(&frame[4..]).unwrap();
    assert_eq!(again, message);
    assert!(frame.len() <= bytes.len() + 4, "{} bytes became {}", bytes.len(), frame.len());
    assert_eq!(codec::len(&message), frame.len() - 4);
    for cut in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        assert!(codec::decode::<M>(&bytes[..cut]).is_err() || cut == bytes.len(), "a part is no message");
    }
}

/// Reads frames until the end; how many there were.
fn stream(bytes: &[u8], limit: u32) -> usize {
    let mut rest = bytes;
    let mut frames = 0;
    loop {
        let before = rest.len();
        let Some(read) = now(codec::read(&mut rest, limit)) else {
            panic!("bytes in memory are always ready")
        };
        match read {
            Ok(Some(frame)) => {
                assert_eq!(before - rest.len(), frame.len() + 4);
                frames += 1;
            }
            Ok(None) => {
                assert_eq!(before, 0);
                return frames;
            }
            Err(_) => return frames,
        }
    }
}

/// The result of a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
