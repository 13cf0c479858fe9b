//! Verbs of the key process by which a person changes how a space of his own opens. Their numbers are in
//! [`super::crypto`], whose service they are part of.

use bincode::{Decode, Encode};

use crate::secret::Secret;

/// Let the space of a pair open for another pair from now on, and for this one no more. Nothing is opened by it. What was
/// remembered of the space ([`Remember`]) opens no more; a kit ([`MakeKit`]) does.
#[derive(Encode, Decode)]
pub struct ChangePassword {
    /// The name so far, in UTF-8.
    pub user: Secret,
    /// The password so far, in UTF-8.
    pub password: Secret,
    /// The name from now on, which may be the same.
    pub new_user: Secret,
    /// The password from now on.
    pub new_password: Secret,
}

/// Make a recovery kit for the space of this pair. One that was made before opens it no more.
#[derive(Encode, Decode)]
pub struct MakeKit {
    /// The name, in UTF-8.
    pub user: Secret,
    /// The password, in UTF-8.
    pub password: Secret,
}

/// A recovery kit, told once.
#[derive(Encode, Decode)]
pub struct Kit {
    /// 24 words of the English list of BIP39, with a space between.
    pub words: Secret,
}

/// Open the space of this kit, and let it open for this pair from now on instead of the one before. The kit stays good.
#[derive(Encode, Decode)]
pub struct Recover {
    /// The 24 words, in any letter case, with white space between.
    pub words: Secret,
    /// The name from now on, in UTF-8.
    pub user: Secret,
    /// The password from now on, in UTF-8.
    pub password: Secret,
}

/// Make a secret that opens the space of this pair on this device, for where the person wants to be remembered. One that was
/// made before opens it no more.
#[derive(Encode, Decode)]
pub struct Remember {
    /// The name, in UTF-8.
    pub user: Secret,
    /// The password, in UTF-8.
    pub password: Secret,
}

/// What opens a space without its pair, told once.
#[derive(Encode, Decode)]
pub struct Remembered {
    /// 32 random bytes.
    pub secret: Secret,
}

/// Open the space that is remembered under this secret.
#[derive(Encode, Decode)]
pub struct UnlockRemembered {
    /// As it was told.
    pub secret: Secret,
}

/// What is remembered of the open space is to open it no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ForgetRemembered;

/// By which words does the person know the pair of the open space?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShowPicture;

/// The words of a pair: the same whenever it is entered in this installation.
#[derive(Encode, Decode)]
pub struct Picture {
    /// Four words of five letters of the English list of BIP39, with a space between.
    pub words: Secret,
}

/// What does a derivation cost in this installation?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShowCost;

/// The parameters of Argon2id, the same for every pair of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DerivationCost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}
