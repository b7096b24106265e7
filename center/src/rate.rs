//! How often a member may ask: token buckets in memory. A restart forgives.

use crate::database::locked;
use std::collections::HashMap;
use std::sync::Mutex;

/// One bucket per member. A bucket holds a minute's worth and fills evenly.
#[derive(Default)]
pub(crate) struct Rate {
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: i64,
}

impl Rate {
    /// Takes one token, or says how many seconds to wait for one.
    pub(crate) fn take(&self, member: &str, per_minute: u32, now: i64) -> Result<(), u32> {
        let full = f64::from(per_minute.max(1));
        let mut buckets = locked(&self.buckets);
        let bucket = buckets.entry(member.to_owned()).or_insert(Bucket { tokens: full, at: now });
        // a clock that was put back neither fills nor empties
        let passed = f64::from(u32::try_from((now - bucket.at).clamp(0, 60_000)).unwrap_or(0));
        bucket.tokens = (bucket.tokens + passed * full / 60_000.0).min(full);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        // at most a minute: from empty to one token of one a minute
        let milliseconds = (1.0 - bucket.tokens) * 60_000.0 / full;
        Err((1..=60).find(|s| f64::from(*s) * 1000.0 >= milliseconds).unwrap_or(60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_granted_at_once_and_then_evenly() {
        let rate = Rate::default();
        assert!((0..60).all(|_| rate.take("A", 60, 0).is_ok()));
        assert_eq!(rate.take("A", 60, 0), Err(1));
        assert!(rate.take("B", 60, 0).is_ok(), "another member is not touched");
        assert!(rate.take("A", 60, 1000).is_ok());
        assert_eq!(rate.take("A", 60, 1001), Err(1));
        assert!(rate.take("C", 1, 0).is_ok());
        assert_eq!(rate.take("C", 1, 0), Err(60));
        assert_eq!(rate.take("C", 1, -5), Err(60), "the clock was put back");
    }
}
