//! Every file in `vectors/` gets the verdict and the labels of its row in `vectors/expected.txt`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod shared;

use std::collections::BTreeSet;
use std::path::Path;

use di_format::{
    Edition, Kind, LABELS, Limits, Severity, TOLERATED, Verdict, cross_check, is_rule, model, named_files,
    read,
};

fn vectors() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

#[test]
fn every_vector_is_judged_as_expected() {
    let table = std::fs::read_to_string(vectors().join("expected.txt")).unwrap();
    let mut rows = BTreeSet::new();
    let mut wrong = Vec::new();
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let (file, expected) = row.split_once(' ').unwrap();
        rows.insert(file.to_owned());
        let reading = read(&std::fs::read(vectors().join(file)).unwrap(), &Limits::default());
        let mut found = vec![reading.verdict.as_str()];
        found.extend(reading.problems.iter().map(|problem| problem.label));
        if found.join(" ") != expected {
            wrong.push(format!("{file}: expected {expected}, found {found:?}: {:#?}", reading.problems));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for folder in ["good", "tolerated", "bad"] {
        for file in std::fs::read_dir(vectors().join(folder)).unwrap() {
            let name = format!("{folder}/{}", file.unwrap().file_name().to_str().unwrap());
            assert!(rows.contains(&name), "{name} has no row");
        }
    }
}

#[test]
fn every_label_is_listed_and_most_have_a_vector() {
    let mut table = std::fs::read_to_string(vectors().join("expected.txt")).unwrap();
    table.push_str(&std::fs::read_to_string(vectors().join("units.txt")).unwrap());
    let used: BTreeSet<&str> = table.split_whitespace().collect();
    let listed: BTreeSet<&str> = LABELS.iter().map(|row| row.0).collect();
    assert_eq!(listed.len(), LABELS.len(), "a label is listed twice");
    let without: Vec<&&str> = listed.iter().filter(|label| !used.contains(**label)).collect();
    // limits and writing have tests of their own
    let own = ["too-", "name-too-long", "write-"];
    assert!(without.iter().all(|label| own.iter().any(|prefix| label.starts_with(prefix))), "{without:?}");
    // the sources use no label that is not listed
    for source in [
        "reading.rs",
        "validate.rs",
        "breach.rs",
        "declarations.rs",
        "doctype.rs",
        "attributes.rs",
        "tree/parse.rs",
        "tree/text.rs",
        "error.rs",
        "remarks.rs",
        "crosscheck.rs",
        "tolerance.rs",
    ] {
        let text = std::fs::read_to_string(vectors().join("../src").join(source)).unwrap();
        for piece in text.split('"').skip(1).step_by(2) {
            let label_like = piece.contains('-') && piece.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            if label_like
                && !["utf-8", "g2b2c-envelope", "g2b2c-encrypt-list"].contains(&piece)
                && !piece.starts_with('-')
            {
                assert!(listed.contains(piece), "{source}: {piece}");
            }
        }
    }
}

#[test]
fn a_warning_is_a_row_of_the_tolerance_table() {
    let table = std::fs::read_to_string(vectors().join("expected.txt")).unwrap();
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let file = row.split(' ').next().unwrap();
        let reading = read(&std::fs::read(vectors().join(file)).unwrap(), &Limits::default());
        for problem in &reading.problems {
            let warning = problem.severity == Severity::Warning;
            assert_eq!(warning, TOLERATED.contains(&problem.label), "{file}: {problem}");
            let official = reading.edition == Some(Edition::E104)
                && reading.kind.is_some_and(Kind::is_official)
                && (is_rule(problem.label)
                    || problem.label == "code-missing" && problem.message.contains("is missing"));
            assert_eq!(problem.official, official, "{file}: {problem}");
        }
        let tolerated = !reading.problems.is_empty()
            && reading.problems.iter().all(|problem| TOLERATED.contains(&problem.label));
        assert_eq!(reading.verdict == Verdict::Tolerated, tolerated, "{file}");
    }
    assert!(TOLERATED.iter().all(|label| LABELS.iter().any(|row| row.0 == *label)));
}

#[test]
fn letters_are_held_against_their_rosters() {
    let table = std::fs::read_to_string(vectors().join("units.txt")).unwrap();
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let mut words = row.split(' ');
        let mut bytes = || std::fs::read(vectors().join(words.next().unwrap())).unwrap();
        let (di, sw) = (bytes(), bytes());
        for one in [&di, &sw] {
            assert_eq!(read(one, &Limits::default()).verdict, Verdict::Valid, "{row}");
        }
        let problems = cross_check(&di, &sw, &Limits::default());
        let found: Vec<&str> = problems.iter().map(|problem| problem.label).collect();
        assert_eq!(found, words.collect::<Vec<_>>(), "{row}: {problems:#?}");
        assert!(problems.iter().all(|one| one.path.starts_with("函/") && one.line > 1));
    }
}

/// The names under which a kind's DTD goes in an edition.
fn dtd_names(kind: Kind, edition: Edition) -> Vec<String> {
    let (year, code) = (edition.as_str(), kind.code());
    match edition {
        Edition::E99 | Edition::E104 => {
            ["utf8", "big5"].iter().map(|encoding| format!("{year}_{code}_{encoding}.dtd")).collect()
        }
        _ => vec![format!("{year}_{code}.dtd")],
    }
}

#[test]
fn every_kind_is_recognised_in_every_edition() {
    for (file, kind) in [
        ("letter-inline.di", Kind::Letter),
        ("memo.di", Kind::Memo),
        ("roster.sw", Kind::Roster),
        ("order.di", Kind::Order),
        ("announcement.di", Kind::Announcement),
        ("meeting.di", Kind::MeetingNotice),
        ("inspection.di", Kind::InspectionNotice),
        ("consultation.di", Kind::Consultation),
    ] {
        let text = std::fs::read_to_string(vectors().join("good").join(file)).unwrap();
        let now = read(text.as_bytes(), &Limits::default()).dtd_name.unwrap();
        for edition in Edition::ALL {
            for name in dtd_names(kind, edition) {
                let reading = read(text.replace(&now, &name).as_bytes(), &Limits::default());
                assert_eq!((reading.kind, reading.edition), (Some(kind), Some(edition)), "{name}");
                let problems = &reading.problems;
                assert!(problems.iter().all(|p| !p.label.starts_with("dtd-name")), "{name}: {problems:#?}");
                let official = kind.is_official() && edition == Edition::E104;
                assert_eq!(model::grammar(kind, edition).is_official(), official);
                assert!(official || !reading.breaches_official());
            }
        }
    }
}

#[test]
fn attachments_go_along_unless_it_is_said_in_every_edition() {
    for (file, edition, said) in [
        ("good/roster-91.sw", "91", [Some(true), Some(false)]),
        ("good/roster-93.sw", "93", [Some(true), Some(false)]),
        ("good/roster-97.sw", "97", [Some(true), None]),
        ("good/roster-99.sw", "99", [None, Some(false)]),
    ] {
        let reading = read(&std::fs::read(vectors().join(file)).unwrap(), &Limits::default());
        assert_eq!(reading.edition.unwrap().as_str(), edition);
        let roster = reading.roster.unwrap();
        let lines: Vec<_> = roster.lines.iter().map(|line| line.attachments).collect();
        assert_eq!(lines, said, "{file}");
        let boxes: Vec<_> = roster.mailboxes().iter().map(|one| one.attachments).collect();
        assert_eq!(boxes, said.map(|word| word.unwrap_or(true)), "{file}");
    }
}

#[test]
fn every_category_of_a_letter() {
    let text = std::fs::read_to_string(vectors().join("good/letter-inline.di")).unwrap();
    let grammar = model::grammar(Kind::Letter, Edition::E104);
    let model::AttributeType::OneOf(values) = grammar.attributes("函類別")[0].kind else { panic!() };
    assert_eq!(values.len(), 10);
    for value in values {
        let text = text.replace("代碼=\"書函\"", &format!("代碼=\"{value}\""));
        let reading = read(text.as_bytes(), &Limits::default());
        assert_eq!(reading.verdict, Verdict::Valid, "{value}");
        assert_eq!(reading.letter.unwrap().category, *value);
    }
}

#[test]
fn characters_stay_as_they_are() {
    let letter = |name: &str| read(&std::fs::read(vectors().join(name)).unwrap(), &Limits::default());
    let reading = letter("good/letter-cp950-windows.di");
    assert_eq!(reading.encoding.as_str(), "cp950");
    let letter_ = reading.letter.unwrap();
    assert_eq!(letter_.subject, "碁銹裏墻恒粧嫺功許蓋");
    assert_eq!(
        letter_.paragraphs[0].text.as_deref(),
        Some("\u{E000}\u{E310}\u{E311}\u{EEB7}\u{EEB8}\u{F6B0}\u{F6B1}\u{F848}")
    );
    let plain = letter("good/letter-not-normalised.di").letter.unwrap();
    assert_eq!(plain.subject, "\u{F90A}\u{2F800}e\u{301}\u{FF21}\u{2126}");
    assert_eq!(plain.signatures, ["\u{E000}\u{F0001}\u{100001}"]);
    for (name, encoding) in [
        ("tolerated/encoding-declared.di", "utf-8"),
        ("tolerated/encoding-declared-bom.di", "utf-8"),
        ("tolerated/encoding-declared-other.di", "utf-8"),
        ("tolerated/encoding-declared-cp950.di", "cp950"),
        ("tolerated/encoding-undeclared-cp950.di", "cp950"),
        ("bad/half-character-cp950.di", "cp950"),
        ("bad/half-character.di", "utf-8"),
        ("bad/ascii-cp950.di", "cp950"),
    ] {
        assert_eq!(letter(name).encoding.as_str(), encoding, "{name}");
    }
}

#[test]
fn what_cannot_be_read_still_has_its_name() {
    for (name, root, edition) in [
        ("bad/half.di", "函", Some(Edition::E104)),
        ("bad/parsed-entity.di", "函", None),
        ("bad/archive-package-doctype.xml", "電子封裝檔", None),
        ("bad/archive-package.xml", "電子封裝檔", None),
        ("bad/too-deep.di", "函", Some(Edition::E104)),
        ("bad/not-xml.di", "", None),
    ] {
        let reading = read(&std::fs::read(vectors().join(name)).unwrap(), &Limits::default());
        assert_eq!((reading.root.as_str(), reading.edition), (root, edition), "{name}");
    }
    let package = format!("<電子封裝檔>{}</電子封裝檔>", " ".repeat(9 << 20));
    let reading = read(package.as_bytes(), &Limits::default());
    let labels: Vec<&str> = reading.problems.iter().map(|problem| problem.label).collect();
    assert_eq!(labels, ["too-large", "root-unknown"]);
}

#[test]
fn positions_are_those_of_the_bytes() {
    let bad =
        |name: &str| read(&std::fs::read(vectors().join("bad").join(name)).unwrap(), &Limits::default());
    let place = |name: &str| {
        let reading = bad(name);
        let problem = &reading.problems[0];
        (problem.line, problem.column, problem.path.clone())
    };
    assert_eq!(place("subject-missing.di"), (19, 1, "函".to_owned()));
    assert_eq!(place("category-value.di"), (10, 6, "函/函類別".to_owned()));
    assert_eq!(place("text-unexpected.di"), (19, 5, "函/主旨".to_owned()));
    assert_eq!(place("element-in-text.di"), (9, 13, "函/發文機關/全銜/文字".to_owned()));
    assert_eq!(place("control-character.di").0, 22);
    assert_eq!(place("wrong-bytes.di"), (22, 8, String::new()));
    assert_eq!(place("wrong-bytes-cp950.di"), (21, 9, String::new()));
    assert_eq!(place("parsed-entity.di").0, 5);
    let missing = &bad("subject-missing.di").problems[0];
    assert_eq!((missing.found.as_str(), missing.expected.as_str(), missing.official), ("段落", "主旨", true));
    let value = &bad("category-value.di").problems[0];
    assert_eq!(value.found, "便函");
    assert!(value.expected.starts_with("函 | 書函 | "));
}

#[test]
fn a_tolerated_breach_stays_official() {
    for (name, official) in [
        ("original-empty.di", true),
        ("element-order.di", true),
        ("code-joined.sw", false),
        ("encoding-declared.di", false),
    ] {
        let reading =
            read(&std::fs::read(vectors().join("tolerated").join(name)).unwrap(), &Limits::default());
        assert_eq!(reading.breaches_official(), official, "{name}");
        assert!(reading.problems.iter().all(|problem| problem.severity == Severity::Warning));
    }
}

#[test]
fn names_of_companions_for_the_drop_folder() {
    let files = |name: &str| {
        let bytes = std::fs::read(vectors().join(name)).unwrap();
        named_files(&bytes, &Limits::default())
            .map(|files| files.into_iter().map(|one| one.file).collect::<Vec<_>>())
            .map_err(|error| error.label())
    };
    assert_eq!(files("good/letter-full.di").unwrap(), ["1150000123.sw", "plan.pdf", "table.ods"]);
    assert_eq!(files("good/letter-inline.di").unwrap(), [""; 0]);
    assert_eq!(files("good/letter-odd-prolog.di").unwrap(), ["1150000123.SW", "計畫 書$1%20#.pdf"]);
    assert_eq!(
        files("tolerated/attachment-not-entity.di").unwrap(),
        ["1150000123.sw", "plan.pdf", "plan-2.pdf", "附表.ods"]
    );
    // what is wrong otherwise does not matter here
    assert_eq!(files("bad/subject-missing.di").unwrap(), ["1150000123.sw", "plan.pdf"]);
    assert_eq!(files("bad/name-up.di"), Err("file-name"));
    assert_eq!(files("bad/half.di"), Err("malformed"));
    assert_eq!(files("bad/external-entity.di"), Err("doctype-form"));
}

#[test]
fn what_letters_and_rosters_say() {
    let letter =
        |name: &str| read(&std::fs::read(vectors().join(name)).unwrap(), &Limits::default()).letter.unwrap();
    let full = letter("good/letter-full.di");
    assert_eq!(full.senders.len(), 2);
    assert_eq!(full.senders[1].mailbox(), ("376000000A", Some("U100000")));
    assert_eq!(full.printed_number(), "範市字第1150000123A號");
    assert_eq!(full.numbers[1].printed(), "範縣教字第1150000124號");
    assert_eq!(full.paragraphs[0].items[0].items[1].marker, "(二)");
    assert_eq!(
        full.copies.iter().map(|entry| entry.attachments).collect::<Vec<_>>(),
        [Some(true), Some(false)]
    );
    assert_eq!(full.originals[2].name.text(), "王範例");
    let inline = letter("good/letter-inline.di");
    assert!(inline.hides_recipients() && !full.hides_recipients());
    assert_eq!((inline.priority.as_str(), inline.urgency()), ("", "普通件"));
    let mailbox = inline.inline_recipient().unwrap().mailbox();
    assert_eq!(
        (mailbox.code.as_str(), mailbox.unit.as_deref(), mailbox.attachments),
        ("A02000000B", Some("U300000"), false)
    );
    assert!(letter("good/memo.di").is_classified());
    assert_eq!(letter("tolerated/classification-text.di").classification.level.as_deref(), Some("密"));
    assert_eq!(letter("tolerated/original-repeated.di").originals.len(), 2);
    assert_eq!(letter("tolerated/recipient-text.di").originals[0].name.text(), "甲機關");
    assert_eq!(letter("tolerated/element-order.di").date, "中華民國115年1月2日");
    assert_eq!(letter("tolerated/element-extra.di").extra[1].text, "115");
    assert!(!letter("good/letter-97-cp950.di").is_classified());
    assert!(letter("good/letter-99-cp950.di").originals[0].name.text().ends_with("嫺\u{E000}\u{F848}"));
    assert_eq!(letter("good/letter-private-use.di").signatures, ["市長　範\u{E000}\u{F0001}人"]);
    let roster = |name: &str| {
        read(&std::fs::read(vectors().join(name)).unwrap(), &Limits::default()).roster.unwrap().mailboxes()
    };
    let boxes = roster("good/roster.sw");
    let flat: Vec<_> =
        boxes.iter().map(|one| (one.code.as_str(), one.unit.as_deref(), one.attachments)).collect();
    assert_eq!(
        flat,
        [
            ("A00000000B", None, true),
            ("A00000001C", Some("U000100"), true),
            ("A00000002D", None, false),
            ("A00000000B", None, true)
        ]
    );
    assert_eq!(roster("tolerated/code-joined.sw")[0].unit.as_deref(), Some("U000200"));
    assert!(!roster("tolerated/attachments-word.sw")[0].attachments);
    let dangling = roster("tolerated/roster-dangling.sw");
    assert_eq!(dangling.iter().map(|one| one.attachments).collect::<Vec<_>>(), [true, true]);
    assert!(roster("tolerated/roster-empty.sw").is_empty());
}

#[test]
fn good_vectors_of_official_kinds_please_xmllint() {
    let official = shared::official();
    let printed = shared::printed();
    for dtds in [Some(printed.path()), official.as_deref()].into_iter().flatten() {
        let dir = tempfile::tempdir().unwrap();
        shared::lay_out(dtds, dir.path());
        let mut files = Vec::new();
        for name in [
            "letter-full.di",
            "letter-inline.di",
            "letter-bom.di",
            "memo.di",
            "roster.sw",
            "letter-private-use.di",
        ] {
            std::fs::copy(vectors().join("good").join(name), dir.path().join(name)).unwrap();
            files.push(name.to_owned());
        }
        let said = shared::xmllint(dir.path(), &files);
        assert!(said.iter().all(String::is_empty), "{said:#?}");
    }
}

#[test]
fn good_vectors_of_inferred_kinds_please_xmllint_under_what_we_print() {
    let dir = shared::printed();
    let files =
        ["order.di", "announcement.di", "meeting.di", "inspection.di", "consultation.di"].map(str::to_owned);
    for file in &files {
        std::fs::copy(vectors().join("good").join(file), dir.path().join(file)).unwrap();
    }
    let said = shared::xmllint(dir.path(), &files);
    assert!(said.iter().all(String::is_empty), "{said:#?}");
}

#[test]
fn verdicts_are_ordered_by_weight() {
    assert!(Verdict::Valid < Verdict::Tolerated && Verdict::Invalid < Verdict::Unreadable);
}
