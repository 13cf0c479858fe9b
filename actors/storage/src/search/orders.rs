//! What the indexing thread is told, by whoever may not wait for it: each order is a flag.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long what is kept gathers before it is indexed.
pub(crate) const GATHER: Duration = Duration::from_secs(2);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// End.
    Stop,
    /// Throw the index away and begin again.
    Rebuild,
    /// Make another one and take it in the place of this one.
    Renew,
    /// Take in what is kept.
    CatchUp,
    /// There was nothing to do for long.
    Idle,
}

#[derive(Default)]
struct Wanted {
    stop: bool,
    rebuild: bool,
    renew: bool,
    /// When to catch up, if there is something.
    due: Option<Instant>,
}

/// The flags.
#[derive(Default)]
pub(crate) struct Orders {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

impl Orders {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was kept.
    pub(crate) fn kept(&self) {
        self.later(GATHER);
    }

    /// Somebody waits for what was kept.
    pub(crate) fn hurry(&self) {
        self.later(Duration::ZERO);
    }

    /// Look again in a while, or earlier if that was said before.
    pub(crate) fn later(&self, wait: Duration) {
        let due = Instant::now() + wait;
        let mut wanted = self.wanted();
        if wanted.due.is_none_or(|before| due < before) {
            wanted.due = Some(due);
            self.changed.notify_all();
        }
    }

    /// The index is to be made again.
    pub(crate) fn rebuild(&self) {
        self.wanted().rebuild = true;
        self.changed.notify_all();
    }

    /// Another index is to be made, while this one answers.
    pub(crate) fn renew(&self) {
        self.wanted().renew = true;
        self.changed.notify_all();
    }

    /// The thread is to end.
    pub(crate) fn stop(&self) {
        self.wanted().stop = true;
        self.changed.notify_all();
    }

    /// Whether what is being done is to be left as it is, because something else is to be done.
    pub(crate) fn interrupt(&self) -> bool {
        let wanted = self.wanted();
        wanted.stop || wanted.rebuild || wanted.renew
    }

    /// The same while the index is made again.
    pub(crate) fn interrupt_renewing(&self) -> bool {
        self.wanted().stop
    }

    /// Waits for an order; for [`Order::Idle`] if it is said after how long.
    pub(crate) fn next(&self, idle: Option<Duration>) -> Order {
        let begun = Instant::now();
        let mut wanted = self.wanted();
        loop {
            if wanted.stop {
                return Order::Stop;
            }
            if wanted.rebuild {
                (wanted.rebuild, wanted.due) = (false, None);
                return Order::Rebuild;
            }
            if wanted.renew {
                wanted.renew = false;
                return Order::Renew;
            }
            let now = Instant::now();
            if wanted.due.is_some_and(|due| due <= now) {
                wanted.due = None;
                return Order::CatchUp;
            }
            if wanted.due.is_none() && idle.is_some_and(|idle| begun + idle <= now) {
                return Order::Idle;
            }
            let until = wanted.due.or(idle.map(|idle| begun + idle));
            wanted = match until {
                Some(until) => {
                    let wait = until.saturating_duration_since(now);
                    self.changed.wait_timeout(wanted, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(wanted).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_given_once_and_the_weightier_first() {
        let orders = Orders::default();
        orders.hurry();
        assert_eq!(orders.next(None), Order::CatchUp);
        assert_eq!(orders.next(Some(Duration::ZERO)), Order::Idle);
        orders.kept();
        orders.hurry();
        assert_eq!(orders.next(None), Order::CatchUp, "who waits does not wait for the gathering");
        orders.hurry();
        orders.rebuild();
        assert!(orders.interrupt());
        orders.renew();
        assert_eq!(orders.next(None), Order::Rebuild, "which catches up too");
        assert_eq!(orders.next(None), Order::Renew);
        assert_eq!(orders.next(Some(Duration::ZERO)), Order::Idle);
        orders.stop();
        assert_eq!((orders.next(None), orders.next(None)), (Order::Stop, Order::Stop));
    }
}
