//! The carrying process: what goes to other machines and comes from them. So far remote places: S3 and WebDAV by OpenDAL,
//! Vercel Blob by an adapter of our own, each behind [`backends::Storage`]. Devices come with their issue.
//!
//! What it carries is sealed before it gets here. It asks the key process for one secret for each call, and that is bound:
//! to the origin it was lent for and no other, whatever a caller names or a server answers.
//!
//! **Architecture Invariant:** OpenDAL is named in `dal/` and nowhere else. No redirect is followed; no credential is sent
//! in the clear, except to this machine; nothing here has a key of the archive or reads what it carries, and nothing is
//! kept.

mod credential;
mod dal;
mod http;
mod pieces;
mod read;
mod refusals;
mod service;
mod target;
mod targets;
mod vercel;

use std::{future::Future, rc::Rc};

use backends::{Storage, StorageError};
use ipc::{Client, Refusal, endpoint::Events, role::source};

pub use credential::{Credential, Secret};
pub use http::{Http, Times};
/// What the carrying process takes before it is locked down.
pub use outbound::Prepared;
pub use target::{BadTarget, Kind, Target};

use crate::{refusals::refusal, service::Service, targets::Targets};

/// Reads certificates, the resolver's file and the hosts file.
pub fn prepare() -> Result<Prepared, Refusal> {
    Prepared::read()
}

/// Starts the carrying process. It connects to nothing before it is asked.
pub fn start(prepared: Prepared, client: Client<source::Courier>, events: Events) -> Result<impl Future<Output = ()>, Refusal> {
    let http = Http::new(prepared, Times::default()).map_err(|error| refusal(&error))?;
    Ok(service::run(Service::new(client, Targets::new(http)), events))
}

/// Opens the place that a target describes. Nothing is asked of it yet.
pub fn open(target: &Target, credential: &Credential, http: &Http) -> Result<Rc<dyn Storage>, StorageError> {
    Ok(match target.kind {
        Kind::S3 { .. } => Rc::new(dal::s3::open(target, credential, http)?),
        Kind::WebDav => Rc::new(dal::web_dav::open(target, credential, http)?),
        Kind::VercelBlob { .. } => Rc::new(vercel::VercelBlob::open(target, credential, http)?),
    })
}
