//! A number to which each device adds. No addition is lost.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Device, Past, Stamp};

/// What each device has added, and by which of its events last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Counter(#[n(0)] BTreeMap<Device, (i64, u64)>);

impl Counter {
    /// The sum. One that would leave the range of numbers stays at its end.
    pub fn value(&self) -> i64 {
        let sum: i128 = self.0.values().map(|(sum, _)| i128::from(*sum)).sum();
        sum.clamp(i64::MIN.into(), i64::MAX.into()).try_into().unwrap_or(0)
    }

    /// Nothing was ever added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, by: i64, stamp: &Stamp) {
        let (sum, last) = self.0.entry(stamp.device).or_default();
        *sum = sum.saturating_add(by);
        *last = stamp.sequence;
    }

    /// Takes away what devices have added, save where the last of it was not seen: such a device's sum stays whole.
    pub(super) fn clear(&mut self, past: &Past) {
        self.0.retain(|device, (_, last)| !past.has_event(device, *last));
    }
}
