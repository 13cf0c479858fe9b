//! What ends a run from outside the interpreter, and what it is called then.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::{net::unix::pipe, sync::Notify};

static TOO_MUCH_OUTPUT: AtomicBool = AtomicBool::new(false);
static OUTPUT: Notify = Notify::const_new();

/// The script has written more than it may. Called on its thread, which gets an exception; the run is over whatever the
/// script does with it.
pub(crate) fn too_much_output() {
    TOO_MUCH_OUTPUT.store(true, Relaxed);
    OUTPUT.notify_one();
}

/// Whether that has happened.
pub(crate) fn wrote_too_much() -> bool {
    TOO_MUCH_OUTPUT.load(Relaxed)
}

/// Waits until it happens.
pub(crate) async fn output() {
    while !wrote_too_much() {
        OUTPUT.notified().await;
    }
}

/// Waits until a thread of the script wants more memory than it may have.
pub(crate) async fn memory(bell: &pipe::Receiver) {
    // An error means that the bell cannot be heard; then the limit of the address space holds alone.
    if bell.readable().await.is_err() {
        std::future::pending().await
    }
}
