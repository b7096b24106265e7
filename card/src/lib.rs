//! Keys on a smart card, through the vendor's PKCS#11 module.
//!
//! - [`Settings`], [`Card`](State): what is wanted, and what is known of the card at a moment.
//! - [`identity`]: whose card it is, and whether it is the right one.
//! - [`guard`] and [`pin`]: no sequence of crashes spends a third PIN try.
//! - [`presence`]: news of readers and cards.
//! - [`helper`]: the child process in which the module runs.

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
pub use hint::Hint;
pub use pins::Pins;
pub use settings::{Care, Choice, Deadlines, KEPT, Settings};
pub use state::{Info, KeyOnCard, NoLogin, PinFlags, State, Token};
