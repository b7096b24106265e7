//! What belongs to no document: announcements, the open list, delivery, notes, what may be removed.

use store::inbound::InboundRow;
use store::outbound::DocumentRow;
use wire::message::{OpenPart, PartKey};

use super::open::archive_trouble;
use super::{Step, Tools, link_trouble, store_trouble};
use crate::archive;
use crate::flow::{Fault, Outcome};

/// Parts compared with the center at a time.
const PAGE: u32 = 500;

/// Announcements into the store.
///
/// # Errors
/// Waits for the link.
pub async fn announcements(tools: &Tools) -> Step<()> {
    loop {
        let after = tools.link.cursors().announcements;
        let page = tools.link.announcements(after, 100).await.map_err(|e| link_trouble(&e))?;
        let Some(last) = page.iter().map(|a| a.number).max() else {
            tools.link.stored(|_| ());
            return Ok(());
        };
        let notices = page.into_iter().map(|a| store::boxes::Announcement {
            number: a.number,
            time: a.time,
            title: a.title,
            body: a.body,
        });
        tools.store.announced(notices.collect(), tools.now()).await.map_err(|e| store_trouble(&e))?;
        tools.link.stored(|cursors| cursors.announcements = last);
    }
}

/// Compares what we believe the center has with what it has; what is missing becomes due again, same bytes.
///
/// # Errors
/// Waits for the link.
pub async fn open_list(tools: &Tools) -> Step<()> {
    let mut after = 0;
    loop {
        let parts = tools.store.open_parts(after, PAGE).map_err(|e| store_trouble(&e))?;
        let Some(last) = parts.last() else { return Ok(()) };
        after = last.id;
        let key = |p: &store::outbound::PartRow| PartKey {
            document: p.document,
            variant: p.variant,
            group: p.group,
            round: p.round,
        };
        let asked = parts.iter().map(|p| OpenPart { key: key(p), manifest: p.manifest }).collect();
        let missing = tools.link.open_list(asked).await.map_err(|e| link_trouble(&e))?;
        let again: Vec<i64> = parts.iter().filter(|p| missing.contains(&key(p))).map(|p| p.id).collect();
        if !again.is_empty() {
            tracing::warn!(parts = again.len(), "the center has lost parts; they are submitted again");
            tools.store.resubmit(again, tools.now()).await.map_err(|e| store_trouble(&e))?;
            tools.wake.notify_one();
        }
    }
}

/// Renames an archived document's staged copy into the delivery folder; gone means taken.
///
/// # Errors
/// Faults of our own folders.
pub async fn deliver(tools: &Tools, row: InboundRow) -> Step<()> {
    let work = move |tools: &Tools| deliver_now(tools, row.id, &row.staged, &row.delivered);
    // Waited for, so that the next look does not find it once more.
    tools.blocking(work).await?.await.map_err(|e| store_trouble(&e))
}

/// The same, on a thread that may block. The record need not be waited for: without it, a later look finds the staged copy
/// gone, and records that.
///
/// # Errors
/// Faults of our own folders.
pub(crate) fn deliver_now(tools: &Tools, id: i64, staged: &str, delivered: &str) -> Step<store::Ticket<()>> {
    archive::deliver(&tools.config, staged, delivered).map_err(|e| archive_trouble(&e))?;
    Ok(tools.store.delivered(id, tools.now()))
}

/// Writes what people find in `sent/` or `failed/` for documents whose word has changed, whatever becomes of one. The next is
/// written while the ones before it are recorded, so that one commit holds many.
///
/// # Errors
/// Faults of our own folders: the last one.
pub async fn notes(tools: &Tools, rows: Vec<DocumentRow>) -> Step<()> {
    let mut result = Ok(());
    let mut recorded = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, word) = (row.id, row.word);
        match note(tools, id).await {
            Ok(place) => recorded.push(tools.store.noted(id, word, &place, tools.now())),
            Err(outcome) => {
                tracing::warn!(?outcome, "one of several notes failed");
                result = Err(outcome);
            }
        }
    }
    for ticket in recorded {
        if let Err(error) = ticket.await {
            result = Err(store_trouble(&error));
        }
    }
    result
}

async fn note(tools: &Tools, id: store::DocumentId) -> Step<String> {
    tools
        .blocking(move |tools| {
            let outgoing =
                tools.store.document(id).map_err(|e| store_trouble(&e))?.ok_or(Outcome::Stopped)?;
            crate::note::write(&tools.config, &outgoing, tools.now())
                .map_err(|e| Outcome::Fault(Fault::retry(e.label(), crate::error::chain(&e))))
        })
        .await
}

/// Removes content files that nobody needs any more, and what the settings say is kept long enough.
///
/// # Errors
/// Those of the store.
pub async fn sweep(tools: &Tools) -> Step<()> {
    let keep = tools.config.limits.keep_sealed.as_millis();
    loop {
        let names = tools
            .blocking(move |tools| {
                let before = tools.now().saturating_sub(keep);
                let names = tools.store.spool_expired(before, PAGE).map_err(|e| store_trouble(&e))?;
                for name in &names {
                    tools.store.remove_content(&name.name).map_err(|e| store_trouble(&e))?;
                }
                Ok(names)
            })
            .await?;
        let many = names.len();
        if many > 0 {
            tools.store.spool_forgotten(names).await.map_err(|e| store_trouble(&e))?;
        }
        if many < PAGE as usize {
            break;
        }
    }
    let keep = &tools.config.keep;
    if let Some(keep) = keep.revocation {
        let before = tools.now().saturating_sub(keep.as_millis());
        let gone = tools.blocking(move |tools| Ok(tools.revocation.forget_kept(before))).await?;
        tracing::info!(gone, "answers of the authorities that were kept long enough");
    }
    if let Some(keep) = keep.announcements {
        let before = tools.now().saturating_sub(keep.as_millis());
        tools.store.forget_announcements(before, tools.now()).await.map_err(|e| store_trouble(&e))?;
    }
    Ok(())
}
