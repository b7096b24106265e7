//! Writes the record that [`crate::record`] reads: each entry by one `write` to a file that all processes of a test may share,
//! after the step was done (for [`Step::Send`]: before).

use crate::Step;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

fn recorder() -> Option<&'static File> {
    static RECORDER: OnceLock<Option<File>> = OnceLock::new();
    let open = || {
        let path = std::env::var_os("DI_RECORD")?;
        Some(OpenOptions::new().append(true).create(true).open(path).expect("DI_RECORD can be written"))
    };
    RECORDER.get_or_init(open).as_ref()
}

fn escaped(path: &Path) -> String {
    let mut out = String::from("/");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_graphic() && *byte != b'%' {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

fn add(step: &str, name: &str, offset: u64, bytes: &[u8], path: &Path, to: Option<&Path>) {
    let Some(mut recorder) = recorder() else { return };
    let absolute = |path: &Path| escaped(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let (path, to) = (absolute(path), to.map_or_else(|| "/".to_owned(), absolute));
    let process = std::process::id();
    let mut entry = format!("{step} {name} {process} {offset} {} {path} {to}\n", bytes.len()).into_bytes();
    entry.extend_from_slice(bytes);
    recorder.write_all(&entry).expect("DI_RECORD can be written");
}

/// A step without a file.
pub(super) fn mark(name: &'static str, step: Step) {
    if recorder().is_some() {
        add(step.word(), name, 0, &[], Path::new("/"), None);
    }
}

/// A step on names.
pub(crate) fn record_names(name: &'static str, step: Step, path: &Path, to: Option<&Path>) {
    if recorder().is_some() {
        add(step.word(), name, 0, &[], path, to);
    }
}

/// What is known of a file that another library writes.
static SEEN: Mutex<Option<HashMap<PathBuf, Vec<u8>>>> = Mutex::new(None);

/// Takes down what changed in files since they were looked at last, as writes and an fsync.
pub(crate) fn witness(name: &'static str, paths: impl FnOnce() -> Vec<PathBuf>) {
    if recorder().is_none() {
        return;
    }
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    for path in paths() {
        let path = path.as_path();
        let Ok(now) = std::fs::read(path) else { continue };
        let Some(known) = seen.get_or_insert_default().insert(path.to_owned(), now.clone()) else {
            // what it held before was not seen: all of it counts as durable
            add("base", name, 0, &now, path, None);
            continue;
        };
        if known == now {
            continue;
        }
        if now.len() < known.len() {
            add("cut", name, now.len() as u64, &[], path, None);
        }
        for (offset, changed) in changes(&known, &now) {
            add(Step::Write.word(), name, offset, changed, path, None);
        }
        add(Step::Fsync.word(), name, 0, &[], path, None);
    }
}

/// The runs of blocks of `now` that are not as in `known`.
fn changes<'a>(known: &[u8], now: &'a [u8]) -> Vec<(u64, &'a [u8])> {
    const BLOCK: usize = 512;
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in (0..now.len()).step_by(BLOCK) {
        let end = (at + BLOCK).min(now.len());
        if known.get(at..end) == now.get(at..end) {
            continue;
        }
        match runs.last_mut() {
            Some((_, last)) if *last == at => *last = end,
            _ => runs.push((at, end)),
        }
    }
    runs.into_iter().filter_map(|(at, end)| Some((at as u64, now.get(at..end)?))).collect()
}

/// The name and place of an open file.
#[derive(Debug)]
pub struct Trace {
    name: &'static str,
    path: PathBuf,
    /// How much of it is in the record: what was written through another handle is added at its fsync.
    recorded: Mutex<u64>,
}

impl Trace {
    pub(crate) fn begin(name: &'static str, path: &Path, file: &File) -> Self {
        let length = file.metadata().map_or(0, |meta| meta.len());
        if recorder().is_some() {
            let step = Step::Create.word();
            add(step, name, length, &[], path, None);
        }
        Self { name, path: path.to_owned(), recorded: Mutex::new(length) }
    }

    pub(crate) fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        super::fault(self.name, Step::Write)?;
        if recorder().is_none() {
            return file.write(bytes);
        }
        let at = file.stream_position()?;
        let written = file.write(bytes)?;
        add(Step::Write.word(), self.name, at, bytes.get(..written).unwrap_or_default(), &self.path, None);
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        *recorded = (*recorded).max(at + written as u64);
        Ok(written)
    }

    pub(crate) fn cut(&self, length: u64) {
        if recorder().is_some() {
            add("cut", self.name, length, &[], &self.path, None);
            let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
            *recorded = (*recorded).min(length);
        }
    }

    pub(crate) fn sync(&self, file: &File, call: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        super::pass("before", self.name, Step::Fsync);
        super::fault(self.name, Step::Fsync)?;
        if recorder().is_some() {
            let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
            let mut more = Vec::new();
            if file.metadata()?.len() > *recorded {
                let mut again = File::open(&self.path)?;
                again.seek(SeekFrom::Start(*recorded))?;
                again.read_to_end(&mut more)?;
                add(Step::Write.word(), self.name, *recorded, &more, &self.path, None);
                *recorded += more.len() as u64;
            }
        }
        call(file)?;
        if recorder().is_some() {
            add(Step::Fsync.word(), self.name, 0, &[], &self.path, None);
        }
        super::pass("after", self.name, Step::Fsync);
        Ok(())
    }
}
