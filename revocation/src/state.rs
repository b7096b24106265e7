//! Which places there are, who waits for what, and what to do about it next: no disk, no network.

use crate::place::{Key, Place};
use envelope::status::{Finding, Kind, Status};
use envelope::{Certificate, Digest};
use std::collections::{HashMap, HashSet};

/// Addresses of one certificate that are asked.
pub(crate) const MOST_PLACES: usize = 8;
/// Certificates that are waited for at a time; more are noted when they are asked for again.
const MOST_WANTED: usize = 20_000;
/// So long after a list that puts on hold what somebody waits for it is asked for again, milliseconds.
const ON_HOLD: i64 = 30 * 60_000;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) places: HashMap<Key, Place>,
    pub(crate) wanted: HashMap<Digest, Wanted>,
    pub(crate) busy: HashSet<String>,
}

/// A certificate that somebody waits for.
pub(crate) struct Wanted {
    pub(crate) certificate: Certificate,
    pub(crate) places: Vec<Key>,
    pub(crate) asked: i64,
}

/// A pair of a chain, and the places that its certificate names.
pub(crate) struct Pair<'a> {
    pub(crate) certificate: &'a Certificate,
    pub(crate) places: Vec<Key>,
}

/// The places that a certificate names, in the order in which they are asked.
pub(crate) fn places_of(certificate: &Certificate, issuer: &Certificate) -> Vec<Place> {
    let points = certificate.crl_points().iter().filter(|p| !p.partial);
    let lists = points.flat_map(|p| &p.uris).map(|uri| Place::new(Kind::Crl, uri, issuer, None));
    let responders = certificate.ocsp_responders().iter();
    let answers = responders.map(|uri| Place::new(Kind::Ocsp, uri, issuer, Some(certificate)));
    let web = |place: &Place| place.url.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("http"));
    lists.chain(answers).filter(web).take(MOST_PLACES).collect()
}

/// What there is to do for a certificate that is waited for.
pub(crate) enum Next {
    Answered,
    Fetch(Key),
    NotBefore(i64),
}

pub(crate) fn next(places: &HashMap<Key, Place>, wanted: &Wanted, now: i64, grace: i64) -> Next {
    let mut not_before = i64::MAX;
    for key in &wanted.places {
        let Some(place) = places.get(key) else { continue };
        if place.usable(now, grace).is_some() {
            match place.finding(wanted.certificate.serial()) {
                // Not looked up yet: the next check does.
                None => return Next::Answered,
                Some(Some(finding)) if finding.status != Status::Unknown => return Next::Answered,
                // It does not speak of this certificate; it may when it is renewed.
                Some(_) => not_before = not_before.min(place.renewal(now)),
            }
        } else if place.not_before(now) <= now {
            return Next::Fetch(*key);
        } else {
            not_before = not_before.min(place.not_before(now));
        }
    }
    Next::NotBefore(not_before)
}

impl State {
    pub(crate) fn finding(&self, pair: &Pair<'_>, now: i64, grace: i64) -> Option<Finding> {
        let places = pair.places.iter().filter_map(|key| self.places.get(key));
        places
            .filter(|place| place.usable(now, grace).is_some())
            .filter_map(|place| place.finding(pair.certificate.serial()).flatten())
            .find(|finding| finding.status != Status::Unknown)
    }

    /// Somebody waits for a hold to end: the next look comes sooner.
    pub(crate) fn hasten(&mut self, pair: &Pair<'_>, answer: &Digest) {
        for key in &pair.places {
            if let Some(place) = self.places.get_mut(key)
                && let Some(held) = place.held.as_ref().filter(|held| held.answer == *answer)
            {
                place.renew = place.renew.min(held.fetched.saturating_add(ON_HOLD));
            }
        }
    }

    /// Notes that somebody waits for it. Returns the label of why it is not there, if something failed.
    pub(crate) fn want(&mut self, pair: &Pair<'_>, now: i64) -> &'static str {
        let key = *pair.certificate.sha256();
        if let Some(wanted) = self.wanted.get_mut(&key) {
            wanted.asked = now;
        } else if self.wanted.len() < MOST_WANTED {
            self.wanted.insert(
                key,
                Wanted { certificate: pair.certificate.clone(), places: pair.places.clone(), asked: now },
            );
        }
        let troubles = pair.places.iter().filter_map(|key| self.places.get(key)?.trouble.as_ref());
        troubles.map(|trouble| trouble.label).next().unwrap_or_default()
    }
}
