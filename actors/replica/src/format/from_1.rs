//! From format 1 to 2: events of several authors. There are indexes by author, by clock and of the heads of an entity;
//! messages are ordered by author where clocks are equal. All of these are derived, so it is enough to say that nothing
//! is folded yet.

use super::{Step, set_folded};

pub(super) const STEP: Step = Step { from: 1, take: |txn| set_folded(txn, false) };
