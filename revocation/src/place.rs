//! One address of one authority: what came from there, and when to ask again.

use crate::error::Error;
use crate::settings::Settings;
use crate::{hex, unhex};
use envelope::status::{Finding, Kind, Status};
use envelope::{Certificate, Digest, sha256};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Serial numbers that are remembered for one list; beyond that it is read again.
const MOST_REMEMBERED: usize = 50_000;
/// A place that nobody asked for so long is not renewed, milliseconds (14 days).
const UNUSED: i64 = 14 * 86_400_000;
/// The longest time between two looks at a place, milliseconds.
const RENEW_AT_MOST: i64 = 12 * 3_600_000;
/// The shortest, milliseconds.
const RENEW_AT_LEAST: i64 = 1_000;
/// The shortest after an answer that was there already, milliseconds.
const RENEW_SAME: i64 = 60_000;
/// After a failure, milliseconds: the first pause and the longest.
const PAUSE: (i64, i64) = (5_000, 15 * 60_000);

/// Names a place: kind, address, authority, and for OCSP the certificate.
pub(crate) type Key = Digest;

/// An address with what is known of it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    /// Who must have signed what comes from there.
    pub(crate) issuer: Certificate,
    /// OCSP: about which certificate.
    pub(crate) subject: Option<Certificate>,
    /// The answer at hand.
    pub(crate) held: Option<Held>,
    /// What it says by serial number; `None`: it does not cover that certificate.
    pub(crate) memo: HashMap<Vec<u8>, Option<Status>>,
    /// Which certificates the list speaks of that `memo` is from.
    pub(crate) scope: Digest,
    /// When it is asked again, Unix milliseconds.
    pub(crate) renew: i64,
    /// Not asked before, after a failure, Unix milliseconds.
    pub(crate) not_before: i64,
    pub(crate) failures: u32,
    /// The last failure, until something comes again.
    pub(crate) trouble: Option<Trouble>,
    pub(crate) used: i64,
}

/// The answer at hand.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Held {
    #[serde(with = "digest")]
    pub(crate) answer: Digest,
    pub(crate) this_update: i64,
    pub(crate) next_update: i64,
    /// CRL number in hexadecimal.
    pub(crate) number: Option<String>,
    pub(crate) fetched: i64,
    pub(crate) length: u64,
    pub(crate) entries: u64,
}

/// A failure, as it is told.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) label: &'static str,
    pub(crate) detail: String,
    pub(crate) since: i64,
}

/// A place as it is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlaceState {
    /// CRL or OCSP.
    pub kind: Kind,
    /// The address.
    pub url: String,
    /// Subject of the authority.
    pub authority: String,
    /// thisUpdate of the answer at hand, Unix milliseconds.
    pub this_update: Option<i64>,
    /// nextUpdate of it, Unix milliseconds.
    pub next_update: Option<i64>,
    /// When it was fetched, Unix milliseconds.
    pub fetched: Option<i64>,
    /// Whether the answer at hand may still be used.
    pub usable: bool,
    /// How many certificates the list at hand names.
    pub entries: Option<u64>,
    /// Label and detail of the last failure, and since when it lasts; `None` once something came again.
    pub trouble: Option<(&'static str, String, i64)>,
}

/// A place on disk.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Written {
    kind: String,
    url: String,
    issuer: String,
    subject: Option<String>,
    held: Option<Held>,
    used: i64,
}

mod digest {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&crate::hex(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        crate::unhex(&text).and_then(|b| b.try_into().ok()).ok_or_else(|| D::Error::custom("not a digest"))
    }
}

impl Place {
    pub(crate) fn new(kind: Kind, url: &str, issuer: &Certificate, subject: Option<&Certificate>) -> Self {
        Self {
            kind,
            url: url.to_owned(),
            issuer: issuer.clone(),
            subject: subject.cloned(),
            held: None,
            memo: HashMap::new(),
            scope: [0; 32],
            renew: 0,
            not_before: 0,
            failures: 0,
            trouble: None,
            used: 0,
        }
    }

    pub(crate) fn key(&self) -> Key {
        let mut all = Vec::new();
        all.extend_from_slice(self.kind.ending().as_bytes());
        all.push(0);
        all.extend_from_slice(self.url.as_bytes());
        all.push(0);
        all.extend_from_slice(self.issuer.sha256());
        if let Some(subject) = &self.subject {
            all.extend_from_slice(subject.sha256());
        }
        sha256(&all)
    }

    /// Whether the answer at hand may be used now.
    pub(crate) fn usable(&self, now: i64, grace: i64) -> Option<&Held> {
        self.held.as_ref().filter(|held| {
            now <= held.next_update.saturating_add(grace)
                && held.this_update <= now.saturating_add(envelope::crl::MAX_SKEW)
        })
    }

    /// What the answer at hand says of a certificate, as far as it was looked up: `None` if not yet.
    pub(crate) fn finding(&self, serial: &[u8]) -> Option<Option<Finding>> {
        let held = self.held.as_ref()?;
        let status = self.memo.get(serial)?;
        Some(status.map(|status| Finding {
            status,
            kind: self.kind,
            answer: held.answer,
            this_update: held.this_update,
            next_update: held.next_update,
        }))
    }

    pub(crate) fn remember(&mut self, serial: &[u8], status: Option<Status>) {
        if self.memo.len() >= MOST_REMEMBERED {
            self.memo.clear();
        }
        self.memo.insert(serial.to_vec(), status);
    }

    /// Not to be asked before that. A pause longer than any of ours was written by a clock that was put back since.
    pub(crate) fn not_before(&self, now: i64) -> i64 {
        if self.not_before > now.saturating_add(PAUSE.1) { 0 } else { self.not_before }
    }

    /// To be asked again then, although nobody waits; the same of the clock.
    pub(crate) fn renewal(&self, now: i64) -> i64 {
        let renew = if self.renew > now.saturating_add(RENEW_AT_MOST) { 0 } else { self.renew };
        renew.max(self.not_before(now))
    }

    /// Whether it is time to ask again although nobody waits.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        self.held.is_some() && self.renewal(now) <= now && self.used > now.saturating_sub(UNUSED)
    }

    /// When it is due next.
    pub(crate) fn due(&self, now: i64) -> Option<i64> {
        let wanted = self.held.is_some() && self.used > now.saturating_sub(UNUSED);
        wanted.then(|| self.renewal(now))
    }

    /// Something came. Asked again after three quarters of what is left, at most twice a day apart; not so soon where an
    /// authority is late and gives the same again.
    pub(crate) fn came(&mut self, held: Held, now: i64) {
        let left = held.next_update.saturating_sub(now);
        let share = left / 100 * (65 + i64::from(jitter(20)));
        let same = self.held.as_ref().is_some_and(|before| before.answer == held.answer);
        let least = if same { RENEW_SAME } else { RENEW_AT_LEAST };
        self.renew = now.saturating_add(share.clamp(least, RENEW_AT_MOST));
        (self.failures, self.not_before, self.trouble) = (0, 0, None);
        self.held = Some(held);
    }

    /// Nothing came: doubling pauses, so that a host that is down is not asked for every document.
    pub(crate) fn failed(&mut self, error: &Error, now: i64) {
        let (first, longest) = PAUSE;
        let pause = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(pause / 2 + pause / 200 * i64::from(jitter(100)));
        let since = self.trouble.as_ref().map_or(now, |t| t.since);
        self.trouble = Some(Trouble { label: error.label(), detail: error.chain(), since });
    }

    pub(crate) fn state(&self, now: i64, settings: &Settings) -> PlaceState {
        let held = self.held.as_ref();
        PlaceState {
            kind: self.kind,
            url: self.url.clone(),
            authority: self.issuer.subject().to_owned(),
            this_update: held.map(|h| h.this_update),
            next_update: held.map(|h| h.next_update),
            fetched: held.map(|h| h.fetched),
            usable: self.usable(now, settings.grace).is_some(),
            entries: held.filter(|_| self.kind == Kind::Crl).map(|h| h.entries),
            trouble: self.trouble.as_ref().map(|t| (t.label, t.detail.clone(), t.since)),
        }
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let written = Written {
            kind: self.kind.ending().to_owned(),
            url: self.url.clone(),
            issuer: hex(self.issuer.der()),
            subject: self.subject.as_ref().map(|s| hex(s.der())),
            held: self.held.clone(),
            used: self.used,
        };
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// `None` for what we did not write.
    pub(crate) fn from_json(json: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(json).ok()?;
        let certificate = |text: &str| Certificate::from_der(&unhex(text)?).ok();
        let kind = match written.kind.as_str() {
            "crl" => Kind::Crl,
            "ocsp" => Kind::Ocsp,
            _ => return None,
        };
        let subject = match &written.subject {
            Some(text) => Some(certificate(text)?),
            None => None,
        };
        let mut place = Self::new(kind, &written.url, &certificate(&written.issuer)?, subject.as_ref());
        place.used = written.used;
        place.held = written.held;
        Some(place)
    }
}

/// 0 to `most`, random enough to spread requests.
fn jitter(most: u64) -> u8 {
    use std::hash::{BuildHasher as _, RandomState};
    u8::try_from(RandomState::new().hash_one(0_u8) % (most + 1)).unwrap_or_default()
}
