//! The evidence container: ASiC-E with CAdES (ETSI EN 319 162-1), one ZIP of stored entries.
//!
//! In this order: `mimetype`; the unit's files as `unit/NAME`; `exchange.xml`, which binds what the transport says to
//! what was signed; `META-INF/ASiCManifest001.xml` with the SHA-256 of all of these but `mimetype`; and
//! `META-INF/signature001.p7s`, a detached CAdES-B-B over the manifest. Everything is known before the first byte is
//! written, so a container is written as a stream and its length is known in advance.
//!
//! The reader takes nothing on trust: whatever the manifest does not list is refused, and no name from the ZIP is ever
//! used as a path.

use crate::error::Error;
use crate::key::{Certificate, SigningKey};
use crate::trust::Anchors;
use crate::xml::{self, Listed};
use crate::{Digest, digest_of, names, oid, pem, sha256, signed, zip};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek, Write};

const MIMETYPE: &[u8] = b"application/vnd.etsi.asic-e+zip";
const MANIFEST: &str = "META-INF/ASiCManifest001.xml";
const SIGNATURE: &str = "META-INF/signature001.p7s";
const EXCHANGE: &str = "exchange.xml";
const UNIT: &str = "unit/";
/// Entries that are not files of the unit.
const OWN_ENTRIES: usize = 4;
const BUFFER: usize = 64 * 1024;

/// What a file of the unit is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Role {
    /// The letter itself.
    Di,
    /// The list of recipients.
    Sw,
    /// An attachment.
    Attachment,
}

/// A file to be put into a container. All of it is known before the first byte is written; see [`measure`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnitFile {
    /// Its own name, without a folder.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// CRC-32 of its bytes, as ZIP wants it.
    pub crc32: u32,
}

/// Length, SHA-256 and CRC-32 of what is read, in one pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Measure {
    /// Length in bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: Digest,
    /// CRC-32.
    pub crc32: u32,
}

/// Reads to the end and measures.
///
/// # Errors
/// Those of `source`.
pub fn measure(mut source: impl Read) -> std::io::Result<Measure> {
    let (mut hash, mut crc, mut size) = (Context::new(&SHA256), crc32fast::Hasher::new(), 0);
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = zip::read(&mut source, &mut buffer)?;
        let chunk = buffer.get(..n).unwrap_or_default();
        if chunk.is_empty() {
            return Ok(Measure { size, sha256: digest_of(hash), crc32: crc.finalize() });
        }
        hash.update(chunk);
        crc.update(chunk);
        size += n as u64;
    }
}

/// One addressee of the document as signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Addressee {
    /// Mailbox code.
    pub code: String,
    /// Whether the attachments go to it.
    pub attachments: bool,
}

/// What `exchange.xml` says, the files aside: it binds the transport to what was signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchange {
    /// Document id.
    pub document: [u8; 16],
    /// Kind of document (函, 簽 …).
    pub kind: String,
    /// Subject (主旨).
    pub subject: String,
    /// Creation time, Unix milliseconds.
    pub created: i64,
    /// The sender's mailbox code.
    pub sender: String,
    /// The recipients, in order.
    pub recipients: Vec<Addressee>,
    /// How many files were withheld from this variant (不含附件).
    pub withheld: u32,
}

/// A container that is ready to be signed: `exchange.xml` and the manifest are made.
#[derive(Clone, Debug)]
pub struct Draft {
    files: Vec<UnitFile>,
    exchange: Vec<u8>,
    manifest: Vec<u8>,
}

impl Draft {
    /// Checks names, sizes and texts, and makes `exchange.xml` and the manifest.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::DuplicateEntry`] (also for names that differ only in case), [`Error::TooLarge`],
    /// [`Error::Argument`] (texts that XML cannot carry, no or repeated recipients, not exactly one DI).
    pub fn new(exchange: &Exchange, files: &[UnitFile]) -> Result<Self, Error> {
        let mut seen = HashSet::new();
        for file in files {
            names::check(&file.name)?;
            if !seen.insert(names::folded(&file.name)) {
                return Err(Error::DuplicateEntry { name: file.name.clone() });
            }
        }
        let listed: Vec<Listed> = files
            .iter()
            .map(|f| Listed { name: f.name.clone(), role: f.role, size: f.size, sha256: f.sha256 })
            .collect();
        let exchange = xml::write_exchange(exchange, &listed)?;
        let mut entries: Vec<(String, Digest)> =
            files.iter().map(|f| (format!("{UNIT}{}", f.name), f.sha256)).collect();
        entries.push((EXCHANGE.to_owned(), sha256(&exchange)));
        let manifest = xml::write_manifest(SIGNATURE, &entries).into_bytes();
        if manifest.len() as u64 > xml::MAX_XML {
            return Err(Error::TooLarge { what: "the manifest", limit: xml::MAX_XML });
        }
        let draft = Self { files: files.to_vec(), exchange, manifest };
        zip::length(&draft.entries(signed::MAX_SIGNATURE))?;
        Ok(draft)
    }

    /// SHA-256 of the manifest: what the signature signs, and what makes two submits the same.
    pub fn manifest(&self) -> Digest {
        sha256(&self.manifest)
    }

    /// One key operation. `at` (Unix milliseconds) becomes signingTime.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn sign(self, key: &dyn SigningKey, at: i64) -> Result<Signed, Error> {
        let signature = signed::sign_detached(key, oid::DATA, &self.manifest(), at)?;
        if signature.len() > signed::MAX_SIGNATURE {
            return Err(Error::TooLarge { what: "the signature", limit: signed::MAX_SIGNATURE as u64 });
        }
        Ok(Signed { draft: self, signature })
    }

    /// What the ZIP will hold, without CRCs and offsets.
    fn entries(&self, signature: usize) -> Vec<zip::Entry> {
        let entry = |name: &str, size| zip::Entry { name: name.to_owned(), size, crc32: 0, offset: 0 };
        let mut out = vec![entry("mimetype", MIMETYPE.len() as u64)];
        out.extend(self.files.iter().map(|f| entry(&format!("{UNIT}{}", f.name), f.size)));
        out.push(entry(EXCHANGE, self.exchange.len() as u64));
        out.push(entry(MANIFEST, self.manifest.len() as u64));
        out.push(entry(SIGNATURE, signature as u64));
        out
    }
}

/// A signed container that has not been written yet; it can be written any number of times, always the same bytes.
#[derive(Clone, Debug)]
pub struct Signed {
    draft: Draft,
    signature: Vec<u8>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Written {
    /// Length of the container in bytes.
    pub length: u64,
    /// SHA-256 of the container.
    pub sha256: Digest,
    /// SHA-256 of `META-INF/ASiCManifest001.xml`.
    pub manifest: Digest,
    /// SHA-256 of `META-INF/signature001.p7s`.
    pub signature: Digest,
}

impl Signed {
    /// The exact length of the container in bytes.
    pub fn length(&self) -> u64 {
        // `Draft::new` has checked the sum with a longer signature.
        zip::length(&self.draft.entries(self.signature.len())).unwrap_or(u64::MAX)
    }

    /// SHA-256 of the manifest.
    pub fn manifest(&self) -> Digest {
        self.draft.manifest()
    }

    /// SHA-256 of the signature file.
    pub fn signature(&self) -> Digest {
        sha256(&self.signature)
    }

    /// Writes the container. `open` gives each file's bytes in turn.
    ///
    /// # Errors
    /// [`Error::FileChanged`] for a file that is not what its [`UnitFile`] says, [`Error::Io`]; what was written by
    /// then is of no use.
    pub fn write<R: Read>(
        &self,
        out: impl Write,
        mut open: impl FnMut(&UnitFile) -> std::io::Result<R>,
    ) -> Result<Written, Error> {
        let mut writer = zip::Writer::new(out);
        writer.add("mimetype", MIMETYPE)?;
        for file in &self.draft.files {
            let name = format!("{UNIT}{}", file.name);
            writer.stream(&name, file.size, file.crc32, &file.sha256, open(file)?)?;
        }
        writer.add(EXCHANGE, &self.draft.exchange)?;
        writer.add(MANIFEST, &self.draft.manifest)?;
        writer.add(SIGNATURE, &self.signature)?;
        let (length, sha256, _) = writer.finish()?;
        Ok(Written { length, sha256, manifest: self.manifest(), signature: self.signature() })
    }
}

/// Bounds for what is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The whole container, bytes.
    pub length: u64,
    /// Number of files of the unit.
    pub files: usize,
    /// Number of recipients.
    pub recipients: usize,
}

impl Default for Limits {
    /// 4 GiB − 1, 1,000 files, 2,000 recipients.
    fn default() -> Self {
        Self { length: u64::from(u32::MAX), files: 1_000, recipients: 2_000 }
    }
}

/// A file inside a container that was checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredFile {
    /// Its own name, without a folder; checked to be a plain file name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, verified.
    pub sha256: Digest,
    /// Where its bytes begin in the container.
    pub offset: u64,
}

/// A container of which every rule holds but the signer's chain is not checked yet.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What `exchange.xml` says.
    pub exchange: Exchange,
    /// SHA-256 of the manifest.
    pub manifest: Digest,
    /// SHA-256 of the signature file.
    pub signature: Digest,
    /// The signer and what its signature says.
    pub signed: signed::Checked,
    /// The files of the unit, in the order of `exchange.xml`.
    pub files: Vec<StoredFile>,
    /// Length of the container in bytes.
    pub length: u64,
}

/// A container of which everything holds.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What `exchange.xml` says.
    pub exchange: Exchange,
    /// SHA-256 of the manifest.
    pub manifest: Digest,
    /// SHA-256 of the signature file.
    pub signature: Digest,
    /// The signer.
    pub signer: Certificate,
    /// The chain from the signer to the anchor.
    pub chain: Vec<Certificate>,
    /// When the signer claims to have signed, Unix milliseconds.
    pub signing_time: i64,
    /// The files of the unit, in the order of `exchange.xml`.
    pub files: Vec<StoredFile>,
    /// Length of the container in bytes.
    pub length: u64,
}

/// Reads a container and checks everything but the signer's chain.
///
/// # Errors
/// One label for each way in which it can be wrong; see the groups of [`Error`].
pub fn check<R: Read + Seek>(source: &mut R, limits: &Limits) -> Result<Checked, Error> {
    let bounds = zip::Bounds { length: limits.length, entries: limits.files.saturating_add(OWN_ENTRIES) };
    let (entries, length) = zip::entries(source, &bounds)?;
    let malformed = |what| Error::ContainerMalformed { what };
    match entries.first() {
        Some(first) if first.name == "mimetype" => {
            if zip::load(source, first, MIMETYPE.len() as u64).ok().as_deref() != Some(MIMETYPE) {
                return Err(malformed("another mimetype"));
            }
        }
        _ => return Err(malformed("mimetype is not the first entry")),
    }
    let find = |name: &str, what| entries.iter().find(|e| e.name == name).ok_or_else(|| malformed(what));
    let manifest = zip::load(source, find(MANIFEST, "there is no manifest")?, xml::MAX_XML)?;
    let signature =
        zip::load(source, find(SIGNATURE, "there is no signature")?, signed::MAX_SIGNATURE as u64)?;
    let exchange_entry = find(EXCHANGE, "there is no exchange.xml")?;

    // The signature first: nothing below is worth the work otherwise.
    let manifest_digest = sha256(&manifest);
    let signed = signed::check_detached(&signature, oid::DATA, &manifest_digest)?;

    let mut listed = HashMap::new();
    for (uri, digest) in xml::read_manifest(&manifest, SIGNATURE)? {
        if listed.insert(uri.clone(), digest).is_some() {
            return Err(Error::UnlistedEntry { name: uri });
        }
    }
    // Every entry takes its line out of the manifest; what is left over then is not there.
    let mut exchange_digest = None;
    let mut unit = HashMap::new();
    for entry in entries.iter().skip(1).filter(|e| e.name != MANIFEST && e.name != SIGNATURE) {
        let unlisted = || Error::UnlistedEntry { name: entry.name.clone() };
        let digest = listed.remove(&xml::percent(&entry.name)).ok_or_else(unlisted)?;
        if entry.name == EXCHANGE {
            exchange_digest = Some(digest);
        } else {
            let name = entry.name.strip_prefix(UNIT).ok_or_else(unlisted)?;
            names::check(name)?;
            unit.insert(name, (entry, digest));
        }
    }
    if let Some((uri, _)) = listed.into_iter().next() {
        return Err(Error::UnlistedEntry { name: uri });
    }

    let exchange_bytes = zip::load(source, exchange_entry, xml::MAX_XML)?;
    if exchange_digest != Some(pem::base64(&sha256(&exchange_bytes))) {
        return Err(Error::DigestMismatch { name: EXCHANGE.to_owned() });
    }
    let (exchange, described) = xml::read_exchange(&exchange_bytes)?;
    if exchange.recipients.len() > limits.recipients {
        return Err(Error::TooLarge { what: "the number of recipients", limit: limits.recipients as u64 });
    }
    if described.len() != unit.len() {
        return Err(Error::ExchangeContradiction { what: "the number of files" });
    }
    let mut buffer = vec![0; BUFFER];
    let mut files = Vec::with_capacity(described.len());
    for file in described {
        // Taken out, so that no file is described twice.
        let (entry, expected) = unit
            .remove(file.name.as_str())
            .ok_or(Error::ExchangeContradiction { what: "a file that is not there" })?;
        if entry.size != file.size {
            return Err(Error::ExchangeContradiction { what: "a file's size" });
        }
        let digest = zip::stream(source, entry, &mut buffer)?;
        if pem::base64(&digest) != expected {
            return Err(Error::DigestMismatch { name: entry.name.clone() });
        }
        if digest != file.sha256 {
            return Err(Error::ExchangeContradiction { what: "a file's digest" });
        }
        files.push(StoredFile {
            name: file.name,
            role: file.role,
            size: file.size,
            sha256: digest,
            offset: entry.offset,
        });
    }
    Ok(Checked { exchange, manifest: manifest_digest, signature: sha256(&signature), signed, files, length })
}

/// Reads a container and checks everything, the signer's chain at the time `at` (Unix milliseconds): the time at which
/// the center accepted it, where that is known.
///
/// # Errors
/// As [`check`] and [`crate::trust::chain`].
pub fn verify<R: Read + Seek>(
    source: &mut R,
    anchors: &Anchors,
    at: i64,
    limits: &Limits,
) -> Result<Verified, Error> {
    let c = check(source, limits)?;
    let chain = c.signed.trusted(anchors, at)?;
    Ok(Verified {
        exchange: c.exchange,
        manifest: c.manifest,
        signature: c.signature,
        signer: c.signed.signer,
        chain,
        signing_time: c.signed.signing_time,
        files: c.files,
        length: c.length,
    })
}

/// Copies one file's bytes out of the container, and checks their digest once more.
///
/// # Errors
/// [`Error::FileChanged`] when the container is no longer the one that was checked, [`Error::Io`].
pub fn copy_file<R: Read + Seek>(
    source: &mut R,
    file: &StoredFile,
    mut out: impl Write,
) -> Result<(), Error> {
    source.seek(std::io::SeekFrom::Start(file.offset))?;
    let (mut hash, mut left) = (Context::new(&SHA256), file.size);
    let mut buffer = vec![0; BUFFER];
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER);
        let chunk = buffer.get_mut(..want).unwrap_or_default();
        source.read_exact(chunk)?;
        hash.update(chunk);
        out.write_all(chunk)?;
        left -= want as u64;
    }
    if digest_of(hash) == file.sha256 { Ok(()) } else { Err(Error::FileChanged { name: file.name.clone() }) }
}
