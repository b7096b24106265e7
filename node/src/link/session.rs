//! The login: a session key, and the card's statement about it, kept for up to twelve hours and over restarts.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use envelope::{
    SigningKey,
    login::{MAX_LIFETIME, Statement, make},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use wire::{Credential, Credentials, SessionKey, login::CredentialFuture, message::Challenge};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{CLOCK_SKEW, MAX_SKEW};

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the clocks differ by {0} ms; nothing is signed until that is put right")]
    ClockSkew(i64),
    #[error("the statement could not be signed")]
    Sign(#[source] envelope::Error),
    #[error("the session key failed")]
    Key(#[source] wire::Error),
    #[error("signing was broken off")]
    BrokenOff,
}

impl Error {
    pub(super) fn label(&self) -> &str {
        match self {
            Self::ClockSkew(_) => CLOCK_SKEW,
            Self::Sign(error) => error.label(),
            Self::Key(error) => error.label(),
            Self::BrokenOff => "login-statement",
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Session(Arc<Inner>);

struct Inner {
    member: String,
    center: String,
    key: Arc<dyn SigningKey>,
    file: PathBuf,
    clock: fn() -> i64,
    /// `None` until first needed; then what was found or made.
    current: Mutex<Option<Current>>,
}

#[derive(Clone)]
struct Current {
    credential: Arc<Credential>,
    not_before: i64,
    not_after: i64,
}

impl Session {
    pub(super) fn new(
        member: String,
        center: String,
        key: Arc<dyn SigningKey>,
        file: PathBuf,
        clock: fn() -> i64,
    ) -> Self {
        Self(Arc::new(Inner { member, center, key, file, clock, current: Mutex::new(None) }))
    }

    /// In a task of its own: a card that is slower than the connection's deadline still gives a statement, for the next try.
    async fn get(&self, center_time: i64) -> Result<Arc<Credential>, Error> {
        let inner = self.0.clone();
        tokio::spawn(async move { inner.get(center_time).await }).await.map_err(|_| Error::BrokenOff)?
    }

    /// The center did not take the login. If it is not quite new, the next one begins with another; a new one is kept, so
    /// that a center that refuses everything costs no card operations.
    pub(super) async fn doubt(&self) {
        let mut current = self.0.current.lock().await;
        let now = (self.0.clock)();
        if current.as_ref().is_some_and(|current| now > current.not_before + EARLIER + MARGIN) {
            *current = None;
            let _ = durable::remove("session", &self.0.file);
        }
    }
}

impl Inner {
    async fn get(&self, center_time: i64) -> Result<Arc<Credential>, Error> {
        let mut current = self.current.lock().await;
        let now = (self.clock)();
        // The center judges by its clock, we by ours: both must find it valid.
        let lasts = |current: &Current| {
            [now, center_time].iter().all(|at| (current.not_before..current.not_after - MARGIN).contains(at))
        };
        if current.is_none() {
            *current = self.load();
        }
        if let Some(current) = current.as_ref().filter(|current| lasts(current)) {
            return Ok(current.credential.clone());
        }
        let skew = center_time.saturating_sub(now);
        if skew.abs() > MAX_SKEW {
            return Err(Error::ClockSkew(skew));
        }
        let made = self.make(now).await?;
        let credential = made.credential.clone();
        self.save(&made);
        *current = Some(made);
        Ok(credential)
    }

    /// One operation of the card.
    async fn make(&self, now: i64) -> Result<Current, Error> {
        let key = SessionKey::generate().map_err(Error::Key)?;
        let not_before = now - EARLIER;
        let statement = Statement {
            member: self.member.clone(),
            center: self.center.clone(),
            session_key: *key.public(),
            not_before,
            not_after: not_before + MAX_LIFETIME,
        };
        let (not_before, not_after) = (statement.not_before, statement.not_after);
        let card = self.key.clone();
        let statement = tokio::task::spawn_blocking(move || make(&statement, card.as_ref(), now))
            .await
            .map_err(|_| Error::BrokenOff)?
            .map_err(Error::Sign)?;
        tracing::info!(not_after, "a login statement was signed");
        Ok(Current { credential: Arc::new(Credential { statement, key }), not_before, not_after })
    }

    /// What an earlier run left, if it is this member's, this center's and this certificate's.
    fn load(&self) -> Option<Current> {
        let bytes = zeroize::Zeroizing::new(std::fs::read(&self.file).ok()?);
        let kept: Kept = serde_json::from_slice(&bytes).ok()?;
        let ours = kept.member == self.member
            && kept.center == self.center
            && self.key.certificate().is_ok_and(|own| own.der() == kept.certificate);
        let key = SessionKey::from_pkcs8(&kept.key).ok()?;
        let credential = Arc::new(Credential { statement: kept.statement.clone(), key });
        ours.then_some(Current { credential, not_before: kept.not_before, not_after: kept.not_after })
    }

    /// A failure costs one card operation after the next start, nothing else.
    fn save(&self, current: &Current) {
        let Ok(certificate) = self.key.certificate() else { return };
        let saved = current.credential.key.to_pkcs8().map(|key| {
            let kept = Kept {
                member: self.member.clone(),
                center: self.center.clone(),
                certificate: certificate.der().to_vec(),
                not_before: current.not_before,
                not_after: current.not_after,
                key: key.to_vec(),
                statement: current.credential.statement.clone(),
            };
            let text = zeroize::Zeroizing::new(serde_json::to_vec(&kept).unwrap_or_default());
            write_private(&self.file, &text)
        });
        match saved {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the session could not be kept"),
            Err(error) => tracing::warn!(%error, "the session could not be kept"),
        }
    }
}

impl Credentials for Session {
    fn member(&self) -> &str {
        &self.0.member
    }

    fn credential<'a>(&'a self, challenge: &'a Challenge) -> CredentialFuture<'a> {
        Box::pin(async { Ok(self.get(challenge.time).await?) })
    }
}

/// The file: what a restart needs so that it costs no card operation.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "kebab-case")]
struct Kept {
    member: String,
    center: String,
    certificate: Vec<u8>,
    not_before: i64,
    not_after: i64,
    key: Vec<u8>,
    statement: Vec<u8>,
}

/// Replaces the file by one that only its owner can read.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("new");
    let _ = durable::remove("session", &draft);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = durable::File::open("session", &options, &draft)?;
    file.write_all(bytes)?;
    drop(file);
    durable::rename("session", &draft, path)
}

/// The statement begins a little before now, milliseconds: the center's clock may be behind.
const EARLIER: i64 = 6 * 60_000;
/// Not used in its last minutes, milliseconds.
const MARGIN: i64 = 10 * 60_000;
