//! One value: the last written stays. The others stay in the history of the entity.

use minicbor::{Decode, Encode};

use super::{Past, Stamp, Value};

/// A value and when it was written. One that holds none was never written, or was cleared.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Register {
    #[n(0)]
    written: Option<(Stamp, Value)>,
}

impl Register {
    /// What it holds.
    pub fn value(&self) -> Option<&Value> {
        self.written.as_ref().map(|(_, value)| value)
    }

    /// When that was written.
    pub fn stamp(&self) -> Option<&Stamp> {
        self.written.as_ref().map(|(stamp, _)| stamp)
    }

    pub(super) fn set(&mut self, value: &Value, stamp: &Stamp) {
        self.written = Some((*stamp, value.clone()));
    }

    /// Clears what was seen; a value that was written meanwhile stays.
    pub(super) fn clear(&mut self, past: &Past) {
        if self.stamp().is_some_and(|stamp| past.has(stamp)) {
            self.written = None;
        }
    }
}
