//! Waking the nodes that wait, within this process.

use crate::database::locked;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::Notify;

/// One bell per member that has a waiting node.
#[derive(Default)]
pub(crate) struct Wake {
    bells: Mutex<HashMap<String, Weak<Notify>>>,
}

impl Wake {
    /// The member's bell. Register with `notified().enable()` before looking for news, so that none falls between.
    pub(crate) fn bell(&self, member: &str) -> Arc<Notify> {
        let mut bells = locked(&self.bells);
        if let Some(bell) = bells.get(member).and_then(Weak::upgrade) {
            return bell;
        }
        bells.retain(|_, bell| bell.strong_count() > 0);
        let bell = Arc::new(Notify::new());
        bells.insert(member.to_owned(), Arc::downgrade(&bell));
        bell
    }

    /// Wakes the nodes of one member.
    pub(crate) fn ring(&self, member: &str) {
        if let Some(bell) = locked(&self.bells).get(member).and_then(Weak::upgrade) {
            bell.notify_waiters();
        }
    }

    /// Wakes everybody.
    pub(crate) fn ring_all(&self) {
        for bell in locked(&self.bells).values().filter_map(Weak::upgrade) {
            bell.notify_waiters();
        }
    }
}
