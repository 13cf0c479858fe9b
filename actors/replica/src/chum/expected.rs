//! What was asked for and has not come yet. A parcel that is not in here was not asked for.

use std::collections::{HashMap, HashSet};

use ipc::event::EventHeader;

use super::{
    fault::PeerFault,
    records::{Author, Id, Range},
};

/// What a request may be answered with.
pub(crate) enum Expect {
    /// Ranges.
    Chain(Chain),
    /// These.
    Ids { left: HashSet<Id>, source: Source },
    /// Events of an entity, so many at most.
    Entity { entity: [u8; 16], left: u32, handle: u32, came: u64 },
}

/// Why ids were asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Span,
    Offer,
    Fetch { handle: u32, came: u64 },
}

/// Ranges on their way.
pub(crate) struct Chain {
    pub(crate) lanes: HashMap<Author, Lane>,
    pub(crate) last: (u64, Id),
    /// One event was refused for its clock, and all that come after it are later still.
    pub(crate) ended: bool,
}

/// One author's part of them.
pub(crate) struct Lane {
    pub(crate) next: u64,
    pub(crate) upto: u64,
    pub(crate) stalled: bool,
}

impl Chain {
    /// These ranges, of which nothing has come.
    pub(crate) fn new(ranges: &[Range]) -> Chain {
        let lane = |range: &Range| (range.author, Lane { next: range.after + 1, upto: range.upto, stalled: false });
        Chain { lanes: ranges.iter().map(lane).collect(), last: (0, [0; 32]), ended: false }
    }

    /// Whether it is the next one, in the order of parents before children.
    fn admits(&mut self, id: &Id, header: &EventHeader) -> Result<bool, PeerFault> {
        let lane = self.lanes.get_mut(&header.author).ok_or(PeerFault::Unasked)?;
        if lane.next > lane.upto {
            return Err(PeerFault::Unasked);
        }
        if header.sequence != lane.next || (header.clock.0, *id) <= self.last {
            return Err(PeerFault::OutOfOrder);
        }
        lane.next += 1;
        self.last = (header.clock.0, *id);
        Ok(!lane.stalled && !self.ended)
    }
}

impl Expect {
    /// Whether a parcel that answers this is part of it, and is to be handed on.
    pub(crate) fn admits(&mut self, id: &Id, header: &EventHeader) -> Result<bool, PeerFault> {
        match self {
            Expect::Chain(chain) => chain.admits(id, header),
            Expect::Ids { left, source } => {
                if !left.remove(id) {
                    return Err(PeerFault::Unasked);
                }
                if let Source::Fetch { came, .. } = source {
                    *came += 1;
                }
                Ok(true)
            }
            Expect::Entity { entity, left, came, .. } => {
                if header.entity != *entity || *left == 0 {
                    return Err(PeerFault::Unasked);
                }
                *left -= 1;
                *came += 1;
                Ok(true)
            }
        }
    }
}
