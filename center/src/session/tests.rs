//! Sessions without a socket, on the real mailbox and directory.

use super::*;
use crate::database::Database;
use crate::directory::{NewMember, Quotas, Registry, SqliteDirectory};
use crate::mailbox::sqlite::SqliteMailbox;
use crate::pki;
use std::sync::Arc;
use wire::message::{Addressee, PartKey, Priority};

const NOW: i64 = 1_790_000_000_000;
const A: &str = pki::CODES[0];
const B: &str = pki::CODES[1];

fn soft(party: &pki::Party) -> envelope::soft::SoftKey {
    let (key, certificates) = (party.key_pem.as_bytes(), party.cert_pem.as_bytes());
    envelope::soft::SoftKey::from_pkcs8(key, None, certificates).unwrap()
}

struct Room {
    desk: Desk,
    registry: Registry,
    _dir: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("anchors.pem"), &pki::PKI.anchors_pem).unwrap();
        let mut config = config::CenterConfig { data: dir.path().join("data"), ..Default::default() };
        config.trust.anchors = Some(dir.path().join("anchors.pem"));
        std::fs::write(dir.path().join("registrar.pem"), &pki::PKI.registrar.cert_pem).unwrap();
        config.trust.registrar_anchors = Some(dir.path().join("registrar.pem"));
        let registry = Registry::open(&config).unwrap();
        for (code, keys) in [A, B].iter().zip(&pki::PKI.members) {
            let quotas = Quotas::default();
            let member = NewMember {
                code: (*code).into(),
                name: String::new(),
                may_send: true,
                addresses: vec![],
                quotas,
            };
            registry.put_member(&member, NOW).unwrap();
            registry.put_entry(&pki::registration(keys, code, "某機關", 1, NOW), NOW).unwrap();
        }
        let database = Arc::new(Database::open(&config.data.join("center.db"), true).unwrap());
        let desk = Desk {
            code: "TEST-CENTER".into(),
            mailbox: Arc::new(SqliteMailbox::new(database.clone(), &config.data).unwrap()),
            directory: Arc::new(SqliteDirectory::new(database)),
            receipt_key: Arc::new(soft(&pki::PKI.receipt)),
            anchors: envelope::trust::Anchors::default(),
            revocation: revocation::Checker::open(
                revocation::Settings::new(dir.path().join("revocation")),
                || NOW,
            )
            .unwrap(),
            limits: config.limits,
            parts: Default::default(),
            requests: Default::default(),
            wake: Default::default(),
        };
        Self { desk, registry, _dir: dir }
    }

    fn ask(&self, member: &str, request: Request) -> Answer {
        let member = self.desk.directory.member(member).unwrap().unwrap();
        answer(&self.desk, &member, request, NOW).unwrap()
    }

    fn reply(&self, member: &str, request: Request) -> Reply {
        match self.ask(member, request) {
            Answer::Reply(reply) => reply,
            _ => panic!("a body"),
        }
    }
}

fn header(n: u8, priority: Priority) -> PartHeader {
    PartHeader {
        key: PartKey { document: [n; 16], variant: 0, group: 0, round: 0 },
        sender: A.into(),
        addressees: vec![Addressee { code: B.into(), attachments: true }],
        priority,
        manifest: [n; 32],
        signature: [n; 32],
        sealed: envelope::sha256(&[n]),
        length: 1,
    }
}

#[test]
fn a_page_of_offers_has_the_lowest_numbers_and_begins_with_the_urgent_ones() {
    let room = Room::new();
    let a = room.desk.directory.member(A).unwrap().unwrap();
    for (n, priority) in
        [Priority::Normal, Priority::Fast, Priority::Fastest, Priority::Fastest].into_iter().enumerate()
    {
        let n = u8::try_from(n).unwrap();
        let header = header(n, priority);
        let asked = room.ask(A, Request::Submit { header: header.clone(), eager: true });
        assert!(matches!(asked, Answer::Receive(Receive::Memory)));
        let reply = finish(&room.desk, &a, &header, Content::Bytes(vec![n]), NOW).unwrap();
        assert!(matches!(reply, Reply::Accepted { .. }));
    }
    let Reply::Offers { offers } = room.reply(B, Request::Offers { after: 0, limit: 3 }) else { panic!() };
    let documents: Vec<_> = offers.iter().map(|o| o.header.key.document[0]).collect();
    assert_eq!(documents, [2, 1, 0], "the fourth is on the next page, whatever its priority");
    let last = offers.iter().map(|o| o.seq).max().unwrap();
    let Reply::Offers { offers } = room.reply(B, Request::Offers { after: last, limit: 3 }) else { panic!() };
    assert_eq!(offers.len(), 1);
}

#[test]
fn a_reply_never_grows_over_its_limit() {
    let room = Room::new();
    for n in 0..6_u8 {
        room.desk
            .mailbox
            .report(Report {
                reporter: B.into(),
                sender: A.into(),
                lines: vec![],
                bundle: vec![n; 900_000],
                at: NOW,
                bytes_per_day: u64::MAX,
            })
            .unwrap();
        room.desk.mailbox.announce("標題", &"文".repeat(20_000), NOW).unwrap();
    }
    let mut after = 0;
    let mut seen = 0;
    while seen < 6 {
        let reply = room.reply(A, Request::Outcomes { after, limit: 500 });
        assert!(wire::codec::frame(&reply).unwrap().len() <= wire::MAX_REPLY as usize);
        let Reply::Outcomes { outcomes } = reply else { panic!() };
        assert!(!outcomes.is_empty());
        seen += outcomes.len();
        after = outcomes.last().unwrap().seq;
    }
    assert_eq!(seen, 6);
    let codes = vec![B.to_owned(); wire::MAX_DIRECTORY_CODES];
    let reply = room.reply(A, Request::Directory { codes });
    assert!(wire::codec::frame(&reply).unwrap().len() <= wire::MAX_REPLY as usize);
}

#[test]
fn requests_beyond_the_rate_are_told_when_to_come_back() {
    let mut room = Room::new();
    room.desk.limits.requests_per_minute = 2;
    let list = || Request::Offers { after: 0, limit: 1 };
    assert!(matches!(room.reply(A, list()), Reply::Offers { .. }));
    assert!(matches!(room.reply(A, list()), Reply::Offers { .. }));
    let Reply::Refused(no) = room.reply(A, list()) else { panic!() };
    assert_eq!((no.label.as_str(), no.after), ("rate-exceeded", 30));
    assert!(matches!(room.reply(B, list()), Reply::Offers { .. }));
}

#[test]
fn an_entry_whose_code_cannot_travel_is_not_registered() {
    let room = Room::new();
    for code in [format!("{B}12"), format!("{B}U00000/"), format!("{B}U000000011")] {
        let registration = pki::registration(&pki::PKI.members[1], &code, "某單位", 1, NOW);
        let refused = room.registry.put_entry(&registration, NOW);
        assert!(matches!(refused, Err(Error::BadCode(_))), "{code}: {refused:?}");
    }
}

#[test]
fn a_suspended_recipient_is_refused_at_the_next_submit() {
    let room = Room::new();
    let submit = |n| Request::Submit { header: header(n, Priority::Normal), eager: true };
    assert!(matches!(room.ask(A, submit(1)), Answer::Receive(_)));
    room.registry.suspend(B, NOW).unwrap();
    let Reply::Refused(no) = room.reply(A, submit(2)) else { panic!() };
    assert_eq!((no.label.as_str(), no.codes), ("recipient-suspended", vec![B.to_owned()]));
}

#[test]
fn our_own_trouble_is_never_permanent_for_a_member() {
    use wire::message::RefusalClass::Permanent;
    for error in [
        Error::Task,
        Error::Stopping,
        Error::TakenOver,
        Error::DigestMismatch,
        Error::Full { path: "x".into() },
        Error::Damaged(String::new()),
    ] {
        assert_ne!(trouble(&error).class, Permanent, "{error:?}");
    }
}
