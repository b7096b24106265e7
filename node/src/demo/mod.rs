//! `di-node demo`: a whole exchange on this machine, with everything that a real one has.
//!
//! It makes a throw-away CA ([`pki`]), sets up a center, a registrar and three members with the same commands that
//! people use ([`site`]), drops four letters ([`letters`]), tells every state as it happens, and checks at the end that
//! every expected state was reached and every byte matches ([`story`]). What runs are real processes: `di-center` from
//! beside this program, and this program itself. With `--pkcs11` the sender's keys are on a [`token`].

use std::fmt;
use std::path::PathBuf;

use crate::cli::exit;

mod letters;
mod pki;
mod site;
mod story;
mod token;

/// How to run it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Leave everything in this folder, which must be new or empty; else a temporary one is used and removed.
    pub(crate) keep: Option<PathBuf>,
    /// The sender's keys are on a token of this PKCS#11 module; for SoftHSM a scratch one is made.
    pub(crate) pkcs11: Option<PathBuf>,
    /// The label of a prepared token.
    pub(crate) token: Option<String>,
    /// The descriptor from which its PIN is read.
    pub(crate) pin_fd: Option<u32>,
    /// Wait between the steps, for people who watch.
    pub(crate) slow: bool,
}

/// Runs it; gives the exit code, 0 only if everything was as expected. Reads no input.
pub(crate) fn run(options: &Options) -> u8 {
    match story::tell(options) {
        Ok(()) => exit::OK,
        Err(failed) => {
            eprintln!("展示失敗：{failed}");
            exit::FAILED
        }
    }
}

/// Why a demonstration did not go through: one Chinese sentence with the cause.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl Failed {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    fn io(what: &str, cause: std::io::Error) -> Self {
        Self::because(what, cause.into())
    }

    #[allow(clippy::needless_pass_by_value, reason = "it is handed over by map_err")]
    fn because(what: &str, cause: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self(format!("{what}：{cause}"))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
