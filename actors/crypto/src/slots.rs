//! The file of wrapped keys: 64 places of equal size, random where empty, so that it tells nothing but how many spaces
//! there are — which the directories beside it tell anyway.
//!
//! ```text
//! byte   0  8 B   "LAMOSKEY"
//!        8  u32   version
//!       12  u32   Argon2id memory in KiB
//!       16  u32   Argon2id passes
//!       20  u32   Argon2id lanes
//!       24  32 B  salt of the installation
//!       56  u32   places in use
//!       60  ...   zeros
//!      480  32 B  BLAKE3 of bytes 0 to 480
//!      512  64 × 256 B  places: nonce 24 ‖ sealed 216 ‖ tag 16
//! ```
//!
//! A place is sealed with XChaCha20-Poly1305 under the key its pair derives to; bytes 0 to 56 are the associated data, so
//! a place does not open under another salt or cost. A place lies within one 512-byte sector, so a torn write leaves the
//! old one or the new one. The order of writes is: place, sync, count, sync; a crash in between leaves a place that no
//! count mentions, which is found when it opens.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{AeadInOut as _, KeyInit as _},
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{derive::Cost, locked::Locked};

/// Spaces that fit.
pub(crate) const PLACES: usize = 64;

const HEADER_LEN: usize = 512;
const PLACE_LEN: usize = 256;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
const SEALED_LEN: usize = PLACE_LEN - NONCE_LEN - TAG_LEN;
const ASSOCIATED_LEN: usize = 56;
const CHECKSUM_AT: usize = 480;
const MAGIC: &[u8; 8] = b"LAMOSKEY";

/// In its place while the file is made.
const UNFINISHED: &[u8; 8] = b"LAMOSNEW";
const VERSION: u32 = 1;

/// What is sealed in a place, at these bytes of it: version, flags, space, master key, device seed.
const MASTER_LEN: usize = 32;
const SEED_LEN: usize = 32;
const FLAG_DEMO: u8 = 1;

/// The keys of a space, in a locked page: master key and device seed.
pub(crate) struct Keys {
    /// The space.
    pub(crate) space: [u8; 16],
    /// It is the public demo space.
    pub(crate) demo: bool,
    secrets: Locked<{ MASTER_LEN + SEED_LEN }>,
}

impl Keys {
    /// New, random keys.
    pub(crate) fn random(demo: bool) -> io::Result<Keys> {
        let mut keys = Keys { space: [0; 16], demo, secrets: Locked::new()? };
        getrandom::fill(&mut keys.space)?;
        getrandom::fill(keys.secrets.get_mut())?;
        Ok(keys)
    }

    /// Everything else of the space is wrapped by it.
    pub(crate) fn master(&self) -> &[u8] {
        &self.secrets.get()[..MASTER_LEN]
    }

    /// Seed of the device's signing key.
    pub(crate) fn seed(&self) -> &[u8; SEED_LEN] {
        self.secrets.get().last_chunk().unwrap_or(&[0; SEED_LEN])
    }

    /// Another device of the same space.
    pub(crate) fn renew_device(&mut self) -> io::Result<()> {
        let seed = self.secrets.get_mut().last_chunk_mut::<SEED_LEN>().ok_or(io::ErrorKind::InvalidData)?;
        Ok(getrandom::fill(seed)?)
    }

    fn write(&self, place: &mut [u8]) {
        place.fill(0);
        place[0] = VERSION as u8;
        place[1] = if self.demo { FLAG_DEMO } else { 0 };
        place[2..18].copy_from_slice(&self.space);
        place[18..18 + MASTER_LEN + SEED_LEN].copy_from_slice(self.secrets.get());
    }

    fn read(place: &[u8]) -> io::Result<Keys> {
        let mut keys = Keys { space: [0; 16], demo: place[1] & FLAG_DEMO != 0, secrets: Locked::new()? };
        keys.space.copy_from_slice(&place[2..18]);
        keys.secrets.get_mut().copy_from_slice(&place[18..18 + MASTER_LEN + SEED_LEN]);
        Ok(keys)
    }
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SlotsError {
    /// It cannot be read or written.
    #[error("the file of wrapped keys cannot be used: {0}")]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("the file of wrapped keys is damaged ({0}); put back a copy of the file `slots`, nothing was changed in it")]
    Damaged(&'static str),
    /// Every place is taken.
    #[error("all {PLACES} places for spaces are taken; use one of the spaces there are")]
    Full,
}

/// The file.
pub(crate) struct Slots {
    file: File,
    header: [u8; HEADER_LEN],
}

impl Slots {
    /// Reads the file, or fills an empty one.
    pub(crate) fn open(file: File) -> Result<Slots, SlotsError> {
        let mut slots = Slots { file, header: [0; HEADER_LEN] };
        let length = slots.length()?;
        let mut magic = [0; MAGIC.len()];
        let begun = length >= MAGIC.len() as u64 && slots.file.read_exact_at(&mut magic, 0).is_ok() && magic == *UNFINISHED;
        if length == 0 || begun {
            slots.initialise()?;
        } else if length < (HEADER_LEN + PLACES * PLACE_LEN) as u64 {
            return Err(SlotsError::Damaged("it is too short"));
        }
        slots.file.read_exact_at(&mut slots.header, 0)?;
        slots.check()?;
        Ok(slots)
    }

    /// `File::metadata` would be one more system call to allow; the end of the file tells the same.
    fn length(&self) -> io::Result<u64> {
        io::Seek::seek(&mut &self.file, io::SeekFrom::End(0))
    }

    /// A mark that it is not finished first, then everything random, the header last: a file with the mark was cut off
    /// while it was made, holds no key yet, and is made again.
    fn initialise(&mut self) -> Result<(), SlotsError> {
        let mut places = vec![0; PLACES * PLACE_LEN];
        getrandom::fill(&mut places).map_err(io::Error::from)?;
        self.file.write_all_at(UNFINISHED, 0)?;
        self.file.sync_all()?;
        self.file.write_all_at(&places, HEADER_LEN as u64)?;
        let cost = Cost::FLOOR;
        self.header[..8].copy_from_slice(MAGIC);
        self.put(8, VERSION);
        self.put(12, cost.memory);
        self.put(16, cost.passes);
        self.put(20, cost.lanes);
        getrandom::fill(&mut self.header[24..56]).map_err(io::Error::from)?;
        self.put(56, 0);
        self.write_header()
    }

    fn put(&mut self, at: usize, number: u32) {
        self.header[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    fn number(&self, at: usize) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|index| self.header[at + index]))
    }

    fn write_header(&mut self) -> Result<(), SlotsError> {
        let checksum = blake3::hash(&self.header[..CHECKSUM_AT]);
        self.header[CHECKSUM_AT..].copy_from_slice(checksum.as_bytes());
        self.file.sync_all()?;
        self.file.write_all_at(&self.header, 0)?;
        self.file.sync_all()?;
        Ok(())
    }

    fn check(&self) -> Result<(), SlotsError> {
        if self.header[..8] != *MAGIC {
            return Err(SlotsError::Damaged("it is another file"));
        }
        if self.number(8) != VERSION {
            return Err(SlotsError::Damaged("it is of a version this program does not know"));
        }
        if blake3::hash(&self.header[..CHECKSUM_AT]) != self.header[CHECKSUM_AT..] {
            return Err(SlotsError::Damaged("its checksum does not match"));
        }
        if !self.cost().is_sane() || self.number(56) as usize > PLACES {
            return Err(SlotsError::Damaged("its numbers cannot be"));
        }
        Ok(())
    }

    /// Cost of a derivation in this installation.
    pub(crate) fn cost(&self) -> Cost {
        Cost { memory: self.number(12), passes: self.number(16), lanes: self.number(20) }
    }

    /// Salt of this installation.
    pub(crate) fn salt(&self) -> [u8; 32] {
        std::array::from_fn(|index| self.header[24 + index])
    }

    fn associated(&self) -> &[u8] {
        &self.header[..ASSOCIATED_LEN]
    }

    /// Tries every place, whichever opens, so that the time does not tell which it was or whether there was one.
    pub(crate) fn find(&mut self, wrapping: &[u8; 32]) -> Result<Option<Keys>, SlotsError> {
        let mut found = None;
        let mut place = Zeroizing::new([0; PLACE_LEN]);
        for index in 0..PLACES {
            self.file.read_exact_at(&mut *place, offset(index))?;
            let opened = unseal(wrapping, self.associated(), &mut place);
            // Read whether or not it opened: a page more or less must not be seen in the time.
            let keys = Keys::read(&place[NONCE_LEN..])?;
            if opened && found.is_none() {
                found = Some((index, keys));
            }
        }
        let Some((index, keys)) = found else { return Ok(None) };
        // A place that was written and not yet counted, when the power went.
        if index >= self.number(56) as usize {
            self.put(56, index as u32 + 1);
            self.write_header()?;
        }
        Ok(Some(keys))
    }

    /// Wraps other keys of the same space into the place that opens for this key. A place lies within one sector, so a crash
    /// leaves the old ones or the new ones.
    pub(crate) fn replace(&mut self, wrapping: &[u8; 32], keys: &Keys) -> Result<(), SlotsError> {
        let mut place = Zeroizing::new([0; PLACE_LEN]);
        for index in 0..PLACES {
            self.file.read_exact_at(&mut *place, offset(index))?;
            if !unseal(wrapping, self.associated(), &mut place) {
                continue;
            }
            keys.write(&mut place[NONCE_LEN..NONCE_LEN + SEALED_LEN]);
            seal(wrapping, self.associated(), &mut place)?;
            self.file.write_all_at(&*place, offset(index))?;
            self.file.sync_all()?;
            return Ok(());
        }
        Err(SlotsError::Damaged("the place of these keys has gone"))
    }

    /// Wraps the keys of a new space into the next free place.
    pub(crate) fn add(&mut self, wrapping: &[u8; 32], keys: &Keys) -> Result<(), SlotsError> {
        let index = self.number(56) as usize;
        if index >= PLACES {
            return Err(SlotsError::Full);
        }
        let mut place = Zeroizing::new([0; PLACE_LEN]);
        keys.write(&mut place[NONCE_LEN..NONCE_LEN + SEALED_LEN]);
        seal(wrapping, self.associated(), &mut place)?;
        self.file.write_all_at(&*place, offset(index))?;
        self.file.sync_all()?;
        self.put(56, index as u32 + 1);
        self.write_header()
    }
}

fn offset(index: usize) -> u64 {
    (HEADER_LEN + index * PLACE_LEN) as u64
}

fn seal(key: &[u8; 32], associated: &[u8], place: &mut [u8; PLACE_LEN]) -> io::Result<()> {
    let (nonce, rest) = place.split_at_mut(NONCE_LEN);
    let (body, tag) = rest.split_at_mut(SEALED_LEN);
    getrandom::fill(nonce)?;
    let nonce: &[u8; NONCE_LEN] = (&*nonce).try_into().map_err(io::Error::other)?;
    let sealed = XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(nonce.into(), associated, body.into())
        .map_err(|_| io::Error::other("sealing failed"))?;
    tag.copy_from_slice(&sealed);
    Ok(())
}

/// Opens a place where it lies. Where it does not open, its bytes are of no meaning.
fn unseal(key: &[u8; 32], associated: &[u8], place: &mut [u8; PLACE_LEN]) -> bool {
    let (nonce, rest) = place.split_at_mut(NONCE_LEN);
    let (body, tag) = rest.split_at_mut(SEALED_LEN);
    let (Ok(nonce), Ok(tag)) = (<&[u8; NONCE_LEN]>::try_from(&*nonce), <&[u8; TAG_LEN]>::try_from(&*tag)) else { return false };
    let opened =
        XChaCha20Poly1305::new(key.into()).decrypt_inout_detached(nonce.into(), associated, (&mut *body).into(), tag.into());
    if opened.is_err() {
        body.zeroize();
    }
    opened.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        tempfile::tempfile().expect("a file")
    }

    fn reopen(slots: &Slots) -> Result<Slots, SlotsError> {
        Slots::open(slots.file.try_clone().expect("a clone"))
    }

    #[test]
    fn keys_come_back_under_their_own_key_only() {
        let mut slots = Slots::open(file()).expect("new");
        let keys = Keys::random(false).expect("keys");
        slots.add(&[7; 32], &keys).expect("added");
        let mut again = reopen(&slots).expect("reopened");
        let found = again.find(&[7; 32]).expect("read").expect("found");
        assert_eq!((found.space, found.master(), found.seed(), found.demo), (keys.space, keys.master(), keys.seed(), false));
        assert!(again.find(&[8; 32]).expect("read").is_none());
    }

    #[test]
    fn a_new_device_keeps_the_space_and_takes_the_place_of_the_old_one() {
        let mut slots = Slots::open(file()).expect("new");
        let mut keys = Keys::random(false).expect("keys");
        slots.add(&[1; 32], &Keys::random(false).expect("keys")).expect("added");
        slots.add(&[7; 32], &keys).expect("added");
        let before = *keys.seed();
        keys.renew_device().expect("renewed");
        assert_ne!(*keys.seed(), before);
        slots.replace(&[7; 32], &keys).expect("replaced");
        let mut again = reopen(&slots).expect("reopened");
        let found = again.find(&[7; 32]).expect("read").expect("found");
        assert_eq!((found.space, found.master(), found.seed()), (keys.space, keys.master(), keys.seed()));
        assert!(again.find(&[1; 32]).expect("read").is_some(), "the other is what it was");
        assert!(matches!(again.replace(&[8; 32], &keys), Err(SlotsError::Damaged(_))));
    }

    #[test]
    fn a_file_that_was_cut_off_while_it_was_made_is_made_again() {
        for length in [8, 9, 512, 600] {
            let cut_off = file();
            cut_off.write_all_at(UNFINISHED, 0).expect("written");
            cut_off.set_len(length).expect("cut");
            let mut slots = Slots::open(cut_off).expect("made");
            slots.add(&[1; 32], &Keys::random(false).expect("keys")).expect("added");
            assert!(reopen(&slots).expect("reopened").find(&[1; 32]).expect("read").is_some());
        }
    }

    #[test]
    fn an_empty_place_looks_like_a_used_one() {
        let mut slots = Slots::open(file()).expect("new");
        slots.add(&[7; 32], &Keys::random(true).expect("keys")).expect("added");
        let mut bytes = vec![0; PLACES * PLACE_LEN];
        slots.file.read_exact_at(&mut bytes, HEADER_LEN as u64).expect("read");
        for place in bytes.chunks(PLACE_LEN) {
            let ones: u32 = place.iter().map(|byte| byte.count_ones()).sum();
            assert!((900..1150).contains(&ones), "{ones} of 2048 bits are set");
        }
    }

    #[test]
    fn sixty_four_spaces_fit_and_no_more() {
        let mut slots = Slots::open(file()).expect("new");
        let keys = Keys::random(false).expect("keys");
        for number in 0..64 {
            slots.add(&[number; 32], &keys).expect("added");
        }
        assert!(matches!(slots.add(&[99; 32], &keys), Err(SlotsError::Full)));
        assert!(slots.find(&[63; 32]).expect("read").is_some());
    }

    #[test]
    fn a_place_that_was_not_counted_is_found_and_not_written_over() {
        let mut slots = Slots::open(file()).expect("new");
        let keys = Keys::random(false).expect("keys");
        slots.add(&[1; 32], &keys).expect("added");
        // The power went between the place and the count.
        slots.put(56, 0);
        slots.write_header().expect("written");
        let mut again = reopen(&slots).expect("reopened");
        assert!(again.find(&[1; 32]).expect("read").is_some());
        again.add(&[2; 32], &Keys::random(false).expect("keys")).expect("added");
        assert!(again.find(&[1; 32]).expect("read").is_some());
    }

    #[test]
    fn every_flipped_bit_of_the_header_is_found() {
        let slots = Slots::open(file()).expect("new");
        for bit in 0..HEADER_LEN * 8 {
            let mut header = slots.header;
            header[bit / 8] ^= 1 << (bit % 8);
            slots.file.write_all_at(&header, 0).expect("written");
            assert!(matches!(reopen(&slots), Err(SlotsError::Damaged(_))), "bit {bit}");
        }
    }

    #[test]
    fn a_flipped_bit_of_a_place_closes_that_place_alone() {
        let mut slots = Slots::open(file()).expect("new");
        slots.add(&[1; 32], &Keys::random(false).expect("keys")).expect("added");
        slots.add(&[2; 32], &Keys::random(false).expect("keys")).expect("added");
        let mut byte = [0];
        slots.file.read_exact_at(&mut byte, offset(0) + 100).expect("read");
        slots.file.write_all_at(&[byte[0] ^ 4], offset(0) + 100).expect("written");
        assert!(slots.find(&[1; 32]).expect("read").is_none());
        assert!(slots.find(&[2; 32]).expect("read").is_some());
    }

    #[test]
    fn a_file_that_was_cut_off_is_not_taken_for_an_empty_one() {
        let slots = Slots::open(file()).expect("new");
        slots.file.set_len(5000).expect("cut");
        assert!(matches!(reopen(&slots), Err(SlotsError::Damaged(_))));
    }
}
