//! Records on disk: one small JSON file per card, replaced whole, and a lock file beside it.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::Refusal;
use super::rules::{FORMAT, Record};

/// The name of this place at the points of `durable`.
const GUARD: &str = "pin-guard";

/// The guard's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    dir: Arc<Path>,
}

/// What there is about a card.
pub(super) enum Found {
    Record(Box<Record>),
    Nothing,
    Damaged(PathBuf),
}

impl Folder {
    pub(super) fn open(dir: &Path) -> Result<Self, Refusal> {
        make(dir).map_err(|error| refusal(dir, "made", error))?;
        Ok(Self { dir: dir.into() })
    }

    /// The lock of a card, or nothing if somebody has it. It ends with the file, so with the process.
    pub(super) fn lock(&self, card: &str) -> Result<Option<File>, Refusal> {
        let (path, file) = self.lock_file(card)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(refusal(&path, "locked", error)),
        }
    }

    /// As [`Folder::lock`], but waits for it.
    pub(super) fn wait(&self, card: &str) -> Result<File, Refusal> {
        let (path, file) = self.lock_file(card)?;
        file.lock().map_err(|error| refusal(&path, "locked", error))?;
        Ok(file)
    }

    /// Whether somebody has the lock.
    pub(super) fn is_busy(&self, card: &str) -> Result<bool, Refusal> {
        let path = self.path(card, "lock");
        match File::open(&path) {
            Ok(file) => Ok(matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(refusal(&path, "read", error)),
        }
    }

    pub(super) fn read(&self, card: &str) -> Result<Found, Refusal> {
        let path = self.path(card, "json");
        let bytes = match read_bounded(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(refusal(&path, "read", error)),
        };
        match serde_json::from_slice::<Box<Record>>(&bytes) {
            _ if bytes.len() as u64 == LARGEST => Ok(Found::Damaged(path)),
            Ok(record) if record.format == FORMAT && record.card == card => Ok(Found::Record(record)),
            _ => Ok(Found::Damaged(path)),
        }
    }

    /// When it returns, the record is on disk whole; if it fails, the one before is there whole, or this one.
    pub(super) fn write(&self, record: &Record) -> Result<(), Refusal> {
        let path = self.path(&record.card, "json");
        self.replace(&path, record).map_err(|error| refusal(&path, "written", error))
    }

    fn replace(&self, path: &Path, record: &Record) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(record)?;
        text.push(b'\n');
        let new = path.with_extension("json.new");
        step(0)?;
        let mut file = durable::File::from_call(GUARD, &new, || create(&new, OFlags::TRUNC, &self.dir))?;
        let (first, second) = text.split_at(text.len() / 2);
        file.write_all(first)?;
        step(1)?;
        file.write_all(second)?;
        step(2)?;
        file.sync_all()?;
        step(3)?;
        durable::rename(GUARD, &new, path)?;
        step(4)?;
        durable::sync_folder(GUARD, &self.dir)
    }

    pub(super) fn remove(&self, card: &str) -> Result<(), Refusal> {
        let path = self.path(card, "json");
        let removed = durable::remove(GUARD, &path).and_then(|()| durable::sync_folder(GUARD, &self.dir));
        removed.map_err(|error| refusal(&path, "removed", error))
    }

    /// Keeps a damaged record for whoever wants to look.
    pub(super) fn set_aside(&self, card: &str) -> Result<(), Refusal> {
        let path = self.path(card, "json");
        durable::rename(GUARD, &path, &path.with_extension("damaged"))
            .map_err(|error| refusal(&path, "written", error))
    }

    pub(super) fn cards(&self) -> Result<Vec<String>, Refusal> {
        let failed = |error| refusal(&self.dir, "read", error);
        let mut cards = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let card = name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(card_of);
            cards.extend(card);
        }
        cards.sort();
        Ok(cards)
    }

    pub(super) fn path(&self, card: &str, kind: &str) -> PathBuf {
        self.dir.join(format!("{}.{kind}", name_of(card)))
    }

    fn lock_file(&self, card: &str) -> Result<(PathBuf, File), Refusal> {
        let path = self.path(card, "lock");
        match create(&path, OFlags::empty(), &self.dir) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(refusal(&path, "locked", error)),
        }
    }
}

/// Makes a folder for its owner only, and those above it. Made by root below somebody's folder it is theirs: a `doctor`
/// run by root must not shut the service out.
pub(super) fn make(dir: &Path) -> io::Result<()> {
    match std::fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => return Err(ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    make(above)?;
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    hand_over(&File::open(dir)?, above)?;
    durable::sync_folder(GUARD, above)
}

fn create(path: &Path, more: OFlags, dir: &Path) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    hand_over(&file, dir)?;
    Ok(file)
}

fn hand_over(file: &File, dir: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (owner, mine) = (std::fs::metadata(dir)?, file.metadata()?);
    if (owner.uid(), owner.gid()) == (mine.uid(), mine.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A serial as a file name, and no other serial has the same: bytes that are not letters, digits or `-` become `_` and
/// two hexadecimal digits.
fn name_of(card: &str) -> String {
    if card.is_empty() {
        return "_".to_owned();
    }
    let mut name = String::new();
    for byte in card.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("_{byte:02x}"));
        }
    }
    name
}

fn card_of(name: &str) -> Option<String> {
    if name == "_" {
        return Some(String::new());
    }
    let mut parts = name.split('_');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn refusal(path: &Path, during: &'static str, source: io::Error) -> Refusal {
    Refusal::Unusable { path: path.to_owned(), during, source: Arc::new(source) }
}

/// A record is a few hundred bytes; what is as long as this or longer is none.
const LARGEST: u64 = 64 * 1024;

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "the tests stop here, as a crash would")]
fn step(_: u8) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use crash::step;

/// Where the process of a test "dies" inside [`Folder::write`].
#[cfg(test)]
pub(super) mod crash {
    use std::cell::Cell;
    use std::io;

    thread_local!(static AT: Cell<Option<u8>> = const { Cell::new(None) });

    /// The next write stops before this step, once.
    pub(crate) fn at(step: u8) {
        AT.set(Some(step));
    }

    pub(crate) fn step(now: u8) -> io::Result<()> {
        if AT.get() == Some(now) {
            AT.set(None);
            return Err(io::Error::other("the process ends here"));
        }
        Ok(())
    }
}
