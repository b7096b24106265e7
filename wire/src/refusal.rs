//! The labels that a center refuses with (protocol §7): part of the protocol, never renamed.

use crate::message::{Refusal, RefusalClass};

/// A reason to refuse: its stable name, what a node should do, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// As it travels in [`Refusal::label`].
    pub name: &'static str,
    /// As it travels in [`Refusal::class`].
    pub class: RefusalClass,
    /// One English sentence, the same as in protocol §7.
    pub meaning: &'static str,
}

impl Label {
    /// A refusal with this label. Codes, waiting time and receipt are added by the caller where protocol §7 asks for them.
    /// A detail longer than 500 characters is cut.
    pub fn refuse(self, detail: impl AsRef<str>) -> Refusal {
        Refusal {
            label: self.name.to_owned(),
            class: self.class,
            detail: detail.as_ref().chars().take(500).collect(),
            codes: Vec::new(),
            after: 0,
            receipt: None,
        }
    }
}

/// The label of that name, if this version knows it.
pub fn find(name: &str) -> Option<&'static Label> {
    ALL.iter().find(|label| label.name == name)
}

macro_rules! labels {
    ($($id:ident $name:literal $class:ident $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $id: Label = Label { name: $name, class: RefusalClass::$class, meaning: $meaning };
        )*
        /// Every label, in the order of protocol §7.
        pub const ALL: &[Label] = &[$($id),*];
    };
}

labels! {
    // Any request
    MALFORMED "malformed-request" Permanent "The request breaks the protocol.";
    NOT_LOGGED_IN "not-logged-in" Retry "A request before the login.";
    BUSY "busy" Retry "The center has too much to do; `after` says when to come back.";
    RATE_EXCEEDED "rate-exceeded" Retry "The member asks too often; `after` says when to come back.";
    SHUTTING_DOWN "shutting-down" Retry "The center is stopping.";
    INTERNAL "internal" Retry "The center's own fault; its log says more.";
    TOO_MANY_CODES "too-many-codes" Permanent "More codes or parts in one request than allowed.";
    // Login
    VERSION_UNSUPPORTED "version-unsupported" Wait "The center no longer speaks this version.";
    MEMBER_UNKNOWN "member-unknown" Wait "No member has this code.";
    MEMBER_SUSPENDED "member-suspended" Wait "The member is suspended.";
    ADDRESS_NOT_REGISTERED "address-not-registered" Wait "The connection comes from an address that the member has not registered.";
    LOGIN_INVALID "login-invalid" Wait "The login statement or the proof of the session key does not verify, or is for another member, center or connection.";
    LOGIN_EXPIRED "login-expired" Retry "The login statement is past its end; a new one is needed.";
    LOGIN_NOT_YET_VALID "login-not-yet-valid" Wait "The login statement begins later than now by the center's clock, or lasts too long: one of the clocks is wrong.";
    CERTIFICATE_NOT_REGISTERED "certificate-not-registered" Wait "The certificate is valid, but not the one registered for this member.";
    CERTIFICATE_UNTRUSTED "certificate-untrusted" Wait "The certificate does not lead to an anchor of the center.";
    CERTIFICATE_EXPIRED "certificate-expired" Wait "The certificate is outside its validity.";
    CERTIFICATE_REVOKED "certificate-revoked" Wait "The certificate is revoked or on hold.";
    REVOCATION_UNKNOWN "revocation-unknown" Retry "The center cannot tell at present whether the certificate is revoked.";
    // Submit
    MAY_NOT_SEND "may-not-send" Wait "The member is receive-only.";
    SENDER_NOT_YOURS "sender-not-yours" Permanent "The part's sender is no mailbox of the member.";
    RECIPIENT_UNKNOWN "recipient-unknown" Permanent "At least one addressee is unknown; `codes` lists every addressee that cannot be served.";
    RECIPIENT_SUSPENDED "recipient-suspended" Permanent "At least one addressee is suspended, none is unknown; `codes` lists them.";
    PART_INVALID "part-invalid" Permanent "The part's header contradicts itself: an addressee twice.";
    PART_CONFLICT "part-conflict" Permanent "The part was accepted before with another manifest; `receipt` is the one given then.";
    TOO_LARGE "too-large" Permanent "The sealed bytes are longer than the member's limit.";
    TOO_MANY_ADDRESSEES "too-many-addressees" Permanent "More addressees than the member's limit.";
    QUOTA_EXCEEDED "quota-exceeded" Retry "The member's bytes of the day are used up; `after` says when to come back.";
    STORAGE_FULL "storage-full" Retry "The center's disk is full.";
    DIGEST_MISMATCH "digest-mismatch" Retry "The body does not hash to the header's digest; the upload was discarded and starts again at 0.";
    // Fetch
    OFFER_UNKNOWN "offer-unknown" Permanent "The member has no mailbox line of this number.";
    OFFER_GONE "offer-gone" Permanent "The line was reported and its bytes are no longer kept.";
    OFFSET_INVALID "offset-invalid" Permanent "The offset lies beyond the end.";
    // Report
    RECEIPT_INVALID "receipt-invalid" Permanent "The receipt bundle does not parse or verify.";
    RECEIPT_NOT_YOURS "receipt-not-yours" Permanent "A line is for a mailbox that is not the member's, or the signer is not the member.";
    RECEIPT_UNKNOWN_PART "receipt-unknown-part" Retry "A line is about a part that the center does not hold (after a restore it may come back).";
    RECEIPT_CONFLICT "receipt-conflict" Permanent "A line contradicts the verdict that was reported first.";
}
