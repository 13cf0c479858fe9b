//! The numbers by which things move. They are those of the memory manager of LLMos (`consolidate at 10+ traces, archive after
//! 7 days idle, short-term 24 h, 1000 log entries, archive 180 d, compress 365 d, query limit 3, minimum similarity 0.3,
//! window 90 d`), where each is given; how they are taken here is said with each.
//!
//! "Older than" is meant: what is exactly as old stays where it is.

use std::time::Duration;

const HOUR: u64 = 60 * 60 * 1000;
const DAY: u64 = 24 * HOUR;

/// As many active traces of a conversation become one entry.
pub(super) const CONSOLIDATE_AT: usize = 10;

/// A trace is in the short-term memory for so many milliseconds at most: when the oldest active one of a conversation is
/// older, all of them become entries, however few.
pub(super) const SHORT_TERM: u64 = DAY;

/// The traces of a conversation in which nothing happened for longer than this, in milliseconds, are archived.
pub(super) const IDLE: u64 = 7 * DAY;

/// Entries in the live part of the log.
pub(super) const LIVE_ENTRIES: usize = 1000;

/// Entries older than this, in milliseconds, are archived.
pub(super) const ARCHIVE_AFTER: u64 = 180 * DAY;

/// Archived entries of a month whose end is longer ago than this, in milliseconds, are compressed.
pub(super) const COMPRESS_AFTER: u64 = 365 * DAY;

/// Most entries that a query finds.
pub(super) const QUERY_LIMIT: usize = 3;

/// Least similarity of what a query finds.
pub(super) const MIN_SIMILARITY: f64 = 0.3;

/// A query looks at entries that are at most so many milliseconds old.
pub(super) const WINDOW: u64 = 90 * DAY;

/// How often the jobs are done while the archive is open. Ours: nothing above is finer than an hour.
pub(super) const EVERY: Duration = Duration::from_millis(HOUR);

/// How long the archive is open before they are done for the first time: a process that is there for one command has
/// served it by then, and nothing of this has been in its way.
pub(super) const FIRST: Duration = Duration::from_secs(10);

/// Whether something of this moment is older than this, in milliseconds. What is of a moment to come is not.
pub(super) fn is_older(at_ms: u64, now: u64, than: u64) -> bool {
    now.saturating_sub(at_ms) > than
}
