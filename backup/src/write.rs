//! Making a backup.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use crate::manifest::{DIGEST, Entry, Manifest, NAME, is_plain};
use crate::{Backup, Error, Progress, hex};

/// Held while a backup is made.
const LOCK: &str = ".lock";
/// Bytes read at a time.
const CHUNK: usize = 1 << 18;

/// A backup being made, in `DEST.partial`. Dropped without [`Writer::finish`] it is removed.
#[derive(Debug)]
pub struct Writer {
    dest: PathBuf,
    partial: PathBuf,
    /// What it will say of itself.
    pub manifest: Manifest,
    previous: Option<Backup>,
    done: u64,
    lock: Option<File>,
}

impl Writer {
    /// Begins. `previous` is an earlier backup: a file of the same content under the same path is hard-linked from
    /// there instead of copied (where the file system can).
    ///
    /// # Errors
    /// `backup-exists`, `backup-running`, `backup-full`, `backup-failed`.
    pub fn begin(dest: &Path, manifest: Manifest, previous: Option<Backup>) -> Result<Self, Error> {
        if dest.symlink_metadata().is_ok() {
            return Err(Error::Exists(dest.to_owned()));
        }
        let name = dest.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
        let partial = dest.with_file_name({
            let mut name = name;
            name.push(".partial");
            name
        });
        if partial.is_dir() {
            // left by one that was killed, unless somebody works in it
            let lock = lock(&partial)?;
            remove(&partial)?;
            drop(lock);
        }
        make_folder(&partial)?;
        let lock = Some(lock(&partial)?);
        Ok(Self { dest: dest.to_owned(), partial, manifest, previous, done: 0, lock })
    }

    /// Where a file of the backup is made by somebody else (a database by SQLite); then [`Writer::made`].
    ///
    /// # Errors
    /// `backup-failed`.
    pub fn place(&self, name: &str) -> Result<PathBuf, Error> {
        assert!(is_plain(name), "{name} is a path of ours");
        let path = self.partial.join(name);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        Ok(path)
    }

    /// A file was made at its [`Writer::place`]: hashed and made durable.
    ///
    /// # Errors
    /// `backup-failed`.
    pub fn made(&mut self, name: &str, progress: Progress<'_>) -> Result<(), Error> {
        let path = self.place(name)?;
        let mut file = File::open(&path).map_err(Error::file("opened", &path))?;
        let entry = copy(&mut file, &path, None, &mut self.done, progress)?;
        durable::File::of(crate::NAME, &path, file).sync_all().map_err(Error::file("synced", &path))?;
        self.manifest.files.insert(name.to_owned(), entry);
        Ok(())
    }

    /// Copies a file, or links it from the previous backup if the content is the same. False if it is not there (any
    /// more); nothing is noted then. A file that is here already is left as it is.
    ///
    /// # Errors
    /// `backup-full`, `backup-failed`.
    pub fn copy(&mut self, from: &Path, name: &str, progress: Progress<'_>) -> Result<bool, Error> {
        if self.manifest.files.contains_key(name) {
            return Ok(true);
        }
        let mut source = match File::open(from) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(Error::file("opened", from)(e)),
        };
        let to = self.place(name)?;
        if let Some(entry) = self.linked(&mut source, from, name, &to, progress)? {
            self.manifest.files.insert(name.to_owned(), entry);
            return Ok(true);
        }
        let mut out = new_file(&to)?;
        let entry = copy(&mut source, from, Some((&mut out, &to)), &mut self.done, progress)?;
        durable::File::of(crate::NAME, &to, out).sync_all().map_err(Error::file("synced", &to))?;
        self.manifest.files.insert(name.to_owned(), entry);
        Ok(true)
    }

    /// Writes a small file of the backup.
    ///
    /// # Errors
    /// As [`Writer::copy`].
    pub fn text(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let to = self.place(name)?;
        let mut out = new_file(&to)?;
        let entry = copy(&mut text.as_bytes(), &to, Some((&mut out, &to)), &mut self.done, &mut |_| {})?;
        durable::File::of(crate::NAME, &to, out).sync_all().map_err(Error::file("synced", &to))?;
        self.manifest.files.insert(name.to_owned(), entry);
        Ok(())
    }

    /// The content is compared, not the time of change: a file that was changed since is copied, and both are kept.
    fn linked(
        &mut self,
        source: &mut File,
        from: &Path,
        name: &str,
        to: &Path,
        progress: Progress<'_>,
    ) -> Result<Option<Entry>, Error> {
        let Some(previous) = &self.previous else { return Ok(None) };
        let Some(known) = previous.manifest().files.get(name) else { return Ok(None) };
        let before = previous.folder().join(name);
        let same_size =
            |path: &Path| path.symlink_metadata().is_ok_and(|m| m.is_file() && m.len() == known.size);
        if !same_size(from) || !same_size(&before) {
            return Ok(None);
        }
        let entry = copy(source, from, None, &mut self.done, progress)?;
        std::io::Seek::rewind(source).map_err(Error::file("read", from))?;
        if entry == *known && std::fs::hard_link(&before, to).is_ok() {
            return Ok(Some(entry));
        }
        self.done -= entry.size;
        Ok(None)
    }

    /// Writes the manifest, makes all of it durable and gives it its name.
    ///
    /// # Errors
    /// `backup-exists` if something took the name meanwhile, `backup-full`, `backup-failed`.
    pub fn finish(mut self) -> Result<Manifest, Error> {
        let json = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|e| Error::file("written", &self.partial.join(NAME))(e.into()))?;
        let digest = hex(aws_lc_rs::digest::digest(&SHA256, &json).as_ref());
        for (name, bytes) in [(NAME, &json), (DIGEST, &format!("{digest}  {NAME}\n").into_bytes())] {
            let path = self.partial.join(name);
            let mut file = new_file(&path)?;
            file.write_all(bytes).map_err(Error::file("written", &path))?;
            durable::File::of(crate::NAME, &path, file).sync_all().map_err(Error::file("synced", &path))?;
        }
        let lock = self.partial.join(LOCK);
        std::fs::remove_file(&lock).map_err(Error::file("removed", &lock))?;
        sync_folders(&self.partial)?;
        if self.dest.symlink_metadata().is_ok() {
            return Err(Error::Exists(self.dest.clone()));
        }
        durable::rename(crate::NAME, &self.partial, &self.dest)
            .map_err(Error::file("renamed", &self.partial))?;
        let parent =
            self.dest.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        sync(parent)?;
        self.lock = None;
        Ok(self.manifest.clone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // what stays is removed by the next backup of this name
            let _ = std::fs::remove_dir_all(&self.partial);
        }
    }
}

/// Reads to the end; writes, if asked to; hashes.
pub(crate) fn copy(
    source: &mut impl Read,
    from: &Path,
    mut to: Option<(&mut File, &Path)>,
    done: &mut u64,
    progress: Progress<'_>,
) -> Result<Entry, Error> {
    let (mut hash, mut size) = (Context::new(&SHA256), 0);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match source.read(&mut buffer) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(Error::file("read", from))?,
        };
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        hash.update(chunk);
        if let Some((file, path)) = &mut to {
            file.write_all(chunk).map_err(Error::file("written", path))?;
        }
        size += chunk.len() as u64;
        *done += chunk.len() as u64;
        progress(*done);
    }
    Ok(Entry { size, sha256: hex(hash.finish().as_ref()) })
}

/// A new file that only this user may see.
pub(crate) fn new_file(path: &Path) -> Result<File, Error> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(Error::file("made", path))
}

/// Makes a folder that only this user may enter, and those above it.
///
/// # Errors
/// `backup-full`, `backup-failed`.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::file("made", path))
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(Error::file("locked", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Running(folder.to_owned())),
        Err(TryLockError::Error(e)) => Err(Error::file("locked", &path)(e)),
    }
}

fn remove(folder: &Path) -> Result<(), Error> {
    std::fs::remove_dir_all(folder).map_err(Error::file("removed", folder))
}

pub(crate) fn sync(folder: &Path) -> Result<(), Error> {
    durable::sync_folder(crate::NAME, folder).map_err(Error::file("synced", folder))
}

/// Makes the names in a folder and below it durable.
///
/// # Errors
/// `backup-failed`.
pub fn sync_folders(folder: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder).map_err(Error::file("read", folder))? {
        let entry = entry.map_err(Error::file("read", folder))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sync_folders(&entry.path())?;
        }
    }
    sync(folder)
}
