//! Input made to hurt: limits hold, nothing panics, and time grows as the input does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

use std::time::{Duration, Instant};

use di_format::{Limits, Verdict, named_files, read};
use proptest::prelude::*;

const GOOD: &str = include_str!("../vectors/good/letter-full.di");

fn label(text: &str, limits: &Limits) -> &'static str {
    let reading = read(text.as_bytes(), limits);
    assert_eq!(reading.verdict, Verdict::Unreadable, "{:?}", reading.problems);
    assert!(reading.letter.is_none() && reading.roster.is_none());
    reading.problems[0].label
}

#[test]
fn every_limit_holds() {
    let usual = Limits::default();
    assert_eq!(label(GOOD, &Limits { size: 100, ..Limits::default() }), "too-large");
    assert_eq!(label(GOOD, &Limits { depth: 4, ..Limits::default() }), "too-deep");
    assert_eq!(label(GOOD, &Limits { nodes: 20, ..Limits::default() }), "too-many");
    assert_eq!(label(GOOD, &Limits { entities: 2, ..Limits::default() }), "too-many");
    assert_eq!(label(GOOD, &Limits { name: 5, ..Limits::default() }), "name-too-long");
    let items = "<條列>".repeat(5000) + &"</條列>".repeat(5000);
    let deep = GOOD.replace("<段落 段名=\"\">", &format!("<段落>{items}</段落><段落 段名=\"\">"));
    assert_eq!(label(&deep, &usual), "too-deep");
    let attributes: String = (0..40).map(|number| format!(" a{number}=\"\"")).collect();
    assert_eq!(label(&GOOD.replace("<主旨>", &format!("<主旨{attributes}>")), &usual), "too-many");
}

#[test]
fn one_wrong_byte_is_an_encoding_fault_whatever_else_it_could_be() {
    for at in [200, 300, 301, 302, 303, 400, 1000, 1500] {
        let mut bytes = GOOD.as_bytes().to_vec();
        let at = (at..).find(|at| bytes[*at] >= 0xE0).unwrap();
        bytes.remove(at + 2);
        let reading = read(&bytes, &Limits::default());
        assert_eq!((reading.verdict, reading.problems[0].label), (Verdict::Unreadable, "encoding"));
        assert_eq!(reading.encoding.as_str(), "utf-8");
    }
}

#[test]
fn many_problems_are_counted_but_not_all_listed() {
    let text = GOOD.replace("<正本>", &format!("{}<正本>", "<星期/>".repeat(5000)));
    let reading = read(text.as_bytes(), &Limits::default());
    assert_eq!(reading.verdict, Verdict::Invalid);
    assert_eq!(reading.problems.len(), 1001);
    assert_eq!(reading.problems.last().unwrap().label, "too-many-problems");
}

type Shape = fn(usize) -> String;

/// Shapes that invite quadratic work, as a function of a size.
fn shapes() -> Vec<(&'static str, Shape)> {
    fn body(size: usize, part: &str) -> String {
        GOOD.replace("<正本>", &format!("<正本>{}", part.repeat(size / part.len())))
    }
    vec![
        ("flat list", |size| body(size, "<全銜>甲機關</全銜>\n")),
        ("wrong children", |size| body(size, "<職稱/>")),
        ("unknown children", |size| body(size, "<無/>")),
        ("bare text", |size| body(size, "<全銜/>x")),
        ("comments", |size| body(size, "<!-- - -->")),
        ("sections", |size| body(size, "<![CDATA[ ]]>")),
        ("references", |size| body(size, "&#32;")),
        ("extra elements", |size| GOOD.replace("</函>", &format!("{}</函>", "<無/>".repeat(size / 6)))),
        ("wrong values", |size| {
            GOOD.replace("<主旨>", &format!("{}<主旨>", "<速別 代碼=\"x\"/>".repeat(size / 21)))
        }),
        ("one long value", |size| GOOD.replace("ATTCH1 ATTCH2", &"ATTCH1 ".repeat(size / 7))),
        ("open tags", |size| GOOD.replace("</函>", &"<".repeat(size))),
        ("open quotes", |size| GOOD.replace("</函>", &"<a b='".repeat(size / 6))),
        ("half a comment", |size| GOOD.replace("</函>", &"<!--".repeat(size / 4))),
        ("entities", |size| {
            let all: String =
                (0..size / 32).map(|n| format!("<!ENTITY e{n} SYSTEM \"{n}\" NDATA _X>")).collect();
            GOOD.replace("<!NOTATION _X", &format!("{all}<!NOTATION _X"))
        }),
        ("comments in front", |size| GOOD.replace("<函>", &format!("{}<函>", "<!-- -->".repeat(size / 8)))),
    ]
}

#[test]
fn time_grows_as_the_input_does() {
    let limits = Limits { size: 64 << 20, entities: 1_000_000, nodes: 10_000_000, ..Limits::default() };
    let time = |text: &str| {
        let mut best = Duration::MAX;
        for _ in 0..2 {
            let start = Instant::now();
            std::hint::black_box(read(text.as_bytes(), &limits));
            best = best.min(start.elapsed());
        }
        best
    };
    for (name, shape) in shapes() {
        let (small, large) = (shape(25_000), shape(400_000));
        let (quick, slow) = (time(&small), time(&large));
        println!("{name}: {} bytes {quick:?}, {} bytes {slow:?}", small.len(), large.len());
        // sixteen times the input; quadratic work would take 256 times as long
        assert!(slow < quick * 80 + Duration::from_millis(50), "{name}: {quick:?}, {slow:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_letters_end_in_a_verdict(
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..8)
    ) {
        let mut bytes = GOOD.as_bytes().to_vec();
        for (place, value, how) in cuts {
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = value,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, value),
            }
        }
        let reading = read(&bytes, &Limits::default());
        prop_assert_eq!(reading.verdict == Verdict::Valid, reading.problems.is_empty());
        let _ = named_files(&bytes, &Limits::default());
    }

    #[test]
    fn any_bytes_end_in_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, &Limits::default());
        let subset = [b"<!DOCTYPE a [".as_slice(), &bytes].concat();
        let _ = read(&subset, &Limits::default());
        let big5 = [b"<?xml version='1.0' encoding='big5'?><a>".as_slice(), &bytes].concat();
        let _ = read(&big5, &Limits::default());
    }
}
