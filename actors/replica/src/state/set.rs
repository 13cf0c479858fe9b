//! A set to which adding wins: a removal takes away what its author had seen added, and nothing that is added again at the
//! same time.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Past, Stamp, Value};

/// Its members, each with the additions that hold it there.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(transparent)]
pub struct Set(#[n(0)] BTreeMap<Value, Vec<Stamp>>);

impl Set {
    /// Its members, in order.
    pub fn members(&self) -> impl Iterator<Item = &Value> {
        self.0.keys()
    }

    /// Whether this is one.
    pub fn contains(&self, value: &Value) -> bool {
        self.0.contains_key(value)
    }

    pub(super) fn add(&mut self, value: &Value, stamp: &Stamp, past: &Past) {
        let additions = self.0.entry(value.clone()).or_default();
        // Those that were seen are replaced by this one, so there are never more than are made at the same time.
        additions.retain(|before| !past.has(before));
        additions.push(*stamp);
    }

    pub(super) fn remove(&mut self, value: &Value, past: &Past) {
        if let Some(additions) = self.0.get_mut(value) {
            additions.retain(|stamp| !past.has(stamp));
            if additions.is_empty() {
                self.0.remove(value);
            }
        }
    }

    pub(super) fn clear(&mut self, past: &Past) {
        self.0.retain(|_, additions| {
            additions.retain(|stamp| !past.has(stamp));
            !additions.is_empty()
        });
    }
}
