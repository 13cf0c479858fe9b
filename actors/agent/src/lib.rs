//! The thinking process of one conversation: it takes turns, knows skills, and asks others to do what it may not.
//!
//! It reads what models and strangers write, so it has no file, no socket and no key: it can ask the archive for its own
//! conversation, the model process for an answer, and the run process for a run, each as far as the policy goes.
//!
//! **Architecture Invariant:** one process, one conversation. What a turn does is decided by a pure state machine
//! ([`turn`]) and done by its [`driver`]; nothing is decided in the driver and nothing is done in the turn.

mod driver;
mod model;
mod past;
mod persist;
mod prompt;
mod python;
mod route;
mod service;
mod skills;
mod turn;

use std::future::Future;

use ipc::{Client, endpoint::Events, id::ConversationId, role::source};

/// What an agent takes before it is locked down: the name of its conversation.
pub struct Prepared {
    conversation: ConversationId,
}

/// Takes the conversation it is born for.
pub fn prepare(conversation: ConversationId) -> Prepared {
    Prepared { conversation }
}

/// Takes turns until the supervisor wants no more, or nobody has wanted anything for a while.
pub fn start(prepared: Prepared, client: Client<source::Agent>, events: Events) -> impl Future<Output = ()> {
    service::run(service::Service::new(prepared.conversation, client), events)
}
