//! `run` and `demo`.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::source::settings;
use super::{Done, exit};

pub(super) fn run(config: Option<&Path>) -> Done {
    let _ = settings(config)?;
    Err(Failure::labelled(exit::INTERNAL, "no-runtime"))
}

pub(super) fn demo(_keep: Option<PathBuf>, _slow: bool) -> u8 {
    exit::INTERNAL
}
