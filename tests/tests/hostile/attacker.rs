//! A member with a valid login that says what no honest node says.

use std::sync::Arc;
use std::time::Duration;

use envelope::container::{Addressee, Draft, Exchange, Role, UnitFile, measure};
use envelope::receipt::{Receipt, ReceiptLine};
use envelope::soft::SoftKey;
use envelope::{Certificate, Digest, SigningKey};
use tests::pki::MEMBERS;
use tests::world::{Unit, World, now};
use wire::login::CredentialFuture;
use wire::message::{self, Challenge, PartHeader, PartKey, Priority, Reply, Request};
use wire::{ClientTls, Connection, Connector, Credential, Credentials, Lane, SessionKey, Transport};

const WAIT: Duration = Duration::from_secs(30);

pub(crate) fn code(member: usize) -> String {
    MEMBERS[member].0.to_owned()
}

/// A key of the world's folder: `XC00000001.sign`, `stranger` …
pub(crate) fn key(world: &World, name: &str) -> SoftKey {
    let read =
        |kind: &str| std::fs::read(world.dir().join("pki").join(format!("{name}.{kind}.pem"))).unwrap();
    SoftKey::from_file(&read("key"), None, Some(&read("crt"))).unwrap()
}

pub(crate) fn encryption(world: &World, member: usize) -> Certificate {
    key(world, &format!("{}.enc", code(member))).own_certificate().clone()
}

/// A login statement signed by that key, with the session key that it names.
pub(crate) fn credential(member: &str, sign: &SoftKey) -> Credential {
    let session = SessionKey::generate().unwrap();
    let begin = now() / 1000 * 1000;
    let statement = envelope::login::Statement {
        member: member.into(),
        center: "CENTER".into(),
        session_key: *session.public(),
        not_before: begin,
        not_after: begin + envelope::login::MAX_LIFETIME,
    };
    Credential { statement: envelope::login::make(&statement, sign, begin).unwrap(), key: session }
}

struct Card {
    member: String,
    credential: Arc<Credential>,
}

impl Credentials for Card {
    fn member(&self) -> &str {
        &self.member
    }
    fn credential<'a>(&'a self, _: &'a Challenge) -> CredentialFuture<'a> {
        Box::pin(async { Ok(self.credential.clone()) })
    }
}

/// Logs in as that member with that credential.
pub(crate) async fn login(world: &World, member: &str, credential: Credential) -> wire::Result<Connection> {
    let anchors = std::fs::read(world.dir().join("pki/center-ca.pem")).unwrap();
    let tls = ClientTls::new(&anchors, "127.0.0.1").unwrap();
    let card = Card { member: member.into(), credential: Arc::new(credential) };
    let connector = Connector::new(tls, "127.0.0.1", world.config.listen.port(), "CENTER");
    Ok(connector.transport(Transport::Tcp).connect(Arc::new(card)).await?.connection)
}

/// A member that is logged in.
pub(crate) struct Attacker {
    pub(crate) me: usize,
    pub(crate) sign: SoftKey,
    connection: Connection,
}

/// What is sealed and submitted, before it is spoilt.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) header: PartHeader,
    pub(crate) body: Vec<u8>,
}

/// A container and the digests that the header names.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) manifest: Digest,
    pub(crate) signature: Digest,
}

impl Attacker {
    pub(crate) async fn new(world: &World, me: usize) -> Self {
        let sign = key(world, &format!("{}.sign", code(me)));
        let connection = login(world, &code(me), credential(&code(me), &sign)).await.unwrap();
        Self { me, sign, connection }
    }

    pub(crate) async fn ask(&self, request: &Request) -> wire::Result<Reply> {
        self.connection.ask(Lane::Work, request, WAIT).await
    }

    /// Submits as a node does, whatever it is.
    pub(crate) async fn submit(&self, parcel: &Parcel) -> wire::Result<()> {
        let eager = parcel.header.length <= wire::EAGER_LIMIT;
        let request = Request::Submit { header: parcel.header.clone(), eager };
        let mut exchange = self.connection.open(Lane::Work).await?;
        let mut reply = if eager {
            exchange.send_with_body(&request, &parcel.body).await?;
            exchange.recv_reply(WAIT).await?
        } else {
            exchange.send(&request).await?;
            exchange.recv_reply(WAIT).await?
        };
        if let Reply::Go { offset } = reply {
            let mut rest = &parcel.body[usize::try_from(offset).unwrap()..];
            let left = rest.len() as u64;
            exchange.send_body(&mut rest, left).await?;
            reply = exchange.recv_reply(WAIT).await?;
        }
        exchange.finish().await?;
        assert!(matches!(reply, Reply::Accepted { .. }), "{reply:?}");
        Ok(())
    }

    /// The receipt lines that receivers have answered with.
    pub(crate) async fn outcomes(&self) -> Vec<ReceiptLine> {
        let reply = self.ask(&Request::Outcomes { after: 0, limit: 500 }).await.unwrap();
        let Reply::Outcomes { outcomes } = reply else { panic!("{reply:?}") };
        outcomes.iter().flat_map(|o| Receipt::from_der(&o.bundle).unwrap().lines().to_vec()).collect()
    }

    /// What it would honestly write on the outside of a letter to one member.
    pub(crate) fn exchange(&self, document: [u8; 16], to: usize) -> Exchange {
        Exchange {
            document,
            kind: "函".into(),
            subject: "測試".into(),
            created: now(),
            sender: code(self.me),
            recipients: vec![Addressee { code: code(to), attachments: true }],
            withheld: 0,
        }
    }

    /// A letter of its own, as files.
    pub(crate) fn unit(&self, name: &str, to: usize, attachments: &[(&str, &[u8])]) -> Unit {
        let (own, own_name) = MEMBERS[self.me];
        Unit::letter_from(own, own_name, name, &[tests::world::to(to)], attachments, &[])
    }

    /// Sealed to one member with an honest header.
    pub(crate) fn seal(&self, world: &World, exchange: &Exchange, made: &Made, to: usize) -> Parcel {
        let recipient = envelope::sealed::Recipient { certificate: encryption(world, to), oaep: true };
        let mut body = Vec::new();
        let length = made.bytes.len() as u64;
        envelope::sealed::seal(made.bytes.as_slice(), length, &[recipient], &mut body).unwrap();
        parcel(exchange.document, &code(self.me), &code(to), made, body)
    }

    /// An honest parcel from files to archive.
    pub(crate) fn honest(&self, world: &World, document: [u8; 16], unit: &Unit, to: usize) -> Parcel {
        let exchange = self.exchange(document, to);
        self.seal(world, &exchange, &container(&exchange, unit, &self.sign), to)
    }
}

/// The header that fits these bytes.
pub(crate) fn parcel(document: [u8; 16], from: &str, to: &str, made: &Made, body: Vec<u8>) -> Parcel {
    let header = PartHeader {
        key: PartKey { document, variant: 0, group: 0, round: 0 },
        sender: from.into(),
        addressees: vec![message::Addressee { code: to.into(), attachments: true }],
        priority: Priority::Normal,
        manifest: made.manifest,
        signature: made.signature,
        sealed: envelope::sha256(&body),
        length: body.len() as u64,
    };
    Parcel { header, body }
}

/// A container signed by any key, saying anything.
pub(crate) fn container(exchange: &Exchange, unit: &Unit, key: &dyn SigningKey) -> Made {
    let mut files = vec![unit.di.clone()];
    files.extend(unit.files.iter().cloned());
    let listed: Vec<UnitFile> = files
        .iter()
        .map(|(name, bytes)| {
            let measured = measure(bytes.as_slice()).unwrap();
            let role = match name.rsplit('.').next() {
                Some("di") => Role::Di,
                Some("sw") => Role::Sw,
                _ => Role::Attachment,
            };
            let (size, sha256, crc32) = (measured.size, measured.sha256, measured.crc32);
            UnitFile { name: name.clone(), role, size, sha256, crc32 }
        })
        .collect();
    let signed = Draft::new(exchange, &listed).unwrap().sign(key, now()).unwrap();
    let mut bytes = Vec::new();
    let open = |file: &UnitFile| {
        let found = files.iter().find(|(name, _)| *name == file.name).unwrap();
        Ok(std::io::Cursor::new(found.1.clone()))
    };
    let written = signed.write(&mut bytes, open).unwrap();
    Made { bytes, manifest: written.manifest, signature: written.signature }
}

/// Whatever another says: the label of a refusal.
pub(crate) fn refused<T: std::fmt::Debug>(result: wire::Result<T>) -> String {
    match result {
        Err(wire::Error::Refused(refusal)) => refusal.label,
        other => panic!("not refused: {other:?}"),
    }
}
