//! The answers on disk.
//!
//! | below the folder | is |
//! |---|---|
//! | `places/KEY.json` | an address, its authority, and which answer came from there last |
//! | `answers/SHA256.crl`, `.ocsp` | the present answers, as they came |
//! | `kept/SHA256.crl`, `.ocsp` | answers that a document relied on: evidence, removed only where a setting says after how long |
//! | `incoming/N` | what is being fetched; removed at start |
//!
//! Nothing here is believed for lying here: signatures are verified whenever an answer is read.

use crate::error::Error;
use crate::hex;
use crate::place::{Key, Place, PlaceState};
use crate::settings::Settings;
use envelope::status::Kind;
use envelope::{Certificate, Digest};
use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of this place at the points of `durable`.
const PLACE: &str = "revocation";

#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    incoming: AtomicU64,
}

const PARTS: [&str; 4] = ["places", "answers", "kept", "incoming"];

impl Folder {
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        for part in PARTS {
            let path = root.join(part);
            let made = fs::DirBuilder::new().recursive(true).mode(0o750).create(&path);
            made.map_err(Error::folder(&path))?;
        }
        let incoming = root.join("incoming");
        for entry in fs::read_dir(&incoming).map_err(Error::folder(&incoming))?.flatten() {
            let _ = fs::remove_file(entry.path());
        }
        Ok(Self { root: root.to_owned(), incoming: AtomicU64::new(0) })
    }

    /// Every place that was written; what cannot be read is passed over and removed.
    pub(crate) fn places(&self) -> Result<Vec<Place>, Error> {
        let folder = self.root.join("places");
        let mut out = Vec::new();
        for entry in fs::read_dir(&folder).map_err(Error::folder(&folder))?.flatten() {
            match fs::read(entry.path()).ok().and_then(|json| Place::from_json(&json)) {
                Some(place) => out.push(place),
                None => drop(fs::remove_file(entry.path())),
            }
        }
        Ok(out)
    }

    /// A name for something to be fetched.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.root.join("incoming").join(self.incoming.fetch_add(1, Ordering::Relaxed).to_string())
    }

    pub(crate) fn answer(&self, kind: Kind, digest: &Digest) -> PathBuf {
        answer(&self.root, "answers", kind, digest)
    }

    /// Takes a fetched answer over, durable before the place that names it.
    pub(crate) fn take(&self, fetched: &Path, kind: Kind, digest: &Digest) -> Result<(), Error> {
        let to = self.answer(kind, digest);
        durable::rename(PLACE, fetched, &to).and_then(|()| sync_folder(&to)).map_err(Error::folder(&to))
    }

    pub(crate) fn write_place(&self, key: &Key, json: &[u8]) -> Result<(), Error> {
        let path = self.root.join("places").join(format!("{}.json", hex(key)));
        let draft = self.incoming();
        let write = || -> io::Result<()> {
            let options = fs::OpenOptions::new().write(true).create(true).truncate(true).clone();
            let mut file = durable::File::open(PLACE, &options, &draft)?;
            file.write_all(json)?;
            file.sync_all()?;
            durable::rename(PLACE, &draft, &path)?;
            sync_folder(&path)
        };
        write().map_err(Error::folder(&path))
    }

    /// Forgets an answer that no place names any more. What was kept stays.
    pub(crate) fn forget(&self, kind: Kind, digest: &Digest) {
        let _ = fs::remove_file(self.answer(kind, digest));
    }

    /// Keeps a present answer as evidence.
    pub(crate) fn keep(&self, digest: &Digest) -> Result<(), Error> {
        for kind in [Kind::Crl, Kind::Ocsp] {
            let (from, to) = (self.answer(kind, digest), answer(&self.root, "kept", kind, digest));
            if to.exists() {
                return Ok(());
            }
            if !from.exists() {
                continue;
            }
            let linked = durable::step(PLACE, durable::Step::Create, (&from, Some(&to)), || {
                fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))
            });
            linked.and_then(|()| sync_folder(&to)).map_err(Error::folder(&to))?;
            return Ok(());
        }
        Ok(())
    }

    /// Removes kept answers that came before `before`.
    pub(crate) fn forget_kept(&self, before: i64) -> usize {
        let Ok(entries) = fs::read_dir(self.root.join("kept")) else { return 0 };
        let came = |entry: &fs::DirEntry| {
            let since = entry.metadata().ok()?.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            i64::try_from(since.as_millis()).ok()
        };
        let old = entries.flatten().filter(|entry| came(entry).is_some_and(|at| at < before));
        old.filter(|entry| fs::remove_file(entry.path()).is_ok()).count()
    }

    /// Removes answers that no place names.
    pub(crate) fn sweep(&self, named: &HashSet<Digest>) {
        let Ok(entries) = fs::read_dir(self.root.join("answers")) else { return };
        for entry in entries.flatten() {
            let digest = entry.path().file_stem().and_then(|s| s.to_str()).and_then(crate::unhex);
            if digest.is_none_or(|d| !named.iter().any(|n| n.as_slice() == d)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn answer(root: &Path, part: &str, kind: Kind, digest: &Digest) -> PathBuf {
    root.join(part).join(format!("{}.{}", hex(digest), kind.ending()))
}

fn sync_folder(of: &Path) -> io::Result<()> {
    of.parent().map_or(Ok(()), |folder| durable::sync_folder(PLACE, folder))
}

/// How each place stands by what lies in the folder of these settings, sorted by address; without a folder none. Reads
/// only, so that it may be asked beside a running checker. What failed lately only that checker knows.
///
/// # Errors
/// [`Error::Folder`].
pub fn look(settings: &Settings, now: i64) -> Result<Vec<PlaceState>, Error> {
    let folder = settings.folder.join("places");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::folder(&folder)(error)),
    };
    let places = entries.flatten().filter_map(|entry| Place::from_json(&fs::read(entry.path()).ok()?));
    let wanted = places.filter(|place| place.due(now).is_some());
    let mut out: Vec<PlaceState> = wanted.map(|place| place.state(now, settings)).collect();
    out.sort_by(|a, b| a.url.cmp(&b.url));
    Ok(out)
}

/// An answer in a checker's folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// CRL or OCSP.
    pub kind: Kind,
    /// Where it lies.
    pub path: PathBuf,
}

/// The answers in a checker's folder that may speak of these certificates: the present ones of the places that they
/// name, and the kept ones with these digests. For the evidence; reads the folder only, and needs no running checker.
pub fn stored_for(folder: &Path, certificates: &[Certificate], kept: &[Digest]) -> Vec<Stored> {
    let mut out: Vec<Stored> = Vec::new();
    let mut add = |kind, path: PathBuf| {
        if path.is_file() && out.iter().all(|s| s.path.file_name() != path.file_name()) {
            out.push(Stored { kind, path });
        }
    };
    for digest in kept {
        for kind in [Kind::Crl, Kind::Ocsp] {
            add(kind, answer(folder, "kept", kind, digest));
            add(kind, answer(folder, "answers", kind, digest));
        }
    }
    let entries = fs::read_dir(folder.join("places")).into_iter().flatten().flatten();
    for place in entries.filter_map(|e| Place::from_json(&fs::read(e.path()).ok()?)) {
        let Some(held) = &place.held else { continue };
        let about = |certificate: &Certificate| match &place.subject {
            Some(subject) => subject == certificate,
            None => certificate.crl_points().iter().any(|p| p.uris.contains(&place.url)),
        };
        if certificates.iter().any(about) {
            add(place.kind, answer(folder, "answers", place.kind, &held.answer));
        }
    }
    out
}
