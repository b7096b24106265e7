//! The whole system, driven and broken on purpose.
//!
//! - [`site`]: center and nodes as real processes over what the demo keeps, for what only processes can show
//!   (memory, CPU, kill -9, the command line).
//!
//! - [`world`]: center and nodes in this process, for everything else; [`pki`] makes their keys.
//!
//! - [`relay`]: the line between them, as bad as a test wants it; [`settled`]: what must hold when all is over.
//!
//! - [`crash`]: kill -9 of everybody, again and again, and what must hold after.
//!
//! - [`pcscd`]: a private smart card service per test, and [`virtual_card`], the card in its reader.
//!
//! The tests themselves are in `tests/`. Nothing depends on this crate.

use std::path::PathBuf;

pub mod crash;
pub mod pcscd;
pub mod pki;
pub mod power;
pub mod relay;
pub mod settled;
pub mod site;
pub mod virtual_card;
pub mod world;

/// The folder of the programs with fail points, built by `make failpoints` (and so by `make test`).
///
/// # Panics
/// If they are not there, or not there any more for what is tested.
#[must_use]
pub fn failpoint_binaries() -> PathBuf {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let dir = root.join("target/failpoints/debug");
    for name in ["di-node", "di-center"] {
        assert!(
            dir.join(name).is_file(),
            "{name} with fail points is not built: run `make failpoints` first"
        );
    }
    dir
}

/// A program of this workspace, built beside the running test (`make test` builds it first).
///
/// # Panics
/// If it is not there, with what to do.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("a test knows its own path");
    let found = me.ancestors().skip(1).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("{name} is not built: run `cargo build -p node -p center` (or `make test`) first")
    })
}
