//! What every mailbox must do, whatever is behind it.

use super::{
    Content, Cursors, Fetched, Held, INLINE, Mailbox, NewPart, News, Report, ReportLine, Reported, Source,
    Submitted, Tidied,
};
use crate::Error;
use std::io::Read as _;
use wire::message::{Addressee, OpenPart, PartHeader, PartKey, Priority};

const A: &str = "A00000001A";
const B: &str = "B00000002B";
const C: &str = "C00000003C";
const UNIT: &str = "B00000002BU000001";

fn header(n: u8, body: &[u8], to: &[&str]) -> PartHeader {
    PartHeader {
        key: PartKey { document: [n; 16], variant: 0, group: 0, round: 0 },
        sender: A.into(),
        addressees: to.iter().map(|c| Addressee { code: (*c).into(), attachments: true }).collect(),
        priority: Priority::Normal,
        manifest: [n; 32],
        signature: [n; 32],
        sealed: envelope::sha256(body),
        length: body.len() as u64,
    }
}

fn part(header: &PartHeader, content: Content) -> NewPart {
    NewPart {
        member: A.into(),
        header: header.clone(),
        content,
        receipt: vec![1, 2, 3],
        accepted: 1000,
        bytes_per_day: u64::MAX,
    }
}

fn put(mailbox: &dyn Mailbox, n: u8, body: &[u8], to: &[&str]) -> PartHeader {
    let header = header(n, body, to);
    let content = if header.length <= INLINE {
        Content::Bytes(body.to_vec())
    } else {
        let mut upload = mailbox.upload(A, &header, 1000).unwrap();
        upload.write(body).unwrap();
        upload.finish().unwrap()
    };
    assert_eq!(mailbox.submit(part(&header, content)).unwrap(), Submitted::Kept);
    header
}

fn verdict(header: &PartHeader, recipient: &str, verdict: u8, bundle: u8) -> Report {
    Report {
        reporter: recipient.get(..10).unwrap().into(),
        sender: A.into(),
        lines: vec![ReportLine {
            document: header.key.document,
            round: header.key.round,
            sender: A.into(),
            recipient: recipient.into(),
            manifest: header.manifest,
            signature: header.signature,
            sealed: header.sealed,
            verdict,
        }],
        bundle: vec![bundle; 10],
        at: 5000,
        bytes_per_day: u64::MAX,
    }
}

fn bytes(mailbox: &dyn Mailbox, member: &str, seq: u64) -> Option<Vec<u8>> {
    match mailbox.body(member, seq).unwrap() {
        Fetched::Body { source: Source::Bytes(bytes), .. } => Some(bytes),
        Fetched::Body { source: Source::File(mut file), .. } => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            Some(bytes)
        }
        Fetched::Gone => None,
        Fetched::Unknown => panic!("line {seq} is unknown to {member}"),
    }
}

fn seqs(mailbox: &dyn Mailbox, member: &str, after: u64) -> Vec<u64> {
    mailbox.offers(member, after, 100).unwrap().iter().map(|line| line.seq).collect()
}

/// Small and large bodies, each once, to whom they are for and nobody else.
pub(crate) fn keeps_and_gives(mailbox: &dyn Mailbox) {
    let large: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    put(mailbox, 1, b"small", &[B, C, UNIT]);
    put(mailbox, 2, &large, &[B]);
    let lines = mailbox.offers(B, 0, 100).unwrap();
    assert_eq!(lines.len(), 3, "its own, its unit's, and the large one");
    assert!(lines.windows(2).all(|w| w[0].seq < w[1].seq));
    assert_eq!(lines[1].header.addressees, [Addressee { code: UNIT.into(), attachments: true }]);
    assert_eq!(bytes(mailbox, B, lines[0].seq).unwrap(), b"small");
    assert_eq!(bytes(mailbox, B, lines[2].seq).unwrap(), large);
    assert!(matches!(mailbox.body(C, lines[0].seq).unwrap(), Fetched::Unknown), "someone else's line");
    assert_eq!(mailbox.offers(B, lines[0].seq, 1).unwrap()[0].seq, lines[1].seq);
    assert!(seqs(mailbox, A, 0).is_empty());
    // a page does not hold the receipts of five hundred parts with a thousand addressees each
    for n in 10..20 {
        let header = header(n, b"x", &[C]);
        let content = Content::Bytes(b"x".to_vec());
        let large = NewPart { receipt: vec![0; 1 << 20], ..part(&header, content) };
        assert_eq!(mailbox.submit(large).unwrap(), Submitted::Kept);
    }
    let (mut after, mut all) = (0, 0);
    loop {
        let page = mailbox.offers(C, after, 100).unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.iter().map(|line| line.receipt.len()).sum::<usize>() <= 8 << 20);
        (after, all) = (last.seq, all + page.len());
    }
    assert_eq!(all, 11);
}

/// The same part again gives the first receipt; nothing is doubled, nothing is left behind.
pub(crate) fn submits_once(mailbox: &dyn Mailbox) {
    let first = put(mailbox, 1, b"small", &[B]);
    let mut again =
        part(&header(1, b"sealed differently", &[B]), Content::Bytes(b"sealed differently".to_vec()));
    again.receipt = vec![9];
    let held = Held { manifest: first.manifest, receipt: vec![1, 2, 3] };
    assert_eq!(mailbox.submit(again).unwrap(), Submitted::Before(held.clone()));
    assert_eq!(mailbox.held(A, &first.key).unwrap(), Some(held));
    assert_eq!(mailbox.held(B, &first.key).unwrap(), None, "ids of different senders do not meet");
    assert_eq!(seqs(mailbox, B, 0).len(), 1);
    // a large one that lost the race leaves no file
    let body = vec![5; 100_000];
    let mut large = header(1, &body, &[B]);
    large.sealed = envelope::sha256(&body);
    let mut upload = mailbox.upload(A, &large, 1000).unwrap();
    upload.write(&body).unwrap();
    let content = upload.finish().unwrap();
    assert!(matches!(mailbox.submit(part(&large, content)).unwrap(), Submitted::Before(_)));
    assert_eq!(bytes(mailbox, B, seqs(mailbox, B, 0)[0]).unwrap(), b"small");
    mailbox.tidy(2000, 0, None, 0).unwrap();
    assert_eq!(mailbox.remove_orphans().unwrap(), 0);
    // nor does what was uploaded of a longer sealing before a short one was accepted
    let mut longer = header(3, &body, &[B]);
    longer.sealed = envelope::sha256(&body);
    let mut upload = mailbox.upload(A, &longer, 1000).unwrap();
    upload.write(&body[..90_000]).unwrap();
    upload.suspend().unwrap();
    put(mailbox, 3, b"short", &[C]);
    assert!(matches!(upload.write(b"x"), Err(Error::TakenOver)));
    assert_eq!(mailbox.remove_orphans().unwrap(), 0);
    // the next round is another part
    let mut next = header(1, b"round one", &[B]);
    next.key.round = 1;
    assert_eq!(mailbox.submit(part(&next, Content::Bytes(b"round one".to_vec()))).unwrap(), Submitted::Kept);
}

/// An upload goes on where it was cut; a newer request takes it over; another sealing begins anew.
pub(crate) fn resumes(mailbox: &dyn Mailbox) {
    let body: Vec<u8> = (0..300_000_u32).map(|i| (i % 253) as u8).collect();
    let header = header(7, &body, &[B]);
    let mut upload = mailbox.upload(A, &header, 1000).unwrap();
    upload.write(&body[..100_001]).unwrap();
    upload.suspend().unwrap();
    assert_eq!(mailbox.used(A, 0, &PartKey { round: 9, ..header.key }).unwrap().unfinished, 300_000);
    assert_eq!(mailbox.used(A, 0, &header.key).unwrap().unfinished, 0);
    let mut newer = mailbox.upload(A, &header, 1001).unwrap();
    assert_eq!(newer.offset(), 100_001);
    assert!(matches!(upload.write(b"x"), Err(Error::TakenOver)));
    assert!(matches!(upload.finish(), Err(Error::TakenOver)));
    newer.write(&body[100_001..]).unwrap();
    let content = newer.finish().unwrap();
    assert_eq!(mailbox.submit(part(&header, content)).unwrap(), Submitted::Kept);
    assert_eq!(bytes(mailbox, B, seqs(mailbox, B, 0)[0]).unwrap(), body);

    let mut wrong = header.clone();
    wrong.key.round = 1;
    wrong.sealed = [0; 32];
    let mut upload = mailbox.upload(A, &wrong, 1000).unwrap();
    upload.write(&body).unwrap();
    assert!(matches!(upload.finish(), Err(Error::DigestMismatch)));
    assert_eq!(mailbox.upload(A, &wrong, 1000).unwrap().offset(), 0, "wrong bytes are dropped");
    let mut half = mailbox.upload(A, &wrong, 1000).unwrap();
    half.write(&body[..70_000]).unwrap();
    half.suspend().unwrap();
    let other = PartHeader { sealed: envelope::sha256(&body), ..wrong };
    assert_eq!(mailbox.upload(A, &other, 1000).unwrap().offset(), 0, "another sealing begins anew");
}

/// Uploads and settled bodies go with time; receipts and lines stay.
pub(crate) fn forgets(mailbox: &dyn Mailbox) {
    let body = vec![3; 100_000];
    let header = header(8, &body, &[B]);
    let mut upload = mailbox.upload(A, &header, 1000).unwrap();
    upload.write(&body[..70_000]).unwrap();
    upload.suspend().unwrap();
    assert_eq!(mailbox.tidy(1000, 0, None, 0).unwrap(), Tidied::default());
    assert_eq!(mailbox.tidy(1001, 0, None, 0).unwrap(), Tidied { uploads: 1, ..Tidied::default() });
    assert!(matches!(upload.write(b"x"), Err(Error::TakenOver)));
    assert_eq!(mailbox.upload(A, &header, 1000).unwrap().offset(), 0);

    let small = put(mailbox, 9, b"small", &[B, C]);
    let large = put(mailbox, 10, &body, &[C]);
    mailbox.report(verdict(&small, B, 1, 1)).unwrap();
    mailbox.report(verdict(&large, C, 1, 2)).unwrap();
    let tidied = mailbox.tidy(0, 5001, None, 9000).unwrap();
    assert_eq!(tidied, Tidied { bodies: 1, ..Tidied::default() }, "the small one still waits for C");
    let waiting = seqs(mailbox, C, 0);
    assert_eq!(bytes(mailbox, C, waiting[0]).unwrap(), b"small");
    assert_eq!(bytes(mailbox, C, waiting[0] + 1), None, "gone");
    mailbox.report(verdict(&small, C, 1, 3)).unwrap();
    assert_eq!(mailbox.tidy(0, 5001, None, 9000).unwrap().bodies, 1);
    assert_eq!(mailbox.remove_orphans().unwrap(), 0);
    assert!(mailbox.held(A, &large.key).unwrap().is_some());
    // records go only where somebody says so, and only long after the bytes
    assert_eq!(mailbox.tidy(0, 5001, Some(9000), 9500).unwrap(), Tidied::default());
    assert_eq!(mailbox.tidy(0, 5001, Some(9001), 9500).unwrap().records, 2);
    assert!(mailbox.held(A, &large.key).unwrap().is_none());
    assert!(mailbox.outcomes(A, 0, 100, usize::MAX).unwrap().is_empty());
}

/// What a restored node asks: the lines that it answered with their first receipts, the parts that it submitted.
pub(crate) fn recalls(mailbox: &dyn Mailbox) {
    let one = put(mailbox, 1, b"one", &[B, C, UNIT]);
    put(mailbox, 2, b"two", &[B]);
    mailbox.report(verdict(&one, B, 1, 1)).unwrap();
    mailbox.report(Report { at: 6000, ..verdict(&one, B, 2, 2) }).unwrap();
    mailbox.report(Report { at: 7000, ..verdict(&one, UNIT, 2, 3) }).unwrap();
    let answered = |since, after, limit| mailbox.answered(B, since, after, limit, usize::MAX).unwrap();
    let lines = answered(0, 0, 100);
    assert_eq!(lines.len(), 2, "its own and its unit's; not C's, not the one that waits");
    assert_eq!(lines[0].bundle, Some(vec![1; 10]), "the first receipt, not the contradicting one");
    assert_eq!(lines[0].line.header.addressees, [Addressee { code: B.into(), attachments: true }]);
    assert_eq!(lines[1].line.header.addressees[0].code, UNIT);
    assert_eq!(bytes(mailbox, B, lines[0].line.seq).unwrap(), b"one", "it can be fetched again");
    assert_eq!(answered(5000, 0, 100).len(), 2);
    assert_eq!(answered(5001, 0, 100).len(), 1);
    assert_eq!(answered(0, 0, 1), lines[..1]);
    assert_eq!(answered(0, lines[0].line.seq, 1), lines[1..]);
    assert_eq!(mailbox.answered(B, 0, 0, 100, 1).unwrap().len(), 1, "at least one, however large");
    assert!(mailbox.answered(C, 0, 0, 100, usize::MAX).unwrap().is_empty());

    let submitted = |since, after| mailbox.submitted(A, since, after, 100, usize::MAX).unwrap();
    let parts = submitted(0, 0);
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].header, one, "all its addressees in their order");
    assert_eq!((parts[0].accepted, parts[0].receipt.as_slice()), (1000, &[1, 2, 3][..]));
    assert_eq!(submitted(0, parts[0].number), parts[1..]);
    assert!(submitted(1001, 0).is_empty());
    assert!(mailbox.submitted(B, 0, 0, 100, usize::MAX).unwrap().is_empty());
}

/// A report settles its lines once; repeats change nothing; contradictions are forwarded; foreign lines are refused whole.
pub(crate) fn reports(mailbox: &dyn Mailbox) {
    let one = put(mailbox, 1, b"one", &[B, C]);
    let two = put(mailbox, 2, b"two", &[B]);
    let fine = Reported::Kept { contradictions: vec![] };
    assert_eq!(mailbox.report(verdict(&one, B, 1, 1)).unwrap(), fine);
    assert_eq!(mailbox.report(verdict(&one, B, 1, 1)).unwrap(), Reported::Before);
    let contradiction = mailbox.report(verdict(&one, B, 2, 2)).unwrap();
    assert_eq!(contradiction, Reported::Kept { contradictions: vec![[1; 16]] });
    let outcomes = mailbox.outcomes(A, 0, 100, usize::MAX).unwrap();
    assert_eq!(outcomes.iter().map(|o| o.bundle[0]).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(mailbox.outcomes(A, outcomes[0].seq, 100, usize::MAX).unwrap().len(), 1);
    assert_eq!(mailbox.outcomes(A, 0, 100, 1).unwrap().len(), 1, "at least one, however large");
    assert_eq!(seqs(mailbox, B, 0).len(), 1, "only the second is left");

    // B archived round 0 and is asked again with round 1: the receipt of round 0 settles it too, and is forwarded anew
    let mut resent = header(1, b"one, sealed anew", &[B]);
    resent.key.round = 1;
    let content = Content::Bytes(b"one, sealed anew".to_vec());
    assert_eq!(mailbox.submit(part(&resent, content)).unwrap(), Submitted::Kept);
    assert_eq!(mailbox.report(verdict(&one, B, 1, 1)).unwrap(), fine);
    assert_eq!(mailbox.report(verdict(&one, B, 1, 1)).unwrap(), Reported::Before);
    assert_eq!(seqs(mailbox, B, 0).len(), 1, "round 1 is settled");
    assert_eq!(mailbox.outcomes(A, 0, 100, usize::MAX).unwrap().len(), 3);
    // a return of round 0 says nothing about round 1 of another try
    let mut again = header(2, b"two, sealed anew", &[B]);
    again.key.round = 1;
    let content = Content::Bytes(b"two, sealed anew".to_vec());
    assert_eq!(mailbox.submit(part(&again, content)).unwrap(), Submitted::Kept);
    mailbox.report(verdict(&two, B, 2, 6)).unwrap();
    assert_eq!(seqs(mailbox, B, 0).len(), 1, "round 1 of the second still waits");
    let two = again;
    // a round that was never answered is settled by the confirmation of a later one
    put(mailbox, 3, b"three", &[C]);
    let mut later = header(3, b"three, sealed anew", &[C]);
    later.key.round = 1;
    let content = Content::Bytes(b"three, sealed anew".to_vec());
    assert_eq!(mailbox.submit(part(&later, content)).unwrap(), Submitted::Kept);
    assert_eq!(mailbox.report(verdict(&later, C, 1, 7)).unwrap(), fine);
    assert_eq!(seqs(mailbox, C, 0).len(), 1, "C has only the first document left");
    // a notice after it is forwarded, is no contradiction, and the same again changes nothing
    let before = mailbox.outcomes(A, 0, 100, usize::MAX).unwrap().len();
    assert_eq!(mailbox.report(verdict(&later, C, 3, 8)).unwrap(), fine);
    assert_eq!(mailbox.report(verdict(&later, C, 3, 8)).unwrap(), Reported::Before);
    assert_eq!(mailbox.outcomes(A, 0, 100, usize::MAX).unwrap().len(), before + 1);
    // and before any verdict it settles nothing
    mailbox.report(verdict(&one, C, 3, 9)).unwrap();
    assert_eq!(seqs(mailbox, C, 0).len(), 1, "C has not answered the first");

    // what settles nothing is kept, but not any number of times
    let useless = |n| Report { bytes_per_day: 30, ..verdict(&one, B, 2, n) };
    let kept = (100..110).filter(|n| mailbox.report(useless(*n)).unwrap() != Reported::OverQuota).count();
    assert_eq!(kept, 2, "ten bytes each, and ten were used by the contradiction above");
    let mut mixed = verdict(&two, B, 1, 3);
    mixed.lines.push(ReportLine { document: [77; 16], ..mixed.lines[0].clone() });
    assert_eq!(mailbox.report(mixed).unwrap(), Reported::NoLine([77; 16]));
    let mut other = verdict(&two, B, 1, 4);
    other.lines[0].sealed = [0; 32];
    assert_eq!(mailbox.report(other).unwrap(), Reported::OtherDigests([2; 16]));
    let mut foreign = verdict(&two, B, 1, 5);
    foreign.reporter = C.into();
    assert_eq!(mailbox.report(foreign).unwrap(), Reported::NoLine([2; 16]), "B's line, reported by C");
    assert_eq!(seqs(mailbox, B, 0).len(), 1, "all or nothing");
    assert_eq!(mailbox.outcomes(A, 0, 100, usize::MAX).unwrap().len(), 9);
}

/// Cursors, announcements, the open list, the epoch and the quota.
pub(crate) fn tells(mailbox: &dyn Mailbox) {
    assert_eq!(mailbox.news(B, Cursors::default()).unwrap(), News::default());
    let one = put(mailbox, 1, b"one", &[B]);
    let seq = seqs(mailbox, B, 0)[0];
    assert!(mailbox.news(B, Cursors::default()).unwrap().offers);
    assert!(!mailbox.news(B, Cursors { offers: seq, ..Cursors::default() }).unwrap().offers);
    mailbox.report(verdict(&one, B, 1, 1)).unwrap();
    assert!(!mailbox.news(B, Cursors::default()).unwrap().offers, "settled");
    assert!(mailbox.news(A, Cursors::default()).unwrap().outcomes);
    let number = mailbox.announce("公告", "內文", 7).unwrap();
    assert!(mailbox.news(C, Cursors::default()).unwrap().announcements);
    let all = mailbox.announcements(0, 10, usize::MAX).unwrap();
    assert_eq!((all[0].number, all[0].title.as_str(), all[0].time), (number, "公告", 7));
    assert!(mailbox.announcements(number, 10, usize::MAX).unwrap().is_empty());

    let other = PartKey { group: 5, ..one.key };
    let asked = [
        OpenPart { key: one.key, manifest: one.manifest },
        OpenPart { key: other, manifest: one.manifest },
        OpenPart { key: one.key, manifest: [0; 32] },
    ];
    assert_eq!(mailbox.missing(A, &asked).unwrap(), [other, one.key]);
    assert_eq!(mailbox.missing(B, &asked[..1]).unwrap(), [one.key], "not B's part");

    let epoch = mailbox.epoch().unwrap();
    assert_eq!(mailbox.epoch().unwrap(), epoch);
    assert_ne!(mailbox.renew_epoch().unwrap(), epoch);
    assert_ne!(mailbox.epoch().unwrap(), epoch);

    let header = header(2, b"over", &[B]);
    let mut over = part(&header, Content::Bytes(b"over".to_vec()));
    over.bytes_per_day = 12;
    assert_eq!(
        mailbox.submit(over).unwrap(),
        Submitted::OverQuota,
        "three bytes and a receipt of three were used"
    );
    assert_eq!(mailbox.used(A, 0, &header.key).unwrap().accepted, 6);
    assert_eq!(mailbox.used(A, 1, &header.key).unwrap().accepted, 0, "another day");
    assert!(mailbox.held(A, &header.key).unwrap().is_none());
}

mod sqlite {
    use super::super::sqlite::SqliteMailbox;
    use crate::database::Database;
    use std::sync::Arc;

    fn on_a_new_file(promise: fn(&dyn super::Mailbox)) {
        let dir = tempfile::tempdir().unwrap();
        let database = Arc::new(Database::open(&dir.path().join("center.db"), true).unwrap());
        promise(&SqliteMailbox::new(database, dir.path()).unwrap());
    }

    #[test]
    fn keeps_and_gives() {
        on_a_new_file(super::keeps_and_gives);
    }
    #[test]
    fn submits_once() {
        on_a_new_file(super::submits_once);
    }
    #[test]
    fn resumes() {
        on_a_new_file(super::resumes);
    }
    #[test]
    fn recalls() {
        on_a_new_file(super::recalls);
    }

    #[test]
    fn forgets() {
        on_a_new_file(super::forgets);
    }
    #[test]
    fn reports() {
        on_a_new_file(super::reports);
    }
    #[test]
    fn tells() {
        on_a_new_file(super::tells);
    }
}
