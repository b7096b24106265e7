//! The evidence file: container, receipts and certificates of one document, checkable offline.
//!
//! A ZIP of stored entries: `index.xml` first, `container.asice` as it was signed, `receipts/NNN.der`,
//! `registrations/NNN.der` and `certificates/SHA256.der`. The index says which recipient each belongs to; it is not
//! signed and proves nothing: every link is checked by what is signed.

use crate::container::{self, Exchange, Limits, StoredFile};
use crate::error::Error;
use crate::key::Certificate;
use crate::receipt::{Kind, Receipt, ReceiptLine, Verdict};
use crate::trust::Anchors;
use crate::{directory, hex, receipt, sha256, xml, zip};
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom, Write};

/// One recipient's part of the evidence.
#[derive(Clone, Debug, Default)]
pub struct RecipientEvidence {
    /// Mailbox code.
    pub code: String,
    /// The encryption certificate that was sealed to.
    pub enc: Option<Certificate>,
    /// The directory registration that was relied on, as stored.
    pub registration: Option<Vec<u8>>,
    /// The center's receipts (DER), in the order of rounds.
    pub center_receipts: Vec<Vec<u8>>,
    /// The receiver's receipts (DER), in the order they came.
    pub receiver_receipts: Vec<Vec<u8>>,
}

/// ✓, ✗ or ?.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Mark {
    /// Holds.
    Yes,
    /// Does not hold.
    No,
    /// Cannot be told from what is there.
    Unknown,
}

/// Which link of the chain of evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Step {
    /// The file itself can be read.
    File,
    /// Container: manifest, digests, exchange.xml.
    Container,
    /// The sender's signature.
    Signature,
    /// The sender's certificate chain at the time relied on.
    SenderChain,
    /// The recipient's directory registration.
    Registration,
    /// The center's receipt.
    CenterReceipt,
    /// The recipient's receipt.
    ReceiverReceipt,
    /// Whether certificates were revoked: no CRL or OCSP answer is in the file.
    Revocation,
}

/// One link.
#[derive(Clone, Debug)]
pub struct Link {
    /// Which.
    pub step: Step,
    /// The recipient's mailbox code, for links of one recipient.
    pub recipient: Option<String>,
    /// The mark.
    pub mark: Mark,
    /// Label of the reason when the mark is not ✓, else empty; all are in [`crate::LABELS`].
    pub label: &'static str,
    /// Who or what (subject of the signer), or the error in English.
    pub detail: String,
    /// What a receipt says.
    pub verdict: Option<Verdict>,
    /// A time that belongs to the link (signing, acceptance), Unix milliseconds.
    pub at: Option<i64>,
}

/// Which time the certificates were judged at.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum TimeSource {
    /// Arrival time in a verified center receipt.
    CenterReceipt,
    /// The signing time that the sender claims.
    SenderClaim,
}

/// The result of [`verify`].
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// All links, in order.
    pub links: Vec<Link>,
    /// What the container says, if it could be read.
    pub exchange: Option<Exchange>,
    /// The files, if the container could be read.
    pub files: Vec<StoredFile>,
    /// The time relied on, Unix milliseconds, and where it is from.
    pub relied_on: Option<(i64, TimeSource)>,
}

impl Report {
    /// No link is ✗, and container, signature and the sender's chain are ✓.
    pub fn holds(&self) -> bool {
        let yes = |step| self.links.iter().any(|link| link.step == step && link.mark == Mark::Yes);
        self.links.iter().all(|link| link.mark != Mark::No)
            && [Step::Container, Step::Signature, Step::SenderChain].into_iter().all(yes)
    }

    fn add(&mut self, step: Step, recipient: Option<&str>, result: Result<Found, Missing>) {
        let recipient = recipient.map(str::to_owned);
        self.links.push(match result {
            Ok(found) => Link {
                step,
                recipient,
                mark: Mark::Yes,
                label: "",
                detail: found.detail,
                verdict: found.verdict,
                at: found.at,
            },
            Err(missing) => {
                let (mark, label, detail) = match missing {
                    Missing::Wrong(e) => (Mark::No, e.label(), e.to_string()),
                    Missing::Unknown(label) => (Mark::Unknown, label, String::new()),
                };
                Link { step, recipient, mark, label, detail, verdict: None, at: None }
            }
        });
    }
}

/// What a link that holds has to tell.
#[derive(Default)]
struct Found {
    detail: String,
    verdict: Option<Verdict>,
    at: Option<i64>,
}

/// Why a link does not hold.
enum Missing {
    Wrong(Error),
    Unknown(&'static str),
}

impl From<Error> for Missing {
    fn from(e: Error) -> Self {
        Self::Wrong(e)
    }
}

/// What is trusted when evidence is checked.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// For members.
    pub anchors: Anchors,
    /// For registrars; without any, registrations are `?`.
    pub registrars: Anchors,
    /// Receipt certificates of centers, pinned; without any, center receipts are `?`.
    pub centers: Vec<Certificate>,
}

const INDEX: &str = "index.xml";
const CONTAINER: &str = "container.asice";
const NAMESPACE: &str = "urn:di-exchange:1";
/// The most entries of an evidence file: several receipts for each of many recipients.
const MAX_ENTRIES: usize = 20_000;

/// Writes an evidence file around a container of `container_len` bytes. `certificates` are those used beside the ones
/// that the signatures carry themselves.
///
/// # Errors
/// [`Error::FileChanged`] when the container has another length, [`Error::TooLarge`], [`Error::Argument`],
/// [`Error::Io`].
pub fn write(
    out: impl Write,
    mut container: impl Read + Seek,
    container_len: u64,
    recipients: &[RecipientEvidence],
    certificates: &[Certificate],
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
    writer.finish()?;
    Ok(())
}

/// Checks an evidence file, or a bare container (`.asice`). What is wrong with them is in the report.
///
/// # Errors
/// [`Error::Io`] only.
pub fn verify<R: Read + Seek>(file: &mut R, trust: &Trust) -> Result<Report, Error> {
    let mut report = Report::default();
    let opened = match open(file) {
        Ok(opened) => opened,
        Err(e @ Error::Io(_)) => return Err(e),
        Err(e) => {
            report.add(Step::File, None, Err(e.into()));
            return Ok(report);
        }
    };
    report.add(Step::File, None, Ok(Found::default()));

    let mut section =
        Section { source: file, start: opened.container.0, length: opened.container.1, position: 0 };
    let checked = match container::check(&mut section, &Limits::default()) {
        Ok(checked) => checked,
        Err(e @ Error::Io(_)) => return Err(e),
        Err(e) => {
            report.add(Step::Container, None, Err(e.into()));
            report.add(Step::Signature, None, Err(Missing::Unknown("not-examined")));
            return Ok(report);
        }
    };
    let signer = &checked.signed.signer;
    report.add(Step::Container, None, Ok(Found::default()));
    let signed_at = Some(checked.signed.signing_time);
    let signature = Found { detail: signer.subject().to_owned(), verdict: None, at: signed_at };
    report.add(Step::Signature, None, Ok(signature));

    // The center's receipts first: they give the time at which everything else is judged.
    let examined = Examined { checked: &checked, trust };
    let mut center_links = Vec::new();
    let mut times = Vec::new();
    let none = RecipientEvidence::default();
    for addressee in &checked.exchange.recipients {
        let evidence = opened.recipients.iter().find(|r| r.code == addressee.code).unwrap_or(&none);
        if evidence.center_receipts.is_empty() {
            center_links.push((addressee, Err(Missing::Unknown("receipt-missing"))));
        }
        for der in &evidence.center_receipts {
            let link = examined.center(der, &addressee.code);
            if let Ok((_, found)) = &link {
                times.extend(found.at);
            }
            center_links.push((addressee, link));
        }
    }
    let accepted = times.into_iter().min();
    let (at, source) = accepted
        .map_or((checked.signed.signing_time, TimeSource::SenderClaim), |at| (at, TimeSource::CenterReceipt));
    report.relied_on = Some((at, source));
    let chain = checked.signed.trusted(&trust.anchors, at).map_err(Missing::from).map(|chain| Found {
        detail: chain.last().map(|anchor| anchor.subject().to_owned()).unwrap_or_default(),
        verdict: None,
        at: Some(at),
    });
    report.add(Step::SenderChain, None, chain);

    for addressee in &checked.exchange.recipients {
        let code = addressee.code.as_str();
        let evidence = opened.recipients.iter().find(|r| r.code == addressee.code).unwrap_or(&none);
        let mut enc = evidence.enc.clone();
        if let Some(registration) = &evidence.registration {
            let link = examined.registration(registration, code, enc.as_ref(), at);
            if let Ok((_, entry)) = &link {
                enc = Some(entry.clone());
            }
            report.add(Step::Registration, Some(code), link.map(|(found, _)| found));
        }
        let mut sealed = Vec::new();
        for (_, link) in center_links.extract_if(.., |(a, _)| a.code == code) {
            let link = link.map(|(line, found)| {
                sealed.push((line.round, line.sealed));
                found
            });
            report.add(Step::CenterReceipt, Some(code), link);
        }
        if evidence.receiver_receipts.is_empty() {
            report.add(Step::ReceiverReceipt, Some(code), Err(Missing::Unknown("receipt-missing")));
        }
        for der in &evidence.receiver_receipts {
            let link = examined.receiver(der, code, enc.as_ref(), &sealed);
            report.add(Step::ReceiverReceipt, Some(code), link);
        }
    }
    report.add(Step::Revocation, None, Err(Missing::Unknown("revocation-unknown")));
    report.exchange = Some(checked.exchange);
    report.files = checked.files;
    Ok(report)
}

/// The container that was checked, and what is trusted.
struct Examined<'a> {
    checked: &'a container::Checked,
    trust: &'a Trust,
}

impl Examined<'_> {
    /// The line about this document and recipient.
    fn line<'r>(&self, receipt: &'r Receipt, code: &str) -> Result<&'r ReceiptLine, Error> {
        let line = receipt
            .lines()
            .iter()
            .find(|line| line.recipient == code && line.document == self.checked.exchange.document)
            .ok_or(Error::ReceiptContradiction { what: "no line about this document and recipient" })?;
        let sent = ReceiptLine {
            sender: self.checked.exchange.sender.clone(),
            manifest: self.checked.manifest,
            signature: self.checked.signature,
            ..line.clone()
        };
        receipt::compare(line, &sent)?;
        Ok(line)
    }

    fn center(&self, der: &[u8], code: &str) -> Result<(ReceiptLine, Found), Missing> {
        let receipt = Receipt::from_der(der)?;
        let line = self.line(&receipt, code)?;
        if self.trust.centers.is_empty() {
            return Err(Missing::Unknown("anchor-missing"));
        }
        let mut result = Err(Error::Untrusted { subject: String::new() });
        for center in &self.trust.centers {
            result = receipt.verify_pinned(Kind::Center, center, line.arrived);
            if result.is_ok() {
                break;
            }
        }
        let detail = result?.signer.subject().to_owned();
        Ok((line.clone(), Found { detail, verdict: Some(line.verdict), at: Some(line.arrived) }))
    }

    fn receiver(
        &self,
        der: &[u8],
        code: &str,
        enc: Option<&Certificate>,
        sealed: &[(u32, crate::Digest)],
    ) -> Result<Found, Missing> {
        let receipt = Receipt::from_der(der)?;
        let line = self.line(&receipt, code)?;
        if sealed.iter().any(|(round, digest)| *round == line.round && *digest != line.sealed) {
            return Err(
                Error::ReceiptContradiction { what: "other sealed bytes than the center accepted" }.into()
            );
        }
        let at = line.archived.unwrap_or(line.arrived);
        let verified = receipt.verify(Kind::Receiver, &self.trust.anchors, at)?;
        let enc = enc.ok_or(Missing::Unknown("certificate-missing"))?;
        verified.signed_by_organisation_of(enc)?;
        let mut detail = verified.signer.subject().to_owned();
        if !line.label.is_empty() {
            detail = format!("{detail}: {}", line.label);
        }
        Ok(Found { detail, verdict: Some(line.verdict), at: Some(at) })
    }

    fn registration(
        &self,
        der: &[u8],
        code: &str,
        enc: Option<&Certificate>,
        at: i64,
    ) -> Result<(Found, Certificate), Missing> {
        if self.trust.registrars.certificates().is_empty() {
            return Err(Missing::Unknown("anchor-missing"));
        }
        let entry = directory::verify(der, &self.trust.registrars, &self.trust.anchors, at)?;
        if entry.code != code {
            return Err(Error::EntryContradiction { what: "it is another recipient's" }.into());
        }
        if enc.is_some_and(|enc| *enc != entry.enc) {
            return Err(Error::EntryContradiction {
                what: "another encryption certificate than was sealed to",
            }
            .into());
        }
        Ok((Found { detail: entry.name, verdict: None, at: None }, entry.enc))
    }
}

/// What lies in an evidence file; the container as offset and length.
struct Evidence {
    container: (u64, u64),
    recipients: Vec<RecipientEvidence>,
}

fn open<R: Read + Seek>(file: &mut R) -> Result<Evidence, Error> {
    let bounds = zip::Bounds { length: u64::from(u32::MAX), entries: MAX_ENTRIES };
    let (entries, length) = zip::entries(file, &bounds)?;
    let malformed = |what| Error::ContainerMalformed { what };
    match entries.first() {
        Some(first) if first.name == "mimetype" => {
            return Ok(Evidence { container: (0, length), recipients: Vec::new() });
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

    let bytes = zip::load(file, index, xml::MAX_XML)?;
    let bad = || malformed("the index of the evidence file");
    let text = core::str::from_utf8(&bytes).map_err(|_| bad())?;
    let document = xml::parse(text).ok_or_else(bad)?;
    let root = document.root_element();
    if xml::attributes(root, NAMESPACE, "evidence", ["version"]) != Some(["1"]) {
        return Err(bad());
    }
    let mut recipients = Vec::new();
    let mut used = Vec::new();
    for element in xml::children(root).ok_or_else(bad)? {
        let [code, enc] =
            xml::attributes(element, NAMESPACE, "recipient", ["code", "enc"]).ok_or_else(bad)?;
        let enc = match enc {
            "" => None,
            digest => Some(certificates.get(digest).cloned().ok_or_else(bad)?),
        };
        let mut recipient = RecipientEvidence { code: code.to_owned(), enc, ..RecipientEvidence::default() };
        for part in xml::children(element).ok_or_else(bad)? {
            let kind = part.tag_name().name();
            let [name] = xml::attributes(part, NAMESPACE, kind, ["file"]).ok_or_else(bad)?;
            let entry = by_name.get(name).ok_or_else(bad)?;
            used.push(name);
            let der = zip::load(file, entry, receipt::MAX_RECEIPT as u64)?;
            match kind {
                "registration" => recipient.registration = Some(der),
                "center-receipt" => recipient.center_receipts.push(der),
                "receiver-receipt" => recipient.receiver_receipts.push(der),
                _ => return Err(bad()),
            }
        }
        recipients.push(recipient);
    }
    used.iter().for_each(|name| {
        by_name.remove(name);
    });
    if let Some(name) = by_name.into_keys().next() {
        return Err(Error::UnlistedEntry { name: name.to_owned() });
    }
    Ok(Evidence { container: (container.offset, container.size), recipients })
}

/// A part of a file as a file of its own.
struct Section<'a, R> {
    source: &'a mut R,
    start: u64,
    length: u64,
    position: u64,
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
