//! Misbehaviour on purpose: a client is only as good as the worst server it has met. Off by default.

use crate::database::locked;
use std::sync::Mutex;
use std::time::Duration;

/// Decides which request meets trouble, and which.
pub(crate) struct Mischief {
    percent: u8,
    stall: Duration,
    random: Mutex<Random>,
}

/// One piece of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The work is done, then the connection is cut instead of the reply.
    LostReply,
    /// The connection is cut before the work.
    Cut,
    /// The connection is cut within a body, after so many thousandths of it.
    CutBody(u16),
    /// Nothing happens for a while.
    Stall(Duration),
    /// Offers come twice, and in another order.
    RepeatedOffers,
}

impl Mischief {
    /// `seed` 0 takes a random one.
    pub(crate) fn new(config: &config::Mischief) -> Self {
        let mut seed = config.seed;
        if seed == 0 {
            let mut bytes = [0; 8];
            let _ = aws_lc_rs::rand::fill(&mut bytes);
            seed = u64::from_le_bytes(bytes);
        }
        if config.percent > 0 {
            tracing::warn!(percent = config.percent, seed, "mischief is on: replies will be lost on purpose");
        }
        Self { percent: config.percent, stall: config.stall.get(), random: Mutex::new(Random(seed)) }
    }

    /// The trouble of the next request, if it is to meet any.
    pub(crate) fn next(&self) -> Option<Trouble> {
        if self.percent == 0 {
            return None;
        }
        let mut random = locked(&self.random);
        if random.below(100) >= u64::from(self.percent) {
            return None;
        }
        Some(match random.below(5) {
            0 => Trouble::LostReply,
            1 => Trouble::Cut,
            2 => Trouble::CutBody(u16::try_from(random.below(1000)).unwrap_or(0)),
            3 => {
                let milliseconds = u64::try_from(self.stall.as_millis()).unwrap_or(u64::MAX).max(1);
                Trouble::Stall(Duration::from_millis(random.below(milliseconds)))
            }
            _ => Trouble::RepeatedOffers,
        })
    }
}

/// SplitMix64: repeatable, and enough for dice.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::value::Period;

    fn mischief(percent: u8) -> Mischief {
        Mischief::new(&config::Mischief { percent, seed: 7, stall: Period::millis(20) })
    }

    #[test]
    fn off_by_default_and_repeatable() {
        let off = Mischief::new(&config::Mischief::default());
        assert!((0..1000).all(|_| off.next().is_none()));
        let (a, b) = (mischief(20), mischief(20));
        let (a, b): (Vec<_>, Vec<_>) = (0..1000).map(|_| (a.next(), b.next())).unzip();
        assert_eq!(a, b);
        let met = a.iter().flatten().count();
        assert!((120..280).contains(&met), "{met} of 1000 at 20 percent");
    }
}
