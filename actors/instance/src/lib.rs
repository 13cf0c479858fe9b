//! The window's instance: a cache of what is used, and what a person did that the archive has not acknowledged yet.
//!
//! It opens at once, before the archive is up, and answers from what it holds while the archive is away, and says what is
//! missing; while the archive is there, that is fetched. What it holds is a sparse store ([`held`]) that never takes more room
//! on disk than its profile says. It keeps itself in step by CHUM over the hub ([`link`]), by itself, from the moment a space
//! is open, by the rules for kinds of events that it was started with. What a person does becomes a command,
//! durable in an outbox before anybody is told that it was taken ([`carrier`]), done by the archive once however often it is
//! sent. The archive shows the window nothing before it has seen that both are members of the person's space, which the
//! instance sees to by itself ([`provision`]).
//!
//! There is no window yet. When it comes it lives in this process and asks [`service`] without a wire; until then the
//! person's command line asks for it.
//!
//! This room holds the key of its own cache and no other: it opens nothing of the archive, signs nothing, and writes no event
//! of its own.
//!
//! **Architecture Invariant:** what was answered with [`Given`](ipc::messages::instance::Given) is on disk and synced, and
//! leaves the outbox only when the archive has said what became of it. The cache may be thrown away at any time; the outbox
//! never is.

mod carrier;
mod commands;
mod fetches;
mod held;
mod link;
mod overlay;
mod provision;
mod reading;
mod service;
mod standing;

use std::{ffi::OsStr, future::Future, os::unix::ffi::OsStrExt as _, path::PathBuf, rc::Rc, time::Duration};

use ipc::{
    Client, Code, Refusal,
    endpoint::Events,
    messages::{
        crypto::{CacheKey, ReleaseCacheKey},
        start::CacheProfile,
    },
    role::source,
};
use replica::chum::Rules;
pub use replica::sparse::read_rules;
use tokio::sync::Notify;

use crate::{
    carrier::Carrier, fetches::Fetches, held::Held, link::Keeper, provision::Provisioning, service::Service, standing::Standing,
};

/// How often what nobody has used for long is looked for, and what is worth to be fetched.
const UPKEEP: Duration = Duration::from_secs(60 * 60);

/// What the instance takes before it is locked down.
pub struct Prepared {
    directory: PathBuf,
    profile: CacheProfile,
    rules: Rules,
}

/// Takes the directory of the open space's cache, how much that may hold, and the table of rules for kinds of events.
pub fn prepare(directory: &[u8], profile: CacheProfile, rules: &str) -> Result<Prepared, Refusal> {
    let rules = read_rules(rules).map_err(|error| unusable(&error.to_string()))?;
    Ok(Prepared { directory: PathBuf::from(OsStr::from_bytes(directory)), profile, rules })
}

/// Opens the cache with the key that the key process releases, answers, and keeps in step with the archive.
pub async fn start(prepared: Prepared, client: Client<source::Ui>, events: Events) -> Result<impl Future<Output = ()>, Refusal> {
    let CacheKey { key, space } = client.call(&ReleaseCacheKey).await?;
    let key = key.expose_array().map_err(|error| Refusal::internal(error.to_string()))?;
    let (held, outbox) = Held::open(&prepared.directory, key, space, prepared.profile, &prepared.rules)?;
    let standing = Rc::new(Standing::default());
    let provisioning = Provisioning::new(client.clone(), Rc::clone(&standing));
    actix::spawn(Rc::clone(&provisioning).keep_up());
    let carrier = Carrier::start(outbox, client.clone(), Rc::clone(&provisioning), Rc::clone(&standing));
    let (fetches, asks) = Fetches::new(Rc::clone(&standing));
    let idle = Rc::new(Notify::new());
    actix::spawn(upkeep(held.clone(), Rc::clone(&asks.plan), Rc::clone(&idle)));
    let keeper = Keeper { client, held: held.clone(), provisioning, standing: Rc::clone(&standing), asks, idle };
    actix::spawn(keeper.keep_up());
    tracing::info!("the cache is open");
    let serving = service::run(Service::new(held.clone(), carrier, fetches, standing), events);
    Ok(async move {
        tokio::select! {
            () = serving => {}
            () = held.spoiled() => {}
        }
    })
}

/// Lets go of what nobody has used for long: once an hour, and when nothing else is to be done for now.
async fn upkeep(held: Held, plan: Rc<Notify>, idle: Rc<Notify>) {
    loop {
        let hour = tokio::time::timeout(UPKEEP, idle.notified()).await.is_err();
        if let Err(refusal) = held.maintain().await {
            tracing::warn!(code = ?refusal.code, "what nobody has used for long could not leave");
        }
        if hour {
            plan.notify_one();
        }
    }
}

/// What is here cannot be used.
fn unusable(why: &str) -> Refusal {
    Refusal::new(Code::ArchiveUnavailable, format!("the window's cache cannot be used: {why}"))
}
