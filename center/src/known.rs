//! What was read from the database and holds until another process writes.

use crate::database::locked;
use std::collections::HashMap;
use std::sync::Mutex;

/// Values by code, each of the version ([`crate::database::Database::foreign_writes`]) that was asked **before** it was
/// read: so it is that version's, or newer.
pub(crate) struct Known<V> {
    kept: Mutex<(i64, HashMap<String, V>)>,
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self { kept: Mutex::new((i64::MIN, HashMap::new())) }
    }
}

impl<V> Known<V> {
    /// Looks at, or changes, what is known of `version`; `None` if a newer one was seen meanwhile. A newer one forgets all.
    pub(crate) fn with<T>(&self, version: i64, work: impl FnOnce(&mut HashMap<String, V>) -> T) -> Option<T> {
        let mut kept = locked(&self.kept);
        if version < kept.0 {
            return None;
        }
        if version > kept.0 {
            kept.0 = version;
            kept.1.clear();
        }
        Some(work(&mut kept.1))
    }

    /// A value of that version.
    pub(crate) fn get(&self, version: i64, key: &str) -> Option<V>
    where
        V: Clone,
    {
        self.with(version, |map| map.get(key).cloned()).flatten()
    }

    /// Changes a value that is there, of whatever version.
    pub(crate) fn change(&self, key: &str, work: impl FnOnce(&mut V)) {
        if let Some(value) = locked(&self.kept).1.get_mut(key) {
            work(value);
        }
    }

    /// Changes all values, of whatever version.
    pub(crate) fn all(&self, work: impl FnMut(&mut V)) {
        locked(&self.kept).1.values_mut().for_each(work);
    }

    /// Keeps a value of that version.
    pub(crate) fn put(&self, version: i64, key: &str, value: V) {
        self.with(version, |map| map.insert(key.to_owned(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_version_forgets_and_an_older_one_neither_gets_nor_keeps() {
        let known = Known::default();
        known.put(1, "A", 'a');
        assert_eq!(known.get(1, "A"), Some('a'));
        assert_eq!(known.get(2, "A"), None);
        known.put(1, "B", 'b');
        assert_eq!((known.get(1, "B"), known.get(2, "B")), (None, None));
        known.put(2, "A", 'c');
        assert_eq!((known.get(2, "A"), known.get(1, "A")), (Some('c'), None));
    }
}
