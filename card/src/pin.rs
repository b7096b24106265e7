//! Where a PIN comes from, and how it is held.
//!
//! - [`Source`] names the place: a systemd credential, a file, a file descriptor, the terminal.
//! - [`Supply`] reads it: a file or a credential anew at every use, so that a rewritten one is taken up without a
//!   restart; a descriptor and the terminal once.
//! - An [`Entry`] is a [`Pin`] and the [`Generation`] of its source, which is all that the guard ever writes down.
//!
//! A PIN is overwritten when it is dropped, shows nothing in `Debug`, and is never an argument, an environment variable,
//! a log field or part of an error.

mod prompt;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::Class;

/// Where a PIN comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A systemd credential of this name (`LoadCredential=`, `LoadCredentialEncrypted=`): the best place for a service.
    Credential(String),
    /// A file of its own, for services that systemd does not start. It must belong to this user or to root, and nobody
    /// else may be allowed to read it.
    File(PathBuf),
    /// A descriptor that this process was started with, read to its end. A pipe, a file or a terminal; not a socket.
    Descriptor(u32),
    /// The terminal, without echo. The words are put before the answer.
    Prompt(String),
}

/// Reads a [`Source`].
#[derive(Debug, Clone)]
pub enum Supply {
    /// Read at each use.
    Stored(Source),
    /// Read once, kept in memory.
    Given(Entry),
}

/// A PIN and where it is from.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The PIN.
    pub pin: Pin,
    /// Of its source.
    pub generation: Generation,
}

/// A PIN in memory, 1 to [`LONGEST`] bytes. Clones share it; it is overwritten with the last of them.
#[derive(Clone)]
pub struct Pin(Arc<Zeroizing<Vec<u8>>>);

/// Tells an unchanged source from a changed one, without anything of the PIN: not its size, which is the PIN's length.
///
/// - A file: its path, inode and time of writing. Not its device, whose number can be another after a restart, and not
///   the time of its last change of mode: what is mistaken for a new PIN costs a try.
/// - A credential: its name alone. systemd writes it anew at every start, so nothing tells a changed one; a person who
///   has changed it says so with `card retry`.
/// - A descriptor: its number alone, for whatever starts a service again and again gives it the same PIN again. One that
///   is a file: as a file; one that is a terminal: as the terminal.
/// - The terminal: random, for somebody has just entered it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Generation(String);

/// Why there is no PIN. Nothing of a PIN is in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The source is not there or can't be read.
    #[error("the PIN can't be read from {place}")]
    Unreadable {
        /// The source, in words.
        place: String,
        /// What the system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// Others than its owner may read or change the PIN file, or it is somebody else's.
    #[error("the PIN file {} is not private (owner this user or root, mode 0600)", .0.display())]
    NotPrivate(PathBuf),
    /// What is there is no PIN: nothing, too much, or more than one line.
    #[error("what {0} gives is no PIN")]
    Malformed(String),
    /// The card takes no PIN of this length; it was not presented.
    #[error("the PIN is not {min} to {max} characters long")]
    Length {
        /// The token's shortest.
        min: usize,
        /// The token's longest.
        max: usize,
    },
    /// The person pressed Ctrl-C or Ctrl-D.
    #[error("no PIN was entered")]
    Cancelled,
}

/// Every label of [`Error`] with its class.
pub const LABELS: &[(&str, Class)] = &[
    ("pin-unreadable", Class::Wait),
    ("pin-not-private", Class::Wait),
    ("pin-malformed", Class::Wait),
    ("pin-length", Class::Wait),
    ("pin-cancelled", Class::Wait),
];

impl Error {
    /// Stable name of the kind.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "pin-unreadable",
            Self::NotPrivate(_) => "pin-not-private",
            Self::Malformed(_) => "pin-malformed",
            Self::Length { .. } => "pin-length",
            Self::Cancelled => "pin-cancelled",
        }
    }

    /// What to do about it: always [`Class::Wait`], for a person.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Wait
    }
}

impl Supply {
    /// A descriptor or the terminal is read now, and only now.
    ///
    /// # Errors
    /// As [`Supply::entry`], for these two.
    pub fn open(source: Source) -> Result<Self, Error> {
        match source {
            Source::Credential(_) | Source::File(_) => Ok(Self::Stored(source)),
            Source::Descriptor(number) => read::descriptor(number).map(Self::Given),
            Source::Prompt(words) => Ok(Self::Given(Entry {
                pin: prompt::ask(&words)?,
                generation: Generation::entered("at the terminal"),
            })),
        }
    }

    /// The PIN as it is now.
    ///
    /// # Errors
    /// Why there is none.
    pub fn entry(&self) -> Result<Entry, Error> {
        match self {
            Self::Given(entry) => Ok(entry.clone()),
            Self::Stored(Source::File(path)) => read::file(path),
            Self::Stored(Source::Credential(name)) => {
                read::credential(std::env::var_os("CREDENTIALS_DIRECTORY").as_deref(), name)
            }
            // Not made by `open`; whoever makes them gets what it would.
            Self::Stored(source) => Self::open(source.clone())?.entry(),
        }
    }
}

impl Pin {
    /// From what a source gave. One line end at its end is not part of the PIN.
    ///
    /// # Errors
    /// [`Error::Malformed`], naming `place`.
    pub fn new(mut bytes: Zeroizing<Vec<u8>>, place: &str) -> Result<Self, Error> {
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        let fits = (1..=LONGEST).contains(&bytes.len());
        if !fits || bytes.iter().any(u8::is_ascii_control) {
            return Err(Error::Malformed(place.to_owned()));
        }
        Ok(Self(Arc::new(bytes)))
    }

    /// Whether a card with these limits (`ulMinPinLen`, `ulMaxPinLen`; 0 for a longest that it does not tell) takes a
    /// PIN of this length. One that it does not take is never presented.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn fits(&self, min: usize, max: usize) -> Result<(), Error> {
        let max = if max == 0 { LONGEST } else { max };
        if (min..=max).contains(&self.0.len()) { Ok(()) } else { Err(Error::Length { min, max }) }
    }

    /// The bytes, for the one call that presents them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(****)")
    }
}

impl Generation {
    /// As the guard writes it down; a person can read it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One that a person has just entered, so unlike any other.
    #[must_use]
    pub fn entered(how: &str) -> Self {
        let mut random = [0; 8];
        // Without random numbers all entries are one source: stricter, never laxer.
        let _ = getrandom::fill(&mut random);
        Self(format!("entered {how}, {:016x}", u64::from_be_bytes(random)))
    }

    fn of_file(path: &Path, meta: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let (inode, second, nano) = (meta.ino(), meta.mtime(), meta.mtime_nsec());
        Self(format!("file {}, inode {inode}, written {second}.{nano:09}", path.display()))
    }

    fn of_descriptor(number: u32) -> Self {
        Self(format!("descriptor {number}"))
    }

    fn of_credential(name: &str) -> Self {
        Self(format!("credential {name}"))
    }
}

impl From<&str> for Generation {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Longest PIN, bytes. Cards of the GPKI take 6 to 8.
pub const LONGEST: usize = 64;
