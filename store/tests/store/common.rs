//! Documents, offers and answers to test with.

use store::inbound::{Answer, Archiving, Offer, Offered};
use store::outbound::{
    About, Claim, Container, File, Hint, NewLine, NewPart, Sealing, VerdictLine, Verdicts,
};
use store::state::{Line, Priority, Verdict, Word};
use store::{Digest, DocumentId, Store};
use tempfile::TempDir;

pub(crate) const US: &str = "XC00000001";

pub(crate) fn open() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0).unwrap();
    (dir, store)
}

pub(crate) fn id(n: u32) -> DocumentId {
    let mut id = [0xd0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    id
}

pub(crate) fn digest(n: u32) -> Digest {
    let mut digest = [7; 32];
    digest[..4].copy_from_slice(&n.to_be_bytes());
    digest
}

pub(crate) fn code(n: usize) -> String {
    format!("XC{n:08}")
}

pub(crate) fn claim(n: u32) -> Claim {
    Claim {
        id: id(n),
        drop_name: format!("公文{n}.di"),
        di_name: format!("公文{n}.di"),
        about: About {
            kind: "函".into(),
            edition: "104".into(),
            subject: format!("檢送第{n}號資料"),
            number: format!("府秘字第{n:010}號"),
            dated: "115年1月2日".into(),
            priority: Priority::Normal,
            sender: US.into(),
            sender_name: "甲機關".into(),
        },
        digest: digest(n),
        size: 10_000,
        files: vec![File {
            name: format!("公文{n}.di"),
            role: "di".into(),
            size: 10_000,
            sha256: digest(n),
            crc32: n,
        }],
    }
}

/// One container, one part, `recipients` lines.
pub(crate) fn sealing(n: u32, recipients: usize) -> Sealing {
    Sealing {
        about: None,
        document: id(n),
        containers: vec![Container {
            variant: 0,
            manifest: digest(n),
            signature: digest(n + 1),
            file: format!("c{n}"),
            size: 12_000,
        }],
        parts: vec![part(n, 0)],
        lines: (0..recipients)
            .map(|r| NewLine {
                recipient: code(r),
                name: format!("受文機關{r}"),
                copy: "正本".into(),
                attachments: true,
                certificate: digest(1),
                ..NewLine::default()
            })
            .collect(),
        hints: vec![Hint { name: "某某里辦公處".into(), copy: "副本".into() }],
        contents: Vec::new(),
    }
}

pub(crate) fn part(n: u32, round: u16) -> NewPart {
    NewPart { variant: 0, group: 0, sealed: digest(n + 2), length: 13_000, file: format!("p{n}-{round}") }
}

/// Claimed and sealed; returns the part's number.
pub(crate) fn sent(store: &Store, n: u32, recipients: usize) -> i64 {
    store.claim(claim(n), 1000).wait().unwrap();
    store.sealed(sealing(n, recipients), 1001).wait().unwrap()[0]
}

pub(crate) fn says(n: u32, round: u16, recipient: usize, verdict: Verdict) -> VerdictLine {
    let label = if verdict == Verdict::Returned { "unreadable" } else { "" };
    VerdictLine {
        document: id(n),
        round,
        recipient: code(recipient),
        verdict,
        label: label.into(),
        archived_at: None,
    }
}

pub(crate) fn bundle(lines: &[VerdictLine], seq: u64) -> Verdicts {
    Verdicts { bundle: format!("bundle {seq}").into_bytes(), seq: Some(seq), lines: lines.to_vec() }
}

pub(crate) fn offer(n: u32, seq: u64, round: u16) -> Offer {
    Offer {
        seq,
        sender: "XC99999999".into(),
        document: id(n),
        round,
        recipient: US.into(),
        attachments: true,
        manifest: digest(n),
        signature: digest(n + 1),
        sealed: digest(n + 2 + u32::from(round)),
        length: 13_000,
        accepted_at: 900,
        receipt: b"center".to_vec(),
        ..Offer::default()
    }
}

/// Offered; returns the row.
pub(crate) fn offered(store: &Store, n: u32) -> i64 {
    match store.offered(vec![offer(n, u64::from(n), 0)], None, 1000).wait().unwrap()[0] {
        Offered::New(row) => row,
        ref other => panic!("{other:?}"),
    }
}

pub(crate) fn archiving(row: i64, n: u32) -> Archiving {
    Archiving {
        id: row,
        staged: format!(".staged-{n}"),
        delivered: format!("乙機關 {n}"),
        archive: format!("2026/{n}"),
        about: claim(n).about,
        digest: digest(n),
        size: 10_000,
        files: claim(n).files,
        warnings: String::new(),
    }
}

/// Offered, fetched, archived; returns the row.
pub(crate) fn archived(store: &Store, n: u32) -> i64 {
    let row = offered(store, n);
    store.fetched(row, 0, &format!("i{n}"), 1001).wait().unwrap();
    store.archived(archiving(row, n), 1002).wait().unwrap();
    row
}

pub(crate) fn answer(rows: &[i64]) -> Answer {
    Answer { inbound: rows.to_vec(), to: "XC99999999".into(), bundle: b"ours".to_vec() }
}

pub(crate) fn states(store: &Store, n: u32) -> Vec<Line> {
    store.lines(id(n)).unwrap().into_iter().map(|line| line.state).collect()
}

pub(crate) fn word(store: &Store, n: u32) -> Word {
    store.document(id(n)).unwrap().unwrap().document.word
}

pub(crate) fn alarms(store: &Store) -> Vec<String> {
    store.alarms(10).unwrap().into_iter().map(|e| e.event).collect()
}
