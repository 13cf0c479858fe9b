//! `lamos credential` with real processes: what people do with it, what strangers could send, and programs of others.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod hostile;
mod peers;
mod people;
mod stories;
