//! Ed25519 keys of others as `did:key`, and the one way to check a signature with them.
//!
//! `did:key:z6Mk…` is the key itself: multibase base58btc (`z`, and no other base), two bytes that say Ed25519, 32 bytes of key.

use std::fmt;

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

use crate::error::{Kind, Refused, Result, refuse, short};

/// What the bytes of an Ed25519 key begin with: 0xed as an unsigned varint.
const ED25519: [u8; 2] = [0xed, 0x01];
const SCHEME: &str = "did:key:";
/// Longer texts are no base58 of what is read here, which is 64 bytes at most.
const LONGEST: usize = 96;

/// An Ed25519 key that can be relied on: a point of the curve, not of small order, written in the one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Takes 32 bytes of key. One of small order would accept signatures over anything; one that is written differently than
    /// it is read would be two identities.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Refused::new(Kind::BadKey, "the key is no point of the curve"))?;
        if key.is_weak() {
            return refuse(Kind::BadKey, "the key is of small order");
        }
        if key.to_edwards().compress().as_bytes() != bytes {
            return refuse(Kind::BadKey, "the key is not in canonical form");
        }
        Ok(PublicKey(key))
    }

    /// The public half of a key that signs, which is never weak: its scalar is a multiple of the cofactor and not zero.
    pub fn of_signer(key: &SigningKey) -> PublicKey {
        PublicKey(key.verifying_key())
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Reads a `publicKeyMultibase`.
    pub fn from_multibase(text: &str) -> Result<PublicKey> {
        let bytes = base58(text).map_err(|_| Refused::new(Kind::BadKey, "the key is not written in base58btc (`z…`)"))?;
        let (prefix, key) = bytes.split_at_checked(2).unwrap_or_default();
        if prefix != ED25519 {
            return refuse(Kind::Unsupported, "the key is not an Ed25519 key");
        }
        let key = key.try_into().map_err(|_| Refused::new(Kind::BadKey, "the key has not 32 bytes"))?;
        PublicKey::from_bytes(key)
    }

    /// The key as `publicKeyMultibase`.
    pub fn to_multibase(&self) -> String {
        let mut bytes = ED25519.to_vec();
        bytes.extend(self.as_bytes());
        to_base58(&bytes)
    }

    /// Reads a `did:key:z6Mk…`.
    pub fn from_did(did: &str) -> Result<PublicKey> {
        let Some(text) = did.strip_prefix(SCHEME) else {
            return refuse(Kind::Unsupported, format!("{} is no did:key", short(did)));
        };
        PublicKey::from_multibase(text)
    }

    /// Reads the id of the key in a did:key document: `did:key:z6Mk…#z6Mk…`.
    pub fn from_method(method: &str) -> Result<PublicKey> {
        let Some((did, fragment)) = method.split_once('#') else {
            return refuse(Kind::BadKey, format!("{} names no key of the document", short(method)));
        };
        let key = PublicKey::from_did(did)?;
        if did.strip_prefix(SCHEME) != Some(fragment) {
            return refuse(Kind::BadKey, format!("{} is not the key of its document", short(method)));
        }
        Ok(key)
    }

    /// The id of who has the key.
    pub fn did(&self) -> String {
        format!("{SCHEME}{}", self.to_multibase())
    }

    /// The id of the key in its document, as proofs name it.
    pub fn method(&self) -> String {
        let text = self.to_multibase();
        format!("{SCHEME}{text}#{text}")
    }

    /// Whether a signature over a message holds. `verify_strict`, always alone and never in a batch: two programs that check
    /// the same bytes must come to the same answer.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<()> {
        let holds = <&[u8; 64]>::try_from(signature)
            .is_ok_and(|bytes| self.0.verify_strict(message, &Signature::from_bytes(bytes)).is_ok());
        if holds { Ok(()) } else { refuse(Kind::BadSignature, format!("the signature of {} does not hold", self.did())) }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.did())
    }
}

/// Reads multibase base58btc.
pub(crate) fn base58(text: &str) -> Result<Vec<u8>> {
    let refused = || Refused::new(Kind::Malformed, "it is not base58btc (`z…`)");
    let digits = text.strip_prefix('z').filter(|_| text.len() <= LONGEST).ok_or_else(refused)?;
    bs58::decode(digits).into_vec().map_err(|_| refused())
}

/// Writes multibase base58btc.
pub(crate) fn to_base58(bytes: &[u8]) -> String {
    format!("z{}", bs58::encode(bytes).into_string())
}
