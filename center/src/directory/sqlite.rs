//! The directory in the center's SQLite file.

use super::{Directory, Member, Quotas};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::known::Known;
use envelope::Certificate;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;
use wire::message::{DirectoryAnswer, Standing};

/// The default directory. What it has read it keeps in memory; [`super::Registry`] changes it through a database of its
/// own, which counts as another process's write.
pub struct SqliteDirectory {
    database: Arc<Database>,
    members: Known<Arc<Member>>,
    standings: Known<Standing>,
    signers: Known<Arc<[Certificate]>>,
}

impl SqliteDirectory {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database, members: Known::default(), standings: Known::default(), signers: Known::default() }
    }
}

impl Directory for SqliteDirectory {
    fn member(&self, code: &str) -> Result<Option<Arc<Member>>> {
        let version = self.database.foreign_writes()?;
        if let Some(member) = self.members.get(version, code) {
            return Ok(Some(member));
        }
        let found = self.database.snapshot(|c| member(c, code))?.map(Arc::new);
        if let Some(member) = &found {
            self.members.put(version, code, member.clone());
        }
        Ok(found)
    }

    fn member_at_hand(&self, code: &str) -> Option<Arc<Member>> {
        self.members.get(self.database.foreign_writes().ok()?, code)
    }

    fn standings(&self, codes: &[&str]) -> Result<Vec<Standing>> {
        let version = self.database.foreign_writes()?;
        let known = self.standings.with(version, |map| {
            codes.iter().map(|code| map.get(*code).copied()).collect::<Option<Vec<_>>>()
        });
        if let Some(standings) = known.flatten() {
            return Ok(standings);
        }
        let standings: Vec<Standing> = self
            .database
            .snapshot(|c| codes.iter().map(|code| Ok(look_up(c, code, false)?.0)).collect::<Result<_>>())?;
        self.standings.with(version, |map| {
            // unknown codes can be made up without end
            let pairs = codes.iter().zip(&standings).filter(|(_, s)| **s != Standing::Unknown);
            map.extend(pairs.map(|(code, standing)| ((*code).to_owned(), *standing)));
        });
        Ok(standings)
    }

    fn answers(&self, codes: &[String]) -> Result<Vec<DirectoryAnswer>> {
        self.database.snapshot(|c| {
            codes
                .iter()
                .map(|code| {
                    let (standing, entry) = look_up(c, code, true)?;
                    Ok(DirectoryAnswer { code: code.clone(), standing, entry })
                })
                .collect()
        })
    }

    fn signers(&self, member: &str) -> Result<Arc<[Certificate]>> {
        let version = self.database.foreign_writes()?;
        if let Some(signers) = self.signers.get(version, member) {
            return Ok(signers);
        }
        let ders: Vec<Vec<u8>> = self.database.read(|c| {
            c.prepare_cached("SELECT der FROM signer WHERE member = ?1")
                .and_then(|mut s| s.query_map([member], |r| r.get(0))?.collect())
                .map_err(Error::database("reading certificates"))
        })?;
        let signers: Arc<[Certificate]> = ders
            .iter()
            .map(|der| Certificate::from_der(der).map_err(Error::envelope("a stored certificate")))
            .collect::<Result<_>>()?;
        if !signers.is_empty() {
            self.signers.put(version, member, signers.clone());
        }
        Ok(signers)
    }
}

/// A mailbox is known when it has an entry; it stands as its organisation does.
fn look_up(c: &Connection, code: &str, entry: bool) -> Result<(Standing, Option<Vec<u8>>)> {
    let found: Option<(bool, Option<Vec<u8>>)> = c
        .prepare_cached(
            "SELECT m.suspended, CASE WHEN ?2 THEN e.registration END
             FROM entry e JOIN member m ON m.code = e.member WHERE e.code = ?1",
        )
        .and_then(|mut s| s.query_row(params![code, entry], |r| Ok((r.get(0)?, r.get(1)?))).optional())
        .map_err(Error::database("looking for an entry"))?;
    Ok(match found {
        None => (Standing::Unknown, None),
        Some((true, entry)) => (Standing::Suspended, entry),
        Some((false, entry)) => (Standing::Active, entry),
    })
}

/// One member with everything about it.
pub(super) fn member(c: &Connection, code: &str) -> Result<Option<Member>> {
    let run = || -> rusqlite::Result<Option<(Member, Vec<String>)>> {
        let found = c
            .prepare_cached(
                "SELECT name, suspended, may_send, max_length, parts_per_minute, bytes_per_day
                 FROM member WHERE code = ?1",
            )?
            .query_row([code], |r| {
                Ok(Member {
                    code: code.to_owned(),
                    name: r.get(0)?,
                    suspended: r.get(1)?,
                    may_send: r.get(2)?,
                    quotas: Quotas {
                        max_length: r.get::<_, Option<i64>>(3)?.and_then(|n| u64::try_from(n).ok()),
                        parts_per_minute: r.get(4)?,
                        bytes_per_day: r.get::<_, Option<i64>>(5)?.and_then(|n| u64::try_from(n).ok()),
                    },
                    networks: Vec::new(),
                    mailboxes: vec![code.to_owned()],
                    signer: None,
                })
            })
            .optional()?;
        let Some(mut member) = found else { return Ok(None) };
        let networks = c
            .prepare_cached("SELECT network FROM address WHERE member = ?1")?
            .query_map([code], |r| r.get::<_, String>(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut entries =
            c.prepare_cached("SELECT code, signer FROM entry WHERE member = ?1 ORDER BY code")?;
        let mut rows = entries.query([code])?;
        while let Some(row) = rows.next()? {
            let mailbox: String = row.get(0)?;
            if mailbox == code {
                member.signer = Some(row.get(1)?);
            } else {
                member.mailboxes.push(mailbox);
            }
        }
        Ok(Some((member, networks)))
    };
    let Some((mut member, networks)) = run().map_err(Error::database("reading a member"))? else {
        return Ok(None);
    };
    member.networks = networks.iter().map(|text| text.parse()).collect::<Result<_>>()?;
    Ok(Some(member))
}
