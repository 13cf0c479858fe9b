//! Guessing is slow: after a few pairs that open nothing, each further one has to wait, whoever enters it. It counts
//! for the installation and not for a name, because counting for a name tells that it exists.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

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

/// How many spaces are made in an hour: more is not a person, and each is a folder on the disk.
const SPACES: usize = 5;
const HOUR: Duration = Duration::from_secs(3600);

/// The spaces that were made lately, since this process began.
#[derive(Debug, Default)]
pub(crate) struct Made(VecDeque<Instant>);

impl Made {
    /// How long the next space has to wait.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let oldest = self.0.front().filter(|_| self.0.len() >= SPACES)?;
        Some(HOUR.saturating_sub(now.saturating_duration_since(*oldest))).filter(|wait| !wait.is_zero())
    }

    /// A space was made.
    pub(crate) fn made(&mut self, now: Instant) {
        if self.0.len() == SPACES {
            self.0.pop_front();
        }
        self.0.push_back(now);
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

    #[test]
    fn five_spaces_an_hour_are_made() {
        let mut made = Made::default();
        let now = Instant::now();
        let minutes = |minutes: u64| now + Duration::from_secs(60 * minutes);
        for minute in 0..5 {
            assert_eq!(made.wait(minutes(minute)), None);
            made.made(minutes(minute));
        }
        assert_eq!(made.wait(minutes(10)), Some(Duration::from_secs(50 * 60)));
        assert_eq!(made.wait(minutes(60)), None);
        made.made(minutes(60));
        assert_eq!(made.wait(minutes(60)), Some(Duration::from_secs(60)), "the second made room for the sixth");
    }
}
