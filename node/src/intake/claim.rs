//! Taking a unit: the DI is renamed into `work/<id>/`, its companions are copied there, all of it is made durable.

use super::census::Census;
use super::place::{Entry, FileId, Mark, Place};
use super::unit::{Key, Part, Trust, Unit};
use super::{Error, hex};
use aws_lc_rs::digest::{Context, SHA256};
use durable::Together;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why a unit could not be taken now. Everything is as it was before.
#[derive(Debug)]
pub(super) enum Setback {
    /// Somebody is still writing, or a file changed meanwhile.
    NotWhole(&'static str),
    /// Our fault, or the disk's.
    Failed(Error),
}

/// A file of the drop folder that is to go once its unit is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Original {
    pub(super) below: Option<OsString>,
    pub(super) name: OsString,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u64),
}

/// Where a unit came from, kept beside `work/<id>/` as `<id>.json` until the originals are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    pub(super) folder: Option<OsString>,
    pub(super) di: OsString,
    pub(super) files: Vec<Original>,
}

impl Original {
    pub(super) fn of(part: &Part) -> Self {
        let Mark { file: FileId { device, inode }, size, modified, .. } = part.mark;
        Self { below: part.below.clone(), name: part.name.clone(), device, inode, size, modified }
    }

    /// Whether the file is still the one that was copied and not a new one by its name.
    pub(super) fn is(&self, mark: &Mark) -> bool {
        (self.device, self.inode) == (mark.file.device, mark.file.inode)
            && (self.size, self.modified) == (mark.size, mark.modified)
    }
}

/// The two ends of a claim and what it may cost.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) work: Place,
    /// Letters whose fsync has failed: a later one would not be true, so they are copied.
    pub(super) spoiled: Arc<Mutex<HashSet<FileId>>>,
    pub(super) document_limit: u64,
    /// Writers on other machines cannot be seen: nothing but the settle time counts.
    pub(super) remote: bool,
    /// A file is reported closed while it is still mapped.
    pub(super) overlay: bool,
    /// For the work folder, which all claims have in common.
    pub(super) together: Together,
}

impl Desk {
    /// Takes a unit. On a setback it is put back.
    pub(super) fn take(&self, unit: &Unit, census: &Census) -> Result<store::outbound::Claim, Setback> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Setback::Failed(Error::Random))?;
        let name = OsString::from(hex(&id));
        let folder = self.begin(unit, &name).map_err(|e| failed("made", unit, e))?;
        let own_name = safe_name(&unit.key.di);
        let taken = self.fill(unit, &folder, &own_name, census);
        match taken {
            Ok(files) => {
                let size = files.iter().map(|f| f.size).sum();
                let digest = content_digest(&files);
                let drop_name = unit.key.shown();
                Ok(store::outbound::Claim {
                    id,
                    drop_name,
                    di_name: own_name,
                    digest,
                    size,
                    files,
                    ..Default::default()
                })
            }
            Err(setback) => {
                self.put_back(&unit.key, &unit.place, &name);
                Err(setback)
            }
        }
    }

    /// The record of where things came from, and the empty folder.
    fn begin(&self, unit: &Unit, name: &OsStr) -> io::Result<Place> {
        self.work.make(&record_name(name))?.write_all(&serde_json::to_vec(&Origin::of(unit))?)?;
        self.work.make_folder(name)
    }

    fn fill(
        &self,
        unit: &Unit,
        folder: &Place,
        own_name: &str,
        census: &Census,
    ) -> Result<Vec<store::outbound::File>, Setback> {
        let io = |what| move |e| failed(what, unit, e);
        unit.place.rename(&unit.key.di, folder, OsStr::new(own_name)).map_err(io("renamed"))?;
        let (mut di, mark) = folder.open(OsStr::new(own_name)).map_err(io("opened"))?;
        if !mark.same_content(&unit.di) {
            return Err(Setback::NotWhole("the DI changed"));
        }
        let linked = mark.has_other_names() || self.spoiled().contains(&mark.file);
        if linked {
            // it could be written later through its other name, or is not to be believed: keep a copy of our own
            folder.rename(OsStr::new(own_name), folder, OsStr::new(LINKED)).map_err(io("renamed"))?;
            let mut copy = folder.make(OsStr::new(own_name)).map_err(io("copied"))?;
            copy.copy_from(&mut di).map_err(io("copied"))?;
            di = folder.open(OsStr::new(own_name)).map_err(io("opened"))?.0;
        }
        let mut files =
            vec![digest_of(&mut di, None, unit.too_large, own_name, "di", mark.size).map_err(io("read"))?];
        let mut made = vec![durable::File::of("work", &folder.path().join(own_name), di)];
        for part in &unit.parts {
            // it names itself, or one file twice
            let again = part.mark.file == unit.di.file || files.iter().any(|f| f.name == part.called);
            if !again {
                let (file, copy) = Self::copy(unit, part, folder)?;
                files.push(file);
                made.extend(copy);
            }
        }
        self.nobody_writes(unit, mark, census)?;
        Self::nothing_changed(unit, folder, OsStr::new(if linked { LINKED } else { own_name }), &mark)?;
        if linked {
            folder.remove(OsStr::new(LINKED)).map_err(io("removed"))?;
        }
        for (n, file) in made.iter().enumerate() {
            if let Err(error) = file.sync_all() {
                if n == 0 {
                    self.spoiled().insert(mark.file);
                }
                return Err(io("synced")(error));
            }
        }
        folder.sync().map_err(io("synced"))?;
        self.together.sync(|| self.work.sync()).map_err(io("synced"))?;
        Ok(files)
    }

    fn spoiled(&self) -> MutexGuard<'_, HashSet<FileId>> {
        self.spoiled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies a companion, not durably yet; the copy is given where one was made.
    fn copy(
        unit: &Unit,
        part: &Part,
        folder: &Place,
    ) -> Result<(store::outbound::File, Option<durable::File>), Setback> {
        let io = |what| move |e| failed(what, unit, e);
        let (mut file, mark) =
            part.place(&unit.place).and_then(|place| place.open(&part.name)).map_err(io("opened"))?;
        if mark != part.mark {
            return Err(Setback::NotWhole("a companion changed"));
        }
        let name = &part.called;
        if unit.too_large {
            // never sent: only its size is needed to say so
            let row = digest_of(&mut file, None, true, name, part.role, mark.size).map_err(io("read"))?;
            return Ok((row, None));
        }
        let mut copy = folder.make(OsStr::new(name)).map_err(io("copied"))?;
        let row =
            digest_of(&mut file, Some(&mut copy), false, name, part.role, mark.size).map_err(io("copied"))?;
        if row.size != mark.size {
            return Err(Setback::NotWhole("a companion changed"));
        }
        Ok((row, Some(copy)))
    }

    /// After all was read and nobody had it open any more, everything must be as it was before: then what was read is it.
    pub(super) fn nothing_changed(
        unit: &Unit,
        folder: &Place,
        di: &OsStr,
        mark: &Mark,
    ) -> Result<(), Setback> {
        let io = |e| failed("looked at", unit, e);
        let now = folder.look(di).map_err(io)?;
        let mut same = matches!(now, Some(Entry::File(now)) if now.same_content(mark));
        for part in unit.parts.iter().filter(|part| part.mark.file != unit.di.file) {
            let now = part.place(&unit.place).and_then(|place| place.look(&part.name)).map_err(io)?;
            same &= now == Some(Entry::File(part.mark));
        }
        if same { Ok(()) } else { Err(Setback::NotWhole("a file changed meanwhile")) }
    }

    /// Asked after the rename, when nobody can open the DI by its name any more.
    pub(super) fn nobody_writes(&self, unit: &Unit, di: Mark, census: &Census) -> Result<(), Setback> {
        let marks: Vec<Mark> = std::iter::once(di).chain(unit.parts.iter().map(|p| p.mark)).collect();
        if self.remote && unit.trust != Trust::Settled {
            return Err(Setback::NotWhole("not settled on a network file system"));
        }
        if census
            .writers(&marks, self.needs_mappings(unit.trust))
            .into_iter()
            .all(|writers| unit.trust.accepts(writers))
        {
            Ok(())
        } else {
            Err(Setback::NotWhole("somebody still writes"))
        }
    }

    /// Whether shared mappings must be looked for.
    pub(super) fn needs_mappings(&self, trust: Trust) -> bool {
        self.overlay || trust != Trust::Closed
    }

    /// The DI back to where it was, the copies away. Does what it can: a DI is never lost, it stays in `work/` at worst.
    pub(super) fn put_back(&self, key: &Key, place: &Place, name: &OsStr) {
        let Ok(folder) = self.work.folder(name) else {
            let _ = self.work.remove(&record_name(name));
            return;
        };
        let own_name = OsString::from(safe_name(&key.di));
        let mut di_is_back = true;
        for held in [OsStr::new(LINKED), own_name.as_os_str()] {
            if matches!(folder.look(held), Ok(Some(_))) {
                di_is_back = return_to(&folder, held, place, &key.di);
                if di_is_back {
                    break;
                }
            }
        }
        if !di_is_back {
            tracing::error!(
                di = key.shown(),
                "the DI could not be put back and stays in {}",
                folder.path().display()
            );
            return;
        }
        for (copy, _) in folder.list().unwrap_or_default() {
            let _ = folder.remove(&copy);
        }
        self.work.remove_folder(name);
        let _ = self.work.remove(&record_name(name));
    }
}

/// Renames back; if somebody made a new file by that name meanwhile, the old one gets a number.
pub(super) fn return_to(folder: &Place, held: &OsStr, place: &Place, name: &OsStr) -> bool {
    if folder.rename(held, place, name).is_ok() {
        return true;
    }
    let stem = name.as_bytes().get(..name.len().saturating_sub(3)).unwrap_or_default();
    (2..100).any(|n| {
        let other = [stem, format!(" ({n}).di").as_bytes()].concat();
        folder.rename(held, place, OsStr::from_bytes(&other)).is_ok()
    })
}

/// SHA-256 over the sorted pairs of role and SHA-256 of every file. Names other than those inside the DI do not count:
/// the same letter under another file name is the same letter.
pub(super) fn content_digest(files: &[store::outbound::File]) -> [u8; 32] {
    let mut lines: Vec<(&str, [u8; 32])> = files.iter().map(|f| (f.role.as_str(), f.sha256)).collect();
    lines.sort_unstable();
    let mut hash = Context::new(&SHA256);
    for (role, digest) in lines {
        hash.update(role.as_bytes());
        hash.update(&[0]);
        hash.update(&digest);
    }
    finish(hash)
}

fn finish(hash: Context) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

/// Reads all of it, and writes it into `copy`.
pub(super) fn digest_of(
    file: &mut impl Read,
    mut copy: Option<&mut dyn Write>,
    skip: bool,
    name: &str,
    role: &str,
    size: u64,
) -> io::Result<store::outbound::File> {
    let mut out = store::outbound::File {
        name: name.to_owned(),
        role: role.to_owned(),
        size,
        sha256: [0; 32],
        crc32: 0,
    };
    if skip {
        return Ok(out);
    }
    let (mut hash, mut crc) = (Context::new(&SHA256), crc32fast::Hasher::new());
    let mut buffer = vec![0; usize::try_from(size).unwrap_or(usize::MAX).clamp(1, CHUNK)];
    out.size = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        hash.update(bytes);
        crc.update(bytes);
        if let Some(copy) = copy.as_mut() {
            copy.write_all(bytes)?;
        }
        out.size += u64::try_from(read).unwrap_or(0);
    }
    (out.sha256, out.crc32) = (finish(hash), crc.finalize());
    Ok(out)
}

/// The DI's name as it can stand in a container and on other systems.
pub(super) fn safe_name(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    if di_format::check_file_name(&name).is_ok() && !name.contains('\u{fffd}') {
        return name.into_owned();
    }
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '/' | '\\' | ':' | '\u{fffd}' | '\u{200E}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let mut out: String = name.chars().map(|c| if bad(c) { '_' } else { c }).collect();
    while out.len() > 255 {
        out.remove(0);
    }
    if di_format::check_file_name(&out).is_ok() { out } else { "letter.di".to_owned() }
}

pub(super) fn record_name(name: &OsStr) -> OsString {
    let mut out = name.to_owned();
    out.push(".json");
    out
}

pub(super) fn failed(during: &'static str, unit: &Unit, source: io::Error) -> Setback {
    use io::ErrorKind::{InvalidInput, NotFound};
    match source.kind() {
        NotFound => Setback::NotWhole("a file vanished"),
        InvalidInput => Setback::NotWhole("a file was replaced by something else"),
        _ => Setback::Failed(Error::File { name: unit.key.shown(), during, source }),
    }
}

/// The DI under its other names, until its copy is ours.
const LINKED: &str = ".linked";
const CHUNK: usize = 128 * 1024;
