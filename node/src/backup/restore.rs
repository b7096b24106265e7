//! Checking a backup, and putting it back into empty folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use backup::{Backup, Error, Kind, Manifest, Put, expect_empty};
use config::NodeConfig;
use store::Store;

use super::{Trouble, is_marked};

/// Where the database is made ready, in the state folder: while it is there, a restore is not finished.
const READY: &str = ".restoring";
/// What its steps are called at the points of `durable`.
const RESTORE: &str = "restore";

/// What a restore did beside putting files where they were.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Files of the archive that are there already with another content; those were left alone.
    pub(crate) differ: Vec<PathBuf>,
    /// The delivery folder is the one of before.
    pub(crate) inbox_kept: bool,
}

/// Reads everything: each file against the manifest, the database's pages, the journal's chain and its end.
///
/// # Errors
/// [`Trouble`]
pub(crate) fn check(dir: &Path, progress: &mut dyn FnMut(&str, u64)) -> Result<Backup, Trouble> {
    let found = Backup::open(dir)?;
    found.expect(Kind::Node, None, Store::SCHEMA)?;
    found.verify(&mut |n| progress("核對", n))?;
    let copy = Store::open_copy(&dir.join("state"))?;
    copy.check()?;
    let (lines, head) = copy.journal_end()?;
    let noted = found.manifest().journal.as_ref();
    if noted.is_none_or(|journal| (journal.lines, journal.head.as_str()) != (lines, &backup::hex(&head))) {
        let path = dir.join("state/node.db");
        return Err(Error::Damaged { path, why: "its journal ends elsewhere".to_owned() }.into());
    }
    Ok(found)
}

/// Puts a checked backup back: the database last, and only when it knows that it was restored.
///
/// # Errors
/// [`Trouble`]; a restore that was cut off can be done again.
pub(crate) fn restore(
    config: &NodeConfig,
    found: &Backup,
    now: i64,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<Restored, Trouble> {
    let manifest = found.manifest();
    found.expect(Kind::Node, Some(&config.party.code.to_string()), Store::SCHEMA)?;
    let folders = &config.folders;
    let ready = folders.state.join(READY);
    if !ready.is_dir() {
        expect_empty(&folders.state)?;
        expect_empty(&folders.work)?;
    } else if folders.state.join("node.db").exists() {
        return Err(Error::NotEmpty(folders.state.clone()).into());
    }
    backup::make_folder(&ready)?;
    let mut restored = Restored::default();
    let mut done = 0;
    for name in manifest.files.keys() {
        let Some((_, to)) = place(config, name) else { continue };
        if let Some(folder) = to.parent() {
            let make =
                if name.starts_with("state/") { backup::make_folder(folder) } else { plain_folder(folder) };
            make?;
        }
        match found.put(name, &to, &mut done, &mut |n| progress("放回", n))? {
            Put::Made | Put::Same => {}
            Put::Differs if name.starts_with("archive/") => restored.differ.push(to),
            Put::Differs => return Err(Error::NotEmpty(to).into()),
        }
    }
    // every folder with a new name in it, up to the ones that the settings name
    let mut made: BTreeSet<PathBuf> = BTreeSet::new();
    for (base, to) in manifest.files.keys().filter_map(|name| place(config, name)) {
        made.extend(to.ancestors().skip(1).take_while(|folder| folder.starts_with(base)).map(Path::to_owned));
    }
    made.iter().try_for_each(|folder| sync_folder(folder))?;
    restored.inbox_kept = ready_database(config, found, &ready, now)?;
    Ok(restored)
}

/// The database is marked in a place of its own; then it gets its name, and the node can start.
fn ready_database(config: &NodeConfig, found: &Backup, ready: &Path, now: i64) -> Result<bool, Trouble> {
    for leftover in ["node.db", "node.db-wal", "node.db-shm"] {
        let path = ready.join(leftover);
        if path.exists() {
            std::fs::remove_file(&path).map_err(Error::file("removed", &path))?;
        }
    }
    found.put("state/node.db", &ready.join("node.db"), &mut 0, &mut |_| {})?;
    let kept = {
        let store = Store::open(ready, now)?;
        let kept = is_marked(config, &store)?;
        store.restored(found.manifest().created, kept, &detail(found.manifest()), now).wait()?;
        kept
    };
    let (from, to) = (ready.join("node.db"), config.folders.state.join("node.db"));
    // closed, it has nothing left beside it
    if ready.join("node.db-wal").metadata().is_ok_and(|m| m.len() > 0) {
        let path = ready.join("node.db-wal");
        return Err(Error::File {
            path,
            during: "folded into the database",
            source: std::io::ErrorKind::Other.into(),
        }
        .into());
    }
    durable::rename(RESTORE, &from, &to).map_err(Error::file("renamed", &from))?;
    std::fs::remove_dir_all(ready).map_err(Error::file("removed", ready))?;
    sync_folder(&config.folders.state)?;
    Ok(kept)
}

/// What people read in the journal.
fn detail(manifest: &Manifest) -> String {
    let lines = manifest.journal.as_ref().map_or(0, |journal| journal.lines);
    format!("backup of {}, journal line {lines}", manifest.created)
}

/// The state folder was put back by other means (a snapshot of the machine): marks it, so that the node catches up.
/// `since`: nothing before is missing; by default the time of the journal's last line.
///
/// # Errors
/// [`Trouble`]
pub(crate) fn mark(config: &NodeConfig, since: Option<i64>, now: i64) -> Result<i64, Trouble> {
    let state = &config.folders.state;
    let end = Store::open_copy(state)?;
    let (last, _) = end.journal_end()?;
    let line = end.journal_after(last.saturating_sub(1), 1)?;
    let since = since.or_else(|| line.first().map(|line| line.at)).unwrap_or(now);
    drop(end);
    let store = Store::open(state, now)?;
    let kept = is_marked(config, &store)?;
    store
        .restored(since, kept, &format!("by other means, as of {since}, journal line {last}"), now)
        .wait()?;
    Ok(since)
}

/// Where a file of the backup belongs, and below which folder; `None` for what is not put back as a file.
fn place<'a>(config: &'a NodeConfig, name: &str) -> Option<(&'a Path, PathBuf)> {
    let (folder, rest) = name.split_once('/')?;
    let folders = &config.folders;
    let base = match folder {
        "state" if rest != "node.db" => &folders.state,
        "work" => &folders.work,
        "inbox" => &folders.inbox,
        "archive" => &folders.archive,
        _ => return None,
    };
    Some((base, base.join(rest)))
}

fn plain_folder(folder: &Path) -> Result<(), Error> {
    crate::start::make_folders(folder).map_err(Error::file("made", folder))
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    durable::sync_folder(RESTORE, folder).map_err(Error::file("synced", folder))
}
