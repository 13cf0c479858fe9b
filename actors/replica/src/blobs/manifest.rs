//! What a blob is made of: a list of its chunks, which for a large blob is cut into chunks itself, and so on, until what is
//! left is short enough to stand in the body of an event.
//!
//! A list is entries of 40 bytes: the digest of a chunk (from which its name and its key are made) and the bytes of the
//! blob that are in it or below it.

use minicbor::{Decode, Encode, bytes::ByteVec};

use super::keys::Digest;
use crate::ReplicaError;

/// Bytes of an entry.
const ENTRY: usize = 40;

/// Most entries in one chunk of a list.
pub(crate) const FANOUT: usize = 1024;

/// Most entries in the body of an event; what is up to about 8 MiB needs no list beside it.
pub(crate) const TOP: usize = 128;

/// Most lists above each other: 128 × 1024³ chunks are 8 PiB.
pub(crate) const MAX_LEVELS: u8 = 3;

/// Content that is kept in chunks. It stands in the body of an event, under the key of the entity; who has it can read
/// the content.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Blob {
    /// Bytes of the content.
    #[n(0)]
    pub length: u64,
    /// BLAKE3 of the content.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub hash: [u8; 32],
    /// Lists between the entries here and the content; 0 if these are the chunks of the content.
    #[n(2)]
    pub(crate) levels: u8,
    /// The entries.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) entries: Vec<u8>,
}

/// Neither its hash nor its digests: the first tells what it is, the others open it.
impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} bytes)", self.length)
    }
}

/// A chunk as a list has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) digest: Digest,
    /// Bytes of the blob that are in it or below it.
    pub(crate) length: u64,
}

/// The bytes of a list.
pub(crate) fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY);
    for entry in entries {
        bytes.extend_from_slice(&entry.digest);
        bytes.extend_from_slice(&entry.length.to_le_bytes());
    }
    bytes
}

/// Reads a list of at most `most` entries; `None` if it is none.
pub(crate) fn decode(bytes: &[u8], most: usize) -> Option<Vec<Entry>> {
    let (entries, []) = bytes.as_chunks::<ENTRY>() else { return None };
    if entries.len() > most {
        return None;
    }
    let entries = entries.iter().map(|entry| {
        let (digest, length) = entry.split_first_chunk::<32>()?;
        Some(Entry { digest: *digest, length: u64::from_le_bytes(length.try_into().ok()?) })
    });
    entries.collect()
}

/// The lists of a blob that is being made: of each level, what is not in a chunk yet.
#[derive(Clone, Default)]
pub(crate) struct Lists(Vec<Vec<Entry>>);

impl Lists {
    /// Adds the next chunk of the content. `keep` makes a chunk of a full list.
    pub(crate) fn push(
        &mut self,
        entry: Entry,
        keep: &mut impl FnMut(&[Entry]) -> Result<Entry, ReplicaError>,
    ) -> Result<(), ReplicaError> {
        self.add(0, entry, keep)
    }

    fn add(
        &mut self,
        mut level: usize,
        mut entry: Entry,
        keep: &mut impl FnMut(&[Entry]) -> Result<Entry, ReplicaError>,
    ) -> Result<(), ReplicaError> {
        loop {
            if self.0.len() == level {
                self.0.push(Vec::new());
            }
            let list = &mut self.0[level];
            list.push(entry);
            if list.len() < FANOUT {
                return Ok(());
            }
            entry = keep(list)?;
            list.clear();
            level += 1;
        }
    }

    /// The number of levels and the entries of the uppermost.
    pub(crate) fn finish(
        mut self,
        keep: &mut impl FnMut(&[Entry]) -> Result<Entry, ReplicaError>,
    ) -> Result<(u8, Vec<Entry>), ReplicaError> {
        let mut level = 0;
        while level < self.0.len() {
            let above = self.0[level + 1..].iter().any(|list| !list.is_empty());
            let list = std::mem::take(&mut self.0[level]);
            if !above && list.len() <= TOP {
                let levels = u8::try_from(level).ok().filter(|levels| *levels <= MAX_LEVELS);
                let levels = levels.ok_or_else(|| ReplicaError::Engine("a blob of more than 8 PiB".to_owned()))?;
                return Ok((levels, list));
            }
            if !list.is_empty() {
                let entry = keep(&list)?;
                self.add(level + 1, entry, keep)?;
            }
            level += 1;
        }
        Ok((0, Vec::new()))
    }

    /// Every entry in it, with its level.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u8, Entry)> {
        let levels = 0..=u8::MAX;
        levels.zip(&self.0).flat_map(|(level, list)| list.iter().map(move |entry| (level, *entry)))
    }

    /// As it is put down.
    pub(crate) fn to_bytes(&self) -> Vec<ByteVec> {
        self.0.iter().map(|list| encode(list).into()).collect()
    }

    /// As it was put down; `None` if it was not.
    pub(crate) fn from_bytes(lists: &[ByteVec]) -> Option<Lists> {
        lists.iter().map(|list| decode(list, FANOUT)).collect::<Option<_>>().map(Lists)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Makes the lists of so many chunks and reads them back.
    fn there_and_back(count: u64) {
        let entry = |number: u64| Entry { digest: *blake3::hash(&number.to_le_bytes()).as_bytes(), length: number % 7 + 1 };
        let mut kept: HashMap<Digest, Vec<Entry>> = HashMap::new();
        let mut keep = |list: &[Entry]| {
            let digest = *blake3::hash(&encode(list)).as_bytes();
            kept.insert(digest, decode(&encode(list), FANOUT).expect("a list"));
            Ok(Entry { digest, length: list.iter().map(|entry| entry.length).sum() })
        };
        let mut lists = Lists::default();
        for number in 0..count {
            lists.push(entry(number), &mut keep).expect("kept");
            if number % 999 == 0 {
                lists = Lists::from_bytes(&lists.to_bytes()).expect("as it was");
            }
        }
        let (levels, mut top) = lists.finish(&mut keep).expect("kept");
        assert!(top.len() <= TOP);
        for _ in 0..levels {
            top = top.iter().flat_map(|entry| kept[&entry.digest].clone()).collect();
        }
        assert_eq!(top.len() as u64, count);
        assert!((0..count).zip(&top).all(|(number, found)| entry(number) == *found), "{count}");
    }

    #[test]
    fn lists_of_any_length_come_back() {
        let fanout = FANOUT as u64;
        for count in [0, 1, 127, 128, 129, fanout - 1, fanout, fanout + 1, fanout * 3, fanout * 128, fanout * 128 + 1, 160_000] {
            there_and_back(count);
        }
        there_and_back(fanout * fanout + 1);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(decode(&[0; ENTRY + 1], 9).is_none());
        assert!(decode(&[0; ENTRY * 3], 2).is_none());
        assert!(decode(&[], 2).is_some_and(|list| list.is_empty()));
    }
}
