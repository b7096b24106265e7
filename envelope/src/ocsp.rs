//! OCSP (RFC 6960): asking about one certificate, and reading the signed answer.
//!
//! An answer counts when it is signed by the certificate's own issuer, or by a responder whose certificate that issuer's
//! key signed with the extended key usage id-kp-OCSPSigning; when it is about the certificate (issuer name hash, issuer
//! key hash and serial number, by SHA-1 or SHA-256); and when it carries our nonce or none. The responder's own
//! certificate is not asked about: it stands for the short time of its validity (RFC 6960 §4.2.2.2.1).

use crate::certificate::MAX_CERTIFICATE;
use crate::crl::normal;
use crate::error::{AnswerFault, Error};
use crate::key::Certificate;
use crate::status::{Finding, Kind, Status};
use crate::tlv::{self, Der};
use crate::trust::valid_at;
use crate::{oid, sha256, time};
use aws_lc_rs::digest;
use const_oid::ObjectIdentifier;

/// The longest answer that is read, bytes.
pub const MAX_RESPONSE: usize = 128 * 1024;

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
const WHAT: &str = "an OCSP answer";
const FAULT: Error = Error::Answer(AnswerFault::OcspMalformed);
const BIT_STRING: u8 = 0x03;
const CONTEXT_2: u8 = 0xa2;

/// A request about `certificate`, issued by `issuer`, with an optional nonce of 1 to 32 bytes (RFC 9654).
///
/// The certificate is named by SHA-1, which every responder knows (RFC 5019 §2.1.1); nothing rests on that hash, since
/// it only names a certificate within its own authority.
pub fn request(certificate: &Certificate, issuer: &Certificate, nonce: Option<&[u8]>) -> Vec<u8> {
    let hash = |bytes: &[u8]| digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let null = [tlv::NULL, 0];
    let id = tlv::element(
        tlv::SEQUENCE,
        &[
            &tlv::element(tlv::SEQUENCE, &[&tlv::oid(&SHA1), &null]),
            &tlv::element(tlv::OCTET_STRING, &[hash(issuer.subject_der()).as_ref()]),
            &tlv::element(tlv::OCTET_STRING, &[hash(issuer.key_bits()).as_ref()]),
            &tlv::element(tlv::INTEGER, &[certificate.serial()]),
        ],
    );
    let list = tlv::element(tlv::SEQUENCE, &[&tlv::element(tlv::SEQUENCE, &[&id])]);
    let extensions = nonce.map(|nonce| {
        let octets = tlv::element(tlv::OCTET_STRING, &[nonce]);
        let value = tlv::element(tlv::OCTET_STRING, &[&octets]);
        let extension = tlv::element(tlv::SEQUENCE, &[&tlv::oid(&NONCE), &value]);
        tlv::element(CONTEXT_2, &[&tlv::element(tlv::SEQUENCE, &[&extension])])
    });
    let tbs = tlv::element(tlv::SEQUENCE, &[&list, extensions.as_deref().unwrap_or_default()]);
    tlv::element(tlv::SEQUENCE, &[&tbs])
}

/// Reads an answer about `certificate`, issued by `issuer`; `nonce` is what was asked with. Whether it is timely is asked
/// of the finding ([`timely`]).
///
/// # Errors
/// [`Error::Answer`] with the reason; [`Error::WeakKey`], [`Error::Expired`], [`Error::NotYetValid`] of the responder.
pub fn read(
    der: &[u8],
    certificate: &Certificate,
    issuer: &Certificate,
    nonce: Option<&[u8]>,
) -> Result<Finding, Error> {
    if der.len() > MAX_RESPONSE {
        return Err(Error::Answer(AnswerFault::TooLarge));
    }
    let basic = basic(der).map_err(malformed)?;
    let mut fields = Der::only(basic, tlv::SEQUENCE, WHAT).map_err(malformed)?;
    let signed = fields.expect(tlv::SEQUENCE).map_err(malformed)?;
    let algorithm = fields.inside(tlv::SEQUENCE).and_then(|mut a| a.oid()).map_err(malformed)?;
    let [0, signature @ ..] = fields.expect(BIT_STRING).map_err(malformed)?.value else { return Err(FAULT) };
    let certificates = match fields.optional(tlv::CONTEXT_0).map_err(malformed)? {
        Some(explicit) => certificates(explicit.value)?,
        None => Vec::new(),
    };
    fields.end().map_err(malformed)?;

    let mut data = Der::new(signed.value, WHAT);
    data.optional(tlv::CONTEXT_0).map_err(malformed)?;
    let responder = data.next().map_err(malformed)?;
    let produced = data.expect(tlv::GENERALIZED_TIME).map_err(malformed)?;
    let produced = time::from_tlv(produced, WHAT).map_err(malformed)?;
    let signer = signer(responder, &certificates, issuer, produced)?;
    signer.verify(algorithm, signed.raw, signature).map_err(|e| match e {
        Error::SignatureInvalid => Error::Answer(AnswerFault::SignatureInvalid),
        other => other,
    })?;

    let mut responses = data.inside(tlv::SEQUENCE).map_err(malformed)?;
    let extensions = data.optional(tlv::CONTEXT_1).map_err(malformed)?;
    data.end().map_err(malformed)?;
    if let (Some(asked), Some(extensions)) = (nonce, extensions) {
        same_nonce(extensions.value, asked)?;
    }
    while !responses.is_empty() {
        let single = responses.inside(tlv::SEQUENCE).map_err(malformed)?;
        if let Some(finding) = about(single, certificate, issuer, sha256(der))? {
            return Ok(finding);
        }
    }
    Err(Error::Answer(AnswerFault::OcspOtherQuestion))
}

/// Whether a finding may be used at `now` (Unix milliseconds), and for `grace` milliseconds after its next update.
///
/// # Errors
/// [`AnswerFault::FromFuture`], [`AnswerFault::Stale`].
pub fn timely(finding: &Finding, now: i64, grace: i64) -> Result<(), Error> {
    crate::crl::timely(finding.this_update, finding.next_update, now, grace)
}

fn malformed(e: Error) -> Error {
    match e {
        Error::Answer(_) => e,
        _ => FAULT,
    }
}

/// The BasicOCSPResponse of a successful OCSPResponse.
fn basic(der: &[u8]) -> Result<&[u8], Error> {
    let mut outer = Der::only(der, tlv::SEQUENCE, WHAT)?;
    if outer.expect(tlv::ENUMERATED)?.value != [0] {
        return Err(Error::Answer(AnswerFault::OcspRefused));
    }
    let mut explicit = outer.inside(tlv::CONTEXT_0)?;
    outer.end()?;
    let mut bytes = explicit.inside(tlv::SEQUENCE)?;
    explicit.end()?;
    if bytes.oid()? != BASIC {
        return Err(FAULT);
    }
    let basic = bytes.octets()?;
    bytes.end()?;
    Ok(basic)
}

fn certificates(explicit: &[u8]) -> Result<Vec<Certificate>, Error> {
    let mut list = Der::only(explicit, tlv::SEQUENCE, WHAT).map_err(malformed)?;
    let mut out = Vec::new();
    while !list.is_empty() {
        let raw = list.next().map_err(malformed)?.raw;
        if out.len() >= 8 || raw.len() > MAX_CERTIFICATE {
            return Err(FAULT);
        }
        out.push(Certificate::from_der(raw).map_err(malformed)?);
    }
    Ok(out)
}

/// Who signed: the issuer itself, or a responder that it appointed.
fn signer<'a>(
    responder: tlv::Tlv<'_>,
    certificates: &'a [Certificate],
    issuer: &'a Certificate,
    produced: i64,
) -> Result<&'a Certificate, Error> {
    let is_named = |candidate: &Certificate| match responder.tag {
        // byName: EXPLICIT, so the value is the Name.
        tlv::CONTEXT_1 => candidate.subject_der() == responder.value,
        // byKey: SHA-1 of the key.
        CONTEXT_2 => Der::new(responder.value, WHAT).octets().is_ok_and(|hash| {
            digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, candidate.key_bits()).as_ref() == hash
        }),
        _ => false,
    };
    let wrong = Error::Answer(AnswerFault::OcspWrongSigner);
    for candidate in certificates.iter().filter(|c| is_named(c) && c.key_bits() != issuer.key_bits()) {
        let appointed = candidate.issuer_der() == issuer.subject_der()
            && candidate.may_sign_ocsp()
            && candidate.key_usage().is_none_or(|usage| usage.digital_signature)
            && !candidate.has_unknown_critical()
            && candidate.verify_issued_by(issuer).is_ok();
        if appointed {
            return valid_at(candidate, produced).map(|()| candidate);
        }
    }
    if is_named(issuer) { Ok(issuer) } else { Err(wrong) }
}

fn same_nonce(extensions: &[u8], asked: &[u8]) -> Result<(), Error> {
    let mut list = Der::only(extensions, tlv::SEQUENCE, WHAT).map_err(malformed)?;
    while !list.is_empty() {
        let mut extension = list.inside(tlv::SEQUENCE).map_err(malformed)?;
        let id = extension.oid().map_err(malformed)?;
        extension.optional(tlv::BOOLEAN).map_err(malformed)?;
        let value = extension.octets().map_err(malformed)?;
        if id == NONCE && Der::new(value, WHAT).octets().map_err(malformed)? != asked {
            return Err(Error::Answer(AnswerFault::OcspOtherQuestion));
        }
    }
    Ok(())
}

/// A SingleResponse, if it is about this certificate.
fn about(
    mut single: Der<'_>,
    certificate: &Certificate,
    issuer: &Certificate,
    answer: crate::Digest,
) -> Result<Option<Finding>, Error> {
    let mut id = single.inside(tlv::SEQUENCE).map_err(malformed)?;
    let hash = id.inside(tlv::SEQUENCE).and_then(|mut a| a.oid()).map_err(malformed)?;
    let (name, key) = (id.octets().map_err(malformed)?, id.octets().map_err(malformed)?);
    let serial = id.expect(tlv::INTEGER).map_err(malformed)?.value;
    id.end().map_err(malformed)?;
    let algorithm = match hash {
        SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        oid::SHA256 => &digest::SHA256,
        _ => return Ok(None),
    };
    let is = |bytes: &[u8], hash: &[u8]| digest::digest(algorithm, bytes).as_ref() == hash;
    if normal(serial) != normal(certificate.serial())
        || !is(issuer.subject_der(), name)
        || !is(issuer.key_bits(), key)
    {
        return Ok(None);
    }
    let said = single.next().map_err(malformed)?;
    let status = match (said.tag, said.value) {
        (0x80, []) => Status::Good,
        (0x82, []) => Status::Unknown,
        (tlv::CONTEXT_1, info) => {
            let mut info = Der::new(info, WHAT);
            let at = info.expect(tlv::GENERALIZED_TIME).map_err(malformed)?;
            let at = time::from_tlv(at, WHAT).map_err(malformed)?;
            let reason = match info.optional(tlv::CONTEXT_0).map_err(malformed)? {
                Some(explicit) => {
                    Der::new(explicit.value, WHAT).unsigned(tlv::ENUMERATED).map_err(malformed)?
                }
                None => 0,
            };
            Status::listed(at, u8::try_from(reason).map_err(|_| FAULT)?)
        }
        _ => return Err(FAULT),
    };
    let this_update = single.expect(tlv::GENERALIZED_TIME).map_err(malformed)?;
    let this_update = time::from_tlv(this_update, WHAT).map_err(malformed)?;
    let next_update = match single.optional(tlv::CONTEXT_0).map_err(malformed)? {
        Some(explicit) => Der::new(explicit.value, WHAT)
            .expect(tlv::GENERALIZED_TIME)
            .and_then(|tlv| time::from_tlv(tlv, WHAT))
            .map_err(malformed)?,
        None => this_update,
    };
    Ok(Some(Finding { status, kind: Kind::Ocsp, answer, this_update, next_update }))
}
