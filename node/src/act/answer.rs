//! Our receipts: signed together, stored, then reported.

use std::collections::BTreeMap;

use envelope::receipt::{ReceiptLine, Verdict};
use store::inbound::{Answer, InboundRow, ReceiptRow, verdict_for};

use super::{Step, Tools, link_trouble, organisation, own_trouble, store_trouble};
use crate::flow::{Class, Fault, Outcome};

/// Label: a person sends back what was set apart without an answer.
pub const BY_PERSON: &str = "returned-by-person";

/// Most lines of one signature.
pub const MOST: usize = 256;

/// Signs one receipt list for these rows: one key operation, one bundle for each sender. Stored before anybody is told.
///
/// # Errors
/// Waits for the key.
pub async fn sign(tools: &Tools, rows: Vec<InboundRow>) -> Step<()> {
    let answers = tools.blocking(move |tools| answers(tools, &rows)).await?;
    tools.store.answered(answers, tools.now()).await.map_err(|e| store_trouble(&e))?;
    Ok(())
}

fn answers(tools: &Tools, rows: &[InboundRow]) -> Step<Vec<Answer>> {
    let center = &tools.config.center.code;
    let lines: Vec<ReceiptLine> = rows.iter().filter_map(|row| line(center, row)).collect();
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let now = tools.now();
    let bundles = envelope::receipt::make_receiver(&lines, tools.parts.sign.as_ref(), now)
        .map_err(|e| own_trouble(&e))?;
    let mut by_sender: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for row in rows {
        by_sender.entry(&row.offer.sender).or_default().push(row.id);
    }
    let answers = bundles.into_iter().map(|(sender, receipt)| Answer {
        inbound: by_sender.get(sender.as_str()).cloned().unwrap_or_default(),
        to: organisation(&sender).to_owned(),
        bundle: receipt.to_der(),
    });
    Ok(answers.collect())
}

fn line(center: &str, row: &InboundRow) -> Option<ReceiptLine> {
    let offer = &row.offer;
    // Confirmed already: what is still to be said is the notice.
    let notice = row.receipt.is_some() && !row.notice.is_empty();
    let (verdict, label) = match verdict_for(row.state)? {
        store::state::Verdict::Confirmed if notice => (Verdict::Misdelivered, row.notice.clone()),
        store::state::Verdict::Confirmed => (Verdict::Confirmed, String::new()),
        store::state::Verdict::Returned => (Verdict::Returned, row.trouble.label.clone()),
        store::state::Verdict::Misdirected => return None,
    };
    Some(ReceiptLine {
        center: center.to_owned(),
        document: offer.document,
        round: u32::from(offer.round),
        sender: offer.sender.clone(),
        recipient: offer.recipient.clone(),
        manifest: offer.manifest,
        signature: offer.signature,
        sealed: offer.sealed,
        verdict,
        label,
        arrived: row.offered_at,
        archived: row.archived_at,
    })
}

/// Hands a stored receipt to the center. What it refuses for ever is set aside with an alarm.
///
/// # Errors
/// Waits for the link; faults to try again.
pub async fn report(tools: &Tools, receipt: &ReceiptRow) -> Step<()> {
    let done = match tools.link.report(receipt.bytes.clone()).await {
        Ok(()) => tools.store.reported(receipt.id, tools.now()).await,
        Err(error) => match link_trouble(&error) {
            Outcome::Bad { label, detail }
            | Outcome::Fault(Fault { class: Class::Permanent, label, detail, .. }) => {
                tools.store.report_refused(receipt.id, &label, &detail, tools.now()).await
            }
            other => return Err(other),
        },
    };
    done.map_err(|e| store_trouble(&e))
}
