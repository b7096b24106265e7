//! Whom to seal to, and whom to believe: directory entries, verified here, never taken on the center's word.
//!
//! Entries are asked for through the link, verified against the registration key and the members' anchors, and
//! kept in the store (`directory.<code>`): an entry number never goes down. Certificates that something was
//! sealed to are kept too (`certificate.<sha256>`), so that a receipt can be judged years later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use envelope::Certificate;
use envelope::directory::VerifiedEntry;
use wire::message::Standing;

use super::{Step, Tools, store_trouble};
use crate::flow::{Fault, Outcome, Why};

/// Label: at least one recipient cannot be addressed; the detail lists every one.
pub const BAD_CODES: &str = "recipients-not-addressable";
/// Label: an entry that the center gave does not verify.
pub const UNTRUSTED: &str = "directory-entry-untrusted";
/// Label: the center gave an entry with a lower number than before.
pub const SET_BACK: &str = "directory-entry-set-back";

/// Event: the directory has no entry for us that verifies.
pub const OWN_MISSING: &str = "own-entry-missing";
/// Event: the directory's entry names a certificate of ours that we have no key of.
pub const OWN_KEY: &str = "own-entry-other-key";

/// How long a verified entry is not verified again while its bytes stay the same.
const SURE: i64 = 3_600_000;
/// How long an answer of the directory is used without asking again.
const FRESH: i64 = 60 * 1_000;
/// So many certificates are kept in memory; about 4 kB each.
const REMEMBERED: usize = 1_024;

/// What is known of a mailbox.
#[derive(Debug, Clone)]
pub struct Known {
    /// Whether it may be addressed.
    pub standing: Standing,
    /// Its entry, verified; present when known and valid now.
    pub entry: Option<Arc<VerifiedEntry>>,
    /// Label of why the entry is not valid now, where its certificates are the reason.
    pub ended: Option<&'static str>,
    /// The entry's bytes, whether or not it is valid now.
    registration: Option<Arc<[u8]>>,
    asked: i64,
    verified: i64,
}

impl Known {
    /// Whether something can be sealed to it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.standing == Standing::Active && self.entry.is_some()
    }

    /// Whether the center said so before `at` (Unix milliseconds).
    #[must_use]
    pub const fn is_older(&self, at: i64) -> bool {
        self.asked < at
    }

    /// The entry as it was valid at `at`: for judging what was sent then.
    #[must_use]
    pub fn entry_at(&self, tools: &Tools, at: i64) -> Option<Arc<VerifiedEntry>> {
        let parts = &tools.parts;
        let then = || {
            let der = self.registration.as_ref()?;
            envelope::directory::verify(der, &parts.registrar, &parts.anchors, at).ok().map(Arc::new)
        };
        self.entry.clone().or_else(then)
    }
}

/// Answers of the directory, verified. Cheap to clone.
#[derive(Clone, Default)]
pub struct Directory {
    known: Arc<Mutex<HashMap<String, Known>>>,
    /// The chain of our own signing certificate as it was found last.
    own: Arc<Mutex<Vec<Certificate>>>,
    kept: Arc<Mutex<Kept>>,
}

/// Of what is kept in the store, that which was used last.
#[derive(Default)]
struct Kept {
    certificates: HashMap<envelope::Digest, Certificate>,
    /// Which one a recipient has.
    of: HashMap<String, envelope::Digest>,
}

impl Kept {
    fn put(&mut self, code: &str, certificate: &Certificate) {
        if self.of.len() >= REMEMBERED || self.certificates.len() >= REMEMBERED {
            *self = Self::default();
        }
        self.of.insert(code.to_owned(), *certificate.sha256());
        self.certificates.insert(*certificate.sha256(), certificate.clone());
    }
}

impl Directory {
    /// Forgets what it knows, so that everybody is asked for anew.
    pub fn forget(&self) {
        self.lock().clear();
    }

    /// Forgets what it knows of these, so that they are asked for anew.
    pub fn forget_of(&self, codes: &[String]) {
        let mut known = self.lock();
        codes.iter().for_each(|code| drop(known.remove(code)));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chain of our own signing certificate, if it was found before and each of it is still valid.
    pub(super) fn own_chain(&self, own: &Certificate, now: i64) -> Option<Vec<Certificate>> {
        let chain = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = chain.first() == Some(own)
            && chain.iter().all(|certificate| envelope::trust::valid_at(certificate, now).is_ok());
        holds.then(|| chain.clone())
    }

    pub(super) fn keep_own_chain(&self, chain: &[Certificate]) {
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = chain.to_vec();
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, code: &str, since: i64) -> Option<Known> {
        self.lock().get(code).filter(|known| known.asked >= since).cloned()
    }
}

/// What is known of all `codes`, if none has to be asked for.
pub(super) fn known_freshly(tools: &Tools, codes: &[String]) -> Option<HashMap<String, Known>> {
    let since = tools.now() - FRESH;
    codes.iter().map(|code| Some((code.clone(), tools.directory.get(code, since)?))).collect()
}

/// Looks all `codes` up, asking the center for those that are not known freshly (`anew`: for all).
///
/// # Errors
/// Waits for the link; stops with an alarm at an entry that does not verify or was set back.
pub async fn look_up(tools: &Tools, codes: &[String], anew: bool) -> Step<HashMap<String, Known>> {
    let since = if anew { i64::MAX } else { tools.now() - FRESH };
    let mut found = HashMap::new();
    let mut ask = Vec::new();
    for code in codes {
        match tools.directory.get(code, since) {
            Some(known) => drop(found.insert(code.clone(), known)),
            None if !ask.contains(code) => ask.push(code.clone()),
            None => {}
        }
    }
    let mut rest = ask.as_slice();
    while !rest.is_empty() {
        let (now_asked, later) = rest.split_at(rest.len().min(wire::MAX_DIRECTORY_CODES));
        let answers = tools.link.directory(now_asked).await.map_err(|e| super::link_trouble(&e))?;
        let verified = tools.blocking(move |tools| verify(tools, answers)).await?;
        for (code, known) in verified {
            found.insert(code, known);
        }
        rest = later;
    }
    Ok(found)
}

/// Looks one mailbox up.
///
/// # Errors
/// As [`look_up`].
pub async fn look_up_one(tools: &Tools, code: &str) -> Step<Option<Known>> {
    let code = code.to_owned();
    Ok(look_up(tools, std::slice::from_ref(&code), false).await?.remove(&code))
}

/// Compares what the directory says of us with the keys that we have; a difference is an alarm, once a day or login.
///
/// # Errors
/// Waits for the link; those of the store.
pub async fn check_own(tools: &Tools) -> Step<()> {
    let codes = [tools.config.party.code.to_string()];
    let found = look_up(tools, &codes, true).await?;
    let entry = found.into_values().next().and_then(|known| known.entry);
    if let (Some(card), Some(entry)) = (&tools.card, &entry) {
        card.registered(entry);
    }
    let parts = &tools.parts;
    let (event, detail) = match entry {
        None => (OWN_MISSING, String::new()),
        Some(entry) if !parts.unwrap.iter().any(|key| same(&key.certificate(), &entry.enc)) => {
            (OWN_KEY, format!("encryption, serial {}", entry.enc.serial_hex()))
        }
        Some(entry) if !same(&parts.sign.certificate(), &entry.sign) => {
            (OWN_KEY, format!("signature, serial {}", entry.sign.serial_hex()))
        }
        Some(_) => return Ok(()),
    };
    tracing::error!(label = event, detail, "the directory does not say of us what is true");
    let entry = store::journal::NewEntry {
        actor: store::NODE.into(),
        event: event.into(),
        about: store::journal::About::Node,
        detail,
        alarm: true,
    };
    tools.store.journal(entry, tools.now()).await.map_err(|e| store_trouble(&e))?;
    Ok(())
}

/// A card that was never seen contradicts nothing.
fn same(own: &Result<Certificate, envelope::KeyError>, registered: &Certificate) -> bool {
    own.as_ref().map_or(true, |own| own == registered)
}

fn verify(tools: &Tools, answers: Vec<wire::message::DirectoryAnswer>) -> Step<Vec<(String, Known)>> {
    let now = tools.now();
    let mut out = Vec::with_capacity(answers.len());
    for answer in answers {
        let before = tools.directory.get(&answer.code, 0);
        let der = answer.entry.as_deref().filter(|_| answer.standing != Standing::Unknown);
        let same = before.filter(|known| {
            known.registration.as_deref() == der && known.verified > now - SURE && known.entry.is_some()
        });
        let known = match (same, der) {
            (Some(known), _) => Known { standing: answer.standing, asked: now, ..known },
            (None, Some(der)) => {
                let (entry, ended) = entry(tools, &answer, der, now)?;
                let registration = Some(der.into());
                Known { standing: answer.standing, entry, ended, registration, asked: now, verified: now }
            }
            (None, None) => Known {
                standing: answer.standing,
                entry: None,
                ended: None,
                registration: None,
                asked: now,
                verified: now,
            },
        };
        tools.directory.lock().insert(answer.code.clone(), known.clone());
        out.push((answer.code, known));
    }
    Ok(out)
}

/// One entry, verified. A suspended member's entry that no longer verifies is as good as none; one that we would
/// seal to is not.
fn entry(
    tools: &Tools,
    answer: &wire::message::DirectoryAnswer,
    der: &[u8],
    now: i64,
) -> Step<(Option<Arc<VerifiedEntry>>, Option<&'static str>)> {
    let key = format!("directory.{}", answer.code);
    let stored = tools.store.meta(&key).map_err(|e| store_trouble(&e))?;
    let untrusted =
        |detail: String| Outcome::Fault(Fault::permanent(UNTRUSTED, format!("{}: {detail}", answer.code)));
    let parts = &tools.parts;
    let entry = match envelope::directory::verify(der, &parts.registrar, &parts.anchors, now) {
        Ok(entry) if entry.code != answer.code => return Err(untrusted(format!("it is for {}", entry.code))),
        Ok(entry) => entry,
        // An organisation whose certificate has ended cannot be sealed to, but others can.
        Err(error @ (envelope::Error::Expired { .. } | envelope::Error::NotYetValid { .. })) => {
            return Ok((None, Some(error.label())));
        }
        Err(error) if answer.standing == Standing::Suspended => {
            tracing::warn!(code = answer.code, %error, "a suspended member's entry does not verify");
            return Ok((None, Some(error.label())));
        }
        Err(error) => return Err(untrusted(crate::error::chain(&error))),
    };
    if stored.as_deref() == Some(der) {
        return Ok((Some(Arc::new(entry)), None));
    }
    if let Some(old) = highest(tools, &answer.code)?
        && entry.number < old
    {
        let detail = format!("{}: number {} after {old}", answer.code, entry.number);
        return Err(Outcome::Fault(Fault::permanent(SET_BACK, detail)));
    }
    // The number first: after a crash between the two the entry is only stored once more.
    let number = entry.number.to_be_bytes().to_vec();
    tools.store.set_meta(&number_key(&answer.code), number).wait().map_err(|e| store_trouble(&e))?;
    tools.store.set_meta(&key, der.to_vec()).wait().map_err(|e| store_trouble(&e))?;
    Ok((Some(Arc::new(entry)), None))
}

/// The highest number seen for a code. Kept apart from the entry, whose certificates may have ended since.
fn highest(tools: &Tools, code: &str) -> Step<Option<u64>> {
    let stored = tools.store.meta(&number_key(code)).map_err(|e| store_trouble(&e))?;
    Ok(stored.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes))
}

fn number_key(code: &str) -> String {
    format!("directory-number.{code}")
}

/// Keeps certificates that something is sealed to, and that they are the present ones of these recipients: what is not
/// kept yet in one step.
///
/// # Errors
/// Those of the store.
pub(crate) fn keep(tools: &Tools, sealed_to: &[(&str, &Certificate)]) -> Step<()> {
    let fresh: Vec<_> = {
        let kept = tools.directory.kept();
        let is_new = |(code, enc): &&(&str, &Certificate)| kept.of.get(*code) != Some(enc.sha256());
        sealed_to.iter().filter(is_new).collect()
    };
    if fresh.is_empty() {
        return Ok(());
    }
    let mut values = Vec::new();
    for (code, enc) in &fresh {
        for (key, value) in
            [(certificate_key(enc.sha256()), enc.der()), (super::expiry::key(code), &enc.sha256()[..])]
        {
            let stored = tools.store.meta(&key).map_err(|e| store_trouble(&e))?;
            if stored.as_deref() != Some(value) {
                values.push((key, value.to_vec()));
            }
        }
    }
    if !values.is_empty() {
        tools.store.set_metas(values).wait().map_err(|e| store_trouble(&e))?;
    }
    let mut kept = tools.directory.kept();
    for (code, enc) in fresh {
        kept.put(code, enc);
    }
    Ok(())
}

/// A certificate that something was sealed to.
///
/// # Errors
/// Those of the store; a certificate that is not there is a wait for the directory.
pub(crate) fn kept(tools: &Tools, sha256: &envelope::Digest) -> Step<Certificate> {
    if let Some(known) = tools.directory.kept().certificates.get(sha256) {
        return Ok(known.clone());
    }
    let stored = tools.store.meta(&certificate_key(sha256)).map_err(|e| store_trouble(&e))?;
    stored
        .and_then(|der| Certificate::from_der(&der).ok())
        .ok_or_else(|| Outcome::Fault(Fault::wait(Why::Trust, "the certificate sealed to is not kept")))
}

fn certificate_key(sha256: &envelope::Digest) -> String {
    format!("certificate.{}", crate::telemetry::hex(sha256))
}

/// Whether two certificates are of one organisation: the same organisation OID, or the same subject.
#[must_use]
pub fn same_organisation(one: &Certificate, other: &Certificate) -> bool {
    match (one.organisation_oid(), other.organisation_oid()) {
        (Some(a), Some(b)) => a == b && one.organisation() == other.organisation(),
        _ => one.subject_der() == other.subject_der(),
    }
}
