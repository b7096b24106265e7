//! After a restore from a backup: what the center knows of us and this database has forgotten (protocol §4.10).
//!
//! A restored node begins nothing else before: else it would sign what it had signed, and answer what it had answered.

use std::collections::HashMap;

use envelope::Certificate;
use envelope::receipt::{Receipt, Verdict};
use store::recall::{Addressee, Recalled, Recovered};
use wire::message::{AnsweredLine, SubmittedPart};

use super::directory::{self, Known, look_up};
use super::{Step, Tools, fetch, link_trouble, outcome, own_trouble, store_trouble, unit};
use crate::flow::Outcome;

/// What a backup may be older than its time says: the center's clock is another, and requests were under way. A day.
const MARGIN: i64 = 86_400_000;
/// From a center that does not know these requests.
const NOT_KNOWN: &str = "malformed-request";

/// Takes in everything since the backup was taken; nothing to do on a node that was not restored.
///
/// # Errors
/// Waits for the link and the key; those of the store. What was taken in stays, and is not taken in twice.
pub async fn catch_up(tools: &Tools) -> Step<()> {
    let Some(copied_at) = tools.store.behind().map_err(|e| store_trouble(&e))? else { return Ok(()) };
    let since = copied_at.saturating_sub(MARGIN).max(0);
    let mut taken = (0, 0);
    let told = match everything(tools, since, &mut taken).await {
        Ok(()) => format!("{} sent, {} received", taken.0, taken.1),
        Err(Outcome::Fault(fault)) if fault.label == NOT_KNOWN => {
            "the center cannot tell what happened since".to_owned()
        }
        Err(other) => return Err(other),
    };
    tracing::warn!(since, told, "the node was restored and has caught up with the center");
    tools.store.caught_up(&told, tools.now()).await.map_err(|e| store_trouble(&e))
}

async fn everything(tools: &Tools, since: i64, taken: &mut (usize, u32)) -> Step<()> {
    let mut after = 0;
    loop {
        let parts = tools.link.submitted(since, after).await.map_err(|e| link_trouble(&e))?;
        let Some(last) = parts.last() else { break };
        after = last.number;
        let parts = with_recipients(tools, parts).await?;
        taken.0 += tools.store.recovered(parts, tools.now()).await.map_err(|e| store_trouble(&e))?.len();
    }
    let mut after = 0;
    loop {
        let lines = tools.link.answered(since, after).await.map_err(|e| link_trouble(&e))?;
        let Some(last) = lines.last() else { return Ok(()) };
        after = last.offer.seq;
        let (ours, others) = tools.blocking(move |tools| judge(tools, lines)).await?;
        taken.1 += tools.store.recalled(ours, tools.now()).await.map_err(|e| store_trouble(&e))?;
        // without a receipt of ours they are judged anew; what the center has settled stays settled there
        tools.store.offered(others, None, tools.now()).await.map_err(|e| store_trouble(&e))?;
    }
}

/// Parts with what the directory knows of their recipients: it takes a certificate to judge a receipt.
async fn with_recipients(tools: &Tools, parts: Vec<SubmittedPart>) -> Step<Vec<Recovered>> {
    let mut codes: Vec<String> =
        parts.iter().flat_map(|part| &part.header.addressees).map(|a| a.code.clone()).collect();
    codes.sort_unstable();
    codes.dedup();
    let known = look_up(tools, &codes, false).await?;
    tools.blocking(move |tools| parts.into_iter().map(|part| recovered(tools, part, &known)).collect()).await
}

fn recovered(tools: &Tools, part: SubmittedPart, known: &HashMap<String, Known>) -> Step<Recovered> {
    let SubmittedPart { header, accepted, receipt, .. } = part;
    let mut addressees = Vec::with_capacity(header.addressees.len());
    for addressee in header.addressees {
        let entry = known.get(&addressee.code).and_then(|known| known.entry_at(tools, accepted));
        if let Some(entry) = &entry {
            directory::keep(tools, &[(&addressee.code, &entry.enc)])?;
        }
        addressees.push(Addressee {
            name: entry.as_ref().map(|entry| entry.name.clone()).unwrap_or_default(),
            certificate: entry.map_or([0; 32], |entry| *entry.enc.sha256()),
            code: addressee.code,
            attachments: addressee.attachments,
        });
    }
    Ok(Recovered {
        document: header.key.document,
        variant: header.key.variant,
        group: header.key.group,
        round: header.key.round,
        sender: header.sender,
        addressees,
        priority: fetch::priority(header.priority),
        manifest: header.manifest,
        signature: header.signature,
        sealed: header.sealed,
        length: header.length,
        receipt,
        accepted_at: accepted,
    })
}

/// Lines with a receipt that is really ours, and the others.
fn judge(tools: &Tools, lines: Vec<AnsweredLine>) -> Step<(Vec<Recalled>, Vec<store::inbound::Offer>)> {
    let own = own_certificate(tools)?;
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for AnsweredLine { offer, bundle } in lines {
        let offer = fetch::row(offer);
        if !unit::is_ours(&tools.config, &offer.recipient) {
            tracing::warn!(seq = offer.seq, "a line of somebody else is left alone");
            continue;
        }
        match bundle.as_deref().and_then(|bundle| said(tools, &own, &offer, bundle)) {
            Some((verdict, label)) => {
                ours.push(Recalled { offer, verdict, label, bundle: bundle.unwrap_or_default() });
            }
            None => others.push(offer),
        }
    }
    Ok((ours, others))
}

/// What our receipt said of a line, if it is ours and speaks of it.
fn said(
    tools: &Tools,
    own: &Certificate,
    offer: &store::inbound::Offer,
    bundle: &[u8],
) -> Option<(store::state::Verdict, String)> {
    let receipt = Receipt::from_der(bundle).ok()?;
    let verified = outcome::verify(tools, &receipt).ok()?;
    verified.signed_by_organisation_of(own).ok()?;
    let line = verified.lines.iter().find(|line| {
        line.document == offer.document
            && line.sender == offer.sender
            && line.recipient == offer.recipient
            && line.manifest == offer.manifest
            && line.signature == offer.signature
    })?;
    let verdict = match line.verdict {
        Verdict::Confirmed | Verdict::Misdelivered => store::state::Verdict::Confirmed,
        Verdict::Returned => store::state::Verdict::Returned,
        Verdict::Accepted => return None,
    };
    Some((verdict, line.label.clone()))
}

fn own_certificate(tools: &Tools) -> Step<Certificate> {
    let sign = tools.parts.sign.certificate();
    let any =
        sign.or_else(|error| tools.parts.unwrap.iter().find_map(|key| key.certificate().ok()).ok_or(error));
    any.map_err(|e| own_trouble(&e.into()))
}
