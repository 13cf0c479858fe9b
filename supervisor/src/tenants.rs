//! Which crate lives in which role. A new role is a line in each of the three places below.

use std::{future::Future, os::fd::OwnedFd, pin::Pin, rc::Rc};

use ipc::{
    Client, Refusal,
    endpoint::{Caller, Events},
    messages::start::Work,
};

/// What a tenant took before the lockdown.
pub enum Prepared {
    /// The archive.
    Storage(storage::Prepared),
    /// The keys.
    Crypto(crypto::Prepared),
    /// The models.
    Llm(Box<llm::Prepared>),
    /// What goes to other machines.
    Courier(Box<courier::Prepared>),
    /// A conversation.
    Agent(agent::Prepared),
    /// A run.
    Code(code::Prepared),
    /// A look at credentials.
    Verifier,
    /// What is asked over HTTP.
    Gate(gate::Prepared),
    /// The window's cache.
    Ui(instance::Prepared),
}

/// A tenant at work; ready when it has drained.
pub type Tenant = Pin<Box<dyn Future<Output = ()>>>;

/// Takes what the role needs, while it may still take it.
pub fn prepare(work: &Work, generation: u32, handed: Vec<OwnedFd>) -> Result<Prepared, Refusal> {
    Ok(match work {
        Work::Storage { directory, first } => Prepared::Storage(storage::prepare(directory, *first && generation == 1)?),
        Work::Crypto { cost } => Prepared::Crypto(crypto::prepare(handed, *cost)?),
        Work::Llm { .. } => Prepared::Llm(Box::new(llm::prepare()?)),
        Work::Courier { .. } => Prepared::Courier(Box::new(courier::prepare()?)),
        Work::Agent { conversation } => Prepared::Agent(agent::prepare(*conversation)),
        Work::Code => Prepared::Code(code::prepare()?),
        Work::Verifier => Prepared::Verifier,
        Work::Gate => Prepared::Gate(gate::prepare(handed)?),
        Work::Ui { directory, profile, rules } => Prepared::Ui(instance::prepare(directory, *profile, rules)?),
    })
}

/// Starts the tenant in the locked process. It answers its events from when this returns.
pub async fn start(prepared: Prepared, caller: Rc<Caller>, events: Events) -> Result<Tenant, Refusal> {
    Ok(match prepared {
        Prepared::Storage(prepared) => Box::pin(storage::start(prepared, Client::new(caller), events).await?),
        Prepared::Crypto(prepared) => Box::pin(crypto::start(prepared, Client::new(caller), events)?),
        Prepared::Llm(prepared) => Box::pin(llm::start(*prepared, Client::new(caller), events)?),
        Prepared::Courier(prepared) => Box::pin(courier::start(*prepared, Client::new(caller), events)?),
        Prepared::Agent(prepared) => Box::pin(agent::start(prepared, Client::new(caller), events)),
        Prepared::Code(prepared) => Box::pin(code::start(prepared, events).await?),
        Prepared::Verifier => Box::pin(verifier::start(events)),
        Prepared::Gate(prepared) => Box::pin(gate::start(prepared, Client::new(caller), events)?),
        Prepared::Ui(prepared) => Box::pin(instance::start(prepared, Client::new(caller), events).await?),
    })
}
