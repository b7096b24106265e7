//! The one table: attempts + now → due. The jitter is passed in, so that tests are exact.

/// Seconds before the next try, by the number of tries so far (the first row after the first try).
const TABLE: [i64; 8] = [1, 4, 15, 60, 300, 900, 1_800, 3_600];

/// After so many tries without success a person is told; the tries go on.
pub const ALARM_AFTER: u32 = 6;

/// When to try again: by the table, up to a quarter later (`jitter` 0–1000), and not before the other side's
/// wish (`after`, milliseconds, at most a day).
#[must_use]
pub fn due(attempts: u32, after: i64, now: i64, jitter: u16) -> i64 {
    const DAY: i64 = 86_400_000;
    let row = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX).min(TABLE.len() - 1);
    let wait = TABLE.get(row).copied().unwrap_or(3_600) * 1_000;
    let wait = wait.max(after.clamp(0, DAY));
    let spread = wait / 4 * i64::from(jitter.min(1_000)) / 1_000;
    now.saturating_add(wait + spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_an_hour_and_never_beyond_with_its_spread() {
        let mut last = 0;
        for attempts in 1..40 {
            let quick = due(attempts, 0, 0, 0);
            assert!(quick >= last && quick <= 3_600_000);
            assert!(due(attempts, 0, 0, 1_000) <= quick + quick / 4);
            last = quick;
        }
        assert_eq!(due(0, 0, 0, 0), 1_000, "no try yet counts as the first");
        assert_eq!(due(u32::MAX, 0, 5, 0), 3_600_005);
    }

    #[test]
    fn keeps_the_other_sides_wish_within_a_day() {
        assert_eq!(due(1, 90_000, 0, 0), 90_000);
        assert_eq!(due(1, i64::MAX, 0, 0), 86_400_000);
        assert_eq!(due(1, -5, 0, 0), 1_000);
    }
}
