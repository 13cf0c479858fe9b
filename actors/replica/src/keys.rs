//! What the one key of the archive is split into, so that no key has two uses.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::blobs::BlobKeys;

/// The keys of an open archive. Forgotten when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct StoreKeys {
    /// Wraps the key of each entity.
    pub(crate) wrap: [u8; 32],
    /// Seals the views and the journal.
    pub(crate) views: [u8; 32],
    /// Seals the files of the search index.
    pub(crate) index: [u8; 32],
    /// Seals the packs of backups.
    pub(crate) packs: [u8; 32],
    /// Makes names of things that must not tell what they are called.
    names: [u8; 32],
    /// Cuts, names and seals the chunks of large content.
    pub(crate) blobs: BlobKeys,
    #[zeroize(skip)]
    pub(crate) space: [u8; 16],
    #[zeroize(skip)]
    pub(crate) device: [u8; 32],
}

impl StoreKeys {
    /// Splits the archive's key. `device` is the public key of the author of what is written here.
    pub fn new(key: &[u8; 32], space: [u8; 16], device: [u8; 32]) -> StoreKeys {
        StoreKeys {
            wrap: *expand(key, "lamos/v1/store/wrap"),
            views: *expand(key, "lamos/v1/store/views"),
            index: *expand(key, "lamos/v1/store/index"),
            packs: *expand(key, "lamos/v1/store/packs"),
            names: *expand(key, "lamos/v1/store/names"),
            blobs: BlobKeys::new(key),
            space,
            device,
        }
    }

    /// A name for something that is found again by its content and gives it away to nobody: 16 bytes of a keyed digest.
    pub fn blind(&self, what: &str, parts: &[&[u8]]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.names);
        for part in std::iter::once(what.as_bytes()).chain(parts.iter().copied()) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let digest = hasher.finalize();
        std::array::from_fn(|index| digest.as_bytes()[index])
    }
}

pub(crate) fn expand(key: &[u8; 32], label: &str) -> Zeroizing<[u8; 32]> {
    let mut output = Zeroizing::new([0; 32]);
    // Fails only for outputs longer than 255 hashes.
    let expanded = Hkdf::<Sha256>::new(None, key).expand(label.as_bytes(), &mut *output);
    debug_assert!(expanded.is_ok());
    output
}
