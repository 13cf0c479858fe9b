//! The crate from outside: known answers of the standards, and what strangers could send.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod chains;
mod hostile;
mod known;
mod memberships;
mod presentations;
mod properties;
mod rdf;
mod sd_jwts;
mod sets;
mod statuses;
#[allow(dead_code, reason = "shared with other test programs")]
mod support;
mod to_sign;
mod tokens;
mod w3c_folder;
