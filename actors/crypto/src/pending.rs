//! Pairs that opened nothing and wait for their second entry. Kept by who entered them, because two commands may meet
//! a new space at the same moment. Nothing that was entered is kept, only a digest under a random key.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use ipc::Instance;
use zeroize::Zeroizing;

use crate::derive::Root;

/// Pairs that can wait at once; the oldest goes first.
const MOST: usize = 16;
/// How long a second entry is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// A pair that opened nothing.
pub(crate) struct Pending {
    /// Who entered it.
    pub(crate) by: Instance,
    /// Key of the digest.
    pub(crate) digest_key: Zeroizing<[u8; 32]>,
    /// What was entered, to be compared and not to be read.
    pub(crate) digest: blake3::Hash,
    /// What was derived of it.
    pub(crate) root: Root,
    /// It is the pair everybody knows.
    pub(crate) demo: bool,
    /// When it was entered.
    pub(crate) at: Instant,
}

/// All that wait.
#[derive(Default)]
pub(crate) struct Waiting(VecDeque<Pending>);

impl Waiting {
    /// Another one waits. What the same process entered before is forgotten.
    pub(crate) fn add(&mut self, pending: Pending) {
        self.expire(pending.at);
        self.0.retain(|other| other.by != pending.by);
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(pending);
    }

    /// What this process entered, if it is still waited for. It is tried once.
    pub(crate) fn take(&mut self, by: Instance, now: Instant) -> Option<Pending> {
        self.expire(now);
        let at = self.0.iter().position(|pending| pending.by == by)?;
        self.0.remove(at)
    }

    /// Forgets what was waited for long enough.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.0.retain(|pending| now.saturating_duration_since(pending.at) < PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests say what they expect")]

    use super::*;

    fn entered(by: u32, at: Instant) -> Pending {
        Pending {
            by: Instance(by),
            digest_key: Zeroizing::new([0; 32]),
            digest: blake3::hash(&by.to_le_bytes()),
            root: Root { wrapping: Zeroizing::new([0; 32]), picture: crate::picture::Picture::of(&[]) },
            demo: false,
            at,
        }
    }

    #[test]
    fn each_finds_its_own_and_only_once() {
        let now = Instant::now();
        let mut waiting = Waiting::default();
        waiting.add(entered(1, now));
        waiting.add(entered(2, now));
        assert_eq!(waiting.take(Instance(1), now).unwrap().by, Instance(1));
        assert!(waiting.take(Instance(1), now).is_none());
        assert!(waiting.take(Instance(2), now).is_some());
    }

    #[test]
    fn neither_many_nor_old_ones_stay() {
        let now = Instant::now();
        let mut waiting = Waiting::default();
        for by in 0..100 {
            waiting.add(entered(by, now));
        }
        assert_eq!(waiting.0.len(), MOST);
        assert!(waiting.take(Instance(0), now).is_none());
        assert!(waiting.take(Instance(99), now + PATIENCE).is_none());
        assert!(waiting.0.is_empty());
    }
}
