//! What is signed, as texts: what the one who has the key is shown, reads again, and hashes itself.
//!
//! Credentials are composed where strangers' words are read, and signed where the keys are. So that a composer that was taken
//! over cannot have anything else signed than a credential in the signer's own name, the texts travel and not their hash, and
//! [`ToSign::check`] reads them as if a stranger had sent them. It and this crate's own composing are the only ways to a
//! [`SigningInput`].
//!
//! A membership is not signed this way: it gives access to a person's data, and is made by who has the key, of values and not
//! of texts.

mod claims;
mod quads;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Kind, Result, refuse},
    key::{PublicKey, to_base58},
    membership,
    signer::{Form, SigningInput},
};

/// The longest text that is read, in bytes. As N-Quads a document is longer than as JSON.
pub const MAX_BYTES: usize = 512 * 1024;

/// Something of a credential that can be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToSign {
    /// A proof with `eddsa-jcs-2022`.
    JcsProof {
        /// The options of the proof, as canonical JSON (RFC 8785), without its value.
        options: String,
        /// The document, as canonical JSON, with the proofs that this one is made after.
        document: String,
    },
    /// A proof with `eddsa-rdfc-2022`.
    RdfcProof {
        /// The options of the proof, as canonical N-Quads (RDFC-1.0).
        options: String,
        /// The document, as canonical N-Quads.
        document: String,
    },
    /// A credential as a token (`vc+jwt`).
    Token {
        /// The header, as canonical JSON.
        header: String,
        /// The credential, as canonical JSON.
        payload: String,
    },
    /// The issuer's part of an SD-JWT.
    SdJwt {
        /// The header, as canonical JSON.
        header: String,
        /// The claims and the hashes of those that may be kept back, as canonical JSON.
        payload: String,
    },
    /// The holder's answer to who asks for an SD-JWT (`kb+jwt`).
    KeyBinding {
        /// The header, as canonical JSON.
        header: String,
        /// The question, who asks, when, and the hash of what is shown, as canonical JSON.
        payload: String,
    },
}

impl ToSign {
    /// What these texts are signed as, if they are canonical, and say only what the one with this key may say: a credential
    /// whose issuer has the key, or a presentation whose holder has it, with a proof that names it.
    pub fn check(self, key: &PublicKey) -> Result<SigningInput> {
        let (one, other) = self.texts();
        if one.len() > MAX_BYTES || other.len() > MAX_BYTES {
            return refuse(Kind::TooLarge, format!("it has more than {MAX_BYTES} bytes"));
        }
        match &self {
            ToSign::JcsProof { options, document } => claims::proof(options, document, key)?,
            ToSign::RdfcProof { options, document } => quads::proof(options, document, key)?,
            ToSign::Token { header, payload } => claims::token(header, payload, key)?,
            ToSign::SdJwt { header, payload } => claims::sd_jwt(header, payload, key)?,
            ToSign::KeyBinding { header, payload } => claims::binding(header, payload)?,
        }
        Ok(SigningInput::of(self))
    }

    fn texts(&self) -> (&str, &str) {
        match self {
            ToSign::JcsProof { options, document } | ToSign::RdfcProof { options, document } => (options, document),
            ToSign::Token { header, payload } | ToSign::SdJwt { header, payload } | ToSign::KeyBinding { header, payload } => {
                (header, payload)
            }
        }
    }

    /// What the signature is for.
    pub fn form(&self) -> Form {
        match self {
            ToSign::JcsProof { .. } | ToSign::RdfcProof { .. } => Form::DataIntegrity,
            ToSign::Token { .. } | ToSign::SdJwt { .. } | ToSign::KeyBinding { .. } => Form::Jws,
        }
    }

    /// The bytes that are signed.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (one, other) = self.texts();
        match self.form() {
            Form::DataIntegrity => [Sha256::digest(one), Sha256::digest(other)].concat(),
            Form::Jws => format!("{}.{}", URL_SAFE_NO_PAD.encode(one), URL_SAFE_NO_PAD.encode(other)).into_bytes(),
        }
    }
}

impl Form {
    /// A signature as it is written where it belongs: multibase in a proof, base64url in a token.
    pub fn write(self, signature: &[u8; 64]) -> String {
        match self {
            Form::DataIntegrity => to_base58(signature),
            Form::Jws => URL_SAFE_NO_PAD.encode(signature),
        }
    }
}

/// Whether the name of a type is that of memberships, in whichever vocabulary.
fn is_membership(name: &str) -> bool {
    name.ends_with(membership::TYPE)
}

fn no_membership<T>() -> Result<T> {
    refuse(Kind::NotPermitted, format!("a credential of the type {} is not made of a text", membership::TYPE))
}
