//! The evidence file: container, receipts and certificates of one document, checkable offline.

use crate::error::Error;
use crate::key::Certificate;
use crate::trust::Anchors;
use std::io::{Read, Seek, Write};

/// One recipient's part of the evidence.
#[derive(Clone, Debug, Default)]
pub struct RecipientEvidence {
    /// Mailbox code.
    pub code: String,
    /// The encryption certificate that was sealed to.
    pub enc: Option<Certificate>,
    /// The directory registration that was relied on, as stored.
    pub registration: Option<Vec<u8>>,
    /// The center's receipt (DER), in the order of rounds.
    pub center_receipts: Vec<Vec<u8>>,
    /// The receiver's receipts (DER), in the order they came.
    pub receiver_receipts: Vec<Vec<u8>>,
}

/// Writes an evidence file for a container of `container_len` bytes.
pub fn write(
    out: impl Write,
    container: impl Read,
    container_len: u64,
    recipients: &[RecipientEvidence],
    certificates: &[Certificate],
) -> Result<(), Error> {
    let _ = (out, container);
    todo!("{container_len} {recipients:?} {certificates:?}")
}

/// ✓, ✗ or ?.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Mark {
    /// Holds.
    Yes,
    /// Does not hold.
    No,
    /// Cannot be told from what is there.
    Unknown,
}

/// Which link of the chain of evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Step {
    /// The file itself can be read.
    File,
    /// Container, manifest, digests, exchange.xml.
    Container,
    /// The sender's signature.
    Signature,
    /// The sender's certificate chain at the time relied on.
    SenderChain,
    /// The recipient's directory registration.
    Registration,
    /// The center's receipt.
    CenterReceipt,
    /// The recipient's receipt.
    ReceiverReceipt,
    /// Whether certificates were revoked: no CRL or OCSP answer is in the file.
    Revocation,
}

/// One link.
#[derive(Clone, Debug)]
pub struct Link {
    /// Which.
    pub step: Step,
    /// The recipient's mailbox code, for links of one recipient.
    pub recipient: Option<String>,
    /// The mark.
    pub mark: Mark,
    /// Label of the reason when the mark is not ✓.
    pub label: &'static str,
    /// Who or what (subject of the signer), or the error in English.
    pub detail: String,
    /// A time that belongs to the link (signing, acceptance), Unix milliseconds.
    pub at: Option<i64>,
}

/// Which time the certificates were judged at.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum TimeSource {
    /// Arrival time in a verified center receipt.
    CenterReceipt,
    /// The signing time that the sender claims.
    SenderClaim,
}

/// The result of [`verify`].
#[derive(Clone, Debug)]
pub struct Report {
    /// All links, in order.
    pub links: Vec<Link>,
    /// What the container says, if it could be read.
    pub exchange: Option<crate::container::Exchange>,
    /// The files, if the container could be read.
    pub files: Vec<crate::container::StoredFile>,
    /// The time relied on, Unix milliseconds, and where it is from.
    pub relied_on: Option<(i64, TimeSource)>,
}

impl Report {
    /// No link is ✗ and container, signature and chain are ✓.
    pub fn holds(&self) -> bool {
        todo!()
    }
}

/// What is trusted when evidence is checked.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// For members.
    pub anchors: Anchors,
    /// For registrars; without any, registrations are `?`.
    pub registrars: Anchors,
    /// Receipt certificates of centers, pinned; without any, center receipts are `?`.
    pub centers: Vec<Certificate>,
}

/// Checks an evidence file, or a bare container (`.asice`).
pub fn verify<R: Read + Seek>(file: &mut R, trust: &Trust) -> Result<Report, Error> {
    let _ = file.stream_position()?;
    todo!("{trust:?}")
}
