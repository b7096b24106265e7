//! Receipts: signed lists of what happened to a document at the center and at its recipients.

use crate::Digest;
use crate::error::Error;
use crate::key::{Certificate, SigningKey};
use crate::trust::Anchors;

/// What a receipt line says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Verdict {
    /// 系統確認: the center has it.
    Accepted = 0,
    /// 使用者確認: the recipient has archived it.
    Confirmed = 1,
    /// 使用者退文: the recipient returns it.
    Returned = 2,
    /// 誤送通知: it was not meant for the recipient.
    Misdelivered = 3,
}

/// One fact about one document and one recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReceiptLine {
    /// The center's code.
    pub center: String,
    /// Document id.
    pub document: [u8; 16],
    /// 0, then counted up by resending.
    pub round: u32,
    /// The sender's mailbox code.
    pub sender: String,
    /// The recipient's mailbox code.
    pub recipient: String,
    /// SHA-256 of the container's manifest.
    pub manifest: Digest,
    /// SHA-256 of the container's signature file; all zero in a center's receipt only if the sender did not tell it.
    pub signature: Digest,
    /// SHA-256 of the sealed bytes.
    pub sealed: Digest,
    /// What happened.
    pub verdict: Verdict,
    /// Reason label; empty if none.
    pub label: String,
    /// When it arrived (at the center, or at the recipient's node), Unix milliseconds.
    pub arrived: i64,
    /// When it was archived, Unix milliseconds.
    pub archived: Option<i64>,
}

/// The most lines of one signature.
pub const MAX_LINES: usize = 1_000;

/// Who signs: decides the content type.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Kind {
    /// A center: 系統確認.
    Center,
    /// A recipient: 使用者確認, 使用者退文, 誤送通知.
    Receiver,
}

/// A signed list, or the part of it that one party may see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt {
    entries: Vec<ReceiptLine>,
}

/// A receipt that verified.
#[derive(Clone, Debug)]
pub struct VerifiedReceipt {
    /// Its lines.
    pub lines: Vec<ReceiptLine>,
    /// Who signed.
    pub signer: Certificate,
    /// The chain from the signer to the anchor.
    pub chain: Vec<Certificate>,
    /// When the signer claims to have signed, Unix milliseconds.
    pub signing_time: i64,
}

/// Signs all lines of a part by the center's receipt key.
pub fn make_center(lines: &[ReceiptLine], key: &dyn SigningKey, at: i64) -> Result<Receipt, Error> {
    todo!("{lines:?} {at} {:?}", key.certificate())
}

/// Signs many lines in one key operation and gives for each sender code, in order of first appearance, the receipt with
/// only its own lines.
pub fn make_receiver(
    lines: &[ReceiptLine],
    key: &dyn SigningKey,
    at: i64,
) -> Result<Vec<(String, Receipt)>, Error> {
    todo!("{lines:?} {at} {:?}", key.certificate())
}

impl Receipt {
    /// Reads a receipt. The lines can be looked at, but mean nothing before [`Receipt::verify`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        todo!("{}", der.len())
    }
    /// The bytes.
    pub fn to_der(&self) -> Vec<u8> {
        todo!()
    }
    /// The lines, unverified.
    pub fn lines(&self) -> &[ReceiptLine] {
        &self.entries
    }
    /// Only the lines of one recipient, under the same signature; `None` if there are none.
    pub fn reduced_to(&self, recipient: &str) -> Option<Self> {
        todo!("{recipient}")
    }
    /// Verifies signature, content type of `kind`, every line, and the signer's chain at the time `at`.
    pub fn verify(&self, kind: Kind, anchors: &Anchors, at: i64) -> Result<VerifiedReceipt, Error> {
        todo!("{kind:?} {anchors:?} {at}")
    }
    /// As [`Receipt::verify`], for a signer that is pinned itself (the center's receipt certificate): no chain.
    pub fn verify_pinned(&self, kind: Kind, signer: &Certificate, at: i64) -> Result<VerifiedReceipt, Error> {
        todo!("{kind:?} {signer:?} {at}")
    }
}

impl VerifiedReceipt {
    /// Demands that the signer is the organisation that `expected` (the recipient's certificate that was sealed to, or
    /// its signing certificate) belongs to: same subject, or same organisation OID and name.
    pub fn signed_by_organisation_of(&self, expected: &Certificate) -> Result<(), Error> {
        todo!("{expected:?}")
    }
}

/// Demands that a receipt's line speaks of what was sent: center, document, round, sender, recipient and digests.
pub fn compare(line: &ReceiptLine, sent: &ReceiptLine) -> Result<(), Error> {
    todo!("{line:?} {sent:?}")
}
