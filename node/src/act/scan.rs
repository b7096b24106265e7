//! The scan hook: a command between verify and archive. Where one is configured, no verdict means no archive.

use std::path::Path;
use std::process::Stdio;

use super::{Step, Tools};
use crate::flow::{Fault, Outcome, Why};

/// Label: the scanner refused the files.
pub const REFUSED: &str = "scan-refused";
/// Label in the detail of a wait: the scanner gave no verdict.
pub const DOWN: &str = "scanner-down";

/// [`scan`] on a thread that may block.
///
/// # Errors
/// As [`scan`].
pub(super) fn scan_blocking(tools: &Tools, folder: &Path) -> Step<()> {
    if tools.config.scan.command.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| Outcome::Stopped)?;
    runtime.block_on(scan(tools, folder))
}

/// Has the files below `folder` scanned: exit code 0 passes, 1 refuses, anything else (and the time running out) is no
/// verdict. Passes at once where nothing is configured.
///
/// # Errors
/// [`REFUSED`] as [`Outcome::Bad`]; a wait for the scanner.
pub async fn scan(tools: &Tools, folder: &Path) -> Step<()> {
    let scan = &tools.config.scan;
    let Some((program, arguments)) = scan.command.split_first() else { return Ok(()) };
    let wait = |detail: String| Outcome::Fault(Fault::wait(Why::Scanner, format!("{DOWN}: {detail}")));
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|e| wait(format!("{program}: {e}")))?;
    match tokio::time::timeout(scan.timeout.get(), child.wait()).await {
        Err(_) => Err(wait(format!("no verdict in {} s", scan.timeout.get().as_secs()))),
        Ok(Err(error)) => Err(wait(error.to_string())),
        Ok(Ok(status)) => match status.code() {
            Some(0) => Ok(()),
            Some(1) => Err(Outcome::Bad { label: REFUSED.into(), detail: String::new() }),
            _ => Err(wait(status.to_string())),
        },
    }
}
