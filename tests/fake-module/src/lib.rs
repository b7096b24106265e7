//! A PKCS#11 2.40 module over files, for the tests: it does what neither SoftHSM nor a virtual card can be made to do.
//!
//! - [`Script`] is what it is to do (readers, cards, faults), a JSON file named by the environment variable
//!   [`VARIABLE`] and read anew at every call.
//! - [`Memory`] is what a card remembers of its PIN: a file too, so that killing whoever uses the card changes nothing.
//!
//! `library` holds sessions and logins, `object` what lies on a card, `rsa` its arithmetic, `entry` and `operation` the C functions.
//! It is the only member of the workspace with `unsafe`, because it is the C side of a C interface. It believes its
//! caller's pointers. It is never part of the product.

mod entry;
mod library;
mod memory;
mod object;
mod operation;
mod rsa;
mod script;

pub use entry::C_GetFunctionList;
pub use memory::Memory;
pub use script::{Asks, Card, Fault, Key, Oaep, Reader, Script, VARIABLE, What, When, WrongPin};
