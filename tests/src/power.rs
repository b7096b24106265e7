//! A power cut, replayed: what a disk may hold when the power fails after some step of a record ([`durable::record`]).
//!
//! What is assumed of the disk, and no more:
//! - what was written to a file is there for sure only after an fsync of that file; before, any part of it may be missing;
//! - a name (made, renamed, removed) is there for sure only after an fsync of its folder; before, the changes of one folder
//!   are there up to some point in their order, or not at all. A rename counts in the folder of the new name, and is whole:
//!   the thing has one of its two names, whether or not the folder of the old one was ever synced.

#![allow(clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::collections::HashMap;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use durable::record::Entry;

/// What happens to what was not made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All of it is there all the same: the process died, not the power.
    Nothing,
    /// None of it is there.
    Everything,
    /// Chance decides, from this seed: pieces of files, the first changes of folders.
    Some(u64),
}

/// Not random enough for anything else, and the same every time.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides.max(1) as u64).expect("small")
    }
}

/// What becomes of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    /// So many bytes of it.
    Cut(usize),
}

/// Does the steps again on what lay there before the first of them, as far as they survive. `loses` says what happens on
/// the machine that a path belongs to.
///
/// # Panics
/// If the folders cannot be written.
pub fn replay(entries: &[Entry], loses: &dyn Fn(&Path) -> Loss) {
    for (entry, fate) in entries.iter().zip(fates(entries, loses)) {
        let piece = match fate {
            Fate::Kept => entry.bytes.as_slice(),
            Fate::Lost => continue,
            Fate::Cut(length) => &entry.bytes[..length],
        };
        apply(entry, piece);
    }
}

/// Whether a step changes what a folder holds; the folder.
fn folder_of(entry: &Entry) -> Option<&Path> {
    match entry.step.as_str() {
        "make-folder" | "remove" => entry.path.parent(),
        "create" if entry.to.as_os_str().is_empty() => entry.path.parent(),
        "create" | "rename" => entry.to.parent(),
        _ => None,
    }
}

fn fates(entries: &[Entry], loses: &dyn Fn(&Path) -> Loss) -> Vec<Fate> {
    let mut fates = vec![Fate::Lost; entries.len()];
    let mut files = Files::default();
    let mut of_file: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut names: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut of_folder: HashMap<PathBuf, Vec<usize>> = HashMap::new();
    for (n, entry) in entries.iter().enumerate() {
        match entry.step.as_str() {
            "base" => fates[n] = Fate::Kept,
            "write" | "cut" => of_file.entry(files.at(&entry.path)).or_default().push(n),
            "fsync" => {
                for done in of_file.remove(&files.at(&entry.path)).unwrap_or_default() {
                    fates[done] = Fate::Kept;
                }
            }
            "folder" => {
                for done in of_folder.remove(&entry.path).unwrap_or_default() {
                    fates[done] = Fate::Kept;
                }
            }
            _ => {}
        }
        if let Some(folder) = folder_of(entry) {
            of_folder.entry(folder.to_owned()).or_default().push(n);
        }
        match entry.step.as_str() {
            "create" if entry.to.as_os_str().is_empty() => {
                names.entry(files.at(&entry.path)).or_default().push(n);
            }
            "rename" => {
                names.entry(files.at(&entry.path)).or_default().push(n);
                files.rename(&entry.path, &entry.to);
            }
            _ => {}
        }
    }
    for open in of_file.into_values() {
        for n in open {
            let entry = &entries[n];
            fates[n] = match loses(&entry.path) {
                Loss::Nothing => Fate::Kept,
                Loss::Everything => Fate::Lost,
                Loss::Some(seed) => {
                    let mut dice = Dice(seed ^ n as u64);
                    dice.roll(2);
                    match dice.roll(3) {
                        0 => Fate::Kept,
                        1 => Fate::Lost,
                        _ => Fate::Cut(dice.roll(entry.bytes.len() + 1)),
                    }
                }
            };
        }
    }
    for (folder, open) in of_folder {
        let kept = match loses(&folder) {
            Loss::Nothing => open.len(),
            Loss::Everything => 0,
            Loss::Some(seed) => {
                let mut dice = Dice(seed ^ folder.as_os_str().len() as u64);
                dice.roll(2);
                dice.roll(open.len() + 1)
            }
        };
        for n in open.into_iter().take(kept) {
            fates[n] = Fate::Kept;
        }
    }
    // a name that is there needs no fsync of the folders in which the file had its earlier ones
    for changes in names.into_values() {
        if let Some(last) =
            changes.iter().rposition(|n| fates[*n] == Fate::Kept && entries[*n].step == "rename")
        {
            changes[..last].iter().for_each(|n| fates[*n] = Fate::Kept);
        }
    }
    fates
}

/// Which file a path leads to, through renames of files and folders.
#[derive(Default)]
struct Files {
    at: HashMap<PathBuf, usize>,
    many: usize,
}

impl Files {
    fn at(&mut self, path: &Path) -> usize {
        let many = &mut self.many;
        *self.at.entry(path.to_owned()).or_insert_with(|| {
            *many += 1;
            *many
        })
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let moved: Vec<_> = self.at.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            let file = self.at.remove(&path).expect("it is there");
            let below = path.strip_prefix(from).expect("it is below");
            let new = if below.as_os_str().is_empty() { to.to_owned() } else { to.join(below) };
            self.at.insert(new, file);
        }
    }
}

/// One step. What it needs may have been lost: then it is lost, too.
fn apply(entry: &Entry, piece: &[u8]) {
    let path = &entry.path;
    let open = || fs::OpenOptions::new().write(true).open(path);
    match entry.step.as_str() {
        "base" => fs::write(path, piece).expect("a database is there"),
        "create" if !entry.to.as_os_str().is_empty() => drop(fs::hard_link(path, &entry.to)),
        "create" => {
            let made = fs::OpenOptions::new().create(true).append(true).open(path);
            // opened to be written anew
            if let Ok(file) = made
                && file.metadata().is_ok_and(|meta| meta.len() > entry.offset)
            {
                file.set_len(entry.offset).expect("an open file can be cut");
            }
        }
        "write" => {
            if let Ok(mut file) = open() {
                file.seek(SeekFrom::Start(entry.offset)).expect("seek");
                file.write_all(piece).expect("write");
            }
        }
        "cut" => drop(open().map(|file| file.set_len(entry.offset))),
        "rename" => drop(fs::rename(path, &entry.to)),
        "make-folder" => drop(fs::create_dir(path)),
        "remove" => drop(fs::remove_file(path).or_else(|_| fs::remove_dir_all(path))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(step: &str, path: &Path, to: &Path, offset: u64, bytes: &[u8]) -> Entry {
        Entry {
            step: step.into(),
            name: "x".into(),
            process: 1,
            offset,
            bytes: bytes.to_vec(),
            path: path.to_owned(),
            to: to.to_owned(),
        }
    }

    #[test]
    fn only_what_was_synced_survives_the_worst() {
        let dir = tempfile::tempdir().unwrap();
        let (draft, kept) = (dir.path().join("draft"), dir.path().join("kept"));
        let none = Path::new("");
        let steps = [
            entry("create", &draft, none, 0, b""),
            entry("write", &draft, none, 0, b"bytes"),
            entry("fsync", &draft, none, 0, b""),
            entry("rename", &draft, &kept, 0, b""),
            entry("folder", dir.path(), none, 0, b""),
            entry("write", &kept, none, 5, b" more"),
        ];
        let content = |steps: &[Entry], loss: Loss| {
            let _ = (fs::remove_file(&draft), fs::remove_file(&kept));
            replay(steps, &|_| loss);
            (fs::read(&draft).ok(), fs::read(&kept).ok())
        };
        assert_eq!(content(&steps[..4], Loss::Everything), (None, None), "fsynced, but its name never was");
        assert_eq!(content(&steps[..4], Loss::Nothing), (None, Some(b"bytes".to_vec())));
        assert_eq!(content(&steps, Loss::Everything), (None, Some(b"bytes".to_vec())));
        assert_eq!(content(&steps, Loss::Nothing), (None, Some(b"bytes more".to_vec())));
        let some: Vec<_> = (0..40).map(|seed| content(&steps[..2], Loss::Some(seed))).collect();
        assert!(some.contains(&(None, None)) && some.contains(&(Some(Vec::new()), None)));
        assert!(
            some.contains(&(Some(b"bytes".to_vec()), None)) && some.contains(&(Some(b"byt".to_vec()), None))
        );
    }
}
