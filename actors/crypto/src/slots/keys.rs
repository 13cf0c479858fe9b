//! What a place holds: the keys of a space.

use std::io;

use crate::{locked::Locked, picture::Picture};

const MASTER_LEN: usize = 32;
/// Length of the seed of a device's signing key.
pub(crate) const SEED_LEN: usize = 32;
const FLAG_DEMO: u8 = 1;
/// Version of what is sealed.
const SEALED_VERSION: u8 = 1;

// Where in the sealed part: version, flags, space, master key; then, where the place opens for a pair or a device and not for
// the words of a kit, seed and picture; zeros.
const SPACE_AT: usize = 2;
const MASTER_AT: usize = SPACE_AT + 16;
const SEED_AT: usize = MASTER_AT + MASTER_LEN;
const PICTURE_AT: usize = SEED_AT + SEED_LEN;

/// The keys of a space, in a locked page: master key and device seed.
pub(crate) struct Keys {
    /// The space.
    pub(crate) space: [u8; 16],
    /// It is the public demo space.
    pub(crate) demo: bool,
    /// The words of the pair, if they are known: not every way of opening a space tells them.
    pub(crate) picture: Option<Picture>,
    secrets: Locked<{ MASTER_LEN + SEED_LEN }>,
}

impl Keys {
    /// A page into which keys can be read.
    pub(crate) fn blank() -> io::Result<Keys> {
        Ok(Keys { space: [0; 16], demo: false, picture: None, secrets: Locked::new()? })
    }

    /// New, random keys.
    pub(crate) fn random(demo: bool) -> io::Result<Keys> {
        let mut keys = Keys { demo, ..Keys::blank()? };
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

    fn seed_mut(&mut self) -> &mut [u8] {
        &mut self.secrets.get_mut()[MASTER_LEN..]
    }

    /// Another device of the same space.
    pub(crate) fn renew_device(&mut self) -> io::Result<()> {
        Ok(getrandom::fill(self.seed_mut())?)
    }

    /// This device of the same space.
    pub(crate) fn set_device(&mut self, seed: &[u8; SEED_LEN]) {
        self.seed_mut().copy_from_slice(seed);
    }

    /// Writes all of it where it will be sealed.
    pub(crate) fn write(&self, body: &mut [u8]) {
        self.write_without_device(body);
        body[SEED_AT..PICTURE_AT].copy_from_slice(self.seed());
        if let Some(picture) = &self.picture {
            body[PICTURE_AT..PICTURE_AT + Picture::LEN].copy_from_slice(&picture.to_bytes());
        }
    }

    /// Writes what every device of the space has.
    pub(crate) fn write_without_device(&self, body: &mut [u8]) {
        body.fill(0);
        body[0] = SEALED_VERSION;
        body[1] = if self.demo { FLAG_DEMO } else { 0 };
        body[SPACE_AT..MASTER_AT].copy_from_slice(&self.space);
        body[MASTER_AT..SEED_AT].copy_from_slice(self.master());
    }

    /// Reads what was sealed. The picture is read only where it is known who sealed it: [`Keys::read_picture`].
    pub(crate) fn read(&mut self, body: &[u8]) {
        self.demo = body[1] & FLAG_DEMO != 0;
        self.picture = None;
        self.space.copy_from_slice(&body[SPACE_AT..MASTER_AT]);
        self.secrets.get_mut().copy_from_slice(&body[MASTER_AT..PICTURE_AT]);
    }

    /// Reads the words of the pair that were sealed with the keys.
    pub(crate) fn read_picture(&mut self, body: &[u8]) {
        self.picture = Picture::from_bytes(std::array::from_fn(|index| body[PICTURE_AT + index]));
    }
}
