//! Receipts: signed lists of what happened to a document at the center and at its recipients.
//!
//! One signature covers many lines, so one card operation confirms many documents; yet each party gets only its own.
//! What is signed is the list of SHA-256(salt ‖ line); a receipt carries that list and, of the lines and salts, those
//! that its reader may see.

use crate::directory::same_organisation;
use crate::error::Error;
use crate::key::{Certificate, SigningKey};
use crate::tlv::{self, Der};
use crate::trust::{self, Anchors, Purpose};
use crate::{Digest, digest_of, oid, signed};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::HashSet;

/// What a receipt line says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Verdict {
    /// 系統確認: the center has it.
    Accepted = 0,
    /// 使用者確認: the recipient has archived it.
    Confirmed = 1,
    /// 使用者退文: the recipient returns it.
    Returned = 2,
    /// 誤送通知: it was not meant for the recipient.
    Misdelivered = 3,
}

/// One fact about one document and one recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReceiptLine {
    /// The center's code.
    pub center: String,
    /// Document id.
    pub document: [u8; 16],
    /// 0, then counted up by resending.
    pub round: u32,
    /// The sender's mailbox code.
    pub sender: String,
    /// The recipient's mailbox code.
    pub recipient: String,
    /// SHA-256 of the container's manifest.
    pub manifest: Digest,
    /// SHA-256 of the container's signature file.
    pub signature: Digest,
    /// SHA-256 of the sealed bytes.
    pub sealed: Digest,
    /// What happened.
    pub verdict: Verdict,
    /// Reason label; empty if none.
    pub label: String,
    /// When it arrived (at the center, or at the recipient's node), Unix milliseconds.
    pub arrived: i64,
    /// When it was archived, Unix milliseconds.
    pub archived: Option<i64>,
}

/// The most lines of one signature.
pub const MAX_LINES: usize = 1_000;
/// The longest receipt that is read, bytes.
pub const MAX_RECEIPT: usize = 1024 * 1024;
const MAX_TEXT: usize = 64;
const SALT: usize = 16;
const VERSION: u32 = 1;
const WHAT: &str = "a receipt";

/// Who signs: decides the content type.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Kind {
    /// A center: 系統確認.
    Center,
    /// A recipient: 使用者確認, 使用者退文, 誤送通知.
    Receiver,
}

impl Kind {
    fn content_type(self) -> const_oid::ObjectIdentifier {
        match self {
            Self::Center => oid::CENTER_RECEIPT,
            Self::Receiver => oid::RECEIPT_LIST,
        }
    }

    fn may_say(self, verdict: Verdict) -> bool {
        (self == Self::Center) == (verdict == Verdict::Accepted)
    }
}

/// A signed list, or the part of it that one party may see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt {
    signed: Vec<u8>,
    /// Parallel to `lines`.
    entries: Vec<Salted>,
    lines: Vec<ReceiptLine>,
}

/// A line's bytes, as signed, with its salt.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Salted {
    salt: [u8; SALT],
    line: Vec<u8>,
}

impl Salted {
    fn leaf(&self) -> Digest {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.salt);
        hash.update(&self.line);
        digest_of(hash)
    }
}

/// A receipt that verified.
#[derive(Clone, Debug)]
pub struct VerifiedReceipt {
    /// Its lines.
    pub lines: Vec<ReceiptLine>,
    /// Who signed.
    pub signer: Certificate,
    /// The chain from the signer to the anchor; the signer alone where that is pinned.
    pub chain: Vec<Certificate>,
    /// When the signer claims to have signed, Unix milliseconds.
    pub signing_time: i64,
}

/// Signs all lines of a part by the center's receipt key. `at` (Unix milliseconds) becomes signingTime.
///
/// # Errors
/// [`Error::Key`]; [`Error::Argument`] for no lines, or lines that a center may not say; [`Error::TooLarge`].
pub fn make_center(lines: &[ReceiptLine], key: &dyn SigningKey, at: i64) -> Result<Receipt, Error> {
    make(Kind::Center, lines, key, at)
}

/// Signs many lines in one key operation and gives for each sender code, in order of first appearance, the receipt with
/// only its own lines. `at` (Unix milliseconds) becomes signingTime.
///
/// # Errors
/// As [`make_center`].
pub fn make_receiver(
    lines: &[ReceiptLine],
    key: &dyn SigningKey,
    at: i64,
) -> Result<Vec<(String, Receipt)>, Error> {
    let whole = make(Kind::Receiver, lines, key, at)?;
    let mut senders: Vec<&str> = Vec::new();
    for line in lines {
        if !senders.contains(&line.sender.as_str()) {
            senders.push(&line.sender);
        }
    }
    Ok(senders
        .into_iter()
        .filter_map(|sender| Some((sender.to_owned(), whole.only(|line| line.sender == sender)?)))
        .collect())
}

fn make(kind: Kind, lines: &[ReceiptLine], key: &dyn SigningKey, at: i64) -> Result<Receipt, Error> {
    if lines.is_empty() || !lines.iter().all(|line| kind.may_say(line.verdict)) {
        return Err(Error::Argument { what: "no receipt lines, or a verdict of the other side" });
    }
    if lines.len() > MAX_LINES {
        return Err(Error::TooLarge { what: "the number of receipt lines", limit: MAX_LINES as u64 });
    }
    let entries = lines
        .iter()
        .map(|line| {
            let mut salt = [0; SALT];
            aws_lc_rs::rand::fill(&mut salt).map_err(|_| Error::Random)?;
            Ok(Salted { salt, line: write_line(line)? })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let leaves: Vec<u8> =
        entries.iter().flat_map(|e| tlv::element(tlv::OCTET_STRING, &[&e.leaf()])).collect();
    let content = tlv::element(tlv::SEQUENCE, &[&leaves]);
    let signed = signed::sign_attached(key, kind.content_type(), &content, &[], at)?;
    Ok(Receipt { signed, entries, lines: lines.to_vec() })
}

impl Receipt {
    /// Reads a receipt of at most [`MAX_RECEIPT`] bytes. The lines can be looked at, but mean nothing before
    /// [`Receipt::verify`].
    ///
    /// # Errors
    /// [`Error::NotDer`], [`Error::BadValue`], [`Error::TooLarge`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        if der.len() > MAX_RECEIPT {
            return Err(Error::TooLarge { what: "a receipt", limit: MAX_RECEIPT as u64 });
        }
        let mut fields = Der::only(der, tlv::SEQUENCE, WHAT)?;
        let signed = fields.octets()?.to_vec();
        let mut list = fields.inside(tlv::SEQUENCE)?;
        fields.end()?;
        let (mut entries, mut lines) = (Vec::new(), Vec::new());
        while !list.is_empty() {
            if entries.len() >= MAX_LINES {
                return Err(Error::TooLarge { what: "the number of receipt lines", limit: MAX_LINES as u64 });
            }
            let mut entry = list.inside(tlv::SEQUENCE)?;
            let salt = entry.octets()?.try_into().map_err(|_| Error::NotDer { what: WHAT })?;
            let line = entry.octets()?;
            entry.end()?;
            lines.push(read_line(line)?);
            entries.push(Salted { salt, line: line.to_vec() });
        }
        if entries.is_empty() {
            return Err(Error::BadValue { what: "a receipt without lines" });
        }
        Ok(Self { signed, entries, lines })
    }

    /// The bytes.
    pub fn to_der(&self) -> Vec<u8> {
        let entries: Vec<u8> = self
            .entries
            .iter()
            .flat_map(|entry| {
                let salt = tlv::element(tlv::OCTET_STRING, &[&entry.salt]);
                tlv::element(tlv::SEQUENCE, &[&salt, &tlv::element(tlv::OCTET_STRING, &[&entry.line])])
            })
            .collect();
        let signed = tlv::element(tlv::OCTET_STRING, &[&self.signed]);
        tlv::element(tlv::SEQUENCE, &[&signed, &tlv::element(tlv::SEQUENCE, &[&entries])])
    }

    /// The lines, unverified.
    pub fn lines(&self) -> &[ReceiptLine] {
        &self.lines
    }

    /// Only the lines of one recipient, under the same signature; `None` if there are none.
    pub fn reduced_to(&self, recipient: &str) -> Option<Self> {
        self.only(|line| line.recipient == recipient)
    }

    /// The same from bytes to bytes, for a receipt of our own: the lines of others are passed over, not read.
    ///
    /// # Errors
    /// As [`Receipt::from_der`], as far as it is read.
    pub fn reduce(der: &[u8], recipient: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut fields = Der::only(der, tlv::SEQUENCE, WHAT)?;
        let signed = fields.expect(tlv::OCTET_STRING)?;
        let mut list = fields.inside(tlv::SEQUENCE)?;
        fields.end()?;
        let mut kept = Vec::new();
        while !list.is_empty() {
            let entry = list.expect(tlv::SEQUENCE)?;
            let mut inner = Der::new(entry.value, WHAT);
            inner.octets()?;
            let mut line = Der::only(inner.octets()?, tlv::SEQUENCE, WHAT)?;
            // version, center, document, round, sender
            for _ in 0..5 {
                line.next()?;
            }
            if line.text()? == recipient {
                kept.extend_from_slice(entry.raw);
            }
        }
        let whole = || tlv::element(tlv::SEQUENCE, &[signed.raw, &tlv::element(tlv::SEQUENCE, &[&kept])]);
        Ok(if kept.is_empty() { None } else { Some(whole()) })
    }

    fn only(&self, wanted: impl Fn(&ReceiptLine) -> bool) -> Option<Self> {
        let kept = || self.lines.iter().zip(&self.entries).filter(|(line, _)| wanted(line));
        let lines: Vec<_> = kept().map(|(line, _)| line.clone()).collect();
        let entries = kept().map(|(_, entry)| entry.clone()).collect();
        if lines.is_empty() { None } else { Some(Self { signed: self.signed.clone(), entries, lines }) }
    }

    /// Verifies signature, content type of `kind`, every line, and the signer's chain at the time `at` (Unix
    /// milliseconds).
    ///
    /// # Errors
    /// [`Error::ReceiptContradiction`] for a line that was not signed or that `kind` may not say; else as
    /// [`signed::check_attached`] and [`trust::chain`].
    pub fn verify(&self, kind: Kind, anchors: &Anchors, at: i64) -> Result<VerifiedReceipt, Error> {
        let checked = self.check(kind)?;
        let chain = checked.trusted(anchors, at)?;
        Ok(self.verified(checked, chain))
    }

    /// As [`Receipt::verify`], for a signer that is pinned itself (the center's receipt certificate): no chain.
    ///
    /// # Errors
    /// As [`Receipt::verify`]; [`Error::WrongSigner`].
    pub fn verify_pinned(&self, kind: Kind, signer: &Certificate, at: i64) -> Result<VerifiedReceipt, Error> {
        let checked = self.check(kind)?;
        if checked.signer != *signer {
            return Err(Error::WrongSigner { found: checked.signer.subject().to_owned() });
        }
        if !trust::fits(signer, Purpose::Sign) {
            return Err(Error::WrongUsage { subject: signer.subject().to_owned() });
        }
        trust::valid_at(signer, at)?;
        Ok(self.verified(checked, vec![signer.clone()]))
    }

    /// The signer's certificate and those that travelled along; the signer's standing is not judged.
    ///
    /// # Errors
    /// As [`Receipt::verify`], but for the chain.
    pub fn certificates(&self, kind: Kind) -> Result<Vec<Certificate>, Error> {
        let checked = self.check(kind)?;
        Ok(std::iter::once(checked.signer).chain(checked.certificates).collect())
    }

    /// Everything but the signer's standing.
    fn check(&self, kind: Kind) -> Result<signed::Checked, Error> {
        let checked = signed::check_attached(&self.signed, kind.content_type(), MAX_RECEIPT)?;
        let contradiction = |what| Error::ReceiptContradiction { what };
        let mut list = Der::only(&checked.content, tlv::SEQUENCE, WHAT)?;
        let mut leaves = HashSet::new();
        while !list.is_empty() {
            if leaves.len() >= MAX_LINES {
                return Err(Error::TooLarge { what: "the number of receipt lines", limit: MAX_LINES as u64 });
            }
            if !leaves.insert(list.digest()?) {
                return Err(contradiction("a line was signed twice"));
            }
        }
        for (entry, line) in self.entries.iter().zip(&self.lines) {
            // Taken out, so that a line cannot be shown twice.
            if !leaves.remove(&entry.leaf()) {
                return Err(contradiction("a line that was not signed"));
            }
            if !kind.may_say(line.verdict) {
                return Err(contradiction("a verdict that this signer may not give"));
            }
        }
        Ok(checked)
    }

    fn verified(&self, checked: signed::Checked, chain: Vec<Certificate>) -> VerifiedReceipt {
        VerifiedReceipt {
            lines: self.lines.clone(),
            signer: checked.signer,
            chain,
            signing_time: checked.signing_time,
        }
    }
}

impl VerifiedReceipt {
    /// Demands that the signer is of the organisation that `expected` belongs to: the certificate that was sealed to.
    /// By organisation OID and name where both have an OID, else by the whole subject.
    ///
    /// # Errors
    /// [`Error::WrongSigner`].
    pub fn signed_by_organisation_of(&self, expected: &Certificate) -> Result<(), Error> {
        if same_organisation(&self.signer, expected) {
            Ok(())
        } else {
            Err(Error::WrongSigner { found: self.signer.subject().to_owned() })
        }
    }
}

/// Demands that a receipt's line speaks of what was sent: center, document, round, sender, recipient and the three
/// digests of `sent`; its verdict, label and times are not looked at.
///
/// # Errors
/// [`Error::ReceiptContradiction`] naming the first difference.
pub fn compare(line: &ReceiptLine, sent: &ReceiptLine) -> Result<(), Error> {
    let differences = [
        (line.center == sent.center, "another center"),
        (line.document == sent.document, "another document"),
        (line.round == sent.round, "another round"),
        (line.sender == sent.sender, "another sender"),
        (line.recipient == sent.recipient, "another recipient"),
        (line.manifest == sent.manifest, "another manifest"),
        (line.signature == sent.signature, "another signature"),
        (line.sealed == sent.sealed, "other sealed bytes"),
    ];
    match differences.iter().find(|(same, _)| !same) {
        Some((_, what)) => Err(Error::ReceiptContradiction { what }),
        None => Ok(()),
    }
}

fn write_line(line: &ReceiptLine) -> Result<Vec<u8>, Error> {
    let texts = [&line.center, &line.sender, &line.recipient, &line.label];
    if texts.iter().any(|text| text.len() > MAX_TEXT) {
        return Err(Error::Argument { what: "a code or label that is too long" });
    }
    let text = |text: &str| tlv::element(tlv::UTF8_STRING, &[text.as_bytes()]);
    let time = |at: i64| {
        let millis = u64::try_from(at).map_err(|_| Error::Argument { what: "a time before 1970" })?;
        Ok::<_, Error>(tlv::unsigned(tlv::INTEGER, millis))
    };
    Ok(tlv::element(
        tlv::SEQUENCE,
        &[
            &tlv::unsigned(tlv::INTEGER, VERSION.into()),
            &text(&line.center),
            &tlv::element(tlv::OCTET_STRING, &[&line.document]),
            &tlv::unsigned(tlv::INTEGER, line.round.into()),
            &text(&line.sender),
            &text(&line.recipient),
            &tlv::element(tlv::OCTET_STRING, &[&line.manifest]),
            &tlv::element(tlv::OCTET_STRING, &[&line.signature]),
            &tlv::element(tlv::OCTET_STRING, &[&line.sealed]),
            &tlv::unsigned(tlv::ENUMERATED, line.verdict as u64),
            &text(&line.label),
            &time(line.arrived)?,
            &line.archived.map(time).transpose()?.unwrap_or_default(),
        ],
    ))
}

fn read_line(bytes: &[u8]) -> Result<ReceiptLine, Error> {
    let mut fields = Der::only(bytes, tlv::SEQUENCE, "a receipt line")?;
    if fields.small()? != VERSION {
        return Err(Error::BadValue { what: "the version of a receipt line" });
    }
    let line = ReceiptLine {
        center: fields.text()?.to_owned(),
        document: fields.octets()?.try_into().map_err(|_| Error::NotDer { what: WHAT })?,
        round: fields.small()?,
        sender: fields.text()?.to_owned(),
        recipient: fields.text()?.to_owned(),
        manifest: fields.digest()?,
        signature: fields.digest()?,
        sealed: fields.digest()?,
        verdict: match fields.unsigned(tlv::ENUMERATED)? {
            0 => Verdict::Accepted,
            1 => Verdict::Confirmed,
            2 => Verdict::Returned,
            3 => Verdict::Misdelivered,
            _ => return Err(Error::BadValue { what: "a receipt's verdict" }),
        },
        label: fields.text()?.to_owned(),
        arrived: fields.unsigned(tlv::INTEGER)?,
        archived: if fields.is_empty() { None } else { Some(fields.unsigned(tlv::INTEGER)?) },
    };
    fields.end()?;
    if [&line.center, &line.sender, &line.recipient, &line.label].iter().any(|text| text.len() > MAX_TEXT) {
        return Err(Error::BadValue { what: "a code or label of a receipt line" });
    }
    Ok(line)
}
