//! A registered member that sends what it must not: the receiver sets each apart with its label and says so, delivers
//! nothing of it, and goes on with what is good.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::io::Write;

use config::Transport;
use envelope::SigningKey;
use envelope::container::{Addressee, Draft, Exchange, Role, UnitFile, measure};
use envelope::sealed::Recipient;
use node::link::{Cursors, Link};
use node::parts::Parts;
use store::state::{Inbound, Word};
use tests::world::{Unit, World, to};
use tokio_util::sync::CancellationToken;
use wire::message::{PartHeader, PartKey, Priority};

/// What is wrong with what it sends.
#[derive(Default)]
struct Trick {
    /// Signs with the key of somebody else under the same CA.
    stranger: bool,
    /// The sender inside.
    sender: Option<&'static str>,
    /// The recipient inside.
    recipient: Option<&'static str>,
    /// The document id inside is another one.
    other_id: bool,
    /// The header says that the attachments travel, the document that they do not.
    attachments: bool,
    /// Changes the sealed bytes before they are submitted.
    spoil: Option<fn(&mut Vec<u8>)>,
    /// Changes the letter.
    letter: Option<fn(Vec<u8>) -> Vec<u8>>,
    /// Tells another digest of the signature.
    digest: bool,
}

struct Intruder {
    link: Link,
    parts: Parts,
    stranger: envelope::soft::SoftKey,
    victim: envelope::Certificate,
    folder: tempfile::TempDir,
}

const CODE: &str = "XC00000003";
const VICTIM: &str = "XC00000002";

impl Intruder {
    async fn new(world: &World, stop: CancellationToken) -> Self {
        let config = &world.nodes[2].config;
        std::fs::create_dir_all(&config.folders.state).unwrap();
        let parts = Parts::load(config).unwrap();
        let link = Link::start(config, &parts, Cursors::default(), tests::world::now, stop).unwrap();
        link.state().wait_for(|state| state.up().is_some()).await.unwrap();
        let pki = world.dir().join("pki");
        let read = |name: &str| std::fs::read(pki.join(name)).unwrap();
        let key = |name: &str| {
            let (key, crt) = (read(&format!("{name}.key.pem")), read(&format!("{name}.crt.pem")));
            envelope::soft::SoftKey::from_file(&key, None, Some(&crt)).unwrap()
        };
        let victim = key("XC00000002.enc").own_certificate().clone();
        Self { link, parts, stranger: key("stranger"), victim, folder: tempfile::tempdir().unwrap() }
    }

    async fn send(&self, number: u8, trick: Trick) -> [u8; 16] {
        let id = [number; 16];
        let unit = Unit::letter_from(CODE, "丙機關", "闖入", &[to(1)], &[], &[]);
        let mut files = Vec::new();
        let mut bytes = Vec::new();
        let di = match trick.letter {
            Some(change) => change(unit.di.1.clone()),
            None => unit.di.1.clone(),
        };
        for (name, content, role) in
            [(&unit.di.0, &di, Role::Di), (&unit.files[0].0, &unit.files[0].1, Role::Sw)]
        {
            let measured = measure(content.as_slice()).unwrap();
            let (size, sha256, crc32) = (measured.size, measured.sha256, measured.crc32);
            files.push(UnitFile { name: name.clone(), role, size, sha256, crc32 });
            bytes.push((name.clone(), content.clone()));
        }
        let exchange = Exchange {
            document: if trick.other_id { [0xee; 16] } else { id },
            kind: "函".into(),
            subject: "闖入".into(),
            created: tests::world::now(),
            sender: trick.sender.unwrap_or(CODE).into(),
            recipients: vec![Addressee {
                code: trick.recipient.unwrap_or(VICTIM).into(),
                attachments: !trick.attachments,
            }],
            withheld: 0,
        };
        let key: &dyn SigningKey = if trick.stranger { &self.stranger } else { self.parts.sign.as_ref() };
        let signed = Draft::new(&exchange, &files).unwrap().sign(key, tests::world::now()).unwrap();
        let mut container = Vec::new();
        let open = |file: &UnitFile| {
            let found = bytes.iter().find(|(name, _)| *name == file.name).unwrap();
            Ok(std::io::Cursor::new(found.1.clone()))
        };
        signed.write(&mut container, open).unwrap();
        let recipients = [Recipient { certificate: self.victim.clone(), oaep: true }];
        let mut sealed = Vec::new();
        let length = container.len() as u64;
        envelope::sealed::seal(container.as_slice(), length, &recipients, &mut sealed).unwrap();
        if let Some(spoil) = trick.spoil {
            spoil(&mut sealed);
        }
        let path = self.folder.path().join(format!("{number}"));
        std::fs::File::create(&path).unwrap().write_all(&sealed).unwrap();
        let mut signature = signed.signature();
        signature[0] ^= u8::from(trick.digest);
        let header = PartHeader {
            key: PartKey { document: id, variant: 0, group: 0, round: 0 },
            sender: CODE.into(),
            addressees: vec![wire::message::Addressee { code: VICTIM.into(), attachments: true }],
            priority: Priority::Normal,
            manifest: signed.manifest(),
            signature,
            sealed: envelope::sha256(&sealed),
            length: sealed.len() as u64,
        };
        self.link.submit(header, std::fs::File::open(&path).unwrap()).await.unwrap();
        id
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_bad_is_delivered_and_nothing_good_waits_for_it() {
    let mut world = World::registered(3, Transport::Auto, |_, _| {}).await;
    world.nodes[0].start().await;
    world.nodes[1].start().await;
    let stop = CancellationToken::new();
    let intruder = Intruder::new(&world, stop.clone()).await;
    let without_subject = |di: Vec<u8>| {
        let text = String::from_utf8(di).unwrap();
        let (begin, end) = (text.find("<主旨>").unwrap(), text.find("</主旨>").unwrap() + "</主旨>".len());
        format!("{}{}", &text[..begin], &text[end..]).into_bytes()
    };
    let bombed = |di: Vec<u8>| {
        let text = String::from_utf8(di).unwrap();
        text.replacen('[', "[<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">", 1).into_bytes()
    };
    let tricks: Vec<(&str, Trick)> = vec![
        ("wrong-sender", Trick { stranger: true, ..Trick::default() }),
        ("transport-contradiction", Trick { sender: Some("XC00000001"), ..Trick::default() }),
        ("not-addressed-to-us", Trick { recipient: Some("XC00000001"), ..Trick::default() }),
        ("transport-contradiction", Trick { other_id: true, ..Trick::default() }),
        ("transport-contradiction", Trick { attachments: true, ..Trick::default() }),
        ("transport-contradiction", Trick { digest: true, ..Trick::default() }),
        ("unreadable", Trick { spoil: Some(|s| *s.last_mut().unwrap() ^= 1), ..Trick::default() }),
        ("sealed-malformed", Trick { spoil: Some(|s| s.push(0)), ..Trick::default() }),
        ("sealed-malformed", Trick { spoil: Some(|s| s.truncate(s.len() - 20)), ..Trick::default() }),
        ("sealed-malformed", Trick { spoil: Some(|s| s.fill(0x30)), ..Trick::default() }),
        ("element-missing", Trick { letter: Some(without_subject), ..Trick::default() }),
        ("doctype-form", Trick { letter: Some(bombed), ..Trick::default() }),
    ];
    let mut ids = Vec::new();
    for (number, (label, trick)) in (1..).zip(tricks) {
        ids.push((intruder.send(number, trick).await, label));
    }
    let good = intruder.send(200, Trick::default()).await;
    let unit = Unit::letter("好的", &[to(1)], &[], &[]);
    world.nodes[0].put(&unit);
    world.nodes[0].until(&unit, Word::Confirmed).await;
    world.nodes[1].received(good, Inbound::Confirmed).await;
    for (id, label) in ids {
        let row = world.nodes[1].received(id, Inbound::Reported).await;
        assert_eq!(row.trouble.label, label, "{}", row.trouble.detail);
        assert!(row.delivered.is_empty() && row.archive.is_empty());
    }
    let mailbox = world.nodes[1].config.folders.inbox.join(VICTIM);
    assert_eq!(std::fs::read_dir(mailbox).unwrap().count(), 2, "the two good ones");
    let spool = world.nodes[1].store().spool().folder().to_owned();
    let plain = std::fs::read_dir(spool).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let plain: Vec<String> = plain.filter(|name| name.contains("asice")).collect();
    assert!(plain.is_empty(), "no plaintext stays behind: {plain:?}");
    stop.cancel();
    world.stop().await;
}
