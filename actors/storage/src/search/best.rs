//! The best documents of a question, and of equally good ones the newest.
//!
//! The engine's own collector prefers the oldest of equals, and its collectors by more than the score look at every
//! document. This one lets the engine skip what cannot be among the best, as its own does.

use std::{cmp::Reverse, collections::BinaryHeap};

use tantivy::{
    DocId, Score, SegmentOrdinal, SegmentReader,
    collector::{Collector, SegmentCollector},
    query::Weight,
    schema::Schema,
};

/// How well a document fits and when it was kept: the greater is the better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rank {
    pub(crate) score: Score,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    /// The place of its event in the archive.
    pub(crate) position: u64,
}

impl Eq for Rank {}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Rank) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Rank) -> std::cmp::Ordering {
        self.score.total_cmp(&other.score).then(self.at.cmp(&other.at)).then(self.position.cmp(&other.position))
    }
}

/// Collects so many of the best.
pub(crate) struct Best(pub(crate) usize);

/// The interface wants one; all is done in [`Best::collect_segment`].
pub(crate) struct Nothing;

impl SegmentCollector for Nothing {
    type Fruit = Vec<Rank>;
    fn collect(&mut self, _: DocId, _: Score) {}
    fn harvest(self) -> Vec<Rank> {
        Vec::new()
    }
}

impl Collector for Best {
    type Fruit = Vec<Rank>;
    type Child = Nothing;

    fn check_schema(&self, _: &Schema) -> tantivy::Result<()> {
        Ok(())
    }

    fn for_segment(&self, _: SegmentOrdinal, _: &SegmentReader) -> tantivy::Result<Nothing> {
        Ok(Nothing)
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn collect_segment(&self, weight: &dyn Weight, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<Vec<Rank>> {
        let (at, position) = (segment.fast_fields().u64("at")?, segment.fast_fields().u64("position")?);
        let alive = segment.alive_bitset();
        let mut best: BinaryHeap<Reverse<Rank>> = BinaryHeap::with_capacity(self.0 + 1);
        let mut threshold = Score::MIN;
        weight.for_each_pruning(Score::MIN, segment, &mut |document, score| {
            if alive.is_some_and(|alive| alive.is_deleted(document)) {
                return threshold;
            }
            let rank = Rank { score, at: at.first(document).unwrap_or(0), position: position.first(document).unwrap_or(0) };
            if best.len() < self.0 {
                best.push(Reverse(rank));
            } else if let Some(mut least) = best.peek_mut()
                && rank > least.0
            {
                *least = Reverse(rank);
            }
            if best.len() == self.0 {
                // Just below the least of the best, so that a newer one that is as good is shown to us.
                threshold = best.peek().map_or(Score::MIN, |least| least.0.score.next_down());
            }
            threshold
        })?;
        Ok(best.into_iter().map(|Reverse(rank)| rank).collect())
    }

    fn merge_fruits(&self, segments: Vec<Vec<Rank>>) -> tantivy::Result<Vec<Rank>> {
        let mut all = segments.concat();
        all.sort_by(|one, other| other.cmp(one));
        all.truncate(self.0);
        Ok(all)
    }
}
