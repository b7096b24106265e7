//! Bringing a node up and down.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use config::NodeConfig;
use store::Store;
use store::boxes::Filter;
use store::state::Inbound;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::act::{Tools, ahead::Ahead, directory::Directory, fetch::spool_name, memory::Memory};
use crate::card::{Desk, Given};
use crate::flow::{Class, Why};
use crate::intake::Intake;
use crate::link::{Cursors, Link, LinkState};
use crate::parts::{self, Parts};
use crate::run::now;
use crate::trouble::Troubles;
use crate::{Error, api, archive, intake, run};

/// A node at work. Dropped without [`Running::stop`] its tasks end with the runtime, as at a crash.
#[derive(Debug)]
pub struct Running {
    store: Store,
    link: Link,
    wake: Arc<Notify>,
    card: Option<Desk>,
    intake: Option<Intake>,
    run: JoinHandle<()>,
    api: JoinHandle<()>,
    stop_run: CancellationToken,
    stop_link: CancellationToken,
}

/// Starts a node: folders and keys are checked, what a crash left is put right, then it works by itself. Returns as soon
/// as it works, whether or not the center answers.
///
/// # Errors
/// What a person must put right first: see [`Error`].
pub async fn start(config: NodeConfig) -> Result<Running, Error> {
    start_with(config, Given::default()).await
}

/// As [`start`], for a node whose card needs more than the settings say.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: NodeConfig, given: Given) -> Result<Running, Error> {
    let config = Arc::new(config);
    let Prepared { store, parts, revocation, card, cut_off } = {
        let config = Arc::clone(&config);
        let joined = tokio::task::spawn_blocking(move || prepare(&config, given)).await;
        joined.map_err(|error| part("recovery", "internal-panic", Class::Retry, error))??
    };
    let stop_run = CancellationToken::new();
    let stop_link = CancellationToken::new();
    let cursors = store.cursors()?;
    let cursors =
        Cursors { offers: cursors.offers, outcomes: cursors.outcomes, announcements: cursors.announcements };
    let link = Link::start(&config, &parts, cursors, now, stop_link.clone())
        .map_err(|error| part("link", error.label().to_owned(), Class::Permanent, error))?;
    let wake = Arc::new(Notify::new());
    let claimed = Arc::new(Notify::new());
    let socket = api::Socket::bind(&config.api.socket)
        .map_err(|error| part("local interface", error.label().to_owned(), Class::Retry, error))?;
    let troubles = Troubles::default();
    let local = local(&config, &store, &link, &wake, card.clone(), troubles.clone());
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let facts = run::nothing_known();
    let (ahead, begun) = Ahead::new(config.limits.in_flight, facts.subscribe());
    let tools = Tools {
        config: Arc::clone(&config),
        store: store.clone(),
        link: link.clone(),
        parts,
        directory: Directory::default(),
        revocation: revocation.clone(),
        card: card.clone(),
        cores: Arc::new(Semaphore::new(cores)),
        wake: Arc::clone(&wake),
        claimed: Arc::clone(&claimed),
        ahead,
        memory: Memory::default(),
        cut: CancellationToken::new(),
        troubles: troubles.clone(),
        clock: now,
    };
    let api = tokio::spawn(api::serve(socket, local, stop_run.clone()));
    let direct = run::Direct(tools.clone());
    let run = tokio::spawn(run::run(tools, facts, begun, stop_run.clone()));
    if let Some(card) = &card {
        tokio::spawn(card.clone().follow(store.clone(), now));
    }
    tokio::spawn(revocation.run(stop_run.clone().cancelled_owned()));
    let intake = if config.receive_only {
        None
    } else {
        let (config, store) = (Arc::clone(&config), store.clone());
        let start = move || Intake::start(&config, store, claimed, troubles, Some(Box::new(direct)), cut_off);
        let started = tokio::task::spawn_blocking(start).await;
        let started = started.map_err(|error| part("intake", "internal-panic", Class::Retry, error))?;
        Some(started.map_err(|error| part("intake", error.label(), Class::Retry, error))?)
    };
    Ok(Running { store, link, wake, card, intake, run, api, stop_run, stop_link })
}

/// What [`prepare`] makes.
struct Prepared {
    store: Store,
    parts: Parts,
    revocation: revocation::Checker,
    card: Option<Desk>,
    cut_off: intake::CutOff,
}

/// Folders, store, keys, recovery: blocking, before anything runs.
fn prepare(config: &NodeConfig, given: Given) -> Result<Prepared, Error> {
    let folders = &config.folders;
    for folder in
        [&folders.drop, &folders.sent, &folders.failed, &folders.inbox, &folders.archive, &folders.work]
    {
        writable(folder)?;
    }
    let filed = parts::filed(config)?;
    let store = Store::open(&folders.state, now())?;
    let digests = filed.iter().map(|key| *key.own_certificate().sha256()).collect();
    let card = Desk::start(config, given, digests, now)
        .map_err(|error| part("card", error.label(), Class::Wait(Why::Key), error))?;
    let parts = Parts::assemble(config, card.as_ref().map(Desk::keys), filed)?;
    let cut_off = intake::recover(config, &store, now())
        .map_err(|error| part("intake", error.label(), Class::Retry, error))?;
    crate::backup::mark(config, &store)
        .map_err(|error| part("delivery folder", error.label(), Class::Retry, error))?;
    let staged: Vec<String> = store.to_deliver(u32::MAX)?.into_iter().map(|row| row.staged).collect();
    archive::recover(config, &staged).map_err(|error| part("archive", error.label(), Class::Retry, error))?;
    let offered = Filter { states: vec![Inbound::Offered], limit: 10_000, ..Filter::default() };
    let resumable: Vec<String> = store.inbox(&offered)?.iter().map(spool_name).collect();
    let swept = store.spool().sweep(&store.spool_names()?, &resumable)?;
    if swept > 0 {
        tracing::info!(files = swept, "removed content files that no row names");
    }
    let revocation = revocation::Checker::open(revocation_settings(config), now)
        .map_err(|error| part("revocation", error.label(), Class::Retry, error))?;
    Ok(Prepared { store, parts, revocation, card, cut_off })
}

/// `[revocation]`, with the node's default: what is sealed to a stolen key cannot be taken back, so it waits.
pub(crate) fn revocation_settings(config: &NodeConfig) -> revocation::Settings {
    use config::{RevocationMode, WithoutAddress};
    let given = &config.revocation;
    let proxy = (!given.proxy.is_empty()).then(|| (given.proxy.host().to_owned(), given.proxy.port()));
    revocation::Settings {
        mode: match given.mode {
            None | Some(RevocationMode::Hard) => revocation::Mode::Hard,
            Some(RevocationMode::Soft) => revocation::Mode::Soft,
            Some(RevocationMode::Off) => revocation::Mode::Off,
        },
        accept_without_address: given.without_address == WithoutAddress::Accept,
        limit: given.max_size.get(),
        grace: given.grace.as_millis(),
        timeout: given.timeout.get(),
        proxy,
        internal: given.internal_addresses,
        ..revocation::Settings::new(config.folders.state.join("revocation"))
    }
}

/// Makes the folder and tries to write into it.
fn writable(path: &Path) -> Result<(), Error> {
    // Always the same name, so that one that a crash left goes at the next start.
    let trial = path.join(".di-node-trial");
    let tried = make_folders(path).and_then(|()| std::fs::File::create(&trial)).and_then(|_| {
        match std::fs::remove_file(&trial) {
            // A second node on these folders that will be refused, or was.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    });
    tried.map_err(|source| Error::Folder { path: path.to_owned(), source })
}

/// Makes the folder and what is missing above it, closed to others. One that exists keeps its mode.
pub(crate) fn make_folders(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o750).create(path)
}

fn part(
    what: &'static str,
    label: impl Into<String>,
    class: Class,
    source: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::Part { what, label: label.into(), class, source: Box::new(source) }
}

fn local(
    config: &NodeConfig,
    store: &Store,
    link: &Link,
    wake: &Arc<Notify>,
    card: Option<Desk>,
    troubles: Troubles,
) -> api::Local {
    let (state, wake) = (link.state(), Arc::clone(wake));
    api::Local {
        store: store.clone(),
        link: Arc::new(move || view(&state.borrow())),
        troubles,
        wake: Arc::new(move || wake.notify_one()),
        card,
        started_at: now(),
        code: config.party.code.to_string(),
        name: config.party.name.clone(),
        center: config.center.code.clone(),
        receive_only: config.receive_only,
        working_days: config.outcome.working_days,
    }
}

fn view(state: &LinkState) -> api::view::Link {
    let reason = state.label().and_then(|label| api::view::Reason::of(label, detail(state)));
    match state {
        LinkState::Up(up) => api::view::Link {
            connected: true,
            transport: Some(up.carrier.to_string()),
            since: Some(up.since),
            reason,
        },
        LinkState::Down { since, .. } => {
            api::view::Link { connected: false, transport: None, since: Some(*since), reason }
        }
    }
}

fn detail(state: &LinkState) -> &str {
    match state {
        LinkState::Down { detail, .. } => detail,
        LinkState::Up(_) => "",
    }
}

impl Running {
    /// Waits until the node is logged in at the center.
    pub async fn ready(&self) {
        let mut state = self.link.state();
        // The sender lives as long as the link that we hold.
        let _ = state.wait_for(|state| state.up().is_some()).await;
    }

    /// Where every document stands.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// How the link stands; changes wake the receiver.
    #[must_use]
    pub fn link(&self) -> watch::Receiver<LinkState> {
        self.link.state()
    }

    /// Has the loop look at everything again.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Stops: nothing new is begun, what is under way ends or is cut off after some seconds. The state folder is free
    /// for another start when this returns.
    pub async fn stop(self) {
        if let Some(intake) = self.intake {
            let _ = tokio::task::spawn_blocking(move || intake.stop()).await;
        }
        self.stop_run.cancel();
        let _ = self.run.await;
        self.stop_link.cancel();
        let _ = self.api.await;
        if let Some(card) = self.card {
            let _ = tokio::task::spawn_blocking(move || card.stop()).await;
        }
    }
}
