//! Memberships: what the key process makes of typed fields, so that nobody hands it a document to sign.

use bincode::{Decode, Encode};

/// Most kinds a membership may be limited to.
pub const MAX_TYPES: usize = 32;

/// The standing of a member. The later ones are above the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MemberRole {
    /// Sees what is shown to it, and lets nobody in.
    Guest,
    /// Takes part: sees the space.
    Member,
    /// Keeps house: sees who may have what as well.
    Admin,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MayDo {
    /// Receive what others wrote.
    pub read: bool,
    /// Have its own writing received.
    pub write: bool,
    /// Carry data on between others.
    pub sync: bool,
    /// Let others in.
    pub delegate: bool,
}

/// In which turn a member is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum MemberPriority {
    /// When there is nothing else to carry.
    Low,
    /// In its turn.
    #[default]
    Normal,
    /// Before others.
    High,
}

/// What a membership says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemberTerms {
    /// Its standing.
    pub role: MemberRole,
    /// What it may do: one thing at least.
    pub may: MayDo,
    /// It keeps at most so many bytes.
    pub max_storage: Option<u64>,
    /// It has only these kinds of events, by their names in tables of rules; at most [`MAX_TYPES`].
    pub allowed_types: Option<Vec<String>>,
    /// In which turn it is served.
    pub priority: MemberPriority,
    /// How many links may follow; with none it may let nobody in.
    pub max_depth: u8,
}

/// Who becomes a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MemberSubject {
    /// The archive of this device, by the device's key.
    Archive,
    /// The window's instance of this device, by a key that is made for it.
    Window,
    /// Whoever has this Ed25519 key, which is what a `did:key` says.
    Other([u8; 32]),
}

/// Where it is published whether a membership was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemberStatus {
    /// The id of the status list's credential.
    pub list: String,
    /// The place in it.
    pub index: u64,
}

/// Make a membership of the open space and sign it with the person's key. The window asks for those of its own device alone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IssueMembership {
    /// Whose.
    pub subject: MemberSubject,
    /// What it says.
    pub terms: MemberTerms,
    /// Seconds it counts: at most thirty days, and a day for this device's own.
    pub lifetime_s: u32,
    /// How often it was renewed, for another's. For this device's own the key process counts itself, from the sign-in on.
    pub renewal: u8,
    /// Where its status is published, if it is.
    pub status: Option<MemberStatus>,
}

/// A membership.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MembershipIssued {
    /// The id of the credential, which takes it back.
    pub id: String,
    /// The signed credential, as RFC 8785 writes it.
    pub credential: Vec<u8>,
    /// Seconds since 1970 from which it counts.
    pub from_s: i64,
    /// Seconds since 1970 until which it counts.
    pub until_s: i64,
    /// How often it was renewed.
    pub renewal: u8,
}
