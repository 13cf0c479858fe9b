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
    io::{self, Read as _},
    sync::{
        Arc, Barrier, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// Stack of the thread that listens for the bell.
const STACK: usize = 64 << 10;

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
        thread::sleep(Duration::from_secs(3600));
    }
}

/// The calling thread watches and belongs to no script.
pub(crate) fn this_thread_is_the_host() {
    HOST.set(true);
}

/// What rings when a thread of the script wants more than it may have.
pub(crate) struct Bell {
    heard: io::PipeReader,
    rung: io::PipeWriter,
}

impl Bell {
    /// Made before the lockdown, after which no pipe can be made.
    pub(crate) fn new() -> io::Result<Bell> {
        let (heard, rung) = io::pipe()?;
        Ok(Bell { heard, rung })
    }
}

/// From now on the threads of the script may hold `bytes` more than all threads hold now; when one wants more,
/// `too_much` is called, on a thread of its own.
pub(crate) fn limit(bytes: u64, bell: Bell, too_much: fn()) -> io::Result<()> {
    let mut heard = bell.heard;
    let listens = Arc::new(Barrier::new(2));
    let ready = Arc::clone(&listens);
    thread::Builder::new().name("memory".to_owned()).stack_size(STACK).spawn(move || {
        this_thread_is_the_host();
        ready.wait();
        if heard.read(&mut [0]).is_ok_and(|rings| rings > 0) {
            too_much();
        }
    })?;
    // A thread that only begins allocates too, and would be put to sleep by the limit it is to watch.
    listens.wait();
    // Set once: a process has one run.
    let _ = BELL.set(bell.rung);
    let held = HELD.load(Relaxed);
    PEAK.store(held, Relaxed);
    LIMIT.store(held.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX)), Relaxed);
    Ok(())
}

/// Bytes that all threads hold.
pub(crate) fn held() -> usize {
    HELD.load(Relaxed)
}

/// Most bytes that all threads held at once since the limit was set.
pub(crate) fn peak() -> usize {
    PEAK.load(Relaxed)
}
