//! Generated letters of every kind: what can be written, with odd text wherever text may stand.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part of this")]

use di_format::write::{self, Unconfirmed};
use di_format::{
    Attachments, Classification, ContactPerson, Entry, Error, Item, Kind, Letter, Line, Name, Number,
    Opinion, Paragraph, Party, Person, Recipient, Roster, When,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// The kinds that letters have.
pub(crate) const KINDS: [Kind; 7] = [
    Kind::Letter,
    Kind::Memo,
    Kind::Order,
    Kind::Announcement,
    Kind::MeetingNotice,
    Kind::InspectionNotice,
    Kind::Consultation,
];

/// Writes a letter of any kind.
pub(crate) fn written(letter: &Letter) -> Result<Vec<u8>, Error> {
    write::unconfirmed(letter, Unconfirmed::dtd_is_inferred())
}

/// Text as it may stand in a value: anything but control characters, no blank at the ends.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let any = vec(any::<char>().prop_filter("refused", |c| !refused(*c)), 0..4);
    prop_oneof![
        4 => "[一-龥（）「」，。：0-9A-Za-z&<>\"']{0,12}",
        2 => "[\u{20000}-\u{2A6DF}\u{E000}-\u{F8FF}\u{F0000}\u{10FFFD}\u{3000}]{1,4}",
        2 => "[!-~一-龥]{1,3}[ -~\u{3000}]{0,6}[!-~]|]]>|&amp;|<!--|<!\\[CDATA\\[|%x;|&#13;",
        1 => any.prop_map(|characters| characters.into_iter().collect::<String>()),
    ]
    .prop_map(|text| text.trim_matches(' ').to_owned())
}

fn refused(c: char) -> bool {
    c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

fn optional() -> impl Strategy<Value = Option<String>> {
    option::of(text())
}

fn date() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (90..130, 1..13, 1..29).prop_map(|(y, m, d)| format!("中華民國{y}年{m}月{d}日")),
        1 => text(),
    ]
}

fn person() -> impl Strategy<Value = Person> {
    (text(), optional()).prop_map(|(name, title)| Person { name: Some(name), title })
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        text().prop_map(Name::Organisation),
        text().prop_map(Name::Unit),
        text().prop_map(Name::Group),
        (text(), optional()).prop_map(|(name, title)| Name::Person { name, title }),
    ]
}

const CODE: &str = "A[0-9]{8}[A-Z]";
const UNIT: &str = "U[0-9]{6}";

fn sender() -> impl Strategy<Value = Party> {
    prop_oneof![
        (text(), CODE).prop_map(|(name, code)| Party { name: Name::Organisation(name), code, unit: None }),
        (text(), CODE, UNIT).prop_map(|(name, code, unit)| Party {
            name: Name::Unit(name),
            code,
            unit: Some(unit)
        }),
    ]
}

fn party() -> impl Strategy<Value = Party> {
    let person = (text(), optional(), CODE, option::of(UNIT)).prop_map(|(name, title, code, unit)| Party {
        name: Name::Person { name, title },
        code,
        unit,
    });
    prop_oneof![sender(), person]
}

fn line(copy: bool) -> impl Strategy<Value = Line> {
    let copy = if copy { option::of("正本|副本|抄本|譯本").boxed() } else { Just(None).boxed() };
    (party(), any::<Option<bool>>(), option::of("[a-z]{1,8}\\.pdf"), copy).prop_map(
        |(party, attachments, combined_file, copy)| Line { party, attachments, combined_file, copy },
    )
}

fn attachments() -> impl Strategy<Value = Attachments> {
    // ASCII, because xmllint takes other names for invalid URIs
    (text(), proptest::collection::btree_set("[a-z0-9_-]{1,12}\\.(pdf|odt|txt)", 0..4))
        .prop_map(|(caption, files)| Attachments { caption, files: files.into_iter().collect() })
}

fn item() -> impl Strategy<Value = Item> {
    let leaf = (text(), optional()).prop_map(|(marker, text)| Item { marker, text, items: Vec::new() });
    leaf.prop_recursive(4, 12, 3, |inner| {
        (text(), optional(), vec(inner, 0..3)).prop_map(|(marker, text, items)| Item { marker, text, items })
    })
}

fn paragraph() -> impl Strategy<Value = Paragraph> {
    (text(), optional(), vec(item(), 0..3)).prop_map(|(name, text, items)| Paragraph { name, text, items })
}

fn parts(word: bool) -> impl Strategy<Value = Number> {
    let word = if word { text().boxed() } else { Just(String::new()).boxed() };
    (word, "[0-9]{3}", "[0-9]{7}", option::of("[1-9AKXY]"))
        .prop_map(|(word, year, serial, branch)| Number::Parts { word, year, serial, branch })
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![parts(true), text().prop_map(Number::Text)]
}

fn classification() -> impl Strategy<Value = Classification> {
    (option::of("密|機密|極機密|絕對機密"), text())
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
    vec((name(), attachments).prop_map(|(name, attachments)| Entry { name, attachments }), least..4)
}

fn when(weekday: bool) -> impl Strategy<Value = When> {
    let weekday = if weekday { text().boxed() } else { Just(String::new()).boxed() };
    (date(), weekday, optional()).prop_map(|(date, weekday, time)| When { date, weekday, time })
}

fn contacts() -> impl Strategy<Value = Vec<ContactPerson>> {
    vec((person(), text()).prop_map(|(person, phone)| ContactPerson { person, phone }), 1..3)
}

fn opinions() -> impl Strategy<Value = Vec<Opinion>> {
    let one =
        (text(), paragraph(), when(false), when(false)).prop_map(|(unit, opinion, received, finished)| {
            Opinion { unit, opinion: vec![opinion], received, finished }
        });
    vec(one, 1..4)
}

prop_compose! {
    /// What all kinds but 簽稿會核單 have.
    fn common(kind: Kind)(
        senders in vec(sender(), 1..3),
        recipient in recipient(),
        numbers in vec(number(), 1..3),
        attachments in attachments(),
        subject in text(),
        paragraphs in vec(paragraph(), 0..3),
        date in date(),
        signatures in vec(text(), 0..3),
    ) -> Letter {
        let recipient = (kind != Kind::Announcement).then_some(recipient);
        let new = Letter::new(kind);
        Letter { senders, recipient, numbers, attachments, subject, paragraphs, date, signatures, ..new }
    }
}

prop_compose! {
    /// With 速別 and 密等.
    fn graded(kind: Kind)(
        common in common(kind),
        priority in "普通件|速件|最速件|",
        classification in classification(),
    ) -> Letter {
        Letter { priority, classification, ..common }
    }
}

prop_compose! {
    fn plain()(
        graded in graded(Kind::Letter),
        category in "函|書函|交辦案件通知單|交議案件通知單|催辦案件通知單|移文單|機密文書機密等級變更或註銷建議單|機密文書機密等級變更或註銷通知單|執行命令|獎懲建議函",
        address in text(),
        contacts in vec(text(), 1..4),
        originals in entries(1, false),
        copies in entries(0, true),
    ) -> Letter {
        Letter { category, address, contacts, originals, copies, ..graded }
    }
}

prop_compose! {
    fn memo()(
        graded in graded(Kind::Memo),
        sender in prop_oneof![
            sender(),
            (text(), option::of(UNIT))
                .prop_map(|(name, unit)| Party { name: Name::Unit(name), code: String::new(), unit }),
        ],
        recipient in option::of(recipient()),
        number in parts(false),
        handling in option::of("[1-6]"),
        submitted_to in vec(
            (text(), optional()).prop_map(|(title, name)| Person { title: Some(title), name }),
            0..3,
        ),
        signature in text(),
    ) -> Letter {
        let (senders, numbers, signatures) = (vec![sender], vec![number], vec![signature]);
        Letter { senders, recipient, numbers, handling, submitted_to, signatures, ..graded }
    }
}

prop_compose! {
    fn order()(
        graded in graded(Kind::Order),
        category in "令|獎懲令",
        addressed in any::<bool>(),
        originals in entries(0, false),
        copies in entries(0, true),
    ) -> Letter {
        let recipient = graded.recipient.clone().filter(|_| addressed);
        Letter { category, recipient, originals, copies, ..graded }
    }
}

prop_compose! {
    fn notice(kind: Kind)(
        graded in graded(kind),
        contact_persons in contacts(),
        times in vec((when(true), text()).prop_map(|(when, time)| When { time: Some(time), ..when }), 1..3),
        place in text(),
        chairs in vec(person(), 1..3),
        attendees in entries(1, false),
        observers in entries(0, false),
        copies in entries(0, true),
        remarks in vec(paragraph(), 0..2),
    ) -> Letter {
        let paragraphs = Vec::new();
        Letter {
            contact_persons, times, place, chairs, attendees, observers, copies, remarks, paragraphs, ..graded
        }
    }
}

prop_compose! {
    fn consultation()(
        senders in vec(sender(), 1),
        recipient in option::of(recipient()),
        subject in text(),
        responsible in text(),
        received_number in option::of(number()),
        opinions in opinions(),
    ) -> Letter {
        let new = Letter::new(Kind::Consultation);
        Letter { senders, recipient, subject, responsible, received_number, opinions, ..new }
    }
}

/// Letters of a kind that can be written.
pub(crate) fn letter(kind: Kind) -> BoxedStrategy<Letter> {
    match kind {
        Kind::Letter => plain().boxed(),
        Kind::Memo => memo().boxed(),
        Kind::Order => order().boxed(),
        Kind::Announcement => common(kind).boxed(),
        Kind::MeetingNotice | Kind::InspectionNotice => notice(kind).boxed(),
        Kind::Consultation | Kind::Roster => consultation().boxed(),
    }
}

/// Rosters that can be written.
pub(crate) fn roster() -> impl Strategy<Value = Roster> {
    vec(line(true), 1..6).prop_map(|lines| Roster { lines, ..Roster::default() })
}
