//! The card's certificates as they were seen last: public, so that a start without the card knows who it is, whose
//! login it kept, and when its certificates end.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::card::{Card, Info};
use envelope::key::WrapScheme;
use envelope::{Certificate, Digest, KeyError, SigningKey, UnwrapKey};
use zeroize::Zeroizing;

/// Below the state folder: signing certificate, encryption certificate, then CA certificates, PEM.
pub(crate) const FILE: &str = "card-certificates.pem";

/// Most certificates that are kept; a card holds four.
const MOST: usize = 16;

/// What was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) sign: Certificate,
    pub(crate) unwrap: Certificate,
    pub(crate) authorities: Vec<Certificate>,
}

impl Seen {
    fn of(info: &Info) -> Self {
        let mut authorities = info.authorities.clone();
        authorities.truncate(MOST);
        Self { sign: info.sign.certificate.clone(), unwrap: info.unwrap.certificate.clone(), authorities }
    }

    /// From the file; `None` where there is none, or it is damaged: the card will tell.
    pub(crate) fn load(state: &Path) -> Option<Self> {
        let pem = std::fs::read(state.join(FILE)).ok()?;
        let mut all = Certificate::all_from_pem(&pem).ok()?.into_iter();
        Some(Self { sign: all.next()?, unwrap: all.next()?, authorities: all.take(MOST).collect() })
    }

    fn save(&self, state: &Path) -> std::io::Result<()> {
        let draft = state.join(FILE).with_extension("new");
        let options = std::fs::OpenOptions::new().write(true).create(true).truncate(true).clone();
        let mut file = durable::File::open("card-seen", &options, &draft)?;
        for certificate in [&self.sign, &self.unwrap].into_iter().chain(&self.authorities) {
            file.write_all(certificate.to_pem().as_bytes())?;
        }
        file.sync_all()?;
        durable::rename("card-seen", &draft, &state.join(FILE))
    }
}

/// The card's keys, with the memory of their certificates.
#[derive(Clone)]
pub(crate) struct Keys {
    card: Card,
    seen: Arc<Mutex<Option<Seen>>>,
    state: PathBuf,
    /// CA certificates from the anchors' file, for what the card does not hold.
    known: Arc<[Certificate]>,
}

impl Keys {
    pub(crate) fn new(card: Card, state: &Path, known: Vec<Certificate>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::load(state)));
        Self { card, seen, state: state.to_owned(), known: known.into() }
    }

    /// A card that is the right one is there: its certificates are kept, if they are others than before.
    pub(crate) fn remember(&self, info: &Info) {
        let now = Some(Seen::of(info));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen != now {
            if let Some(Err(error)) = now.as_ref().map(|now| now.save(&self.state)) {
                tracing::warn!(%error, "the card's certificates could not be remembered");
            }
            *seen = now;
        }
    }

    /// Those of the card, or those seen last.
    pub(crate) fn seen(&self) -> Option<Seen> {
        match self.card.info() {
            Some(info) => Some(Seen::of(&info)),
            None => self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn known(&self, of: impl Fn(&Seen) -> Certificate) -> Result<Certificate, KeyError> {
        self.seen().map(|seen| of(&seen)).ok_or_else(|| {
            let state = self.card.state();
            KeyError::new(envelope::key::KeyErrorKind::Absent, format!("no card has been seen yet: {state}"))
        })
    }
}

impl SigningKey for Keys {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        self.known(|seen| seen.sign.clone())
    }

    fn chain(&self) -> Vec<Certificate> {
        let mut chain = self.seen().map(|seen| seen.authorities).unwrap_or_default();
        let more: Vec<_> = self.known.iter().filter(|c| !chain.contains(c)).cloned().collect();
        chain.extend(more);
        chain
    }

    fn sign(&self, digest: &Digest) -> Result<Vec<u8>, KeyError> {
        Ok(self.card.sign(digest)?)
    }
}

impl UnwrapKey for Keys {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        self.known(|seen| seen.unwrap.clone())
    }

    fn unwrap(&self, scheme: WrapScheme, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        Ok(self.card.unwrap(scheme, wrapped)?)
    }
}
