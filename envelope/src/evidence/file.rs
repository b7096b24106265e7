//! The evidence file as a ZIP: writing it, and finding what lies in it.

use super::{RecipientEvidence, status};
use crate::error::Error;
use crate::key::Certificate;
use crate::status::Kind;
use crate::{container, hex, receipt, sha256, xml, zip};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek, SeekFrom, Write};
use std::rc::Rc;

const INDEX: &str = "index.xml";
const CONTAINER: &str = "container.asice";
const NAMESPACE: &str = "urn:di-exchange:1";
/// The most entries of an evidence file: several receipts for each of many recipients.
const MAX_ENTRIES: usize = 20_000;
/// All receipts and registrations together, bytes: they are held in memory.
const MAX_RECEIPTS: u64 = 256 * 1024 * 1024;

/// Writes an evidence file around a container of `container_len` bytes. `certificates` are those used beside the ones
/// that the signatures carry themselves; `answers` are CRLs and OCSP answers as they came.
///
/// # Errors
/// [`Error::FileChanged`] when the container has another length, [`Error::TooLarge`], [`Error::Argument`],
/// [`Error::Io`].
pub fn write<A: Read + Seek>(
    out: impl Write,
    mut container: impl Read + Seek,
    container_len: u64,
    recipients: &[RecipientEvidence],
    certificates: &[Certificate],
    answers: &mut [(Kind, A)],
) -> Result<(), Error> {
    let measure = container::measure(&mut container)?;
    if measure.size != container_len {
        return Err(Error::FileChanged { name: CONTAINER.to_owned() });
    }
    container.seek(SeekFrom::Start(0))?;

    let mut entries: Vec<(String, &[u8])> = Vec::new();
    let mut number = 0;
    let mut index = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<evidence xmlns=\"{NAMESPACE}\" version=\"1\">\n"
    );
    for recipient in recipients {
        index.push_str("  <recipient");
        xml::attribute(&mut index, "code", &recipient.code)?;
        let enc = recipient.enc.as_ref().map(|c| hex(c.sha256())).unwrap_or_default();
        xml::attribute(&mut index, "enc", &enc)?;
        index.push_str(">\n");
        let parts = recipient.registration.iter().map(|der| ("registration", der));
        let parts = parts.chain(recipient.center_receipts.iter().map(|der| ("center-receipt", der)));
        for (element, der) in
            parts.chain(recipient.receiver_receipts.iter().map(|der| ("receiver-receipt", der)))
        {
            // The receipt of a part is the same for all of its recipients.
            let name = match entries.iter().find(|(_, bytes)| *bytes == der.as_slice()) {
                Some((name, _)) => name.clone(),
                None => {
                    number += 1;
                    let folder = if element == "registration" { "registrations" } else { "receipts" };
                    let name = format!("{folder}/{number:03}.der");
                    entries.push((name.clone(), der));
                    name
                }
            };
            index.push_str(&format!("    <{element}"));
            xml::attribute(&mut index, "file", &name)?;
            index.push_str("/>\n");
        }
        index.push_str("  </recipient>\n");
    }
    index.push_str("</evidence>\n");
    if index.len() as u64 > xml::MAX_XML {
        return Err(Error::TooLarge { what: "the evidence index", limit: xml::MAX_XML });
    }
    for certificate in recipients.iter().filter_map(|r| r.enc.as_ref()).chain(certificates) {
        let name = format!("certificates/{}.der", hex(certificate.sha256()));
        if entries.iter().all(|(other, _)| *other != name) {
            entries.push((name, certificate.der()));
        }
    }

    let mut writer = zip::Writer::new(out);
    writer.add(INDEX, index.as_bytes())?;
    writer.stream(CONTAINER, measure.size, measure.crc32, &measure.sha256, container)?;
    for (name, bytes) in entries {
        writer.add(&name, bytes)?;
    }
    let mut written: HashSet<String> = HashSet::new();
    for (kind, answer) in answers.iter_mut().take(status::MAX_ANSWERS) {
        answer.seek(SeekFrom::Start(0))?;
        let measure = container::measure(&mut *answer)?;
        let name = status::name(*kind, &measure.sha256);
        if measure.size > status::MAX_ANSWER {
            return Err(Error::TooLarge { what: "an authority's answer", limit: status::MAX_ANSWER });
        }
        if written.insert(name.clone()) {
            answer.seek(SeekFrom::Start(0))?;
            writer.stream(&name, measure.size, measure.crc32, &measure.sha256, answer)?;
        }
    }
    writer.finish()?;
    Ok(())
}

/// What lies in an evidence file; the container as offset and length.
pub(super) struct Evidence {
    pub(super) container: (u64, u64),
    pub(super) recipients: Vec<Found>,
    pub(super) answers: Vec<status::Entry>,
}

/// What an evidence file has of one recipient. A receipt that several share is in memory once.
#[derive(Default)]
pub(super) struct Found {
    pub(super) code: String,
    pub(super) enc: Option<Certificate>,
    pub(super) registration: Option<Rc<[u8]>>,
    pub(super) center_receipts: Vec<Rc<[u8]>>,
    pub(super) receiver_receipts: Vec<Rc<[u8]>>,
}

pub(super) fn open<R: Read + Seek>(file: &mut R) -> Result<Evidence, Error> {
    let bounds = zip::Bounds { length: u64::from(u32::MAX), entries: MAX_ENTRIES };
    let (entries, length) = zip::entries(file, &bounds)?;
    let malformed = |what| Error::ContainerMalformed { what };
    match entries.first() {
        Some(first) if first.name == "mimetype" => {
            return Ok(Evidence { container: (0, length), recipients: Vec::new(), answers: Vec::new() });
        }
        Some(first) if first.name == INDEX => {}
        _ => return Err(malformed("neither an evidence file nor a container")),
    }
    let mut by_name: HashMap<&str, &zip::Entry> = entries.iter().map(|e| (e.name.as_str(), e)).collect();
    let index = by_name.remove(INDEX).ok_or_else(|| malformed("no index"))?;
    let container =
        by_name.remove(CONTAINER).ok_or_else(|| malformed("no container in the evidence file"))?;
    let mut certificates = HashMap::new();
    for entry in &entries {
        let Some(name) = entry.name.strip_prefix("certificates/").and_then(|n| n.strip_suffix(".der")) else {
            continue;
        };
        by_name.remove(entry.name.as_str());
        let der = zip::load(file, entry, crate::MAX_CERTIFICATE as u64)?;
        if hex(&sha256(&der)) != name {
            return Err(Error::DigestMismatch { name: entry.name.clone() });
        }
        certificates.insert(name.to_owned(), Certificate::from_der(&der)?);
    }

    let mut answers = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    for entry in &entries {
        let Some(answer) = status::entry(entry) else { continue };
        by_name.remove(entry.name.as_str());
        if entry.size > status::MAX_ANSWER || answers.len() >= status::MAX_ANSWERS {
            return Err(Error::TooLarge { what: "an authority's answer", limit: status::MAX_ANSWER });
        }
        if zip::stream(file, entry, &mut buffer)? != answer.digest {
            return Err(Error::DigestMismatch { name: entry.name.clone() });
        }
        answers.push(answer);
    }

    let bytes = zip::load(file, index, xml::MAX_XML)?;
    let bad = || malformed("the index of the evidence file");
    let text = core::str::from_utf8(&bytes).map_err(|_| bad())?;
    let document = xml::parse(text).ok_or_else(bad)?;
    let root = document.root_element();
    if xml::attributes(root, NAMESPACE, "evidence", ["version"]) != Some(["1"]) {
        return Err(bad());
    }
    let mut recipients = Vec::new();
    let (mut loaded, mut total) = (HashMap::new(), 0);
    for element in xml::children(root).ok_or_else(bad)? {
        let [code, enc] =
            xml::attributes(element, NAMESPACE, "recipient", ["code", "enc"]).ok_or_else(bad)?;
        let enc = match enc {
            "" => None,
            digest => Some(certificates.get(digest).cloned().ok_or_else(bad)?),
        };
        let mut recipient = Found { code: code.to_owned(), enc, ..Found::default() };
        for part in xml::children(element).ok_or_else(bad)? {
            let kind = part.tag_name().name();
            let [name] = xml::attributes(part, NAMESPACE, kind, ["file"]).ok_or_else(bad)?;
            let der = match loaded.get(name) {
                Some(der) => Rc::clone(der),
                None => {
                    let entry = by_name.get(name).ok_or_else(bad)?;
                    total += entry.size;
                    if total > MAX_RECEIPTS {
                        return Err(Error::TooLarge { what: "all receipts together", limit: MAX_RECEIPTS });
                    }
                    let der: Rc<[u8]> = zip::load(file, entry, receipt::MAX_RECEIPT as u64)?.into();
                    loaded.insert(name, Rc::clone(&der));
                    der
                }
            };
            match kind {
                "registration" => recipient.registration = Some(der),
                "center-receipt" => recipient.center_receipts.push(der),
                "receiver-receipt" => recipient.receiver_receipts.push(der),
                _ => return Err(bad()),
            }
        }
        recipients.push(recipient);
    }
    by_name.retain(|name, _| !loaded.contains_key(name));
    if let Some(name) = by_name.into_keys().next() {
        return Err(Error::UnlistedEntry { name: name.to_owned() });
    }
    Ok(Evidence { container: (container.offset, container.size), recipients, answers })
}

/// A part of a file as a file of its own.
pub(super) struct Section<'a, R> {
    source: &'a mut R,
    start: u64,
    length: u64,
    position: u64,
}

impl<'a, R> Section<'a, R> {
    /// `length` bytes from `start`.
    pub(super) fn new(source: &'a mut R, (start, length): (u64, u64)) -> Self {
        Self { source, start, length, position: 0 }
    }
}

impl<R: Read + Seek> Read for Section<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        self.source.seek(SeekFrom::Start(self.start + self.position))?;
        let n = self.source.read(buffer.get_mut(..want).unwrap_or_default())?;
        self.position += n as u64;
        Ok(n)
    }
}

impl<R: Read + Seek> Seek for Section<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let target = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.length.checked_add_signed(n),
            SeekFrom::Current(n) => self.position.checked_add_signed(n),
        };
        self.position = target
            .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.position)
    }
}
