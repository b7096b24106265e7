//! What a restored node has forgotten: the lines that it answered, the parts that it submitted.

use super::sqlite::{collect, signed, waiting};
use super::{Answered, Waiting};
use crate::error::Result;
use rusqlite::{Connection, params};
use wire::message::{Addressee, PartHeader, SubmittedPart};

/// As an offer is read, with the bundle behind.
pub(super) fn answered(
    c: &Connection,
    member: &str,
    since: i64,
    after: u64,
    limit: u16,
    bytes: usize,
) -> Result<Vec<Answered>> {
    let sql = "SELECT l.seq, l.recipient, l.attachments, p.accepted, p.receipt, p.sender, p.document,
                p.variant, p.grp, p.round, p.priority, p.manifest, p.signature, p.sealed, p.length, o.bundle
         FROM line l JOIN part p ON p.id = l.part LEFT JOIN outcome o ON o.seq = l.outcome
         WHERE l.member = ?1 AND l.settled >= ?2 AND l.seq > ?3 ORDER BY l.seq";
    let mut size = 0;
    collect(c, sql, params![member, since, signed(after)], limit, "listing answered lines", |r| {
        let answered = Answered { line: waiting(r)?, bundle: r.get(15)? };
        size += answered.line.receipt.len() + answered.bundle.as_ref().map_or(0, Vec::len) + ROW;
        Ok((answered, size <= bytes))
    })
}

/// The addressees of a part are those of its lines, in their order.
pub(super) fn submitted(
    c: &Connection,
    member: &str,
    since: i64,
    after: u64,
    limit: u16,
    bytes: usize,
) -> Result<Vec<SubmittedPart>> {
    let sql = "SELECT p.id, '', 0, p.accepted, p.receipt, p.sender, p.document,
                p.variant, p.grp, p.round, p.priority, p.manifest, p.signature, p.sealed, p.length
         FROM part p WHERE p.member = ?1 AND p.accepted >= ?2 AND p.id > ?3 ORDER BY p.id";
    let mut size = 0;
    collect(c, sql, params![member, since, signed(after)], limit, "listing submitted parts", |r| {
        let Waiting { seq: number, header, accepted, receipt } = waiting(r)?;
        let mut lines =
            c.prepare_cached("SELECT recipient, attachments FROM line WHERE part = ?1 ORDER BY seq")?;
        let addressees = lines
            .query_map([signed(number)], |r| Ok(Addressee { code: r.get(0)?, attachments: r.get(1)? }))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        size += receipt.len() + addressees.len() * 32 + ROW;
        let part = SubmittedPart { number, header: PartHeader { addressees, ..header }, accepted, receipt };
        Ok((part, size <= bytes))
    })
}

/// About what the rest of a row takes in a reply, bytes.
const ROW: usize = 512;
