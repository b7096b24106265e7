//! Every sample beside the repository gets the verdict that is explained in its row.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod shared;

use di_format::{Limits, Role, Verdict, read};

const EXPECTED: &[(&str, Verdict, &[&str])] = &[
    ("D01_銀行SendEDoc_104_2.di", Verdict::Valid, &[]),
    ("D01_銀行SendEDoc_104_roster.sw", Verdict::Valid, &[]),
    ("D02_銀行CaseCustReturn_104_roster.sw", Verdict::Valid, &[]),
    ("D04_MOHW醫事司_簽_104_5.di", Verdict::Tolerated, &["code-missing"]),
    ("D06_MOHW2011_99_2_utf8_受文者純文字_SW不存在.di", Verdict::Tolerated, &["recipient-text"]),
    (
        "D08_SDI轉換_會勘通知單_誤用104_4_多個正本.di",
        Verdict::Tolerated,
        &[
            "dtd-name",
            "address-in-notice",
            "element-order",
            "number-missing",
            "classification-text",
            "time-missing",
            "element-extra",
            "element-extra",
        ],
    ),
    ("D09_國防部公布欄_99_roster_big5_無含附件.sw", Verdict::Tolerated, &["code-joined"]),
    ("D09b_Big5_函_99_2_big5.di", Verdict::Valid, &[]),
    ("D11_2100_會勘通知單_104_B.di", Verdict::Valid, &[]),
    ("D12_2100_簽稿會核單_104_6.di", Verdict::Valid, &[]),
    ("D14_2100_公告_104_3.di", Verdict::Valid, &[]),
    ("D15_2100_函_104_2_表單加文書訊息DM.di", Verdict::Valid, &[]),
    ("F1_jt-doc-tools_REAL_LETTER_書函_104_2_BOM.di", Verdict::Valid, &[]),
    ("R1_銓敘部_97_2_big5_CRLF_200707020001.di", Verdict::Tolerated, &["heading-repeated"]),
    (
        "R2_NCC_93_2_big5_CRLF_413122D9_09500027000$310900100Q.di",
        Verdict::Tolerated,
        &["code-joined", "original-empty"],
    ),
];

fn sample(name: &str) -> Option<Vec<u8>> {
    shared::shared().map(|root| std::fs::read(root.join("data/samples").join(name)).unwrap())
}

#[test]
fn every_sample_has_its_verdict() {
    let Some(root) = shared::shared() else { return };
    let mut seen = 0;
    for file in std::fs::read_dir(root.join("data/samples")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !(name.ends_with(".di") || name.ends_with(".sw")) {
            continue;
        }
        let (_, verdict, labels) =
            EXPECTED.iter().find(|row| row.0 == name).unwrap_or_else(|| panic!("no row for {name}"));
        let reading = read(&std::fs::read(&path).unwrap(), &Limits::default());
        let found: Vec<&str> = reading.problems.iter().map(|problem| problem.label).collect();
        assert_eq!(
            (reading.verdict, found.as_slice()),
            (*verdict, *labels),
            "{name}: {:#?}",
            reading.problems
        );
        seen += 1;
    }
    assert_eq!(seen, EXPECTED.len());
}

#[test]
fn a_real_letter_of_edition_97_in_cp950() {
    let Some(bytes) = sample("R1_銓敘部_97_2_big5_CRLF_200707020001.di") else { return };
    let reading = read(&bytes, &Limits::default());
    assert_eq!(reading.encoding.as_str(), "cp950");
    assert_eq!(reading.edition.unwrap().as_str(), "97");
    let letter = reading.letter.as_ref().unwrap();
    assert_eq!(letter.sender_code(), "602000000A");
    assert_eq!(letter.printed_number(), "部管二字第0982819083號");
    assert_eq!(letter.date, "中華民國98年4月9日");
    assert!(!letter.is_classified() && !letter.hides_recipients());
    assert_eq!(letter.roster_file(), Some("096K00D28908.sw"));
    assert_eq!(letter.attachments.files, ["096K00D28908-01.doc"]);
    assert_eq!(letter.originals.len(), 2);
    assert_eq!(letter.copies, []);
    let names: Vec<_> = reading.companions().iter().map(|one| (one.file.as_str(), one.role)).collect();
    assert_eq!(names, [("096K00D28908.sw", Role::Roster), ("096K00D28908-01.doc", Role::Attachment)]);
}

#[test]
fn a_file_of_edition_93_on_one_line() {
    let Some(bytes) = sample("R2_NCC_93_2_big5_CRLF_413122D9_09500027000$310900100Q.di") else { return };
    let reading = read(&bytes, &Limits::default());
    let letter = reading.letter.unwrap();
    assert_eq!(letter.senders[0].mailbox(), ("369000000H", Some("U400000")));
    assert_eq!(letter.printed_number(), "企字第0974000686號");
    assert_eq!(letter.attachments.files, ["附件文件.doc"]);
}

#[test]
fn rosters_and_messages() {
    let Some(bytes) = sample("D09_國防部公布欄_99_roster_big5_無含附件.sw") else { return };
    let boxes = read(&bytes, &Limits::default()).roster.unwrap().mailboxes();
    assert_eq!((boxes[0].code.as_str(), boxes[0].unit.as_deref()), ("A05000000C", Some("U000000")));
    assert!(boxes[0].attachments);
    let bytes = sample("D15_2100_函_104_2_表單加文書訊息DM.di").unwrap();
    let reading = read(&bytes, &Limits::default());
    let roles: Vec<_> = reading.companions().iter().map(|one| one.role).collect();
    assert_eq!(roles, [Role::Roster, Role::Attachment, Role::Message]);
    let bytes = sample("D06_MOHW2011_99_2_utf8_受文者純文字_SW不存在.di").unwrap();
    assert_eq!(read(&bytes, &Limits::default()).roster_file(), Some("201111080200070001.sw"));
    let bytes = sample("D09b_Big5_函_99_2_big5.di").unwrap();
    let letter = read(&bytes, &Limits::default()).letter.unwrap();
    assert_eq!(letter.originals[0].name.text(), "碁峰裏銹恒粧嫺墻測試署");
    let bytes = sample("D04_MOHW醫事司_簽_104_5.di").unwrap();
    let letter = read(&bytes, &Limits::default()).letter.unwrap();
    assert_eq!(letter.attachments.files, ["115000001_Attach1.pdf", "115000001_Attach2.jpg"]);
    assert_eq!(letter.handling.as_deref(), Some("2"));
}
