//! What a session tells its own side about itself: numbers for a dashboard, and the few things somebody has to act on.

use super::records::{Author, Span};

/// Counted since the session began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Messages received.
    pub messages_in: u64,
    /// Messages sent.
    pub messages_out: u64,
    /// Events that were new here.
    pub taken: u64,
    /// Events that were sent.
    pub sent: u64,
    /// Bodies that were not taken because of a rule.
    pub refused: u64,
    /// Events that were asked for and not given for lack of a grant.
    pub denied: u64,
    /// Events that were not taken because the other side may not bring them.
    pub barred: u64,
    /// Rounds of reconciliation, here and there.
    pub rounds: u64,
}

/// Something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Both speak this version.
    Agreed {
        /// Which.
        version: u16,
    },
    /// The other side holds newer events of so many authors.
    Behind {
        /// Authors.
        authors: usize,
        /// Events, by its words.
        events: u64,
    },
    /// A span of time has been compared.
    Reconciled {
        /// Which.
        span: Span,
        /// Rounds it took.
        rounds: u64,
        /// What was missing here.
        needed: u64,
        /// What was missing there.
        offered: u64,
    },
    /// Two different events of one author have one number: a device was cloned or restored, and takes a new key.
    Forked {
        /// Whose.
        author: Author,
    },
    /// The clock of an author is ahead; its events are refused until this side's has come after it.
    Ahead {
        /// Whose.
        author: Author,
        /// By how many milliseconds.
        millis: u64,
    },
    /// Events of an author were not taken: the other side may not bring them.
    Barred {
        /// Whose.
        author: Author,
    },
    /// Events of an author wait for earlier ones that nobody gave.
    Stalled {
        /// Whose.
        author: Author,
    },
    /// What was asked for with `fetch` has come, or does not come.
    Fetched {
        /// The number that `fetch` gave.
        request: u32,
        /// Events that came.
        came: u64,
        /// Events that were not given.
        absent: u64,
    },
    /// All that was wanted at first is here. It is said again after each check that found something.
    CaughtUp,
    /// The other side will ask for nothing more.
    PeerDone,
}
