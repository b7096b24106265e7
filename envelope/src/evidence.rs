//! The evidence file: container, receipts and certificates of one document, checkable offline.
//!
//! A ZIP of stored entries: `index.xml` first, `container.asice` as it was signed, `receipts/NNN.der`,
//! `registrations/NNN.der`, `certificates/SHA256.der`, and the authorities' answers `status/SHA256.crl` and `.ocsp`. The index says which recipient each belongs to; it is not
//! signed and proves nothing: every link is checked by what is signed.

mod file;
mod status;

pub use file::write;

use crate::container::{self, Exchange, Limits, StoredFile};
use crate::error::Error;
use crate::key::Certificate;
use crate::receipt::{Kind, Receipt, ReceiptLine, Verdict};
use crate::trust::Anchors;
use crate::{directory, receipt};
use file::Section;
use status::Question;
use std::io::{Read, Seek};

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
    /// Whether certificates were revoked, by the CRLs and OCSP answers in the file: of the sender at the time relied on,
    /// and of each receipt's signer at the time of the receipt.
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
    /// The chain that was found, where one was looked for.
    chain: Vec<Certificate>,
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

/// Checks an evidence file, or a bare container (`.asice`). What is wrong with them is in the report.
///
/// # Errors
/// [`Error::Io`] only.
pub fn verify<R: Read + Seek>(file: &mut R, trust: &Trust) -> Result<Report, Error> {
    let mut report = Report::default();
    let opened = match file::open(file) {
        Ok(opened) => opened,
        Err(e @ Error::Io(_)) => return Err(e),
        Err(e) => {
            report.add(Step::File, None, Err(e.into()));
            return Ok(report);
        }
    };
    report.add(Step::File, None, Ok(Found::default()));

    let mut section = Section::new(file, opened.container);
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
    let signature = Found { detail: signer.subject().to_owned(), at: signed_at, ..Found::default() };
    report.add(Step::Signature, None, Ok(signature));

    // The center's receipts first: they give the time at which everything else is judged.
    let examined = Examined { checked: &checked, trust };
    let mut center_links = Vec::new();
    let mut times = Vec::new();
    let none = file::Found::default();
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
        chain,
    });
    let found = chain.as_ref().map(|found| found.chain.clone()).unwrap_or_default();
    let mut questions = vec![Question { recipient: None, chain: found, at }];
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
        } else if !evidence.receiver_receipts.is_empty() {
            // The index alone says whose the encryption certificate is, and the index is not signed.
            report.add(Step::Registration, Some(code), Err(Missing::Unknown("certificate-missing")));
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
            if let Ok(Found { chain, at: Some(at), .. }) = &link {
                let recipient = Some(code.to_owned());
                questions.push(Question { recipient, chain: chain.clone(), at: *at });
            }
            report.add(Step::ReceiverReceipt, Some(code), link);
        }
    }
    status::judge_all(file, &opened.answers, &questions, &mut report)?;
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
        let (verdict, at) = (Some(line.verdict), Some(line.arrived));
        Ok((line.clone(), Found { detail, verdict, at, ..Found::default() }))
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
        Ok(Found { detail, verdict: Some(line.verdict), at: Some(at), chain: verified.chain })
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
        Ok((Found { detail: entry.name, ..Found::default() }, entry.enc))
    }
}
