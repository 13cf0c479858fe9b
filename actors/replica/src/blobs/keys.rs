//! The keys of chunks: what they are recognised, named and sealed by, and where content is cut.
//!
//! A chunk has a *digest*, which is BLAKE3 of its plain bytes under a key of this space. Its name and its own key are
//! made from the digest, each under another key of this space. So equal chunks of two owners have one name and one key and
//! are kept once; and nobody who has the file but neither the content nor a manifest can open it, even with the keys of
//! the store: the digest stands in manifests alone, and these are sealed under the key of their owner. That is what makes
//! a shared chunk unreadable for one owner and not for another.
//!
//! Who has the keys of the store can test whether a guessed content is kept; that is inherent in keeping equal things
//! once.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::keys::expand;

/// BLAKE3 of plain bytes, under a key. Who has it can open the chunk.
pub(crate) type Digest = [u8; 32];

/// What a chunk is called: tells nothing about it.
pub(crate) type Name = [u8; 16];

/// What a chunk is made of; the two are recognised by different keys, so that one is never taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// Content.
    Leaf,
    /// A part of a manifest.
    Node,
}

/// Forgotten when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct BlobKeys {
    leaf: [u8; 32],
    node: [u8; 32],
    name: [u8; 32],
    seal: [u8; 32],
    cut: [u8; 32],
}

impl BlobKeys {
    pub(crate) fn new(key: &[u8; 32]) -> BlobKeys {
        BlobKeys {
            leaf: *expand(key, "lamos/v1/store/chunk/leaf"),
            node: *expand(key, "lamos/v1/store/chunk/node"),
            name: *expand(key, "lamos/v1/store/chunk/name"),
            seal: *expand(key, "lamos/v1/store/chunk/seal"),
            cut: *expand(key, "lamos/v1/store/chunk/cut"),
        }
    }

    pub(crate) fn digest(&self, made: Made, plain: &[u8]) -> Digest {
        let key = match made {
            Made::Leaf => &self.leaf,
            Made::Node => &self.node,
        };
        *blake3::keyed_hash(key, plain).as_bytes()
    }

    pub(crate) fn name(&self, digest: &Digest) -> Name {
        let name = blake3::keyed_hash(&self.name, digest);
        std::array::from_fn(|index| name.as_bytes()[index])
    }

    pub(crate) fn key(&self, digest: &Digest) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*blake3::keyed_hash(&self.seal, digest).as_bytes())
    }

    /// The 256 numbers of the rolling hash that decides where content is cut.
    pub(crate) fn gear(&self) -> [u64; 256] {
        let mut output = blake3::Hasher::new_keyed(&self.cut).finalize_xof();
        std::array::from_fn(|_| {
            let mut bytes = [0; 8];
            output.fill(&mut bytes);
            u64::from_le_bytes(bytes)
        })
    }
}
