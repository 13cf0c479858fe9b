//! Branches of volumes: beginning, listing, comparing, merging and ending them. Files on a branch are read and written by the
//! methods of files; only their paths say so, as in `user@draft/notes.md`. The methods are listed with the archive's own in
//! `storage.rs`.

use bincode::{Decode, Encode};

/// Begin a branch at what its volume is now. Nothing is copied. Doing it twice with one `once` does it once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MakeBranch {
    /// Its name after that of its volume and an `@`, as in `user@draft`.
    pub name: String,
    /// Chosen by the caller.
    pub once: [u8; 16],
}

/// The branches that there are.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListBranches {
    /// Only those of this volume; empty for all.
    pub volume: String,
    /// Continue after this name; empty from the beginning.
    pub after: String,
    /// At most so many, and at most [`MAX_PAGE`](super::storage::MAX_PAGE).
    pub limit: u16,
}

/// A page of branches.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Branches {
    /// By name.
    pub items: Vec<BranchState>,
    /// Whether there are more.
    pub more: bool,
}

/// A branch as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BranchState {
    /// Its name with that of its volume.
    pub name: String,
    /// Its volume.
    pub volume: String,
    /// Milliseconds since 1970 of its beginning.
    pub begun_ms: u64,
    /// Milliseconds since 1970 of its fork point: when it began or was last merged.
    pub forked_ms: u64,
    /// Files that were written or removed on it since.
    pub changed: u32,
}

/// What a merge of one side into another would do. One of them is a branch, and the other its volume.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CompareBranch {
    /// What is merged.
    pub from: String,
    /// What it is merged into.
    pub into: String,
    /// Continue after this path; empty from the beginning.
    pub after: String,
    /// At most so many, and at most [`MAX_PAGE`](super::storage::MAX_PAGE).
    pub limit: u16,
}

/// A page of files that were written or removed on the branch since its fork point.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Comparison {
    /// By path.
    pub items: Vec<Compared>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// A file on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Compared {
    /// Its path in the volume, without the name of the volume.
    pub path: String,
    /// Who changed it.
    pub changed: ChangedBy,
    /// What both sides began with, in the volume; `None` if there was no such file.
    pub base: Option<SideVersion>,
    /// What it is where it would be merged into; `None` if it never was there.
    pub ours: Option<SideVersion>,
    /// What it is where it would be merged from; `None` if it never was there.
    pub theirs: Option<SideVersion>,
}

/// Which side changed a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ChangedBy {
    /// Neither, or both in the same way.
    Neither,
    /// The one that is merged into: it stays what it is there.
    Ours,
    /// The one that is merged: it is taken.
    Theirs,
    /// Both, each in its own way: somebody must say what it becomes.
    Both,
}

/// A version of a file on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SideVersion {
    /// The event that made it.
    pub event: [u8; 32],
    /// Its length; `None` if it removed the file.
    pub length: Option<u64>,
}

/// Merge a branch into its volume, or what its volume became into the branch: all of it is kept as one commit, or nothing.
/// What only one side changed is taken; for what both changed the [`MergePiece`]s that follow as a stream say what becomes of
/// it, and one that says nothing, or of other versions than hold, is refused with `Conflict`. Afterwards the fork point is
/// what there is then. Doing it twice with one id does it once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MergeBranch {
    /// What is merged.
    pub from: String,
    /// What it is merged into.
    pub into: String,
    /// Chosen by the caller.
    pub id: [u8; 16],
    /// What the person says about it; may be empty.
    pub message: String,
}

/// A piece of a merge.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MergePiece {
    /// What becomes of a file that both sides changed.
    Decide {
        /// Its path in the volume, without the name of the volume.
        path: String,
        /// The version there that the decision was made about.
        ours: Option<[u8; 32]>,
        /// The version that is merged that it was made about.
        theirs: Option<[u8; 32]>,
        /// What it becomes.
        becomes: Becomes,
    },
    /// Bytes of the file that was named last.
    Bytes(Vec<u8>),
}

/// What a file becomes that both sides changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Becomes {
    /// What it is where it is merged into.
    Ours,
    /// What it is where it is merged from.
    Theirs,
    /// So many bytes, which follow.
    Bytes(u64),
}

/// It is on disk, synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Merged {
    /// Files that have a new version.
    pub written: u32,
    /// Files that were removed.
    pub removed: u32,
    /// Whether anything was to be done at all.
    pub moved: bool,
}

/// End a branch. What was written on it stays in the histories of its files. Doing it twice with one `once` does it once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EndBranch {
    /// Its name with that of its volume.
    pub name: String,
    /// Even if it has something that is not in its volume.
    pub force: bool,
    /// Chosen by the caller.
    pub once: [u8; 16],
}
