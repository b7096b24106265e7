//! What the values of a letter mean: dates, contact lines, postcodes, company numbers.
//!
//! Everything here reads text that was written for people, so everything may also find nothing: the raw text always
//! stays what counts, and nothing here ever changes a byte of it. What looks wrong is a warning, never a refusal.

mod company;
mod contact;
mod date;
mod postcode;

pub use company::{company_number, is_company_number};
pub use contact::{Contact, ContactKind, contact};
pub use date::{Civil, Date, DateFault, date};
pub use postcode::{Address, address};

/// An ASCII or full-width digit as its value.
fn digit(character: char) -> Option<u32> {
    match character {
        '0'..='9' => Some(u32::from(character) - u32::from('0')),
        '０'..='９' => Some(u32::from(character) - u32::from('０')),
        _ => None,
    }
}

/// Text without any white space, the full-width blank among it, which is used for alignment.
fn squeezed(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}
