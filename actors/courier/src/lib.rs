//! The carrying process: what goes to other machines and comes from them. So far a library of remote places: S3 and WebDAV
//! by OpenDAL, Vercel Blob by an adapter of our own, each behind [`backends::Storage`].
//!
//! What it carries is sealed before it gets here. It has one credential at a time, and that is bound: to the origins that
//! the [`Target`] names and no other, whatever a server answers.
//!
//! **Architecture Invariant:** OpenDAL is named in `dal/` and nowhere else. No redirect is followed; no credential is sent
//! in the clear, except to this machine; nothing here has a key of the archive or reads what it carries.

mod credential;
mod dal;
mod http;
mod place;
mod read;
mod target;
mod vercel;

pub use credential::{Credential, Secret};
pub use http::{Http, Times, tls};
pub use target::{BadTarget, Kind, Target};

use std::rc::Rc;

use backends::{Storage, StorageError};

/// Opens the place that a target describes. Nothing is asked of it yet.
pub fn open(target: &Target, credential: &Credential, http: &Http) -> Result<Rc<dyn Storage>, StorageError> {
    Ok(match target.kind {
        Kind::S3 { .. } => Rc::new(dal::s3::open(target, credential, http)?),
        Kind::WebDav => Rc::new(dal::web_dav::open(target, credential, http)?),
        Kind::VercelBlob { .. } => Rc::new(vercel::VercelBlob::open(target, credential, http)?),
    })
}
