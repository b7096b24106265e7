//! Steps that fail because a test says so.

use crate::Step;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// What the control file says about this step.
///
/// # Errors
/// What the fault is.
///
/// # Panics
/// If the control file holds a line that is none.
pub fn fault(name: &'static str, step: Step) -> io::Result<()> {
    static CONTROL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let control = CONTROL.get_or_init(|| std::env::var_os("DI_FAULTS").map(PathBuf::from));
    let Some(text) = control.as_ref().and_then(|path| std::fs::read_to_string(path).ok()) else {
        return Ok(());
    };
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [of, at, fault] = words[..] else { panic!("{line:?} is no fault: NAME STEP FAULT") };
        let natural = match fault {
            "full" => {
                matches!(step, Step::Create | Step::Write | Step::MakeFolder | Step::Commit)
            }
            "read-only" => {
                !matches!(step, Step::Fsync | Step::Folder | Step::Send | Step::Receive | Step::Card)
            }
            _ => matches!(step, Step::Fsync | Step::Folder | Step::Commit),
        };
        if (of != "*" && of != name) || if at == "*" { !natural } else { at != step.word() } {
            continue;
        }
        // ENOSPC, EROFS, EIO: these numbers are the same on every Linux
        return Err(io::Error::from_raw_os_error(match fault {
            "full" => 28,
            "read-only" => 30,
            "io" => 5,
            _ => {
                let slow = fault.strip_prefix("slow:").and_then(|ms| ms.parse().ok());
                std::thread::sleep(Duration::from_millis(
                    slow.unwrap_or_else(|| panic!("no fault: {fault}")),
                ));
                continue;
            }
        }));
    }
    Ok(())
}
