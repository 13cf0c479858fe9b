//! Whether a chain is whole: its records are given from the newest to the oldest, and what is not there is named.

use super::{
    Top,
    record::{Previous, Record},
};

/// Gaps that are named; of more there is only word that there are more.
const MOST: usize = 64;

/// Looks at one chain.
pub(crate) struct Chain {
    /// What must come next, going back: its number, where it lies and its hash.
    expected: Option<(u64, Previous)>,
    /// The oldest place of the file that can be opened.
    oldest: u64,
    /// Numbers that are missing, first and last.
    pub(crate) missing: Vec<(u64, u64)>,
    /// There are more gaps than are named.
    pub(crate) and_more: bool,
    /// The lowest number that was found in its place.
    pub(crate) first: Option<u64>,
}

impl Chain {
    /// A chain that ends with this one.
    pub(crate) fn ending(top: &Top) -> Chain {
        let expected = top.newest.map(|newest| (top.number, newest));
        Chain { expected, oldest: top.oldest, missing: Vec::new(), and_more: false, first: None }
    }

    /// The next one that opened, going back.
    pub(crate) fn take(&mut self, record: &Record, at: Previous) {
        let number = record.link.number;
        match self.expected {
            Some((wanted, previous)) if (wanted, previous) == (number, at) => {}
            Some((wanted, _)) if number < wanted => self.miss(number + 1, wanted),
            // It opened, so it was written here; a chain that goes on without it was begun from an older state of the file.
            _ => self.miss(number, number),
        }
        self.first = Some(number);
        self.expected = number.checked_sub(1).zip(record.link.previous).filter(|(before, _)| *before > 0);
    }

    /// There are no more.
    pub(crate) fn end(&mut self) {
        // What was written over by newer ones is not missing, nor anything before it.
        if let Some((number, previous)) = self.expected.take()
            && previous.place >= self.oldest
        {
            self.miss(1, number);
        }
    }

    fn miss(&mut self, first: u64, last: u64) {
        if self.missing.len() < MOST { self.missing.push((first, last)) } else { self.and_more = true }
    }
}
