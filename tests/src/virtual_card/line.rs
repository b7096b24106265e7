//! The wire between vpcd (the reader's driver) and the card: each message is its length in two bytes, big-endian, and
//! the message. One byte is a command of the reader (0 power off, 1 power on, 2 reset, 4 answer to reset, please),
//! everything else a command APDU. Source: vsmartcard's documentation of vpcd.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use rustix::net::sockopt::set_tcp_quickack;

use super::Shared;
use super::chip::Answer;

/// The card's end of the wire; dropping it cuts it.
pub(super) struct Line {
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        let ours = stream.try_clone().expect("a second handle of the wire");
        let serve = move || {
            let _ = serve(&ours, &shared);
            let _ = ours.shutdown(Shutdown::Both);
            shared.chip.lock().unwrap_or_else(PoisonError::into_inner).power_off();
            shared.change(|desk| desk.inside = false);
        };
        let thread = std::thread::Builder::new().name("virtual-card".into()).spawn(serve).expect("thread");
        Self { stream, thread: Some(thread) }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers until the wire is cut.
fn serve(mut stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let message = read(stream)?;
        let answer = match message.as_slice() {
            [switched @ 0..=2] => {
                shared.chip.lock().unwrap_or_else(PoisonError::into_inner).power_off();
                shared.change(|desk| desk.counts.resets += u64::from(*switched != 0));
                continue;
            }
            // more than an answer to reset can be: the driver sees a card and cannot power it
            [4] if shared.desk().mute => vec![0; 64],
            [4] => super::chip::ANSWER_TO_RESET.to_vec(),
            apdu => {
                let mut chip = shared.chip.lock().unwrap_or_else(PoisonError::into_inner);
                match chip.answer(apdu, shared) {
                    Answer::Bytes(bytes) => bytes,
                    Answer::Pulled => return Ok(()),
                }
            }
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], &answer].concat())?;
    }
}

/// vpcd writes a length and its message separately: without an acknowledgement at once, every command takes 40 ms.
fn read(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    set_tcp_quickack(stream, true)?;
    stream.read_exact(&mut length)?;
    set_tcp_quickack(stream, true)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}
