//! The process that reads what strangers wrote about credentials: one question, one answer, and it ends.
//!
//! It has no key, no file and no socket, and asks nobody. All computing is that of `credentials`; here it is bounded: by
//! what may be read, by the clock on the wall, which is watched by another thread than the one that computes, and from
//! outside by the limits of the process. Nothing is fetched: what a question needs comes with it.
//!
//! **Architecture Invariant:** nothing of one question is there in the next, because nothing of the process is.

mod check;
mod compose;
mod service;

use std::future::Future;

use ipc::endpoint::Events;

/// Waits for its one question.
pub fn start(events: Events) -> impl Future<Output = ()> {
    service::run(events)
}
