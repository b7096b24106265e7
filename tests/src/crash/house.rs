//! The processes of a run: who runs, who has done work since its last start, and the kill -9.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use store::Store;
use store::boxes::Counters;
use store::journal::{About, Entry};
use store::queue::Take;
use store::state::{Inbound, Word};

use crate::site::{Process, Site};

/// Who can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The center.
    Center,
    /// A member's node, by its place among the codes. The first one sends most.
    Node(usize),
    /// The first node's card helper.
    Helper,
}

/// Where a process stood when it was last started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mark {
    #[default]
    Nothing,
    /// The last journal line of a node.
    Journal(u64),
    /// The last part and the last outcome of the center.
    Center(i64, i64),
    /// A helper, and the last journal line of its node when it was first seen.
    Helper(i32, u64),
}

/// What was there before the run: the demo's own letters.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    /// Files in `failed/`.
    pub(super) failed: Vec<PathBuf>,
    pub(super) confirmed: u64,
    pub(super) received: u64,
}

/// The site and its processes.
pub struct House {
    /// Folders and settings, and the programs that run now.
    pub site: Site,
    card: bool,
    running: BTreeMap<Who, Process>,
    marks: BTreeMap<Who, Mark>,
    before: Vec<Before>,
    /// Open as long as their nodes run, and never over a death: what a node finds when it starts, it finds alone.
    stores: RefCell<BTreeMap<usize, Store>>,
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House")
            .field("site", &self.site.dir)
            .field("marks", &self.marks)
            .finish_non_exhaustive()
    }
}

impl House {
    /// A site at rest, made with the programs in `bins`; with `softhsm` (the module) the first member's keys are on a
    /// token.
    ///
    /// # Panics
    /// If the site cannot be made.
    #[must_use]
    pub fn make(dir: &Path, bins: &Path, softhsm: Option<&Path>) -> Self {
        let site = match softhsm {
            Some(module) => Site::make_with_token(dir, bins, module),
            None => Site::make(dir, bins),
        };
        let mut house = Self {
            card: softhsm.is_some(),
            running: BTreeMap::new(),
            marks: BTreeMap::new(),
            before: Vec::new(),
            stores: RefCell::default(),
            site,
        };
        house.before = (0..house.site.codes.len())
            .map(|node| {
                let counters = house.counters(node).expect("a node at rest can be read");
                let failed = super::check::below(&house.folder(node, "failed"));
                Before { failed, confirmed: confirmed(&counters), received: received(&counters) }
            })
            .collect();
        for who in house.everybody() {
            house.remember(who);
        }
        house
    }

    /// Center and nodes.
    #[must_use]
    pub fn everybody(&self) -> Vec<Who> {
        std::iter::once(Who::Center).chain((0..self.site.codes.len()).map(Who::Node)).collect()
    }

    /// All that can be killed.
    #[must_use]
    pub fn targets(&self) -> Vec<Who> {
        let helper = self.card.then_some(Who::Helper);
        self.everybody().into_iter().chain(helper).collect()
    }

    /// Whether the first member's keys are on a token.
    #[must_use]
    pub const fn has_card(&self) -> bool {
        self.card
    }

    /// For people.
    #[must_use]
    pub fn name(&self, who: Who) -> String {
        match who {
            Who::Center => "center".to_owned(),
            Who::Node(node) => format!("node {}", self.code(node)),
            Who::Helper => "card helper".to_owned(),
        }
    }

    /// What its log is called.
    #[must_use]
    pub fn log_name(&self, who: Who) -> &str {
        match who {
            Who::Center => "center",
            Who::Node(node) => self.code(node),
            Who::Helper => self.code(0),
        }
    }

    fn code(&self, node: usize) -> &str {
        self.site.codes.get(node).expect("a member of the site")
    }

    /// A folder of a member.
    #[must_use]
    pub fn folder(&self, node: usize, name: &str) -> PathBuf {
        self.site.folder(self.code(node), name)
    }

    /// Starts who does not run.
    pub fn start(&mut self, who: Who, mut environment: Vec<(OsString, OsString)>) {
        if who == Who::Helper || self.running.contains_key(&who) {
            return;
        }
        let process = match who {
            Who::Node(node) => {
                if node == 0 && self.card {
                    environment.extend(self.site.token());
                }
                self.site.node_in(self.code(node), environment)
            }
            Who::Center | Who::Helper => self.site.center_in(environment),
        };
        self.running.insert(who, process);
    }

    /// Starts everybody who does not run.
    pub fn start_all(&mut self) {
        for who in self.everybody() {
            self.start(who, Vec::new());
        }
    }

    /// Stops one in order, and says whether it ended well. One that has only just been started, and listens to no signal yet,
    /// is ended by it: there was nothing to be put in order.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(&mut self, who: Who) -> bool {
        self.close(who);
        let ended = self.running.remove(&who).is_none_or(|process| {
            let status = process.stop();
            status.success() || status.signal() == Some(Signal::TERM.as_raw())
        });
        self.remember(who);
        ended
    }

    /// Stops everybody in order, nodes first; who did not end well.
    ///
    /// # Panics
    /// If one does not end.
    pub fn stop_all(&mut self) -> Vec<Who> {
        self.everybody().into_iter().rev().filter(|who| !self.stop(*who)).collect()
    }

    /// Those that ended by themselves since this was asked last; they are forgotten. What they left is not looked at
    /// before they run again, so that they find it as the death left it.
    pub fn fallen(&mut self) -> Vec<Who> {
        let fallen: Vec<Who> =
            self.running.iter_mut().filter_map(|(who, process)| process.ended().then_some(*who)).collect();
        for who in &fallen {
            self.running.remove(who);
            self.close(*who);
        }
        fallen
    }

    /// kill -9, if it counts: `may` is asked, and the work since the last start looked for, while the target stands
    /// still (SIGSTOP), so that nothing changes between the look and the kill. A node in which a third begin of a step
    /// is open is left alone: the letter would be set apart for a person, as it should be, and no longer tell us
    /// anything. Whoever is not killed goes on.
    pub fn strike(&mut self, who: Who, may: impl Fn(&Self) -> bool) -> bool {
        let Some(pid) = self.pid(who) else { return false };
        if kill_process(pid, Signal::STOP).is_err() {
            return false;
        }
        if !(self.worked(who) && !self.third_begin(who) && may(self)) {
            let _ = kill_process(pid, Signal::CONT);
            return false;
        }
        self.remember(who);
        self.close(who);
        match self.running.remove(&who) {
            Some(process) => process.kill(),
            None => return kill_process(pid, Signal::KILL).is_ok(),
        }
        true
    }

    /// Whether it has done work since its last start: a node has written a journal line about a letter, the center has
    /// taken a part or a receipt, the node of a helper has sealed or opened a letter since that helper was first seen.
    pub fn worked(&mut self, who: Who) -> bool {
        let mark = self.marks.get(&who).copied().unwrap_or_default();
        match (who, mark) {
            (Who::Node(node), Mark::Journal(seq)) => self
                .journal(node, seq)
                .is_ok_and(|lines| lines.iter().any(|line| !matches!(line.about, About::Node))),
            (Who::Center, Mark::Center(parts, outcomes)) => {
                self.center_rows().is_ok_and(|now| now != (parts, outcomes))
            }
            (Who::Helper, _) => {
                let Some(pid) = self.pid(Who::Helper).map(|pid| pid.as_raw_nonzero().get()) else {
                    return false;
                };
                let Ok(last) = self.last_line(0) else { return false };
                let Mark::Helper(known, seq) = mark else {
                    self.marks.insert(who, Mark::Helper(pid, last));
                    return false;
                };
                if known != pid {
                    self.marks.insert(who, Mark::Helper(pid, last));
                    return false;
                }
                let by_card = |line: &Entry| matches!(line.event.as_str(), "sealed" | "archived");
                self.journal(0, seq).is_ok_and(|lines| lines.iter().any(by_card))
            }
            _ => false,
        }
    }

    /// Whether a step of a letter has been begun for the third time, with no outcome yet.
    fn third_begin(&self, who: Who) -> bool {
        self.begun(who, 3)
    }

    /// Whether a step of a letter has been begun twice, with no outcome yet.
    #[must_use]
    pub fn second_begin(&self, who: Who) -> bool {
        self.begun(who, 2)
    }

    /// As long as the books can't be read, it may be so.
    fn begun(&self, who: Who, times: u32) -> bool {
        let Who::Node(node) = who else { return false };
        let look = || -> Result<bool, store::Error> {
            let store = self.store(node)?;
            let all = Take { now: i64::MAX, limit: 10_000, at_most: None };
            Ok(store.due_documents(all)?.iter().any(|row| row.trouble.begun >= times)
                || store.due_parts(all)?.iter().any(|row| row.trouble.begun >= times)
                || store.due_inbound(all)?.iter().any(|row| row.trouble.begun >= times))
        };
        look().unwrap_or(true)
    }

    fn remember(&mut self, who: Who) {
        let mark = match who {
            Who::Node(node) => self.last_line(node).map_or(Mark::Nothing, Mark::Journal),
            Who::Center => self.center_rows().map_or(Mark::Nothing, |(p, o)| Mark::Center(p, o)),
            Who::Helper => Mark::Nothing,
        };
        self.marks.insert(who, mark);
    }

    /// Its process id, if it runs.
    #[must_use]
    pub fn pid(&self, who: Who) -> Option<Pid> {
        if who == Who::Helper {
            return self.running.get(&Who::Node(0)).and_then(helper_of);
        }
        let id = self.running.get(&who)?.id();
        Pid::from_raw(i32::try_from(id).ok()?)
    }

    /// A node's store, to be read beside it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn store(&self, node: usize) -> Result<Store, store::Error> {
        if let Some(store) = self.stores.borrow().get(&node) {
            return Ok(store.clone());
        }
        let store = Store::open_read_only(&self.folder(node, "state"))?;
        if self.running.contains_key(&Who::Node(node)) {
            self.stores.borrow_mut().insert(node, store.clone());
        }
        Ok(store)
    }

    fn close(&self, who: Who) {
        if let Who::Node(node) = who {
            self.stores.borrow_mut().remove(&node);
        }
    }

    /// Journal lines behind one.
    fn journal(&self, node: usize, after: u64) -> Result<Vec<Entry>, store::Error> {
        self.store(node)?.journal_after(after, 1_000)
    }

    fn last_line(&self, node: usize) -> Result<u64, store::Error> {
        let store = self.store(node)?;
        let mut last = match self.marks.get(&Who::Node(node)) {
            Some(Mark::Journal(seq)) => *seq,
            _ => 0,
        };
        while let Some(line) = store.journal_after(last, 1_000)?.last() {
            last = line.seq;
        }
        Ok(last)
    }

    fn center_rows(&self) -> rusqlite::Result<(i64, i64)> {
        let sql =
            "SELECT coalesce((SELECT max(id) FROM part), 0), coalesce((SELECT max(seq) FROM outcome), 0)";
        center(&self.site)?.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    pub(super) fn before(&self, node: usize) -> Before {
        self.before.get(node).cloned().unwrap_or_default()
    }

    fn counters(&self, node: usize) -> Result<Counters, store::Error> {
        self.store(node)?.counters()
    }

    /// How many letters of this run a node has confirmed by all their recipients.
    #[must_use]
    pub fn confirmed(&self, node: usize) -> Option<u64> {
        let before = self.before.get(node)?.confirmed;
        Some(confirmed(&self.counters(node).ok()?).saturating_sub(before))
    }

    /// How many letters of this run a node has received and confirmed.
    #[must_use]
    pub fn received(&self, node: usize) -> Option<u64> {
        let before = self.before.get(node)?.received;
        Some(received(&self.counters(node).ok()?).saturating_sub(before))
    }
}

/// The center's database, to be read.
pub(super) fn center(site: &Site) -> rusqlite::Result<Connection> {
    let conn =
        Connection::open_with_flags(site.dir.join("center/center.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.busy_timeout(std::time::Duration::from_secs(1))?;
    Ok(conn)
}

fn confirmed(counters: &Counters) -> u64 {
    counters.documents.iter().filter(|(word, _)| *word == Word::Confirmed).map(|(_, many)| many).sum()
}

fn received(counters: &Counters) -> u64 {
    counters.inbound.iter().filter(|(state, _)| *state == Inbound::Confirmed).map(|(_, many)| many).sum()
}

/// A node's card helper, if it has one this moment.
#[must_use]
pub fn helper_of(node: &Process) -> Option<Pid> {
    let parent = format!(" {} ", node.id());
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // After the name in brackets: state, parent.
        let ours = stat.rsplit_once(')')?.1.get(2..)?.starts_with(&parent);
        let called = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        (ours && called.contains("card-helper")).then(|| Pid::from_raw(pid)).flatten()
    })
}
