//! A bounded number of jobs of one kind, one place of which only small documents may take.

use std::collections::HashMap;

use store::queue::Target;

/// Smaller than this is small.
const SMALL: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Lane {
    places: usize,
    taken: HashMap<Target, u64>,
    /// More was due than there was room for: looked for again when a place becomes free.
    pub(super) more: bool,
}

impl Lane {
    pub(super) fn new(places: usize) -> Self {
        Self { places: places.max(1), taken: HashMap::new(), more: false }
    }

    /// `None`: full. `Some(None)`: room for anything. `Some(Some(size))`: only for what is at most so large.
    #[expect(clippy::option_option, reason = "the inner one is the store's `at_most`")]
    pub(super) fn room(&self) -> Option<Option<u64>> {
        if self.taken.len() >= self.places {
            return None;
        }
        let big = self.taken.values().filter(|size| **size >= SMALL).count();
        let full_of_big = self.places > 1 && big + 1 >= self.places;
        Some(full_of_big.then_some(SMALL - 1))
    }

    /// How many due rows to look at, so that one that can begin is among them.
    pub(super) fn look_at(&self) -> u32 {
        u32::try_from(self.taken.len() + self.places).unwrap_or(u32::MAX)
    }

    pub(super) fn enter(&mut self, target: Target, size: u64) {
        self.taken.insert(target, size);
    }

    /// Says whether it was there, and something waits for its place.
    pub(super) fn leave(&mut self, target: Target) -> bool {
        self.taken.remove(&target).is_some() && self.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_ones_leave_a_place_for_small_ones() {
        let mut lane = Lane::new(2);
        assert_eq!(lane.room(), Some(None));
        lane.enter(Target::Part(1), 200 << 20);
        assert_eq!(lane.room(), Some(Some(SMALL - 1)));
        lane.enter(Target::Part(2), 10);
        assert_eq!(lane.room(), None);
        lane.leave(Target::Part(1));
        assert_eq!(lane.room(), Some(None));
        let mut one = Lane::new(1);
        assert_eq!(one.room(), Some(None), "a single place is for all");
        one.enter(Target::Part(3), 1);
        assert_eq!(one.room(), None);
    }
}
