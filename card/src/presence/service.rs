//! The conversation with the smart card service. One [`Service`] is one connection to it.

use super::{Settings, Slot, Snapshot, State, judge};
use pcsc::{Context, Error, PNP_NOTIFICATION, ReaderState, Scope, State as Flags};
use std::ffi::{CStr, CString};
use std::time::Duration;

/// How long a hang-up is given to turn out as a dying service instead of a refusal.
pub(super) const SECOND_ASKING: Duration = Duration::from_millis(200);

/// A connection to the service and what we know of its readers.
pub(super) struct Service {
    context: Context,
    readers: Vec<ReaderState>,
}

/// Why a connection could not be had, or ended. Either way the next thing to do is to connect anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// Nobody answers.
    Absent,
    /// It hung up on us. A refusal when it does so twice at the beginning; a death when in the middle.
    HungUp,
}

impl From<Error> for Gone {
    fn from(error: Error) -> Self {
        tracing::debug!(error = %error, "the smart card service");
        // pcsc-lite's client reports an orderly close of its socket as a violation: what a refusal looks like from
        // here, and also what the death of the daemon looks like to a waiting client.
        if error == Error::SecurityViolation { Self::HungUp } else { Self::Absent }
    }
}

impl Service {
    /// Connects.
    pub(super) fn connect() -> Result<Self, Gone> {
        let context = Context::establish(Scope::System)?;
        let watch_plugs = ReaderState::new(PNP_NOTIFICATION(), Flags::UNAWARE);
        Ok(Self { context, readers: vec![watch_plugs] })
    }

    /// A handle that can end [`Self::wait`] from another thread.
    pub(super) fn canceller(&self) -> Context {
        self.context.clone()
    }

    /// What is there now.
    pub(super) fn look(&mut self, settings: &Settings) -> Result<Snapshot, Gone> {
        let names = match self.context.list_readers_owned() {
            Ok(names) => names,
            Err(Error::NoReadersAvailable) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        self.readers
            .retain(|known| is_plug_news(known) || names.iter().any(|name| known.name() == name.as_c_str()));
        let new: Vec<CString> = names
            .into_iter()
            .filter(|name| !self.readers.iter().any(|known| known.name() == name.as_c_str()))
            .collect();
        self.readers.extend(new.into_iter().map(|name| ReaderState::new(name, Flags::UNAWARE)));
        self.refresh(Duration::ZERO)?;
        let found = self.readers.iter().filter(|known| !is_plug_news(known)).filter_map(slot_of).collect();
        Ok(judge(settings, found))
    }

    /// Waits until something may have changed, at most `longest`.
    pub(super) fn wait(&mut self, longest: Duration) -> Result<(), Gone> {
        self.readers.iter_mut().for_each(ReaderState::sync_current_state);
        self.refresh(longest)
    }

    fn refresh(&mut self, longest: Duration) -> Result<(), Gone> {
        match self.context.get_status_change(longest, &mut self.readers) {
            // a reader unplugged between listing and asking: the next look lists again
            Ok(())
            | Err(Error::Timeout | Error::Cancelled | Error::UnknownReader | Error::ReaderUnavailable) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn is_plug_news(reader: &ReaderState) -> bool {
    reader.name() == PNP_NOTIFICATION()
}

/// None for a reader that is just going away.
fn slot_of(reader: &ReaderState) -> Option<(String, Slot)> {
    let flags = reader.event_state();
    if flags.intersects(Flags::UNKNOWN | Flags::UNAVAILABLE | Flags::IGNORE) {
        return None;
    }
    let slot = if flags.contains(Flags::MUTE) {
        Slot::Mute
    } else if flags.contains(Flags::PRESENT) {
        Slot::Card {
            atr: reader.atr().to_vec(),
            events: reader.event_count(),
            exclusive: flags.contains(Flags::EXCLUSIVE),
        }
    } else {
        Slot::Empty
    };
    Some((text(reader.name()), slot))
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

/// One look over a connection of its own.
pub(super) fn look(settings: &Settings) -> Snapshot {
    let once = || Service::connect().and_then(|mut service| service.look(settings));
    let gone = match once() {
        Ok(snapshot) => return snapshot,
        Err(gone) => gone,
    };
    let last = if gone == Gone::HungUp {
        std::thread::sleep(SECOND_ASKING);
        once()
    } else {
        Err(gone)
    };
    last.unwrap_or_else(|gone| Snapshot::of(gone.into()))
}

impl From<Gone> for State {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Absent => Self::ServiceAbsent,
            Gone::HungUp => Self::Refused,
        }
    }
}
