//! Marks: that the far place lacks what the near one has.
//!
//! On disk: version `1`, change `u8`, place in the queue `u64` little-endian, then the path in UTF-8. The value lies in the
//! near place under [`place`], so it is sealed where the near place seals.

use bytes::Bytes;

use crate::{BadPath, Path};

/// The first byte of a mark.
const VERSION: u8 = 1;

/// How a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It has a value here; if it has none, the process ended before the value came, and nothing is to be pushed.
    Written,
    /// As [`Change::Written`]; if it has no value here, it was deleted before, and that is to be pushed.
    WrittenOverDeleted,
    /// It has none here.
    Deleted,
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// How.
    pub(super) change: Change,
    /// Its place in the queue.
    pub(super) place: u64,
    /// The path.
    pub(super) path: Path,
}

impl Mark {
    pub(super) fn value(&self) -> Bytes {
        let change = match self.change {
            Change::Written => 1,
            Change::WrittenOverDeleted => 2,
            Change::Deleted => 3,
        };
        [&[VERSION, change][..], &self.place.to_le_bytes(), self.path.as_str().as_bytes()].concat().into()
    }

    pub(super) fn read(value: &[u8]) -> Option<Mark> {
        let (head, rest) = value.split_first_chunk::<2>()?;
        let (place, path) = rest.split_first_chunk::<8>()?;
        let change = match head {
            [VERSION, 1] => Change::Written,
            [VERSION, 2] => Change::WrittenOverDeleted,
            [VERSION, 3] => Change::Deleted,
            _ => return None,
        };
        let path = Path::parse(std::str::from_utf8(path).ok()?).ok()?;
        Some(Mark { change, place: u64::from_le_bytes(*place), path })
    }
}

/// The folder of all marks.
pub(super) fn folder() -> Result<Path, BadPath> {
    Path::reserved("queue")
}

/// Where the mark of a path lies.
pub(super) fn place(path: &Path) -> Result<Path, BadPath> {
    Path::reserved(&format!("queue/{}", name(path)))
}

/// A name for a path that is as good as it, and short.
pub(super) fn name(path: &Path) -> String {
    let hash = blake3::hash(path.as_str().as_bytes());
    hash.to_hex().chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let path = Path::parse("Ärger/東京.txt").expect("a path");
        for change in [Change::Written, Change::WrittenOverDeleted, Change::Deleted] {
            let mark = Mark { change, place: 7, path: path.clone() };
            assert_eq!(Mark::read(&mark.value()), Some(mark));
        }
        for bad in
            [&b""[..], b"\x01\x01", b"\x02\x01\0\0\0\0\0\0\0\0a", b"\x01\x04\0\0\0\0\0\0\0\0a", b"\x01\x01\0\0\0\0\0\0\0\0../a"]
        {
            assert_eq!(Mark::read(bad), None, "{bad:?}");
        }
    }
}
