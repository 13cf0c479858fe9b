//! Both ends of the credit of one direction of a stream: how much may be sent, and when what was read is given back.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use tokio::sync::Notify;

use crate::limits::{WINDOW_BYTES, WINDOW_FRAMES};

/// What a writer may still send.
#[derive(Default)]
pub(super) struct Allowance {
    /// Lengths of the pieces that are on their way, oldest first.
    on_their_way: RefCell<VecDeque<usize>>,
    bytes: Cell<usize>,
    changed: Notify,
    closed: Cell<bool>,
}

impl Allowance {
    /// Waits until a piece of `length` may be sent and takes the credit for it. False if the stream has ended.
    pub(super) async fn take(&self, length: usize) -> bool {
        loop {
            if self.closed.get() {
                return false;
            }
            let frames = self.on_their_way.borrow().len();
            // An empty window takes any piece, so that a piece is never larger than what may be sent.
            if frames == 0 || (frames < usize::from(WINDOW_FRAMES) && self.bytes.get() + length <= WINDOW_BYTES) {
                self.on_their_way.borrow_mut().push_back(length);
                self.bytes.set(self.bytes.get() + length);
                return true;
            }
            self.changed.notified().await;
        }
    }

    /// The reader took this many pieces.
    pub(super) fn give_back(&self, frames: u16) {
        let mut on_their_way = self.on_their_way.borrow_mut();
        for _ in 0..frames {
            let Some(length) = on_their_way.pop_front() else { break };
            self.bytes.set(self.bytes.get() - length);
        }
        self.changed.notify_one();
    }

    /// Nothing may be sent any more.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.changed.notify_one();
    }
}

/// What a reader has taken and not yet given back.
#[derive(Default)]
pub(super) struct Taken {
    frames: Cell<u16>,
    bytes: Cell<usize>,
}

impl Taken {
    /// A piece was read. Returns how many to give back now: a quarter of the window's pieces or an eighth of its bytes at
    /// a time, so that the writer never stands still while a credit is on its way (with half a window, large pieces went
    /// through the hub a quarter slower: `cargo measure streams`).
    pub(super) fn piece(&self, length: usize) -> Option<u16> {
        let frames = self.frames.get() + 1;
        let bytes = self.bytes.get() + length;
        if frames >= WINDOW_FRAMES / 4 || bytes >= WINDOW_BYTES / 8 {
            self.frames.set(0);
            self.bytes.set(0);
            Some(frames)
        } else {
            self.frames.set(frames);
            self.bytes.set(bytes);
            None
        }
    }
}
