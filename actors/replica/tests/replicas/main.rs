//! Several devices and what passes between them, each with a whole store on a database in memory, or on disk where the
//! disk is what a test is about.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod backups;
mod backups_damaged;
mod convergence;
mod dump;
mod erasure;
mod fuzzed;
mod ingest;
mod memory;
mod rebuilt;
mod references;
mod scrub;
mod signatures;
mod states;
mod tables;
mod upkeep;
mod world;
