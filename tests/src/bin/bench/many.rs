//! One letter to hundreds of recipients: registered members, each with certificates and a mailbox of its own; two of them
//! have a node that runs and reads.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use envelope::Certificate;
use envelope::directory;
use envelope::soft::SoftKey;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rcgen::{KeyUsagePurpose, RsaKeySize};
use store::journal::About;
use store::state::Line as State;
use store::{DocumentId, Store};
use tests::site::Site;

use crate::meter::{Line, Meter, percentile};
use crate::stage::Unit;
use crate::tail::Tail;
use crate::{Asked, Outcome, Running, connected};

/// The first fetches the directory's entries of all recipients, the others know them.
const LETTERS: usize = 6;
/// As far as the roster leaves room; with 500 lines it takes more by itself.
const BYTES: usize = 10_000;
const AT_MOST: Duration = Duration::from_secs(120);

pub(crate) fn run(dir: &Path, asked: &Asked, name: &str, recipients: usize) -> Outcome {
    let mut running = Running::start(dir, asked, |site| {
        register(site, recipients - 2);
        if recipients > 500 {
            site.set(
                &format!("node-{}.toml", site.codes[0]),
                "limits",
                "recipients",
                &recipients.to_string(),
            );
        }
    });
    let (second, third) = (running.to.clone(), running.site.codes[2].clone());
    let _third = running.site.node(&third);
    connected(&running.site, &third);
    let more: Vec<String> = (0..recipients - 2).map(code).collect();
    let mut to = vec![second.as_str(), third.as_str()];
    to.extend(more.iter().map(String::as_str));

    let staged = running.site.dir.join("staged");
    let drop = running.site.folder(&running.from, "drop");
    let state = running.site.folder(&running.from, "state");
    let store = Store::open_read_only(&state).unwrap();
    let mut tail = Tail::open(&state);
    let mut units = Vec::new();
    let (mut accepted, mut read, mut parts) = (Vec::new(), Vec::new(), 0);
    let mut document = None;
    let meter = Meter::start(&running);
    for _ in 0..LETTERS {
        let number = running.number();
        let unit = Unit::make(&staged, number, &running.from, &to, BYTES, "普通件");
        let closed = unit.write_into(&drop);
        units.push(unit);
        let one = follow(&mut tail, &store, closed);
        accepted.extend(one.accepted);
        read.extend(one.read);
        (document, parts) = (one.document.or(document), one.parts);
        std::thread::sleep(Duration::from_millis(100));
    }
    let taken = meter.stop(&running);
    let lines = mailbox_lines(&running.site, document);
    let mut lost = LETTERS - accepted.len() + (recipients - lines);
    let mut doubled = 0;
    for code in [&second, &third] {
        let checked = crate::check::check(&running.site, code, &units);
        lost += checked.lost;
        doubled += checked.doubled;
    }
    let first = accepted.first().map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let mut later = accepted.get(1..).unwrap_or_default().to_vec();
    let started = Instant::now();
    let known = document.map_or(0, |id| store.lines(id).unwrap().len());
    let query = started.elapsed();
    let line = Line::new(name)
        .number("documents", LETTERS)
        .number("bytes", units.first().map_or(0, |unit| unit.bytes))
        .number("recipients", known)
        .number("parts", parts)
        .number("mailbox_lines", lines)
        .figure("first_ms", first, 1)
        .figure("p50_ms", percentile(&mut later, 0.5), 1)
        .figure("max_ms", percentile(&mut later, 1.0), 1)
        .figure("read_by_two_p50_ms", percentile(&mut read, 0.5), 1)
        .figure("states_query_ms", query.as_secs_f64() * 1e3, 2)
        .each("cpu_ms", &taken.cpu_per(LETTERS), 1)
        .each("peak_mb", &taken.peak, 1)
        .number("lost", lost)
        .number("doubled", doubled);
    Outcome::of(line, lost, doubled)
}

/// What became of one letter.
#[derive(Default)]
struct Followed {
    document: Option<DocumentId>,
    parts: usize,
    /// Until 系統確認 of every recipient: as many mailbox lines at the center.
    accepted: Option<Duration>,
    /// Until 使用者確認 of the two that have a node.
    read: Option<Duration>,
}

fn follow(tail: &mut Tail, store: &Store, closed: Instant) -> Followed {
    let mut one = Followed::default();
    let mut confirmed = 0;
    while (one.accepted.is_none() || one.read.is_none()) && closed.elapsed() < AT_MOST {
        for line in tail.look() {
            let About::Document(id) = line.about else { continue };
            match line.event.as_str() {
                "claimed" => one.document = Some(id),
                "accepted" => {
                    one.parts += 1;
                    let lines = store.lines(id).unwrap();
                    if lines.iter().all(|line| line.state != State::Waiting) {
                        one.accepted.get_or_insert_with(|| closed.elapsed());
                    }
                }
                "confirmed" => {
                    confirmed += 1;
                    if confirmed == 2 {
                        one.read = Some(closed.elapsed());
                    }
                }
                _ => {}
            }
        }
    }
    one
}

/// What the center has of a document.
fn mailbox_lines(site: &Site, document: Option<DocumentId>) -> usize {
    let path = site.dir.join("center/center.db");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let center = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    let sql = "SELECT count(*) FROM line JOIN part ON part.id = line.part WHERE part.document = ?1";
    let lines: i64 = center.query_row(sql, [document], |row| row.get(0)).unwrap();
    usize::try_from(lines).unwrap()
}

fn code(n: usize) -> String {
    format!("XC3{n:07}")
}

/// Makes so many more members: a CA of their own that everybody trusts, two certificates for each (over two keys that they
/// share: making a thousand keys would take minutes), an entry signed by the member and countersigned by the registrar,
/// and a mailbox at the center.
fn register(site: &Site, count: usize) {
    let pki = site.dir.join("pki");
    let key = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut authority = named("會員憑證管理中心（量測）");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = key();
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let anchors = fs::read_to_string(pki.join("anchors.pem")).unwrap();
    fs::write(pki.join("anchors.pem"), format!("{anchors}{root}")).unwrap();
    let authority = Issuer::new(authority, authority_key);

    let (sign_key, enc_key) = (key(), key());
    let registrar = SoftKey::from_pkcs8(
        &fs::read(pki.join("registrar.key.pem")).unwrap(),
        None,
        &fs::read(pki.join("registrar.crt.pem")).unwrap(),
    );
    let registrar = registrar.unwrap();
    let folder = site.dir.join("members");
    fs::create_dir_all(&folder).unwrap();
    let mut table = "code,name,addresses,registrations\n".to_owned();
    let at = tests::world::now();
    for code in (0..count).map(code) {
        let certificate = |key: &KeyPair, usages: &[KeyUsagePurpose]| {
            let mut params = named(&format!("機關{code}"));
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = usages.to_vec();
            params.signed_by(key, &authority).unwrap().pem()
        };
        let sign =
            certificate(&sign_key, &[KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment]);
        let enc = certificate(&enc_key, &[KeyUsagePurpose::KeyEncipherment]);
        let signer = SoftKey::from_pkcs8(sign_key.serialize_pem().as_bytes(), None, sign.as_bytes()).unwrap();
        let enc = Certificate::all_from_pem(enc.as_bytes()).unwrap().remove(0);
        let name = format!("機關{code}");
        let entry =
            directory::Entry { code: &code, name: &name, enc: &enc, enc_chain: &[], oaep: true, number: 1 };
        let entry = directory::make(&entry, &signer, at).unwrap();
        let registration = directory::countersign(&entry, &registrar, at).unwrap();
        fs::write(folder.join(format!("{code}.registration")), registration).unwrap();
        table += &format!("{code},{name},127.0.0.1,{code}.registration\n");
    }
    fs::write(folder.join("members.csv"), table).unwrap();
    site.di_center(&["member", "import", &folder.join("members.csv").to_string_lossy()]);
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "TW");
    params.distinguished_name.push(DnType::OrganizationName, name);
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}
