//! Sealing: XChaCha20-Poly1305 with a random nonce, bound to what it belongs to.
//!
//! A sealed thing is `nonce 24 ‖ ciphertext ‖ tag 16`. The associated data names its place, so that the bytes of one
//! thing moved to the place of another do not open there.

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{AeadInOut as _, KeyInit as _},
};
use ipc::event::EventHeader;
use zeroize::Zeroizing;

use crate::{Replica, ReplicaError, StoreKeys, packing};

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// A plain body is kept as it is, or compressed.
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Bodies shorter than this are not worth compressing.
const WORTH_COMPRESSING: usize = 256;

/// Seals bytes for this place.
pub(crate) fn seal(key: &[u8; 32], place: &[&[u8]], plain: &[u8]) -> Result<Vec<u8>, ReplicaError> {
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + TAG_LEN);
    sealed.resize(NONCE_LEN, 0);
    getrandom::fill(&mut sealed).map_err(|error| ReplicaError::Io(error.into()))?;
    sealed.extend_from_slice(plain);
    let (nonce, body) = sealed.split_at_mut(NONCE_LEN);
    let nonce: &[u8; NONCE_LEN] =
        (&*nonce).try_into().map_err(|_| ReplicaError::Engine("a nonce of another length".to_owned()))?;
    let tag = XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(nonce.into(), &associated(place), body.into())
        .map_err(|_| ReplicaError::Engine("sealing failed".to_owned()))?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens what was sealed for this place; `None` if it was not, or is not what it was.
pub(crate) fn open(key: &[u8; 32], place: &[&[u8]], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let (body, tag) = rest.split_last_chunk::<TAG_LEN>()?;
    let mut plain = Zeroizing::new(body.to_vec());
    XChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(nonce.into(), &associated(place), plain.as_mut_slice().into(), tag.into())
        .ok()?;
    Some(plain)
}

fn associated(place: &[&[u8]]) -> Vec<u8> {
    place.concat()
}

/// Makes the sealed body of an event: `how it is kept ‖ digest key ‖ body`, under the key of its entity. Returns the
/// digest of the plain body for the header, which is what makes the id, which is what the seal is bound to; so the seal
/// comes last.
pub(crate) struct Body {
    digest_key: [u8; 32],
    /// Goes into the header.
    pub(crate) digest: [u8; 32],
    /// Goes into the header.
    pub(crate) length: u32,
    kept: Zeroizing<Vec<u8>>,
}

impl Body {
    /// Prepares a body.
    pub(crate) fn new(plain: &[u8]) -> Result<Body, ReplicaError> {
        let mut digest_key = [0; 32];
        getrandom::fill(&mut digest_key).map_err(|error| ReplicaError::Io(error.into()))?;
        let compressed = (plain.len() >= WORTH_COMPRESSING)
            .then(|| packing::pack(plain))
            .transpose()?
            .filter(|compressed| compressed.len() < plain.len());
        let (how, bytes) = compressed.as_deref().map_or((PLAIN, plain), |compressed| (ZSTD, compressed));
        let mut kept = Zeroizing::new(Vec::with_capacity(1 + 32 + bytes.len()));
        kept.push(how);
        kept.extend_from_slice(&digest_key);
        kept.extend_from_slice(bytes);
        let length = u32::try_from(plain.len()).map_err(|_| ReplicaError::Engine("a body of more than 4 GiB".to_owned()))?;
        Ok(Body { digest_key, digest: digest(&digest_key, plain), length, kept })
    }

    /// Seals it for the event with this id.
    pub(crate) fn seal(&self, entity_key: &[u8; 32], id: &[u8; 32]) -> Result<Vec<u8>, ReplicaError> {
        debug_assert_eq!(self.kept[1..33], self.digest_key);
        seal(entity_key, &[b"body", id], &self.kept)
    }
}

/// A body that was opened and is what its header says.
pub(crate) struct Opened {
    /// As it is kept: how ‖ digest key ‖ body.
    pub(crate) kept: Zeroizing<Vec<u8>>,
    /// What was given.
    pub(crate) plain: Zeroizing<Vec<u8>>,
}

impl Opened {
    /// Opens the body of the event with this id and checks it against the header; `None` if it is not what it was.
    pub(crate) fn open(entity_key: &[u8; 32], id: &[u8; 32], header: &EventHeader, sealed: &[u8]) -> Option<Opened> {
        Opened::check(open(entity_key, &[b"body", id], sealed)?, header)
    }

    /// Checks a body as it is kept against its header.
    pub(crate) fn check(kept: Zeroizing<Vec<u8>>, header: &EventHeader) -> Option<Opened> {
        let (how, rest) = kept.split_first()?;
        let (digest_key, bytes) = rest.split_first_chunk::<32>()?;
        let length = usize::try_from(header.body_len).ok()?;
        let plain = match *how {
            PLAIN => Zeroizing::new(bytes.to_vec()),
            // The header says how long it is, so nothing larger is ever made.
            ZSTD => Zeroizing::new(packing::unpack(bytes, length).ok()?),
            _ => return None,
        };
        let fits = plain.len() == length && digest(digest_key, &plain) == header.body_digest;
        fits.then_some(Opened { kept, plain })
    }
}

/// Seals a body as it is kept for the event with this id.
pub(crate) fn seal_kept(entity_key: &[u8; 32], id: &[u8; 32], kept: &[u8]) -> Result<Vec<u8>, ReplicaError> {
    seal(entity_key, &[b"body", id], kept)
}

/// Opens a sealed body to what is kept, without looking at what it is.
pub(crate) fn open_kept(entity_key: &[u8; 32], id: &[u8; 32], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    open(entity_key, &[b"body", id], sealed)
}

/// Bytes of a wrapped key.
pub(crate) const WRAPPED_LEN: usize = NONCE_LEN + 32 + TAG_LEN;

/// The most bytes that sealing and keeping add to a plain body.
pub(crate) const SEALED_MORE: usize = NONCE_LEN + TAG_LEN + 33;

fn digest(key: &[u8; 32], plain: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(key, plain).as_bytes()
}

/// Wraps the key of an entity.
pub(crate) fn wrap(keys: &StoreKeys, entity: &[u8; 16], key: &[u8; 32]) -> Result<Vec<u8>, ReplicaError> {
    seal(&keys.wrap, &[b"entity", &keys.space, entity], key)
}

/// Unwraps the key of an entity.
pub(crate) fn unwrap(keys: &StoreKeys, entity: &[u8; 16], wrapped: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let key = open(&keys.wrap, &[b"entity", &keys.space, entity], wrapped)?;
    Some(Zeroizing::new(key.as_slice().try_into().ok()?))
}

impl Replica {
    /// Seals a piece of a journal for its turn and its place in it.
    pub fn seal_journal(&self, turn: &[u8; 16], index: u32, plain: &[u8]) -> Result<Vec<u8>, ReplicaError> {
        seal(&self.keys.views, &[b"journal", turn, &index.to_le_bytes()], plain)
    }

    /// Opens a piece of a journal; `None` if it is not this piece.
    pub fn open_journal(&self, turn: &[u8; 16], index: u32, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.keys.views, &[b"journal", turn, &index.to_le_bytes()], sealed)
    }
}

#[cfg(test)]
mod tests {
    use ipc::event::Clock;

    use super::*;

    #[test]
    fn what_is_moved_to_another_place_does_not_open() {
        let sealed = seal(&[1; 32], &[b"a", b"1"], b"words").expect("sealed");
        assert_eq!(open(&[1; 32], &[b"a", b"1"], &sealed).as_deref().map(Vec::as_slice), Some(&b"words"[..]));
        assert!(open(&[1; 32], &[b"a", b"2"], &sealed).is_none());
        assert!(open(&[2; 32], &[b"a", b"1"], &sealed).is_none());
        for bit in 0..sealed.len() * 8 {
            let mut other = sealed.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&[1; 32], &[b"a", b"1"], &other).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_long_body_is_compressed_and_comes_back() {
        let plain = b"the same words again and again ".repeat(100);
        let body = Body::new(&plain).expect("a body");
        let sealed = body.seal(&[3; 32], &[4; 32]).expect("sealed");
        assert!(sealed.len() < plain.len() / 4);
        let header = EventHeader {
            space: [0; 16],
            author: [0; 32],
            sequence: 1,
            previous: [0; 32],
            clock: Clock(1),
            kind: 1,
            entity: [0; 16],
            body_len: body.length,
            body_digest: body.digest,
            seen: Vec::new(),
        };
        let opened = Opened::open(&[3; 32], &[4; 32], &header, &sealed).expect("opened");
        assert_eq!(*opened.plain, plain);
        assert!(Opened::open(&[3; 32], &[5; 32], &header, &sealed).is_none(), "another event");
        let other = EventHeader { body_digest: [0; 32], ..header };
        assert!(Opened::open(&[3; 32], &[4; 32], &other, &sealed).is_none(), "another digest");
    }

    #[test]
    fn equal_bodies_have_different_digests() {
        let one = Body::new(b"yes").expect("a body");
        let two = Body::new(b"yes").expect("a body");
        assert_ne!(one.digest, two.digest, "a short body must not be guessed from its header");
    }
}
