//! BLAKE3 of a whole blob, in steps that can be put down and taken up: an upload that goes on after a kill need not read
//! what it has.
//!
//! BLAKE3 is a tree. Of each finished subtree only its chaining value is needed; so the state is one value for each bit of
//! the number of finished groups, and the bytes of the group in progress.

use blake3::{
    Hasher,
    hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root},
};
use minicbor::{Decode, Encode};

/// Bytes of a subtree of its own; a power of two.
const GROUP: usize = 64 << 10;

/// The hash so far.
#[derive(Clone, Default, Encode, Decode)]
pub(crate) struct Whole {
    /// Groups that are finished.
    #[n(0)]
    groups: u64,
    /// The chaining values of finished subtrees, the largest first, 32 bytes each.
    #[cbor(n(1), with = "minicbor::bytes")]
    subtrees: Vec<u8>,
    /// The bytes after them, at most a group. A full group waits here until more comes: the last one is never finished,
    /// because what ends the tree is hashed otherwise.
    #[cbor(n(2), with = "minicbor::bytes")]
    tail: Vec<u8>,
}

impl Whole {
    /// Takes in what comes next.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.tail.len() == GROUP {
                self.finish_group();
            }
            let (now, later) = bytes.split_at(bytes.len().min(GROUP - self.tail.len()));
            self.tail.extend_from_slice(now);
            bytes = later;
        }
    }

    fn finish_group(&mut self) {
        let mut value = self.tail_hasher().finalize_non_root();
        self.tail.clear();
        self.groups += 1;
        // As in the reference implementation: one merge for each subtree that this group completes.
        for _ in 0..self.groups.trailing_zeros() {
            let Some(left) = self.pop() else { break };
            value = merge_subtrees_non_root(&left, &value, Mode::Hash);
        }
        self.subtrees.extend_from_slice(&value);
    }

    fn tail_hasher(&self) -> Hasher {
        let mut hasher = Hasher::new();
        hasher.set_input_offset(self.groups * GROUP as u64).update(&self.tail);
        hasher
    }

    fn pop(&mut self) -> Option<[u8; 32]> {
        let value = *self.subtrees.last_chunk()?;
        self.subtrees.truncate(self.subtrees.len() - value.len());
        Some(value)
    }

    /// The hash of all that was taken in.
    pub(crate) fn finish(mut self) -> [u8; 32] {
        if self.groups == 0 {
            return *blake3::hash(&self.tail).as_bytes();
        }
        let mut right = self.tail_hasher().finalize_non_root();
        while let Some(left) = self.pop() {
            if self.subtrees.is_empty() {
                return *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes();
            }
            right = merge_subtrees_non_root(&left, &right, Mode::Hash);
        }
        right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::tests::noise;

    #[test]
    fn it_is_the_hash_of_the_whole_however_often_it_is_put_down() {
        let bytes = noise(3, GROUP * 19 + 77);
        for length in [0, 1, 1024, GROUP - 1, GROUP, GROUP + 1, GROUP * 2, GROUP * 3 + 5, GROUP * 8, GROUP * 13, bytes.len()] {
            let mut whole = Whole::default();
            for piece in bytes[..length].chunks(50_001) {
                whole.update(piece);
                whole = minicbor::decode(&minicbor::to_vec(&whole).expect("bytes")).expect("the same");
            }
            assert_eq!(whole.finish(), *blake3::hash(&bytes[..length]).as_bytes(), "{length}");
        }
    }
}
