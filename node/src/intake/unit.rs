//! What makes a unit: which DI, which files it names, where they lie, and whether all of it is whole.

use super::census::Writers;
use super::place::{Entry, Mark, Place};
use di_format::Role;
use rustix::fs::FileType;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a DI lies: in the drop folder itself or in a sub-folder of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) folder: Option<OsString>,
    pub(super) di: OsString,
}

impl Key {
    /// Relative to the drop folder, for people.
    pub(super) fn shown(&self) -> String {
        let di = self.di.to_string_lossy();
        self.folder
            .as_ref()
            .map_or_else(|| di.clone().into_owned(), |f| format!("{}/{di}", f.to_string_lossy()))
    }
}

/// A file that the DI names, found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The folder for attachments (`Attch`, as it is written there) or the DI's own folder.
    pub(super) below: Option<OsString>,
    pub(super) name: OsString,
    /// The name that the DI gives it, which may differ in case: under this it is kept and sent.
    pub(super) called: String,
    /// `sw` or `attachment`.
    pub(super) role: &'static str,
    pub(super) mark: Mark,
}

impl Part {
    /// The folder that it lies in, given the DI's.
    pub(super) fn place(&self, beside: &Place) -> io::Result<Place> {
        self.below.as_ref().map_or_else(|| Ok(beside.clone()), |below| beside.folder(below))
    }
}

/// A unit that looks whole.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) key: Key,
    pub(super) place: Place,
    pub(super) di: Mark,
    pub(super) parts: Vec<Part>,
    /// More than the limit: it is claimed to be refused, its companions stay where they are.
    pub(super) too_large: bool,
    /// How sure it must be that nobody writes.
    pub(super) trust: Trust,
}

/// What was seen before: it decides what the census must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nothing but the present look.
    Nothing,
    /// Every file was seen closed after writing, or renamed in.
    Closed,
    /// Every file stayed as it is for the settle time.
    Settled,
}

impl Trust {
    /// Whether a file about which this is known of its writers may be taken.
    pub(super) fn accepts(self, writers: Writers) -> bool {
        match writers {
            Writers::None => true,
            Writers::Some => false,
            Writers::NoneButRoot => self != Self::Nothing,
            Writers::Unknown => self == Self::Settled,
        }
    }
}

/// What the DI says about its companions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// It could be read to its end.
    pub(super) whole: bool,
    pub(super) files: Vec<(String, Role)>,
}

impl Named {
    /// Reads the DI, at most `limit` bytes of it; what is longer or unreadable names nothing.
    pub(super) fn read(place: &Place, name: &OsStr, limit: u64) -> io::Result<(Self, Mark)> {
        let (file, mark) = place.open(name)?;
        if mark.size > limit {
            return Ok((Self::default(), mark));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(mark.size).unwrap_or(0));
        file.take(limit).read_to_end(&mut bytes)?;
        let limits =
            di_format::Limits { size: usize::try_from(limit).unwrap_or(usize::MAX), ..Default::default() };
        let named = di_format::named_files(&bytes, &limits).map_or_else(
            |_| Self::default(),
            |files| Self { whole: true, files: files.into_iter().map(|c| (c.file, c.role)).collect() },
        );
        Ok((named, mark))
    }
}

/// Where one named file is.
pub(super) enum Search {
    Found(Part),
    Missing,
}

type Names = Arc<Vec<(OsString, FileType)>>;

/// What the folders hold, each read at most once in a round of looks, and a large one not in every round.
#[derive(Debug, Default)]
pub(super) struct Lists(HashMap<PathBuf, List>);

#[derive(Debug)]
struct List {
    names: Names,
    good_until: Instant,
}

impl Lists {
    fn of(&mut self, place: &Place, now: Instant) -> io::Result<Names> {
        if let Some(known) = self.0.get(place.path()).filter(|known| now <= known.good_until) {
            return Ok(Arc::clone(&known.names));
        }
        self.0.retain(|_, list| now <= list.good_until);
        let begun = Instant::now();
        let names = Arc::new(place.list()?);
        // a name that comes meanwhile makes an event, and its exact name is found without a list
        let good_until = now + begun.elapsed().min(LONGEST_LIST / LIST_REST) * LIST_REST;
        self.0.insert(place.path().to_owned(), List { names: Arc::clone(&names), good_until });
        Ok(names)
    }
}

/// Looks for a named file: its exact name beside the DI and in `Attch/`, then one that differs in case only.
pub(super) fn search(
    place: &Place,
    name: &str,
    role: Role,
    lists: &mut Lists,
    now: Instant,
) -> io::Result<Search> {
    let role = if role == Role::Roster { "sw" } else { "attachment" };
    // nearly always the name is exact: no need to read the folder
    let found = |below: Option<&OsStr>, mark| {
        let below = below.map(ToOwned::to_owned);
        Search::Found(Part { below, name: name.into(), called: name.to_owned(), role, mark })
    };
    if let Some(Entry::File(mark)) = place.look(OsStr::new(name))? {
        return Ok(found(None, mark));
    }
    let usual = OsStr::new("Attch");
    if let Ok(inside) = place.folder(usual)
        && let Some(Entry::File(mark)) = inside.look(OsStr::new(name))?
    {
        return Ok(found(Some(usual), mark));
    }
    let names = lists.of(place, now)?;
    if let Some(part) = pick(place, &names, None, name, role)? {
        return Ok(Search::Found(part));
    }
    for (folder, kind) in names.iter() {
        if *kind == FileType::Directory && is_attachments(folder) {
            let inside = place.folder(folder)?;
            if let Some(part) = pick(&inside, &lists.of(&inside, now)?, Some(folder), name, role)? {
                return Ok(Search::Found(part));
            }
        }
    }
    Ok(Search::Missing)
}

fn pick(
    place: &Place,
    names: &[(OsString, FileType)],
    below: Option<&OsString>,
    name: &str,
    role: &'static str,
) -> io::Result<Option<Part>> {
    let exact = names.iter().find(|(n, _)| n == name);
    let folded = || {
        let wanted = name.to_lowercase();
        let mut like = names.iter().filter(|(n, _)| n.to_str().is_some_and(|n| n.to_lowercase() == wanted));
        // two that differ in case only: a guess would be wrong half the time
        like.next().filter(|_| like.next().is_none())
    };
    let Some((found, _)) = exact.or_else(folded) else { return Ok(None) };
    Ok(match place.look(found)? {
        Some(Entry::File(mark)) => {
            Some(Part { below: below.cloned(), name: found.clone(), called: name.to_owned(), role, mark })
        }
        _ => None,
    })
}

/// `Attch`, in any case: the folder for attachments of all DIs beside it.
pub(super) fn is_attachments(name: &OsStr) -> bool {
    name.to_str().is_some_and(|n| n.eq_ignore_ascii_case("attch"))
}

/// A name that commits a unit: `.di` in any case, not hidden.
pub(super) fn is_di(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let ending = bytes.len().checked_sub(3).and_then(|at| bytes.get(at..));
    !is_hidden(name) && bytes.len() > 3 && ending.is_some_and(|e| e.eq_ignore_ascii_case(b".di"))
}

/// Hidden names belong to somebody who is still at work.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().first() == Some(&b'.')
}

/// What is remembered of a DI between two looks.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) mark: Mark,
    pub(super) named: Named,
    /// Since when the DI is as it is.
    pub(super) since: Instant,
    /// The companions at the last look and since when they are as they are.
    pub(super) parts: Vec<(Part, Instant)>,
    pub(super) next_look: Instant,
    pub(super) wait: Duration,
    /// It was put back: the next time the census is asked before it is touched.
    pub(super) suspect: bool,
    /// A claim of it is going on.
    pub(super) claiming: bool,
}

impl Candidate {
    pub(super) fn new(mark: Mark, named: Named, now: Instant) -> Self {
        let wait = SHORTEST_WAIT;
        Self {
            mark,
            named,
            since: now,
            parts: Vec::new(),
            next_look: now,
            wait,
            suspect: false,
            claiming: false,
        }
    }

    /// Waits longer each time, until something happens.
    pub(super) fn later(&mut self, now: Instant) {
        self.next_look = now + self.wait;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
    }

    /// Takes note of the companions; says whether the unit is whole, and how sure that is.
    ///
    /// A DI that reads to its end and whose companions were all there before it was finished needs no proof but that
    /// nobody writes: the DI is the commit mark. All else must have stayed as it is for the settle time.
    pub(super) fn judge(
        &mut self,
        found: Vec<Search>,
        settle: Duration,
        patience: Duration,
        now: Instant,
    ) -> Judged {
        let mut missing = false;
        let mut optional_missing = false;
        let mut parts = Vec::new();
        for (search, (_, role)) in found.into_iter().zip(&self.named.files) {
            match search {
                Search::Found(part) => {
                    let known = self.parts.iter().find(|(old, _)| *old == part);
                    let since = known.map_or(now, |(_, since)| *since);
                    parts.push((part, since));
                }
                Search::Missing if *role == Role::Unreferenced => optional_missing = true,
                Search::Missing => missing = true,
            }
        }
        self.parts = parts;
        let late = self.parts.iter().any(|(part, _)| part.mark.touched_after(&self.mark));
        let oldest = self.parts.iter().map(|(_, since)| *since).fold(self.since, Instant::max);
        let settled = now.saturating_duration_since(oldest) >= settle;
        let out_of_patience = now.saturating_duration_since(self.since) >= patience;
        if missing && !(out_of_patience && settled) {
            return Judged::Wait;
        }
        match (settled, !self.named.whole || late || optional_missing) {
            (true, _) => Judged::Whole(Trust::Settled),
            (false, false) => Judged::Whole(Trust::Nothing),
            (false, true) => Judged::Settling(oldest + settle),
        }
    }
}

/// What a look at a candidate gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// Files are missing.
    Wait,
    /// Whole at that time, if nothing changes.
    Settling(Instant),
    /// Whole, as far as it can be known without asking who writes.
    Whole(Trust),
}

const SHORTEST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How many times as long as reading a folder took its list is good.
const LIST_REST: u32 = 20;
const LONGEST_LIST: Duration = Duration::from_secs(1);
