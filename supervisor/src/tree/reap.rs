//! Waiting for a process to end without a signal handler: its pidfd becomes readable.

use std::{io, os::fd::OwnedFd};

use tokio::io::unix::AsyncFd;

/// Watches a pidfd.
#[expect(unsafe_code, reason = "tokio asks for the promise that a descriptor stays what it is")]
pub fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and refers to the same file until it is dropped, and the `AsyncFd` owns it.
    unsafe { AsyncFd::register(pidfd) }.map_err(|error| error.into_parts().1)
}
