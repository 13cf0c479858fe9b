//! One place: 256 bytes that are random, or keys sealed with XChaCha20-Poly1305 under the key of whoever may open them.
//!
//! ```text
//! password, remembered  nonce 24 ‖ sealed 216 ‖ tag 16
//! recovery              nonce 24 ‖ sealed 144 ‖ tag 16 ‖ nonce 24 ‖ sealed seed of the device 32 ‖ tag 16
//! ```
//!
//! A place of recovery has the seed of the device apart, under a key that is made from the master key: who signs in on a
//! copy with a password makes another device of it, and has not the words to seal the rest again.

use std::io;

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{AeadInOut as _, KeyInit as _},
};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    keys::{Keys, SEED_LEN},
    layout::{Header, PLACE_LEN, Region},
};
use crate::derive::expand;

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
const DEVICE_AT: usize = PLACE_LEN - NONCE_LEN - SEED_LEN - TAG_LEN;

/// The bytes of a place.
pub(crate) type Place = Zeroizing<[u8; PLACE_LEN]>;

/// A place that opens for nobody.
pub(crate) fn empty() -> io::Result<Place> {
    let mut place = Place::new([0; PLACE_LEN]);
    getrandom::fill(&mut *place)?;
    Ok(place)
}

/// Seals keys into a place.
pub(crate) fn seal(header: &Header, region: Region, index: usize, key: &[u8; 32], keys: &Keys) -> io::Result<Place> {
    let mut place = Place::new([0; PLACE_LEN]);
    let associated = header.associated(region, index);
    if region == Region::Recovery {
        keys.write_without_device(&mut place[NONCE_LEN..DEVICE_AT - TAG_LEN]);
        seal_part(key, associated.bytes(), &mut place[..DEVICE_AT])?;
        seal_device(header, index, keys, &mut place)?;
    } else {
        keys.write(&mut place[NONCE_LEN..PLACE_LEN - TAG_LEN]);
        seal_part(key, associated.bytes(), &mut *place)?;
    }
    Ok(place)
}

/// Seals the seed of the device into a place of recovery, and leaves the rest of it as it is.
pub(crate) fn seal_device(header: &Header, index: usize, keys: &Keys, place: &mut Place) -> io::Result<()> {
    let part = &mut place[DEVICE_AT..];
    part[NONCE_LEN..NONCE_LEN + SEED_LEN].copy_from_slice(keys.seed());
    seal_part(&expand(keys.master(), "lamos/v1/device-place"), header.associated_device(index).bytes(), part)
}

/// Opens a place where it lies, and reads its keys; its bytes are of no meaning after. Keys are left as they are where it
/// does not open.
pub(crate) fn open(
    header: &Header,
    region: Region,
    index: usize,
    key: &[u8; 32],
    place: &mut Place,
    keys: &mut Keys,
) -> io::Result<bool> {
    let associated = header.associated(region, index);
    let end = if region == Region::Recovery { DEVICE_AT } else { PLACE_LEN };
    if !open_part(key, associated.bytes(), &mut place[..end]) {
        return Ok(false);
    }
    keys.read(&place[NONCE_LEN..]);
    if region == Region::Remembered {
        keys.read_picture(&place[NONCE_LEN..]);
    }
    if region == Region::Recovery {
        let part = &mut place[DEVICE_AT..];
        if open_part(&expand(keys.master(), "lamos/v1/device-place"), header.associated_device(index).bytes(), part) {
            keys.set_device(part[NONCE_LEN..].first_chunk().ok_or(io::ErrorKind::InvalidData)?);
        } else {
            // Damaged; the space is what matters. It goes on as another device.
            keys.renew_device()?;
        }
    }
    Ok(true)
}

fn seal_part(key: &[u8; 32], associated: &[u8], part: &mut [u8]) -> io::Result<()> {
    let (nonce, body, tag) = split(part)?;
    getrandom::fill(nonce)?;
    let sealed = XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached((&*nonce).into(), associated, body.into())
        .map_err(|_| io::Error::other("sealing failed"))?;
    tag.copy_from_slice(&sealed);
    Ok(())
}

fn open_part(key: &[u8; 32], associated: &[u8], part: &mut [u8]) -> bool {
    let Ok((nonce, body, tag)) = split(part) else { return false };
    let cipher = XChaCha20Poly1305::new(key.into());
    let opened = cipher.decrypt_inout_detached((&*nonce).into(), associated, (&mut *body).into(), (&*tag).into());
    if opened.is_err() {
        body.zeroize();
    }
    opened.is_ok()
}

/// Nonce, what is between, and tag.
type Parts<'p> = (&'p mut [u8; NONCE_LEN], &'p mut [u8], &'p mut [u8; TAG_LEN]);

fn split(part: &mut [u8]) -> io::Result<Parts<'_>> {
    let (nonce, rest) = part.split_first_chunk_mut().ok_or(io::ErrorKind::InvalidData)?;
    let (body, tag) = rest.split_last_chunk_mut().ok_or(io::ErrorKind::InvalidData)?;
    Ok((nonce, body, tag))
}
