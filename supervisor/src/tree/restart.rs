//! When a process that ended is started again: design §4, as a pure function of when it ended before.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Restarts within [`PERIOD`] after which a role is degraded.
pub const INTENSITY: usize = 5;

/// See [`INTENSITY`].
pub const PERIOD: Duration = Duration::from_secs(30);

/// A process that had been ready for so long is started again at once: it was not a process that cannot start.
const STEADY: Duration = Duration::from_secs(1);

const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What to do about a process that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again after this time.
    After(Duration),
    /// It ends too often: leave it until a person says otherwise.
    Degraded,
}

/// The restarts of one role.
#[derive(Clone, Debug, Default)]
pub struct Restarts {
    recent: VecDeque<Instant>,
    /// How often it ended before it was steady, in a row.
    unsteady: u32,
    total: u32,
}

impl Restarts {
    /// A process ended that had been ready for `ready_for`. `jitter` is from 0 to 1, so that several do not come back
    /// in step.
    pub fn ended(&mut self, now: Instant, ready_for: Option<Duration>, jitter: f64) -> Verdict {
        while self.recent.front().is_some_and(|then| now.saturating_duration_since(*then) > PERIOD) {
            self.recent.pop_front();
        }
        if self.recent.len() >= INTENSITY {
            return Verdict::Degraded;
        }
        self.recent.push_back(now);
        self.total += 1;
        if ready_for.is_some_and(|time| time >= STEADY) {
            self.unsteady = 0;
            return Verdict::After(Duration::ZERO);
        }
        let wait = SHORTEST_WAIT.saturating_mul(1 << self.unsteady.min(10)).min(LONGEST_WAIT);
        self.unsteady += 1;
        Verdict::After(wait.mul_f64(0.75 + 0.25 * jitter.clamp(0.0, 1.0)))
    }

    /// A person wants it started again: what was is forgotten.
    pub fn forgive(&mut self) {
        *self = Restarts { total: self.total, ..Restarts::default() };
    }

    /// How often it was started again since the supervisor began.
    pub fn total(&self) -> u32 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_process_comes_back_at_once_and_five_times() {
        let mut restarts = Restarts::default();
        let now = Instant::now();
        for _ in 0..5 {
            assert_eq!(restarts.ended(now, Some(Duration::from_secs(2)), 1.0), Verdict::After(Duration::ZERO));
        }
        assert_eq!(restarts.ended(now, Some(Duration::from_secs(2)), 1.0), Verdict::Degraded);
        assert_eq!(restarts.ended(now + PERIOD * 2, Some(Duration::from_secs(2)), 1.0), Verdict::After(Duration::ZERO));
    }

    #[test]
    fn one_that_cannot_start_waits_longer_each_time() {
        let mut restarts = Restarts::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            match restarts.ended(now, None, 1.0) {
                Verdict::After(wait) => waits.push(wait.as_millis()),
                Verdict::Degraded => break,
            }
            now += Duration::from_secs(7);
        }
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn who_asks_for_it_gets_it_back() {
        let mut restarts = Restarts::default();
        let now = Instant::now();
        while restarts.ended(now, None, 0.5) != Verdict::Degraded {}
        restarts.forgive();
        assert!(matches!(restarts.ended(now, None, 0.5), Verdict::After(_)));
        assert_eq!(restarts.total(), 6);
    }
}
