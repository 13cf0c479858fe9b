//! The newest documents of a question in which none fits better than another: beginnings, single characters and filters.
//!
//! There is nothing to score, so what is asked of a document is when it was kept, for sixty-four of them at a time. Files of
//! the index are looked at from the newest on, and not at all once they have nothing that is new enough: what is kept is
//! indexed in its order, and so a beginning that half of the archive has is answered from the files of the last days.

use std::{cmp::Reverse, collections::BinaryHeap};

use tantivy::{
    Searcher, SegmentReader,
    columnar::Column,
    query::{EnableScoring, Query, Weight},
};

use super::best::Rank;

/// Documents the engine shows at a time.
const BLOCK: usize = 64;

/// So many of the newest, the newest first.
pub(crate) struct Newest {
    limit: usize,
    found: BinaryHeap<Reverse<Rank>>,
}

impl Newest {
    /// Of all there is.
    pub(crate) fn of(searcher: &Searcher, query: &dyn Query, limit: usize) -> tantivy::Result<Vec<Rank>> {
        let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
        let mut segments = Vec::new();
        for segment in searcher.segment_readers() {
            segments.push((segment.fast_fields().u64("at")?, segment));
        }
        segments.sort_by_key(|(at, _)| Reverse(at.max_value()));
        let mut newest = Newest { limit, found: BinaryHeap::with_capacity(limit + 1) };
        for (at, segment) in segments {
            if at.max_value() < newest.floor() {
                break;
            }
            newest.look(&*weight, segment, &at)?;
        }
        let mut found: Vec<Rank> = newest.found.into_iter().map(|Reverse(rank)| rank).collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        Ok(found)
    }

    /// What was kept before this moment is not among the newest.
    fn floor(&self) -> u64 {
        self.found.peek().filter(|_| self.found.len() >= self.limit).map_or(0, |Reverse(least)| least.at)
    }

    fn look(&mut self, weight: &dyn Weight, segment: &SegmentReader, at: &Column<u64>) -> tantivy::Result<()> {
        let position = segment.fast_fields().u64("position")?;
        let alive = segment.alive_bitset();
        let mut moments = [None; BLOCK];
        weight.for_each_no_score(segment, &mut |documents| {
            for documents in documents.chunks(BLOCK) {
                let moments = &mut moments[..documents.len()];
                moments.fill(None);
                at.first_vals(documents, moments);
                for (document, moment) in documents.iter().zip(moments) {
                    let moment = moment.unwrap_or(0);
                    if moment >= self.floor() && alive.is_none_or(|alive| alive.is_alive(*document)) {
                        self.take(Rank { score: 1.0, at: moment, position: position.first(*document).unwrap_or(0) });
                    }
                }
            }
        })
    }

    fn take(&mut self, rank: Rank) {
        if self.found.len() < self.limit {
            self.found.push(Reverse(rank));
        } else if let Some(mut least) = self.found.peek_mut()
            && rank > least.0
        {
            *least = Reverse(rank);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tantivy::{
        Index, IndexWriter, TantivyDocument, Term,
        merge_policy::NoMergePolicy,
        query::AllQuery,
        schema::{FAST, INDEXED, Schema},
    };

    use super::*;

    /// An index whose files hold documents of these moments, without every `nth` document.
    fn index(files: &[Vec<u8>], without: u64) -> Index {
        let mut schema = Schema::builder();
        let (at, position) = (schema.add_u64_field("at", FAST), schema.add_u64_field("position", FAST | INDEXED));
        let index = Index::create_in_ram(schema.build());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).expect("a writer");
        writer.set_merge_policy(Box::new(NoMergePolicy));
        for (number, moment) in (0_u64..).zip(files.iter().flatten()) {
            let mut document = TantivyDocument::new();
            document.add_u64(at, u64::from(*moment));
            document.add_u64(position, number);
            writer.add_document(document).expect("taken");
            let end_of_file = files.iter().scan(0, |end, file| {
                *end += file.len();
                Some(*end as u64)
            });
            if end_of_file.into_iter().any(|end| end == number + 1) {
                writer.commit().expect("kept");
            }
        }
        let count = files.iter().map(Vec::len).sum::<usize>() as u64;
        (0..count).filter(|number| number % without == 0).for_each(|number| {
            writer.delete_term(Term::from_field_u64(position, number));
        });
        writer.commit().expect("kept");
        index
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn they_are_the_newest_of_all_that_are_there(
            files in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..150), 1..5),
            limit in 1_usize..40,
            without in 2_u64..9,
        ) {
            let found = Newest::of(&index(&files, without).reader().expect("open").searcher(), &AllQuery, limit).expect("found");
            let found: Vec<(u64, u64)> = found.iter().map(|rank| (rank.at, rank.position)).collect();
            let numbered = (0_u64..).zip(files.iter().flatten()).filter(|(number, _)| number % without != 0);
            let mut all: Vec<(u64, u64)> = numbered.map(|(number, at)| (u64::from(*at), number)).collect();
            all.sort_unstable_by(|one, other| other.cmp(one));
            all.truncate(limit);
            prop_assert_eq!(found, all);
        }
    }
}
