//! Credentials, files and descriptors.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::{Entry, Error, Generation, LONGEST, Pin};

pub(super) fn file(path: &Path) -> Result<Entry, Error> {
    let place = path.display().to_string();
    let failed = |error| unreadable(&place, error);
    let file = open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    let me = rustix::process::geteuid().as_raw();
    if meta.mode() & 0o077 != 0 || (meta.uid() != me && meta.uid() != 0) {
        return Err(Error::NotPrivate(path.to_owned()));
    }
    Ok(Entry { pin: pin(file, &place)?, generation: Generation::of_file(path, &meta) })
}

pub(super) fn credential(directory: Option<&OsStr>, name: &str) -> Result<Entry, Error> {
    let place = format!("the credential {name}");
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    let (Some(directory), true) = (directory, plain) else {
        return Err(unreadable(&place, ErrorKind::NotFound.into()));
    };
    let file = open(&Path::new(directory).join(name)).map_err(|error| unreadable(&place, error))?;
    Ok(Entry { pin: pin(file, &place)?, generation: Generation::of_credential(name) })
}

/// Through `/proc`, for taking over a bare number would need `unsafe`. So the number itself stays open, at its end.
pub(super) fn descriptor(number: u32) -> Result<Entry, Error> {
    let place = format!("descriptor {number}");
    let failed = |error| unreadable(&place, error);
    let path = format!("/proc/self/fd/{number}");
    let file = File::open(&path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    let generation = if meta.is_file() {
        let name = std::fs::read_link(&path).map_err(failed)?;
        Generation::of_file(&name, &meta)
    } else if rustix::termios::isatty(&file) {
        Generation::entered("at a terminal")
    } else {
        Generation::of_descriptor(number)
    };
    Ok(Entry { pin: pin(file, &place)?, generation })
}

/// A regular file; a pipe or device in its place would hold us up for ever.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// The buffer is as large as it ever gets, so that no copy is left behind by growing it.
fn pin(mut from: File, place: &str) -> Result<Pin, Error> {
    let mut buffer = Zeroizing::new(vec![0; LONGEST + 3]);
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(place, error)),
        }
    }
    buffer.truncate(length);
    Pin::new(buffer, place)
}

fn unreadable(place: &str, source: io::Error) -> Error {
    Error::Unreadable { place: place.to_owned(), source: Arc::new(source) }
}
