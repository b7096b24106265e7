//! Columns and the rows made of them.

use rusqlite::Row;

use crate::inbound::{InboundRow, Offer, ReceiptRow};
use crate::outbound::{About, DocumentRow, File, LineRow, PartRow, Trouble};
use crate::unsigned;

pub(crate) const DOCUMENT: &str = "d.key, d.id, d.state, d.word, d.kind, d.edition, d.subject, d.number, d.dated,
    d.priority, d.sender, d.sender_name, d.drop_name, d.di_name, d.digest, d.size, d.claimed_at, d.sealed_at,
    d.changed_at, d.held, d.due, d.attempts, d.step, d.begun, d.label, d.detail, d.duplicate_of, d.noted, d.note";

pub(crate) fn document_row(r: &Row<'_>) -> rusqlite::Result<DocumentRow> {
    Ok(DocumentRow {
        key: r.get(0)?,
        id: r.get(1)?,
        state: r.get(2)?,
        word: r.get(3)?,
        about: about(r, 4)?,
        drop_name: r.get(12)?,
        di_name: r.get(13)?,
        digest: r.get(14)?,
        size: unsigned(r.get(15)?),
        claimed_at: r.get(16)?,
        sealed_at: r.get(17)?,
        changed_at: r.get(18)?,
        trouble: trouble(r, 19)?,
        duplicate_of: r.get(26)?,
        noted: r.get(27)?,
        note: r.get(28)?,
    })
}

/// Eight columns from `i` on.
pub(crate) fn about(r: &Row<'_>, i: usize) -> rusqlite::Result<About> {
    Ok(About {
        kind: r.get(i)?,
        edition: r.get(i + 1)?,
        subject: r.get(i + 2)?,
        number: r.get(i + 3)?,
        dated: r.get(i + 4)?,
        priority: r.get(i + 5)?,
        sender: r.get(i + 6)?,
        sender_name: r.get(i + 7)?,
    })
}

/// Seven columns from `i` on.
pub(crate) fn trouble(r: &Row<'_>, i: usize) -> rusqlite::Result<Trouble> {
    Ok(Trouble {
        held: r.get(i)?,
        due: r.get(i + 1)?,
        attempts: r.get(i + 2)?,
        step: r.get(i + 3)?,
        begun: r.get(i + 4)?,
        label: r.get(i + 5)?,
        detail: r.get(i + 6)?,
    })
}

/// To be read FROM part p JOIN document d JOIN container c.
pub(crate) const PART: &str = "p.id, d.id, p.variant, p.grp, p.round, d.sender, p.priority, p.addressees, c.manifest,
    c.signature, p.sealed, p.size, p.file, p.accepted_at, p.receipt, p.todo, p.settled, p.held, p.due, p.attempts,
    p.step, p.begun, p.label, p.detail";
pub(crate) const PART_FROM: &str =
    "part p JOIN document d ON d.key = p.doc JOIN container c ON c.doc = p.doc AND c.variant = p.variant";

pub(crate) fn part_row(r: &Row<'_>) -> rusqlite::Result<PartRow> {
    let addressees: String = r.get(7)?;
    let addressee = |code: &str| match code.strip_suffix('-') {
        Some(code) => (code.to_owned(), false),
        None => (code.to_owned(), true),
    };
    Ok(PartRow {
        id: r.get(0)?,
        document: r.get(1)?,
        variant: r.get(2)?,
        group: r.get(3)?,
        round: r.get(4)?,
        sender: r.get(5)?,
        priority: r.get(6)?,
        addressees: addressees.split_ascii_whitespace().map(addressee).collect(),
        manifest: r.get(8)?,
        signature: r.get(9)?,
        sealed: r.get(10)?,
        length: unsigned(r.get(11)?),
        file: r.get(12)?,
        accepted_at: r.get(13)?,
        receipt: r.get(14)?,
        todo: r.get(15)?,
        settled: r.get(16)?,
        trouble: trouble(r, 17)?,
    })
}

/// To be read FROM line l JOIN document d.
pub(crate) const LINE: &str = "d.id, l.position, l.recipient, l.name, l.copy, l.attachments, l.paper, l.state, l.round,
    l.part, l.certificate, l.changed_at, l.accepted_at, l.archived_at, l.label, l.detail, l.receipt, l.resend";

pub(crate) fn line_row(r: &Row<'_>) -> rusqlite::Result<LineRow> {
    Ok(LineRow {
        document: r.get(0)?,
        position: r.get(1)?,
        recipient: r.get(2)?,
        name: r.get(3)?,
        copy: r.get(4)?,
        attachments: r.get(5)?,
        paper: r.get(6)?,
        state: r.get(7)?,
        round: r.get(8)?,
        part: r.get(9)?,
        certificate: r.get(10)?,
        changed_at: r.get(11)?,
        accepted_at: r.get(12)?,
        archived_at: r.get(13)?,
        label: r.get(14)?,
        detail: r.get(15)?,
        receipt: r.get(16)?,
        resend: r.get(17)?,
    })
}

pub(crate) fn file_row(r: &Row<'_>) -> rusqlite::Result<File> {
    Ok(File {
        name: r.get(0)?,
        role: r.get(1)?,
        size: unsigned(r.get(2)?),
        sha256: r.get(3)?,
        crc32: r.get(4)?,
    })
}

/// To be read FROM inbound i. The receipt's bytes are left empty.
pub(crate) const INBOUND: &str = "i.id, i.state, i.seq, i.sender, i.document, i.variant, i.grp, i.round, i.recipient,
    i.attachments, i.manifest, i.signature, i.sealed, i.size, i.priority, i.accepted_at, i.epoch, i.offered_at,
    i.changed_at, i.archived_at, i.delivered_at, i.kind, i.edition, i.subject, i.number, i.dated, i.about_priority,
    i.about_sender, i.sender_name, i.digest, i.content_size, i.file, i.staged, i.delivered, i.archive, i.duplicate_of,
    i.warnings, i.answer, i.receipt, i.read_at, i.held, i.due, i.attempts, i.step, i.begun, i.label, i.detail,
    i.notice, i.notice_receipt";

pub(crate) fn inbound_row(r: &Row<'_>) -> rusqlite::Result<InboundRow> {
    Ok(InboundRow {
        id: r.get(0)?,
        state: r.get(1)?,
        offer: Offer {
            seq: unsigned(r.get(2)?),
            sender: r.get(3)?,
            document: r.get(4)?,
            variant: r.get(5)?,
            group: r.get(6)?,
            round: r.get(7)?,
            recipient: r.get(8)?,
            attachments: r.get(9)?,
            manifest: r.get(10)?,
            signature: r.get(11)?,
            sealed: r.get(12)?,
            length: unsigned(r.get(13)?),
            priority: r.get(14)?,
            accepted_at: r.get(15)?,
            receipt: Vec::new(),
        },
        epoch: r.get(16)?,
        offered_at: r.get(17)?,
        changed_at: r.get(18)?,
        archived_at: r.get(19)?,
        delivered_at: r.get(20)?,
        about: about(r, 21)?,
        digest: r.get(29)?,
        size: unsigned(r.get(30)?),
        file: r.get(31)?,
        staged: r.get(32)?,
        delivered: r.get(33)?,
        archive: r.get(34)?,
        duplicate_of: r.get(35)?,
        warnings: r.get(36)?,
        answer: r.get(37)?,
        receipt: r.get(38)?,
        read_at: r.get(39)?,
        trouble: trouble(r, 40)?,
        notice: r.get(47)?,
        notice_receipt: r.get(48)?,
    })
}

pub(crate) const RECEIPT: &str = "id, kind, \"to\", bytes, made_at, sent_at, label";

pub(crate) fn receipt_row(r: &Row<'_>) -> rusqlite::Result<ReceiptRow> {
    Ok(ReceiptRow {
        id: r.get(0)?,
        kind: r.get(1)?,
        to: r.get(2)?,
        bytes: r.get(3)?,
        made_at: r.get(4)?,
        sent_at: r.get(5)?,
        label: r.get(6)?,
    })
}
