//! What is wrong with the node as a whole just now (a full disk, say): for `status`, and for a journal that is itself on
//! that disk and can only be told later.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::Store;
use store::journal::{About, NewEntry};
use store::queue::{Setback, Target};

/// Who found it, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A stable label.
    pub label: String,
    /// More.
    pub detail: String,
    /// Unix milliseconds.
    pub since: i64,
}

/// Shared by intake, loop and local API. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Troubles(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    now: BTreeMap<&'static str, Trouble>,
    untold: Vec<(NewEntry, i64)>,
    /// How steps ended whose end could not be recorded. Without it they would look as if the process had died in them.
    unrecorded: HashMap<Target, Setback>,
}

impl Troubles {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is there, found by `who`; how long it has been is kept.
    pub fn begins(&self, who: &'static str, label: &str, detail: &str, now: i64) {
        let fresh = || Trouble { label: label.to_owned(), detail: String::new(), since: now };
        let mut inner = self.inner();
        let trouble = inner.now.entry(who).or_insert_with(fresh);
        if trouble.label != label {
            *trouble = fresh();
        }
        detail.clone_into(&mut trouble.detail);
    }

    /// It is over for `who`.
    pub fn ends(&self, who: &str) {
        self.inner().now.remove(who);
    }

    /// What there is, each label once, the oldest first.
    #[must_use]
    pub fn now(&self) -> Vec<Trouble> {
        let mut all: Vec<_> = self.inner().now.values().cloned().collect();
        all.sort_by_key(|trouble| trouble.since);
        let mut seen = std::collections::HashSet::new();
        all.retain(|trouble| seen.insert(trouble.label.clone()));
        all
    }

    /// An alarm of the node, into the journal with the next [`Self::tell`].
    pub fn alarm(&self, detail: String, now: i64) {
        let actor = store::NODE.into();
        let entry = NewEntry { actor, event: "setback".into(), about: About::Node, detail, alarm: true };
        self.inner().untold.push((entry, now));
    }

    /// How a step ended, where the store could not take it.
    pub fn keep(&self, target: Target, setback: Setback) {
        self.inner().unrecorded.insert(target, setback);
    }

    /// Whether the end of this row's last step is not recorded yet.
    #[must_use]
    pub fn holds(&self, target: Target) -> bool {
        self.inner().unrecorded.contains_key(&target)
    }

    /// Whether there is something that store and journal were not told yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        let inner = self.inner();
        !inner.untold.is_empty() || !inner.unrecorded.is_empty()
    }

    /// Tells them; what they cannot take is kept. Returns the rows whose step is over now.
    pub async fn tell(&self, store: &Store, now: i64) -> Vec<Target> {
        let mut over = Vec::new();
        let unrecorded: Vec<_> = self.inner().unrecorded.iter().map(|(t, s)| (*t, s.clone())).collect();
        for (target, setback) in unrecorded {
            match store.setback(target, setback, now).await {
                Err(error) if disk(&error) => return over,
                // recorded, or moved on by somebody else meanwhile
                _ => {
                    self.inner().unrecorded.remove(&target);
                    over.push(target);
                }
            }
        }
        loop {
            let Some((entry, at)) = self.inner().untold.first().cloned() else { return over };
            if store.journal(entry, at).await.is_err() {
                return over;
            }
            self.inner().untold.remove(0);
        }
    }
}

/// Whether it is the disk that the store has trouble with.
pub(crate) const fn disk(error: &store::Error) -> bool {
    matches!(error, store::Error::Full(_) | store::Error::Disk { .. })
}
