//! Requests that were being worked on when their worker died. One that has done so twice is not tried a third time.

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, RandomState},
};

/// Requests that are remembered.
const REMEMBERED: usize = 64;

/// Deaths after which a request is not passed on.
const DEADLY: u8 = 2;

/// Tells requests apart by method, length and every byte of the body.
///
/// The hash is keyed with randomness of this supervisor, so that nobody can make two requests that have the same, and
/// what is remembered says nothing about a body to who does not have the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

/// The requests under suspicion, oldest first.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    key: RandomState,
    suspects: VecDeque<(Fingerprint, u8)>,
}

impl Quarantine {
    /// What a request is known by here.
    pub(super) fn fingerprint(&self, row: usize, body: &[u8]) -> Fingerprint {
        Fingerprint(self.key.hash_one((row, body)))
    }

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
