//! How one process takes part: it asks through a [`Caller`], it is asked through [`Event`]s, and one connection task
//! moves the frames of both.
//!
//! An endpoint belongs to one thread. It keeps nothing that the hub bounds: pieces of a stream are taken from the other
//! side only as fast as they are read, and a call that nobody waits for any more is cancelled by itself.
//!
//! **Architecture Invariant:** every [`Incoming`] gets exactly one terminal answer. One that is dropped without an
//! answer refuses itself.

mod call;
mod connection;
mod halves;
mod incoming;
mod outgoing;
mod serve;
mod window;

pub use call::{Caller, Options, StreamCall};
pub use connection::{Connection, connect, connect_single};
pub use halves::{Receiving, Sending};
pub use incoming::{Cancelled, Event, Events, Incoming, Reply};
pub use outgoing::Outgoing;
pub use serve::{serve, serve_until_idle};
