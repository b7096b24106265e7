//! What a failed request to the center means for a document.

use crate::flow::{Class, Fault, Outcome, Why};

/// The network's troubles wait for the link; refusals go by their class.
pub(super) fn trouble(error: &crate::link::Error) -> Outcome {
    let detail = crate::error::chain(error);
    let Some(refusal) = error.refusal() else {
        return Outcome::Fault(match error.class() {
            wire::Class::Permanent => Fault::retry(error.label(), detail),
            wire::Class::Retry | wire::Class::Wait => Fault::wait(Why::Link, detail),
        });
    };
    let mut detail = refusal.detail.clone();
    if !refusal.codes.is_empty() {
        detail = format!("{}: {detail}", refusal.codes.join(", "));
    }
    let label = refusal.label.clone();
    let after = i64::from(refusal.after) * 1_000;
    Outcome::Fault(match (refusal.class, label.as_str()) {
        (wire::message::RefusalClass::Wait, "may-not-send") => Fault::wait(Why::Permission, detail),
        (wire::message::RefusalClass::Wait, _) => Fault::wait(Why::Link, format!("{label}: {detail}")),
        // A line that the center no longer knows comes again with another number, if at all.
        (_, "offer-unknown" | "offset-invalid") => Fault { class: Class::Retry, label, detail, after },
        // A member may be resumed or registered again; the part is sealed to the others too and must not stop for ever.
        (wire::message::RefusalClass::Permanent, _) if is_of_addressees(refusal) => {
            Fault { class: Class::Retry, label, detail, after }
        }
        (wire::message::RefusalClass::Retry, _) => Fault { class: Class::Retry, label, detail, after },
        (wire::message::RefusalClass::Permanent, _) => Fault::permanent(label, detail),
    })
}

/// Whether the center refuses a part for the standing of some addressees, which passes.
pub(super) fn is_of_addressees(refusal: &wire::message::Refusal) -> bool {
    [wire::refusal::RECIPIENT_SUSPENDED.name, wire::refusal::RECIPIENT_UNKNOWN.name]
        .contains(&refusal.label.as_str())
}
