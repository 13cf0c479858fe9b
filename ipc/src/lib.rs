//! The wire between the processes of Lamos: what a frame looks like, what each service answers, and who may ask whom.
//!
//! This room holds facts and the smallest machinery to speak them: [`header`], [`frame`] and [`codec`] say how bytes are
//! laid out, [`messages`] what they mean, [`policy`] who may send them, [`bridge`] turns the rows of the policy into typed
//! clients, and [`endpoint`] moves frames for one process.
//!
//! **Architecture Invariant:** `ipc` depends on no other crate of ours, and nothing in it opens a file, starts a process,
//! holds a key or knows a provider. A type that only one process needs does not belong here.

pub mod bridge;
pub mod codec;
pub mod control;
pub mod endpoint;
pub mod event;
pub mod frame;
pub mod header;
pub mod id;
pub mod limits;
pub mod link;
pub mod messages;
pub mod policy;
pub mod refusal;
pub mod role;
pub mod secret;
pub mod service;

pub use bridge::Client;
pub use id::Instance;
pub use refusal::{Blame, Code, Refusal};
pub use role::Role;

/// Version of the frame and header layout. It changes only when bytes 0 to 63 of a header change their meaning.
pub const PROTOCOL_VERSION: u8 = 1;

/// Hash of all message definitions and of the types they are made of, computed by `build.rs`. Two ends with different hashes refuse each other at Hello.
pub const SCHEMA_HASH: u64 = include!(concat!(env!("OUT_DIR"), "/schema_hash_value.rs"));
