//! `backup` and `restore`: the node's database with what its rows name, as one folder that is whole or not there.
//!
//! | in the backup | from | why |
//! |---|---|---|
//! | `state/node.db` | the state folder | SQLite's online copy, of one moment; journal and all |
//! | `state/spool/` | the state folder | content files that its rows name |
//! | `state/revocation/kept/` | the state folder | answers of the authorities that documents relied on: evidence |
//! | `work/` | the work folder | letters that are claimed and not sealed, or not yet moved to `sent/` |
//! | `inbox/` | the delivery folder | staged and not yet renamed |
//! | `archive/` | the archive | unless `--without-archive` |
//! | `settings.toml` | the settings | as in effect, secrets left out: for reading |
//!
//! Not in it: keys, passphrases, PIN, the PIN guard's records, the login's session key; and what is in people's folders
//! (`drop`, `sent`, `failed`, `inbox`).
//!
//! A restored database is marked ([`store::recall`]); the node then asks the center for what is missing before it does
//! anything else (`act::recall`).

pub(crate) mod make;
pub(crate) mod restore;

use std::path::{Path, PathBuf};

use backup::Error;
use config::NodeConfig;

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The backup's folder.
    #[error(transparent)]
    Backup(#[from] Error),
    /// The database.
    #[error("the database")]
    Store(#[from] store::Error),
    /// Letters come and go faster than they can be copied.
    #[error("letters moved on while they were copied")]
    Moving,
}

impl Trouble {
    /// A stable name for programs.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Backup(error) => error.label(),
            Self::Store(error) => error.label(),
            Self::Moving => MOVING,
        }
    }
}

/// Label: see [`Trouble::Moving`].
pub(crate) const MOVING: &str = "backup-moving";

/// The mark of a delivery folder: after a restore it tells whether the folder is the one that was used before.
const MARK: &str = ".di-node-inbox";
/// The same in the store.
const MARK_KEY: &str = "inbox.mark";
/// What the last backup was, in the state folder: for `doctor` and people.
const LAST: &str = "last-backup.json";

/// Marks the delivery folder, at each start; one that has no mark is a new one.
///
/// # Errors
/// Those of the store and of the folder.
pub(crate) fn mark(config: &NodeConfig, store: &store::Store) -> Result<(), Trouble> {
    let path = config.folders.inbox.join(MARK);
    let known = store.meta(MARK_KEY)?;
    let there = std::fs::read(&path).ok();
    if known.is_some() && known == there {
        return Ok(());
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|e| Error::file("marked", &path)(std::io::Error::other(e.to_string())))?;
    let text = format!("{}\n", backup::hex(&random));
    // the row last: a mark without its row is replaced at the next start
    std::fs::write(&path, &text).map_err(Error::file("marked", &path))?;
    store.set_meta(MARK_KEY, text.into_bytes()).wait()?;
    Ok(())
}

/// Whether the delivery folder is the one that the store knows.
fn is_marked(config: &NodeConfig, store: &store::Store) -> Result<bool, Trouble> {
    let known = store.meta(MARK_KEY)?;
    Ok(known.is_some() && known == std::fs::read(config.folders.inbox.join(MARK)).ok())
}

/// Files below a folder, as paths relative to it with `/`; one that is not there has none. Links and sockets are passed
/// over.
fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut out = Vec::new();
    let mut open = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, path)) = open.pop() {
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::file("read", &path)(e)),
        };
        for entry in entries {
            let entry = entry.map_err(Error::file("read", &path))?;
            let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
                continue;
            };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push((format!("{name}/"), entry.path())),
                Ok(kind) if kind.is_file() => out.push((name, entry.path())),
                _ => {}
            }
        }
    }
    out.sort();
    Ok(out)
}
