//! Bodies and unfinished uploads as files.
//!
//! `uploads/<name>` grows while a body comes in; complete and verified it is fsynced, renamed to `bodies/<xx>/<name>`,
//! and both folders are fsynced, before any row names it.

use super::{Content, Upload};
use crate::database::locked;
use crate::error::{Error, Result};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use wire::message::Digest;

/// The two folders.
pub(crate) struct Files {
    uploads: PathBuf,
    bodies: PathBuf,
    turns: Mutex<HashMap<String, Arc<Mutex<Turn>>>>,
}

/// Who may write to an upload, and what was written.
#[derive(Default)]
struct Turn {
    /// The newest request.
    number: u64,
    /// The digest so far and the bytes in it, so that nobody can make a long upload be read again and again.
    so_far: Option<(Context, u64)>,
}

impl Files {
    /// Makes the folders where they are missing.
    pub(crate) fn open(data: &Path) -> Result<Self> {
        let (uploads, bodies) = (data.join("uploads"), data.join("bodies"));
        // all at once, so that a body's own folder is durable long before the body is
        let make = |folder: &Path| {
            std::fs::create_dir_all(folder).map_err(|e| Error::file("make the folder", folder, e))
        };
        make(&uploads)?;
        if !bodies.join("ff").exists() {
            (0..=255_u8).try_for_each(|n| make(&bodies.join(format!("{n:02x}"))))?;
            sync("bodies", &bodies)?;
            sync("bodies", data)?;
        }
        Ok(Self { uploads, bodies, turns: Mutex::default() })
    }

    /// A name that was never used.
    pub(crate) fn new_name() -> Result<String> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Task)?;
        Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// Takes over the upload of that name and reads what is there.
    pub(crate) fn upload(&self, name: &str, length: u64, sealed: Digest) -> Result<Box<dyn Upload>> {
        let turn = locked(&self.turns).entry(name.to_owned()).or_default().clone();
        let path = self.uploads.join(name);
        let mut current = locked(&turn); // from here on no older request writes
        current.number += 1;
        let number = current.number;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = durable::File::open("upload", &options, &path)
            .map_err(|e| Error::file("open the upload", &path, e))?;
        let there = file.std().metadata().map_err(|e| Error::file("read the upload", &path, e))?.len();
        let known = current.so_far.take().filter(|(_, offset)| *offset == there);
        let (mut hash, mut offset) = known.unwrap_or_else(|| (Context::new(&SHA256), 0));
        file.seek(SeekFrom::Start(offset)).map_err(|e| Error::file("read the upload", &path, e))?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let n = file.read(&mut buffer).map_err(|e| Error::file("read the upload", &path, e))?;
            let Some(chunk) = buffer.get(..n).filter(|chunk| !chunk.is_empty()) else { break };
            hash.update(chunk);
            offset += n as u64;
        }
        if offset > length {
            file.set_len(0).map_err(|e| Error::file("empty the upload", &path, e))?;
            (hash, offset) = (Context::new(&SHA256), 0);
        }
        file.seek(SeekFrom::Start(offset)).map_err(|e| Error::file("read the upload", &path, e))?;
        if offset > 0 {
            // what is announced as held must be durable, also if the one who wrote it was cut off
            if let Err(error) = file.sync_data() {
                return Err(begin_anew(&file, &path, error));
            }
        }
        current.so_far = Some((hash.clone(), offset));
        drop(current);
        Ok(Box::new(FileUpload {
            target: self.body_path(name),
            name: name.to_owned(),
            path,
            turn,
            number,
            file,
            hash,
            offset,
            length,
            sealed,
        }))
    }

    /// A complete body.
    pub(crate) fn open_body(&self, name: &str) -> Result<File> {
        let path = self.body_path(name);
        File::open(&path).map_err(|e| Error::file("open the body", &path, e))
    }

    /// Removes a body; one that is not there is fine.
    pub(crate) fn remove_body(&self, name: &str) -> Result<()> {
        remove("bodies", &self.body_path(name))
    }

    /// Removes an unfinished upload; whoever still writes to it is stopped.
    pub(crate) fn remove_upload(&self, name: &str) -> Result<()> {
        if let Some(turn) = locked(&self.turns).remove(name) {
            locked(&turn).number += 1;
        }
        remove("upload", &self.uploads.join(name))
    }

    /// The upload became a body: nobody writes to it any more.
    pub(crate) fn forget_upload(&self, name: &str) {
        locked(&self.turns).remove(name);
    }

    /// Whether there is none at all.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        for folder in list(&self.bodies)?.into_iter().chain([self.uploads.clone()]) {
            if !list(&folder)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes every file whose name is in neither set.
    pub(crate) fn remove_orphans(&self, bodies: &HashSet<String>, uploads: &HashSet<String>) -> Result<u64> {
        let mut removed = 0;
        let folders = list(&self.bodies)?.into_iter().map(|folder| (folder, bodies));
        for (folder, known) in folders.chain([(self.uploads.clone(), uploads)]) {
            for path in list(&folder)? {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if !known.contains(name) {
                    remove("bodies", &path)?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    fn body_path(&self, name: &str) -> PathBuf {
        self.bodies.join(name.get(..2).unwrap_or("00")).join(name)
    }
}

struct FileUpload {
    name: String,
    path: PathBuf,
    target: PathBuf,
    turn: Arc<Mutex<Turn>>,
    number: u64,
    file: durable::File,
    hash: Context,
    offset: u64,
    length: u64,
    sealed: Digest,
}

impl Upload for FileUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let mut turn = locked(&self.turn);
        if turn.number != self.number {
            return Err(Error::TakenOver);
        }
        if self.offset + bytes.len() as u64 > self.length {
            return Err(Error::DigestMismatch);
        }
        self.file.write_all(bytes).map_err(|e| Error::file("write the upload", &self.path, e))?;
        self.hash.update(bytes);
        self.offset += bytes.len() as u64;
        turn.so_far = Some((self.hash.clone(), self.offset));
        Ok(())
    }

    fn suspend(&mut self) -> Result<()> {
        let mut turn = locked(&self.turn);
        if turn.number != self.number {
            return Err(Error::TakenOver);
        }
        self.file.sync_data().map_err(|error| {
            turn.so_far = None;
            begin_anew(&self.file, &self.path, error)
        })
    }

    fn finish(self: Box<Self>) -> Result<Content> {
        let mut turn = locked(&self.turn);
        if turn.number != self.number {
            return Err(Error::TakenOver);
        }
        turn.so_far = None;
        if self.offset != self.length || self.hash.clone().finish().as_ref() != self.sealed {
            self.file.set_len(0).map_err(|e| Error::file("empty the upload", &self.path, e))?;
            return Err(Error::DigestMismatch);
        }
        if let Err(error) = self.file.sync_all() {
            return Err(begin_anew(&self.file, &self.path, error));
        }
        let folder = self.target.parent().unwrap_or(&self.target);
        durable::rename("upload", &self.path, &self.target)
            .map_err(|e| Error::file("rename the upload to", &self.target, e))?;
        sync("bodies", folder)?;
        Ok(Content::File(self.name.clone()))
    }
}

/// What an fsync could not write is not believed to be there by a later one: the upload begins anew.
fn begin_anew(file: &durable::File, path: &Path, error: std::io::Error) -> Error {
    if let Err(error) = file.set_len(0).or_else(|_| durable::remove("upload", path)) {
        tracing::error!(%error, path = %path.display(), "an upload that is not durable cannot be emptied");
    }
    Error::file("sync the upload", path, error)
}

fn sync(name: &'static str, folder: &Path) -> Result<()> {
    durable::sync_folder(name, folder).map_err(|e| Error::file("sync the folder", folder, e))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .map_err(|e| Error::file("list", folder, e))
}

fn remove(name: &'static str, path: &Path) -> Result<()> {
    match durable::remove(name, path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_not_read_again_while_it_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path()).unwrap();
        let (name, body) = (Files::new_name().unwrap(), vec![7; 100_000]);
        let sealed = envelope::sha256(&body);
        let mut upload = files.upload(&name, 100_000, sealed).unwrap();
        upload.write(&body[..60_000]).unwrap();
        drop(upload);
        // shows that the second request does not read: what another hand writes here it does not see
        std::fs::write(dir.path().join("uploads").join(&name), vec![8; 60_000]).unwrap();
        let mut upload = files.upload(&name, 100_000, sealed).unwrap();
        assert_eq!(upload.offset(), 60_000);
        upload.write(&body[60_000..]).unwrap();
        assert!(matches!(upload.finish().unwrap(), Content::File(_)));

        // a file of another length than was written is read, as after a restart
        let name = Files::new_name().unwrap();
        files.upload(&name, 100_000, sealed).unwrap().write(&body[..60_000]).unwrap();
        std::fs::write(dir.path().join("uploads").join(&name), &body[..70_000]).unwrap();
        let mut upload = files.upload(&name, 100_000, sealed).unwrap();
        assert_eq!(upload.offset(), 70_000);
        upload.write(&body[70_000..]).unwrap();
        assert!(matches!(upload.finish().unwrap(), Content::File(_)));
    }
}
