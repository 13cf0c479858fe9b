//! Keys do not stay where nobody is: a space that is open is locked when nobody has asked for anything for a while, and
//! when the machine has slept.
//!
//! What counts is a person's command line: a call it makes, one that is answered, and one that is still being worked on, but
//! none that only looks on. A process that asks by itself keeps nothing open.
//!
//! Whether the machine sleeps is seen when it has woken up: the clock that counts sleep is then ahead of the one that does
//! not. So keys stay in memory while it sleeps, and are gone a moment after.

use std::time::{Duration, Instant};

use ipc::{Role, id::Instance, messages::crypto::Lock};
use serde_json::json;

use super::Tree;
use crate::hub::Passed;

/// How long nobody has to ask for anything, unless somebody says otherwise.
pub const DEFAULT: Duration = Duration::from_secs(600);

/// A machine that was away for less was busy or stopped by a debugger, and did not sleep.
const SLEPT: Duration = Duration::from_secs(5);

/// How long the machine has been up, sleep included; `None` where the system does not say.
fn uptime() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds = text.split_ascii_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Why a space is locked without somebody wanting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Nobody asked for anything.
    Idle,
    /// The machine slept.
    Slept,
}

/// Who was last here, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    /// After how long it is locked; `None` for never, not even when the machine has slept.
    limit: Option<Duration>,
    /// When somebody was last here.
    seen: Instant,
    /// When it was looked at last, by the clock that stands still while the machine sleeps, and by the one that does not.
    looked: (Instant, Option<Duration>),
}

impl Watch {
    pub(super) fn new() -> Watch {
        let now = Instant::now();
        Watch { limit: Some(DEFAULT), seen: now, looked: (now, uptime()) }
    }

    /// After how long it is locked.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// From now on it is locked after this long.
    pub(super) fn set_limit(&mut self, limit: Option<Duration>) {
        self.limit = limit;
        self.seen = Instant::now();
    }

    /// A frame has passed the hub.
    pub(super) fn passed(&mut self, passed: &Passed) {
        if passed.from.0 == Role::Cli || passed.to.0 == Role::Cli {
            self.seen = Instant::now();
        }
    }

    /// Whether it is time, to be asked every few seconds whether or not anything is open.
    fn look(&mut self, now: Instant, up: Option<Duration>, busy: bool) -> Option<Why> {
        let before = std::mem::replace(&mut self.looked, (now, up));
        let limit = self.limit?;
        let awake = now.saturating_duration_since(before.0);
        let slept = before.1.zip(up).is_some_and(|(before, up)| up.saturating_sub(before).saturating_sub(awake) >= SLEPT);
        if slept {
            return Some(Why::Slept);
        }
        if busy {
            self.seen = now;
        }
        (now.saturating_duration_since(self.seen) >= limit).then_some(Why::Idle)
    }
}

impl Tree {
    /// From now on, as long as the one who serves is there, the space is locked when nobody was here for this long.
    pub fn lock_after(&self, limit: Option<Duration>) {
        self.lock().watch.set_limit(limit);
    }

    /// Has the space locked if it is time.
    pub(super) fn lock_if_nobody_is_here(&self) {
        let mut state = self.lock();
        let busy = state.hub.errands().any(|errand| errand.from.0 == Role::Cli);
        let why = state.watch.look(Instant::now(), uptime(), busy);
        let Some(why) = why.filter(|_| state.space.is_some()) else { return };
        // Once for each time nobody is here, whatever comes of it.
        state.watch.seen = Instant::now();
        let why = match why {
            Why::Idle => "nobody asked for anything",
            Why::Slept => "the machine slept",
        };
        state.log.note("the space is locked", json!({ "why": why }));
        // The answer is the key process's asking for the archive to be closed.
        state.ask((Role::Crypto, Instance(1)), &Lock);
        drop(state);
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A watch, and looking at it so many seconds later, of which the machine slept some.
    struct Stage {
        watch: Watch,
        begun: Instant,
    }

    impl Stage {
        fn new(limit: Option<Duration>) -> Stage {
            let begun = Instant::now();
            Stage { watch: Watch { limit, seen: begun, looked: (begun, Some(Duration::from_secs(1000))) }, begun }
        }

        fn at(&mut self, awake: u64, asleep: u64, busy: bool) -> Option<Why> {
            self.watch.look(self.begun + Duration::from_secs(awake), Some(Duration::from_secs(1000 + awake + asleep)), busy)
        }
    }

    #[test]
    fn nobody_for_long_enough_is_nobody() {
        let mut stage = Stage::new(Some(DEFAULT));
        assert_eq!(stage.at(599, 0, false), None);
        assert_eq!(stage.at(600, 0, false), Some(Why::Idle));
    }

    #[test]
    fn who_comes_back_or_waits_for_an_answer_is_here() {
        let mut stage = Stage::new(Some(DEFAULT));
        assert_eq!(stage.at(5000, 0, true), None);
        assert_eq!(stage.at(5599, 0, false), None);
        stage.watch.seen = stage.begun + Duration::from_secs(5599);
        assert_eq!(stage.at(6000, 0, false), None);
        assert_eq!(stage.at(6199, 0, false), Some(Why::Idle));
    }

    #[test]
    fn a_machine_that_slept_is_locked_even_if_somebody_waits() {
        let mut stage = Stage::new(Some(DEFAULT));
        assert_eq!(stage.at(10, 50, true), Some(Why::Slept));
        // It is said once, and what a clock is off by is no sleep.
        assert_eq!(stage.at(15, 50, false), None);
        assert_eq!(stage.at(20, 51, false), None);
    }

    #[test]
    fn who_wants_it_open_has_it_open() {
        let mut stage = Stage::new(None);
        assert_eq!(stage.at(100_000, 0, false), None);
        assert_eq!(stage.at(200_000, 100_000, false), None);
    }

    #[test]
    fn the_system_says_how_long_it_is_up() {
        assert!(uptime().expect("this system says it") > Duration::ZERO);
    }
}
