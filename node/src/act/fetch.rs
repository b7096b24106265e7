//! Mailbox lines into rows, sealed bytes into the spool.

use store::inbound::{InboundRow, Offer, Offered};
use store::state::Priority;

use super::{Step, Tools, io_trouble, link_trouble, store_trouble, unit};
use crate::flow::{Fault, Outcome};
use crate::telemetry::hex;

/// Label: what the center served is not what it offered.
pub const MISMATCH: &str = "sealed-mismatch";

/// Asks for offers until there are no more, and records them. Returns how many there were.
///
/// # Errors
/// Waits for the link.
pub async fn offers(tools: &Tools) -> Step<usize> {
    let mut many = 0;
    loop {
        let after = tools.store.cursors().map_err(|e| store_trouble(&e))?.offers;
        let offers = tools.link.offers(after, PAGE).await.map_err(|e| link_trouble(&e))?;
        let Some(last) = offers.iter().map(|offer| offer.seq).max() else { return Ok(many) };
        many += offers.len();
        let full = offers.len() >= usize::from(PAGE);
        let ours = offers.into_iter().filter(|o| {
            let addressed =
                o.header.addressees.first().is_some_and(|a| unit::is_ours(&tools.config, &a.code));
            if !addressed {
                tracing::warn!(seq = o.seq, "an offer for somebody else is left alone");
            }
            addressed
        });
        let rows: Vec<Offer> = ours.map(row).collect();
        let results =
            tools.store.offered(rows, Some(last), tools.now()).await.map_err(|e| store_trouble(&e))?;
        for result in &results {
            if let Offered::Known { id, receipt: Some(receipt), .. } = result {
                tracing::debug!(id, receipt, "offered again; the stored receipt is sent again");
            }
        }
        tools.wake.notify_one();
        if !full {
            return Ok(many);
        }
    }
}

fn row(offer: wire::message::Offer) -> Offer {
    let header = offer.header;
    let (recipient, attachments) =
        header.addressees.into_iter().next().map_or_else(Default::default, |a| (a.code, a.attachments));
    Offer {
        seq: offer.seq,
        sender: header.sender,
        document: header.key.document,
        variant: header.key.variant,
        group: header.key.group,
        round: header.key.round,
        recipient,
        attachments,
        manifest: header.manifest,
        signature: header.signature,
        sealed: header.sealed,
        length: header.length,
        priority: match header.priority {
            wire::message::Priority::Normal => Priority::Normal,
            wire::message::Priority::Fast => Priority::Fast,
            wire::message::Priority::Fastest => Priority::Fastest,
        },
        accepted_at: offer.accepted,
        receipt: offer.receipt,
    }
}

/// Name in the spool of what a row's offer holds: another round is another file.
#[must_use]
pub fn spool_name(row: &InboundRow) -> String {
    format!("in-{}-{}.{}.p7m", row.id, row.offer.round, hex(row.offer.sealed.get(..8).unwrap_or_default()))
}

/// Gets the sealed bytes, going on where an earlier try stopped. Returns the name in the spool.
///
/// # Errors
/// Waits for the link; [`MISMATCH`] where the bytes are others than offered (all of it is fetched again).
pub async fn fetch(tools: &Tools, row: &InboundRow) -> Step<String> {
    let name = spool_name(row);
    let spool = tools.store.spool().clone();
    let (mut draft, mut offset) = spool.resume(&name).map_err(|e| store_trouble(&e))?;
    if offset > row.offer.length {
        draft.restart().map_err(|e| store_trouble(&e))?;
        offset = 0;
    }
    if offset < row.offer.length {
        let file = draft.file().try_clone().map_err(|e| io_trouble("spool-failed", &e))?;
        let mut file = tokio::fs::File::from_std(file);
        tools
            .link
            .fetch(row.offer.seq, offset, row.offer.length, &mut file)
            .await
            .map_err(|e| link_trouble(&e))?;
    }
    let (length, sealed) = (row.offer.length, row.offer.sealed);
    tools
        .blocking(move |_| {
            let found = digest(draft.path()).map_err(|e| io_trouble("spool-failed", &e))?;
            if found != (length, sealed) {
                draft.restart().map_err(|e| store_trouble(&e))?;
                let detail = format!("{} of {length} bytes", found.0);
                return Err(Outcome::Fault(Fault::retry(MISMATCH, detail)));
            }
            draft.keep().map_err(|e| store_trouble(&e))?;
            Ok(())
        })
        .await?;
    Ok(name)
}

/// Length and SHA-256 of a file.
pub(super) fn digest(path: &std::path::Path) -> std::io::Result<(u64, envelope::Digest)> {
    let measure = envelope::container::measure(std::fs::File::open(path)?)?;
    Ok((measure.size, measure.sha256))
}

/// Offers asked for at a time.
const PAGE: u16 = 200;
