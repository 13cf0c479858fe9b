//! The HTTP faces: what other programs of this machine ask of this one. It accepts on listeners that it was handed, which
//! it has not made, and can make, bind and connect no socket itself.
//!
//! It keeps nothing, holds no key, and decides nothing but who is let in: what is asked goes on to the process whose work
//! it is, as it came. [`head`] says who is let in and what a request may look like before any of its body is read, [`door`]
//! how many are in at once and for how long, and each face, what there is to ask: so far [`credentials`] alone.
//!
//! **Architecture Invariant:** nothing is answered before a command line has said what is served and to whom; nothing of a
//! body is read before its head was checked; nothing is held that has no bound. What came in is never logged or told.

mod connection;
mod credentials;
mod door;
mod face;
mod head;
mod line;
mod problem;
mod service;

use std::{future::Future, net::TcpListener, os::fd::OwnedFd};

use ipc::{Client, Code, Refusal, Role, endpoint::Events, role::source};

/// Listeners that are handed over, at most.
const MAX_LISTENERS: usize = 2;

/// What a gate takes before it is locked down.
pub struct Prepared {
    listeners: Vec<TcpListener>,
}

/// Takes the listeners, which must be of this machine alone.
pub fn prepare(handed: Vec<OwnedFd>) -> Result<Prepared, Refusal> {
    if handed.is_empty() || handed.len() > MAX_LISTENERS {
        return Err(cannot(&format!("start with {} listeners", handed.len())));
    }
    let listeners = handed.into_iter().map(TcpListener::from).collect::<Vec<_>>();
    for listener in &listeners {
        let address = listener.local_addr().map_err(|error| cannot(&format!("use its listener: {error}")))?;
        if !address.ip().is_loopback() {
            return Err(cannot(&format!("listen on {address}, which others can reach")));
        }
        listener.set_nonblocking(true).map_err(|error| cannot(&format!("use its listener: {error}")))?;
    }
    Ok(Prepared { listeners })
}

/// Starts the gate. It lets nobody in before it is told what it serves.
pub fn start(prepared: Prepared, client: Client<source::Gate>, events: Events) -> Result<impl Future<Output = ()>, Refusal> {
    Ok(service::run(service::Service::new(client, prepared.listeners)?, events))
}

fn cannot(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Code::CannotStart, format!("the {} process failed to {error}", Role::Gate))
}
