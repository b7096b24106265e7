//! What we receive: offers, archived documents, our receipts.

use crate::outbound::{About, File, Trouble};
use crate::state::{Inbound, Priority, Verdict};
use crate::writer::Ticket;
use crate::{Digest, DocumentId, Store};

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

/// What an offer was to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// New: row made, due at once.
    New(i64),
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
    /// The same id with another manifest, or with shorter rounds' bytes changed: refused, never overwritten; an
    /// alarm is in the journal.
    Conflict(i64),
}

/// A document safe in the archive: what [`Store::archived`] records in one step.
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
    /// Of its content, as [`crate::Claim::digest`].
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
    /// The rows that it answers: all archived, or quarantined and to be answered.
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
    /// The offer as last seen; `offer.receipt` is loaded by [`Store::inbound`] only.
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
}

impl Store {
    /// Records offers, each at most once, and the offers cursor (`after`, if given). One result per offer.
    /// The key is (sender organisation, document, recipient).
    pub fn offered(&self, offers: Vec<Offer>, after: Option<u64>, at: i64) -> Ticket<Vec<Offered>> {
        let _ = (offers, after, at);
        unimplemented!()
    }

    /// Offered → Fetched: the sealed bytes of that round are durable in the spool. Due at once.
    ///
    /// # Errors
    /// `state-moved` also if another round was offered meanwhile.
    pub fn fetched(&self, id: i64, round: u16, file: &str, at: i64) -> Ticket<()> {
        let _ = (id, round, file, at);
        unimplemented!()
    }

    /// Fetched → Offered: the content file is gone or its digest wrong; fetched again, due at `due`.
    pub fn refetch(&self, id: i64, label: &str, detail: &str, due: i64, at: i64) -> Ticket<()> {
        let _ = (id, label, detail, due, at);
        unimplemented!()
    }

    /// Fetched → Archived. Archive and staged copy must be durable. Returns an earlier archived document with the same
    /// content for the same recipient, if any.
    pub fn archived(&self, archiving: Archiving, at: i64) -> Ticket<Option<i64>> {
        let _ = (archiving, at);
        unimplemented!()
    }

    /// The staged copy was renamed into the delivery folder, or had been taken from there.
    pub fn delivered(&self, id: i64, at: i64) -> Ticket<()> {
        let _ = (id, at);
        unimplemented!()
    }

    /// Offered or Fetched → Quarantined. With `answer` a 使用者退文 will be sent; without (poison, our own trouble)
    /// nothing is said, and an alarm is in the journal. `about` as far as it could be read.
    pub fn quarantined(&self, id: i64, label: &str, detail: &str, answer: bool, about: Option<About>, at: i64) -> Ticket<()> {
        let _ = (id, label, detail, answer, about, at);
        unimplemented!()
    }

    /// Receipts were signed: stored, before anybody is told. Rows stay in their state. Returns the receipts' numbers.
    ///
    /// # Errors
    /// `state-moved` if a row is not waiting for an answer (any more).
    pub fn answered(&self, answers: Vec<Answer>, at: i64) -> Ticket<Vec<i64>> {
        let _ = (answers, at);
        unimplemented!()
    }

    /// The center has a receipt of ours: its rows become Confirmed or Reported. Repeating it changes nothing.
    pub fn reported(&self, receipt: i64, at: i64) -> Ticket<()> {
        let _ = (receipt, at);
        unimplemented!()
    }

    /// A person read it.
    pub fn read(&self, id: i64, actor: &str, at: i64) -> Ticket<()> {
        let _ = (id, actor, at);
        unimplemented!()
    }

    /// Quarantined → Fetched (or Offered when the sealed bytes are gone), on a person's word, while nothing has been
    /// answered.
    pub fn reopen(&self, id: i64, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let _ = (id, actor, why, at);
        unimplemented!()
    }

    /// A person has a quarantined document without an answer sent back (使用者退文).
    pub fn send_back(&self, id: i64, label: &str, actor: &str, why: &str, at: i64) -> Ticket<()> {
        let _ = (id, label, actor, why, at);
        unimplemented!()
    }
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
