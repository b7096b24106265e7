//! Mailbox lines into rows, sealed bytes into the spool.

use store::inbound::{BeginSome, InboundRow, Offer, Offered};
use store::queue::Target;
use store::state::Priority;

use super::memory::SMALL;
use super::{Step, Tools, ahead, io_trouble, link_trouble, store_trouble, unit};
use crate::flow::{Act, Fault, Outcome, inbound};
use crate::run::when;
use crate::telemetry::hex;

/// Label: what the center served is not what it offered.
pub const MISMATCH: &str = "sealed-mismatch";

/// Label: offered before the center was restored, and not again since.
pub const OLD_OFFER: &str = "offer-outdated";

/// What offers brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// There is something to fetch.
    pub new: bool,
    /// Something that was answered before was offered again: the stored receipt is to be sent again.
    pub answered_before: bool,
}

/// Asks for offers until there are no more, and records them.
///
/// # Errors
/// Waits for the link.
pub async fn offers(tools: &Tools) -> Step<Heard> {
    let mut heard = Heard::default();
    loop {
        let after = tools.link.cursors().offers;
        let offers = tools.link.offers(after, PAGE).await.map_err(|e| link_trouble(&e))?;
        let Some(last) = offers.iter().map(|offer| offer.seq).max() else {
            tools.link.stored(|_| ());
            return Ok(heard);
        };
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
        let now = tools.now();
        let may = inbound::may_fetch_at_once(&tools.ahead.facts(now));
        let mut places = if may { tools.ahead.places(rows.len()) } else { Vec::new() };
        let begin = ahead::begin(Act::Fetch, &when(tools));
        let begun = begin.map(|begin| BeginSome { begin, most: places.len(), small: SMALL });
        let recorded = tools.store.offered_begun(rows, Some(last), begun, now).await;
        let results = recorded.map_err(|e| store_trouble(&e))?;
        tools.link.stored(|cursors| cursors.offers = last);
        for result in &results {
            match result {
                Offered::Known { id, receipt: Some(receipt), .. } => {
                    heard.answered_before = true;
                    tracing::debug!(id, receipt, "offered again; the stored receipt is sent again");
                }
                Offered::Begun(id) => {
                    if let Some(place) = places.pop() {
                        tools.ahead.begun(Target::Inbound(*id), place);
                    }
                }
                Offered::Known { .. } | Offered::New(_) | Offered::Replaced(_) => heard.new = true,
                Offered::Conflict(_) => {}
            }
        }
        if !full {
            return Ok(heard);
        }
        tools.wake.notify_one();
    }
}

/// Since the center was restored its numbers mean something else, until the document is offered again.
fn still_offered(tools: &Tools, row: &InboundRow) -> Step<()> {
    match tools.link.state().borrow().up() {
        Some(up) if up.welcome.epoch != row.epoch => {
            Err(Outcome::Fault(Fault::retry(OLD_OFFER, format!("line {}", row.offer.seq))))
        }
        _ => Ok(()),
    }
}

pub(super) fn row(offer: wire::message::Offer) -> Offer {
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
        priority: priority(header.priority),
        accepted_at: offer.accepted,
        receipt: offer.receipt,
    }
}

pub(super) const fn priority(p: wire::message::Priority) -> Priority {
    match p {
        wire::message::Priority::Normal => Priority::Normal,
        wire::message::Priority::Fast => Priority::Fast,
        wire::message::Priority::Fastest => Priority::Fastest,
    }
}

/// Name in the spool of what a row's offer holds: another round is another file.
#[must_use]
pub fn spool_name(row: &InboundRow) -> String {
    format!("in-{}-{}.{}.p7m", row.id, row.offer.round, hex(row.offer.sealed.get(..8).unwrap_or_default()))
}

/// Gets the sealed bytes of one for which there is room into memory.
///
/// # Errors
/// As [`fetch`].
pub async fn fetch_whole(tools: &Tools, row: &InboundRow) -> Step<Vec<u8>> {
    still_offered(tools, row)?;
    let length = row.offer.length;
    let mut sealed = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    tools.link.fetch(row.offer.seq, 0, length, &mut sealed).await.map_err(|e| link_trouble(&e))?;
    if sealed.len() as u64 != length || envelope::sha256(&sealed) != row.offer.sealed {
        let detail = format!("{} of {length} bytes", sealed.len());
        return Err(Outcome::Fault(Fault::retry(MISMATCH, detail)));
    }
    Ok(sealed)
}

/// Puts what [`fetch_whole`] got into the spool, durably. Returns its name there.
///
/// # Errors
/// Those of the disk.
pub async fn keep_whole(tools: &Tools, row: &InboundRow, sealed: Vec<u8>) -> Step<String> {
    let name = spool_name(row);
    let kept = name.clone();
    tools
        .blocking(move |tools| {
            let mut draft = tools.store.spool().create(&kept).map_err(|e| store_trouble(&e))?;
            std::io::Write::write_all(&mut draft, &sealed).map_err(|e| io_trouble("spool-failed", &e))?;
            draft.keep().map_err(|e| store_trouble(&e))
        })
        .await?;
    Ok(name)
}

/// Gets the sealed bytes, going on where an earlier try stopped. Returns the name in the spool.
///
/// # Errors
/// Waits for the link; [`MISMATCH`] where the bytes are others than offered (all of it is fetched again);
/// [`OLD_OFFER`].
pub async fn fetch(tools: &Tools, row: &InboundRow) -> Step<String> {
    still_offered(tools, row)?;
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
