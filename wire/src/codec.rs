//! Frames: a length (u32, big-endian), then one message as CBOR (RFC 8949), protocol §2.3.
//!
//! Nothing is believed before it is checked: the length against the limit of the place, then the shape of the CBOR
//! (definite lengths in shortest form, bounded nesting and lists, no maps, tags or floats, nothing behind the message), then
//! the types, then every field ([`Message::check`]).

use minicbor::{Decode, Encode};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{
    Error, MAX_REPLY, MAX_REQUEST, Result, check,
    exchange::trouble,
    message::{Reply, Request},
};

/// What travels in a frame: [`Request`] or [`Reply`].
pub trait Message: Encode<()> + for<'b> Decode<'b, ()> {
    /// Longest frame of this kind, bytes after the length.
    const LIMIT: u32;

    /// Names the first field that is outside the limits of the protocol (§4.9).
    ///
    /// # Errors
    /// [`Error::BadField`].
    fn check(&self) -> Result<()>;
}

impl Message for Request {
    const LIMIT: u32 = MAX_REQUEST;

    fn check(&self) -> Result<()> {
        check::request(self)
    }
}

impl Message for Reply {
    const LIMIT: u32 = MAX_REPLY;

    fn check(&self) -> Result<()> {
        check::reply(self)
    }
}

/// The whole frame: length and CBOR.
///
/// # Errors
/// [`Error::Unsendable`] if the message is outside its limits: our own mistake, so it never leaves the house.
pub fn frame<M: Message>(message: &M) -> Result<Vec<u8>> {
    message.check().map_err(|error| match error {
        Error::BadField(field) => Error::Unsendable(field),
        other => other,
    })?;
    let mut frame = vec![0; HEAD];
    // Into a Vec, so it cannot fail.
    minicbor::encode(message, &mut frame).map_err(|_| Error::Unsendable("encoding"))?;
    let length = u32::try_from(frame.len() - HEAD).unwrap_or(u32::MAX);
    if length > M::LIMIT {
        return Err(Error::Unsendable("frame"));
    }
    if let Some(head) = frame.first_chunk_mut::<HEAD>() {
        *head = length.to_be_bytes();
    }
    Ok(frame)
}

/// Bytes that a message takes in a frame, without the length: for a center that fills a page up to [`MAX_REPLY`].
pub fn len<T: Encode<()>>(value: &T) -> usize {
    let mut counter = Counter(0);
    // Counting cannot fail.
    let _ = minicbor::encode(value, &mut counter);
    counter.0
}

/// The message in a frame's bytes (without the length).
///
/// # Errors
/// [`Error::Malformed`] if it is no message of this kind, [`Error::BadField`] if a value is outside its limits.
pub fn decode<M: Message>(bytes: &[u8]) -> Result<M> {
    shape(bytes).map_err(|what| Error::Malformed(what.to_owned()))?;
    let mut decoder = minicbor::Decoder::new(bytes);
    let message: M = decoder.decode().map_err(|error| Error::Malformed(error.to_string()))?;
    if decoder.position() != bytes.len() {
        return Err(Error::Malformed("trailing bytes".to_owned()));
    }
    message.check()?;
    Ok(message)
}

/// The bytes of the next frame (without the length), or `None` where the stream ends before it.
/// Memory grows with what has arrived, in steps, never with what was announced.
///
/// # Errors
/// [`Error::FrameTooLong`] before anything is allocated, [`Error::Truncated`], [`Error::Lost`].
pub async fn read<R: AsyncRead + Unpin>(from: &mut R, limit: u32) -> Result<Option<Vec<u8>>> {
    let mut head = [0; HEAD];
    let mut filled = 0;
    while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest).await.map_err(|error| trouble(&error, "sending a frame"))? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(Error::Truncated { missing: (HEAD - filled) as u64 }),
            n => filled += n,
        }
    }
    let length = u32::from_be_bytes(head);
    if length > limit {
        return Err(Error::FrameTooLong { length: u64::from(length), limit });
    }
    let length = length as usize;
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let at = bytes.len();
        bytes.resize(length.min(at + STEP), 0);
        let mut filled = at;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match from.read(rest).await.map_err(|error| trouble(&error, "sending a frame"))? {
                0 => return Err(Error::Truncated { missing: (length - filled) as u64 }),
                n => filled += n,
            }
        }
    }
    Ok(Some(bytes))
}

/// Walks the CBOR once, without allocating, and refuses what no message of this protocol contains.
fn shape(bytes: &[u8]) -> std::result::Result<(), &'static str> {
    // How many items each open array still wants.
    let mut open = [0_u64; MAX_DEPTH];
    let mut depth = 0;
    let mut rest = bytes;
    loop {
        let (first, after) = rest.split_first().ok_or("ends early")?;
        let (value, after) = argument(first & 0x1f, after)?;
        rest = after;
        match first >> 5 {
            0 | 1 => {}
            2 | 3 => {
                let length = usize::try_from(value).map_err(|_| "ends early")?;
                rest = rest.get(length..).ok_or("ends early")?;
            }
            4 if value > MAX_ITEMS => return Err("a list too long"),
            4 if value > 0 => {
                *open.get_mut(depth).ok_or("nested too deeply")? = value;
                depth += 1;
                continue;
            }
            4 => {}
            7 if (20..=22).contains(&(first & 0x1f)) => {}
            _ => return Err("a kind of value that is not used"),
        }
        // An item is complete; so may be the arrays around it.
        loop {
            let Some(wanted) = depth.checked_sub(1).and_then(|at| open.get_mut(at)) else {
                return if rest.is_empty() { Ok(()) } else { Err("trailing bytes") };
            };
            *wanted -= 1;
            if *wanted > 0 {
                break;
            }
            depth -= 1;
        }
    }
}

/// The argument of a head (RFC 8949 §3), in the shortest form only (§4.2.1).
fn argument(info: u8, rest: &[u8]) -> std::result::Result<(u64, &[u8]), &'static str> {
    fn take<const N: usize>(rest: &[u8]) -> std::result::Result<([u8; N], &[u8]), &'static str> {
        rest.split_first_chunk::<N>().map(|(value, rest)| (*value, rest)).ok_or("ends early")
    }
    let (value, least, rest) = match info {
        0..=23 => return Ok((u64::from(info), rest)),
        24 => take(rest).map(|(value, rest)| (u64::from(u8::from_be_bytes(value)), 24, rest))?,
        25 => take(rest).map(|(value, rest)| (u64::from(u16::from_be_bytes(value)), 1 << 8, rest))?,
        26 => take(rest).map(|(value, rest)| (u64::from(u32::from_be_bytes(value)), 1 << 16, rest))?,
        27 => take(rest).map(|(value, rest)| (u64::from_be_bytes(value), 1 << 32, rest))?,
        _ => return Err("a length that is not definite"),
    };
    if value < least { Err("a number not in its shortest form") } else { Ok((value, rest)) }
}

struct Counter(usize);

impl minicbor::encode::Write for Counter {
    type Error = std::convert::Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> std::result::Result<(), Self::Error> {
        self.0 += bytes.len();
        Ok(())
    }
}

/// Bytes of a frame's length.
const HEAD: usize = 4;
/// How much is allocated ahead of what has arrived.
const STEP: usize = 16 * 1024;
/// The deepest message (an offer's addressee) has 7.
const MAX_DEPTH: usize = 12;
/// No list of the protocol is longer.
const MAX_ITEMS: u64 = 1_024;
