//! Requests that were being worked on when their worker died. One that has done so twice is not tried a third time.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// Requests that are remembered.
const REMEMBERED: usize = 64;

/// Deaths after which a request is not passed on.
const DEADLY: u8 = 2;

/// Bytes at each end of a body that go into a fingerprint: enough to tell requests apart, little enough to cost nothing
/// on the way of every message.
const SAMPLE: usize = 128;

/// Tells requests apart by method, length and both ends of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(row: usize, body: &[u8]) -> Fingerprint {
        let mut hasher = DefaultHasher::new();
        (row, body.len()).hash(&mut hasher);
        hasher.write(&body[..body.len().min(SAMPLE)]);
        hasher.write(&body[body.len().saturating_sub(SAMPLE)..]);
        Fingerprint(hasher.finish())
    }
}

/// The requests under suspicion, oldest first.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    suspects: VecDeque<(Fingerprint, u8)>,
}

impl Quarantine {
    /// Its worker died while it worked on this.
    pub(super) fn died(&mut self, request: Fingerprint) {
        if let Some((_, deaths)) = self.suspects.iter_mut().find(|(suspect, _)| *suspect == request) {
            *deaths = deaths.saturating_add(1);
            return;
        }
        if self.suspects.len() == REMEMBERED {
            self.suspects.pop_front();
        }
        self.suspects.push_back((request, 1));
    }

    /// Its worker answered: it was not to blame.
    pub(super) fn answered(&mut self, request: Fingerprint) {
        self.suspects.retain(|(suspect, _)| *suspect != request);
    }

    /// Whether it must not be passed on.
    pub(super) fn holds(&self, request: Fingerprint) -> bool {
        self.suspects.iter().any(|&(suspect, deaths)| suspect == request && deaths >= DEADLY)
    }
}
