//! The store both instances are made of: events that never change, the views that are folded from them, and the rules
//! by which they are sealed.
//!
//! [`Replica`] opens a directory. All writing goes through one [`Writer`], which puts many operations into one synced
//! transaction; reading takes a [`Snapshot`], which is held for milliseconds and never while waiting for anything.
//!
//! This room knows what is kept and how. It knows no process, no socket, no runtime and no clock but the one in its
//! events; it gives out plain values and never a key.
//!
//! **Architecture Invariant:** whatever is written is either sealed or random-looking: no text, name or path lies on disk
//! in the clear. Headers show when something was written, how long it was and which things belong together, and no more.

pub mod body;
mod clock;
mod error;
mod keys;
mod log;
mod read;
mod sealed;
mod tables;
mod views;
mod write;

pub use error::{Damage, ReplicaError};
pub use keys::StoreKeys;
pub use log::{Record, Recorded};
pub use read::{Page, Snapshot};
pub use tables::Replica;
pub use views::{Conversation, File};
pub use write::{Draft, Kept, Once, Refused, Writer};
