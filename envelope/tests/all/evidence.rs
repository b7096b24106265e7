use crate::common::{AT, DAY, PKI, Party, label, params, party, run};
use crate::container::{described, exchange, unit, write as write_container};
use crate::receipt::line;
use envelope::container::Draft;
use envelope::directory;
use envelope::evidence::{Mark, RecipientEvidence, Report, Step, TimeSource, Trust, verify, write};
use envelope::key::SigningKey;
use envelope::receipt::{ReceiptLine, Verdict, make_center, make_receiver};
use envelope::status::Kind;
use envelope::trust::Anchors;
use std::io::Cursor;
use std::sync::LazyLock;

fn trust() -> Trust {
    Trust {
        anchors: PKI.anchors.clone(),
        registrars: Anchors::new(vec![PKI.registrar.cert.clone()]),
        centers: vec![PKI.center.cert.clone()],
    }
}

struct Story {
    container: Vec<u8>,
    recipients: Vec<RecipientEvidence>,
}

/// One document to two recipients; the first has confirmed, nothing is known from the second but 系統確認.
fn story(edit: impl Fn(&mut ReceiptLine)) -> Story {
    let signed = Draft::new(&exchange(), &described(&unit())).unwrap().sign(&PKI.sender.key, AT).unwrap();
    let container = write_container(&signed, &unit());
    let about = |code: &str, verdict| {
        let mut line = ReceiptLine {
            document: exchange().document,
            manifest: signed.manifest(),
            signature: signed.signature(),
            verdict,
            arrived: AT + 60_000,
            archived: (verdict != Verdict::Accepted).then_some(AT + 90_000),
            ..line("XA00000001", code)
        };
        edit(&mut line);
        line
    };
    let accepted = [about("XA00000002", Verdict::Accepted), about("XA00000003", Verdict::Accepted)];
    let center = make_center(&accepted, &PKI.center.key, AT).unwrap().to_der();
    let confirmed = [about("XA00000002", Verdict::Confirmed)];
    let receiver = make_receiver(&confirmed, &PKI.receiver.key, AT).unwrap().remove(0).1.to_der();
    let entry = directory::Entry {
        code: "XA00000002",
        name: "受文學校",
        enc: &PKI.receiver_enc.cert,
        enc_chain: &PKI.receiver_enc.key.chain(),
        oaep: true,
        number: 1,
    };
    let entry = directory::make(&entry, &PKI.receiver.key, AT).unwrap();
    let registration = directory::countersign(&entry, &PKI.registrar.key, AT).unwrap();
    let recipients = vec![
        RecipientEvidence {
            code: "XA00000002".into(),
            enc: Some(PKI.receiver_enc.cert.clone()),
            registration: Some(registration),
            center_receipts: vec![center.clone()],
            receiver_receipts: vec![receiver],
        },
        RecipientEvidence {
            code: "XA00000003".into(),
            center_receipts: vec![center],
            ..RecipientEvidence::default()
        },
    ];
    Story { container, recipients }
}

fn file(story: &Story) -> Vec<u8> {
    file_with(story, &[])
}

fn file_with(story: &Story, answers: &[(Kind, Vec<u8>)]) -> Vec<u8> {
    let mut answers: Vec<_> =
        answers.iter().map(|(kind, bytes)| (*kind, Cursor::new(bytes.clone()))).collect();
    let mut out = Vec::new();
    let length = story.container.len() as u64;
    write(
        &mut out,
        Cursor::new(&story.container),
        length,
        &story.recipients,
        std::slice::from_ref(&PKI.xca.cert),
        &mut answers,
    )
    .unwrap();
    out
}

fn report(bytes: &[u8], trust: &Trust) -> Report {
    verify(&mut Cursor::new(bytes), trust).unwrap()
}

fn marks(report: &Report) -> Vec<(Step, Option<&str>, Mark, &'static str)> {
    report.links.iter().map(|l| (l.step, l.recipient.as_deref(), l.mark, l.label)).collect()
}

#[test]
fn a_whole_story_holds_and_shows_what_is_not_known() {
    let bytes = file(&story(|_| {}));
    let report = report(&bytes, &trust());
    let (one, two) = (Some("XA00000002"), Some("XA00000003"));
    assert_eq!(
        marks(&report),
        [
            (Step::File, None, Mark::Yes, ""),
            (Step::Container, None, Mark::Yes, ""),
            (Step::Signature, None, Mark::Yes, ""),
            (Step::SenderChain, None, Mark::Yes, ""),
            (Step::Registration, one, Mark::Yes, ""),
            (Step::CenterReceipt, one, Mark::Yes, ""),
            (Step::ReceiverReceipt, one, Mark::Yes, ""),
            (Step::CenterReceipt, two, Mark::Yes, ""),
            (Step::ReceiverReceipt, two, Mark::Unknown, "receipt-missing"),
            (Step::Revocation, None, Mark::Unknown, "status-address-missing"),
            (Step::Revocation, one, Mark::Unknown, "status-address-missing"),
        ]
    );
    assert!(report.holds());
    assert_eq!(report.relied_on, Some((AT + 60_000, TimeSource::CenterReceipt)));
    assert_eq!(report.exchange, Some(exchange()));
    assert_eq!(report.links[6].verdict, Some(Verdict::Confirmed));
    for link in &report.links {
        assert!(link.label.is_empty() || envelope::LABELS.iter().any(|(l, _)| *l == link.label));
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("e.zip"), &bytes).unwrap();
    run("unzip", dir.path(), &["-q", "e.zip"]);
    assert_eq!(std::fs::read(dir.path().join("container.asice")).unwrap(), story_container(&bytes));
    run("xmllint", dir.path(), &["--noout", "index.xml"]);
    // The receipt of a part is stored once, though it is both recipients'.
    assert_eq!(std::fs::read_dir(dir.path().join("receipts")).unwrap().count(), 2);
}

/// The stored container lies in the file as it is.
fn story_container(evidence: &[u8]) -> Vec<u8> {
    let start = evidence.windows(9).rposition(|w| w == b"PK\x03\x04\x14\0\0\0\0").map(|_| ()).map(|()| {
        evidence.windows(38).position(|w| w.starts_with(b"PK\x03\x04") && w.ends_with(b"mimetype")).unwrap()
    });
    let container = &evidence[start.unwrap()..];
    let end = container.windows(4).position(|w| w == b"PK\x05\x06").unwrap() + 22;
    container[..end].to_vec()
}

#[test]
fn a_bare_container_is_evidence_of_less() {
    let story = story(|_| {});
    let report = report(&story.container, &trust());
    assert!(report.holds());
    assert_eq!(report.relied_on, Some((AT, TimeSource::SenderClaim)));
    assert_eq!(report.links.iter().filter(|l| l.label == "receipt-missing").count(), 4);
}

#[test]
fn what_does_not_hold_is_marked() {
    let no = |report: &Report| {
        let wrong: Vec<_> =
            report.links.iter().filter(|l| l.mark == Mark::No).map(|l| (l.step, l.label)).collect();
        assert!(wrong.is_empty() || !report.holds());
        wrong
    };
    let good = story(|_| {});
    // Receipts about other bytes, or signed by someone else.
    let other = story(|line| line.signature = [0; 32]);
    let wrong = no(&report(&file(&other), &trust()));
    assert_eq!(wrong.len(), 3);
    assert!(wrong.iter().all(|(_, label)| *label == "receipt-contradiction"));
    let sealed =
        story(|line| line.sealed = if line.verdict == Verdict::Accepted { [1; 32] } else { [2; 32] });
    assert_eq!(no(&report(&file(&sealed), &trust())), [(Step::ReceiverReceipt, "receipt-contradiction")]);

    let mut swapped = story(|_| {});
    let confirmed = swapped.recipients[0].receiver_receipts[0].clone();
    let lines = envelope::receipt::Receipt::from_der(&confirmed).unwrap().lines().to_vec();
    let by_sender = make_receiver(&lines, &PKI.sender.key, AT).unwrap().remove(0).1.to_der();
    swapped.recipients[0].receiver_receipts[0] = by_sender;
    assert_eq!(no(&report(&file(&swapped), &trust())), [(Step::ReceiverReceipt, "wrong-signer")]);

    // The same with the signer's certificate in the recipient's place: nothing but the index says so.
    swapped.recipients[0].enc = Some(PKI.sender_enc.cert.clone());
    swapped.recipients[0].registration = None;
    let unsure = report(&file(&swapped), &trust());
    let one = Some("XA00000002");
    assert!(marks(&unsure).contains(&(Step::Registration, one, Mark::Unknown, "certificate-missing")));

    let mut other_center = trust();
    other_center.centers = vec![PKI.sender.cert.clone()];
    let wrong = no(&report(&file(&good), &other_center));
    assert_eq!(wrong, [(Step::CenterReceipt, "wrong-signer"), (Step::CenterReceipt, "wrong-signer")]);

    let nothing = Trust { anchors: PKI.anchors.clone(), ..Trust::default() };
    let unsure = report(&file(&good), &nothing);
    assert!(unsure.holds());
    assert_eq!(unsure.links.iter().filter(|l| l.label == "anchor-missing").count(), 3);
    assert_eq!(unsure.relied_on, Some((AT, TimeSource::SenderClaim)));

    let strangers = Trust { anchors: Anchors::new(vec![PKI.stranger.cert.clone()]), ..trust() };
    assert!(no(&report(&file(&good), &strangers)).contains(&(Step::SenderChain, "untrusted")));
}

#[test]
fn broken_files_are_reports_not_errors() {
    let bytes = file(&story(|_| {}));
    for position in (0..bytes.len()).step_by(101) {
        let mut bytes = bytes.clone();
        bytes[position] ^= 1;
        assert!(!report(&bytes, &trust()).holds(), "byte {position}");
    }
    for length in (0..bytes.len()).step_by(997) {
        assert!(!report(&bytes[..length], &trust()).holds());
    }
    assert_eq!(marks(&report(b"", &trust())), [(Step::File, None, Mark::No, "container-malformed")]);
    let none: &mut [(Kind, Cursor<Vec<u8>>)] = &mut [];
    let short = write(Vec::new(), Cursor::new(b"abc"), 4, &[], &[], none);
    assert_eq!(label(short), "file-changed");
}

/// A sender whose certificate names an address for its status.
static ADDRESSED: LazyLock<Party> = LazyLock::new(|| {
    let mut params = params("測試協會", &[rcgen::KeyUsagePurpose::DigitalSignature]);
    let uris = vec!["http://crl.example/xca.crl".to_owned()];
    params.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris }];
    party(&PKI.xca, &params)
});

/// A list of the sender's authority, of so many days before (or after) the time relied on, for two days.
fn list(days: i64, revoked: Option<(i64, rcgen::RevocationReason)>) -> (Kind, Vec<u8>) {
    let time = |at: i64| {
        let since = std::time::Duration::from_millis(u64::try_from(at).unwrap());
        (std::time::SystemTime::UNIX_EPOCH + since).into()
    };
    let this = AT + 60_000 + days * DAY;
    let revoked = revoked.map(|(at, reason)| rcgen::RevokedCertParams {
        serial_number: rcgen::SerialNumber::from_slice(ADDRESSED.cert.serial()),
        revocation_time: time(AT + at * DAY),
        reason_code: Some(reason),
        invalidity_date: None,
    });
    let params = rcgen::CertificateRevocationListParams {
        this_update: time(this),
        next_update: time(this + 2 * DAY),
        crl_number: rcgen::SerialNumber::from(u64::try_from(this).unwrap()),
        issuing_distribution_point: None,
        revoked_certs: revoked.into_iter().collect(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    (Kind::Crl, params.signed_by(&PKI.xca.issuer).unwrap().der().to_vec())
}

#[test]
fn answers_in_the_file_tell_whether_the_sender_was_revoked() {
    use rcgen::RevocationReason::{CertificateHold, KeyCompromise};
    let signed = Draft::new(&exchange(), &described(&unit())).unwrap().sign(&ADDRESSED.key, AT).unwrap();
    let container = write_container(&signed, &unit());
    let line = ReceiptLine {
        document: exchange().document,
        manifest: signed.manifest(),
        signature: signed.signature(),
        verdict: Verdict::Accepted,
        arrived: AT + 60_000,
        archived: None,
        ..line("XA00000001", "XA00000002")
    };
    let center = make_center(&[line], &PKI.center.key, AT).unwrap().to_der();
    let to =
        RecipientEvidence { code: "XA00000002".into(), center_receipts: vec![center], ..Default::default() };
    let story = Story { container, recipients: vec![to] };
    let judged = |answers: &[(Kind, Vec<u8>)]| {
        let report = report(&file_with(&story, answers), &trust());
        let link = report.links.iter().find(|l| l.step == Step::Revocation).unwrap();
        assert_eq!(report.holds(), link.mark != Mark::No);
        (link.mark, link.label)
    };
    let yes = (Mark::Yes, "");
    let unknown = (Mark::Unknown, "revocation-unknown");
    assert_eq!(judged(&[]), unknown);
    assert_eq!(judged(&[list(-1, None)]), yes, "in force at the time");
    assert_eq!(judged(&[list(30, None)]), yes, "issued after it");
    assert_eq!(judged(&[list(-9, None)]), unknown, "long over by then");
    assert_eq!(judged(&[list(30, Some((29, KeyCompromise)))]), yes, "revoked later");
    assert_eq!(judged(&[list(30, Some((-5, KeyCompromise)))]), (Mark::No, "certificate-revoked"));
    assert_eq!(judged(&[list(-1, Some((-5, CertificateHold)))]), (Mark::No, "certificate-held"));
    // What came out later counts, in whatever order the answers lie there.
    let (before, after) = (list(-1, None), list(30, Some((-5, KeyCompromise))));
    assert_eq!(judged(&[before.clone(), after.clone()]), (Mark::No, "certificate-revoked"));
    assert_eq!(judged(&[after, before.clone()]), (Mark::No, "certificate-revoked"));
    let (held, free) = (list(-1, Some((-5, CertificateHold))), list(30, None));
    assert_eq!(judged(&[free, held]), yes, "a hold that ended");
    // Another authority's list, a bent one, garbage: as if it were not there.
    let mut bent = before.clone();
    let middle = bent.1.len() / 2;
    bent.1[middle] ^= 1;
    let garbage = (Kind::Ocsp, b"garbage".to_vec());
    assert_eq!(judged(&[bent, garbage]), unknown);
    // Under another name than its digest the file as a whole is wrong.
    let mut bytes = file_with(&story, std::slice::from_ref(&before));
    let at = bytes.windows(before.1.len()).position(|w| w == before.1).unwrap();
    bytes[at + 40] ^= 1;
    assert_eq!(marks(&report(&bytes, &trust())), [(Step::File, None, Mark::No, "container-digest-mismatch")]);
}
