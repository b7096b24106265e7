//! The reference exchange center: keeps sealed documents for its members until they are fetched, and never opens one.
//!
//! - [`start`] runs a center; [`Running`] is the handle. [`main`] is the program `di-center`.
//! - [`mailbox::Mailbox`] and [`directory::Directory`] are the two seams over which `session` turns a request into a
//!   reply; SQLite is behind both. [`Registry`] changes members, also while a center runs on the same file.
//! - `backup` makes copies of all that and puts them back; `connection` and `bodies` move requests, replies and bytes, `admission` decides who may come in, `mischief` misbehaves on purpose.
//!
//! Invariants: bytes are durable before the row that names them, and the row before anyone is told; a part is accepted
//! once and answered with the same receipt for ever; nothing is held in memory but connections, rates, bells, and what was
//! read of members and newest numbers (`known`, `mailbox::tips`), which another process's write makes be read anew.
//!
//! It fails with [`Error`], which is the center's own trouble; what a member does wrong is a `wire` refusal. On disk it has
//! `center.db` (SQLite, WAL), `bodies/` and `uploads/` in the data folder, and `center.lock`, held while it runs.

mod admission;
mod backup;
mod bodies;
mod cli;
mod connection;
mod database;
mod desk;
pub mod directory;
mod error;
mod known;
pub mod mailbox;
mod mischief;
mod network;
#[cfg(test)]
#[path = "../tests/whole/pki.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the whole-center tests")]
mod pki;
#[cfg(feature = "failpoints")]
mod points;
mod rate;
mod session;
mod wake;
pub mod words;

pub use cli::main;
pub use connection::Clock;
pub use directory::{NewMember, PutEntry, Quotas, Registry};
pub use error::{Class, Error, LABELS, Result};
pub use network::Network;

use crate::connection::House;
use crate::database::Database;
use crate::desk::Desk;
use crate::directory::SqliteDirectory;
use crate::mailbox::sqlite::SqliteMailbox;
use crate::mailbox::{Mailbox as _, Tidied};
use config::{CenterConfig, KeySource};
use envelope::SigningKey;
use envelope::soft::SoftKey;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A center at work. Dropped without [`Running::stop`], it stops at once.
pub struct Running {
    address: SocketAddr,
    house: Arc<House>,
    database: Arc<Database>,
    work: Option<tokio::task::JoinHandle<()>>,
    _lock: std::fs::File,
}

/// Starts a center on the system's clock. It listens when this returns.
///
/// # Errors
/// [`Error`] for keys, anchors, database, folders or address that cannot be used.
pub async fn start(config: CenterConfig) -> Result<Running> {
    start_with(config, Arc::new(now)).await
}

/// [`start`] with another clock, for tests.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: CenterConfig, clock: Clock) -> Result<Running> {
    let tls = read_tls(&config)?;
    let receipt_key: Arc<dyn SigningKey> = Arc::new(read_receipt_key(&config)?);
    let anchors = directory::read_anchors(config.trust.anchors.as_deref())?;
    directory::make_folder(&config.data)?;
    let lock = lock(&config.data)?;
    let path = config.data.clone();
    let revocation = revocation_settings(&config);
    let for_revocation = clock.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let database = Arc::new(Database::open(&path.join("center.db"), true)?);
        let mailbox = SqliteMailbox::new(database.clone(), &path)?;
        let orphans = mailbox.remove_orphans()?;
        if orphans > 0 {
            tracing::info!(orphans, "files that no row names were removed");
        }
        // before anyone can wait for news, so that no later write of another process is missed
        let seen = mailbox.foreign_writes()?;
        let reset = mailbox.reset_secret()?;
        let revocation = revocation::Checker::open(revocation, move || for_revocation())?;
        Ok::<_, Error>((database, mailbox, seen, reset, revocation))
    });
    let (database, mailbox, seen, reset, revocation) = opened.await.unwrap_or(Err(Error::Task))?;
    let limits = wire::Limits {
        connections: config.limits.connections,
        per_address: config.limits.connections_per_member.max(64),
        ..wire::Limits::default()
    };
    let listener = wire::Listener::bind_again(config.listen, &tls, limits, &reset).await?;
    let address = listener.address();
    let house = Arc::new(House {
        desk: Desk {
            code: config.code.clone(),
            mailbox: Arc::new(mailbox),
            directory: Arc::new(SqliteDirectory::new(database.clone())),
            receipt_key,
            anchors,
            revocation: revocation.clone(),
            limits: config.limits.clone(),
            parts: rate::Rate::default(),
            requests: rate::Rate::default(),
            wake: wake::Wake::default(),
        },
        clock,
        mischief: mischief::Mischief::new(&config.mischief),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
        guests: std::sync::Mutex::default(),
    });
    tracing::info!(%address, center = config.code, "listening");
    house.tasks.spawn(revocation.run(house.stop.clone().cancelled_owned()));
    let work = tokio::spawn(listen(house.clone(), listener, config.keep.clone(), seen));
    Ok(Running { address, house, database, work: Some(work), _lock: lock })
}

impl Running {
    /// Where it listens, UDP and TCP, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when requests are taken: at once, since [`start`] returns a center that listens.
    pub async fn ready(&self) {
        std::future::ready(()).await;
    }

    /// Drops what is too old by the settings, as the running center does every minute.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::File`].
    pub async fn tidy(&self, keep: &config::Keep) -> Result<Tidied> {
        tidy(&self.house, keep).await
    }

    /// Stops: no new requests, running ones get five seconds, everything accepted is durable.
    pub async fn stop(mut self) {
        self.house.stop.cancel();
        if let Some(work) = self.work.take() {
            let _ = work.await;
        }
        let database = self.database.clone();
        let _ = tokio::task::spawn_blocking(move || database.close()).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.house.stop.cancel();
    }
}

/// `[revocation]`, with the center's default: a fault of an authority's server must not stop everybody's mail, and each
/// node judges for itself.
fn revocation_settings(config: &CenterConfig) -> revocation::Settings {
    use config::{RevocationMode, WithoutAddress};
    let given = &config.revocation;
    let proxy = (!given.proxy.is_empty()).then(|| (given.proxy.host().to_owned(), given.proxy.port()));
    revocation::Settings {
        mode: match given.mode {
            None | Some(RevocationMode::Soft) => revocation::Mode::Soft,
            Some(RevocationMode::Hard) => revocation::Mode::Hard,
            Some(RevocationMode::Off) => revocation::Mode::Off,
        },
        accept_without_address: given.without_address == WithoutAddress::Accept,
        limit: given.max_size.get(),
        grace: given.grace.as_millis(),
        timeout: given.timeout.get(),
        proxy,
        internal: given.internal_addresses,
        ..revocation::Settings::new(config.data.join("revocation"))
    }
}

async fn listen(house: Arc<House>, mut listener: wire::Listener, keep: config::Keep, seen: i64) {
    house.tasks.spawn(housekeeping(house.clone(), keep, seen));
    loop {
        tokio::select! {
            () = house.stop.cancelled() => break,
            incoming = listener.accept() => match incoming {
                Some(incoming) => drop(house.tasks.spawn(connection::serve(house.clone(), incoming))),
                None => break,
            },
        }
    }
    house.stop.cancel();
    house.tasks.close();
    if tokio::time::timeout(GRACE, house.tasks.wait()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    listener.close().await;
    tracing::info!("stopped");
}

/// Looks every other second whether another process wrote (an announcement, a member), and tidies every minute.
async fn housekeeping(house: Arc<House>, keep: config::Keep, mut seen: i64) {
    let mut looks = 0_u32;
    loop {
        tokio::select! {
            () = house.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let mailbox = house.desk.mailbox.clone();
        match tokio::task::spawn_blocking(move || mailbox.foreign_writes()).await {
            Ok(Ok(now)) if now != seen => {
                seen = now;
                house.desk.wake.ring_all();
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(error = error.chain(), "cannot look for foreign writes"),
            Err(_) => {}
        }
        looks += 1;
        if looks.is_multiple_of(TIDY_EVERY) {
            match tidy(&house, &keep).await {
                Ok(Tidied { uploads: 0, bodies: 0, records: 0 }) => {}
                Ok(Tidied { uploads, bodies, records }) => {
                    tracing::info!(uploads, bodies, records, "tidied");
                }
                Err(error) => tracing::warn!(error = error.chain(), "cannot tidy"),
            }
        }
    }
}

async fn tidy(house: &Arc<House>, keep: &config::Keep) -> Result<Tidied> {
    let now = (house.clock)();
    let (uploads, bodies) = (keep.uploads.as_millis(), keep.bodies.as_millis());
    let mailbox = house.desk.mailbox.clone();
    let records = keep.records.map(|keep| now.saturating_sub(keep.as_millis()));
    let work = move || mailbox.tidy(now.saturating_sub(uploads), now.saturating_sub(bodies), records, now);
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Task))
}

/// Keeps a second center out: at its start it would take for orphans the bodies that the first is about to name.
fn lock(data: &Path) -> Result<std::fs::File> {
    let path = data.join("center.lock");
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|e| Error::file("open", &path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse(data.to_owned())),
        Err(std::fs::TryLockError::Error(e)) => Err(Error::file("lock", &path, e)),
    }
}

/// The organisation of a mailbox code: its first ten characters.
pub(crate) fn organisation(code: &str) -> &str {
    code.get(..10).unwrap_or(code)
}

fn read(path: Option<&Path>) -> Result<Vec<u8>> {
    let path = path.unwrap_or_else(|| Path::new(""));
    std::fs::read(path).map_err(|e| Error::file("read", path, e))
}

fn read_tls(config: &CenterConfig) -> Result<wire::ServerTls> {
    let chain = read(config.tls.certificate.as_deref())?;
    let key = read(config.tls.key.as_deref())?;
    Ok(wire::ServerTls::new(&chain, &key)?)
}

fn read_receipt_key(config: &CenterConfig) -> Result<SoftKey> {
    read_key(&config.receipt, "the receipt key")
}

/// A key file of the settings.
pub(crate) fn read_key(file: &config::KeyFile, what: &str) -> Result<SoftKey> {
    let passphrase = match (&file.passphrase, &file.passphrase_file) {
        (Some(secret), _) => Some(secret.expose().to_owned()),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(|e| Error::file("read", path, e))?;
            Some(text.lines().next().unwrap_or_default().to_owned())
        }
        (None, None) => None,
    };
    match file.source() {
        Some(KeySource::Files { key, certificate }) => {
            let (key, certificates) = (read(Some(key))?, read(Some(certificate))?);
            SoftKey::from_file(&key, passphrase.as_deref(), Some(&certificates))
        }
        Some(KeySource::Pkcs12(path)) => SoftKey::from_file(&read(Some(path))?, passphrase.as_deref(), None),
        None => return Err(Error::file("read", Path::new(""), std::io::ErrorKind::NotFound.into())),
    }
    .map_err(Error::envelope(what))
}

/// The system's clock, Unix milliseconds UTC: read here and nowhere below.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

const GRACE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(2);
const TIDY_EVERY: u32 = 30;
