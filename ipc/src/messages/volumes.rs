//! Files of volumes beyond writing and reading one: commits, versions, layers, patterns. The methods are listed with the
//! archive's own in `storage.rs`.

use bincode::{Decode, Encode};

/// Change several files at once: all of it is kept, or nothing. What follows as a stream is the [`CommitPiece`]s. Doing it
/// twice with one id and the same pieces does it once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CommitFiles {
    /// Chosen by the caller.
    pub id: [u8; 16],
    /// What the person says about it; may be empty. Kept sealed with every file.
    pub message: String,
}

/// A piece of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CommitPiece {
    /// This file is written; its bytes follow.
    Write {
        /// Its path.
        path: String,
        /// Its length; so many bytes follow.
        length: u64,
    },
    /// Bytes of the file that was named last.
    Bytes(Vec<u8>),
    /// This file is removed.
    Remove {
        /// Its path.
        path: String,
    },
}

/// It is on disk, synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Committed {
    /// Files that have a new version.
    pub written: u32,
    /// Files that were removed.
    pub removed: u32,
    /// Files that were what they should become already, and have no new version.
    pub unchanged: u32,
}

/// Files that were in volumes and are not any more, by their paths; those of branches aside. What they were is in their
/// versions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListRemoved {
    /// Only those whose path begins so.
    pub prefix: String,
    /// Continue after this path.
    pub after: String,
    /// At most so many, and at most [`MAX_PAGE`](super::storage::MAX_PAGE).
    pub limit: u16,
}

/// The versions of a file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListVersions {
    /// Its path.
    pub path: String,
    /// Continue before this one.
    pub before: Option<VersionCursor>,
    /// At most so many, and at most [`MAX_PAGE`](super::storage::MAX_PAGE).
    pub limit: u16,
}

/// A place in the history of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VersionCursor {
    /// The clock of the last one seen.
    pub clock: u64,
    /// Its place.
    pub position: u64,
}

/// A page of versions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Versions {
    /// Newest first; the first one of all is the one that holds.
    pub items: Vec<Version>,
    /// Where the next page begins, if there is one.
    pub next: Option<VersionCursor>,
}

/// A version of a file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Version {
    /// The event that made it.
    pub event: [u8; 32],
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The public key of the device that made it.
    pub author: [u8; 32],
    /// What became of the file.
    pub change: FileChange,
    /// The commit it is part of, if it is part of one.
    pub commit: Option<[u8; 16]>,
    /// What the person said about it.
    pub message: String,
    /// What it was merged from, if a merge made it.
    pub merge: Option<VersionMerge>,
}

/// What a version was merged from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VersionMerge {
    /// What was merged, as in `user@draft`.
    pub from: String,
    /// What it was merged into.
    pub into: String,
    /// The version of the file there before; `None` if it never was there.
    pub ours: Option<[u8; 32]>,
    /// The version that was merged.
    pub theirs: Option<[u8; 32]>,
}

/// What a version makes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum FileChange {
    /// It has this length.
    Written(u64),
    /// It is not there any more.
    Removed,
    /// What it said was erased.
    Erased,
}

/// Give a version of a file back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadVersion {
    /// The file.
    pub path: String,
    /// The event that made the version.
    pub event: [u8; 32],
}

/// Make a file what it was after this version, as a new version; a removal likewise. Doing it twice with one `once` does it
/// once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RollBack {
    /// The file.
    pub path: String,
    /// The event that made the version.
    pub event: [u8; 32],
    /// Chosen by the caller.
    pub once: [u8; 16],
    /// What the person says about it; may be empty.
    pub message: String,
}

/// How volumes lie over one another for a path that names none of them: the project over `user` over the teams, in their
/// order, over `system`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct View {
    /// The project, by its id.
    pub project: Option<String>,
    /// Teams, by their ids, the first one over the next.
    pub teams: Vec<String>,
}

/// Most teams in a [`View`].
pub const MAX_TEAMS: usize = 16;

/// Which volumes have a file of this name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FindFile {
    /// A path without a volume, as in `skills/plan/SKILL.md`.
    pub path: String,
    /// The layers.
    pub view: View,
}

/// The layers of a name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Layers {
    /// From the highest to the lowest, those that have it or had it. The first one that has it is what is read.
    pub items: Vec<Layer>,
}

/// A name in one layer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Layer {
    /// The whole path.
    pub path: String,
    /// Whether it is there, or was once.
    pub there: bool,
    /// Its length.
    pub length: u64,
    /// Milliseconds since 1970 of its newest version; 0 for what ships.
    pub changed_ms: u64,
}

/// The files that fit a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GlobFiles {
    /// `?` is a character, `*` any number of them inside one part of a path, `**` any number of parts. Without a view it
    /// begins with a volume.
    pub pattern: String,
    /// With a view the pattern names no volume, and of each name the highest layer is found.
    pub view: Option<View>,
    /// Continue after this cursor; empty from the beginning.
    pub after: String,
    /// At most so many, and at most [`MAX_PAGE`](super::storage::MAX_PAGE).
    pub limit: u16,
}

/// What lies directly in a folder: its files and the folders in it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListFolder {
    /// The folder; empty for the volumes themselves, or for the root of a view.
    pub folder: String,
    /// With a view the folder names no volume, and of each name the highest layer is found.
    pub view: Option<View>,
    /// Continue after this cursor; empty from the beginning.
    pub after: String,
    /// At most so many, and at most [`MAX_PAGE`](super::storage::MAX_PAGE).
    pub limit: u16,
}

/// Files and folders, by name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FilesFound {
    /// By name.
    pub items: Vec<Entry>,
    /// Where the next page begins, if there is one. It may begin here though this page is empty: looking took long.
    pub next: Option<String>,
}

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Entry {
    /// A folder; it is there because something lies in it.
    Folder {
        /// Its name in the view, or its whole path.
        name: String,
    },
    /// A file.
    File {
        /// Its name in the view, or its whole path.
        name: String,
        /// Its whole path.
        path: String,
        /// Its length.
        length: u64,
        /// Milliseconds since 1970 of its newest version; 0 for what ships.
        changed_ms: u64,
    },
}
