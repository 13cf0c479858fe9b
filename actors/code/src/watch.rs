//! What ends a run from outside the interpreter, and what it is called then.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::Notify;

/// Something that happens once, on any thread, and is awaited on one.
struct Alarm {
    raised: AtomicBool,
    heard: Notify,
}

impl Alarm {
    const fn new() -> Alarm {
        Alarm { raised: AtomicBool::new(false), heard: Notify::const_new() }
    }

    fn raise(&self) {
        self.raised.store(true, Relaxed);
        self.heard.notify_one();
    }

    async fn wait(&self) {
        while !self.raised.load(Relaxed) {
            self.heard.notified().await;
        }
    }
}

static OUTPUT: Alarm = Alarm::new();
static MEMORY: Alarm = Alarm::new();

/// The script has written more than it may. Called on its thread, which gets an exception; the run is over whatever the
/// script does with it.
pub(crate) fn too_much_output() {
    OUTPUT.raise();
}

/// Whether that has happened.
pub(crate) fn wrote_too_much() -> bool {
    OUTPUT.raised.load(Relaxed)
}

/// Waits until it happens.
pub(crate) async fn output() {
    OUTPUT.wait().await;
}

/// A thread of the script wants more memory than it may have, and sleeps.
pub(crate) fn too_much_memory() {
    MEMORY.raise();
}

/// Waits until that happens.
pub(crate) async fn memory() {
    MEMORY.wait().await;
}
