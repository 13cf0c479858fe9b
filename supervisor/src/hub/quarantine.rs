//! Requests that were being worked on when their worker died. One that has done so twice is not tried a third time.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
};

use ipc::frame::Body;

/// Requests that are remembered.
const REMEMBERED: usize = 64;

/// Deaths after which a request is not passed on.
const DEADLY: u8 = 2;

/// Bodies up to this length are hashed at once. A longer one is kept until its call is answered, which costs nothing but
/// the memory that the row allows for it, and hashed only if somebody died meanwhile: hashing 64 KiB costs as much as
/// moving them (measured).
const HASHED_AT_ONCE: usize = 1 << 10;

/// A request that is being worked on, so that it can be recognised should its worker die.
pub(super) enum Request {
    /// This one.
    Known(Fingerprint),
    /// One with this body.
    Kept { row: usize, body: Body },
}

/// Tells requests apart by method, length and every byte of the body.
///
/// The hash is keyed with randomness of this supervisor, so that nobody can make two requests that have the same, and
/// what is remembered says nothing about a body to who does not have the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint(u64);

/// The requests under suspicion, oldest first.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    key: RandomState,
    suspects: VecDeque<(Fingerprint, u8)>,
}

impl Quarantine {
    /// What is kept of a request until it is answered. `None` of a secret: what is remembered of one is one place more
    /// where it can be found.
    pub(super) fn watch(&self, row: usize, body: &Body) -> Option<Request> {
        let Body::Plain(bytes) = body else { return None };
        Some(if bytes.len() <= HASHED_AT_ONCE {
            Request::Known(self.hash(row, bytes))
        } else {
            Request::Kept { row, body: Body::Plain(bytes.clone()) }
        })
    }

    fn hash(&self, row: usize, body: &[u8]) -> Fingerprint {
        Fingerprint(self.key.hash_one((row, body)))
    }

    fn fingerprint(&self, request: &Request) -> Fingerprint {
        match request {
            Request::Known(fingerprint) => *fingerprint,
            Request::Kept { row, body } => self.hash(*row, body.as_slice()),
        }
    }

    /// A worker died while it worked on these. One death counts once for a request, however many asked the same.
    pub(super) fn died<'r>(&mut self, requests: impl Iterator<Item = &'r Request>) {
        let suspects: HashSet<Fingerprint> = requests.map(|request| self.fingerprint(request)).collect();
        for request in suspects {
            if let Some((_, deaths)) = self.suspects.iter_mut().find(|(suspect, _)| *suspect == request) {
                *deaths = deaths.saturating_add(1);
                continue;
            }
            if self.suspects.len() == REMEMBERED {
                self.suspects.pop_front();
            }
            self.suspects.push_back((request, 1));
        }
    }

    /// Its worker answered: it was not to blame.
    pub(super) fn answered(&mut self, request: &Request) {
        if self.suspects.is_empty() {
            return;
        }
        let request = self.fingerprint(request);
        self.suspects.retain(|(suspect, _)| *suspect != request);
    }

    /// Whether it must not be passed on.
    pub(super) fn holds(&self, request: &Request) -> bool {
        if self.suspects.iter().all(|&(_, deaths)| deaths < DEADLY) {
            return false;
        }
        let request = self.fingerprint(request);
        self.suspects.iter().any(|&(suspect, deaths)| suspect == request && deaths >= DEADLY)
    }
}
