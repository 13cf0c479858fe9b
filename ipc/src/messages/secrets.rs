//! Provider keys that are kept: sealed by the key process, which alone can open them, and kept by the archive, which sees
//! ciphertext. The methods are listed with those of their services, in `crypto.rs` and `storage.rs`.

use bincode::{Decode, Encode};

use crate::secret::Secret;

/// Longest name of a provider, in bytes.
pub const MAX_PROVIDER: usize = 64;

/// Longest address a kept key is bound to, in bytes.
pub const MAX_KEPT_URL: usize = 1024;

/// Longest sealed key, in bytes.
pub const MAX_SEALED: usize = 8192;

/// Providers that keys can be kept for.
pub const MAX_PROVIDERS: usize = 64;

/// Seal this key for one provider at one address, so that it can be kept.
#[derive(Encode, Decode)]
pub struct KeepKey {
    /// The provider, as the person calls it: lower-case letters, digits, `-`, `_` and `.`.
    pub provider: String,
    /// Scheme, host and port, and the path in front of the interface: where the key may go, and nowhere else.
    pub base_url: String,
    /// The key.
    pub key: Secret,
}

/// A key that only the key process can open, and only for the provider and the address it was sealed for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SealedKey {
    /// Its bytes.
    pub sealed: Vec<u8>,
}

/// Lend a kept key to `llm`, for the address it was sealed for, as [`Lend`](super::crypto::Lend) does.
#[derive(Encode, Decode)]
pub struct LendKept {
    /// The provider it was sealed for.
    pub provider: String,
    /// The address it was sealed for.
    pub base_url: String,
    /// What [`KeepKey`] answered.
    pub sealed: Vec<u8>,
}

/// Keep a sealed key. One that was kept for this provider before is erased for good.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PutSecret {
    /// The key.
    pub secret: KeptSecret,
}

/// A sealed key that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeptSecret {
    /// The provider.
    pub provider: String,
    /// The address it is bound to.
    pub base_url: String,
    /// What the key process made of it.
    pub sealed: Vec<u8>,
}

/// The sealed keys that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListSecrets;

/// The sealed keys that are kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Secrets {
    /// By provider.
    pub items: Vec<SecretListed>,
}

/// A sealed key that is kept, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SecretListed {
    /// The key.
    pub secret: KeptSecret,
    /// Milliseconds since 1970.
    pub added_ms: u64,
}

/// Erase the key of a provider for good.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RemoveSecret {
    /// The provider.
    pub provider: String,
}

/// What was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SecretRemoved {
    /// Events that held it.
    pub events: u64,
}
