//! Ranges of several authors in one order: by clock, which puts parents before children, because the clock of an event is
//! later than that of every event its author had seen. So a stream that is cut anywhere leaves nothing whose parents are
//! missing.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::{
    records::{Author, Id, Link, Range},
    side::{Side, SideError},
};

/// Links that are held for all authors together, at least one for each.
const HELD: usize = 16_384;

/// Most links read at once for one author.
const PAGE: usize = 256;

/// One author's events that are still to come.
struct Lane {
    author: Author,
    after: u64,
    upto: u64,
    links: VecDeque<Link>,
    short: bool,
}

/// Events of several authors, in order.
pub(crate) struct Merge {
    lanes: Vec<Lane>,
    next: BinaryHeap<Reverse<(u64, Id, usize)>>,
    page: usize,
    /// The next ones, in order. What was sent is taken off the front.
    pub(crate) ready: VecDeque<Id>,
}

impl Merge {
    /// The events of these ranges.
    pub(crate) fn new<S: Side + ?Sized>(side: &S, ranges: &[Range]) -> Result<Merge, SideError> {
        let page = (HELD / ranges.len().max(1)).clamp(1, PAGE);
        let mut merge = Merge { lanes: Vec::with_capacity(ranges.len()), next: BinaryHeap::new(), page, ready: VecDeque::new() };
        for range in ranges {
            let Range { author, after, upto, .. } = *range;
            merge.lanes.push(Lane { author, after, upto, links: VecDeque::new(), short: false });
            merge.refill(side, merge.lanes.len() - 1)?;
        }
        Ok(merge)
    }

    /// Sees to it that the next ids are ready, so many if there are.
    pub(crate) fn prepare<S: Side + ?Sized>(&mut self, side: &S, count: usize) -> Result<(), SideError> {
        while self.ready.len() < count {
            let Some(Reverse((_, id, lane))) = self.next.pop() else { break };
            self.ready.push_back(id);
            self.lanes[lane].links.pop_front();
            self.refill(side, lane)?;
        }
        Ok(())
    }

    /// Authors of whom less was held than was asked for.
    pub(crate) fn short(&self) -> Vec<Author> {
        self.lanes.iter().filter(|lane| lane.short).map(|lane| lane.author).collect()
    }

    fn refill<S: Side + ?Sized>(&mut self, side: &S, index: usize) -> Result<(), SideError> {
        let lane = &mut self.lanes[index];
        if lane.links.is_empty() && lane.after < lane.upto {
            lane.links = side.chain(&lane.author, lane.after, lane.upto, self.page)?.into();
            match lane.links.back() {
                Some(last) => lane.after = last.sequence,
                None => (lane.short, lane.upto) = (true, lane.after),
            }
        }
        if let Some(link) = lane.links.front() {
            self.next.push(Reverse((link.clock, link.id, index)));
        }
        Ok(())
    }
}
