//! Places where values lie under paths: one interface, [`Storage`], the back ends that need no network, and the suite that
//! says whether a back end is one.
//!
//! [`Memory`] is for tests, [`Tree`] a folder of the person's, [`Hybrid`] two others, of which the near one answers and the
//! far one follows. Back ends that speak over a network live with the process that has one; the archive's lives beside
//! the archive. All of them pass [`conformance`].
//!
//! **Architecture Invariant:** nothing here opens a connection, holds a credential or knows what a value means. A path is
//! checked in one place, [`Path::parse`], and whoever has a [`Path`] need not look at it again.

pub mod conformance;
mod error;
mod glob;
mod hybrid;
mod memory;
mod path;
mod profile;
mod storage;
mod tree;
mod walk;

pub use error::{Refused, Remote, StorageError};
pub use glob::{BadGlob, Glob, glob};
pub use hybrid::{BackOff, Hybrid, Pushed, QueueStatus};
pub use memory::Memory;
pub use path::{BadPath, MAX_PART, MAX_PATH, Path};
pub use profile::{Kind, Profile, UnknownProfile};
pub use storage::{Answer, Cursor, Entry, MAX_PAGE, MAX_PIECE, MAX_VALUE, Page, Pieces, Storage, Value, Whole, collect};
pub use tree::Tree;
pub use walk::{Child, Folders, Walk};
