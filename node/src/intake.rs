//! The drop folder: waits until a unit is whole and claims it.
//!
//! A unit is a `.di` with the files that it names beside it or in `Attch/`, in the drop folder itself or in a sub-folder of
//! it. Several DIs may name the same files (分繕). [`Intake::start`] watches and claims by itself; [`recover`] comes before.
//!
//! Invariants:
//! - Never half a file. A DI that reads to its end is the commit mark: it and its companions are taken at once if nobody
//!   has one of them open for writing or mapped shared and writable, asked again after the DI was renamed away. Whatever is less
//!   sure (a DI that ends early, a companion written after its DI, a writer that cannot be seen, a network file system)
//!   must stay as it is for the settle time. A writer on another machine of a network file system cannot be seen at all.
//! - Events are hints; a scan at start and every so often is the truth.
//! - The bytes are durable in `work/<id>/` before the row that names them. Originals go after that, a settle time later, and
//!   only if they still are the files that were copied and no other waiting DI names them.
//! - No link is followed, nothing but regular files is opened, no name leads out of the folder.
//!
//! It writes `work/<id>/` (the DI and its companions, flat) and `work/<id>.json` (where they came from, until the originals
//! are gone). A small unit is read into memory and sealed at once, if it can be (`small`): then its row says Sealed from the
//! beginning, what was sealed is durable with it, and of the unit nothing but the renamed DI lies in `work/`.
//! One during which the process ended is claimed first the next time, so that such ends are counted.
//! Whatever cannot be taken stays in the drop folder and is tried again; a DI whose companions do not come is claimed
//! without them when the patience is over, so that it is refused with its reason.

mod census;
mod claim;
pub(crate) mod place;
mod small;
#[cfg(test)]
mod tests;
mod unit;
mod watch;

use crate::trouble::Troubles;
use claim::{Desk, Origin, record_name};
use config::NodeConfig;
use durable::Together;
use place::{Entry, Place};
pub(crate) use small::AtOnce;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use store::Store;
use unit::Key;
use watch::{Message, Shared, Times, Watch};

/// Labels that appear in errors of this module and in no other crate.
pub const LABELS: &[(&str, store::Class)] = &[
    ("drop-folder", store::Class::Wait),
    ("work-elsewhere", store::Class::Wait),
    ("drop-file", store::Class::Retry),
];

/// Why something could not be claimed, or the folder not be watched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The drop or work folder cannot be made or opened.
    #[error("the folder {} cannot be used", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// `work` and `drop` are on two file systems, so that a DI cannot be renamed between them.
    #[error("{} and {} are not on one file system", drop.display(), work.display())]
    Elsewhere {
        /// The drop folder.
        drop: PathBuf,
        /// The work folder.
        work: PathBuf,
    },
    /// A file of a unit could not be taken.
    #[error("a file of {name} cannot be {during}")]
    File {
        /// The DI, relative to the drop folder.
        name: String,
        /// renamed, opened, copied, synced …
        during: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The system gave no random numbers for an id.
    #[error("the system gives no random numbers")]
    Random,
    /// The row could not be recorded.
    #[error("the claim could not be recorded")]
    Store(#[source] store::Error),
}

impl Error {
    /// A stable name for programs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Folder { source, .. } => disk_label("", source).unwrap_or("drop-folder"),
            Self::Elsewhere { .. } => "work-elsewhere",
            Self::File { source, during, .. } => disk_label(during, source).unwrap_or("drop-file"),
            Self::Random => "no-random",
            Self::Store(error) => error.label(),
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> store::Class {
        match self {
            Self::Store(error) => error.class(),
            other => {
                let known = LABELS.iter().find(|(label, _)| *label == other.label());
                known.map_or(store::Class::Wait, |(_, class)| *class)
            }
        }
    }
}

/// The label of what is the disk's fault and no single file's: no room or no quota, read-only, an fsync that failed.
pub(crate) fn disk_label(during: &str, error: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => Some("disk-full"),
        ReadOnlyFilesystem => Some("disk-failed"),
        _ if during == "synced" => Some("disk-failed"),
        _ => None,
    }
}

/// The running intake. Stops when dropped.
#[derive(Debug)]
pub struct Intake {
    tell: Sender<Message>,
    threads: Vec<JoinHandle<()>>,
}

impl Intake {
    /// Watches the drop folder and claims what is whole: files into `work/<id>/`, then the row, then `wake`. Small units
    /// that `at_once` can seal are recorded as sealed, but not those of `cut_off`.
    ///
    /// # Errors
    /// [`Error::Folder`], [`Error::Elsewhere`].
    pub(crate) fn start(
        config: &NodeConfig,
        store: Store,
        wake: Arc<tokio::sync::Notify>,
        troubles: Troubles,
        at_once: Option<Box<dyn AtOnce>>,
        cut_off: CutOff,
    ) -> Result<Self, Error> {
        let (drop, work) = (&config.folders.drop, &config.folders.work);
        let work_place = open("work", work)?;
        let drop_place = open("drop", drop)?;
        check_rename(&drop_place, &work_place, drop, work)?;
        let remote = is_remote(drop);
        let overlay = file_system(drop).is_some_and(|kind| kind == OVERLAY);
        let desk = Desk {
            work: work_place,
            spoiled: Arc::default(),
            document_limit: config.limits.document.get(),
            remote,
            overlay,
            together: Together::default(),
        };
        let (jobs, queue) = mpsc::channel();
        let (tell, messages) = mpsc::channel();
        let (census, queue) = (census::Census::default(), Mutex::new(queue));
        let shared = Arc::new(Shared {
            store,
            wake,
            troubles,
            desk,
            census,
            jobs: queue,
            at_once,
            cut_off: cut_off.0,
        });
        let times = Times {
            settle: config.intake.settle.get(),
            scan_every: config.intake.scan_every.get(),
            patience: config.intake.patience.get(),
        };
        let mut watch =
            Watch::new(drop.clone(), config.limits.di.get(), times, Arc::clone(&shared), jobs, tell.clone());
        for (record, origin) in records(&shared.desk.work, &drop_place, &shared.store) {
            watch.resume(&origin, Path::new(&record));
        }
        let workers = config.limits.in_flight.clamp(1, MOST_WORKERS);
        let mut threads = Vec::new();
        for i in 0..workers {
            let (shared, tell) = (Arc::clone(&shared), tell.clone());
            threads.push(thread(format!("claim-{i}"), move || watch::work(&shared, &tell))?);
        }
        // last in the list: its end lets the workers end
        threads.push(thread("intake".to_owned(), move || watch.run(&messages))?);
        Ok(Self { tell, threads })
    }

    /// Ends after the claims that are going on.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.tell.send(Message::Stop);
        for thread in self.threads.drain(..).rev() {
            if thread.join().is_err() {
                tracing::error!("a thread of the intake ended in a panic");
            }
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.end();
    }
}

fn thread(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let path = PathBuf::from(&name);
    std::thread::Builder::new().name(name).spawn(body).map_err(|source| Error::Folder { path, source })
}

/// Puts right what a crash left: a folder in `work/` without a row goes back into the drop folder. Call it before
/// [`Intake::start`]. `_now` is for symmetry with the other recoveries. Returns the small units among them.
///
/// # Errors
/// [`Error::Folder`], [`Error::Store`].
pub fn recover(config: &NodeConfig, store: &Store, _now: i64) -> Result<CutOff, Error> {
    let drop = open("drop", &config.folders.drop)?;
    let work = open("work", &config.folders.work)?;
    let desk = Desk {
        work: work.clone(),
        spoiled: Arc::default(),
        document_limit: 0,
        remote: false,
        overlay: false,
        together: Together::default(),
    };
    let names = work.list().map_err(|source| Error::Folder { path: work.path().to_owned(), source })?;
    let mut cut_off = HashSet::new();
    for (name, _) in names {
        if let Some((id, key)) = small::named(&name) {
            if store.document(id).map_err(Error::Store)?.is_none() {
                tracing::warn!(drop = key.shown(), "a claim was cut off; the letter is taken again");
                desk.let_go(&lay_in(&drop, key.folder.as_deref()), &key, &name);
                cut_off.insert(key);
            }
            continue;
        }
        let Some(id) = unhex(&name) else { continue };
        if store.document(id).map_err(Error::Store)?.is_some() {
            continue;
        }
        let origin = origin_of(&work, &record_name(&name)).or_else(|| guess(&work, &name));
        let Some(origin) = origin else {
            // nothing but an empty folder
            work.remove_folder(&name);
            let _ = work.remove(&record_name(&name));
            continue;
        };
        let place = lay_in(&drop, origin.folder.as_deref());
        let key = Key { folder: origin.folder, di: origin.di };
        tracing::warn!(drop = key.shown(), "a claim was cut off; the letter is taken again");
        desk.put_back(&key, &place, &name);
    }
    Ok(CutOff(cut_off))
}

/// Small units during which the process ended: perhaps because of what is in them.
#[derive(Debug, Default)]
pub struct CutOff(HashSet<Key>);

/// The folder in which a unit lay, made again if need be; at worst the drop folder itself.
fn lay_in(drop: &Place, folder: Option<&OsStr>) -> Place {
    folder
        .and_then(|folder| drop.folder(folder).or_else(|_| drop.make_folder(folder)).ok())
        .unwrap_or_else(|| drop.clone())
}

/// The folder with the DI and the companions of a claimed document, flat, by the names of its files.
#[must_use]
pub fn work_dir(config: &NodeConfig, id: [u8; 16]) -> PathBuf {
    config.folders.work.join(hex(&id))
}

fn open(name: &'static str, path: &Path) -> Result<Place, Error> {
    let made = std::fs::create_dir_all(path).and_then(|()| Place::root(name, path));
    made.map_err(|source| Error::Folder { path: path.to_owned(), source })
}

/// Tries what every claim does.
fn check_rename(drop: &Place, work: &Place, drop_path: &Path, work_path: &Path) -> Result<(), Error> {
    // Always the same name, so that one that a crash left goes at the next start.
    let name = OsString::from(".try");
    let _ = (drop.remove(&name), work.remove(&name));
    let probe = drop.make(&name).map_err(|source| Error::Folder { path: drop_path.to_owned(), source })?;
    std::mem::drop(probe);
    let renamed = drop.rename(&name, work, &name);
    let _ = (drop.remove(&name), work.remove(&name));
    renamed.map_err(|source| {
        if source.kind() == std::io::ErrorKind::CrossesDevices {
            return Error::Elsewhere { drop: drop_path.to_owned(), work: work_path.to_owned() };
        }
        Error::Folder { path: work_path.to_owned(), source }
    })
}

/// Whether other machines may write there unseen.
fn is_remote(path: &Path) -> bool {
    // NFS, SMB (two generations), CIFS, FUSE, 9P, vboxsf, Ceph, Lustre, AFS, GFS2, OCFS2
    const REMOTE: [u64; 12] = [
        0x6969,
        0x517B,
        0xFE53_4D42,
        0xFF53_4D42,
        0x6573_5546,
        0x0102_1997,
        0x786F_4256,
        0x00C3_6400,
        0x0BD0_0BD0,
        0x5346_414F,
        0x0116_1970,
        0x7461_636F,
    ];
    file_system(path).is_some_and(|kind| REMOTE.contains(&kind))
}

/// The magic number of the file system.
fn file_system(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statfs(path).ok()?;
    // the sign and width of this field differ between platforms
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, reason = "widths differ by platform")]
    Some(stat.f_type as u64 & 0xFFFF_FFFF)
}

/// What is recorded of claims whose originals may still be there. Only of those with a row: before it, the originals are
/// all there is.
fn records(work: &Place, drop: &Place, store: &Store) -> Vec<(OsString, Origin)> {
    let known = |id| matches!(store.document(id), Ok(Some(_)));
    let names = work.list().unwrap_or_default().into_iter().map(|(name, _)| name);
    let origins = names.filter_map(|name| {
        let origin = if let Some((id, key)) = small::named(&name) {
            known(id).then(|| small::origin(drop, store, id, key))
        } else {
            let id = unhex(OsStr::from_bytes(name.as_bytes().strip_suffix(b".json")?))?;
            known(id).then(|| origin_of(work, &name)).flatten()
        };
        Some((name, origin?))
    });
    origins.collect()
}

fn origin_of(work: &Place, record: &OsStr) -> Option<Origin> {
    serde_json::from_reader(work.open(record).ok()?.0).ok()
}

/// Without a record: the only DI in the folder, back to the top of the drop folder.
fn guess(work: &Place, name: &OsStr) -> Option<Origin> {
    let folder = work.folder(name).ok()?;
    let files = folder.list().ok()?;
    let (di, _) = files
        .into_iter()
        .find(|(n, _)| unit::is_di(n) && matches!(folder.look(n), Ok(Some(Entry::File(_)))))?;
    Some(Origin { folder: None, di, files: Vec::new() })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(id: &[u8]) -> String {
    use std::fmt::Write as _;
    id.iter().fold(String::with_capacity(id.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(name: &OsStr) -> Option<[u8; 16]> {
    let name = name.to_str().filter(|n| n.len() == 32 && n.is_ascii())?;
    let mut id = [0; 16];
    for (i, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(name.get(i * 2..i * 2 + 2)?, 16).ok()?;
    }
    Some(id)
}

/// The document whose folder in `work/` has this name.
pub(crate) fn id_of(name: &str) -> Option<[u8; 16]> {
    unhex(OsStr::new(name))
}

/// Unix milliseconds: when a row was claimed.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

const OVERLAY: u64 = 0x794C_7630;
const MOST_WORKERS: usize = 8;
