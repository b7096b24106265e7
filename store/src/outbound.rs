//! What we send: documents, their containers, parts and recipient lines.

mod record;
mod send;

use crate::content::Small;
use crate::state::{Document, Line, Priority, Word};
pub use crate::verdict::{Effect, VerdictLine, Verdicts};
use crate::{Digest, DocumentId};
pub(crate) use record::{advance_line, locate, next_round, settle};
pub(crate) use send::insert_files;

/// What a document says of itself, for lists and searches. Empty where it does not say or could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// 文別: 函, 書函, 開會通知單 …
    pub kind: String,
    /// The DTD's edition, `104`.
    pub edition: String,
    /// 主旨
    pub subject: String,
    /// 發文字號, as printed.
    pub number: String,
    /// 發文日期, as written.
    pub dated: String,
    /// 速別
    pub priority: Priority,
    /// The sender's mailbox code.
    pub sender: String,
    /// 發文機關全銜
    pub sender_name: String,
}

/// What a file is in its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, as dropped or received.
    pub name: String,
    /// `di`, `sw` or `attachment`.
    pub role: String,
    /// Length in bytes.
    pub size: u64,
    /// Of the raw bytes.
    pub sha256: Digest,
    /// Of the raw bytes, for the ZIP entry.
    pub crc32: u32,
}

/// A unit taken from the drop folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// 128 random bits, never used again.
    pub id: DocumentId,
    /// Path of the unit in the drop folder, relative, for people.
    pub drop_name: String,
    /// Name of the DI.
    pub di_name: String,
    /// What the DI says, as far as it is known at claim; [`Store::described`](crate::Store::described) later.
    pub about: About,
    /// Same bytes, same digest: how a second press of "send" is found. All zero: not compared.
    pub digest: Digest,
    /// All files together, in bytes.
    pub size: u64,
    /// Every file of the unit, the DI first.
    pub files: Vec<File>,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// The earlier document with the same bytes that was not refused; then this one is `held` with the label
    /// [`crate::DUPLICATE`].
    pub duplicate_of: Option<DocumentId>,
}

/// An evidence container of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// 0 whole, 1 reduced (不含附件), 2 + n the n-th recipient alone (行文單位保密).
    pub variant: u16,
    /// SHA-256 of the manifest: what was signed.
    pub manifest: Digest,
    /// SHA-256 of the signature.
    pub signature: Digest,
    /// Name of the content ([`Store::content`](crate::Store::content)).
    pub file: String,
    /// Length in bytes.
    pub size: u64,
}

/// A sealed message to be submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPart {
    /// Of its container.
    pub variant: u16,
    /// Which group of that container's recipients.
    pub group: u16,
    /// SHA-256 of the sealed bytes.
    pub sealed: Digest,
    /// Length of the sealed bytes.
    pub length: u64,
    /// Name of the sealed bytes ([`Store::content`](crate::Store::content)).
    pub file: String,
}

/// A recipient, resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewLine {
    /// Mailbox code it is sealed to: 10 or 17 characters.
    pub recipient: String,
    /// 全銜 (and unit) as the roster has it.
    pub name: String,
    /// 正本 or 副本, as the document says; empty if it does not.
    pub copy: String,
    /// Whether the attachments travel.
    pub attachments: bool,
    /// Whether the roster asks for paper beside the exchange.
    pub paper: bool,
    /// Which part carries it: its variant …
    pub variant: u16,
    /// … and its group.
    pub group: u16,
    /// SHA-256 of the encryption certificate that it was sealed to.
    pub certificate: Digest,
}

/// A name in 正本 or 副本 that matches no line: 待人工確認（可能為紙本）. A hint, never a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint {
    /// The name as written.
    pub name: String,
    /// 正本 or 副本.
    pub copy: String,
}

/// A document signed and sealed: what [`Store::sealed`](crate::Store::sealed) records in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealing {
    /// Which document; it must be [`Document::Claimed`].
    pub document: DocumentId,
    /// What it says of itself, if that was not recorded before by [`Store::described`](crate::Store::described).
    pub about: Option<About>,
    /// Its containers.
    pub containers: Vec<Container>,
    /// Its parts of round 0; each names a container.
    pub parts: Vec<NewPart>,
    /// Its recipients; each names a part.
    pub lines: Vec<NewLine>,
    /// Names without a line.
    pub hints: Vec<Hint>,
    /// What of its content is to lie in the database; containers and parts call it by its name here.
    pub contents: Vec<Small>,
}

/// A document sealed anew for some of its recipients: what [`Store::resent`](crate::Store::resent) records in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resending {
    /// Which document; it must be [`Document::Sealed`].
    pub document: DocumentId,
    /// The round, above every earlier one ([`Store::next_round`](crate::Store::next_round)).
    pub round: u16,
    /// The parts of this round.
    pub parts: Vec<NewPart>,
    /// Recipient code, variant and group of its part, certificate sealed to.
    pub lines: Vec<ResentLine>,
    /// What of its content is to lie in the database; parts call it by its name here.
    pub contents: Vec<Small>,
}

/// A recipient of a later round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResentLine {
    /// The line's mailbox code.
    pub recipient: String,
    /// Which part of the round carries it: its variant …
    pub variant: u16,
    /// … and its group.
    pub group: u16,
    /// SHA-256 of the encryption certificate that it is sealed to now.
    pub certificate: Digest,
}

/// Pauses, troubles and tries of a document, a part or a received document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble {
    /// A person, or the duplicate rule, stopped it; [`Store::release`](crate::Store::release) lets it go on.
    pub held: bool,
    /// When it is to be looked at again; `None`: when something happens ([`Store::wake`](crate::Store::wake)), not by time.
    pub due: Option<i64>,
    /// Tries since the last step that worked; for the back-off.
    pub attempts: u32,
    /// The step that was begun and has no outcome yet: after a crash, what the process died in.
    pub step: Option<String>,
    /// How often that step was begun without an outcome.
    pub begun: u32,
    /// The last trouble; empty if none.
    pub label: String,
    /// More about it, for people.
    pub detail: String,
}

/// A document that we send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// Its number in this store, growing with the time of claim; for paging.
    pub key: i64,
    /// Its id.
    pub id: DocumentId,
    /// Where it stands by itself.
    pub state: Document,
    /// The one word, from its lines.
    pub word: Word,
    /// What it says of itself.
    pub about: About,
    /// Where it lay in the drop folder.
    pub drop_name: String,
    /// Name of its DI.
    pub di_name: String,
    /// Of its content.
    pub digest: Digest,
    /// All files together, in bytes.
    pub size: u64,
    /// When it was claimed.
    pub claimed_at: i64,
    /// When it was sealed.
    pub sealed_at: Option<i64>,
    /// When its word last changed.
    pub changed_at: i64,
    /// Pauses and troubles of claiming, sealing, resending.
    pub trouble: Trouble,
    /// The earlier document with the same bytes.
    pub duplicate_of: Option<DocumentId>,
    /// The word that the note in `sent/` or `failed/` tells; `None`: no note yet.
    pub noted: Option<Word>,
    /// Where that note lies.
    pub note: String,
}

/// A sealed message and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// Its number in this store.
    pub id: i64,
    /// Of which document.
    pub document: DocumentId,
    /// Of which container.
    pub variant: u16,
    /// Which group of recipients.
    pub group: u16,
    /// Which round.
    pub round: u16,
    /// The document's sender code.
    pub sender: String,
    /// 速別 of the document.
    pub priority: Priority,
    /// Recipients with their `attachments` flag, in the order of sealing.
    pub addressees: Vec<(String, bool)>,
    /// SHA-256 of the manifest.
    pub manifest: Digest,
    /// SHA-256 of the signature.
    pub signature: Digest,
    /// SHA-256 of the sealed bytes.
    pub sealed: Digest,
    /// Length of the sealed bytes.
    pub length: u64,
    /// Name of the sealed bytes in the spool; empty once they are gone.
    pub file: String,
    /// When the center accepted it, by the center's clock.
    pub accepted_at: Option<i64>,
    /// The center's receipt ([`Store::receipt`](crate::Store::receipt)).
    pub receipt: Option<i64>,
    /// Whether it is to be submitted (again).
    pub todo: bool,
    /// Whether nothing more will happen to it: every recipient is final, or a later round carries them.
    pub settled: bool,
    /// Troubles of submitting.
    pub trouble: Trouble,
}

/// A recipient and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRow {
    /// Of which document.
    pub document: DocumentId,
    /// Position in the roster, from 0.
    pub position: u32,
    /// Mailbox code.
    pub recipient: String,
    /// Name as the roster has it.
    pub name: String,
    /// 正本, 副本 or empty.
    pub copy: String,
    /// Whether the attachments travel.
    pub attachments: bool,
    /// Whether the roster asks for paper too.
    pub paper: bool,
    /// Where it stands.
    pub state: Line,
    /// The round of its present part.
    pub round: u16,
    /// Its present part.
    pub part: i64,
    /// Certificate that it is sealed to.
    pub certificate: Digest,
    /// When its state last changed.
    pub changed_at: i64,
    /// When the center accepted it, by the center's clock.
    pub accepted_at: Option<i64>,
    /// When the recipient archived it, as the receipt says.
    pub archived_at: Option<i64>,
    /// Why it was returned, what came too late (`late-confirmed`, `late-returned`), or what its recipient told us after
    /// its confirmation (`misdirected`, `incomplete`).
    pub label: String,
    /// More about it, for people.
    pub detail: String,
    /// The receipt that decided it.
    pub receipt: Option<i64>,
    /// Whether a resend is asked for and not sealed yet.
    pub resend: bool,
}
