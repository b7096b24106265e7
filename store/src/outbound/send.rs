//! From the drop folder to sealed parts: what is taken, what it says, what it became.

use rusqlite::params;

use super::record::{advance, expect_state, settle};
use super::{About, Claim, Claimed, File, NewPart, Sealing};
use crate::content::Small;
use crate::journal::Of;
use crate::queue::{Begin, Target};
use crate::state::{Document, Line, Word};
use crate::writer::{Ledger, Ticket};
use crate::{DUPLICATE, DocumentId, Error, NODE, Store, content, hex, signed};

impl Store {
    /// Takes a unit: row, files and journal line. It is due at `at`. With the digest of an earlier document that was
    /// not refused it is held with the label [`crate::DUPLICATE`].
    ///
    /// The ticket fails with `id-taken` if the id exists.
    pub fn claim(&self, claim: Claim, at: i64) -> Ticket<Claimed> {
        self.write("claim", move |ledger| {
            let duplicate_of = duplicate_of(ledger, &claim)?;
            take(ledger, &claim, duplicate_of, at)?;
            Ok(Claimed { duplicate_of })
        })
    }

    /// [`Store::claim`] and [`Store::sealed`] in one step, for what was sealed before it was recorded: a small unit of which
    /// nothing left the house yet. Returns the parts' numbers, which are `begun` already if that is given; `None`, and nothing
    /// is recorded, for a unit that a claim would hold as a duplicate.
    ///
    /// The ticket fails as theirs do.
    pub fn claim_sealed(
        &self,
        mut claim: Claim,
        mut sealing: Sealing,
        begun: Option<Begin>,
        at: i64,
    ) -> Ticket<Option<Vec<i64>>> {
        self.write("claim-sealed", move |ledger| {
            claim.about = sealing.about.take().unwrap_or(claim.about);
            if duplicate_of(ledger, &claim)?.is_some() {
                return Ok(None);
            }
            take(ledger, &claim, None, at)?;
            let parts = seal(ledger, sealing, at)?;
            if let Some(begin) = begun {
                parts.iter().try_for_each(|part| begin.record(ledger, Target::Part(*part)))?;
            }
            Ok(Some(parts))
        })
    }

    /// Corrects what a document says of itself, once it could be parsed.
    pub fn described(&self, document: DocumentId, about: About, at: i64) -> Ticket<()> {
        self.write("described", move |ledger| {
            let key = expect_state(ledger, document, Document::Claimed)?;
            describe(ledger, key, document, &about, at)
        })
    }

    /// Claimed → Sealed, with containers, parts (due at once), lines and hints. The spool files must be durable.
    /// Several lines with one code must have been made one. Returns the parts' numbers in their order.
    ///
    /// The ticket fails with `state-moved`; with `bad-request` if a line names no part or a part no container.
    pub fn sealed(&self, sealing: Sealing, at: i64) -> Ticket<Vec<i64>> {
        self.write("sealed", move |ledger| seal(ledger, sealing, at))
    }
}

/// The earlier document with the same bytes that was not refused.
fn duplicate_of(ledger: &Ledger, claim: &Claim) -> Result<Option<DocumentId>, Error> {
    if claim.digest == [0; 32] {
        return Ok(None);
    }
    let earlier = "SELECT id FROM document WHERE digest = ?1 AND state <> 'refused' ORDER BY key LIMIT 1";
    ledger.find(earlier, [claim.digest], |r| r.get(0))
}

fn take(ledger: &mut Ledger, claim: &Claim, duplicate_of: Option<DocumentId>, at: i64) -> Result<(), Error> {
    if ledger.find("SELECT 1 FROM document WHERE id = ?1", [claim.id], |_| Ok(()))?.is_some() {
        return Err(Error::Taken);
    }
    let label = if duplicate_of.is_some() { DUPLICATE } else { "" };
    let detail = duplicate_of.map(|id| hex(&id)).unwrap_or_default();
    let about = &claim.about;
    let key = ledger.insert(
        "INSERT INTO document (id, state, word, kind, edition, subject, number, dated, priority, sender,
           sender_name, drop_name, di_name, digest, size, claimed_at, changed_at, duplicate_of, todo, held, due,
           label, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?16, ?17, 1, ?18, ?16,
           ?19, ?20)",
        params![
            claim.id,
            Document::Claimed,
            Word::Claimed,
            about.kind,
            about.edition,
            about.subject,
            about.number,
            about.dated,
            about.priority,
            about.sender,
            about.sender_name,
            claim.drop_name,
            claim.di_name,
            claim.digest,
            signed(claim.size)?,
            at,
            duplicate_of,
            duplicate_of.is_some(),
            label,
            detail,
        ],
    )?;
    insert_files(ledger, "document_file", key, &claim.files)?;
    let of = Of::Document(key, claim.id);
    ledger.log(at, NODE, "claimed", of, &claim.drop_name)?;
    if duplicate_of.is_some() {
        ledger.alarm(at, NODE, "duplicate", of, &detail)?;
    }
    Ok(())
}

fn seal(ledger: &mut Ledger, mut sealing: Sealing, at: i64) -> Result<Vec<i64>, Error> {
    if sealing.lines.is_empty() {
        return Err(Error::Bad("a sealed document without a recipient"));
    }
    let containers = sealing.containers.iter_mut().map(|c| &mut c.file);
    let files = containers.chain(sealing.parts.iter_mut().map(|p| &mut p.file));
    put_contents(ledger, &sealing.contents, files)?;
    let Sealing { document, about, containers, parts, lines, hints, .. } = &sealing;
    let key = advance(ledger, *document, Document::Sealed)?;
    if let Some(about) = about {
        describe(ledger, key, *document, about, at)?;
    }
    ledger.execute(
        "UPDATE document SET sealed_at = ?2, todo = 0, due = NULL, attempts = 0, step = NULL, begun = 0,
           label = '', detail = '' WHERE key = ?1",
        params![key, at],
    )?;
    for c in containers {
        ledger.execute(
            "INSERT INTO container (doc, variant, manifest, signature, file, size)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![key, c.variant, c.manifest, c.signature, c.file, signed(c.size)?],
        )?;
    }
    let addressed: Vec<_> =
        lines.iter().map(|l| (l.variant, l.group, l.recipient.as_str(), l.attachments)).collect();
    let numbers = insert_parts(ledger, key, 0, parts, &addressed, at)?;
    for (position, line) in (0_u32..).zip(lines) {
        let part = number_of(parts, &numbers, line.variant, line.group)?;
        ledger.execute(
            "INSERT INTO line (doc, position, recipient, name, copy, attachments, paper, state, round, part,
               certificate, changed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11)",
            params![
                key,
                position,
                line.recipient,
                line.name,
                line.copy,
                line.attachments,
                line.paper,
                Line::Waiting,
                part,
                line.certificate,
                at,
            ],
        )?;
    }
    for (position, hint) in (0_u32..).zip(hints) {
        ledger.execute(
            "INSERT INTO hint (doc, position, name, copy) VALUES (?1, ?2, ?3, ?4)",
            params![key, position, hint.name, hint.copy],
        )?;
    }
    let detail = format!("{} recipients, {} parts", lines.len(), parts.len());
    ledger.log(at, NODE, "sealed", Of::Document(key, *document), &detail)?;
    settle(ledger, key, at)?;
    Ok(numbers)
}

/// What is to lie in the database goes there, and is called by its number from here on.
pub(super) fn put_contents<'a>(
    ledger: &Ledger,
    contents: &[Small],
    files: impl Iterator<Item = &'a mut String>,
) -> Result<(), Error> {
    let mut kept = Vec::with_capacity(contents.len());
    for small in contents {
        kept.push((small.name.as_str(), content::insert(ledger, &small.bytes)?));
    }
    for file in files {
        if let Some((_, number)) = kept.iter().find(|(name, _)| name == file) {
            file.clone_from(number);
        }
    }
    Ok(())
}

/// What a document says of itself.
fn describe(
    ledger: &mut Ledger,
    key: i64,
    document: DocumentId,
    about: &About,
    at: i64,
) -> Result<(), Error> {
    ledger.execute(
        "UPDATE document SET kind = ?2, edition = ?3, subject = ?4, number = ?5, dated = ?6, priority = ?7,
           sender = ?8, sender_name = ?9 WHERE key = ?1",
        params![
            key,
            about.kind,
            about.edition,
            about.subject,
            about.number,
            about.dated,
            about.priority,
            about.sender,
            about.sender_name,
        ],
    )?;
    ledger.log(at, NODE, "described", Of::Document(key, document), &about.number)?;
    Ok(())
}

pub(crate) fn insert_files(
    ledger: &Ledger,
    table: &'static str,
    owner: i64,
    files: &[File],
) -> Result<(), Error> {
    let sql = match table {
        "document_file" => {
            "INSERT INTO document_file (owner, position, name, role, size, sha256, crc32)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        }
        _ => {
            "INSERT INTO inbound_content (owner, position, name, role, size, sha256, crc32)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        }
    };
    for (position, f) in (0_u32..).zip(files) {
        ledger.execute(sql, params![owner, position, f.name, f.role, signed(f.size)?, f.sha256, f.crc32])?;
    }
    Ok(())
}

/// Parts of one round, with the recipients that name them as (variant, group, code, attachments).
pub(super) fn insert_parts(
    ledger: &Ledger,
    key: i64,
    round: u16,
    parts: &[NewPart],
    addressed: &[(u16, u16, &str, bool)],
    at: i64,
) -> Result<Vec<i64>, Error> {
    let mut numbers = Vec::with_capacity(parts.len());
    for part in parts {
        let mut addressees = Vec::new();
        for (_, _, code, attachments) in
            addressed.iter().filter(|(v, g, _, _)| (*v, *g) == (part.variant, part.group))
        {
            if code.is_empty() || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(Error::Bad("a mailbox code that is not letters and digits"));
            }
            addressees.push(if *attachments { (*code).to_owned() } else { format!("{code}-") });
        }
        if addressees.is_empty() {
            return Err(Error::Bad("a part without a recipient"));
        }
        let known = "SELECT 1 FROM container WHERE doc = ?1 AND variant = ?2";
        if ledger.find(known, params![key, part.variant], |_| Ok(()))?.is_none() {
            return Err(Error::Bad("a part without its container"));
        }
        numbers.push(ledger.insert(
            "INSERT INTO part (doc, variant, grp, round, addressees, sealed, size, file, priority, held, due)
             SELECT key, ?2, ?3, ?4, ?5, ?6, ?7, ?8, priority, held, ?9 FROM document WHERE key = ?1",
            params![
                key,
                part.variant,
                part.group,
                round,
                addressees.join(" "),
                part.sealed,
                signed(part.length)?,
                part.file,
                at,
            ],
        )?);
    }
    Ok(numbers)
}

pub(super) fn number_of(parts: &[NewPart], numbers: &[i64], variant: u16, group: u16) -> Result<i64, Error> {
    parts
        .iter()
        .zip(numbers)
        .find(|(p, _)| (p.variant, p.group) == (variant, group))
        .map(|(_, number)| *number)
        .ok_or(Error::Bad("a line without its part"))
}
