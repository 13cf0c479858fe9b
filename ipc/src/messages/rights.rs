//! Who is a member of this space for this archive, and who may have what of it.

use bincode::{Decode, Encode};

use super::membership::MemberTerms;

/// Most credentials of a chain: the first and those below it.
pub const MAX_CHAIN: usize = 9;
/// Longest credential of a chain, in bytes.
pub const MAX_CREDENTIAL: usize = 32 << 10;
/// Longest name of a group, in bytes.
pub const MAX_GROUP_NAME: usize = 64;

/// The window's instance shows the memberships of this device that it was given: the archive's and its own. Until then the
/// window is given nothing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Provision {
    /// The archive's membership.
    pub archive: Vec<u8>,
    /// The window's.
    pub window: Vec<u8>,
}

/// The memberships hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Provisioned {
    /// Seconds since 1970 until which both do.
    pub until_s: i64,
}

/// Whose a membership is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Whose {
    /// Somebody's whom the person of this space lets in.
    Given,
    /// This device's or its person's, in the space of another person.
    Held,
}

/// Check a membership with the chain that leads to it, and keep it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeepMember {
    /// Whose it is.
    pub whose: Whose,
    /// Credentials, first link first, at most [`MAX_CHAIN`] of at most [`MAX_CREDENTIAL`] bytes.
    pub chain: Vec<Vec<u8>>,
}

/// How a membership stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MemberState {
    /// It holds.
    Valid,
    /// Its time has not come, or is over.
    OutOfTime,
    /// It was taken back.
    Revoked,
    /// It does not hold for another reason.
    Refused,
}

/// A membership that is kept, or that counts for this device now.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Member {
    /// The id of its credential.
    pub id: String,
    /// Whose it is; none for this device's own of this session.
    pub whose: Option<Whose>,
    /// Who gave it.
    pub issuer: [u8; 32],
    /// Who has it.
    pub subject: [u8; 32],
    /// What it says.
    pub terms: MemberTerms,
    /// How many links led to it.
    pub depth: u8,
    /// How often it was renewed.
    pub renewal: u8,
    /// Seconds since 1970 from which it counts.
    pub from_s: i64,
    /// Seconds since 1970 until which it counts.
    pub until_s: i64,
    /// How it stands.
    pub state: MemberState,
    /// Why, if it does not hold.
    pub why: String,
}

/// The memberships that are kept, and this device's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListMembers {
    /// Leave out so many.
    pub skip: u32,
}

/// Some of the memberships, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Members {
    /// These.
    pub items: Vec<Member>,
    /// There are more.
    pub more: bool,
}

/// The credentials of a membership that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShowMember {
    /// Its id, or the beginning of it.
    pub id: String,
}

/// A membership with its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemberShown {
    /// How it stands.
    pub member: Member,
    /// First link first; none for this device's own.
    pub chain: Vec<Vec<u8>>,
}

/// Take back a membership for good, and with it all that were given under it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RevokeMember {
    /// The one with this id.
    Credential(String),
    /// All that this key has until now. Who is to come back needs a new one.
    Subject([u8; 32]),
}

/// Who may have something.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Grantee {
    /// Whoever has this key.
    Peer([u8; 32]),
    /// All in the group of this name.
    Group(String),
}

/// What somebody may have.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Granted {
    /// Everything that is not a matter of the house.
    Everything,
    /// All events about this.
    Entity([u8; 16]),
    /// All events of the kind of this name or number.
    Kind(String),
}

/// Let somebody have something, or not any more.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChangeAccess {
    /// Who.
    pub who: Grantee,
    /// What.
    pub what: Granted,
    /// Whether from now on.
    pub may: bool,
}

/// Put somebody into a group, or take them out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChangeGroup {
    /// The group's name.
    pub group: String,
    /// Who.
    pub key: [u8; 32],
    /// Whether they are in it from now on.
    pub inside: bool,
}

/// What was granted to whom, and who is in which group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListAccess {
    /// Leave out so many grants and members of groups together.
    pub skip: u32,
}

/// Some of what was granted and who is in which group.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Accesses {
    /// Who may have what.
    pub grants: Vec<(Grantee, Granted)>,
    /// Who is in which group.
    pub members: Vec<(String, [u8; 32])>,
    /// There are more.
    pub more: bool,
}
