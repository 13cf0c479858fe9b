//! One record: what is sealed of an act, and under what.

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{AeadInOut as _, KeyInit as _},
};
use zeroize::Zeroize as _;

/// Bytes of a record on disk: nonce, what is sealed, tag.
pub(crate) const RECORD_LEN: usize = 256;

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
const SEALED_LEN: usize = RECORD_LEN - NONCE_LEN - TAG_LEN;
const VERSION: u8 = 1;

/// The role of a record that nobody asked for.
const NOBODY: u8 = 0;

/// The bytes of a record on disk.
pub(crate) type Bytes = [u8; RECORD_LEN];

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Number of the verb.
    pub(crate) verb: u16,
    /// Number of the caller's role and of its instance, as the hub says; `None` if nobody asked.
    pub(crate) caller: Option<(u8, u32)>,
    /// 0 if it was done, or the number of the refusal.
    pub(crate) outcome: u16,
    /// How often, for a sum.
    pub(crate) times: u32,
    /// Milliseconds since 1970 of the first that is summed here.
    pub(crate) since_ms: u64,
    /// Milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// BLAKE3 over what it was done to; zeros if that has no name.
    pub(crate) objects: [u8; 32],
    /// Pairs that opened nothing before this opening, and nobody's since the one before.
    pub(crate) misses: u32,
    /// Records before this one that could not be written and did not find room in memory.
    pub(crate) unwritten: u32,
    /// Where it stands in its space's chain.
    pub(crate) link: Link,
}

/// The place of a record in the chain of its space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its number among its space's, from 1.
    pub(crate) number: u64,
    /// How many up to this one are of more than the archive's own signing: see [`super::Top`].
    pub(crate) notable: u64,
    /// The record before it, unless it is the first.
    pub(crate) previous: Option<Previous>,
}

/// The record before another in the chain of its space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    /// Its number in the file.
    pub(crate) place: u64,
    /// BLAKE3 of its bytes on disk.
    pub(crate) hash: [u8; 32],
}

/// What a record is bound to besides its key.
pub(crate) struct Bound {
    /// The public key of the device.
    pub(crate) device: [u8; 32],
    /// Its number in the file.
    pub(crate) place: u64,
    /// BLAKE3 of the bytes of the record before it in the file, whoever's that is; zeros for the first.
    pub(crate) before: [u8; 32],
}

impl Bound {
    fn bytes(&self) -> [u8; 92] {
        let mut bytes = [0; 92];
        bytes[..20].copy_from_slice(b"lamos/v1/audit recrd");
        bytes[20..52].copy_from_slice(&self.device);
        bytes[52..60].copy_from_slice(&self.place.to_le_bytes());
        bytes[60..].copy_from_slice(&self.before);
        bytes
    }
}

/// The hash by which a record is known.
pub(crate) fn hash(bytes: &Bytes) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

impl Record {
    fn write(&self, to: &mut [u8]) {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            to[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        let (role, instance) = self.caller.unwrap_or((NOBODY, 0));
        let (place, hash) = self.link.previous.map_or((u64::MAX, [0; 32]), |previous| (previous.place, previous.hash));
        put(&[VERSION, role]);
        put(&self.verb.to_le_bytes());
        put(&self.outcome.to_le_bytes());
        put(&[0; 2]);
        put(&instance.to_le_bytes());
        put(&self.times.to_le_bytes());
        put(&self.since_ms.to_le_bytes());
        put(&self.at_ms.to_le_bytes());
        put(&self.misses.to_le_bytes());
        put(&self.unwritten.to_le_bytes());
        put(&self.objects);
        put(&self.link.number.to_le_bytes());
        put(&self.link.notable.to_le_bytes());
        put(&place.to_le_bytes());
        put(&hash);
    }

    /// Reads what was sealed; `None` if another version wrote it.
    fn read(from: &[u8]) -> Option<Record> {
        let mut rest = from;
        let [version, role] = take::<2>(&mut rest)?;
        let (verb, outcome) = (u16::from_le_bytes(take(&mut rest)?), u16::from_le_bytes(take(&mut rest)?));
        let [_, _] = take::<2>(&mut rest)?;
        let (instance, times) = (u32::from_le_bytes(take(&mut rest)?), u32::from_le_bytes(take(&mut rest)?));
        let (since_ms, at_ms) = (u64::from_le_bytes(take(&mut rest)?), u64::from_le_bytes(take(&mut rest)?));
        let (misses, unwritten) = (u32::from_le_bytes(take(&mut rest)?), u32::from_le_bytes(take(&mut rest)?));
        let objects = take(&mut rest)?;
        let (number, notable) = (u64::from_le_bytes(take(&mut rest)?), u64::from_le_bytes(take(&mut rest)?));
        let (place, hash) = (u64::from_le_bytes(take(&mut rest)?), take(&mut rest)?);
        let caller = (role != NOBODY).then_some((role, instance));
        let previous = (place != u64::MAX).then_some(Previous { place, hash });
        let link = Link { number, notable, previous };
        let record = Record { verb, caller, outcome, times, since_ms, at_ms, objects, misses, unwritten, link };
        (version == VERSION).then_some(record)
    }

    /// The bytes on disk, sealed under the key of the space.
    pub(crate) fn seal(&self, key: &[u8; 32], bound: &Bound) -> std::io::Result<Bytes> {
        let mut bytes = [0; RECORD_LEN];
        let (nonce, rest) = bytes.split_at_mut(NONCE_LEN);
        let (body, tag) = rest.split_at_mut(SEALED_LEN);
        self.write(body);
        getrandom::fill(nonce)?;
        let nonce: &[u8; NONCE_LEN] = (&*nonce).try_into().map_err(std::io::Error::other)?;
        let sealed = XChaCha20Poly1305::new(key.into())
            .encrypt_inout_detached(nonce.into(), &bound.bytes(), body.into())
            .map_err(|_| std::io::Error::other("sealing failed"))?;
        tag.copy_from_slice(&sealed);
        Ok(bytes)
    }

    /// What a record says, if it is of this space, at this place, behind this other one, and as it was written.
    pub(crate) fn open(key: &[u8; 32], bound: &Bound, bytes: &Bytes) -> Option<Record> {
        let mut bytes = *bytes;
        let (nonce, rest) = bytes.split_at_mut(NONCE_LEN);
        let (body, tag) = rest.split_at_mut(SEALED_LEN);
        let (nonce, tag) = (<&[u8; NONCE_LEN]>::try_from(&*nonce).ok()?, <&[u8; TAG_LEN]>::try_from(&*tag).ok()?);
        let cipher = XChaCha20Poly1305::new(key.into());
        let opened = cipher.decrypt_inout_detached(nonce.into(), &bound.bytes(), (&mut *body).into(), tag.into());
        let record = opened.ok().and_then(|()| Record::read(body));
        body.zeroize();
        record
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}
