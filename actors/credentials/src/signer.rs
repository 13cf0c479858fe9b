//! Who signs. This crate has no keys: it composes what is to be signed, and hands it to who has one.

use crate::{error::Result, key::PublicKey};

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
    form: Form,
    bytes: Vec<u8>,
}

impl SigningInput {
    pub(crate) fn new(form: Form, bytes: Vec<u8>) -> SigningInput {
        SigningInput { form, bytes }
    }

    /// What the signature is for.
    pub fn form(&self) -> Form {
        self.form
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
}
