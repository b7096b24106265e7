//! What is written is valid for xmllint under the official and the printed DTDs, and reads back as the same values.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod letters;
mod shared;

use di_format::{
    Entry, Error, Item, Kind, Letter, Limits, Name, Number, Paragraph, Party, Person, Reading, Recipient,
    Roster, Verdict, When, read, write,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

fn judged(bytes: &[u8]) -> Reading {
    let reading = read(bytes, &Limits::default());
    let remark = |label: &&str| write::REMARKS.contains(label);
    let wrong = reading.problems.iter().map(|problem| problem.label).filter(|label| !remark(label));
    assert_eq!(wrong.collect::<Vec<_>>(), [""; 0], "{:#?}", reading.problems);
    assert_eq!(reading.verdict == Verdict::Valid, reading.problems.is_empty());
    reading
}

#[test]
fn a_letter_of_every_kind_reads_back_as_it_was() {
    for kind in letters::KINDS {
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 100,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let outcome = runner.run(&letters::letter(kind), |letter| {
            let bytes = letters::written(&letter).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(judged(&bytes).letter.unwrap(), letter);
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_roster_reads_back_as_it_was(roster in letters::roster()) {
        let bytes = write::roster(&roster).unwrap();
        prop_assert_eq!(judged(&bytes).roster.unwrap(), roster);
    }

    #[test]
    fn one_line_can_always_be_written(typed in "[ -~一-龥\\t\\r\\n\u{0}-\u{9f}]{0,12}") {
        let mut letter = plain();
        letter.subject = write::one_line(&typed).into_owned();
        prop_assert_eq!(judged(&write::letter(&letter).unwrap()).letter.unwrap(), letter);
    }
}

/// xmllint has the last word: official kinds by the official DTDs, and every kind by those that we print.
#[test]
fn xmllint_accepts_what_is_written() {
    let official = shared::official();
    let printed = shared::printed();
    let mut runner = TestRunner::deterministic();
    let mut documents: Vec<(Kind, Vec<u8>)> = Vec::new();
    for kind in letters::KINDS {
        let letters = letters::letter(kind);
        for _ in 0..100 {
            let letter = letters.new_tree(&mut runner).unwrap().current();
            documents.push((kind, letters::written(&letter).unwrap()));
        }
    }
    let rosters = letters::roster();
    for _ in 0..100 {
        let roster = rosters.new_tree(&mut runner).unwrap().current();
        documents.push((Kind::Roster, write::roster(&roster).unwrap()));
    }
    for (dtds, all) in [(Some(printed.path()), true), (official.as_deref(), false)] {
        let Some(dtds) = dtds else { continue };
        let dir = tempfile::tempdir().unwrap();
        shared::lay_out(dtds, dir.path());
        let judged: Vec<&(Kind, Vec<u8>)> =
            documents.iter().filter(|(kind, _)| all || kind.is_official()).collect();
        let files: Vec<String> = (0..judged.len()).map(|number| format!("w{number}.xml")).collect();
        for (file, (_, bytes)) in files.iter().zip(&judged) {
            std::fs::write(dir.path().join(file), bytes).unwrap();
        }
        for (said, (_, bytes)) in shared::xmllint(dir.path(), &files).iter().zip(&judged) {
            assert!(said.is_empty(), "{said}\n{}", String::from_utf8_lossy(bytes));
        }
        println!("{} written documents accepted by xmllint under {}", files.len(), dtds.display());
    }
}

/// A letter that can be written, to be spoilt.
fn plain() -> Letter {
    Letter {
        senders: vec![Party {
            name: Name::Organisation("範例部".to_owned()),
            code: "A01000000A".to_owned(),
            unit: None,
        }],
        contacts: vec!["承辦人：範例員".to_owned()],
        recipient: Some(Recipient::Roster {
            text: "如行文單位".to_owned(), file: Some("1.sw".to_owned())
        }),
        date: "中華民國115年1月2日".to_owned(),
        numbers: vec![Number::Text("範字第1號".to_owned())],
        subject: "請查照。".to_owned(),
        originals: vec![Entry { name: Name::Group("各機關".to_owned()), attachments: None }],
        ..Letter::new(Kind::Letter)
    }
}

#[test]
fn the_form_is_that_of_the_conventions() {
    let mut letter = plain();
    letter.attachments.files = vec!["附件 一.pdf".to_owned(), "二\"號.odt".to_owned()];
    letter.subject = write::one_line("第一行\r\n第二行\tend\nword ").into_owned();
    letter.numbers = vec![Number::Parts {
        word: "範".to_owned(),
        year: "115".to_owned(),
        serial: "0000001".to_owned(),
        branch: Some("0".to_owned()),
    }];
    let bytes = write::letter(&letter).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.starts_with(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\" [\r\n"
    ));
    assert!(text.split('\n').all(|line| line.is_empty() || line.ends_with('\r')));
    for part in [
        "<!ENTITY ATTCH1 SYSTEM \"附件 一.pdf\" NDATA _X>",
        "<!ENTITY ATTCH2 SYSTEM '二\"號.odt' NDATA _X>",
        "<!ENTITY 表單 SYSTEM \"1.sw\" NDATA DI>",
        "<附件檔名 附件名=\"ATTCH1 ATTCH2\"/>",
        "<速別 代碼=\"普通件\"/>",
        "<密等/>",
        "<文字>第一行第二行end word</文字>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("支號"));
    assert_eq!(read(&bytes, &Limits::default()).verdict, Verdict::Valid);
}

#[test]
fn what_cannot_be_written_is_refused() {
    type Spoil = fn(&mut Letter);
    let cases: [(&str, Spoil); 27] = [
        ("write-missing", |letter| letter.senders.clear()),
        ("write-missing", |letter| letter.contacts.clear()),
        ("write-missing", |letter| letter.numbers.clear()),
        ("write-missing", |letter| letter.originals.clear()),
        ("write-missing", |letter| letter.recipient = None),
        ("write-value", |letter| "便函".clone_into(&mut letter.category)),
        ("write-value", |letter| "急件".clone_into(&mut letter.priority)),
        ("write-value", |letter| letter.classification.level = Some("普通".to_owned())),
        ("write-value", |letter| letter.recipient = Some(Recipient::Text("某".to_owned()))),
        ("write-value", |letter| letter.originals[0].name = Name::Text("某".to_owned())),
        ("write-no-place", |letter| letter.handling = Some("1".to_owned())),
        ("write-no-place", |letter| letter.senders[0].unit = Some("U100000".to_owned())),
        ("write-no-place", |letter| letter.originals[0].attachments = Some(true)),
        ("write-no-place", |letter| letter.chairs.push(Person::default())),
        ("write-no-place", |letter| letter.observers.push(letter.originals[0].clone())),
        ("write-no-place", |letter| letter.times.push(When::default())),
        ("write-no-place", |letter| letter.remarks.push(Paragraph::default())),
        ("write-no-place", |letter| letter.submitted_to.push(Person::default())),
        ("write-no-place", |letter| {
            letter.extra.push(di_format::Extra { name: "決行層次".to_owned(), text: String::new() });
        }),
        ("write-invalid", |letter| letter.senders[0].code.clear()),
        ("write-character", |letter| letter.subject.push('\u{1}')),
        ("write-character", |letter| letter.subject.push_str("\r\n二")),
        ("write-character", |letter| letter.subject.push(' ')),
        ("file-name", |letter| letter.attachments.files.push("../x.pdf".to_owned())),
        ("file-name", |letter| letter.attachments.files.push("a\"b'c.pdf".to_owned())),
        ("file-name", |letter| letter.attachments.files = vec!["a.pdf".to_owned(), "A.PDF".to_owned()]),
        ("file-name", |letter| letter.attachments.files = vec!["1.SW".to_owned()]),
    ];
    for (number, (label, spoil)) in cases.into_iter().enumerate() {
        let mut letter = plain();
        assert!(write::letter(&letter).is_ok());
        spoil(&mut letter);
        let error = write::letter(&letter).unwrap_err();
        assert_eq!(error.label(), label, "case {number}: {error}");
        assert!(di_format::LABELS.iter().any(|row| row.0 == error.label()));
    }
    assert!(matches!(write::roster(&Roster::default()), Err(Error::Missing { .. })));
    let mut deep = Item::default();
    for _ in 0..60 {
        deep = Item { items: vec![deep], ..Item::default() };
    }
    let mut letter = plain();
    letter.paragraphs = vec![Paragraph { items: vec![deep], ..Paragraph::default() }];
    assert_eq!(write::letter(&letter).unwrap_err().label(), "write-value");
}

/// Names of files are no URIs and cannot be escaped: what a file system allows comes back, or is refused.
#[test]
fn file_names_come_back_as_they_are() {
    for name in [
        "附件 一.pdf",
        "100%.odt",
        "%x;.txt",
        "a&b&amp;.txt",
        "a<b>.txt",
        "二\"號.odt",
        "三'號.odt",
        "𠮷\u{E000}.pdf",
        "#1$.TXT",
        "]]>.doc",
    ] {
        let mut letter = plain();
        letter.attachments.files = vec![name.to_owned(), "後.pdf".to_owned()];
        letter.recipient = Some(Recipient::Roster { text: String::new(), file: Some(format!("{name}.sw")) });
        assert_eq!(judged(&write::letter(&letter).unwrap()).letter.unwrap(), letter);
    }
    for name in ["", " ", "..", "a/b", "a\\b", "C:a", "a\u{85}b", "a\u{202E}b", "a\tb"] {
        let mut letter = plain();
        letter.attachments.files = vec![name.to_owned()];
        assert_eq!(write::letter(&letter).unwrap_err().label(), "file-name", "{name:?}");
    }
}

/// Every character is either carried as it is or refused by name, in text and in attributes.
#[test]
fn characters_are_carried_or_refused() {
    let interesting = (0..0x300).chain(0x2000..0x2070).chain(0xE000..0xE010).chain(0xFDD0..0xFDF0);
    let interesting =
        interesting.chain(0xFFF0..0x1_0002).chain([0x1_FFFE, 0x2_0BB7, 0xF_FFFF, 0x10_FFFD, 0x10_FFFF]);
    let mut refused = Vec::new();
    for character in interesting.filter_map(char::from_u32) {
        let mut letter = plain();
        letter.subject = format!("一{character}二");
        letter.paragraphs = vec![Paragraph { name: format!("一{character}二"), ..Paragraph::default() }];
        match write::letter(&letter) {
            Ok(bytes) => assert_eq!(judged(&bytes).letter.unwrap(), letter, "{character:?}"),
            Err(error) => {
                assert_eq!(error, Error::Character { element: "文字", character });
                refused.push(u32::from(character));
            }
        }
    }
    let expected: Vec<u32> = (0..0x20).chain(0x7F..0xA0).chain([0xFFFE, 0xFFFF]).collect();
    assert_eq!(refused, expected);
}

/// What only a person can judge is written, and the reader remarks on it.
#[test]
fn remarks_on_values_do_not_keep_a_letter_from_being_written() {
    type Spoil = fn(&mut Letter);
    let cases: [(&str, Spoil); 5] = [
        ("date-form", |letter| letter.date = "即日".to_owned()),
        ("date-impossible", |letter| letter.date = "中華民國115年2月30日".to_owned()),
        ("postcode-form", |letter| letter.address = "1234臺北市".to_owned()),
        ("contact-form", |letter| letter.contacts = vec!["電子信箱：甲".to_owned()]),
        ("company-number", |letter| letter.senders[0].code = "EB12345678".to_owned()),
    ];
    assert_eq!(cases.map(|(label, _)| label), write::REMARKS);
    assert_eq!(judged(&write::letter(&plain()).unwrap()).verdict, Verdict::Valid);
    for (label, spoil) in cases {
        let mut letter = plain();
        spoil(&mut letter);
        let reading = judged(&write::letter(&letter).unwrap());
        assert_eq!(reading.problems.iter().map(|problem| problem.label).collect::<Vec<_>>(), [label]);
        assert_eq!(reading.letter.unwrap(), letter);
    }
}

#[test]
fn unconfirmed_kinds_need_the_callers_word() {
    let mut runner = TestRunner::deterministic();
    for kind in letters::KINDS {
        let letter = letters::letter(kind).new_tree(&mut runner).unwrap().current();
        assert!(letters::written(&letter).is_ok(), "{kind}");
        match write::letter(&letter) {
            Ok(_) => assert!(kind.is_official()),
            Err(error) => assert_eq!(error, Error::Unconfirmed { root: kind.root() }),
        }
    }
    assert_eq!(letters::written(&Letter::new(Kind::Roster)).unwrap_err().label(), "write-value");
}

/// A kind refuses what only another kind has: nothing that a letter holds is left out without a word.
#[test]
fn no_kind_drops_what_it_has_no_place_for() {
    let mut runner = TestRunner::deterministic();
    let mut refused = 0;
    for from in letters::KINDS {
        let letters = letters::letter(from);
        for to in letters::KINDS {
            for _ in 0..20 {
                let made = letters.new_tree(&mut runner).unwrap().current();
                let letter = Letter { kind: to, ..made };
                match letters::written(&letter) {
                    Ok(bytes) => assert_eq!(judged(&bytes).letter.unwrap(), letter),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    println!("{refused} of {} letters refused as another kind", 49 * 20);
    assert!(refused > 400);
}
