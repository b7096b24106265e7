//! Reading a container: nothing in it is taken on trust.

use super::{BUFFER, EXCHANGE, Exchange, MANIFEST, MIMETYPE, OWN_ENTRIES, Role, SIGNATURE, UNIT};
use crate::error::Error;
use crate::key::Certificate;
use crate::trust::Anchors;
use crate::{Digest, digest_of, names, oid, pem, sha256, signed, xml, zip};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::HashMap;
use std::io::{Read, Seek, Write};

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
