//! What every back end must do, as one suite that is run against each: [`run`] takes two handles of the same empty place,
//! does everything the rules of [`Storage`] speak of, and says what deviates.
//!
//! It is a part of the library and no test of its own, so that back ends in other rooms are held to the same rules. It
//! never panics; what it finds is a [`Deviation`].

mod concurrent;
mod listings;
mod values;

use std::fmt;

use bytes::Bytes;

use crate::{Answer, BadPath, MAX_PAGE, MAX_PIECE, Page, Path, Pieces, Storage, StorageError};

/// How much of everything, and what the place itself cannot do.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Entries of the long listing; the full measure is 100,000.
    pub entries: usize,
    /// They lie there already, each at its [`many_path`] with [`many_value`] as its value.
    pub filled: bool,
    /// They stay: to delete so many is not worth its time.
    pub kept: bool,
    /// Entries of a page of it.
    pub page: usize,
    /// Length of the large value, in bytes.
    pub large: u64,
    /// Operations at the same time.
    pub at_once: usize,
    /// Values each of the writers at the same time writes.
    pub rounds: usize,
    /// The place removes a value for a moment when it is overwritten, and nobody here can help it.
    pub blinks: bool,
}

impl Default for Scale {
    fn default() -> Scale {
        Scale { entries: 1_000, filled: false, kept: false, page: 300, large: 20 << 20, at_once: 16, rounds: 6, blinks: false }
    }
}

/// What a back end does otherwise than the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation(pub String);

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Deviation {}

impl From<BadPath> for Deviation {
    fn from(bad: BadPath) -> Deviation {
        Deviation(format!("a path of the suite is refused: {bad}"))
    }
}

impl From<StorageError> for Deviation {
    fn from(error: StorageError) -> Deviation {
        Deviation(format!("an operation that must succeed failed to {error}"))
    }
}

/// What a check says.
type Checked = Result<(), Deviation>;

/// Runs every check. The place must be empty, or hold the filled entries alone, and is empty afterwards, unless
/// they are kept.
pub async fn run(storage: &dyn Storage, second: &dyn Storage, scale: &Scale) -> Checked {
    named("nothing is there", values::nothing_is_there(storage).await)?;
    named("a value is read as it was written", values::round_trips(storage, second).await)?;
    named("an empty value is there", values::empty_is_present(storage, second).await)?;
    named("what was deleted is absent", values::deleted_is_absent(storage, second).await)?;
    named("paths are bytes", values::paths_are_bytes(storage, second).await)?;
    named("no path leads out", values::no_path_leads_out().await)?;
    named("a value and a folder do not share a path", values::values_are_no_folders(storage).await)?;
    named("a length that is not true is refused", values::lengths_are_true(storage).await)?;
    named("a large value is streamed", values::large_values(storage, second, scale.large).await)?;
    named("what is being read stays", values::reading_stays(storage, second).await)?;
    named("writers at the same time", concurrent::last_complete_wins(storage, second, scale).await)?;
    named("paths at the same time", concurrent::each_path_for_itself(storage, second, scale).await)?;
    named("globs", listings::globs(storage).await)?;
    named("folders", listings::folders(storage).await)?;
    named("the storage's own values", listings::ours_are_not_shown(storage).await)?;
    named("a long listing", listings::many(storage, second, scale).await)?;
    Ok(())
}

fn named(name: &str, checked: Checked) -> Checked {
    checked.map_err(|Deviation(what)| Deviation(format!("{name}: {what}")))
}

/// Where the entry of this number of the long listing lies: some folders, with some names in each.
pub fn many_path(number: usize) -> Result<Path, BadPath> {
    Path::parse(format!("many/{:03}/n{number:06}", number / 500))
}

/// Its value.
pub fn many_value(number: usize) -> Bytes {
    Bytes::from(number.to_string())
}

fn path(text: &str) -> Result<Path, Deviation> {
    Ok(Path::parse(text)?)
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Deviation(what())) }
}

/// A value must be this, by every way to ask for it.
async fn expect(storage: &dyn Storage, path: &Path, value: Option<&[u8]>) -> Checked {
    let read = storage.read(path).await?;
    ensure(read.as_deref() == value, || format!("{path} is {} and not {}", brief(read.as_deref()), brief(value)))?;
    let head = storage.head(path).await?;
    let length = head.as_ref().map(|entry| entry.length);
    ensure(length == value.map(|value| value.len() as u64), || format!("the head of {path} says {head:?}"))?;
    ensure(head.is_none_or(|entry| entry.path == *path), || format!("the head of {path} names another"))
}

fn brief(value: Option<&[u8]>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(value) => format!("{} bytes {:?}", value.len(), String::from_utf8_lossy(&value[..value.len().min(40)])),
    }
}

/// All pages of a folder, which must not show anything twice.
async fn all(storage: &dyn Storage, folder: Option<&Path>, limit: usize) -> Result<Vec<(String, u64)>, Deviation> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let Page { entries, next, partial } = storage.list(folder, cursor.as_ref(), limit).await?;
        ensure(!partial, || "a page says that a part could not be asked".to_owned())?;
        ensure(entries.len() <= limit.min(MAX_PAGE), || format!("a page of {limit} has {} entries", entries.len()))?;
        found.extend(entries.into_iter().map(|entry| (entry.path.to_string(), entry.length)));
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    found.sort();
    let count = found.len();
    found.dedup_by(|one, other| one.0 == other.0);
    ensure(found.len() == count, || format!("{} entries are shown twice", count - found.len()))?;
    Ok(found)
}

async fn clear(storage: &dyn Storage, folder: &str) -> Checked {
    let folder = path(folder)?;
    for (name, _) in all(storage, Some(&folder), MAX_PAGE).await? {
        storage.delete(&path(&name)?).await?;
    }
    let left = all(storage, Some(&folder), MAX_PAGE).await?;
    ensure(left.is_empty(), || format!("{} values are there after they were deleted", left.len()))
}

/// Bytes that tell where they are and of which value they are, in pieces, without holding them.
struct Pattern {
    seed: u64,
    length: u64,
    given: u64,
    piece: usize,
    fails_at: Option<u64>,
}

impl Pattern {
    fn new(seed: u64, length: u64) -> Pattern {
        Pattern { seed, length, given: 0, piece: 100_003, fails_at: None }
    }

    fn at(seed: u64, place: u64) -> [u8; 8] {
        (place ^ seed.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()
    }

    fn fill(seed: u64, from: u64, length: usize) -> Bytes {
        let first = from / 8;
        let words = length / 8 + 2;
        let mut bytes = Vec::with_capacity(words * 8);
        for place in first..first + words as u64 {
            bytes.extend_from_slice(&Pattern::at(seed, place));
        }
        let skip = (from % 8) as usize;
        Bytes::from(bytes).slice(skip..skip + length)
    }

    fn whole(seed: u64, length: usize) -> Bytes {
        Pattern::fill(seed, 0, length)
    }
}

impl Pieces for Pattern {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        let length = (self.length - self.given).min(self.piece.min(MAX_PIECE) as u64) as usize;
        let piece = Pattern::fill(self.seed, self.given, length);
        self.given += length as u64;
        let fails = self.fails_at.is_some_and(|at| self.given >= at);
        Box::pin(async move {
            if fails {
                return Err(StorageError::Ours("the source of the suite fails".to_owned()));
            }
            Ok((!piece.is_empty()).then_some(piece))
        })
    }
}
