use crate::common::{AT, DAY, PKI, label};
use envelope::receipt::{
    Kind, MAX_LINES, Receipt, ReceiptLine, Verdict, compare, make_center, make_receiver,
};
use envelope::{login, oid, signed};

pub fn line(sender: &str, recipient: &str) -> ReceiptLine {
    ReceiptLine {
        center: "CENTER".into(),
        document: [7; 16],
        round: 0,
        sender: sender.into(),
        recipient: recipient.into(),
        manifest: [1; 32],
        signature: [2; 32],
        sealed: [3; 32],
        verdict: Verdict::Accepted,
        label: String::new(),
        arrived: AT + 5,
        archived: None,
    }
}

fn said(sender: &str, document: u8, verdict: Verdict) -> ReceiptLine {
    ReceiptLine { document: [document; 16], verdict, archived: Some(AT + 9), ..line(sender, "XA00000002") }
}

#[test]
fn a_centers_receipt_is_shown_to_each_recipient_in_part() {
    let lines: Vec<_> = ["B", "C", "D"].map(|code| line("A", code)).into();
    let receipt = make_center(&lines, &PKI.center.key, AT).unwrap();
    let der = receipt.to_der();
    assert_eq!(Receipt::from_der(&der).unwrap(), receipt);
    let verified = receipt.verify(Kind::Center, &PKI.anchors, AT).unwrap();
    assert_eq!((verified.lines, verified.signer), (lines.clone(), PKI.center.cert.clone()));
    assert_eq!(verified.signing_time, AT);
    receipt.verify_pinned(Kind::Center, &PKI.center.cert, AT).unwrap();

    let reduced = receipt.reduced_to("C").unwrap();
    assert_eq!(reduced.lines(), [lines[1].clone()]);
    assert!(!reduced.to_der().windows(3).any(|w| w == [0x0c, 1, b'D']), "D is not to be seen");
    Receipt::from_der(&reduced.to_der()).unwrap().verify(Kind::Center, &PKI.anchors, AT).unwrap();
    assert!(receipt.reduced_to("E").is_none());
    assert_eq!(Receipt::reduce(&receipt.to_der(), "C").unwrap(), Some(reduced.to_der()));
    assert_eq!(Receipt::reduce(&receipt.to_der(), "E").unwrap(), None);
    assert!(Receipt::reduce(&receipt.to_der()[1..], "C").is_err());
}

#[test]
fn one_card_operation_confirms_many_and_each_sender_sees_its_own() {
    let lines: Vec<_> = (0..100)
        .map(|n| {
            said(["A", "B"][n % 2], n as u8, if n % 10 == 0 { Verdict::Returned } else { Verdict::Confirmed })
        })
        .collect();
    let receipts = make_receiver(&lines, &PKI.receiver.key, AT).unwrap();
    assert_eq!(receipts.iter().map(|(sender, _)| sender.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    for (sender, receipt) in &receipts {
        let verified =
            Receipt::from_der(&receipt.to_der()).unwrap().verify(Kind::Receiver, &PKI.anchors, AT).unwrap();
        let own: Vec<_> = lines.iter().filter(|l| l.sender == *sender).cloned().collect();
        assert_eq!(verified.lines, own);
        verified.signed_by_organisation_of(&PKI.receiver_enc.cert).unwrap();
        assert_eq!(label(verified.signed_by_organisation_of(&PKI.sender_enc.cert)), "wrong-signer");
    }
}

#[test]
fn nobody_speaks_for_another() {
    let receipt = make_center(&[line("A", "B")], &PKI.center.key, AT).unwrap();
    assert_eq!(label(receipt.verify(Kind::Receiver, &PKI.anchors, AT)), "wrong-content-type");
    assert_eq!(label(receipt.verify_pinned(Kind::Center, &PKI.sender.cert, AT)), "wrong-signer");
    assert_eq!(
        label(receipt.verify_pinned(Kind::Center, &PKI.center.cert, AT + 6 * 365 * DAY)),
        "certificate-expired"
    );
    let by_stranger = make_center(&[line("A", "B")], &PKI.stranger.key, AT).unwrap();
    assert_eq!(label(by_stranger.verify(Kind::Center, &PKI.anchors, AT)), "untrusted");
    // A center that says what only a recipient may, and the reverse.
    let confirmed = said("A", 1, Verdict::Confirmed);
    assert_eq!(
        label(make_center(std::slice::from_ref(&confirmed), &PKI.center.key, AT)),
        "envelope-argument"
    );
    assert_eq!(label(make_receiver(&[line("A", "B")], &PKI.receiver.key, AT)), "envelope-argument");
    assert_eq!(label(make_receiver(&[], &PKI.receiver.key, AT)), "envelope-argument");
    let many = vec![confirmed; MAX_LINES + 1];
    assert_eq!(label(make_receiver(&many, &PKI.receiver.key, AT)), "envelope-too-large");
    assert_eq!(make_receiver(&many[..MAX_LINES], &PKI.receiver.key, AT).unwrap().len(), 1);
}

#[test]
fn lines_that_were_not_signed_are_refused() {
    let receipt = make_center(&[line("A", "B"), line("A", "C")], &PKI.center.key, AT).unwrap();
    let der = receipt.to_der();
    let kind = |der: &[u8]| {
        Receipt::from_der(der).and_then(|r| r.verify(Kind::Center, &PKI.anchors, AT)).map(|v| v.lines)
    };
    for position in 0..der.len() {
        let mut bytes = der.clone();
        bytes[position] ^= 1 << (position % 8);
        assert!(kind(&bytes).is_err(), "byte {position}");
    }
    for length in 0..der.len() {
        assert!(kind(&der[..length]).is_err());
    }
    assert_eq!(label(kind(&[&der[..], &[0]].concat())), "not-der");
    // The same line shown twice; no line at all; a line that another signature signed.
    let tlv = |tag: u8, parts: &[&[u8]]| {
        let value = parts.concat();
        let length = match value.len() {
            n @ 0..128 => vec![n as u8],
            n @ 128..256 => vec![0x81, n as u8],
            n => vec![0x82, (n >> 8) as u8, n as u8],
        };
        [&[tag][..], &length, &value].concat()
    };
    let with = |signed: &[u8], entries: &[&[u8]]| tlv(0x30, &[&tlv(4, &[signed]), &tlv(0x30, entries)]);
    let taken_apart = |receipt: &Receipt| {
        let der = receipt.reduced_to("B").unwrap().to_der();
        // 30 82 .. 04 82 LEN: the SignedData; at the end 30 81 LEN 04 10 SALT …: the entry.
        let signed = der[8..8 + usize::from(der[6]) * 256 + usize::from(der[7])].to_vec();
        let entry = der.windows(5).rposition(|w| w[..2] == [0x30, 0x81] && w[3..] == [4, 16]).unwrap();
        (signed, der[entry..].to_vec())
    };
    let (signed, entry) = taken_apart(&receipt);
    assert_eq!(label(kind(&with(&signed, &[&entry]))), "ok");
    assert_eq!(label(kind(&with(&signed, &[&entry, &entry]))), "receipt-contradiction");
    assert_eq!(label(kind(&with(&signed, &[]))), "bad-value");
    let (_, other) = taken_apart(&make_center(&[line("A", "B")], &PKI.center.key, AT).unwrap());
    assert_eq!(label(kind(&with(&signed, &[&other]))), "receipt-contradiction");
    // A login of the same key is no receipt.
    let statement = login::Statement {
        member: "A".into(),
        center: "C".into(),
        session_key: [4; 65],
        not_before: AT,
        not_after: AT + 1_000,
    };
    let login = login::make(&statement, &PKI.center.key, AT).unwrap();
    assert!(Receipt::from_der(&login).is_err());
    let odd = signed::sign_attached(&PKI.center.key, oid::CENTER_RECEIPT, b"\x30\0", &[], AT).unwrap();
    assert_eq!(label(kind(&with(&odd, &[&entry]))), "receipt-contradiction");
}

#[test]
fn a_receipt_is_about_what_was_sent() {
    let sent = line("A", "B");
    let answered =
        ReceiptLine { verdict: Verdict::Returned, label: "not-for-us".into(), arrived: AT, ..sent.clone() };
    compare(&answered, &sent).unwrap();
    let edits: [fn(&mut ReceiptLine); 8] = [
        |l| l.center = "X".into(),
        |l| l.document = [0; 16],
        |l| l.round = 1,
        |l| l.sender = "X".into(),
        |l| l.recipient = "X".into(),
        |l| l.manifest = [0; 32],
        |l| l.signature = [0; 32],
        |l| l.sealed = [0; 32],
    ];
    for edit in edits {
        let mut other = answered.clone();
        edit(&mut other);
        assert_eq!(label(compare(&other, &sent)), "receipt-contradiction");
    }
}
