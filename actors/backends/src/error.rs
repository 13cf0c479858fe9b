//! What can go wrong, by whom it is up to.

use std::time::Duration;

use crate::BadPath;

/// Why something was not done. What was not done left no trace, unless [`StorageError::Remote`] says that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// It is not to be had this way, however often it is tried: the person can do something about it.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The other side did not do its part: it may later. A write may have been done or not; doing it again is safe.
    #[error("{0}")]
    Remote(#[from] Remote),
    /// Something here failed that nobody asked for.
    #[error("do its work: {0}")]
    Ours(String),
}

/// What the person can do something about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a path.
    #[error("take this as a path: {0}")]
    Path(#[from] BadPath),
    /// A part of the path leads out of the place, as a symbolic link does.
    #[error("go there: a part of the path leads out of the place")]
    Escape,
    /// A value lies where a folder is needed, or the other way round.
    #[error("put a value there: a part of the path is a value, or the path is a folder")]
    InTheWay,
    /// It may not be read or written.
    #[error("do this: there is no right to it{}", said(.0))]
    NoRight(String),
    /// The disk or the quota is full.
    #[error("keep this: there is no room left{}", said(.0))]
    NoRoom(String),
    /// The value is larger than what was asked for takes.
    #[error("take a value of more than {most} bytes at once")]
    TooLarge {
        /// The most, in bytes.
        most: u64,
    },
    /// The value ended before its stated length, or went on after it.
    #[error("keep a value whose length is not what was said")]
    Length,
    /// The listing was begun too long ago, by another or not at all.
    #[error("go on with a listing that is not known any more; begin it again")]
    Cursor,
    /// The place is described wrongly: a bucket, a folder or an account that is not there.
    #[error("find the place{}", said(.0))]
    Place(String),
    /// The disk does not do its part.
    #[error("use the disk: {0}")]
    Disk(String),
    /// Another process has said it in these words, which say what could not be done.
    #[error("{0}")]
    Told(String),
    /// The same of what the other side refuses: a credential, a full account.
    #[error("{0}")]
    There(String),
}

/// What the other side did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Remote {
    /// No connection could be made.
    #[error("reach the other side")]
    Unreachable,
    /// It wants to be left alone for a time (429 or 503).
    #[error("be served: the other side has too much to do{}", asked(.after))]
    Busy {
        /// For how long, if it said so.
        after: Option<Duration>,
    },
    /// It failed (5xx).
    #[error("be served: the other side failed with status {0}")]
    Failed(u16),
    /// The connection ended or fell silent in the middle.
    #[error("hear the other side out: it broke off")]
    BrokeOff,
    /// The value was replaced while it was read, so what came may be a mixture.
    #[error("read one value to its end: another took its place meanwhile")]
    Changed,
    /// It said what the protocol does not know.
    #[error("understand the other side: {0}")]
    Nonsense(String),
    /// One of these but the last, as another process has said it in words that say what could not be done.
    #[error("{0}")]
    Told(String),
}

fn asked(after: &Option<Duration>) -> String {
    after.map(|after| format!(", and asks for {} s", after.as_secs())).unwrap_or_default()
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" ({words})") }
}

impl StorageError {
    /// Whether the same may well go through later with nobody doing anything.
    pub fn passes(&self) -> bool {
        matches!(self, StorageError::Remote(_))
    }
}

impl From<BadPath> for StorageError {
    fn from(bad: BadPath) -> StorageError {
        Refused::Path(bad).into()
    }
}
