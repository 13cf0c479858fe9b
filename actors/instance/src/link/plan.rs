//! What is asked for before anybody misses it: what the store says, one thing after the other, and each thing a few times
//! at most until it is thought about anew. What leaves while other things come would otherwise be asked for for ever.

use std::collections::{HashMap, VecDeque};

use replica::sparse::{Ask, Missing};

/// How often something of one conversation is asked for: its newest messages and those behind them, and each once more.
const TIMES: u8 = 4;

/// See the module.
#[derive(Default)]
pub(super) struct Plan {
    next: VecDeque<Missing>,
    asked: HashMap<[u8; 16], u8>,
    done: bool,
}

impl Plan {
    /// Nothing more is to be asked for.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// The next thing to ask for, of what is planned.
    pub(super) fn next(&mut self) -> Option<Missing> {
        let missing = self.next.pop_front()?;
        *self.asked.entry(missing.entity).or_default() += 1;
        Some(missing)
    }

    /// The store says what is missing; titles are asked for in another session.
    pub(super) fn fill(&mut self, asks: Vec<Ask>) {
        let missing = asks.into_iter().filter_map(|ask| match ask {
            Ask::Some(missing) => Some(missing),
            Ask::Titles => None,
        });
        self.next = missing.filter(|missing| self.asked.get(&missing.entity).is_none_or(|times| *times < TIMES)).collect();
        self.done = self.next.is_empty();
    }

    /// Something is different.
    pub(super) fn anew(&mut self) {
        *self = Plan::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_to_stay_is_given_up() {
        let missing = |entity: u8| Missing { entity: [entity; 16], before: 9, limit: 51, issue: 1 };
        let asks = || vec![Ask::Titles, Ask::Some(missing(1)), Ask::Some(missing(2))];
        let mut plan = Plan::default();
        let mut asked = 0;
        while !plan.is_done() {
            plan.fill(asks());
            while plan.next().is_some() {
                asked += 1;
                assert!(asked < 100, "it asks for ever");
            }
        }
        assert_eq!(asked, 2 * usize::from(TIMES));
        plan.anew();
        plan.fill(asks());
        assert_eq!(plan.next(), Some(missing(1)));
        plan.anew();
        plan.fill(vec![Ask::Titles]);
        assert!(plan.is_done() && plan.next().is_none());
    }
}
