//! Frames between supervisor and helper: four bytes of length (big-endian), then that many bytes of CBOR.
//!
//! CBOR because the crate is there already (the wire speaks it), reads hostile bytes safely, and lets a field be added
//! without breaking the other side. Both sides are one program most of the time; the version in the first request says
//! so when they are not.

use crate::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Largest frame in either direction, bytes. A card with 32 certificates of 16 kB fits.
pub(crate) const MAX: usize = 1024 * 1024;

/// Capacity that is set aside at once: what holds a secret is always smaller, so no copy stays behind in memory that
/// was given back while growing.
const ROOM: usize = 8 * 1024;

/// Encodes and sends in one write.
pub(crate) fn send<T: minicbor::Encode<()>>(mut socket: &UnixStream, message: &T) -> io::Result<()> {
    let mut frame = Zeroizing::new(Vec::with_capacity(ROOM));
    frame.extend_from_slice(&[0; 4]);
    let Ok(()) = minicbor::encode(message, &mut *frame).map_err(|e| io::Error::other(e.to_string())) else {
        return Err(io::Error::other("a message that can not be encoded"));
    };
    let length = u32::try_from(frame.len() - 4).ok().filter(|n| *n as usize <= MAX);
    let length = length.ok_or_else(|| io::Error::other("a message over the limit"))?;
    for (place, byte) in frame.iter_mut().zip(length.to_be_bytes()) {
        *place = byte;
    }
    socket.write_all(&frame)
}

/// The body of the next frame. `None` when the other side closed between frames.
///
/// # Errors
/// `TimedOut` when it is not whole at `until`; what the socket says; `InvalidData` over [`MAX`].
pub(crate) fn receive(socket: &UnixStream, until: Option<Instant>) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut length = [0; 4];
    if !fill(socket, &mut length, until)? {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame over the limit"));
    }
    let mut body = Zeroizing::new(vec![0; length]);
    if !fill(socket, &mut body, until)? && length > 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(body))
}

/// Reads a message out of a frame's body.
pub(crate) fn decode<T: for<'b> minicbor::Decode<'b, ()>>(body: &[u8]) -> Result<T, Error> {
    minicbor::decode(body).map_err(|e| Error::HelperAnswer { detail: e.to_string() })
}

/// Fills the buffer; `false` when the other side closed before the first byte.
fn fill(mut socket: &UnixStream, buffer: &mut [u8], until: Option<Instant>) -> io::Result<bool> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        }
        match socket.read(rest) {
            Ok(0) if done == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_over_the_limit_is_refused_before_it_is_allocated() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&u32::MAX.to_be_bytes()).unwrap();
        assert_eq!(receive(&theirs, None).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn half_a_frame_ends_at_the_deadline_and_not_a_byte_later() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&[0, 0, 0, 9, 1, 2]).unwrap();
        let until = Instant::now() + Duration::from_millis(30);
        assert_eq!(receive(&theirs, Some(until)).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(ours);
        assert_eq!(receive(&theirs, None).unwrap().as_deref(), None);
    }
}
