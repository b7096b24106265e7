//! What is dropped with time, and what is counted.

use super::files::Files;
use super::sqlite::{signed, unsigned};
use super::{Counts, Tidied};
use crate::database::Database;
use crate::error::{Error, Result};
use rusqlite::{Connection, params};
use std::collections::HashSet;

/// Most things of a kind removed in one go, so that the writer is never long away.
const BATCH: u64 = 500;

/// Drops old uploads and bodies, all of them. The row goes first; a file that stays behind after a crash is an orphan.
pub(super) fn tidy(
    database: &Database,
    files: &Files,
    uploads_before: i64,
    bodies_before: i64,
    now: i64,
) -> Result<Tidied> {
    let mut all = Tidied::default();
    loop {
        let some = batch(database, files, uploads_before, bodies_before, now)?;
        all.uploads += some.uploads;
        all.bodies += some.bodies;
        if some.uploads < BATCH && some.bodies < BATCH {
            return Ok(all);
        }
    }
}

fn batch(
    database: &Database,
    files: &Files,
    uploads_before: i64,
    bodies_before: i64,
    now: i64,
) -> Result<Tidied> {
    let doing = "tidying";
    let (uploads, bodies, small) = database.write(move |c| {
        let run = || -> rusqlite::Result<(Vec<String>, Vec<String>, usize)> {
            let uploads = c
                .prepare_cached("DELETE FROM upload WHERE id IN
                                 (SELECT id FROM upload WHERE touched < ?1 LIMIT ?2) RETURNING file")?
                .query_map(params![uploads_before, signed(BATCH)], |r| r.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let gone: Vec<(i64, Option<String>)> = c
                .prepare_cached(
                    "UPDATE part SET gone = ?3 WHERE id IN
                     (SELECT id FROM part WHERE settled IS NOT NULL AND gone IS NULL AND settled < ?1 LIMIT ?2)
                     RETURNING id, file",
                )?
                .query_map(params![bodies_before, signed(BATCH), now], |r| Ok((r.get(0)?, r.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let mut small = 0;
            let mut delete = c.prepare_cached("DELETE FROM body WHERE part = ?1")?;
            for (id, _) in &gone {
                small += delete.execute([id])?;
            }
            Ok((uploads, gone.into_iter().filter_map(|(_, file)| file).collect(), small))
        };
        run().map_err(Error::database(doing))
    })?;
    uploads.iter().try_for_each(|name| files.remove_upload(name))?;
    bodies.iter().try_for_each(|name| files.remove_body(name))?;
    Ok(Tidied { uploads: uploads.len() as u64, bodies: (bodies.len() + small) as u64, records: 0 })
}

/// Drops records of parts whose bytes went before `before`, their lines, and the outcomes of that time. A part that is
/// submitted once more after that gets a line anew; its receiver has it and answers with its first receipt.
pub(super) fn records(database: &Database, before: i64) -> Result<u64> {
    let mut all = 0;
    loop {
        let (parts, some) = database.write(move |c| {
            let run = || -> rusqlite::Result<(usize, usize)> {
                c.prepare_cached(
                    "DELETE FROM line WHERE part IN (SELECT id FROM part WHERE gone < ?1 ORDER BY id LIMIT ?2)",
                )?
                .execute(params![before, signed(BATCH)])?;
                let parts = c
                    .prepare_cached(
                        "DELETE FROM part WHERE id IN (SELECT id FROM part WHERE gone < ?1 ORDER BY id LIMIT ?2)",
                    )?
                    .execute(params![before, signed(BATCH)])?;
                let outcomes = c
                    .prepare_cached(
                        "DELETE FROM outcome WHERE seq IN
                         (SELECT seq FROM outcome ORDER BY seq LIMIT ?2) AND reported < ?1",
                    )?
                    .execute(params![before, signed(BATCH)])?;
                Ok((parts, parts.max(outcomes)))
            };
            run().map_err(Error::database("dropping old records"))
        })?;
        all += parts as u64;
        if (some as u64) < BATCH {
            return Ok(all);
        }
    }
}

/// Files that no row names: a crash came between file and row, or between row and removal.
pub(super) fn remove_orphans(database: &Database, files: &Files) -> Result<u64> {
    if files.is_empty()? {
        return Ok(0); // and no need to look through all parts
    }
    let names = |sql: &'static str| {
        database.read(|c| {
            c.prepare(sql)
                .and_then(|mut s| {
                    s.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<HashSet<String>>>()
                })
                .map_err(Error::database("listing the files"))
        })
    };
    let bodies = names("SELECT file FROM part WHERE file IS NOT NULL AND gone IS NULL")?;
    let uploads = names("SELECT file FROM upload")?;
    files.remove_orphans(&bodies, &uploads)
}

pub(super) fn counts(c: &Connection) -> Result<Counts> {
    let count = |sql: &str| {
        c.query_row(sql, [], |r| r.get::<_, i64>(0)).map(unsigned).map_err(Error::database("counting"))
    };
    Ok(Counts {
        members: count("SELECT count(*) FROM member")?,
        suspended: count("SELECT count(*) FROM member WHERE suspended = 1")?,
        entries: count("SELECT count(*) FROM entry")?,
        parts: count("SELECT count(*) FROM part")?,
        lines: count("SELECT count(*) FROM line")?,
        waiting: count("SELECT count(*) FROM line WHERE settled IS NULL")?,
        outcomes: count("SELECT count(*) FROM outcome")?,
        uploads: count("SELECT count(*) FROM upload")?,
        bytes: count("SELECT coalesce(sum(length), 0) FROM part WHERE gone IS NULL")?,
        announcements: count("SELECT count(*) FROM announcement")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_of_any_length_goes_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("center.db"), true).unwrap();
        let files = Files::open(dir.path()).unwrap();
        let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300)
            INSERT INTO part (member, sender, document, variant, grp, round, priority, manifest, signature, sealed,
                              length, accepted, receipt, file, open, settled)
            SELECT 'A', 'A', CAST(i AS BLOB), 0, 0, 0, 0, x'', x'', x'', 1, 1, x'', printf('%032d', i), 0, 5 FROM n";
        database.write(move |c| c.execute_batch(fill).map_err(Error::database("testing"))).unwrap();
        assert_eq!(
            tidy(&database, &files, 0, 6, 7).unwrap(),
            Tidied { uploads: 0, bodies: 1300, records: 0 }
        );
        assert_eq!(records(&database, 7).unwrap(), 0, "they went at 7");
        assert_eq!(records(&database, 8).unwrap(), 1300);
        assert_eq!(tidy(&database, &files, 0, 6, 8).unwrap(), Tidied::default());
    }
}
