//! Keeping a receipt bundle: every line must have its mailbox line, with the same digests.

use super::sqlite::{DAY, one, unsigned, use_up, used};
use super::{Report, ReportLine, Reported};
use crate::error::{Error, Result};
use rusqlite::{Connection, params};
use wire::message::Digest;

/// In one transaction: look for the repeat, check all lines, keep the bundle, settle the lines. Also gives the number of
/// the outcome, if one was kept.
pub(super) fn keep(c: &Connection, report: &Report) -> Result<(Reported, Option<u64>)> {
    let digest = envelope::sha256(&report.bundle);
    let before: bool = one(
        c,
        "SELECT EXISTS (SELECT 1 FROM outcome WHERE reporter = ?1 AND digest = ?2)",
        params![report.reporter, digest],
        "looking for a repeated report",
    )?;
    let mut targets = Vec::with_capacity(report.lines.len());
    for line in &report.lines {
        match find(c, &report.reporter, line)? {
            Ok(found) => targets.extend(found.into_iter().map(|found| (line, found))),
            Err(_) if before => {}
            Err(no) => return Ok((no, None)),
        }
    }
    if targets.iter().all(|(line, found)| found.verdict.is_some() || line.verdict == NOTICE) {
        if before {
            return Ok((Reported::Before, None));
        }
        // kept and forwarded, but nobody can be made to keep any number of them
        let (day, bytes) = (report.at.div_euclid(DAY), report.bundle.len() as u64);
        if used(c, &report.reporter, day)?.saturating_add(bytes) > report.bytes_per_day {
            return Ok((Reported::OverQuota, None));
        }
        use_up(c, &report.reporter, day, bytes).map_err(Error::database("keeping a report"))?;
    }
    c.prepare_cached(
        "INSERT INTO outcome (sender, reporter, digest, bundle, reported) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .and_then(|mut s| s.execute(params![report.sender, report.reporter, digest, report.bundle, report.at]))
    .map_err(Error::database("keeping a report"))?;
    let outcome = c.last_insert_rowid();
    let mut contradictions = Vec::new();
    for (line, found) in targets {
        match found.verdict {
            // said after a confirmation; it is forwarded and moves nothing
            _ if line.verdict == NOTICE => {}
            None => {
                let settled = settle(c, &found, line.verdict, report.at, outcome);
                settled.map_err(Error::database("settling a line"))?;
            }
            Some(verdict) if verdict == i64::from(line.verdict) || found.other => {}
            Some(_) => contradictions.push(line.document),
        }
    }
    Ok((Reported::Kept { contradictions }, Some(unsigned(outcome))))
}

/// A mailbox line that a receipt line answers.
struct Found {
    seq: i64,
    part: i64,
    verdict: Option<i64>,
    /// It is of another round than the receipt.
    other: bool,
}

/// The mailbox line of exactly these digests, and, for a confirmation, those of other rounds with the same container:
/// their recipient has it in its archive, answers later rounds with the receipt of the first time (DESIGN §2.4), and has
/// no use for earlier ones.
fn find(
    c: &Connection,
    reporter: &str,
    line: &ReportLine,
) -> Result<std::result::Result<Vec<Found>, Reported>> {
    let run = || -> rusqlite::Result<std::result::Result<Vec<Found>, Reported>> {
        let mut statement = c.prepare_cached(
            "SELECT l.seq, l.part, l.verdict, p.manifest, p.signature, p.sealed, p.round
             FROM part p JOIN line l ON l.part = p.id
             WHERE p.member = ?1 AND p.document = ?2 AND (p.round = ?3 OR ?7) AND p.sender = ?4
               AND l.recipient = ?5 AND l.member = ?6",
        )?;
        let mut rows = statement.query(params![
            crate::organisation(&line.sender),
            line.document,
            line.round,
            line.sender,
            line.recipient,
            reporter,
            line.verdict == CONFIRMED
        ])?;
        let (mut found, mut newest) = (Vec::new(), None);
        while let Some(r) = rows.next()? {
            newest = newest.max(Some(r.get::<_, u16>(6)?));
            let [manifest, signature, sealed]: [Digest; 3] = [r.get(3)?, r.get(4)?, r.get(5)?];
            let other = r.get::<_, u16>(6)? != line.round;
            let same = manifest == line.manifest && signature == line.signature;
            if same && (other || sealed == line.sealed) {
                found.push(Found { seq: r.get(0)?, part: r.get(1)?, verdict: r.get(2)?, other });
            } else if !other {
                // whatever fits elsewhere: what it says of its own round is not so
                return Ok(Err(Reported::OtherDigests(line.document)));
            }
        }
        // It may answer what came later, and what a restored center no longer has; never what nobody has sent yet.
        let from_nowhere = newest.is_none_or(|newest| newest < line.round);
        Ok(if found.is_empty() || from_nowhere { Err(Reported::NoLine(line.document)) } else { Ok(found) })
    };
    run().map_err(Error::database("looking for a mailbox line"))
}

fn settle(c: &Connection, found: &Found, verdict: u8, at: i64, outcome: i64) -> rusqlite::Result<()> {
    let changed = c
        .prepare_cached(
            "UPDATE line SET verdict = ?2, settled = ?3, outcome = ?4 WHERE seq = ?1 AND verdict IS NULL",
        )?
        .execute(params![found.seq, verdict, at, outcome])?;
    if changed == 1 {
        c.prepare_cached(
            "UPDATE part SET open = open - 1, settled = CASE WHEN open = 1 THEN ?2 END WHERE id = ?1",
        )?
        .execute(params![found.part, at])?;
    }
    Ok(())
}

/// 使用者確認 in a receipt line.
const CONFIRMED: u8 = envelope::receipt::Verdict::Confirmed as u8;
/// 誤送通知 in a receipt line.
const NOTICE: u8 = envelope::receipt::Verdict::Misdelivered as u8;
