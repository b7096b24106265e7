//! What is written is valid for xmllint under the official and the printed DTDs, and reads back as the same values.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod shared;

use di_format::{
    Attachments, Classification, Entry, Error, Item, Kind, Letter, Limits, Line, Name, Number, Paragraph,
    Party, Person, Recipient, Roster, Verdict, read, write,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Text as it may stand in a value: anything XML carries, but no line breaks and no blanks at the ends.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[一-龥（）「」，。：0-9A-Za-z&<>\"']{0,12}",
        "[\u{20000}-\u{2A6DF}\u{E000}-\u{F8FF}\u{F0000}\u{10FFFD}\u{3000}]{1,4}",
        "[!-~一-龥]{1,3}[ -~\u{3000}]{0,6}[!-~]|]]>|&amp;|<!--",
    ]
    .prop_map(|text| text.trim_matches([' ', '\t', '\r', '\n']).to_owned())
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        text().prop_map(Name::Organisation),
        text().prop_map(Name::Unit),
        text().prop_map(Name::Group),
        (text(), proptest::option::of(text())).prop_map(|(name, title)| Name::Person { name, title }),
    ]
}

fn code() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Z0-9]{10}", "[A-Z0-9]{17}"]
}

fn sender() -> impl Strategy<Value = Party> {
    prop_oneof![
        (text(), code()).prop_map(|(name, code)| Party { name: Name::Organisation(name), code, unit: None }),
        (text(), code(), "U[0-9]{6}").prop_map(|(name, code, unit)| Party {
            name: Name::Unit(name),
            code,
            unit: Some(unit)
        }),
    ]
}

fn party() -> impl Strategy<Value = Party> {
    let person = (text(), proptest::option::of(text()), code(), proptest::option::of("U[0-9]{6}"))
        .prop_map(|(name, title, code, unit)| Party { name: Name::Person { name, title }, code, unit });
    prop_oneof![sender(), person]
}

fn line(copy: bool) -> impl Strategy<Value = Line> {
    let copy = if copy { proptest::option::of("正本|副本|抄本").boxed() } else { Just(None).boxed() };
    (party(), any::<Option<bool>>(), proptest::option::of("[a-z]{1,8}\\.pdf"), copy).prop_map(
        |(party, attachments, combined_file, copy)| Line { party, attachments, combined_file, copy },
    )
}

fn file() -> impl Strategy<Value = String> {
    // ASCII, because xmllint takes other names for invalid URIs
    "[A-Za-z0-9_-]{1,12}\\.(pdf|odt|txt)"
}

fn attachments() -> impl Strategy<Value = Attachments> {
    (text(), proptest::collection::btree_set(file(), 0..4))
        .prop_map(|(caption, files)| Attachments { caption, files: files.into_iter().collect() })
}

fn item() -> impl Strategy<Value = Item> {
    let leaf = (text(), proptest::option::of(text())).prop_map(|(marker, text)| Item {
        marker,
        text,
        items: Vec::new(),
    });
    leaf.prop_recursive(4, 12, 3, |inner| {
        (text(), proptest::option::of(text()), proptest::collection::vec(inner, 0..3))
            .prop_map(|(marker, text, items)| Item { marker, text, items })
    })
}

fn paragraphs() -> impl Strategy<Value = Vec<Paragraph>> {
    let one = (text(), proptest::option::of(text()), proptest::collection::vec(item(), 0..3))
        .prop_map(|(name, text, items)| Paragraph { name, text, items });
    proptest::collection::vec(one, 0..3)
}

fn parts(word: bool) -> impl Strategy<Value = Number> {
    let word = if word { text().boxed() } else { Just(String::new()).boxed() };
    (word, "[0-9]{3}", "[0-9]{7}", proptest::option::of("[1-9AKXY]"))
        .prop_map(|(word, year, serial, branch)| Number::Parts { word, year, serial, branch })
}

fn classification() -> impl Strategy<Value = Classification> {
    (proptest::option::of("密|機密|極機密|絕對機密"), text())
        .prop_map(|(level, condition)| Classification { level, condition })
}

fn recipient() -> impl Strategy<Value = Recipient> {
    prop_oneof![
        (text(), "[0-9]{7}\\.sw").prop_map(|(text, file)| Recipient::Roster { text, file: Some(file) }),
        line(false).prop_map(|line| Recipient::One(Box::new(line))),
    ]
}

fn entries(least: usize, words: bool) -> impl Strategy<Value = Vec<Entry>> {
    let attachments = if words { any::<Option<bool>>().boxed() } else { Just(None).boxed() };
    proptest::collection::vec(
        (name(), attachments).prop_map(|(name, attachments)| Entry { name, attachments }),
        least..4,
    )
}

prop_compose! {
    fn common(kind: Kind)(
        priority in "普通件|速件|最速件",
        classification in classification(),
        attachments in attachments(),
        subject in text(),
        paragraphs in paragraphs(),
        date in text(),
    ) -> Letter {
        Letter { priority, classification, attachments, subject, paragraphs, date, ..Letter::new(kind) }
    }
}

prop_compose! {
    fn letter()(
        common in common(Kind::Letter),
        category in "函|書函|移文單|執行命令",
        senders in proptest::collection::vec(sender(), 1..3),
        address in text(),
        contacts in proptest::collection::vec(text(), 1..4),
        recipient in recipient(),
        numbers in proptest::collection::vec(prop_oneof![parts(true), text().prop_map(Number::Text)], 1..3),
        originals in entries(1, false),
        copies in entries(0, true),
        signatures in proptest::collection::vec(text(), 0..3),
    ) -> Letter {
        let recipient = Some(recipient);
        Letter { category, senders, address, contacts, recipient, numbers, originals, copies, signatures, ..common }
    }
}

prop_compose! {
    fn memo()(
        common in common(Kind::Memo),
        sender in prop_oneof![
            sender(),
            (text(), proptest::option::of("U[0-9]{6}"))
                .prop_map(|(name, unit)| Party { name: Name::Unit(name), code: String::new(), unit }),
        ],
        recipient in proptest::option::of(recipient()),
        number in parts(false),
        handling in proptest::option::of("[1-6]"),
        submitted_to in proptest::collection::vec(
            (text(), proptest::option::of(text())).prop_map(|(title, name)| Person { title: Some(title), name }),
            0..3,
        ),
        signature in text(),
    ) -> Letter {
        Letter {
            senders: vec![sender],
            recipient,
            numbers: vec![number],
            handling,
            submitted_to,
            signatures: vec![signature],
            ..common
        }
    }
}

fn roster() -> impl Strategy<Value = Roster> {
    proptest::collection::vec(line(true), 1..6).prop_map(|lines| Roster { lines })
}

fn accepted(bytes: &[u8]) -> di_format::Reading {
    let reading = read(bytes, &Limits::default());
    assert!(reading.verdict.is_accepted() && !reading.breaches_official(), "{:#?}", reading.problems);
    reading
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_letter_reads_back_as_it_was(letter in letter()) {
        let bytes = write::letter(&letter).unwrap();
        prop_assert_eq!(accepted(&bytes).letter.unwrap(), letter);
    }

    #[test]
    fn a_memo_reads_back_as_it_was(memo in memo()) {
        let bytes = write::letter(&memo).unwrap();
        prop_assert_eq!(accepted(&bytes).letter.unwrap(), memo);
    }

    #[test]
    fn a_roster_reads_back_as_it_was(roster in roster()) {
        let bytes = write::roster(&roster).unwrap();
        prop_assert_eq!(accepted(&bytes).roster.unwrap(), roster);
    }
}

#[test]
fn xmllint_accepts_what_is_written() {
    let official = shared::official();
    let printed = shared::printed();
    let mut runner = TestRunner::deterministic();
    let mut documents = Vec::new();
    for _ in 0..80 {
        let mut value = |strategy: BoxedStrategy<Vec<u8>>| strategy.new_tree(&mut runner).unwrap().current();
        documents.push(value(letter().prop_map(|one| write::letter(&one).unwrap()).boxed()));
        documents.push(value(memo().prop_map(|one| write::letter(&one).unwrap()).boxed()));
        documents.push(value(roster().prop_map(|one| write::roster(&one).unwrap()).boxed()));
    }
    for dtds in [Some(printed.path()), official.as_deref()].into_iter().flatten() {
        let dir = tempfile::tempdir().unwrap();
        shared::lay_out(dtds, dir.path());
        let files: Vec<String> = (0..documents.len()).map(|number| format!("w{number}.xml")).collect();
        for (file, bytes) in files.iter().zip(&documents) {
            std::fs::write(dir.path().join(file), bytes).unwrap();
        }
        for (number, said) in shared::xmllint(dir.path(), &files).iter().enumerate() {
            assert!(said.is_empty(), "{said}\n{}", String::from_utf8_lossy(&documents[number]));
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
    letter.subject = "第一行\r\n第二行\tend\nword".to_owned();
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
fn nothing_invalid_is_written() {
    type Spoil = fn(&mut Letter);
    let cases: [(&str, Spoil); 12] = [
        ("write-missing", |letter| letter.senders.clear()),
        ("write-missing", |letter| letter.originals.clear()),
        ("write-missing", |letter| letter.recipient = None),
        ("write-invalid", |letter| "便函".clone_into(&mut letter.category)),
        ("write-invalid", |letter| "急件".clone_into(&mut letter.priority)),
        ("write-invalid", |letter| letter.classification.level = Some("普通".to_owned())),
        ("write-value", |letter| letter.recipient = Some(Recipient::Text("某".to_owned()))),
        ("write-value", |letter| letter.handling = Some("1".to_owned())),
        ("write-value", |letter| letter.senders[0].unit = Some("U100000".to_owned())),
        ("write-character", |letter| letter.subject.push('\u{1}')),
        ("file-name", |letter| letter.attachments.files.push("../x.pdf".to_owned())),
        ("write-value", |letter| letter.attachments.files = vec!["a.pdf".to_owned(), "a.pdf".to_owned()]),
    ];
    for (label, spoil) in cases {
        let mut letter = plain();
        assert!(write::letter(&letter).is_ok());
        spoil(&mut letter);
        let error = write::letter(&letter).unwrap_err();
        assert_eq!(error.label(), label, "{error}");
        assert!(di_format::LABELS.iter().any(|row| row.0 == error.label()));
    }
    assert!(matches!(write::letter(&Letter::new(Kind::Order)), Err(Error::Unconfirmed { root: "令" })));
    assert!(matches!(write::roster(&Roster::default()), Err(Error::Missing { .. })));
    let mut deep = Item::default();
    for _ in 0..60 {
        deep = Item { items: vec![deep], ..Item::default() };
    }
    let mut letter = plain();
    letter.paragraphs = vec![Paragraph { items: vec![deep], ..Paragraph::default() }];
    assert_eq!(write::letter(&letter).unwrap_err().label(), "write-value");
}
