//! The node's card: what the settings say of it, in the words of the crate `card`.
//!
//! - [`settings`], [`readers`], [`source`]: the settings file turned into what that crate wants;
//! - [`Desk`]: the card of the running service; [`seen`]: its keys, and its certificates while it is away;
//!   [`turn`]: nobody waits for the card on a processor's time;
//! - [`tell`]: what people are told of a card;
//! - [`find`]: a look at the card by a command that has a helper of its own, where no service runs.

mod desk;
pub(crate) mod find;
mod seen;
pub(crate) mod tell;
mod turn;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use desk::Given;
pub(crate) use desk::{Desk, Moment};
pub(crate) use seen::Seen;
pub(crate) use turn::{with as with_turn, without};

/// A process that may hold a PIN leaves no core file.
pub(crate) use ::card::harden;
use ::card::{Choice, Deadlines, Settings, identity::Expected, pin, presence};
use config::{Card, NodeConfig, Pcsc, PinSource};

/// The helper is this very program; by this name also after the file was replaced by a newer version.
const MYSELF: &str = "/proc/self/exe";
/// The hidden verb under which this program is the helper.
pub(crate) const HELPER: &str = "card-helper";

/// Program and arguments of the helper.
pub(crate) fn helper() -> Vec<OsString> {
    vec![MYSELF.into(), HELPER.into()]
}

/// What the supervisor and the commands are told, from the settings file.
pub(crate) fn settings(card: &Card, module: &Path) -> Settings {
    let (short, long) = (card.timeout.get(), card.start_timeout.get());
    Settings {
        choice: Choice { serial: card.serial.clone(), label: card.label.clone() },
        expected: Expected { organisation_oid: card.organisation_oid.clone(), ..Expected::default() },
        deadlines: Deadlines { load: long, list: short, read: long, login: long, operate: short },
        ..Settings::new(helper(), module)
    }
}

/// Which readers to look at; `None` where PC/SC is switched off.
pub(crate) fn readers(card: &Card) -> Option<presence::Settings> {
    match &card.pcsc {
        Pcsc::Auto => Some(presence::Settings::default()),
        Pcsc::Off => None,
        Pcsc::Reader(name) => Some(presence::Settings { reader: Some(name.clone()) }),
    }
}

/// Where the PIN comes from; `None` where a person has to enter it.
pub(crate) fn source(card: &Card) -> Option<pin::Source> {
    Some(match card.pin() {
        PinSource::Credential(name) => pin::Source::Credential(name.to_owned()),
        PinSource::File(path) => pin::Source::File(path.to_owned()),
        PinSource::Fd(number) => pin::Source::Descriptor(u32::try_from(number).ok()?),
        PinSource::Prompt => return None,
    })
}

/// What a person is asked at the terminal.
pub(crate) fn question() -> pin::Source {
    pin::Source::Prompt("卡片 PIN 碼（輸入時不顯示）：".to_owned())
}

/// Where the guard keeps what it knows of each card's tries.
pub(crate) fn guard_folder(config: &NodeConfig) -> PathBuf {
    config.card.guard.clone().unwrap_or_else(|| config.folders.state.join("card"))
}
