//! The thread that looks: events say where, a scan every so often is the truth, nothing is taken before it is whole.

mod leave;

use super::census::{Census, Writers};
use super::claim::{Desk, Origin, Original, Setback, record_name};
use super::place::{Entry, FileId, Mark, Place};
use super::small::{AtOnce, Held};
use super::unit::{
    Candidate, Judged, Key, Lists, Named, Trust, Unit, is_attachments, is_di, is_hidden, search,
};
use super::{Error, hex, now as unix_now};
use crate::trouble::Troubles;
use leave::{Leaving, Lying};
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::fs::FileType;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::Store;

/// What the thread hears.
pub(super) enum Message {
    Event(notify::Result<notify::Event>),
    Claimed(Box<Unit>, Origin, PathBuf),
    /// With label and detail where it is not the unit's turn to change but ours, or the disk's.
    PutBack(Key, Option<(&'static str, String)>),
    Stop,
}

/// What the workers share.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) wake: Arc<tokio::sync::Notify>,
    pub(super) troubles: Troubles,
    pub(super) desk: Desk,
    pub(super) census: Census,
    pub(super) jobs: Mutex<Receiver<Box<Unit>>>,
    pub(super) at_once: Option<Box<dyn AtOnce>>,
    /// What is claimed before it is looked into.
    pub(super) cut_off: HashSet<Key>,
}

/// A worker: takes one unit after the other until there will be no more.
pub(super) fn work(shared: &Shared, tell: &Sender<Message>) {
    loop {
        let job = shared.jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(unit) = job else { return };
        let key = unit.key.clone();
        let message = match shared.claim(&unit) {
            Ok((origin, record)) => Message::Claimed(unit, origin, record),
            Err(Setback::NotWhole(why)) => {
                tracing::debug!(di = key.shown(), why, "put back");
                Message::PutBack(key, None)
            }
            Err(Setback::Failed(error)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(di = key.shown(), label = error.label(), cause, "{error}");
                let detail = format!("{}: {error}: {cause}", error.label());
                Message::PutBack(key, Some((error.label(), detail)))
            }
        };
        if tell.send(message).is_err() {
            return;
        }
    }
}

impl Shared {
    /// Files first, then the row; the originals go later.
    fn claim(&self, unit: &Unit) -> Result<(Origin, PathBuf), Setback> {
        if let Some(taken) = self.claim_small(unit)? {
            return Ok(taken);
        }
        let claim = self.desk.take(unit, &self.census)?;
        let name = OsString::from(hex(&claim.id));
        let (files, size) = (claim.files.len(), claim.size);
        match self.store.claim(claim, unix_now()).wait() {
            Ok(claimed) => {
                let duplicate = claimed.duplicate_of.is_some();
                tracing::info!(doc = %name.to_string_lossy(), drop = unit.key.shown(), files, size, duplicate, "claimed");
                self.wake.notify_one();
                let record = PathBuf::from(record_name(&name));
                Ok((Origin::of(unit), record))
            }
            Err(error) => {
                self.desk.put_back(&unit.key, &unit.place, &name);
                Err(Setback::Failed(Error::Store(error)))
            }
        }
    }
}

impl Shared {
    /// Into memory, sealed, recorded; `None` if it cannot be done so, and then everything is as before.
    fn claim_small(&self, unit: &Unit) -> Result<Option<(Origin, PathBuf)>, Setback> {
        let Some(at_once) = &self.at_once else { return Ok(None) };
        if unit.too_large || self.cut_off.contains(&unit.key) {
            return Ok(None);
        }
        let Some(_room) = at_once.may(unit.bytes()) else { return Ok(None) };
        let Some(Held { claim, files, name }) = self.desk.hold(unit, &self.census)? else { return Ok(None) };
        let (count, size, id) = (claim.files.len(), claim.size, hex(&claim.id));
        let sealed = at_once.seal(&claim, files).map(|sealing| {
            self.desk.taken(unit)?;
            at_once.record(claim, sealing).map_err(|error| Setback::Failed(Error::Store(error)))
        });
        match sealed {
            Some(Ok(true)) => {
                tracing::info!(doc = id, drop = unit.key.shown(), files = count, size, "claimed and sealed");
                Ok(Some((Origin::of(unit), PathBuf::from(name))))
            }
            other => {
                self.desk.let_go(&unit.place, &unit.key, &name);
                other.transpose().map(|_| None)
            }
        }
    }
}

/// Times of the rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) settle: Duration,
    pub(super) scan_every: Duration,
    pub(super) patience: Duration,
}

pub(super) struct Watch {
    pub(super) path: PathBuf,
    pub(super) di_limit: u64,
    pub(super) times: Times,
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: Sender<Box<Unit>>,
    /// For the watcher, which is made anew when the folder was replaced.
    pub(super) tell: Sender<Message>,
    drop: Option<(Place, FileId)>,
    watcher: Option<RecommendedWatcher>,
    candidates: HashMap<Key, Candidate>,
    /// When to look at whom, earliest first. What a candidate says counts: an entry that differs is an old one.
    looks: BinaryHeap<Reverse<(Instant, Key)>>,
    /// Who names a file: by folder and name in lower case.
    namers: HashMap<(Option<OsString>, String), HashSet<Key>>,
    lists: Lists,
    /// Files that were seen closed after writing, or renamed in, and not touched since.
    closed: HashSet<PathBuf>,
    leaving: HashMap<Lying, Leaving>,
    /// When to remove what, earliest first; as with `looks`, what `leaving` says counts.
    removals: BinaryHeap<Reverse<(Instant, Lying)>>,
    /// Of how many files a record still tells.
    records: HashMap<PathBuf, usize>,
    /// Not before: reading a large folder must stay a small share of the work.
    next_removal: Instant,
    /// Told once, not at every scan.
    told: HashSet<Key>,
    /// Units that cannot be claimed though they are whole, and why: an alarm each, once for each reason.
    stuck: HashMap<Key, &'static str>,
    next_scan: Instant,
    /// The disk failed: nothing is taken before that.
    paused: Option<Instant>,
}

impl Watch {
    pub(super) fn new(
        path: PathBuf,
        di_limit: u64,
        times: Times,
        shared: Arc<Shared>,
        jobs: Sender<Box<Unit>>,
        tell: Sender<Message>,
    ) -> Self {
        let now = clock();
        Self {
            path,
            di_limit,
            times,
            shared,
            jobs,
            tell,
            drop: None,
            watcher: None,
            candidates: HashMap::new(),
            looks: BinaryHeap::new(),
            namers: HashMap::new(),
            lists: Lists::default(),
            closed: HashSet::new(),
            leaving: HashMap::new(),
            removals: BinaryHeap::new(),
            records: HashMap::new(),
            next_removal: now,
            told: HashSet::new(),
            stuck: HashMap::new(),
            next_scan: now,
            paused: None,
        }
    }

    /// Originals of an earlier run whose row was committed.
    pub(super) fn resume(&mut self, origin: &Origin, record: &Path) {
        self.leave(origin, record);
    }

    pub(super) fn run(&mut self, messages: &Receiver<Message>) {
        loop {
            let now = clock();
            if now >= self.next_scan {
                self.scan(now);
            }
            self.look_at_due(now);
            self.remove_due(clock());
            let until = self.next_wake().saturating_duration_since(clock());
            match messages.recv_timeout(until) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(message) => self.hear(message),
                Err(RecvTimeoutError::Timeout) => continue,
            }
            // whatever else came meanwhile goes into the same round
            while let Ok(message) = messages.try_recv() {
                if matches!(message, Message::Stop) {
                    return;
                }
                self.hear(message);
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let look = self.looks.peek().map(|Reverse((at, _))| *at);
        let removal = self.removals.peek().map(|Reverse((at, _))| self.next_removal.max(*at));
        look.into_iter().chain(removal).fold(self.next_scan, Instant::min)
    }

    /// After every change of what is known of a candidate: when it is looked at.
    fn plan(&mut self, key: &Key) {
        if let Some(candidate) = self.candidates.get(key)
            && !candidate.claiming
        {
            self.looks.push(Reverse((candidate.next_look, key.clone())));
        }
    }

    /// Remembers a DI as it was read.
    fn insert(&mut self, key: &Key, mark: Mark, named: Named, now: Instant) {
        self.note_names(key, &named);
        self.candidates.insert(key.clone(), Candidate::new(mark, named, now));
        self.plan(key);
    }

    fn note_names(&mut self, key: &Key, named: &Named) {
        for (name, _) in &named.files {
            let place = (key.folder.clone(), name.to_lowercase());
            self.namers.entry(place).or_default().insert(key.clone());
        }
    }

    fn forget_names(&mut self, key: &Key, named: &Named) {
        for (name, _) in &named.files {
            let place = (key.folder.clone(), name.to_lowercase());
            if let Some(namers) = self.namers.get_mut(&place) {
                namers.remove(key);
                if namers.is_empty() {
                    self.namers.remove(&place);
                }
            }
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(candidate) = self.candidates.remove(key) {
            self.forget_names(key, &candidate.named);
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Event(Ok(event)) if event.need_rescan() => self.next_scan = clock(),
            Message::Event(Ok(event)) => self.event(&event),
            Message::Event(Err(error)) => {
                tracing::warn!(%error, "watching the drop folder failed; it is scanned instead");
                self.watcher = None;
            }
            Message::Claimed(unit, origin, record) => {
                self.remove(&unit.key);
                self.stuck.remove(&unit.key);
                if self.paused.take().is_some() {
                    tracing::info!("letters are taken again");
                    self.shared.troubles.ends(INTAKE);
                }
                self.closed.remove(&relative(&unit.key));
                self.leave(&origin, &record);
            }
            Message::PutBack(key, failed) => {
                let now = clock();
                if let Some(candidate) = self.candidates.get_mut(&key) {
                    candidate.claiming = false;
                    candidate.suspect = true;
                    candidate.later(now);
                    if failed.is_some() {
                        candidate.next_look = now + AFTER_FAILURE;
                    }
                }
                if let Some((label @ ("disk-full" | "disk-failed"), detail)) = &failed {
                    // no letter's own trouble: told once, and no other is tried before this one
                    self.shared.troubles.begins(INTAKE, label, detail, unix_now());
                    if let Some(candidate) = self.candidates.get_mut(&key) {
                        candidate.next_look = now + AFTER_DISK;
                    }
                    if self.paused.replace(now + AFTER_DISK).is_none() {
                        self.alarm(detail.clone());
                    }
                    self.plan(&key);
                    return;
                }
                self.plan(&key);
                if let Some((label, detail)) = failed
                    && self.stuck.insert(key, label) != Some(label)
                {
                    self.alarm(detail);
                }
            }
            Message::Stop => {}
        }
    }

    /// There is no row yet that could say it: the journal does.
    fn alarm(&self, detail: String) {
        let entry = store::journal::NewEntry {
            actor: store::NODE.into(),
            event: "setback".into(),
            about: store::journal::About::Node,
            detail: detail.clone(),
            alarm: true,
        };
        // where the journal is on the full disk too, it is told later
        if self.shared.store.journal(entry, unix_now()).wait().is_err() {
            self.shared.troubles.alarm(detail, unix_now());
        }
    }

    /// A hint: where to look again, and whether a file was seen closed.
    fn event(&mut self, event: &notify::Event) {
        let (closed, hint) = match event.kind {
            EventKind::Access(_) => (Some(true), true),
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => (Some(false), false),
            EventKind::Modify(ModifyKind::Name(_)) => (Some(true), true),
            // its end will be a reason to look
            EventKind::Modify(ModifyKind::Data(_)) => (Some(false), false),
            EventKind::Create(CreateKind::File) => (Some(false), true),
            _ => (None, true),
        };
        for path in &event.paths {
            let Ok(path) = path.strip_prefix(&self.path) else { continue };
            match closed {
                Some(true) => {
                    // names that nobody ever claimed: those that matter are seen again, or wait for the settle time
                    if self.closed.len() >= MOST_CLOSED {
                        self.closed.clear();
                    }
                    self.closed.insert(path.to_owned());
                }
                Some(false) => {
                    self.closed.remove(path);
                }
                None => {}
            }
            if hint || path.as_os_str().is_empty() {
                self.hint(path);
            }
        }
    }

    fn hint(&mut self, path: &Path) {
        let mut steps = path.iter().map(ToOwned::to_owned);
        let (first, second) = (steps.next(), steps.next());
        let now = clock();
        match (first, second) {
            (Some(name), None) if is_di(&name) && self.look_up(&name) != Some(Entry::Folder) => {
                self.touch(&Key { folder: None, di: name }, now);
            }
            (Some(name), None) => match self.look_up(&name) {
                Some(Entry::Folder) if !is_attachments(&name) && !is_hidden(&name) => {
                    self.scan_folder(&name, now)
                }
                _ => self.companion_changed(None, path, now),
            },
            (Some(folder), Some(_)) if is_attachments(&folder) => self.companion_changed(None, path, now),
            (Some(folder), Some(name)) if is_di(&name) && !is_hidden(&folder) => {
                self.touch(&Key { folder: Some(folder), di: name }, now);
            }
            (Some(folder), Some(_)) => self.companion_changed(Some(&folder), path, now),
            (None, _) => self.next_scan = now,
        }
    }

    fn look_up(&self, name: &OsString) -> Option<Entry> {
        self.drop.as_ref().and_then(|(place, _)| place.look(name).ok().flatten())
    }

    /// A file changed that may be one that some DI waits for; a folder of attachments stands for all of them.
    fn companion_changed(&mut self, folder: Option<&OsString>, path: &Path, now: Instant) {
        let Some(file) = path.file_name() else { return };
        let named: Vec<Key> = if is_attachments(file) {
            self.candidates.keys().filter(|key| key.folder.as_ref() == folder).cloned().collect()
        } else {
            let place = (folder.cloned(), file.to_string_lossy().to_lowercase());
            self.namers.get(&place).into_iter().flatten().cloned().collect()
        };
        for key in named {
            if let Some(candidate) = self.candidates.get_mut(&key)
                && !candidate.suspect
            {
                candidate.next_look = now;
                self.plan(&key);
            }
        }
    }

    /// Looks at a DI in this round, known before or not.
    fn touch(&mut self, key: &Key, now: Instant) {
        match self.candidates.get_mut(key) {
            Some(candidate) if candidate.suspect && candidate.next_look > now => {
                // our own putting back makes an event, too: it must not make us try again at once
                candidate.next_look = candidate.next_look.min(now + SUSPECT_AGAIN);
            }
            Some(candidate) => candidate.next_look = now,
            None => self.meet(key, now),
        }
        self.plan(key);
    }

    /// A DI that was not known.
    fn meet(&mut self, key: &Key, now: Instant) {
        let Some(place) = self.place_of(key) else { return };
        match place.look(&key.di) {
            Ok(Some(Entry::File(_))) => {
                let Ok((named, mark)) = Named::read(&place, &key.di, self.di_limit) else { return };
                self.insert(key, mark, named, now);
            }
            Ok(Some(Entry::Other)) if self.told.insert(key.clone()) => {
                tracing::warn!(drop = key.shown(), "not a regular file: left alone");
            }
            _ => {}
        }
    }

    fn place_of(&self, key: &Key) -> Option<Place> {
        let (root, _) = self.drop.as_ref()?;
        match &key.folder {
            Some(folder) => root.folder(folder).ok(),
            None => Some(root.clone()),
        }
    }

    /// The truth: the whole folder.
    fn scan(&mut self, now: Instant) {
        self.next_scan = now + self.times.scan_every;
        if let Err(error) = self.open() {
            tracing::error!(%error, folder = %self.path.display(), label = "drop-folder", "the drop folder cannot be read");
            self.watcher = None;
            return;
        }
        let Some((root, _)) = self.drop.clone() else { return };
        for (name, kind) in root.list().unwrap_or_default() {
            match kind {
                FileType::Directory if !is_attachments(&name) && !is_hidden(&name) => {
                    self.scan_folder(&name, now)
                }
                FileType::Directory => {}
                _ if is_di(&name) => self.touch(&Key { folder: None, di: name }, now),
                _ => {}
            }
        }
    }

    fn scan_folder(&mut self, folder: &OsString, now: Instant) {
        let Some(place) = self.drop.as_ref().and_then(|(root, _)| root.folder(folder).ok()) else { return };
        for (name, kind) in place.list().unwrap_or_default() {
            if is_di(&name) && kind != FileType::Directory {
                self.touch(&Key { folder: Some(folder.clone()), di: name }, now);
            }
        }
    }

    /// Opens and watches the folder; again if it was replaced.
    pub(super) fn open(&mut self) -> std::io::Result<()> {
        let meta = std::fs::metadata(&self.path)?;
        let id = {
            use std::os::unix::fs::MetadataExt;
            FileId { device: meta.dev(), inode: meta.ino() }
        };
        if self.drop.as_ref().is_none_or(|(_, known)| *known != id) {
            self.drop = Some((Place::root("drop", &self.path)?, id));
            self.watcher = None;
        }
        if self.watcher.is_none() {
            let tell = self.tell.clone();
            let made = notify::recommended_watcher(move |event| {
                if matters(&event) {
                    let _ = tell.send(Message::Event(event));
                }
            });
            match made.and_then(|mut w| w.watch(&self.path, RecursiveMode::Recursive).map(|()| w)) {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => {
                    tracing::warn!(%error, "the drop folder cannot be watched; it is scanned instead")
                }
            }
        }
        Ok(())
    }

    /// One round: every candidate whose time has come, one census for all that need one.
    pub(super) fn look_at_due(&mut self, now: Instant) {
        let mut due = BTreeSet::new();
        while let Some(Reverse((_, key))) = self.looks.pop_if_due(now) {
            let Some(candidate) = self.candidates.get_mut(&key) else { continue };
            if candidate.claiming || candidate.next_look > now {
                continue;
            }
            if let Some(until) = self.paused.filter(|until| *until > now) {
                candidate.next_look = until;
                self.plan(&key);
                continue;
            }
            due.insert(key);
        }
        let mut units = Vec::new();
        for key in due {
            let unit = self.look(key.clone(), now);
            if unit.is_none() {
                self.plan(&key);
            }
            units.extend(unit);
        }
        // those just seen closed are asked about after the rename only, when the answer lasts
        let unsure: Vec<usize> =
            (0..units.len()).filter(|i| units.get(*i).is_some_and(|u| self.is_unsure(u))).collect();
        if !unsure.is_empty() {
            let held = self.still_written(&units, &unsure);
            for i in held.into_iter().rev() {
                let unit = units.remove(i);
                if let Some(candidate) = self.candidates.get_mut(&unit.key) {
                    candidate.later(now);
                }
                self.plan(&unit.key);
            }
        }
        for unit in units {
            if let Some(candidate) = self.candidates.get_mut(&unit.key) {
                candidate.claiming = true;
            }
            let _ = self.jobs.send(Box::new(unit));
        }
    }

    fn is_unsure(&self, unit: &Unit) -> bool {
        self.candidates.get(&unit.key).is_none_or(|c| c.suspect) || unit.trust == Trust::Nothing
    }

    /// Which of the units `asked` (by index) may not be taken yet.
    fn still_written(&self, units: &[Unit], asked: &[usize]) -> Vec<usize> {
        let of = |unit: &Unit| -> Vec<Mark> {
            std::iter::once(unit.di).chain(unit.parts.iter().map(|p| p.mark)).collect()
        };
        let marks: Vec<Vec<Mark>> = asked.iter().filter_map(|i| units.get(*i)).map(of).collect();
        let mut answers = self.shared.census.writers(&marks.concat(), true).into_iter();
        let mut out = Vec::new();
        for (i, marks) in asked.iter().zip(&marks) {
            let Some(unit) = units.get(*i) else { continue };
            let answers: Vec<Writers> = answers.by_ref().take(marks.len()).collect();
            if !answers.into_iter().all(|writers| unit.trust.accepts(writers)) {
                out.push(*i);
            }
        }
        out
    }

    /// Looks at one candidate; gives the unit if it seems whole.
    fn look(&mut self, key: Key, now: Instant) -> Option<Unit> {
        let place = self.place_of(&key);
        let seen = place.as_ref().and_then(|place| place.look(&key.di).ok().flatten());
        let (Some(place), Some(Entry::File(mark))) = (place, seen) else {
            self.remove(&key);
            return None;
        };
        if self.candidates.get(&key)?.mark != mark {
            let read = Named::read(&place, &key.di, self.di_limit);
            let candidate = self.candidates.get_mut(&key)?;
            let Ok((named, mark)) = read else {
                candidate.later(now);
                return None;
            };
            (candidate.mark, candidate.since) = (mark, now);
            let old = std::mem::replace(&mut candidate.named, named.clone());
            self.forget_names(&key, &old);
            self.note_names(&key, &named);
        }
        let candidate = self.candidates.get_mut(&key)?;
        let (files, lists) = (candidate.named.files.iter(), &mut self.lists);
        let found: std::io::Result<_> =
            files.map(|(name, role)| search(&place, name, *role, lists, now)).collect();
        let Ok(found) = found else {
            candidate.later(now);
            return None;
        };
        let trust = match candidate.judge(found, self.times.settle, self.times.patience, now) {
            Judged::Whole(trust) => trust,
            Judged::Wait => {
                candidate.later(now);
                return None;
            }
            Judged::Settling(until) => {
                candidate.next_look = until;
                return None;
            }
        };
        // whoever cannot be asked about is believed to be done only if the file was seen closed
        let parts: Vec<_> = candidate.parts.iter().map(|(part, _)| part.clone()).collect();
        let di = candidate.mark;
        let total = parts.iter().fold(di.size, |sum, part| sum.saturating_add(part.mark.size));
        let too_large = total > self.shared.desk.document_limit;
        let unit = Unit { trust, too_large, place, di, parts, key };
        let trust =
            if unit.trust == Trust::Nothing && self.was_closed(&unit) { Trust::Closed } else { unit.trust };
        if self.shared.desk.remote && trust != Trust::Settled {
            let settle = self.times.settle;
            let candidate = self.candidates.get_mut(&unit.key)?;
            candidate.next_look = candidate.since.max(now) + settle;
            return None;
        }
        Some(Unit { trust, ..unit })
    }

    fn was_closed(&self, unit: &Unit) -> bool {
        let folder: PathBuf = unit.key.folder.iter().collect();
        let closed = |path: &Path| {
            // a folder that was renamed in brings its files with it
            path.ancestors().any(|p| !p.as_os_str().is_empty() && self.closed.contains(p))
        };
        let part =
            |p: &super::unit::Part| closed(&folder.join(p.below.iter().collect::<PathBuf>()).join(&p.name));
        closed(&folder.join(&unit.key.di)) && unit.parts.iter().all(part)
    }
}

impl Origin {
    pub(super) fn of(unit: &Unit) -> Self {
        Self {
            folder: unit.key.folder.clone(),
            di: unit.key.di.clone(),
            // what was not copied stays
            files: unit.parts.iter().filter(|_| !unit.too_large).map(Original::of).collect(),
        }
    }
}

fn relative(key: &Key) -> PathBuf {
    key.folder.iter().chain(std::iter::once(&key.di)).collect()
}

/// Whether something happened that can change what is known. Our own reading makes events, too, and most events are of
/// that kind: they must not wake anybody. A file that is gone is missed when it is looked for.
fn matters(event: &notify::Result<notify::Event>) -> bool {
    let Ok(event) = event else { return true };
    event.need_rescan()
        || match event.kind {
            EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
            EventKind::Remove(removed) => removed != RemoveKind::File,
            // each half was told by itself
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => false,
            _ => true,
        }
}

/// A queue by time.
trait Due<T> {
    /// The earliest, if its time has come.
    fn pop_if_due(&mut self, now: Instant) -> Option<Reverse<(Instant, T)>>;
}

impl<T: Ord> Due<T> for BinaryHeap<Reverse<(Instant, T)>> {
    fn pop_if_due(&mut self, now: Instant) -> Option<Reverse<(Instant, T)>> {
        let due = self.peek().is_some_and(|Reverse((at, _))| *at <= now);
        if due { self.pop() } else { None }
    }
}

/// The monotonic clock of this thread.
fn clock() -> Instant {
    Instant::now()
}

/// As which the intake tells its troubles.
const INTAKE: &str = "intake";
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// All letters wait so long for a disk, then one finds out.
const AFTER_DISK: Duration = Duration::from_secs(2);
const SUSPECT_AGAIN: Duration = Duration::from_millis(100);
const MOST_CLOSED: usize = 100_000;
