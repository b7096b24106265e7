//! What becomes of the companions that were copied: they go when nobody needs them any more.

use super::{Due, Watch, clock};
use crate::intake::claim::{Origin, Original};
use crate::intake::place::Entry;
use crate::intake::unit::{Key, is_di};
use rustix::fs::FileType;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where an original lies: the DI's folder, the folder for attachments in it, its name.
pub(super) type Lying = (Option<OsString>, Option<OsString>, OsString);

/// Originals that go when nobody needs them any more.
pub(super) struct Leaving {
    original: Original,
    due: Instant,
    records: Vec<PathBuf>,
}

impl Watch {
    /// The companions of a recorded unit may go, after a while: the next letter of a series may need them, too.
    pub(super) fn leave(&mut self, origin: &Origin, record: &Path) {
        let due = clock() + self.times.settle;
        if origin.files.is_empty() {
            let _ = self.shared.desk.work.remove(record.as_os_str());
            self.remove_folder(origin.folder.as_ref(), None);
            return;
        }
        for original in &origin.files {
            let key = (origin.folder.clone(), original.below.clone(), original.name.clone());
            let fresh = || Leaving { original: original.clone(), due, records: Vec::new() };
            let leaving = self.leaving.entry(key.clone()).or_insert_with(fresh);
            leaving.original = original.clone();
            leaving.due = due;
            leaving.records.push(record.to_owned());
            *self.records.entry(record.to_owned()).or_default() += 1;
            self.removals.push(Reverse((due, key)));
        }
    }

    /// Not now, perhaps after a while.
    fn remove_later(&mut self, key: Lying, due: Instant) {
        if let Some(leaving) = self.leaving.get_mut(&key) {
            leaving.due = due;
            self.removals.push(Reverse((due, key)));
        }
    }

    pub(in crate::intake) fn remove_due(&mut self, now: Instant) {
        if now < self.next_removal {
            return;
        }
        let mut due = BTreeSet::new();
        while let Some(Reverse((_, key))) = self.removals.pop_if_due(now) {
            if self.leaving.get(&key).is_some_and(|l| l.due <= now) {
                due.insert(key);
            }
        }
        if due.is_empty() {
            return;
        }
        // what waits or is just being claimed is known; what an event did not tell yet must be looked for
        let folders: HashSet<Option<OsString>> = due.iter().map(|(folder, ..)| folder.clone()).collect();
        let unread: HashSet<_> = folders.into_iter().filter(|folder| !self.meet_all(folder, now)).collect();
        for key in due {
            let needed = self.namers.contains_key(&(key.0.clone(), key.2.to_string_lossy().to_lowercase()));
            if needed || unread.contains(&key.0) {
                self.remove_later(key, now + self.times.settle.max(SHORTEST_SETTLE));
            } else {
                self.remove_original(key);
            }
        }
        let end = clock();
        self.next_removal = end + (end - now).min(LONGEST_REST / REMOVAL_REST) * REMOVAL_REST;
    }

    fn remove_original(&mut self, key: Lying) {
        let Some(leaving) = self.leaving.remove(&key) else { return };
        let (folder, below, name) = key;
        let place = self.place_of(&Key { folder: folder.clone(), di: OsString::new() });
        let place = match (place, &below) {
            (Some(place), Some(below)) => place.folder(below).ok(),
            (place, _) => place,
        };
        if let Some(place) = place
            && let Ok(Some(Entry::File(mark))) = place.look(&name)
            && leaving.original.is(&mark)
        {
            let path: PathBuf = folder.iter().chain(&below).chain(std::iter::once(&name)).collect();
            self.closed.remove(&path);
            if let Err(error) = place.remove(&name) {
                tracing::warn!(%error, file = %name.display(), "a file that was taken cannot be removed from the drop folder");
            }
        }
        self.remove_folder(folder.as_ref(), below.as_ref());
        for record in leaving.records {
            let left = self.records.get_mut(&record).map_or(0, |left| {
                *left -= 1;
                *left
            });
            if left == 0 {
                self.records.remove(&record);
                let _ = self.shared.desk.work.remove(record.as_os_str());
            }
        }
    }

    /// Gets to know every DI that lies in a folder; false if there is one that cannot be read, so that it may need anything.
    fn meet_all(&mut self, folder: &Option<OsString>, now: Instant) -> bool {
        let Some(place) = self.place_of(&Key { folder: folder.clone(), di: OsString::new() }) else {
            return true;
        };
        let Ok(found) = place.find(is_di) else { return false };
        let mut all = true;
        for (di, kind) in found {
            let key = Key { folder: folder.clone(), di };
            if kind == FileType::RegularFile && !self.candidates.contains_key(&key) {
                self.meet(&key, now);
                // one that is gone by now was claimed or taken away
                all &= self.candidates.contains_key(&key)
                    || !matches!(place.look(&key.di), Ok(Some(Entry::File(_))));
            }
        }
        all
    }

    /// Folders that became empty go; the `Attch` of the drop folder itself stays.
    fn remove_folder(&self, folder: Option<&OsString>, below: Option<&OsString>) {
        let (Some((root, _)), Some(folder)) = (&self.drop, folder) else { return };
        if let (Some(below), Ok(place)) = (below, root.folder(folder)) {
            place.remove_folder(below);
        }
        root.remove_folder(folder);
    }
}

/// How many times as long as the last removal took is left for other work.
const REMOVAL_REST: u32 = 20;
const LONGEST_REST: Duration = Duration::from_secs(10);
const SHORTEST_SETTLE: Duration = Duration::from_millis(10);
