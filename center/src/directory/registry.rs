//! Changing members and entries: what `di-center member …` does. Works while the center runs, which sees each change at
//! the member's next request.

use super::{MAX_REGISTRATION, Member, sqlite};
use crate::Network;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::mailbox::sqlite::signed;
use crate::mailbox::{Counts, Mailbox as _, sqlite::SqliteMailbox};
use config::CenterConfig;
use envelope::directory::VerifiedEntry;
use envelope::trust::Anchors;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::Arc;

/// Limits of one member where they differ from the center's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quotas {
    /// Largest sealed message, bytes.
    pub max_length: Option<u64>,
    /// Parts a minute.
    pub parts_per_minute: Option<u32>,
    /// Bytes a day (UTC).
    pub bytes_per_day: Option<u64>,
}

/// A member to add, or whose name, addresses and permission are to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMember {
    /// Organisation code, 10 characters.
    pub code: String,
    /// For people.
    pub name: String,
    /// May send; otherwise it is receive-only.
    pub may_send: bool,
    /// From where it may connect; loopback only if it is named here.
    pub addresses: Vec<Network>,
    /// Its own limits.
    pub quotas: Quotas,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutEntry {
    /// Its mailbox code.
    pub code: String,
    /// The name in it.
    pub name: String,
    /// Its number.
    pub number: u64,
    /// False if exactly this entry was there.
    pub changed: bool,
}

/// The writing side of the directory.
pub struct Registry {
    database: Arc<Database>,
    mailbox: SqliteMailbox,
    anchors: Anchors,
    registrar: Anchors,
}

impl Registry {
    /// Opens the center's database, making it where it is missing, and reads the anchors.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Database`], [`Error::Schema`], [`Error::Envelope`].
    pub fn open(config: &CenterConfig) -> Result<Self> {
        make_folder(&config.data)?;
        let database = Arc::new(Database::open(&config.data.join("center.db"), false)?);
        let mailbox = SqliteMailbox::new(database.clone(), &config.data)?;
        let anchors = read_anchors(config.trust.anchors.as_deref())?;
        let registrar = read_anchors(config.trust.registrar_anchors.as_deref())?;
        Ok(Self { database, mailbox, anchors, registrar })
    }

    /// Adds a member, or replaces its name, addresses, permission and limits. Its standing is kept.
    ///
    /// # Errors
    /// [`Error::BadCode`], [`Error::Database`].
    pub fn put_member(&self, member: &NewMember, now: i64) -> Result<()> {
        if member.code.len() != 10 || !member.code.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::BadCode(member.code.chars().take(40).collect()));
        }
        let member = member.clone();
        self.database.write(move |c| {
            let run = || -> rusqlite::Result<()> {
                c.execute(
                    "INSERT INTO member (code, name, may_send, max_length, parts_per_minute, bytes_per_day,
                                         added, changed)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
                     ON CONFLICT (code) DO UPDATE SET name = excluded.name, may_send = excluded.may_send,
                         max_length = excluded.max_length, parts_per_minute = excluded.parts_per_minute,
                         bytes_per_day = excluded.bytes_per_day, changed = excluded.changed",
                    params![
                        member.code,
                        member.name,
                        member.may_send,
                        member.quotas.max_length.map(signed),
                        member.quotas.parts_per_minute,
                        member.quotas.bytes_per_day.map(signed),
                        now
                    ],
                )?;
                c.execute("DELETE FROM address WHERE member = ?1", [&member.code])?;
                for network in &member.addresses {
                    add_address(c, &member.code, *network)?;
                }
                Ok(())
            };
            run().map_err(Error::database("adding a member"))
        })
    }

    /// Verifies a registration (DER) without keeping it. The error names the setting by which it fails.
    ///
    /// # Errors
    /// As [`Registry::put_entry`], but for [`Error::NoMember`].
    pub fn check_entry(&self, registration: &[u8], now: i64) -> Result<VerifiedEntry> {
        if registration.len() > MAX_REGISTRATION {
            let limit = MAX_REGISTRATION as u64;
            return Err(Error::Envelope {
                what: "the registration".into(),
                source: envelope::Error::TooLarge { what: "the registration", limit },
            });
        }
        let entry = envelope::directory::verify(registration, &self.registrar, &self.anchors, now)
            .map_err(|e| Error::envelope(self.suspect(registration, now))(e))?;
        // one that cannot travel would keep its member from logging in
        if !matches!(entry.code.len(), 10 | 17) || !entry.code.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::BadCode(entry.code.chars().take(40).collect()));
        }
        let code = entry.code.clone();
        let held = self.database.read(move |c| held(c, &code))?;
        match held {
            Some((number, bytes)) if bytes != registration && entry.number <= number => {
                Err(Error::StaleEntry { code: entry.code, found: entry.number, held: number })
            }
            _ => Ok(entry),
        }
    }

    /// What of a registration that did not verify is at fault, and the setting that decides about it.
    fn suspect(&self, registration: &[u8], now: i64) -> &'static str {
        let outer =
            envelope::signed::check_attached(registration, envelope::oid::REGISTRATION, MAX_REGISTRATION);
        let Ok(outer) = outer else { return "the registration, which is no countersigned entry," };
        if !self.registrar.certificates().contains(&outer.signer)
            || outer.trusted(&self.registrar, now).is_err()
        {
            return "the registrar's signature (trust.registrar-anchors of center.toml)";
        }
        "the member's entry in the registration (trust.anchors of center.toml)"
    }

    /// Verifies a registration (DER) and keeps it as its mailbox's entry.
    ///
    /// # Errors
    /// [`Error::Envelope`] if it does not verify under the anchors of the configuration, [`Error::BadCode`] if its
    /// mailbox code has neither 10 nor 17 letters and digits, [`Error::NoMember`],
    /// [`Error::StaleEntry`] if its number does not go up.
    pub fn put_entry(&self, registration: &[u8], now: i64) -> Result<PutEntry> {
        let entry = self.check_entry(registration, now)?;
        let member = crate::organisation(&entry.code).to_owned();
        let registration = registration.to_owned();
        self.database.write(move |c| {
            let doing = "keeping an entry";
            if sqlite::member(c, &member)?.is_none() {
                return Err(Error::NoMember(member));
            }
            let held = held(c, &entry.code)?;
            let mut put = PutEntry {
                code: entry.code.clone(),
                name: entry.name.clone(),
                number: entry.number,
                changed: true,
            };
            if let Some((number, bytes)) = held {
                if bytes == registration {
                    put.changed = false;
                    return Ok(put);
                }
                if entry.number <= number {
                    return Err(Error::StaleEntry { code: entry.code, found: entry.number, held: number });
                }
            }
            let run = || -> rusqlite::Result<()> {
                c.execute(
                    "INSERT OR REPLACE INTO entry (code, member, number, name, registration, signer, put)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        entry.code,
                        member,
                        signed(entry.number),
                        entry.name,
                        registration,
                        entry.sign.sha256(),
                        now
                    ],
                )?;
                c.execute(
                    "INSERT OR IGNORE INTO signer (member, sha256, der) VALUES (?1, ?2, ?3)",
                    params![member, entry.sign.sha256(), entry.sign.der()],
                )?;
                Ok(())
            };
            run().map_err(Error::database(doing))?;
            Ok(put)
        })
    }

    /// The member may neither connect nor be addressed, from its next request on.
    ///
    /// # Errors
    /// [`Error::NoMember`], [`Error::Database`].
    pub fn suspend(&self, code: &str, now: i64) -> Result<()> {
        self.change(code, "UPDATE member SET suspended = 1, changed = ?2 WHERE code = ?1", now)
    }

    /// Ends a suspension.
    ///
    /// # Errors
    /// As [`Registry::suspend`].
    pub fn resume(&self, code: &str, now: i64) -> Result<()> {
        self.change(code, "UPDATE member SET suspended = 0, changed = ?2 WHERE code = ?1", now)
    }

    /// One more address from which the member may connect.
    ///
    /// # Errors
    /// As [`Registry::suspend`].
    pub fn add_address(&self, code: &str, network: Network, now: i64) -> Result<()> {
        self.change(code, TOUCH, now)?;
        let code = code.to_owned();
        self.database
            .write(move |c| add_address(c, &code, network).map_err(Error::database("adding an address")))
    }

    /// An address less; false if it was not registered.
    ///
    /// # Errors
    /// As [`Registry::suspend`].
    pub fn remove_address(&self, code: &str, network: Network, now: i64) -> Result<bool> {
        self.change(code, TOUCH, now)?;
        let code = code.to_owned();
        self.database.write(move |c| {
            c.execute(
                "DELETE FROM address WHERE member = ?1 AND network = ?2",
                params![code, network.to_string()],
            )
            .map(|n| n > 0)
            .map_err(Error::database("removing an address"))
        })
    }

    /// One member.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn member(&self, code: &str) -> Result<Option<Member>> {
        self.database.snapshot(|c| sqlite::member(c, code))
    }

    /// All members in the order of their codes.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn members(&self) -> Result<Vec<Member>> {
        self.database.snapshot(|c| {
            let codes: Vec<String> = c
                .prepare("SELECT code FROM member ORDER BY code")
                .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
                .map_err(Error::database("listing members"))?;
            codes.iter().filter_map(|code| sqlite::member(c, code).transpose()).collect()
        })
    }

    /// Publishes an announcement; nodes that wait are told within two seconds.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn announce(&self, title: &str, body: &str, now: i64) -> Result<u64> {
        self.mailbox.announce(title, body, now)
    }

    /// A new epoch: after the data folder came back from a backup, so that nodes submit again what the backup lacks.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn restore_epoch(&self) -> Result<[u8; 16]> {
        self.mailbox.renew_epoch()
    }

    /// Counts for people.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn counts(&self) -> Result<Counts> {
        self.mailbox.counts()
    }

    fn change(&self, code: &str, sql: &'static str, now: i64) -> Result<()> {
        let code = code.to_owned();
        self.database.write(move |c| {
            match c.execute(sql, params![code, now]).map_err(Error::database("changing a member"))? {
                0 => Err(Error::NoMember(code)),
                _ => Ok(()),
            }
        })
    }
}

/// The number and bytes of the entry that a mailbox has.
fn held(c: &Connection, code: &str) -> Result<Option<(u64, Vec<u8>)>> {
    let row: Option<(i64, Vec<u8>)> = c
        .query_row("SELECT number, registration FROM entry WHERE code = ?1", [code], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .optional()
        .map_err(Error::database("keeping an entry"))?;
    Ok(row.map(|(number, bytes)| (u64::try_from(number).unwrap_or(0), bytes)))
}

fn add_address(c: &Connection, code: &str, network: Network) -> rusqlite::Result<()> {
    c.execute(
        "INSERT OR IGNORE INTO address (member, network) VALUES (?1, ?2)",
        params![code, network.to_string()],
    )
    .map(drop)
}

/// Makes a folder that only its owner can enter.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| Error::file("make the folder", path, e))
}

/// Reads a PEM file of anchors.
pub(crate) fn read_anchors(path: Option<&Path>) -> Result<Anchors> {
    let path = path.unwrap_or_else(|| Path::new(""));
    let pem = std::fs::read(path).map_err(|e| Error::file("read", path, e))?;
    Anchors::from_pem(&pem).map_err(Error::envelope(path.display().to_string()))
}

const TOUCH: &str = "UPDATE member SET changed = ?2 WHERE code = ?1";
