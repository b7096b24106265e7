//! `backup` and `restore`: the database and the bodies that its rows name, as one folder that is whole or not there.
//!
//! | in the backup | is |
//! |---|---|
//! | `center.db` | SQLite's online copy, of one moment |
//! | `bodies/xx/NAME` | sealed bytes that rows name |
//! | `settings.toml` | the settings as in effect, secrets left out: for reading |
//!
//! Not in it: keys and certificates, unfinished uploads (their senders begin anew), the authorities' answers.
//!
//! A restored center has a new epoch: every node then compares what it believes the center to have, and submits again what
//! is missing (protocol §4.7).

use crate::database::{self, Database};
use crate::error::{Error, Result};
use crate::mailbox::Mailbox as _;
use crate::mailbox::sqlite::SqliteMailbox;
use ::backup::{self, Backup, Kind, Manifest, Put, Writer, expect_empty};
use config::CenterConfig;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

/// Where the database is made ready, in the data folder: while it is there, a restore is not finished.
const READY: &str = ".restoring";
/// What its steps are called at the points of `durable`.
const RESTORE: &str = "restore";
const DATABASE: &str = "center.db";

/// Makes a backup, beside a running center or without one.
pub(crate) fn make(
    config: &CenterConfig,
    dest: &Path,
    previous: Option<&Path>,
    now: i64,
    progress: &mut dyn FnMut(u64),
) -> Result<Manifest> {
    let source = config.data.join(DATABASE);
    if !source.exists() {
        return Err(Error::file("read", &source, std::io::ErrorKind::NotFound.into()));
    }
    let previous = match previous {
        Some(path) => {
            let previous = Backup::open(path)?;
            previous.expect(Kind::Center, Some(&config.code), database::KNOWN)?;
            Some(previous)
        }
        None => None,
    };
    let manifest = Manifest::new(Kind::Center, env!("CARGO_PKG_VERSION"), &config.code);
    let mut writer = Writer::begin(dest, manifest, previous)?;
    writer.text("settings.toml", &config::to_toml(config))?;
    writer.manifest.created = now;
    let copy = writer.place(DATABASE)?;
    database::copy(&source, &copy)?;
    let (schema, names) = read(&copy)?;
    writer.manifest.schema = schema;
    writer.made(DATABASE, progress)?;
    for name in names {
        let below = format!("bodies/{}/{name}", name.get(..2).unwrap_or("00"));
        if !writer.copy(&config.data.join(&below), &below, progress)? {
            // tidied away since, or lost: a fetch of it is answered with offer-gone
            writer.manifest.missing.push(below);
        }
    }
    Ok(writer.finish()?)
}

/// Checks every page of a copy; gives its schema and the files that it names.
fn read(copy: &Path) -> Result<(i64, Vec<String>)> {
    let doing = "checking the copy";
    let run = || -> rusqlite::Result<(String, i64, Vec<String>)> {
        let c = Connection::open_with_flags(copy, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let verdict = c.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))?;
        let schema = c.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        let names = c
            .prepare("SELECT file FROM part WHERE file IS NOT NULL AND gone IS NULL")?
            .query_map([], |r| r.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok((verdict, schema, names))
    };
    let (verdict, schema, names) = run().map_err(Error::database(doing))?;
    if verdict == "ok" { Ok((schema, names)) } else { Err(Error::Damaged(verdict)) }
}

/// Reads everything: each file against the manifest, the database's pages.
pub(crate) fn check(dir: &Path, progress: &mut dyn FnMut(u64)) -> Result<Backup> {
    let found = Backup::open(dir)?;
    found.expect(Kind::Center, None, database::KNOWN)?;
    found.verify(progress)?;
    read(&dir.join(DATABASE))?;
    Ok(found)
}

/// Puts a checked backup back into an empty data folder, the database last and with a new epoch, which is returned.
pub(crate) fn restore(
    config: &CenterConfig,
    found: &Backup,
    progress: &mut dyn FnMut(u64),
) -> Result<[u8; 16]> {
    found.expect(Kind::Center, Some(&config.code), database::KNOWN)?;
    let (data, ready) = (&config.data, config.data.join(READY));
    if !ready.is_dir() {
        expect_empty(data)?;
    } else if data.join(DATABASE).exists() {
        return Err(backup::Error::NotEmpty(data.clone()).into());
    }
    crate::directory::make_folder(data)?;
    if ready.is_dir() {
        std::fs::remove_dir_all(&ready).map_err(|e| Error::file("remove", &ready, e))?;
    }
    backup::make_folder(&ready)?;
    let mut done = 0;
    for (below, _) in found.manifest().below("bodies") {
        let to = data.join("bodies").join(below);
        if let Some(folder) = to.parent() {
            backup::make_folder(folder)?;
        }
        if found.put(&format!("bodies/{below}"), &to, &mut done, progress)? == Put::Differs {
            return Err(backup::Error::NotEmpty(to).into());
        }
    }
    if data.join("bodies").is_dir() {
        backup::sync_folders(&data.join("bodies"))?;
    }
    let made = ready.join(DATABASE);
    found.put(DATABASE, &made, &mut done, progress)?;
    let epoch = {
        let database = Arc::new(Database::open(&made, true)?);
        // what was half uploaded is not here
        database.write(|c| {
            c.execute_batch("DELETE FROM upload").map_err(Error::database("forgetting unfinished uploads"))
        })?;
        let epoch = SqliteMailbox::new(database.clone(), &ready)?.renew_epoch()?;
        database.close();
        epoch
    };
    database::fold(&made)?;
    let to = data.join(DATABASE);
    durable::rename(RESTORE, &made, &to).map_err(|e| Error::file("rename", &made, e))?;
    std::fs::remove_dir_all(&ready).map_err(|e| Error::file("remove", &ready, e))?;
    durable::sync_folder(RESTORE, data).map_err(|e| Error::file("sync the folder", data, e))?;
    Ok(epoch)
}
