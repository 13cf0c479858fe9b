//! The model process: it speaks to model servers, and parses what they say.
//!
//! It has TCP and nothing else: no file (what it needs of the system is read in [`prepare`]), no other socket, no
//! program. It asks the key process for one key for each call, shows it to the one origin it was lent for, and forgets it.
//! It knows providers by a table (`profiles`) and keeps nothing: not what was asked, not what was answered.
//!
//! **Architecture Invariant:** a stranger's bytes are bounded before they are kept, and looked at once. An answer is
//! whole, or it is refused: nothing is repaired, and no tool is called because of half an answer. A request follows no
//! redirect, and no name leads it into the person's own networks.

mod access;
mod completion;
mod connection;
mod errors;
mod history;
mod http;
mod limiter;
mod models;
mod pieces;
mod profiles;
mod retry;
mod service;
mod sse;
#[cfg(test)]
mod tests;
mod turn;
mod wire;
mod words;

use std::future::Future;

use actix::Actor as _;
use ipc::{Client, Refusal, endpoint::Events, role::source};

use crate::{
    http::{Http, Times},
    limiter::Limiter,
    service::Service,
};

/// What the model process takes before it is locked down.
pub use outbound::Prepared;

/// Reads certificates, the resolver's file and the hosts file.
pub fn prepare() -> Result<Prepared, Refusal> {
    Prepared::read()
}

/// Starts the model process. It connects to nothing before it is asked.
pub fn start(prepared: Prepared, client: Client<source::Llm>, events: Events) -> Result<impl Future<Output = ()>, Refusal> {
    start_with(prepared, Times::STANDARD, client, events)
}

fn start_with(
    prepared: Prepared,
    times: Times,
    client: Client<source::Llm>,
    events: Events,
) -> Result<impl Future<Output = ()>, Refusal> {
    let http = Http::new(prepared, times)?;
    let service = Service::new(client, http, Limiter::default().start());
    Ok(service::run(service, events))
}
