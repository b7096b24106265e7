use crate::common::{AT, DAY, PKI, label, run};
use envelope::container::{
    Addressee, Draft, Exchange, Limits, Role, Signed, UnitFile, Verified, check, copy_file, measure, verify,
};
use envelope::{oid, sha256, signed};
use std::io::Cursor;

const MANIFEST: &str = "META-INF/ASiCManifest001.xml";
const SIGNATURE: &str = "META-INF/signature001.p7s";

pub fn exchange() -> Exchange {
    Exchange {
        document: *b"0123456789abcdef",
        kind: "函".into(),
        subject: "檢送「測試」文件 & <附件>\n請查照".into(),
        created: AT + 123,
        sender: "XA00000001".into(),
        recipients: vec![
            Addressee { code: "XA00000002".into(), attachments: true },
            Addressee { code: "XA00000003".into(), attachments: false },
        ],
        withheld: 0,
    }
}

pub fn unit() -> Vec<(&'static str, Role, Vec<u8>)> {
    vec![
        ("1150000001.di", Role::Di, "<函/>".as_bytes().to_vec()),
        ("1150000001.sw", Role::Sw, b"<sw/>".to_vec()),
        ("附件一 (掃描).pdf", Role::Attachment, (0..70_000u32).map(|n| (n % 251) as u8).collect()),
        ("empty%20.txt", Role::Attachment, Vec::new()),
    ]
}

pub fn described(unit: &[(&str, Role, Vec<u8>)]) -> Vec<UnitFile> {
    unit.iter()
        .map(|(name, role, bytes)| {
            let m = measure(&bytes[..]).unwrap();
            UnitFile { name: (*name).into(), role: *role, size: m.size, sha256: m.sha256, crc32: m.crc32 }
        })
        .collect()
}

pub fn sign(unit: &[(&str, Role, Vec<u8>)]) -> Signed {
    Draft::new(&exchange(), &described(unit)).unwrap().sign(&PKI.sender.key, AT).unwrap()
}

pub fn write(signed: &Signed, unit: &[(&str, Role, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let written = signed
        .write(&mut out, |file| {
            Ok(Cursor::new(unit.iter().find(|(n, ..)| *n == file.name).unwrap().2.clone()))
        })
        .unwrap();
    assert_eq!((written.length, written.sha256), (out.len() as u64, sha256(&out)));
    assert_eq!(written.length, signed.length());
    out
}

pub fn good() -> Vec<u8> {
    write(&sign(&unit()), &unit())
}

fn open(bytes: &[u8]) -> Result<Verified, envelope::Error> {
    verify(&mut Cursor::new(bytes), &PKI.anchors, AT, &Limits::default())
}

#[test]
fn what_was_signed_comes_out() {
    let signed = sign(&unit());
    let bytes = write(&signed, &unit());
    assert_eq!(bytes, write(&signed, &unit()), "the same bytes each time");
    let verified = open(&bytes).unwrap();
    assert_eq!(verified.exchange, exchange());
    assert_eq!((verified.manifest, verified.signature), (signed.manifest(), signed.signature()));
    assert_eq!((verified.signer, verified.signing_time), (PKI.sender.cert.clone(), AT));
    assert_eq!(verified.files.len(), 4);
    let mut source = Cursor::new(&bytes);
    for (file, (name, role, content)) in verified.files.iter().zip(unit()) {
        assert_eq!((file.name.as_str(), file.role, file.size), (name, role, content.len() as u64));
        let mut out = Vec::new();
        copy_file(&mut source, file, &mut out).unwrap();
        assert_eq!(out, content);
    }
}

/// DESIGN §2.2: anyone can check the positive case with unzip, sha256sum and openssl.
#[test]
fn unzip_sha256sum_and_openssl_agree() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("a.asice"), good()).unwrap();
    std::fs::write(path("anchors.pem"), PKI.root.to_pem()).unwrap();
    run("unzip", dir.path(), &["-q", "a.asice"]);
    assert_eq!(std::fs::read(path("mimetype")).unwrap(), b"application/vnd.etsi.asic-e+zip");
    let manifest = std::fs::read_to_string(path(MANIFEST)).unwrap();
    for (name, _, content) in unit() {
        assert_eq!(std::fs::read(path("unit").join(name)).unwrap(), content);
    }
    let sums = run("sha256sum", dir.path(), &["exchange.xml", "unit/附件一 (掃描).pdf"]);
    for sum in String::from_utf8(sums.stdout).unwrap().lines() {
        let hex = &sum[..64];
        let raw: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        std::fs::write(path("digest"), raw).unwrap();
        let base64 = run("base64", dir.path(), &["-w0", "digest"]);
        assert!(manifest.contains(&format!(">{}<", String::from_utf8(base64.stdout).unwrap())));
    }
    assert!(manifest.contains("URI=\"unit/%E9%99%84%E4%BB%B6%E4%B8%80%20%28%E6%8E%83%E6%8F%8F%29.pdf\""));
    assert!(manifest.contains("URI=\"unit/empty%2520.txt\""));
    run("xmllint", dir.path(), &["--noout", "exchange.xml", MANIFEST]);
    let command = format!(
        "cms -verify -cades -binary -inform DER -purpose any -attime 1780272000 -in {SIGNATURE} -content {MANIFEST} \
         -CAfile anchors.pem -out /dev/null"
    );
    run("openssl", dir.path(), &command.split(' ').collect::<Vec<_>>());
}

#[test]
fn attachments_may_be_named_like_our_own_entries() {
    let unit = [
        ("a.di", Role::Di, b"di".to_vec()),
        ("exchange.xml", Role::Attachment, b"not ours".to_vec()),
        ("mimetype", Role::Attachment, b"text/plain".to_vec()),
        ("ASiCManifest001.xml", Role::Attachment, b"<x/>".to_vec()),
        ("signature001.p7s", Role::Attachment, b"p7s".to_vec()),
    ];
    let verified = open(&write(&sign(&unit), &unit)).unwrap();
    assert_eq!(verified.files.len(), 5);
    assert_eq!(verified.exchange, exchange());
}

#[test]
fn what_cannot_be_written_is_refused_before_signing() {
    let with = |names: &[&'static str]| {
        let mut unit = unit();
        unit.extend(names.iter().map(|n| (*n, Role::Attachment, Vec::new())));
        label(Draft::new(&exchange(), &described(&unit)))
    };
    assert_eq!(with(&["A.pdf", "b.pdf"]), "ok");
    assert_eq!(with(&["A.pdf", "a.PDF"]), "container-duplicate-entry");
    for trick in ["META-INF/x", "../x", "..", "a\\b", "c:x", "\u{202e}fdp.exe", "a\n"] {
        assert_eq!(with(&[trick]), "container-bad-name", "{trick:?}");
    }
    let edited = |edit: fn(&mut Exchange)| {
        let mut exchange = exchange();
        edit(&mut exchange);
        label(Draft::new(&exchange, &described(&unit())))
    };
    assert_eq!(edited(|e| e.recipients.clear()), "envelope-argument");
    assert_eq!(edited(|e| e.recipients[1].code = "XA00000002".into()), "envelope-argument");
    assert_eq!(edited(|e| e.subject = "\u{1}".into()), "envelope-argument");
    assert_eq!(edited(|e| e.sender = String::new()), "envelope-argument");
    let mut large = described(&unit());
    large[2].size = u64::from(u32::MAX);
    assert_eq!(label(Draft::new(&exchange(), &large)), "envelope-too-large");
    // A file that changed between measuring and writing.
    for other in ["<函>x", "<函/", "<丞/>"] {
        let open = |file: &UnitFile| {
            let (_, _, bytes) = unit().into_iter().find(|(n, ..)| *n == file.name).unwrap();
            Ok(Cursor::new(if file.role == Role::Di { other.as_bytes().to_vec() } else { bytes }))
        };
        assert_eq!(label(sign(&unit()).write(Vec::new(), open)), "file-changed");
    }
}

#[test]
fn no_changed_added_or_missing_byte_goes_unnoticed() {
    let unit = [("a.di", Role::Di, b"di".to_vec())];
    let whole = write(&sign(&unit), &unit);
    assert!(open(&whole).is_ok());
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 1 << (position % 8);
        assert!(open(&bytes).is_err(), "byte {position}");
    }
    for length in 0..whole.len() {
        assert!(open(&whole[..length]).is_err(), "cut to {length}");
    }
    assert_eq!(label(open(&[&whole[..], b"\0"].concat())), "container-malformed");
    assert_eq!(label(open(&[b"\0", &whole[..]].concat())), "container-malformed");
    assert_eq!(label(open(&whole.repeat(2))), "container-malformed");
}

/// An entry as a forger would write it.
#[derive(Clone)]
struct Forged {
    name: Vec<u8>,
    bytes: Vec<u8>,
    flags: u16,
    method: u16,
    /// The name in the local header, when another.
    local_name: Option<Vec<u8>>,
    extra: Vec<u8>,
    gap: usize,
}

fn entry(name: &str, bytes: impl Into<Vec<u8>>) -> Forged {
    Forged {
        name: name.into(),
        bytes: bytes.into(),
        flags: if name.is_ascii() { 0 } else { 1 << 11 },
        method: 0,
        local_name: None,
        extra: Vec::new(),
        gap: 0,
    }
}

fn zip(entries: &[Forged]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for e in entries {
        let offset = out.len() as u32;
        let shared = |name: &[u8]| {
            let mut h = Vec::new();
            for n in [20, e.flags, e.method, 0, 33] {
                h.extend(u16::to_le_bytes(n));
            }
            h.extend(measure(&e.bytes[..]).unwrap().crc32.to_le_bytes());
            h.extend((e.bytes.len() as u32).to_le_bytes());
            h.extend((e.bytes.len() as u32).to_le_bytes());
            h.extend((name.len() as u16).to_le_bytes());
            h.extend((e.extra.len() as u16).to_le_bytes());
            h
        };
        let local_name = e.local_name.as_ref().unwrap_or(&e.name);
        out.extend([b"PK\x03\x04", &shared(local_name)[..], local_name, &e.extra, &e.bytes].concat());
        out.extend(vec![0; e.gap]);
        directory.extend([b"PK\x01\x02\x14\x03", &shared(&e.name)[..], &[0; 6]].concat());
        directory.extend((0o100_644u32 << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend([&e.name[..], &e.extra].concat());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let n = (0..3).fold(0usize, |n, i| n << 8 | usize::from(*chunk.get(i).unwrap_or(&0)));
        for i in 0..4 {
            out.push(if i <= chunk.len() { char::from(DIGITS[n >> (18 - 6 * i) & 63]) } else { '=' });
        }
    }
    out
}

/// The entries of a genuine container, taken apart, with the unit `a.di` and `B.pdf`.
fn parts() -> Vec<Forged> {
    let unit = [("a.di", Role::Di, b"di".to_vec()), ("B.pdf", Role::Attachment, b"pdf".to_vec())];
    let whole = write(&sign(&unit), &unit);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.asice"), &whole).unwrap();
    run("unzip", dir.path(), &["-q", "a.asice"]);
    let names = ["mimetype", "unit/a.di", "unit/B.pdf", "exchange.xml", MANIFEST, SIGNATURE];
    let parts: Vec<_> = names.iter().map(|n| entry(n, std::fs::read(dir.path().join(n)).unwrap())).collect();
    assert_eq!(zip(&parts), whole, "the forger's tool is exact");
    parts
}

/// Makes manifest and signature anew, by the rightful signer: a signer who breaks the rules on purpose.
fn signed_anew(mut parts: Vec<Forged>, listed: &[&str]) -> Vec<u8> {
    let mut manifest = String::from(
        "<a:ASiCManifest xmlns:a=\"http://uri.etsi.org/02918/v1.2.1#\" xmlns:d=\"http://www.w3.org/2000/09/xmldsig#\">\
         <a:SigReference URI=\"META-INF/signature001.p7s\" MimeType=\"application/pkcs7-signature\"/>",
    );
    for name in listed {
        let bytes = parts.iter().find(|p| p.name == name.as_bytes()).map_or(&b""[..], |p| &p.bytes);
        manifest.push_str(&format!(
            "<a:DataObjectReference URI=\"{name}\"><d:DigestMethod \
             Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><d:DigestValue>{}</d:DigestValue>\
             </a:DataObjectReference>",
            base64(&sha256(bytes))
        ));
    }
    manifest.push_str("</a:ASiCManifest>");
    let digest = sha256(manifest.as_bytes());
    let signature = signed::sign_detached(&PKI.sender.key, oid::DATA, &digest, AT).unwrap();
    for part in &mut parts {
        match part.name.as_slice() {
            n if n == MANIFEST.as_bytes() => part.bytes = manifest.clone().into_bytes(),
            n if n == SIGNATURE.as_bytes() => part.bytes = signature.clone(),
            _ => {}
        }
    }
    zip(&parts)
}

const LISTED: [&str; 3] = ["unit/a.di", "unit/B.pdf", "exchange.xml"];

fn forged(edit: impl FnOnce(&mut Vec<Forged>)) -> &'static str {
    let mut parts = parts();
    edit(&mut parts);
    label(open(&zip(&parts)))
}

#[test]
fn zip_tricks_are_refused() {
    assert_eq!(forged(|_| {}), "ok");
    let b = 2;
    assert_eq!(forged(|p| p.insert(3, p[b].clone())), "container-duplicate-entry");
    assert_eq!(forged(|p| p.insert(3, entry("unit/b.PDF", "other"))), "container-duplicate-entry");
    assert_eq!(forged(|p| p.insert(5, entry("meta-inf/SIGNATURE001.P7S", ""))), "container-duplicate-entry");
    assert_eq!(forged(|p| p.push(entry("unit/more.pdf", "x"))), "container-unlisted-entry");
    assert_eq!(forged(|p| p.push(entry("META-INF/ASiCManifest002.xml", "x"))), "container-unlisted-entry");
    assert_eq!(forged(|p| p.push(entry("../evil", "x"))), "container-unlisted-entry");
    assert_eq!(forged(|p| drop(p.remove(b))), "container-unlisted-entry");
    assert_eq!(forged(|p| p[b].local_name = Some(b"unit/C.pdf".into())), "container-malformed");
    assert_eq!(forged(|p| p[b].gap = 1), "container-malformed");
    assert_eq!(forged(|p| p[5].gap = 1), "container-malformed");
    assert_eq!(forged(|p| p[b].extra = vec![1, 0, 0, 0]), "container-malformed");
    assert_eq!(forged(|p| p[b].method = 8), "container-malformed");
    assert_eq!(forged(|p| p[b].flags = 8), "container-malformed");
    assert_eq!(forged(|p| p[b].flags = 1), "container-malformed");
    assert_eq!(forged(|p| p[b].name = b"unit/\xff".into()), "container-malformed");
    assert_eq!(forged(|p| p[0].bytes.push(b'\n')), "container-malformed");
    assert_eq!(forged(|p| p.swap(0, 1)), "container-malformed");
    assert_eq!(forged(|p| drop(p.remove(4))), "container-malformed");
    assert_eq!(forged(|p| drop(p.remove(5))), "container-malformed");
    assert_eq!(forged(|p| p[b].bytes = b"PDF".into()), "container-digest-mismatch");
    assert_eq!(forged(|p| p[4].bytes.push(b' ')), "content-digest-mismatch");
    assert_eq!(label(open(&zip(&[]))), "container-malformed");
    // Overlap: the second entry's record points at the first one's bytes.
    let mut bytes = zip(&parts());
    let at = bytes.windows(12).position(|w| &w[..4] == b"PK\x01\x02" && w[4] == 20).unwrap();
    bytes[at + 42] = 1;
    assert_eq!(label(open(&bytes)), "container-malformed");
}

#[test]
fn a_signer_who_breaks_the_rules_is_refused_too() {
    let exchange_with = |from: &str, to: &str| {
        let mut parts = parts();
        let text = String::from_utf8(parts[3].bytes.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        parts[3].bytes = text.replace(from, to).into_bytes();
        label(open(&signed_anew(parts, &LISTED)))
    };
    assert_eq!(exchange_with("<exchange", "<exchange"), "ok");
    assert_eq!(exchange_with("size=\"3\"", "size=\"4\""), "exchange-contradiction");
    assert_eq!(exchange_with("sha256=\"", "sha256=\"00"), "exchange-malformed");
    assert_eq!(exchange_with("name=\"B.pdf\"", "name=\"C.pdf\""), "exchange-contradiction");
    assert_eq!(exchange_with("name=\"B.pdf\"", "name=\"a.di\""), "exchange-contradiction");
    assert_eq!(exchange_with("name=\"B.pdf\"", "name=\"../B.pdf\""), "container-bad-name");
    assert_eq!(exchange_with("role=\"attachment\"", "role=\"di\""), "exchange-contradiction");
    assert_eq!(exchange_with("XA00000003", "XA00000002"), "exchange-contradiction");
    assert_eq!(exchange_with(" withheld=\"0\"", ""), "exchange-malformed");
    assert_eq!(exchange_with("withheld=\"0\"", "withheld=\"-1\""), "exchange-malformed");
    assert_eq!(exchange_with("version=\"1\">", "version=\"2\">"), "exchange-malformed");
    assert_eq!(exchange_with("<sender", "<sender x=\"\""), "exchange-malformed");
    assert_eq!(
        exchange_with("<exchange", "<!DOCTYPE exchange [<!ENTITY a \"b\">]><exchange"),
        "exchange-malformed"
    );
    assert_eq!(exchange_with("urn:di-exchange:1", "urn:di-exchange:2"), "exchange-malformed");
    assert_eq!(exchange_with("123Z", "123+08:00"), "exchange-malformed");

    let with = |extra: Vec<Forged>, listed: &[&str]| {
        let mut all = parts();
        all.splice(3..3, extra);
        label(open(&signed_anew(all, listed)))
    };
    // Listed in the manifest, but no file of the unit: nowhere for it to go.
    assert_eq!(
        with(vec![entry("other.txt", "")], &[&LISTED[..], &["other.txt"]].concat()),
        "container-unlisted-entry"
    );
    let nested = [&LISTED[..], &["unit/a/b"]].concat();
    assert_eq!(with(vec![entry("unit/a/b", "")], &nested), "container-bad-name");
    let more = [&LISTED[..], &["unit/c"]].concat();
    assert_eq!(with(vec![entry("unit/c", "")], &more), "exchange-contradiction");
    assert_eq!(with(vec![], &more), "container-unlisted-entry");
    assert_eq!(with(vec![], &["unit/a.di", "exchange.xml"]), "container-unlisted-entry");
    assert_eq!(with(vec![], &[&LISTED[..], &["exchange.xml"]].concat()), "container-unlisted-entry");
    assert_eq!(with(vec![], &LISTED), "ok");
}

#[test]
fn the_signer_must_be_trusted_at_the_time() {
    let unit = unit();
    let by_stranger =
        Draft::new(&exchange(), &described(&unit)).unwrap().sign(&PKI.stranger.key, AT).unwrap();
    let bytes = write(&by_stranger, &unit);
    let e = open(&bytes).unwrap_err();
    assert_eq!((e.label(), e.fault()), ("untrusted", envelope::Fault::Peer));
    assert!(check(&mut Cursor::new(&bytes), &Limits::default()).is_ok());
    let at = |at| label(verify(&mut Cursor::new(good()), &PKI.anchors, at, &Limits::default()));
    assert_eq!(at(AT + 6 * 365 * DAY), "certificate-expired");
    // A signature by the encryption certificate: that key has another use.
    let by_enc = Draft::new(&exchange(), &described(&unit)).unwrap().sign(&PKI.sender_enc.key, AT).unwrap();
    assert_eq!(label(open(&write(&by_enc, &unit))), "wrong-usage");
}

#[test]
fn limits_hold_before_anything_is_read() {
    let bytes = good();
    let with = |limits: Limits| label(check(&mut Cursor::new(&bytes), &limits));
    let default = Limits::default();
    assert_eq!(with(Limits { length: bytes.len() as u64 - 1, ..default }), "envelope-too-large");
    assert_eq!(with(Limits { files: 3, ..default }), "envelope-too-large");
    assert_eq!(with(Limits { recipients: 1, ..default }), "envelope-too-large");
    assert_eq!(with(Limits { length: bytes.len() as u64, files: 4, recipients: 2 }), "ok");
}
