//! The wall clock may jump: put right by hand or by NTP, lost with a dead battery, a machine that slept. Retries must not.
//!
//! What is to be tried again is written down by the wall clock, so that it outlasts the process. Each turn of the loop compares
//! that clock with the monotonic one. After a jump nothing that was planned by the old time is waited for, and what is known of
//! the center's clock is carried over, so that a wrong clock is noticed without a new login.

use std::time::Duration;

use store::journal::{About, NewEntry};
use tokio::time::Instant;

use super::{Dirty, LOOK, Run, now};
use crate::link::{CLOCK_SKEW, LinkState, MAX_SKEW};

/// Event: the clock was put forward or back.
const JUMPED: &str = "clock-jumped";
/// Smaller steps, milliseconds, are those of a clock that is being kept right.
const STEP: i64 = 2_000;
/// From here on a jump is told in the journal, milliseconds.
const TOLD: i64 = 60_000;

/// Compares the two clocks.
#[derive(Debug)]
pub(super) struct Clocks {
    wall: i64,
    steady: Instant,
    /// The center's clock minus ours, milliseconds, as far as a login has told.
    skew: Option<i64>,
    /// What was still being written by the old time is hastened too, then.
    again: Option<Instant>,
}

impl Clocks {
    pub(super) fn new(wall: i64) -> Self {
        Self { wall, steady: Instant::now(), skew: None, again: None }
    }

    /// By how much the wall clock jumped since the last look, milliseconds; forward is positive, a small step is none.
    fn look(&mut self, wall: i64, steady: Instant) -> i64 {
        let jump = jump((self.wall, self.steady), (wall, steady));
        (self.wall, self.steady) = (wall, steady);
        jump
    }
}

/// By how much the wall clock jumped between two looks at both clocks, milliseconds; a small step is none.
pub(crate) fn jump(before: (i64, Instant), now: (i64, Instant)) -> i64 {
    let passed = now.1.saturating_duration_since(before.1).as_millis();
    let expected = before.0.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
    let jump = now.0.saturating_sub(expected);
    if jump.abs() < STEP { 0 } else { jump }
}

impl Run {
    /// What the link tells of the clocks. While it is down the last that was told holds.
    pub(super) fn clock_told(&mut self, state: &LinkState) {
        match state {
            LinkState::Up(up) => self.clocks.skew = Some(up.skew),
            LinkState::Down { label, .. } if label == CLOCK_SKEW => self.clocks.skew = Some(i64::MAX),
            LinkState::Down { .. } => {}
        }
        let right = self.clocks.skew.is_none_or(|skew| skew.saturating_abs() <= MAX_SKEW);
        self.facts.send_modify(|facts| facts.clock = right);
    }

    /// At each turn of the loop.
    pub(super) async fn look_at_clock(&mut self) {
        let (wall, steady) = (now(), Instant::now());
        let before = (self.clocks.wall, self.clocks.steady);
        let jump = self.clocks.look(wall, steady);
        if jump != 0 {
            // Until this turn has found out what is true now.
            self.facts.send_modify(|facts| facts.direct = false);
        }
        self.tools.ahead.looked(wall, steady);
        if jump != 0 {
            self.jumped(jump, wall, before).await;
            self.clocks.again = Some(steady + LOOK);
        } else if self.clocks.again.is_none_or(|again| steady < again) {
            return;
        } else {
            self.clocks.again = None;
        }
        self.hasten(wall, wall).await;
    }

    /// At a start: the process before may have had another time.
    pub(super) async fn hasten_at_start(&mut self) {
        let longest = self.tools.config.retry.longest.get();
        let latest = i64::try_from((longest + longest / 4).as_millis()).unwrap_or(i64::MAX);
        let wall = now();
        self.hasten(wall.saturating_add(latest), wall).await;
    }

    async fn hasten(&mut self, latest: i64, at: i64) {
        match self.tools.store.hasten(latest, at).await {
            Ok(0) => {}
            Ok(_) => self.dirty = Dirty::ALL,
            Err(error) => tracing::error!(%error, "what waits by another time could not be hastened"),
        }
    }

    async fn jumped(&mut self, by: i64, wall: i64, before: (i64, Instant)) {
        tracing::warn!(milliseconds = by, "the clock jumped");
        // Nothing that was planned by the old time is waited for.
        self.away.values_mut().filter(|until| **until != i64::MAX).for_each(|until| *until = 0);
        self.told.clear();
        (self.notes_after, self.notes_not_before) = (0, 0);
        self.validity = self.validity.map(|_| wall);
        self.pumps.at_once();
        self.tools.directory.forget();
        // Who logged in after the jump and before this look has compared the new clock already.
        let compared = self
            .tools
            .link
            .state()
            .borrow()
            .up()
            .is_some_and(|up| up.steady > before.1 && jump(before, (up.since, up.steady)) != 0);
        if !compared {
            match self.clocks.skew {
                // Nobody knows by how much the clock was wrong; the center does.
                Some(i64::MAX) => self.tools.link.retry_now(),
                Some(skew) => self.clocks.skew = Some(skew.saturating_sub(by)),
                None => {}
            }
            self.tools.link.clock_jumped(by);
        }
        let state = self.tools.link.state().borrow().clone();
        self.clock_told(&state);
        self.dirty = Dirty::ALL;
        if by.abs() < TOLD {
            return;
        }
        let seconds = Duration::from_millis(by.unsigned_abs()).as_secs();
        let entry = NewEntry {
            actor: store::NODE.into(),
            event: JUMPED.into(),
            about: About::Node,
            detail: format!("{}{seconds} s", if by < 0 { '-' } else { '+' }),
            alarm: false,
        };
        if let Err(error) = self.tools.store.journal(entry, wall).await {
            tracing::error!(%error, "the jump of the clock could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_steady_clock_does_not_explain_is_a_jump() {
        let mut clocks = Clocks::new(1_000_000);
        let start = clocks.steady;
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(clocks.look(1_030_000, at(30)), 0);
        assert_eq!(clocks.look(1_061_000, at(60)), 0, "a small step");
        assert_eq!(clocks.look(1_061_000 + 3_600_000, at(60)), 3_600_000);
        assert_eq!(clocks.look(1_062_000, at(61)), -3_600_000);
        assert_eq!(clocks.look(0, at(62)), -1_063_000, "a dead clock");
        // A leap second that is repeated, or left out, is a step.
        assert_eq!(clocks.look(9_000, at(72)), 0);
        assert_eq!(clocks.look(11_000, at(73)), 0);
    }
}
