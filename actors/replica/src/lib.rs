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

pub mod backup;
pub mod blobs;
pub mod body;
pub mod branches;
pub mod chum;
mod clock;
pub mod engine;
mod erase;
mod error;
mod export;
mod files;
mod fingerprint;
mod fold;
mod format;
mod index;
mod ingest;
mod inspect;
mod keys;
mod ledger;
mod log;
mod outbox;
mod packing;
mod parcel;
mod proof;
mod put_back;
mod read;
mod rebuild;
mod references;
mod scrub;
mod sealed;
pub mod sparse;
pub mod state;
mod store;
mod tables;
mod views;
pub mod wire;
mod write;

pub use clock::Wall;
pub use error::{Damage, ReplicaError};
pub use export::AuthorHead;
pub use files::Version;
pub use index::IndexSeal;
pub use ingest::{Fork, Gap, Taken};
pub use inspect::{Beginning, KindSize, Listed, ListedPage, Room, TableSize, Which};
pub use keys::StoreKeys;
pub use ledger::{LEDGER, LedgerRow, LedgerRows};
pub use log::{Record, Recorded, Walked};
pub use outbox::{CommandId, Filled, Outbox, OutboxError, Placed, Waiting};
pub use parcel::{Carried, Form, MAX_AHEAD, MAX_BODY, Parcel, Unfit, Verified};
pub use proof::{Proved, Said, prove};
pub use put_back::Mended;
pub use read::{MAX_WHOLE, Page, Snapshot, Statistics};
pub use references::{By, MAX_REFERENCES, Name, Reference, name_of_event};
pub use scrub::{Damaged, Folds, Scrubbed, What};
pub use store::Replica;
pub use tables::Table;
pub use views::{Conversation, File};
pub use write::{Batch, Draft, Kept, Once, Refused, Writer};
