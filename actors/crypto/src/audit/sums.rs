//! What is summed: calls of one verb by one role with one outcome, after the first that were written each.

use std::collections::{BTreeMap, VecDeque};

use super::Act;

/// Different things that are counted apart; of more, each is written.
const MOST: usize = 1024;

/// A record that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) verb: u16,
    /// Role and instance: of a sum, of the last.
    pub(crate) caller: (u8, u32),
    pub(crate) outcome: u16,
    pub(crate) times: u32,
    pub(crate) since_ms: u64,
    pub(crate) at_ms: u64,
    /// Of a sum: BLAKE3 of what it was before ‖ the next, begun with zeros.
    pub(crate) objects: [u8; 32],
    pub(crate) misses: u32,
}

/// Verb, role, outcome.
type Kind = (u16, u8, u16);

#[derive(Default)]
struct Count {
    /// Written each, since the last flush or ever.
    each: u32,
    /// Not written yet.
    summed: Option<Due>,
}

/// All that is counted while a space is open.
#[derive(Default)]
pub(crate) struct Sums(BTreeMap<Kind, Count>);

impl Sums {
    /// Counts a call: what is to be written now, or `None` if it is summed. `each` are written before any is summed.
    pub(crate) fn take(&mut self, act: &Act, at_ms: u64, each: u32) -> Option<Due> {
        let (role, instance) = (act.by.0 as u8, act.by.1.0);
        let outcome = act.refused.map_or(0, |code| code as u16);
        let due = Due {
            verb: act.verb,
            caller: (role, instance),
            outcome,
            times: 1,
            since_ms: at_ms,
            at_ms,
            objects: act.objects,
            misses: 0,
        };
        let kind = (act.verb, role, outcome);
        if self.0.len() >= MOST && !self.0.contains_key(&kind) {
            return Some(due);
        }
        let count = self.0.entry(kind).or_default();
        if count.each < each {
            count.each += 1;
            return Some(due);
        }
        let before = count.summed.unwrap_or(Due { times: 0, objects: [0; 32], ..due });
        let objects = *blake3::hash(&[before.objects, act.objects].concat()).as_bytes();
        let times = before.times.saturating_add(1);
        count.summed = Some(Due { times, since_ms: before.since_ms, objects, ..due });
        None
    }

    /// Every sum, to be written. What is written each, but for these verbs and for refusals, is so again.
    pub(crate) fn drain(&mut self, often: &[u16]) -> VecDeque<Due> {
        let mut due = VecDeque::new();
        for ((verb, _, outcome), count) in &mut self.0 {
            due.extend(count.summed.take());
            if *outcome == 0 && !often.contains(verb) {
                count.each = 0;
            }
        }
        due
    }
}
