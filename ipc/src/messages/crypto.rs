//! The verbs of the key process. There is no verb that signs bytes as they are, and none that gives out a master,
//! wrapping or signing key.

use bincode::{Decode, Encode};

use super::common::Done;
pub use super::{audit::*, credentials::*, entries::*, membership::*, secrets::*};
use crate::{role::Role, secret::Secret};

crate::service! {
    Crypto {
        1 Unlock -> Unlocked (sensitive);
        2 Deploy -> Unlocked (sensitive);
        3 Lock -> Done;
        4 KeyStatus -> KeyState;
        5 ReleaseStoreKey -> StoreKey (sensitive);
        6 SignEvents -> Signatures;
        7 Lend -> Lease (sensitive);
        8 ReleaseApiKey -> ApiKey (sensitive);
        9 ReleaseCacheKey -> CacheKey (sensitive);
        10 ShowIdentity -> Identity;
        20 UnlockAnew -> Unlocked (sensitive);
        21 ChangePassword -> Done (sensitive);
        22 MakeKit -> Kit (sensitive);
        23 Recover -> Unlocked (sensitive);
        24 ShowPicture -> Picture (sensitive);
        25 ShowCost -> DerivationCost;
        30 AuditHead -> AuditEnd;
        31 ReadAudit -> AuditRead, down AuditPage;
        32 KeepKey -> SealedKey (sensitive);
        33 LendKept -> Lease (sensitive);
        34 NoteForbidden -> Done;
        40 SignCredential -> CredentialSignature;
        50 IssueMembership -> MembershipIssued;
        60 Remember -> Remembered (sensitive);
        61 UnlockRemembered -> Unlocked (sensitive);
        62 ForgetRemembered -> Done;
    }
}

/// Open the space of this pair. A pair that opens nothing is refused as `NewSpace`, after the same work and with the
/// same words whether the name, the password or both are unknown.
#[derive(Encode, Decode)]
pub struct Unlock {
    /// The name, in UTF-8.
    pub user: Secret,
    /// The password, in UTF-8.
    pub password: Secret,
}

/// Open the space of this pair as another device: a new device key takes the place of the one in the file of keys, which is
/// a copy of that of a device that may still be in use. A pair that opens nothing is refused, and nothing is made.
#[derive(Encode, Decode)]
pub struct UnlockAnew {
    /// The name, in UTF-8.
    pub user: Secret,
    /// The password, in UTF-8.
    pub password: Secret,
}

/// Make the new, empty space that `Unlock` spoke of. The pair must be the same once more.
#[derive(Encode, Decode)]
pub struct Deploy {
    /// The name, in UTF-8.
    pub user: Secret,
    /// The password, in UTF-8.
    pub password: Secret,
}

/// A space is open, and its archive answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Unlocked {
    /// It is the public demo space.
    pub demo: bool,
}

/// Forget every key and end the processes that work on the open space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lock;

/// What is open?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeyStatus;

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum KeyState {
    /// Nothing.
    Locked {
        /// It was not the public demo space that was open last: what somebody says now is not for that one either.
        own: bool,
    },
    /// A space.
    Open {
        /// It is the public demo space.
        demo: bool,
    },
}

/// Give the archive the one key it works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReleaseStoreKey;

/// What the archive works with.
#[derive(Encode, Decode)]
pub struct StoreKey {
    /// 32 bytes that wrap the keys of entities.
    pub key: Secret,
    /// The space.
    pub space: [u8; 16],
    /// The public key of this device, the author of its events.
    pub device: [u8; 32],
    /// The public key of the person, which every device of the space has: the issuer of memberships.
    pub person: [u8; 32],
    /// The public key under which the window's instance of this device is a member.
    pub window: [u8; 32],
}

/// Who is this? Public keys alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShowIdentity;

/// The public keys of the open space, as Ed25519; written as `did:key` they are the names under which others know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Identity {
    /// The person's: the same on every device of the space.
    pub person: [u8; 32],
    /// This device's.
    pub device: [u8; 32],
}

/// Give the window's instance the one key it works with, which is that of its own cache and opens nothing of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReleaseCacheKey;

/// What the window's instance works with.
#[derive(Encode, Decode)]
pub struct CacheKey {
    /// 32 bytes that wrap the keys of entities, there.
    pub key: Secret,
    /// The space.
    pub space: [u8; 16],
}

/// Sign these events: the device key signs a tag that no other verb produces, and the id of each header.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignEvents {
    /// Headers in their fixed layout. Each must be of the open space and of this device.
    pub headers: Vec<Vec<u8>>,
}

/// A signature for each header.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Signatures {
    /// Ed25519, in the order of the headers.
    pub signatures: Vec<[u8; 64]>,
}

/// Keep this key in memory for one origin, until the space is locked, the lease has not been used for an hour, or newer ones
/// take its place.
#[derive(Encode, Decode)]
pub struct Lend {
    /// Scheme, host and port, and the path in front of the interface: where the key may go, and nowhere else.
    pub base_url: String,
    /// The key; empty where the server wants none.
    pub key: Secret,
    /// Who may have it: `llm` or `courier`. To another the lease means nothing.
    pub holder: Role,
}

/// Stands for a key without being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lease {
    /// Random.
    pub number: u64,
}

/// Give the holder of this lease its key for the one call it makes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReleaseApiKey {
    /// Which.
    pub lease: u64,
}

/// A key and where it may go.
#[derive(Encode, Decode)]
pub struct ApiKey {
    /// As it was lent.
    pub base_url: String,
    /// As it was lent.
    pub key: Secret,
}
