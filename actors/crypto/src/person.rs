//! The person's own signing key, made from the master key, so that it is the same on every device of the space. Credentials
//! are issued with it, and nothing else: events have the key of their device.
//!
//! It signs a [`SigningInput`] alone, which only `credentials` composes, of documents it has checked. None of them can be
//! taken for an event: what is signed of an event has 48 bytes and begins with a tag of its own; a proof's has 64, and a
//! token's is base64url with a dot.

use credentials::{PublicKey, Refused, Signer, SigningInput};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::derive::expand;

/// See the module.
pub(crate) struct Person {
    key: SigningKey,
}

impl Person {
    /// The key of the person whose master key this is.
    pub(crate) fn of(master: &[u8]) -> Person {
        Person { key: SigningKey::from_bytes(&expand(master, "lamos/v1/person")) }
    }

    /// The public half.
    pub(crate) fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
}

impl Signer for Person {
    fn public_key(&self) -> PublicKey {
        PublicKey::of_signer(&self.key)
    }

    fn sign(&self, input: &SigningInput) -> Result<[u8; 64], Refused> {
        Ok(self.key.sign(input.bytes()).to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_key_for_each_master_key_and_none_of_the_others() {
        let person = Person::of(&[7; 32]);
        assert_eq!(person.public(), Person::of(&[7; 32]).public());
        assert_ne!(person.public(), Person::of(&[8; 32]).public());
        assert_eq!(person.public_key().as_bytes(), &person.public());
    }
}
