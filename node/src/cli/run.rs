//! `run` and `demo`.

use std::io::IsTerminal as _;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::source::settings;
use super::{Done, exit};

/// Runs the service until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once, as a crash would, which loses
/// nothing.
pub(super) fn run(config: Option<&Path>) -> Done {
    let (settings, path) = settings(config)?;
    crate::telemetry::init("info");
    let pin = settings.card.is_used().then(|| asked(&settings)).flatten();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::labelled(exit::INTERNAL, "no-runtime").because(e))?;
    runtime.block_on(async {
        let fault = |e| Failure::labelled(exit::INTERNAL, "no-runtime").because(e);
        let mut terminate = signal(SignalKind::terminate()).map_err(fault)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fault)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(fault)?;
        let code = settings.party.code.to_string();
        let given = crate::Given { pin, ..crate::Given::default() };
        let running = crate::start_with(settings, given).await.map_err(not_started)?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), member = code, config = %path.display(), "started");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        tracing::info!("stopping");
        tokio::select! {
            () = running.stop() => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopped");
        Ok(exit::OK)
    })
}

/// The PIN from a person at the terminal, where the settings name no source of one. None is no fault: the node waits for
/// it.
fn asked(settings: &config::NodeConfig) -> Option<::card::pin::Supply> {
    crate::card::harden();
    if crate::card::source(&settings.card).is_some() || !std::io::stdin().is_terminal() {
        return None;
    }
    match ::card::pin::Supply::open(crate::card::question()) {
        Ok(supply) => Some(supply),
        Err(error) => {
            tracing::warn!(label = error.label(), %error, "no PIN");
            None
        }
    }
}

/// What kept the node from starting, in the words of its label.
fn not_started(error: crate::Error) -> Failure {
    let label = error.label().to_owned();
    let code = match &error {
        crate::Error::Read { .. } | crate::Error::Key { .. } | crate::Error::Lacks(_) => exit::CONFIG,
        crate::Error::Folder { .. } | crate::Error::Apart { .. } => exit::CANNOT_CREATE,
        _ => exit::UNAVAILABLE,
    };
    let what = format!("節點無法啟動：{}", crate::words::what(&label));
    Failure::new(code, label, what).because(error)
}

/// A whole exchange on this machine. It prints as it goes; if nobody reads any more (`di-node demo | head`) it ends
/// without a word, with everything that it started.
pub(super) fn demo(demo: super::Demo) -> u8 {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let said = info.payload().downcast_ref::<String>().map_or("", String::as_str);
        if !said.starts_with("failed printing to std") {
            shown(info);
        }
    }));
    let options = crate::demo::Options {
        keep: demo.keep,
        pkcs11: demo.pkcs11,
        token: demo.token,
        pin_fd: demo.pin_fd,
        slow: demo.pace == super::Pace::Slow,
    };
    std::panic::catch_unwind(|| crate::demo::run(&options)).unwrap_or(exit::FAILED)
}
