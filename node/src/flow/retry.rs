//! The one rule: attempts + now → due. Jitter and waiting times are passed in, so that tests are exact.

/// After so many tries without success a person is told; the tries go on.
pub const ALARM_AFTER: u32 = 6;

/// Waiting times between tries, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// After the first try.
    pub first: i64,
    /// Never longer than this (but for the other side's wish and the spread).
    pub longest: i64,
}

impl Default for Table {
    fn default() -> Self {
        Self { first: 2_000, longest: 900_000 }
    }
}

impl Table {
    /// When to try again after `attempts` tries: doubling from `first` to `longest`, up to a quarter later
    /// (`jitter` 0–1000), and not before the other side's wish (`after`, milliseconds, at most a day).
    #[must_use]
    pub fn due(&self, attempts: u32, after: i64, now: i64, jitter: u16) -> i64 {
        const DAY: i64 = 86_400_000;
        let doubled = self.first.saturating_mul(1_i64 << attempts.saturating_sub(1).min(40));
        let wait = doubled.clamp(0, self.longest).max(after.clamp(0, DAY));
        let spread = wait / 4 * i64::from(jitter.min(1_000)) / 1_000;
        now.saturating_add(wait + spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_longest_and_never_beyond_with_its_spread() {
        let table = Table::default();
        let mut last = 0;
        for attempts in 1..40 {
            let quick = table.due(attempts, 0, 0, 0);
            assert!(quick >= last && quick <= 900_000);
            assert!(table.due(attempts, 0, 0, 1_000) <= quick + quick / 4);
            last = quick;
        }
        assert_eq!(table.due(0, 0, 0, 0), 2_000, "no try yet counts as the first");
        assert_eq!(table.due(u32::MAX, 0, 5, 0), 900_005);
    }

    #[test]
    fn keeps_the_other_sides_wish_within_a_day() {
        let table = Table::default();
        assert_eq!(table.due(1, 90_000, 0, 0), 90_000);
        assert_eq!(table.due(1, i64::MAX, 0, 0), 86_400_000);
        assert_eq!(table.due(1, -5, 0, 0), 2_000);
    }
}
