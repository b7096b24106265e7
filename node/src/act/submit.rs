//! Hands a part to the center and checks its receipt: 系統確認 counts only if it verifies and speaks of this part.

use envelope::receipt::{Kind, Receipt, ReceiptLine, Verdict, compare};
use store::outbound::PartRow;
use wire::message::{Addressee, PartHeader, PartKey, Priority};

use super::link::is_of_addressees;
use super::{Step, Tools, link_trouble, store_trouble};
use crate::flow::{Fault, Outcome};

/// Label: what the center gave as its receipt is none.
pub const RECEIPT_INVALID: &str = "center-receipt-invalid";

/// A verified 系統確認.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The receipt's bytes.
    pub receipt: Vec<u8>,
    /// When the center accepted it, by its clock.
    pub at: i64,
}

/// The header of a part as it is submitted.
#[must_use]
pub fn header(part: &PartRow) -> PartHeader {
    PartHeader {
        key: PartKey { document: part.document, variant: part.variant, group: part.group, round: part.round },
        sender: part.sender.clone(),
        addressees: part
            .addressees
            .iter()
            .map(|(code, attachments)| Addressee { code: code.clone(), attachments: *attachments })
            .collect(),
        priority: priority(part.priority),
        manifest: part.manifest,
        signature: part.signature,
        sealed: part.sealed,
        length: part.length,
    }
}

const fn priority(p: store::state::Priority) -> Priority {
    match p {
        store::state::Priority::Normal => Priority::Normal,
        store::state::Priority::Fast => Priority::Fast,
        store::state::Priority::Fastest => Priority::Fastest,
    }
}

/// Submits one part.
///
/// # Errors
/// Waits for the link; the center's refusals by their class, but those for the standing of addressees are tried
/// again; [`RECEIPT_INVALID`].
pub async fn submit(tools: &Tools, part: &PartRow) -> Step<Accepted> {
    let gone = || Outcome::Gone { label: "spool-missing".into(), detail: part.file.clone() };
    if part.file.is_empty() {
        return Err(gone());
    }
    let sealed = match tools.store.content(&part.file) {
        Err(error) if error.label() == "spool-missing" => {
            return Err(gone());
        }
        other => other.map_err(|e| store_trouble(&e))?,
    };
    let receipt = tools.link.submit(header(part), sealed).await.map_err(|e| {
        // What the directory said of them before is no longer so.
        if let Some(refusal) = e.refusal().filter(|refusal| is_of_addressees(refusal)) {
            tools.directory.forget_of(&refusal.codes);
        }
        link_trouble(&e)
    })?;
    if part.addressees.len() <= FEW {
        // Less than going to another thread and back would take.
        return check(tools, part, receipt);
    }
    let part = part.clone();
    tools.blocking(move |tools| check(tools, &part, receipt)).await
}

/// So many lines of a receipt are judged on the spot.
const FEW: usize = 8;

/// What the center's receipt must say of one addressee of a part.
fn expected(tools: &Tools, part: &PartRow, recipient: &str) -> ReceiptLine {
    ReceiptLine {
        center: tools.config.center.code.clone(),
        document: part.document,
        round: u32::from(part.round),
        sender: part.sender.clone(),
        recipient: recipient.to_owned(),
        manifest: part.manifest,
        signature: part.signature,
        sealed: part.sealed,
        verdict: Verdict::Accepted,
        label: String::new(),
        arrived: 0,
        archived: None,
    }
}

fn check(tools: &Tools, part: &PartRow, bytes: Vec<u8>) -> Step<Accepted> {
    let lines = verify_center(tools, &bytes).map_err(invalid)?;
    let mut at = i64::MAX;
    for (recipient, _) in &part.addressees {
        let Some(line) = lines.iter().find(|l| l.recipient == *recipient) else {
            return Err(invalid(format!("no line for {recipient}")));
        };
        if line.verdict != Verdict::Accepted {
            return Err(invalid(format!("another verdict for {recipient}")));
        }
        // The same part sealed differently before (a crash between sealing and its row) keeps its first digest.
        let mut expected = expected(tools, part, recipient);
        expected.sealed = line.sealed;
        compare(line, &expected).map_err(|e| invalid(e.to_string()))?;
        at = at.min(line.arrived);
    }
    Ok(Accepted { receipt: bytes, at })
}

fn invalid(detail: String) -> Outcome {
    Outcome::Fault(Fault::retry(RECEIPT_INVALID, detail))
}

/// The lines of a center's receipt that one of the pinned certificates signed.
pub(super) fn verify_center(tools: &Tools, bytes: &[u8]) -> Result<Vec<ReceiptLine>, String> {
    let receipt = Receipt::from_der(bytes).map_err(|e| e.to_string())?;
    let now = tools.now();
    let mut why = String::from("no pinned certificate");
    for pinned in tools.parts.receipts.iter() {
        // A stored receipt comes again with its first bytes after the center's certificate has ended.
        let at = now.clamp(pinned.not_before(), pinned.not_after());
        match receipt.verify_pinned(Kind::Center, pinned, at) {
            Ok(verified) => return Ok(verified.lines),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}
