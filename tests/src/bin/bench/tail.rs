//! What a node's journal says, as it says it, at next to no cost for anybody.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use store::Store;
use store::journal::Entry;

/// Between two looks at the counter.
const LOOK: Duration = Duration::from_micros(500);
/// The journal is read so often even if the counter stands still.
const ANYWAY: Duration = Duration::from_millis(100);

/// The end of a node's journal.
pub(crate) struct Tail {
    store: Store,
    /// SQLite's index of the write-ahead log; its header holds a counter of commits (WalIndexHdr, bytes 8 to 24).
    index: File,
    seen: [u8; 16],
    read: Instant,
    seq: u64,
}

impl Tail {
    /// From here on.
    pub(crate) fn open(state: &Path) -> Self {
        let store = Store::open_read_only(state).unwrap();
        let index = File::open(state.join("node.db-shm")).unwrap();
        let mut tail = Self { store, index, seen: [0; 16], read: Instant::now(), seq: 0 };
        while !tail.news().is_empty() {}
        tail
    }

    /// New lines, at once.
    fn news(&mut self) -> Vec<Entry> {
        self.read = Instant::now();
        let lines = self.store.journal_after(self.seq, 10_000).unwrap();
        self.seq = lines.last().map_or(self.seq, |line| line.seq);
        lines
    }

    /// Waits a moment; new lines if there are any.
    pub(crate) fn look(&mut self) -> Vec<Entry> {
        std::thread::sleep(LOOK);
        let mut now = [0; 16];
        self.index.read_exact_at(&mut now, 8).unwrap();
        if now == self.seen && self.read.elapsed() < ANYWAY {
            return Vec::new();
        }
        self.seen = now;
        self.news()
    }
}
