//! What the answers in an evidence file say of the certificates in it.

use super::{Found, Missing, Report, Step};
use crate::crl;
use crate::error::Error;
use crate::key::Certificate;
use crate::ocsp;
use crate::status::{Finding, Kind, Status, decisive, judge};
use crate::time;
use crate::{Digest, evidence::file::Section, hex, zip};
use std::io::{Read, Seek};

/// The most answers in one file.
pub(super) const MAX_ANSWERS: usize = 1_000;
/// The longest answer.
pub(super) const MAX_ANSWER: u64 = 256 * 1024 * 1024;
/// How long after its next update an answer still speaks for a time, milliseconds.
const GRACE: i64 = 24 * 3_600_000;

/// An answer in the file: its kind, digest, offset and length.
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) digest: Digest,
    pub(super) place: (u64, u64),
}

/// A chain whose certificates are to be judged at a time.
pub(super) struct Question {
    /// The recipient, or `None` for the sender.
    pub(super) recipient: Option<String>,
    pub(super) chain: Vec<Certificate>,
    pub(super) at: i64,
}

/// Name of an answer in the file.
pub(super) fn name(kind: Kind, digest: &Digest) -> String {
    format!("status/{}.{}", hex(digest), kind.ending())
}

/// The entry of an answer, by its name; `None` for other names.
pub(super) fn entry(entry: &zip::Entry) -> Option<Entry> {
    let file = entry.name.strip_prefix("status/")?;
    let (digits, ending) = file.split_once('.')?;
    let kind = [Kind::Crl, Kind::Ocsp].into_iter().find(|k| k.ending() == ending)?;
    let mut digest = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (n, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(Entry { kind, digest, place: (entry.offset, entry.size) })
}

/// A certificate with its issuer, and what the answers say of it.
struct Pair<'a> {
    certificate: &'a Certificate,
    issuer: &'a Certificate,
    findings: Vec<Finding>,
}

/// One link for each chain.
pub(super) fn judge_all<R: Read + Seek>(
    file: &mut R,
    answers: &[Entry],
    questions: &[Question],
    report: &mut Report,
) -> Result<(), Error> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for question in questions {
        for (certificate, issuer) in question.chain.iter().zip(question.chain.iter().skip(1)) {
            if !pairs.iter().any(|p| p.certificate == certificate && p.issuer == issuer) {
                pairs.push(Pair { certificate, issuer, findings: Vec::new() });
            }
        }
    }
    for answer in answers {
        look_up(file, answer, &mut pairs)?;
    }
    for question in questions {
        let result = settle(question, &pairs);
        report.add(Step::Revocation, question.recipient.as_deref(), result);
    }
    Ok(())
}

/// Adds what one answer says. An answer that cannot be used says nothing.
fn look_up<R: Read + Seek>(file: &mut R, answer: &Entry, pairs: &mut [Pair<'_>]) -> Result<(), Error> {
    let mut section = Section::new(file, answer.place);
    if answer.kind == Kind::Ocsp {
        let mut der = Vec::new();
        section.by_ref().take(ocsp::MAX_RESPONSE as u64 + 1).read_to_end(&mut der)?;
        for pair in pairs {
            pair.findings.extend(ocsp::read(&der, pair.certificate, pair.issuer, None).ok());
        }
        return Ok(());
    }
    let mut issuers: Vec<Certificate> = Vec::new();
    for pair in pairs.iter() {
        if !issuers.contains(pair.issuer) {
            issuers.push(pair.issuer.clone());
        }
    }
    let wanted = pairs.iter().map(|p| p.certificate.serial());
    match crl::read(section, MAX_ANSWER, &issuers, wanted) {
        Ok(list) => {
            for pair in pairs.iter_mut().filter(|p| *p.issuer == list.signer) {
                pair.findings.extend(list.finding(pair.certificate).ok());
            }
            Ok(())
        }
        Err(error @ Error::Io(_)) => Err(error),
        Err(_) => Ok(()),
    }
}

/// The chain as a whole: every certificate of it must have an answer that speaks for the time. An authority's certificate
/// that names no address is passed over: nobody could be asked about it, and its own signature is what the chain rests on.
fn settle(question: &Question, pairs: &[Pair<'_>]) -> Result<Found, Missing> {
    let mut used: Option<Finding> = None;
    if question.chain.is_empty() {
        return Err(Missing::Unknown("not-examined"));
    }
    for (n, (certificate, issuer)) in question.chain.iter().zip(question.chain.iter().skip(1)).enumerate() {
        let findings = pairs.iter().find(|p| p.certificate == certificate && p.issuer == issuer);
        let findings: Vec<Finding> = findings.map(|p| p.findings.clone()).unwrap_or_default();
        let speaking: Vec<Finding> =
            findings.into_iter().filter(|f| speaks(f, certificate, question.at)).collect();
        let Some(finding) = decisive(&speaking, certificate, question.at) else {
            match certificate.names_status() {
                true => return Err(Missing::Unknown("revocation-unknown")),
                false if n == 0 => return Err(Missing::Unknown("status-address-missing")),
                false => continue,
            }
        };
        judge(certificate, finding.status, question.at)?;
        if used.is_none() {
            used = Some(finding);
        }
    }
    let Some(finding) = used else {
        // An anchor itself: pinned, nobody is asked about it.
        return Ok(Found { at: Some(question.at), ..Found::default() });
    };
    let issued = time::rfc3339(finding.this_update).unwrap_or_default();
    let detail = format!("{} {issued}", if finding.kind == Kind::Crl { "CRL" } else { "OCSP" });
    Ok(Found { detail, at: Some(question.at), ..Found::default() })
}

/// Whether a finding can tell of a time: issued after it while the certificate was still listed if revoked, or in force
/// then. A revocation that is on record tells of all times.
fn speaks(finding: &Finding, certificate: &Certificate, at: i64) -> bool {
    match finding.status {
        Status::Revoked { .. } => true,
        Status::Unknown => false,
        Status::Good | Status::Held { .. } => {
            let after = finding.this_update >= at && finding.this_update <= certificate.not_after();
            let in_force = finding.this_update <= at.saturating_add(crl::MAX_SKEW)
                && at <= finding.next_update.saturating_add(GRACE);
            after || in_force
        }
    }
}
