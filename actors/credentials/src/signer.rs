//! Who signs. This crate has no keys: it composes what is to be signed, and hands it to who has one.

use std::cell::RefCell;

use crate::{
    error::{Kind, Refused, Result},
    key::PublicKey,
    random,
    to_sign::ToSign,
};

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A Data Integrity proof: 64 bytes, the hash of the proof's options and that of the document.
    DataIntegrity,
    /// A JSON Web Signature: two base64url texts with a dot between. Never 64 bytes long, never without the dot.
    Jws,
}

/// Bytes to sign that were composed here, of a document that was checked here. Nobody else can make one, so a signer that
/// takes only these signs nothing else: neither an event of the archive nor anything a caller made up.
#[derive(Debug)]
pub struct SigningInput {
    what: ToSign,
    bytes: Vec<u8>,
}

impl SigningInput {
    /// Of texts that were composed or checked in this crate.
    pub(crate) fn of(what: ToSign) -> SigningInput {
        let bytes = what.bytes();
        SigningInput { what, bytes }
    }

    /// What the signature is for.
    pub fn form(&self) -> Form {
        self.what.form()
    }

    /// The texts.
    pub fn what(&self) -> &ToSign {
        &self.what
    }

    /// What is signed, with pure Ed25519.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Who has an Ed25519 key and signs with it.
pub trait Signer {
    /// Its public half.
    fn public_key(&self) -> PublicKey;

    /// Signs, or says why not.
    fn sign(&self, input: &SigningInput) -> Result<[u8; 64]>;

    /// Whether what [`Signer::sign`] gives only keeps a place for a signature that is made elsewhere, and so is not checked.
    fn signs_later(&self) -> bool {
        false
    }
}

/// Keeps a place for a signature, and what is to be signed: for who composes and has no key.
#[derive(Debug)]
pub struct Later {
    key: PublicKey,
    place: [u8; 64],
    asked: RefCell<Option<ToSign>>,
}

impl Later {
    /// In the name of the one who has this key. The place is random, so that nothing that is composed has it by chance.
    pub fn new(key: PublicKey) -> Result<Later> {
        let mut place = [0; 64];
        for part in place.chunks_exact_mut(16) {
            part.copy_from_slice(&random::salt()?);
        }
        Ok(Later { key, place, asked: RefCell::new(None) })
    }

    /// What is to be signed, and what stands before and after its signature in a text that was composed.
    pub fn take(self, text: &str) -> Result<(ToSign, String, String)> {
        let missing = || Refused::new(Kind::CannotMake, "find the place of the signature");
        let asked = self.asked.into_inner().ok_or_else(missing)?;
        let place = asked.form().write(&self.place);
        let (before, after) = text.split_once(&place).filter(|(_, after)| !after.contains(&place)).ok_or_else(missing)?;
        Ok((asked, before.to_owned(), after.to_owned()))
    }
}

impl Signer for Later {
    fn public_key(&self) -> PublicKey {
        self.key
    }

    fn sign(&self, input: &SigningInput) -> Result<[u8; 64]> {
        match self.asked.replace(Some(input.what().clone())) {
            None => Ok(self.place),
            Some(_) => Err(Refused::new(Kind::CannotMake, "sign more than one thing")),
        }
    }

    fn signs_later(&self) -> bool {
        true
    }
}
