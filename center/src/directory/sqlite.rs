//! The directory in the center's SQLite file.

use super::{Directory, Member, Quotas};
use crate::database::Database;
use crate::error::{Error, Result};
use envelope::Certificate;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;
use wire::message::{DirectoryAnswer, Standing};

/// The default directory.
pub struct SqliteDirectory {
    database: Arc<Database>,
}

impl SqliteDirectory {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }
}

impl Directory for SqliteDirectory {
    fn member(&self, code: &str) -> Result<Option<Member>> {
        self.database.read(|c| member(c, code))
    }

    fn standings(&self, codes: &[&str]) -> Result<Vec<Standing>> {
        self.database.read(|c| codes.iter().map(|code| Ok(look_up(c, code, false)?.0)).collect())
    }

    fn answers(&self, codes: &[String]) -> Result<Vec<DirectoryAnswer>> {
        self.database.read(|c| {
            codes
                .iter()
                .map(|code| {
                    let (standing, entry) = look_up(c, code, true)?;
                    Ok(DirectoryAnswer { code: code.clone(), standing, entry })
                })
                .collect()
        })
    }

    fn signers(&self, member: &str) -> Result<Vec<Certificate>> {
        let ders: Vec<Vec<u8>> = self.database.read(|c| {
            c.prepare_cached("SELECT der FROM signer WHERE member = ?1")
                .and_then(|mut s| s.query_map([member], |r| r.get(0))?.collect())
                .map_err(Error::database("reading certificates"))
        })?;
        ders.iter()
            .map(|der| Certificate::from_der(der).map_err(Error::envelope("a stored certificate")))
            .collect()
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
