//! What receivers say of what we sent: their receipts, verified, become verdicts. A forged one is journaled with an
//! alarm and never applied.

use envelope::receipt::{Kind, Receipt, ReceiptLine, Verdict, VerifiedReceipt, compare};
use store::journal::{About, NewEntry};
use store::outbound::{Effect, VerdictLine, Verdicts};

use super::open::KEY_CHANGED;
use super::{Step, Tools, directory, link_trouble, store_trouble, trust};
use crate::flow::Outcome;

/// Label: a receipt that does not verify, or speaks of something that we did not send.
pub const INVALID: &str = "outcome-invalid";

/// Receipts asked for at a time.
const PAGE: u16 = 200;

/// Asks for outcomes until there are no more, and records them. Returns whether a resend was asked for.
///
/// # Errors
/// Waits for the link.
pub async fn outcomes(tools: &Tools) -> Step<bool> {
    let mut resend = false;
    loop {
        let after = tools.link.cursors().outcomes;
        let page = tools.link.outcomes(after, PAGE).await.map_err(|e| link_trouble(&e))?;
        let full = page.len() >= usize::from(PAGE);
        if page.is_empty() {
            tools.link.stored(|_| ());
            return Ok(resend);
        }
        let judged = tools.blocking(move |tools| {
            Ok(page.into_iter().map(|one| (judge(tools, &one.bundle), one)).collect::<Vec<_>>())
        });
        for (judged, outcome) in judged.await? {
            let seq = outcome.seq;
            resend |= one(tools, judged, outcome).await?;
            tools.link.stored(|cursors| cursors.outcomes = seq);
        }
        if !full {
            return Ok(resend);
        }
        tools.wake.notify_one();
    }
}

/// What [`judge`] says.
type Judged = Step<(Vec<VerdictLine>, Vec<String>)>;

async fn one(tools: &Tools, judged: Judged, outcome: wire::message::Outcome) -> Step<bool> {
    let wire::message::Outcome { seq, bundle } = outcome;
    let (judged, wrong) = match judged {
        Ok(judged) => judged,
        Err(Outcome::Bad { detail, .. }) => (Vec::new(), vec![detail]),
        // Trouble of ours: the cursor stays where it is.
        Err(other) => return Err(other),
    };
    for detail in wrong {
        alarm(tools, format!("{detail} (outcome {seq})")).await?;
    }
    let told: Vec<_> = judged.iter().map(|l| (l.document, l.recipient.clone(), l.label.clone())).collect();
    let verdicts = Verdicts { bundle, seq: Some(seq), lines: judged };
    let mut resend = false;
    let effects = tools.store.verdicts(verdicts, tools.now()).await.map_err(|e| store_trouble(&e))?;
    for ((document, recipient, label), effect) in told.into_iter().zip(effects) {
        tracing::debug!(id = crate::telemetry::hex(&document), recipient, ?effect, "a receiver's verdict");
        let moved = effect == Effect::Moved(store::state::Line::Returned);
        // Once only: the directory knows the new certificate, or a person must help.
        if moved && label == KEY_CHANGED && first_round(tools, document, &recipient) {
            let asked = tools.store.resend(document, vec![recipient], store::NODE, KEY_CHANGED, tools.now());
            match asked.await {
                Ok(_) => resend = true,
                Err(error) => tracing::warn!(%error, "a resend could not be asked for"),
            }
        }
    }
    Ok(resend)
}

fn first_round(tools: &Tools, document: [u8; 16], recipient: &str) -> bool {
    let lines = tools.store.lines(document).unwrap_or_default();
    lines.iter().any(|line| line.recipient == recipient && line.round == 0)
}

async fn alarm(tools: &Tools, detail: String) -> Step<()> {
    tracing::error!(label = INVALID, detail, "a receipt was not applied");
    let entry = NewEntry {
        actor: store::NODE.into(),
        event: INVALID.into(),
        about: About::Node,
        detail,
        alarm: true,
    };
    tools.store.journal(entry, tools.now()).await.map_err(|e| store_trouble(&e))?;
    Ok(())
}

fn invalid(detail: impl Into<String>) -> Outcome {
    Outcome::Bad { label: INVALID.into(), detail: detail.into() }
}

/// The verified lines of a bundle, and what is wrong with the others. A line that speaks of something else than we sent
/// takes no other line with it.
fn judge(tools: &Tools, bundle: &[u8]) -> Judged {
    let receipt = Receipt::from_der(bundle).map_err(|e| invalid(e.to_string()))?;
    let verified = verify(tools, &receipt)?;
    believed(tools, &verified)?;
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for line in &verified.lines {
        match one_line(tools, &verified, line) {
            Ok(line) => right.push(line),
            Err(Outcome::Bad { detail, .. }) => {
                wrong.push(format!("{detail}: {} {}", line.recipient, crate::telemetry::hex(&line.document)));
            }
            Err(other) => return Err(other),
        }
    }
    Ok((right, wrong))
}

/// Judged now; a certificate that has ended since is judged at the time of the receipt.
pub(super) fn verify(tools: &Tools, receipt: &Receipt) -> Step<VerifiedReceipt> {
    let now = tools.now();
    let anchors = &tools.parts.anchors;
    match receipt.verify(Kind::Receiver, anchors, now) {
        Err(envelope::Error::Expired { .. }) => {
            let then = receipt.lines().iter().map(|l| l.arrived).min().unwrap_or(now).min(now);
            receipt.verify(Kind::Receiver, anchors, then).map_err(|e| invalid(e.to_string()))
        }
        other => other.map_err(|e| invalid(e.to_string())),
    }
}

/// A signer that was revoked before what it confirms had even arrived says nothing. What is not known is asked for, so that
/// the evidence has it; a verdict does not wait for that.
fn believed(tools: &Tools, verified: &VerifiedReceipt) -> Step<()> {
    let Some(arrived) = verified.lines.iter().map(|line| line.arrived).min() else { return Ok(()) };
    let report = tools.revocation.check(&verified.chain, arrived);
    if let Some(error @ envelope::Error::Revoked { .. }) = report.error() {
        return Err(invalid(error.to_string()));
    }
    verified.lines.iter().try_for_each(|line| trust::keep(tools, line.document, &report))
}

fn one_line(tools: &Tools, verified: &VerifiedReceipt, line: &ReceiptLine) -> Step<VerdictLine> {
    let verdict = match line.verdict {
        Verdict::Confirmed => store::state::Verdict::Confirmed,
        Verdict::Returned => store::state::Verdict::Returned,
        Verdict::Misdelivered => store::state::Verdict::Misdirected,
        Verdict::Accepted => return Err(invalid("a receiver cannot say 系統確認")),
    };
    let round = u16::try_from(line.round).map_err(|_| invalid("no such round"))?;
    let sent = tools.store.sealed_to(line.document, &line.recipient, round).map_err(|e| store_trouble(&e))?;
    let sent = sent.ok_or_else(|| invalid("no such document, recipient or round"))?;
    if sent.certificate == [0; 32] {
        return Err(invalid("sent before a restore, to a recipient that the directory no longer knew"));
    }
    let sealed_to = directory::kept(tools, &sent.certificate)?;
    verified.signed_by_organisation_of(&sealed_to).map_err(|e| invalid(e.to_string()))?;
    let expected = ReceiptLine {
        center: tools.config.center.code.clone(),
        sender: sent.sender,
        manifest: sent.manifest,
        signature: sent.signature,
        sealed: sent.sealed,
        ..line.clone()
    };
    compare(line, &expected).map_err(|e| invalid(e.to_string()))?;
    Ok(VerdictLine {
        document: line.document,
        round,
        recipient: line.recipient.clone(),
        verdict,
        label: told(verdict, &line.label).to_owned(),
        archived_at: line.archived,
    })
}

/// Of a notice only the labels that it can have; another release's is the general one.
fn told(verdict: store::state::Verdict, label: &str) -> &str {
    match (verdict, label) {
        (store::state::Verdict::Misdirected, store::INCOMPLETE) => store::INCOMPLETE,
        (store::state::Verdict::Misdirected, _) => store::MISDIRECTED,
        _ => label,
    }
}
