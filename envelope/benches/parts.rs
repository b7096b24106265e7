//! What a document costs on its way into the seal and out of it: `cargo bench -p envelope --bench parts` (all crates':
//! `make bench-parts`). The RSA operations stand apart: all else is ours to make faster.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a measuring program")]

use std::hint::black_box;
use std::io::sink;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use envelope::Digest;
use envelope::container::{self, Addressee, Draft, Exchange, Role, UnitFile};
use envelope::key::{Certificate, KeyError, SigningKey, WrapScheme};
use envelope::sealed::{Recipient, open, seal, wrap};
use envelope::soft::SoftKey;

/// Of the whole unit.
const SIZES: [usize; 2] = [10_000, 1_000_000];

fn key() -> SoftKey {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let issuer = rcgen::KeyPair::try_from(der.as_ref()).unwrap();
    let params = rcgen::CertificateParams::default();
    let certificate = params.self_signed(&issuer).unwrap();
    SoftKey::from_pkcs8(der.as_ref(), None, certificate.der()).unwrap()
}

/// A key whose signature was made before: what is left is everything but RSA.
struct Signed {
    certificate: Certificate,
    signature: Vec<u8>,
}

impl SigningKey for Signed {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        Ok(self.certificate.clone())
    }

    fn chain(&self) -> Vec<Certificate> {
        Vec::new()
    }

    fn sign(&self, _digest: &Digest) -> Result<Vec<u8>, KeyError> {
        Ok(self.signature.clone())
    }
}

fn exchange() -> Exchange {
    Exchange {
        document: [7; 16],
        kind: "函".to_owned(),
        subject: "測試，請查照。".to_owned(),
        created: 1_780_272_000_000,
        sender: "XC00000001".to_owned(),
        recipients: vec![Addressee { code: "XC00000002".to_owned(), attachments: true }],
        withheld: 0,
    }
}

/// A letter, its roster and an attachment.
fn unit(size: usize) -> Vec<(UnitFile, Vec<u8>)> {
    let files =
        [("1.di", Role::Di, 2_000), ("1.sw", Role::Sw, 500), ("1_0.bin", Role::Attachment, size - 2_500)];
    let file = |(name, role, size): (&str, Role, usize)| {
        let bytes: Vec<u8> = (0..size).map(|n| (n * 31 % 251).to_le_bytes()[0]).collect();
        let of = container::measure(bytes.as_slice()).unwrap();
        let file =
            UnitFile { name: name.to_owned(), role, size: of.size, sha256: of.sha256, crc32: of.crc32 };
        (file, bytes)
    };
    files.map(file).into()
}

fn assembled(
    files: &[UnitFile],
    unit: &[(UnitFile, Vec<u8>)],
    key: &dyn SigningKey,
    out: impl std::io::Write,
) {
    let signed = Draft::new(&exchange(), files).unwrap().sign(key, 0).unwrap();
    let bytes = |file: &UnitFile| {
        let found = unit.iter().find(|(other, _)| other.name == file.name);
        Ok(found.unwrap().1.as_slice())
    };
    signed.write(out, bytes).unwrap();
}

fn containers(criterion: &mut Criterion) {
    let real = key();
    let signature = real.sign(&[1; 32]).unwrap();
    let ready = Signed { certificate: SigningKey::certificate(&real).unwrap(), signature };
    let mut group = criterion.benchmark_group("container, without RSA");
    for size in SIZES {
        let unit = unit(size);
        let files: Vec<UnitFile> = unit.iter().map(|(file, _)| file.clone()).collect();
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("measure", size), |bencher| {
            bencher.iter(|| {
                unit.iter().map(|(_, bytes)| container::measure(bytes.as_slice()).unwrap().size).sum::<u64>()
            });
        });
        group.bench_function(BenchmarkId::new("assemble and write", size), |bencher| {
            bencher.iter(|| assembled(&files, &unit, &ready, sink()));
        });
    }
    group.finish();
    // This one verifies a signature: some 20 µs of RSA.
    let mut group = criterion.benchmark_group("container, with the signature's check");
    for size in SIZES {
        let unit = unit(size);
        let files: Vec<UnitFile> = unit.iter().map(|(file, _)| file.clone()).collect();
        let mut whole = Vec::new();
        assembled(&files, &unit, &real, &mut whole);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("read", size), |bencher| {
            bencher.iter(|| {
                let mut source = std::io::Cursor::new(whole.as_slice());
                container::check(&mut source, &container::Limits::default()).unwrap()
            });
        });
    }
    group.finish();
}

fn seals(criterion: &mut Criterion) {
    let key = key();
    let to = vec![Recipient { certificate: SigningKey::certificate(&key).unwrap(), oaep: true }];
    let mut group = criterion.benchmark_group("seal");
    for size in SIZES {
        let plain = vec![0x5a; size];
        let mut sealed = Vec::new();
        let info = seal(plain.as_slice(), size as u64, &to, &mut sealed).unwrap();
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("seal to one", size), |bencher| {
            bencher.iter(|| seal(black_box(plain.as_slice()), size as u64, &to, sink()).unwrap());
        });
        group.bench_function(BenchmarkId::new("open, one unwrap included", size), |bencher| {
            bencher.iter(|| open(black_box(sealed.as_slice()), info.length, &[&key], sink()).unwrap());
        });
    }
    group.finish();
}

fn rsa(criterion: &mut Criterion) {
    let key = key();
    let certificate = SigningKey::certificate(&key).unwrap();
    let mut group = criterion.benchmark_group("RSA-2048");
    group.bench_function("sign", |bencher| bencher.iter(|| key.sign(black_box(&[1; 32])).unwrap()));
    group.bench_function("wrap", |bencher| {
        bencher.iter(|| wrap(&certificate, WrapScheme::OaepSha256, black_box(&[1; 32])).unwrap());
    });
    group.finish();
}

criterion_group!(parts, containers, seals, rsa);
criterion_main!(parts);
