//! Which kind has a place for what: a letter with more is refused, since writing it would lose something.

use crate::Error;
use crate::letter::{Entry, Letter, Number};
use crate::model::Kind;

/// What a letter may hold: the element, what the letter holds of it, and the kinds that have it.
struct Place {
    element: &'static str,
    /// A short piece of what is there, if it is.
    held: fn(&Letter) -> Option<String>,
    kinds: &'static [Kind],
}

use Kind::{
    Announcement as Public, Consultation as Consult, InspectionNotice as Visit, Letter as Plain,
    MeetingNotice as Meeting, Memo, Order,
};

const PLACES: &[Place] = &[
    Place { element: "函類別", held: |l| some(&l.category), kinds: &[Plain, Order] },
    Place { element: "地址", held: |l| some(&l.address), kinds: &[Plain] },
    Place { element: "聯絡方式", held: |l| l.contacts.first().cloned(), kinds: &[Plain] },
    Place {
        element: "聯絡人及電話",
        held: |l| l.contact_persons.first().map(|c| c.phone.clone()),
        kinds: &[Meeting, Visit],
    },
    Place {
        element: "受文者",
        held: |l| l.recipient.as_ref().map(|_| String::new()),
        kinds: &[Plain, Memo, Order, Meeting, Visit, Consult],
    },
    Place {
        element: "發文日期",
        held: |l| some(&l.date),
        kinds: &[Plain, Memo, Order, Public, Meeting, Visit],
    },
    Place {
        element: "發文字號",
        held: |l| l.numbers.first().map(Number::printed),
        kinds: &[Plain, Memo, Order, Public, Meeting, Visit],
    },
    Place { element: "速別", held: |l| some(&l.priority), kinds: &[Plain, Memo, Order, Meeting, Visit] },
    Place {
        element: "密等",
        held: |l| l.classification.level.clone(),
        kinds: &[Plain, Memo, Order, Meeting, Visit],
    },
    Place {
        element: "解密條件或保密期限",
        held: |l| some(&l.classification.condition),
        kinds: &[Plain, Memo, Order, Meeting, Visit],
    },
    Place { element: "擬辦方式", held: |l| l.handling.clone(), kinds: &[Memo] },
    Place {
        element: "附件",
        held: |l| some(&l.attachments.caption).or_else(|| l.attachments.files.first().cloned()),
        kinds: &[Plain, Memo, Order, Public, Meeting, Visit],
    },
    Place {
        element: "開會時間",
        held: |l| l.times.first().map(|t| t.date.clone()),
        kinds: &[Meeting, Visit],
    },
    Place { element: "開會地點", held: |l| some(&l.place), kinds: &[Meeting, Visit] },
    Place {
        element: "主持人",
        held: |l| l.chairs.first().map(|c| c.name.clone().unwrap_or_default()),
        kinds: &[Meeting, Visit],
    },
    Place {
        element: "段落",
        held: |l| l.paragraphs.first().map(|p| p.name.clone()),
        kinds: &[Plain, Memo, Order, Public],
    },
    Place { element: "正本", held: |l| first(&l.originals), kinds: &[Plain, Order] },
    Place { element: "出席者", held: |l| first(&l.attendees), kinds: &[Meeting, Visit] },
    Place { element: "列席者", held: |l| first(&l.observers), kinds: &[Meeting, Visit] },
    Place { element: "副本", held: |l| first(&l.copies), kinds: &[Plain, Order, Meeting, Visit] },
    Place {
        element: "備註", held: |l| l.remarks.first().map(|p| p.name.clone()), kinds: &[Meeting, Visit]
    },
    Place { element: "承辦單位", held: |l| some(&l.responsible), kinds: &[Consult] },
    Place {
        element: "收文字號",
        held: |l| l.received_number.as_ref().map(Number::printed),
        kinds: &[Consult],
    },
    Place {
        element: "受會單位", held: |l| l.opinions.first().map(|o| o.unit.clone()), kinds: &[Consult]
    },
    Place {
        element: "敬陳",
        held: |l| l.submitted_to.first().map(|p| p.title.clone().unwrap_or_default()),
        kinds: &[Memo],
    },
    Place {
        element: "署名",
        held: |l| l.signatures.first().cloned(),
        kinds: &[Plain, Memo, Order, Public, Meeting, Visit],
    },
    Place { element: "", held: |l| l.extra.first().map(|e| e.name.clone()), kinds: &[] },
];

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn first(entries: &[Entry]) -> Option<String> {
    entries.first().map(|entry| entry.name.text().to_owned())
}

/// Refuses a letter that holds what its kind has no place for, or more than one of what can be there only once.
pub(super) fn check(letter: &Letter) -> Result<(), Error> {
    let root = letter.kind.root();
    for place in PLACES.iter().filter(|place| !place.kinds.contains(&letter.kind)) {
        if let Some(value) = (place.held)(letter) {
            return Err(Error::NoPlace { root, element: place.element, value });
        }
    }
    let single: &[(&str, usize)] = match letter.kind {
        Memo => &[
            ("發文機關", letter.senders.len()),
            ("文號", letter.numbers.len()),
            ("署名", letter.signatures.len()),
        ],
        Consult => &[("發文機關", letter.senders.len())],
        Meeting | Visit => &[("備註", letter.remarks.len())],
        _ => &[],
    };
    match single.iter().find(|(_, many)| *many > 1) {
        Some((element, many)) => Err(Error::NoPlace { root, element, value: format!("{many} of them") }),
        None => Ok(()),
    }
}
