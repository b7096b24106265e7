//! Where the records are when no configuration says so.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A folder for the guard's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which folder.
    pub dir: PathBuf,
    /// The service of this machine keeps its records there too. Elsewhere it cannot know of our tries, so only one is
    /// made there; together with the service's own first that is two.
    pub shared: bool,
}

impl Place {
    /// Where `di-node doctor` keeps its records without a configuration: [`MACHINE`], which is also the service's by
    /// default, if it is there (even if this user cannot use it: then no PIN is tried, rather than behind the service's
    /// back) or can be made; else the user's own state folder (XDG Base Directory Specification).
    ///
    /// None if there is no such folder either.
    #[must_use]
    pub fn of_this_machine() -> Option<Self> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
        Self::choose(Path::new(MACHINE), state.or_else(|| Some(home?.join(".local/state"))))
    }

    pub(super) fn choose(machine: &Path, own: Option<PathBuf>) -> Option<Self> {
        let missing = |path: &Path| {
            std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
        };
        let shared = Self { dir: machine.to_owned(), shared: true };
        if !missing(machine) || super::file::make(machine).is_ok() {
            return Some(shared);
        }
        // The service's state folder is there, only not the guard's in it: its service would make it.
        if machine.parent().is_some_and(|parent| !missing(parent)) {
            return Some(shared);
        }
        own.filter(|own| own.is_absolute()).map(|own| Self { dir: own.join("di-node/card"), shared: false })
    }
}

/// The state folder of the packaged service, with the guard's folder in it.
pub const MACHINE: &str = "/var/lib/di-node/card";
