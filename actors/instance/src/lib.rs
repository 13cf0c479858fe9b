//! The window's instance: a cache of what is recent, and what a person did that the archive has not acknowledged yet.
//!
//! It opens at once, before the archive is up, and answers from what it holds while the archive is away. It keeps itself in
//! step by CHUM over the hub ([`link`]), by itself, from the moment a space is open. What a person does becomes a command,
//! durable in an outbox before anybody is told that it was taken ([`carrier`]), done by the archive once however often it is
//! sent.
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
mod held;
mod link;
mod overlay;
mod service;
mod standing;

use std::{ffi::OsStr, fs, future::Future, os::unix::ffi::OsStrExt as _, path::PathBuf, rc::Rc};

use ipc::{
    Client, Code, Refusal,
    endpoint::Events,
    messages::crypto::{CacheKey, ReleaseCacheKey},
    role::source,
};
use replica::{Outbox, StoreKeys};

use crate::{carrier::Carrier, held::Held, service::Service, standing::Standing};

/// Bytes of commands that may wait for the archive. What comes beyond is refused aloud.
const OUTBOX: u64 = 16 << 20;

/// It writes no event, so it is no author.
const NO_AUTHOR: [u8; 32] = [0; 32];

/// What the instance takes before it is locked down.
pub struct Prepared {
    directory: PathBuf,
}

/// Takes the directory of the open space's cache.
pub fn prepare(directory: &[u8]) -> Prepared {
    Prepared { directory: PathBuf::from(OsStr::from_bytes(directory)) }
}

/// Opens the cache with the key that the key process releases, answers, and keeps in step with the archive.
pub async fn start(prepared: Prepared, client: Client<source::Ui>, events: Events) -> Result<impl Future<Output = ()>, Refusal> {
    let CacheKey { key, space } = client.call(&ReleaseCacheKey).await?;
    let key = key.expose_array().map_err(|error| Refusal::internal(error.to_string()))?;
    let keys = || StoreKeys::new(key, space, NO_AUTHOR);
    let folder = |name: &str| {
        let path = prepared.directory.join(name);
        fs::create_dir_all(&path).map_err(|error| unusable(&format!("{error} ({})", path.display())))?;
        Ok::<_, Refusal>(path)
    };
    let outbox = Outbox::open(&folder("outbox")?, keys(), OUTBOX).map_err(|error| unusable(&error.to_string()))?;
    let (held, station) = Held::open(&folder("cache")?, keys)?;
    let standing = Rc::new(Standing::default());
    let carrier = Carrier::start(outbox, client.clone(), Rc::clone(&standing));
    actix::spawn(link::keep_up(client, station, Rc::clone(&standing)));
    tracing::info!("the cache is open");
    Ok(service::run(Service::new(held, carrier, standing), events))
}

/// What is here cannot be used.
fn unusable(why: &str) -> Refusal {
    Refusal::new(Code::ArchiveUnavailable, format!("the window's cache cannot be used: {why}"))
}
