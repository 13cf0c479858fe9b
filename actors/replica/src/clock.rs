//! A hybrid logical clock: the wall's time where it can be, and always later than the last event, so that a clock that is
//! set back ten years does not put new words before old ones.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use ipc::event::Clock;

/// The clock on the wall, in milliseconds since 1970. It may be wrong, and it may be set back.
#[derive(Clone)]
pub struct Wall(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Wall {
    /// The operating system's.
    pub fn system() -> Wall {
        Wall::new(wall_millis)
    }

    /// Another one, such as a test sets.
    pub fn new(millis: impl Fn() -> u64 + Send + Sync + 'static) -> Wall {
        Wall(Arc::new(millis))
    }

    pub(crate) fn millis(&self) -> u64 {
        (self.0)() & (u64::MAX >> 16)
    }

    /// The next moment after `last`.
    pub(crate) fn next(&self, last: Clock) -> Clock {
        after(last, self.millis())
    }
}

fn after(last: Clock, millis: u64) -> Clock {
    Clock::from_millis(millis).max(Clock(last.0.saturating_add(1)))
}

fn wall_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    // 48 bits of milliseconds last until the year 10889.
    u64::try_from(since).unwrap_or(u64::MAX >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_runs_backwards() {
        let late = Clock::from_millis(2_000_000_000_000);
        assert_eq!(after(late, 1_000_000_000_000), Clock(late.0 + 1));
        assert_eq!(after(late, 3_000_000_000_000), Clock::from_millis(3_000_000_000_000));
        assert_eq!(after(late, 2_000_000_000_000), Clock(late.0 + 1), "two events in one millisecond");
    }
}
