//! A record of every step that a build with `failpoints` wrote (`DI_RECORD`): to replay a power cut at any moment of it.
//!
//! One entry for each step, in the order in which they were done ([`crate::Step::Send`]: before it was done), of all the
//! processes that share the file. An entry is a line `STEP NAME PID OFFSET LENGTH PATH PATH`, blanks and the like in paths
//! as `%XX`, then LENGTH bytes.

use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `base` (this is what the file holds, durable), `create`, `write`, `cut`, `fsync`, `folder`, `rename`, `remove`, `make-folder`, `commit`, `send`, `receive`
    pub step: String,
    /// The place in the program.
    pub name: String,
    /// Which process.
    pub process: u32,
    /// Where in the file was written, or where it was cut.
    pub offset: u64,
    /// What was written.
    pub bytes: Vec<u8>,
    /// The file or folder.
    pub path: PathBuf,
    /// Its new name, if it got one.
    pub to: PathBuf,
}

/// Reads a record; a last entry that was cut off with its process is left out.
///
/// # Errors
/// The file can't be read, or is no record.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let all = std::fs::read(path)?;
    let mut rest = all.as_slice();
    let mut out = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, body) = rest.split_at(end + 1);
        let (entry, length) = parse(line).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, String::from_utf8_lossy(line).into_owned())
        })?;
        let Some((bytes, after)) = body.split_at_checked(length) else { break };
        out.push(Entry { bytes: bytes.to_vec(), ..entry });
        rest = after;
    }
    Ok(out)
}

fn parse(line: &[u8]) -> Option<(Entry, usize)> {
    let mut words = std::str::from_utf8(line).ok()?.trim_end().split(' ');
    let (step, name) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (process, offset) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let length = words.next()?.parse().ok()?;
    let (path, to) = (unescaped(words.next()?)?, unescaped(words.next()?)?);
    Some((Entry { step, name, process, offset, bytes: Vec::new(), path, to }, length))
}

fn unescaped(text: &str) -> Option<PathBuf> {
    let mut bytes = text.strip_prefix('/')?.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let hex = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(out)))
}
