//! Content files: containers and sealed bytes on their way. Written under a temporary name, fsynced, renamed, folder
//! fsynced; only then may a row name them.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::error::DURABLE;

/// What a file is called while it is being written: behind its name.
const DRAFT: &str = ".draft";
/// What a file is called that is fetched piece by piece.
const PARTIAL: &str = ".partial";
/// The name of this place at the points of `durable`.
const SPOOL: &str = "spool";

/// The folder of content files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

/// A content file being written. Dropped without [`Draft::keep`] it is removed.
#[derive(Debug)]
pub struct Draft {
    file: durable::File,
    spool: Spool,
    name: String,
    written_as: PathBuf,
    /// Dropped, it stays.
    stays: bool,
}

impl Spool {
    pub(crate) fn open_folder(folder: PathBuf) -> Result<Self, Error> {
        crate::private_folder(&folder)?;
        Ok(Self { folder })
    }

    /// One that is there already, or not.
    pub(crate) const fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins a content file that will have `name`. Names are ours: ASCII letters, digits, `.`, `-`, `_`, not
    /// beginning with a dot, at most 120 bytes. A file with that name stays until [`Draft::keep`] replaces it.
    ///
    /// # Errors
    /// `bad-request` for another name, `spool-failed`, `disk-full`.
    pub fn create(&self, name: &str) -> Result<Draft, Error> {
        let written_as = self.path_with(name, DRAFT)?;
        let file = private_file(OpenOptions::new().create(true).truncate(true), &written_as)
            .map_err(|e| Error::spool(name, "created", e))?;
        Ok(Draft { file, spool: self.clone(), name: name.to_owned(), written_as, stays: false })
    }

    /// A file that is fetched piece by piece: the draft at its end, and how much is there already. It survives its
    /// drop; [`Self::remove`] or [`Draft::keep`] ends it. What a crash left of it may be wrong: check the digest.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn resume(&self, name: &str) -> Result<(Draft, u64), Error> {
        let written_as = self.path_with(name, PARTIAL)?;
        let failed = |e| Error::spool(name, "continued", e);
        let mut file =
            private_file(OpenOptions::new().create(true).truncate(false), &written_as).map_err(failed)?;
        let offset = file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok((Draft { file, spool: self.clone(), name: name.to_owned(), written_as, stays: true }, offset))
    }

    /// Makes several durable under their names at once and returns their lengths: all are written out before the first is
    /// renamed, and the folder is synced once.
    ///
    /// # Errors
    /// As [`Draft::keep`].
    pub fn keep_all(&self, mut drafts: Vec<Draft>) -> Result<Vec<u64>, Error> {
        let failed = |name: &str| {
            let name = name.to_owned();
            move |e| Error::spool(&name, DURABLE, e)
        };
        let mut lengths = Vec::with_capacity(drafts.len());
        for draft in &mut drafts {
            // what an fsync could not write is not believed to be there by a later one: it is written anew
            draft.stays = false;
            lengths.push(draft.written().map_err(failed(&draft.name))?);
        }
        for draft in &mut drafts {
            draft.named().map_err(failed(&draft.name))?;
            draft.stays = true;
        }
        durable::sync_folder(SPOOL, &self.folder).map_err(failed("*"))?;
        Ok(lengths)
    }

    /// Opens a kept content file for reading.
    ///
    /// # Errors
    /// `spool-missing`, `spool-failed`.
    pub fn open(&self, name: &str) -> Result<File, Error> {
        File::open(self.path(name)?).map_err(|e| Error::spool(name, "opened", e))
    }

    /// Where a kept content file lies.
    ///
    /// # Errors
    /// `bad-request` if the name is none of ours.
    pub fn path(&self, name: &str) -> Result<PathBuf, Error> {
        self.path_with(name, "")
    }

    /// Removes a content file, also one half fetched; it is no error if there is none. Not fsynced: one that comes
    /// back after a power cut is an orphan.
    ///
    /// # Errors
    /// `spool-failed`.
    pub fn remove(&self, name: impl AsRef<str>) -> Result<(), Error> {
        let name = name.as_ref();
        for suffix in ["", PARTIAL] {
            match durable::remove(SPOOL, &self.path_with(name, suffix)?) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::spool(name, "removed", e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Files that no row names (`known`), left by a crash between a file and its row; drafts and half-fetched ones are
    /// among them. To be asked at start, before anything is written, and removed with [`Self::sweep`].
    ///
    /// # Errors
    /// `spool-failed`.
    pub fn orphans(&self, known: &[String]) -> Result<Vec<String>, Error> {
        let known: HashSet<&str> = known.iter().map(String::as_str).collect();
        let failed = |e| Error::spool("*", "listed", e);
        let mut orphans = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if !known.contains(name.as_str()) {
                orphans.push(name);
            }
        }
        Ok(orphans)
    }

    /// Removes orphans except the half-fetched files whose final names are in `resumable`; returns how many.
    ///
    /// # Errors
    /// `spool-failed`.
    pub fn sweep(&self, known: &[String], resumable: &[String]) -> Result<u32, Error> {
        let mut swept = 0;
        for name in self.orphans(known)? {
            let wanted = name.strip_suffix(PARTIAL).is_some_and(|n| resumable.iter().any(|r| r == n));
            if !wanted {
                durable::remove(SPOOL, &self.folder.join(&name))
                    .map_err(|e| Error::spool(&name, "removed", e))?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn path_with(&self, name: &str, suffix: &str) -> Result<PathBuf, Error> {
        let ours = !name.is_empty()
            && name.len() <= 120
            && !name.starts_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            && ![DRAFT, PARTIAL].iter().any(|s| name.ends_with(s));
        if !ours {
            return Err(Error::Bad("a content file can't have this name"));
        }
        Ok(self.folder.join(format!("{name}{suffix}")))
    }
}

impl Draft {
    /// Makes it durable under its name and returns its length: fsync, rename, fsync of the folder.
    ///
    /// # Errors
    /// `disk-failed`, `disk-full`, `spool-failed`; then it is removed, also one that was fetched piece by piece, and a file that
    /// stood under that name may or may not have been replaced.
    pub fn keep(self) -> Result<u64, Error> {
        let spool = self.spool.clone();
        spool.keep_all(vec![self])?.pop().ok_or(Error::Bad("a content file without a length"))
    }

    fn written(&self) -> std::io::Result<u64> {
        let length = self.file.std().metadata()?.len();
        self.file.sync_all()?;
        Ok(length)
    }

    fn named(&self) -> std::io::Result<()> {
        durable::rename(SPOOL, &self.written_as, &self.spool.folder.join(&self.name))
    }

    /// Throws away what was written so far (a half-fetched file that turned out wrong).
    ///
    /// # Errors
    /// `spool-failed`.
    pub fn restart(&mut self) -> Result<(), Error> {
        let name = &self.name;
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|e| Error::spool(name, "emptied", e))
    }

    /// Where it is being written: for something that wants a path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.written_as
    }

    /// The file: for something that wants one, or reads back what was written.
    #[must_use]
    pub const fn file(&mut self) -> &mut File {
        self.file.std_mut()
    }

    /// Makes what was written durable under the name it is being written by: for something that takes it from there.
    ///
    /// # Errors
    /// `spool-failed`, `disk-full`.
    pub fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(|e| Error::spool(&self.name, DURABLE, e))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.stays {
            // what stays behind is an orphan, removed at the next start
            let _ = durable::remove(SPOOL, &self.written_as);
        }
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Opens for reading and writing what only this user may see.
fn private_file(options: &mut OpenOptions, path: &Path) -> std::io::Result<durable::File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    durable::File::open(SPOOL, options.read(true).write(true), path)
}
