//! The one layer through which everything goes that has to survive a crash: create, write, fsync, rename, remove.
//!
//! Two things to know: [`File`], a file being written, and the functions for names ([`rename`], [`remove`],
//! [`sync_folder`] …). Each takes the *name* of the place in the program where it is done ("spool", "archive"), chosen by
//! the caller. In a release build a name is nothing: every function is the system call, and [`File`] is
//! [`std::fs::File`] with one bit more.
//!
//! In a build with the feature `failpoints` every step has two points, before and after it, at which a test can do
//! three things, each asked for by an environment variable (the module `points` describes them): end the process there,
//! make the step fail or last, or record it so that a power cut can be replayed. The steps that are no files ([`Step::Commit`], [`Step::Send`] …) mark theirs with
//! [`before`] and [`after`].
//!
//! # What it never does
//! It decides nothing: not what is fsynced, when, or what becomes of an error. Many files may be written first and then
//! made durable together.
//!
//! # How it fails
//! As the system says, as [`std::io::Error`]; with one rule of its own: a file whose fsync has failed once can't be
//! synced any more, since Linux then throws away what it could not write and calls the next fsync a success. What was
//! written must be written anew, into a new file.

mod batch;
#[cfg(feature = "failpoints")]
pub mod points;
pub mod record;
mod together;

pub use batch::Batch;
pub use together::Together;

use std::fs::OpenOptions;
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is done at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A file is made.
    Create,
    /// Bytes are written.
    Write,
    /// A file is made durable.
    Fsync,
    /// The names in a folder are made durable.
    Folder,
    /// A file or folder gets another name.
    Rename,
    /// A file or folder is removed.
    Remove,
    /// A folder is made.
    MakeFolder,
    /// A database commits.
    Commit,
    /// Something is told to another machine.
    Send,
    /// Something was heard from another machine.
    Receive,
    /// A card or its helper does something.
    Card,
}

/// A step that is about to be done, where it is no file's. Nothing in a release build.
#[inline]
pub fn before(name: &'static str, step: Step) {
    #[cfg(feature = "failpoints")]
    points::pass("before", name, step);
    let _ = (name, step);
}

/// A step that has been done. Nothing in a release build.
#[inline]
pub fn after(name: &'static str, step: Step) {
    #[cfg(feature = "failpoints")]
    points::pass("after", name, step);
    let _ = (name, step);
}

/// Whether a test wants this step to fail; for steps that are done by another library.
///
/// # Errors
/// Only in a build with `failpoints`, and asked to.
#[inline]
pub fn check(name: &'static str, step: Step) -> io::Result<()> {
    #[cfg(feature = "failpoints")]
    points::fault(name, step)?;
    let _ = (name, step);
    Ok(())
}

/// Another library (a database) has written these files and made them durable, in this order: a record takes down what
/// changed in them. Nothing in a release build.
#[inline]
pub fn witness(name: &'static str, paths: impl FnOnce() -> Vec<PathBuf>) {
    #[cfg(feature = "failpoints")]
    points::witness(name, paths);
    #[cfg(not(feature = "failpoints"))]
    let _ = (name, paths);
}

/// A step on names, with its two points: what the functions below are made of, for system calls they don't have.
///
/// # Errors
/// What `call` says.
#[inline]
pub fn step<T>(
    name: &'static str,
    step: Step,
    paths: (&Path, Option<&Path>),
    call: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    before(name, step);
    check(name, step)?;
    let done = call()?;
    #[cfg(feature = "failpoints")]
    points::record_names(name, step, paths.0, paths.1);
    let _ = paths;
    after(name, step);
    Ok(done)
}

/// Renames a file or folder; a file by the new name is replaced. Durable after [`sync_folder`] of the new name's folder.
///
/// # Errors
/// As [`std::fs::rename`].
#[inline]
#[expect(clippy::disallowed_methods, reason = "this is the layer")]
pub fn rename(name: &'static str, from: &Path, to: &Path) -> io::Result<()> {
    step(name, Step::Rename, (from, Some(to)), || std::fs::rename(from, to))
}

/// Removes a file.
///
/// # Errors
/// As [`std::fs::remove_file`].
#[inline]
pub fn remove(name: &'static str, path: &Path) -> io::Result<()> {
    step(name, Step::Remove, (path, None), || std::fs::remove_file(path))
}

/// Removes a folder with everything in it.
///
/// # Errors
/// As [`std::fs::remove_dir_all`].
#[inline]
pub fn remove_all(name: &'static str, path: &Path) -> io::Result<()> {
    step(name, Step::Remove, (path, None), || std::fs::remove_dir_all(path))
}

/// Makes the names in a folder durable. Those who ask for the same folder at the same time share one fsync, which begins
/// after all of them have asked.
///
/// # Errors
/// As opening and [`std::fs::File::sync_all`].
#[inline]
#[expect(clippy::disallowed_methods, reason = "this is the layer")]
pub fn sync_folder(name: &'static str, path: &Path) -> io::Result<()> {
    step(name, Step::Folder, (path, None), || {
        together::folder(path, || std::fs::File::open(path)?.sync_all())
    })
}

/// A file being written.
#[derive(Debug)]
pub struct File {
    file: std::fs::File,
    /// An fsync has failed: what was written may be gone, though it can still be read.
    spoiled: AtomicBool,
    #[cfg(feature = "failpoints")]
    trace: points::Trace,
}

impl File {
    /// Opens or makes a file as `options` say.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    #[inline]
    pub fn open(name: &'static str, options: &OpenOptions, path: &Path) -> io::Result<Self> {
        Self::from_call(name, path, || options.open(path))
    }

    /// A file that `call` opens or makes at `path`, by a system call of its own.
    ///
    /// # Errors
    /// What `call` says.
    #[inline]
    pub fn from_call(
        name: &'static str,
        path: &Path,
        call: impl FnOnce() -> io::Result<std::fs::File>,
    ) -> io::Result<Self> {
        check(name, Step::Create)?;
        let _ = path;
        let file = call()?;
        Ok(Self {
            #[cfg(feature = "failpoints")]
            trace: points::Trace::begin(name, path, &file),
            file,
            spoiled: AtomicBool::new(false),
        })
    }

    /// A file that is there and open already: only its fsync is still wanted.
    #[inline]
    #[must_use]
    pub fn of(name: &'static str, path: &Path, file: std::fs::File) -> Self {
        let _ = (name, path);
        Self {
            #[cfg(feature = "failpoints")]
            trace: points::Trace::begin(name, path, &file),
            file,
            spoiled: AtomicBool::new(false),
        }
    }

    /// The file, for reading and measuring.
    #[inline]
    #[must_use]
    pub const fn std(&self) -> &std::fs::File {
        &self.file
    }

    /// The file, for reading.
    #[inline]
    #[must_use]
    pub const fn std_mut(&mut self) -> &mut std::fs::File {
        &mut self.file
    }

    /// Makes content and metadata durable.
    ///
    /// # Errors
    /// As the system says; and always after one that failed.
    #[inline]
    #[expect(clippy::disallowed_methods, reason = "this is the layer")]
    pub fn sync_all(&self) -> io::Result<()> {
        self.sync(std::fs::File::sync_all)
    }

    /// Makes the content durable, with what of the metadata is needed to read it.
    ///
    /// # Errors
    /// As [`Self::sync_all`].
    #[inline]
    #[expect(clippy::disallowed_methods, reason = "this is the layer")]
    pub fn sync_data(&self) -> io::Result<()> {
        self.sync(std::fs::File::sync_data)
    }

    #[inline]
    fn sync(&self, call: impl FnOnce(&std::fs::File) -> io::Result<()>) -> io::Result<()> {
        if self.spoiled.load(Ordering::Relaxed) {
            return Err(io::Error::other("an earlier fsync of this file failed; it has to be written anew"));
        }
        #[cfg(feature = "failpoints")]
        let call = |file: &std::fs::File| self.trace.sync(file, call);
        let synced = call(&self.file);
        if synced.is_err() {
            self.spoiled.store(true, Ordering::Relaxed);
        }
        synced
    }

    /// Cuts or lengthens the file.
    ///
    /// # Errors
    /// As [`std::fs::File::set_len`].
    #[inline]
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        #[cfg(feature = "failpoints")]
        self.trace.cut(length);
        Ok(())
    }

    /// Writes everything that `source` has, in the way that is fastest for files.
    ///
    /// # Errors
    /// As [`io::copy`].
    #[inline]
    pub fn copy_from(&mut self, source: &mut std::fs::File) -> io::Result<u64> {
        #[cfg(feature = "failpoints")]
        return io::copy(source, self);
        #[cfg(not(feature = "failpoints"))]
        io::copy(source, &mut self.file)
    }
}

impl Write for File {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "failpoints")]
        return self.trace.write(&mut self.file, bytes);
        #[cfg(not(feature = "failpoints"))]
        self.file.write(bytes)
    }

    #[inline]
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(feature = "failpoints")]
        return self.write(parts.iter().find(|part| !part.is_empty()).map_or(&[], |part| part));
        #[cfg(not(feature = "failpoints"))]
        self.file.write_vectored(parts)
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Read for File {
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.file.read(into)
    }
}

impl Seek for File {
    #[inline]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
