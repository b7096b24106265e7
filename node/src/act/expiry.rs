//! How long certificates still last: ours and those of the recipients that we seal to. Told once at each threshold, before
//! mail stops on the day nobody thought of.

use std::collections::HashMap;

use envelope::Certificate;
use store::journal::{About, NewEntry};

use super::{Step, Tools, directory, store_trouble, trust};
use crate::api::view::{Purpose, Validity};
use crate::telemetry::hex;

/// Event: a certificate ends soon, or has ended.
pub const ENDS: &str = "certificate-ends";

/// Days before the end at which it is told, each once.
const THRESHOLDS: [i64; 6] = [90, 60, 30, 14, 7, 1];
const DAY: i64 = 86_400_000;
/// More days than any threshold: nothing is to be told.
const NOT_YET: i64 = i64::MAX;
/// What [`Validity`] lists are kept under.
const KEY: &str = "certificates";
/// Below it, by mailbox code: the SHA-256 of the certificate that was sealed to last.
const RECIPIENT: &str = "recipient.";

/// Where it is kept which certificate of a mailbox was sealed to last.
pub(super) fn key(code: &str) -> String {
    format!("{RECIPIENT}{code}")
}

/// The list as it was made last; empty before the first time.
pub(crate) fn listed(store: &store::Store) -> Result<Vec<Validity>, store::Error> {
    let json = store.meta(KEY)?.unwrap_or_default();
    Ok(serde_json::from_slice(&json).unwrap_or_default())
}

/// Looks at all of them: makes the list anew, and tells what has come nearer to its end.
///
/// # Errors
/// Those of the store.
pub async fn look(tools: &Tools) -> Step<()> {
    let near = tools
        .blocking(|tools| {
            let now = tools.now();
            let recipients = recipients(tools)?;
            let near = recipients.iter().filter(|(_, c)| c.not_after() < now + THRESHOLDS[0] * DAY);
            Ok(near.map(|(code, _)| code.clone()).collect::<Vec<_>>())
        })
        .await?;
    // They may have another certificate by now. Without an answer the one that we know counts.
    if !near.is_empty()
        && let Ok(known) = directory::look_up(tools, &near, true).await
    {
        let renewed = move |tools: &Tools| {
            let now_so: Vec<_> =
                known.iter().filter_map(|(code, k)| Some((code.as_str(), &k.entry.as_ref()?.enc))).collect();
            directory::keep(tools, &now_so)
        };
        tools.blocking(renewed).await?;
    }
    let told = tools.blocking(list).await?;
    for entry in told {
        tools.store.journal(entry, tools.now()).await.map_err(|e| store_trouble(&e))?;
    }
    Ok(())
}

/// Makes and keeps the list; returns what is to be told.
fn list(tools: &Tools) -> Step<Vec<NewEntry>> {
    let now = tools.now();
    let mut list = Vec::new();
    // A card that was never seen says nothing yet.
    if let Ok(sign) = tools.parts.sign.certificate() {
        list.push(validity(None, Purpose::Sign, &sign, trust::own_trouble_label(tools, now)));
    }
    for key in tools.parts.unwrap.iter() {
        if let Ok(certificate) = key.certificate() {
            list.push(validity(None, Purpose::Decrypt, &certificate, None));
        }
    }
    let mut recipients: Vec<_> = recipients(tools)?.into_iter().collect();
    recipients.sort_by(|a, b| (a.1.not_after(), &a.0).cmp(&(b.1.not_after(), &b.0)));
    list.extend(recipients.iter().map(|(code, c)| validity(Some(code), Purpose::Encrypt, c, None)));

    let mut told = Vec::new();
    for one in &list {
        let left = one.not_after.saturating_sub(now);
        let passed =
            if left <= 0 { Some(0) } else { THRESHOLDS.into_iter().filter(|t| left <= t * DAY).min() };
        let key = format!("told.{}.{}", one.sha256, one.code.as_deref().unwrap_or("own"));
        let before = tools.store.meta(&key).map_err(|e| store_trouble(&e))?;
        let before = before.and_then(|b| b.try_into().ok()).map(i64::from_be_bytes);
        let passed = match (passed, before) {
            (Some(passed), _) => passed,
            (None, None | Some(NOT_YET)) => continue,
            (None, Some(_)) => NOT_YET,
        };
        if before.is_some_and(|before| passed > before) {
            // It was told by a clock that was ahead; it is told again when it is so.
            let value = passed.to_be_bytes().to_vec();
            tools.store.set_meta(&key, value).wait().map_err(|e| store_trouble(&e))?;
        }
        if before.is_none_or(|before| passed < before) {
            let detail = one.to_line(now);
            tracing::warn!(detail, "a certificate ends");
            // Of ours somebody must see to it; of others it is good to know.
            let alarm = one.code.is_none();
            told.push(NewEntry {
                actor: store::NODE.into(),
                event: ENDS.into(),
                about: About::Node,
                detail,
                alarm,
            });
            let value = passed.to_be_bytes().to_vec();
            tools.store.set_meta(&key, value).wait().map_err(|e| store_trouble(&e))?;
        }
    }
    let json = serde_json::to_vec(&list).unwrap_or_default();
    if tools.store.meta(KEY).map_err(|e| store_trouble(&e))?.as_deref() != Some(&json) {
        tools.store.set_meta(KEY, json).wait().map_err(|e| store_trouble(&e))?;
    }
    Ok(told)
}

fn validity(
    code: Option<&String>,
    purpose: Purpose,
    certificate: &Certificate,
    label: Option<&'static str>,
) -> Validity {
    Validity {
        code: code.cloned(),
        purpose,
        subject: certificate.subject().to_owned(),
        serial: certificate.serial_hex(),
        sha256: hex(certificate.sha256()),
        not_after: certificate.not_after(),
        days_left: None,
        reason: label.and_then(|label| crate::api::view::Reason::of(label, "")),
    }
}

/// The certificate that each recipient was sealed to last.
fn recipients(tools: &Tools) -> Step<HashMap<String, Certificate>> {
    let all = tools.store.metas(RECIPIENT).map_err(|e| store_trouble(&e))?;
    let mut out = HashMap::new();
    for (key, digest) in all {
        let Ok(digest) = digest.try_into() else { continue };
        if let (Some(code), Ok(certificate)) = (key.strip_prefix(RECIPIENT), directory::kept(tools, &digest))
        {
            out.insert(code.to_owned(), certificate);
        }
    }
    Ok(out)
}
