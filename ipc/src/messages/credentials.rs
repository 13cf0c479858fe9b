//! What the key process signs of credentials: typed things alone, which it reads again before it signs. There is no value of
//! these types that makes it sign bytes as they are. The verb is listed with the others of the key process in `crypto.rs`.

use bincode::{Decode, Encode};

/// Sign this with the person's own key, in the person's own name. Refused if it is not canonical, names another key or another
/// issuer, is a membership (for which there is a verb of its own), or the space is the public demo space.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignCredential {
    /// What.
    pub what: ToSign,
}

/// Something of a credential that can be signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
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
        /// The header, as JSON.
        header: String,
        /// The credential, as canonical JSON.
        payload: String,
    },
    /// The issuer's part of an SD-JWT.
    SdJwt {
        /// The header, as JSON.
        header: String,
        /// The claims and the hashes of those that may be kept back, as canonical JSON.
        payload: String,
    },
    /// The holder's answer to who asks for an SD-JWT (`kb+jwt`).
    KeyBinding {
        /// The header, as JSON.
        header: String,
        /// The question, who asks, when, and the hash of what is shown, as canonical JSON.
        payload: String,
    },
}

impl ToSign {
    /// What is signed, in its two parts.
    pub fn texts(&self) -> (&str, &str) {
        match self {
            ToSign::JcsProof { options, document } | ToSign::RdfcProof { options, document } => (options, document),
            ToSign::Token { header, payload } | ToSign::SdJwt { header, payload } | ToSign::KeyBinding { header, payload } => {
                (header, payload)
            }
        }
    }
}

/// It is signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CredentialSignature {
    /// The signature as it is written where it belongs: multibase (base58btc) in a proof, base64url in a token.
    pub text: String,
}
