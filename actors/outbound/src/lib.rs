//! The way out of the machine, for the processes that have one: which base URLs are taken, whom TLS trusts, how a name
//! becomes an address without a file or a datagram, and the one HTTP client that follows from it.
//!
//! What is asked of a server and what its answers mean is for the process that asks. This room knows no provider, holds
//! no key and keeps nothing.
//!
//! **Architecture Invariant:** no redirect is followed, not even within an origin: a key goes where the person said and
//! not where a server says. There is no proxy and no cookie. Every address is judged after every look-up.

mod addresses;
mod cause;
mod client;
mod origin;
mod resolve;
mod roots;

pub use cause::{causes, certificate, find};
pub use client::{Prepared, tls};
pub use origin::{BadOrigin, Origin};
pub use resolve::{Names, ResolveError};
pub use roots::read as roots;
