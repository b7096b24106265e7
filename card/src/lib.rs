//! Keys on a smart card, through the vendor's PKCS#11 module, for a service that nobody watches.
//!
//! What is in it, from the outside to the card:
//!
//! - [`Card`] keeps one card ready on a thread of its own and lends it out as [`envelope::SigningKey`] and
//!   [`envelope::UnwrapKey`]; [`Settings`] say which card, [`State`] says how it stands. A missing card is a state, not
//!   an error.
//! - [`Helper`] is one child process with the module in it, for the supervisor and for commands. [`helper::main`] is
//!   that child: one thread, one session, framed requests, a deadline for each. The module may hang, crash, leak or
//!   print; then the child is killed and another one started.
//! - [`guard`] and [`pin`]: every presentation of a PIN is on disk before it happens, so no sequence of failures and
//!   crashes spends the try that locks the card. [`Pins`] is the only way from one to the other.
//! - [`identity`]: whose card it is, and whether it is the right one. Keys are chosen by key usage, then CKA_ID, then
//!   label.
//! - [`presence`]: news of readers and cards through PC/SC, given to [`Card::hint`]. Never required.
//!
//! What this crate never does: call what changes a PIN or a token (a test reads its sources), use slot events, log in
//! on a module that has failed since its last fresh start, try a PIN that the guard has not let through, read the time
//! of day (a clock is passed in), or let a PIN near an argument, an environment, a log or an error.
//!
//! It fails with one [`Error`]; labels and classes are in [`LABELS`], [`guard::LABELS`], [`pin::LABELS`] and
//! [`presence::LABELS`]. It writes nothing but the guard's records.

mod card;
mod choose;
mod client;
mod error;
mod frame;
mod hint;
mod owner;
mod pins;
mod process;
mod protocol;
mod settings;
mod state;

pub mod guard;
pub mod helper;
pub mod identity;
pub mod pin;
pub mod presence;

pub use card::Card;
pub use choose::token as the_one;
pub use client::{Helper, Listing};
pub use envelope::Class;
pub use envelope::key::CardRank;
pub use error::{Error, LABELS};
pub use helper::harden;
pub use hint::Hint;
pub use pins::Pins;
pub use settings::{Care, Choice, Deadlines, KEPT, Settings};
pub use state::{Info, KeyOnCard, NoLogin, PinFlags, State, Token};
