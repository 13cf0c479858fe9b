//! What was done with the keys: the log that the key process keeps, and the newest head of it that the archive has. The methods
//! are listed with those of their services, in `crypto.rs` and `storage.rs`.

use bincode::{Decode, Encode};

use crate::role::Role;

/// Most records in one piece.
pub const MAX_AUDIT_PAGE: usize = 200;

/// The log of the open space, the newest record first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadAudit {
    /// At most so many records; all with 0.
    pub most: u32,
}

/// Some records.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuditPage {
    /// The newest first; at most [`MAX_AUDIT_PAGE`].
    pub records: Vec<AuditRecord>,
}

/// Something that was done with the keys, or refused. It has no name, no key and no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuditRecord {
    /// Its number in the log of its space, from 1 and without gaps.
    pub number: u64,
    /// BLAKE3 of its bytes on disk, by which it is known.
    pub hash: [u8; 32],
    /// Number of the verb.
    pub verb: u16,
    /// Who asked.
    pub caller: Option<(Role, u32)>,
    /// 0 if it was done, or the number of the refusal.
    pub outcome: u16,
    /// How often: more than once for a sum.
    pub times: u32,
    /// Milliseconds since 1970 of the first that is summed.
    pub since_ms: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// BLAKE3 over what it was done to; zeros if that has no name.
    pub objects: [u8; 32],
    /// Pairs that opened nothing before this opening.
    pub misses: u32,
    /// Records before this one that could not be written.
    pub unwritten: u32,
}

/// What was read of the log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuditRead {
    /// Number of the newest record; 0 if there is none.
    pub newest: u64,
    /// Number of the oldest that was read; 0 if none was.
    pub oldest: u64,
    /// Everything that the file still has of this space was read.
    pub to_the_end: bool,
    /// Records that are not there as they were written, first and last of each gap.
    pub missing: Vec<(u64, u64)>,
    /// There are more gaps.
    pub and_more: bool,
    /// The header of the file is not as it was written.
    pub header_damaged: bool,
}

/// Where does the log end?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuditHead;

/// Where the log of the open space ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuditEnd {
    /// Its last record.
    pub head: LogHead,
    /// How many records are of more than the archive's own signing, which keeping a head brings about itself.
    pub notable: u64,
}

/// A record by which a log is known up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LogHead {
    /// Its number; 0 if there is none.
    pub number: u64,
    /// Its hash; zeros if there is none.
    pub hash: [u8; 32],
}

/// The newest head of this device's log that the archive has; and perhaps keep the one of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AnchorAudit {
    /// Keep the one of now.
    pub keep: bool,
}

/// What the archive had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuditAnchor {
    /// The newest head, before a new one was kept.
    pub newest: Option<LogHead>,
    /// Milliseconds since 1970 at which that was kept; 0 if there is none.
    pub at_ms: u64,
}

/// Somebody asked for a verb without a right to it, and the hub has refused: to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NoteForbidden {
    /// Who.
    pub role: Role,
    /// Which of its role.
    pub instance: u32,
    /// The number that was asked for.
    pub verb: u16,
}
