//! The archive process: it keeps everything, for ever, and gives it back.
//!
//! It is a [`replica`] with the retention "everything", one writing thread that commits many requests at once, a journal
//! for answers that are still being spoken, and the rules about who may touch what. It has the directory of the one open
//! space and nothing else: no socket, no other file, and of the keys the one that opens this archive.
//!
//! **Architecture Invariant:** what was answered with [`Appended`](ipc::messages::storage::Appended) is on disk and synced.
//! Nothing waits for another process while a database transaction is open.

mod anchor;
mod attachments;
mod bindings;
mod contents;
mod conversations;
mod convert;
mod errors;
mod follow;
mod grants;
mod inspect;
mod journal;
mod keep;
mod memory;
mod references;
mod search;
mod secrets;
mod service;
mod signer;
mod sync;
mod volumes;
mod writer;

use std::{ffi::OsStr, future::Future, os::unix::ffi::OsStrExt as _, path::PathBuf, sync::Arc};

use actix::Actor as _;
use ipc::{
    Client, Refusal,
    endpoint::Events,
    messages::crypto::{ReleaseStoreKey, StoreKey},
    role::source,
};
use replica::{Replica, StoreKeys};

pub use grants::{Clock, Own, PeerGrants, Rights};
pub use keep::proof;
pub use search::Search;

use crate::{
    anchor::Anchors,
    errors::{ours, refusal},
    journal::{Journals, Recover},
    service::Service,
    writer::WriterHandle,
};

/// What the archive takes before it is locked down.
pub struct Prepared {
    directory: PathBuf,
    first: bool,
}

/// Takes the directory of the open space. With `first` no agent of an earlier start can still be writing.
pub fn prepare(directory: &[u8], first: bool) -> Result<Prepared, Refusal> {
    Ok(Prepared { directory: PathBuf::from(OsStr::from_bytes(directory)), first })
}

/// Opens the archive with the key that the key process releases, and answers.
pub async fn start(
    prepared: Prepared,
    client: Client<source::Storage>,
    events: Events,
) -> Result<impl Future<Output = ()>, Refusal> {
    let StoreKey { key, space, device, person, window } = client.call(&ReleaseStoreKey).await?;
    let key = key.expose_array().map_err(|error| Refusal::internal(error.to_string()))?;
    let keys = StoreKeys::new(key, space, device);
    let replica = Replica::open(&prepared.directory, keys).map_err(|error| errors::cannot_open(&error, &prepared.directory))?;
    let writer = WriterHandle::start(replica.writer().map_err(|error| refusal(&error))?)?;
    let journals =
        Journals::open(&prepared.directory.join("journal"), replica.clone()).map_err(|error| ours("open the journal", &error))?;
    let journals = journals.start();
    if prepared.first {
        let left = journals.send(Recover { conversation: None }).await.map_err(|error| ours("read the journal", &error))?;
        conversations::close_left(&writer, &journals, left).await?;
    }
    let search = Search::start(&prepared.directory, replica.clone())?;
    search.follow(&writer);
    let rights = Rights::open(replica.clone(), grants::own(&person, &device, &window)?, grants::system_clock());
    tracing::info!(first = prepared.first, "the archive is open");
    keep::scrub::start(&replica);
    let signer = signer::start(replica.clone(), writer.clone(), client.clone());
    let anchors = Anchors::new(replica.clone(), writer.clone(), signer.clone(), client, device, Arc::new(contents::now));
    anchors.hourly();
    if replica.has_uploads().map_err(|error| refusal(&error))? {
        // Some were begun by a process that has ended, and nobody goes on with those.
        contents::collect(&replica, &writer);
    }
    let service = Service::new(prepared.directory, replica, writer, journals, signer, search, anchors, rights);
    Ok(service::run(service, events))
}
