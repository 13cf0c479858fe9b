//! The messages of each service, one file a service, and the two that open a connection.
//!
//! Everything here is wire: it holds what the other side needs and cannot know, and every value of every type is
//! meaningful. Types on disk are `replica`'s own. No type is recursive, and no sequence has elements of size zero.

pub mod agent;
pub mod audit;
pub mod backup;
pub mod branches;
pub mod chat;
pub mod code;
pub mod common;
pub mod courier;
pub mod credentials;
pub mod crypto;
pub mod entries;
pub mod gate;
pub mod inspect;
pub mod instance;
pub mod llm;
pub mod membership;
pub mod memory;
pub mod references;
pub mod rights;
pub mod secrets;
pub mod start;
pub mod storage;
pub mod supervisor;
pub mod sync;
pub mod verifier;
pub mod volumes;
