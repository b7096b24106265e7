//! A member with a valid login that seals nonsense, lies about it, or signs with what is not its own.

use envelope::SigningKey;
use envelope::container::measure;
use store::state::Inbound;
use tests::world::{Unit, World, eventually};

use crate::assert_explained;
use crate::attacker::{Attacker, Made, Parcel, code, container, encryption, key, parcel, refused};

const RECEIVER: usize = 1;
const ATTACKER: usize = 2;

/// About the middle, between two characters.
fn at_a_letter(text: &[u8]) -> usize {
    text[..text.len() / 2].iter().rposition(|byte| *byte == b'<').unwrap()
}

/// Another name of the same length for an entry, in its local header and in the central directory (APPNOTE 4.3.7,
/// 4.3.12); the manifest stays as it was signed.
fn renamed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let after =
        |at: usize, header: usize, magic: &[u8]| at >= header && bytes[at - header..].starts_with(magic);
    replaced(bytes, from, to, |at| after(at, 30, b"PK\x03\x04") || after(at, 46, b"PK\x01\x02"))
}

/// The container with one bit of its signature's value turned over, and everything around it made to fit again.
fn another_signature(made: &Made) -> Made {
    let name = b"META-INF/signature001.p7s";
    // The local header (APPNOTE 4.3.7) lies before the name: size at 22, length of the extra field at 28.
    let is_local =
        |at: &usize| made.bytes[*at..].starts_with(name) && made.bytes[at - 30..].starts_with(b"PK\x03\x04");
    let at = (30..made.bytes.len()).find(is_local).unwrap();
    let head = &made.bytes[at - 30..at];
    let size = u32::from_le_bytes(head[22..26].try_into().unwrap()) as usize;
    let extra = usize::from(u16::from_le_bytes(head[28..30].try_into().unwrap()));
    let begin = at + name.len() + extra;
    let mut bytes = made.bytes.clone();
    let crc = |bytes: &[u8]| measure(&bytes[begin..begin + size]).unwrap().crc32.to_le_bytes();
    let before = crc(&bytes);
    bytes[begin + size - 1] ^= 1;
    let after = crc(&bytes);
    let signature = envelope::sha256(&bytes[begin..begin + size]);
    Made { bytes: replaced(&bytes, &before, &after, |_| true), signature, manifest: made.manifest }
}

/// A key with the attacker's subject and organisation, signed by a CA of its own making.
fn self_made(world: &World) -> envelope::soft::SoftKey {
    let dir = world.dir().join("self-made");
    std::fs::create_dir(&dir).unwrap();
    let sh = format!(
        "cd '{}' && exec 2>/dev/null && \
         openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out crt.pem -days 3000 -subj '/C=TW/O=丙機關' -utf8 \
         -addext keyUsage=critical,digitalSignature,nonRepudiation -addext basicConstraints=critical,CA:FALSE",
        dir.display()
    );
    assert!(std::process::Command::new("sh").args(["-c", &sh]).status().unwrap().success(), "openssl");
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    envelope::soft::SoftKey::from_file(&read("key.pem"), None, Some(&read("crt.pem"))).unwrap()
}

/// Replaces bytes of the same length, wherever `place` says yes.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8], place: impl Fn(usize) -> bool) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = bytes.to_vec();
    let found = (0..=out.len() - from.len()).filter(|i| out[*i..].starts_with(from) && place(*i));
    let places: Vec<usize> = found.collect();
    assert!(!places.is_empty());
    for place in places {
        out[place..place + to.len()].copy_from_slice(to);
    }
    out
}

/// Where the wrapped content key of 2048 bits lies in a sealed message.
fn wrapped_key(sealed: &[u8]) -> usize {
    sealed.windows(4).position(|w| w == [4, 0x82, 1, 0]).unwrap() + 4
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spoilt_message_comes_back_with_its_reason_and_the_next_one_arrives() {
    let limit = |_, config: &mut config::NodeConfig| config.limits.di = config::value::Bytes::kib(64);
    let mut world = World::registered(4, config::Transport::Auto, limit).await;
    world.nodes[RECEIVER].start().await;
    let attacker = Attacker::new(&world, ATTACKER).await;
    let unit = attacker.unit("來函", RECEIVER, &[("name.txt", b"hello")]);
    let id = |n: usize| [u8::try_from(n).unwrap() + 1; 16];
    let exchange = |n| attacker.exchange(id(n), RECEIVER);
    let sealed = |n: usize, made: &Made| attacker.seal(&world, &exchange(n), made, RECEIVER);
    let honest = |n: usize| attacker.honest(&world, id(n), &unit, RECEIVER);
    let spoilt = |n: usize, spoil: &dyn Fn(&mut Vec<u8>)| {
        let mut parcel = honest(n);
        spoil(&mut parcel.body);
        parcel.header.length = parcel.body.len() as u64;
        parcel.header.sealed = envelope::sha256(&parcel.body);
        parcel
    };
    let lying = |n: usize, lie: &dyn Fn(&mut Parcel)| {
        let mut parcel = honest(n);
        lie(&mut parcel);
        parcel
    };
    let raw = |n: usize, bytes: &[u8]| {
        sealed(n, &Made { bytes: bytes.to_vec(), manifest: [1; 32], signature: [2; 32] })
    };
    let zip = |n: usize, change: &dyn Fn(&[u8]) -> Vec<u8>| {
        let made = container(&exchange(n), &unit, &attacker.sign);
        sealed(n, &Made { bytes: change(&made.bytes), ..made })
    };
    let of = |n: usize, change: &dyn Fn(&mut Unit)| {
        let mut unit = unit.clone();
        change(&mut unit);
        sealed(n, &container(&exchange(n), &unit, &attacker.sign))
    };
    let signed_by = |n: usize, key: &dyn SigningKey| sealed(n, &container(&exchange(n), &unit, key));
    let other = key(&world, &format!("{}.sign", code(3)));
    let without = |text: &str, from: &str, to: &str| -> Vec<u8> {
        assert!(text.contains(from));
        text.replace(from, to).into_bytes()
    };
    let di = String::from_utf8(unit.di.1.clone()).unwrap();

    type Case<'a> = (&'a str, Box<dyn Fn(usize) -> Parcel + 'a>);
    let cases: Vec<Case<'_>> = vec![
        // the sealed message
        ("sealed-malformed", Box::new(|n| spoilt(n, &|b| b.truncate(b.len() - 7)))),
        ("sealed-malformed", Box::new(|n| spoilt(n, &|b| b.truncate(40)))),
        ("sealed-malformed", Box::new(|n| spoilt(n, &|b| b.push(0)))),
        ("sealed-malformed", Box::new(|n| spoilt(n, &|b| *b = vec![0x30; 3_000]))),
        ("sealed-malformed", Box::new(|n| spoilt(n, &|b| *b = vec![0]))),
        ("unreadable", Box::new(|n| spoilt(n, &|b| *b.last_mut().unwrap() ^= 1))),
        (
            "unreadable",
            Box::new(|n| {
                spoilt(n, &|b| {
                    let middle = b.len() / 2;
                    b[middle] ^= 1;
                })
            }),
        ),
        // the wrapped key: a padding that does not fit is told like any other way of not decrypting
        (
            "unreadable",
            Box::new(|n| {
                spoilt(n, &|b| {
                    let at = wrapped_key(b) + 40;
                    b[at] ^= 1;
                })
            }),
        ),
        (
            "unreadable",
            Box::new(|n| {
                let made = container(&exchange(n), &unit, &attacker.sign);
                let to =
                    envelope::sealed::Recipient { certificate: encryption(&world, RECEIVER), oaep: false };
                let mut body = Vec::new();
                envelope::sealed::seal(made.bytes.as_slice(), made.bytes.len() as u64, &[to], &mut body)
                    .unwrap();
                let at = wrapped_key(&body) + 40;
                body[at] ^= 1;
                parcel(id(n), &code(ATTACKER), &code(RECEIVER), &made, body)
            }),
        ),
        (
            "recipient-key-changed",
            Box::new(|n| {
                let made = container(&exchange(n), &unit, &attacker.sign);
                let to =
                    envelope::sealed::Recipient { certificate: encryption(&world, ATTACKER), oaep: true };
                let mut body = Vec::new();
                envelope::sealed::seal(made.bytes.as_slice(), made.bytes.len() as u64, &[to], &mut body)
                    .unwrap();
                parcel(id(n), &code(ATTACKER), &code(RECEIVER), &made, body)
            }),
        ),
        // the container
        ("container-malformed", Box::new(|n| raw(n, b"no zip at all"))),
        (
            "container-malformed",
            Box::new(|n| {
                let mut made = container(&exchange(n), &unit, &attacker.sign);
                made.bytes.extend_from_slice(b"more");
                sealed(n, &made)
            }),
        ),
        (
            "container-unlisted-entry",
            Box::new(|n| zip(n, &|b| renamed(b, b"unit/name.txt", b"unit/nome.txt"))),
        ),
        (
            "container-unlisted-entry",
            Box::new(|n| zip(n, &|b| renamed(b, b"unit/name.txt", b"unit/../e.txt"))),
        ),
        ("container-digest-mismatch", Box::new(|n| zip(n, &|b| replaced(b, b"hello", b"hallo", |_| true)))),
        // who signed
        ("wrong-sender", Box::new(|n| signed_by(n, &key(&world, "stranger")))),
        ("wrong-sender", Box::new(|n| signed_by(n, &other))),
        (
            "signature-invalid",
            Box::new(|n| {
                let exchange = exchange(n);
                sealed(n, &another_signature(&container(&exchange, &unit, &attacker.sign)))
            }),
        ),
        ("untrusted", Box::new(|n| signed_by(n, &self_made(&world)))),
        // what the header says, and what was signed
        ("transport-contradiction", Box::new(|n| lying(n, &|p| p.header.manifest = [7; 32]))),
        ("transport-contradiction", Box::new(|n| lying(n, &|p| p.header.signature = [7; 32]))),
        ("transport-contradiction", Box::new(|n| lying(n, &|p| p.header.addressees[0].attachments = false))),
        (
            "transport-contradiction",
            Box::new(|n| {
                let mut parcel = honest(n + 100);
                parcel.header.key.document = id(n);
                parcel
            }),
        ),
        (
            "transport-contradiction",
            Box::new(|n| {
                let mut exchange = exchange(n);
                exchange.sender = code(0);
                sealed(n, &container(&exchange, &unit, &attacker.sign))
            }),
        ),
        (
            "not-addressed-to-us",
            Box::new(|n| {
                let mut exchange = exchange(n);
                exchange.recipients[0].code = code(3);
                sealed(n, &container(&exchange, &unit, &attacker.sign))
            }),
        ),
        // the letter itself
        ("malformed", Box::new(|n| of(n, &|u| u.di.1.truncate(at_a_letter(&u.di.1))))),
        ("companion-missing", Box::new(|n| of(n, &|u| u.files.retain(|(name, _)| name != "name.txt")))),
        ("file-name", Box::new(|n| of(n, &|u| u.di.1 = without(&di, "\"name.txt\"", "\"../../name.txt\"")))),
        ("too-large", Box::new(|n| of(n, &|u| u.di.1.extend(vec![b' '; 70_000])))),
    ];
    let mut sent = Vec::new();
    for (n, (label, make)) in cases.iter().enumerate() {
        attacker.submit(&make(n)).await.unwrap();
        sent.push((id(n), *label));
    }
    let last = cases.len();
    drop(cases);
    attacker.submit(&honest(last)).await.unwrap();

    // The honest one behind them is archived, delivered and confirmed.
    let receiver = &world.nodes[RECEIVER];
    let good = receiver.received(id(last), Inbound::Confirmed).await;
    assert_eq!(receiver.delivered(&good), unit.all());
    for (n, (id, label)) in sent.iter().enumerate() {
        let row = receiver.received(*id, Inbound::Reported).await;
        assert_eq!(row.trouble.label, *label, "case {n}: {}", row.trouble.detail);
        assert_explained(label);
        assert!(row.archive.is_empty() && row.delivered.is_empty(), "case {n} left something behind");
    }
    let told = attacker.outcomes().await;
    for (n, (id, label)) in sent.iter().enumerate() {
        let line = told.iter().find(|line| line.document == *id).unwrap();
        assert_eq!(line.verdict, envelope::receipt::Verdict::Returned, "case {n}");
        assert_eq!(line.label, *label, "case {n}");
    }
    assert_eq!(told.len(), last + 1, "one answer each");
    let folders = std::fs::read_dir(receiver.config.folders.inbox.join(code(RECEIVER))).unwrap();
    assert_eq!(folders.count(), 1, "only the honest one is delivered");
    receiver.store().verify_chain().unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_center_can_see_to_be_wrong_it_does_not_take() {
    let mut world = World::registered(4, config::Transport::Auto, |_, _| {}).await;
    let attacker = Attacker::new(&world, ATTACKER).await;
    let unit = attacker.unit("來函", RECEIVER, &[]);
    let honest = attacker.honest(&world, [9; 16], &unit, RECEIVER);
    let with = |change: &dyn Fn(&mut Parcel)| {
        let mut parcel = honest.clone();
        change(&mut parcel);
        parcel
    };
    let most = world.config.limits.part.get();
    let cases: [(&str, Parcel); 5] = [
        ("digest-mismatch", with(&|p| p.header.sealed = [7; 32])),
        ("sender-not-yours", with(&|p| p.header.sender = code(0))),
        ("recipient-unknown", with(&|p| p.header.addressees[0].code = "XC99999999".into())),
        ("part-invalid", with(&|p| p.header.addressees.push(p.header.addressees[0].clone()))),
        ("too-large", with(&|p| p.header.length = most + 1)),
    ];
    for (label, parcel) in cases {
        assert_eq!(refused(attacker.submit(&parcel).await), label);
        assert_explained(label);
    }
    // The same part with another manifest: the first one stands.
    attacker.submit(&honest).await.unwrap();
    let second = attacker.honest(&world, [9; 16], &attacker.unit("別函", RECEIVER, &[]), RECEIVER);
    assert_eq!(refused(attacker.submit(&second).await), "part-conflict");
    world.nodes[RECEIVER].start().await;
    let got = world.nodes[RECEIVER].received([9; 16], Inbound::Confirmed).await;
    assert_eq!(world.nodes[RECEIVER].delivered(&got), unit.all());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_resembles_an_older_one_takes_nothing_out_of_the_archive() {
    let mut world = World::registered(3, config::Transport::Auto, |_, _| {}).await;
    world.nodes[RECEIVER].start().await;
    let attacker = Attacker::new(&world, ATTACKER).await;
    let receiver = &world.nodes[RECEIVER];
    let mut kept = Vec::new();
    for last in 0..3 {
        let mut id = [5; 16];
        id[15] = last;
        let unit = attacker.unit("來函", RECEIVER, &[("a.txt", &[last; 10])]);
        attacker.submit(&attacker.honest(&world, id, &unit, RECEIVER)).await.unwrap();
        let row = receiver.received(id, Inbound::Confirmed).await;
        assert_eq!(receiver.delivered(&row), unit.all());
        // The office takes it out of the delivery folder, so that its name is free again.
        std::fs::remove_dir_all(receiver.config.folders.inbox.join(&row.delivered)).unwrap();
        kept.push(row.archive);
    }
    let distinct: std::collections::BTreeSet<_> = kept.iter().collect();
    assert_eq!(distinct.len(), 3, "{kept:?}");
    for archive in &kept {
        let files = tests::world::read_all(&receiver.config.folders.archive.join(archive));
        assert!(files.iter().any(|(name, _)| name.ends_with(".asice")), "{archive}: the evidence is gone");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_anothers_letter_takes_nothing_away_from_it() {
    let mut world = World::registered(3, config::Transport::Auto, |_, _| {}).await;
    for node in [0, RECEIVER] {
        world.nodes[node].start().await;
    }
    let real = Unit::letter("真", &[tests::world::to(RECEIVER)], &[("a.txt", b"real")], &[]);
    world.nodes[0].put(&real);
    let id = world.nodes[0].until(&real, store::state::Word::Confirmed).await.document.id;
    let attacker = Attacker::new(&world, ATTACKER).await;
    let fake = attacker.unit("假", RECEIVER, &[("a.txt", b"fake")]);
    attacker.submit(&attacker.honest(&world, id, &fake, RECEIVER)).await.unwrap();
    let rows = eventually("both are confirmed", || {
        let rows = world.nodes[RECEIVER].inbox();
        (rows.len() == 2 && rows.iter().all(|row| row.state == Inbound::Confirmed)).then_some(rows)
    })
    .await;
    for (sender, unit) in [(0, &real), (ATTACKER, &fake)] {
        let row = rows.iter().find(|row| row.offer.sender == code(sender)).unwrap();
        assert_eq!(row.offer.document, id);
        assert_eq!(world.nodes[RECEIVER].delivered(row), unit.all());
    }
    world.stop().await;
}
