//! CHUM against replicas in memory that verify for real: what it brings, what it costs, what it survives and what it refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod archives;
mod cuts;
mod grants;
mod hostile;
mod line;
mod memory;
mod messages;
mod simulation;
mod stores;
mod stories;
mod windows;
