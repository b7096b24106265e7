//! How much of documents may lie in memory at a time.
//!
//! What passes through memory is written once less than what goes over a file. A small document always may: there are no more
//! of them at a time than places. One of middle size may while there is room, and else goes the way of the large ones.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Up to this size a document is small, bytes.
pub(crate) const SMALL: u64 = wire::EAGER_LIMIT;
/// Up to this size it may lie in memory, bytes.
const MIDDLE: u64 = 2 << 20;
/// Room for those of middle size, kB. Each is there twice at times: as it came and opened, as it was dropped and sealed.
const ROOM: usize = 12 << 10;

/// The room. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<Semaphore>);

/// A document's part of it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _taken: Option<OwnedSemaphorePermit>,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }
}

impl Memory {
    /// Room for a document of so many bytes; `None` if it is too large, or others are there.
    pub(crate) fn room(&self, bytes: u64) -> Option<Room> {
        if bytes <= SMALL {
            return Some(Room { _taken: None });
        }
        if bytes > MIDDLE {
            return None;
        }
        let twice = u32::try_from(bytes / 1024 * 2 + 1).ok()?;
        let taken = Arc::clone(&self.0).try_acquire_many_owned(twice).ok()?;
        Some(Room { _taken: Some(taken) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ones_always_have_room_middle_ones_while_there_is_some_large_ones_never() {
        let memory = Memory::default();
        let taken: Vec<_> = (0..100).map_while(|_| memory.room(1 << 20)).collect();
        assert_eq!(taken.len(), 5, "12 MB, twice 1 MB each and a little");
        assert!(memory.room(SMALL).is_some());
        drop(taken);
        assert!(memory.room(MIDDLE).is_some());
        assert!(memory.room(MIDDLE + 1).is_none());
    }
}
