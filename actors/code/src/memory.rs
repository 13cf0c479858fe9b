//! Memory of a script, counted where it is allocated.
//!
//! The operating system can limit address space, which an interpreter reserves generously, and not what a script holds.
//! So the allocator counts: every byte any thread asks for and gives back. While a run is limited and a thread of the
//! script asks for more than it may, that thread is put to sleep for ever, before anything has failed, and the thread that
//! watches the run says what happened. No exception to catch, no abort to guess the meaning of.

#![expect(unsafe_code, reason = "an allocator is unsafe by its interface; it adds counting to one that does the work")]

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    io,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::net::unix::pipe;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
static BELL: OnceLock<io::PipeWriter> = OnceLock::new();

thread_local! {
    /// The thread that watches is never put to sleep.
    static HOST: Cell<bool> = const { Cell::new(false) };
}

/// An allocator that counts. The program uses it in every role; only a run sets a limit.
pub struct Counting<A>(pub A);

// SAFETY: every call is passed on to `A` unchanged; what is added does not touch the memory.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's promises are those of `A`.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are those of `A`.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's promises are those of `A`.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both at once for a moment, because a move needs both.
        take(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are those of `A`.
        unsafe { self.0.realloc(pointer, layout, size) }
    }
}

fn take(size: usize) {
    let held = HELD.fetch_add(size, Relaxed).saturating_add(size);
    if held > PEAK.load(Relaxed) {
        PEAK.store(held, Relaxed);
    }
    if held > LIMIT.load(Relaxed) && !HOST.get() {
        sleep_for_ever();
    }
}

#[cold]
fn sleep_for_ever() {
    if let Some(bell) = BELL.get() {
        // It may have been rung already.
        let _ = rustix::io::write(bell, &[1]);
    }
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// The calling thread watches and belongs to no script.
pub(crate) fn this_thread_is_the_host() {
    HOST.set(true);
}

/// From now on the threads of the script may hold `bytes` more than all threads hold now. Returns what rings when one
/// wants more. Must be called inside a tokio runtime.
pub(crate) fn limit(bytes: u64) -> io::Result<pipe::Receiver> {
    let (watched, bell) = io::pipe()?;
    rustix::io::ioctl_fionbio(&watched, true)?;
    let watched = pipe::Receiver::from_owned_fd(watched.into())?;
    // Set once: a process has one run.
    let _ = BELL.set(bell);
    let held = HELD.load(Relaxed);
    PEAK.store(held, Relaxed);
    LIMIT.store(held.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX)), Relaxed);
    Ok(watched)
}

/// Bytes that all threads hold.
pub(crate) fn held() -> usize {
    HELD.load(Relaxed)
}

/// Most bytes that all threads held at once since the limit was set.
pub(crate) fn peak() -> usize {
    PEAK.load(Relaxed)
}
