//! Bringing the far place to the state of the near one.

use std::{cell::RefCell, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use super::{Hybrid, mark, mark::Change, queue::Job};
use crate::{Path, Remote, StorageError};

/// How long to wait after failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// After the first failure; it doubles with each further one.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
    /// The longest that the other side may ask for.
    pub most_asked: Duration,
    /// How long a request may be under way that nobody waits for any more: one that broke off, or of a process that ended.
    /// It may arrive after what was sent later, so what is pushed in this time is pushed once more after it.
    pub stray: Duration,
}

impl Default for BackOff {
    fn default() -> BackOff {
        BackOff {
            first: Duration::from_secs(1),
            most: Duration::from_secs(300),
            most_asked: Duration::from_secs(3600),
            stray: Duration::from_secs(60),
        }
    }
}

impl BackOff {
    /// The pause after this many failures in a row: half of it for certain, half of it by chance.
    fn pause(&self, failures: u32, error: &StorageError) -> Duration {
        if let StorageError::Remote(Remote::Busy { after: Some(after) }) = error {
            return (*after).min(self.most_asked);
        }
        let whole = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.most);
        let chance = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + chance / 2.0)
    }
}

/// What one step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// There is nothing that could be pushed now.
    Idle,
    /// The far place has this path as it was here.
    Done(Path),
    /// The far place refused this path; others are not held up.
    Refused(Path),
    /// The far place cannot be had at the moment.
    Failed,
}

/// How it goes with the far place.
pub(super) struct Pace {
    back_off: BackOff,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    resume: Option<Instant>,
    trouble: Option<StorageError>,
}

impl Pace {
    pub(super) fn new(back_off: BackOff) -> Pace {
        Pace { back_off, state: RefCell::default() }
    }

    pub(super) fn trouble(&self) -> Option<StorageError> {
        self.state.borrow().trouble.clone()
    }

    pub(super) fn pause(&self) -> Option<Duration> {
        self.resume().map(|at| at.saturating_duration_since(Instant::now())).filter(|pause| !pause.is_zero())
    }

    fn resume(&self) -> Option<Instant> {
        self.state.borrow().resume
    }

    fn went_well(&self) {
        *self.state.borrow_mut() = State::default();
    }

    fn failed(&self, error: StorageError) {
        let mut state = self.state.borrow_mut();
        state.failures += 1;
        state.resume = Some(Instant::now() + self.back_off.pause(state.failures, &error));
        state.trouble = Some(error);
    }
}

impl Hybrid {
    /// Pushes for ever, `at_once` paths at the same time, in the order of their marks. It ends when it is dropped; a push that
    /// is cut off is done again.
    pub async fn run(&self, at_once: usize) {
        join_all((0..at_once.clamp(1, 16)).map(|_| self.worker())).await;
    }

    async fn worker(&self) {
        loop {
            let news = self.work.notified();
            tokio::pin!(news);
            // From here on, whoever changes something wakes this one.
            news.as_mut().enable();
            if let Some(resume) = self.pace.resume().filter(|resume| *resume > Instant::now()) {
                sleep_until(resume).await;
                continue;
            }
            if self.push().await != Pushed::Idle {
                continue;
            }
            let refused = self.queue.borrow().next_held();
            match refused {
                Some(until) => tokio::select! { () = news => {}, () = sleep_until(until) => {} },
                None => news.await,
            }
        }
    }

    /// Pushes the oldest path that may be pushed, whatever the pause.
    pub async fn push(&self) -> Pushed {
        let Some(job) = self.queue.borrow_mut().next(Instant::now()) else { return Pushed::Idle };
        let mut released = Released { hybrid: self, path: &job.path, is_over: false };
        let carried = self.carry(&job).await;
        // What was answered is over; what broke off, or is dropped here, may still arrive.
        released.is_over = !matches!(carried, Err(StorageError::Remote(_)));
        let result = match carried {
            Ok(()) => self.settle(&job).await,
            Err(error) => Err(error),
        };
        drop(released);
        match result {
            Ok(()) => {
                self.pace.went_well();
                Pushed::Done(job.path)
            }
            Err(error) if error.passes() => {
                tracing::debug!(%error, "failed to push a value");
                self.pace.failed(error);
                Pushed::Failed
            }
            Err(error) => {
                // It is this path's trouble and nobody else's.
                tracing::warn!(%error, "a value is not taken by the other side");
                let back_off = self.pace.back_off;
                let until = |times: u32| Instant::now() + back_off.pause(times + 6, &error);
                self.queue.borrow_mut().refuse(&job, error.clone(), until);
                Pushed::Refused(job.path)
            }
        }
    }

    /// Does in the far place what was done here.
    async fn carry(&self, job: &Job) -> Result<(), StorageError> {
        let value = if job.change == Change::Deleted {
            // Who deleted may have been dropped between the mark and the deletion.
            let _held = self.locks.hold(&job.path).await;
            if self.queue.borrow().is_current(job) {
                self.near.delete(&job.path).await?;
            }
            None
        } else {
            self.near.read_stream(&job.path).await?
        };
        match (value, job.change) {
            (Some(mut value), _) => self.far.write_stream(&job.path, value.length, &mut *value.pieces).await,
            (None, Change::Deleted | Change::WrittenOverDeleted) => self.far.delete(&job.path).await,
            // The process ended before the value came.
            (None, Change::Written) => Ok(()),
        }
    }

    /// Removes the mark, unless the path was changed again.
    async fn settle(&self, job: &Job) -> Result<(), StorageError> {
        let _held = self.locks.hold(&job.path).await;
        let is_current = self.queue.borrow().is_current(job);
        if !is_current || self.queue.borrow_mut().wait_for_strays(&job.path, Instant::now()) {
            return Ok(());
        }
        self.near.delete(&mark::place(&job.path)?).await?;
        self.queue.borrow_mut().remove(&job.path);
        Ok(())
    }
}

/// Gives a path back to the queue, also when a push is dropped in the middle.
struct Released<'h> {
    hybrid: &'h Hybrid,
    path: &'h Path,
    is_over: bool,
}

impl Drop for Released<'_> {
    fn drop(&mut self) {
        let stray = (!self.is_over).then(|| Instant::now() + self.hybrid.pace.back_off.stray);
        self.hybrid.queue.borrow_mut().release(self.path, stray);
    }
}
