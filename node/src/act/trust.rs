//! What the status of certificates means for a step. Judged by what is at hand, never by asking: what is missing is
//! fetched beside ([`revocation::Checker`]), the document waits, and the answer wakes it.

use std::sync::Arc;

use envelope::directory::VerifiedEntry;
use envelope::trust::{Purpose, chain};
use envelope::{Certificate, Digest};
use revocation::Report;

use super::{Step, Tools, own_trouble, store_trouble};
use crate::flow::{Fault, Outcome, Why};
use crate::telemetry::hex;

/// Label: our own signing certificate is past its end; nothing is sent.
pub const OWN_EXPIRED: &str = "own-certificate-expired";
/// Label: our own signing certificate is not valid yet.
pub const OWN_NOT_YET: &str = "own-certificate-not-yet-valid";
/// Label: our own signing certificate was revoked.
pub const OWN_REVOKED: &str = "own-certificate-revoked";
/// Label: our own signing certificate is on hold.
pub const OWN_HELD: &str = "own-certificate-held";
/// Label: our own signing certificate does not stand under the anchors, or not for signing.
pub const OWN_UNUSABLE: &str = "own-certificate-unusable";

/// Before anything else is done for a document to be sent: the center does not let in who has no good certificate, so that
/// a document would wait for the link and nobody would know why.
///
/// # Errors
/// Waits.
pub(crate) fn own_may_send(tools: &Tools) -> Step<()> {
    let now = tools.now();
    own_may_sign(&tools.revocation.check(&own_chain(tools, now)?, now))
}

/// Before sealing: our own signing certificate and each recipient's encryption certificate, now. A revoked recipient is
/// the unit's fault and all of them are listed; one on hold, or of whom nothing is known, is waited for. Returns what is
/// known of our own certificate, for [`keep`].
///
/// # Errors
/// [`Outcome::Bad`] with the label `certificate-revoked`; waits.
pub(crate) fn may_seal(tools: &Tools, to: &[(&str, &Arc<VerifiedEntry>)]) -> Step<Report> {
    let now = tools.now();
    let own = own_chain(tools, now)?;
    let mut chains: Vec<&[Certificate]> = vec![&own];
    chains.extend(to.iter().map(|(_, entry)| entry.enc_chain.as_slice()));
    let mut reports = tools.revocation.check_all(&chains, now).into_iter();
    let ours = reports.next().unwrap_or_default();
    own_may_sign(&ours)?;
    // Now, since a renewal may replace them before the document is sealed.
    keep_files(tools, ours.answers())?;
    let (mut revoked, mut waits) = (Vec::new(), Vec::new());
    for ((code, _), report) in to.iter().zip(reports) {
        match report.error() {
            None => note(code, &report),
            Some(error) if error.class() == envelope::Class::Permanent => {
                revoked.push((error.label(), format!("{code} ({error})")));
            }
            Some(error) => waits.push((error.label(), format!("{code} ({error})"))),
        }
    }
    let listed = |all: &[(&'static str, String)]| {
        let details: Vec<&str> = all.iter().map(|(_, detail)| detail.as_str()).collect();
        details.join(", ")
    };
    if let Some((label, _)) = revoked.first() {
        return Err(Outcome::Bad { label: (*label).into(), detail: listed(&revoked) });
    }
    if let Some((label, _)) = waits.first() {
        return Err(Outcome::Fault(Fault::waiting(Why::Trust, *label, listed(&waits))));
    }
    Ok(ours)
}

/// What arrived: its signer's chain at the time at which the center accepted it. What was relied on is kept as evidence.
///
/// # Errors
/// [`Outcome::Bad`] for a signer that was revoked by then; waits.
pub(crate) fn may_believe(tools: &Tools, document: [u8; 16], chain: &[Certificate], at: i64) -> Step<()> {
    let report = tools.revocation.check(chain, at);
    match report.error() {
        None => {
            note("the sender", &report);
            keep(tools, document, &report)
        }
        Some(error) => Err(match error.class() {
            envelope::Class::Permanent => {
                Outcome::Bad { label: error.label().into(), detail: error.to_string() }
            }
            _ => Outcome::Fault(Fault::waiting(Why::Trust, error.label(), error.to_string())),
        }),
    }
}

/// The chain of our own signing certificate, which must hold now.
fn own_chain(tools: &Tools, now: i64) -> Step<Vec<Certificate>> {
    let parts = &tools.parts;
    let own = parts.sign.certificate().map_err(|e| own_trouble(&e.into()))?;
    if let Some(chain) = tools.directory.own_chain(&own, now) {
        return Ok(chain);
    }
    match chain(&own, &parts.sign.chain(), &parts.anchors, Purpose::Sign, now) {
        Ok(chain) => {
            tools.directory.keep_own_chain(&chain);
            Ok(chain)
        }
        Err(error) => Err(own_fault(&error)),
    }
}

/// Why nothing can be signed with our own certificate at present, if so.
pub(crate) fn own_trouble_label(tools: &Tools, now: i64) -> Option<&'static str> {
    let own = tools.parts.sign.certificate().ok()?;
    let judged = chain(&own, &tools.parts.sign.chain(), &tools.parts.anchors, Purpose::Sign, now);
    match judged.map(|chain| tools.revocation.check(&chain, now)) {
        Err(error) => Some(own_label(&error)),
        Ok(report) => match report.error() {
            Some(error @ (envelope::Error::Revoked { .. } | envelope::Error::Held { .. })) => {
                Some(own_label(error))
            }
            other => other.map(envelope::Error::label),
        },
    }
}

/// Waited for: a person puts another card or certificate in.
fn own_fault(error: &envelope::Error) -> Outcome {
    Outcome::Fault(Fault::waiting(Why::Certificate, own_label(error), error.to_string()))
}

const fn own_label(error: &envelope::Error) -> &'static str {
    match error {
        envelope::Error::Expired { .. } => OWN_EXPIRED,
        envelope::Error::NotYetValid { .. } => OWN_NOT_YET,
        envelope::Error::Revoked { .. } => OWN_REVOKED,
        envelope::Error::Held { .. } => OWN_HELD,
        _ => OWN_UNUSABLE,
    }
}

fn own_may_sign(report: &Report) -> Step<()> {
    let Some(error) = report.error() else { return Ok(()) };
    Err(match error {
        envelope::Error::Revoked { .. } | envelope::Error::Held { .. } => own_fault(error),
        _ => Outcome::Fault(Fault::waiting(Why::Trust, error.label(), error.to_string())),
    })
}

/// What was let pass although it is not known is in the log.
fn note(of: &str, report: &Report) {
    match report.note {
        Some("revocation-unknown") => tracing::warn!(of, "relied on although its revocation is not known"),
        Some(label) => tracing::debug!(of, label, "relied on without an answer"),
        None => {}
    }
}

/// Keeps the answers that a document relied on: the files, and which they were.
pub(crate) fn keep(tools: &Tools, document: [u8; 16], report: &Report) -> Step<()> {
    let mut answers: Vec<Digest> = report.answers().collect();
    if answers.is_empty() {
        return Ok(());
    }
    let key = key(&document);
    let before = tools.store.meta(&key).map_err(|e| store_trouble(&e))?;
    answers.extend(digests(before.as_deref().unwrap_or_default()));
    answers.sort_unstable();
    answers.dedup();
    keep_files(tools, report.answers())?;
    let bytes = answers.concat();
    if before.as_deref() != Some(&bytes) {
        tools.store.set_meta(&key, bytes).wait().map_err(|e| store_trouble(&e))?;
    }
    Ok(())
}

fn keep_files(tools: &Tools, answers: impl Iterator<Item = Digest>) -> Step<()> {
    let failed = |e: revocation::Error| Outcome::Fault(Fault::retry(e.label(), e.chain()));
    tools.revocation.keep(answers).map_err(failed)
}

/// SHA-256 of the answers that a document relied on.
pub(crate) fn kept(store: &store::Store, document: &[u8; 16]) -> Result<Vec<Digest>, store::Error> {
    Ok(digests(&store.meta(&key(document))?.unwrap_or_default()).collect())
}

fn key(document: &[u8; 16]) -> String {
    format!("revocation.{}", hex(document))
}

fn digests(bytes: &[u8]) -> impl Iterator<Item = Digest> + '_ {
    bytes.chunks_exact(32).filter_map(|chunk| chunk.try_into().ok())
}
