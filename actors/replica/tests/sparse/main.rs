//! A sparse store: within its limit whatever is written through it, true about what it shows, and alike to the archive it
//! has its events from.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

#[path = "../chum/line.rs"]
#[allow(dead_code, reason = "it has more than is needed here")]
mod line;

mod chum;
mod limit;
mod order;
mod pins;
mod reading;
mod room;
mod rules;
mod upkeep;
mod world;
