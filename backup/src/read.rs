//! Checking a backup and putting it back.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::manifest::{DIGEST, Entry, FORMAT, Kind, Manifest, NAME, is_plain};
use crate::write::{copy, new_file};
use crate::{Error, Progress, hex};

/// What became of a file that was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was not there.
    Made,
    /// It is there with the same content.
    Same,
    /// Something else is there; it was left alone.
    Differs,
}

/// A finished backup.
#[derive(Debug, Clone)]
pub struct Backup {
    folder: PathBuf,
    manifest: Manifest,
}

impl Backup {
    /// Reads the manifest and checks it against its digest; the files are not looked at yet.
    ///
    /// # Errors
    /// `backup-none`, `backup-damaged`, `backup-newer`, `backup-failed`.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(NAME);
        let json = match std::fs::read(&path) {
            Ok(json) => json,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(Error::None(folder.to_owned()));
            }
            Err(e) => return Err(Error::file("read", &path)(e)),
        };
        let noted = folder.join(DIGEST);
        let noted = std::fs::read_to_string(&noted).map_err(Error::file("read", &noted))?;
        let damaged = |why: &str| Error::Damaged { path: path.clone(), why: why.to_owned() };
        if noted.split_whitespace().next() != Some(hex(digest(&SHA256, &json).as_ref()).as_str()) {
            return Err(damaged("another SHA-256"));
        }
        let format = serde_json::from_slice::<serde_json::Value>(&json)
            .ok()
            .and_then(|value| value.get("format")?.as_i64())
            .ok_or_else(|| damaged("it has no format"))?;
        if format > i64::from(FORMAT) {
            return Err(Error::Newer { what: "format", found: format, known: i64::from(FORMAT) });
        }
        let manifest: Manifest = serde_json::from_slice(&json).map_err(|e| damaged(&e.to_string()))?;
        if let Some(path) = manifest.files.keys().find(|path| !is_plain(path)) {
            return Err(damaged(&format!("{path:?} is no path in it")));
        }
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    /// What it says of itself.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it is what was asked for.
    ///
    /// # Errors
    /// `backup-other`, `backup-newer`.
    pub fn expect(&self, kind: Kind, code: Option<&str>, schema: i64) -> Result<(), Error> {
        let m = &self.manifest;
        let name =
            |kind, code: &str| format!("{} {code}", if kind == Kind::Node { "node" } else { "center" });
        if m.kind != kind || code.is_some_and(|code| code != m.code) {
            let wanted = name(kind, code.unwrap_or_default()).trim_end().to_owned();
            return Err(Error::Other { found: name(m.kind, &m.code), wanted });
        }
        if m.schema > schema {
            return Err(Error::Newer { what: "schema", found: m.schema, known: schema });
        }
        Ok(())
    }

    /// Reads every file and compares it with the manifest.
    ///
    /// # Errors
    /// `backup-damaged` for the first that is not what was written, `backup-failed`.
    pub fn verify(&self, progress: Progress<'_>) -> Result<(), Error> {
        let mut done = 0;
        for (name, entry) in &self.manifest.files {
            let path = self.folder.join(name);
            let mut file = self.source(name)?;
            let found = copy(&mut file, &path, None, &mut done, progress)?;
            compare(&path, &found, entry)?;
        }
        Ok(())
    }

    /// Copies one file out under a temporary name, compares again while it does, and renames; a file that is there is
    /// compared and never overwritten. The file is durable, its folder not yet.
    ///
    /// # Errors
    /// `backup-damaged`, `backup-full`, `backup-failed`.
    pub fn put(&self, name: &str, to: &Path, done: &mut u64, progress: Progress<'_>) -> Result<Put, Error> {
        let entry = self.manifest.files.get(name).ok_or_else(|| self.lacks(name))?;
        if to.symlink_metadata().is_ok() {
            let mut there = File::open(to).map_err(Error::file("opened", to))?;
            let found = copy(&mut there, to, None, done, progress)?;
            return Ok(if found == *entry { Put::Same } else { Put::Differs });
        }
        let mut source = self.source(name)?;
        let mut draft = to.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
        draft.push(".restoring");
        let draft = to.with_file_name(draft);
        if draft.symlink_metadata().is_ok() {
            std::fs::remove_file(&draft).map_err(Error::file("removed", &draft))?;
        }
        let mut out = new_file(&draft)?;
        let from = self.folder.join(name);
        let found = copy(&mut source, &from, Some((&mut out, &draft)), done, progress)?;
        compare(&from, &found, entry)?;
        durable::File::of(crate::NAME, &draft, out).sync_all().map_err(Error::file("synced", &draft))?;
        durable::rename(crate::NAME, &draft, to).map_err(Error::file("renamed", &draft))?;
        Ok(Put::Made)
    }

    fn source(&self, name: &str) -> Result<File, Error> {
        let path = self.folder.join(name);
        File::open(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => self.lacks(name),
            _ => Error::file("opened", &path)(e),
        })
    }

    fn lacks(&self, name: &str) -> Error {
        Error::Damaged { path: self.folder.join(name), why: "it is missing".to_owned() }
    }
}

fn compare(path: &Path, found: &Entry, expected: &Entry) -> Result<(), Error> {
    if found.size != expected.size {
        let why = format!("{} bytes instead of {}", found.size, expected.size);
        return Err(Error::Damaged { path: path.to_owned(), why });
    }
    if found.sha256 != expected.sha256 {
        return Err(Error::Damaged { path: path.to_owned(), why: "another SHA-256".to_owned() });
    }
    Ok(())
}

/// Refuses a folder with something in it.
///
/// # Errors
/// `restore-not-empty`, `backup-failed`.
pub fn expect_empty(folder: &Path) -> Result<(), Error> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::NotEmpty(folder.to_owned())),
        },
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::file("read", folder)(e)),
    }
}
