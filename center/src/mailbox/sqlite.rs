//! The mailbox in SQLite, with large bodies as files beside it.

use super::files::Files;
use super::tips::{Tip, Tips};
use super::{
    Answered, Content, Counts, Cursors, Fetched, Held, INLINE, Mailbox, NewPart, News, Report, Reported,
    Source, Submitted, Tidied, Upload, Used, Waiting, recall, report, tidy,
};
use crate::database::Database;
use crate::error::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;
use std::sync::Arc;
use wire::message::{
    Addressee, Announcement, Digest, OpenPart, Outcome, PartHeader, PartKey, Priority, SubmittedPart,
};

/// Receipts that are read for one page of offers, bytes: each is that of a whole part, with up to a thousand lines.
pub(super) const RECEIPTS: usize = 8 * 1024 * 1024;
/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;

/// The default mailbox: one file and two folders.
pub struct SqliteMailbox {
    database: Arc<Database>,
    files: Arc<Files>,
    tips: Arc<Tips>,
}

impl SqliteMailbox {
    /// On an open database, with files under `data`.
    pub(crate) fn new(database: Arc<Database>, data: &Path) -> Result<Self> {
        let mailbox = Self { database, files: Arc::new(Files::open(data)?), tips: Arc::default() };
        let made = mailbox.database.read(|c| setting(c, "epoch"))?.is_some();
        if !made {
            mailbox.renew_epoch()?;
        }
        Ok(mailbox)
    }

    /// What tells a node of an earlier run of this center that its connection is gone; made once.
    pub(crate) fn reset_secret(&self) -> Result<[u8; 32]> {
        let mut fresh = [0; 32];
        aws_lc_rs::rand::fill(&mut fresh).map_err(|_| Error::Task)?;
        let kept = self.database.write(move |c| {
            c.execute("INSERT OR IGNORE INTO setting (name, value) VALUES ('reset-secret', ?1)", [&fresh])
                .map_err(Error::database("keeping the reset secret"))?;
            setting(c, "reset-secret")
        })?;
        kept.unwrap_or_default()
            .try_into()
            .map_err(|_| Error::Damaged("the reset secret is not 32 bytes".into()))
    }
}

impl Mailbox for SqliteMailbox {
    fn epoch(&self) -> Result<[u8; 16]> {
        let bytes = self.database.read(|c| setting(c, "epoch"))?.unwrap_or_default();
        bytes.try_into().map_err(|_| Error::Damaged("the epoch is not 16 bytes".into()))
    }

    fn renew_epoch(&self) -> Result<[u8; 16]> {
        let mut epoch = [0; 16];
        aws_lc_rs::rand::fill(&mut epoch).map_err(|_| Error::Task)?;
        self.database.write(move |c| {
            c.execute("INSERT OR REPLACE INTO setting (name, value) VALUES ('epoch', ?1)", [&epoch])
                .map_err(Error::database("keeping the epoch"))?;
            Ok(epoch)
        })
    }

    fn held(&self, member: &str, key: &PartKey) -> Result<Option<Held>> {
        self.database.read(|c| held(c, member, key))
    }

    fn used(&self, member: &str, day: i64, part: &PartKey) -> Result<Used> {
        self.database.read(|c| {
            let accepted = used(c, member, day)?;
            let unfinished: i64 = one(
                c,
                "SELECT coalesce(sum(length), 0) FROM upload WHERE member = ?1
                 AND NOT (document = ?2 AND variant = ?3 AND grp = ?4 AND round = ?5)",
                params![member, part.document, part.variant, part.group, part.round],
                "adding up uploads",
            )?;
            Ok(Used { accepted, unfinished: unsigned(unfinished) })
        })
    }

    fn upload(&self, member: &str, header: &PartHeader, now: i64) -> Result<Box<dyn Upload>> {
        let (member, key, sealed, length) = (member.to_owned(), header.key, header.sealed, header.length);
        let fresh = Files::new_name()?;
        let (name, former) = self.database.write(move |c| {
            let doing = "noting an upload";
            let known: Option<(String, Vec<u8>, i64)> = c
                .prepare_cached(
                    "SELECT file, sealed, length FROM upload
                     WHERE member = ?1 AND document = ?2 AND variant = ?3 AND grp = ?4 AND round = ?5",
                )
                .and_then(|mut s| {
                    s.query_row(params![member, key.document, key.variant, key.group, key.round], |r| {
                        Ok((r.get(0)?, r.get(1)?, r.get(2)?))
                    })
                    .optional()
                })
                .map_err(Error::database(doing))?;
            let (name, former) = match known {
                Some((name, old, old_length)) if old == sealed && unsigned(old_length) == length => {
                    (name, None)
                }
                Some((former, ..)) => (fresh, Some(former)),
                None => (fresh, None),
            };
            c.execute(
                "INSERT OR REPLACE INTO upload
                 (member, document, variant, grp, round, sealed, length, file, touched)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    member,
                    key.document,
                    key.variant,
                    key.group,
                    key.round,
                    sealed,
                    signed(length),
                    name,
                    now
                ],
            )
            .map_err(Error::database(doing))?;
            Ok((name, former))
        })?;
        // not in the writer, which must not wait for whoever still writes to it
        former.iter().try_for_each(|name| self.files.remove_upload(name))?;
        self.files.upload(&name, length, sealed)
    }

    fn submit(&self, part: NewPart) -> Result<Submitted> {
        let files = self.files.clone();
        let finished = match &part.content {
            Content::File(name) => Some(name.clone()),
            Content::Bytes(_) => None,
        };
        let tips = self.tips.clone();
        let result = self.database.write_then(
            move |c| submit(c, &part),
            move |kept| kept.lines.iter().for_each(|(member, seq)| tips.line(member, *seq)),
        );
        if let Some(name) = &finished {
            files.forget_upload(name);
            // anything else than Kept leaves the file without a row
            if result.as_ref().is_ok_and(|kept| kept.submitted != Submitted::Kept) {
                files.remove_body(name)?;
            }
        }
        let Kept { submitted, upload, .. } = result?;
        // what was uploaded of another sealing of the part has lost its row
        upload
            .iter()
            .filter(|name| finished.as_ref() != Some(name))
            .try_for_each(|name| files.remove_upload(name))?;
        Ok(submitted)
    }

    fn offers(&self, member: &str, after: u64, limit: u16) -> Result<Vec<Waiting>> {
        self.database.read(|c| {
            let sql = "SELECT l.seq, l.recipient, l.attachments, p.accepted, p.receipt, p.sender, p.document,
                        p.variant, p.grp, p.round, p.priority, p.manifest, p.signature, p.sealed, p.length
                 FROM line l JOIN part p ON p.id = l.part
                 WHERE l.member = ?1 AND l.settled IS NULL AND l.seq > ?2 ORDER BY l.seq";
            let mut size = 0;
            collect(c, sql, params![member, signed(after)], limit, "listing offers", |r| {
                let line = waiting(r)?;
                size += line.receipt.len();
                Ok((line, size <= RECEIPTS))
            })
        })
    }

    fn body(&self, member: &str, seq: u64) -> Result<Fetched> {
        type Found = (i64, Digest, Option<String>, Option<i64>, Option<Vec<u8>>);
        let found: Option<Found> = self.database.read(|c| {
            c.prepare_cached(
                "SELECT p.length, p.sealed, p.file, p.gone, b.bytes
                 FROM line l JOIN part p ON p.id = l.part LEFT JOIN body b ON b.part = p.id
                 WHERE l.seq = ?1 AND l.member = ?2",
            )
            .and_then(|mut s| {
                s.query_row(params![signed(seq), member], |r| {
                    Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))
                })
                .optional()
            })
            .map_err(Error::database("looking for a body"))
        })?;
        let source = match found {
            None => return Ok(Fetched::Unknown),
            Some((.., Some(_gone), _)) => return Ok(Fetched::Gone),
            Some((length, sealed, Some(name), ..)) => {
                (length, sealed, Source::File(self.files.open_body(&name)?))
            }
            Some((length, sealed, None, _, Some(bytes))) => (length, sealed, Source::Bytes(bytes)),
            Some(_) => return Ok(Fetched::Gone),
        };
        Ok(Fetched::Body { length: unsigned(source.0), sealed: source.1, source: source.2 })
    }

    fn report(&self, report: Report) -> Result<Reported> {
        let tips = self.tips.clone();
        let (reporter, sender) = (report.reporter.clone(), report.sender.clone());
        let kept = self.database.write_then(
            move |c| report::keep(c, &report),
            move |(_, outcome)| {
                if let Some(outcome) = outcome {
                    tips.report(&reporter, &sender, *outcome);
                }
            },
        );
        Ok(kept?.0)
    }

    fn outcomes(&self, member: &str, after: u64, limit: u16, bytes: usize) -> Result<Vec<Outcome>> {
        self.database.read(|c| {
            let sql = "SELECT seq, bundle FROM outcome WHERE sender = ?1 AND seq > ?2 ORDER BY seq";
            let mut size = 0;
            collect(c, sql, params![member, signed(after)], limit, "listing outcomes", |r| {
                let outcome = Outcome { seq: unsigned(r.get(0)?), bundle: r.get(1)? };
                size += outcome.bundle.len() + 16;
                Ok((outcome, size <= bytes))
            })
        })
    }

    fn answered(
        &self,
        member: &str,
        since: i64,
        after: u64,
        limit: u16,
        bytes: usize,
    ) -> Result<Vec<Answered>> {
        self.database.read(|c| recall::answered(c, member, since, after, limit, bytes))
    }

    fn submitted(
        &self,
        member: &str,
        since: i64,
        after: u64,
        limit: u16,
        bytes: usize,
    ) -> Result<Vec<SubmittedPart>> {
        self.database.read(|c| recall::submitted(c, member, since, after, limit, bytes))
    }

    fn missing(&self, member: &str, parts: &[OpenPart]) -> Result<Vec<PartKey>> {
        self.database.snapshot(|c| {
            let mut out = Vec::new();
            for part in parts {
                if held(c, member, &part.key)?.is_none_or(|held| held.manifest != part.manifest) {
                    out.push(part.key);
                }
            }
            Ok(out)
        })
    }

    fn news(&self, member: &str, cursors: Cursors) -> Result<News> {
        let version = self.database.foreign_writes()?;
        let before = self.tips.of(version, member);
        if let Some(news) = before.and_then(|tip| tip.news(cursors)) {
            return Ok(news);
        }
        let read = self.database.read(|c| {
            c.prepare_cached(
                "SELECT coalesce((SELECT seq FROM line WHERE member = ?1 AND settled IS NULL
                                  ORDER BY seq DESC LIMIT 1), 0),
                        coalesce((SELECT max(seq) FROM outcome WHERE sender = ?1), 0),
                        coalesce((SELECT max(number) FROM announcement), 0)",
            )
            .and_then(|mut s| {
                s.query_row([member], |r| {
                    Ok(Tip {
                        line: Some(unsigned(r.get(0)?)),
                        outcome: Some(unsigned(r.get(1)?)),
                        announcement: Some(unsigned(r.get(2)?)),
                        ..Tip::default()
                    })
                })
            })
            .map_err(Error::database("looking for news"))
        })?;
        if let Some(before) = before {
            self.tips.keep(version, member, before, read);
        }
        Ok(read.news(cursors).unwrap_or_default())
    }

    fn news_at_hand(&self, member: &str, cursors: Cursors) -> Option<News> {
        self.tips.of(self.database.foreign_writes().ok()?, member)?.news(cursors)
    }

    fn announce(&self, title: &str, body: &str, now: i64) -> Result<u64> {
        let (title, body, tips) = (title.to_owned(), body.to_owned(), self.tips.clone());
        self.database.write_then(
            move |c| {
                c.execute(
                    "INSERT INTO announcement (time, title, body) VALUES (?1, ?2, ?3)",
                    params![now, title, body],
                )
                .map_err(Error::database("publishing an announcement"))?;
                Ok(unsigned(c.last_insert_rowid()))
            },
            move |_| tips.announcement(),
        )
    }

    fn announcements(&self, after: u64, limit: u16, bytes: usize) -> Result<Vec<Announcement>> {
        self.database.read(|c| {
            let sql = "SELECT number, time, title, body FROM announcement
                       WHERE number > ?1 ORDER BY number";
            let mut size = 0;
            collect(c, sql, [signed(after)], limit, "listing announcements", |r| {
                let announcement = Announcement {
                    number: unsigned(r.get(0)?),
                    time: r.get(1)?,
                    title: r.get(2)?,
                    body: r.get(3)?,
                };
                size += announcement.title.len() + announcement.body.len() + 32;
                Ok((announcement, size <= bytes))
            })
        })
    }

    fn tidy(
        &self,
        uploads_before: i64,
        bodies_before: i64,
        records_before: Option<i64>,
        now: i64,
    ) -> Result<Tidied> {
        let mut tidied = tidy::tidy(&self.database, &self.files, uploads_before, bodies_before, now)?;
        if let Some(before) = records_before {
            tidied.records = tidy::records(&self.database, before)?;
        }
        Ok(tidied)
    }

    fn remove_orphans(&self) -> Result<u64> {
        tidy::remove_orphans(&self.database, &self.files)
    }

    fn foreign_writes(&self) -> Result<i64> {
        self.database.foreign_writes()
    }

    fn counts(&self) -> Result<Counts> {
        self.database.snapshot(tidy::counts)
    }
}

/// What a submission changed.
struct Kept {
    submitted: Submitted,
    /// The file of the part's upload, whose row is gone.
    upload: Option<String>,
    /// The new lines, with their members.
    lines: Vec<(String, u64)>,
}

impl From<Submitted> for Kept {
    fn from(submitted: Submitted) -> Self {
        Self { submitted, upload: None, lines: Vec::new() }
    }
}

fn submit(c: &Connection, part: &NewPart) -> Result<Kept> {
    let doing = "keeping a part";
    let (header, key) = (&part.header, &part.header.key);
    if let Some(held) = held(c, &part.member, key)? {
        return Ok(Submitted::Before(held).into());
    }
    let day = part.accepted.div_euclid(DAY);
    // the receipt is kept for ever, and with many addressees it is longer than a small body
    let bytes = header.length.saturating_add(part.receipt.len() as u64);
    if used(c, &part.member, day)?.saturating_add(bytes) > part.bytes_per_day {
        return Ok(Submitted::OverQuota.into());
    }
    let file = match &part.content {
        Content::File(name) => Some(name),
        Content::Bytes(_) => None,
    };
    let priority = match header.priority {
        Priority::Normal => 0,
        Priority::Fast => 1,
        Priority::Fastest => 2,
    };
    let mut lines = Vec::with_capacity(header.addressees.len());
    let mut run = || -> rusqlite::Result<Option<String>> {
        c.prepare_cached(
            "INSERT INTO part (member, sender, document, variant, grp, round, priority, manifest, signature,
                               sealed, length, accepted, receipt, file, open)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            part.member,
            header.sender,
            key.document,
            key.variant,
            key.group,
            key.round,
            priority,
            header.manifest,
            header.signature,
            header.sealed,
            signed(header.length),
            part.accepted,
            part.receipt,
            file,
            i64::try_from(header.addressees.len()).unwrap_or(i64::MAX),
        ])?;
        let id = c.last_insert_rowid();
        if let Content::Bytes(bytes) = &part.content {
            c.prepare_cached("INSERT INTO body (part, bytes) VALUES (?1, ?2)")?
                .execute(params![id, bytes])?;
        }
        let mut line = c.prepare_cached(
            "INSERT INTO line (part, recipient, member, attachments) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for addressee in &header.addressees {
            let member = crate::organisation(&addressee.code);
            line.execute(params![id, addressee.code, member, addressee.attachments])?;
            lines.push((member.to_owned(), unsigned(c.last_insert_rowid())));
        }
        let upload = c
            .prepare_cached(
                "DELETE FROM upload WHERE member = ?1 AND document = ?2 AND variant = ?3 AND grp = ?4 AND round = ?5
                 RETURNING file",
            )?
            .query_map(params![part.member, key.document, key.variant, key.group, key.round], |r| r.get(0))?
            .last()
            .transpose()?;
        use_up(c, &part.member, day, bytes)?;
        Ok(upload)
    };
    debug_assert!(file.is_some() || header.length <= INLINE);
    let upload = run().map_err(Error::database(doing))?;
    Ok(Kept { submitted: Submitted::Kept, upload, lines })
}

fn held(c: &Connection, member: &str, key: &PartKey) -> Result<Option<Held>> {
    c.prepare_cached(
        "SELECT manifest, receipt FROM part
         WHERE member = ?1 AND document = ?2 AND variant = ?3 AND grp = ?4 AND round = ?5",
    )
    .and_then(|mut s| {
        s.query_row(params![member, key.document, key.variant, key.group, key.round], |r| {
            Ok(Held { manifest: r.get(0)?, receipt: r.get(1)? })
        })
        .optional()
    })
    .map_err(Error::database("looking for a part"))
}

/// Adds to what a member has used on a day.
pub(super) fn use_up(c: &Connection, member: &str, day: i64, bytes: u64) -> rusqlite::Result<()> {
    c.prepare_cached(
        "INSERT INTO usage (member, day, bytes) VALUES (?1, ?2, ?3)
         ON CONFLICT (member, day) DO UPDATE SET bytes = bytes + excluded.bytes",
    )?
    .execute(params![member, day, signed(bytes)])
    .map(drop)
}

pub(super) fn used(c: &Connection, member: &str, day: i64) -> Result<u64> {
    c.prepare_cached("SELECT bytes FROM usage WHERE member = ?1 AND day = ?2")
        .and_then(|mut s| s.query_row(params![member, day], |r| r.get::<_, i64>(0)).optional())
        .map(|bytes| unsigned(bytes.unwrap_or(0)))
        .map_err(Error::database("reading the quota"))
}

fn setting(c: &Connection, name: &str) -> Result<Option<Vec<u8>>> {
    c.query_row("SELECT value FROM setting WHERE name = ?1", [name], |r| r.get(0))
        .optional()
        .map_err(Error::database("reading a setting"))
}

pub(super) fn waiting(r: &Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        seq: unsigned(r.get(0)?),
        accepted: r.get(3)?,
        receipt: r.get(4)?,
        header: PartHeader {
            key: PartKey { document: r.get(6)?, variant: r.get(7)?, group: r.get(8)?, round: r.get(9)? },
            sender: r.get(5)?,
            addressees: vec![Addressee { code: r.get(1)?, attachments: r.get(2)? }],
            priority: match r.get::<_, i64>(10)? {
                2 => Priority::Fastest,
                1 => Priority::Fast,
                _ => Priority::Normal,
            },
            manifest: r.get(11)?,
            signature: r.get(12)?,
            sealed: r.get(13)?,
            length: unsigned(r.get(14)?),
        },
    })
}

/// One value of one row.
pub(crate) fn one<T: rusqlite::types::FromSql>(
    c: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    doing: &'static str,
) -> Result<T> {
    c.prepare_cached(sql).and_then(|mut s| s.query_row(values, |r| r.get(0))).map_err(Error::database(doing))
}

/// At most `limit` rows, up to, and if need be one past, the one that says stop. A LIMIT that is bound to a value would
/// have SQLite compile the statement anew each time.
pub(super) fn collect<T>(
    c: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    limit: u16,
    doing: &'static str,
    mut row: impl FnMut(&Row<'_>) -> rusqlite::Result<(T, bool)>,
) -> Result<Vec<T>> {
    let run = || -> rusqlite::Result<Vec<T>> {
        let (mut out, mut statement) = (Vec::new(), c.prepare_cached(sql)?);
        let mut rows = statement.query(values)?;
        while out.len() < usize::from(limit) {
            let Some(r) = rows.next()? else { break };
            let (item, fits) = row(r)?;
            if !fits && !out.is_empty() {
                break;
            }
            out.push(item);
        }
        Ok(out)
    };
    run().map_err(Error::database(doing))
}

/// SQLite has signed 64-bit numbers; ours are below 2⁶³.
pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
