//! Guessing is slow: after a few pairs that open nothing, each further one has to wait, whoever enters it. It counts
//! for the installation and not for a name, because counting for a name tells that it exists.

use std::time::{Duration, Instant};

/// Misses that cost nothing: people mistype.
const FREE: u32 = 3;

const LONGEST: Duration = Duration::from_secs(30);

/// The misses in a row.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    misses: u32,
    until: Option<Instant>,
}

impl Throttle {
    /// How long the next try has to wait.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// A pair opened nothing.
    pub(crate) fn missed(&mut self, now: Instant) {
        self.misses = self.misses.saturating_add(1);
        if let Some(over) = self.misses.checked_sub(FREE + 1) {
            self.until = Some(now + Duration::from_secs(1 << over.min(5)).min(LONGEST));
        }
    }

    /// A pair opened its space.
    pub(crate) fn opened(&mut self) {
        *self = Throttle::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_misses_are_free_and_the_others_wait_longer_and_longer() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        let waits: Vec<u64> = (0..10)
            .map(|_| {
                throttle.missed(now);
                throttle.wait(now).map_or(0, |wait| wait.as_secs())
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        throttle.opened();
        assert_eq!(throttle.wait(now), None);
    }
}
