//! One value of every message, and arbitrary ones.

use proptest::{collection::vec, option, prelude::*};
use wire::message::*;

pub(crate) fn key() -> PartKey {
    PartKey { document: [0x11; 16], variant: 2, group: 1, round: 300 }
}

pub(crate) fn header() -> PartHeader {
    PartHeader {
        key: key(),
        sender: "XC00000001".into(),
        addressees: vec![
            Addressee { code: "XC00000002".into(), attachments: true },
            Addressee { code: "XC00000003UN00001".into(), attachments: false },
        ],
        priority: Priority::Fastest,
        manifest: [0xaa; 32],
        signature: [0xbb; 32],
        sealed: [0xcc; 32],
        length: 70_000,
    }
}

fn offer() -> Offer {
    let header = PartHeader { addressees: header().addressees[..1].to_vec(), ..header() };
    Offer { seq: 8, header, accepted: 1_795_000_000_001, receipt: vec![0x30, 0x00] }
}

pub(crate) fn requests() -> Vec<(&'static str, Request)> {
    vec![
        ("hello", Request::Hello(Hello { version: Version::V1, member: "XC00000001".into() })),
        ("login", Request::Login(Login { statement: vec![0x30, 0x80], proof: vec![0x30, 0x06] })),
        ("submit", Request::Submit { header: header(), eager: false }),
        ("offers", Request::Offers { after: 0, limit: 100 }),
        (
            "watch",
            Request::Watch { offers_after: 7, outcomes_after: 1 << 32, announcements_after: 0, wait: 55 },
        ),
        ("fetch", Request::Fetch { seq: 8, offset: 65_536 }),
        ("report", Request::Report { bundle: vec![0x30, 0x00] }),
        ("outcomes", Request::Outcomes { after: 24, limit: 500 }),
        ("directory", Request::Directory { codes: vec!["XC00000002".into(), "XC00000003UN00001".into()] }),
        ("announcements", Request::Announcements { after: 23, limit: 20 }),
        ("open-list", Request::OpenList { parts: vec![OpenPart { key: key(), manifest: [0xaa; 32] }] }),
        ("answered", Request::Answered { since: 1_795_000_000_000, after: 0, limit: 100 }),
        ("submitted", Request::Submitted { since: 1_795_000_000_000, after: 9, limit: 100 }),
    ]
}

pub(crate) fn replies() -> Vec<(&'static str, Reply)> {
    let refusal = wire::refusal::RECIPIENT_UNKNOWN.refuse("two of nine");
    vec![
        (
            "challenge",
            Reply::Challenge(Challenge {
                version: Version::V1,
                center: "9941".into(),
                nonce: [0x5a; 32],
                time: 1_795_000_000_000,
            }),
        ),
        (
            "welcome",
            Reply::Welcome(Welcome {
                time: 1_795_000_000_000,
                epoch: [0xe0; 16],
                max_length: 104_857_600,
                max_addressees: 500,
                may_send: true,
                mailboxes: vec!["XC00000001".into(), "XC00000001UN00001".into()],
            }),
        ),
        ("go", Reply::Go { offset: 65_536 }),
        ("accepted", Reply::Accepted { receipt: vec![0x30, 0x00] }),
        ("offers", Reply::Offers { offers: vec![offer()] }),
        ("news", Reply::News { offers: true, outcomes: false, announcements: false }),
        ("body", Reply::Body { length: 70_000, sealed: [0xcc; 32] }),
        ("reported", Reply::Reported),
        ("outcomes", Reply::Outcomes { outcomes: vec![Outcome { seq: 25, bundle: vec![0x30, 0x00] }] }),
        (
            "directory",
            Reply::Directory {
                answers: vec![
                    DirectoryAnswer {
                        code: "XC00000002".into(),
                        standing: Standing::Active,
                        entry: Some(vec![0x30, 0x00]),
                    },
                    DirectoryAnswer { code: "XC00000009".into(), standing: Standing::Unknown, entry: None },
                ],
            },
        ),
        (
            "announcements",
            Reply::Announcements {
                announcements: vec![Announcement {
                    number: 24,
                    time: 1_795_000_000_000,
                    title: "停機公告".into(),
                    body: "本週六 02:00 至 04:00 停機。".into(),
                }],
            },
        ),
        ("missing", Reply::Missing { parts: vec![key()] }),
        (
            "answered",
            Reply::Answered { lines: vec![AnsweredLine { offer: offer(), bundle: Some(vec![0x30, 0x00]) }] },
        ),
        ("answered-gone", Reply::Answered { lines: vec![AnsweredLine { offer: offer(), bundle: None }] }),
        (
            "submitted",
            Reply::Submitted {
                parts: vec![SubmittedPart {
                    number: 9,
                    header: header(),
                    accepted: 1_795_000_000_001,
                    receipt: vec![0x30, 0x00],
                }],
            },
        ),
        (
            "refused",
            Reply::Refused(Refusal { codes: vec!["XC00000009".into(), "XC00000008".into()], ..refusal }),
        ),
        (
            "refused-conflict",
            Reply::Refused(Refusal {
                receipt: Some(vec![0x30, 0x00]),
                ..wire::refusal::PART_CONFLICT.refuse("accepted before")
            }),
        ),
    ]
}

fn code() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Z0-9]{10}", "[A-Z0-9]{17}"]
}

fn part_key() -> impl Strategy<Value = PartKey> {
    any::<([u8; 16], u16, u16, u16)>().prop_map(|(document, variant, group, round)| PartKey {
        document,
        variant,
        group,
        round,
    })
}

fn part_header(addressees: std::ops::Range<usize>) -> impl Strategy<Value = PartHeader> {
    let addressee = (code(), any::<bool>()).prop_map(|(code, attachments)| Addressee { code, attachments });
    let priority = prop_oneof![Just(Priority::Normal), Just(Priority::Fast), Just(Priority::Fastest)];
    (part_key(), code(), vec(addressee, addressees), priority, any::<[[u8; 32]; 3]>(), 1..u64::MAX).prop_map(
        |(key, sender, addressees, priority, [manifest, signature, sealed], length)| PartHeader {
            key,
            sender,
            addressees,
            priority,
            manifest,
            signature,
            sealed,
            length,
        },
    )
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..300)
}

fn time() -> impl Strategy<Value = i64> {
    0..253_402_300_800_000_i64
}

pub(crate) fn any_request() -> impl Strategy<Value = Request> {
    let page = || (any::<u64>(), 1..=wire::MAX_PAGE);
    prop_oneof![
        "[A-Z0-9]{10}".prop_map(|member| Request::Hello(Hello { version: Version::V1, member })),
        (blob(), vec(any::<u8>(), 1..80))
            .prop_map(|(statement, proof)| Request::Login(Login { statement, proof })),
        part_header(1..60).prop_map(|header| Request::Submit { eager: header.length <= 65_536, header }),
        page().prop_map(|(after, limit)| Request::Offers { after, limit }),
        (time(), page()).prop_map(|(since, (after, limit))| Request::Answered { since, after, limit }),
        (time(), page()).prop_map(|(since, (after, limit))| Request::Submitted { since, after, limit }),
        page().prop_map(|(after, limit)| Request::Outcomes { after, limit }),
        page().prop_map(|(after, limit)| Request::Announcements { after, limit }),
        (any::<[u64; 3]>(), 0..=wire::MAX_WATCH_SECONDS).prop_map(
            |([offers_after, outcomes_after, announcements_after], wait)| Request::Watch {
                offers_after,
                outcomes_after,
                announcements_after,
                wait
            }
        ),
        any::<(u64, u64)>().prop_map(|(seq, offset)| Request::Fetch { seq, offset }),
        blob().prop_map(|bundle| Request::Report { bundle }),
        vec(code(), 1..wire::MAX_DIRECTORY_CODES).prop_map(|codes| Request::Directory { codes }),
        vec((part_key(), any::<[u8; 32]>()), 0..40).prop_map(|parts| Request::OpenList {
            parts: parts.into_iter().map(|(key, manifest)| OpenPart { key, manifest }).collect()
        }),
    ]
}

pub(crate) fn any_reply() -> impl Strategy<Value = Reply> {
    let offer =
        || {
            (any::<u64>(), part_header(1..2), time(), blob())
                .prop_map(|(seq, header, accepted, receipt)| Offer { seq, header, accepted, receipt })
        };
    let standing = prop_oneof![Just(Standing::Active), Just(Standing::Suspended), Just(Standing::Unknown)];
    let answer = (code(), standing, option::of(blob())).prop_map(|(code, standing, entry)| DirectoryAnswer {
        code,
        standing,
        entry,
    });
    let notice = (any::<u64>(), time(), ".{0,40}", ".{0,200}")
        .prop_map(|(number, time, title, body)| Announcement { number, time, title, body });
    let class =
        prop_oneof![Just(RefusalClass::Retry), Just(RefusalClass::Wait), Just(RefusalClass::Permanent)];
    let refusal = ("[a-z-]{1,60}", class, ".{0,200}", vec(code(), 0..30), any::<u32>(), option::of(blob()))
        .prop_map(|(label, class, detail, codes, after, receipt)| Refusal {
            label,
            class,
            detail,
            codes,
            after,
            receipt,
        });
    prop_oneof![
        ("[A-Z0-9-]{1,32}", any::<[u8; 32]>(), time()).prop_map(|(center, nonce, time)| {
            Reply::Challenge(Challenge { version: Version::V1, center, nonce, time })
        }),
        (time(), any::<([u8; 16], u64, u16, bool)>(), vec(code(), 0..20)).prop_map(
            |(time, (epoch, max_length, max_addressees, may_send), mailboxes)| Reply::Welcome(Welcome {
                time,
                epoch,
                max_length,
                max_addressees,
                may_send,
                mailboxes
            })
        ),
        any::<u64>().prop_map(|offset| Reply::Go { offset }),
        blob().prop_map(|receipt| Reply::Accepted { receipt }),
        vec(offer(), 0..20).prop_map(|offers| Reply::Offers { offers }),
        vec((offer(), option::of(blob())), 0..20).prop_map(|lines| Reply::Answered {
            lines: lines.into_iter().map(|(offer, bundle)| AnsweredLine { offer, bundle }).collect()
        }),
        vec((any::<u64>(), part_header(1..5), time(), blob()), 0..20).prop_map(|parts| Reply::Submitted {
            parts: parts
                .into_iter()
                .map(|(number, header, accepted, receipt)| SubmittedPart {
                    number,
                    header,
                    accepted,
                    receipt
                })
                .collect()
        }),
        any::<(bool, bool, bool)>().prop_map(|(offers, outcomes, announcements)| Reply::News {
            offers,
            outcomes,
            announcements
        }),
        any::<(u64, [u8; 32])>().prop_map(|(length, sealed)| Reply::Body { length, sealed }),
        Just(Reply::Reported),
        vec((any::<u64>(), blob()), 0..20).prop_map(|outcomes| Reply::Outcomes {
            outcomes: outcomes.into_iter().map(|(seq, bundle)| Outcome { seq, bundle }).collect()
        }),
        vec(answer, 0..20).prop_map(|answers| Reply::Directory { answers }),
        vec(notice, 0..5).prop_map(|announcements| Reply::Announcements { announcements }),
        vec(part_key(), 0..40).prop_map(|parts| Reply::Missing { parts }),
        refusal.prop_map(Reply::Refused),
    ]
}
