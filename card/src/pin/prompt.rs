//! A question at the terminal, without echo.
//!
//! While it is open the terminal gives every key to us, Ctrl-C and Ctrl-Z included: so no signal can end or stop the
//! process with the echo off, and no signal handler is needed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::{Error, LONGEST, Pin};

const PLACE: &str = "the terminal";

/// Asks at the terminal that controls this process, whatever its input and output are connected to.
pub(super) fn ask(words: &str) -> Result<Pin, Error> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(unreadable)?;
    ask_at(terminal, words)
}

pub(super) fn ask_at(mut terminal: File, words: &str) -> Result<Pin, Error> {
    let quiet = Quiet::begin(terminal.try_clone().map_err(unreadable)?).map_err(unreadable)?;
    let answer = converse(&mut terminal, words);
    drop(quiet);
    let _ = terminal.write_all(b"\n");
    Pin::new(answer?, PLACE)
}

fn converse(terminal: &mut File, words: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    terminal.write_all(words.as_bytes()).map_err(unreadable)?;
    let mut answer = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let mut key = 0_u8;
    loop {
        match terminal.read(std::slice::from_mut(&mut key)) {
            Ok(0) => return Err(Error::Cancelled),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        }
        match key {
            b'\r' | b'\n' => return Ok(answer),
            CTRL_C | CTRL_D => return Err(Error::Cancelled),
            BACKSPACE | DELETE => drop(answer.pop()),
            CTRL_U => answer.clear(),
            // Too long is kept too long, so that it is refused and not cut.
            other if answer.len() <= LONGEST => answer.push(other),
            _ => {}
        }
    }
}

/// The terminal without echo, until dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn begin(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON;
        quiet.local_modes -= LocalModes::ISIG | LocalModes::IEXTEN;
        quiet.input_modes -= InputModes::IXON;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before the question is not the answer.
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

fn unreadable(source: io::Error) -> Error {
    Error::Unreadable { place: PLACE.to_owned(), source: Arc::new(source) }
}

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7F;
