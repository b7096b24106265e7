//! Making a backup, beside a running node or without one.

use std::collections::BTreeSet;
use std::path::Path;

use backup::{Backup, Journal, Kind, Manifest, Writer};
use config::NodeConfig;
use serde::Serialize;
use store::Store;

use super::{LAST, Trouble, files};

/// Archive folders and deliveries looked up at a time.
const PAGE: u32 = 1_000;
/// How often the database is copied anew because a letter moved on meanwhile.
const TRIES: usize = 5;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// The folder to be made.
    pub(crate) dest: &'a Path,
    /// Leave the archive out.
    pub(crate) without_archive: bool,
    /// An earlier backup to link unchanged files from.
    pub(crate) previous: Option<&'a Path>,
}

/// Makes one. `progress` is told what is being copied and the bytes so far.
///
/// # Errors
/// [`Trouble`]; nothing stands under the final name then.
pub(crate) fn make(
    config: &NodeConfig,
    wanted: &Wanted<'_>,
    now: fn() -> i64,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<Manifest, Trouble> {
    let code = config.party.code.to_string();
    let previous = match wanted.previous {
        Some(path) => {
            let previous = Backup::open(path)?;
            previous.expect(Kind::Node, Some(&code), Store::SCHEMA)?;
            Some(previous)
        }
        None => None,
    };
    let mut manifest = Manifest::new(Kind::Node, env!("CARGO_PKG_VERSION"), &code);
    manifest.archive = Some(!wanted.without_archive);
    let mut writer = Writer::begin(wanted.dest, manifest, previous)?;
    writer.text("settings.toml", &config::to_toml(config))?;
    let copy = snapshot(config, &mut writer, now, progress)?;
    spool(config, &copy, &mut writer, progress)?;
    for (name, path) in files(&config.folders.state.join("revocation/kept"))? {
        writer
            .copy(&path, &format!("state/revocation/kept/{name}"), &mut |n| progress("憑證狀態的憑據", n))?;
    }
    staged(config, &copy, &mut writer, progress)?;
    if !wanted.without_archive {
        archive(config, &copy, &mut writer, progress)?;
    }
    drop(copy);
    let manifest = writer.finish()?;
    remember(config, wanted.dest, &manifest);
    Ok(manifest)
}

/// The database of one moment, and the letters that it says are in the work folder. A letter that was sealed and moved
/// while it was copied makes the database too old: both are copied anew.
fn snapshot(
    config: &NodeConfig,
    writer: &mut Writer,
    now: fn() -> i64,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<Store, Trouble> {
    let path = writer.place("state/node.db")?;
    let folder = path.parent().unwrap_or(&path).to_owned();
    for _ in 0..TRIES {
        writer.manifest.created = now();
        Store::copy(&config.folders.state, &path, &mut |done, _| progress("資料庫", done))?;
        let copy = Store::open_copy(&folder)?;
        if work(config, &copy, writer, progress)? {
            // a copy that was not read back is none
            copy.check()?;
            let (lines, head) = copy.journal_end()?;
            writer.manifest.journal = Some(Journal { lines, head: backup::hex(&head) });
            writer.manifest.schema = copy.schema()?;
            writer.made("state/node.db", &mut |n| progress("資料庫", n))?;
            return Ok(copy);
        }
        drop(copy);
        std::fs::remove_file(&path).map_err(backup::Error::file("removed", &path))?;
        writer.manifest.files.retain(|name, _| !name.starts_with("work/"));
        let copied = writer.place("work/x")?.with_file_name("");
        let _ = std::fs::remove_dir_all(copied);
    }
    Err(Trouble::Moving)
}

/// Only what the copied database knows: a letter that was claimed later would be taken, and sent, a second time.
fn work(
    config: &NodeConfig,
    copy: &Store,
    writer: &mut Writer,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<bool, Trouble> {
    let mut copied = BTreeSet::new();
    for (name, path) in files(&config.folders.work)? {
        let id = name.split(['/', '.']).next().and_then(crate::intake::id_of);
        let Some(id) = id else { continue };
        if copy.di_name(id)?.is_some()
            && writer.copy(&path, &format!("work/{name}"), &mut |n| progress("處理中的公文", n))?
        {
            copied.insert(id);
        }
    }
    let whole = |id: &[u8; 16]| -> Result<bool, Trouble> {
        let di = copy.di_name(*id)?.unwrap_or_default();
        // one that is too large has no copies of its companions
        Ok(writer.manifest.files.contains_key(&format!("work/{}/{di}", backup::hex(id))))
    };
    for id in copy.claimed()? {
        if !copied.contains(&id) || !whole(&id)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Content files that rows name. One that went since was no longer needed; else it is told.
fn spool(
    config: &NodeConfig,
    copy: &Store,
    writer: &mut Writer,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<(), Trouble> {
    let folder = config.folders.state.join("spool");
    let mut gone = Vec::new();
    for name in copy.spool_names()? {
        if !writer
            .copy(&folder.join(&name), &format!("state/spool/{name}"), &mut |n| progress("密文與容器", n))?
        {
            gone.push(name);
        }
    }
    if !gone.is_empty() {
        let now: BTreeSet<String> =
            Store::open_copy(&config.folders.state)?.spool_names()?.into_iter().collect();
        let missing = gone.into_iter().filter(|name| now.contains(name));
        writer.manifest.missing.extend(missing.map(|name| format!("state/spool/{name}")));
    }
    Ok(())
}

/// What is archived and not yet renamed into the delivery folder; renamed since, it is there.
fn staged(
    config: &NodeConfig,
    copy: &Store,
    writer: &mut Writer,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<(), Trouble> {
    for (staged, delivered) in copy.staged()? {
        for place in [&staged, &delivered] {
            for (name, path) in files(&config.folders.inbox.join(place))? {
                let name = format!("inbox/{staged}/{name}");
                writer.copy(&path, &name, &mut |n| progress("待放入收文資料夾的公文", n))?;
            }
        }
    }
    Ok(())
}

/// Folders that rows name: what is being written has no row yet. A folder that an office moved away is told.
fn archive(
    config: &NodeConfig,
    copy: &Store,
    writer: &mut Writer,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<(), Trouble> {
    let mut after = 0;
    loop {
        let page = copy.archives(after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, folder) in page {
            let found = files(&config.folders.archive.join(&folder))?;
            if found.is_empty() {
                writer.manifest.missing.push(format!("archive/{folder}"));
            }
            for (name, path) in found {
                writer.copy(&path, &format!("archive/{folder}/{name}"), &mut |n| progress("歸檔", n))?;
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Last<'a> {
    at: i64,
    folder: &'a Path,
    archive: bool,
}

/// For `doctor`; that it cannot be written makes no backup worse.
fn remember(config: &NodeConfig, dest: &Path, manifest: &Manifest) {
    let last = Last { at: manifest.created, folder: dest, archive: manifest.archive == Some(true) };
    let path = config.folders.state.join(LAST);
    let written =
        serde_json::to_vec(&last).map_err(std::io::Error::from).and_then(|json| std::fs::write(&path, json));
    if let Err(error) = written {
        tracing::warn!(%error, "the time of the backup could not be noted");
    }
}
