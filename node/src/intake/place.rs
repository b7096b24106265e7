//! Folders and files of the drop side, reached step by step from an open folder; no link is ever followed.

use durable::Step;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything by which a change of a file shows, short of reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) file: FileId,
    pub(super) size: u64,
    pub(super) modified: (i64, u64),
    changed: (i64, u64),
    links: u64,
    pub(super) owner: u32,
    pub(super) group: u32,
    pub(super) mode: u32,
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(stat: &Stat) -> Self {
        #[allow(clippy::unnecessary_cast, reason = "widths differ by platform")]
        Self { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
    }
}

impl Mark {
    fn of(stat: &Stat) -> Self {
        // the width and sign of these fields differ between platforms
        #[allow(
            clippy::unnecessary_cast,
            clippy::cast_possible_truncation,
            reason = "widths differ by platform"
        )]
        Self {
            file: FileId::of(stat),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
            links: stat.st_nlink as u64,
            owner: stat.st_uid,
            group: stat.st_gid,
            mode: stat.st_mode as u32,
        }
    }

    /// Whether the content is surely the same: a rename changes neither size nor modification time.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        (self.file, self.size, self.modified) == (other.file, other.size, other.modified)
    }

    /// Whether this file was last touched after the other one was.
    pub(super) fn touched_after(&self, other: &Self) -> bool {
        self.changed > other.changed
    }

    /// Whether it has further names, through which it could be written later.
    pub(super) fn has_other_names(&self) -> bool {
        self.links > 1
    }
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    File(Mark),
    Folder,
    /// A link, a pipe, a device: nothing to be taken.
    Other,
}

/// An open folder. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    fd: Arc<OwnedFd>,
    path: PathBuf,
    /// What it is called at the points of `durable`.
    name: &'static str,
}

impl Place {
    /// Opens a configured folder (its path may contain links: it was written by a person who may). `name` is what its steps
    /// are called at the points of `durable`.
    pub(crate) fn root(name: &'static str, path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { fd: Arc::new(fd), path: path.to_owned(), name })
    }

    /// Opens a folder in this one, unless it is a link.
    pub(crate) fn folder(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, plain(name)?, flags, Mode::empty())?;
        Ok(Self { fd: Arc::new(fd), path: self.path.join(name), name: self.name })
    }

    /// The path, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands under a name, the name itself, not what a link points to.
    pub(super) fn look(&self, name: &OsStr) -> io::Result<Option<Entry>> {
        match rustix::fs::statat(&self.fd, plain(name)?, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Entry::File(Mark::of(&stat)),
                FileType::Directory => Entry::Folder,
                _ => Entry::Other,
            })),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NAMETOOLONG) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Opens a regular file for reading and says which it is; anything else under that name is an error.
    pub(super) fn open(&self, name: &OsStr) -> io::Result<(File, Mark)> {
        // without NONBLOCK a pipe put there between look and open would hang us
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, plain(name)?, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok((File::from(fd), Mark::of(&stat)))
    }

    /// The names in this folder without `.` and `..`, with their kind where the file system tells it.
    pub(super) fn list(&self) -> io::Result<Vec<(OsString, FileType)>> {
        self.find(|_| true)
    }

    /// Of [`Place::list`], the names that are wanted.
    pub(super) fn find(&self, wanted: impl Fn(&OsStr) -> bool) -> io::Result<Vec<(OsString, FileType)>> {
        let mut out = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." || !wanted(name) {
                continue;
            }
            let name = name.to_owned();
            let kind = match entry.file_type() {
                FileType::Unknown => match self.look(&name)? {
                    Some(Entry::File(_)) => FileType::RegularFile,
                    Some(Entry::Folder) => FileType::Directory,
                    _ => FileType::Symlink,
                },
                known => known,
            };
            out.push((name, kind));
        }
        Ok(out)
    }

    /// Renames into another folder; an existing file there is never replaced.
    pub(super) fn rename(&self, name: &OsStr, to: &Self, new_name: &OsStr) -> io::Result<()> {
        let (name, new_name) = (plain(name)?, plain(new_name)?);
        let paths = (self.path.join(name), to.path.join(new_name));
        durable::step(self.name, Step::Rename, (&paths.0, Some(&paths.1)), || {
            match rustix::fs::renameat_with(&self.fd, name, &to.fd, new_name, RenameFlags::NOREPLACE) {
                // some network file systems have no such rename; there the look before must do
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if to.look(new_name)?.is_none() => {
                    Ok(rustix::fs::renameat(&self.fd, name, &to.fd, new_name)?)
                }
                other => Ok(other?),
            }
        })
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        let name = plain(name)?;
        durable::step(self.name, Step::Remove, (&self.path.join(name), None), || {
            Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())?)
        })
    }

    /// Removes an empty folder; says whether it is gone.
    pub(super) fn remove_folder(&self, name: &OsStr) -> bool {
        let remove = |name: &OsStr| {
            durable::step(self.name, Step::Remove, (&self.path.join(name), None), || {
                Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
            })
        };
        plain(name).and_then(remove).is_ok()
    }

    /// Makes a folder that does not exist yet, private, and opens it.
    pub(crate) fn make_folder(&self, name: &OsStr) -> io::Result<Self> {
        let name = plain(name)?;
        durable::step(self.name, Step::MakeFolder, (&self.path.join(name), None), || {
            Ok(rustix::fs::mkdirat(&self.fd, name, Mode::RWXU | Mode::RGRP | Mode::XGRP)?)
        })?;
        self.folder(name)
    }

    /// Makes a file that does not exist yet.
    pub(crate) fn make(&self, name: &OsStr) -> io::Result<durable::File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
        let name = plain(name)?;
        durable::File::from_call(self.name, &self.path.join(name), || {
            Ok(File::from(rustix::fs::openat(&self.fd, name, flags, mode)?))
        })
    }

    /// Makes the names in this folder durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        durable::step(self.name, Step::Folder, (&self.path, None), || Ok(rustix::fs::fsync(&self.fd)?))
    }
}

/// A name that is one step and not a special one.
fn plain(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') || bytes.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file name"));
    }
    Ok(name)
}
