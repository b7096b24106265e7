//! The evidence container: ASiC-E with CAdES (ETSI EN 319 162-1), one ZIP of stored entries.
//!
//! In this order: `mimetype`; the unit's files as `unit/NAME`; `exchange.xml`, which binds what the transport says to
//! what was signed; `META-INF/ASiCManifest001.xml` with the SHA-256 of all of these but `mimetype`; and
//! `META-INF/signature001.p7s`, a detached CAdES-B-B over the manifest. Everything is known before the first byte is
//! written, so a container is written as a stream and its length is known in advance.
//!
//! The reader takes nothing on trust: whatever the manifest does not list is refused, and no name from the ZIP is ever
//! used as a path.

mod read;

pub use read::{Checked, Limits, StoredFile, Verified, check, copy_file, verify};

use crate::error::Error;
use crate::key::SigningKey;
use crate::xml::{self, Listed};
use crate::{Digest, digest_of, names, oid, sha256, signed, zip};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::HashSet;
use std::io::{Read, Write};

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
