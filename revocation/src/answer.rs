//! An answer in a file, verified and looked up.

use crate::hex;
use crate::place::{Held, Place};
use crate::unhex;
use envelope::crl::{self, Crl};
use envelope::status::{Finding, Kind, Status};
use envelope::{AnswerFault, Certificate, Digest, Error, ocsp};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// What an answer says of those that were asked about.
pub(crate) struct Read {
    pub(crate) answer: Digest,
    pub(crate) this_update: i64,
    pub(crate) next_update: i64,
    pub(crate) length: u64,
    what: What,
    memo: HashMap<Vec<u8>, Option<Status>>,
}

enum What {
    List(Box<Crl>),
    Answer(Finding),
}

/// Reads and verifies an answer of `issuer` for these certificates. `fresh`: the nonce that it was asked for with, and
/// further serial numbers to look for.
pub(crate) fn read(
    path: &Path,
    kind: Kind,
    issuer: &Certificate,
    certificates: &[Certificate],
    limit: u64,
    fresh: Option<(&[u8], &[Vec<u8>])>,
) -> Result<Read, Error> {
    let mut file = File::open(path)?;
    if kind == Kind::Ocsp {
        let certificate = certificates.first().ok_or(Error::Answer(AnswerFault::OcspOtherQuestion))?;
        let mut der = Vec::new();
        let limit = ocsp::MAX_RESPONSE as u64 + 1;
        let length = file.by_ref().take(limit).read_to_end(&mut der)? as u64;
        let finding = ocsp::read(&der, certificate, issuer, fresh.map(|(nonce, _)| nonce))?;
        let Finding { answer, this_update, next_update, status, .. } = finding;
        let memo = HashMap::from([(certificate.serial().to_vec(), Some(status))]);
        return Ok(Read { answer, this_update, next_update, length, what: What::Answer(finding), memo });
    }
    let more = fresh.map_or(&[][..], |(_, more)| more);
    let wanted = certificates.iter().map(Certificate::serial).chain(more.iter().map(Vec::as_slice));
    let list = crl::read(file, limit, std::slice::from_ref(issuer), wanted)?;
    let memo = certificates.iter().map(|certificate| {
        (certificate.serial().to_vec(), list.finding(certificate).ok().map(|finding| finding.status))
    });
    Ok(Read {
        answer: list.sha256,
        this_update: list.this_update,
        next_update: list.next_update,
        length: list.length,
        memo: memo.collect(),
        what: What::List(Box::new(list)),
    })
}

impl Read {
    /// Whether it may be used now, and in the place of what was there.
    pub(crate) fn timely(&self, before: Option<&Held>, now: i64, grace: i64) -> Result<(), Error> {
        match &self.what {
            What::List(list) => {
                list.timely(now, grace)?;
                let number = before.and_then(|held| unhex(held.number.as_deref()?));
                before.map_or(Ok(()), |held| list.follows(number.as_deref(), held.this_update))
            }
            What::Answer(finding) => {
                ocsp::timely(finding, now, grace)?;
                let back = before.is_some_and(|held| finding.this_update < held.this_update);
                if back { Err(Error::Answer(AnswerFault::SetBack)) } else { Ok(()) }
            }
        }
    }

    /// CRL number in hexadecimal.
    pub(crate) fn number(&self) -> Option<String> {
        match &self.what {
            What::List(list) => list.number.as_deref().map(hex),
            What::Answer(_) => None,
        }
    }

    /// How many certificates it names.
    pub(crate) fn entries(&self) -> u64 {
        match &self.what {
            What::List(list) => list.entries,
            What::Answer(_) => 1,
        }
    }

    /// Looks up what the place remembered of an older list, where both speak of the same certificates.
    pub(crate) fn carry(&mut self, place: &mut Place) {
        let remembered = std::mem::take(&mut place.memo);
        let What::List(list) = &self.what else { return };
        if list.scope_digest() == place.scope {
            for (serial, status) in remembered {
                let now = status.and_then(|_| list.status(&serial));
                self.memo.entry(serial).or_insert(now);
            }
        }
    }

    /// Into what the place remembers.
    pub(crate) fn into_memo(self, place: &mut Place) {
        if let What::List(list) = &self.what {
            place.scope = list.scope_digest();
        }
        for (serial, status) in self.memo {
            place.remember(&serial, status);
        }
    }
}
