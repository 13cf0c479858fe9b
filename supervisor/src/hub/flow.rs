//! The credit of one direction of a stream, as the hub enforces it.

use std::collections::VecDeque;

use ipc::limits::{WINDOW_BYTES, WINDOW_FRAMES};

/// What is on its way to the reader.
#[derive(Debug, Default)]
pub(super) struct Flow {
    lengths: VecDeque<usize>,
    bytes: usize,
    ended: bool,
}

impl Flow {
    /// The writer sends a piece. False if it has no credit for it or has said that there are no more.
    #[must_use]
    pub(super) fn send(&mut self, length: usize) -> bool {
        let frames = self.lengths.len();
        let room = frames == 0 || (frames < usize::from(WINDOW_FRAMES) && self.bytes + length <= WINDOW_BYTES);
        if self.ended || !room {
            return false;
        }
        self.lengths.push_back(length);
        self.bytes += length;
        true
    }

    /// The reader gives pieces back. False if it never got as many.
    #[must_use]
    pub(super) fn give_back(&mut self, frames: u16) -> bool {
        for _ in 0..frames {
            let Some(length) = self.lengths.pop_front() else { return false };
            self.bytes -= length;
        }
        true
    }

    /// The writer has no more pieces. False if it said so before.
    #[must_use]
    pub(super) fn end(&mut self) -> bool {
        !std::mem::replace(&mut self.ended, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_sixteen_pieces_or_a_quarter_of_a_mebibyte() {
        let mut small = Flow::default();
        assert!((0..16).all(|_| small.send(1)));
        assert!(!small.send(1));
        assert!(small.give_back(2) && small.send(1) && small.send(1) && !small.send(1));
        let mut large = Flow::default();
        assert!((0..4).all(|_| large.send(64 << 10)));
        assert!(!large.send(1));
    }

    #[test]
    fn credit_that_was_never_given_is_noticed() {
        let mut flow = Flow::default();
        assert!(flow.send(1) && flow.send(1));
        assert!(!flow.give_back(3));
    }

    #[test]
    fn nothing_follows_the_end() {
        let mut flow = Flow::default();
        assert!(flow.end() && !flow.end() && !flow.send(1));
    }
}
