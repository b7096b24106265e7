//! Certificate revocation lists (RFC 5280 §5), read as a stream: memory does not grow with the list.
//!
//! One pass hashes what is signed, looks for the serial numbers that are asked for, and verifies the signature at the
//! end; nothing is believed before that. What is held at a time is one entry (at most [`MAX_ENTRY`] bytes), the fields
//! around the entries (at most 64 kB) and what was found.
//!
//! Refused: delta and indirect CRLs, those for some reasons only, and any unknown critical extension, of the list or of
//! an entry. Partitioned lists are accepted for the certificates that name the same distribution point.

mod source;

use crate::certificate::addresses;
use crate::error::{AnswerFault, Error};
use crate::key::Certificate;
use crate::status::{Finding, Kind, Status};
use crate::tlv::{self, Der};
use crate::{Digest, oid, time};
use const_oid::ObjectIdentifier;
use source::Source;
use std::collections::HashMap;
use std::io::Read;

/// The longest entry that is read, bytes.
pub const MAX_ENTRY: usize = 4 * 1024;
/// How far ahead of our clock an answer may have been issued, milliseconds.
pub const MAX_SKEW: i64 = 5 * 60_000;
/// Issuer name, extensions and the like.
const MAX_FIELD: usize = 64 * 1024;
/// cRLNumber has at most 20 octets (RFC 5280 §5.2.3); one more for the sign.
const MAX_NUMBER: usize = 21;
const FAULT: Error = Error::Answer(AnswerFault::CrlMalformed);
const WHAT: &str = "a CRL";

const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const ISSUER_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.18");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const REASON_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");

/// A list whose signature verified.
#[derive(Clone, Debug)]
pub struct Crl {
    /// SHA-256 of all bytes.
    pub sha256: Digest,
    /// Length in bytes.
    pub length: u64,
    /// thisUpdate, Unix milliseconds.
    pub this_update: i64,
    /// nextUpdate, Unix milliseconds.
    pub next_update: i64,
    /// cRLNumber: its value bytes without leading zeros; `None` if the list has none.
    pub number: Option<Vec<u8>>,
    /// How many certificates it lists.
    pub entries: u64,
    /// Which of the issuers given signed it.
    pub signer: Certificate,
    scope: Scope,
    scope_digest: Digest,
    found: HashMap<Vec<u8>, Status>,
}

/// Which certificates a list speaks of (issuingDistributionPoint, RFC 5280 §5.2.5).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Scope {
    /// DER of the names of its distribution point; `None`: not partitioned.
    names: Option<Vec<Vec<u8>>>,
    users_only: bool,
    cas_only: bool,
    attributes_only: bool,
}

/// Reads a list of at most `limit` bytes, signed by one of `issuers`, and looks for the certificates with the serial
/// numbers `wanted` (as [`Certificate::serial`] gives them).
///
/// # Errors
/// [`Error::Answer`] with the reason; [`Error::WeakKey`] for an algorithm below SHA-256 with RSA; [`Error::Io`].
pub fn read<'a>(
    source: impl Read,
    limit: u64,
    issuers: &[Certificate],
    wanted: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Crl, Error> {
    let mut wanted: HashMap<Vec<u8>, Status> =
        wanted.into_iter().map(|serial| (normal(serial).to_vec(), Status::Good)).collect();
    let mut source = Source::new(source, limit);
    source.open(tlv::SEQUENCE)?;
    let end = source.end()?;
    source.begin_signed();
    source.open(tlv::SEQUENCE)?;
    let tbs_end = source.end()?;
    if tbs_end > end {
        return Err(FAULT);
    }
    let mut field = Vec::new();
    // version: 1 where there are extensions, and without extensions there is nothing that we could use.
    source.element(&mut field, MAX_NUMBER)?;
    if field != [tlv::INTEGER, 1, 1] {
        return Err(FAULT);
    }
    source.element(&mut field, MAX_FIELD)?;
    let inner_algorithm = field.clone();
    let algorithm = Der::only(&field, tlv::SEQUENCE, WHAT).and_then(|mut a| a.oid()).map_err(malformed)?;
    source.hash_signed(algorithm)?;
    source.element(&mut field, MAX_FIELD)?;
    let issuer = field.clone();
    let this_update = read_time(&mut source, &mut field)?;
    let next_update = read_time(&mut source, &mut field)?;

    let mut entries = 0;
    let mut extensions = None;
    while source.position() < tbs_end {
        match source.peek()? {
            tlv::SEQUENCE if entries == 0 && extensions.is_none() => {
                source.open(tlv::SEQUENCE)?;
                let list_end = source.end()?;
                if list_end > tbs_end {
                    return Err(FAULT);
                }
                while source.position() < list_end {
                    source.element(&mut field, MAX_ENTRY)?;
                    entries += 1;
                    entry(&field, &mut wanted)?;
                }
                if source.position() != list_end || entries == 0 {
                    return Err(FAULT);
                }
            }
            tlv::CONTEXT_0 if extensions.is_none() => {
                source.element(&mut field, MAX_FIELD)?;
                extensions = Some(read_extensions(&field)?);
            }
            _ => return Err(FAULT),
        }
    }
    if source.position() != tbs_end {
        return Err(FAULT);
    }
    let digest = source.end_signed()?;
    source.element(&mut field, MAX_FIELD)?;
    if field != inner_algorithm {
        return Err(FAULT);
    }
    source.element(&mut field, MAX_FIELD)?;
    if source.position() != end {
        return Err(FAULT);
    }
    let (sha256, length) = source.finish()?;
    let mut bits = Der::new(&field, WHAT);
    let [0, signature @ ..] = bits.expect(BIT_STRING).map_err(malformed)?.value else { return Err(FAULT) };
    let extensions = extensions.unwrap_or_default();
    let signer = signed_by(issuers, &issuer, extensions.aki.as_deref(), algorithm, &digest, signature)?;
    Ok(Crl {
        sha256,
        length,
        this_update,
        next_update,
        number: extensions.number,
        entries,
        signer,
        scope: extensions.scope,
        scope_digest: extensions.scope_digest,
        found: wanted,
    })
}

const BIT_STRING: u8 = 0x03;

impl Crl {
    /// What it says of a certificate whose serial number was asked for.
    ///
    /// # Errors
    /// [`AnswerFault::OutOfScope`], also for a certificate that was not asked for.
    pub fn finding(&self, certificate: &Certificate) -> Result<Finding, Error> {
        let out = Error::Answer(AnswerFault::OutOfScope);
        if certificate.issuer_der() != self.signer.subject_der() || !self.scope.covers(certificate) {
            return Err(out);
        }
        let status = *self.found.get(normal(certificate.serial())).ok_or(out)?;
        Ok(Finding {
            status,
            kind: Kind::Crl,
            answer: self.sha256,
            this_update: self.this_update,
            next_update: self.next_update,
        })
    }

    /// What it says of a serial number that was asked for, where the caller knows that it covers the certificate.
    pub fn status(&self, serial: &[u8]) -> Option<Status> {
        self.found.get(normal(serial)).copied()
    }

    /// Two lists with the same value speak of the same certificates.
    pub const fn scope_digest(&self) -> Digest {
        self.scope_digest
    }

    /// Whether it may replace an older list of the same place: neither number nor date goes back.
    ///
    /// # Errors
    /// [`AnswerFault::SetBack`].
    pub fn follows(&self, number: Option<&[u8]>, this_update: i64) -> Result<(), Error> {
        let lower = match (&self.number, number) {
            (Some(new), Some(old)) => (new.len(), new.as_slice()) < (old.len(), old),
            _ => false,
        };
        if lower || self.this_update < this_update {
            return Err(Error::Answer(AnswerFault::SetBack));
        }
        Ok(())
    }

    /// Whether it may be used at `now` (Unix milliseconds) and for `grace` milliseconds after its next update.
    ///
    /// # Errors
    /// [`AnswerFault::FromFuture`], [`AnswerFault::Stale`].
    pub fn timely(&self, now: i64, grace: i64) -> Result<(), Error> {
        timely(self.this_update, self.next_update, now, grace)
    }
}

/// Whether an answer may be used at `now`, and for `grace` milliseconds after its next update.
pub(crate) fn timely(this_update: i64, next_update: i64, now: i64, grace: i64) -> Result<(), Error> {
    if this_update > now.saturating_add(MAX_SKEW) {
        return Err(Error::Answer(AnswerFault::FromFuture));
    }
    if now > next_update.saturating_add(grace) {
        return Err(Error::Answer(AnswerFault::Stale));
    }
    Ok(())
}

impl Scope {
    fn covers(&self, certificate: &Certificate) -> bool {
        let named = self.names.as_ref().is_none_or(|names| {
            let points = certificate.crl_points().iter().filter(|p| !p.partial);
            points.flat_map(|p| &p.names).any(|name| names.contains(name))
        });
        let kind = match certificate.is_ca() {
            true => !self.users_only,
            false => !self.cas_only,
        };
        named && kind && !self.attributes_only
    }
}

#[derive(Default)]
struct Extensions {
    aki: Option<Vec<u8>>,
    number: Option<Vec<u8>>,
    scope: Scope,
    scope_digest: Digest,
}

/// The value bytes of an INTEGER without leading zeros.
pub(crate) fn normal(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|b| **b == 0).count();
    serial.get(zeros..).unwrap_or_default()
}

fn malformed(_: Error) -> Error {
    FAULT
}

fn read_time<R: Read>(source: &mut Source<R>, field: &mut Vec<u8>) -> Result<i64, Error> {
    source.element(field, 32)?;
    let mut der = Der::new(field, WHAT);
    der.next().and_then(|tlv| time::from_tlv(tlv, WHAT)).map_err(malformed)
}

/// One revoked certificate.
fn entry(raw: &[u8], wanted: &mut HashMap<Vec<u8>, Status>) -> Result<(), Error> {
    let mut fields = Der::only(raw, tlv::SEQUENCE, WHAT).map_err(malformed)?;
    let serial = fields.expect(tlv::INTEGER).map_err(malformed)?.value;
    let date = fields.next().map_err(malformed)?;
    let mut reason = 0;
    if let Some(extensions) = fields.optional(tlv::SEQUENCE).map_err(malformed)? {
        each_extension(extensions.value, |id, critical, value| {
            match id {
                REASON_CODE => {
                    let code = Der::new(value, WHAT).unsigned(tlv::ENUMERATED).map_err(malformed)?;
                    reason = u8::try_from(code).map_err(|_| FAULT)?;
                }
                CERTIFICATE_ISSUER => return Err(Error::Answer(AnswerFault::Indirect)),
                INVALIDITY_DATE => {}
                _ if critical => return Err(Error::Answer(AnswerFault::UnknownCritical)),
                _ => {}
            }
            Ok(())
        })?;
    }
    fields.end().map_err(malformed)?;
    if let Some(status) = wanted.get_mut(normal(serial)) {
        let at = time::from_tlv(date, WHAT).map_err(malformed)?;
        *status = Status::listed(at, reason).worse(*status);
    }
    Ok(())
}

fn each_extension(
    extensions: &[u8],
    mut each: impl FnMut(ObjectIdentifier, bool, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut all = Der::new(extensions, WHAT);
    while !all.is_empty() {
        let mut extension = all.inside(tlv::SEQUENCE).map_err(malformed)?;
        let id = extension.oid().map_err(malformed)?;
        let critical = extension.peek() == Some(tlv::BOOLEAN) && extension.boolean().map_err(malformed)?;
        let value = extension.octets().map_err(malformed)?;
        extension.end().map_err(malformed)?;
        each(id, critical, value)?;
    }
    Ok(())
}

fn read_extensions(raw: &[u8]) -> Result<Extensions, Error> {
    let list = Der::only(raw, tlv::CONTEXT_0, WHAT).and_then(|mut e| e.inside(tlv::SEQUENCE));
    let mut list = list.map_err(malformed)?;
    let mut out = Extensions::default();
    let mut rest = Vec::new();
    while !list.is_empty() {
        rest.extend_from_slice(list.next().map_err(malformed)?.raw);
    }
    each_extension(&rest, |id, critical, value| {
        match id {
            AUTHORITY_KEY_IDENTIFIER => out.aki = key_identifier(value)?,
            CRL_NUMBER => {
                let number = Der::new(value, WHAT).expect(tlv::INTEGER).map_err(malformed)?.value;
                if number.len() > MAX_NUMBER {
                    return Err(FAULT);
                }
                out.number = Some(normal(number).to_vec());
            }
            DELTA_CRL_INDICATOR => return Err(Error::Answer(AnswerFault::Delta)),
            ISSUING_DISTRIBUTION_POINT => {
                out.scope = scope(value)?;
                out.scope_digest = crate::sha256(value);
            }
            ISSUER_ALT_NAME => {}
            _ if critical => return Err(Error::Answer(AnswerFault::UnknownCritical)),
            _ => {}
        }
        Ok(())
    })?;
    Ok(out)
}

/// keyIdentifier of an AuthorityKeyIdentifier.
fn key_identifier(value: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut fields = Der::only(value, tlv::SEQUENCE, WHAT).map_err(malformed)?;
    Ok(fields.optional(0x80).map_err(malformed)?.map(|id| id.value.to_vec()))
}

fn scope(value: &[u8]) -> Result<Scope, Error> {
    let mut fields = Der::only(value, tlv::SEQUENCE, WHAT).map_err(malformed)?;
    let mut scope = Scope::default();
    if let Some(point) = fields.optional(tlv::CONTEXT_0).map_err(malformed)? {
        // A name relative to the issuer: none of the certificates that we know names one.
        scope.names = Some(addresses::full_name(point.value).map_err(malformed)?.unwrap_or_default());
    }
    while !fields.is_empty() {
        let field = fields.next().map_err(malformed)?;
        let set = matches!(field.value, [0xff]);
        match field.tag {
            0x81 => scope.users_only = set,
            0x82 => scope.cas_only = set,
            // onlySomeReasons
            0x83 => return Err(Error::Answer(AnswerFault::OutOfScope)),
            0x84 if set => return Err(Error::Answer(AnswerFault::Indirect)),
            0x84 => {}
            0x85 => scope.attributes_only = set,
            _ => return Err(FAULT),
        }
    }
    Ok(scope)
}

/// The issuer that signed it. Generations of one authority share a name: the key identifier tells them apart, and where
/// there is none the signature does.
fn signed_by(
    issuers: &[Certificate],
    name: &[u8],
    aki: Option<&[u8]>,
    algorithm: ObjectIdentifier,
    digest: &aws_lc_rs::digest::Digest,
    signature: &[u8],
) -> Result<Certificate, Error> {
    let mut result = Err(Error::Answer(AnswerFault::WrongIssuer));
    for issuer in issuers {
        let may = issuer.key_usage().is_none_or(|usage| usage.crl_sign)
            && match (aki, issuer.ski()) {
                (Some(aki), Some(ski)) => aki == ski,
                _ => true,
            };
        if issuer.subject_der() != name || !may {
            continue;
        }
        match issuer.verify_digest(algorithm, digest, signature) {
            Ok(()) => return Ok(issuer.clone()),
            Err(Error::SignatureInvalid) => result = Err(Error::Answer(AnswerFault::SignatureInvalid)),
            Err(other) => result = Err(other),
        }
    }
    result
}

/// The hash that a signature algorithm takes.
fn hash_of(algorithm: ObjectIdentifier) -> Result<&'static aws_lc_rs::digest::Algorithm, Error> {
    match algorithm {
        oid::SHA256_RSA => Ok(&aws_lc_rs::digest::SHA256),
        oid::SHA384_RSA => Ok(&aws_lc_rs::digest::SHA384),
        oid::SHA512_RSA => Ok(&aws_lc_rs::digest::SHA512),
        _ => Err(Error::WeakKey { subject: WHAT.to_owned() }),
    }
}
