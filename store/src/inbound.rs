//! What we receive: offers, archived documents, our receipts.

mod record;

pub(crate) use record::{advance, offer_one, organisation};

use crate::outbound::{About, File, Trouble};
use crate::queue::Begin;
use crate::state::{Inbound, Priority, Verdict};
use crate::{Digest, DocumentId};

/// A line of our mailbox at the center.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Number at the center, growing.
    pub seq: u64,
    /// Mailbox code of the sender.
    pub sender: String,
    /// The sender's id of it.
    pub document: DocumentId,
    /// Which container.
    pub variant: u16,
    /// Which group.
    pub group: u16,
    /// Which round.
    pub round: u16,
    /// Our mailbox.
    pub recipient: String,
    /// Whether the attachments travel.
    pub attachments: bool,
    /// SHA-256 of the manifest.
    pub manifest: Digest,
    /// SHA-256 of the signature.
    pub signature: Digest,
    /// SHA-256 of the sealed bytes.
    pub sealed: Digest,
    /// Length of the sealed bytes.
    pub length: u64,
    /// 速別
    pub priority: Priority,
    /// When the center accepted it, by the center's clock.
    pub accepted_at: i64,
    /// The center's receipt for it.
    pub receipt: Vec<u8>,
}

/// Which of the new ones begin with the record of their offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeginSome {
    /// How.
    pub begin: Begin,
    /// At most so many.
    pub most: usize,
    /// Of at most so many bytes.
    pub small: u64,
}

/// What an offer was to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// New: row made, due at once.
    New(i64),
    /// New, and its first step is begun.
    Begun(i64),
    /// Here already, in that state. If it has been answered, the stored receipt will be sent again.
    Known {
        /// The row.
        id: i64,
        /// Where it stands.
        state: Inbound,
        /// The receipt that answers it.
        receipt: Option<i64>,
    },
    /// A later round takes the place of one that was not archived: due at once.
    Replaced(i64),
    /// The same id with another manifest: refused, never overwritten; an alarm is in the journal.
    Conflict(i64),
}

/// A document safe in the archive: what [`Store::archived`](crate::Store::archived) records in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archiving {
    /// The row.
    pub id: i64,
    /// Hidden name of the staged copy in the delivery folder; empty if nothing is delivered.
    pub staged: String,
    /// Its final name in the delivery folder.
    pub delivered: String,
    /// Its folder in the archive.
    pub archive: String,
    /// What the document says of itself.
    pub about: About,
    /// Of its content, as [`crate::outbound::Claim::digest`].
    pub digest: Digest,
    /// All files together, in bytes.
    pub size: u64,
    /// Its files.
    pub files: Vec<File>,
    /// Labels of readable-with-warnings, for people; empty if none.
    pub warnings: String,
}

/// A receipt bundle of ours for one sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The rows that it answers: all archived, or quarantined and to be answered, or with a notice to be sent.
    pub inbound: Vec<i64>,
    /// Organisation code of the sender that it is for.
    pub to: String,
    /// The bundle's bytes.
    pub bundle: Vec<u8>,
}

/// A document that we received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundRow {
    /// Its number in this store.
    pub id: i64,
    /// Where it stands.
    pub state: Inbound,
    /// The offer as last seen; `offer.receipt` is loaded by [`Store::inbound`](crate::Store::inbound) only.
    pub offer: Offer,
    /// The center's epoch of `offer.seq`.
    pub epoch: [u8; 16],
    /// When it was first offered.
    pub offered_at: i64,
    /// When its state last changed.
    pub changed_at: i64,
    /// When it was archived, by our clock.
    pub archived_at: Option<i64>,
    /// When its staged copy was renamed into the delivery folder.
    pub delivered_at: Option<i64>,
    /// What the document says of itself (after archiving, or as far as it could be read).
    pub about: About,
    /// Content digest; all zero before archiving.
    pub digest: Digest,
    /// All files together, in bytes.
    pub size: u64,
    /// Name of the sealed bytes in the spool; empty if none.
    pub file: String,
    /// Hidden name of the staged copy.
    pub staged: String,
    /// Name in the delivery folder.
    pub delivered: String,
    /// Folder in the archive.
    pub archive: String,
    /// An earlier document with the same content: 疑似重複.
    pub duplicate_of: Option<i64>,
    /// Labels of readable-with-warnings.
    pub warnings: String,
    /// Whether 使用者退文 is to be sent for a quarantined one.
    pub answer: bool,
    /// Our receipt for it.
    pub receipt: Option<i64>,
    /// Label of the notice that a person has sent to the sender after the confirmation ([`crate::MISDIRECTED`],
    /// [`crate::INCOMPLETE`]); empty if none.
    pub notice: String,
    /// Our receipt that carries the notice, once it is signed.
    pub notice_receipt: Option<i64>,
    /// When a person read it.
    pub read_at: Option<i64>,
    /// Pauses and troubles.
    pub trouble: Trouble,
}

/// A stored receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptRow {
    /// Its number in this store.
    pub id: i64,
    /// `center` (系統確認 for a part), `outcome` (from a receiver) or `answer` (ours).
    pub kind: String,
    /// For an answer: the organisation that it is for.
    pub to: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When it was stored.
    pub made_at: i64,
    /// For an answer: when the center confirmed that it has it.
    pub sent_at: Option<i64>,
    /// For an answer: why the center will not take it; empty otherwise.
    pub label: String,
}

/// The verdict that an answer in this state carries.
#[must_use]
pub const fn verdict_for(state: Inbound) -> Option<Verdict> {
    match state {
        Inbound::Archived | Inbound::Confirmed => Some(Verdict::Confirmed),
        Inbound::Quarantined | Inbound::Reported => Some(Verdict::Returned),
        Inbound::Offered | Inbound::Fetched => None,
    }
}
