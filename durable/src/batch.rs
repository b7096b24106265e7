//! Files and folders that become durable together, with those of everybody who asks in the same moment.
//!
//! A received letter is half a dozen small files and folders, each of which would cost an fsync of its own. Where the
//! file system tells its errors (Linux 5.8 and later; ext4, XFS, Btrfs) and little else waits to be written, one `syncfs`
//! takes the place of all of them, for all letters that arrive together. Else each is synced alone.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::{File, Step, Together, step, sync_folder};

/// More than this waits to be written on the machine: then it is not waited for, bytes.
const MUCH: u64 = 16 << 20;
/// Fewer are not worth it.
const FEW: usize = 3;
/// File systems whose `syncfs` is known: ext4, XFS, Btrfs.
const KNOWN: [u64; 3] = [0xEF53, 0x5846_5342, 0x9123_683E];

/// Written, and not durable yet.
#[derive(Debug, Default)]
pub struct Batch {
    files: Vec<(File, PathBuf)>,
    folders: Vec<(&'static str, PathBuf)>,
}

impl Batch {
    /// A file that was written to its end, and its path.
    pub fn file(&mut self, file: File, path: PathBuf) {
        self.files.push((file, path));
    }

    /// A folder whose names have changed; `name` as in [`sync_folder`].
    pub fn folder(&mut self, name: &'static str, path: &Path) {
        self.folders.push((name, path.to_owned()));
    }

    /// Makes all of it durable: files first, then folders in their order.
    ///
    /// # Errors
    /// What the system says of the first that failed, with its path. Then all of it has to be written anew.
    pub fn sync(self) -> Result<(), (io::Error, PathBuf)> {
        let Self { files, folders } = self;
        let whole = match files.first() {
            Some((_, path)) if files.len() + folders.len() > FEW => {
                let paths = files.iter().map(|(_, path)| path).chain(folders.iter().map(|(_, path)| path));
                whole(path, paths).map_err(|error| (error, path.clone()))?
            }
            _ => false,
        };
        for (file, path) in files {
            let done = if whole { file.sync(|_| Ok(())) } else { file.sync_all() };
            done.map_err(|error| (error, path))?;
        }
        for (name, path) in folders {
            let done = if whole {
                step(name, Step::Folder, (&path, None), || Ok(()))
            } else {
                sync_folder(name, &path)
            };
            done.map_err(|error| (error, path))?;
        }
        Ok(())
    }
}

/// A file system that was made durable as a whole before.
struct System {
    /// Open since before what is now synced was written: only then is it told of every error since.
    folder: std::fs::File,
    together: Together,
}

static SYSTEMS: LazyLock<Mutex<HashMap<u64, Option<Arc<System>>>>> = LazyLock::new(Mutex::default);

/// Makes the file system of these durable as a whole, if that can be relied on and does not take long; says whether it did.
fn whole<'a>(first: &Path, all: impl Iterator<Item = &'a PathBuf>) -> io::Result<bool> {
    let device = std::fs::symlink_metadata(first)?.dev();
    let system = {
        let mut systems = SYSTEMS.lock().unwrap_or_else(PoisonError::into_inner);
        match systems.get(&device) {
            Some(Some(system)) => Arc::clone(system),
            Some(None) => return Ok(false),
            None => {
                // from the next one on
                let folder = first.parent().unwrap_or(first);
                systems.insert(device, open(folder)?.map(Arc::new));
                return Ok(false);
            }
        }
    };
    for path in all {
        if std::fs::symlink_metadata(path)?.dev() != device {
            return Ok(false);
        }
    }
    if waiting().is_none_or(|bytes| bytes > MUCH) {
        return Ok(false);
    }
    system.together.sync(|| Ok(rustix::fs::syncfs(&system.folder)?))?;
    Ok(true)
}

/// `None` if its `syncfs` cannot be relied on.
fn open(folder: &Path) -> io::Result<Option<System>> {
    let folder = std::fs::File::open(folder)?;
    // the sign and width of this field differ between platforms
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, reason = "widths differ by platform")]
    let kind = rustix::fs::fstatfs(&folder)?.f_type as u64 & 0xFFFF_FFFF;
    let good = KNOWN.contains(&kind) && kernel().is_some_and(|kernel| kernel >= (5, 8));
    Ok(good.then(|| System { folder, together: Together::default() }))
}

fn kernel() -> Option<(u32, u32)> {
    let name = rustix::system::uname();
    let mut numbers = name.release().to_str().ok()?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Bytes on the machine that wait to be written, or are being written.
fn waiting() -> Option<u64> {
    let all = std::fs::read_to_string("/proc/meminfo").ok()?;
    let of = |name: &str| {
        let line = all.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    Some((of("Dirty:")? + of("Writeback:")?) * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn everything_is_synced_and_what_is_gone_is_told_by_its_path() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..3 {
            let mut batch = Batch::default();
            for n in 0..4 {
                let path = dir.path().join(format!("{round}-{n}"));
                let options = std::fs::OpenOptions::new().write(true).create_new(true).clone();
                let mut file = File::open("test", &options, &path).unwrap();
                file.write_all(b"bytes").unwrap();
                batch.file(file, path);
            }
            batch.folder("test", dir.path());
            batch.sync().unwrap();
        }
        let mut batch = Batch::default();
        let gone = dir.path().join("gone");
        batch.folder("test", &gone);
        let (error, path) = batch.sync().unwrap_err();
        assert_eq!((error.kind(), path), (io::ErrorKind::NotFound, gone));
    }

    #[test]
    fn what_waits_on_this_machine_and_its_kernel_are_known() {
        assert!(waiting().is_some());
        assert!(kernel().unwrap() > (3, 0));
    }
}
