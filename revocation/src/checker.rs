//! Asked by the work, answers at once; asks the authorities beside it.

use crate::answer::read;
use crate::error::{Error, chain};
use crate::fetch::{self, Question};
use crate::folder::Folder;
use crate::host::Target;
use crate::place::{Held, Key, PlaceState};
use crate::report::{Judged, Report};
use crate::settings::{Mode, Settings};
use crate::state::{MOST_PLACES, Next, Pair, State, next, places_of};
use envelope::status::{Finding, Kind, Status, judge};
use envelope::{Certificate, Digest, ocsp};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, RwLock, watch};
use tokio::task::JoinSet;

/// Hosts asked at a time.
const HOSTS: usize = 16;
/// A certificate that nobody asked for again is not fetched for any longer, milliseconds.
const FORGET: i64 = 3_600_000;
/// The longest sleep.
const LOOK: Duration = Duration::from_secs(60);

/// Judges chains by what is at hand, and fetches what is not. Cheap to clone.
#[derive(Clone)]
pub struct Checker(Arc<Inner>);

struct Inner {
    settings: Settings,
    clock: Box<dyn Fn() -> i64 + Send + Sync>,
    /// `None` when nothing is checked.
    folder: Option<Folder>,
    state: Mutex<State>,
    ring: Notify,
    changed: watch::Sender<u64>,
    /// Held by whoever takes an answer over, which nothing cuts off.
    taking: Arc<RwLock<()>>,
}

impl Checker {
    /// Opens the folder and takes up what lies there. Blocks.
    ///
    /// # Errors
    /// [`Error::Folder`].
    pub fn open(settings: Settings, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Result<Self, Error> {
        let mut state = State::default();
        let folder = if settings.mode == Mode::Off { None } else { Some(Folder::open(&settings.folder)?) };
        if let Some(folder) = &folder {
            let now = clock();
            for place in folder.places()? {
                if place.usable(now, settings.grace).is_some() || place.due(now).is_some() {
                    state.places.insert(place.key(), place);
                }
            }
            folder.sweep(&state.places.values().filter_map(|p| Some(p.held.as_ref()?.answer)).collect());
        }
        Ok(Self(Arc::new(Inner {
            settings,
            clock: Box::new(clock),
            folder,
            state: Mutex::new(state),
            ring: Notify::new(),
            changed: watch::Sender::new(0),
            taking: Arc::default(),
        })))
    }

    /// What it was told.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Judges one chain (the certificate first, the anchor last, as [`envelope::trust::chain`] returns it) for something
    /// that happened at `at` (Unix milliseconds), by what is at hand. Never uses the network; what is missing is fetched
    /// beside. May read a list from disk: blocks for some milliseconds.
    pub fn check(&self, chain: &[Certificate], at: i64) -> Report {
        self.check_all(&[chain], at).pop().unwrap_or_default()
    }

    /// Judges many chains; each list is read at most once.
    pub fn check_all(&self, chains: &[&[Certificate]], at: i64) -> Vec<Report> {
        if self.0.settings.mode == Mode::Off {
            return chains.iter().map(|_| Report::default()).collect();
        }
        let now = (self.0.clock)();
        let pairs: Vec<Vec<Pair<'_>>> = chains.iter().map(|chain| self.pairs(chain, now)).collect();
        // A list that does not cover a certificate leads to its next place: at most as many rounds as places.
        for _ in 0..MOST_PLACES {
            let unread = self.unread(pairs.iter().flatten(), now);
            if unread.is_empty() {
                break;
            }
            for (key, certificates) in unread {
                self.read_held(&key, &certificates);
            }
        }
        let mut missing = false;
        let reports = pairs.into_iter().map(|pairs| self.report(pairs, at, now, &mut missing)).collect();
        if missing {
            self.0.ring.notify_one();
        }
        reports
    }

    /// Counts up whenever an answer came or failed to come.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Whether something is waited for that was asked for and did not come. False while the first try is under way.
    pub fn in_trouble(&self) -> bool {
        let state = self.lock();
        state.wanted.values().any(|wanted| {
            wanted.places.iter().filter_map(|key| state.places.get(key)).all(|place| place.failures > 0)
        })
    }

    /// How each place stands, for people; sorted by address.
    pub fn places(&self) -> Vec<PlaceState> {
        let now = (self.0.clock)();
        let state = self.lock();
        let mut out: Vec<_> = state.places.values().map(|p| p.state(now, &self.0.settings)).collect();
        out.sort_by(|a, b| a.url.cmp(&b.url));
        out
    }

    /// Keeps answers as evidence for as long as the folder stands. Blocks.
    ///
    /// # Errors
    /// [`Error::Folder`].
    pub fn keep(&self, answers: impl IntoIterator<Item = Digest>) -> Result<(), Error> {
        let Some(folder) = &self.0.folder else { return Ok(()) };
        answers.into_iter().try_for_each(|digest| folder.keep(&digest))
    }

    /// Removes kept answers that came before `before` (Unix milliseconds); returns how many. Only on an office's word:
    /// they are evidence.
    pub fn forget_kept(&self, before: i64) -> usize {
        self.0.folder.as_ref().map_or(0, |folder| folder.forget_kept(before))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The certificates of a chain with their issuers and places; the places exist afterwards.
    fn pairs<'a>(&self, chain: &'a [Certificate], now: i64) -> Vec<Pair<'a>> {
        let mut state = self.lock();
        let pairs = chain.iter().zip(chain.iter().skip(1)).map(|(certificate, issuer)| {
            let places = places_of(certificate, issuer).into_iter().map(|place| {
                let key = place.key();
                state.places.entry(key).or_insert(place).used = now;
                key
            });
            Pair { certificate, places: places.collect() }
        });
        pairs.collect()
    }

    /// Which lists at hand have to be read for which certificates.
    fn unread<'a>(
        &self,
        pairs: impl Iterator<Item = &'a Pair<'a>>,
        now: i64,
    ) -> HashMap<Key, Vec<Certificate>> {
        let state = self.lock();
        let mut out: HashMap<Key, Vec<Certificate>> = HashMap::new();
        for pair in pairs {
            for key in &pair.places {
                let Some(place) = state.places.get(key) else { continue };
                if place.usable(now, self.0.settings.grace).is_none() {
                    continue;
                }
                match place.finding(pair.certificate.serial()) {
                    Some(Some(finding)) if finding.status != Status::Unknown => break,
                    Some(_) => {}
                    None => {
                        out.entry(*key).or_default().push(pair.certificate.clone());
                        break;
                    }
                }
            }
        }
        out
    }

    /// Reads the answer at hand for these certificates. One that cannot be read is forgotten.
    fn read_held(&self, key: &Key, certificates: &[Certificate]) {
        let Some(folder) = &self.0.folder else { return };
        let asked = {
            let state = self.lock();
            state.places.get(key).and_then(|p| {
                let held = p.held.clone()?;
                Some((p.kind, p.issuer.clone(), p.url.clone(), held))
            })
        };
        let Some((kind, issuer, url, held)) = asked else { return };
        let path = folder.answer(kind, &held.answer);
        let read = read(&path, kind, &issuer, certificates, self.0.settings.limit, None);
        let mut state = self.lock();
        let Some(place) = state.places.get_mut(key).filter(|p| p.held.as_ref() == Some(&held)) else {
            return;
        };
        match read {
            Ok(read) if read.answer == held.answer => read.into_memo(place),
            Ok(_) => place.held = None,
            Err(error) => {
                tracing::warn!(
                    url,
                    label = error.label(),
                    error = chain(&error),
                    "an answer on disk cannot be read; it is fetched again"
                );
                place.held = None;
            }
        }
    }

    fn report(&self, pairs: Vec<Pair<'_>>, at: i64, now: i64, missing: &mut bool) -> Report {
        let settings = &self.0.settings;
        let mut state = self.lock();
        let mut report = Report::default();
        for pair in pairs {
            let subject = || pair.certificate.subject().to_owned();
            let finding = state.finding(&pair, now, settings.grace);
            if let Some(Finding { status: Status::Held { .. }, answer, .. }) = finding {
                state.hasten(&pair, &answer);
                *missing = true;
            }
            let result = match finding {
                Some(finding) => judge(pair.certificate, finding.status, at),
                None if !pair.certificate.names_status() => {
                    Err(envelope::Error::NoStatusAddress { subject: subject() })
                }
                None => {
                    *missing = true;
                    let why = state.want(&pair, now);
                    Err(envelope::Error::RevocationUnknown { subject: subject(), why })
                }
            };
            report.certificates.push(Judged { certificate: pair.certificate.clone(), finding, result });
        }
        settle(&mut report, settings);
        report
    }

    /// Fetches what is missing and renews what is in use, until `stop`.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut jobs: JoinSet<()> = JoinSet::new();
        tokio::pin!(stop);
        loop {
            for (key, host) in self.due() {
                let checker = self.clone();
                jobs.spawn(async move {
                    let free = Free { checker: &checker, host };
                    checker.fetch(key).await;
                    drop(free);
                    checker.0.changed.send_modify(|n| *n += 1);
                });
            }
            let sleep = self.until_due();
            tokio::select! {
                () = &mut stop => break,
                () = self.0.ring.notified() => {}
                Some(_) = jobs.join_next(), if !jobs.is_empty() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        jobs.shutdown().await;
        let _ended = self.0.taking.write().await;
    }

    /// What to fetch now, with the host that is busy from here on: one fetch per host.
    fn due(&self) -> Vec<(Key, String)> {
        let now = (self.0.clock)();
        let grace = self.0.settings.grace;
        let mut state = self.lock();
        let State { places, wanted, busy } = &mut *state;
        wanted.retain(|_, w| {
            w.asked > now.saturating_sub(FORGET) && !matches!(next(places, w, now, grace), Next::Answered)
        });
        let missing = wanted.values().filter_map(|w| match next(places, w, now, grace) {
            Next::Fetch(key) => Some(key),
            Next::Answered | Next::NotBefore(_) => None,
        });
        let renewals = places.iter().filter(|(_, place)| place.is_due(now)).map(|(key, _)| *key);
        let mut out = Vec::new();
        for key in missing.chain(renewals).collect::<Vec<_>>() {
            if busy.len() >= HOSTS {
                break;
            }
            let Some(place) = places.get(&key) else { continue };
            let host = Target::parse(&place.url).map_or_else(|_| place.url.clone(), |t| t.origin());
            if busy.insert(host.clone()) {
                out.push((key, host));
            }
        }
        out
    }

    fn until_due(&self) -> Duration {
        let now = (self.0.clock)();
        let grace = self.0.settings.grace;
        let state = self.lock();
        let waits = state.wanted.values().map(|w| match next(&state.places, w, now, grace) {
            Next::NotBefore(at) => at,
            // Its host is busy: the end of that fetch wakes us.
            Next::Answered | Next::Fetch(_) => i64::MAX,
        });
        let renewals = state.places.values().filter_map(|p| p.due(now)).filter(|at| *at > now);
        let due = waits.chain(renewals).min().unwrap_or(i64::MAX);
        let wait = u64::try_from(due.saturating_sub(now)).unwrap_or(0).max(50);
        Duration::from_millis(wait).min(LOOK)
    }

    /// One fetch, to its record.
    async fn fetch(&self, key: Key) {
        let Some((url, result)) = self.fetch_to_end(&key).await else { return };
        let now = (self.0.clock)();
        let mut state = self.lock();
        let Some(place) = state.places.get_mut(&key) else { return };
        match result {
            Ok(()) => tracing::info!(url, "an authority's answer came"),
            Err(error) => {
                place.failed(&error, now);
                let (label, error) = (error.label(), error.chain());
                tracing::warn!(url, label, error, "an authority's answer did not come");
            }
        }
    }

    async fn fetch_to_end(&self, key: &Key) -> Option<(String, Result<(), Error>)> {
        let folder = self.0.folder.as_ref()?;
        let (url, kind, issuer, subject) = {
            let state = self.lock();
            let place = state.places.get(key)?;
            (place.url.clone(), place.kind, place.issuer.clone(), place.subject.clone())
        };
        let mut nonce = [0; 16];
        let random = aws_lc_rs::rand::fill(&mut nonce).is_ok();
        let question = match (kind, &subject) {
            (Kind::Ocsp, Some(subject)) => {
                Question::Ocsp(ocsp::request(subject, &issuer, random.then_some(nonce.as_slice())))
            }
            _ => Question::Crl,
        };
        let incoming = Incoming(folder.incoming());
        let fetched = fetch::fetch(&self.0.settings, &url, &question, &incoming.0).await;
        let (checker, key, path) = (self.clone(), *key, incoming.0.clone());
        let result = match fetched {
            Ok(_) => {
                let taking = Arc::clone(&self.0.taking).read_owned().await;
                let work = move || {
                    let _taking = taking;
                    checker.take(&key, &path, &nonce)
                };
                tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Task))
            }
            Err(error) => Err(error),
        };
        Some((url, result))
    }

    /// Verifies what was fetched, and puts it in the place of what was there. Blocks.
    fn take(&self, key: &Key, fetched: &Path, nonce: &[u8]) -> Result<(), Error> {
        let Some(folder) = &self.0.folder else { return Ok(()) };
        let now = (self.0.clock)();
        let (kind, url, issuer, before, remembered, certificates) = {
            let state = self.lock();
            let Some(place) = state.places.get(key) else { return Ok(()) };
            let waiting = state.wanted.values().filter(|w| w.places.contains(key));
            let mut certificates: Vec<Certificate> = waiting.map(|w| w.certificate.clone()).collect();
            certificates.extend(place.subject.clone());
            let remembered: Vec<Vec<u8>> = place.memo.keys().cloned().collect();
            (
                place.kind,
                place.url.clone(),
                place.issuer.clone(),
                place.held.clone(),
                remembered,
                certificates,
            )
        };
        let host = Target::parse(&url).map(|t| t.host).unwrap_or_default();
        let unusable = |source| Error::Answer { host: host.clone(), source };
        let limit = self.0.settings.limit;
        let mut read = read(fetched, kind, &issuer, &certificates, limit, Some((nonce, &remembered)))
            .map_err(unusable)?;
        read.timely(before.as_ref(), now, self.0.settings.grace).map_err(unusable)?;
        folder.take(fetched, kind, &read.answer)?;
        let held = Held {
            answer: read.answer,
            this_update: read.this_update,
            next_update: read.next_update,
            number: read.number(),
            fetched: now,
            length: read.length,
            entries: read.entries(),
        };
        let json = {
            let mut state = self.lock();
            let Some(place) = state.places.get_mut(key) else { return Ok(()) };
            read.carry(place);
            place.came(held, now);
            read.into_memo(place);
            place.to_json()
        };
        folder.write_place(key, &json)?;
        // Another address of the authority may have given the same list.
        let named =
            |answer| self.lock().places.values().any(|p| p.held.as_ref().is_some_and(|h| h.answer == answer));
        if let Some(before) = before.filter(|before| !named(before.answer)) {
            folder.forget(kind, &before.answer);
        }
        Ok(())
    }
}

/// The whole chain by its certificates and the settings: revoked before on hold before not known.
fn settle(report: &mut Report, settings: &Settings) {
    let mut heaviest = 0;
    for (n, judged) in report.certificates.iter().enumerate() {
        let Err(error) = &judged.result else { continue };
        let weight = match error {
            envelope::Error::Revoked { .. } => 3,
            envelope::Error::Held { .. } => 2,
            envelope::Error::NoStatusAddress { .. } if settings.accept_without_address => 0,
            envelope::Error::RevocationUnknown { .. } if settings.mode == Mode::Soft => 0,
            _ => 1,
        };
        if weight == 0 {
            report.note = Some(error.label());
        } else if weight > heaviest {
            heaviest = weight;
            report.refused = Some(n);
        }
    }
}

/// What was fetched and is in no place yet; removed however that ends.
struct Incoming(PathBuf);

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Makes a host free again, however its fetch ended.
struct Free<'a> {
    checker: &'a Checker,
    host: String,
}

impl Drop for Free<'_> {
    fn drop(&mut self) {
        self.checker.lock().busy.remove(&self.host);
    }
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
