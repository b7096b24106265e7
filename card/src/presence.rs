//! Is the card in? Asked of the smart card service (PC/SC), and of nothing else.
//!
//! The PKCS#11 module does the work; this room only says whether there is any use in asking it. A module that has no
//! PC/SC behind it works without: then the state is [`State::Unwatched`] and the node simply tries.
//!
//! - [`look`] is one look, for commands: what is there now.
//! - [`Watcher`] is a thread that keeps looking, for the service: every change arrives as a [`Snapshot`], or, for
//!   [`crate::Card`], as a [`Hint`].
//!
//! Nothing here is an error. The service being absent, refusing us, or dying under our feet is a [`State`] with a label
//! and ends by itself; the watcher asks again until it does. Nothing here connects to a card, so nobody is disturbed.
//!
//! Source: PC/SC Part 5 (resource manager), pcsc-lite's `SCardGetStatusChange`.

#[cfg(feature = "pcsc")]
mod service;
mod watcher;

pub use watcher::Watcher;

use crate::{Class, Hint};
use std::fmt;

/// Which reader to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Part of the reader's name as PC/SC shows it (`di-node card list`), in any case; none means any reader.
    pub reader: Option<String>,
}

/// Where the card stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody looks: switched off in the settings, or built without PC/SC. Not a reason to wait.
    Unwatched,
    /// The first look is still under way. Not a reason to wait.
    Looking,
    /// The smart card service does not answer: not installed, not started, or just died.
    ServiceAbsent,
    /// The smart card service hangs up on this user: its access policy (polkit) does not allow us.
    Refused,
    /// The service runs, but no reader is plugged in, or its driver is missing.
    NoReader,
    /// Readers are there, but none of the wanted name.
    ReaderMissing {
        /// What the settings ask for.
        wanted: String,
        /// The readers that are there.
        seen: Vec<String>,
    },
    /// The reader has no card in it. With several readers: none has; this is the first.
    ReaderEmpty {
        /// The reader's name.
        reader: String,
    },
    /// A card is in and does not answer: upside down, dirty, broken, or not a smart card.
    Mute {
        /// The reader's name.
        reader: String,
    },
    /// A card is in and answered its reset.
    CardIn {
        /// The reader's name.
        reader: String,
        /// Its answer to reset. A hint for messages ([`family`]), never a reason to refuse a card.
        atr: Vec<u8>,
        /// The service's count of insertions and removals in this reader: another number is another insertion,
        /// even of the same card. It starts anew with the service.
        events: u32,
    },
}

/// Every label of this room with its class: all are `Wait`, none spends an attempt. Where [`crate::State`] knows the
/// same trouble, it has the same label.
pub const LABELS: &[(&str, Class)] = &[
    ("card-no-service", Class::Wait),
    ("card-service-refused", Class::Wait),
    ("card-no-reader", Class::Wait),
    ("card-reader-missing", Class::Wait),
    ("card-absent", Class::Wait),
    ("card-mute", Class::Wait),
];

impl State {
    /// A stable name for programs, kebab-case, one of [`LABELS`]; none when there is nothing to wait for.
    #[must_use]
    pub fn label(&self) -> Option<&'static str> {
        match self {
            Self::Unwatched | Self::Looking | Self::CardIn { .. } => None,
            Self::ServiceAbsent => Some("card-no-service"),
            Self::Refused => Some("card-service-refused"),
            Self::NoReader => Some("card-no-reader"),
            Self::ReaderMissing { .. } => Some("card-reader-missing"),
            Self::ReaderEmpty { .. } => Some("card-absent"),
            Self::Mute { .. } => Some("card-mute"),
        }
    }

    /// Whether asking the module for a signature can succeed, as far as presence can tell. True when nobody looks.
    #[must_use]
    pub fn may_work(&self) -> bool {
        self.label().is_none()
    }

    /// What the supervisor of the card is told when the state becomes this one. None while nothing is known.
    #[must_use]
    pub fn hint(&self, before: &Self) -> Option<Hint> {
        match self {
            Self::Looking => None,
            Self::Unwatched => Some(Hint::Silent),
            Self::ServiceAbsent => Some(Hint::NoService { detail: self.to_string() }),
            Self::Refused => Some(Hint::Refused { detail: self.to_string() }),
            Self::NoReader | Self::ReaderMissing { .. } => Some(Hint::NoReader),
            Self::ReaderEmpty { .. } | Self::Mute { .. } if matches!(before, Self::CardIn { .. }) => {
                Some(Hint::CardOut)
            }
            Self::ReaderEmpty { .. } | Self::Mute { .. } => Some(Hint::NoCard),
            Self::CardIn { .. } => Some(Hint::CardIn),
        }
    }

    /// The reader in question, where there is one.
    #[must_use]
    pub fn reader(&self) -> Option<&str> {
        match self {
            Self::ReaderEmpty { reader } | Self::Mute { reader } | Self::CardIn { reader, .. } => {
                Some(reader)
            }
            _ => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwatched => f.write_str("card presence is not watched"),
            Self::Looking => f.write_str("looking for the card"),
            Self::ServiceAbsent => f.write_str("the smart card service (pcscd) does not answer"),
            Self::Refused => f.write_str("the smart card service (pcscd) refuses this user"),
            Self::NoReader => f.write_str("no card reader"),
            Self::ReaderMissing { wanted, seen } => {
                write!(f, "no reader named like {wanted:?} among {}", seen.join(", "))
            }
            Self::ReaderEmpty { reader } => write!(f, "no card in {reader}"),
            Self::Mute { reader } => write!(f, "the card in {reader} does not answer"),
            Self::CardIn { reader, atr, .. } => {
                write!(f, "card in {reader}")?;
                match family(atr) {
                    Some(family) => write!(f, " ({family})"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// One reader, wanted or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Its name as PC/SC shows it.
    pub name: String,
    /// Whether the settings let us use it.
    pub wanted: bool,
    /// What is in it.
    pub slot: Slot,
}

/// What is in a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Nothing.
    Empty,
    /// Something that does not answer.
    Mute,
    /// A card.
    Card {
        /// Its answer to reset.
        atr: Vec<u8>,
        /// Insertions and removals so far, see [`State::CardIn`].
        events: u32,
        /// Another program holds it for itself alone; the module will have to wait for that program.
        exclusive: bool,
    },
}

/// What one look saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Where the card stands.
    pub state: State,
    /// All readers, in the service's order.
    pub readers: Vec<Reader>,
    /// Which change this is: counts up with every snapshot that differs from the one before. 0 is before the first look.
    pub turn: u64,
}

impl Snapshot {
    /// A state without readers.
    pub(crate) fn of(state: State) -> Self {
        Self { state, readers: Vec::new(), turn: 0 }
    }
}

/// One look, without a thread: what is there now. Waits for the service no longer than the service takes to answer;
/// refused once, it asks a second time after 200 ms (a dying service hangs up like a refusing one).
#[must_use]
pub fn look(settings: &Settings) -> Snapshot {
    #[cfg(feature = "pcsc")]
    return service::look(settings);
    #[cfg(not(feature = "pcsc"))]
    {
        let _ = settings;
        Snapshot::of(State::Unwatched)
    }
}

/// The family that an answer to reset hints at, in English, for messages. Other cards, and other generations of these,
/// answer otherwise and work all the same.
///
/// Source: `smartcard_list.txt` of pcsc-tools. No answer of an XCA card is published there.
#[must_use]
pub fn family(atr: &[u8]) -> Option<&'static str> {
    let has = |name: &[u8]| atr.windows(name.len()).any(|window| window == name);
    if has(b"CHTMOICA") {
        Some("Chunghwa Telecom card, MOICA family")
    } else if has(b"CHTGPK") {
        Some("Chunghwa Telecom GPKI card")
    } else if has(&[0x31, 0xc1, 0x64, 0x08]) {
        Some("Chunghwa Telecom card, contactless")
    } else {
        None
    }
}

/// Names of all readers and what one set of settings makes of them. Pure, so that every combination is under test.
#[cfg_attr(not(feature = "pcsc"), allow(dead_code, reason = "used by the room that talks to the service"))]
fn judge(settings: &Settings, found: Vec<(String, Slot)>) -> Snapshot {
    let wish = settings.reader.as_deref().map(str::trim).filter(|wish| !wish.is_empty());
    let fits = |name: &str| wish.is_none_or(|wish| name.to_lowercase().contains(&wish.to_lowercase()));
    let readers: Vec<Reader> =
        found.into_iter().map(|(name, slot)| Reader { wanted: fits(&name), name, slot }).collect();
    let state = state_of(&readers, wish);
    Snapshot { state, readers, turn: 0 }
}

/// A card that answers wins over one that does not, that over an empty reader; among equals the first.
fn state_of(readers: &[Reader], wish: Option<&str>) -> State {
    let wanted = || readers.iter().filter(|reader| reader.wanted);
    let with_card = wanted().find_map(|reader| match &reader.slot {
        Slot::Card { atr, events, .. } => {
            Some(State::CardIn { reader: reader.name.clone(), atr: atr.clone(), events: *events })
        }
        _ => None,
    });
    let mute = || wanted().find(|reader| reader.slot == Slot::Mute);
    with_card
        .or_else(|| mute().map(|reader| State::Mute { reader: reader.name.clone() }))
        .or_else(|| wanted().next().map(|reader| State::ReaderEmpty { reader: reader.name.clone() }))
        .unwrap_or_else(|| match wish {
            Some(wish) if !readers.is_empty() => State::ReaderMissing {
                wanted: wish.to_owned(),
                seen: readers.iter().map(|reader| reader.name.clone()).collect(),
            },
            _ => State::NoReader,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> Settings {
        Settings::default()
    }

    fn named(reader: &str) -> Settings {
        Settings { reader: Some(reader.to_owned()) }
    }

    fn card(events: u32) -> Slot {
        Slot::Card { atr: vec![0x3b, 0], events, exclusive: false }
    }

    fn readers(slots: &[(&str, Slot)]) -> Vec<(String, Slot)> {
        slots.iter().map(|(name, slot)| ((*name).to_owned(), slot.clone())).collect()
    }

    #[test]
    fn a_card_in_any_reader_is_found() {
        let seen =
            judge(&any(), readers(&[("A 00 00", Slot::Empty), ("B 01 00", card(3)), ("C", Slot::Mute)]));
        assert_eq!(seen.state, State::CardIn { reader: "B 01 00".into(), atr: vec![0x3b, 0], events: 3 });
        assert_eq!(seen.readers.len(), 3);
    }

    #[test]
    fn only_the_named_reader_counts() {
        let two = readers(&[("ACS ACR39U 00 00", card(1)), ("EZ100PU 01 00", Slot::Empty)]);
        assert_eq!(judge(&named("ez100"), two.clone()).state.label(), Some("card-absent"));
        assert_eq!(judge(&named("Castles"), two.clone()).state.label(), Some("card-reader-missing"));
        assert!(judge(&named(" "), two).state.may_work(), "a blank name means any reader");
        assert_eq!(judge(&named("EZ100"), vec![]).state, State::NoReader);
    }

    #[test]
    fn a_mute_card_is_told_before_an_empty_reader() {
        let seen = judge(&any(), readers(&[("A", Slot::Empty), ("B", Slot::Mute)]));
        assert_eq!(seen.state, State::Mute { reader: "B".into() });
    }

    #[test]
    fn another_insertion_is_news_and_going_is_told_apart_from_not_being_there() {
        let inside = |events| State::CardIn { reader: "A".into(), atr: vec![], events };
        let empty = State::ReaderEmpty { reader: "A".into() };
        assert_ne!(inside(1), inside(3));
        assert_eq!(inside(3).hint(&inside(1)), Some(Hint::CardIn));
        assert_eq!(empty.hint(&inside(1)), Some(Hint::CardOut));
        assert_eq!(empty.hint(&State::NoReader), Some(Hint::NoCard));
    }

    #[test]
    fn families_are_hints() {
        let atr = [
            0x3b, 0xb8, 0x13, 0x00, 0x81, 0x31, 0xfa, 0x52, 0x43, 0x48, 0x54, 0x4d, 0x4f, 0x49, 0x43, 0x41,
            0xa5,
        ];
        assert!(family(&atr).is_some_and(|name| name.contains("MOICA")));
        assert_eq!(family(&[]), None);
        assert_eq!(family(&[0x3b, 0x00]), None);
    }
}
