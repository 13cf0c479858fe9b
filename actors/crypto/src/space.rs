//! An open space: the keys that are made from its master key, and what is signed with its device key.

use ed25519_dalek::{Signer as _, SigningKey};
use ipc::{
    Code, Refusal,
    event::{EventHeader, SIGNING_TAG},
    messages::crypto::{CacheKey, CredentialSignature, Identity, StoreKey, ToSign},
    secret::Secret,
};
use zeroize::Zeroizing;

use crate::{credential, derive::expand, membership::Renewals, person::Person, picture::Picture, slots::Keys};

/// A space that is open. Dropping it forgets its keys.
pub(crate) struct Space {
    keys: Keys,
    device: SigningKey,
    person: Person,
    /// The window's instance of this device is a member under this key, with which nothing is signed.
    window: [u8; 32],
    renewals: Renewals,
}

impl Space {
    pub(crate) fn open(keys: Keys) -> Space {
        let device = SigningKey::from_bytes(keys.seed());
        let person = Person::of(keys.master());
        let window = SigningKey::from_bytes(&expand(keys.seed(), "lamos/v1/window")).verifying_key().to_bytes();
        Space { keys, device, person, window, renewals: Renewals::default() }
    }

    /// The person's key.
    pub(crate) fn person(&self) -> &Person {
        &self.person
    }

    /// The key under which the window's instance is a member.
    pub(crate) fn window(&self) -> [u8; 32] {
        self.window
    }

    /// How often this device's own were let in since the person signed in.
    pub(crate) fn renewals(&mut self) -> &mut Renewals {
        &mut self.renewals
    }

    /// The public keys.
    pub(crate) fn identity(&self) -> Identity {
        Identity { person: self.person.public(), device: self.device.verifying_key().to_bytes() }
    }

    /// It is the public demo space.
    pub(crate) fn is_demo(&self) -> bool {
        self.keys.demo
    }

    /// The id of the space.
    pub(crate) fn id(&self) -> &[u8; 16] {
        &self.keys.space
    }

    /// A key for one use, made from the master key.
    pub(crate) fn key(&self, label: &str) -> Zeroizing<[u8; 32]> {
        expand(self.keys.master(), label)
    }

    /// Whether it is the space of these keys.
    pub(crate) fn is(&self, keys: &Keys) -> bool {
        self.keys.space == keys.space
    }

    /// The words of its pair, where they are known.
    pub(crate) fn picture(&self) -> Option<&Picture> {
        self.keys.picture.as_ref()
    }

    /// Its pair is another now.
    pub(crate) fn set_picture(&mut self, picture: Picture) {
        self.keys.picture = Some(picture);
    }

    /// The name of its directory: made from the master key, so that it tells nothing and needs not be kept.
    pub(crate) fn directory(&self) -> String {
        let name = expand(self.keys.master(), "lamos/v1/directory");
        name[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The one key the archive works with.
    pub(crate) fn store_key(&self) -> StoreKey {
        let key = expand(self.keys.master(), "lamos/v1/store");
        let Identity { person, device } = self.identity();
        StoreKey { key: Secret::new(key.to_vec()), space: self.keys.space, device, person, window: self.window }
    }

    /// The one key the window's cache works with. Neither of the two opens what the other has sealed.
    pub(crate) fn cache_key(&self) -> CacheKey {
        let key = expand(self.keys.master(), "lamos/v1/sparse");
        CacheKey { key: Secret::new(key.to_vec()), space: self.keys.space }
    }

    /// Signs something of a credential in the person's name. Of the demo space everybody has the key.
    pub(crate) fn sign_credential(&self, what: ToSign) -> Result<CredentialSignature, Refusal> {
        if self.is_demo() {
            let sentence = "the demo space signs no credentials: everybody has its key; sign in with a space of your own";
            return Err(Refusal::new(Code::DemoRefused, sentence));
        }
        credential::sign(&self.person, what)
    }

    /// Signs an event: only one of this space, only one of this device.
    pub(crate) fn sign(&self, header: &[u8]) -> Result<[u8; 64], Refusal> {
        let refuse = |why: String| Refusal::new(Code::Malformed, format!("the key process does not sign this: {why}"));
        let event = EventHeader::decode(header).map_err(|error| refuse(format!("failed to {error}")))?;
        if event.space != self.keys.space {
            return Err(refuse("it is of another space".to_owned()));
        }
        if event.author != self.device.verifying_key().to_bytes() {
            return Err(refuse("it is of another device".to_owned()));
        }
        let mut message = Zeroizing::new([0; 48]);
        message[..16].copy_from_slice(SIGNING_TAG);
        message[16..].copy_from_slice(blake3::hash(header).as_bytes());
        Ok(self.device.sign(&*message).to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, VerifyingKey};

    use super::*;

    fn event(space: [u8; 16], author: [u8; 32]) -> Vec<u8> {
        let header = EventHeader {
            space,
            author,
            sequence: 1,
            previous: [0; 32],
            clock: Default::default(),
            kind: 1,
            entity: [0; 16],
            body_len: 0,
            body_digest: [0; 32],
            seen: Vec::new(),
        };
        header.encode()
    }

    #[test]
    fn what_is_signed_is_an_event_of_this_space_and_device() {
        let space = Space::open(Keys::random(false).expect("keys"));
        let StoreKey { space: id, device, .. } = space.store_key();
        let header = event(id, device);
        let signature = Signature::from_bytes(&space.sign(&header).expect("signed"));
        let message = [&SIGNING_TAG[..], blake3::hash(&header).as_bytes()].concat();
        VerifyingKey::from_bytes(&device).expect("a key").verify_strict(&message, &signature).expect("verified");
        for wrong in [event([9; 16], device), event(id, [9; 32]), header[1..].to_vec(), b"anything".to_vec()] {
            assert_eq!(space.sign(&wrong).expect_err("refused").code, Code::Malformed);
        }
    }

    #[test]
    fn the_cache_has_a_key_of_its_own() {
        let space = Space::open(Keys::random(false).expect("keys"));
        let (store, cache) = (space.store_key(), space.cache_key());
        assert_eq!((cache.space, cache.key.expose()), (store.space, space.cache_key().key.expose()));
        assert_ne!(cache.key.expose(), store.key.expose());
    }

    #[test]
    fn the_directory_tells_nothing_and_stays() {
        let keys = Keys::random(false).expect("keys");
        let space_id: String = keys.space.iter().map(|byte| format!("{byte:02x}")).collect();
        let space = Space::open(keys);
        assert_eq!(space.directory(), space.directory());
        assert_eq!(space.directory().len(), 32);
        assert_ne!(space.directory(), space_id);
    }
}
