//! The program that people run: documents from a drop folder to a confirmed archive, unattended.
//!
//! Read in the order in which a document goes through:
//!
//! - [`intake`] watches the drop folder, waits until a unit is whole and claims it into `work/<id>/`;
//! - [`flow`] decides what to do next with a record and what an outcome changes: pure, no clock, no disk;
//! - [`act`] performs one decided step and is the only place that composes `di-format`, `envelope`, `wire`
//!   and `store`;
//! - [`run`] is the only loop: gather facts, decide, act (bounded), record, wake;
//! - [`link`] keeps the conversation with the center;
//! - [`archive`] and [`note`] write what people find: the delivery folder, the archive, `sent/`, `failed/`;
//! - [`mod@backup`] makes copies of all that, and puts them back;
//! - [`api`] and [`cli`] show all of it; [`words`] holds what people read, in Chinese, by stable label; [`workday`] is
//!   the calendar by which an answer is missed.
//!
//! Tests start a node with [`start`]; the binary calls [`main`].
//!
//! On disk, below `folders`: `drop/ work/ sent/ failed/ inbox/ archive/` and `state/` (database, spool, lock,
//! API socket). What each holds is described where it is written.

use std::process::ExitCode;

pub use card::Given;
pub use error::{Error, LABELS};
pub use start::{Running, start, start_with};

pub mod act;
pub mod api;
pub mod archive;
mod backup;
mod card;
pub mod cli;
pub mod demo;
mod doctor;
mod error;
pub mod export;
pub mod flow;
pub mod intake;
pub mod link;
mod lint;
pub mod note;
pub mod parts;
#[cfg(feature = "failpoints")]
mod points;
pub mod run;
pub mod setup;
mod start;
mod table;
pub mod telemetry;
pub mod trouble;
mod verify;
pub mod words;
pub mod workday;

/// The whole program: reads the command line, does it, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    points::declare();
    // The card's helper is this program under a hidden verb; nothing else of it may run there.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == card::HELPER) {
        return ExitCode::from(u8::try_from(::card::helper::main()).unwrap_or(70));
    }
    cli::main()
}
