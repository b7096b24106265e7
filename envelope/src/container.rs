//! The evidence container: ASiC-E with CAdES (ETSI EN 319 162-1).

use crate::Digest;
use crate::error::Error;
use crate::key::{Certificate, SigningKey};
use crate::trust::Anchors;
use std::io::{Read, Seek, Write};

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
pub fn measure(mut source: impl Read) -> std::io::Result<Measure> {
    let mut buffer = [0; 1];
    source.read(&mut buffer)?;
    todo!()
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
}

impl Draft {
    /// Checks names, sizes and texts, and makes `exchange.xml` and the manifest.
    pub fn new(exchange: &Exchange, files: &[UnitFile]) -> Result<Self, Error> {
        todo!("{exchange:?} {files:?}")
    }
    /// SHA-256 of the manifest.
    pub fn manifest(&self) -> Digest {
        todo!()
    }
    /// One key operation. `at` (Unix milliseconds) becomes signingTime.
    pub fn sign(self, key: &dyn SigningKey, at: i64) -> Result<Signed, Error> {
        todo!("{at} {:?}", key.certificate())
    }
}

/// A signed container that has not been written yet; it can be written any number of times, always the same bytes.
#[derive(Clone, Debug)]
pub struct Signed {
    draft: Draft,
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
        todo!()
    }
    /// SHA-256 of the manifest.
    pub fn manifest(&self) -> Digest {
        self.draft.manifest()
    }
    /// SHA-256 of the signature file.
    pub fn signature(&self) -> Digest {
        todo!()
    }
    /// Writes the container. `open` gives each file's bytes in turn; a file that is not what its [`UnitFile`] says is
    /// [`Error::FileChanged`], and what was written by then is of no use.
    pub fn write<R: Read>(
        &self,
        out: impl Write,
        open: impl FnMut(&UnitFile) -> std::io::Result<R>,
    ) -> Result<Written, Error> {
        let _ = (out, open, &self.draft.files);
        todo!()
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
    pub signed: crate::signed::Checked,
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
pub fn check<R: Read + Seek>(source: &mut R, limits: &Limits) -> Result<Checked, Error> {
    let _ = source.stream_position()?;
    todo!("{limits:?}")
}

/// Reads a container and checks everything, the signer's chain at the time `at` (Unix milliseconds).
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
pub fn copy_file<R: Read + Seek>(source: &mut R, file: &StoredFile, out: impl Write) -> Result<(), Error> {
    let _ = (source.stream_position()?, file, out);
    todo!()
}
